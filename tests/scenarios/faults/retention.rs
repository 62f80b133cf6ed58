//! Data kept too long or not long enough, and marks.

use crate::shapes::{Block, DAY, Estate, HOUR, MINUTE, Mark, Stream, compact, downsample, next_days, t};
use crate::{NOW, pair, steady};

#[test]
fn a_block_outlives_its_retention() {
    let stream = Stream::sidecar("cluster=eu1");
    let estate = Estate::with(&stream.blocks("01-01", "01-10")).config("retention: {raw: 6d}\n");
    // 01-01T02:00 + 6d + 2d
    estate.scan("01-09T02:00").loud();
    let lines = Estate::with(&stream.blocks("01-01", "01-09T01:00"))
        .config("retention: {raw: 6d}\n")
        .scan("01-09T02:00")
        .loud();
    assert_eq!(lines, [""; 0]);
    let lines = Estate::with(&stream.blocks("01-01", "01-09T02:00"))
        .config("retention: {raw: 6d}\n")
        .scan("01-09T03:30")
        .loud();
    assert!(lines.len() == 1 && lines[0].starts_with("warning retention_overdue cluster=eu1 raw"), "{lines:?}");
}

#[test]
fn many_blocks_that_outlive_their_retention_are_one_finding() {
    let stream = Stream::sidecar("cluster=eu1");
    let estate = Estate::with(&stream.blocks("01-01", "01-20")).config("retention: {raw: 3d}\n");
    let lines = estate.scan("01-20T01:30").loud();
    assert!(lines.len() == 1 && lines[0].starts_with("warning retention_overdue"), "{lines:?}");
}

#[test]
fn undeclared_retention_says_nothing() {
    let stream = Stream::sidecar("cluster=eu1");
    let blocks = stream.blocks("01-01", "01-20");
    Estate::with(&blocks).scan("01-20T01:30").healthy().notes(&[]);
    Estate::with(&blocks).config("retention: {5m: 3d}\n").scan("01-20T01:30").healthy();
    Estate::with(&blocks).config("retention: {raw: 0s}\n").scan("01-20T01:30").healthy().notes(&[]);
}

#[test]
fn a_deletion_that_nothing_replaces() {
    let blocks = steady("cluster=eu1");
    let estate = Estate::with(&blocks);
    estate.mark(&blocks[6], Mark::Deletion, "01-02T22:00");
    let line = "deletion_unreplaced cluster=eu1 raw 2h@01-01T12:00 01-01T12:00..01-01T14:00 by 01-04T22:00";
    estate.scan(NOW).says(&[&format!("critical {line}")]).notes(&[]);
    // the compactor waits longer
    let estate = estate.demands(&["delete_delay: 7d"]);
    let lines = estate.scan(NOW).loud();
    assert!(lines.len() == 1 && lines[0].ends_with("by 01-09T22:00"), "{lines:?}");
}

#[test]
fn a_deletion_of_what_a_copy_has() {
    let (estate, a, _) = pair();
    estate.mark(&a[6], Mark::Deletion, "01-02T22:00");
    let lines = estate.scan(NOW).loud();
    assert!(lines.len() == 1 && lines[0].starts_with("warning deletion_unreplaced cluster=eu1,replica=a"), "{lines:?}");
}

#[test]
fn a_deletion_of_both_copies() {
    let (estate, a, b) = pair();
    estate.mark(&a[6], Mark::Deletion, "01-02T22:00");
    estate.mark(&b[6], Mark::Deletion, "01-02T22:00");
    let lines = estate.scan(NOW).loud();
    assert!(lines.len() == 2 && lines.iter().all(|line| line.starts_with("critical deletion_unreplaced")), "{lines:?}");
}

