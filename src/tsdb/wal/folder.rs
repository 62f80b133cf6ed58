//! The files of a `wal` or `wbl` folder, by their names.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    CHECKPOINT_EMPTY_RULE, CHECKPOINT_GAP_RULE, CHECKPOINT_MISSING_RULE, GAP_RULE, INCOMPLETE_RULE, NAME_RULE,
    STRAY_RULE, SUPERSEDED_RULE, TWICE_RULE, WalKind,
};
use crate::tsdb::fault::{Faults, Rule};

/// What a folder holds, and whether a log can be replayed from it (`listSegments`, `LastCheckpoint` of `tsdb/wlog`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WalFolder {
    /// Names of the segments by number, those that a checkpoint covers included.
    pub segments: BTreeMap<u64, String>,
    /// The checkpoint that replay begins with: the latest.
    pub checkpoint: Option<Checkpoint>,
    /// What is wrong. Faults have no offset.
    pub faults: Faults,
}

/// What is left of the segments up to and with one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// The last segment that it covers.
    pub covers: u64,
    /// The name of its folder.
    pub name: String,
    /// Paths of its segments below the log's folder, by number.
    pub segments: BTreeMap<u64, String>,
}

impl WalFolder {
    /// From the paths of all files below the folder, `/` between their parts, in any order. `kind`: a write-behind log
    /// ([`WalKind::Wbl`]) loses its first segments without a checkpoint.
    pub fn new<'a>(kind: WalKind, paths: impl IntoIterator<Item = &'a str>) -> Self {
        let mut folder = Self::default();
        let mut checkpoints: BTreeMap<u64, Checkpoint> = BTreeMap::new();
        let mut incomplete: BTreeSet<&str> = BTreeSet::new();
        for path in paths {
            let (directory, name) = path.split_once('/').map_or((None, path), |(first, rest)| (Some(first), rest));
            let number = directory.and_then(|directory| directory.strip_prefix("checkpoint."));
            match (directory, number) {
                (None, _) => insert(&mut folder.segments, path, name, &mut folder.faults),
                (Some(directory), Some(number)) if number.strip_suffix(".tmp").is_some() => {
                    incomplete.insert(directory);
                }
                (Some(directory), Some(number)) => match digits(number) {
                    Some(covers) => {
                        let checkpoint = checkpoints.entry(covers).or_insert_with(|| Checkpoint {
                            covers,
                            name: directory.to_owned(),
                            segments: BTreeMap::new(),
                        });
                        insert(&mut checkpoint.segments, path, name, &mut folder.faults);
                    }
                    None => note(&mut folder.faults, &STRAY_RULE, "checkpoint. and digits", path),
                },
                (Some(_), None) => note(&mut folder.faults, &STRAY_RULE, "segments and checkpoints", path),
            }
        }
        for directory in incomplete {
            note(&mut folder.faults, &INCOMPLETE_RULE, "no checkpoint that is not complete", directory);
        }
        folder.checkpoint = checkpoints.pop_last().map(|(_, checkpoint)| checkpoint);
        for old in checkpoints.into_values() {
            note(&mut folder.faults, &SUPERSEDED_RULE, "the latest checkpoint only", &old.name);
        }
        folder.check_segments(kind);
        folder
    }

    fn check_segments(&mut self, kind: WalKind) {
        check_gaps(&self.segments, &mut self.faults);
        let first = self.segments.keys().next().copied();
        let found = || first.map_or_else(|| "no segment".to_owned(), |first| format!("segments from {first} on"));
        match &self.checkpoint {
            Some(checkpoint) => {
                let next = checkpoint.covers.saturating_add(1);
                let last = self.segments.keys().next_back().copied();
                if first.is_none_or(|first| first > next) || last.is_none_or(|last| last < next) {
                    note(&mut self.faults, &CHECKPOINT_GAP_RULE, &format!("segment {next}"), &found());
                }
                check_gaps(&checkpoint.segments, &mut self.faults);
                if !checkpoint.segments.contains_key(&0) {
                    note(&mut self.faults, &CHECKPOINT_EMPTY_RULE, "segment 0", &checkpoint.name);
                }
            }
            None if kind == WalKind::Wal && first.is_some_and(|first| first > 0) => {
                note(&mut self.faults, &CHECKPOINT_MISSING_RULE, "segment 0 or a checkpoint", &found());
            }
            None => {}
        }
    }
}

/// Sorts a segment in.
fn insert(segments: &mut BTreeMap<u64, String>, path: &str, name: &str, faults: &mut Faults) {
    let Some(number) = digits(name) else {
        note(faults, &STRAY_RULE, "a number", path);
        return;
    };
    if name != format!("{number:08}") {
        note(faults, &NAME_RULE, &format!("{number:08}"), path);
    }
    if let Some(other) = segments.get(&number) {
        note(faults, &TWICE_RULE, other, path);
    } else {
        segments.insert(number, path.to_owned());
    }
}

fn check_gaps(segments: &BTreeMap<u64, String>, faults: &mut Faults) {
    for ((previous, _), (next, path)) in segments.iter().zip(segments.iter().skip(1)) {
        if *next != previous.saturating_add(1) {
            note(faults, &GAP_RULE, &format!("segment {}", previous.saturating_add(1)), path);
        }
    }
}

/// The number that a name is, if it is digits only.
fn digits(name: &str) -> Option<u64> {
    name.bytes().all(|byte| byte.is_ascii_digit()).then(|| name.parse().ok()).flatten()
}

fn note(faults: &mut Faults, rule: &'static Rule, expected: &str, found: &str) {
    faults.note(rule, "folder", 0, || (expected.to_owned(), found.to_owned()));
}
