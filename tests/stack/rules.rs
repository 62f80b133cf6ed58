//! The alerts of the project, for the estate's Prometheus.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use blockwarden::catalogue::{self, RuleFormat, RuleTarget};
use blockwarden::model::RuleSettings;

use crate::stack::Programs;

/// All rules as a user loads them, but without their patience: they neither hold, nor keep firing, nor look back over
/// minutes that a test would have to wait for.
pub(crate) fn impatient() -> String {
    let catalogue = catalogue::embedded().unwrap();
    let settings = RuleSettings::default();
    let rules = catalogue::rule_document(catalogue, &settings, RuleFormat::Prometheus, RuleTarget::V3).unwrap();
    assert!(rules.contains("[10m]"), "the rules look back over another time");
    let rules = rules.replace("[10m]", "[3s]");
    rules.lines().fold(String::new(), |text, line| {
        let key = line.split_once(':').map_or(line, |(key, _)| key);
        let patient = ["for", "keep_firing_for"].contains(&key.trim());
        text + &if patient { format!("{key}: 0s\n") } else { format!("{line}\n") }
    })
}

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
