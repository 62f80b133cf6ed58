//! What is sent when: the planner by itself, and the tasks with a clock that stands still while nothing waits for it.

mod coalesce;
mod driver;
mod faults;
mod planner;
mod stage;

use std::collections::BTreeMap;

use crate::model::{
    Alert, AlertContent, ClientSettings, DAY_MS, FindingEnd, HOUR_MS, MailSecurity, MailSettings, NOTIFICATION_VERSION,
    News, Notification, NotifiedAlert, OutboxRow, OutboxState, Phase, Reason, ReceiverKind, ReceiverSettings, Secret,
    SecretSource, Severity, SlackAccess, SlackSettings, TimestampMs, TlsSettings, WebhookSettings,
};

const T0: TimestampMs = TimestampMs(1_700_000_000_000);

fn alert(fingerprint: &str, phase: Phase, severity: Severity) -> Alert {
    let is_over = phase == Phase::Ended;
    Alert {
        fingerprint: fingerprint.to_owned(),
        id: "coverage_gap".to_owned(),
        name: "BlockwardenCoverageGap".to_owned(),
        content: AlertContent {
            severity,
            bucket: "thanos".to_owned(),
            stream: None,
            resolution: None,
            block: None,
            object: None,
            interval_ms: None,
            message: "a hole".to_owned(),
            remedy: "fill it".to_owned(),
            deadline: None,
            evidence: BTreeMap::new(),
        },
        phase,
        since: T0,
        fired_at: Some(T0),
        healed_at: is_over.then_some(T0),
        end: is_over.then_some(FindingEnd::Resolved),
        ended_at: is_over.then_some(T0),
        unknown_since: None,
        frozen_ms: 0,
        edges: Vec::new(),
        flapping_since: None,
    }
}

fn notified(fingerprint: &str, news: Option<News>) -> NotifiedAlert {
    let is_over = matches!(news, Some(News::Ended | News::FiredAndEnded));
    let phase = if is_over { Phase::Ended } else { Phase::Firing };
    NotifiedAlert { alert: alert(fingerprint, phase, Severity::Warning), news }
}

/// A notification of the receiver `chat` about one alert, which is called as its lane.
fn row(id: &str, lane: &str, reason: Reason) -> OutboxRow {
    let news = match reason {
        Reason::First | Reason::NewAlerts => Some(News::Fired),
        Reason::Worse => Some(News::Worse),
        Reason::Ended | Reason::SomeEnded => Some(News::Ended),
        Reason::FiredAndEnded => Some(News::FiredAndEnded),
        Reason::Flapping => Some(News::Flapping),
        Reason::Repeat | Reason::Digest | Reason::Test => None,
    };
    OutboxRow {
        id: id.to_owned(),
        receiver: "chat".to_owned(),
        recipient: String::new(),
        lane: lane.to_owned(),
        created: T0,
        not_before: T0,
        deadline: T0.plus(DAY_MS),
        attempts: 0,
        state: OutboxState::Pending,
        uncertain: false,
        plain: false,
        error: None,
        instead_of: None,
        notification: Notification {
            version: NOTIFICATION_VERSION,
            reason,
            at: T0,
            receiver: "chat".to_owned(),
            group_key: lane.to_owned(),
            group: BTreeMap::from([("bucket".to_owned(), "thanos".to_owned()), ("lane".to_owned(), lane.to_owned())]),
            incident: format!("incident of {lane}"),
            began: T0,
            ended: matches!(reason, Reason::Ended | Reason::FiredAndEnded).then_some(T0),
            alerts: vec![notified(lane, news)],
            more: 0,
            repeat_ms: Some(HOUR_MS),
            parts: Vec::new(),
            text: None,
        },
    }
}

fn fired(id: &str, lane: &str) -> OutboxRow {
    row(id, lane, Reason::First)
}

fn ended(id: &str, lane: &str) -> OutboxRow {
    row(id, lane, Reason::Ended)
}

fn settings(name: &str, kind: ReceiverKind) -> ReceiverSettings {
    ReceiverSettings {
        name: name.to_owned(),
        fallback: None,
        daily_test_minute: None,
        timeout_ms: 10_000,
        per_minute: 6_000,
        burst: 100,
        kind,
    }
}

fn slack() -> ReceiverSettings {
    let kind = SlackSettings {
        access: SlackAccess::Webhook(SecretSource::Inline(Secret::new("x".to_owned()))),
        api_url: String::new(),
        http: ClientSettings::default(),
    };
    settings("chat", ReceiverKind::Slack(Box::new(kind)))
}

fn webhook() -> ReceiverSettings {
    let kind = WebhookSettings {
        url: SecretSource::Inline(Secret::new("x".to_owned())),
        max_alerts: 0,
        http: ClientSettings::default(),
    };
    settings("chat", ReceiverKind::Webhook(Box::new(kind)))
}

fn mail(to: &[&str]) -> ReceiverSettings {
    let kind = MailSettings {
        from: "a@example.org".to_owned(),
        to: to.iter().map(|to| (*to).to_owned()).collect(),
        host: "mail".to_owned(),
        port: 25,
        security: MailSecurity::None,
        tls: TlsSettings::default(),
        login: None,
        hello: None,
    };
    settings("mail", ReceiverKind::Mail(Box::new(kind)))
}
