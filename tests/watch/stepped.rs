//! What a service shows while time goes by.

use std::fs;

use blockwarden::model::Published;

use crate::shapes::{Block, Estate, Mark, Stream};
use crate::steps::{Steps, at, loud};

fn steady() -> Vec<Block> {
    Stream::sidecar("cluster=eu1").blocks("01-01", "01-03")
}

#[test]
fn a_fault_comes_and_goes_with_the_pass_that_sees_it() {
    let blocks = steady();
    let estate = Estate::with(&blocks);
    let mut steps = Steps::over(&estate, "01-03T01:30");
    assert_eq!(loud(&steps.step("01-03T01:30")), [""; 0]);

    let index = estate.path(&blocks[6].key("index"));
    let aside = estate.folder().join("index");
    fs::rename(&index, &aside).unwrap();
    assert_eq!(loud(&steps.station.wait_until(at("01-03T01:34"))), [""; 0], "nobody has looked");
    assert_eq!(loud(&steps.step("01-03T01:35")), ["critical missing_object"]);
    assert_eq!(loud(&steps.station.wait_until(at("01-03T01:39"))), ["critical missing_object"]);
    fs::rename(&aside, &index).unwrap();
    let published = steps.step("01-03T01:40");
    assert_eq!(loud(&published), [""; 0]);
    assert_eq!(steps.ends(), ["missing_object resolved"]);
    assert_eq!(published.service.buckets[0].scans.complete, 3);
    assert_eq!(published.service.ledger.commits, (3, 0));
}

#[test]
fn a_bucket_that_is_gone_keeps_what_was_known_of_it_and_gets_worse_with_time() {
    let blocks = steady();
    let estate = Estate::with(&blocks);
    estate.delete_object(&blocks[6], "index");
    let mut steps = Steps::over(&estate, "01-03T01:30");
    let before = steps.step("01-03T01:30");
    assert_eq!(loud(&before), ["critical missing_object"]);

    let (bucket, aside) = (estate.path(""), estate.folder().join("aside"));
    fs::rename(&bucket, &aside).unwrap();
    let gone = steps.step("01-03T01:35");
    assert_eq!(loud(&gone), ["critical missing_object", "warning bucket_unreachable"]);
    let figures = |published: &Published| {
        let bucket = &published.snapshot.buckets[0];
        (bucket.blocks, bucket.objects, bucket.bytes, bucket.streams.len(), published.views["bucket"].blocks.len())
    };
    assert_eq!(figures(&gone), figures(&before));
    assert!(gone.snapshot.buckets[0].unreachable.as_deref().unwrap().contains("no such directory"));
    assert_eq!(gone.service.buckets[0].last_complete, Some(at("01-03T01:30")));

    // no pass is needed for it to become critical
    let worse = steps.station.wait_until(at("01-03T01:51"));
    assert_eq!(loud(&worse), ["critical bucket_unreachable", "critical missing_object", "warning scan_stalled"]);
    // and what was seen long ago does not begin to lag because nobody can look
    let much_later = steps.station.wait_until(at("01-04T01:30"));
    assert!(!loud(&much_later).iter().any(|finding| finding.contains("upload_lag")), "{:?}", loud(&much_later));

    fs::rename(&aside, &bucket).unwrap();
    // seen again: it has lagged for a day by now
    assert_eq!(loud(&steps.step("01-04T01:31")), ["critical missing_object", "critical upload_lag"]);
    let mut ends = steps.ends();
    ends.sort();
    assert_eq!(ends, ["bucket_unreachable resolved", "scan_stalled resolved"]);
}

#[test]
fn passes_that_do_not_end_are_told() {
    let estate = Estate::with(&steady());
    let mut steps = Steps::over(&estate, "01-03T01:30");
    steps.step("01-03T01:30");
    assert_eq!(loud(&steps.station.wait_until(at("01-03T01:45"))), [""; 0]);
    let stalled = steps.station.wait_until(at("01-03T01:46"));
    assert_eq!(loud(&stalled), ["warning scan_stalled"]);
    assert!(stalled.snapshot.findings[0].message.contains("none is under way"), "{:?}", stalled.snapshot.findings);
    assert_eq!(loud(&steps.step("01-03T01:47")), [""; 0]);
    assert_eq!(steps.ends(), ["scan_stalled resolved"]);
}

