//! The rules of the project, by the promtool of the newest Prometheus. That of the oldest is in `tests/repo`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use blockwarden::catalogue::{self, RuleFormat, RuleTarget};
use blockwarden::model::RuleSettings;
use serde_json::Value;

use crate::stack::Programs;

/// The newest promtool takes what is committed, runs its unit tests, and takes what is made for each target.
#[test]
fn the_newest_promtool_accepts_the_rules() {
    let promtool = Programs::find().promtool;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let listed = |folder: &str| -> Vec<PathBuf> {
        let entries = fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect()
    };
    let run = |words: &[&str], files: &[PathBuf]| {
        let output = Command::new(&promtool).args(words).args(files).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success() && !files.is_empty(), "{}", String::from_utf8_lossy(&said));
    };
    run(&["check", "rules", "--lint=all", "--lint-fatal"], &listed("rules"));
    run(&["test", "rules"], &listed("rules/tests"));

    let catalogue = catalogue::embedded().unwrap();
    let folder = tempfile::tempdir().unwrap();
    for target in [RuleTarget::V2_42, RuleTarget::V2_53, RuleTarget::V3] {
        let path = folder.path().join(format!("{}.yaml", target.name()));
        let settings = RuleSettings::default();
        fs::write(&path, catalogue::rule_document(catalogue, &settings, RuleFormat::Prometheus, target).unwrap())
            .unwrap();
        run(&["check", "rules", "--lint=all", "--lint-fatal"], &[path]);
    }
}

/// What pint says about the rules of a folder at `information` or above: the file, the check and its words.
fn pint(folder: &Path) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let report = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new(Programs::find().pint);
    command.arg("--offline").arg("--config").arg(root.join("tests/stack/pint/.pint.hcl"));
    command.args(["lint", "--min-severity", "info", "--json"]).arg(report.path()).arg(folder.join("*.yaml"));
    let output = command.output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    // it may end well without having looked at anything
    assert!(said.contains("Checking Prometheus rules") && !said.contains("entries=0"), "{said}");
    let problems: Vec<Value> = serde_json::from_slice(&fs::read(report.path()).unwrap()).expect(&said);
    let word = |problem: &Value, key: &str| problem[key].as_str().unwrap_or_else(|| panic!("{problem}")).to_owned();
    let line = |problem: &Value| ["severity", "path", "reporter", "problem"].map(|key| word(problem, key)).join(" ");
    problems.iter().map(line).filter(|line| !line.starts_with("Information ")).collect()
}

/// pint has nothing to say about the rules. Without the exceptions that they carry it says just what those are about: they
/// hide nothing else.
#[test]
fn pint_accepts_the_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let catalogue = catalogue::embedded().unwrap();
    let newest = tempfile::tempdir().unwrap();
    let settings = RuleSettings::default();
    for file in catalogue::rule_files(catalogue, &settings, RuleFormat::Prometheus, RuleTarget::V3).unwrap() {
        fs::write(newest.path().join(file.name), file.text).unwrap();
    }
    for folder in [&root.join("rules"), &root.join("rules/tests/components/rules"), newest.path()] {
        assert_eq!(pint(folder), [""; 0], "{}", folder.display());

        let bare = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
            if entry.path().extension().is_some_and(|extension| extension == "yaml") {
                let text = fs::read_to_string(entry.path()).unwrap().replace("# pint ", "# ");
                fs::write(bare.path().join(entry.file_name()), text).unwrap();
            }
        }
        let problems = pint(bare.path());
        let other = problems.iter().find(|line| !line.ends_with(" promql/regexp smelly regexp selector"));
        assert!(!problems.is_empty() && other.is_none(), "{other:?}");
    }
}
