//! Alerts over time: what a judgement and the clock make of each.
//!
//! Three spans are counted: `for` from the first sight of a finding, `keep_firing_for` from its end, and the quiet after
//! flapping from when it last came or went. Each of them counts from the last coming or going of the finding, so one sum
//! ([`Alert::frozen_ms`], begun anew at each of these) says by how much all of them are put off: the time in which
//! nobody knew whether the finding was there counts towards none.

use std::collections::{BTreeMap, BTreeSet};

use super::{AlertingPolicy, Flapping, Kind, Observed, REMEMBERED_MS, SIGNAL_PREFIX};
use crate::model::{Alert, AlertContent, FindingEnd, Phase, Severity, TimestampMs};

/// What a judgement says of one alert.
enum Sight {
    /// Its finding is there.
    There(AlertContent),
    /// Its finding is open, but only because its facts are unknown.
    Kept(AlertContent),
    /// Nobody could look.
    Unseen,
    /// Its finding ended.
    Gone(FindingEnd),
}

/// What was judged, by fingerprint, as far as it concerns alerts.
struct Judged {
    /// Findings and signals that are alerts; with the id.
    there: BTreeMap<String, (String, AlertContent)>,
    /// Findings that are open for want of facts.
    kept: BTreeMap<String, (String, AlertContent)>,
    /// Findings that are worth knowing, and no more.
    info: BTreeSet<String>,
}

impl Judged {
    fn of(observed: Observed<'_>, policy: &AlertingPolicy) -> Self {
        let mut judged = Self { there: BTreeMap::new(), kept: BTreeMap::new(), info: BTreeSet::new() };
        for finding in observed.findings.iter().filter(|finding| policy.kinds.contains_key(finding.check)) {
            let fingerprint = finding.fingerprint();
            let is_kept = observed.kept.contains(&fingerprint);
            if finding.severity == Severity::Info && !is_kept {
                judged.info.insert(fingerprint);
                continue;
            }
            let entry = (finding.check.to_owned(), AlertContent::from(finding));
            if is_kept { &mut judged.kept } else { &mut judged.there }.insert(fingerprint, entry);
        }
        let signals = observed.signals.iter().filter(|signal| policy.kinds.contains_key(&signal.id));
        for signal in signals.filter(|signal| signal.content.severity != Severity::Info) {
            let fingerprint = match signal.fingerprint.strip_prefix(SIGNAL_PREFIX) {
                Some(_) => signal.fingerprint.clone(),
                None => format!("{SIGNAL_PREFIX}{}", signal.fingerprint),
            };
            judged.there.insert(fingerprint, (signal.id.clone(), signal.content.clone()));
        }
        judged
    }

    /// Takes out what is said of one alert that is known.
    fn take(
        &mut self,
        alert: &Alert,
        observed: Observed<'_>,
        ended_unseen: &mut BTreeMap<String, FindingEnd>,
    ) -> Sight {
        let fingerprint = &alert.fingerprint;
        if let Some((_, content)) = self.there.remove(fingerprint) {
            ended_unseen.remove(fingerprint);
            return Sight::There(content);
        }
        if fingerprint.starts_with(SIGNAL_PREFIX) {
            return Sight::Gone(FindingEnd::Resolved);
        }
        if let Some((_, content)) = self.kept.remove(fingerprint) {
            return Sight::Kept(content);
        }
        if self.info.contains(fingerprint) {
            return Sight::Gone(FindingEnd::Resolved);
        }
        if let Some(end) = observed.ended.get(fingerprint) {
            return Sight::Gone(*end);
        }
        let bucket = alert.content.bucket.as_str();
        match observed.buckets.get(bucket) {
            Some(false) => Sight::Unseen,
            None if !bucket.is_empty() => Sight::Gone(FindingEnd::Unwatched),
            Some(true) | None => Sight::Gone(ended_unseen.remove(fingerprint).unwrap_or(FindingEnd::Resolved)),
        }
    }
}

