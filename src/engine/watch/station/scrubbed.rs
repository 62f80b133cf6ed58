//! What the station tells the scrub, and what it is told by it.

use std::sync::Arc;

use ulid::Ulid;

use super::Station;
use crate::engine::core::Open;
use crate::engine::watch::scrub::{Known, Sight, Sighted, blocks_of};
use crate::model::{BucketView, Hashes, ScrubOutlook, ScrubStatus, Verification};
use crate::verify::scrub::Block;

impl Station {
    /// What there is to scrub. The same until something has changed.
    pub(in crate::engine::watch) fn sight(&self) -> Arc<Sight> {
        Arc::clone(&self.sight)
    }

    /// Notes what there is to scrub now.
    pub(super) fn note_sight(&mut self) {
        let policy = Arc::clone(self.core.policy());
        let mut sight = Sight { settings: Arc::new(policy.scrub.clone()), ..Sight::default() };
        for Open { name, generation, bucket, view } in self.core.opened() {
            let scrubbed = policy.bucket(&name).scrub;
            let before = self.sight.buckets.get(&name).filter(|before| before.generation == generation);
            let wanted = policy.scrub.enabled && scrubbed;
            let seen = view.filter(|_| wanted).map(|view| {
                let known = before.and_then(|before| before.seen.as_ref()).filter(|(known, _)| {
                    // what is demanded decides about the blocks, too
                    Arc::ptr_eq(known, &view) && Arc::ptr_eq(&self.sighted_policy, &policy)
                });
                known.cloned().unwrap_or_else(|| self.blocks_in(view))
            });
            sight.buckets.insert(name, Sighted { generation, bucket, scrubbed, seen });
        }
        self.sighted_policy = policy;
        self.sight = Arc::new(sight);
    }

    fn blocks_in(&self, view: Arc<BucketView>) -> (Arc<BucketView>, Arc<[Block]>) {
        let policy = self.core.policy();
        let known = Known {
            policy,
            past: self.core.past(&view.bucket),
            verified: self.core.verified(&view.bucket).map(|verified| &**verified),
            attempts: self.core.attempts(&view.bucket),
        };
        let blocks = blocks_of(&view, known, policy.scrub.level);
        (view, blocks.into())
    }

    /// The hashes that a block's objects had when it was first verified, if it still is the block of this bucket.
    pub(in crate::engine::watch) fn baseline(&mut self, bucket: &str, generation: u64, ulid: Ulid) -> Hashes {
        if self.is_current(bucket, generation) { self.core.baseline(bucket, ulid) } else { Hashes::new() }
    }

    /// Takes in what reading a block has shown. A judgement is due then, and made as time goes by.
    pub(in crate::engine::watch) fn take_verification(
        &mut self,
        bucket: &Arc<str>,
        generation: u64,
        ulid: Ulid,
        verification: Verification,
        hashes: Hashes,
    ) {
        if self.is_current(bucket, generation) {
            self.core.take_verification(bucket, ulid, verification, hashes);
        }
    }

    fn is_current(&self, bucket: &str, generation: u64) -> bool {
        self.sight.buckets.get(bucket).is_some_and(|known| known.generation == generation)
    }

    /// Whether the scrub of a bucket will be done in time, as far as that is known.
    pub(super) fn outlook(&self, bucket: &str) -> Option<ScrubOutlook> {
        let status = self.scrub.buckets.iter().find(|status| *status.bucket == *bucket)?;
        status.outlook.and_then(|outlook| outlook.worst)
    }

    /// Takes in how the scrub goes.
    pub(in crate::engine::watch) fn take_scrub(&mut self, status: ScrubStatus) {
        self.scrub = status;
        let names: Vec<Arc<str>> = self.buckets.keys().map(Arc::clone).collect();
        for name in names {
            self.note_schedule(&name);
        }
    }
}
