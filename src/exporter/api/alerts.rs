//! `/api/v1/alerts` and `/api/v1/silences`: how alerts stand, who is told of them, and who is not.

use serde::Serialize;

use super::page::{Page, PageQuery, to_json};
use super::problem::Problem;
use super::query::{Parameter, Query};
use super::{Endpoint, Prepared};
use crate::model::{AlertDocument, Published, ShownAlert, SilenceDocument, TimestampMs};

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

/// As of when alerts stand so; `None` while nothing was judged.
fn as_of(published: &Published) -> Option<TimestampMs> {
    published.alerting.enabled.then_some(published.alerting.at)
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
            any(&states, shown.state())
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
        let alerts = items.into_iter().map(AlertDocument::from).collect();
        to_json(&Alerts { version: 1, at: as_of(published), total, next, alerts })
    }))
}

#[derive(Serialize)]
struct Silences<'a> {
    version: u32,
    at: Option<TimestampMs>,
    silences: Vec<SilenceDocument<'a>>,
}

fn silences(published: &Published) -> Result<Vec<u8>, Problem> {
    let silences = published.alerting.silences.iter().map(SilenceDocument::from).collect();
    to_json(&Silences { version: 1, at: as_of(published), silences })
}
