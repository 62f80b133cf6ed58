//! Every alert, evaluated by Prometheus' own engine: quiet when well, fires in time, survives a gap between scrapes,
//! resolves. The tests are in `alerts/*.yaml`.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use blockwarden::catalogue;

/// Runs promtool in a folder. Not being able to is a failure, not a reason to skip.
fn promtool(folder: &Path, args: &[&str]) -> Output {
    match Command::new("promtool").args(args).current_dir(folder).output() {
        Ok(output) => output,
        Err(error) => panic!("promtool cannot be run ({error}): apt-get install --no-install-recommends prometheus"),
    }
}

fn assert_passes(output: &Output, what: &str) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{what}\n{}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn rules_pass_their_own_tests() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = catalogue::embedded().unwrap();
    let rules = catalogue::rule_file("blockwarden-checks", catalogue.entries()).unwrap();
    let tests = catalogue::rule_test_file("rules.yaml", catalogue.entries()).unwrap();
    fs::write(folder.path().join("rules.yaml"), rules).unwrap();
    fs::write(folder.path().join("tests.yaml"), tests).unwrap();
    let check = promtool(folder.path(), &["check", "rules", "--lint=all", "--lint-fatal", "rules.yaml"]);
    assert_passes(&check, "the rules are not valid");
    let test = promtool(folder.path(), &["test", "rules", "tests.yaml"]);
    assert_passes(&test, "the rules do not behave as alerts/*.yaml says");
}

#[test]
fn a_rule_that_does_not_fire_is_caught() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = catalogue::embedded().unwrap();
    let entry = catalogue.entry("upload_lag").unwrap();
    let broken = catalogue::Entry { expr: entry.expr.replace("> 0", "> 1000"), ..entry.clone() };
    fs::write(folder.path().join("rules.yaml"), catalogue::rule_file("blockwarden-checks", [&broken]).unwrap())
        .unwrap();
    fs::write(folder.path().join("tests.yaml"), catalogue::rule_test_file("rules.yaml", [entry]).unwrap()).unwrap();
    let test = promtool(folder.path(), &["test", "rules", "tests.yaml"]);
    assert!(!test.status.success(), "promtool accepts a rule that cannot fire");
}
