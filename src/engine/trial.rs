//! Tests of receivers: a marked message through each, or the question whether one would be taken.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::Instant;

use super::clock;
use crate::catalogue;
use crate::model::{
    Alert, AlertContent, Environment, NOTIFICATION_VERSION, Notification, NotifySettings, OutboxRow, OutboxState,
    Phase, Reason, ReceiverKind, ReceiverSettings, Severity, TimestampMs,
};
use crate::notify::{self, Context, LabelledAlert, Message, SendError, Told};

/// What came of one receiver, or of one recipient of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The receiver's name.
    pub receiver: String,
    /// `slack`, `mail`, …
    pub kind: &'static str,
    /// A mail address or the URL of an instance; empty where there is one only.
    pub recipient: String,
    /// How long it took, in ms.
    pub latency_ms: u64,
    /// What came back; `None` = it cannot be known without sending.
    pub result: Result<Option<String>, String>,
}

/// Sends a marked message through each of these receivers, one after the other.
pub async fn send(settings: &NotifySettings, names: &[String], environment: &Environment) -> Vec<Trial> {
    every(settings, names, environment, true).await
}

/// Asks each receiver whether it would take a message, as far as that can be known.
pub async fn probe(settings: &NotifySettings, environment: &Environment) -> Vec<Trial> {
    every(settings, &[], environment, false).await
}

async fn every(settings: &NotifySettings, names: &[String], environment: &Environment, sends: bool) -> Vec<Trial> {
    let mut trials = Vec::new();
    let words = match catalogue::embedded() {
        Ok(words) => Arc::new(words.clone()),
        Err(error) => {
            tracing::error!(%error, "the words of alerts cannot be read");
            return trials;
        }
    };
    let context = Context { links: settings.links.clone(), words, environment: environment.clone() };
    for receiver in settings.receivers.iter().filter(|one| names.is_empty() || names.contains(&one.name)) {
        trials.extend(one(receiver, &context, sends).await);
    }
    trials
}

async fn one(receiver: &ReceiverSettings, context: &Context, sends: bool) -> Vec<Trial> {
    let begin = Instant::now();
    let trial = |recipient: &str, since: Instant, result: Result<Option<String>, String>| Trial {
        receiver: receiver.name.clone(),
        kind: receiver.kind.name(),
        recipient: recipient.to_owned(),
        latency_ms: u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX),
        result,
    };
    let now = clock::now();
    match notify::open_alertmanager(receiver, context) {
        Ok(None) => {}
        Err(error) => return vec![trial("", begin, Err(super::chain(&error)))],
        Ok(Some(client)) => {
            // without alerts nothing is made of it there
            let alerts = if sends { vec![test_alert(now)] } else { Vec::new() };
            let told = client.tell(&alerts, now).await;
            let of = |told: Told| {
                let said = if sends { "took the test alert, which ends by itself" } else { "answers" };
                trial(&told.instance, begin, told.result.map(|()| Some(said.to_owned())).map_err(|error| error.message))
            };
            return told.into_iter().map(of).collect();
        }
    }
    let sender = match notify::open(receiver, context) {
        Ok(sender) => sender,
        Err(error) => return vec![trial("", begin, Err(super::chain(&error)))],
    };
    if !sends {
        let probed = sender.probe().await.map_err(|error: SendError| error.message);
        return vec![trial("", begin, probed)];
    }
    let recipients = match &receiver.kind {
        ReceiverKind::Mail(mail) => mail.to.clone(),
        ReceiverKind::Slack(_) | ReceiverKind::Webhook(_) | ReceiverKind::Alertmanager(_) => vec![String::new()],
    };
    let mut trials = Vec::new();
    for recipient in recipients {
        let begin = Instant::now();
        let row = test_row(receiver, &recipient, now);
        let sent = sender.send(&Message { row: &row, thread: None, now }).await;
        let result = sent.map(|sent| Some(sent.said)).map_err(|error| error.message);
        trials.push(trial(&recipient, begin, result));
    }
    trials
}

/// A row of an outbox that is nowhere.
fn test_row(receiver: &ReceiverSettings, recipient: &str, now: TimestampMs) -> OutboxRow {
    let id = OutboxRow::derived_id(&["notify-test", &receiver.name, recipient, &now.0.to_string()]);
    let text = "A test of Blockwarden: somebody ran `blockwarden notify-test`. Nothing is wrong.";
    OutboxRow {
        receiver: receiver.name.clone(),
        recipient: recipient.to_owned(),
        lane: "test".to_owned(),
        created: now,
        not_before: now,
        deadline: now.plus(receiver.timeout_ms),
        attempts: 0,
        state: OutboxState::Inflight,
        uncertain: false,
        plain: false,
        error: None,
        instead_of: None,
        notification: Notification {
            version: NOTIFICATION_VERSION,
            reason: Reason::Test,
            at: now,
            receiver: receiver.name.clone(),
            group_key: "test".to_owned(),
            group: BTreeMap::new(),
            incident: id.clone(),
            began: now,
            ended: None,
            alerts: Vec::new(),
            more: 0,
            repeat_ms: None,
            parts: Vec::new(),
            text: Some(text.to_owned()),
        },
        id,
    }
}

/// An alert that an Alertmanager takes for over once it is not told again.
fn test_alert(now: TimestampMs) -> LabelledAlert {
    let content = AlertContent {
        severity: Severity::Info,
        bucket: String::new(),
        stream: None,
        resolution: None,
        block: None,
        object: None,
        interval_ms: None,
        message: "A test of Blockwarden: somebody ran `blockwarden notify-test`. Nothing is wrong.".to_owned(),
        remedy: "Nothing is to be done.".to_owned(),
        deadline: None,
        evidence: BTreeMap::new(),
    };
    let alert = Alert {
        fingerprint: "notify_test".to_owned(),
        id: "notify_test".to_owned(),
        name: "BlockwardenTest".to_owned(),
        content,
        phase: Phase::Firing,
        since: now,
        fired_at: Some(now),
        healed_at: None,
        end: None,
        ended_at: None,
        unknown_since: None,
        frozen_ms: 0,
        edges: Vec::new(),
        flapping_since: None,
    };
    LabelledAlert { alert, extra: BTreeMap::new() }
}