/// Takes in a judgement.
pub(super) fn observe(
    alerts: &mut BTreeMap<String, Alert>,
    ended_unseen: &mut BTreeMap<String, FindingEnd>,
    observed: Observed<'_>,
    policy: &AlertingPolicy,
    now: TimestampMs,
    changed: &mut BTreeSet<String>,
) {
    let mut judged = Judged::of(observed, policy);
    for alert in alerts.values_mut() {
        let sight = judged.take(alert, observed, ended_unseen);
        let before = Life::of(alert);
        let content_changed = see(alert, sight, policy.flapping, now);
        if content_changed || Life::of(alert) != before {
            changed.insert(alert.fingerprint.clone());
        }
    }
    let new = judged.there.into_iter().map(|(fingerprint, entry)| (fingerprint, entry, None));
    let frozen = judged.kept.into_iter().map(|(fingerprint, entry)| (fingerprint, entry, Some(now)));
    for (fingerprint, (id, content), unknown_since) in new.chain(frozen) {
        let Some(kind) = policy.kinds.get(&id) else { continue };
        ended_unseen.remove(&fingerprint);
        changed.insert(fingerprint.clone());
        alerts.insert(fingerprint.clone(), first_seen(fingerprint, id, content, kind, unknown_since, now));
    }
}

fn first_seen(
    fingerprint: String,
    id: String,
    content: AlertContent,
    kind: &Kind,
    unknown_since: Option<TimestampMs>,
    now: TimestampMs,
) -> Alert {
    Alert {
        fingerprint,
        id,
        name: kind.name.clone(),
        content,
        phase: Phase::Pending,
        since: now,
        fired_at: None,
        healed_at: None,
        end: None,
        ended_at: None,
        unknown_since,
        frozen_ms: 0,
        edges: vec![now],
        flapping_since: None,
    }
}

/// Everything of an alert that is not its content; the edges as far as they tell two states apart.
#[derive(PartialEq)]
struct Life {
    phase: Phase,
    times: [Option<TimestampMs>; 7],
    end: Option<FindingEnd>,
    frozen_ms: i64,
    edges: usize,
}

impl Life {
    fn of(alert: &Alert) -> Self {
        Self {
            phase: alert.phase,
            times: [
                Some(alert.since),
                alert.fired_at,
                alert.healed_at,
                alert.ended_at,
                alert.unknown_since,
                alert.flapping_since,
                alert.edges.last().copied(),
            ],
            end: alert.end,
            frozen_ms: alert.frozen_ms,
            edges: alert.edges.len(),
        }
    }
}

/// Lets an alert know what was judged; `true` where its content changed. What a finding said that is kept for want of
/// facts was not judged now, so the content stays.
fn see(alert: &mut Alert, sight: Sight, flapping: Flapping, now: TimestampMs) -> bool {
    match sight {
        Sight::There(content) => {
            thaw(alert, now);
            if !is_there(alert) {
                come(alert, flapping, now);
            }
            let changed = alert.content != content;
            alert.content = content;
            changed
        }
        Sight::Kept(content) => {
            let is_new = alert.phase == Phase::Ended;
            if is_new {
                come(alert, flapping, now);
                alert.content = content;
            }
            alert.unknown_since.get_or_insert(now);
            is_new
        }
        Sight::Unseen => {
            if alert.phase != Phase::Ended {
                alert.unknown_since.get_or_insert(now);
            }
            false
        }
        Sight::Gone(end) => {
            thaw(alert, now);
            go(alert, end, flapping, now);
            false
        }
    }
}

/// The finding is there, as far as is known.
const fn is_there(alert: &Alert) -> bool {
    match alert.phase {
        Phase::Pending => true,
        Phase::Firing => alert.healed_at.is_none(),
        Phase::Ended => false,
    }
}

fn thaw(alert: &mut Alert, now: TimestampMs) {
    if let Some(since) = alert.unknown_since.take() {
        alert.frozen_ms = alert.frozen_ms.saturating_add(now.since(since).max(0));
    }
}

fn come(alert: &mut Alert, flapping: Flapping, now: TimestampMs) {
    add_edge(alert, flapping, now);
    alert.healed_at = None;
    alert.end = None;
    if alert.phase == Phase::Ended {
        alert.phase = Phase::Pending;
        alert.since = now;
        alert.fired_at = None;
        alert.ended_at = None;
    }
    recognise(alert, flapping, now);
}

