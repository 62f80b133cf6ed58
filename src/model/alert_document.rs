//! Alerts, silences and notifications as programs get them: from the API and from commands alike. Every key is always
//! there; times are RFC 3339.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{FindingEnd, Labels, OutboxRow, Phase, ShownAlert, Silence, TimestampMs};

/// An alert as it is shown to programs.
#[derive(Debug, Serialize)]
pub struct AlertDocument<'a> {
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

#[derive(Debug, Serialize)]
struct Interval {
    start: TimestampMs,
    end: TimestampMs,
}

#[derive(Debug, Serialize)]
struct Suppressed<'a> {
    by: &'static str,
    id: &'a str,
}

impl ShownAlert {
    /// Where it is: what is not known any more is `unknown`, whatever it was before.
    pub const fn state(&self) -> &'static str {
        match (self.alert.phase, self.alert.unknown_since) {
            (Phase::Ended, _) => "ended",
            (_, Some(_)) => "unknown",
            (Phase::Pending, None) => "pending",
            (Phase::Firing, None) => "firing",
        }
    }
}

impl<'a> From<&'a ShownAlert> for AlertDocument<'a> {
    fn from(shown: &'a ShownAlert) -> Self {
        let (alert, content) = (&shown.alert, &shown.alert.content);
        Self {
            fingerprint: &alert.fingerprint,
            alertname: &alert.name,
            check: &alert.id,
            severity: content.severity.name(),
            state: shown.state(),
            phase: alert.phase,
            bucket: &content.bucket,
            stream: content.stream.as_ref(),
            resolution: content.resolution.as_deref(),
            block: content.block.as_deref(),
            object: content.object.as_deref(),
            interval: content
                .interval_ms
                .map(|(start, end)| Interval { start: TimestampMs(start), end: TimestampMs(end) }),
            message: &content.message,
            remedy: &content.remedy,
            deadline: content.deadline,
            evidence: &content.evidence,
            since: alert.since,
            fired_at: alert.fired_at,
            healed_at: alert.healed_at,
            ended_at: alert.ended_at,
            end: alert.end.map(FindingEnd::name),
            unknown_since: alert.unknown_since,
            flapping_since: alert.flapping_since,
            receivers: &shown.receivers,
            suppressed: shown.suppressed.as_ref().map(|(by, id)| Suppressed { by, id }),
        }
    }
}

/// A silence as it is shown.
#[derive(Debug, Serialize)]
pub struct SilenceDocument<'a> {
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

/// One notification on its way. What it tells is of no concern here, and long.
#[derive(Debug, Serialize)]
pub struct NotificationDocument<'a> {
    id: &'a str,
    receiver: &'a str,
    recipient: &'a str,
    state: &'static str,
    reason: &'static str,
    severity: &'static str,
    incident: &'a str,
    group: &'a BTreeMap<String, String>,
    alerts: usize,
    created: TimestampMs,
    not_before: TimestampMs,
    deadline: TimestampMs,
    attempts: u32,
    uncertain: bool,
    error: Option<&'a str>,
    instead_of: Option<&'a str>,
}

impl<'a> From<&'a OutboxRow> for NotificationDocument<'a> {
    fn from(row: &'a OutboxRow) -> Self {
        let notification = &row.notification;
        Self {
            id: &row.id,
            receiver: &row.receiver,
            recipient: &row.recipient,
            state: row.state.name(),
            reason: notification.reason.name(),
            severity: notification.severity().name(),
            incident: &notification.incident,
            group: &notification.group,
            alerts: notification.all_alerts().count(),
            created: row.created,
            not_before: row.not_before,
            deadline: row.deadline,
            attempts: row.attempts,
            uncertain: row.uncertain,
            error: row.error.as_deref(),
            instead_of: row.instead_of.as_deref(),
        }
    }
}
