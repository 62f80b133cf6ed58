//! Buckets with a long or an odd past.

use crate::shapes::{Block, DAY, Estate, HOUR, Mark, Stream, compact, downsample, next_days, t};
use crate::{NOW, steady};

/// Two-day blocks, each from six 8h blocks, from `from` on.
fn two_days(stream: &Stream, from: i64, count: i64) -> Vec<Block> {
    let eight = |from: i64| compact(&stream.blocks(from, from + 8 * HOUR));
    let days = |from: i64| compact(&(0..6).map(|k| eight(from + k * 8 * HOUR)).collect::<Vec<_>>());
    (0..count).map(|k| days(from + k * 2 * DAY)).collect()
}

#[test]
fn only_downsampled_history_where_raw_has_expired() {
    let stream = Stream::sidecar("cluster=eu1");
    let start = next_days("02-01", 2);
    let raw = two_days(&stream, start, 10);
    let fine: Vec<Block> = raw.iter().map(|block| downsample(block, 300_000)).collect();
    let end = start + 20 * DAY;
    let mut blocks = raw[6..].to_vec();
    blocks.extend(fine);
    blocks.extend(stream.blocks(end, end + DAY));
    let at = end + DAY + HOUR + HOUR / 2;
    let estate = Estate::with(&blocks);
    estate.scan(at).healthy();
    // and where the policy says so
    let estate = Estate::with(&blocks).config("retention: {raw: 8d, 5m: 90d, 1h: 1y}\n");
    estate.scan(at).healthy();
}

#[test]
fn coarse_history_of_a_year() {
    let stream = Stream::sidecar("cluster=eu1");
    let start = next_days("2025-03-01T00:00:00Z", 14);
    let coarse: Vec<Block> = (0..20)
        .map(|k| compact(&two_days(&stream, start + k * 14 * DAY, 7)))
        .map(|raw| downsample(&raw, 3_600_000))
        .collect();
    let end = start + 20 * 14 * DAY;
    let recent = two_days(&stream, end, 3);
    let mut blocks = coarse;
    blocks.extend(recent.iter().map(|block| downsample(block, 300_000)));
    blocks.extend(recent);
    blocks.extend(stream.blocks(end + 6 * DAY, end + 7 * DAY));
    Estate::with(&blocks).scan(end + 7 * DAY + 90 * 60_000).healthy();
}

#[test]
fn expired_blocks_marked_and_not_yet_deleted() {
    let stream = Stream::sidecar("cluster=eu1");
    let start = next_days("02-01", 2);
    let raw = two_days(&stream, start, 5);
    let end = start + 10 * DAY;
    let mut blocks = raw.clone();
    blocks.extend(stream.blocks(end, end + DAY));
    let at = end + DAY + 90 * 60_000;
    let estate = Estate::with(&blocks).config("retention: {raw: 7d}\n");
    estate.mark_deleted(&raw[..1], at - DAY);
    // the second has just expired, and nobody has come round yet
    estate.scan(at).healthy().notes(&[]);
}

#[test]
fn a_block_is_kept_until_its_newest_sample_expires() {
    let stream = Stream::sidecar("cluster=eu1");
    let start = next_days("02-01", 2);
    let mut blocks = two_days(&stream, start, 5);
    blocks.extend(stream.blocks(start + 10 * DAY, start + 11 * DAY));
    // the first is over its retention by less than two days
    let at = start + 11 * DAY + 90 * 60_000;
    Estate::with(&blocks).config("retention: {raw: 8d}\n").scan(at).healthy().notes(&[]);
}

#[test]
fn islands_filled_in_later() {
    let stream = Stream::sidecar("cluster=eu1");
    let mut blocks = steady("cluster=eu1");
    let imported = |from: &str, to: &str| stream.blocks(from, to).into_iter().map(|block| block.cut("01-02T09:00"));
    blocks.extend(imported("2025-06-01T00:00:00Z", "2025-06-02T00:00:00Z"));
    blocks.extend(imported("2025-09-10T00:00:00Z", "2025-09-10T12:00:00Z"));
    Estate::with(&blocks).scan(NOW).healthy().notes(&[]);
}

#[test]
fn a_folder_uploaded_by_hand() {
    let uploaded = Stream::sidecar("origin=laptop").source("bucket.upload");
    let mut blocks = uploaded.blocks("2025-12-20T00:00:00Z", "2025-12-21T00:00:00Z");
    blocks.push(compact(&uploaded.blocks("2025-12-21T00:00:00Z", "2025-12-21T18:00:00Z")));
    blocks.last_mut().unwrap().source = "bucket.upload".to_owned();
    blocks.extend(steady("cluster=eu1"));
    Estate::with(&blocks).scan(NOW).healthy().notes(&[]);
}

#[test]
fn a_cluster_that_ended_with_its_history_compacted() {
    let stream = Stream::sidecar("cluster=old");
    let start = next_days("2025-10-01T00:00:00Z", 2);
    let mut blocks = two_days(&stream, start, 6);
    blocks.extend(stream.blocks(start + 12 * DAY, start + 12 * DAY + 6 * HOUR));
    blocks.extend(steady("cluster=eu1"));
    Estate::with(&blocks).scan(NOW).healthy();
}

