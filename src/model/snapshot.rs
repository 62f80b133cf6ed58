//! One judgement, complete and immutable: what command line, metrics, API and page read.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use ulid::Ulid;

use super::{Finding, Interval, IntervalSet, Labels, Resolution, TimestampMs};

/// The state of everything at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The time that was judged.
    pub at: TimestampMs,
    /// Sorted by severity, check, bucket, stream, start, block, object. Includes findings that are kept open because
    /// their facts are unknown.
    pub findings: Vec<Finding>,
    /// Fingerprints of those that are open only because their facts are unknown.
    pub kept: BTreeSet<String>,
    /// By name.
    pub buckets: Vec<BucketSummary>,
}

/// One bucket.
#[derive(Clone, Debug)]
pub struct BucketSummary {
    /// The name in output.
    pub bucket: Arc<str>,
    /// When it was observed.
    pub observed_at: TimestampMs,
    /// Why it could not be listed or read, if so.
    pub unreachable: Option<String>,
    /// What follows rests on a complete listing; without one it is empty and means nothing. Where the last known
    /// summary of an unreachable bucket is kept, this stays as it was.
    pub listed: bool,
    /// Directories that count as blocks, partial ones included.
    pub blocks: u64,
    /// All keys, foreign ones included.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Attempts in the last pass.
    pub requests: RequestCounts,
    /// By external labels.
    pub streams: Vec<StreamSummary>,
}

/// One stream.
#[derive(Clone, Debug)]
pub struct StreamSummary {
    /// External labels.
    pub labels: Arc<Labels>,
    /// Has no producer: made by compaction, upload or rewrite.
    pub derived: bool,
    /// Newest `maxTime` of its raw blocks, remembered ones included; `None` where there never was one.
    pub newest: Option<TimestampMs>,
    /// Now minus the newest `maxTime` of its raw blocks, in ms; `None` for a derived stream.
    pub lag_ms: Option<i64>,
    /// One per resolution that the stream has, finest first.
    pub timelines: Vec<Timeline>,
}

/// The blocks of a stream at one resolution.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// Which.
    pub resolution: Resolution,
    /// What the blocks hold.
    pub coverage: IntervalSet,
    /// Holes that count (over the tolerated length, inside retention).
    pub holes: Vec<Interval>,
    /// By start, then ULID.
    pub blocks: Vec<BlockSpan>,
}

/// One block on a timeline.
#[derive(Clone, Copy, Debug)]
pub struct BlockSpan {
    /// The block.
    pub ulid: Ulid,
    /// `[minTime, maxTime)`.
    pub interval: Interval,
    /// Compaction level.
    pub level: u32,
    /// Has a deletion mark.
    pub deletion_marked: bool,
    /// Has a no-compact mark.
    pub no_compact: bool,
    /// Other blocks hold its sources.
    pub superseded: bool,
    /// `numSamples`.
    pub samples: Option<u64>,
    /// Bytes of all its objects.
    pub bytes: u64,
}

/// Attempts against a bucket, retries included, credential traffic apart. In a local folder a file opened is one
/// `get` and a tree walked is one `list`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RequestCounts {
    /// Listing requests.
    pub list: u64,
    /// Reads.
    pub get: u64,
    /// Existence checks.
    pub head: u64,
}

impl RequestCounts {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            list: self.list.saturating_add(other.list),
            get: self.get.saturating_add(other.get),
            head: self.head.saturating_add(other.head),
        }
    }
}
