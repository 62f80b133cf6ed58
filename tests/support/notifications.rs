//! Notifications as they come out of alerting, one of each kind.
#![expect(clippy::unwrap_used, reason = "whatever fails in here fails the test that uses it")]

use std::collections::BTreeMap;
use std::sync::Arc;

use blockwarden::catalogue;
use blockwarden::model::{
    Alert, AlertContent, Environment, FindingEnd, HOUR_MS, Labels, Links, MINUTE_MS, NOTIFICATION_VERSION, News,
    Notification, NotifiedAlert, OutboxRow, OutboxState, Phase, Reason, Severity, TimestampMs,
};
use blockwarden::notify::Context;
use serde_json::json;

/// When all of them are sent: at 3 a.m.
pub(crate) fn now() -> TimestampMs {
    TimestampMs::parse_rfc3339("2026-11-21T03:12:00Z").unwrap()
}

/// With links and the words of the program.
pub(crate) fn context() -> Context {
    Context {
        links: Links {
            page: "https://blockwarden.example.com".to_owned(),
            runbook: "https://docs.example.com/runbooks/{id}.md".to_owned(),
            dashboard: "https://grafana.example.com/d/{uid}?var-bucket={bucket}&from={from}&to={to}".to_owned(),
        },
        words: Arc::new(catalogue::embedded().unwrap().clone()),
        environment: Environment::default(),
    }
}

