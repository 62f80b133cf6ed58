//! A world for the tests of alerting: findings that come and go, a clock, and the ledger beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{
    Alerting, AlertingPolicy, DEFAULT_GROUP_BY, Flapping, Kind, Observed, ReceiverPolicy, Route, SIGNAL_PREFIX, Signal,
};
use crate::model::{
    Alert, AlertContent, AlertingChange, Evidence, Finding, FindingEnd, Group, Labels, MINUTE_MS, Notification,
    OutboxRow, Resolution, SECOND_MS, Selector, Severity, Silence, Subject, TimestampMs,
};

/// 2026-01-02T12:00:00Z, a Friday: second 0 of all tests.
pub(super) const EPOCH: TimestampMs = TimestampMs(1_767_355_200_000);

/// So many seconds after it.
pub(super) const fn at(seconds: i64) -> TimestampMs {
    EPOCH.plus(seconds * SECOND_MS)
}

/// `overlap` (a warning) and `coverage_gap` (critical) by default: a minute each of `for` and `keep_firing_for`.
pub(super) fn finding(check: &'static str, severity: Severity, bucket: &str, replica: &str) -> Finding {
    let stream = Labels::from([("cluster", "eu1"), ("replica", replica)]);
    Finding {
        check,
        subject: Subject::stream(bucket.into(), Arc::new(stream), Resolution::Raw),
        severity,
        interval: None,
        message: format!("{check} of {replica} in {bucket}"),
        remedy: "Look.".to_owned(),
        deadline: None,
        evidence: Evidence::new(),
    }
}

pub(super) fn gap(replica: &str) -> Finding {
    finding("coverage_gap", Severity::Critical, "thanos", replica)
}

pub(super) fn overlap(replica: &str) -> Finding {
    finding("overlap", Severity::Warning, "thanos", replica)
}

pub(super) fn signal(id: &str, evidence: &[(&str, serde_json::Value)]) -> Signal {
    let content = AlertContent {
        severity: Severity::Critical,
        bucket: String::new(),
        stream: None,
        resolution: None,
        block: None,
        object: None,
        interval_ms: None,
        message: format!("{id} is there"),
        remedy: "Look.".to_owned(),
        deadline: None,
        evidence: evidence.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
    };
    Signal { fingerprint: format!("{SIGNAL_PREFIX}{id}"), id: id.to_owned(), content }
}

pub(super) fn selector(text: &str) -> Selector {
    Selector::parse(text).unwrap()
}

pub(super) fn route_to(receivers: &[&str]) -> Route {
    Route {
        name: "all".to_owned(),
        matchers: selector("{}"),
        receivers: receivers.iter().map(|name| (*name).to_owned()).collect(),
        group_by: DEFAULT_GROUP_BY.map(str::to_owned).to_vec(),
        group_wait_ms: None,
        group_interval_ms: None,
        repeat_interval_ms: None,
        mute: Vec::new(),
        continues: false,
    }
}

pub(super) fn receiver(recipients: &[&str]) -> ReceiverPolicy {
    ReceiverPolicy { recipients: recipients.iter().map(|one| (*one).to_owned()).collect(), send_resolved: true }
}

/// A minute of `for` and `keep_firing_for`, one route to `slack`; `bucket_unreachable` inhibits what is in the bucket.
pub(super) fn policy() -> AlertingPolicy {
    let kind = |name: &str, inhibited_by: &[&str]| Kind {
        name: name.to_owned(),
        hold_ms: MINUTE_MS,
        keep_ms: MINUTE_MS,
        inhibited_by: inhibited_by.iter().map(|id| (*id).to_owned()).collect(),
    };
    AlertingPolicy {
        kinds: [
            ("bucket_unreachable", kind("BlockwardenBucketUnreachable", &[])),
            ("coverage_gap", kind("BlockwardenCoverageGap", &["bucket_unreachable"])),
            ("notification_failing", kind("BlockwardenNotificationFailing", &[])),
            ("overlap", kind("BlockwardenOverlap", &["bucket_unreachable", "overlap"])),
            ("watchdog_silent", kind("BlockwardenWatchdogSilent", &[])),
        ]
        .map(|(id, kind)| (id.to_owned(), kind))
        .into(),
        routes: vec![route_to(&["slack"])],
        receivers: BTreeMap::from([("slack".to_owned(), receiver(&[""]))]),
        flapping: Flapping { edges: 6, within_ms: 60 * MINUTE_MS, quiet_ms: 30 * MINUTE_MS },
        ..AlertingPolicy::default()
    }
}

