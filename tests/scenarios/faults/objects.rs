//! Objects that are missing, too short, half uploaded or not understood.

use crate::shapes::{Block, Estate, Mark, Stream, UploadTime, compact, t};
use crate::{NOW, pair, steady};

const NAME: &str = "cluster=eu1 raw 2h@01-01T12:00";
const TIME: &str = "01-01T12:00..01-01T14:00";

/// The bucket of one sidecar and the block of 12:00 on the first day, in which something is to be broken.
fn one() -> (Estate, Block) {
    let blocks = steady("cluster=eu1");
    (Estate::with(&blocks), blocks[6].clone())
}

/// The same with the blocks changed before they are written.
fn one_as(change: impl Fn(Block) -> Block) -> (Estate, Block) {
    let blocks: Vec<Block> = steady("cluster=eu1").into_iter().map(change).collect();
    (Estate::with(&blocks), blocks[6].clone())
}

#[test]
fn an_object_that_files_names_is_not_there() {
    for object in ["index", "chunks/000001"] {
        let (estate, block) = one();
        estate.delete_object(&block, object);
        estate.scan(NOW).says(&[&format!("critical missing_object {NAME} object={object} {TIME}")]).notes(&[]);
    }
}

#[test]
fn several_objects_of_a_block_are_one_finding() {
    let (estate, block) = one();
    estate.delete_object(&block, "index");
    estate.delete_object(&block, "chunks/000001");
    let report = estate.scan(NOW);
    report.says(&[&format!("critical missing_object {NAME} {TIME}")]);
    assert!(report.only("missing_object")["evidence"].to_string().contains("chunks/000001"));
}

#[test]
fn without_files_the_index_and_contiguous_segments_are_implied() {
    let three = [536_870_912, 536_870_912, 4_711];
    for (object, legacy) in [("index", true), ("chunks/000002", false), ("chunks/000002", true)] {
        let change = |block: Block| {
            let block = if block.min == t("01-01T12:00") { block.segments(&three) } else { block };
            if legacy { block.ancient() } else { block.legacy() }
        };
        let (estate, block) = one_as(change);
        estate.delete_object(&block, object);
        estate.scan(NOW).says(&[&format!("critical missing_object {NAME} object={object} {TIME}")]);
    }
    // the listing cannot tell that there was a third
    let (estate, block) = one_as(|block| block.segments(&three).ancient());
    estate.delete_object(&block, "chunks/000003");
    estate.scan(NOW).healthy();
    // but segment_files can
    let (estate, block) = one_as(|block| block.segments(&three).legacy());
    estate.delete_object(&block, "chunks/000003");
    estate.scan(NOW).says(&[&format!("critical missing_object {NAME} object=chunks/000003 {TIME}")]);
}

#[test]
fn a_copy_softens_and_members_of_a_hashring_are_none() {
    let line = |severity: &str| {
        format!("{severity} missing_object cluster=eu1,replica=a raw 2h@01-01T12:00 object=index {TIME}")
    };
    let (estate, a, _) = pair();
    estate.delete_object(&a[6], "index");
    estate.scan(NOW).says(&[&line("warning")]);

    // both are damaged: each is the other's copy no longer
    let (estate, a, b) = pair();
    estate.delete_object(&a[6], "index");
    estate.delete_object(&b[6], "index");
    let report = estate.scan(NOW);
    let checks: Vec<&str> = report.findings().iter().map(|finding| finding["check"].as_str().unwrap()).collect();
    assert_eq!(checks, ["missing_object"; 2], "{:#?}", report.findings());
    assert!(report.loud().iter().all(|line| line.starts_with("critical")), "{:?}", report.loud());

    let a = Stream::receive("cluster=eu1 replica=a").blocks("01-01", "01-03");
    let b = Stream::receive("cluster=eu1 replica=b").rate(90_000).blocks("01-01", "01-03");
    let estate = Estate::with(&[&a[..], &b[..]].concat());
    estate.delete_object(&a[6], "index");
    estate.scan(NOW).says(&[&line("critical")]);
}

#[test]
fn a_block_on_its_way_out_may_lack_objects_and_a_young_one_too() {
    let blocks = steady("cluster=eu1");
    let mut estate = Estate::with(&blocks);
    estate.put(&[compact(&blocks[..4])]);
    estate.mark_deleted(&blocks[..4], "01-01T11:30");
    estate.delete_object(&blocks[0], "index");
    estate.scan(NOW).healthy();
    let block = Stream::sidecar("cluster=eu1").block("01-03", "01-03T02:00");
    estate.put(std::slice::from_ref(&block));
    estate.delete_object(&block, "index");
    estate.scan("01-03T03:30").healthy();
    estate
        .scan("01-03T03:31")
        .says(&["critical missing_object cluster=eu1 raw 2h@01-03T00:00 object=index 01-03T00:00..01-03T02:00"]);
}

