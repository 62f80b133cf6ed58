//! The way of a notification through the outbox, restarts in between included.

use std::path::PathBuf;

use serde_json::json;

use super::alerting::row;
use super::*;
use crate::model::{AlertingChange, FailureClass, OutboxRow, OutboxState};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("ledger.db")
    }

    /// A ledger with these rows.
    fn with(&self, rows: &[OutboxRow]) -> (Ledger, Outbox) {
        let mut ledger = Ledger::open(&self.path(), Access::Write).unwrap();
        let change = AlertingChange { outbox: rows.to_vec(), ..AlertingChange::default() };
        ledger.commit_alerting(&change, T0).unwrap();
        let outbox = ledger.outbox().unwrap();
        (ledger, outbox)
    }
}

fn states(ledger: &Ledger) -> Vec<(String, String, Option<String>)> {
    let mut statement = ledger.connection.prepare("SELECT id, state, told_in FROM outbox ORDER BY number").unwrap();
    statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap().map(Result::unwrap).collect()
}

fn state(id: &str, state: &str, told_in: Option<&str>) -> (String, String, Option<String>) {
    (id.to_owned(), state.to_owned(), told_in.map(str::to_owned))
}

#[test]
fn a_row_is_pending_inflight_and_sent() {
    let folder = Folder::new();
    let (ledger, mut outbox) = folder.with(&[row("a", "l1"), row("b", "l1"), row("c", "l2")]);
    let unsent = outbox.recover("l1").unwrap();
    assert_eq!(
        unsent,
        Unsent { rows: vec![row("a", "l1"), row("b", "l1"), row("c", "l2")], last_sent: BTreeMap::new() }
    );

    let mut merged = row("b", "l1");
    merged.notification.more = 9;
    outbox.claim(&merged, &["a".to_owned()], T0).unwrap();
    let expected = [state("a", "coalesced", Some("b")), state("b", "inflight", None), state("c", "pending", None)];
    assert_eq!(states(&ledger), expected);
    assert_eq!(outbox.waiting().unwrap()[0].notification, merged.notification);

    outbox.sent(&merged, Some(&json!({"ts": 1})), T0.plus(5)).unwrap();
    assert_eq!(states(&ledger)[1], state("b", "sent", None));
    assert_eq!(outbox.thread("chat", "ada@example.org", "incident of l1").unwrap(), Some(json!({"ts": 1})));
    let record = ReceiverRecord { last_success: Some(T0.plus(5)), ..ReceiverRecord::default() };
    assert_eq!(outbox.receiver_statuses().unwrap(), BTreeMap::from([("chat".to_owned(), record)]));
    let recipient = ("chat".to_owned(), "ada@example.org".to_owned());
    assert_eq!(outbox.recover("l1").unwrap().last_sent, BTreeMap::from([(recipient, T0.plus(5))]));
    // a commit that is repeated changes nothing of it
    outbox.insert(&[row("b", "l1")]).unwrap();
    assert_eq!(states(&ledger)[1], state("b", "sent", None));
}

#[test]
fn what_was_being_sent_when_the_process_ended_may_have_arrived() {
    let folder = Folder::new();
    let (ledger, mut outbox) = folder.with(&[row("a", "l1"), row("b", "l2")]);
    outbox.claim(&row("a", "l1"), &[], T0).unwrap();
    drop((ledger, outbox));
    let ledger = Ledger::open(&folder.path(), Access::Write).unwrap();
    let mut outbox = ledger.outbox().unwrap();
    for _ in 0..2 {
        let rows = outbox.recover("").unwrap().rows;
        assert_eq!(rows, [OutboxRow { uncertain: true, ..row("a", "l1") }, row("b", "l2")]);
    }
}

