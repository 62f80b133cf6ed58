//! Buckets and objects that cannot be read, a ledger that cannot be kept, buckets without a block.

use crate::shapes::{Estate, t};
use crate::{NOW, steady};

#[test]
fn nothing_under_the_prefix() {
    let report = Estate::new().scan(NOW);
    report.says(&["critical bucket_empty"]);
    let estate = Estate::new();
    estate.file("tenant-a/01DN3SK96XDAEKRB1AN30AAW6E/meta.json", b"{}", "01-01");
    let report = estate.scan(NOW);
    report.says(&["critical bucket_empty"]);
    assert!(report.only("bucket_empty")["message"].as_str().unwrap().contains("tenant-a"), "{:#?}", report.findings());
}

#[test]
fn a_bucket_that_is_not_there() {
    let estate = Estate::with(&steady("cluster=eu1"));
    std::fs::remove_dir_all(estate.path("")).unwrap();
    let output = estate.command(&["scan", "--output", "json"], t(NOW)).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_bucket_that_goes_resolves_nothing() {
    let blocks = steady("cluster=eu1");
    let estate = Estate::with(&blocks).remembering();
    estate.delete_object(&blocks[6], "index");
    assert_eq!(estate.scan(NOW).code, 1);
    let (bucket, aside) = (estate.path(""), estate.folder().join("aside"));
    std::fs::rename(&bucket, &aside).unwrap();
    let report = estate.scan("01-03T02:30");
    assert_eq!(report.code, 2);
    let lines = report.loud();
    assert!(lines.iter().any(|line| line.ends_with("bucket_unreachable")), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("critical missing_object")), "kept open: {lines:?}");
    assert_eq!(lines.len(), 2, "nothing is said of data that nobody saw: {lines:?}");
    std::fs::rename(&aside, &bucket).unwrap();
    assert_eq!(estate.scan("01-03T02:40").loud().len(), 1);
}

#[test]
fn a_meta_json_too_large_to_be_one() {
    let blocks = steady("cluster=eu1");
    let estate = Estate::with(&blocks);
    estate.sparse(&blocks[6].key("meta.json"), 2_000_000_000, blocks[6].uploaded);
    let report = estate.scan(NOW);
    let lines = [report.loud(), report.quiet()].concat();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("fact_unknown") || lines[0].contains("meta_invalid"), "{lines:?}");
}

#[test]
fn a_ledger_that_is_none() {
    let blocks = steady("cluster=eu1");
    let estate = Estate::with(&blocks).remembering();
    std::fs::write(estate.folder().join("state.db"), b"this is no database, and long enough to be looked at").unwrap();
    estate.scan(NOW).says(&["warning ledger_failing"]).notes(&[]);
    // what the bucket itself tells is told all the same
    estate.delete_object(&blocks[6], "index");
    let missing = "critical missing_object cluster=eu1 raw 2h@01-01T12:00 object=index 01-01T12:00..01-01T14:00";
    estate.scan(NOW).says(&["warning ledger_failing", missing]);
}

#[test]
fn one_of_two_buckets_is_not_there() {
    let blocks = steady("cluster=eu1");
    let estate = Estate::with(&blocks);
    estate.delete_object(&blocks[6], "index");
    let config = "buckets:\n- {name: here, objstore_config_file: objstore.yaml}\n\
        - {name: there, objstore_config: {type: FILESYSTEM, config: {directory: /nowhere/at/all}}}\n";
    let estate = estate.demands(&["new: false"]).config(config);
    let report = estate.scan(NOW);
    assert_eq!(report.code, 2);
    let lines = report.loud();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("critical missing_object") && lines[1].ends_with("bucket_unreachable"), "{lines:?}");
    assert_eq!(report.only("bucket_unreachable")["bucket"], "there");
    assert_eq!(report.document["summary"]["buckets"], 2);
}
