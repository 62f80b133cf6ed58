//! Holes: where no block holds what a stream has before and after.

use crate::shapes::{Block, DAY, Estate, HOUR, MINUTE, Stream, compact, downsample, next_days, t};
use crate::{NOW, pair, steady};

#[test]
fn a_hole_and_its_edges() {
    let stream = Stream::sidecar("cluster=eu1");
    let mut blocks = stream.blocks("01-01", "01-02");
    blocks.extend(stream.blocks("01-02T04:00", "01-03"));
    Estate::with(&blocks)
        .scan(NOW)
        .says(&["critical coverage_gap cluster=eu1 raw 01-02T00:00..01-02T04:00"])
        .notes(&[]);
}

#[test]
fn a_quarter_of_an_hour_is_tolerated() {
    let stream = Stream::sidecar("cluster=eu1");
    for (minutes, fires) in [(14, false), (15, false), (16, true)] {
        let mut blocks = steady("cluster=eu1");
        blocks[6] = stream.block("01-01T12:00", t("01-01T14:00") - minutes * MINUTE).cut("01-01T15:00");
        let report = Estate::with(&blocks).scan(NOW);
        if fires {
            report.says(&["critical coverage_gap cluster=eu1 raw 01-01T13:44..01-01T14:00"]);
        } else {
            report.healthy().notes(&[]);
        }
    }
}

#[test]
fn several_holes_are_several_findings() {
    let mut blocks = steady("cluster=eu1");
    blocks.remove(12);
    blocks.remove(6);
    Estate::with(&blocks).scan(NOW).says(&[
        "critical coverage_gap cluster=eu1 raw 01-01T12:00..01-01T14:00",
        "critical coverage_gap cluster=eu1 raw 01-02T00:00..01-02T02:00",
    ]);
}

#[test]
fn the_other_replica_has_it() {
    let (estate, a, _) = pair();
    estate.delete(&a[6..8]);
    estate.scan(NOW).says(&["warning coverage_gap cluster=eu1,replica=a raw 01-01T12:00..01-01T16:00"]).notes(&[]);
}

#[test]
fn a_long_outage_of_one_replica() {
    let (estate, a, _) = pair();
    estate.delete(&a[4..20]);
    estate.scan(NOW).says(&["warning coverage_gap cluster=eu1,replica=a raw 01-01T08:00..01-02T16:00"]);
}

#[test]
fn a_hole_in_both_replicas_is_one_finding() {
    let (estate, a, b) = pair();
    estate.delete(&a[6..7]);
    estate.delete(&b[6..7]);
    estate.scan(NOW).says(&["critical coverage_gap cluster=eu1 raw 01-01T12:00..01-01T14:00"]);
}

#[test]
fn holes_that_overlap_in_part() {
    let (estate, a, b) = pair();
    estate.delete(&a[6..7]);
    estate.delete(&b[6..8]);
    // what is lost is told; that one replica lacks a little more is not, so long as the other has it
    estate.scan(NOW).says(&["critical coverage_gap cluster=eu1 raw 01-01T12:00..01-01T14:00"]);
}

#[test]
fn members_of_a_hashring_are_no_copies() {
    let a = Stream::receive("replica=a tenant_id=t").blocks("01-01", "01-03");
    let b = Stream::receive("replica=b tenant_id=t").rate(90_000).blocks("01-01", "01-03");
    let estate = Estate::with(&[&a[..], &b[..]].concat());
    estate.delete(&a[6..7]);
    let lines = estate.scan(NOW).loud();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].starts_with("critical coverage_gap") && lines[0].ends_with("01-01T12:00..01-01T14:00"),
        "{lines:?}"
    );
}

#[test]
fn compaction_over_a_hole_does_not_heal_it() {
    let stream = Stream::sidecar("cluster=eu1");
    let blocks = stream.blocks("01-01", "01-03");
    let parts = [blocks[0].clone(), blocks[2].clone(), blocks[3].clone()];
    let result = compact(&parts);
    let hole = ["critical coverage_gap cluster=eu1 raw 01-01T02:00..01-01T04:00"];
    assert_eq!((result.min, result.max), (t("01-01"), t("01-01T08:00")));
    // at first sight, by its parents
    let mut after = blocks[4..].to_vec();
    after.push(result.clone());
    Estate::with(&after).scan(NOW).says(&hole);
    // the sources are still there
    let mut during = blocks.clone();
    during.remove(1);
    during.push(result.clone().cut("01-03T00:00"));
    Estate::with(&during).scan(NOW).says(&hole);
    // parents are not written: only the ledger knows
    let mut estate = Estate::with(&blocks).remembering();
    estate.delete(&blocks[1..2]);
    estate.scan(NOW).says(&hole);
    let mut silent = result;
    silent.parents.clear();
    estate.put(&[silent.cut("01-03T01:40")]);
    estate.scan("01-03T01:45").says(&hole);
    estate.delete(&parts);
    estate.scan("01-03T02:30").says(&hole);
    estate.scan("01-03T03:00").says(&hole);
}

