//! Findings about all blocks of a stream at one resolution that share a fault.

use std::collections::BTreeMap;
use std::sync::Arc;

use ulid::Ulid;

use super::Scope;
use super::estate::Placed;
use super::scope::count_of;
use crate::model::{BlockMeta, Finding, Interval, Labels, Resolution, TimestampMs};

/// The blocks of one stream and resolution.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) labels: Arc<Labels>,
    pub(super) resolution: Resolution,
    pub(super) hull: Interval,
    pub(super) oldest_end: TimestampMs,
    pub(super) ulids: Vec<Ulid>,
}

/// How many ULIDs a finding names.
const NAMED: usize = 20;

impl Shared {
    /// `3 blocks`.
    pub(super) fn count(&self) -> String {
        count_of(self.ulids.len(), "block")
    }

    /// One finding for all of them; a single block is its subject.
    pub(super) fn finding(&self, scope: &Scope<'_>, message: String, remedy: &str) -> Finding {
        let mut finding = scope.stream_finding(&self.labels, self.resolution, message, remedy).at_risk(self.hull);
        if let [one] = self.ulids.as_slice() {
            finding.subject.block = Some(*one);
        }
        let names: Vec<String> = self.ulids.iter().take(NAMED).map(ToString::to_string).collect();
        finding.with("blocks", names).with("block_count", self.ulids.len())
    }
}

/// Puts blocks together by stream and resolution.
pub(super) fn per_stream<'p>(blocks: impl Iterator<Item = &'p Placed<'p>>) -> Vec<Shared> {
    per_stream_of(blocks.map(|block| (block.ulid(), &**block.meta)))
}

/// The same for blocks of which only the description is left.
pub(super) fn per_stream_of<'m>(blocks: impl Iterator<Item = (Ulid, &'m BlockMeta)>) -> Vec<Shared> {
    let mut shared: BTreeMap<(&Arc<Labels>, Resolution), Shared> = BTreeMap::new();
    for (ulid, meta) in blocks {
        let group = shared.entry((&meta.labels, meta.resolution)).or_insert_with(|| Shared {
            labels: Arc::clone(&meta.labels),
            resolution: meta.resolution,
            hull: meta.interval,
            oldest_end: meta.interval.end,
            ulids: Vec::new(),
        });
        group.hull = group.hull.hull(meta.interval);
        group.oldest_end = group.oldest_end.min(meta.interval.end);
        group.ulids.push(ulid);
    }
    shared.into_values().collect()
}
