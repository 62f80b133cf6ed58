//! From findings to notifications: alerts over time, grouping, inhibition, silences, routes. Pure: it is given what was
//! judged and the time, and gives what changes.

mod groups;
#[cfg(test)]
mod kit;
mod mute;
mod notice;
mod policy;
mod routes;
mod state;
mod suppress;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use notice::digest;
pub use policy::{
    AlertingPolicy, DEADLINE_MS, DEFAULT_GROUP_BY, Flapping, Kind, MuteTime, REMEMBERED_MS, ReceiverPolicy, Route,
    Timing,
};
pub use routes::route;

use groups::Telling;
use suppress::{Inhibitors, Matchers, SILENCE_REMEMBERED_MS, Suppressor};

use crate::model::{Alert, AlertContent, AlertingChange, Finding, FindingEnd, Group, Phase, Silence, TimestampMs};

/// With this the fingerprints of signals begin, so that none is taken for that of a finding.
pub const SIGNAL_PREFIX: &str = "signal:";

/// All alerts, what was told of them, and the silences that were not configured. Kept in the ledger, change by change.
#[derive(Clone, Debug, Default)]
pub struct Alerting {
    alerts: BTreeMap<String, Alert>,
    groups: BTreeMap<(String, String), Group>,
    silences: BTreeMap<String, Silence>,
    /// Alerts whose finding the ledger knows to have ended, and how: something else than this service judged meanwhile.
    ended_unseen: BTreeMap<String, FindingEnd>,
    /// Parsed once.
    matchers: Matchers,
    /// Of the alerts as they are.
    inhibitors: Inhibitors,
    /// When there is something to do although nothing new is judged; what was restored or silenced is looked at at once.
    due: Option<TimestampMs>,
    /// Alerts that are kept from somebody, and by what.
    held: BTreeMap<String, Suppressed>,
    /// How often an alert was, since the process began.
    held_counts: BTreeMap<Suppressed, u64>,
}

