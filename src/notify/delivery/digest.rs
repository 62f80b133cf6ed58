//! Many notifications in one, for when they come faster than anybody reads. Pure.

use std::collections::BTreeMap;

use super::coalesce::merge_notifications;
use crate::model::{NOTIFICATION_VERSION, Notification, OutboxRow, OutboxState, Phase, Reason, TimestampMs};

/// The lane of digests. No group has this key: those are labels in braces.
pub(super) const DIGEST_LANE: &str = "(digest)";

/// More groups than this with something to tell one recipient are told as one: about as many as are read one by one.
pub(super) const DIGEST_AFTER: usize = 10;

/// From one digest to the next, in ms: the interval between two messages about one group of what is critical.
pub(super) const DIGEST_INTERVAL_MS: i64 = crate::model::MINUTE_MS;

/// Groups in one digest. More wait for the next one, the less severe ones, and are counted: a message of a megabyte is
/// taken by nobody.
pub(super) const DIGEST_PARTS: usize = 500;

/// One row that tells all that `rows` (at least one, in their order) were to tell. `waiting` = alerts that fire and are
/// told later.
pub(super) fn digest(rows: Vec<OutboxRow>, waiting: u64, now: TimestampMs) -> Option<OutboxRow> {
    let first = rows.first()?.clone();
    let mut id_parts = vec!["digest"];
    id_parts.extend(rows.iter().map(|row| row.id.as_str()));
    let id = OutboxRow::derived_id(&id_parts);
    let created = rows.iter().map(|row| row.created).min().unwrap_or(now);
    let deadline = rows.iter().map(|row| row.deadline).min().unwrap_or(now);
    let uncertain = rows.iter().any(|row| row.uncertain);
    // those of a digest that failed before
    let failed = rows.iter().filter(|row| row.notification.reason == Reason::Digest);
    let (attempts, plain) =
        failed.fold((0, false), |(attempts, plain), row| (attempts.max(row.attempts), plain || row.plain));
    let parts = parts(rows);
    let began = parts.iter().map(|part| part.began).min().unwrap_or(now);
    let is_over =
        parts.iter().all(|part| part.alerts.iter().all(|one| one.alert.phase == Phase::Ended) && part.more == 0);
    let ended = is_over.then(|| parts.iter().filter_map(|part| part.ended).max()).flatten();
    Some(OutboxRow {
        lane: DIGEST_LANE.to_owned(),
        created,
        not_before: now,
        deadline,
        attempts,
        state: OutboxState::Pending,
        uncertain,
        plain,
        error: None,
        instead_of: None,
        notification: Notification {
            version: NOTIFICATION_VERSION,
            reason: Reason::Digest,
            at: now,
            receiver: first.receiver.clone(),
            group_key: DIGEST_LANE.to_owned(),
            group: in_common(&parts),
            incident: id.clone(),
            began,
            ended,
            alerts: Vec::new(),
            more: waiting,
            repeat_ms: None,
            parts,
            text: None,
        },
        id,
        ..first
    })
}

/// What they tell, once per incident of a group; those of digests among them one by one.
fn parts(rows: Vec<OutboxRow>) -> Vec<Notification> {
    let mut parts: Vec<Notification> = Vec::new();
    let mut places: BTreeMap<(String, String), usize> = BTreeMap::new();
    for row in rows {
        let notification = row.notification;
        let is_digest = notification.reason == Reason::Digest;
        for part in if is_digest { notification.parts } else { vec![notification] } {
            let key = (part.group_key.clone(), part.incident.clone());
            let known = places.get(&key).and_then(|place| parts.get_mut(*place));
            match known {
                Some(older) => *older = merge_notifications(older.clone(), part),
                None => {
                    places.insert(key, parts.len());
                    parts.push(part);
                }
            }
        }
    }
    parts
}

fn in_common(parts: &[Notification]) -> BTreeMap<String, String> {
    let mut common = parts.first().map(|part| part.group.clone()).unwrap_or_default();
    common.retain(|name, value| parts.iter().all(|part| part.group.get(name) == Some(value)));
    common
}
