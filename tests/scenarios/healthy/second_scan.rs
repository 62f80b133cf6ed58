//! Scans that remember, of buckets that change as buckets do.

use crate::shapes::{DAY, Estate, HOUR, MINUTE, Mark, Stream, compact, t};
use crate::{NOW, steady};

/// A bucket that has been scanned once, and its blocks.
fn seen(labels: &str) -> (Estate, Vec<crate::shapes::Block>) {
    let blocks = steady(labels);
    let estate = Estate::with(&blocks).remembering();
    estate.scan(NOW).healthy();
    (estate, blocks)
}

#[test]
fn nothing_has_changed() {
    let (estate, _) = seen("cluster=eu1");
    let second = estate.scan(t(NOW) + 5 * MINUTE);
    second.healthy().notes(&[]);
    assert_eq!(second.document["summary"]["requests"]["get"], 0, "{}", second.document["summary"]);
    estate.scan(t(NOW) + 5 * MINUTE).healthy().notes(&[]);
}

#[test]
fn a_new_block_every_two_hours() {
    let (mut estate, _) = seen("cluster=eu1");
    let stream = Stream::sidecar("cluster=eu1");
    for block in stream.blocks("01-03", "01-03T12:00") {
        let uploaded = block.uploaded;
        estate.put(&[block]);
        estate.scan(uploaded + 10 * MINUTE).healthy().notes(&[]);
        estate.scan(uploaded + 110 * MINUTE).healthy().notes(&[]);
    }
}

#[test]
fn compaction_between_two_scans() {
    let (mut estate, blocks) = seen("cluster=eu1");
    // uploaded, marked and deleted, with nobody looking in between
    estate.put(&[compact(&blocks[..4]).cut("01-03T01:35")]);
    estate.delete(&blocks[..4]);
    estate.scan("01-03T02:30").healthy().notes(&[]);
    estate.scan("01-03T03:30").healthy().notes(&[]);
}

#[test]
fn compaction_seen_step_by_step() {
    let (mut estate, blocks) = seen("cluster=eu1");
    estate.put(&[compact(&blocks[..4]).cut("01-03T01:35")]);
    estate.scan("01-03T01:40").healthy().notes(&[]);
    estate.mark_deleted(&blocks[..4], "01-03T01:45");
    estate.scan("01-03T01:50").healthy().notes(&[]);
    estate.put(&Stream::sidecar("cluster=eu1").blocks("01-03", "01-05"));
    for object in ["meta.json", "chunks/000001", "index"] {
        estate.delete_object(&blocks[0], object);
        estate.scan("01-05T01:50").healthy().notes(&[]);
    }
    estate.delete(&blocks[..4]);
    estate.scan("01-05T02:00").healthy().notes(&[]);
}

#[test]
fn a_chain_of_compactions_that_nobody_saw() {
    let (mut estate, blocks) = seen("cluster=eu1");
    let stream = Stream::sidecar("cluster=eu1");
    // the 8h blocks came and went, and so did their sources, which were never seen
    let all = stream.blocks("01-01", "01-08");
    let eights: Vec<_> = all.chunks(4).map(compact).collect();
    let days: Vec<_> = eights[..18].chunks(6).map(|parts| compact(parts).cut("01-07T06:00")).collect();
    estate.delete(&blocks);
    estate.put(&days);
    estate.put(&eights[18..]);
    estate.scan("01-08T01:30").healthy().notes(&[]);
}

#[test]
fn parents_are_not_written_by_old_compactors() {
    let (mut estate, blocks) = seen("cluster=eu1");
    let mut result = compact(&blocks[..4]).cut("01-03T01:35");
    result.parents.clear();
    estate.put(&[result]);
    estate.delete(&blocks[..4]);
    estate.scan("01-03T02:30").healthy().notes(&[]);
}

#[test]
fn a_great_clearing_after_compaction_is_no_mass_loss() {
    let (mut estate, blocks) = seen("cluster=eu1");
    let results: Vec<_> = blocks[..20].chunks(4).map(|parts| compact(parts).cut("01-03T01:32")).collect();
    estate.put(&results);
    estate.delete(&blocks[..20]);
    estate.scan("01-03T02:30").healthy().notes(&[]);
}

