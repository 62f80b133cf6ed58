//! The tasks when something fails: receivers, the process, the ledger.

use std::sync::Arc;
use std::time::Duration;

use super::driver::lanes;
use super::stage::{Fake, Stage};
use super::*;
use crate::ledger::{Access, Ledger};
use crate::model::{DeliveryOutcome, FailureClass, MINUTE_MS, SECOND_MS};
use crate::notify::{SendError, Sent};

fn error(class: FailureClass) -> SendError {
    SendError::new(class, class.name())
}

fn after(fake: &Fake) -> Vec<i64> {
    fake.times().into_iter().map(|(_, after)| after / SECOND_MS).collect()
}

fn named(name: &str, settings: ReceiverSettings) -> ReceiverSettings {
    ReceiverSettings { name: name.to_owned(), ..settings }
}

#[tokio::test(start_paused = true)]
async fn each_class_has_its_own_way() {
    let limited = || SendError { retry_after_ms: Some(20_000), ..error(FailureClass::RateLimited) };
    let greedy = || SendError { retry_after_ms: Some(40 * DAY_MS), ..error(FailureClass::RateLimited) };
    let mut delayed = error(FailureClass::Transient);
    delayed.retry_after_ms = Some(100_000);
    let transient = || error(FailureClass::Transient);
    let cases: [(ReceiverSettings, Vec<SendError>, &[i64], u32); 9] = [
        // the pause and a second of spread; it is no attempt
        (slack(), vec![limited(), limited()], &[0, 21, 42], 0),
        (slack(), vec![error(FailureClass::RateLimited)], &[0, 31], 0),
        (slack(), vec![greedy()], &[0, 3_601], 0),
        (slack(), vec![transient(), transient(), transient()], &[0, 2, 6, 14], 3),
        (slack(), vec![delayed], &[0, 101], 1),
        (slack(), vec![transient(); 9], &[0, 2, 6, 14, 30, 62, 126, 254, 510, 810], 9),
        (mail(&[""]), vec![transient(); 6], &[0, 60, 360, 1_260, 3_060, 6_660, 10_260], 6),
        (slack(), vec![error(FailureClass::Authentication); 5], &[0, 60, 180, 420, 900, 1_800], 5),
        (slack(), vec![error(FailureClass::Permanent)], &[0, 0], 1),
    ];
    for (settings, errors, expected, attempts) in cases {
        let class = errors[0].class;
        let count = u64::try_from(errors.len()).unwrap();
        let fake = Fake::failing(errors);
        let mut stage = Stage::new(vec![(named("chat", settings), Arc::clone(&fake))]);
        stage.decide(vec![fired("a", "l1")]);
        stage.until_told().await;
        assert_eq!(after(&fake), expected, "{class:?}");
        let last = fake.got().pop().unwrap().row;
        assert_eq!((last.attempts, last.plain), (attempts, class == FailureClass::Permanent), "{class:?}");
        assert_eq!(last.error.as_deref(), Some(class.name()));
        let status = stage.status()["chat"].clone();
        assert_eq!(status.outcomes[&(DeliveryOutcome::Failed, Some(class))], count, "{class:?}");
        assert_eq!((status.failure, status.failing_since), (None, None));
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_have_arrived_says_so_when_it_comes_again() {
    let mut unsure = error(FailureClass::Timeout);
    unsure.maybe_sent = true;
    for (first, uncertain) in [(unsure, true), (error(FailureClass::Transient), false)] {
        let fake = Fake::failing(vec![first]);
        let mut stage = Stage::new(vec![(slack(), Arc::clone(&fake))]);
        stage.decide(vec![fired("a", "l1")]);
        stage.until(|all| all["chat"].failure.is_some()).await;
        // what is told with it may be a repeat in part
        stage.decide(vec![row("b", "l1", Reason::Worse)]);
        stage.until_told().await;
        let got: Vec<_> = fake.got().into_iter().map(|got| (got.row.id, got.row.uncertain)).collect();
        assert_eq!(got, [("a".to_owned(), false), ("b".to_owned(), uncertain)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_for_all_of_a_receiver_and_for_no_other() {
    let limited = SendError { retry_after_ms: Some(60_000), ..error(FailureClass::RateLimited) };
    let (chat, other) = (Fake::failing(vec![limited]), Fake::willing());
    let mut stage = Stage::new(vec![(slack(), Arc::clone(&chat)), (named("other", slack()), Arc::clone(&other))]);
    let mut rows = lanes(3);
    rows.extend(lanes(3).into_iter().map(|row| OutboxRow {
        id: format!("o{}", row.id),
        receiver: "other".to_owned(),
        ..row
    }));
    stage.decide(rows);
    stage.until_told().await;
    assert_eq!((after(&chat), after(&other)), (vec![0, 61, 61, 61], vec![0, 0, 0]));
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_delays_no_other() {
    let hour = Duration::from_hours(1);
    let hanging = Fake::new(move |_, _| (hour, Err(SendError { maybe_sent: true, ..error(FailureClass::Timeout) })));
    let working = Fake::willing();
    let mut stage = Stage::new(vec![(slack(), Arc::clone(&hanging)), (named("other", slack()), Arc::clone(&working))]);
    for minute in 0..30 {
        let id = format!("m{minute}");
        stage.decide(vec![
            fired(&id, &id),
            OutboxRow { id: format!("o{minute}"), receiver: "other".to_owned(), ..fired(&id, &id) },
        ]);
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
    assert_eq!(after(&working), (0..30).map(|minute| minute * 60).collect::<Vec<_>>());
    assert_eq!(hanging.ids().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_let_in_and_a_single_row_shows_when_that_is_over() {
    let fake = Fake::failing(vec![error(FailureClass::Authentication); 4]);
    let mut stage = Stage::new(vec![(webhook(), Arc::clone(&fake))]);
    stage.decide(lanes(3));
    stage.until(|all| all["chat"].failure.is_some()).await;
    let failure = stage.status()["chat"].failure.clone().unwrap();
    assert_eq!(failure, (FailureClass::Authentication, "authentication".to_owned()));
    stage.until_told().await;
    // three were on their way at once; then the oldest alone, until it is taken
    assert_eq!(after(&fake), [0, 0, 0, 60, 180, 180, 180]);
    assert_eq!(fake.ids()[3..5], ["f0000", "f0000"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_or_too_old_goes_to_the_fallback_once() {
    let refusing = || Fake::new(|_, _| (Duration::ZERO, Err(error(FailureClass::Permanent))));
    let silent = || Fake::new(|_, _| (Duration::ZERO, Err(error(FailureClass::Transient))));
    for (first, class, at) in
        [(refusing(), FailureClass::Permanent, 0), (silent(), FailureClass::Deadline, DAY_MS / SECOND_MS)]
    {
        let (both, mail_got) = (mail(&["a@example.org", "b@example.org"]), refusing());
        // each is the other's fallback: nothing goes in circles
        let chat = ReceiverSettings { fallback: Some("mail".to_owned()), ..slack() };
        let both = ReceiverSettings { fallback: Some("chat".to_owned()), ..both };
        let mut stage = Stage::new(vec![(chat, Arc::clone(&first)), (both, Arc::clone(&mail_got))]);
        stage.decide(vec![fired("a", "l1"), row("t", "test", Reason::Test)]);
        stage.until_told().await;
        stage.until(|all| all["mail"].dead == 2).await;
        let got = mail_got.got();
        let mut recipients: Vec<_> = got.iter().map(|got| got.row.recipient.clone()).collect();
        recipients.sort();
        // each twice: as it is, and as plain text
        assert_eq!(recipients, ["a@example.org", "a@example.org", "b@example.org", "b@example.org"]);
        for got in got {
            assert_eq!((got.row.instead_of.as_deref(), got.after / SECOND_MS), (Some("chat"), at));
            assert_eq!((got.row.notification.receiver.as_str(), got.row.receiver.as_str()), ("mail", "mail"));
        }
        let status = stage.status();
        // the test died too, and nobody was told that instead
        assert_eq!((status["chat"].dead, status["mail"].dead), (2, 2));
        assert_eq!(status["chat"].outcomes[&(DeliveryOutcome::Dead, Some(class))], 2);
        let dead = stage.delivery.dead_letters().await.unwrap();
        assert_eq!(dead.len(), 4);
        assert!(dead.iter().all(|row| row.error.is_some()), "{dead:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_sent_again_when_somebody_asks() {
    let fake = Fake::failing(vec![error(FailureClass::Permanent); 4]);
    let mut stage = Stage::new(vec![(slack(), Arc::clone(&fake))]);
    stage.decide(lanes(2));
    stage.until(|all| all["chat"].dead == 2).await;
    assert_eq!(stage.delivery.resend(Some(vec!["f0001".to_owned(), "none".to_owned()])).await.unwrap().len(), 1);
    stage.until_told().await;
    assert_eq!(stage.status()["chat"].dead, 1);
    assert_eq!(stage.delivery.resend(None).await.unwrap().len(), 1);
    assert_eq!(stage.delivery.resend(None).await.unwrap().len(), 0);
    stage.until_told().await;
    let lanes: Vec<_> = fake.got().into_iter().skip(4).map(|got| (got.row.lane, got.row.plain)).collect();
    assert_eq!(lanes, [("l0001".to_owned(), false), ("l0000".to_owned(), false)]);
    assert!(stage.delivery.dead_letters().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_was_on_its_way_when_the_process_died_may_be_a_repeat() {
    let stuck = Fake::new(|_, _| (Duration::from_hours(1), Ok(Sent::default())));
    let mut stage = Stage::new(vec![(slack(), Arc::clone(&stuck))]);
    stage.decide(vec![fired("a", "l1"), fired("b", "l2")]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(stuck.ids(), ["a"]);
    // as a power cut leaves it: a copy of the files, taken in this moment
    let folder = tempfile::tempdir().unwrap();
    for name in ["ledger.db", "ledger.db-wal"] {
        std::fs::copy(stage.folder.path().join(name), folder.path().join(name)).unwrap();
    }
    let fake = Fake::willing();
    let stage = Stage::in_folder(folder, vec![(slack(), Arc::clone(&fake))]);
    stage.until_told().await;
    let got: Vec<_> = fake.got().into_iter().map(|got| (got.row.id, got.row.uncertain)).collect();
    assert_eq!(got, [("a".to_owned(), true), ("b".to_owned(), false)]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_what_is_on_its_way_arrive_and_keeps_the_rest() {
    let slow = Fake::new(|_, _| (Duration::from_secs(5), Ok(Sent::default())));
    let mut stage = Stage::new(vec![(slack(), Arc::clone(&slow))]);
    stage.decide(vec![fired("a", "l1"), fired("b", "l2")]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let ledger = stage.ledger;
    stage.stop.cancel();
    stage.tracker.close();
    stage.tracker.wait().await;
    assert_eq!(slow.ids(), ["a"]);
    let waiting = ledger.outbox().unwrap().waiting().unwrap();
    let waiting: Vec<_> = waiting.into_iter().map(|row| (row.id, row.state, row.uncertain)).collect();
    assert_eq!(waiting, [("b".to_owned(), OutboxState::Pending, false)]);
}

#[tokio::test(start_paused = true)]
async fn without_a_ledger_it_goes_on_from_memory_and_is_made_good_later() {
    let (fake, path) = (Fake::failing(vec![error(FailureClass::Transient)]), "ledger.db");
    let mut stage = Stage::new(vec![(slack(), Arc::clone(&fake))]);
    stage.decide(vec![fired("a", "l1")]);
    stage.until_told().await;
    let (file, aside) = (stage.folder.path().join(path), stage.folder.path().join("aside"));
    std::fs::rename(&file, &aside).unwrap();
    // their commit failed
    stage.delivery.deliver(vec![fired("b", "l2"), fired("c", "l3")], false);
    stage.until_told().await;
    let got: Vec<_> = fake.got().into_iter().map(|got| (got.row.id, got.row.uncertain)).collect();
    let expected = [("a", false), ("a", false), ("b", true), ("c", true)];
    assert_eq!(got, expected.map(|(id, uncertain)| (id.to_owned(), uncertain)));
    assert!(stage.delivery.dead_letters().await.is_err());
    // it is back: nobody has to do anything
    std::fs::rename(&aside, &file).unwrap();
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(stage.rows(), ["a", "b", "c"].map(|id| (id.to_owned(), "sent".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn another_ledger_gets_what_waits_and_gives_what_it_holds() {
    let fake = Fake::failing(vec![error(FailureClass::Authentication)]);
    let mut stage = Stage::new(vec![(slack(), Arc::clone(&fake))]);
    stage.decide(vec![fired("a", "l1")]);
    stage.until(|all| all["chat"].failure.is_some()).await;
    let other = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(&other.path().join("ledger.db"), Access::Write).unwrap();
    let change = crate::model::AlertingChange { outbox: vec![fired("old", "l2")], ..Default::default() };
    ledger.commit_alerting(&change, stage.now()).unwrap();
    stage.delivery.attach(ledger.outbox().unwrap()).await;
    let waiting: Vec<_> = ledger.outbox().unwrap().waiting().unwrap().into_iter().map(|row| row.id).collect();
    assert_eq!(waiting, ["old", "a"]);
    stage.until_told().await;
    assert_eq!(fake.ids(), ["a", "a", "old"]);
    assert!(ledger.outbox().unwrap().waiting().unwrap().is_empty());
    assert!(after(&fake)[1] <= 15 * MINUTE_MS / SECOND_MS);
}