#[test]
fn an_object_of_another_size() {
    for (object, size) in [("index", 4_711), ("index", 0), ("chunks/000001", 8), ("chunks/000001", 999_999_999)] {
        let (estate, block) = one();
        estate.resize(&block, object, size);
        let report = estate.scan(NOW);
        report.says(&[&format!("critical size_mismatch {NAME} object={object} {TIME}")]).notes(&[]);
    }
    let (estate, a, _) = pair();
    estate.resize(&a[6], "index", 4_711);
    estate
        .scan(NOW)
        .says(&[&format!("warning size_mismatch cluster=eu1,replica=a raw 2h@01-01T12:00 object=index {TIME}")]);
}

#[test]
fn an_object_too_short_to_be_one() {
    for (object, size, fires) in [
        ("index", 56, true),
        ("index", 57, false),
        ("index", 0, true),
        ("chunks/000001", 7, true),
        ("chunks/000001", 8, false),
    ] {
        let (estate, block) = one_as(Block::legacy);
        estate.resize(&block, object, size);
        let report = estate.scan(NOW);
        if fires {
            report.says(&[&format!("critical size_mismatch {NAME} object={object} {TIME}")]);
        } else {
            report.healthy();
        }
    }
}

#[test]
fn a_meta_json_that_is_none() {
    let block = steady("cluster=eu1")[6].clone();
    let whole = String::from_utf8(block.meta_json()).unwrap();
    let broken = [
        String::new(),
        "not JSON".to_owned(),
        whole.chars().take(whole.len() / 2).collect(),
        whole.replace("\"minTime\": ", "\"minTime\": \"x\", \"was\": "),
        format!("{whole}{{}}"),
        "null".to_owned(),
    ];
    for content in broken {
        let (estate, block) = one();
        estate.file(&block.key("meta.json"), content.as_bytes(), "01-03T00:00");
        let report = estate.scan(NOW);
        let line = "critical meta_invalid 2h@01-01T12:00 object=meta.json by 01-05T00:00";
        assert_eq!(report.loud(), [line], "{content}: {:#?}", report.findings());
    }
}

#[test]
fn a_meta_json_with_a_wrong_field() {
    type Edit = fn(&mut Block);
    let edits: [(&str, Edit); 3] = [
        ("another block's ULID", |block| block.ulid = compact(std::slice::from_ref(block)).ulid),
        ("from before to", |block| std::mem::swap(&mut block.min, &mut block.max)),
        ("nothing in it", |block| block.max = block.min),
    ];
    for (what, edit) in edits {
        let (estate, block) = one();
        let mut wrong = block.clone();
        edit(&mut wrong);
        estate.file(&block.key("meta.json"), &wrong.meta_json(), block.uploaded);
        let report = estate.scan(NOW);
        let checks: Vec<String> = report.loud();
        assert_eq!(checks.len(), 1, "{what}: {:#?}", report.findings());
        assert!(checks[0].starts_with("critical meta_invalid"), "{what}: {checks:?}");
    }
    let (estate, block) = one();
    let text = String::from_utf8(block.meta_json()).unwrap().replace("\"version\": 1,", "\"version\": 2,");
    estate.file(&block.key("meta.json"), text.as_bytes(), block.uploaded);
    let report = estate.scan(NOW);
    assert_eq!(report.loud().len(), 1, "{:#?}", report.findings());
    assert!(report.loud()[0].starts_with("critical meta_invalid"), "{:?}", report.loud());
}