fn go(alert: &mut Alert, end: FindingEnd, flapping: Flapping, now: TimestampMs) {
    if is_there(alert) {
        add_edge(alert, flapping, now);
        alert.healed_at = Some(now);
        alert.end = Some(end);
        if alert.phase == Phase::Firing {
            recognise(alert, flapping, now);
        }
    }
    // nobody will see it come back
    if alert.phase == Phase::Pending || (alert.phase == Phase::Firing && end == FindingEnd::Unwatched) {
        finish(alert, now);
    }
}

fn finish(alert: &mut Alert, now: TimestampMs) {
    alert.phase = Phase::Ended;
    alert.ended_at = Some(now);
    alert.flapping_since = None;
}

fn add_edge(alert: &mut Alert, flapping: Flapping, now: TimestampMs) {
    alert.edges.retain(|edge| now.since(*edge) < flapping.within_ms);
    alert.edges.push(now);
    let excess = alert.edges.len().saturating_sub(flapping.edges.max(1));
    alert.edges.drain(..excess);
    alert.frozen_ms = 0;
}

/// Sees that an alert comes and goes too often; asked when its finding comes, or goes while it fires. One that is
/// pending fires, since it would never be there for long enough.
fn recognise(alert: &mut Alert, flapping: Flapping, now: TimestampMs) {
    if flapping.edges > 0 && alert.edges.len() >= flapping.edges && alert.flapping_since.is_none() {
        alert.flapping_since = Some(now);
        if alert.phase == Phase::Pending {
            fire(alert, now);
        }
    }
}

const fn fire(alert: &mut Alert, now: TimestampMs) {
    alert.phase = Phase::Firing;
    alert.fired_at = Some(now);
}

/// Lets the time pass.
pub(super) fn age(
    alerts: &mut BTreeMap<String, Alert>,
    policy: &AlertingPolicy,
    now: TimestampMs,
    changed: &mut BTreeSet<String>,
) {
    for alert in alerts.values_mut().filter(|alert| alert.phase != Phase::Ended) {
        let before = Life::of(alert);
        match policy.kinds.get(&alert.id) {
            // it was taken out of the catalogue, or turned off
            None => {
                thaw(alert, now);
                go(alert, FindingEnd::Unwatched, policy.flapping, now);
            }
            Some(kind) => {
                while let Some(due) = due(alert, Some(kind), policy.flapping)
                    && due <= now
                    && alert.phase != Phase::Ended
                {
                    turn(alert, now);
                }
            }
        }
        if Life::of(alert) != before {
            changed.insert(alert.fingerprint.clone());
        }
    }
}

/// When the time alone changes an alert, if nothing is judged; for one that ended: when it is forgotten.
pub(super) fn due(alert: &Alert, kind: Option<&Kind>, flapping: Flapping) -> Option<TimestampMs> {
    if alert.unknown_since.is_some() {
        return None;
    }
    let due = match alert.phase {
        Phase::Pending => alert.since.plus(kind?.hold_ms),
        Phase::Firing if alert.flapping_since.is_some() => {
            alert.edges.last().copied().or(alert.flapping_since)?.plus(flapping.quiet_ms)
        }
        Phase::Firing => alert.healed_at?.plus(kind?.keep_ms),
        Phase::Ended => return Some(alert.ended_at?.plus(remembered_ms(alert, flapping))),
    };
    Some(due.plus(alert.frozen_ms))
}

/// One that never fired is remembered for as long as its comings and goings count.
fn remembered_ms(alert: &Alert, flapping: Flapping) -> i64 {
    match alert.fired_at {
        Some(_) => REMEMBERED_MS,
        None if flapping.edges == 0 => 0,
        None => flapping.within_ms.clamp(0, REMEMBERED_MS),
    }
}

/// What is due happens.
fn turn(alert: &mut Alert, now: TimestampMs) {
    match alert.phase {
        Phase::Pending => fire(alert, now),
        Phase::Firing if alert.flapping_since.is_some() => {
            alert.flapping_since = None;
            // else the next one would be the sixth again
            alert.edges.clear();
            alert.frozen_ms = 0;
            if alert.healed_at.is_some() {
                finish(alert, now);
            }
        }
        Phase::Firing => finish(alert, now),
        Phase::Ended => {}
    }
}
