//! The JSON document of `coverage`: what each stream holds over time. Its schema is `docs/coverage.schema.json`.

use std::sync::Arc;

use serde::Serialize;

use super::{Interval, Labels, Resolution, SECOND_MS, Snapshot, StreamSummary, Timeline, TimestampMs};

/// The document. Every key is always present.
#[derive(Debug, Serialize)]
pub struct CoverageDocument<'a> {
    /// Of this format: 1.
    pub version: u32,
    /// The time that was judged.
    pub at: TimestampMs,
    /// By name.
    pub buckets: Vec<BucketCoverage<'a>>,
}

/// One bucket.
#[derive(Debug, Serialize)]
pub struct BucketCoverage<'a> {
    /// The name in output.
    pub bucket: &'a str,
    /// Why it could not be read, if so: there are no streams then.
    pub unreachable: Option<&'a str>,
    /// By external labels.
    pub streams: Vec<StreamCoverage<'a>>,
}

/// One stream.
#[derive(Debug, Serialize)]
pub struct StreamCoverage<'a> {
    /// External labels.
    pub stream: &'a Labels,
    /// Made by compaction, upload or rewrite: it has no producer and no lag.
    pub derived: bool,
    /// `at` minus the newest `maxTime` of its raw blocks, whole seconds.
    pub lag_seconds: Option<i64>,
    /// Finest resolution first.
    pub timelines: Vec<TimelineCoverage<'a>>,
}

/// One resolution of a stream.
#[derive(Debug, Serialize)]
pub struct TimelineCoverage<'a> {
    /// Which.
    pub resolution: Resolution,
    /// The times that the blocks hold.
    pub coverage: &'a [Interval],
    /// Times between them that should not be missing.
    pub holes: &'a [Interval],
    /// By start, then ULID.
    pub blocks: Vec<BlockCoverage>,
}

/// One block.
#[derive(Debug, Serialize)]
pub struct BlockCoverage {
    /// ULID.
    pub block: String,
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
    /// `numSamples`, if the block says.
    pub samples: Option<u64>,
    /// Bytes of all its objects.
    pub bytes: u64,
}

impl<'a> CoverageDocument<'a> {
    /// The document of a snapshot.
    pub fn of(snapshot: &'a Snapshot) -> Self {
        let buckets = snapshot.buckets.iter().map(|bucket| BucketCoverage {
            bucket: &bucket.bucket,
            unreachable: bucket.unreachable.as_deref(),
            streams: bucket.streams.iter().map(StreamCoverage::of).collect(),
        });
        Self { version: 1, at: snapshot.at, buckets: buckets.collect() }
    }
}

impl<'a> StreamCoverage<'a> {
    fn of(stream: &'a StreamSummary) -> Self {
        Self {
            stream: Arc::as_ref(&stream.labels),
            derived: stream.derived,
            lag_seconds: stream.lag_ms.map(|lag| lag / SECOND_MS),
            timelines: stream.timelines.iter().map(TimelineCoverage::of).collect(),
        }
    }
}

impl<'a> TimelineCoverage<'a> {
    fn of(timeline: &'a Timeline) -> Self {
        let blocks = timeline.blocks.iter().map(|span| BlockCoverage {
            block: span.ulid.to_string(),
            interval: span.interval,
            level: span.level,
            deletion_marked: span.deletion_marked,
            no_compact: span.no_compact,
            superseded: span.superseded,
            samples: span.samples,
            bytes: span.bytes,
        });
        Self {
            resolution: timeline.resolution,
            coverage: timeline.coverage.parts(),
            holes: &timeline.holes,
            blocks: blocks.collect(),
        }
    }
}
