//! From findings to notifications: alerts over time, grouping, inhibition, silences, routes. Pure: it is given what was
//! judged and the time, and gives what changes.

mod policy;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use policy::{
    AlertingPolicy, DEADLINE_MS, DEFAULT_GROUP_BY, Flapping, Kind, MuteTime, REMEMBERED_MS, ReceiverPolicy, Route,
    Timing,
};

use crate::model::{Alert, AlertContent, AlertingChange, Finding, FindingEnd, Group, Labels, Silence, TimestampMs};

/// All alerts, what was told of them, and the silences that were not configured. Kept in the ledger, change by change.
#[derive(Clone, Debug, Default)]
pub struct Alerting {
    alerts: BTreeMap<String, Alert>,
    groups: BTreeMap<(String, String), Group>,
    silences: BTreeMap<String, Silence>,
    /// Alerts whose finding the ledger knows to have ended, and how: something else than this service judged meanwhile.
    ended_unseen: BTreeMap<String, FindingEnd>,
}

/// What was judged.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// Open findings, whatever their severity; `info` is no alert.
    pub findings: &'a [Finding],
    /// Fingerprints of those that are open only because their facts are unknown.
    pub kept: &'a BTreeSet<String>,
    /// Findings that ended with this judgement, by fingerprint.
    pub ended: &'a BTreeMap<String, FindingEnd>,
    /// Every bucket that is configured; `true`: what is not found in it now is known not to be there.
    pub buckets: &'a BTreeMap<Arc<str>, bool>,
    /// What is wrong beside the findings. All of it: what is missing here has ended.
    pub signals: &'a [Signal],
}

/// Something that is wrong and is no finding of a check.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    /// Unique among alerts, and always the same for the same thing.
    pub fingerprint: String,
    /// Id in the catalogue.
    pub id: String,
    /// What is wrong.
    pub content: AlertContent,
}

/// What a route does with an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteStep {
    /// The route's name.
    pub route: String,
    /// It matches.
    pub matches: bool,
    /// Who is told because of it.
    pub receivers: Vec<String>,
    /// The labels of the group.
    pub group: BTreeMap<String, String>,
}

/// Why an alert that fires is not told now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Suppressed {
    /// By a silence.
    Silence,
    /// By another alert.
    Inhibition,
    /// By the hour.
    MuteTime,
}

impl Suppressed {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Silence, Self::Inhibition, Self::MuteTime];

    /// The word in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Silence => "silence",
            Self::Inhibition => "inhibition",
            Self::MuteTime => "mute_time",
        }
    }
}

impl Alerting {
    /// As the ledger remembers it.
    pub fn restore(
        alerts: Vec<Alert>,
        groups: Vec<Group>,
        silences: Vec<Silence>,
        ended_unseen: BTreeMap<String, FindingEnd>,
    ) -> Self {
        Self {
            alerts: alerts.into_iter().map(|alert| (alert.fingerprint.clone(), alert)).collect(),
            groups: groups.into_iter().map(|group| ((group.receiver.clone(), group.key.clone()), group)).collect(),
            silences: silences.into_iter().map(|silence| (silence.id.clone(), silence)).collect(),
            ended_unseen,
        }
    }

    /// Takes in a judgement, if there is a new one, and lets the time pass until `now`: alerts begin to fire and end,
    /// groups are told. Gives all that has changed, the notifications among it.
    pub fn step(
        &mut self,
        _observed: Option<Observed<'_>>,
        _policy: &AlertingPolicy,
        _now: TimestampMs,
    ) -> AlertingChange {
        AlertingChange::default()
    }

    /// When [`Self::step`] has something to do although nothing new was judged; `None` = never.
    pub fn next_due(&self, _policy: &AlertingPolicy) -> Option<TimestampMs> {
        None
    }

    /// Adds a silence, or changes the one with its id.
    pub fn silence(&mut self, silence: Silence) -> AlertingChange {
        self.silences.insert(silence.id.clone(), silence.clone());
        AlertingChange { silences: vec![silence], ..AlertingChange::default() }
    }

    /// Ends a silence at `now`; `None` where there is none with this id that is not over.
    pub fn expire_silence(&mut self, id: &str, now: TimestampMs) -> Option<AlertingChange> {
        let silence = self.silences.get_mut(id).filter(|silence| silence.ends > now)?;
        silence.ends = now;
        Some(AlertingChange { silences: vec![silence.clone()], ..AlertingChange::default() })
    }

    /// All alerts, those that ended of late included, by fingerprint.
    pub fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.values()
    }

    /// Silences that were not configured, by id.
    pub fn silences(&self) -> impl Iterator<Item = &Silence> {
        self.silences.values()
    }

    /// Groups that something was told of, or is about to be.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.values()
    }

    /// Why an alert is not told now, and by what (id of the silence, of the alert, name of the mute time).
    pub fn suppressed(
        &self,
        _alert: &Alert,
        _policy: &AlertingPolicy,
        _now: TimestampMs,
    ) -> Option<(Suppressed, String)> {
        None
    }

    /// Alerts that an Alertmanager is to be told now: those that fire and those that ended within `resolved_ms`, whose
    /// route leads to `receiver`.
    pub fn for_alertmanager(
        &self,
        _receiver: &str,
        _policy: &AlertingPolicy,
        _resolved_ms: i64,
        _now: TimestampMs,
    ) -> Vec<Alert> {
        Vec::new()
    }
}

/// What each route does with an alert of these labels, up to the last that is looked at.
pub fn route(_labels: &Labels, _policy: &AlertingPolicy) -> Vec<RouteStep> {
    Vec::new()
}
