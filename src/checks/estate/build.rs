//! Puts the blocks of a view into streams and groups.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use ulid::Ulid;

use super::super::policy::Policy;
use super::holders::Holders;
use super::{Cover, Estate, Gone, Group, Placed, Stream, Traits, coverage, stream};
use crate::model::{
    BlockMeta, BlockSource, BlockView, BucketPast, BucketView, EndReason, Labels, MarkState, Marks, MetaState,
    PastBlock, Resolution, TimestampMs,
};

impl<'a> Estate<'a> {
    /// Works everything out. Where the listing is not complete there are no blocks and nothing is gone.
    pub fn build(view: &'a BucketView, past: &'a BucketPast, policy: &'a Policy, now: TimestampMs) -> Self {
        let mut estate = Self {
            view,
            past,
            policy,
            bucket_policy: policy.bucket(&view.bucket),
            verified: None,
            now,
            blocks: Vec::new(),
            streams: Vec::new(),
            groups: Vec::new(),
            gone: Vec::new(),
            unplaced: Vec::new(),
            mass_loss: None,
            traits: Traits::default(),
        };
        estate.traits.unknown_meta = view.blocks.values().any(|block| matches!(block.meta, MetaState::Unknown(_)));
        estate.traits.unknown_mark = view.blocks.values().any(|block| has_unknown_mark(&block.marks));
        if view.listing.is_complete() {
            estate.place_blocks();
            estate.find_gone();
            estate.mark_superseded();
            estate.work_out_coverage();
            estate.work_out_streams();
            estate.look_over();
            estate.measure_loss();
        }
        estate
    }

