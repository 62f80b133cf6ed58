//! Buckets with a compactor at work.

use crate::shapes::{Block, DAY, Estate, HOUR, Mark, Stream, compact, downsample, t};
use crate::{NOW, steady};

/// A stream whose last days are 2h blocks, with the first eight hours of the first day compacted.
fn with_result(labels: &str) -> (Vec<Block>, Block) {
    let blocks = steady(labels);
    let result = compact(&blocks[..4]).cut("01-01T11:00");
    (blocks, result)
}

#[test]
fn a_result_uploaded_and_its_sources_not_yet_marked() {
    let (mut blocks, result) = with_result("cluster=eu1");
    blocks.push(result.cut("01-03T00:00"));
    Estate::with(&blocks).scan(NOW).healthy().notes(&[]);
    // done one by one, oldest first
    let estate = Estate::with(&blocks);
    for source in &blocks[..4] {
        estate.mark(source, Mark::Deletion, "01-03T01:00");
        estate.scan(NOW).healthy().notes(&[]);
    }
}

#[test]
fn a_result_that_is_younger_than_the_consistency_delay() {
    let (mut blocks, result) = with_result("cluster=eu1");
    blocks.push(result.cut("01-03T01:20"));
    Estate::with(&blocks).scan(NOW).healthy().notes(&[]);
}

#[test]
fn sources_deleted_object_by_object() {
    let (mut blocks, result) = with_result("cluster=eu1");
    blocks.push(result);
    let estate = Estate::with(&blocks);
    estate.mark_deleted(&blocks[..4], "01-01T11:05");
    let going = &blocks[1];
    // meta.json goes first and the mark last
    for object in ["meta.json", "chunks/000001", "index", "deletion-mark.json"] {
        estate.delete_object(going, object);
        estate.scan(NOW).healthy().notes(&[]);
    }
}

#[test]
fn nothing_but_the_mark_is_left() {
    let (mut blocks, result) = with_result("cluster=eu1");
    blocks.push(result);
    let estate = Estate::with(&blocks);
    estate.mark_deleted(&blocks[..4], "01-01T11:05");
    for object in ["meta.json", "chunks/000001", "index"] {
        estate.delete_object(&blocks[0], object);
    }
    estate.scan(NOW).healthy().notes(&[]);
}

#[test]
fn compacted_up_to_fourteen_days() {
    let stream = Stream::sidecar("cluster=eu1");
    let start = t("2025-11-20T00:00:00Z").div_euclid(14 * DAY) * 14 * DAY;
    let eights = |from: i64, count: i64| -> Vec<Block> {
        let starts = (0..count).map(|k| from + k * 8 * HOUR);
        starts.map(|from| compact(&stream.blocks(from, from + 8 * HOUR))).collect()
    };
    let days = |from: i64| compact(&eights(from, 6));
    let fortnight = compact(&(0..7).map(|k| days(start + k * 2 * DAY)).collect::<Vec<_>>());
    let end = start + 14 * DAY;
    let fine = downsample(&fortnight, 300_000);
    let coarse = downsample(&fine, 3_600_000);
    let second = days(end);
    let mut blocks = vec![fortnight, fine, coarse, downsample(&second, 300_000), second];
    blocks.extend(eights(end + 2 * DAY, 2));
    blocks.extend(stream.blocks(end + 2 * DAY + 16 * HOUR, end + 3 * DAY));
    Estate::with(&blocks).scan(end + 3 * DAY + 100 * 60_000).healthy().notes(&[]);
}

#[test]
fn replicas_deduplicated_into_a_stream_of_their_own() {
    let (a, b) = (steady("cluster=eu1 replica=a"), steady("cluster=eu1 replica=b"));
    let mut parts = a[..16].to_vec();
    parts.extend_from_slice(&b[..16]);
    let mut result = compact(&parts).without_label("replica").cut("01-02T12:00");
    result.samples /= 2;
    // its sources are there and not marked yet; marked; gone
    let mut estate = Estate::with(&[&a[..], &b[..], std::slice::from_ref(&result)].concat());
    estate.scan(NOW).healthy().notes(&[]);
    estate.mark_deleted(&parts, "01-02T12:05");
    estate.scan(NOW).healthy().notes(&[]);
    estate.delete(&parts);
    estate.scan(NOW).healthy().notes(&[]);
    // a block that one replica kept: the derived stream covers what lies between
    estate.put(&a[2..3]);
    estate.mark(&a[2], Mark::NoCompact, "01-01T12:00");
    estate.scan(NOW).healthy();
}

#[test]
fn a_hole_of_one_replica_that_deduplication_has_filled() {
    let (a, b) = (steady("cluster=eu1 replica=a"), steady("cluster=eu1 replica=b"));
    let mut parts = a[..8].to_vec();
    parts.extend_from_slice(&b[..4]);
    parts.extend_from_slice(&b[6..8]);
    let result = compact(&parts).without_label("replica").cut("01-02T12:00");
    Estate::with(&[&a[8..], &b[8..], &[result]].concat()).scan(NOW).healthy().notes(&[]);
}

#[test]
fn a_failed_result_is_deleted_while_its_sources_are_all_there() {
    let (mut blocks, result) = with_result("cluster=eu1");
    blocks.push(result.clone());
    let estate = Estate::with(&blocks);
    estate.mark(&result, Mark::Deletion, "01-02T22:00");
    estate.scan(NOW).healthy().notes(&[]);
}

#[test]
fn blocks_kept_from_compaction_and_downsampling() {
    let (mut blocks, result) = with_result("cluster=eu1");
    blocks.drain(..4);
    blocks.push(result.clone());
    let estate = Estate::with(&blocks);
    estate.mark(&result, Mark::NoDownsample, "01-01T12:00");
    estate.mark(&blocks[1], Mark::NoCompact, "01-01T12:00");
    estate.scan(NOW).healthy();
}

#[test]
fn a_rewritten_block_and_the_one_that_it_replaces() {
    let mut blocks = steady("cluster=eu1");
    let result = compact(&blocks[..4]).cut("01-01T11:00");
    blocks.drain(..4);
    let mut rewritten = result.clone().twin(1).cut("01-02T15:00");
    rewritten.source = "bucket.rewrite".to_owned();
    rewritten.sources = vec![rewritten.ulid];
    rewritten.rewrites = vec![result.ulid];
    rewritten.samples -= 1_000;
    // the old one beside it, marked, gone
    let estate = Estate::with(&[&blocks[..], &[result.clone(), rewritten]].concat());
    estate.mark(&result, Mark::Deletion, "01-02T15:01");
    estate.scan(NOW).healthy().notes(&[]);
    estate.delete(&[result]);
    estate.scan(NOW).healthy().notes(&[]);
}

#[test]
fn vertical_compaction_merges_out_of_order_blocks() {
    let stream = Stream::sidecar("cluster=eu1");
    let mut blocks = stream.blocks("01-01", "01-03");
    let late = stream.block("01-01T04:00", "01-01T06:00").samples(700).cut("01-01T09:00").hinted();
    let mut parts = blocks[..4].to_vec();
    parts.push(late);
    let result = compact(&parts).cut("01-01T11:30");
    blocks.drain(..4);
    blocks.push(result);
    Estate::with(&blocks).scan(NOW).healthy().notes(&[]);
}