#[test]
fn what_is_lost_does_not_end_as_healed() {
    let blocks = steady();
    let newest = &blocks[blocks.len() - 3..];
    let estate = Estate::with(&blocks);
    let mut steps = Steps::over(&estate, "01-03T01:30");
    steps.step("01-03T01:30");
    for block in newest {
        estate.mark(block, Mark::Deletion, "01-03T01:31");
    }
    assert_eq!(loud(&steps.step("01-03T01:35")), ["critical deletion_unreplaced"; 3]);
    estate.delete(newest);
    // the newest data that is there is what counts
    let published = steps.step("01-03T01:40");
    assert_eq!(loud(&published), ["critical upload_lag"]);
    assert_eq!(published.snapshot.buckets[0].streams[0].lag_ms, Some(at("01-03T01:40").since(at("01-02T18:00"))));
    assert_eq!(steps.ends(), ["deletion_unreplaced lost"; 3]);
}

#[test]
fn a_block_that_was_never_whole_and_goes_is_lost_too() {
    let blocks = steady();
    let estate = Estate::with(&blocks);
    estate.delete_object(&blocks[6], "index");
    let mut steps = Steps::over(&estate, "01-03T01:30");
    assert_eq!(loud(&steps.step("01-03T01:30")), ["critical missing_object"]);
    estate.delete(&blocks[6..7]);
    assert_eq!(loud(&steps.step("01-03T01:35")), ["critical coverage_gap"]);
    assert_eq!(steps.ends(), ["missing_object lost"]);
}

#[test]
fn other_credentials_do_not_make_a_bucket_another_one() {
    let estate = Estate::new();
    let with_key = |key: &str| {
        let objstore = format!(
            "type: S3\nconfig: {{bucket: b, endpoint: \"127.0.0.1:1\", insecure: true, max_retries: 1, access_key: a, secret_key: {key}}}\n"
        );
        fs::write(estate.folder().join("objstore.yaml"), objstore).unwrap();
    };
    let yaml = "buckets:\n- objstore_config_file: objstore.yaml\n";
    with_key("one");
    blockwarden::engine::install_crypto();
    let mut steps = Steps::with(estate.folder(), yaml, "01-03T01:30");
    assert_eq!(loud(&steps.step("01-03T01:30")), ["warning bucket_unreachable"]);
    with_key("two");
    let configured = steps.reload(yaml);
    let reloaded = steps.station.reload(Ok(configured), at("01-03T01:31")).unwrap();
    assert_eq!((reloaded.started.len(), reloaded.kept.len()), (1, 0), "passes begin anew");
    let published = steps.station.published();
    assert_eq!(loud(&published), ["warning bucket_unreachable"]);
    assert_eq!(published.service.buckets[0].scans.failed, 1, "and its figures go on");
}

#[test]
fn a_process_that_stood_still_has_not_stalled() {
    let estate = Estate::with(&steady());
    let mut steps = Steps::over(&estate, "01-03T01:30");
    steps.step("01-03T01:30");
    steps.station.stood_still(at("01-03T05:00"));
    assert_eq!(loud(&steps.station.wait_until(at("01-03T05:01"))), [""; 0]);
    assert_eq!(loud(&steps.station.wait_until(at("01-03T05:16"))), ["warning scan_stalled"]);
}

#[test]
fn a_view_that_grows_old_is_no_stream_that_lags() {
    let estate = Estate::with(&steady());
    let mut steps = Steps::over(&estate, "01-03T01:30");
    steps.step("01-03T01:30");
    assert_eq!(loud(&steps.station.wait_until(at("01-04T01:30"))), ["warning scan_stalled"]);
}

#[test]
fn a_restart_shows_what_was_open_before_anybody_has_looked() {
    let blocks = steady();
    let estate = Estate::with(&blocks);
    let mut steps = Steps::over(&estate, "01-03T01:30");
    steps.step("01-03T01:30");
    estate.delete(&blocks[6..7]);
    let before = steps.step("01-03T01:35");
    let what = loud(&before);
    assert!(what.contains(&"critical block_vanished".to_owned()), "{what:?}");
    drop(steps);

    // the first pass after the restart does not end well
    let (bucket, aside) = (estate.path(""), estate.folder().join("aside"));
    fs::rename(&bucket, &aside).unwrap();
    let mut steps = Steps::over(&estate, "01-03T03:00");
    assert!(!steps.station.published().service.ready);
    let unreachable = steps.step("01-03T03:00");
    assert!(unreachable.service.ready, "an attempt is enough");
    let expected: Vec<String> = what.iter().cloned().chain(["warning bucket_unreachable".to_owned()]).collect();
    assert_eq!(loud(&unreachable), expected);
    fs::rename(&aside, &bucket).unwrap();
    assert_eq!(loud(&steps.step("01-03T03:05")), what);
    assert_eq!(steps.ends(), ["bucket_unreachable resolved"]);
}