/// At once, for [`Alerting::next_due`].
const AT_ONCE: TimestampMs = TimestampMs(0);

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
    /// Unique among alerts, and always the same for the same thing; begins with [`SIGNAL_PREFIX`], or is made to.
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
    /// The labels of the group; all of them where each alert is a group of its own.
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
        let mut alerting = Self {
            alerts: alerts.into_iter().map(|alert| (alert.fingerprint.clone(), alert)).collect(),
            groups: groups.into_iter().map(|group| ((group.receiver.clone(), group.key.clone()), group)).collect(),
            silences: silences.into_iter().map(|silence| (silence.id.clone(), silence)).collect(),
            ended_unseen,
            due: Some(AT_ONCE),
            ..Self::default()
        };
        alerting.inhibitors = Inhibitors::of(alerting.alerts.values());
        alerting
    }

    /// Takes in a judgement, if there is a new one, and lets the time pass until `now`: alerts begin to fire and end,
    /// groups are told. Gives all that has changed, the notifications among it.
    pub fn step(
        &mut self,
        observed: Option<Observed<'_>>,
        policy: &AlertingPolicy,
        now: TimestampMs,
    ) -> AlertingChange {
        let mut change = AlertingChange { dropped_silences: self.drop_silences(now), ..AlertingChange::default() };
        let mut changed = BTreeSet::new();
        if let Some(observed) = observed {
            state::observe(&mut self.alerts, &mut self.ended_unseen, observed, policy, now, &mut changed);
        }
        state::age(&mut self.alerts, policy, now, &mut changed);
        self.inhibitors = Inhibitors::of(self.alerts.values());
        self.matchers.refresh(self.silences.values().chain(&policy.silences));

        let suppressor = Suppressor::new(&self.silences, &self.matchers, &self.inhibitors, policy, now);
        let told = Telling { alerts: &self.alerts, policy, suppressor: &suppressor, now }.run(&mut self.groups);
        self.count_held(told.held);
        change.groups = told.changed;
        change.closed = told.closed;
        change.outbox = told.outbox;

        // only now: what was told a moment ago need not be remembered for that any longer
        let forgotten_next = self.forget(policy, now, &mut change.forgotten);
        change.alerts = changed.iter().filter_map(|fingerprint| self.alerts.get(fingerprint).cloned()).collect();
        let lives = self.alerts.values().filter(|alert| alert.phase != Phase::Ended);
        let turns = lives.filter_map(|alert| state::due(alert, policy.kinds.get(&alert.id), policy.flapping));
        let silences = self.silences.values().map(|silence| silence.ends.plus(SILENCE_REMEMBERED_MS));
        let due = turns.chain(silences).chain(told.due).chain(forgotten_next).chain(self.suppression_due(policy, now));
        self.due = due.min().map(|due| due.max(now.plus(1)));
        change
    }

    /// When [`Self::step`] has something to do although nothing new was judged; `None` = never. As of the last step: a
    /// policy that has changed since then needs one.
    pub fn next_due(&self, _policy: &AlertingPolicy) -> Option<TimestampMs> {
        self.due
    }

    /// Adds a silence, or changes the one with its id. Whoever makes it has to have refused matchers that
    /// [`crate::model::Selector::parse`] does not take: such a silence silences nothing.
    pub fn silence(&mut self, silence: Silence) -> AlertingChange {
        self.due = Some(AT_ONCE);
        self.silences.insert(silence.id.clone(), silence.clone());
        AlertingChange { silences: vec![silence], ..AlertingChange::default() }
    }

    /// Ends a silence at `now`; `None` where there is none with this id that is not over.
    pub fn expire_silence(&mut self, id: &str, now: TimestampMs) -> Option<AlertingChange> {
        let silence = self.silences.get_mut(id).filter(|silence| silence.ends > now)?;
        silence.ends = now;
        self.due = Some(AT_ONCE);
        Some(AlertingChange { silences: vec![silence.clone()], ..AlertingChange::default() })
    }

    /// All alerts, those that ended of late included, by fingerprint. Those that ended before they fired are remembered
    /// for a while to tell flapping by, and are not shown.
    pub fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.values().filter(|alert| alert.phase != Phase::Ended || alert.fired_at.is_some())
    }

    /// Silences that were not configured, by id.
    pub fn silences(&self) -> impl Iterator<Item = &Silence> {
        self.silences.values()
    }

    /// Groups that something was told of, or is about to be.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.values()
    }

    /// How often an alert that fires was kept from a receiver that had not been told of it, since the process began.
    pub const fn suppressed_counts(&self) -> &BTreeMap<Suppressed, u64> {
        &self.held_counts
    }

    fn count_held(&mut self, held: BTreeMap<String, Suppressed>) {
        for (fingerprint, by) in &held {
            if self.held.get(fingerprint) != Some(by) {
                let count = self.held_counts.entry(*by).or_default();
                *count = count.saturating_add(1);
            }
        }
        self.held = held;
    }

    fn drop_silences(&mut self, now: TimestampMs) -> Vec<String> {
        let is_old = |silence: &Silence| silence.ends.plus(SILENCE_REMEMBERED_MS) <= now;
        let old: Vec<String> = self.silences.values().filter(|one| is_old(one)).map(|one| one.id.clone()).collect();
        self.silences.retain(|_, silence| !is_old(silence));
        old
    }

    /// Forgets alerts that ended long ago, but none whose end somebody has still to be told. Gives when the next one is
    /// forgotten.
    fn forget(
        &mut self,
        policy: &AlertingPolicy,
        now: TimestampMs,
        forgotten: &mut Vec<String>,
    ) -> Option<TimestampMs> {
        let needed: BTreeSet<&String> =
            self.groups.values().flat_map(|group| group.told.keys().chain(&group.waiting)).collect();
        let mut next: Option<TimestampMs> = None;
        self.alerts.retain(|fingerprint, alert| {
            if alert.phase != Phase::Ended || needed.contains(fingerprint) {
                return true;
            }
            let due = state::due(alert, None, policy.flapping).unwrap_or(now);
            if due <= now {
                forgotten.push(fingerprint.clone());
                return false;
            }
            next = next.into_iter().chain([due]).min();
            true
        });
        next
    }

    /// When the clock alone changes what is suppressed, if anything could be.
    fn suppression_due(&self, policy: &AlertingPolicy, now: TimestampMs) -> Option<TimestampMs> {
        let any = !self.groups.is_empty() || self.alerts.values().any(|alert| alert.phase == Phase::Firing);
        any.then(|| Suppressor::next_change(&self.silences, policy, now)).flatten()
    }
}
