//! Several notifications of one group told as one: what is new in any of them, as it is now. Pure.

use crate::model::News;
use crate::model::{Notification, NotifiedAlert, OutboxRow, Phase, Reason};

/// Whether the two can be one. Messages of an incident that was told before belong together, so that the end of one
/// incident is not told as part of the next; a test is a message of its own.
pub(super) fn can_merge(older: &OutboxRow, newer: &OutboxRow) -> bool {
    let (one, other) = (&older.notification, &newer.notification);
    let apart = [one.reason, other.reason].iter().any(|reason| matches!(reason, Reason::Test | Reason::Digest));
    let is_untold = one.reason == Reason::FiredAndEnded && !older.uncertain;
    !apart && older.instead_of == newer.instead_of && (one.incident == other.incident || is_untold)
}

/// `older` and then `newer`, in one message. It has the newer's id, since a message with the older's may have arrived
/// and said less; and the older's deadline, so that a receiver that is gone for good does not live on news for ever.
pub(super) fn merge(older: OutboxRow, newer: OutboxRow) -> OutboxRow {
    OutboxRow {
        created: older.created.min(newer.created),
        not_before: older.not_before.max(newer.not_before),
        deadline: older.deadline.min(newer.deadline),
        attempts: older.attempts.max(newer.attempts),
        uncertain: older.uncertain || newer.uncertain,
        plain: older.plain || newer.plain,
        error: older.error.or(newer.error),
        notification: merge_notifications(older.notification, newer.notification),
        ..newer
    }
}

/// All of them in their order as one; `None` without any.
#[cfg(test)]
pub(super) fn coalesce(rows: impl IntoIterator<Item = OutboxRow>) -> Option<Notification> {
    rows.into_iter().reduce(merge).map(|row| row.notification)
}

/// See [`merge`].
pub(super) fn merge_notifications(older: Notification, newer: Notification) -> Notification {
    let is_untold = matches!(older.reason, Reason::First | Reason::FiredAndEnded);
    let is_over = newer.ended.is_some() || matches!(newer.reason, Reason::Ended | Reason::FiredAndEnded);
    let mut more = newer.more;
    let mut alerts = newer.alerts;
    for was in older.alerts {
        if let Some(now) = alerts.iter_mut().find(|now| now.alert.fingerprint == was.alert.fingerprint) {
            now.news = combine(was.news, now.news);
        } else if was.alert.phase == Phase::Ended {
            alerts.extend(was.news.is_some().then_some(was));
        } else if more > 0 {
            // one of those that fire and are not listed; otherwise it would be, as firing or as over
            more -= 1;
            alerts.push(was);
        }
    }
    sort(&mut alerts);
    let reason = match (is_over, is_untold) {
        (true, true) => Reason::FiredAndEnded,
        (true, false) => Reason::Ended,
        (false, true) => Reason::First,
        (false, false) => reason_of(&alerts),
    };
    Notification { reason, began: older.began.min(newer.began), alerts, more, ..newer }
}

/// Worst first, those that fire before those that are over.
pub(super) fn sort(alerts: &mut [NotifiedAlert]) {
    alerts.sort_by_key(|one| (one.alert.phase == Phase::Ended, one.alert.content.severity));
}

/// What is new about an alert of which neither was told.
const fn combine(was: Option<News>, now: Option<News>) -> Option<News> {
    match (was, now) {
        (was, None) => was,
        (Some(News::Fired | News::FiredAndEnded), Some(News::Ended)) => Some(News::FiredAndEnded),
        (Some(News::Fired), Some(News::Worse | News::Better | News::Settled)) => Some(News::Fired),
        // it was told as firing before that
        (Some(News::Ended), Some(News::FiredAndEnded)) => Some(News::Ended),
        (_, now) => now,
    }
}

fn reason_of(alerts: &[NotifiedAlert]) -> Reason {
    let any = |news: &[News]| alerts.iter().any(|one| one.news.is_some_and(|own| news.contains(&own)));
    if any(&[News::Fired]) {
        Reason::NewAlerts
    } else if any(&[News::Worse]) {
        Reason::Worse
    } else if any(&[News::Ended, News::Better, News::FiredAndEnded]) {
        Reason::SomeEnded
    } else if any(&[News::Flapping, News::Settled]) {
        Reason::Flapping
    } else {
        Reason::Repeat
    }
}
