//! `/api/v1/alerts` and `/api/v1/silences`: how alerts stand, who is told of them, and who is not.

use std::collections::BTreeMap;

use serde::Serialize;

use super::page::{Page, PageQuery, to_json};
use super::problem::Problem;
use super::query::{Parameter, Query};
use super::{Endpoint, Prepared};
use crate::model::{Labels, Phase, Published, ShownAlert, Silence, TimestampMs};

pub(super) static ALERTS: Endpoint = Endpoint {
    path: "/api/v1/alerts",
    parameters: &[
        Parameter::several("state"),
        Parameter::several("severity"),
        Parameter::several("check"),
        Parameter::several("bucket"),
        Parameter::several("receiver"),
        Parameter::one("limit"),
        Parameter::one("cursor"),
    ],
    prepare: alerts,
};

pub(super) static SILENCES: Endpoint =
    Endpoint { path: "/api/v1/silences", parameters: &[], prepare: |_| Ok(Box::new(silences)) };

#[derive(Serialize)]
struct Alerts<'a> {
    version: u32,
    at: Option<TimestampMs>,
    total: usize,
    next: Option<String>,
    alerts: Vec<AlertDocument<'a>>,
}

#[derive(Serialize)]
struct AlertDocument<'a> {
    fingerprint: &'a str,
    alertname: &'a str,
    check: &'a str,
    severity: &'static str,
    state: &'static str,
    phase: Phase,
    bucket: &'a str,
    stream: Option<&'a Labels>,
    resolution: Option<&'a str>,
    block: Option<&'a str>,
    object: Option<&'a str>,
    interval: Option<Interval>,
    message: &'a str,
    remedy: &'a str,
    deadline: Option<TimestampMs>,
    evidence: &'a BTreeMap<String, serde_json::Value>,
    since: TimestampMs,
    fired_at: Option<TimestampMs>,
    healed_at: Option<TimestampMs>,
    ended_at: Option<TimestampMs>,
    end: Option<&'static str>,
    unknown_since: Option<TimestampMs>,
    flapping_since: Option<TimestampMs>,
    receivers: &'a [String],
    suppressed: Option<Suppressed<'a>>,
}

#[derive(Serialize)]
struct Interval {
    start: TimestampMs,
    end: TimestampMs,
}

#[derive(Serialize)]
struct Suppressed<'a> {
    by: &'static str,
    id: &'a str,
}

/// As of when alerts stand so; `None` while nothing was judged.
fn as_of(published: &Published) -> Option<TimestampMs> {
    published.alerting.enabled.then_some(published.alerting.at)
}

/// Where an alert is: what is not known any more is `unknown`, whatever it was before.
const fn state_of(shown: &ShownAlert) -> &'static str {
    match (shown.alert.phase, shown.alert.unknown_since) {
        (Phase::Ended, _) => "ended",
        (_, Some(_)) => "unknown",
        (Phase::Pending, None) => "pending",
        (Phase::Firing, None) => "firing",
    }
}

/// What the list is sorted by: severity, check, fingerprint.
fn key_of(shown: &ShownAlert) -> (u8, String, String) {
    let content = &shown.alert.content;
    let rank = match content.severity.name() {
        "critical" => 0,
        "warning" => 1,
        _ => 2,
    };
    (rank, shown.alert.id.clone(), shown.alert.fingerprint.clone())
}

fn alerts(query: &Query) -> Result<Prepared, Problem> {
    const STATES: [&str; 4] = ["pending", "firing", "unknown", "ended"];
    let page: PageQuery<(u8, String, String)> = PageQuery::of(query)?;
    let states = query.texts("state").to_vec();
    if states.iter().any(|state| !STATES.contains(&state.as_str())) {
        return Err(Problem::parameter("state", "expected `pending`, `firing`, `unknown` or `ended`"));
    }
    let (severities, checks) = (query.severities()?, query.texts("check").to_vec());
    let (buckets, receivers) = (query.texts("bucket").to_vec(), query.texts("receiver").to_vec());
    let any = |wanted: &[String], found: &str| wanted.is_empty() || wanted.iter().any(|one| one == found);
    Ok(Box::new(move |published| {
        let wanted = |shown: &&ShownAlert| {
            any(&states, state_of(shown))
                && (severities.is_empty() || severities.contains(&shown.alert.content.severity))
                && any(&checks, &shown.alert.id)
                && any(&buckets, &shown.alert.content.bucket)
                && (receivers.is_empty() || shown.receivers.iter().any(|receiver| receivers.contains(receiver)))
        };
        let mut found: Vec<&ShownAlert> = published.alerting.alerts.iter().filter(wanted).collect();
        found.sort_by_cached_key(|shown| key_of(shown));
        let total = found.len();
        let rest =
            found.into_iter().skip_while(|shown| page.after.as_ref().is_some_and(|after| key_of(shown) <= *after));
        let Page { items, next } = Page::take(rest, page.limit, |shown| key_of(shown))?;
        let alerts = items.into_iter().map(document).collect();
        to_json(&Alerts { version: 1, at: as_of(published), total, next, alerts })
    }))
}

fn document(shown: &ShownAlert) -> AlertDocument<'_> {
    let (alert, content) = (&shown.alert, &shown.alert.content);
    AlertDocument {
        fingerprint: &alert.fingerprint,
        alertname: &alert.name,
        check: &alert.id,
        severity: content.severity.name(),
        state: state_of(shown),
        phase: alert.phase,
        bucket: &content.bucket,
        stream: content.stream.as_ref(),
        resolution: content.resolution.as_deref(),
        block: content.block.as_deref(),
        object: content.object.as_deref(),
        interval: content.interval_ms.map(|(start, end)| Interval { start: TimestampMs(start), end: TimestampMs(end) }),
        message: &content.message,
        remedy: &content.remedy,
        deadline: content.deadline,
        evidence: &content.evidence,
        since: alert.since,
        fired_at: alert.fired_at,
        healed_at: alert.healed_at,
        ended_at: alert.ended_at,
        end: alert.end.map(crate::model::FindingEnd::name),
        unknown_since: alert.unknown_since,
        flapping_since: alert.flapping_since,
        receivers: &shown.receivers,
        suppressed: shown.suppressed.as_ref().map(|(by, id)| Suppressed { by, id }),
    }
}

#[derive(Serialize)]
struct Silences<'a> {
    version: u32,
    at: Option<TimestampMs>,
    silences: Vec<SilenceDocument<'a>>,
}

/// A silence as it is shown.
#[derive(Serialize)]
pub(super) struct SilenceDocument<'a> {
    id: &'a str,
    #[serde(rename = "match")]
    matchers: &'a str,
    starts: TimestampMs,
    ends: TimestampMs,
    author: &'a str,
    comment: &'a str,
    created: TimestampMs,
}

impl<'a> From<&'a Silence> for SilenceDocument<'a> {
    fn from(silence: &'a Silence) -> Self {
        Self {
            id: &silence.id,
            matchers: &silence.matchers,
            starts: silence.starts,
            ends: silence.ends,
            author: &silence.author,
            comment: &silence.comment,
            created: silence.created,
        }
    }
}

fn silences(published: &Published) -> Result<Vec<u8>, Problem> {
    let silences = published.alerting.silences.iter().map(SilenceDocument::from).collect();
    to_json(&Silences { version: 1, at: as_of(published), silences })
}
