//! The ledger as a cycle uses it: what failed once is said once, and the work goes on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ulid::Ulid;

use crate::ledger::{Access, AsOf, Ledger, LedgerError, Loaded};
use crate::model::{Interner, PastBlock, TimestampMs};

/// Where the past is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nowhere: every pass is the first.
    Memory,
    /// In this file.
    File(PathBuf),
}

/// The ledger, or what is left of it.
#[derive(Debug)]
pub(super) struct Memory {
    ledger: Ledger,
    interner: Interner,
    /// Commits reach the file.
    pub(super) writes: bool,
    /// Why the past cannot be relied on.
    pub(super) failure: Option<String>,
    /// What a reader of the output should know.
    pub(super) notes: Vec<String>,
}

impl Memory {
    /// Opens the ledger. A file that cannot be reached or is of a newer version is an error; one that is damaged is
    /// left alone, and the pass goes on without a past.
    pub(super) fn open(state: &State) -> Result<Self, LedgerError> {
        let mut memory = Self {
            ledger: Ledger::in_memory()?,
            interner: Interner::default(),
            writes: false,
            failure: None,
            notes: Vec::new(),
        };
        let State::File(path) = state else {
            memory.notes.push(
                "judged without a past: give --state FILE so that vanished blocks, changed objects and lossy \
                 compactions can be noticed"
                    .to_owned(),
            );
            return Ok(memory);
        };
        match Ledger::open(path, Access::Write) {
            Ok(ledger) => {
                memory.ledger = ledger;
                memory.writes = true;
            }
            Err(LedgerError::Locked { .. }) => {
                let what = if let Some(ledger) = beside_writer(path)? {
                    memory.ledger = ledger;
                    "this pass reads it and adds nothing"
                } else {
                    "there is nothing in it yet, so this pass is judged without a past, and adds nothing"
                };
                memory.notes.push(format!("another process writes to the ledger `{}`: {what}", path.display()));
            }
            Err(error @ (LedgerError::Newer { .. } | LedgerError::Older { .. } | LedgerError::Open { .. })) => {
                return Err(error);
            }
            Err(error) => memory.failure = Some(chain(&error)),
        }
        Ok(memory)
    }

    /// When the bucket was last listed completely.
    pub(super) fn newest_scan(&self, key: &str) -> Result<Option<TimestampMs>, LedgerError> {
        self.ledger.newest_scan(key)
    }

    /// What is known of a bucket.
    pub(super) fn load(&mut self, key: &str, name: &Arc<str>, now: TimestampMs) -> Result<Loaded, LedgerError> {
        let loaded = self.ledger.load(key, name, now, &mut self.interner)?;
        Ok(loaded.unwrap_or_default())
    }

    /// The bucket at an earlier moment.
    pub(super) fn as_of(&mut self, key: &str, name: &Arc<str>, at: TimestampMs) -> Result<Option<AsOf>, LedgerError> {
        self.ledger.as_of(key, name, at, &mut self.interner)
    }

    /// Blocks that ended long ago.
    pub(super) fn ancestors(&mut self, key: &str, ulids: &[Ulid]) -> Result<BTreeMap<Ulid, PastBlock>, LedgerError> {
        self.ledger.ancestors(key, ulids, &mut self.interner)
    }

    /// The ledger itself, for a commit.
    pub(super) const fn ledger(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    /// From here on the past cannot be relied on.
    pub(super) fn fail(&mut self, error: &LedgerError) -> String {
        let why = chain(error);
        self.failure = Some(why.clone());
        why
    }
}

/// The ledger for reading; `None` where its writer has only begun to make it.
fn beside_writer(path: &Path) -> Result<Option<Ledger>, LedgerError> {
    match Ledger::open(path, Access::Read) {
        Ok(ledger) => Ok(Some(ledger)),
        Err(LedgerError::Empty { .. }) => Ok(None),
        Err(LedgerError::Open { .. }) if path.try_exists().is_ok_and(|exists| !exists) => Ok(None),
        Err(error) => Err(error),
    }
}

/// An error with all of its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[test]
    fn beside_a_writer_that_has_only_begun_there_is_no_past() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let lease = File::create(folder.path().join("ledger.db.lock")).unwrap();
        lease.lock().unwrap();
        for exists in [false, true] {
            if exists {
                fs::write(&path, "").unwrap();
            }
            let memory = Memory::open(&State::File(path.clone())).unwrap();
            assert!(!memory.writes && memory.failure.is_none());
            assert!(memory.notes[0].contains("nothing in it yet"), "{:?}", memory.notes);
        }
        fs::write(&path, "something else").unwrap();
        assert!(matches!(Memory::open(&State::File(path)), Err(LedgerError::NotALedger { .. })));
    }
}