pub(super) fn silence(id: &str, matchers: &str, from: TimestampMs, to: TimestampMs) -> Silence {
    Silence {
        id: id.to_owned(),
        matchers: matchers.to_owned(),
        starts: from,
        ends: to,
        author: "ops".to_owned(),
        comment: "work".to_owned(),
        created: from,
    }
}

/// The tables of alerting, as a ledger keeps them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tables {
    pub(super) alerts: BTreeMap<String, Alert>,
    pub(super) groups: BTreeMap<(String, String), Group>,
    pub(super) silences: BTreeMap<String, Silence>,
}

impl Tables {
    pub(super) fn apply(&mut self, change: &AlertingChange) {
        self.alerts.extend(change.alerts.iter().map(|alert| (alert.fingerprint.clone(), alert.clone())));
        for fingerprint in &change.forgotten {
            assert!(self.alerts.remove(fingerprint).is_some(), "{fingerprint} was forgotten and is not known");
        }
        let groups = change.groups.iter();
        self.groups.extend(groups.map(|group| ((group.receiver.clone(), group.key.clone()), group.clone())));
        for id in &change.closed {
            assert!(self.groups.remove(id).is_some(), "{id:?} was closed and is not known");
        }
        self.silences.extend(change.silences.iter().map(|silence| (silence.id.clone(), silence.clone())));
        for id in &change.dropped_silences {
            assert!(self.silences.remove(id).is_some(), "{id} was dropped and is not known");
        }
    }

    /// What is in memory.
    pub(super) fn of(alerting: &Alerting) -> Self {
        Self { alerts: alerting.alerts.clone(), groups: alerting.groups.clone(), silences: alerting.silences.clone() }
    }
}

/// Everything that is judged, the policy, and what came of it.
#[derive(Clone, Debug)]
pub(super) struct Kit {
    pub(super) policy: AlertingPolicy,
    pub(super) alerting: Alerting,
    /// By fingerprint.
    pub(super) findings: BTreeMap<String, Finding>,
    pub(super) kept: BTreeSet<String>,
    /// What the next judgement says to have ended.
    pub(super) ended: BTreeMap<String, FindingEnd>,
    pub(super) buckets: BTreeMap<Arc<str>, bool>,
    pub(super) signals: Vec<Signal>,
    pub(super) now: TimestampMs,
    pub(super) tables: Tables,
    pub(super) outbox: Vec<OutboxRow>,
}

impl Kit {
    pub(super) fn new(policy: AlertingPolicy) -> Self {
        Self {
            policy,
            alerting: Alerting::default(),
            findings: BTreeMap::new(),
            kept: BTreeSet::new(),
            ended: BTreeMap::new(),
            buckets: BTreeMap::from([("thanos".into(), true)]),
            signals: Vec::new(),
            now: EPOCH,
            tables: Tables::default(),
            outbox: Vec::new(),
        }
    }

    pub(super) fn open(&mut self, finding: Finding) -> String {
        let fingerprint = finding.fingerprint();
        self.findings.insert(fingerprint.clone(), finding);
        fingerprint
    }

    pub(super) fn end(&mut self, fingerprint: &str, end: FindingEnd) {
        self.findings.remove(fingerprint).unwrap();
        self.kept.remove(fingerprint);
        self.ended.insert(fingerprint.to_owned(), end);
    }

