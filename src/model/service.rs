//! The service as it shows itself: the judgement, what it rests on, and how the watching goes. The engine publishes it
//! whole; metrics and API read it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{
    AlertingStatus, BucketView, Labels, Provider, ReceiverStatus, RequestCounts, ScrubStatus, Snapshot, TimestampMs,
};

/// Upper bounds, in ms, of the buckets that durations of passes and judgements are counted in; a last one takes the rest.
pub const DURATION_BOUNDS_MS: [u64; 10] = [100, 300, 1_000, 3_000, 10_000, 30_000, 60_000, 120_000, 300_000, 900_000];

/// One state of everything, immutable.
#[derive(Clone, Debug, Default)]
pub struct Published {
    /// Counts up with every publication of this process.
    pub number: u64,
    /// The newest judgement. A bucket that could not be listed keeps its last known summary in it.
    pub snapshot: Arc<Snapshot>,
    /// The newest view with a complete listing of each bucket, by name.
    pub views: Arc<BTreeMap<Arc<str>, Arc<BucketView>>>,
    /// How the watching goes.
    pub service: ServiceStatus,
    /// What is exported of streams.
    pub metrics: Arc<MetricsSettings>,
    /// How alerts stand.
    pub alerting: Arc<AlertingStatus>,
}

/// How the service itself fares.
#[derive(Clone, Debug, Default)]
pub struct ServiceStatus {
    /// When the process began to watch.
    pub started: TimestampMs,
    /// Every bucket had its first pass, whether that went well or not. Stays true: a bucket that is added later makes
    /// nobody wait.
    pub ready: bool,
    /// All configured buckets, by name.
    pub buckets: Vec<BucketStatus>,
    /// Where the past is kept.
    pub ledger: LedgerStatus,
    /// The configuration.
    pub reloads: ReloadStatus,
    /// How long judgements took, commit included.
    pub judgements: Durations,
    /// When the newest judgement was made.
    pub last_judgement: Option<TimestampMs>,
    /// How blocks are verified.
    pub scrub: ScrubStatus,
    /// How telling people goes: all configured receivers, in the order of the configuration.
    pub receivers: Arc<Vec<ReceiverStatus>>,
}

/// How the passes over one bucket go.
#[derive(Clone, Debug)]
pub struct BucketStatus {
    /// The name in output.
    pub bucket: Arc<str>,
    /// The kind of storage.
    pub provider: Provider,
    /// From one pass to the next, in ms.
    pub interval_ms: i64,
    /// Since when it is configured, in this process.
    pub watched_since: TimestampMs,
    /// A pass is under way since then.
    pub scanning_since: Option<TimestampMs>,
    /// Begin of the newest pass that ended.
    pub last_scan: Option<TimestampMs>,
    /// When that pass ended.
    pub last_end: Option<TimestampMs>,
    /// Begin of the newest pass that listed the bucket completely.
    pub last_complete: Option<TimestampMs>,
    /// When the next pass is due; `None` while one is under way.
    pub next_scan: Option<TimestampMs>,
    /// Duration in ms of the newest pass that ended.
    pub last_duration_ms: Option<u64>,
    /// How long passes took.
    pub durations: Durations,
    /// How passes ended.
    pub scans: ScanCounts,
    /// Attempts against the bucket in all passes that ended.
    pub requests: RequestCounts,
    /// Objects that the newest pass could not read.
    pub unread: u64,
    /// Why the newest pass could not list the bucket, if so.
    pub unreachable: Option<String>,
}

/// How passes ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScanCounts {
    /// Everything was seen.
    pub complete: u64,
    /// The listing is complete, and some objects could not be read.
    pub partial: u64,
    /// The bucket could not be listed.
    pub failed: u64,
}

/// A cumulative count of durations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    /// How many fell under each of [`DURATION_BOUNDS_MS`] and over the one before; not cumulated.
    pub counts: [u64; DURATION_BOUNDS_MS.len()],
    /// How many there were, longer ones included.
    pub count: u64,
    /// Their sum, in ms.
    pub sum_ms: u64,
}

impl Durations {
    /// Counts one.
    pub fn add(&mut self, ms: u64) {
        let bounds = DURATION_BOUNDS_MS.iter().zip(&mut self.counts);
        if let Some((_, count)) = bounds.into_iter().find(|(bound, _)| ms <= **bound) {
            *count = count.saturating_add(1);
        }
        self.count = self.count.saturating_add(1);
        self.sum_ms = self.sum_ms.saturating_add(ms);
    }
}

/// Where the past is kept, and whether that works.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerStatus {
    /// The file; `None` = in memory only, gone with the process.
    pub path: Option<String>,
    /// Why it cannot be relied on now, if so.
    pub failure: Option<String>,
    /// Commits that went well, and that failed.
    pub commits: (u64, u64),
    /// Bytes of the file and of what is written ahead of it.
    pub bytes: u64,
}

/// How reading the configuration again went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReloadStatus {
    /// Why the newest attempt was refused, if so; the configuration before it stays in force.
    pub refused: Option<String>,
    /// When the configuration in force was read.
    pub last_success: TimestampMs,
    /// Attempts that went well (the first one at the start among them), and that were refused.
    pub counts: (u64, u64),
}

/// What is exported of streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsSettings {
    /// External labels that become labels of their own.
    pub stream_labels: Vec<String>,
    /// Streams that have series of their own; the others are summed.
    pub max_streams: usize,
}

impl Default for MetricsSettings {
    fn default() -> Self {
        Self { stream_labels: Vec::new(), max_streams: 1_000 }
    }
}

impl MetricsSettings {
    /// The values of the chosen labels, empty where a stream lacks one.
    pub fn values_of<'a>(&'a self, labels: &'a Labels) -> impl Iterator<Item = &'a str> {
        self.stream_labels.iter().map(|name| labels.get(name).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_counted_under_their_bound() {
        let mut durations = Durations::default();
        for ms in [0, 100, 101, 900_000, 900_001] {
            durations.add(ms);
        }
        assert_eq!(durations.counts, [2, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!((durations.count, durations.sum_ms), (5, 1_800_202));
    }
}