/// One alert that fires.
pub(crate) fn alert(id: &str, severity: Severity, stream: &[(&str, &str)], message: &str, remedy: &str) -> Alert {
    let name = catalogue::embedded().unwrap().entry(id).map_or_else(|| id.to_owned(), |entry| entry.name.clone());
    let labels = Labels(stream.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
    let since = now().minus(2 * HOUR_MS + 13 * MINUTE_MS);
    Alert {
        fingerprint: format!("{:016x}", message.len()),
        id: id.to_owned(),
        name,
        content: AlertContent {
            severity,
            bucket: "thanos".to_owned(),
            stream: (!stream.is_empty()).then_some(labels),
            resolution: Some("raw".to_owned()),
            block: None,
            object: None,
            interval_ms: None,
            message: message.to_owned(),
            remedy: remedy.to_owned(),
            deadline: None,
            evidence: BTreeMap::new(),
        },
        phase: Phase::Firing,
        since,
        fired_at: Some(since.plus(5 * MINUTE_MS)),
        healed_at: None,
        end: None,
        ended_at: None,
        unknown_since: None,
        frozen_ms: 0,
        edges: vec![since],
        flapping_since: None,
    }
}

/// The same, over.
pub(crate) fn ended(mut alert: Alert, end: FindingEnd) -> Alert {
    alert.phase = Phase::Ended;
    alert.end = Some(end);
    alert.healed_at = Some(now().minus(16 * MINUTE_MS));
    alert.ended_at = Some(now().minus(MINUTE_MS));
    alert
}

/// A row that tells of these alerts.
pub(crate) fn row(reason: Reason, alerts: Vec<(Alert, Option<News>)>) -> OutboxRow {
    let first = alerts.first().map(|(alert, _)| alert.clone());
    let mut group = BTreeMap::new();
    if let Some(alert) = &first {
        group.insert("alertname".to_owned(), alert.name.clone());
        group.insert("bucket".to_owned(), alert.content.bucket.clone());
        let cluster = alert.content.stream.as_ref().and_then(|labels| labels.get("cluster"));
        group.extend(cluster.map(|cluster| ("cluster".to_owned(), cluster.to_owned())));
    }
    let is_over = alerts.iter().all(|(alert, _)| alert.phase == Phase::Ended);
    let began = alerts.iter().map(|(alert, _)| alert.since).min().unwrap_or(now());
    let alerts: Vec<NotifiedAlert> = alerts.into_iter().map(|(alert, news)| NotifiedAlert { alert, news }).collect();
    OutboxRow {
        id: "00c0ffee00c0ffee".to_owned(),
        receiver: "on-call".to_owned(),
        recipient: "on-call@example.com".to_owned(),
        lane: "lane".to_owned(),
        created: now(),
        not_before: now(),
        deadline: now().plus(24 * HOUR_MS),
        attempts: 0,
        state: OutboxState::Inflight,
        uncertain: false,
        plain: false,
        error: None,
        instead_of: None,
        notification: Notification {
            version: NOTIFICATION_VERSION,
            reason,
            at: now(),
            receiver: "on-call".to_owned(),
            group_key: format!("{group:?}"),
            group,
            incident: "5eed5eed5eed5eed".to_owned(),
            began,
            ended: (is_over && reason != Reason::Test).then(|| now().minus(16 * MINUTE_MS)),
            alerts,
            more: 0,
            repeat_ms: Some(HOUR_MS),
            parts: Vec::new(),
            text: None,
        },
    }
}

/// A block whose chunks are damaged.
pub(crate) fn corrupt() -> Alert {
    let mut alert = alert(
        "chunk_corrupt",
        Severity::Critical,
        &[("cluster", "eu1"), ("replica", "a")],
        "block 01KAH8Z0V2M6N4Q8R5T7W9Y1B3 of {cluster=\"eu1\", replica=\"a\"}: `chunks/000002` at byte 4711 is damaged: \
         the checksum is not that of the data; hurt is 26 h of 1 series (`node_cpu_seconds_total`): queries over it fail",
        "restore `chunks/000002` from the bucket's versions, or upload the block again from the producer while it has it",
    );
    let start = TimestampMs::parse_rfc3339("2026-11-20T00:00:00Z").unwrap();
    alert.content.block = Some("01KAH8Z0V2M6N4Q8R5T7W9Y1B3".to_owned());
    alert.content.object = Some("01KAH8Z0V2M6N4Q8R5T7W9Y1B3/chunks/000002".to_owned());
    alert.content.interval_ms = Some((start.0, start.plus(26 * HOUR_MS).0));
    alert.content.deadline = Some(now().plus(5 * HOUR_MS + 48 * MINUTE_MS));
    alert.content.evidence = BTreeMap::from([
        ("count".to_owned(), json!(1)),
        ("block_bytes".to_owned(), json!(1_288_490_188_u64)),
        ("level".to_owned(), json!("full")),
        ("problems".to_owned(), json!(["CHK-03 at byte 4711"])),
        ("series".to_owned(), json!(18_432)),
        ("verified_at".to_owned(), json!("2026-11-21T00:58:41Z")),
    ]);
    alert
}

/// A hole that can be filled for some hours yet.
pub(crate) fn gap() -> Alert {
    let mut alert = alert(
        "coverage_gap",
        Severity::Critical,
        &[("cluster", "eu1"), ("replica", "b")],
        "{cluster=\"eu1\", replica=\"b\"} at resolution raw has a hole from 2026-11-19 14:00 to 2026-11-19 18:00: no \
         replica holds it; it is lost when the producer's local retention ends",
        "look in the producer's data directory for blocks of this time: if `thanos.shipper.json` names them as uploaded \
         take them out of it, or upload them with `thanos tools bucket upload-blocks`",
    );
    let start = TimestampMs::parse_rfc3339("2026-11-19T14:00:00Z").unwrap();
    alert.content.interval_ms = Some((start.0, start.plus(4 * HOUR_MS).0));
    alert.content.deadline = Some(start.plus(48 * HOUR_MS));
    alert.content.evidence = BTreeMap::from([
        ("missing".to_owned(), json!("4h")),
        ("streams".to_owned(), json!(["{cluster=\"eu1\", replica=\"b\"}"])),
    ]);
    alert
}

/// A stream that lags.
pub(crate) fn lag(number: usize) -> Alert {
    let shard = format!("shard-{number:02}");
    let mut alert = alert(
        "upload_lag",
        if number == 0 { Severity::Critical } else { Severity::Warning },
        &[("cluster", "eu1"), ("prometheus", &shard)],
        &format!(
            "{{cluster=\"eu1\", prometheus=\"{shard}\"}} has uploaded nothing for {number}h30m: the newest block ends 2026-11-20 21:00"
        ),
        "look at the log of the sidecar: can it write to the bucket?",
    );
    alert.fingerprint = format!("{number:016x}");
    alert.content.deadline = Some(now().plus((20 + i64::try_from(number).unwrap()) * HOUR_MS));
    alert
}

/// Each with a name for its picture and snapshot.
pub(crate) fn samples() -> Vec<(&'static str, OutboxRow)> {
    let fired = Some(News::Fired);
    let mut samples = vec![
        ("first_critical", row(Reason::First, vec![(corrupt(), fired)])),
        ("gap_with_deadline", row(Reason::First, vec![(gap(), fired)])),
        (
            "lag_of_twelve",
            row(Reason::NewAlerts, (0..12).map(|number| (lag(number), fired.filter(|_| number > 8))).collect()),
        ),
        ("repeat", row(Reason::Repeat, vec![(gap(), None)])),
    ];
    for (name, end) in [
        ("end_resolved", FindingEnd::Resolved),
        ("end_expired", FindingEnd::Expired),
        ("end_retired", FindingEnd::Retired),
        ("end_unwatched", FindingEnd::Unwatched),
        ("end_lost", FindingEnd::Lost),
    ] {
        samples.push((name, row(Reason::Ended, vec![(ended(corrupt(), end), Some(News::Ended))])));
    }
    let some_ended = vec![
        (lag(0), None),
        (ended(lag(3), FindingEnd::Resolved), Some(News::Ended)),
        (ended(lag(4), FindingEnd::Lost), Some(News::Ended)),
    ];
    samples.push(("some_ended", row(Reason::SomeEnded, some_ended)));
    let mut uncertain = row(Reason::First, vec![(corrupt(), fired)]);
    uncertain.uncertain = true;
    uncertain.instead_of = Some("slack-platform".to_owned());
    uncertain.notification.at = now().minus(40 * MINUTE_MS);
    samples.push(("uncertain_and_late", uncertain));
    let mut unseen = corrupt();
    unseen.unknown_since = Some(now().minus(35 * MINUTE_MS));
    unseen.content.deadline = Some(now().minus(3 * HOUR_MS));
    samples.push(("unseen_and_too_late", row(Reason::Repeat, vec![(unseen, None)])));
    let mut test = row(Reason::Test, Vec::new());
    test.notification.text = Some("Sent by `blockwarden notify-test`.".to_owned());
    test.notification.incident = String::new();
    test.notification.repeat_ms = None;
    samples.push(("test", test));
    samples.push(("digest", digest(40)));
    samples
}

/// So many groups in one message.
pub(crate) fn digest(groups: usize) -> OutboxRow {
    let ids = ["upload_lag", "coverage_gap", "partial_upload", "chunk_corrupt", "stream_missing"];
    let parts: Vec<Notification> = (0..groups)
        .zip(ids.iter().cycle())
        .map(|(number, id)| {
            let cluster = format!("c{number:02}");
            let severity = if number % 3 == 0 { Severity::Critical } else { Severity::Warning };
            let message = format!("{{cluster=\"{cluster}\"}} is not what it should be");
            let mut one = alert(id, severity, &[("cluster", &cluster)], &message, "look at it");
            one.content.bucket = format!("thanos-{}", number % 4);
            one.content.deadline = (number % 3 == 0).then(|| now().plus(i64::try_from(number).unwrap() * HOUR_MS));
            let one = match number % 10 {
                7 => ended(one, FindingEnd::Resolved),
                9 => ended(one, FindingEnd::Lost),
                _ => one,
            };
            row(Reason::First, vec![(one, Some(News::Fired))]).notification
        })
        .collect();
    let mut digest = row(Reason::Digest, Vec::new());
    digest.notification.began = parts.iter().map(|part| part.began).min().unwrap();
    digest.notification.ended = None;
    digest.notification.repeat_ms = None;
    digest.notification.incident = String::new();
    digest.notification.parts = parts;
    digest
}