#[test]
fn data_from_the_future() {
    let stream = Stream::sidecar("cluster=eu1");
    let mut estate = Estate::with(&stream.blocks("01-01", "01-03"));
    let block = stream.block("01-03T00:00", "01-03T03:00").cut("01-03T00:30");
    estate.put(&[block]);
    let report = estate.scan(NOW);
    let lines = report.loud();
    assert!(
        lines.iter().any(|line| line.starts_with("critical meta_invalid cluster=eu1 raw 3h@01-03T00:00")),
        "{lines:?}"
    );
    // its wrong end neither hides nor makes anything else
    for idx in [6, 23] {
        for at in ["01-03T01:32", "01-03T03:59"] {
            let (estate, _) = one_as(|block| block);
            let mut block = steady("cluster=eu1")[idx].clone();
            block.max = t("03-01");
            estate.file(&block.key("meta.json"), &block.meta_json(), block.uploaded);
            let lines = estate.scan(at).loud();
            assert!(
                lines.len() == 1 && lines[0].starts_with("critical meta_invalid cluster=eu1"),
                "{idx} {at}: {lines:?}"
            );
        }
    }
    // within the hour by which clocks may differ
    estate.scan("01-03T02:00").loud().iter().for_each(|line| assert!(!line.contains("meta_invalid"), "{line}"));
}

#[test]
fn a_mark_that_cannot_be_read() {
    for mark in ["deletion-mark.json", "no-compact-mark.json", "no-downsample-mark.json"] {
        for content in ["", "{", "[]", r#"{"id":"x","version":7,"deletion_time":1}"#] {
            let (estate, block) = one();
            estate.file(&block.key(mark), content.as_bytes(), "01-02T00:00");
            let report = estate.scan(NOW);
            let lines = report.loud();
            assert_eq!(lines.len(), 1, "{mark} {content}: {lines:?}");
            assert!(lines[0].starts_with("warning meta_invalid"), "{mark} {content}: {lines:?}");
            assert!(lines[0].contains(&format!("object={mark}")), "{mark} {content}: {lines:?}");
        }
    }
}

#[test]
fn a_partial_upload_that_a_hole_misses() {
    let blocks = steady("cluster=eu1");
    let estate = Estate::with(&blocks);
    estate.delete_object(&blocks[6], "meta.json");
    estate.scan(NOW).says(&[
        "critical coverage_gap cluster=eu1 raw 01-01T12:00..01-01T14:00",
        "warning partial_upload 2h@01-01T12:00 01-01T12:00..01-01T14:00",
    ]);
    // and when a compactor will delete it
    let mut estate = Estate::with(&blocks[4..]);
    estate.put(&[compact(&blocks[..4])]);
    estate.delete_object(&blocks[6], "meta.json");
    estate.scan(NOW).says(&[
        "critical coverage_gap cluster=eu1 raw 01-01T12:00..01-01T14:00",
        "warning partial_upload 2h@01-01T12:00 01-01T12:00..01-01T14:00 by 01-03T15:01",
    ]);
}

#[test]
fn a_partial_upload_that_the_open_end_misses() {
    let stream = Stream::sidecar("cluster=eu1");
    let mut estate = Estate::with(&stream.blocks("01-01", "01-03"));
    estate.put_partial(&stream.block("01-03", "01-03T02:00"));
    // not late yet: the upload may be going on
    estate.scan("01-03T03:59").healthy().notes(&[]);
    let lines = estate.scan("01-03T04:30").loud();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("warning partial_upload 2h@01-03T00:00"), "{lines:?}");
    assert!(lines[1].starts_with("warning upload_lag cluster=eu1 raw"), "{lines:?}");
}

#[test]
fn a_partial_upload_that_nobody_misses() {
    let blocks = steady("cluster=eu1");
    let mut estate = Estate::with(&blocks);
    // what a compactor left when it was stopped
    let orphan = compact(&blocks[..4]).cut("01-02T12:00");
    estate.put_partial(&orphan);
    estate.scan(NOW).healthy().notes(&["info partial_upload 8h@01-01T00:00"]);
    // on its way out: meta.json goes first and the mark last
    estate.mark(&orphan, Mark::Deletion, "01-02T12:30");
    estate.scan(NOW).healthy().notes(&[]);
    // objects of a later date than the judged moment are old
    let mut estate = Estate::with(&blocks);
    estate.put_partial(&orphan.uploaded("05-01"));
    estate.scan(NOW).healthy().notes(&["info partial_upload 8h@01-01T00:00"]);
}

#[test]
fn young_by_its_newest_object() {
    let blocks = steady("cluster=eu1");
    let estate = Estate::with(&blocks);
    let orphan = compact(&blocks[..4]).cut("01-02T12:00").upload_time(UploadTime::Absent);
    estate.sparse(&orphan.key("chunks/000001"), 4_711, "01-02T12:00");
    estate.sparse(&orphan.key("chunks/000002"), 4_711, "01-03T00:45");
    estate.scan(NOW).healthy().notes(&[]);
    estate.scan("01-03T01:46").healthy();
}
