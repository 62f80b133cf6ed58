//! The outbox as the delivery uses it: away from what is asynchronous, and with a memory for what could not be written,
//! so that notifying goes on without a ledger and is made good once there is one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio_util::task::TaskTracker;

use crate::ledger::{LedgerError, Outbox};
use crate::model::{FailureClass, OutboxRow, TimestampMs};

/// Changes that are remembered while the ledger fails. Each is a row; the oldest go first.
const MOST_UNWRITTEN: usize = 10_000;

/// One change of the outbox. To make one twice does no harm.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Insert { rows: Vec<OutboxRow> },
    Claim { row: OutboxRow, coalesced: Vec<String> },
    Sent { row: OutboxRow, thread: Option<Value> },
    Failed { row: OutboxRow, class: FailureClass },
    Dead { row: OutboxRow, coalesced: Vec<String>, class: Option<FailureClass>, fallback: Vec<OutboxRow> },
    ForgetThread { row: OutboxRow },
}

impl Change {
    fn make(&self, outbox: &mut Outbox, at: TimestampMs) -> Result<(), LedgerError> {
        match self {
            Self::Insert { rows } => outbox.insert(rows),
            Self::Claim { row, coalesced } => outbox.claim(row, coalesced, at),
            Self::Sent { row, thread } => outbox.sent(row, thread.as_ref(), at),
            Self::Failed { row, class } => outbox.failed(row, *class, at),
            Self::Dead { row, coalesced, class, fallback } => outbox.dead(row, coalesced, *class, fallback, at),
            Self::ForgetThread { row } => {
                outbox.forget_thread(&row.receiver, &row.recipient, &row.notification.incident)
            }
        }
    }

    /// What it makes of the thread of a row's incident, if anything; `null`: there is none any more.
    fn thread_of(&self, row: &OutboxRow) -> Option<Value> {
        let is_same = |other: &OutboxRow| {
            (&other.receiver, &other.recipient, &other.notification.incident)
                == (&row.receiver, &row.recipient, &row.notification.incident)
        };
        match self {
            Self::Sent { row, thread } if is_same(row) => thread.clone(),
            Self::ForgetThread { row } if is_same(row) => Some(Value::Null),
            Self::Insert { .. }
            | Self::Claim { .. }
            | Self::Sent { .. }
            | Self::Failed { .. }
            | Self::Dead { .. }
            | Self::ForgetThread { .. } => None,
        }
    }
}

/// See the module. Clones are the same store.
#[derive(Clone, Debug)]
pub(super) struct Store {
    inner: Arc<Inner>,
    tracker: TaskTracker,
}

#[derive(Debug)]
struct Inner {
    outbox: Mutex<Outbox>,
    /// Never held while something is written, so that to add to it waits for nothing.
    unwritten: Mutex<Unwritten>,
}

#[derive(Debug, Default)]
struct Unwritten {
    changes: VecDeque<(TimestampMs, Change)>,
    /// That it fails was said.
    is_failing: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // what is in there is whole after every statement
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    fn push(&self, at: TimestampMs, change: Change) {
        let mut unwritten = lock(&self.unwritten);
        unwritten.changes.push_back((at, change));
        if unwritten.changes.len() > MOST_UNWRITTEN {
            unwritten.changes.pop_front();
        }
    }

    /// Writes what could not be written before, in its order, up to the first that still cannot.
    fn catch_up(&self, outbox: &mut Outbox) -> Result<(), LedgerError> {
        loop {
            let Some((at, change)) = lock(&self.unwritten).changes.front().cloned() else { return Ok(()) };
            change.make(outbox, at)?;
            lock(&self.unwritten).changes.pop_front();
        }
    }

    /// Says once that it fails, and once that it no longer does.
    fn notice<T>(&self, result: &Result<T, LedgerError>) {
        let mut unwritten = lock(&self.unwritten);
        match result {
            Ok(_) if unwritten.is_failing => {
                unwritten.is_failing = false;
                tracing::info!("notifications are kept in the ledger again");
            }
            Err(error) if !unwritten.is_failing => {
                unwritten.is_failing = true;
                tracing::warn!(
                    "notifications cannot be kept in the ledger; they are sent from memory and marked as possible repeats: {}",
                    chain(error)
                );
            }
            Ok(_) | Err(_) => {}
        }
    }
}

fn chain(error: &LedgerError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

impl Store {
    pub(super) fn new(outbox: Outbox, tracker: TaskTracker) -> Self {
        let inner = Inner { outbox: Mutex::new(outbox), unwritten: Mutex::default() };
        Self { inner: Arc::new(inner), tracker }
    }

    /// Runs `work` on the outbox once everything before it is written, where it may take its time.
    pub(super) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Outbox) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let inner = Arc::clone(&self.inner);
        let run = move || {
            let mut outbox = lock(&inner.outbox);
            let done = inner.catch_up(&mut outbox).and_then(|()| work(&mut outbox));
            inner.notice(&done);
            done
        };
        match self.tracker.spawn_blocking(run).await {
            Ok(done) => done,
            // the process ends
            Err(_) => Err(LedgerError::Released { path: self.path() }),
        }
    }

    fn path(&self) -> std::path::PathBuf {
        self.inner.outbox.try_lock().map_or_else(|_| std::path::PathBuf::new(), |outbox| outbox.path().to_owned())
    }

    /// Makes a change; `false`: not in the ledger, at least not yet.
    pub(super) async fn change(&self, change: Change, at: TimestampMs) -> bool {
        let later = change.clone();
        let made = self.with(move |outbox| change.make(outbox, at)).await.is_ok();
        if !made {
            self.inner.push(at, later);
        }
        made
    }

    /// A change that is to be made some time. Does not wait.
    pub(super) fn change_later(&self, change: Change, at: TimestampMs) {
        self.inner.push(at, change);
    }

    /// There is something that could not be written.
    pub(super) fn is_behind(&self) -> bool {
        !lock(&self.inner.unwritten).changes.is_empty()
    }

    /// What the next message of the row's incident belongs to.
    pub(super) async fn thread(&self, row: &OutboxRow) -> Option<Value> {
        let asked = row.clone();
        let read = self
            .with(move |outbox| outbox.thread(&asked.receiver, &asked.recipient, &asked.notification.incident))
            .await;
        let unwritten = lock(&self.inner.unwritten);
        let newest = unwritten.changes.iter().rev().find_map(|(_, change)| change.thread_of(row));
        newest.or_else(|| read.ok().flatten()).filter(|thread| !thread.is_null())
    }

    /// From here on another ledger counts.
    pub(super) async fn attach(&self, outbox: Outbox) {
        let inner = Arc::clone(&self.inner);
        let run = move || *lock(&inner.outbox) = outbox;
        // it only fails where the process ends
        self.tracker.spawn_blocking(run).await.unwrap_or_default();
    }
}
