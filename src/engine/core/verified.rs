//! What reading the bytes of blocks has shown, on its way from the ledger into the world and back.

use std::collections::BTreeMap;
use std::sync::Arc;

use ulid::Ulid;

use super::{Core, Source};
use crate::checks::Policy;
use crate::discover::Bucket;
use crate::ledger::{Kept, LedgerError, ToKeep};
use crate::model::{BucketPast, BucketView, Hashes, TimestampMs, Verification, Verified};

/// What belongs to the verifications of the world and is no fact of any judgement.
#[derive(Debug, Default)]
pub(super) struct Readings {
    /// When blocks were tried in vain since they were last read, by bucket.
    attempts: BTreeMap<Arc<str>, BTreeMap<Ulid, TimestampMs>>,
    /// What is in no ledger yet: the block is not, or a commit failed.
    unsaved: BTreeMap<(Arc<str>, Ulid), (Verification, Hashes)>,
    /// Something was shown that has not been judged yet.
    pub(super) is_news: bool,
}

/// A bucket whose blocks can be read.
#[derive(Debug)]
pub(in crate::engine) struct Open {
    pub(in crate::engine) name: Arc<str>,
    /// Tells it from one of the same name that was configured before it.
    pub(in crate::engine) generation: u64,
    pub(in crate::engine) bucket: Arc<dyn Bucket>,
    /// The newest complete one.
    pub(in crate::engine) view: Option<Arc<BucketView>>,
}

impl Readings {
    /// Nothing is known of a bucket any more.
    pub(super) fn forget(&mut self, name: &str) {
        self.attempts.remove(name);
        self.unsaved.retain(|(bucket, _), _| **bucket != *name);
    }
}

impl Core {
    /// What is demanded.
    pub(in crate::engine) fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// All buckets, by name.
    pub(in crate::engine) fn opened(&self) -> Vec<Open> {
        let open = |(name, source): (&Arc<str>, &Source)| Open {
            name: Arc::clone(name),
            generation: source.generation,
            bucket: Arc::clone(&source.bucket),
            view: source.complete.clone(),
        };
        self.sources.iter().map(open).collect()
    }

    /// What is remembered of a bucket.
    pub(in crate::engine) fn past(&self, name: &str) -> Option<&BucketPast> {
        self.past.buckets.get(name)
    }

    /// What counts of each block of a bucket; `None` before the first pass over it.
    pub(in crate::engine) fn verified(&self, name: &str) -> Option<&Arc<Verified>> {
        self.world.verified.get(name)
    }

    /// When blocks of a bucket were tried in vain since they were last read.
    pub(in crate::engine) fn attempts(&self, name: &str) -> Option<&BTreeMap<Ulid, TimestampMs>> {
        self.readings.attempts.get(name)
    }

    /// SHA-256 of the objects of a block as it was first verified; empty where nothing is kept, or nothing can be read.
    pub(in crate::engine) fn baseline(&mut self, name: &str, ulid: Ulid) -> Hashes {
        let Some(source) = self.sources.get(name) else { return Hashes::new() };
        match self.memory.baseline(&source.key, ulid) {
            Ok(hashes) => hashes,
            Err(error) => {
                self.memory.cannot_read(&error);
                Hashes::new()
            }
        }
    }

    /// Takes in what reading a block has shown, and keeps it in the ledger. A judgement is due then. What is said of a
    /// block that is gone is of no use to anybody.
    pub(in crate::engine) fn take_verification(
        &mut self,
        bucket: &Arc<str>,
        ulid: Ulid,
        verification: Verification,
        hashes: Hashes,
    ) {
        let Some(source) = self.sources.get(bucket) else { return };
        if source.complete.as_ref().is_some_and(|view| !view.blocks.contains_key(&ulid)) {
            return;
        }
        self.readings.is_news = true;
        let kept = if self.memory.writes && !self.rewound {
            let waits = !self.readings.unsaved.is_empty() || self.memory.failure().is_some();
            let all = [ToKeep { bucket: &source.key, ulid, verification: &verification, hashes: &hashes }];
            // behind what waits already it waits too, so that a disk that is full is not tried for every block
            let kept = if waits { Ok(Vec::new()) } else { self.memory.commit_verifications(&all) };
            let kept = kept.unwrap_or_else(|error| {
                self.memory.cannot_write(&error);
                Vec::new()
            });
            let kept = kept.into_iter().next().flatten();
            if kept.is_none() {
                self.readings.unsaved.insert((Arc::clone(bucket), ulid), (verification.clone(), hashes));
            }
            kept
        } else {
            None
        };
        let kept = kept.unwrap_or_else(|| self.unkept(bucket, ulid, verification));
        self.set_verified(bucket, ulid, kept);
    }