#[test]
fn failures_are_kept_with_the_row_and_the_receiver() {
    let folder = Folder::new();
    let (_ledger, mut outbox) = folder.with(&[row("a", "l1")]);
    let failed = |attempts, error: &str| OutboxRow {
        attempts,
        not_before: T0.plus(700),
        uncertain: true,
        error: Some(error.to_owned()),
        ..row("a", "l1")
    };
    outbox.claim(&row("a", "l1"), &[], T0).unwrap();
    outbox.failed(&failed(3, "503"), FailureClass::Transient, T0.plus(1)).unwrap();
    assert_eq!(outbox.waiting().unwrap(), [failed(3, "503")]);
    outbox.failed(&failed(4, "no answer"), FailureClass::Timeout, T0.plus(2)).unwrap();
    let record = ReceiverRecord {
        failing_since: Some(T0.plus(1)),
        failure: Some((FailureClass::Timeout, "no answer".to_owned())),
        ..ReceiverRecord::default()
    };
    assert_eq!(outbox.receiver_statuses().unwrap()["chat"], record);
}

#[test]
fn dead_letters_can_be_sent_again_once() {
    let folder = Folder::new();
    let (ledger, mut outbox) = folder.with(&[row("a", "l1"), row("b", "l1"), row("c", "l2")]);
    let fallback = OutboxRow { receiver: "mail".to_owned(), ..row("d", "l1") };
    let dead = OutboxRow { state: OutboxState::Dead, ..row("b", "l1") };
    outbox.dead(&dead, &["a".to_owned()], Some(FailureClass::Permanent), &[fallback], T0).unwrap();
    outbox.dead(&row("c", "l2"), &[], None, &[], T0).unwrap();
    let expected = [
        state("a", "coalesced", Some("b")),
        state("b", "dead", None),
        state("c", "dead", None),
        state("d", "pending", None),
    ];
    assert_eq!(states(&ledger), expected);
    assert_eq!(outbox.receiver_statuses().unwrap()["chat"].dead, 2);

    let now = T0.plus(DAY_MS);
    let resent = outbox.resend(Some(&["b".to_owned(), "d".to_owned(), "none".to_owned()]), now).unwrap();
    let [again] = resent.as_slice() else { panic!("{resent:?}") };
    let expected = OutboxRow {
        id: again.id.clone(),
        state: OutboxState::Pending,
        created: now,
        not_before: now,
        deadline: now.plus(DAY_MS),
        attempts: 0,
        plain: false,
        error: None,
        ..dead.clone()
    };
    assert_eq!(*again, expected);
    assert_eq!(outbox.dead_letters().unwrap(), [OutboxRow { state: OutboxState::Dead, ..row("c", "l2") }]);
    assert_eq!(states(&ledger)[1], state("b", "dead", None));
    assert_eq!(outbox.resend(None, now).unwrap().len(), 1);
    assert_eq!(outbox.resend(None, now).unwrap(), []);
    assert_eq!(outbox.receiver_statuses().unwrap()["chat"].dead, 0);
}

#[test]
fn threads_are_kept_until_they_are_gone() {
    let folder = Folder::new();
    let (_ledger, mut outbox) = folder.with(&[]);
    let thread = |outbox: &Outbox| outbox.thread("chat", "ada@example.org", "incident of l1").unwrap();
    outbox.sent(&row("a", "l1"), Some(&json!("one")), T0).unwrap();
    outbox.sent(&row("b", "l1"), None, T0.plus(1)).unwrap();
    assert_eq!(thread(&outbox), Some(json!("one")));
    outbox.sent(&row("c", "l1"), Some(&json!("two")), T0.plus(2)).unwrap();
    assert_eq!(thread(&outbox), Some(json!("two")));
    assert_eq!(outbox.thread("chat", "", "incident of l1").unwrap(), None);
    outbox.forget_thread("chat", "ada@example.org", "incident of l1").unwrap();
    assert_eq!(thread(&outbox), None);
}

