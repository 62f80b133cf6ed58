//! Why a block is gone.

use super::estate::{Estate, Gone};
use crate::model::{DAY_MS, EndReason, HOUR_MS, TimestampMs};

/// A compactor keeps a marked block for at least this long by default; passes closer together see every mark.
const MARKS_LAST_MS: i64 = 48 * HOUR_MS;

impl Estate<'_> {
    /// Why a block that is no longer there went, as far as that can be told now.
    pub fn end_reason(&self, gone: &Gone<'_>) -> EndReason {
        let Some(meta) = &gone.past.meta else {
            return EndReason::Partial;
        };
        let mark = gone.past.deletion.as_ref();
        if gone.superseded {
            EndReason::Superseded
        } else if self.is_expired(meta, mark) || self.had_expired(gone) || self.may_have_expired_unseen(gone) {
            EndReason::Expired
        } else if mark.is_some() {
            EndReason::Marked
        } else if gone.past.complete {
            EndReason::Vanished
        } else {
            EndReason::Partial
        }
    }

    /// It was there, whole, and neither mark nor retention nor another block accounts for its going.
    pub fn is_unexplained(&self, gone: &Gone<'_>) -> bool {
        self.end_reason(gone) == EndReason::Vanished
    }

    /// When the block was first found gone.
    pub fn gone_since(&self, gone: &Gone<'_>) -> TimestampMs {
        gone.past.end.map_or(self.now, |end| end.at)
    }

    /// Nothing older of its stream and resolution is left: the horizon moved over it.
    pub fn is_behind_horizon(&self, gone: &Gone<'_>) -> bool {
        let Some(meta) = &gone.past.meta else {
            return false;
        };
        self.stream(&meta.labels).is_none_or(|stream| {
            let mut blocks = self.blocks_of(stream, meta.resolution).iter();
            blocks.all(|block| block.meta.interval.start >= meta.interval.end)
        })
    }

    /// The retention that was in force until now let it go; a change of the policy applies from when it was seen.
    fn had_expired(&self, gone: &Gone<'_>) -> bool {
        let Some(meta) = gone.past.meta.as_ref().filter(|_| gone.newly) else {
            return false;
        };
        // what is declared for single streams has no history
        if self.bucket_policy.stream_retention.iter().any(|(selector, _)| selector.matches(&meta.labels)) {
            return false;
        }
        let mut history = self.past.retention.iter().filter(|seen| seen.resolution == meta.resolution);
        let until_now = history.next_back().and_then(|seen| seen.retention_ms).filter(|retention| *retention > 0);
        until_now.is_some_and(|retention| self.now > meta.interval.end.plus(retention))
    }

    /// Retention is undeclared, the oldest data went, and so much time passed between two passes that a mark may have
    /// come and gone unseen. Nobody can tell this from ordinary retention.
    fn may_have_expired_unseen(&self, gone: &Gone<'_>) -> bool {
        let Some(meta) = &gone.past.meta else {
            return false;
        };
        let unwatched_ms = self.past.last_scan.map_or(0, |last| self.gone_since(gone).since(last));
        gone.newly
            && self.retention_ms(&meta.labels, meta.resolution).is_none()
            && unwatched_ms > MARKS_LAST_MS
            && self.now.since(meta.interval.end) > DAY_MS
            && self.is_behind_horizon(gone)
    }
}
