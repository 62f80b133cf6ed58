//! Groups: which alerts a receiver is told together, what is new about them, and when it is told.
//!
//! An alert is in at most one group of a receiver. Before it is told it is where the routes lead now; once it was told it
//! stays where it was told until it is over, whatever the routes say later.

use std::collections::{BTreeMap, BTreeSet};

use super::suppress::Suppressor;
use super::{AlertingPolicy, Suppressed, Timing, notice, routes};
use crate::model::{Alert, Group, HOUR_MS, Labels, News, OutboxRow, Phase, Severity, TimestampMs, Told};

/// Receiver and key.
type GroupId = (String, String);

/// What became of the groups.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// New or changed.
    pub(super) changed: Vec<Group>,
    /// Over.
    pub(super) closed: Vec<GroupId>,
    /// What is told.
    pub(super) outbox: Vec<OutboxRow>,
    /// When something is to be told next, if nothing else happens.
    pub(super) due: Option<TimestampMs>,
    /// Alerts that fire and are kept from somebody who was not told of them, and by what.
    pub(super) held: BTreeMap<String, Suppressed>,
}

/// The time, what is demanded, and all alerts.
#[derive(Debug)]
pub(super) struct Telling<'a> {
    pub(super) alerts: &'a BTreeMap<String, Alert>,
    pub(super) policy: &'a AlertingPolicy,
    pub(super) suppressor: &'a Suppressor<'a>,
    pub(super) now: TimestampMs,
}

/// What holds for one alert and one receiver.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Of the route that leads there.
    route: Option<usize>,
    /// It is not suppressed.
    visible: bool,
}

/// Where alerts are, at one moment.
#[derive(Debug, Default)]
struct Places<'a> {
    /// By receiver and fingerprint; of alerts that fire, and those that are over and wait to be told.
    of: BTreeMap<&'a str, BTreeMap<&'a str, Place>>,
    /// Suppressed for every receiver.
    hidden: BTreeSet<&'a str>,
}

impl Places<'_> {
    fn get(&self, receiver: &str, fingerprint: &str) -> Option<Place> {
        self.of.get(receiver)?.get(fingerprint).copied()
    }

    /// An alert that no route leads to any more can still be silenced and inhibited.
    fn is_visible(&self, receiver: &str, fingerprint: &str) -> bool {
        self.get(receiver, fingerprint).map_or(!self.hidden.contains(fingerprint), |place| place.visible)
    }
}

/// What is new in a group, and when it is told.
#[derive(Debug)]
struct State<'a> {
    news: Vec<(&'a Alert, News)>,
    due: Option<TimestampMs>,
}

impl<'a> Telling<'a> {
    /// Puts alerts into groups, and tells what is due.
    pub(super) fn run(&self, groups: &mut BTreeMap<GroupId, Group>) -> Outcome {
        let mut outcome = Outcome::default();
        let old = std::mem::take(groups);
        let (places, mut waiting) = self.place(&old, &mut outcome);
        for (id, before) in old {
            let fresh = waiting.remove(&id).map(|(_, fresh)| fresh).unwrap_or_default();
            let mut group = before.clone();
            group.waiting.retain(|fingerprint| self.still_waits(&group.receiver, fingerprint, &places));
            group.waiting.extend(fresh.into_iter().map(str::to_owned));
            match self.settle(group, &places, &mut outcome) {
                Some(group) => {
                    if group != before {
                        outcome.changed.push(group.clone());
                    }
                    groups.insert(id, group);
                }
                None => outcome.closed.push(id),
            }
        }
        for ((receiver, key), (labels, fresh)) in waiting {
            let group = Group {
                receiver: receiver.clone(),
                key: key.clone(),
                labels: labels.0,
                incident: String::new(),
                began: None,
                news_since: None,
                told_at: None,
                told: BTreeMap::new(),
                waiting: fresh.into_iter().map(str::to_owned).collect(),
            };
            if let Some(group) = self.settle(group, &places, &mut outcome) {
                outcome.changed.push(group.clone());
                groups.insert((receiver, key), group);
            }
        }
        outcome
    }

