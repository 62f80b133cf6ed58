//! Two notifications as one.

use super::super::coalesce::{can_merge, coalesce, merge};
use super::super::digest::digest;
use super::*;

#[test]
fn what_is_new_is_what_was_not_told() {
    use News::{Better, Ended, Fired, FiredAndEnded, Flapping, Settled, Worse};
    for (was, now, expected) in [
        (Some(Fired), Some(Ended), Some(FiredAndEnded)),
        (Some(Fired), Some(Worse), Some(Fired)),
        (Some(Fired), Some(Better), Some(Fired)),
        (Some(Fired), Some(Flapping), Some(Flapping)),
        (Some(Fired), None, Some(Fired)),
        (Some(FiredAndEnded), Some(Fired), Some(Fired)),
        (Some(FiredAndEnded), Some(Ended), Some(FiredAndEnded)),
        (Some(Worse), Some(Ended), Some(Ended)),
        (Some(Worse), Some(Better), Some(Better)),
        (Some(Ended), Some(Fired), Some(Fired)),
        // the receiver believes that it fires
        (Some(Ended), Some(FiredAndEnded), Some(Ended)),
        (Some(Flapping), Some(Settled), Some(Settled)),
        (None, Some(Worse), Some(Worse)),
        (None, None, None),
    ] {
        let of = |id: &str, news| {
            let mut row = row(id, "l1", Reason::Repeat);
            row.notification.alerts = vec![notified("f1", news)];
            row
        };
        let merged = coalesce([of("a", was), of("b", now)]).unwrap();
        assert_eq!(merged.alerts[0].news, expected, "{was:?}, then {now:?}");
        assert_eq!(merged.alerts.len(), 1);
    }
}

#[test]
fn the_reason_is_that_of_both() {
    use Reason::{Ended, FiredAndEnded, First, Flapping, NewAlerts, Repeat, SomeEnded, Worse};
    for (was, now, expected) in [
        (First, Ended, FiredAndEnded),
        (First, NewAlerts, First),
        (First, Worse, First),
        (FiredAndEnded, First, First),
        (FiredAndEnded, FiredAndEnded, FiredAndEnded),
        (Worse, Ended, Ended),
        (Repeat, Ended, Ended),
        (NewAlerts, Repeat, NewAlerts),
        (Worse, Repeat, Worse),
        (Flapping, Repeat, Flapping),
        (Repeat, SomeEnded, SomeEnded),
        (Repeat, Repeat, Repeat),
    ] {
        assert_eq!(coalesce([row("a", "l1", was), row("b", "l1", now)]).unwrap().reason, expected, "{was:?}, {now:?}");
    }
    assert!(coalesce([]).is_none());
}

#[test]
fn alerts_are_those_of_the_newest_state_and_what_ended_before() {
    let with = |alerts: Vec<NotifiedAlert>, more| {
        let mut row = row("a", "l1", Reason::NewAlerts);
        (row.notification.alerts, row.notification.more) = (alerts, more);
        row
    };
    let mut bad = notified("bad", Some(News::Fired));
    bad.alert.content.severity = Severity::Critical;
    let older = with(vec![notified("hidden", Some(News::Fired)), notified("over", Some(News::Ended))], 0);
    let newer = with(vec![notified("new", Some(News::Fired)), bad], 3);
    let merged = coalesce([older.clone(), newer]).unwrap();
    let names: Vec<&str> = merged.alerts.iter().map(|one| one.alert.fingerprint.as_str()).collect();
    // worst first, what is over last; one of the three that were only counted is listed now
    assert_eq!((names, merged.more), (vec!["bad", "new", "hidden", "over"], 2));
    // where all that fire are listed, one that is not does not
    let merged = coalesce([older, with(vec![notified("new", Some(News::Fired))], 0)]).unwrap();
    assert_eq!(merged.alerts.len(), 2);
}

#[test]
fn a_merged_row_is_as_doubtful_and_as_old_as_any_of_its_parts() {
    let older = OutboxRow {
        created: T0.minus(9),
        not_before: T0.plus(5),
        deadline: T0.plus(7),
        attempts: 3,
        uncertain: true,
        plain: true,
        error: Some("503".to_owned()),
        ..fired("a", "l1")
    };
    let merged = merge(older.clone(), ended("b", "l1"));
    let expected = OutboxRow { id: "b".to_owned(), notification: merged.notification.clone(), ..older };
    assert_eq!(merged, expected);
    assert_eq!(merged.notification.began, T0);
}

#[test]
fn incidents_that_were_told_are_told_to_their_end() {
    let of = |incident: &str, reason| {
        let mut row = row("a", "l1", reason);
        incident.clone_into(&mut row.notification.incident);
        row
    };
    let doubtful = OutboxRow { uncertain: true, ..of("1", Reason::FiredAndEnded) };
    let instead = OutboxRow { instead_of: Some("x".to_owned()), ..of("1", Reason::First) };
    for (older, newer, expected) in [
        (of("1", Reason::First), of("1", Reason::Ended), true),
        (of("1", Reason::Ended), of("2", Reason::First), false),
        (of("1", Reason::FiredAndEnded), of("2", Reason::First), true),
        (doubtful, of("2", Reason::First), false),
        (of("1", Reason::Test), of("1", Reason::Test), false),
        (of("1", Reason::Digest), of("1", Reason::First), false),
        (instead, of("1", Reason::Ended), false),
    ] {
        assert_eq!(can_merge(&older, &newer), expected, "{:?}", (older.notification.reason, newer.notification.reason));
    }
}

#[test]
fn a_digest_has_each_incident_once_and_says_what_they_have_in_common() {
    let first =
        digest(vec![fired("a", "l1"), OutboxRow { uncertain: true, ..fired("b", "l2") }], 7, T0.plus(1)).unwrap();
    assert_eq!((first.notification.reason, first.notification.more, first.uncertain), (Reason::Digest, 7, true));
    assert_eq!(first.notification.group, BTreeMap::from([("bucket".to_owned(), "thanos".to_owned())]));
    assert_eq!((first.notification.ended, first.notification.incident.as_str()), (None, first.id.as_str()));
    // made again of the same it is the same
    let again =
        digest(vec![fired("a", "l1"), OutboxRow { uncertain: true, ..fired("b", "l2") }], 7, T0.plus(1)).unwrap();
    assert_eq!(again, first);
    // it failed; what came in the meantime goes into it
    let failed = OutboxRow { attempts: 2, plain: true, ..first };
    let second = digest(vec![failed, ended("c", "l1"), ended("d", "l2")], 0, T0.plus(9)).unwrap();
    let reasons: Vec<_> = second.notification.parts.iter().map(|part| part.reason).collect();
    assert_eq!(reasons, [Reason::FiredAndEnded, Reason::FiredAndEnded]);
    assert_eq!((second.attempts, second.plain, second.notification.ended), (2, true, Some(T0)));
    assert!(digest(Vec::new(), 0, T0).is_none());
}
