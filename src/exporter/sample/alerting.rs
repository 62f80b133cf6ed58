//! Alerts, silences and receivers of the sample: one alert that is told, one that is silenced, one that is not known any
//! more, one that has to wait, one that is over; a receiver that works and one that does not.

use std::collections::BTreeMap;

use super::{NOW, hours_ago};
use crate::model::{
    Alert, AlertContent, AlertingStatus, DeliveryOutcome, Durations, FailureClass, FindingEnd, HOUR_MS,
    HeartbeatStatus, Labels, MINUTE_MS, Phase, ReceiverStatus, Severity, ShownAlert, Silence, WatchdogStatus,
};

fn shown(id: &str, severity: Severity, bucket: &str, replica: Option<&str>, phase: Phase) -> ShownAlert {
    let content = AlertContent {
        severity,
        bucket: bucket.to_owned(),
        stream: replica.map(|replica| Labels::from([("cluster", "eu1"), ("replica", replica)])),
        resolution: replica.map(|_| "raw".to_owned()),
        block: None,
        object: None,
        interval_ms: replica.map(|_| (hours_ago(20).0, hours_ago(16).0)),
        message: "something is wrong".to_owned(),
        remedy: "mend it".to_owned(),
        deadline: replica.map(|_| NOW.plus(10 * HOUR_MS)),
        evidence: BTreeMap::from([("count".to_owned(), 1.into())]),
    };
    let ended = phase == Phase::Ended;
    let alert = Alert {
        fingerprint: format!("{id}-{bucket}-{}", replica.unwrap_or_default()),
        id: id.to_owned(),
        name: format!("Blockwarden_{id}"),
        content,
        phase,
        since: hours_ago(3),
        fired_at: (phase != Phase::Pending).then(|| hours_ago(2)),
        healed_at: ended.then(|| hours_ago(1)),
        end: ended.then_some(FindingEnd::Resolved),
        ended_at: ended.then(|| hours_ago(1)),
        unknown_since: None,
        edges: vec![hours_ago(3)],
        frozen_ms: 0,
        flapping_since: None,
    };
    ShownAlert { alert, suppressed: None, receivers: vec!["oncall".to_owned()] }
}

pub(super) fn status() -> AlertingStatus {
    let mut unknown = shown("upload_lag", Severity::Warning, "archive", Some("a"), Phase::Firing);
    unknown.alert.unknown_since = Some(hours_ago(1));
    let mut silenced = shown("deletion_overdue", Severity::Warning, "thanos", Some("a"), Phase::Firing);
    silenced.suppressed = Some(("silence", "00000000000000aa".to_owned()));
    let mut untold = shown("clock_skew", Severity::Warning, "thanos", Some("b"), Phase::Pending);
    untold.receivers = vec!["oncall".to_owned(), "ops".to_owned()];
    let silence = |id: &str, starts, ends| Silence {
        id: id.to_owned(),
        matchers: "{check=\"deletion_overdue\"}".to_owned(),
        starts,
        ends,
        author: "ada".to_owned(),
        comment: "being mended".to_owned(),
        created: hours_ago(2),
    };
    AlertingStatus {
        enabled: true,
        at: NOW,
        alerts: vec![
            shown("coverage_gap", Severity::Critical, "thanos", Some("b"), Phase::Firing),
            shown("bucket_unreachable", Severity::Critical, "archive", None, Phase::Firing),
            silenced,
            unknown,
            untold,
            shown("partial_upload", Severity::Warning, "thanos", Some("a"), Phase::Ended),
        ],
        silences: vec![
            silence("00000000000000aa", hours_ago(2), NOW.plus(HOUR_MS)),
            silence("silences[0]", NOW.plus(HOUR_MS), NOW.plus(2 * HOUR_MS)),
        ],
        suppressed: BTreeMap::from([("silence", 4), ("inhibition", 2)]),
        watchdogs: BTreeMap::from([
            ("eu1".to_owned(), WatchdogStatus { within_ms: 5 * MINUTE_MS, last_seen: Some(hours_ago(1)) }),
            ("us1".to_owned(), WatchdogStatus { within_ms: MINUTE_MS, last_seen: None }),
        ]),
        heartbeat: Some(HeartbeatStatus { counts: (40, 1), last_success: Some(NOW), error: None }),
    }
}

pub(super) fn receivers() -> Vec<ReceiverStatus> {
    let mut latency = Durations::default();
    latency.add(250);
    vec![
        ReceiverStatus {
            receiver: "oncall".to_owned(),
            kind: "slack",
            outcomes: BTreeMap::from([
                ((DeliveryOutcome::Sent, None), 12),
                ((DeliveryOutcome::Failed, Some(FailureClass::RateLimited)), 3),
            ]),
            latency,
            last_success: Some(NOW),
            ..ReceiverStatus::default()
        },
        ReceiverStatus {
            receiver: "ops".to_owned(),
            kind: "mail",
            pending: 2,
            oldest_pending: Some(hours_ago(1)),
            dead: 1,
            failing_since: Some(hours_ago(1)),
            failure: Some((FailureClass::Authentication, "535 5.7.8 not accepted".to_owned())),
            ..ReceiverStatus::default()
        },
    ]
}
