//! The tasks when all goes well: order, rhythm, digests, reloads, restarts.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;

use super::stage::{Fake, Stage, seen_as_senders};
use super::*;
use crate::model::{DeliveryOutcome, MINUTE_MS, SECOND_MS};
use crate::notify::{SendError, Sent};

const HOUR: Duration = Duration::from_hours(1);

/// As many rows as asked for, each of a lane of its own.
pub(super) fn lanes(count: usize) -> Vec<OutboxRow> {
    (0..count).map(|number| fired(&format!("f{number:04}"), &format!("l{number:04}"))).collect()
}

#[tokio::test(start_paused = true)]
async fn a_notification_is_told_once_and_counted() {
    let fake = Fake::new(|_, _| (Duration::from_secs(2), Ok(Sent::default())));
    let mut stage = Stage::new(vec![(slack(), Arc::clone(&fake))]);
    let status = stage.status()["chat"].clone();
    assert!(status.outcomes.len() == 13 && status.outcomes.values().all(|count| *count == 0), "{status:?}");
    stage.decide(vec![fired("a", "l1")]);
    // who hands it in twice is told once
    stage.delivery.deliver(vec![fired("a", "l1")], true);
    assert_eq!(stage.status()["chat"].pending, 1);
    stage.until_told().await;
    assert_eq!(fake.times(), [("a".to_owned(), 0)]);
    let status = stage.status()["chat"].clone();
    assert_eq!(status.outcomes[&(DeliveryOutcome::Sent, None)], 1);
    assert_eq!((status.latency.count, status.latency.sum_ms), (1, 2_000));
    assert_eq!((status.last_success, status.failure), (Some(T0.plus(2_000)), None));
    assert_eq!(stage.rows(), [("a".to_owned(), "sent".to_owned())]);
    // what was remembered is shown after a restart
    let folder = stage.end().await;
    let stage = Stage::in_folder(folder, vec![(slack(), Fake::willing())]);
    assert_eq!(stage.status()["chat"].last_success, Some(T0.plus(2_000)));
}

