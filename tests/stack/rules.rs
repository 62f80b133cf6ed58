//! The rules of the project, by the promtool of the newest Prometheus. That of the oldest is in `tests/repo`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use blockwarden::catalogue::{self, RuleFormat, RuleTarget};
use blockwarden::model::RuleSettings;

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
