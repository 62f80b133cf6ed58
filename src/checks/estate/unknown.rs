//! What may be there although it was not seen.

use ulid::Ulid;

use super::Estate;
use crate::model::{BlockView, DAY_MS, HOUR_MS, Interval, Listing, MINUTE_MS, MetaState, TimestampMs, ulid_time};

/// A level-1 block is cut about 1 h after its data ends, later by restarts and catching up.
const ULID_AFTER_MS: i64 = 4 * HOUR_MS;

/// A listing of a large bucket takes a while, and clocks differ.
const AHEAD_MS: i64 = 5 * MINUTE_MS;

/// The spans of compacted blocks: Thanos merges on these grids, counted from 1970.
const COMPACTED_MS: [i64; 3] = [8 * HOUR_MS, 2 * DAY_MS, 14 * DAY_MS];
/// How far from the grid a block may begin and end.
const OFF_GRID_MS: i64 = 15 * MINUTE_MS;

/// What is missing is just what one compacted block spans, and this is when such a block is made.
fn may_be_compacted_at(cut: TimestampMs, missing: Interval) -> bool {
    COMPACTED_MS.into_iter().any(|span| {
        let off = |time: TimestampMs| (time.0.wrapping_add(OFF_GRID_MS)).rem_euclid(span) > 2 * OFF_GRID_MS;
        let longer = missing.len_ms() - span;
        longer.abs() <= 2 * OFF_GRID_MS
            && !off(missing.start)
            && !off(missing.end)
            && cut > missing.end
            && cut <= missing.end.plus(span)
    })
}

impl Estate<'_> {
    /// A directory whose `meta.json` is missing, unreadable or not understood may hold the data of this time, to judge
    /// by its ULID: a block is cut soon after its data ends. Partial uploads count while they are young.
    pub fn may_be_hidden(&self, missing: Interval, partial_after_ms: i64) -> bool {
        self.hidden_until(missing, partial_after_ms).is_some()
    }

    /// Until when such directories may hold data of this time, at most; `None` where there are none.
    pub fn hidden_until(&self, missing: Interval, partial_after_ms: i64) -> Option<TimestampMs> {
        let unconfirmed = self.view.unconfirmed_gone.iter().filter_map(|(ulid, _)| {
            let meta = self.past.blocks.get(ulid)?.meta.as_ref()?;
            meta.interval.intersection(missing).map(|part| part.end)
        });
        let unplaced = self.unplaced.iter().filter_map(|block| {
            let cut = ulid_time(block.ulid);
            let counts = match &block.meta {
                MetaState::Absent => {
                    block.marks.deletion.is_none()
                        && self.is_young(block, partial_after_ms)
                        && Self::ulid_matches(block.ulid, missing)
                }
                MetaState::Read { .. } => Self::ulid_matches(block.ulid, missing) || may_be_compacted_at(cut, missing),
                // a compacted block holds data from long before it was cut
                MetaState::Unknown(_) => cut > missing.start,
            };
            counts.then(|| cut.min(missing.end))
        });
        unconfirmed.chain(unplaced).max()
    }

    /// A block that was not cut earlier may hold all that this one holds, and is not known: its `meta.json` could not be
    /// read, or the listing lacks it though nobody can tell that it is gone.
    pub fn may_be_replaced_unseen(&self, ulid: Ulid) -> bool {
        let unread = self.unplaced.iter().filter(|block| matches!(block.meta, MetaState::Unknown(_)));
        let unconfirmed = self.view.unconfirmed_gone.iter().map(|(ulid, _)| *ulid);
        unread.map(|block| block.ulid).chain(unconfirmed).any(|other| ulid_time(other) >= ulid_time(ulid))
    }

    /// Something was uploaded into the directory less than `after_ms` ago.
    pub fn is_young(&self, block: &BlockView, after_ms: i64) -> bool {
        block.newest_modification().is_some_and(|newest| self.is_recent(newest, after_ms))
    }

    /// Less than `within_ms` ago. What is dated a little later than the judged time was just written: the listing came
    /// after that time was read, and the storage has a clock of its own. What is dated much later counts as old, since
    /// then an earlier time is judged.
    pub(super) fn is_recent(&self, time: TimestampMs, within_ms: i64) -> bool {
        time <= self.now.plus(AHEAD_MS) && self.now.since(time) < within_ms
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
            Listing::Complete { .. } | Listing::FromLedger { .. } | Listing::Awaited => None,
        }
    }
}
