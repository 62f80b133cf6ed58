//! What generated rules are made for: which scrape job is ours, which components there are, what was set otherwise.

use std::collections::BTreeMap;

use super::{Links, MINUTE_MS};

/// Everything that rules depend on beside the catalogue.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleSettings {
    /// The label `job` under which Prometheus scrapes Blockwarden.
    pub job: String,
    /// How far back a rule looks, so that a scrape that fails resolves nothing; in ms.
    pub window_ms: i64,
    /// From one evaluation to the next, in ms.
    pub interval_ms: i64,
    /// What was set for single alerts, by id.
    pub alerts: BTreeMap<String, AlertSettings>,
    /// Components that exist: that they are gone is told, too.
    pub components: Vec<ComponentSettings>,
    /// External labels that are labels of our metrics.
    pub stream_labels: Vec<String>,
    /// Streams that have series of their own; no rule gives many more alerts than there are.
    pub max_streams: usize,
    /// For annotations.
    pub links: Links,
}

impl Default for RuleSettings {
    fn default() -> Self {
        Self {
            job: "blockwarden".to_owned(),
            window_ms: 10 * MINUTE_MS,
            interval_ms: MINUTE_MS,
            alerts: BTreeMap::new(),
            components: Vec::new(),
            stream_labels: Vec::new(),
            max_streams: 1000,
            links: Links::default(),
        }
    }
}

impl RuleSettings {
    /// The labels `job` of a component that the configuration names.
    pub fn jobs(&self, component: Component) -> Vec<&str> {
        let named = self.components.iter().filter(|named| named.component == component);
        let mut jobs: Vec<&str> = named.map(|named| named.job.as_str()).collect();
        jobs.sort_unstable();
        jobs.dedup();
        jobs
    }
}

/// What was set for one alert.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertSettings {
    /// Whether there is a rule.
    pub enabled: Option<bool>,
    /// `for`, in ms.
    pub hold_ms: Option<i64>,
    /// `keep_firing_for`, in ms.
    pub keep_ms: Option<i64>,
    /// Thresholds, by name; only alerts that are PromQL alone have any.
    pub thresholds: BTreeMap<String, f64>,
}

/// What a component is. Decides which alerts are about it and by which selector it is found where none is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Component {
    /// Blockwarden.
    Own,
    /// Prometheus.
    Prometheus,
    /// `thanos sidecar`
    Sidecar,
    /// `thanos compact`
    Compactor,
    /// `thanos store`
    Store,
    /// `thanos query`
    Query,
    /// `thanos receive`
    Receive,
    /// `thanos rule`
    Ruler,
    /// `thanos tools bucket replicate`
    Replicate,
    /// A job that reports `prometheus_backup_*`.
    Backup,
}

impl Component {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Own,
        Self::Prometheus,
        Self::Sidecar,
        Self::Compactor,
        Self::Store,
        Self::Query,
        Self::Receive,
        Self::Ruler,
        Self::Replicate,
        Self::Backup,
    ];

    /// The word in the configuration and in `alerts/*.yaml`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Own => "blockwarden",
            Self::Prometheus => "prometheus",
            Self::Sidecar => "sidecar",
            Self::Compactor => "compactor",
            Self::Store => "store",
            Self::Query => "query",
            Self::Receive => "receive",
            Self::Ruler => "ruler",
            Self::Replicate => "replicate",
            Self::Backup => "backup",
        }
    }

    /// The label `job` that it usually has, and the one in the tests of the rules.
    pub const fn usual_job(self) -> &'static str {
        match self {
            Self::Own => "blockwarden",
            Self::Prometheus => "prometheus",
            Self::Sidecar => "thanos-sidecar",
            Self::Compactor => "thanos-compact",
            Self::Store => "thanos-store",
            Self::Query => "thanos-query",
            Self::Receive => "thanos-receive",
            Self::Ruler => "thanos-rule",
            Self::Replicate => "thanos-bucket-replicate",
            Self::Backup => "backup",
        }
    }

    /// By its word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|component| component.name() == name)
    }
}

/// One entry of `endpoints`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentSettings {
    /// What it is.
    pub component: Component,
    /// The label `job` under which Prometheus scrapes it.
    pub job: String,
}

/// An alert that is PromQL alone, as far as the configuration has to know it.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownAlert {
    /// Id in the catalogue.
    pub id: &'static str,
    /// What may be set.
    pub thresholds: Vec<KnownThreshold>,
}

/// A number in the rule of an alert that is PromQL alone.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownThreshold {
    /// The key in the configuration.
    pub name: &'static str,
    /// Where nothing is set.
    pub default: f64,
    /// One sentence.
    pub help: &'static str,
}
