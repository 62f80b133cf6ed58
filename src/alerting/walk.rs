//! Random walks: whatever happens in whatever order, some things always hold.
//!
//! Findings come, go, change and become unknown, buckets are seen, not seen and taken out, silences begin and end, the
//! process is killed, time passes. [`Kit::commit`] compares the tables with what is in memory after each step.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::kit::*;
use super::*;
use crate::model::{HOUR_MS, MINUTE_MS, News, Notification, Reason, Severity, Window};

const BUCKETS: [&str; 2] = ["thanos", "b2"];

/// What may be wrong: of two buckets, with an inhibitor among it.
fn subject(number: usize, severity: Severity) -> Finding {
    let bucket = BUCKETS[number / 4 % 2];
    match number % 4 {
        0 => finding("bucket_unreachable", Severity::Critical, bucket, "a"),
        1 => finding("coverage_gap", severity, bucket, "a"),
        2 => finding("coverage_gap", severity, bucket, "b"),
        _ => finding("overlap", severity, bucket, "a"),
    }
}

#[derive(Clone, Debug)]
enum Op {
    There(usize, Severity),
    Gone(usize, FindingEnd),
    Unknown(usize),
    /// `None`: taken out. When it is not seen its findings are kept (`true`) or not there at all.
    Bucket(usize, Option<bool>, bool),
    Silence(usize, i64),
    Expire(usize),
    Restart,
    Passes(i64),
}

fn op() -> impl Strategy<Value = Op> {
    let severity = prop_oneof![Just(Severity::Critical), Just(Severity::Warning), Just(Severity::Info)];
    let end = prop_oneof![
        4 => Just(FindingEnd::Resolved),
        1 => Just(FindingEnd::Expired),
        1 => Just(FindingEnd::Lost),
        1 => Just(FindingEnd::Unwatched),
    ];
    let seen = prop_oneof![2 => Just(Some(true)), 2 => Just(Some(false)), 1 => Just(None)];
    prop_oneof![
        6 => (0..8_usize, severity).prop_map(|(number, severity)| Op::There(number, severity)),
        5 => (0..8_usize, end).prop_map(|(number, end)| Op::Gone(number, end)),
        1 => (0..8_usize).prop_map(Op::Unknown),
        1 => (0..2_usize, seen, any::<bool>()).prop_map(|(bucket, seen, kept)| Op::Bucket(bucket, seen, kept)),
        1 => (0..4_usize, 1..20_000_i64).prop_map(|(number, seconds)| Op::Silence(number, seconds)),
        1 => (0..4_usize).prop_map(Op::Expire),
        1 => Just(Op::Restart),
        8 => prop_oneof![3 => 1..20_i64, 4 => 20..200_i64, 2 => 200..4_000_i64, 1 => 4_000..200_000_i64].prop_map(Op::Passes),
    ]
}

