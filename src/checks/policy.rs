//! What the configuration demands, as the checks need it. `config` lowers its files into this.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{DAY_MS, HOUR_MS, Labels, MINUTE_MS, Resolution, ScrubSettings, Selector, Severity};

/// What can be set for a check.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Param {
    /// The key in `checks.<id>`.
    pub name: &'static str,
    /// The default; it also says of what kind the value is.
    pub default: ParamValue,
    /// One sentence for `docs/configuration.md`.
    pub help: &'static str,
}

/// The value of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ParamValue {
    /// A duration in ms; written in Prometheus' grammar.
    DurationMs(i64),
    /// A factor or share.
    Ratio(f64),
    /// A whole number.
    Count(u64),
}

/// Everything that was demanded.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// By the bucket's name.
    pub buckets: BTreeMap<Arc<str>, BucketPolicy>,
    /// In the order of the file; of several that match, the first that says something counts.
    pub streams: Vec<StreamPolicy>,
    /// By the check's id.
    pub checks: BTreeMap<String, CheckPolicy>,
    /// How blocks are verified.
    pub scrub: ScrubSettings,
}

/// Demands on one bucket.
#[derive(Clone, Debug)]
pub struct BucketPolicy {
    /// Time between two passes, in ms.
    pub interval_ms: i64,
    /// The scrub verifies its blocks.
    pub scrub: bool,
    /// Declared new: it may be empty.
    pub new: bool,
    /// The compactor's `--delete-delay`, in ms.
    pub delete_delay_ms: i64,
    /// The compactor's `--consistency-delay`, in ms.
    pub consistency_delay_ms: i64,
    /// Labels that only tell replicas apart.
    pub replica_labels: Vec<String>,
    /// Whether the compactor compacts overlapping blocks; `None` = judge by what is seen.
    pub vertical_compaction: Option<bool>,
    /// Declared retention.
    pub retention: Retention,
    /// Retention of single tenants or streams; the first that matches counts.
    pub stream_retention: Vec<(Selector, Retention)>,
}

impl Default for BucketPolicy {
    fn default() -> Self {
        let replica_labels =
            ["replica", "prometheus_replica", "rule_replica", "thanos_ruler_replica", "receive_replica", "__replica__"];
        Self {
            interval_ms: 5 * MINUTE_MS,
            scrub: true,
            new: false,
            delete_delay_ms: 48 * HOUR_MS,
            consistency_delay_ms: 30 * MINUTE_MS,
            replica_labels: replica_labels.map(str::to_owned).to_vec(),
            vertical_compaction: None,
            retention: Retention::default(),
            stream_retention: Vec::new(),
        }
    }
}

impl BucketPolicy {
    /// Declared retention in ms; `None` = undeclared, `Some(0)` = for ever.
    pub fn retention_ms(&self, labels: &Labels, resolution: Resolution) -> Option<i64> {
        let own = self.stream_retention.iter().filter(|(selector, _)| selector.matches(labels));
        own.map(|(_, retention)| retention.of(resolution))
            .find(Option::is_some)
            .flatten()
            .or_else(|| self.retention.of(resolution))
    }
}

/// Retention by resolution, in ms; `None` = undeclared, `Some(0)` = for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// `raw`
    pub raw: Option<i64>,
    /// `5m`
    pub five_minutes: Option<i64>,
    /// `1h`
    pub one_hour: Option<i64>,
}

impl Retention {
    /// That of one resolution.
    pub const fn of(&self, resolution: Resolution) -> Option<i64> {
        match resolution {
            Resolution::Raw => self.raw,
            Resolution::FiveMinutes => self.five_minutes,
            Resolution::OneHour => self.one_hour,
        }
    }
}