#[test]
fn a_tenant_with_its_own_retention() {
    let stream = Stream::receive("replica=r0 tenant_id=short");
    let start = next_days("02-01", 2);
    let raw = two_days(&stream, start, 5);
    let end = start + 10 * DAY;
    let mut blocks = raw.clone();
    blocks.extend(stream.blocks(end, end + DAY));
    let at = end + DAY + 90 * 60_000;
    let estate = Estate::with(&blocks)
        .config("retention: {raw: 90d}\nretention_by_stream:\n- match: '{tenant_id=\"short\"}'\n  raw: 4d\n");
    // expired by the tenant's retention, so that deleting them is right
    estate.mark_deleted(&raw[..2], at - DAY);
    estate.mark_deleted(&raw[2..3], at - HOUR);
    estate.scan(at).healthy().notes(&[]);
}

#[test]
fn an_old_scar_that_nobody_can_fill() {
    let stream = Stream::sidecar("cluster=eu1");
    let start = next_days("02-01", 2);
    let mut blocks = two_days(&stream, start, 12);
    blocks.remove(1);
    let end = start + 24 * DAY;
    blocks.extend(stream.blocks(end, end + DAY));
    Estate::with(&blocks)
        .scan(end + DAY + 90 * 60_000)
        .healthy()
        .notes(&["info coverage_gap cluster=eu1 raw 02-04T00:00..02-06T00:00"]);
}

#[test]
fn a_bucket_judged_as_of_last_year() {
    let stream = Stream::sidecar("cluster=eu1");
    let blocks = stream.blocks("2025-05-01T00:00:00Z", "2025-05-03T00:00:00Z");
    Estate::with(&blocks).scan("2025-05-03T01:30:00Z").healthy().notes(&[]);
}

#[test]
fn files_copied_later_than_the_time_that_is_judged() {
    let copied: Vec<Block> = steady("cluster=eu1").into_iter().map(|block| block.uploaded("11-20")).collect();
    Estate::with(&copied).scan(NOW).healthy().notes(&[]);
    // and with the upload time that the block was first given
    let estate = Estate::with(&steady("cluster=eu1"));
    for block in &steady("cluster=eu1") {
        for (object, size) in block.objects() {
            estate.sparse(&block.key(&object), size, "11-20");
        }
        estate.file(&block.key("meta.json"), &block.meta_json(), "11-20");
    }
    estate.scan(NOW).healthy().notes(&[]);
}

#[test]
fn a_bucket_that_is_declared_new() {
    Estate::new().demands(&["new: true"]).scan(NOW).healthy().notes(&[]);
}

#[test]
fn a_deleted_stream_whose_marks_are_young_and_whose_data_has_expired() {
    let stream = Stream::sidecar("cluster=old");
    let old = stream.blocks("2025-11-01T00:00:00Z", "2025-11-02T00:00:00Z");
    let mut blocks = steady("cluster=eu1");
    blocks.extend_from_slice(&old);
    let estate = Estate::with(&blocks).config("retention: {raw: 30d}\n");
    for block in &old {
        estate.mark(block, Mark::Deletion, t("01-02"));
    }
    estate.scan(NOW).healthy();
}

#[test]
fn nothing_but_downsampled_blocks() {
    let stream = Stream::sidecar("cluster=eu1");
    let start = next_days("02-01", 14);
    let raw = two_days(&stream, start, 14);
    let fine: Vec<Block> = raw.iter().map(|block| downsample(block, 300_000)).collect();
    let coarse: Vec<Block> = fine.chunks(7).map(|parts| downsample(&compact(parts), 3_600_000)).collect();
    let at = start + 40 * DAY;
    for config in ["{}\n", "retention: {raw: 7d, 5m: 0s, 1h: 0s}\n"] {
        Estate::with(&[&fine[..], &coarse].concat()).config(config).scan(at).healthy();
        Estate::with(&coarse).config(config).scan(at).healthy();
    }
}

#[test]
fn expired_blocks_on_their_way_out() {
    let stream = Stream::sidecar("cluster=eu1");
    let blocks = stream.blocks("01-01", "01-08");
    let mut estate = Estate::with(&blocks).config("retention: {raw: 6d}\n").remembering();
    estate.scan("01-08T01:30").healthy();
    estate.mark_deleted(&blocks[..8], "01-08T01:40");
    estate.scan("01-08T02:30").healthy().notes(&[]);
    estate.put(&stream.blocks("01-08", "01-10T02:00"));
    estate.mark_deleted(&blocks[8..24], "01-09T12:00");
    for object in ["meta.json", "chunks/000001", "index", "deletion-mark.json"] {
        estate.delete_object(&blocks[0], object);
        estate.scan("01-10T03:30").healthy().notes(&[]);
    }
    estate.delete(&blocks[1..8]);
    estate.scan("01-10T03:40").healthy().notes(&[]);
}
