//! What only a scan that remembers can see.

use crate::shapes::{Estate, MINUTE, Stream, compact, t};
use crate::{NOW, pair, steady};

const LATER: &str = "01-03T02:30";
const HOLE: &str = "critical coverage_gap cluster=eu1 raw 01-01T12:00..01-01T14:00";

fn seen() -> (Estate, Vec<crate::shapes::Block>) {
    let blocks = steady("cluster=eu1");
    let estate = Estate::with(&blocks).remembering();
    estate.scan(NOW).healthy();
    (estate, blocks)
}

#[test]
fn a_block_goes_without_a_word() {
    let (estate, blocks) = seen();
    estate.delete(&blocks[6..7]);
    let vanished = "critical block_vanished cluster=eu1 raw 2h@01-01T12:00 01-01T12:00..01-01T14:00";
    estate.scan(LATER).says(&[vanished, HOLE]).notes(&[]);
    estate.scan("01-03T02:40").says(&[vanished, HOLE]);
}

#[test]
fn the_oldest_block_goes_without_a_word() {
    let (estate, blocks) = seen();
    estate.delete(&blocks[..1]);
    let vanished = ["critical block_vanished cluster=eu1 raw 2h@01-01T00:00 01-01T00:00..01-01T02:00"];
    estate.scan(LATER).says(&vanished).notes(&[]);
    estate.scan("01-03T02:40").says(&vanished);
}

#[test]
fn a_block_that_comes_back_has_not_vanished() {
    let (mut estate, blocks) = seen();
    estate.delete(&blocks[..1]);
    assert_eq!(estate.scan(LATER).code, 1);
    estate.put(&blocks[..1]);
    estate.scan("01-03T02:40").healthy();
}

#[test]
fn a_copy_softens_a_loss() {
    let (estate, a, _) = pair();
    let estate = estate.remembering();
    estate.scan(NOW).healthy();
    estate.delete(&a[6..7]);
    estate.scan(LATER).says(&[
        "warning block_vanished cluster=eu1,replica=a raw 2h@01-01T12:00 01-01T12:00..01-01T14:00",
        "warning coverage_gap cluster=eu1,replica=a raw 01-01T12:00..01-01T14:00",
    ]);
}

#[test]
fn only_meta_json_goes() {
    let (estate, blocks) = seen();
    estate.delete_object(&blocks[6], "meta.json");
    let lines = estate.scan(LATER).loud();
    assert!(lines.contains(&HOLE.to_owned()), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("warning partial_upload 2h@01-01T12:00")), "{lines:?}");
}

#[test]
fn a_stream_goes_at_once() {
    let mut blocks = steady("cluster=eu1");
    let other = Stream::sidecar("cluster=us1").blocks("01-02T18:00", "01-03");
    blocks.extend_from_slice(&other);
    let estate = Estate::with(&blocks).remembering();
    estate.scan(NOW).healthy();
    estate.delete(&other);
    let lines = estate.scan(LATER).loud();
    assert!(!lines.is_empty(), "{lines:?}");
    assert!(lines.iter().all(|line| line.starts_with("critical block_vanished cluster=us1")), "{lines:?}");
}

#[test]
fn a_great_part_of_the_bucket_goes_at_once() {
    let (estate, blocks) = seen();
    estate.delete(&blocks[4..16]);
    let report = estate.scan(LATER);
    let lines = report.loud();
    assert!(lines.iter().any(|line| line == "critical bucket_empty"), "{lines:?}");
    assert!(lines.iter().all(|line| !line.contains("block_vanished")), "{lines:?}");
    let again = estate.scan("01-03T02:40").loud();
    assert_eq!(again, lines);
}

#[test]
fn everything_goes() {
    let (estate, blocks) = seen();
    estate.delete(&blocks);
    let lines = estate.scan(LATER).loud();
    assert!(lines.contains(&"critical bucket_empty".to_owned()), "{lines:?}");
    assert!(lines.len() <= 2, "{lines:?}");
}

#[test]
fn an_object_grows_or_shrinks() {
    let blocks: Vec<_> = steady("cluster=eu1").into_iter().map(crate::shapes::Block::legacy).collect();
    let estate = Estate::with(&blocks).remembering();
    estate.scan(NOW).healthy();
    estate.resize(&blocks[6], "index", 4_711);
    estate
        .scan(LATER)
        .says(&["critical object_mutated cluster=eu1 raw 2h@01-01T12:00 object=index 01-01T12:00..01-01T14:00"]);
    estate
        .scan("01-03T02:40")
        .says(&["critical object_mutated cluster=eu1 raw 2h@01-01T12:00 object=index 01-01T12:00..01-01T14:00"]);
}

#[test]
fn an_object_is_written_again_with_the_same_size() {
    let (estate, blocks) = seen();
    estate.sparse(&blocks[6].key("chunks/000001"), blocks[6].segments[0], "01-03T01:45");
    estate
        .scan(LATER)
        .says(&["warning object_mutated cluster=eu1 raw 2h@01-01T12:00 object=chunks/000001 01-01T12:00..01-01T14:00"]);
}

#[test]
fn meta_json_says_something_else() {
    let (mut estate, blocks) = seen();
    let block = blocks[6].clone().samples(17);
    estate.rewrite_meta(&block, "01-03T01:45");
    let lines = estate.scan(LATER).loud();
    assert!(
        lines.iter().any(|line| line.contains("object_mutated cluster=eu1 raw 2h@01-01T12:00 object=meta.json")),
        "{lines:?}"
    );
}