#[test]
fn replicas_deduplicated_between_two_scans() {
    let (a, b) = (steady("cluster=eu1 replica=a"), steady("cluster=eu1 replica=b"));
    let mut estate = Estate::with(&[&a[..], &b[..]].concat()).remembering();
    estate.scan(NOW).healthy();
    let mut result = compact(&[&a[..4], &b[..4]].concat()).without_label("replica").cut("01-03T01:35");
    result.samples /= 2;
    estate.put(&[result]);
    estate.delete(&[&a[..4], &b[..4]].concat());
    estate.scan("01-03T02:30").healthy().notes(&[]);
    estate.scan("01-03T03:30").healthy().notes(&[]);
}

#[test]
fn duplicates_that_vertical_compaction_drops_are_no_loss() {
    let stream = Stream::sidecar("cluster=eu1");
    let mut blocks = steady("cluster=eu1");
    let late = stream.block("01-01T04:00", "01-01T06:00").samples(100_000).cut("01-01T09:00").hinted();
    blocks.insert(4, late);
    let mut estate = Estate::with(&blocks).remembering();
    estate.scan(NOW).healthy();
    let mut result = compact(&blocks[..5]).cut("01-03T01:35");
    result.samples -= 60_000;
    estate.put(&[result]);
    estate.delete(&blocks[..5]);
    estate.scan("01-03T02:30").healthy().notes(&[]);
}

#[test]
fn deleted_series_are_no_loss() {
    let mut blocks = steady("cluster=eu1");
    blocks[1].tombstones = 3;
    let mut estate = Estate::with(&blocks).remembering();
    estate.scan(NOW).healthy();
    let mut result = compact(&blocks[..4]).cut("01-03T01:35");
    result.samples -= 60_000;
    estate.put(&[result]);
    estate.delete(&blocks[..4]);
    estate.scan("01-03T02:30").healthy().notes(&[]);
}

#[test]
fn retention_takes_blocks_while_nobody_looks() {
    let stream = Stream::sidecar("cluster=eu1");
    let blocks = stream.blocks("01-01", "01-11");
    let mut estate = Estate::with(&blocks).config("retention: {raw: 10d}\n").remembering();
    estate.scan("01-11T01:30").healthy();
    // three days on: what has expired is marked and, as the delay is over, some of it gone
    estate.put(&stream.blocks("01-11", "01-16"));
    estate.delete(&blocks[..24]);
    estate.mark_deleted(&blocks[24..48], "01-15T12:00");
    estate.scan("01-16T01:30").healthy().notes(&[]);
}

#[test]
fn the_retention_of_a_tenant_takes_its_blocks() {
    let stream = Stream::receive("replica=r0 tenant_id=short");
    let blocks = stream.blocks("01-01", "01-06");
    let mut estate = Estate::with(&blocks)
        .config("retention: {raw: 90d}\nretention_by_stream:\n- match: '{tenant_id=\"short\"}'\n  raw: 4d\n")
        .remembering();
    estate.scan("01-06T01:30").healthy();
    estate.put(&stream.blocks("01-06", "01-07"));
    estate.delete(&blocks[..12]);
    estate.scan("01-07T01:30").healthy().notes(&[]);
}

#[test]
fn a_retention_that_grows_does_not_look_back() {
    let stream = Stream::sidecar("cluster=eu1");
    let blocks = stream.blocks("01-01", "01-11");
    let estate = Estate::with(&blocks[12..]).config("retention: {raw: 8d}\n").remembering();
    estate.scan("01-11T01:30").healthy();
    // what is gone went under the old policy, and the first scan under the new one knows
    estate.delete(&blocks[12..24]);
    let estate = estate.config("retention: {raw: 90d}\n");
    estate.scan("01-11T02:30").healthy().notes(&[]);
}

#[test]
fn a_mark_that_was_taken_back() {
    let (mut estate, blocks) = seen("cluster=eu1");
    let result = compact(&blocks[..4]).cut("01-03T01:35");
    estate.put(std::slice::from_ref(&result));
    estate.mark_deleted(&blocks[..4], "01-03T01:36");
    estate.scan("01-03T01:40").healthy();
    for block in &blocks[..4] {
        estate.delete_object(block, "deletion-mark.json");
    }
    estate.scan("01-03T01:50").healthy().notes(&[]);
}

#[test]
fn an_upload_seen_on_its_way() {
    let (mut estate, _) = seen("cluster=eu1");
    let block = Stream::sidecar("cluster=eu1").block("01-03", "01-03T02:00");
    estate.sparse(&block.key("chunks/000001"), 1_000, "01-03T03:00");
    estate.scan("01-03T03:01").healthy().notes(&[]);
    estate.put_partial(&block);
    estate.scan("01-03T03:02").healthy().notes(&[]);
    estate.put(&[block]);
    estate.scan("01-03T03:03").healthy().notes(&[]);
    estate.scan("01-03T03:50").healthy().notes(&[]);
}