/// `slack` hears everything, `mail` nothing but what is critical, each alone and without its end, `pager` not from 12:20
/// to 13:30.
fn walk_policy() -> AlertingPolicy {
    let zone = jiff::tz::TimeZone::UTC;
    let hours = Window::parse("12:20-13:30", zone.clone()).unwrap();
    let mut policy = policy();
    policy.receivers.insert("mail".to_owned(), ReceiverPolicy { send_resolved: false, ..receiver(&["a@b", "c@d"]) });
    policy.receivers.insert("pager".to_owned(), receiver(&[""]));
    policy.mute_times.insert("lunch".to_owned(), MuteTime { weekdays: Vec::new(), hours, zone });
    let critical = Route {
        matchers: selector(r#"{severity="critical"}"#),
        group_by: vec!["...".to_owned()],
        continues: true,
        ..route_to(&["mail"])
    };
    let pager = Route {
        matchers: selector(r#"{bucket="thanos"}"#),
        group_by: vec!["severity".to_owned()],
        mute: vec!["lunch".to_owned()],
        continues: true,
        ..route_to(&["pager"])
    };
    policy.routes = vec![critical, pager, route_to(&["slack"])];
    policy.flapping = Flapping { edges: 4, within_ms: 20 * MINUTE_MS, quiet_ms: 10 * MINUTE_MS };
    policy
}

/// What a receiver believes of an alert: how bad it is, and that it flaps.
type Belief = (Severity, bool);

#[derive(Clone, Debug)]
struct Walk {
    kit: Kit,
    /// What is really wrong; and whether its facts are unknown.
    wrong: BTreeMap<usize, (Severity, bool)>,
    /// Buckets that are not seen: their findings are kept.
    kept: BTreeMap<usize, bool>,
    believed: BTreeMap<(String, String), Belief>,
    told_at: BTreeMap<(String, String), TimestampMs>,
    /// Alerts that ended as resolved, or are about to.
    resolved: BTreeSet<String>,
    read: usize,
    restarts: bool,
}

impl Walk {
    fn new(restarts: bool) -> Self {
        let mut kit = Kit::new(walk_policy());
        kit.buckets.insert(BUCKETS[1].into(), true);
        let (wrong, kept, believed, told_at, resolved) = Default::default();
        Self { kit, wrong, kept, believed, told_at, resolved, read: 0, restarts }
    }

    fn run(mut self, ops: &[Op]) -> Self {
        for op in ops {
            self.apply(op);
            self.judge();
            let again = self.kit.judge();
            assert!(again.is_empty(), "the same judgement again changes something after {op:?}: {again:?}");
        }
        self
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::There(number, severity) => {
                let looked = self.seen(*number) == Some(true);
                if looked {
                    self.wrong.insert(*number, (*severity, false));
                }
            }
            Op::Gone(number, end) => {
                let looked = self.seen(*number) == Some(true);
                if looked && self.wrong.remove(number).is_some() {
                    self.kit.ended.insert(subject(*number, Severity::Warning).fingerprint(), *end);
                }
            }
            Op::Unknown(number) => {
                self.wrong.entry(*number).and_modify(|(_, unknown)| *unknown = true);
            }
            Op::Bucket(bucket, seen, kept) => {
                self.kit.buckets.remove(BUCKETS[*bucket]);
                self.kit.buckets.extend(seen.map(|seen| (BUCKETS[*bucket].into(), seen)));
                self.kept.insert(*bucket, *kept);
                if seen.is_none() {
                    self.wrong.retain(|number, _| number / 4 != *bucket);
                }
            }
            Op::Silence(number, seconds) => {
                let matchers = ["{}", r#"{severity="warning"}"#, r#"{bucket="b2"}"#, r#"{replica="a"}"#][*number];
                let from = self.kit.now.plus(if *number == 2 { 60_000 } else { 0 });
                let own = silence(&format!("s{number}"), matchers, from, from.plus(seconds * 1_000));
                let change = self.kit.alerting.silence(own);
                self.kit.commit(change);
            }
            Op::Expire(number) => {
                if let Some(change) = self.kit.alerting.expire_silence(&format!("s{number}"), self.kit.now) {
                    self.kit.commit(change);
                }
            }
            Op::Restart => {
                if self.restarts {
                    self.kit.restart();
                    let change = self.kit.tick();
                    assert!(change.is_empty(), "a restart changes something: {change:?}");
                }
            }
            Op::Passes(seconds) => self.pass(*seconds),
        }
    }

    fn seen(&self, number: usize) -> Option<bool> {
        self.kit.buckets.get(BUCKETS[number / 4]).copied()
    }

    fn pass(&mut self, seconds: i64) {
        let until = self.kit.now.plus(seconds * 1_000);
        while let Some(due) = self.kit.alerting.next_due(&self.kit.policy).filter(|due| *due <= until) {
            // a moment before nothing happens, judged or not
            let before = due.minus(1).max(self.kit.now);
            if before.plus(1) == due {
                self.kit.now = before;
                let change = self.kit.judge();
                assert!(change.is_empty(), "something happens before it is due at {due}: {change:?}");
            }
            self.kit.now = self.kit.now.max(due);
            self.kit.tick();
            self.check(false);
        }
        self.kit.now = until;
    }

    fn judge(&mut self) {
        self.kit.findings.clear();
        self.kit.kept.clear();
        for (number, (severity, unknown)) in self.wrong.clone() {
            let kept = self.kept.get(&(number / 4)).copied().unwrap_or_default();
            let Some(seen) = self.seen(number) else { continue };
            if seen || kept {
                let fingerprint = self.kit.open(subject(number, severity));
                if !seen || unknown {
                    self.kit.kept.insert(fingerprint);
                }
            }
        }
        self.kit.judge();
        self.check(true);
    }

    /// What holds after each step.
    fn check(&mut self, judged: bool) {
        let new: Vec<Notification> = self.kit.outbox[self.read..].iter().map(|row| row.notification.clone()).collect();
        let rows = &self.kit.outbox[self.read..];
        let first_row = |one: &Notification| rows.iter().position(|row| row.notification == *one);
        self.read = self.kit.outbox.len();
        for (place, notification) in new.iter().enumerate() {
            // the second recipient is told the same
            if first_row(notification) == Some(place) {
                Self::check_told(&mut self.believed, &mut self.told_at, notification);
            }
        }
        self.believed.retain(|(receiver, fingerprint), _| {
            // its end is not told
            receiver != "mail" || self.kit.alert(fingerprint).phase != Phase::Ended
        });
        for alert in self.kit.alerting.alerts.values() {
            let resolved = alert.end == Some(FindingEnd::Resolved);
            let is_new = resolved && !self.resolved.contains(&alert.fingerprint);
            let seen = self.kit.buckets.get(alert.content.bucket.as_str());
            assert!(!is_new || (judged && seen == Some(&true)), "resolved without a look: {alert:?}");
            if alert.phase == Phase::Ended {
                assert!(alert.healed_at.is_some() && alert.end.is_some() && alert.unknown_since.is_none());
            }
        }
        let alerts = self.kit.alerting.alerts.values();
        let resolved = alerts.filter(|alert| alert.end == Some(FindingEnd::Resolved));
        self.resolved = resolved.map(|alert| alert.fingerprint.clone()).collect();
    }

    /// Each word of a notification is true of what the receiver believes, and there is a word, or a repeat was due.
    fn check_told(
        believed: &mut BTreeMap<(String, String), Belief>,
        told_at: &mut BTreeMap<(String, String), TimestampMs>,
        notification: &Notification,
    ) {
        let receiver = &notification.receiver;
        for one in &notification.alerts {
            let id = (receiver.clone(), one.alert.fingerprint.clone());
            let (severity, flaps) = (one.alert.content.severity, one.alert.flapping_since.is_some());
            let before = believed.get(&id).copied();
            let is_true = match one.news {
                None => before.is_some_and(|before| before.1 == flaps),
                Some(News::Fired) => before.is_none() && !flaps,
                Some(News::Flapping) => flaps && before.is_none_or(|before| !before.1),
                Some(News::Settled) => !flaps && before.is_some_and(|before| before.1),
                Some(News::Worse) => before.is_some_and(|before| severity < before.0),
                Some(News::Better) => before.is_some_and(|before| severity > before.0),
                Some(News::Ended) => before.is_some() && one.alert.phase == Phase::Ended && receiver != "mail",
                Some(News::FiredAndEnded) => before.is_none() && one.alert.phase == Phase::Ended,
            };
            assert!(is_true, "{receiver} believes {before:?} and is told {one:?}");
            if one.alert.phase == Phase::Ended {
                believed.remove(&id);
            } else {
                let worst = before.filter(|_| flaps).map_or(severity, |before| before.0.min(severity));
                believed.insert(id, (worst, flaps));
            }
        }
        let group = (receiver.clone(), notification.group_key.clone());
        let last = told_at.insert(group, notification.at);
        if notification.alerts.iter().all(|one| one.news.is_none()) {
            assert_eq!(notification.reason, Reason::Repeat);
            let pause = last.map(|last| notification.at.since(last));
            assert!(pause.is_some_and(|pause| pause >= HOUR_MS), "repeated after {pause:?}");
        }
    }

    /// Everything is healed, and the time passes: everybody is told.
    fn drain(mut self) {
        for number in 0..2 {
            self.apply(&Op::Bucket(number, Some(true), false));
        }
        let still: Vec<usize> = self.wrong.keys().copied().collect();
        for number in still.iter().filter(|number| **number != 1) {
            self.wrong.remove(number);
        }
        self.wrong.entry(1).and_modify(|(_, unknown)| *unknown = false);
        self.judge();
        self.pass(40_000);
        for (receiver, fingerprint) in self.believed.keys() {
            let alert = self.kit.alert(fingerprint);
            assert_eq!(alert.phase, Phase::Firing, "{receiver} still believes in {alert:?}");
        }
        let still = subject(1, Severity::Warning).fingerprint();
        assert!(self.believed.keys().all(|(_, fingerprint)| *fingerprint == still));
        self.wrong.clear();
        self.judge();
        self.pass(3 * 86_400);
        assert!(self.believed.is_empty() && self.kit.tables.groups.is_empty(), "{:?}", self.believed);
        assert!(self.kit.tables.alerts.is_empty());
    }

    fn bytes(&self) -> String {
        serde_json::to_string(&self.kit.outbox).unwrap() + &format!("{:?}", self.kit.tables)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_what_is_told_is_true_and_complete(ops in prop::collection::vec(op(), 1..60)) {
        let walk = Walk::new(true).run(&ops);
        // the same again, and by a process that is never killed
        prop_assert_eq!(walk.bytes(), Walk::new(true).run(&ops).bytes());
        prop_assert_eq!(walk.bytes(), Walk::new(false).run(&ops).bytes());
        walk.drain();
    }
}