#[test]
fn a_deletion_of_what_has_not_expired() {
    let blocks = steady("cluster=eu1");
    for (config, fires) in [("retention: {raw: 30d}\n", true), ("retention: {raw: 1d}\n", false), ("{}\n", true)] {
        let estate = Estate::with(&blocks).config(config);
        estate.mark(&blocks[0], Mark::Deletion, "01-02T22:00");
        let lines = estate.scan(NOW).loud();
        let unreplaced = lines.iter().filter(|line| line.contains("deletion_unreplaced")).count();
        assert_eq!(unreplaced, usize::from(fires), "{config}: {lines:?}");
    }
}

#[test]
fn result_and_sources_marked_together() {
    let blocks = steady("cluster=eu1");
    let result = compact(&blocks[..4]);
    let mut estate = Estate::with(&blocks);
    estate.put(std::slice::from_ref(&result));
    estate.mark_deleted(&blocks[..4], "01-02T22:00");
    estate.scan(NOW).healthy();
    estate.mark(&result, Mark::Deletion, "01-02T23:00");
    let lines = estate.scan(NOW).loud();
    assert!(
        !lines.is_empty() && lines.iter().all(|line| line.starts_with("critical deletion_unreplaced")),
        "{lines:?}"
    );
}

#[test]
fn a_deletion_and_then_it_is_gone() {
    let stream = Stream::sidecar("cluster=eu1");
    let blocks = steady("cluster=eu1");
    let mut estate = Estate::with(&blocks).remembering();
    estate.scan(NOW).healthy();
    estate.mark(&blocks[6], Mark::Deletion, "01-03T01:40");
    let lines = estate.scan("01-03T01:50").loud();
    assert!(lines.len() == 1 && lines[0].starts_with("critical deletion_unreplaced"), "{lines:?}");
    estate.put(&stream.blocks("01-03", "01-05T02:00"));
    estate.delete(&blocks[6..7]);
    let lines = estate.scan("01-05T03:30").loud();
    // it was marked, so that it did not vanish; but the hole is there, and is not healed by the mark being gone
    assert!(lines.iter().all(|line| !line.contains("block_vanished")), "{lines:?}");
    assert!(lines.contains(&"critical coverage_gap cluster=eu1 raw 01-01T12:00..01-01T14:00".to_owned()), "{lines:?}");
}

#[test]
fn a_mark_that_nobody_executes() {
    let blocks = steady("cluster=eu1");
    let mut estate = Estate::with(&blocks);
    estate.put(&[compact(&blocks[..4])]);
    estate.put(&Stream::sidecar("cluster=eu1").blocks("01-03", "01-05"));
    estate.mark_deleted(&blocks[..1], "01-01T11:05");
    estate.mark_deleted(&blocks[1..4], "01-02T11:05");
    estate.scan("01-04T11:00").loud();
    let lines = estate.scan("01-05T01:30").loud();
    assert!(lines.len() == 1 && lines[0].starts_with("warning deletion_overdue cluster=eu1 raw"), "{lines:?}");
    estate.demands(&["delete_delay: 7d"]).scan("01-05T01:30").healthy();
}

#[test]
fn retention_that_removes_what_downsampling_needs() {
    let blocks = steady("cluster=eu1");
    for (config, fires) in [
        ("retention: {raw: 1d, 5m: 90d}\n", true),
        ("retention: {raw: 1d, 1h: 0s}\n", true),
        ("retention: {raw: 40h, 5m: 90d}\n", false),
        ("retention: {raw: 39h, 5m: 90d}\n", true),
        ("retention: {raw: 30d, 5m: 9d, 1h: 1y}\n", true),
        ("retention: {raw: 30d, 5m: 10d, 1h: 1y}\n", false),
        ("retention: {raw: 1d}\n", false),
        ("retention: {raw: 0s, 5m: 0s, 1h: 0s}\n", false),
    ] {
        let lines = Estate::with(&blocks[14..]).config(config).scan(NOW).loud();
        let unsafe_ones = lines.iter().filter(|line| line.starts_with("warning retention_unsafe")).count();
        assert_eq!(unsafe_ones, usize::from(fires), "{config}: {lines:?}");
        // what such a retention is about to take has of course not been downsampled
        let rest = lines.iter().filter(|line| !line.contains("downsample_missing")).count();
        assert_eq!(rest, unsafe_ones, "{config}: {lines:?}");
    }
}

