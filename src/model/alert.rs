//! An alert: a finding over time. What Prometheus makes of the same finding by the generated rules has the same name,
//! severity, bucket and stream.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Finding, FindingEnd, Labels, OpenFinding, Resolution, Severity, TimestampMs, serde_ms};

/// Where an alert is in its life. That its facts are unknown is said beside it: it freezes the alert where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The finding is there, but not for as long as the alert's `for`.
    Pending,
    /// It is, or it ended less than `keep_firing_for` ago.
    Firing,
    /// It is over.
    Ended,
}

/// What is wrong, as last judged: the part of an alert that comes from its finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertContent {
    /// How bad it is.
    pub severity: Severity,
    /// The bucket's name in output; empty for what is about none.
    pub bucket: String,
    /// External labels of the stream or replica group.
    pub stream: Option<Labels>,
    /// `raw`, `5m`, `1h`.
    pub resolution: Option<String>,
    /// ULID.
    pub block: Option<String>,
    /// Key, or whatever else the finding is about.
    pub object: Option<String>,
    /// The time whose data is at risk: begin and end, in ms since the epoch.
    pub interval_ms: Option<(i64, i64)>,
    /// One sentence.
    pub message: String,
    /// One sentence.
    pub remedy: String,
    /// Until when it can be mended.
    #[serde(with = "serde_ms::optional")]
    pub deadline: Option<TimestampMs>,
    /// What the judgement rests on.
    pub evidence: BTreeMap<String, serde_json::Value>,
}

/// One alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Of check and subject.
    pub fingerprint: String,
    /// Id in the catalogue: that of the check, where there is one.
    pub id: String,
    /// `alertname`.
    pub name: String,
    /// As last judged.
    pub content: AlertContent,
    /// Where it is in its life.
    pub phase: Phase,
    /// The finding was first seen.
    #[serde(with = "serde_ms")]
    pub since: TimestampMs,
    /// It began to fire.
    #[serde(with = "serde_ms::optional")]
    pub fired_at: Option<TimestampMs>,
    /// The finding ended; `keep_firing_for` runs from here.
    #[serde(with = "serde_ms::optional")]
    pub healed_at: Option<TimestampMs>,
    /// How it ended; there whenever `healed_at` is.
    pub end: Option<FindingEnd>,
    /// The alert ended.
    #[serde(with = "serde_ms::optional")]
    pub ended_at: Option<TimestampMs>,
    /// Since when its facts are unknown, if they are now.
    #[serde(with = "serde_ms::optional")]
    pub unknown_since: Option<TimestampMs>,
    /// How long its facts were unknown since its finding last came or went, in ms: `for` and `keep_firing_for` end so
    /// much later.
    #[serde(default)]
    pub frozen_ms: i64,
    /// When the finding came and went of late, oldest first; what flapping is told by.
    #[serde(with = "serde_ms::list")]
    pub edges: Vec<TimestampMs>,
    /// Since when it comes and goes too often to be told each time.
    #[serde(with = "serde_ms::optional")]
    pub flapping_since: Option<TimestampMs>,
}

impl Alert {
    /// What identifies it in Prometheus and Alertmanager: the labels that the generated rules give, but `job`.
    pub fn labels(&self) -> BTreeMap<String, String> {
        let content = &self.content;
        let mut labels = BTreeMap::from([
            ("alertname".to_owned(), self.name.clone()),
            ("check".to_owned(), self.id.clone()),
            ("severity".to_owned(), content.severity.name().to_owned()),
        ]);
        if !content.bucket.is_empty() {
            labels.insert("bucket".to_owned(), content.bucket.clone());
        }
        if let Some(stream) = &content.stream {
            labels.insert("stream".to_owned(), stream.to_string());
        }
        labels
    }

    /// What routes, silences and groups may go by: [`Self::labels`], and the external labels of the stream where they
    /// do not have the name of one of those.
    pub fn routing_labels(&self) -> Labels {
        let mut labels = self.content.stream.clone().unwrap_or_default();
        labels.0.extend(self.labels());
        labels
    }
}

impl From<&Finding> for AlertContent {
    fn from(finding: &Finding) -> Self {
        Self::from(&OpenFinding::of(finding, TimestampMs::default(), TimestampMs::default()))
    }
}

impl From<&OpenFinding> for AlertContent {
    fn from(finding: &OpenFinding) -> Self {
        let subject = &finding.subject;
        Self {
            severity: finding.severity,
            bucket: subject.bucket.to_string(),
            stream: subject.stream.as_deref().cloned(),
            resolution: subject.resolution.map(|resolution| Resolution::name(resolution).to_owned()),
            block: subject.block.map(|ulid| ulid.to_string()),
            object: subject.object.clone(),
            interval_ms: finding.interval.map(|interval| (interval.start.0, interval.end.0)),
            message: finding.message.clone(),
            remedy: finding.remedy.clone(),
            deadline: finding.deadline,
            evidence: finding.evidence.clone(),
        }
    }
}

/// A silence: alerts that it matches are not told while it lasts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    /// 16 hex digits, or a name from the configuration.
    pub id: String,
    /// PromQL matchers over [`Alert::routing_labels`], as written.
    pub matchers: String,
    /// From when on.
    #[serde(with = "serde_ms")]
    pub starts: TimestampMs,
    /// Until when; there always is an end.
    #[serde(with = "serde_ms")]
    pub ends: TimestampMs,
    /// Who.
    pub author: String,
    /// Why.
    pub comment: String,
    /// When it was made.
    #[serde(with = "serde_ms")]
    pub created: TimestampMs,
}

impl Silence {
    /// It holds at this moment.
    pub fn is_active(&self, now: TimestampMs) -> bool {
        self.starts <= now && now < self.ends
    }
}
