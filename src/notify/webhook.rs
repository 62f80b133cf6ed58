//! A webhook in Alertmanager's form, version 4, so that whatever takes its messages takes ours.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::http::{Client, Request, refusal, secret_url};
use super::render::{clean, cut, dashboard, page, runbook};
use super::{Context, Message, OpenError, SendError, Sender, Sent};
use crate::catalogue::Catalogue;
use crate::model::{Alert, FailureClass, Links, Notification, OutboxRow, Phase, TimestampMs, WebhookSettings};

/// What Alertmanager writes where there is no time.
pub(super) const NO_TIME: &str = "0001-01-01T00:00:00Z";

/// `type: webhook`
#[derive(Debug)]
pub(super) struct WebhookSender {
    settings: WebhookSettings,
    client: Client,
    context: Context,
}

impl WebhookSender {
    /// Ready to send; nothing is asked yet.
    pub(super) fn open(settings: &WebhookSettings, timeout_ms: i64, context: &Context) -> Result<Self, OpenError> {
        let client = Client::new(&settings.http, timeout_ms, &context.environment)?;
        Ok(Self { settings: settings.clone(), client, context: context.clone() })
    }
}

#[async_trait]
impl Sender for WebhookSender {
    async fn send(&self, message: &Message<'_>) -> Result<Sent, SendError> {
        let url = secret_url(&self.settings.url, "the webhook's URL").await?;
        let document = webhook_body(message.row, &self.context, self.settings.max_alerts, message.now);
        let body = serde_json::to_vec(&document)
            .map_err(|_no_json| SendError::new(FailureClass::Permanent, "the message cannot be written as JSON"))?;
        let answer = self.client.send(Request::post(&url, body, message.now)).await?;
        if answer.status.is_success() {
            return Ok(Sent { thread: None, said: answer.status.to_string() });
        }
        Err(refusal(url.host_str().unwrap_or_default(), &answer))
    }

    async fn probe(&self) -> Result<Option<String>, SendError> {
        secret_url(&self.settings.url, "the webhook's URL").await?;
        Ok(None)
    }
}

/// The document. Of a digest, all alerts of all its parts.
fn webhook_body(row: &OutboxRow, context: &Context, max_alerts: usize, now: TimestampMs) -> Value {
    let notification = &row.notification;
    let all: Vec<&Alert> = notification.all_alerts().map(|notified| &notified.alert).collect();
    let most = if max_alerts == 0 { all.len() } else { max_alerts };
    let shown: Vec<Shown> = all.iter().take(most).map(|alert| Shown::of(alert, context, now)).collect();
    let hidden = notification.parts.iter().fold(notification.more, |sum, part| sum.saturating_add(part.more));
    let truncated = u64::try_from(all.len().saturating_sub(most)).unwrap_or(u64::MAX).saturating_add(hidden);
    json!({
        "version": "4",
        "groupKey": notification.group_key,
        "truncatedAlerts": truncated,
        "status": status(notification, hidden),
        "receiver": notification.receiver,
        "groupLabels": notification.group,
        "commonLabels": common(shown.iter().map(|one| &one.labels)),
        "commonAnnotations": common(shown.iter().map(|one| &one.annotations)),
        "externalURL": page(&context.links).unwrap_or_default(),
        "alerts": shown.iter().map(Shown::document).collect::<Vec<_>>(),
        // no consumer of Alertmanager's form minds a key more
        "blockwarden": {
            "id": row.id,
            "reason": notification.reason.name(),
            "incident": notification.incident,
            "uncertain": row.uncertain,
            "insteadOf": row.instead_of,
            "text": notification.text,
        },
    })
}

fn status(notification: &Notification, hidden: u64) -> &'static str {
    if notification.firing().next().is_some() || hidden > 0 { "firing" } else { "resolved" }
}

struct Shown {
    status: &'static str,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    starts_at: String,
    ends_at: String,
    generator_url: String,
    fingerprint: String,
}

impl Shown {
    fn of(alert: &Alert, context: &Context, now: TimestampMs) -> Self {
        let is_over = alert.phase == Phase::Ended;
        let ended = alert.ended_at.or(alert.healed_at).unwrap_or(now);
        Self {
            status: if is_over { "resolved" } else { "firing" },
            labels: alert.labels(),
            annotations: annotations(alert, &context.words, &context.links, now),
            starts_at: alert.fired_at.unwrap_or(alert.since).to_string(),
            ends_at: if is_over { ended.to_string() } else { NO_TIME.to_owned() },
            generator_url: page(&context.links).unwrap_or_default(),
            fingerprint: alert.fingerprint.clone(),
        }
    }

    fn document(&self) -> Value {
        json!({
            "status": self.status,
            "labels": self.labels,
            "annotations": self.annotations,
            "startsAt": self.starts_at,
            "endsAt": self.ends_at,
            "generatorURL": self.generator_url,
            "fingerprint": self.fingerprint,
        })
    }
}

/// What the generated rules annotate, and what only we know.
pub(super) fn annotations(
    alert: &Alert,
    words: &Catalogue,
    links: &Links,
    now: TimestampMs,
) -> BTreeMap<String, String> {
    let content = &alert.content;
    let mut annotations = BTreeMap::new();
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            annotations.insert(name.to_owned(), value);
        }
    };
    let entry = words.entry(&alert.id);
    add("summary", entry.map(|entry| entry.summary.clone()));
    add("description", entry.map(|entry| clean(&entry.description.expand(&alert.labels(), 1.0))));
    add("message", Some(cut(&clean(&content.message), 2_000)));
    add("remedy", Some(cut(&clean(&content.remedy), 2_000)));
    add("runbook_url", runbook(links, &alert.id));
    let to = alert.ended_at.unwrap_or(now);
    add("dashboard_url", dashboard(links, &alert.id, &content.bucket, alert.since, to));
    add("block", content.block.clone());
    add("object", content.object.clone());
    add("deadline", content.deadline.map(|deadline| deadline.to_string()));
    add("ended_as", alert.end.map(|end| end.name().to_owned()));
    annotations
}

/// What all have, with the same value.
fn common<'a>(mut all: impl Iterator<Item = &'a BTreeMap<String, String>>) -> BTreeMap<String, String> {
    let Some(first) = all.next() else { return BTreeMap::new() };
    let mut kept: BTreeSet<&String> = first.keys().collect();
    for other in all {
        kept.retain(|name| other.get(*name) == first.get(*name));
    }
    kept.into_iter().filter_map(|name| Some((name.clone(), first.get(name)?.clone()))).collect()
}
