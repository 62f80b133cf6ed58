//! What is remembered of alerts, groups, silences, and of notifications that were decided.

use std::collections::BTreeSet;

use super::*;
use crate::model::{
    Alert, AlertContent, AlertingChange, Group, NOTIFICATION_VERSION, News, Notification, NotifiedAlert, OutboxRow,
    OutboxState, Phase, Reason, Silence, Told,
};

pub(super) fn alert(fingerprint: &str, phase: Phase) -> Alert {
    Alert {
        fingerprint: fingerprint.to_owned(),
        id: "coverage_gap".to_owned(),
        name: "BlockwardenCoverageGap".to_owned(),
        content: AlertContent {
            severity: Severity::Critical,
            bucket: "thanos".to_owned(),
            stream: Some(Labels::from([("cluster", "eu \"1\"")])),
            resolution: Some("raw".to_owned()),
            block: Some(ulid(1).to_string()),
            object: Some("index".to_owned()),
            interval_ms: Some((i64::MIN, i64::MAX)),
            message: "a hole".to_owned(),
            remedy: "fill it".to_owned(),
            deadline: Some(T0.plus(HOUR_MS)),
            evidence: BTreeMap::from([("lost".to_owned(), serde_json::json!({"ms": 7, "of": [1, 2]}))]),
        },
        phase,
        since: T0,
        fired_at: Some(T0.plus(1)),
        healed_at: Some(T0.plus(2)),
        end: Some(FindingEnd::Expired),
        ended_at: (phase == Phase::Ended).then(|| T0.plus(3)),
        unknown_since: Some(T0.plus(4)),
        frozen_ms: 0,
        edges: vec![T0, T0.plus(2)],
        flapping_since: Some(T0.plus(5)),
    }
}

pub(super) fn group(receiver: &str, key: &str) -> Group {
    Group {
        receiver: receiver.to_owned(),
        key: key.to_owned(),
        labels: BTreeMap::from([("bucket".to_owned(), "thanos".to_owned())]),
        incident: "00000000000000ab".to_owned(),
        began: None,
        news_since: Some(T0),
        told_at: None,
        waiting: BTreeSet::new(),
        told: BTreeMap::from([("f1".to_owned(), Told { severity: Severity::Warning, flapping: true })]),
    }
}

pub(super) fn silence(id: &str) -> Silence {
    Silence {
        id: id.to_owned(),
        matchers: "{cluster=\"eu1\"}".to_owned(),
        starts: T0,
        ends: T0.plus(HOUR_MS),
        author: "ada".to_owned(),
        comment: "a move".to_owned(),
        created: T0.minus(1),
    }
}

/// A row in the lane `lane` of the receiver `chat`.
pub(super) fn row(id: &str, lane: &str) -> OutboxRow {
    let notified = NotifiedAlert { alert: alert("f1", Phase::Firing), news: Some(News::Fired) };
    OutboxRow {
        id: id.to_owned(),
        receiver: "chat".to_owned(),
        recipient: "ada@example.org".to_owned(),
        lane: lane.to_owned(),
        created: T0,
        not_before: T0.plus(1),
        deadline: T0.plus(DAY_MS),
        attempts: 2,
        state: OutboxState::Pending,
        uncertain: false,
        plain: true,
        error: Some("no".to_owned()),
        instead_of: Some("pager".to_owned()),
        notification: Notification {
            version: NOTIFICATION_VERSION,
            reason: Reason::First,
            at: T0,
            receiver: "chat".to_owned(),
            group_key: lane.to_owned(),
            group: BTreeMap::from([("bucket".to_owned(), "thanos".to_owned())]),
            incident: format!("incident of {lane}"),
            began: T0,
            ended: None,
            alerts: vec![notified],
            more: 3,
            repeat_ms: Some(HOUR_MS),
            parts: Vec::new(),
            text: None,
        },
    }
}

fn decided() -> AlertingChange {
    AlertingChange {
        alerts: vec![alert("f1", Phase::Firing), alert("f2", Phase::Ended)],
        groups: vec![group("chat", "g1"), group("mail", "g1")],
        silences: vec![silence("s1")],
        outbox: vec![row("r1", "l1"), row("r2", "l2")],
        ..AlertingChange::default()
    }
}

/// What the file of version 3 holds beside the blocks: [`decided`], and `r1` of it was sent.
pub(super) fn remembered() -> (AlertingPast, Vec<OutboxRow>) {
    let decided = decided();
    let past = AlertingPast {
        alerts: decided.alerts,
        groups: decided.groups,
        silences: decided.silences,
        ended_unseen: BTreeMap::new(),
    };
    (past, vec![row("r2", "l2")])
}

