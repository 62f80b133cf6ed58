//! What the verifier says of blocks that are as they should be, and of the habits of known writers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use blockwarden::model::{Hashes, Interner};
use blockwarden::model::{Level, Severity};
use blockwarden::tsdb::block::{BlockPlan, BlockReport, verify_files, verify_in_memory};
use blockwarden::tsdb::parse_meta;
use bytes::Bytes;

use crate::blocks::big::{Big, write_big};
use crate::blocks::data::Random;
use crate::blocks::map::{Files, load};
use crate::blocks::quirks::{HEALTHY, QUIRKS};
use crate::mutations;

/// One reading at this level. A part that has to be there and is not counts as an error, as for the product.
pub(crate) fn verify(files: &Files, level: Level) -> Result<BlockReport, String> {
    verify_files(files, level).map_err(|missing| missing.to_string())
}

/// The broken rules.
pub(crate) fn rules(report: &BlockReport) -> BTreeSet<&'static str> {
    report.broken().map(|(_, broken)| broken.rule.id).collect()
}

/// The directories of the blocks that real programs wrote.
pub(crate) fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/blocks");
    let folders = |of: &Path| std::fs::read_dir(of).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let mut blocks: Vec<PathBuf> =
        folders(&folder).iter().filter(|path| path.is_dir()).flat_map(|path| folders(path)).collect();
    blocks.retain(|path| path.join("meta.json").exists());
    blocks.sort();
    assert!(blocks.len() > 10, "the blocks of real programs are gone from {}", folder.display());
    blocks
}

const READ: [Level; 3] = [Level::Index, Level::Checksum, Level::Full];

#[test]
fn healthy_blocks_are_healthy() {
    for (name, spec) in HEALTHY {
        let written = spec().write();
        for level in READ {
            let report = verify(&written.files, level).unwrap();
            assert!(report.faults.is_empty(), "{name} at {level}: {:#?}", report.faults);
        }
        let report = verify(&written.files, Level::Full).unwrap();
        let spec = spec();
        let chunks = spec.series.iter().flat_map(|series| &series.chunks).map(|chunk| chunk.samples.count());
        assert_eq!(report.samples, chunks.clone().sum::<usize>() as u64, "{name}");
        assert_eq!((report.chunks, report.series), (chunks.count() as u64, spec.series.len() as u64), "{name}");
    }
}

#[test]
fn big_blocks_are_healthy_where_they_are_small() {
    for big in [Big::Samples { bytes: 1 }, Big::Series { count: 3_000 }] {
        let folder = tempfile::tempdir().unwrap();
        let block = write_big(folder.path(), big).unwrap();
        let report = verify(&load(&block.directory), Level::Full).unwrap();
        assert!(report.faults.is_empty(), "{:#?}", report.faults);
        assert_eq!((report.series, report.chunks, report.samples), (block.series, block.chunks, block.samples));
    }
}

#[test]
fn blocks_of_real_programs_are_healthy() {
    for block in fixtures() {
        for level in READ {
            let report = verify(&load(&block), level).unwrap();
            assert!(
                report.worst().is_none_or(|worst| worst == Severity::Info),
                "{}: {:#?}",
                block.display(),
                report.faults
            );
        }
    }
}

