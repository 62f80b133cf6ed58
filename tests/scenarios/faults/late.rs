//! Streams that are late, gone, replaced, or whose clock is wrong.

use crate::shapes::{Block, Estate, HOUR, MINUTE, Stream, t};
use crate::{NOW, pair, steady};

#[test]
fn lag_in_its_two_degrees() {
    let estate = Estate::with(&steady("cluster=eu1"));
    estate.scan("01-03T04:00").healthy();
    estate.scan("01-03T04:01").says(&["warning upload_lag cluster=eu1 raw 01-03T00:00..01-03T04:01"]);
    estate.scan("01-03T06:00").says(&["warning upload_lag cluster=eu1 raw 01-03T00:00..01-03T06:00"]);
    estate.scan("01-03T06:01").says(&["critical upload_lag cluster=eu1 raw 01-03T00:00..01-03T06:01"]);
    estate.scan("01-10").says(&["critical upload_lag cluster=eu1 raw 01-03T00:00..01-10T00:00"]);
}

#[test]
fn a_stream_is_given_up_after_a_fortnight() {
    let estate = Estate::with(&steady("cluster=eu1"));
    assert_eq!(estate.scan("01-16T23:00").loud().len(), 1);
    estate.scan("01-17T01:00").healthy();
}

#[test]
fn a_fresh_copy_keeps_it_a_warning() {
    let mut blocks = steady("cluster=eu1 replica=a");
    blocks.extend(Stream::sidecar("cluster=eu1 replica=b").blocks("01-01", "01-02T12:00"));
    Estate::with(&blocks).scan(NOW).says(&["warning upload_lag cluster=eu1,replica=b raw 01-02T12:00..01-03T01:30"]);
    // members of a hashring do not stand in for each other
    let mut blocks = Stream::receive("replica=a tenant_id=t").rate(90_000).blocks("01-01", "01-03");
    blocks.extend(Stream::receive("replica=b tenant_id=t").blocks("01-01", "01-02T12:00"));
    Estate::with(&blocks).scan(NOW).says(&["critical upload_lag replica=b,tenant_id=t raw 01-02T12:00..01-03T01:30"]);
}

#[test]
fn local_retention_gives_time() {
    let blocks = Stream::sidecar("cluster=eu1").blocks("01-01", "01-02T12:00");
    let config =
        |retention: &str| format!("streams:\n- match: '{{cluster=\"eu1\"}}'\n  local_retention: {retention}\n");
    let lines = Estate::with(&blocks).config(&config("15d")).scan(NOW).loud();
    assert!(lines.len() == 1 && lines[0].starts_with("warning upload_lag"), "{lines:?}");
    let lines = Estate::with(&blocks).config(&config("1d")).scan(NOW).loud();
    assert!(lines.len() == 1 && lines[0].starts_with("critical upload_lag"), "{lines:?}");
}

#[test]
fn the_block_range_sets_the_measure() {
    let hourly = Stream::sidecar("cluster=eu1").range(HOUR);
    let mut blocks = hourly.blocks("01-01", "01-03");
    let estate = Estate::with(&blocks);
    estate.scan("01-03T01:59").healthy();
    let lines = estate.scan("01-03T02:30").loud();
    assert!(lines.len() == 1 && lines[0].starts_with("warning upload_lag"), "{lines:?}");
    // under three blocks it counts as two hours
    blocks.drain(..46);
    Estate::with(&blocks).scan("01-03T03:59").healthy();
}

#[test]
fn rulers_and_streams_that_pause_are_noted() {
    let mut blocks = steady("cluster=eu1");
    blocks.extend(Stream::ruler("rule_replica=0").blocks("01-01", "01-02T12:00"));
    Estate::with(&blocks).scan(NOW).healthy().notes(&["info upload_lag rule_replica=0 raw 01-02T12:00..01-03T01:30"]);
    // unless somebody counts on it
    let estate = Estate::with(&blocks).config("streams:\n- match: '{rule_replica=\"0\"}'\n  expected: true\n");
    let lines = estate.scan(NOW).loud();
    assert!(lines.len() == 1 && lines[0].starts_with("critical upload_lag rule_replica=0"), "{lines:?}");
}

#[test]
fn a_derived_stream_has_no_lag() {
    let mut blocks = steady("cluster=eu1");
    blocks.extend(Stream::sidecar("cluster=old").source("bucket.upload").blocks("01-01", "01-02"));
    Estate::with(&blocks).scan(NOW).healthy().notes(&[]);
}

#[test]
fn an_expected_stream_is_not_there() {
    let config = "streams:\n- match: '{cluster=\"us1\"}'\n  expected: true\n";
    Estate::with(&steady("cluster=eu1"))
        .config(config)
        .scan(NOW)
        .says(&["warning stream_missing cluster=us1 raw"])
        .notes(&[]);
    Estate::with(&steady("cluster=us1")).config(config).scan(NOW).healthy().notes(&[]);
}

#[test]
fn an_expected_stream_has_been_silent_for_long() {
    let config = "streams:\n- match: '{cluster=\"us1\"}'\n  expected: true\n";
    let mut blocks = steady("cluster=eu1");
    blocks.extend(Stream::sidecar("cluster=us1").blocks("2025-12-01T00:00:00Z", "2025-12-02T00:00:00Z"));
    let lines = Estate::with(&blocks).config(config).scan(NOW).loud();
    assert!(lines.len() == 1 && lines[0].starts_with("warning stream_missing cluster=us1"), "{lines:?}");
}