    /// Where each alert is, and by group those that fire, are not suppressed and have not been told.
    fn place<'g>(
        &self,
        groups: &'g BTreeMap<GroupId, Group>,
        outcome: &mut Outcome,
    ) -> (Places<'a>, BTreeMap<GroupId, (Labels, Vec<&'a str>)>)
    where
        'a: 'g,
    {
        let mut told: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let mut waits: BTreeSet<&str> = BTreeSet::new();
        for group in groups.values() {
            told.entry(&group.receiver).or_default().extend(group.told.keys().map(String::as_str));
            waits.extend(group.waiting.iter().map(String::as_str));
        }
        let mut places = Places::default();
        let mut waiting: BTreeMap<GroupId, (Labels, Vec<&'a str>)> = BTreeMap::new();
        for (fingerprint, alert) in self.alerts {
            let fires = alert.phase == Phase::Firing;
            let waits_over = alert.phase == Phase::Ended && waits.contains(fingerprint.as_str());
            if !fires && !waits_over {
                continue;
            }
            let labels = alert.routing_labels();
            let hidden = self.suppressor.for_all(alert, &labels);
            if hidden.is_some() {
                places.hidden.insert(fingerprint);
            }
            for reached in routes::reached(alert, &labels, self.policy) {
                if !self.has_groups(reached.receiver) {
                    continue;
                }
                let route = reached.route.map(|(_, route)| route);
                let muted = route.and_then(|route| self.suppressor.muted_by(route)).map(|_| Suppressed::MuteTime);
                let suppressed = hidden.as_ref().map(|(by, _)| *by).or(muted);
                let place = Place { route: reached.route.map(|(place, _)| place), visible: suppressed.is_none() };
                places.of.entry(reached.receiver).or_default().insert(fingerprint, place);
                if !fires || told.get(reached.receiver).is_some_and(|told| told.contains(fingerprint.as_str())) {
                    continue;
                }
                if let Some(suppressed) = suppressed {
                    outcome.held.insert(fingerprint.clone(), suppressed);
                    continue;
                }
                let own = routes::group_labels(alert, &labels, route);
                let id = (reached.receiver.to_owned(), own.to_string());
                waiting.entry(id).or_insert_with(|| (own, Vec::new())).1.push(fingerprint);
            }
        }
        (places, waiting)
    }

    /// Those that fire are looked for anew each time: they may be suppressed now, or belong elsewhere. What is over is
    /// told where it was to be told, unless it is silenced or muted by now.
    fn still_waits(&self, receiver: &str, fingerprint: &str, places: &Places<'_>) -> bool {
        self.alerts.get(fingerprint).is_some_and(|alert| match alert.phase {
            Phase::Pending => true,
            Phase::Firing => false,
            Phase::Ended => places.is_visible(receiver, fingerprint),
        })
    }

    fn has_groups(&self, receiver: &str) -> bool {
        self.policy.receivers.get(receiver).is_some_and(|receiver| !receiver.recipients.is_empty())
    }

    /// Tells what is due of a group; `None` where nothing is left of it.
    fn settle(&self, mut group: Group, places: &Places<'_>, outcome: &mut Outcome) -> Option<Group> {
        let receiver = self.policy.receivers.get(&group.receiver).filter(|one| !one.recipients.is_empty())?;
        group.told.retain(|fingerprint, _| {
            let alert = self.alerts.get(fingerprint);
            alert.is_some_and(|alert| receiver.send_resolved || alert.phase != Phase::Ended)
        });
        if group.told.is_empty() && group.waiting.is_empty() {
            return None;
        }
        let mut state = self.state(&group, places);
        if state.news.is_empty() {
            group.news_since = None;
        } else if group.news_since.is_none() {
            group.news_since = Some(self.now);
        }
        if state.due.is_some_and(|due| due <= self.now) {
            self.tell(&mut group, &state, places, &receiver.recipients, outcome);
            if group.told.is_empty() && group.waiting.is_empty() {
                return None;
            }
            state = self.state(&group, places);
        }
        outcome.due = outcome.due.into_iter().chain(state.due).min();
        Some(group)
    }

    fn state(&self, group: &Group, places: &Places<'_>) -> State<'a> {
        let news = self.news(group, places);
        let timing = self.timing(group, &news, places);
        State { due: self.due(group, &news, timing, places), news }
    }

    /// What is to be told, by fingerprint.
    fn news(&self, group: &Group, places: &Places<'_>) -> Vec<(&'a Alert, News)> {
        let told = group.told.iter().filter_map(|(fingerprint, told)| {
            let alert = self.alerts.get(fingerprint)?;
            let news = match alert.phase {
                // it is there again, before its end was told
                Phase::Pending => None,
                Phase::Firing if !places.is_visible(&group.receiver, fingerprint) => None,
                Phase::Firing => news_of_told(alert, told),
                Phase::Ended => Some(News::Ended),
            };
            Some((alert, news?))
        });
        let waiting = group.waiting.iter().filter_map(|fingerprint| {
            let alert = self.alerts.get(fingerprint)?;
            let news = match alert.phase {
                Phase::Pending => None,
                Phase::Firing if alert.flapping_since.is_some() => Some(News::Flapping),
                Phase::Firing => Some(News::Fired),
                Phase::Ended => Some(News::FiredAndEnded),
            };
            Some((alert, news?))
        });
        told.chain(waiting).collect()
    }

    /// The rhythm of the first route that leads one of its alerts here; where nothing was set, by the worst that was or
    /// is to be told.
    fn timing(&self, group: &Group, news: &[(&Alert, News)], places: &Places<'_>) -> Timing {
        let worst = told_severity(group).into_iter().chain(news_severity(news)).min();
        let mut timing = Timing::of(worst.unwrap_or(Severity::Warning));
        let members = group.told.keys().chain(&group.waiting);
        let first = members.filter_map(|fingerprint| places.get(&group.receiver, fingerprint)?.route).min();
        if let Some(route) = first.and_then(|place| self.policy.routes.get(place)) {
            timing.wait_ms = route.group_wait_ms.unwrap_or(timing.wait_ms);
            timing.interval_ms = route.group_interval_ms.unwrap_or(timing.interval_ms);
            timing.repeat_ms = route.repeat_interval_ms.unwrap_or(timing.repeat_ms);
        }
        if group.told.values().any(|told| told.flapping) {
            timing.repeat_ms = timing.repeat_ms.min(HOUR_MS);
        }
        timing
    }

    /// When the group is told next.
    fn due(&self, group: &Group, news: &[(&Alert, News)], timing: Timing, places: &Places<'_>) -> Option<TimestampMs> {
        let due = if news.is_empty() {
            let is_shown = |fingerprint: &String| self.shows(group, fingerprint, places);
            group.told_at.filter(|_| group.told.keys().any(is_shown))?.plus(timing.repeat_ms)
        } else {
            let since = group.news_since.unwrap_or(self.now);
            let waited = since.plus(timing.wait_ms);
            let is_over =
                |fingerprint: &String| self.alerts.get(fingerprint).is_none_or(|alert| alert.phase == Phase::Ended);
            match group.told_at {
                _ if !group.told.is_empty() && group.told.keys().all(is_over) => since,
                Some(told_at) if !is_worse(group, news) => waited.max(told_at.plus(timing.interval_ms)),
                _ => waited,
            }
        };
        // never twice in one moment: a row's id is made of it
        Some(group.told_at.map_or(due, |told_at| due.max(told_at.plus(1))))
    }

    /// An alert that was told fires, and is not suppressed.
    fn shows(&self, group: &Group, fingerprint: &str, places: &Places<'_>) -> bool {
        self.alerts.get(fingerprint).is_some_and(|alert| alert.phase == Phase::Firing)
            && places.is_visible(&group.receiver, fingerprint)
    }

    fn tell(
        &self,
        group: &mut Group,
        state: &State<'a>,
        places: &Places<'_>,
        recipients: &[String],
        outcome: &mut Outcome,
    ) {
        let reason = notice::reason(group, &state.news);
        if group.incident.is_empty() {
            group.incident = notice::incident(group, self.now);
        }
        for (alert, news) in &state.news {
            group.waiting.remove(&alert.fingerprint);
            if matches!(news, News::Ended | News::FiredAndEnded) {
                group.told.remove(&alert.fingerprint);
                continue;
            }
            let flapping = alert.flapping_since.is_some();
            let before = group.told.get(&alert.fingerprint).filter(|_| flapping).map(|told| told.severity);
            let severity = before.map_or(alert.content.severity, |before| before.min(alert.content.severity));
            group.told.insert(alert.fingerprint.clone(), Told { severity, flapping });
        }
        let news: BTreeMap<&str, News> =
            state.news.iter().map(|(alert, news)| (alert.fingerprint.as_str(), *news)).collect();
        let shown = group.told.keys().filter(|fingerprint| self.shows(group, fingerprint, places));
        let firing = shown.filter_map(|fingerprint| self.alerts.get(fingerprint));
        let over = state.news.iter().map(|(alert, _)| *alert).filter(|alert| alert.phase == Phase::Ended);
        let alerts: Vec<(&Alert, Option<News>)> =
            firing.chain(over).map(|alert| (alert, news.get(alert.fingerprint.as_str()).copied())).collect();
        group.began = group.began.into_iter().chain(alerts.iter().map(|(alert, _)| alert.since)).min();
        group.news_since = None;
        group.told_at = Some(self.now);
        let repeat_ms = (!group.told.is_empty()).then(|| self.timing(group, &[], places).repeat_ms);
        let notification = notice::notification(group, reason, alerts, repeat_ms, self.now);
        outcome.outbox.extend(notice::rows(&notification, recipients));
    }
}

/// What a receiver does not know of an alert that fires. While it comes and goes only worse is told.
fn news_of_told(alert: &Alert, told: &Told) -> Option<News> {
    let (severity, flaps) = (alert.content.severity, alert.flapping_since.is_some());
    if severity < told.severity {
        Some(News::Worse)
    } else if flaps != told.flapping {
        Some(if flaps { News::Flapping } else { News::Settled })
    } else if severity > told.severity && !flaps {
        Some(News::Better)
    } else {
        None
    }
}

fn told_severity(group: &Group) -> Option<Severity> {
    group.told.values().map(|told| told.severity).min()
}

fn news_severity(news: &[(&Alert, News)]) -> Option<Severity> {
    news.iter().map(|(alert, _)| alert.content.severity).min()
}

/// There is worse news than anything that was told.
fn is_worse(group: &Group, news: &[(&Alert, News)]) -> bool {
    news_severity(news).is_some_and(|severity| told_severity(group).is_some_and(|told| severity < told))
}
