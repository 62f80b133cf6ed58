//! Coverage: the time that blocks hold, by the level-1 blocks that they are made of.

use std::collections::HashSet;
use std::sync::Arc;

use ulid::Ulid;

use super::build::sources;
use super::{Estate, Group, Placed, Stream};
use crate::model::{
    BlockMeta, Interval, IntervalSet, Labels, Lineage, MINUTE_MS, MetaState, PastBlock, Resolution, TimestampMs,
};

/// The time that one block holds. Nearly every block is one interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cover {
    /// Without a hole.
    One(Interval),
    /// With holes.
    Many(IntervalSet),
}

impl Cover {
    /// The parts, ascending.
    pub fn parts(&self) -> &[Interval] {
        match self {
            Self::One(interval) => std::slice::from_ref(interval),
            Self::Many(set) => set.parts(),
        }
    }

    fn of(set: IntervalSet) -> Self {
        match set.parts() {
            [one] => Self::One(*one),
            _ => Self::Many(set),
        }
    }
}

/// A hole over this is one that counts.
const TOLERATED_MS: i64 = 15 * MINUTE_MS;

/// The cover of every block, and its lineage where that was not known yet.
pub(super) fn work_out(estate: &Estate<'_>) -> Vec<(Cover, Option<Lineage>)> {
    let unread = estate.view.blocks.values().filter(|block| matches!(block.meta, MetaState::Unknown(_)));
    let unconfirmed = estate.view.unconfirmed_gone.iter().map(|(ulid, _)| *ulid);
    let unread: HashSet<Ulid> = unread.map(|block| block.ulid).chain(unconfirmed).collect();
    estate.blocks.iter().map(|block| cover(estate, block, &unread)).collect()
}

fn cover(estate: &Estate<'_>, block: &Placed<'_>, unread: &HashSet<Ulid>) -> (Cover, Option<Lineage>) {
    let meta = block.meta;
    if meta.level <= 1 || (meta.sources.is_empty() && meta.parents.is_empty()) {
        return (Cover::One(meta.interval), None);
    }
    let remembered = block.past.map(|past| &past.lineage).filter(|lineage| lineage.settled);
    let (leaves, new) = match remembered {
        Some(lineage) => (lineage.leaves.clone(), None),
        None => {
            let lineage = look_up_ancestors(estate, block, unread);
            (lineage.leaves.clone(), Some(lineage))
        }
    };
    let set = leaves.or_else(|| of_parents(estate, meta)).unwrap_or_else(|| [meta.interval].into_iter().collect());
    // an ancestor's rest outside of the block was cut away by whoever made it
    let inside = set.parts().iter().filter_map(|part| part.intersection(meta.interval)).collect();
    (Cover::of(inside), new)
}

/// An ancestor, wherever it is still known.
fn known<'e>(estate: &'e Estate<'_>, ulid: Ulid) -> Option<&'e Arc<BlockMeta>> {
    let present = estate.view.blocks.get(&ulid).and_then(|block| block.meta.meta());
    present.or_else(|| estate.past.blocks.get(&ulid)?.meta.as_ref())
}

/// What is known of the ancestors now. While one of them is there and could not be read, the answer may still get
/// better; any other that is not known now never will be.
fn look_up_ancestors(estate: &Estate<'_>, block: &Placed<'_>, unread: &HashSet<Ulid>) -> Lineage {
    let meta = block.meta;
    let parents = meta.parents.iter().map(|parent| &parent.ulid);
    let open = !unread.is_empty() && meta.sources.iter().chain(parents).any(|ulid| unread.contains(ulid));
    let ancestors: Option<Vec<&Arc<BlockMeta>>> =
        sources(block.ulid(), meta).iter().map(|source| known(estate, *source)).collect();
    Lineage {
        leaves: ancestors.as_ref().map(|all| all.iter().map(|ancestor| ancestor.interval).collect()),
        source_samples: ancestors.and_then(|all| sum_samples(&all)),
        settled: !open,
    }
}

/// The samples that a lossless compaction of these blocks keeps; `None` where it may rightly drop some.
fn sum_samples(ancestors: &[&Arc<BlockMeta>]) -> Option<u64> {
    let first = ancestors.first()?;
    let mut intervals: Vec<Interval> = ancestors.iter().map(|meta| meta.interval).collect();
    intervals.sort_unstable();
    let overlapping = intervals.iter().zip(intervals.iter().skip(1)).any(|(before, after)| after.start < before.end);
    let alike = ancestors.iter().all(|meta| {
        meta.labels == first.labels
            && meta.resolution == Resolution::Raw
            && !meta.hinted
            && meta.stats.tombstones.unwrap_or(0) == 0
    });
    if overlapping || !alike {
        return None;
    }
    ancestors.iter().map(|meta| meta.stats.samples).try_fold(0_u64, |sum, samples| sum.checked_add(samples?))
}