    fn place_blocks(&mut self) {
        let mut found: Vec<(&'a Arc<BlockMeta>, &'a BlockView, Option<&'a PastBlock>)> = Vec::new();
        let mut labels: BTreeSet<Arc<Labels>> = self.past.streams.keys().cloned().collect();
        for block in self.view.blocks.values() {
            let past = self.past.blocks.get(&block.ulid);
            let meta = match &block.meta {
                MetaState::Absent => None,
                // what was known stays known while the file cannot be read or understood
                MetaState::Unknown(_) | MetaState::Read { meta: None, .. } => past.and_then(|past| past.meta.as_ref()),
                MetaState::Read { meta, .. } => meta.as_ref(),
            };
            match meta {
                Some(meta) => {
                    labels.insert(Arc::clone(&meta.labels));
                    found.push((meta, block, past));
                }
                None => self.unplaced.push(block),
            }
        }

        let mut group_idx: BTreeMap<Arc<Labels>, usize> = BTreeMap::new();
        for labels in labels {
            let shared = self.group_labels(&labels);
            let group = match group_idx.get(&shared) {
                Some(idx) => *idx,
                None => {
                    let shared = Arc::new(shared);
                    group_idx.insert(Arc::clone(&shared), self.groups.len());
                    self.groups.push(Group { labels: shared, members: Vec::new() });
                    self.groups.len().saturating_sub(1)
                }
            };
            if let Some(group) = self.groups.get_mut(group) {
                group.members.push(self.streams.len());
            }
            self.streams.push(Stream::new(labels, group));
        }

        let stream_idx: HashMap<Arc<Labels>, usize> =
            self.streams.iter().enumerate().map(|(idx, stream)| (Arc::clone(&stream.labels), idx)).collect();
        self.blocks = found
            .into_iter()
            .filter_map(|(meta, view, past)| {
                let stream = *stream_idx.get(&meta.labels)?;
                let settled = self.is_settled(view, meta);
                Some(Placed {
                    view,
                    meta,
                    past,
                    stream,
                    settled,
                    superseded: false,
                    downsampled: false,
                    cover: Cover::One(meta.interval),
                    new_lineage: None,
                })
            })
            .collect();
        self.blocks.sort_by_key(|block| (block.stream, block.meta.resolution, block.meta.interval.start, block.ulid()));

        let mut start = 0;
        for run in self.blocks.chunk_by(|a, b| (a.stream, a.meta.resolution) == (b.stream, b.meta.resolution)) {
            let end = start + run.len();
            if let Some((stream, first)) =
                run.first().and_then(|first| Some((self.streams.get_mut(first.stream)?, first)))
            {
                stream.blocks.insert(first.meta.resolution, start..end);
            }
            start = end;
        }
    }

    fn is_settled(&self, view: &BlockView, meta: &BlockMeta) -> bool {
        let listed = view.object("meta.json").map(|object| object.last_modified);
        let Some(uploaded) = meta.upload_time.or(listed) else {
            return true;
        };
        !self.is_recent(uploaded, self.bucket_policy.consistency_delay_ms)
    }

    fn find_gone(&mut self) {
        let unconfirmed: HashSet<Ulid> = self.view.unconfirmed_gone.iter().map(|(ulid, _)| *ulid).collect();
        for (ulid, past) in &self.past.blocks {
            if self.view.blocks.contains_key(ulid) {
                continue;
            }
            let explained = past.end.is_some_and(|end| {
                matches!(end.reason, EndReason::Superseded | EndReason::Expired | EndReason::Partial)
            });
            if !unconfirmed.contains(ulid) && !explained {
                self.gone.push(Gone { ulid: *ulid, past, newly: past.end.is_none(), superseded: false });
            }
        }
    }

    /// One pass per group and resolution, so that the table of sources never grows beyond one group.
    fn mark_superseded(&mut self) {
        let mut by_group: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (idx, block) in self.blocks.iter().enumerate() {
            if let Some(stream) = self.streams.get(block.stream) {
                by_group.entry(stream.group).or_default().push(idx);
            }
        }
        let mut gone_by_group: BTreeMap<Labels, Vec<usize>> = BTreeMap::new();
        for (idx, gone) in self.gone.iter().enumerate() {
            if let Some(meta) = &gone.past.meta {
                gone_by_group.entry(self.group_labels(&meta.labels)).or_default().push(idx);
            }
        }

        let mut superseded: Vec<usize> = Vec::new();
        let mut downsampled: Vec<usize> = Vec::new();
        let mut gone_superseded: Vec<usize> = Vec::new();
        for (group, members) in by_group {
            let present: Vec<&Placed<'a>> = members.iter().filter_map(|idx| self.blocks.get(*idx)).collect();
            let rewritten: HashSet<Ulid> =
                present.iter().flat_map(|block| block.meta.rewrite_sources.iter().copied()).collect();
            let holders = Holders::of(present.iter().copied().filter(|block| block.deletion().is_none()));
            let undeclared = Undeclared::among(&present);
            for (idx, block) in members.iter().zip(&present) {
                let own = u32::from(block.deletion().is_none());
                let resolution = block.meta.resolution;
                let ulid = block.ulid();
                if rewritten.contains(&ulid)
                    || holders.hold_all(ulid, block.meta, resolution, own)
                    || undeclared.may_replace(block.meta, resolution)
                {
                    superseded.push(*idx);
                }
                let coarser = match resolution {
                    Resolution::Raw => Resolution::FiveMinutes,
                    Resolution::FiveMinutes | Resolution::OneHour => Resolution::OneHour,
                };
                if holders.hold_all(ulid, block.meta, coarser, 0) || undeclared.may_replace(block.meta, coarser) {
                    downsampled.push(*idx);
                }
            }
            let gone_here = self.groups.get(group).and_then(|group| gone_by_group.get(&*group.labels));
            for idx in gone_here.into_iter().flatten() {
                let Some(gone) = self.gone.get(*idx) else { continue };
                let Some(meta) = &gone.past.meta else { continue };
                let held = holders.hold_all(gone.ulid, meta, meta.resolution, 0);
                if held || rewritten.contains(&gone.ulid) || undeclared.may_replace(meta, meta.resolution) {
                    gone_superseded.push(*idx);
                }
            }
        }
        for idx in superseded {
            if let Some(block) = self.blocks.get_mut(idx) {
                block.superseded = true;
            }
        }
        for idx in downsampled {
            if let Some(block) = self.blocks.get_mut(idx) {
                block.downsampled = true;
            }
        }
        for idx in gone_superseded {
            if let Some(gone) = self.gone.get_mut(idx) {
                gone.superseded = true;
            }
        }
    }

    fn work_out_coverage(&mut self) {
        let mut covers = coverage::work_out(self);
        for (block, (cover, lineage)) in self.blocks.iter_mut().zip(covers.drain(..)) {
            block.cover = cover;
            block.new_lineage = lineage;
        }
    }

    fn work_out_streams(&mut self) {
        let streams: Vec<stream::WorkedOut> =
            self.streams.iter().map(|stream| stream::work_out(self, stream)).collect();
        for (stream, worked_out) in self.streams.iter_mut().zip(streams) {
            stream.take(worked_out);
        }
    }

    fn look_over(&mut self) {
        self.traits.has_compactor = self.blocks.iter().any(|block| block.meta.source == BlockSource::Compactor);
        self.traits.coarsest = self.blocks.iter().map(|block| block.meta.resolution).max().unwrap_or_default();
        self.traits.has_whole_stream = self.groups.iter().any(|group| {
            let whole = self.members(group).any(|stream| stream.derived && stream.labels == group.labels);
            whole && group.members.len() > 1
        });
    }

    /// Losses of one pass belong together: those of this one, or the ones that an earlier pass found at once.
    fn measure_loss(&mut self) {
        let mut at_once: BTreeMap<TimestampMs, u64> = BTreeMap::new();
        for gone in &self.gone {
            let when = gone.past.end.map_or(self.now, |end| end.at);
            if self.is_unexplained(gone) {
                *at_once.entry(when).or_default() += 1;
            }
        }
        let Some(lost) = at_once.into_values().max() else { return };
        let present = u64::try_from(self.view.blocks.len()).unwrap_or(u64::MAX);
        let before = present.saturating_add(lost);
        if lost >= MASS_LOSS_BLOCKS && lost.saturating_mul(MASS_LOSS_SHARE) > before {
            self.mass_loss = Some((lost, before));
        }
    }
}

/// Compacted blocks where some do not say what they were made of. Then nobody knows what replaced what, and a block
/// that spans another one may well hold its data.
struct Undeclared<'b> {
    /// Present, unmarked and compacted.
    compacted: Vec<&'b BlockMeta>,
    /// Those of them that name no sources.
    nameless: Vec<&'b BlockMeta>,
}

