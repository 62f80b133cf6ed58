//! What can be done over the API, and what has to be asked of the engine: silences, the outbox, watchdogs. Whatever
//! changes something needs `--web.enable-lifecycle`, and comes from nobody's browser; a body has a bound, and so has the
//! number of those that are taken in at once.

use axum::body::{Body, to_bytes};
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::json;
use super::page::to_json;
use super::problem::Problem;
use super::query::{Parameter, Query};
use crate::exporter::actions::{self, Action, Refusal};
use crate::exporter::guard::Protected;
use crate::exporter::{Site, lifecycle};
use crate::model::{
    NewSilence, NotificationDocument, OutboxState, SilenceDocument, SilenceEnd, TimestampMs, parse_prometheus_duration,
};

/// Bytes of a silence that is asked for.
const MAX_SILENCE: u64 = 64 << 10;

/// Bytes of what an Alertmanager sends.
const MAX_WEBHOOK: u64 = 1 << 20;

/// Bodies that are taken in at once.
static BODIES: Semaphore = Semaphore::const_new(16);

/// What is answered to who asks.
type Answer = Result<Response, Problem>;

/// How many bytes the body of a request may have; `None` where none is read.
pub(in crate::exporter) fn body_limit(method: &Method, path: &str) -> Option<u64> {
    if method != Method::POST {
        return None;
    }
    match path {
        "/api/v1/silences" => Some(MAX_SILENCE),
        path if path.starts_with("/api/v1/watchdogs/") => Some(MAX_WEBHOOK),
        _ => None,
    }
}

/// Who asks, as far as it decides whether something is done.
#[derive(Debug)]
pub(super) struct Caller {
    protected: bool,
    uri: Uri,
    headers: HeaderMap,
}

impl Caller {
    fn may_act(&self, site: &Site) -> Result<(), Problem> {
        lifecycle::admitted(site, self.protected, &self.uri, &self.headers).map_err(Problem::forbidden)
    }
}

impl<S: Sync> axum::extract::FromRequestParts<S> for Caller {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut http::request::Parts, _: &S) -> Result<Self, Self::Rejection> {
        let protected = parts.extensions.get::<Protected>().is_some();
        Ok(Self { protected, uri: parts.uri.clone(), headers: parts.headers.clone() })
    }
}

fn refused(what: &str, refusal: Refusal) -> Problem {
    match refusal {
        Refusal::NotFound => Problem::missing(what),
        Refusal::Invalid(part, expected) => Problem::parameter(&part, expected),
        Refusal::Unavailable(why) => Problem::unavailable(why),
    }
}

fn done(document: &impl Serialize) -> Answer {
    Ok(json(StatusCode::OK, HeaderMap::new(), to_json(document)?))
}

/// The body, once there is room for it.
async fn read(body: Body, limit: u64) -> Result<Vec<u8>, Problem> {
    let _permit = BODIES.acquire().await.map_err(Problem::internal)?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let bytes = to_bytes(body, limit).await;
    bytes
        .ok()
        .map(Vec::from)
        .ok_or_else(|| Problem::too_large(&format!("expected a whole body of at most {limit} bytes")))
}

/// What `POST /api/v1/silences` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(rename = "match")]
    matchers: String,
    starts: Option<String>,
    ends: Option<String>,
    duration: Option<String>,
    author: String,
    comment: String,
}

impl Asked {
    fn lower(self) -> Result<NewSilence, Problem> {
        let time = |name: &'static str, text: &str| {
            let expected = || Problem::parameter(name, "expected a time in RFC 3339, as in 2026-01-02T03:04:05Z");
            TimestampMs::parse_rfc3339(text).ok().ok_or_else(expected)
        };
        let ends = match (self.ends, self.duration) {
            (Some(ends), None) => SilenceEnd::At(time("ends", &ends)?),
            (None, Some(duration)) => {
                let expected = || Problem::parameter("duration", "expected a duration such as 2h or 1d12h");
                SilenceEnd::After(parse_prometheus_duration(&duration).ok_or_else(expected)?)
            }
            (Some(_), Some(_)) => return Err(Problem::parameter("duration", "excludes `ends`: give one of them")),
            (None, None) => {
                return Err(Problem::parameter("ends", "is missing: a silence ends; give `ends` or `duration`"));
            }
        };
        let starts = self.starts.map(|starts| time("starts", &starts)).transpose()?;
        Ok(NewSilence { matchers: self.matchers, starts, ends, author: self.author, comment: self.comment })
    }
}