/// By the blocks that were compacted: what is remembered of each, else its own interval.
fn of_parents(estate: &Estate<'_>, meta: &BlockMeta) -> Option<IntervalSet> {
    if meta.parents.is_empty() {
        return None;
    }
    let mut parts = Vec::new();
    for parent in &meta.parents {
        let past: Option<&PastBlock> = estate.past.blocks.get(&parent.ulid);
        match past.and_then(|past| past.lineage.leaves.as_ref()) {
            Some(leaves) => parts.extend_from_slice(leaves.parts()),
            None => parts.push(parent.interval),
        }
    }
    Some(parts.into_iter().collect())
}

/// A hole in the coverage of a replica group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    /// What is missing.
    pub interval: Interval,
    /// The labels of the one stream that has the hole, else those that the group shares.
    pub labels: Arc<Labels>,
    /// Streams that lack it.
    pub streams: Vec<Arc<Labels>>,
    /// A copy holds it.
    pub copied: bool,
    /// Every stream that lacks it is a ruler's.
    pub ruler: bool,
    /// The ledger saw a block that held some of it.
    pub was_seen: bool,
}

impl Estate<'_> {
    /// The coverage of a stream: its own blocks and those that compaction made of the whole group.
    pub fn coverage(&self, group: &Group, stream: &Stream, resolution: Resolution) -> IntervalSet {
        let whole = self
            .members(group)
            .filter(|member| !std::ptr::eq(*member, stream) && member.derived && member.labels == group.labels);
        let own = stream.coverage.get(&resolution).cloned().unwrap_or_default();
        whole.filter_map(|member| member.coverage.get(&resolution)).fold(own, |all, part| all.union(part))
    }

    /// Holes of one stream that count: over 15 min, after its first live block, inside retention, and for the coarser
    /// resolutions only where raw data has expired.
    pub fn holes_of(&self, group: &Group, stream: &Stream, resolution: Resolution) -> Vec<Interval> {
        let Some(live_since) = self.live_since(group, stream, resolution) else {
            return Vec::new();
        };
        let raw_horizon = match resolution {
            Resolution::Raw => None,
            Resolution::FiveMinutes | Resolution::OneHour => match self.horizon(&stream.labels, Resolution::Raw) {
                None => return Vec::new(),
                horizon => horizon,
            },
        };
        let horizon = self.horizon(&stream.labels, resolution);
        let coverage = self.coverage(group, stream, resolution);
        let open_end = self.open_end(group, stream, resolution);
        coverage
            .holes()
            .filter(|hole| hole.len_ms() > TOLERATED_MS && hole.start >= live_since)
            .filter(|hole| horizon.is_none_or(|horizon| hole.end > horizon))
            .filter(|hole| raw_horizon.is_none_or(|raw| hole.end <= raw))
            .filter(|hole| open_end.is_some_and(|end| hole.end < end) && !self.is_misdated(stream, resolution, *hole))
            .collect()
    }

    /// Where the data ends that came in order. An out-of-order block may be cut for a window before the plain block of
    /// the window before it is: what lies between them is not missing but due.
    fn open_end(&self, group: &Group, stream: &Stream, resolution: Resolution) -> Option<TimestampMs> {
        let whole = self.members(group).filter(|member| member.derived && member.labels == group.labels);
        let blocks = whole.chain([stream]).flat_map(|member| self.blocks_of(member, resolution));
        blocks.filter(|block| !block.meta.hinted).map(|block| block.meta.interval.end).max()
    }

    /// A block of the stream whose `meta.json` ends before it begins may hold this time, to judge by its ULID.
    fn is_misdated(&self, stream: &Stream, resolution: Resolution, missing: Interval) -> bool {
        let mut blocks = self.blocks_of(stream, resolution).iter();
        blocks.any(|block| block.meta.interval.is_empty() && Self::ulid_matches(block.ulid(), missing))
    }

    fn live_since(&self, group: &Group, stream: &Stream, resolution: Resolution) -> Option<TimestampMs> {
        match resolution {
            Resolution::Raw => {
                let whole = self.members(group).filter(|member| member.derived && member.labels == group.labels);
                whole.filter_map(|member| member.live_since).chain(stream.live_since).min()
            }
            // raw data may be long gone: the blocks of the resolution itself have to do
            Resolution::FiveMinutes | Resolution::OneHour => {
                let blocks = self.blocks_of(stream, resolution).iter();
                blocks.filter(|block| super::stream::is_live(block)).map(|block| block.meta.interval.start).min()
            }
        }
    }

    /// All holes of a group at a resolution: where no copy helps, one per missing stretch; where one does, one per hole.
    pub fn group_holes(&self, group: &Group, resolution: Resolution) -> Vec<Hole> {
        let producers: Vec<&Stream> = self.members(group).filter(|member| !member.derived).collect();
        let judged = if producers.is_empty() { self.members(group).collect() } else { producers };
        let mut found: Vec<(Interval, &Stream)> = Vec::new();
        for stream in &judged {
            found.extend(self.holes_of(group, stream, resolution).into_iter().map(|hole| (hole, *stream)));
        }
        found.sort_by_key(|(hole, _)| *hole);

        let mut holes = Vec::new();
        let clusters = clusters(found);
        for (hull, lacking) in clusters {
            let mut uncovered: IntervalSet = lacking.iter().map(|(hole, _)| *hole).collect();
            for other in self.members(group) {
                if !lacking.iter().any(|(hole, stream)| self.is_copy(group, stream, other, resolution, *hole)) {
                    continue;
                }
                let coverage = self.coverage(group, other, resolution);
                uncovered = uncovered.parts().iter().flat_map(|part| coverage.missing_from(*part)).collect();
            }
            let lost: Vec<Interval> =
                uncovered.parts().iter().copied().filter(|part| part.len_ms() > TOLERATED_MS).collect();
            let copied = lost.is_empty();
            for interval in if copied { vec![hull] } else { lost } {
                let streams: Vec<&Stream> = lacking
                    .iter()
                    .filter(|(hole, _)| hole.intersection(interval).is_some())
                    .map(|(_, stream)| *stream)
                    .collect();
                holes.push(self.hole(group, interval, &streams, copied, resolution));
            }
        }
        holes
    }

    fn hole(
        &self,
        group: &Group,
        interval: Interval,
        streams: &[&Stream],
        copied: bool,
        resolution: Resolution,
    ) -> Hole {
        let mut labels: Vec<Arc<Labels>> = streams.iter().map(|stream| Arc::clone(&stream.labels)).collect();
        labels.dedup();
        let subject = match labels.as_slice() {
            [one] => Arc::clone(one),
            _ => Arc::clone(&group.labels),
        };
        let was_seen = self.gone.iter().any(|gone| {
            gone.past.meta.as_ref().is_some_and(|meta| {
                labels.contains(&meta.labels)
                    && meta.resolution == resolution
                    && meta.interval.intersection(interval).is_some()
            })
        });
        Hole {
            interval,
            labels: subject,
            streams: labels,
            copied,
            ruler: streams.iter().all(|stream| stream.ruler),
            was_seen,
        }
    }
}