impl<'b> Undeclared<'b> {
    fn among(present: &[&'b Placed<'_>]) -> Self {
        let unmarked = present.iter().filter(|block| block.deletion().is_none());
        let compacted: Vec<&BlockMeta> = unmarked.map(|block| &**block.meta).filter(|meta| meta.level > 1).collect();
        let nameless = compacted.iter().copied().filter(|meta| is_nameless(meta)).collect();
        Self { compacted, nameless }
    }

    /// One of them, at this resolution, may have been made of that block.
    fn may_replace(&self, meta: &BlockMeta, resolution: Resolution) -> bool {
        let candidates = if is_nameless(meta) { &self.compacted } else { &self.nameless };
        candidates.iter().any(|other| {
            let later = other.level > meta.level || resolution != meta.resolution;
            later && other.resolution == resolution && other.interval.contains(meta.interval)
        })
    }
}

fn is_nameless(meta: &BlockMeta) -> bool {
    meta.level > 1 && meta.sources.is_empty()
}

fn has_unknown_mark(marks: &Marks) -> bool {
    matches!(marks.deletion, Some(MarkState::Unknown(_)))
        || matches!(marks.no_compact, Some(MarkState::Unknown(_)))
        || matches!(marks.no_downsample, Some(MarkState::Unknown(_)))
}

/// At least so many blocks …
const MASS_LOSS_BLOCKS: u64 = 10;
/// … and more than one in so many make a loss of the bucket instead of single blocks.
const MASS_LOSS_SHARE: u64 = 5;

/// The level-1 ancestors; a block that names none stands for itself.
pub(super) fn sources(ulid: Ulid, meta: &BlockMeta) -> std::borrow::Cow<'_, [Ulid]> {
    if meta.sources.is_empty() { vec![ulid].into() } else { std::borrow::Cow::Borrowed(&meta.sources) }
}