/// `POST /api/v1/silences`
pub(super) async fn silence(State(site): State<Site>, caller: Caller, body: Body) -> Answer {
    caller.may_act(&site)?;
    let bytes = read(body, MAX_SILENCE).await?;
    let asked: Asked = serde_json::from_slice(&bytes).ok().ok_or_else(|| {
        Problem::body(
            "expected a JSON object with `match`, `ends` or `duration`, `author`, `comment`, and maybe `starts`",
        )
    })?;
    let silence = asked.lower()?;
    let made = actions::ask(&site.hooks.actions, |reply| Action::Silence { silence, reply }).await;
    done(&SilenceDocument::from(&made.map_err(|refusal| refused("silence", refusal))?))
}

/// `DELETE /api/v1/silences/{id}`
pub(super) async fn expire(State(site): State<Site>, caller: Caller, Path(id): Path<String>) -> Answer {
    caller.may_act(&site)?;
    let ended = actions::ask(&site.hooks.actions, |reply| Action::Expire { id, reply }).await;
    let missing = "silence that could be ended: those of the configuration end there";
    done(&SilenceDocument::from(&ended.map_err(|refusal| refused(missing, refusal))?))
}

#[derive(Serialize)]
struct Resent {
    resent: Vec<String>,
}

/// `POST /api/v1/notifications/{id}/resend`
pub(super) async fn resend(State(site): State<Site>, caller: Caller, Path(id): Path<String>) -> Answer {
    resent(&site, &caller, Some(vec![id])).await
}

/// `POST /api/v1/notifications/resend`
pub(super) async fn resend_all(State(site): State<Site>, caller: Caller) -> Answer {
    resent(&site, &caller, None).await
}

async fn resent(site: &Site, caller: &Caller, ids: Option<Vec<String>>) -> Answer {
    caller.may_act(site)?;
    let resent = actions::ask(&site.hooks.actions, |reply| Action::Resend { ids, reply }).await;
    done(&Resent { resent: resent.map_err(|refusal| refused("dead notification", refusal))? })
}

#[derive(Serialize)]
struct Notifications<'a> {
    version: u32,
    total: u64,
    notifications: Vec<NotificationDocument<'a>>,
}

/// What `GET /api/v1/notifications` understands.
pub(super) const NOTIFICATIONS: &[Parameter] = &[Parameter::several("state"), Parameter::one("limit")];

/// `GET /api/v1/notifications`
pub(super) async fn notifications(State(site): State<Site>, RawQuery(query): RawQuery) -> Answer {
    let query = Query::parse(&query.unwrap_or_default(), NOTIFICATIONS)?;
    let state = |text: &String| OutboxState::ALL.into_iter().find(|state| state.name() == text);
    let states: Option<Vec<OutboxState>> = query.texts("state").iter().map(state).collect();
    let expected = || Problem::parameter("state", "expected `pending`, `inflight`, `sent`, `dead` or `coalesced`");
    let states = states.ok_or_else(expected)?;
    let states = if states.is_empty() { OutboxState::ALL.to_vec() } else { states };
    let limit = match query.text("limit") {
        None => 100,
        Some(text) => {
            let limit = text.parse().ok().filter(|limit| (1..=1_000).contains(limit));
            limit.ok_or_else(|| Problem::parameter("limit", "expected a whole number from 1 to 1000"))?
        }
    };
    let page = actions::ask(&site.hooks.actions, |reply| Action::Outbox { states, limit, reply }).await;
    let page = page.map_err(|refusal| refused("notification", refusal))?;
    let notifications = page.rows.iter().take(limit).map(NotificationDocument::from).collect();
    done(&Notifications { version: 1, total: page.total, notifications })
}

/// Alertmanager's webhook, as far as it matters here.
#[derive(Deserialize)]
struct Webhook {
    #[serde(default)]
    alerts: Vec<WebhookAlert>,
}

#[derive(Deserialize)]
struct WebhookAlert {
    status: String,
}

#[derive(Serialize)]
struct Heard {
    heard: bool,
}

/// `POST /api/v1/watchdogs/{name}`: any alert that fires is a sign of life; one that is resolved is none.
pub(super) async fn watchdog(State(site): State<Site>, caller: Caller, Path(name): Path<String>, body: Body) -> Answer {
    caller.may_act(&site)?;
    let bytes = read(body, MAX_WEBHOOK).await?;
    let webhook: Webhook = serde_json::from_slice(&bytes).ok().ok_or_else(|| {
        Problem::body("expected the JSON of Alertmanager's webhooks, with `alerts` that have a `status`")
    })?;
    let heard = webhook.alerts.iter().any(|alert| alert.status == "firing");
    if heard {
        let seen = actions::ask(&site.hooks.actions, |reply| Action::Watchdog { name, reply }).await;
        seen.map_err(|refusal| refused("watchdog of this name in the configuration", refusal))?;
    } else if !site.published().alerting.watchdogs.contains_key(&name) {
        return Err(Problem::missing("watchdog of this name in the configuration"));
    }
    done(&Heard { heard })
}
