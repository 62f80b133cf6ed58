//! Whole blocks that real programs wrote, and what the verifier says when something is done to them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::*;
use crate::model::{Hashes, Interner, Level, Severity, Verdict};
use crate::tsdb::parse_meta;

/// Blocks that real programs wrote: path inside the block's directory, and content.
fn real_blocks() -> Vec<(String, BTreeMap<Arc<str>, Bytes>)> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut found = Vec::new();
    for folder in ["blocks", "demo"] {
        collect(&fixtures.join(folder), &mut found);
    }
    assert!(found.len() > 15, "the fixtures are not where they should be");
    found
}

fn collect(folder: &Path, found: &mut Vec<(String, BTreeMap<Arc<str>, Bytes>)>) {
    let entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    if folder.join("index").is_file() && folder.join("chunks").is_dir() {
        let mut files: BTreeMap<Arc<str>, Bytes> = BTreeMap::new();
        for path in entries
            .iter()
            .chain(&fs::read_dir(folder.join("chunks")).unwrap().map(|e| e.unwrap().path()).collect::<Vec<_>>())
        {
            if path.is_file() {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
                files.insert(name.into(), fs::read(path).unwrap().into());
            }
        }
        found.push((folder.display().to_string(), files));
        return;
    }
    for path in entries.iter().filter(|path| path.is_dir()) {
        collect(path, found);
    }
}

fn plan(files: &BTreeMap<Arc<str>, Bytes>, level: Level) -> BlockPlan {
    let meta = parse_meta(&files["meta.json"], ulid::Ulid::nil(), &mut Interner::default()).meta;
    BlockPlan {
        level,
        objects: files.iter().map(|(name, bytes)| (Arc::clone(name), len_u64(bytes.len()))).collect(),
        meta: meta.map(Arc::new),
        kept: Hashes::new(),
        piece: 1 << 20,
    }
}

#[test]
fn blocks_of_real_programs_are_sound_at_every_level() {
    for (name, files) in real_blocks() {
        for level in [Level::Index, Level::Checksum, Level::Full] {
            let report = verify_in_memory(plan(&files, level), &files, usize::MAX).unwrap();
            let wrong: Vec<_> = report.broken().filter(|(_, broken)| broken.rule.severity < Severity::Info).collect();
            assert!(wrong.is_empty(), "{name} at {level}: {wrong:#?}");
            assert_eq!(settle(&report, None).verdict, Verdict::Ok);
            if level == Level::Full {
                for (object, hash) in &report.hashes {
                    assert_eq!(*hash, <[u8; 32]>::from(Sha256::digest(&files[object])), "{name} {object}");
                }
                let hashed = files.keys().filter(|name| &***name == "index" || name.starts_with("chunks/")).count();
                assert!(report.hashes.len() >= hashed, "{name}");
            }
        }
    }
}

#[test]
fn neither_splits_nor_the_size_of_work_matter() {
    for (name, files) in real_blocks().into_iter().take(8) {
        let whole = verify_in_memory(plan(&files, Level::Full), &files, usize::MAX).unwrap();
        for (split, piece) in [(1, 1 << 20), (7, 1), (4_096, 300)] {
            let plan = BlockPlan { piece, ..plan(&files, Level::Full) };
            let other = verify_in_memory(plan, &files, split).unwrap();
            assert_eq!(whole, other, "{name} in parts of {split}, work of {piece}");
        }
    }
}

#[test]
fn a_hash_that_was_kept_is_compared() {
    let (_, files) = real_blocks().remove(0);
    let first = verify_in_memory(plan(&files, Level::Full), &files, usize::MAX).unwrap();
    assert!(!first.compared);
    for (index, rule) in [(first.hashes["index"], None), ([7; 32], Some(&rules::KEPT_HASH))] {
        let mut kept = first.hashes.clone();
        kept.insert("index".into(), index);
        let again = verify_in_memory(BlockPlan { kept, ..plan(&files, Level::Full) }, &files, usize::MAX).unwrap();
        assert!(again.compared);
        let found = again.faults.get("index").is_some_and(|faults| faults.breaks(&rules::KEPT_HASH));
        assert_eq!(found, rule.is_some());
    }
}

#[test]
fn what_is_not_there_is_said() {
    let (_, mut files) = real_blocks().remove(0);
    files.remove("index");
    assert_eq!(verify_in_memory(plan(&files, Level::Full), &files, 1).unwrap_err(), Missing("index".into()));
}
