//! What keeps an alert that fires from being told: silences, other alerts, mute times.

use std::collections::{BTreeMap, BTreeSet};

use super::{Alerting, AlertingPolicy, Route, Suppressed, routes};
use crate::model::{Alert, DAY_MS, Labels, Phase, Selector, Severity, Silence, TimestampMs};

/// A silence that is over is remembered for so long, in ms.
pub(super) const SILENCE_REMEMBERED_MS: i64 = 5 * DAY_MS;

/// Matchers of silences, parsed once. `None`: they cannot be parsed, and nothing is silenced by them; whoever makes a
/// silence has to have refused them.
#[derive(Clone, Debug, Default)]
pub(super) struct Matchers(BTreeMap<String, Option<Selector>>);

impl Matchers {
    /// Parses what is new, forgets what is no longer used.
    pub(super) fn refresh<'a>(&mut self, silences: impl Iterator<Item = &'a Silence>) {
        let mut known = std::mem::take(&mut self.0);
        for silence in silences.filter(|silence| !silence.matchers.is_empty()) {
            if !self.0.contains_key(&silence.matchers) {
                let parsed = known.remove(&silence.matchers).unwrap_or_else(|| Selector::parse(&silence.matchers).ok());
                self.0.insert(silence.matchers.clone(), parsed);
            }
        }
    }

    fn matches(&self, silence: &Silence, labels: &Labels) -> bool {
        match self.0.get(&silence.matchers) {
            Some(parsed) => parsed.as_ref().is_some_and(|selector| selector.matches(labels)),
            None => Selector::parse(&silence.matchers).is_ok_and(|selector| selector.matches(labels)),
        }
    }
}

/// Alerts that fire, as far as they inhibit others. Phases alone count, so that no order in which alerts are looked at
/// matters: what is healed and still kept, what is unknown and what is silenced inhibits as well.
#[derive(Clone, Debug, Default)]
pub(super) struct Inhibitors {
    /// Fingerprint, by id and bucket.
    firing: BTreeMap<String, BTreeMap<String, String>>,
    /// Fingerprint of a critical one, by id, bucket and stream.
    critical: BTreeMap<String, BTreeMap<String, BTreeMap<Option<Labels>, String>>>,
}

impl Inhibitors {
    pub(super) fn of<'a>(alerts: impl Iterator<Item = &'a Alert>) -> Self {
        let mut all = Self::default();
        for alert in alerts.filter(|alert| alert.phase == Phase::Firing) {
            let (id, bucket) = (&alert.id, &alert.content.bucket);
            let of_id = all.firing.entry(id.clone()).or_default();
            of_id.entry(bucket.clone()).or_insert_with(|| alert.fingerprint.clone());
            if alert.content.severity == Severity::Critical {
                let of_bucket = all.critical.entry(id.clone()).or_default().entry(bucket.clone()).or_default();
                of_bucket.entry(alert.content.stream.clone()).or_insert_with(|| alert.fingerprint.clone());
            }
        }
        all
    }

    /// The alert that makes this one pointless: one whose id its kind names, for the same bucket; or, of a warning, the
    /// critical one of the same id, bucket and stream. An id that names itself does not count, since two of its alerts
    /// would keep each other from being told.
    fn inhibitor(&self, alert: &Alert, policy: &AlertingPolicy) -> Option<&String> {
        let bucket = &alert.content.bucket;
        let named = policy.kinds.get(&alert.id).map(|kind| &*kind.inhibited_by).unwrap_or_default();
        let mut others = named.iter().filter(|id| **id != alert.id);
        let by_name = others.find_map(|id| self.firing.get(id)?.get(bucket));
        by_name.or_else(|| {
            let of_bucket = self.critical.get(&alert.id)?.get(bucket)?;
            of_bucket.get(&alert.content.stream).filter(|_| alert.content.severity != Severity::Critical)
        })
    }
}

/// Everything that suppresses at one moment.
#[derive(Debug)]
pub(super) struct Suppressor<'a> {
    policy: &'a AlertingPolicy,
    matchers: &'a Matchers,
    inhibitors: &'a Inhibitors,
    silences: Vec<&'a Silence>,
    /// Names of the mute times that hold.
    mute_times: BTreeSet<&'a str>,
}

impl<'a> Suppressor<'a> {
    pub(super) fn new(
        silences: &'a BTreeMap<String, Silence>,
        matchers: &'a Matchers,
        inhibitors: &'a Inhibitors,
        policy: &'a AlertingPolicy,
        now: TimestampMs,
    ) -> Self {
        let runtime = silences.values().filter(|silence| silence.is_active(now));
        let silences = policy.active_silences(now).chain(runtime).collect();
        let mute_times =
            policy.mute_times.iter().filter(|(_, mute)| mute.is_active(now)).map(|(name, _)| name.as_str());
        Self { policy, matchers, inhibitors, silences, mute_times: mute_times.collect() }
    }

    /// For every receiver. What is over is not inhibited: only what fires can be pointless beside another.
    pub(super) fn for_all(&self, alert: &Alert, labels: &Labels) -> Option<(Suppressed, String)> {
        let mut silences = self.silences.iter();
        if let Some(silence) = silences.find(|silence| self.matchers.matches(silence, labels)) {
            return Some((Suppressed::Silence, silence.id.clone()));
        }
        let inhibitor = self.inhibitors.inhibitor(alert, self.policy).filter(|_| alert.phase != Phase::Ended);
        inhibitor.map(|by| (Suppressed::Inhibition, by.clone()))
    }

    /// The mute time that holds for a route.
    pub(super) fn muted_by(&self, route: &Route) -> Option<&'a str> {
        route.mute.iter().find_map(|name| self.mute_times.get(name.as_str()).copied())
    }

    /// When something begins or ceases to be suppressed by the clock alone.
    pub(super) fn next_change(
        silences: &BTreeMap<String, Silence>,
        policy: &AlertingPolicy,
        now: TimestampMs,
    ) -> Option<TimestampMs> {
        let bounds = silences.values().chain(&policy.silences).flat_map(|silence| [silence.starts, silence.ends]);
        let named = policy.routes.iter().flat_map(|route| &route.mute).filter_map(|name| policy.mute_times.get(name));
        bounds.filter(|bound| *bound > now).chain(named.map(|mute| mute.next_change(now))).min()
    }
}

impl Alerting {
    /// Why an alert is not told now, and by what (id of the silence, fingerprint of the alert, name of the mute time). By
    /// the hour only where all receivers that it leads to are muted. What is over is told whatever holds.
    pub fn suppressed(&self, alert: &Alert, policy: &AlertingPolicy, now: TimestampMs) -> Option<(Suppressed, String)> {
        if alert.phase == Phase::Ended {
            return None;
        }
        let suppressor = Suppressor::new(&self.silences, &self.matchers, &self.inhibitors, policy, now);
        let labels = alert.routing_labels();
        suppressor.for_all(alert, &labels).or_else(|| {
            let reached = routes::reached(alert, &labels, policy);
            let muted = reached.iter().map(|reached| suppressor.muted_by(reached.route?.1));
            let muted: Option<Vec<&str>> = muted.collect();
            Some((Suppressed::MuteTime, (*muted?.first()?).to_owned()))
        })
    }
}