#[test]
fn a_bucket_that_is_no_longer_configured_is_unwatched() {
    let blocks = steady();
    let estate = Estate::with(&blocks);
    estate.delete_object(&blocks[6], "index");
    let other = Estate::with(&blocks);
    other.delete_object(&blocks[7], "index");
    let one = "buckets:\n- objstore_config_file: objstore.yaml\n".to_owned();
    let objstore = other.folder().join("objstore.yaml");
    let both = format!("{one}- name: other\n  objstore_config_file: {}\n", objstore.display());
    let mut steps = Steps::with(estate.folder(), &both, "01-03T01:30");
    assert_eq!(loud(&steps.step("01-03T01:30")), ["critical missing_object", "critical missing_object"]);
    assert_eq!(steps.ends(), [""; 0]);

    let configured = steps.reload(&one);
    let reloaded = steps.station.reload(Ok(configured), at("01-03T01:31")).unwrap();
    assert_eq!((reloaded.started.len(), reloaded.kept.len()), (0, 1));
    let published = steps.station.published();
    assert_eq!(loud(&published), ["critical missing_object"]);
    assert_eq!(published.service.buckets.len(), 1);
    assert!(published.service.ready, "who waits for this service has not to wait again");
    assert_eq!(steps.ends(), ["missing_object unwatched"]);

    // it comes back: what is wrong with it is found again
    let configured = steps.reload(&both);
    let reloaded = steps.station.reload(Ok(configured), at("01-03T01:32")).unwrap();
    assert_eq!((&*reloaded.started[0].0, reloaded.kept.len()), ("other", 1));
    assert_eq!(loud(&steps.step("01-03T01:35")), ["critical missing_object", "critical missing_object"]);
    // and a restart without it ends it as well
    drop(steps);
    let steps = Steps::with(estate.folder(), &one, "01-03T01:40");
    assert_eq!(steps.ends(), ["missing_object unwatched", "missing_object unwatched"]);
}

#[test]
fn a_reload_that_is_refused_leaves_everything_as_it_was() {
    let estate = Estate::with(&steady());
    let mut steps = Steps::over(&estate, "01-03T01:30");
    steps.step("01-03T01:30");
    let why = steps.station.reload(Err("blockwarden.yaml:1:1: nonsense".to_owned()), at("01-03T01:31")).unwrap_err();
    assert_eq!(why, "blockwarden.yaml:1:1: nonsense");
    let published = steps.station.published();
    assert_eq!(published.service.reloads.refused.as_deref(), Some("blockwarden.yaml:1:1: nonsense"));
    assert_eq!(published.service.reloads.counts, (1, 1));
    assert_eq!(published.service.buckets[0].scans.complete, 1);

    let configured = steps.reload("buckets:\n- objstore_config_file: objstore.yaml\n  interval: 1m\n");
    steps.station.reload(Ok(configured), at("01-03T01:32")).unwrap();
    let published = steps.station.published();
    assert_eq!((&published.service.reloads.refused, published.service.reloads.counts), (&None, (2, 1)));
    assert_eq!(published.service.buckets[0].interval_ms, 60_000);
    assert_eq!(published.service.buckets[0].scans.complete, 1, "the bucket is the same");
}

#[test]
fn a_policy_that_is_reloaded_is_judged_at_once() {
    let blocks = steady();
    let estate = Estate::with(&blocks);
    estate.delete_object(&blocks[6], "index");
    let mut steps = Steps::over(&estate, "01-03T01:30");
    steps.step("01-03T01:30");
    let configured = steps
        .reload("buckets:\n- objstore_config_file: objstore.yaml\nchecks: {missing_object: {severity: warning}}\n");
    steps.station.reload(Ok(configured), at("01-03T01:31")).unwrap();
    assert_eq!(loud(&steps.station.published()), ["warning missing_object"]);
}

#[test]
fn a_clock_that_is_set_back_does_not_stop_the_service() {
    let blocks = steady();
    let estate = Estate::with(&blocks);
    let mut steps = Steps::over(&estate, "01-03T01:30");
    steps.step("01-03T01:30");
    estate.delete_object(&blocks[6], "index");
    assert_eq!(loud(&steps.step("01-03T01:20")), ["critical missing_object"]);
}
