//! The estate of one bucket: blocks put into streams and replica groups, with what every check asks of them
//! (superseded, settled, coverage, copies) worked out once.

mod build;
mod bytes;
mod copies;
mod coverage;
mod holders;
mod stream;
mod unknown;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use ulid::Ulid;

pub use self::bytes::{LEVEL, level_of};
pub use self::coverage::{Cover, Hole};
use super::policy::{BucketPolicy, Policy};
use crate::model::{
    BlockMeta, BlockView, BucketPast, BucketView, DAY_MS, DeletionMark, HOUR_MS, IntervalSet, Labels, Lineage,
    MarkState, PastBlock, Resolution, TimestampMs, Verified, parse_prometheus_duration, ulid_time,
};

/// Everything that the checks of one bucket look at. Rests on a complete listing: without one it is empty.
#[derive(Debug)]
pub struct Estate<'a> {
    /// What was seen.
    pub view: &'a BucketView,
    /// What is remembered.
    pub past: &'a BucketPast,
    /// What is demanded.
    pub policy: &'a Policy,
    /// What is demanded of this bucket.
    pub bucket_policy: BucketPolicy,
    /// What reading the bytes of its blocks has shown.
    verified: Option<&'a Verified>,
    /// The time that is judged.
    pub now: TimestampMs,
    /// Blocks that have their place in a stream, by stream, resolution, start and ULID.
    pub blocks: Vec<Placed<'a>>,
    /// By external labels.
    pub streams: Vec<Stream>,
    /// By the labels that the members share.
    pub groups: Vec<Group>,
    /// Blocks that the ledger knows and that are no longer there.
    pub gone: Vec<Gone<'a>>,
    /// Directories without a usable `meta.json`.
    pub unplaced: Vec<&'a BlockView>,
    /// Over a fifth of the blocks (and at least 10) went at once: how many, and of how many.
    pub mass_loss: Option<(u64, u64)>,
    /// What is asked for every block and answered by looking at all of them.
    traits: Traits,
}

/// What the blocks as a whole tell of the estate.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent observations, not states")]
struct Traits {
    has_compactor: bool,
    has_whole_stream: bool,
    coarsest: Resolution,
    unknown_meta: bool,
    unknown_mark: bool,
}

/// A block in its stream.
#[derive(Debug)]
pub struct Placed<'a> {
    /// As it was seen.
    pub view: &'a BlockView,
    /// Its description; from the ledger where it could not be read this time.
    pub meta: &'a Arc<BlockMeta>,
    /// What the ledger knows of it.
    pub past: Option<&'a PastBlock>,
    /// Index of its stream.
    pub stream: usize,
    /// Older than the consistency delay: uploads and marks in progress are over.
    pub settled: bool,
    /// Other present, unmarked blocks of the replica group hold all of its sources.
    pub superseded: bool,
    /// Blocks of the next coarser resolution hold all of its sources.
    pub downsampled: bool,
    /// The time that it holds.
    pub cover: Cover,
    /// What is known of its ancestors, where that is new and should be remembered.
    pub new_lineage: Option<Lineage>,
}

impl Placed<'_> {
    /// The directory.
    pub fn ulid(&self) -> Ulid {
        self.view.ulid
    }

    /// Its deletion mark, if one could be read. Thanos takes an unreadable one for no mark.
    pub fn deletion(&self) -> Option<&DeletionMark> {
        self.view.marks.deletion.as_ref().and_then(MarkState::read)
    }

    /// A deletion mark is there, readable or not.
    pub fn is_being_deleted(&self) -> bool {
        self.view.marks.deletion.is_some()
    }
}

/// One set of external labels.
#[derive(Debug)]
pub struct Stream {
    /// The labels.
    pub labels: Arc<Labels>,
    /// Index of its replica group.
    pub group: usize,
    /// Has no producer, and never had one that the ledger saw.
    pub derived: bool,
    /// Only a ruler writes it: its empty blocks are not uploaded.
    pub ruler: bool,
    /// Where its blocks are in [`Estate::blocks`], by [`Resolution`].
    pub blocks: BTreeMap<Resolution, Range<usize>>,
    /// The time that its own blocks hold, by resolution.
    pub coverage: BTreeMap<Resolution, IntervalSet>,
    /// Newest `maxTime` of its raw blocks, remembered ones included; what lies in the future does not count.
    pub newest_raw: Option<TimestampMs>,
    /// Start of the first raw block that was cut within 7 d of its data. Before it there are only backfilled islands.
    pub live_since: Option<TimestampMs>,
    /// The producer's block range in ms.
    pub range_ms: i64,
}

/// Streams that are equal once the replica labels are dropped.
#[derive(Debug)]
pub struct Group {
    /// What they share.
    pub labels: Arc<Labels>,
    /// Indices of all streams.
    pub members: Vec<usize>,
}

/// A block that is no longer there.
#[derive(Debug)]
pub struct Gone<'a> {
    /// The directory it had.
    pub ulid: Ulid,
    /// What the ledger knows of it.
    pub past: &'a PastBlock,
    /// It was there at the last complete pass.
    pub newly: bool,
    /// Present, unmarked blocks of its replica group hold all of its sources.
    pub superseded: bool,
}