    /// What counts where the ledger cannot say so.
    fn unkept(&self, bucket: &Arc<str>, ulid: Ulid, verification: Verification) -> Kept {
        let tried_at = (!verification.verdict.is_known()).then_some(verification.at);
        match self.world.verified.get(bucket).and_then(|verified| verified.get(&ulid)) {
            Some(known) if !verification.replaces(known) => Kept { verification: known.clone(), tried_at },
            Some(_) | None => Kept { verification, tried_at },
        }
    }

    fn set_verified(&mut self, bucket: &Arc<str>, ulid: Ulid, kept: Kept) {
        let attempts = self.readings.attempts.entry(Arc::clone(bucket)).or_default();
        match kept.tried_at {
            Some(at) => attempts.insert(ulid, at),
            None => attempts.remove(&ulid),
        };
        let verified = self.world.verified.entry(Arc::clone(bucket)).or_default();
        if verified.get(&ulid) != Some(&kept.verification) {
            Arc::make_mut(verified).insert(ulid, kept.verification);
        }
    }

    /// Reads what the ledger holds of a bucket, where that is not known yet; of a pass that is made `as_of` an earlier
    /// moment only what was known then.
    pub(super) fn recall_verified(
        &mut self,
        name: &Arc<str>,
        key: &str,
        as_of: Option<TimestampMs>,
    ) -> Result<(), LedgerError> {
        if self.world.verified.contains_key(name) {
            return Ok(());
        }
        let mut verified = self.memory.verifications(key)?;
        let mut attempts = self.memory.attempts(key)?;
        if let Some(at) = as_of {
            verified.retain(|_, verification| verification.at <= at);
            attempts.retain(|_, tried_at| *tried_at <= at);
        }
        self.world.verified.insert(Arc::clone(name), Arc::new(verified));
        self.readings.attempts.insert(Arc::clone(name), attempts);
        Ok(())
    }

    /// There is another ledger: what was verified meanwhile is new to it, and what it knows is new here.
    pub(super) fn recall_all_verified(&mut self) {
        for (name, source) in &self.sources {
            let mut verified = match self.memory.verifications(&source.key) {
                Ok(verified) => verified,
                Err(error) => {
                    self.memory.cannot_read(&error);
                    return;
                }
            };
            for (ulid, mine) in self.world.verified.get(name).map(|all| &**all).into_iter().flatten() {
                if verified.get(ulid).is_none_or(|known| mine.replaces(known)) {
                    verified.insert(*ulid, mine.clone());
                    let anew = || (mine.clone(), Hashes::new());
                    self.readings.unsaved.entry((Arc::clone(name), *ulid)).or_insert_with(anew);
                }
            }
            self.world.verified.insert(Arc::clone(name), Arc::new(verified));
        }
    }

    /// Lets go of the blocks that are gone.
    pub(super) fn drop_gone(&mut self, view: &BucketView) {
        let is_there = |ulid: &Ulid| view.blocks.contains_key(ulid);
        if let Some(verified) = self.world.verified.get_mut(&view.bucket)
            && !verified.keys().all(is_there)
        {
            Arc::make_mut(verified).retain(|ulid, _| is_there(ulid));
        }
        if let Some(attempts) = self.readings.attempts.get_mut(&view.bucket) {
            attempts.retain(|ulid, _| is_there(ulid));
        }
        self.readings.unsaved.retain(|(bucket, ulid), _| *bucket != view.bucket || is_there(ulid));
    }

    /// Keeps what is not in the ledger yet, as far as the ledger knows the blocks by now.
    pub(super) fn save_verifications(&mut self) -> Result<(), LedgerError> {
        if self.readings.unsaved.is_empty() {
            return Ok(());
        }
        let unsaved = self.readings.unsaved.iter();
        let known = unsaved.filter_map(|((bucket, ulid), (verification, hashes))| {
            let source = self.sources.get(bucket)?;
            Some(((bucket, *ulid), ToKeep { bucket: &source.key, ulid: *ulid, verification, hashes }))
        });
        let (places, all): (Vec<_>, Vec<_>) = known.unzip();
        let answers = self.memory.commit_verifications(&all)?;
        let kept: Vec<(Arc<str>, Ulid, Kept)> = places
            .into_iter()
            .zip(answers)
            .filter_map(|((bucket, ulid), kept)| Some((Arc::clone(bucket), ulid, kept?)))
            .collect();
        for (bucket, ulid, kept) in kept {
            self.readings.unsaved.remove(&(Arc::clone(&bucket), ulid));
            // the new ledger may know better
            self.readings.is_news |= self.verified(&bucket).and_then(|all| all.get(&ulid)) != Some(&kept.verification);
            self.set_verified(&bucket, ulid, kept);
        }
        Ok(())
    }
}
