//! What commands ask about alerts, silences and notifications: of the service, over its API, or of its ledger where no
//! service runs; and tests of receivers.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::alerting::{self, Alerting, Timing};
use crate::ledger::{Access, Ledger, LedgerError};
use crate::model::{
    AlertDocument, Labels, NewSilence, NotificationDocument, OutboxRow, Selector, Severity, ShownAlert, Silence,
    SilenceDocument, TimestampMs,
};

pub use crate::alerting::AlertingPolicy;
pub use alerting::RouteStep;

/// For a whole answer of the service.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of an answer; no page is longer.
const MAX_ANSWER: usize = 64 << 20;

/// Why something cannot be said or done.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// Nobody answers.
    #[error(
        "the service at {url} does not answer: is `blockwarden watch` running there? --url says where it is: {reason}"
    )]
    NoAnswer {
        /// Where, without name and password.
        url: String,
        /// Why.
        reason: String,
    },
    /// It says no.
    #[error("the service refused: {reason}")]
    Refused {
        /// Its words.
        reason: String,
    },
    /// Not a URL.
    #[error("--url is no URL of a service: expected one such as http://127.0.0.1:9798")]
    Url,
    /// A service writes to the ledger.
    #[error("a service is writing to this ledger: ask it with --url instead of --state")]
    Held,
    /// There is no ledger.
    #[error("there is no ledger at {path}: --state names one, --url asks a running service")]
    NoLedger {
        /// Where it should be.
        path: String,
    },
    /// The ledger cannot be used.
    #[error("the ledger cannot be used")]
    Ledger(#[source] LedgerError),
    /// What was asked for cannot be.
    #[error("{part}: {expected}")]
    Invalid {
        /// Which part.
        part: &'static str,
        /// What was expected.
        expected: &'static str,
    },
    /// There is no such thing.
    #[error("there is no such {what}")]
    NotFound {
        /// Silence, dead notification.
        what: &'static str,
    },
}

impl From<LedgerError> for DeskError {
    fn from(error: LedgerError) -> Self {
        if matches!(error, LedgerError::Locked { .. }) { Self::Held } else { Self::Ledger(error) }
    }
}

/// Asks a running service. `path` begins with `/api/`.
pub async fn ask(url: &str, method: http::Method, path: &str, body: Option<Value>) -> Result<Value, DeskError> {
    let mut target = url::Url::parse(url).ok().ok_or(DeskError::Url)?;
    if !matches!(target.scheme(), "http" | "https") || !target.has_host() {
        return Err(DeskError::Url);
    }
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let base = target.path().trim_end_matches('/').to_owned();
    target.set_path(&format!("{base}{path}"));
    target.set_query(query);
    let shown = format!("{}://{}", target.scheme(), target.authority().rsplit('@').next().unwrap_or_default());
    // an address is one of the request's own words, and may hold a password
    let no_answer =
        |error: reqwest::Error| DeskError::NoAnswer { url: shown.clone(), reason: super::chain(&error.without_url()) };
    let client = reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).build();
    let request = client.map_err(no_answer)?.request(method, target);
    let request = if let Some(body) = body { request.json(&body) } else { request };
    let mut response = request.send().await.map_err(no_answer)?;
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_ANSWER {
            return Err(DeskError::Refused { reason: "its answer is too long".to_owned() });
        }
    }
    let answer: Option<Value> = serde_json::from_slice(&bytes).ok();
    match answer {
        Some(answer) if response.status().is_success() => Ok(answer),
        Some(answer) => {
            let reason = answer.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
            let parameter = answer.pointer("/error/parameter").and_then(Value::as_str);
            let parameter = parameter.map(|parameter| format!("{parameter}: ")).unwrap_or_default();
            Err(DeskError::Refused { reason: format!("{parameter}{reason}") })
        }
        None => Err(DeskError::Refused { reason: format!("it answered {}", response.status()) }),
    }
}

fn read(path: &Path) -> Result<Ledger, DeskError> {
    if !path.exists() {
        return Err(DeskError::NoLedger { path: path.display().to_string() });
    }
    Ok(Ledger::open(path, Access::Read)?)
}

fn write(path: &Path) -> Result<Ledger, DeskError> {
    if !path.exists() {
        return Err(DeskError::NoLedger { path: path.display().to_string() });
    }
    Ok(Ledger::open(path, Access::Write)?)
}

fn alerting_of(ledger: &Ledger) -> Result<Alerting, DeskError> {
    let past = ledger.load_alerting()?;
    Ok(Alerting::restore(past.alerts, past.groups, past.silences, past.ended_unseen))
}

fn documents<T: serde::Serialize>(documents: impl Iterator<Item = T>) -> Vec<Value> {
    documents.filter_map(|document| serde_json::to_value(document).ok()).collect()
}

