//! Notifications and their rows of the outbox, as they are made once it is decided that a group is told.

use sha2::{Digest, Sha256};

use super::DEADLINE_MS;
use crate::model::{
    Alert, Group, Labels, NOTIFICATION_VERSION, News, Notification, NotifiedAlert, OutboxRow, OutboxState, Phase,
    Reason, Severity, TimestampMs,
};

/// Alerts in one notification; what else fires is counted.
const MAX_ALERTS: usize = 200;

/// 16 hex digits that tell these texts from others: ids of what is told are made of them.
pub fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // a length before each part, so that no two lists run together
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    let head = hash.finalize().iter().take(8).fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
    format!("{head:016x}")
}

/// The incident that begins with the first notification.
pub(super) fn incident(group: &Group, now: TimestampMs) -> String {
    digest(&[&group.receiver, &group.key, &now.0.to_string()])
}

/// Why a group is told: the most pressing of its news.
pub(super) fn reason(group: &Group, news: &[(&Alert, News)]) -> Reason {
    let any = |wanted: &[News]| news.iter().any(|(_, news)| wanted.contains(news));
    let is_told = |alert: &Alert| group.told.contains_key(&alert.fingerprint);
    let ends = [News::Ended, News::FiredAndEnded];
    let ending = news.iter().filter(|(alert, news)| ends.contains(news) && is_told(alert)).count();
    if news.is_empty() {
        Reason::Repeat
    } else if group.incident.is_empty() {
        if any(&[News::Fired, News::Flapping]) { Reason::First } else { Reason::FiredAndEnded }
    } else if any(&[News::Worse]) {
        Reason::Worse
    } else if any(&[News::Fired]) || news.iter().any(|(alert, news)| *news == News::Flapping && !is_told(alert)) {
        Reason::NewAlerts
    } else if ending == group.told.len() {
        Reason::Ended
    } else if any(&[News::FiredAndEnded]) {
        Reason::NewAlerts
    } else if any(&[News::Flapping, News::Settled]) {
        Reason::Flapping
    } else {
        Reason::SomeEnded
    }
}

/// Freezes what is told of a group that has already been brought up to date.
pub(super) fn notification(
    group: &Group,
    reason: Reason,
    mut alerts: Vec<(&Alert, Option<News>)>,
    repeat_ms: Option<i64>,
    now: TimestampMs,
) -> Notification {
    alerts.sort_by(|(a, _), (b, _)| place(a).cmp(&place(b)));
    let last = alerts.iter().filter_map(|(alert, _)| alert.ended_at).max().unwrap_or(now);
    let more = alerts.iter().skip(MAX_ALERTS).filter(|(alert, _)| !is_over(alert)).count();
    let listed = alerts.iter().take(MAX_ALERTS);
    Notification {
        version: NOTIFICATION_VERSION,
        reason,
        at: now,
        receiver: group.receiver.clone(),
        group_key: group.key.clone(),
        group: group.labels.clone(),
        incident: group.incident.clone(),
        began: group.began.unwrap_or(now),
        ended: group.told.is_empty().then_some(last),
        alerts: listed.map(|(alert, news)| NotifiedAlert { alert: (*alert).clone(), news: *news }).collect(),
        more: u64::try_from(more).unwrap_or(u64::MAX),
        repeat_ms,
        parts: Vec::new(),
        text: None,
    }
}

const fn is_over(alert: &Alert) -> bool {
    matches!(alert.phase, Phase::Ended)
}

/// The order in a notification: what fires before what is over, the worst first.
fn place(alert: &Alert) -> (bool, Severity, &str, &str, Option<&Labels>, &str) {
    let content = &alert.content;
    (is_over(alert), content.severity, &alert.id, &content.bucket, content.stream.as_ref(), &alert.fingerprint)
}

/// One row for each recipient.
pub(super) fn rows(notification: &Notification, recipients: &[String]) -> Vec<OutboxRow> {
    let at = notification.at;
    let row = |recipient: &String| OutboxRow {
        id: digest(&[
            &notification.receiver,
            recipient,
            &notification.group_key,
            &notification.incident,
            &at.0.to_string(),
            notification.reason.name(),
        ]),
        receiver: notification.receiver.clone(),
        recipient: recipient.clone(),
        lane: notification.group_key.clone(),
        created: at,
        not_before: at,
        deadline: at.plus(DEADLINE_MS),
        attempts: 0,
        state: OutboxState::Pending,
        uncertain: false,
        plain: false,
        error: None,
        instead_of: None,
        notification: notification.clone(),
    };
    recipients.iter().map(row).collect()
}
