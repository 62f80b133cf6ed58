//! What is next, by the planner alone.

use super::super::planner::{Batch, Next, Planner, Verdict};
use super::super::terms::Terms;
use super::*;
use crate::model::{FailureClass, MINUTE_MS, SECOND_MS};
use crate::notify::SendError;

fn planner(settings: &ReceiverSettings, rows: impl IntoIterator<Item = OutboxRow>) -> Planner {
    let mut planner = Planner::new(Terms::of(settings));
    rows.into_iter().for_each(|row| planner.add(row));
    planner
}

fn sent(planner: &mut Planner, now: TimestampMs) -> Batch {
    match planner.next(now) {
        Next::Send(batch) => batch,
        other @ (Next::GiveUp(..) | Next::Wait(_)) => panic!("{other:?}"),
    }
}

fn arrive(planner: &mut Planner, batch: &Batch, now: TimestampMs) {
    planner.arrived(&batch.row.id, now);
    planner.settle(&batch.row.id);
}

fn fail(planner: &mut Planner, batch: &Batch, class: FailureClass, now: TimestampMs) -> OutboxRow {
    match planner.failed(&batch.row.id, &SendError::new(class, "no"), now, &|most| most).unwrap() {
        Verdict::Again(row) => {
            planner.put_back(row.clone());
            row
        }
        Verdict::Dead(row) => panic!("{row:?}"),
    }
}

fn lanes(count: usize) -> impl Iterator<Item = OutboxRow> {
    (0..count).map(|number| fired(&format!("f{number:03}"), &format!("l{number:03}")))
}

#[test]
fn nothing_waits_for_ever_and_nothing_is_asked_for_too_often() {
    let mut empty = planner(&slack(), []);
    assert_eq!(empty.next(T0), Next::Wait(None));
    // one that is being sent, and one behind it in its lane: only its deadline is something to wake up for
    let mut busy = planner(&webhook(), [fired("a", "l1")]);
    let batch = sent(&mut busy, T0);
    busy.add(ended("b", "l1"));
    assert_eq!(busy.next(T0), Next::Wait(None));
    assert_eq!(busy.pending(), (2, Some(T0)));
    let row = fail(&mut busy, &batch, FailureClass::Transient, T0);
    assert_eq!(busy.next(T0), Next::Wait(Some(row.not_before)));
    assert_eq!(busy.pending(), (2, Some(T0)));
    let merged = sent(&mut busy, row.not_before);
    assert_eq!((merged.row.id.as_str(), merged.coalesced), ("b", vec!["a".to_owned()]));
}

#[test]
fn eleven_are_a_digest_and_ten_are_not() {
    let mut ten = planner(&slack(), lanes(10));
    assert_eq!(sent(&mut ten, T0).row.notification.reason, Reason::First);
    let mut eleven = planner(&slack(), lanes(11));
    let batch = sent(&mut eleven, T0);
    assert_eq!((batch.row.notification.parts.len(), batch.coalesced.len()), (11, 11));
    // lanes of other recipients have nothing to do with it
    let apart = lanes(20).enumerate().map(|(number, row)| OutboxRow { recipient: format!("{}", number % 2), ..row });
    assert_eq!(sent(&mut planner(&mail(&["0", "1"]), apart), T0).row.notification.reason, Reason::First);
    // nor have rows that are not due
    let due =
        lanes(11).enumerate().map(|(number, row)| OutboxRow { not_before: T0.plus(i64::from(number == 0)), ..row });
    assert_eq!(sent(&mut planner(&slack(), due), T0).row.notification.reason, Reason::First);
}

#[test]
fn of_a_storm_the_worst_is_told_first() {
    let mut rows: Vec<OutboxRow> = lanes(600).collect();
    for row in &mut rows[550..] {
        row.notification.alerts[0].alert.content.severity = Severity::Critical;
    }
    let digest = sent(&mut planner(&slack(), rows), T0).row.notification;
    assert_eq!((digest.parts.len(), digest.more), (500, 100));
    assert_eq!(digest.parts.iter().filter(|part| part.severity() == Severity::Critical).count(), 50);
}