/// Two-day blocks over twenty days, and what follows them.
fn twenty_days() -> (Vec<Block>, Vec<Block>, i64) {
    let stream = Stream::sidecar("cluster=eu1");
    let start = next_days("02-01", 2);
    let raw = (0..10).map(|k| compact(&stream.blocks(start + k * 2 * DAY, start + (k + 1) * 2 * DAY))).collect();
    let end = start + 20 * DAY;
    (raw, stream.blocks(end, end + DAY), end + DAY + 90 * MINUTE)
}

#[test]
fn raw_about_to_expire_without_a_downsampled_copy() {
    let (raw, recent, at) = twenty_days();
    let mut fine: Vec<Block> = raw.iter().map(|block| downsample(block, 300_000)).collect();
    // at is 21 d 1.5 h after the start: the first block that lives has less than a day
    let live = &raw[4..];
    let config = "retention: {raw: 12d, 5m: 90d, 1h: 1y}\n";
    let lines = Estate::with(&[live, &fine, &recent].concat()).config(config).scan(at).loud();
    assert_eq!(lines, [""; 0]);
    fine.remove(4);
    let lines = Estate::with(&[live, &fine, &recent].concat()).config(config).scan(at).loud();
    assert!(lines.len() == 1 && lines[0].starts_with("warning downsample_missing cluster=eu1 raw"), "{lines:?}");
    // neither declared nor ever seen: nobody wants it
    Estate::with(&[live, &recent].concat()).config("retention: {raw: 12d}\n").scan(at).healthy();
}

#[test]
fn data_goes_before_its_retention() {
    let stream = Stream::sidecar("cluster=eu1");
    let blocks = stream.blocks("01-01", "01-11");
    let mut estate = Estate::with(&blocks).config("retention: {raw: 30d}\n").remembering();
    estate.scan("01-11T01:30").healthy();
    // a compactor with another flag marks the oldest and deletes them in time
    for block in &blocks[..6] {
        estate.mark_expired(block, 7 * DAY, "01-11T02:00");
    }
    let lines = estate.scan("01-11T02:30").loud();
    assert!(
        !lines.is_empty() && lines.iter().all(|line| line.starts_with("critical deletion_unreplaced")),
        "{lines:?}"
    );
    estate.put(&stream.blocks("01-11", "01-13T02:00"));
    estate.delete(&blocks[..6]);
    let lines = estate.scan("01-13T03:30").loud();
    assert!(lines.len() == 1 && lines[0].starts_with("critical retention_premature cluster=eu1 raw"), "{lines:?}");
    // and it stays said
    let again = estate.scan("01-13T03:40").loud();
    assert_eq!(again, lines);
}

#[test]
fn a_horizon_that_was_always_short_is_not_premature() {
    let stream = Stream::sidecar("cluster=eu1");
    let mut estate = Estate::with(&stream.blocks("01-01", "01-03")).config("retention: {raw: 90d}\n").remembering();
    estate.scan(NOW).healthy();
    estate.put(&stream.blocks("01-03", "01-04"));
    estate.scan("01-04T01:30").healthy().notes(&[]);
}

#[test]
fn local_time_of_a_mark_is_in_seconds() {
    // marked this very moment: the deadline is two days from now
    let blocks = steady("cluster=eu1");
    let estate = Estate::with(&blocks);
    estate.mark(&blocks[6], Mark::Deletion, t(NOW) - HOUR);
    let deadline = estate.scan(NOW).only("deletion_unreplaced")["deadline"].clone();
    assert_eq!(deadline, "2026-01-05T00:30:00Z");
}
