//! Routes: to whom an alert leads, and in which group.

use std::collections::{BTreeMap, BTreeSet};

use super::{Alerting, AlertingPolicy, Route, RouteStep};
use crate::model::{Alert, Labels, Phase, TimestampMs};

/// The alert that says which receivers take nothing. It goes to all others.
const FAILING: &str = "notification_failing";

/// In its evidence: the names of the receivers that fail.
const FAILING_RECEIVERS: &str = "receivers";

/// Instead of labels: each alert is a group of its own.
const BY_ALERT: &str = "...";

/// A receiver that an alert leads to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reached<'a> {
    /// Its name.
    pub(super) receiver: &'a str,
    /// The route that leads there, and its place in the list; none for what goes past the routes.
    pub(super) route: Option<(usize, &'a Route)>,
}

/// What each route does with an alert of these labels, up to the last that is looked at.
pub fn route(labels: &Labels, policy: &AlertingPolicy) -> Vec<RouteStep> {
    let mut reached = BTreeSet::new();
    let mut steps = Vec::new();
    for route in &policy.routes {
        let matches = route.matchers.matches(labels);
        let mut step = RouteStep { route: route.name.clone(), matches, receivers: Vec::new(), group: BTreeMap::new() };
        if matches {
            step.receivers = route.receivers.iter().filter(|name| reached.insert(name.as_str())).cloned().collect();
            let names = route.group_by.iter().map(String::as_str);
            step.group = if is_by_alert(route) { labels.0.clone() } else { chosen(labels, names).0 };
        }
        steps.push(step);
        if matches && !route.continues {
            break;
        }
    }
    steps
}

/// The receivers that an alert leads to, each once, by the first route that leads there.
///
/// That receivers take nothing is told to every receiver that is not named as failing, whatever the routes say: the way
/// that the routes would choose may be the very one that is broken.
pub(super) fn reached<'a>(alert: &Alert, labels: &Labels, policy: &'a AlertingPolicy) -> Vec<Reached<'a>> {
    if alert.id == FAILING {
        let named = alert.content.evidence.get(FAILING_RECEIVERS).and_then(serde_json::Value::as_array);
        let fails = |name: &str| named.is_some_and(|all| all.iter().any(|one| one.as_str() == Some(name)));
        let sound = policy.receivers.keys().filter(|name| !fails(name));
        return sound.map(|receiver| Reached { receiver, route: None }).collect();
    }
    let mut found: Vec<Reached<'a>> = Vec::new();
    for (place, route) in policy.routes.iter().enumerate().filter(|(_, route)| route.matchers.matches(labels)) {
        for name in &route.receivers {
            let Some((receiver, _)) = policy.receivers.get_key_value(name) else { continue };
            if !found.iter().any(|one| one.receiver == receiver) {
                found.push(Reached { receiver, route: Some((place, route)) });
            }
        }
        if !route.continues {
            break;
        }
    }
    found
}

/// What the alerts of a group have in common.
pub(super) fn group_labels(alert: &Alert, labels: &Labels, route: Option<&Route>) -> Labels {
    match route {
        None => chosen(labels, super::DEFAULT_GROUP_BY.into_iter()),
        Some(route) if is_by_alert(route) => {
            let mut own = chosen(labels, ["alertname", "bucket"].into_iter());
            own.0.insert("fingerprint".to_owned(), alert.fingerprint.clone());
            own
        }
        Some(route) => chosen(labels, route.group_by.iter().map(String::as_str)),
    }
}

fn is_by_alert(route: &Route) -> bool {
    route.group_by.iter().any(|name| name == BY_ALERT)
}

fn chosen<'a>(labels: &Labels, names: impl Iterator<Item = &'a str>) -> Labels {
    Labels(names.filter_map(|name| Some((name.to_owned(), labels.get(name)?.to_owned()))).collect())
}

impl Alerting {
    /// Alerts that an Alertmanager is to be told now: those that fire and those that ended within `resolved_ms`, whose
    /// route leads to `receiver`.
    ///
    /// Silences, inhibition and mute times are left to it: it takes an alert that it is no longer told for one that is
    /// over, and would say so.
    pub fn for_alertmanager(
        &self,
        receiver: &str,
        policy: &AlertingPolicy,
        resolved_ms: i64,
        now: TimestampMs,
    ) -> Vec<Alert> {
        let is_told = |alert: &&Alert| match alert.phase {
            Phase::Pending => false,
            Phase::Firing => true,
            Phase::Ended => {
                alert.fired_at.is_some() && alert.ended_at.is_some_and(|ended| now.since(ended) < resolved_ms)
            }
        };
        let leads = |alert: &&Alert| {
            reached(alert, &alert.routing_labels(), policy).iter().any(|reached| reached.receiver == receiver)
        };
        self.alerts.values().filter(is_told).filter(leads).cloned().collect()
    }
}
