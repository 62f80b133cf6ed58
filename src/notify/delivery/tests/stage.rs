//! A delivery with senders that do as they are told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::{Clock, Delivery};
use super::T0;
use crate::ledger::{Access, Ledger};
use crate::model::{AlertingChange, OutboxRow, ReceiverSettings, ReceiverStatus, TimestampMs};
use crate::notify::{Message, SendError, Sender, Sent};

/// What came to a receiver, whether it was taken or not.
#[derive(Clone, Debug)]
pub(super) struct Got {
    /// ms since the test began.
    pub(super) after: i64,
    pub(super) row: OutboxRow,
    pub(super) thread: Option<Value>,
}

pub(super) type Answer = Result<Sent, SendError>;

/// Answers the n-th message (from 0) after a time.
type Script = Box<dyn Fn(usize, &OutboxRow) -> (Duration, Answer) + Send + Sync>;

pub(super) struct Fake {
    script: Mutex<Script>,
    got: Mutex<Vec<Got>>,
    began: Instant,
}

impl std::fmt::Debug for Fake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fake")
    }
}

impl Fake {
    pub(super) fn new(script: impl Fn(usize, &OutboxRow) -> (Duration, Answer) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { script: Mutex::new(Box::new(script)), got: Mutex::default(), began: Instant::now() })
    }

    /// Takes everything at once.
    pub(super) fn willing() -> Arc<Self> {
        Self::new(|_, _| (Duration::ZERO, Ok(Sent::default())))
    }

    /// Fails with these, then takes everything.
    pub(super) fn failing(errors: Vec<SendError>) -> Arc<Self> {
        Self::new(move |number, _| {
            (Duration::ZERO, errors.get(number).map_or_else(|| Ok(Sent::default()), |error| Err(error.clone())))
        })
    }

    pub(super) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// Ids and when they came, in ms.
    pub(super) fn times(&self) -> Vec<(String, i64)> {
        self.got().into_iter().map(|got| (got.row.id, got.after)).collect()
    }

    pub(super) fn ids(&self) -> Vec<String> {
        self.got().into_iter().map(|got| got.row.id).collect()
    }
}

#[async_trait]
impl Sender for Fake {
    async fn send(&self, message: &Message<'_>) -> Answer {
        let after = i64::try_from(self.began.elapsed().as_millis()).unwrap();
        let (takes, answer) = {
            let mut got = self.got.lock().unwrap();
            got.push(Got { after, row: message.row.clone(), thread: message.thread.cloned() });
            (self.script.lock().unwrap())(got.len() - 1, message.row)
        };
        tokio::time::sleep(takes).await;
        answer
    }

    async fn probe(&self) -> Result<Option<String>, SendError> {
        Ok(None)
    }
}

pub(super) struct Stage {
    pub(super) delivery: Delivery,
    pub(super) ledger: Ledger,
    pub(super) folder: tempfile::TempDir,
    /// By how much the clock was set, in ms.
    pub(super) set_by: Arc<AtomicI64>,
    pub(super) tracker: TaskTracker,
    pub(super) stop: CancellationToken,
    began: Instant,
}

impl Stage {
    pub(super) fn new(receivers: Vec<(ReceiverSettings, Arc<Fake>)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::in_folder(folder, receivers)
    }

    pub(super) fn in_folder(folder: tempfile::TempDir, receivers: Vec<(ReceiverSettings, Arc<Fake>)>) -> Self {
        let ledger = Ledger::open(&folder.path().join("ledger.db"), Access::Write).unwrap();
        let (began, set_by) = (Instant::now(), Arc::new(AtomicI64::new(0)));
        let offset = Arc::clone(&set_by);
        let clock: Clock = Arc::new(move || {
            let passed = i64::try_from(began.elapsed().as_millis()).unwrap();
            T0.plus(passed).plus(offset.load(Ordering::SeqCst))
        });
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let delivery = Delivery::start(
            ledger.outbox().unwrap(),
            seen_as_senders(receivers),
            clock,
            Arc::new(|most| most),
            tracker.clone(),
            stop.clone(),
        );
        Self { delivery, ledger, folder, set_by, tracker, stop, began }
    }

    pub(super) fn now(&self) -> TimestampMs {
        T0.plus(i64::try_from(self.began.elapsed().as_millis()).unwrap())
    }

    /// Commits and hands over.
    pub(super) fn decide(&mut self, rows: Vec<OutboxRow>) {
        let change = AlertingChange { outbox: rows.clone(), ..AlertingChange::default() };
        self.ledger.commit_alerting(&change, self.now()).unwrap();
        self.delivery.deliver(rows, true);
    }

    pub(super) fn status(&self) -> BTreeMap<String, ReceiverStatus> {
        let all = self.delivery.status().borrow().clone();
        all.iter().map(|status| (status.receiver.clone(), status.clone())).collect()
    }

    /// Lets time pass until every receiver's status is as it should be.
    pub(super) async fn until(&self, is_as_it_should_be: impl Fn(&BTreeMap<String, ReceiverStatus>) -> bool) {
        let mut status = self.delivery.status();
        let wait = async {
            while !is_as_it_should_be(&self.status()) {
                status.changed().await.unwrap();
            }
        };
        let waited = tokio::time::timeout(Duration::from_hours(40 * 24), wait).await;
        assert!(waited.is_ok(), "40 days later: {:#?}", self.status());
    }

    /// Lets time pass until nothing waits.
    pub(super) async fn until_told(&self) {
        self.until(|all| all.values().all(|status| status.pending == 0)).await;
    }

    /// Ends it as a service does.
    pub(super) async fn end(self) -> tempfile::TempDir {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
        self.folder
    }

    /// All rows of the ledger, in order: id, state.
    pub(super) fn rows(&self) -> Vec<(String, String)> {
        let path = self.folder.path().join("ledger.db");
        let connection = rusqlite::Connection::open(path).unwrap();
        let mut statement = connection.prepare("SELECT id, state FROM outbox ORDER BY number").unwrap();
        statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    }
}

pub(super) fn seen_as_senders(
    receivers: Vec<(ReceiverSettings, Arc<Fake>)>,
) -> Vec<(ReceiverSettings, Arc<dyn Sender>)> {
    receivers
        .into_iter()
        .map(|(settings, fake)| {
            let sender: Arc<dyn Sender> = fake;
            (settings, sender)
        })
        .collect()
}
