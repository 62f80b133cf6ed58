//! Copies: members of a replica group that hold the same data, to judge by their sample counts.

use super::{Estate, Group, Placed, Stream};
use crate::checks::missing_object::missing_objects;
use crate::checks::size_mismatch::wrong_sizes;
use crate::model::{Interval, IntervalSet, Resolution};

/// How many blocks on each side of the time in question are compared.
const NEIGHBOURS: usize = 2;
/// By how much the sample counts of copies may differ, in percent. Members of a receive hashring and shards of an
/// operator differ in a replica-like label as well, but hold different series.
const TOLERATED_PERCENT: f64 = 10.0;

impl Estate<'_> {
    /// `other` holds a copy of what `stream` has, or had, around `time`: in the nearest windows that both hold, their
    /// sample counts agree.
    pub fn is_copy(
        &self,
        group: &Group,
        stream: &Stream,
        other: &Stream,
        resolution: Resolution,
        time: Interval,
    ) -> bool {
        if std::ptr::eq(stream, other) {
            return false;
        }
        let theirs = self.coverage(group, other, resolution);
        let blocks = self.blocks_of(stream, resolution);
        let comparable = |block: &&Placed<'_>| {
            !block.superseded
                && !block.meta.hinted
                && block.meta.stats.samples.is_some_and(|samples| samples > 0)
                && theirs.missing_from(block.meta.interval).iter().all(|gap| gap.len_ms() <= SLACK_MS)
        };
        let split = blocks.partition_point(|block| block.meta.interval.start < time.start);
        let (before, after) = blocks.split_at(split);
        let nearest = before.iter().rev().filter(comparable).take(NEIGHBOURS);
        let mut windows = nearest.chain(after.iter().filter(comparable).take(NEIGHBOURS)).peekable();
        windows.peek().is_some() && windows.all(|block| self.agrees(block, other, resolution))
    }

    fn agrees(&self, block: &Placed<'_>, other: &Stream, resolution: Resolution) -> bool {
        let Some(ours) = block.meta.stats.samples else {
            return false;
        };
        let mut theirs = 0.0;
        for candidate in self.blocks_of(other, resolution) {
            if candidate.superseded
                || candidate.meta.hinted
                || candidate.meta.interval.intersection(block.meta.interval).is_none()
            {
                continue;
            }
            let Some(samples) = candidate.meta.stats.samples else {
                return false;
            };
            theirs += to_f64(samples) * share_in_common(candidate, block);
        }
        let ours = to_f64(ours);
        (ours - theirs).abs() * 100.0 <= TOLERATED_PERCENT * ours.max(theirs)
    }

    /// Another member of the group holds a copy of this time of the stream.
    pub fn has_copy(&self, stream: &Stream, resolution: Resolution, time: Interval) -> bool {
        let Some(group) = self.groups.get(stream.group) else {
            return false;
        };
        self.members(group).any(|other| {
            !std::ptr::eq(stream, other)
                && self.sound_coverage(other, resolution, time).missing_from(time).iter().all(is_slack)
                && self.is_copy(group, stream, other, resolution, time)
        })
    }

    /// What the blocks of a stream hold around `time` that can be relied on: not those that are about to be deleted,
    /// nor those that lack an object or a part of one, nor those that are damaged.
    fn sound_coverage(&self, stream: &Stream, resolution: Resolution, time: Interval) -> IntervalSet {
        let blocks = self.blocks_of(stream, resolution).iter();
        let around = blocks.filter(|block| block.meta.interval.intersection(time).is_some());
        let sound = around.filter(|block| {
            let whole =
                || missing_objects(block.view, block.meta).is_empty() && wrong_sizes(block.view, block.meta).is_empty();
            !block.is_being_deleted() && (!block.settled || whole()) && !self.is_damaged(block.view)
        });
        sound.flat_map(|block| block.cover.parts().iter().copied()).collect()
    }
}

fn is_slack(gap: &Interval) -> bool {
    gap.len_ms() <= SLACK_MS
}

/// Replicas do not start and end their blocks at the same sample.
const SLACK_MS: i64 = 15 * crate::model::MINUTE_MS;

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a ratio of counts needs no 53rd bit")]
const fn to_f64(count: u64) -> f64 {
    count as f64
}

/// The part of what `block` holds that `other` holds, too: an outage within a long block is in neither of them.
fn share_in_common(block: &Placed<'_>, other: &Placed<'_>) -> f64 {
    let len = |interval: Interval| to_f64(interval.len_ms().unsigned_abs());
    let (held, common) = block.cover.parts().iter().fold((0.0, 0.0), |(held, common), part| {
        let shared = other.cover.parts().iter().filter_map(|theirs| part.intersection(*theirs));
        (held + len(*part), common + shared.map(len).sum::<f64>())
    });
    if held > 0.0 { common / held } else { 0.0 }
}