    /// A judgement at the time that it is.
    pub(super) fn judge(&mut self) -> AlertingChange {
        let findings: Vec<Finding> = self.findings.values().cloned().collect();
        let ended = std::mem::take(&mut self.ended);
        let observed = Observed {
            findings: &findings,
            kept: &self.kept,
            ended: &ended,
            buckets: &self.buckets,
            signals: &self.signals,
        };
        let change = self.alerting.step(Some(observed), &self.policy, self.now);
        self.commit(change)
    }

    /// A moment without a judgement.
    pub(super) fn tick(&mut self) -> AlertingChange {
        let change = self.alerting.step(None, &self.policy, self.now);
        self.commit(change)
    }

    /// Takes a change over into the tables, and sees that they are what is in memory.
    pub(super) fn commit(&mut self, change: AlertingChange) -> AlertingChange {
        self.tables.apply(&change);
        assert_eq!(self.tables, Tables::of(&self.alerting));
        let due = self.alerting.next_due(&self.policy);
        assert!(due.is_none_or(|due| due > self.now || due.0 == 0), "due {due:?} at {}", self.now);
        self.outbox.extend(change.outbox.iter().cloned());
        change
    }

    /// Lets the time pass up to a second of the tests: whatever is due happens when it is due.
    pub(super) fn until(&mut self, seconds: i64) -> Vec<Notification> {
        let before = self.outbox.len();
        while let Some(due) = self.alerting.next_due(&self.policy).filter(|due| *due <= at(seconds)) {
            self.now = self.now.max(due);
            self.tick();
        }
        self.now = at(seconds);
        assert!(self.tick().is_empty(), "what was not due happened at second {seconds}");
        self.outbox[before..].iter().map(|row| row.notification.clone()).collect()
    }

    /// The time passes, then there is a judgement; what was told, as [`told`] writes it.
    pub(super) fn judge_at(&mut self, seconds: i64) -> Vec<String> {
        let mut told: Vec<String> = self.until(seconds).iter().map(text).collect();
        let change = self.judge();
        told.extend(change.outbox.iter().map(|row| text(&row.notification)));
        told
    }

    /// What is told until then.
    pub(super) fn told_until(&mut self, seconds: i64) -> Vec<String> {
        self.until(seconds).iter().map(text).collect()
    }

    pub(super) fn alert(&self, fingerprint: &str) -> &Alert {
        &self.alerting.alerts[fingerprint]
    }

    /// The process dies and is started again.
    pub(super) fn restart(&mut self) {
        let json = |value: serde_json::Value| value.to_string();
        let alerts = self.tables.alerts.values().map(|alert| json(serde_json::to_value(alert).unwrap()));
        let groups = self.tables.groups.values().map(|group| json(serde_json::to_value(group).unwrap()));
        let silences = self.tables.silences.values().map(|silence| json(serde_json::to_value(silence).unwrap()));
        self.alerting = Alerting::restore(
            alerts.map(|text| serde_json::from_str(&text).unwrap()).collect(),
            groups.map(|text| serde_json::from_str(&text).unwrap()).collect(),
            silences.map(|text| serde_json::from_str(&text).unwrap()).collect(),
            BTreeMap::new(),
        );
    }
}

/// `130 first slack: coverage_gap/a fired`: the second, the reason, the receiver, each alert with its news.
pub(super) fn text(notification: &Notification) -> String {
    let alerts = notification.alerts.iter().map(|one| {
        let content = &one.alert.content;
        let replica = content.stream.as_ref().and_then(|stream| stream.get("replica")).unwrap_or("-");
        let news = one.news.map(|news| serde_json::to_value(news).unwrap().as_str().unwrap().to_owned());
        format!("{}/{replica} {}", one.alert.id, news.as_deref().unwrap_or("still"))
    });
    let alerts: Vec<String> = alerts.collect();
    let seconds = notification.at.since(EPOCH) / SECOND_MS;
    format!("{seconds} {} {}: {}", notification.reason.name(), notification.receiver, alerts.join(", "))
}