/// Demands on the streams that a selector matches.
#[derive(Clone, Debug, Default)]
pub struct StreamPolicy {
    /// Which streams.
    pub selector: Selector,
    /// There has to be such a stream, and it has to stay fresh.
    pub expected: bool,
    /// The producer's local retention (`--storage.tsdb.retention.time`), in ms.
    pub local_retention_ms: Option<i64>,
    /// After this long without new data a stream counts as given up, in ms.
    pub retire_after_ms: Option<i64>,
    /// The producer's block range (`--storage.tsdb.min-block-duration`), in ms; `None` = from the blocks.
    pub block_range_ms: Option<i64>,
}

/// What the configuration says of one check.
#[derive(Clone, Debug, Default)]
pub struct CheckPolicy {
    /// For every stream.
    pub settings: CheckSettings,
    /// For the streams that a selector matches; the first that says something counts.
    pub overrides: Vec<(Selector, CheckSettings)>,
}

/// Settings of a check; `None` and missing names = the default.
#[derive(Clone, Debug, Default)]
pub struct CheckSettings {
    /// Whether it runs.
    pub enabled: Option<bool>,
    /// The severity of all its findings.
    pub severity: Option<Severity>,
    /// By the parameter's name.
    pub params: BTreeMap<String, ParamValue>,
}

/// Without data for this long a stream counts as given up.
const RETIRE_AFTER_MS: i64 = 14 * DAY_MS;

impl Policy {
    /// The demands on a bucket; the defaults for one that has none.
    pub fn bucket(&self, name: &str) -> BucketPolicy {
        self.buckets.get(name).cloned().unwrap_or_default()
    }

    /// The value of `read` in the first stream policy that matches and says something.
    fn stream_value<T>(&self, labels: &Labels, read: impl Fn(&StreamPolicy) -> Option<T>) -> Option<T> {
        self.streams.iter().filter(|stream| stream.selector.matches(labels)).find_map(read)
    }

    /// The stream is demanded to be there.
    pub fn is_expected(&self, labels: &Labels) -> bool {
        self.streams.iter().any(|stream| stream.expected && stream.selector.matches(labels))
    }

    /// The producer's local retention in ms, if declared.
    pub fn local_retention_ms(&self, labels: &Labels) -> Option<i64> {
        self.stream_value(labels, |stream| stream.local_retention_ms)
    }

    /// When a silent stream counts as given up, in ms.
    pub fn retire_after_ms(&self, labels: &Labels) -> i64 {
        self.stream_value(labels, |stream| stream.retire_after_ms).unwrap_or(RETIRE_AFTER_MS)
    }

    /// The producer's block range in ms, if declared.
    pub fn block_range_ms(&self, labels: &Labels) -> Option<i64> {
        self.stream_value(labels, |stream| stream.block_range_ms)
    }

    /// The value of `read` for a check: the first override that matches and says something, else the general one.
    fn check_value<T>(
        &self,
        check: &str,
        labels: Option<&Labels>,
        read: impl Fn(&CheckSettings) -> Option<T>,
    ) -> Option<T> {
        let policy = self.checks.get(check)?;
        let overriding = labels.and_then(|labels| {
            let matching = policy.overrides.iter().filter(|(selector, _)| selector.matches(labels));
            matching.map(|(_, settings)| settings).find_map(&read)
        });
        overriding.or_else(|| read(&policy.settings))
    }

    /// Whether a check runs for a stream (`None` = for what has no stream).
    pub fn is_enabled(&self, check: &str, labels: Option<&Labels>) -> bool {
        self.check_value(check, labels, |settings| settings.enabled).unwrap_or(true)
    }

    /// The severity that the configuration gives a check, if it does.
    pub fn severity(&self, check: &str, labels: Option<&Labels>) -> Option<Severity> {
        self.check_value(check, labels, |settings| settings.severity)
    }

    /// The value of a parameter for a stream.
    pub fn param(&self, check: &str, param: &Param, labels: Option<&Labels>) -> ParamValue {
        self.check_value(check, labels, |settings| settings.params.get(param.name).copied()).unwrap_or(param.default)
    }
}