/// One stretch of overlapping holes, and who lacks which part of it.
type Cluster<'s> = (Interval, Vec<(Interval, &'s Stream)>);

/// Holes that overlap belong together.
fn clusters(sorted: Vec<(Interval, &Stream)>) -> Vec<Cluster<'_>> {
    let mut clusters: Vec<Cluster<'_>> = Vec::new();
    for (hole, stream) in sorted {
        match clusters.last_mut() {
            Some((hull, lacking)) if hole.start < hull.end => {
                *hull = hull.hull(hole);
                lacking.push((hole, stream));
            }
            _ => clusters.push((hole, vec![(hole, stream)])),
        }
    }
    clusters
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::kit::{Kit, Spec};

    #[test]
    fn only_an_ancestor_that_could_not_be_read_keeps_a_lineage_open() {
        let mut kit = Kit::healthy(61);
        let blocks: Vec<_> = kit.view.blocks.keys().copied().collect();
        let waits = kit.add(Spec::compacted("a", 0, 8, &blocks[..4]));
        let settled = kit.add(Spec::compacted("a", 8, 16, &blocks[4..8]));
        kit.edit(blocks[1], |block| block.meta = MetaState::Unknown("503".to_owned()));
        let estate = Estate::build(&kit.view, &kit.past, &kit.policy, kit.view.observed_at);
        let is_settled = |ulid| estate.placed(ulid).unwrap().new_lineage.as_ref().unwrap().settled;
        assert_eq!((is_settled(waits), is_settled(settled)), (false, true));
    }
}