#[test]
fn a_compaction_that_failed_half_way_and_was_cleared_away() {
    let (mut estate, blocks) = seen("cluster=eu1");
    let orphan = compact(&blocks[..4]).cut("01-03T01:31");
    estate.put_partial(&orphan);
    estate.scan("01-03T02:30").healthy();
    // nothing unique is in it, and that it goes is right
    let later = Stream::sidecar("cluster=eu1").blocks("01-03", "01-05T04:00");
    estate.put(&later);
    estate.scan("01-05T05:30").healthy();
    estate.delete(&[orphan]);
    estate.scan("01-05T05:50").healthy().notes(&[]);
}

#[test]
fn a_known_tool_that_rewrites_meta_json() {
    let (mut estate, mut blocks) = seen("cluster=eu1");
    // the same block, with what a newer tool adds
    let text = String::from_utf8(blocks[0].meta_json()).unwrap();
    let text =
        text.replace("\"index_stats\": {}", "\"index_stats\": {},\n\t\t\"extensions\": {\"parquet_migrated\": true}");
    estate.file(&blocks[0].key("meta.json"), text.as_bytes(), "01-03T01:40");
    let report = estate.scan("01-03T02:30");
    report
        .healthy()
        .notes(&["info object_mutated cluster=eu1 raw 2h@01-01T00:00 object=meta.json 01-01T00:00..01-01T02:00"]);
    // statistics of the index, filled in by a compactor that downloads it anyway
    blocks[1].uploaded += MINUTE;
    estate.rewrite_meta(&blocks[1], "01-03T02:31");
    estate.scan("01-03T02:40").healthy();
}

#[test]
fn a_stream_that_retention_has_emptied() {
    let mut blocks = steady("cluster=eu1");
    let old = Stream::sidecar("cluster=old").blocks("2025-12-04T00:00:00Z", "2025-12-05T00:00:00Z");
    blocks.extend_from_slice(&old);
    let mut estate = Estate::with(&blocks).config("retention: {raw: 30d}\n").remembering();
    estate.scan(NOW).healthy();
    estate.put(&Stream::sidecar("cluster=eu1").blocks("01-03", "01-06"));
    estate.delete(&old);
    estate.scan("01-06T01:30").healthy().notes(&[]);
}

#[test]
fn a_rewrite_between_two_scans() {
    let (mut estate, blocks) = seen("cluster=eu1");
    let mut rewritten = blocks[2].clone().twin(1).cut("01-03T01:31");
    rewritten.source = "bucket.rewrite".to_owned();
    rewritten.sources = vec![rewritten.ulid];
    rewritten.rewrites = vec![blocks[2].ulid];
    rewritten.samples -= 5_000;
    estate.put(&[rewritten]);
    estate.delete(&blocks[2..3]);
    estate.scan("01-03T02:30").healthy().notes(&[]);
}

#[test]
fn a_scan_of_an_earlier_moment_reads_the_ledger() {
    let (mut estate, _) = seen("cluster=eu1");
    estate.put(&Stream::sidecar("cluster=eu1").blocks("01-03", "01-03T04:00"));
    estate.scan("01-03T05:30").healthy();
    let earlier = estate.scan(NOW);
    earlier.healthy();
    assert_eq!(earlier.document["summary"]["requests"]["list"], 0);
    estate.scan("01-03T05:30").healthy().notes(&[]);
}

#[test]
fn a_year_old_ledger() {
    let (mut estate, blocks) = seen("cluster=eu1");
    let result = compact(&blocks).cut("01-04");
    estate.put(&[result]);
    estate.delete(&blocks);
    let stream = Stream::sidecar("cluster=eu1");
    let days: Vec<_> =
        (1..5).map(|k| t("01-01") + 2 * DAY * k).map(|from| compact(&stream.blocks(from, from + 2 * DAY))).collect();
    estate.put(&days);
    estate.put(&stream.blocks("01-11", "01-12"));
    estate.scan(t("01-12") + HOUR + 30 * MINUTE).healthy().notes(&[]);
    estate.mark(&days[0], Mark::NoDownsample, "01-12");
    estate.scan(t("01-12") + HOUR + 40 * MINUTE).healthy();
}
