//! Layouts, names and keys that are not what the simplest reader expects.

use crate::shapes::{Block, Estate, Stream};
use crate::{NOW, steady};

#[test]
fn blocks_of_older_writers() {
    let legacy: Vec<Block> = steady("cluster=eu1").into_iter().map(Block::legacy).collect();
    Estate::with(&legacy).scan(NOW).healthy().notes(&[]);
    let ancient: Vec<Block> = steady("cluster=eu1").into_iter().map(Block::ancient).collect();
    Estate::with(&ancient).scan(NOW).healthy().notes(&[]);
}

#[test]
fn several_segments() {
    let mut blocks = steady("cluster=eu1");
    blocks[3] = blocks[3].clone().segments(&[536_870_912, 536_870_912, 4_711]);
    blocks[4] = blocks[4].clone().segments(&[536_870_912, 8]).ancient();
    Estate::with(&blocks).scan(NOW).healthy().notes(&[]);
}

#[test]
fn a_block_without_samples_has_an_empty_segment_list() {
    // a compacted block may be left with nothing after deletions
    let mut blocks = steady("cluster=eu1");
    blocks[3] = blocks[3].clone().samples(0).segments(&[]);
    Estate::with(&blocks).scan(NOW).healthy();
}

#[test]
fn a_folder_named_by_a_ulid_in_lower_case_is_no_block() {
    // Thanos parses the name and then reads the keys of the canonical one, which are not there
    let blocks = steady("cluster=eu1");
    let estate = Estate::with(&blocks);
    let folder = blocks[3].clone().twin(1).ulid.to_string().to_lowercase();
    estate.file(&format!("{folder}/meta.json"), &blocks[3].meta_json(), blocks[3].uploaded);
    estate.scan(NOW).healthy().notes(&[]);
}

#[test]
fn keys_of_other_tools() {
    let estate = Estate::with(&steady("cluster=eu1"));
    let old = "2025-12-01T00:00:00Z";
    for key in [
        "debug/metas/01DN3SK96XDAEKRB1AN30AAW6E.json",
        "thanos.shipper.json",
        ".thanos/lock",
        "14395103265123/2025/12/01/0.chunks.parquet",
        "14395103265123/2025/12/01/meta.pb",
        "14395103265123/stream.pb",
        "segments/0001",
        "bad-01DN3SK96XDAEKRB1AN30AAW6E/meta.json",
        "README.md",
        "a b/ü/%2F",
    ] {
        estate.file(key, b"{}", old);
    }
    estate.scan(NOW).healthy().notes(&[]);
}

#[test]
fn empty_folders_are_nothing() {
    let estate = Estate::with(&steady("cluster=eu1"));
    std::fs::create_dir_all(estate.path("01DN3SK96XDAEKRB1AN30AAW6E/chunks")).unwrap();
    estate.scan(NOW).healthy().notes(&[]);
}

#[test]
fn unknown_files_in_a_block_are_ignored() {
    let blocks = steady("cluster=eu1");
    let estate = Estate::with(&blocks);
    estate.file(&blocks[0].key("tombstones"), &[0; 9], blocks[0].uploaded);
    estate.file(&blocks[0].key("parquet/0.labels.parquet"), b"PAR1", blocks[0].uploaded);
    estate.file(&blocks[0].key("visit-mark.json"), b"{}", blocks[0].uploaded);
    estate.scan(NOW).healthy().notes(&[]);
}

#[test]
fn labels_of_every_kind() {
    for labels in ["a=b", "cluster=größer region=eu-west-1/a", "le=0.5 __name__=x", "k="] {
        Estate::with(&Stream::sidecar(labels).blocks("01-01", "01-03")).scan(NOW).healthy();
    }
}

#[test]
fn a_bucket_behind_a_prefix_beside_another() {
    let mut estate = Estate::new();
    let shared = estate.path("").join("team/metrics");
    let mut inner = Estate::at(&shared);
    inner.put(&steady("cluster=eu1"));
    // what lies beside it belongs to somebody else, and is broken
    estate.put_partial(&steady("cluster=us1")[3]);
    let objstore =
        format!("type: filesystem\nprefix: /team/metrics/\nconfig:\n  directory: {}\n", estate.path("").display());
    std::fs::write(estate.folder().join("objstore.yaml"), objstore).unwrap();
    let report = estate.scan(NOW);
    report.healthy().notes(&[]);
    assert_eq!(report.document["summary"]["blocks"], 24);
}
