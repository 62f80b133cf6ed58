//! The ledger as a cycle uses it: what failed once is said once, and the work goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ulid::Ulid;

use super::chain;
use crate::ledger::{Access, AlertingPast, AsOf, Kept, Ledger, LedgerError, Loaded, Outbox, ToKeep};
use crate::model::{AlertingChange, BucketView, Hashes, Interner, PastBlock, TimestampMs, Transition, Verified};

/// Where the past is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nowhere: every pass is the first.
    Memory,
    /// In this file.
    File(PathBuf),
    /// In this file if it can be reached, else nowhere: nobody named it.
    Preferred(PathBuf),
}

/// The note of a cycle without a ledger.
pub const WITHOUT_PAST: &str = "judged without a past: give --state FILE so that vanished blocks, changed objects and \
                                lossy compactions can be noticed";

/// What is wrong with the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Commits fail. What was committed before can be read.
    Unwritable(String),
    /// The file is no ledger any more, or cannot be read: what it held is not known, and the work goes on in memory.
    Damaged(String),
}

/// The ledger, or what is left of it.
#[derive(Debug)]
pub(super) struct Memory {
    ledger: Ledger,
    state: State,
    /// Commits are made, whether to a file or to memory.
    pub(super) writes: bool,
    /// What is wrong now.
    trouble: Option<Trouble>,
    /// Commits that went well, and that failed.
    pub(super) commits: (u64, u64),
    /// What a reader of the output should know.
    pub(super) notes: Vec<String>,
}

impl Memory {
    /// Opens the ledger. A file that cannot be reached or is of a newer version is an error; one that is damaged is
    /// left alone, and the pass goes on without a past.
    pub(super) fn open(state: &State) -> Result<Self, LedgerError> {
        let mut memory = Self {
            ledger: Ledger::in_memory()?,
            state: state.clone(),
            writes: false,
            trouble: None,
            commits: (0, 0),
            notes: Vec::new(),
        };
        let (State::File(path) | State::Preferred(path)) = state else {
            memory.notes.push(WITHOUT_PAST.to_owned());
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
            Err(error) => memory.trouble = Some(Trouble::Damaged(chain(&error))),
        }
        Ok(memory)
    }

    /// Opens the ledger for a service, as its only writer: that another process writes to it is an error. Without a
    /// file it remembers for as long as it lives.
    pub(super) fn open_for_service(state: &State) -> Result<Self, LedgerError> {
        let (State::File(path) | State::Preferred(path)) = state else {
            return Ok(Self { writes: true, notes: Vec::new(), ..Self::open(state)? });
        };
        let mut memory = Self { writes: true, notes: Vec::new(), ..Self::open(&State::Memory)? };
        memory.state = State::File(path.clone());
        if matches!(state, State::Preferred(_))
            && let Some(folder) = path.parent()
        {
            // if that fails, so does opening the file
            std::fs::create_dir_all(folder).unwrap_or_default();
        }
        match Ledger::open(path, Access::Write).and_then(|ledger| ledger.check().map(|()| ledger)) {
            Ok(ledger) => memory.ledger = ledger,
            Err(error) if is_damage(&error) => memory.trouble = Some(Trouble::Damaged(chain(&error))),
            Err(error @ (LedgerError::Open { .. } | LedgerError::ReadOnly { .. }))
                if matches!(state, State::Preferred(_)) =>
            {
                tracing::warn!("what is seen is kept in memory only, and forgotten at the end: {}", chain(&error));
                memory.state = State::Memory;
            }
            Err(error) => return Err(error),
        }
        Ok(memory)
    }

    /// Why the past cannot be relied on, or not be added to.
    pub(super) fn failure(&self) -> Option<&str> {
        self.trouble.as_ref().map(|trouble| match trouble {
            Trouble::Unwritable(why) | Trouble::Damaged(why) => why.as_str(),
        })
    }

    /// What the ledger held before is not known.
    pub(super) const fn is_unread(&self) -> bool {
        matches!(self.trouble, Some(Trouble::Damaged(_)))
    }

    /// The file that is written, where there is one.
    pub(super) fn path(&self) -> Option<&Path> {
        match &self.state {
            State::File(path) | State::Preferred(path) if !self.is_unread() => Some(path),
            State::File(_) | State::Preferred(_) | State::Memory => None,
        }
    }

    /// After damage: looks whether a sound ledger, or none, is in its place now. `true`: there is, and what was
    /// remembered in memory is not in it.
    pub(super) fn recover(&mut self) -> bool {
        if !self.is_unread() {
            return false;
        }
        let (State::File(path) | State::Preferred(path)) = &self.state else { return false };
        match Ledger::open(path, Access::Write).and_then(|ledger| ledger.check().map(|()| ledger)) {
            Ok(ledger) => {
                self.ledger = ledger;
                self.trouble = None;
                true
            }
            Err(_) => false,
        }
    }

    /// When the bucket was last listed completely.
    pub(super) fn newest_scan(&self, key: &str) -> Result<Option<TimestampMs>, LedgerError> {
        self.ledger.newest_scan(key)
    }