/// By name: what is said of it at level `full`, and how bad it is.
const EXPECTED: &[(&str, Option<Severity>, &[&str])] = &[
    ("unused symbols", None, &[]),
    ("no empty symbol", None, &[]),
    ("a zero byte behind each chunk that ends with a byte, as before 3.0", None, &[]),
    (
        "references that do not ascend, as before 2.51",
        Some(Severity::Info),
        &["chunk_references_fall", "references_unordered"],
    ),
    ("index version 1", Some(Severity::Info), &["index_version_1"]),
    ("index version 1 with lists in any order", Some(Severity::Info), &["index_version_1"]),
    ("a series without a name", Some(Severity::Info), &["series_without_name"]),
    ("a counter that is absent", Some(Severity::Info), &["aggregate_counter_absent"]),
    ("a raw chunk in a downsampled block", Some(Severity::Info), &["raw_chunk_downsampled"]),
    ("encodings that only a new Prometheus reads", Some(Severity::Info), &["encoding_new"]),
    ("encodings that no Thanos reads", Some(Severity::Warning), &["encoding_unsupported"]),
    ("index version 3", Some(Severity::Warning), &["index_version_3"]),
    (
        "the last sample of a chunk is the first of the next, as with 2.47.0",
        Some(Severity::Warning),
        &["chunk_shared_sample"],
    ),
    (
        "a chunk that begins at the end of the block, as with tsdb issue 347",
        Some(Severity::Warning),
        &["chunk_issue_347"],
    ),
    ("the end of the block is its last sample", Some(Severity::Warning), &["chunk_at_max_time"]),
    ("chunks that overlap, as out-of-order bugs left them", Some(Severity::Critical), &["chunk_overlap"]),
    ("a chunk twice", Some(Severity::Warning), &["chunk_duplicate"]),
];

#[test]
fn habits_of_writers_are_told_apart_from_damage() {
    assert_eq!(QUIRKS.len(), EXPECTED.len());
    for (name, spec) in QUIRKS {
        let (_, severity, expected) =
            EXPECTED.iter().find(|(known, ..)| known == name).unwrap_or_else(|| panic!("{name}"));
        let report = verify(&spec().write().files, Level::Full).unwrap();
        assert_eq!(rules(&report), expected.iter().copied().collect(), "{name}: {:#?}", report.faults);
        assert_eq!(report.worst(), *severity, "{name}");
        for level in [Level::Index, Level::Checksum] {
            let lighter = rules(&verify(&spec().write().files, level).unwrap());
            assert!(lighter.is_subset(&rules(&report)), "{name} at {level}: {lighter:?}");
        }
    }
}

/// One reading in which each answer has at most `split` bytes, and no unit of work more than `piece`.
fn verify_in_parts(files: &Files, split: usize, piece: u64) -> BlockReport {
    let files: BTreeMap<Arc<str>, Bytes> =
        files.iter().map(|(path, bytes)| (path.as_str().into(), Bytes::copy_from_slice(bytes))).collect();
    let meta = parse_meta(&files["meta.json"], ulid::Ulid::nil(), &mut Interner::default()).meta;
    let objects = files.iter().map(|(path, bytes)| (Arc::clone(path), bytes.len() as u64)).collect();
    let plan = BlockPlan { level: Level::Full, objects, meta: meta.map(Arc::new), kept: Hashes::new(), piece };
    verify_in_memory(plan, &files, split).unwrap()
}

#[test]
fn bytes_may_come_in_any_parts() {
    let own = HEALTHY.iter().chain(QUIRKS).map(|(_, spec)| spec().write().files);
    let real = fixtures().into_iter().map(|path| load(&path));
    for files in own.chain(real) {
        let whole = verify_in_parts(&files, usize::MAX, u64::MAX);
        for (split, piece) in [(1, 1), (1, u64::MAX), (7, 300), (usize::MAX, 1), (16, 5_000)] {
            assert_eq!(verify_in_parts(&files, split, piece), whole, "{split} bytes at a time, {piece} at once");
        }
    }
}

#[test]
fn broken_bytes_may_come_in_any_parts() {
    for (name, mutation) in mutations::all() {
        for (_, spec) in HEALTHY {
            let Some(broken) = mutation(&spec(), &mut Random(5)) else { continue };
            if !broken.files.contains_key("index") || !broken.files.contains_key("chunks/000001") {
                continue;
            }
            let whole = verify_in_parts(&broken.files, usize::MAX, u64::MAX);
            assert_eq!(verify_in_parts(&broken.files, 1, u64::MAX), whole, "{name}");
        }
    }
}