/// Alerts of a ledger, as the API shows them. `told` are those who were told of it.
pub fn alerts(path: &Path, policy: &AlertingPolicy, now: TimestampMs) -> Result<Vec<Value>, DeskError> {
    let alerting = alerting_of(&read(path)?)?;
    let mut shown: Vec<ShownAlert> = alerting
        .alerts()
        .map(|alert| {
            let told = alerting.groups().filter(|group| group.told.contains_key(&alert.fingerprint));
            let mut receivers: Vec<String> = told.map(|group| group.receiver.clone()).collect();
            receivers.dedup();
            let suppressed = alerting.suppressed(alert, policy, now);
            let suppressed = suppressed.map(|(by, id)| (by.name(), id));
            ShownAlert { alert: alert.clone(), suppressed, receivers }
        })
        .collect();
    shown.sort_by(|a, b| {
        let key = |one: &ShownAlert| (one.alert.content.severity, one.alert.id.clone(), one.alert.fingerprint.clone());
        key(a).cmp(&key(b))
    });
    Ok(documents(shown.iter().map(AlertDocument::from)))
}

/// Silences of a ledger that are not over.
pub fn silences(path: &Path, policy: &AlertingPolicy, now: TimestampMs) -> Result<Vec<Value>, DeskError> {
    let alerting = alerting_of(&read(path)?)?;
    let all = policy.silences.iter().chain(alerting.silences());
    Ok(documents(all.filter(|silence| silence.ends > now).map(SilenceDocument::from)))
}

/// Makes a silence in a ledger that no service holds.
pub fn silence(path: &Path, asked: &NewSilence, now: TimestampMs) -> Result<Value, DeskError> {
    let mut ledger = write(path)?;
    let mut alerting = alerting_of(&ledger)?;
    let id = silence_id(asked, now);
    let silence =
        asked.accept(id, now).map_err(|wrong| DeskError::Invalid { part: wrong.part, expected: wrong.expected })?;
    let document = json!(SilenceDocument::from(&silence));
    ledger.commit_alerting(&alerting.silence(silence), now)?;
    Ok(document)
}

/// An id for a silence that is new.
pub fn silence_id(asked: &NewSilence, now: TimestampMs) -> String {
    OutboxRow::derived_id(&["silence", &asked.matchers, &asked.author, &asked.comment, &now.0.to_string()])
}

/// Ends a silence in a ledger that no service holds.
pub fn expire(path: &Path, id: &str, now: TimestampMs) -> Result<Value, DeskError> {
    let mut ledger = write(path)?;
    let mut alerting = alerting_of(&ledger)?;
    let change = alerting.expire_silence(id, now).ok_or(DeskError::NotFound { what: "silence that could be ended" })?;
    ledger.commit_alerting(&change, now)?;
    Ok(change.silences.first().map(|silence: &Silence| json!(SilenceDocument::from(silence))).unwrap_or_default())
}

/// Notifications that were given up.
pub fn dead(path: &Path) -> Result<Vec<Value>, DeskError> {
    let rows = read(path)?.outbox()?.dead_letters()?;
    Ok(documents(rows.iter().map(NotificationDocument::from)))
}

/// Puts dead notifications into the outbox of a ledger that no service holds once more; the next service sends them.
pub fn resend(path: &Path, ids: Option<&[String]>, now: TimestampMs) -> Result<Vec<String>, DeskError> {
    let ledger = write(path)?;
    let rows = ledger.outbox()?.resend(ids, now)?;
    if rows.is_empty() && ids.is_some() {
        return Err(DeskError::NotFound { what: "dead notification" });
    }
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// What a route does with an alert, and when.
#[derive(Clone, Debug)]
pub struct Explained {
    /// Whether it matches, who is told, how it is grouped.
    pub step: RouteStep,
    /// As configured.
    pub matchers: String,
    /// From the first news of a group until they are told, between two messages, until it is told again, in ms.
    pub timing_ms: [i64; 3],
    /// Names of its mute times, and whether each holds now.
    pub mute: Vec<(String, bool)>,
    /// The routes after it are looked at as well.
    pub continues: bool,
}

/// What becomes of an alert of these labels: each route up to the last that is looked at.
pub fn route(labels: &Labels, policy: &AlertingPolicy, now: TimestampMs) -> Vec<Explained> {
    let severity = labels.get("severity").unwrap_or_default();
    let critical = severity == Severity::Critical.name();
    let timing = Timing::of(if critical { Severity::Critical } else { Severity::Warning });
    let steps = alerting::route(labels, policy).into_iter().zip(&policy.routes);
    let explained = steps.map(|(step, route)| Explained {
        matchers: route.matchers.text.clone(),
        timing_ms: [
            route.group_wait_ms.unwrap_or(timing.wait_ms),
            route.group_interval_ms.unwrap_or(timing.interval_ms),
            route.repeat_interval_ms.unwrap_or(timing.repeat_ms),
        ],
        mute: route
            .mute
            .iter()
            .map(|name| (name.clone(), policy.mute_times.get(name).is_some_and(|time| time.is_active(now))))
            .collect(),
        continues: route.continues,
        step,
    });
    explained.collect()
}

/// Configured silences that hold now and match these labels.
pub fn silenced_by<'a>(
    labels: &'a Labels,
    policy: &'a AlertingPolicy,
    now: TimestampMs,
) -> impl Iterator<Item = &'a Silence> {
    let matches =
        |silence: &&Silence| Selector::parse(&silence.matchers).is_ok_and(|matchers| matchers.matches(labels));
    policy.active_silences(now).filter(matches)
}