#[test]
fn a_stream_whose_labels_changed_holds_no_lag() {
    let mut blocks = Stream::sidecar("cluster=eu1 version=1").blocks("01-01", "01-02");
    blocks.extend(Stream::sidecar("cluster=eu1 version=2").blocks("01-02", "01-03"));
    Estate::with(&blocks).scan(NOW).healthy().notes(&["info stream_replaced cluster=eu1,version=1 raw"]);

    // two labels differ, or the other one started long before: that is a stream that went silent
    for other in ["cluster=us1 version=2", "cluster=us1"] {
        let mut blocks = Stream::sidecar("cluster=eu1 version=1").blocks("01-01", "01-02");
        blocks.extend(Stream::sidecar(other).blocks("01-02", "01-03"));
        let lines = Estate::with(&blocks).scan(NOW).loud();
        assert!(lines.len() == 1 && lines[0].starts_with("critical upload_lag"), "{other}: {lines:?}");
    }
    let mut blocks = Stream::sidecar("cluster=eu1 version=1").blocks("01-01", "01-02");
    blocks.extend(Stream::sidecar("cluster=eu1 version=2").blocks("01-01", "01-03"));
    let lines = Estate::with(&blocks).scan(NOW).loud();
    assert!(lines.len() == 1 && lines[0].starts_with("critical upload_lag"), "{lines:?}");
}

#[test]
fn a_producers_clock_is_behind() {
    let skewed = |minutes: i64| {
        let blocks = steady("cluster=eu1").into_iter();
        let blocks = blocks.map(|block| {
            let max = block.max;
            block.cut(max - minutes * MINUTE).uploaded(max + HOUR)
        });
        Estate::with(&blocks.collect::<Vec<Block>>())
    };
    skewed(4).scan(NOW).healthy().notes(&[]);
    let lines = skewed(20).scan(NOW).loud();
    assert!(lines.len() == 1 && lines[0].starts_with("warning clock_skew cluster=eu1"), "{lines:?}");
}

#[test]
fn two_that_write_the_same_time() {
    let stream = Stream::sidecar("cluster=eu1");
    let mut blocks = steady("cluster=eu1");
    blocks.push(stream.block("01-01T12:00", "01-01T14:00").twin(1));
    let lines = Estate::with(&blocks).scan(NOW).loud();
    assert!(lines.len() == 1 && lines[0].starts_with("warning overlap cluster=eu1 raw"), "{lines:?}");

    // by half, and by a minute
    for from in ["01-01T13:00", "01-01T13:59"] {
        let mut blocks = steady("cluster=eu1");
        blocks.remove(7);
        blocks.push(stream.block(from, "01-01T16:00").cut("01-01T17:00"));
        let lines = Estate::with(&blocks).scan(NOW).loud();
        assert!(lines.len() == 1 && lines[0].starts_with("warning overlap cluster=eu1 raw"), "{from}: {lines:?}");
        assert!(lines[0].ends_with(&format!("{from}..01-01T14:00")), "{from}: {lines:?}");
    }
}

#[test]
fn sources_left_unmarked_for_a_day_overlap_with_their_result() {
    let mut blocks = steady("cluster=eu1");
    blocks.push(crate::shapes::compact(&blocks[..4]).cut("01-01T11:00"));
    let estate = Estate::with(&blocks);
    let early = t("01-02T10:30");
    assert!(estate.scan(early).loud().iter().all(|line| !line.contains("overlap")));
    let lines = estate.scan(NOW).loud();
    assert!(!lines.is_empty() && lines.iter().all(|line| line.starts_with("warning overlap")), "{lines:?}");
}

#[test]
fn overlaps_are_noted_where_the_compactor_merges_them() {
    let (mut estate, a, b) = pair();
    let mut derived = crate::shapes::compact(&[&a[..4], &b[..4]].concat()).without_label("replica");
    derived.samples /= 2;
    estate.delete(&a[..4]);
    estate.delete(&b[..4]);
    estate.put(&[derived, a[9].clone().twin(1)]);
    let report = estate.scan(NOW);
    report.healthy();
    assert!(report.quiet().len() == 1 && report.quiet()[0].starts_with("info overlap"), "{:?}", report.quiet());
}

#[test]
fn vertical_compaction_can_be_declared() {
    let mut blocks = steady("cluster=eu1");
    blocks.push(blocks[6].clone().twin(1));
    let estate = Estate::with(&blocks).demands(&["vertical_compaction: true"]);
    estate.scan(NOW).healthy().notes(&["info overlap cluster=eu1 raw 01-01T12:00..01-01T14:00"]);
    let estate = estate.demands(&["vertical_compaction: false"]);
    estate.scan(NOW).says(&["warning overlap cluster=eu1 raw 01-01T12:00..01-01T14:00"]);
}

#[test]
fn checks_are_set_as_the_configuration_says() {
    let estate = Estate::with(&steady("cluster=eu1")).config("checks: {upload_lag: {severity: info}}\n");
    assert_eq!(estate.scan("01-03T09:00").healthy().quiet().len(), 1);
    let estate = estate.config("checks: {upload_lag: {enabled: false}}\n");
    estate.scan("01-03T09:00").healthy().notes(&[]);
    let overriding = "checks: {upload_lag: {overrides: [{match: '{cluster=\"eu1\"}', enabled: false}]}}\n";
    estate.config(overriding).scan("01-03T09:00").healthy().notes(&[]);
}

#[test]
fn a_given_up_stream_by_its_own_measure() {
    let config = "streams:\n- match: '{cluster=\"eu1\"}'\n  retire_after: 12h\n";
    let estate = Estate::with(&steady("cluster=eu1")).config(config);
    assert_eq!(estate.scan("01-03T11:00").loud().len(), 1);
    estate.scan("01-03T13:00").healthy();
}
