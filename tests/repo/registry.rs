//! What each check brings along: its file, its tests, its alert and its runbook.

use std::collections::BTreeSet;

use blockwarden::catalogue;
use blockwarden::checks::{self, Check};

use crate::source;

/// Every id that a check may have, in the order of the design. Ids are permanent.
const IDS: &str = "
    bucket_unreachable bucket_empty partial_upload missing_object size_mismatch meta_invalid object_archived
    coverage_gap block_vanished deletion_unreplaced stream_missing stream_replaced upload_lag
    loss_deadline block_not_uploaded store_gap duplicate_producer replica_bucket_divergence
    index_corrupt chunk_corrupt tombstone_corrupt block_inconsistent hash_mismatch unsupported_format
    object_mutated compaction_loss overlap clock_skew
    retention_overdue retention_premature retention_drift retention_unsafe downsample_missing deletion_overdue
    compaction_stalled versioning_disabled
    series_deviation metric_vanished query_deviation parity_mismatch canary_mismatch
    endpoint_down endpoint_misconfigured
    backup_missing backup_late backup_corrupt backup_unencrypted backup_retention backup_failing restore_failed
    scan_stalled fact_unknown ledger_failing notification_failing";

/// What a check with this id lacks. `read` gives the text of a file of the repository.
fn lacks(id: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut lacking = Vec::new();
    let mut demand = |holds: bool, what: String| {
        if !holds {
            lacking.push(format!("{id}: {what}"));
        }
    };
    demand(IDS.split_whitespace().any(|known| known == id), "is not an id of the design".to_owned());
    let file = format!("src/checks/{id}.rs");
    let text = read(&file).unwrap_or_default();
    demand(!text.is_empty(), format!("has no file {file}"));
    let tests = text.split("#[cfg(test)]\nmod tests {").nth(1).unwrap_or_default();
    demand(tests.contains("#[test]"), format!("has no tests inside {file}"));
    for path in [format!("alerts/{id}.yaml"), format!("docs/runbooks/{id}.md")] {
        demand(read(&path).is_some(), format!("has no {path}"));
    }
    lacking
}

#[test]
fn every_check_has_all_that_belongs_to_it() {
    let read = |path: &str| std::fs::read_to_string(source::root().join(path)).ok();
    let found: Vec<String> = checks::ALL.iter().flat_map(|check| lacks(check.id, read)).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn every_alert_on_a_check_agrees_with_it() {
    let catalogue = catalogue::embedded().unwrap();
    let of_id = |id: &str| -> Option<&'static Check> { checks::ALL.iter().copied().find(|check| check.id == id) };
    for entry in catalogue.entries() {
        let Some(id) = entry.check_id() else { continue };
        let check = of_id(id).unwrap_or_else(|| panic!("alerts/{0}.yaml: no check `{0}`", entry.id));
        assert_eq!(entry.severity, check.severity, "alerts/{}.yaml: severity differs from the check's", entry.id);
    }
}

#[test]
fn every_file_of_a_check_is_registered() {
    let registered: BTreeSet<&str> = checks::ALL.iter().map(|check| check.id).collect();
    assert_eq!(registered.len(), checks::ALL.len(), "two checks share an id");
    for file in source::files("src/checks", &[".rs"]) {
        let id = file.path.trim_start_matches("src/checks/").trim_end_matches(".rs");
        if IDS.split_whitespace().any(|known| known == id) {
            assert!(registered.contains(id), "{} is not in checks::ALL", file.path);
        }
    }
}

#[test]
fn an_incomplete_check_is_caught() {
    let tested = "//! x\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn a() {}\n}";
    let with =
        |text: &'static str, others: bool| move |path: &str| (path.ends_with(".rs") || others).then(|| text.to_owned());
    assert_eq!(lacks("overlap", with(tested, true)), Vec::<String>::new());
    assert_eq!(lacks("overlap", with(tested, false)).len(), 2);
    assert_eq!(lacks("overlap", with("//! x", true)), ["overlap: has no tests inside src/checks/overlap.rs"]);
    assert_eq!(lacks("new_idea", with(tested, true)), ["new_idea: is not an id of the design"]);
    assert_eq!(lacks("overlap", |_| None).len(), 4);
}

#[test]
fn the_readme_names_every_check() {
    let readme = std::fs::read_to_string(source::root().join("README.md")).unwrap();
    let unnamed: Vec<&str> =
        checks::ALL.iter().map(|check| check.id).filter(|id| !readme.contains(&format!("`{id}`"))).collect();
    assert!(unnamed.is_empty(), "README.md does not name {unnamed:?}");
}