#[test]
fn a_hole_survives_two_levels_of_compaction() {
    let stream = Stream::sidecar("cluster=eu1");
    let blocks = stream.blocks("01-01", "01-05");
    let mut parts = blocks[..24].to_vec();
    parts.remove(7);
    let mut estate = Estate::with(&[&parts[..], &blocks[24..]].concat()).remembering();
    let hole = ["critical coverage_gap cluster=eu1 raw 01-01T14:00..01-01T16:00"];
    estate.scan("01-05T01:30").says(&hole);
    let eights: Vec<Block> = [(0, 4), (4, 7), (7, 11), (11, 15), (15, 19), (19, 23)]
        .map(|(from, to)| compact(&parts[from..to]).cut("01-05T01:31"))
        .to_vec();
    estate.put(&eights);
    estate.delete(&parts);
    estate.scan("01-05T01:35").says(&hole);
    estate.put(&[compact(&eights).cut("01-05T01:36")]);
    estate.delete(&eights);
    estate.scan("01-05T02:30").says(&hole);
}

#[test]
fn a_hole_heals_when_the_block_comes() {
    let blocks = steady("cluster=eu1");
    let mut estate = Estate::with(&blocks).remembering();
    estate.delete(&blocks[6..7]);
    estate.scan(NOW).says(&["critical coverage_gap cluster=eu1 raw 01-01T12:00..01-01T14:00"]);
    let late = blocks[6].clone().uploaded("01-03T01:35");
    estate.put(&[late]);
    estate.scan("01-03T01:40").healthy().notes(&[]);
}

#[test]
fn downsampled_data_matters_where_raw_is_gone() {
    let stream = Stream::sidecar("cluster=eu1");
    let start = next_days("02-01", 2);
    let raw: Vec<Block> =
        (0..10).map(|k| compact(&stream.blocks(start + k * 2 * DAY, start + (k + 1) * 2 * DAY))).collect();
    let mut fine: Vec<Block> = raw.iter().map(|block| downsample(block, 300_000)).collect();
    // raw begins with the seventh; the fifth and the eighth 5m block are not there
    fine.remove(7);
    fine.remove(4);
    let end = start + 20 * DAY;
    let mut blocks = [&raw[6..], &fine[..]].concat();
    blocks.extend(stream.blocks(end, end + DAY));
    let estate = Estate::with(&blocks).config("retention: {raw: 9d, 5m: 90d, 1h: 0s}\n");
    let at = end + DAY + HOUR + 30 * MINUTE;
    let lines = estate.scan(at).loud();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("coverage_gap cluster=eu1 5m 02-10T00:00..02-12T00:00"), "{lines:?}");
}

#[test]
fn a_hole_outside_retention_is_none() {
    let stream = Stream::sidecar("cluster=eu1");
    let mut blocks = stream.blocks("01-01", "01-05T14:00");
    blocks.drain(6..8);
    let mut estate = Estate::with(&blocks).config("retention: {raw: 4d}\n");
    estate.scan("01-05T15:30").says(&["critical coverage_gap cluster=eu1 raw 01-01T12:00..01-01T16:00"]);
    estate.put(&stream.blocks("01-05T14:00", "01-06"));
    estate.scan("01-06T01:30").healthy();
}

#[test]
fn an_old_hole_that_a_replica_can_fill_is_no_scar() {
    let (mut a, b) = (
        Stream::sidecar("cluster=eu1 replica=a").blocks("01-01", "01-20"),
        Stream::sidecar("cluster=eu1 replica=b").blocks("01-01", "01-20"),
    );
    a.drain(6..8);
    Estate::with(&[a, b].concat())
        .scan("01-20T01:30")
        .says(&["warning coverage_gap cluster=eu1,replica=a raw 01-01T12:00..01-01T16:00"]);
}

#[test]
fn a_hole_between_a_stream_and_its_derived_history() {
    let (a, b) = (
        Stream::sidecar("cluster=eu1 replica=a").blocks("01-01", "01-03"),
        Stream::sidecar("cluster=eu1 replica=b").blocks("01-01", "01-03"),
    );
    // deduplicated up to 08:00, and both go on from 10:00
    let mut derived = compact(&[&a[..4], &b[..4]].concat()).without_label("replica");
    derived.samples /= 2;
    let estate = Estate::with(&[&a[5..], &b[5..], &[derived]].concat());
    let lines = estate.scan(NOW).loud();
    assert_eq!(lines, ["critical coverage_gap cluster=eu1 raw 01-01T08:00..01-01T10:00"]);
}

#[test]
fn a_damaged_block_still_counts() {
    let blocks = steady("cluster=eu1");
    let estate = Estate::with(&blocks);
    estate.delete_object(&blocks[6], "chunks/000001");
    estate.resize(&blocks[7], "index", 9);
    let lines = estate.scan(NOW).loud();
    assert!(lines.iter().all(|line| !line.contains("coverage_gap")), "{lines:?}");
    assert_eq!(lines.len(), 2, "{lines:?}");
}