#[test]
fn what_is_decided_comes_back_as_it_was_and_goes_when_it_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let mut ledger = Ledger::open(&path, Access::Write).unwrap();
    // to commit the same again changes nothing
    for _ in 0..2 {
        ledger.commit_alerting(&decided(), T0).unwrap();
        assert_eq!(ledger.load_alerting().unwrap(), remembered().0);
        assert_eq!(ledger.outbox().unwrap().waiting().unwrap(), decided().outbox);
    }
    let worse = Group { told_at: Some(T0), ..group("mail", "g1") };
    let over = AlertingChange {
        alerts: vec![alert("f1", Phase::Ended)],
        forgotten: vec!["f2".to_owned()],
        groups: vec![worse.clone()],
        closed: vec![("chat".to_owned(), "g1".to_owned())],
        silences: vec![silence("s2")],
        dropped_silences: vec!["s1".to_owned()],
        ..AlertingChange::default()
    };
    // with a judgement as well as without one
    let transition = Transition { at: T0, alerting: over, ..Transition::default() };
    ledger.commit(&[], &transition).unwrap();
    drop(ledger);
    let reader = Ledger::open(&path, Access::Read).unwrap();
    let past = AlertingPast {
        alerts: vec![alert("f1", Phase::Ended)],
        groups: vec![worse],
        silences: vec![silence("s2")],
        ended_unseen: BTreeMap::new(),
    };
    assert_eq!(reader.load_alerting().unwrap(), past);
}

#[test]
fn a_change_that_cannot_be_kept_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let mut ledger = Ledger::open(&path, Access::Write).unwrap();
    // the finding has no bucket, so the notification about it is not kept either
    let finding = FindingChange::Ended { bucket: "x".into(), fingerprint: "f1".to_owned(), end: FindingEnd::Lost };
    let transition = Transition { at: T0, findings: vec![finding], alerting: decided(), ..Transition::default() };
    assert!(matches!(ledger.commit(&[], &transition), Err(LedgerError::UnknownBucket { .. })));
    assert_eq!(ledger.load_alerting().unwrap(), AlertingPast::default());
    assert!(ledger.outbox().unwrap().waiting().unwrap().is_empty());

    let mut reader = Ledger::open(&path, Access::Read).unwrap();
    assert!(matches!(reader.commit_alerting(&decided(), T0), Err(LedgerError::ReadOnly { .. })));
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(ledger.commit_alerting(&decided(), T0), Err(LedgerError::Displaced { .. })));
}

#[test]
fn how_findings_ended_that_nobody_watched_is_known() {
    let mut ledger = Ledger::in_memory().unwrap();
    commit(&mut ledger, &view(T0, [block(1)]), BucketTransition::default());
    let finding = |object: &str| Finding {
        check: "index_corrupt",
        subject: Subject { object: Some(object.to_owned()), ..Subject::bucket("thanos".into()) },
        severity: Severity::Critical,
        interval: None,
        message: String::new(),
        remedy: String::new(),
        deadline: None,
        evidence: BTreeMap::new(),
    };
    let fingerprint = |object: &str| finding(object).fingerprint();
    let ended =
        |object: &str, end| FindingChange::Ended { bucket: "thanos".into(), fingerprint: fingerprint(object), end };
    let steps = [
        // open; ended; ended twice, otherwise each time; back again; ended, and the alert knows it
        vec!["open", "ended", "twice", "back", "known"]
            .into_iter()
            .map(|object| FindingChange::Opened(finding(object)))
            .collect(),
        ["ended", "twice", "back", "known"].map(|object| ended(object, FindingEnd::Resolved)).to_vec(),
        ["twice", "back"].map(|object| FindingChange::Opened(finding(object))).to_vec(),
        vec![ended("twice", FindingEnd::Lost)],
    ];
    for (number, findings) in (0_i64..).zip(steps) {
        ledger.commit(&[], &Transition { at: T0.plus(number), findings, ..Transition::default() }).unwrap();
    }
    let firing = ["open", "ended", "twice", "back"].map(|object| alert(&fingerprint(object), Phase::Firing));
    let known = [alert(&fingerprint("known"), Phase::Ended), alert("a signal", Phase::Pending)];
    let alerts = firing.into_iter().chain(known).collect();
    ledger.commit_alerting(&AlertingChange { alerts, ..AlertingChange::default() }, T0).unwrap();
    let expected = [(fingerprint("ended"), FindingEnd::Resolved), (fingerprint("twice"), FindingEnd::Lost)].into();
    assert_eq!(ledger.load_alerting().unwrap().ended_unseen, expected);
}