    /// What is known of a bucket; what `view` holds as well is shared with it.
    pub(super) fn load(
        &self,
        key: &str,
        name: &Arc<str>,
        now: TimestampMs,
        view: Option<&BucketView>,
    ) -> Result<Loaded, LedgerError> {
        // an interner of its own: one that lives as long as the service would keep what is long gone
        let mut interner = view.map_or_else(Interner::default, Interner::of);
        let loaded = self.ledger.load(key, name, now, &mut interner)?;
        Ok(loaded.unwrap_or_default())
    }

    /// The bucket at an earlier moment.
    pub(super) fn as_of(&self, key: &str, name: &Arc<str>, at: TimestampMs) -> Result<Option<AsOf>, LedgerError> {
        self.ledger.as_of(key, name, at, &mut Interner::default())
    }

    /// Blocks that ended long ago.
    pub(super) fn ancestors(&self, key: &str, ulids: &[Ulid]) -> Result<BTreeMap<Ulid, PastBlock>, LedgerError> {
        self.ledger.ancestors(key, ulids, &mut Interner::default())
    }

    /// What counts of each block of a bucket.
    pub(super) fn verifications(&self, key: &str) -> Result<Verified, LedgerError> {
        self.ledger.verifications(key)
    }

    /// When blocks of a bucket were tried in vain since they were last read.
    pub(super) fn attempts(&self, key: &str) -> Result<BTreeMap<Ulid, TimestampMs>, LedgerError> {
        self.ledger.attempts(key)
    }

    /// SHA-256 of the objects of a block as it was first verified.
    pub(super) fn baseline(&self, key: &str, ulid: Ulid) -> Result<Hashes, LedgerError> {
        self.ledger.baseline(key, ulid)
    }

    /// Keeps verifications; for each what counts now, or `None` where the block is not known.
    pub(super) fn commit_verifications(&mut self, all: &[ToKeep<'_>]) -> Result<Vec<Option<Kept>>, LedgerError> {
        self.ledger.commit_verifications(all)
    }

    /// Ends the open findings of every bucket but these, which nobody watches any more. Gives the names of those buckets
    /// and how many findings each had.
    pub(super) fn unwatch_others(
        &mut self,
        keys: &BTreeSet<String>,
        at: TimestampMs,
    ) -> Result<Vec<(String, u64)>, LedgerError> {
        self.ledger.unwatch_others(keys, at)
    }

    /// What is known of alerts, and of what was told of them.
    pub(super) fn load_alerting(&self) -> Result<AlertingPast, LedgerError> {
        self.ledger.load_alerting()
    }

    /// What is to be told, for whoever does it.
    pub(super) fn outbox(&self) -> Result<Outbox, LedgerError> {
        self.ledger.outbox()
    }

    /// Keeps what becomes of alerts where no judgement was made.
    pub(super) fn commit_alerting(&mut self, change: &AlertingChange, at: TimestampMs) -> Result<(), LedgerError> {
        self.ledger.commit_alerting(change, at)?;
        self.committed();
        Ok(())
    }

    /// Keeps a cycle.
    pub(super) fn commit(&mut self, views: &[(&str, &BucketView)], transition: &Transition) -> Result<(), LedgerError> {
        self.ledger.commit(views, transition)?;
        self.committed();
        Ok(())
    }

    fn committed(&mut self) {
        if !self.is_unread() {
            self.commits.0 = self.commits.0.saturating_add(1);
        }
        if matches!(self.trouble, Some(Trouble::Unwritable(_))) {
            self.trouble = None;
        }
    }

    /// A commit has failed.
    pub(super) fn cannot_write(&mut self, error: &LedgerError) -> String {
        self.commits.1 = self.commits.1.saturating_add(1);
        if is_damage(error) {
            return self.cannot_read(error);
        }
        let why = chain(error);
        if !self.is_unread() {
            self.trouble = Some(Trouble::Unwritable(why.clone()));
        }
        why
    }

    /// The ledger could not be read: what it held is not known from here on, and the work goes on in memory.
    pub(super) fn cannot_read(&mut self, error: &LedgerError) -> String {
        let why = chain(error);
        tracing::error!("the ledger cannot be used, what is seen from here on is kept in memory only: {why}");
        self.trouble = Some(Trouble::Damaged(why.clone()));
        if self.writes
            && let Ok(ledger) = Ledger::in_memory()
        {
            self.ledger = ledger;
        }
        why
    }
}

/// The file is not what it should be, as opposed to: cannot be reached.
const fn is_damage(error: &LedgerError) -> bool {
    matches!(error, LedgerError::Corrupt { .. } | LedgerError::NotALedger { .. } | LedgerError::Displaced { .. })
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
            assert!(!memory.writes && memory.failure().is_none());
            assert!(memory.notes[0].contains("nothing in it yet"), "{:?}", memory.notes);
        }
        fs::write(&path, "something else").unwrap();
        assert!(matches!(Memory::open(&State::File(path)), Err(LedgerError::NotALedger { .. })));
    }
}