#[tokio::test(start_paused = true)]
async fn a_lane_is_told_in_order_and_what_waits_in_it_as_one() {
    let fake = Fake::new(|_, _| (Duration::from_secs(10), Ok(Sent::default())));
    let mut stage = Stage::new(vec![(webhook(), Arc::clone(&fake))]);
    stage.decide(vec![fired("a", "l1"), fired("x", "l2")]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage.decide(vec![row("b", "l1", Reason::Worse), ended("c", "l1")]);
    stage.until_told().await;
    let mut got: Vec<_> =
        fake.got().into_iter().map(|got| (got.row.id, got.after, got.row.notification.reason)).collect();
    // lanes have no order among each other
    got[..2].sort();
    let expected = [
        ("a".to_owned(), 0, Reason::First),
        ("x".to_owned(), 0, Reason::First),
        ("c".to_owned(), 10_000, Reason::Ended),
    ];
    assert_eq!(got, expected);
    let told = [("a", "sent"), ("x", "sent"), ("b", "coalesced"), ("c", "sent")];
    assert_eq!(stage.rows(), told.map(|(id, state)| (id.to_owned(), state.to_owned())));
    assert_eq!(stage.status()["chat"].outcomes[&(DeliveryOutcome::Coalesced, None)], 1);
}

#[tokio::test(start_paused = true)]
async fn a_fire_and_its_end_that_are_both_untold_are_one_message() {
    let fake = Fake::willing();
    let mut stage = Stage::new(vec![(slack(), Arc::clone(&fake))]);
    stage.decide(vec![fired("a", "l1"), ended("b", "l1")]);
    stage.until_told().await;
    let got = fake.got();
    assert_eq!((got.len(), got[0].row.notification.reason), (1, Reason::FiredAndEnded));
    assert!(!got[0].row.uncertain);
}

#[tokio::test(start_paused = true)]
async fn messages_of_an_incident_belong_together() {
    let fake = Fake::new(|number, _| {
        let mut forget = SendError::new(crate::model::FailureClass::Transient, "message_not_found");
        forget.forget_thread = true;
        let sent = |thread| Ok(Sent { thread, said: String::new() });
        let answer = match number {
            0 => sent(Some(json!({"ts": 0}))),
            1 => sent(None),
            2 => Err(forget),
            _ => sent(Some(json!({"ts": number}))),
        };
        (Duration::ZERO, answer)
    });
    let mut stage = Stage::new(vec![(slack(), Arc::clone(&fake))]);
    for id in ["a", "b", "c", "d"] {
        stage.decide(vec![row(id, "l1", Reason::NewAlerts)]);
        stage.until_told().await;
    }
    let threads: Vec<_> = fake.got().into_iter().map(|got| got.thread).collect();
    let one = Some(json!({"ts": 0}));
    assert_eq!(threads, [None, one.clone(), one, None, Some(json!({"ts": 3}))]);
}

#[tokio::test(start_paused = true)]
async fn no_more_is_sent_at_once_than_a_receiver_takes() {
    for (settings, most) in [(slack(), 1), (webhook(), 4)] {
        let fake = Fake::new(|_, _| (Duration::from_secs(10), Ok(Sent::default())));
        let mut stage = Stage::new(vec![(settings, Arc::clone(&fake))]);
        stage.decide(lanes(10));
        stage.until_told().await;
        for (number, (_, after)) in fake.times().into_iter().enumerate() {
            assert_eq!(after, i64::try_from(number / most).unwrap() * 10_000);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_gets_as_many_a_minute_as_was_set() {
    let fake = Fake::willing();
    let settings = ReceiverSettings { per_minute: 30, burst: 3, ..slack() };
    let mut stage = Stage::new(vec![(settings, Arc::clone(&fake))]);
    stage.decide(lanes(6));
    stage.until_told().await;
    let after: Vec<i64> = fake.times().into_iter().map(|(_, after)| after).collect();
    assert_eq!(after, [0, 0, 0, 2_000, 4_000, 6_000]);
}

#[tokio::test(start_paused = true)]
async fn a_storm_is_a_digest_per_interval() {
    let fake = Fake::willing();
    let mut stage = Stage::new(vec![(slack(), Arc::clone(&fake))]);
    stage.decide(lanes(600));
    tokio::time::sleep(Duration::from_secs(1)).await;
    // some more of it, some ends; few come after it
    stage.decide(vec![ended("e1", "l0001"), fired("g", "new")]);
    tokio::time::sleep(Duration::from_mins(4)).await;
    stage.until_told().await;
    tokio::time::sleep(HOUR).await;
    stage.decide(vec![fired("late", "late")]);
    stage.until_told().await;
    let got = fake.got();
    let sizes: Vec<_> =
        got.iter().map(|got| (got.after, got.row.notification.parts.len(), got.row.notification.more)).collect();
    // the second one has what was left of the first and what came
    assert_eq!(sizes[..2], [(0, 500, 100), (MINUTE_MS, 102, 0)]);
    assert_eq!((got.len(), got[2].row.id.as_str()), (3, "late"));
    assert!(got[0].thread.is_none() && got[0].row.notification.incident == got[0].row.id);
    let states = stage.rows();
    assert!(states.iter().filter(|(_, state)| state == "sent").count() == 3, "{states:?}");
    assert!(states.iter().all(|(_, state)| state == "sent" || state == "coalesced"));
}

#[tokio::test(start_paused = true)]
async fn a_digest_that_fails_takes_along_what_comes_and_lets_nothing_pass() {
    let fake = Fake::failing(vec![SendError::new(crate::model::FailureClass::Transient, "503")]);
    let mut stage = Stage::new(vec![(slack(), Arc::clone(&fake))]);
    stage.decide(lanes(11));
    tokio::time::sleep(Duration::from_millis(500)).await;
    stage.decide(vec![ended("e", "l0003")]);
    stage.until_told().await;
    let got = fake.got();
    assert_eq!(got.iter().map(|got| got.row.notification.parts.len()).collect::<Vec<_>>(), [11, 11]);
    let reasons: Vec<_> = got[1].row.notification.parts.iter().map(|part| part.reason).collect();
    assert_eq!(reasons.iter().filter(|reason| **reason == Reason::FiredAndEnded).count(), 1, "{reasons:?}");
    assert_ne!(got[0].row.id, got[1].row.id);
    // it is known after a restart, too, that a digest was told
    let folder = stage.end().await;
    let fake = Fake::willing();
    let mut stage = Stage::in_folder(folder, vec![(slack(), Arc::clone(&fake))]);
    stage.decide(lanes(30).into_iter().map(|row| OutboxRow { id: format!("x{}", row.id), ..row }).collect());
    stage.until_told().await;
    let [(_, after)] = fake.times()[..] else { panic!("{:?}", fake.times()) };
    assert!(after > MINUTE_MS / 2, "{after}");
}

#[tokio::test(start_paused = true)]
async fn few_that_wait_for_the_end_of_a_digest_go_one_by_one() {
    let fake = Fake::willing();
    let mut stage = Stage::new(vec![(slack(), Arc::clone(&fake))]);
    stage.decide(lanes(11));
    tokio::time::sleep(Duration::from_secs(30)).await;
    stage.decide(vec![ended("e", "l0003"), fired("n", "new"), row("t", "test", Reason::Test)]);
    stage.until_told().await;
    let times = fake.times().split_off(1);
    // a test is told at once: it is to show whether that works
    let expected = [("t", MINUTE_MS / 2), ("e", MINUTE_MS), ("n", MINUTE_MS)];
    assert_eq!(times, expected.map(|(id, after)| (id.to_owned(), after)));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_neither_loses_nor_repeats() {
    for set_by in [-30 * DAY_MS, 30 * DAY_MS] {
        let transient = || SendError::new(crate::model::FailureClass::Transient, "503");
        let fake = Fake::failing(vec![transient(), transient(), transient()]);
        let mut stage = Stage::new(vec![(slack(), Arc::clone(&fake))]);
        stage.decide(vec![fired("a", "l1")]);
        tokio::time::sleep(Duration::from_millis(10)).await;
        stage.set_by.store(set_by, Ordering::SeqCst);
        stage.until_told().await;
        let times: Vec<i64> = fake.times().into_iter().map(|(_, after)| after).collect();
        // the back-off as it would have been: up to 2, 4 and 8 s
        assert_eq!(times, [0, 2, 6, 14].map(|seconds| seconds * SECOND_MS));
        assert_eq!(stage.rows(), [("a".to_owned(), "sent".to_owned())]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reload_disturbs_nobody_who_stays() {
    let (stays, goes, second, comes) = (
        Fake::willing(),
        Fake::failing(vec![SendError::new(crate::model::FailureClass::Authentication, "no")]),
        Fake::willing(),
        Fake::willing(),
    );
    let named = |name: &str, fallback: Option<&str>| ReceiverSettings {
        name: name.to_owned(),
        fallback: fallback.map(str::to_owned),
        ..slack()
    };
    let of = |id: &str, receiver: &str| OutboxRow { receiver: receiver.to_owned(), ..fired(id, "l1") };
    let mut stage =
        Stage::new(vec![(named("stays", None), Arc::clone(&stays)), (named("goes", Some("stays")), Arc::clone(&goes))]);
    stage.decide(vec![of("a", "goes")]);
    stage.until(|all| all["goes"].failure.is_some()).await;
    stage.delivery.replace(seen_as_senders(vec![
        (named("stays", None), Arc::clone(&second)),
        (named("comes", None), Arc::clone(&comes)),
    ]));
    stage.decide(vec![of("b", "stays"), of("c", "comes")]);
    // somebody decided before the reload
    stage.decide(vec![of("d", "goes")]);
    stage.until(|all| all["stays"].outcomes[&(DeliveryOutcome::Sent, None)] == 2).await;
    stage.until_told().await;
    assert!(stage.status().keys().eq(["comes", "stays"]));
    // the settings are the same, and so is the one who sends
    let mut got = stays.got();
    got.sort_by_key(|got| got.row.instead_of.clone());
    assert_eq!((got.len(), got[0].row.id.as_str(), got[1].row.instead_of.as_deref()), (2, "b", Some("goes")));
    assert_eq!((second.ids().len(), comes.ids(), goes.ids().len()), (0, vec!["c".to_owned()], 1));
    let dead = stage.delivery.dead_letters().await.unwrap();
    let why: Vec<_> = dead.iter().map(|row| (row.id.as_str(), row.error.as_deref().unwrap())).collect();
    assert_eq!(
        why,
        [
            ("a", "the receiver is not configured any more; the last attempt: no"),
            ("d", "the receiver is not configured")
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_recipient_that_is_gone_gets_nothing_more() {
    let refused = || SendError::new(crate::model::FailureClass::Transient, "450");
    let (fake, again) = (Fake::failing(vec![refused(), refused()]), Fake::willing());
    let mut stage = Stage::new(vec![(mail(&["a@example.org", "b@example.org"]), fake)]);
    let to = |recipient: &str| OutboxRow {
        receiver: "mail".to_owned(),
        recipient: recipient.to_owned(),
        ..fired(recipient, "l1")
    };
    stage.decide(vec![to("a@example.org"), to("b@example.org")]);
    stage.until(|all| all["mail"].failure.is_some()).await;
    stage.delivery.replace(seen_as_senders(vec![(mail(&["b@example.org"]), Arc::clone(&again))]));
    stage.until_told().await;
    assert_eq!(again.ids(), ["b@example.org"]);
    stage.until(|all| all["mail"].dead == 1).await;
}