#[test]
fn what_is_too_old_is_given_up_with_all_that_was_merged_into_it() {
    let mut planner = planner(&slack(), [fired("a", "l1"), fired("x", "l2")]);
    let batch = sent(&mut planner, T0);
    let late = T0.plus(DAY_MS);
    planner.add(OutboxRow { deadline: late.plus(HOUR_MS), ..row("b", "l1", Reason::Worse) });
    // not while it is being sent
    let Next::GiveUp(given_up, FailureClass::Deadline, _) = planner.next(late) else { panic!() };
    assert_eq!(given_up.row.id, "x");
    planner.settle("x");
    fail(&mut planner, &batch, FailureClass::Transient, late);
    let Next::GiveUp(given_up, FailureClass::Deadline, _) = planner.next(late) else { panic!() };
    assert_eq!((given_up.row.id.as_str(), given_up.coalesced), ("b", vec!["a".to_owned()]));
    planner.settle("b");
    assert_eq!((planner.next(late), planner.pending()), (Next::Wait(None), (0, None)));
}

#[test]
fn while_nobody_is_let_in_a_single_row_is_tried() {
    let mut planner = planner(&webhook(), lanes(3));
    let batch = sent(&mut planner, T0);
    fail(&mut planner, &batch, FailureClass::Authentication, T0);
    let mut now = T0.plus(MINUTE_MS);
    assert_eq!(planner.next(T0.plus(SECOND_MS)), Next::Wait(Some(now)));
    // many are no digest now: whether a single one arrives is the question
    lanes(30).skip(3).for_each(|row| planner.add(row));
    let batch = sent(&mut planner, now);
    assert_eq!(batch.row.id, "f000");
    assert_eq!(planner.next(now), Next::Wait(Some(T0.plus(DAY_MS))));
    // that nobody answers does not let us in
    let again = fail(&mut planner, &batch, FailureClass::Transient, now).not_before;
    assert_eq!(planner.next(now), Next::Wait(Some(again)));
    now = again;
    let batch = sent(&mut planner, now);
    arrive(&mut planner, &batch, now);
    assert_eq!(sent(&mut planner, now).row.notification.parts.len(), 29);
}

#[test]
fn when_the_clock_is_set_all_that_waits_moves_along() {
    for ms in [-400 * DAY_MS, 400 * DAY_MS] {
        let mut planner = planner(&slack(), [fired("a", "l1")]);
        let batch = sent(&mut planner, T0);
        planner.shift(ms);
        let now = T0.plus(ms);
        let not_before = fail(&mut planner, &batch, FailureClass::RateLimited, now).not_before;
        planner.shift(-ms);
        assert_eq!(planner.next(T0), Next::Wait(Some(not_before.minus(ms))));
        assert_eq!(sent(&mut planner, T0.plus(31 * SECOND_MS)).row.deadline, T0.plus(DAY_MS));
    }
}

#[test]
fn who_is_no_recipient_any_more_gets_nothing() {
    let mut planner = planner(&mail(&["a", "b"]), [OutboxRow { recipient: "a".to_owned(), ..fired("f", "l1") }]);
    let batch = sent(&mut planner, T0);
    planner.change_terms(Terms::of(&mail(&["b"])));
    planner.add(OutboxRow { recipient: "a".to_owned(), ..ended("e", "l1") });
    // what is on its way may arrive; if it does not, that was it
    assert_eq!(planner.next(T0), Next::Wait(None));
    fail(&mut planner, &batch, FailureClass::Transient, T0);
    let Next::GiveUp(given_up, FailureClass::Permanent, _) = planner.next(T0) else { panic!() };
    assert_eq!((given_up.row.id.as_str(), given_up.coalesced), ("e", vec!["f".to_owned()]));
}
