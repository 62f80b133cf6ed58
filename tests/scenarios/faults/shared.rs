//! What many blocks share is one finding, and the same input gives the same output.

use crate::shapes::{Block, Estate, Mark, Stream};
use crate::{NOW, steady};

#[test]
fn hundreds_of_blocks_with_one_fault_are_one_finding() {
    let stream = Stream::sidecar("cluster=eu1");
    let blocks = stream.blocks("01-01", "02-01");
    let estate = Estate::with(&blocks);
    for block in &blocks[..300] {
        estate.delete_object(block, "index");
    }
    let lines = estate.scan("02-01T01:30").loud();
    assert!(lines.len() == 1 && lines[0].starts_with("critical missing_object cluster=eu1"), "{lines:?}");

    let estate = Estate::with(&blocks);
    for block in &blocks[..300] {
        estate.mark(block, Mark::Deletion, "01-31T22:00");
    }
    let lines = estate.scan("02-01T01:30").loud();
    assert!(lines.len() == 1 && lines[0].starts_with("critical deletion_unreplaced"), "{lines:?}");

    let estate = Estate::with(&blocks);
    for block in &blocks[..300] {
        estate.resize(block, "chunks/000001", 8);
    }
    let lines = estate.scan("02-01T01:30").loud();
    assert!(lines.len() == 1 && lines[0].starts_with("critical size_mismatch"), "{lines:?}");
}

#[test]
fn streams_that_stop_together() {
    let blocks: Vec<Block> = (0..40).flat_map(|k| steady(&format!("cluster=c{k:02}"))).collect();
    let lines = Estate::with(&blocks).scan("01-03T09:00").loud();
    assert!(lines.iter().all(|line| line.starts_with("critical upload_lag")), "{lines:?}");
    assert!(!lines.is_empty());
}

#[test]
fn two_runs_on_the_same_input_are_byte_identical() {
    let blocks = steady("cluster=eu1");
    let mut all = blocks.clone();
    all.extend(Stream::sidecar("cluster=us1").blocks("01-01", "01-02"));
    let estate = Estate::with(&all);
    estate.delete(&blocks[3..4]);
    estate.delete_object(&blocks[6], "index");
    estate.delete_object(&blocks[9], "meta.json");
    estate.mark(&blocks[12], Mark::Deletion, "01-02T22:00");
    let (first, second) = (estate.scan(NOW), estate.scan(NOW));
    assert!(first.findings().len() >= 5, "{:#?}", first.findings());
    assert_eq!(first.stdout, second.stdout);
}