#[test]
fn a_migration_touches_everything() {
    let (estate, blocks) = seen();
    for block in &blocks {
        for (name, size) in block.objects() {
            estate.sparse(&block.key(&name), size, "01-03T01:45");
        }
        estate.file(&block.key("meta.json"), &block.meta_json(), "01-03T01:45");
    }
    let lines = estate.scan(LATER).loud();
    assert!(lines.len() == 1 && lines[0] == "warning object_mutated", "{lines:?}");
}

#[test]
fn compaction_loses_samples() {
    let (mut estate, blocks) = seen();
    let mut result = compact(&blocks[..4]).cut("01-03T01:32");
    result.samples -= 1;
    estate.put(&[result.clone()]);
    estate.delete(&blocks[..4]);
    let line = ["critical compaction_loss cluster=eu1 raw 8h@01-01T00:00 01-01T00:00..01-01T08:00"];
    estate.scan(LATER).says(&line).notes(&[]);
    estate.scan("01-03T02:40").says(&line);
    // the sources are there and nobody has marked them yet
    let mut estate = Estate::with(&blocks);
    estate.put(&[result]);
    estate.scan(LATER).says(&line);
}

#[test]
fn compaction_that_gains_or_is_unknown_loses_nothing() {
    let blocks = steady("cluster=eu1");
    let mut more = compact(&blocks[..4]).cut("01-03T01:32");
    more.samples += 10;
    let mut estate = Estate::with(&blocks).remembering();
    estate.scan(NOW).healthy();
    estate.put(&[more]);
    estate.delete(&blocks[..4]);
    estate.scan(LATER).healthy();
    // a source that nobody saw
    let mut less = compact(&blocks[..4]).cut("01-03T01:32");
    less.samples -= 1_000;
    Estate::with(&[&blocks[4..], &[less]].concat()).scan(LATER).healthy();
}

#[test]
fn a_finding_ends_when_it_is_mended() {
    let (estate, blocks) = seen();
    estate.delete_object(&blocks[6], "index");
    assert_eq!(estate.scan(LATER).code, 1);
    estate.sparse(&blocks[6].key("index"), blocks[6].index, blocks[6].uploaded);
    estate.scan(t(LATER) + 5 * MINUTE).healthy().notes(&[]);
}

#[test]
fn a_downsampled_block_goes_without_a_word() {
    let stream = Stream::sidecar("cluster=eu1");
    let raw = compact(&stream.blocks("01-01", "01-03"));
    let fine = crate::shapes::downsample(&raw, 300_000);
    let mut blocks = vec![raw, fine.clone()];
    blocks.extend(stream.blocks("01-03", "01-05"));
    let estate = Estate::with(&blocks).remembering();
    estate.scan("01-05T01:30").healthy();
    estate.delete(&[fine]);
    estate
        .scan("01-05T02:30")
        .says(&["critical block_vanished cluster=eu1 5m 2d@01-01T00:00/5m 01-01T00:00..01-03T00:00"]);
}

#[test]
fn meta_json_breaks_later() {
    let (estate, blocks) = seen();
    estate.file(&blocks[6].key("meta.json"), b"{\"ulid\": ", "01-03T01:40");
    let lines = estate.scan(LATER).loud();
    assert!(
        lines.iter().any(|line| line.starts_with("critical meta_invalid cluster=eu1 raw 2h@01-01T12:00")),
        "{lines:?}"
    );
    // what was known of it stays known, so that it leaves no hole; and one cause is one finding
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[test]
fn a_partial_upload_is_cleared_away_and_the_hole_stays() {
    let blocks = steady("cluster=eu1");
    let estate = Estate::with(&blocks).remembering();
    estate.delete_object(&blocks[6], "meta.json");
    assert_eq!(estate.scan(NOW).loud().len(), 2);
    estate.delete(&blocks[6..7]);
    estate.scan(LATER).says(&[HOLE]);
    estate.scan("01-03T02:40").says(&[HOLE]);
}

#[test]
fn the_oldest_data_goes_before_its_declared_retention() {
    let blocks = steady("cluster=eu1");
    let estate = Estate::with(&blocks).config("retention: {raw: 30d}\n").remembering();
    estate.scan(NOW).healthy();
    estate.delete(&blocks[..3]);
    let lines = estate.scan(LATER).loud();
    assert!(lines.iter().any(|line| line.starts_with("critical retention_premature cluster=eu1 raw")), "{lines:?}");
    let rest = lines.iter().filter(|line| !line.contains("retention_premature") && !line.contains("block_vanished"));
    assert_eq!(rest.count(), 0, "{lines:?}");
}

#[test]
fn a_loss_while_nobody_looked_for_days() {
    let stream = Stream::sidecar("cluster=eu1");
    let (mut estate, blocks) = seen();
    // a mark may have come and gone, but nothing accounts for a block in the middle
    estate.put(&stream.blocks("01-03", "01-09"));
    estate.delete(&blocks[6..7]);
    let lines = estate.scan("01-09T01:30").loud();
    assert_eq!(lines, ["critical block_vanished cluster=eu1 raw 2h@01-01T12:00 01-01T12:00..01-01T14:00", HOLE]);
}

#[test]
fn a_loss_that_heals_by_itself_when_the_data_expires() {
    let stream = Stream::sidecar("cluster=eu1");
    let blocks = steady("cluster=eu1");
    let mut estate = Estate::with(&blocks).config("retention: {raw: 3d}\n").remembering();
    estate.scan(NOW).healthy();
    estate.delete(&blocks[6..7]);
    assert_eq!(estate.scan(LATER).loud().len(), 2);
    estate.put(&stream.blocks("01-03", "01-05"));
    estate.delete(&blocks[..6]);
    estate.delete(&blocks[7..12]);
    estate.scan("01-05T01:30").healthy();
}
