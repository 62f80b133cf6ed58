//! A ledger that fails while the service runs: it says so, goes on, and invents nothing.

use std::fs;
use std::path::Path;

use crate::shapes::{Block, Estate, Stream};
use crate::steps::{Steps, at, loud};

fn estate() -> (Estate, Vec<Block>) {
    let blocks = Stream::sidecar("cluster=eu1").blocks("01-01", "01-03");
    (Estate::with(&blocks), blocks)
}

/// The ledger and its companions.
fn files(folder: &Path) -> [std::path::PathBuf; 3] {
    ["ledger.db", "ledger.db-wal", "ledger.db-shm"].map(|name| folder.join(name))
}

#[test]
fn a_ledger_that_is_overwritten_with_garbage_is_told_and_nothing_is_forgotten_or_invented() {
    let (estate, blocks) = estate();
    let mut steps = Steps::over(&estate, "01-03T01:30");
    steps.step("01-03T01:30");
    // what only the past can tell
    estate.delete(&blocks[6..7]);
    let before = loud(&steps.step("01-03T01:35"));
    assert!(before.contains(&"critical block_vanished".to_owned()), "{before:?}");

    for file in files(estate.folder()) {
        if let Ok(metadata) = fs::metadata(&file) {
            fs::write(&file, "garbage ".repeat(usize::try_from(metadata.len()).unwrap() / 8)).unwrap();
        }
    }
    let mut expected = before;
    expected.push("warning ledger_failing".to_owned());
    expected.sort();
    for minute in 40..45 {
        let mut now = loud(&steps.step(&format!("01-03T01:{minute}")));
        now.sort();
        assert_eq!(now, expected, "minute {minute}");
    }
    let published = steps.station.published();
    assert!(published.service.ledger.failure.is_some());
    // the first one comes back, which can be seen without any past
    let vanished = |found: Vec<String>| found.iter().filter(|found| found.ends_with("block_vanished")).count();
    let mut estate = estate;
    estate.put(&blocks[6..7]);
    assert_eq!(vanished(loud(&steps.step("01-03T01:45"))), 0);
    // another block vanishes: in memory it is known to have been there
    estate.delete(&blocks[9..10]);
    assert_eq!(vanished(loud(&steps.step("01-03T01:46"))), 1);
    assert_eq!(steps.station.published().service.ledger.path, None, "nothing reaches the file");

    // moved away by hand: a new one is begun
    for file in files(estate.folder()) {
        fs::remove_file(file).unwrap_or_default();
    }
    steps.step("01-03T01:50");
    let recovered = steps.step("01-03T01:55");
    assert_eq!(recovered.service.ledger.failure, None);
    // the new ledger knows nothing of what was there before, but what was open is not healed by that
    let open = ["critical block_vanished", "critical coverage_gap"];
    assert_eq!(loud(&recovered), open);
    drop(steps);
    let mut steps = Steps::over(&estate, "01-03T02:00");
    assert_eq!(loud(&steps.step("01-03T02:00")), open);
    estate.put(&blocks[9..10]);
    assert_eq!(loud(&steps.step("01-03T02:05")), [""; 0]);
    let mut ends = steps.ends();
    ends.sort();
    assert_eq!(ends, ["block_vanished resolved", "coverage_gap resolved", "ledger_failing resolved"]);
}

#[test]
fn a_ledger_that_is_garbage_at_the_start_is_left_alone() {
    let (estate, _) = estate();
    fs::write(estate.folder().join("ledger.db"), "garbage ".repeat(1_000)).unwrap();
    let mut steps = Steps::over(&estate, "01-03T01:30");
    assert_eq!(loud(&steps.step("01-03T01:30")), ["warning ledger_failing"]);
    assert_eq!(loud(&steps.step("01-03T01:35")), ["warning ledger_failing"]);
    assert!(fs::read_to_string(estate.folder().join("ledger.db")).unwrap().starts_with("garbage"));
}

#[test]
fn a_ledger_that_is_removed_is_noticed_and_begun_anew() {
    let (estate, _) = estate();
    let mut steps = Steps::over(&estate, "01-03T01:30");
    steps.step("01-03T01:30");
    for file in files(estate.folder()) {
        fs::remove_file(file).unwrap_or_default();
    }
    assert_eq!(loud(&steps.step("01-03T01:35")), ["warning ledger_failing"]);
    steps.step("01-03T01:40");
    assert_eq!(loud(&steps.step("01-03T01:45")), [""; 0]);
    assert!(fs::metadata(estate.folder().join("ledger.db")).unwrap().len() > 0);
    drop(steps);
    // what was seen since then is in it
    let mut steps = Steps::over(&estate, "01-03T01:50");
    assert_eq!(steps.step("01-03T01:50").snapshot.buckets[0].requests.get, 0);
}

#[test]
fn what_could_not_be_written_is_written_later() {
    let (estate, blocks) = estate();
    let mut steps = Steps::over(&estate, "01-03T01:30");
    steps.step("01-03T01:30");
    // a reader that holds its lock makes commits fail, as a full disk does
    let blocker = rusqlite::Connection::open(estate.folder().join("ledger.db")).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    estate.delete_object(&blocks[6], "index");
    let failing = steps.step("01-03T01:35");
    assert_eq!(loud(&failing), ["critical missing_object", "warning ledger_failing"]);
    assert_eq!(failing.service.ledger.commits.1, 1);
    drop(blocker);
    steps.station.wait_until(at("01-03T01:36"));
    assert_eq!(loud(&steps.station.wait_until(at("01-03T01:37"))), ["critical missing_object"]);
    drop(steps);
    // the restart knows of it, and since when, before anybody has looked
    fs::rename(estate.path(""), estate.folder().join("aside")).unwrap();
    let mut steps = Steps::over(&estate, "01-03T01:40");
    let kept = steps.step("01-03T01:40");
    assert_eq!(loud(&kept), ["critical missing_object", "warning bucket_unreachable"]);
    let since = kept.snapshot.findings[0].evidence["open_since"].as_str().unwrap();
    assert_eq!(since, at("01-03T01:35").to_string());
}
