//! What may be there although it was not seen.

use ulid::Ulid;

use super::Estate;
use crate::model::{BlockView, HOUR_MS, Interval, Listing, MetaState, ulid_time};

/// A level-1 block is cut about 1 h after its data ends, later by restarts and catching up.
const ULID_AFTER_MS: i64 = 4 * HOUR_MS;

impl Estate<'_> {
    /// A directory whose `meta.json` is missing, unreadable or not understood may hold the data of this time, to judge
    /// by its ULID: a block is cut soon after its data ends. Partial uploads count while they are young.
    pub fn may_be_hidden(&self, missing: Interval, partial_after_ms: i64) -> bool {
        let unconfirmed = self.view.unconfirmed_gone.iter().any(|(ulid, _)| {
            let past = self.past.blocks.get(ulid).and_then(|past| past.meta.as_ref());
            past.is_some_and(|meta| meta.interval.intersection(missing).is_some())
        });
        let unplaced = self.unplaced.iter().any(|block| {
            let counts = match &block.meta {
                MetaState::Absent => block.marks.deletion.is_none() && self.is_young(block, partial_after_ms),
                MetaState::Read { .. } | MetaState::Unknown(_) => true,
            };
            counts && Self::ulid_matches(block.ulid, missing)
        });
        unconfirmed || unplaced
    }

    /// Something was uploaded into the directory less than `after_ms` ago.
    pub fn is_young(&self, block: &BlockView, after_ms: i64) -> bool {
        block.newest_modification().is_some_and(|newest| {
            // what is dated later than the judged time counts as old
            newest <= self.now && self.now.since(newest) < after_ms
        })
    }

    /// A block of this ULID may hold data of this time: it was cut after the time began and soon after it ended.
    pub fn ulid_matches(ulid: Ulid, missing: Interval) -> bool {
        let cut = ulid_time(ulid);
        cut > missing.start && cut <= missing.end.plus(ULID_AFTER_MS)
    }

    /// Why nothing of the bucket could be read, if so: it cannot be listed, or it can and no object can be read.
    pub fn unreachable(&self) -> Option<String> {
        match &self.view.listing {
            Listing::Unknown { why } => Some(why.clone()),
            Listing::Complete { .. } if self.blocks.is_empty() => {
                self.view.unknown.first().filter(|_| self.view.requests.get > 0).map(|first| first.why.clone())
            }
            Listing::Complete { .. } | Listing::FromLedger { .. } => None,
        }
    }
}