/// How long after its data a block that was not backfilled has been cut at the latest.
const LIVE_WITHIN_MS: i64 = 7 * DAY_MS;

impl<'a> Estate<'a> {
    /// The blocks of a stream at a resolution, by start.
    pub fn blocks_of(&self, stream: &Stream, resolution: Resolution) -> &[Placed<'a>] {
        stream.blocks.get(&resolution).and_then(|range| self.blocks.get(range.clone())).unwrap_or_default()
    }

    /// The block of this ULID, if it has its place in a stream.
    pub fn placed(&self, ulid: Ulid) -> Option<&Placed<'a>> {
        let seen = self.view.blocks.get(&ulid)?.meta.meta();
        let meta = seen.or_else(|| self.past.blocks.get(&ulid)?.meta.as_ref())?;
        let blocks = self.blocks_of(self.stream(&meta.labels)?, meta.resolution);
        let from = blocks.partition_point(|block| block.meta.interval.start < meta.interval.start);
        blocks.iter().skip(from).find(|block| block.ulid() == ulid)
    }

    /// The stream of a block.
    pub fn stream_of(&self, block: &Placed<'_>) -> Option<&Stream> {
        self.streams.get(block.stream)
    }

    /// The streams of a group.
    pub fn members<'s>(&'s self, group: &'s Group) -> impl Iterator<Item = &'s Stream> + 's {
        group.members.iter().filter_map(|idx| self.streams.get(*idx))
    }

    /// The labels without those that only tell replicas apart.
    pub fn group_labels(&self, labels: &Labels) -> Labels {
        labels.without(&self.bucket_policy.replica_labels)
    }

    /// Declared retention in ms; `None` = undeclared, `Some(0)` = for ever.
    pub fn retention_ms(&self, labels: &Labels, resolution: Resolution) -> Option<i64> {
        self.bucket_policy.retention_ms(labels, resolution)
    }

    /// Before this moment nothing is demanded any more; `None` = undeclared or for ever.
    pub fn horizon(&self, labels: &Labels, resolution: Resolution) -> Option<TimestampMs> {
        let retention = self.retention_ms(labels, resolution).filter(|retention| *retention > 0)?;
        Some(self.now.minus(retention))
    }

    /// The block has outlived its declared retention; where none is declared, its mark says so.
    pub fn is_expired(&self, meta: &BlockMeta, mark: Option<&DeletionMark>) -> bool {
        match self.retention_ms(&meta.labels, meta.resolution) {
            Some(0) => false,
            Some(retention) => self.now > meta.interval.end.plus(retention),
            None => mark.is_some_and(|mark| mark_says_expired(mark, meta.interval.end)),
        }
    }

    /// The block claims data from the future, by more than clocks differ. A block that as a whole is dated later than
    /// the judged time is none of these: it was not there yet.
    pub fn is_ahead(&self, block: &Placed<'_>) -> bool {
        // an out-of-order block ends on the grid, which may lie up to a block range ahead of its newest sample
        let tolerated = if block.meta.hinted { HINTED_AHEAD_MS } else { AHEAD_MS };
        let end = block.meta.interval.end;
        let cut = ulid_time(block.ulid());
        let later = cut > self.now
            && end <= cut.plus(tolerated)
            && block.view.object("meta.json").is_none_or(|object| object.last_modified > self.now);
        end > self.now.plus(tolerated) && !later
    }

    /// The stream of these labels.
    pub fn stream(&self, labels: &Labels) -> Option<&Stream> {
        let idx = self.streams.binary_search_by(|stream| (*stream.labels).cmp(labels)).ok()?;
        self.streams.get(idx)
    }

    /// A compactor is at work: it has left blocks.
    pub fn has_compactor(&self) -> bool {
        self.traits.has_compactor
    }

    /// The coarsest resolution that any block has.
    pub fn coarsest(&self) -> Resolution {
        self.traits.coarsest
    }

    /// The compactor merges overlapping blocks: declared, or seen by a stream that it made of several replicas.
    pub fn has_vertical_compaction(&self) -> bool {
        self.bucket_policy.vertical_compaction.unwrap_or(self.traits.has_whole_stream)
    }

    /// Every `meta.json` that was listed could be fetched, and every block that is gone is known to be.
    pub fn knows_all_metas(&self) -> bool {
        !self.traits.unknown_meta && self.view.unconfirmed_gone.is_empty()
    }

    /// Every mark that was listed could be fetched.
    pub fn knows_all_marks(&self) -> bool {
        !self.traits.unknown_mark
    }
}

/// A plain block that ends further ahead than this is wrong.
const AHEAD_MS: i64 = HOUR_MS;
/// The same for a block of out-of-order samples.
const HINTED_AHEAD_MS: i64 = 3 * HOUR_MS;

/// The compactor's own words for a block that it marked by retention (Thanos `ApplyRetentionPolicyByResolution`).
fn mark_says_expired(mark: &DeletionMark, max_time: TimestampMs) -> bool {
    let retention = mark.details.strip_prefix("block exceeding retention of ").and_then(parse_prometheus_duration);
    retention.is_some_and(|retention| mark.time >= max_time.plus(retention))
}