#[test]
fn what_is_settled_is_kept_for_as_long_as_it_is_asked_for() {
    let folder = Folder::new();
    let (mut ledger, mut outbox) =
        folder.with(&[row("sent", "l1"), row("old", "l2"), row("new", "l2"), row("dead", "l3"), row("waits", "l4")]);
    outbox.sent(&row("sent", "l1"), Some(&json!(1)), T0).unwrap();
    outbox.claim(&row("new", "l2"), &["old".to_owned()], T0).unwrap();
    outbox.dead(&row("dead", "l3"), &[], None, &[], T0).unwrap();
    let ids = |ledger: &Ledger| states(ledger).into_iter().map(|(id, ..)| id).collect::<Vec<_>>();
    for (after, expected) in [
        (SENT_MS - 1, &["sent", "old", "new", "dead", "waits"][..]),
        (SENT_MS, &["new", "dead", "waits"]),
        (DEAD_MS - 1, &["new", "dead", "waits"]),
        (DEAD_MS, &["new", "waits"]),
    ] {
        let has_thread = outbox.thread("chat", "ada@example.org", "incident of l1").unwrap().is_some();
        assert!(has_thread, "{after}");
        ledger.commit(&[], &Transition { at: T0.plus(after), ..Transition::default() }).unwrap();
        assert_eq!(ids(&ledger), expected, "{after}");
    }
    assert!(outbox.thread("chat", "ada@example.org", "incident of l1").unwrap().is_none());
}

#[test]
fn an_outbox_writes_no_more_once_its_ledger_is_gone() {
    let folder = Folder::new();
    let (ledger, mut outbox) = folder.with(&[row("a", "l1")]);
    drop(ledger);
    assert!(matches!(outbox.claim(&row("a", "l1"), &[], T0), Err(LedgerError::Released { .. })));
    // nor when somebody else has it
    let ledger = Ledger::open(&folder.path(), Access::Write).unwrap();
    assert!(matches!(outbox.recover(""), Err(LedgerError::Released { .. })));
    let mut own = ledger.outbox().unwrap();
    own.claim(&row("a", "l1"), &[], T0).unwrap();

    let mut reader = Ledger::open(&folder.path(), Access::Read).unwrap().outbox().unwrap();
    assert_eq!(reader.waiting().unwrap().len(), 1);
    assert!(matches!(reader.resend(None, T0), Err(LedgerError::ReadOnly { .. })));

    // what is written to a file that is not there any more is lost
    let aside = folder.0.path().join("aside.db");
    std::fs::rename(folder.path(), &aside).unwrap();
    assert!(matches!(own.sent(&row("a", "l1"), None, T0), Err(LedgerError::Displaced { .. })));
    assert!(matches!(ledger.outbox(), Err(LedgerError::Displaced { .. })));
    std::fs::rename(&aside, folder.path()).unwrap();
    own.sent(&row("a", "l1"), None, T0).unwrap();
}

#[test]
fn both_connections_write_at_once() {
    const EACH: usize = 100;
    let folder = Folder::new();
    let (mut ledger, mut outbox) = folder.with(&[]);
    let delivering = std::thread::spawn(move || {
        for number in 0..EACH {
            let row = row(&format!("d{number}"), "l1");
            outbox.claim(&row, &[], T0).unwrap();
            outbox.sent(&row, None, T0).unwrap();
        }
    });
    for number in 0..EACH {
        let outbox = vec![row(&format!("c{number}"), "l1")];
        ledger.commit_alerting(&AlertingChange { outbox, ..AlertingChange::default() }, T0).unwrap();
    }
    delivering.join().unwrap();
    assert_eq!(states(&ledger).len(), 2 * EACH);
}

#[test]
fn without_a_file_rows_are_remembered_for_as_long_as_the_outbox_lives() {
    let mut ledger = Ledger::in_memory().unwrap();
    let mut outbox = ledger.outbox().unwrap();
    outbox.claim(&row("a", "l1"), &[], T0).unwrap();
    outbox.sent(&row("a", "l1"), Some(&json!(1)), T0).unwrap();
    assert!(outbox.thread("chat", "ada@example.org", "incident of l1").unwrap().is_some());
    // those of commits would never be taken out again
    let change = AlertingChange { outbox: vec![row("b", "l1")], ..AlertingChange::default() };
    ledger.commit_alerting(&change, T0).unwrap();
    assert_eq!((states(&ledger), outbox.waiting().unwrap()), (Vec::new(), Vec::new()));
}
