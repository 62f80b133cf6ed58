//! One receiver: a task that sends what its planner says, and how that went.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::hub::Hub;
use super::planner::{Batch, LONGEST_ERROR, Next, Planner, Verdict};
use super::store::Change;
use super::terms::Terms;
use crate::ledger::ReceiverRecord;
use crate::model::{
    DeliveryOutcome, Durations, FailureClass, OutboxRow, Reason, ReceiverSettings, ReceiverStatus, TimestampMs,
};
use crate::notify::{Message, SendError, Sender, Sent};

/// A clock that differs from the time that has passed by more than this was set, in ms.
const CLOCK_TOLERANCE_MS: i64 = 30_000;

/// A timer is set for this long at most: the clock may be set in the meantime.
const LONGEST_SLEEP_MS: i64 = crate::model::HOUR_MS;

/// See the module.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) name: String,
    state: Mutex<State>,
    /// Something has changed: look again.
    pub(super) wake: Notify,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) settings: ReceiverSettings,
    pub(super) sender: Arc<dyn Sender>,
    pub(super) planner: Planner,
    pub(super) record: ReceiverRecord,
    outcomes: BTreeMap<(DeliveryOutcome, Option<FailureClass>), u64>,
    latency: Durations,
    /// The clock when it was last read, and the time that passes whatever is done to the clock.
    read_at: Option<(TimestampMs, Instant)>,
}

impl Post {
    pub(super) fn new(settings: ReceiverSettings, sender: Arc<dyn Sender>, record: ReceiverRecord) -> Self {
        let failed = FailureClass::ALL.into_iter().filter(|class| *class != FailureClass::Deadline);
        let mut outcomes: BTreeMap<_, u64> = failed.map(|class| ((DeliveryOutcome::Failed, Some(class)), 0)).collect();
        outcomes.extend(FailureClass::ALL.map(|class| ((DeliveryOutcome::Dead, Some(class)), 0)));
        outcomes.extend([DeliveryOutcome::Sent, DeliveryOutcome::Coalesced].map(|outcome| ((outcome, None), 0)));
        let state = State {
            planner: Planner::new(Terms::of(&settings)),
            settings: settings.clone(),
            sender,
            record,
            outcomes,
            latency: Durations::default(),
            read_at: None,
        };
        Self { name: settings.name, state: Mutex::new(state), wake: Notify::new() }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // what is in there is whole after every statement
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes rows in. Does not wait.
    pub(super) fn add(&self, rows: impl IntoIterator<Item = OutboxRow>) {
        let mut state = self.state();
        rows.into_iter().for_each(|row| state.planner.add(row));
        drop(state);
        self.wake.notify_one();
    }

    /// Who is told, where another receiver's notifications fall back to this one.
    pub(super) fn recipients(&self) -> Vec<String> {
        self.state().planner.terms.recipients.clone()
    }

    pub(super) fn status(&self) -> ReceiverStatus {
        let state = self.state();
        let (pending, oldest_pending) = state.planner.pending();
        ReceiverStatus {
            receiver: self.name.clone(),
            kind: state.settings.kind.name(),
            pending,
            oldest_pending,
            dead: state.record.dead,
            outcomes: state.outcomes.clone(),
            latency: state.latency,
            last_success: state.record.last_success,
            failing_since: state.record.failing_since,
            failure: state.record.failure.clone(),
        }
    }

    /// Sends until the process ends or the receiver is gone.
    pub(super) async fn run(self: Arc<Self>, hub: Arc<Hub>) {
        let mut flying = FuturesUnordered::new();
        loop {
            let is_stopping = hub.stop.is_cancelled();
            let (now, next) = self.next(&hub, is_stopping);
            match next {
                Next::Send(batch) => flying.push(Arc::clone(&self).attempt(Arc::clone(&hub), batch)),
                Next::GiveUp(batch, class, why) => self.give_up(&hub, batch, class, why).await,
                Next::Wait(_) if flying.is_empty() && is_stopping => return,
                Next::Wait(_) if flying.is_empty() && self.state().planner.is_closed => {
                    self.close(&hub).await;
                    return;
                }
                Next::Wait(until) => {
                    let ms = until.map_or(LONGEST_SLEEP_MS, |until| until.since(now)).clamp(1, LONGEST_SLEEP_MS);
                    let sleep = tokio::time::sleep(Duration::from_millis(ms.unsigned_abs()));
                    tokio::select! {
                        () = self.wake.notified() => {}
                        Some(()) = flying.next() => {}
                        () = sleep, if until.is_some() => {}
                        () = hub.stop.cancelled(), if !is_stopping => {}
                    }
                }
            }
        }
    }

    fn next(&self, hub: &Hub, is_stopping: bool) -> (TimestampMs, Next) {
        let mut state = self.state();
        let now = state.now(hub);
        let is_over = is_stopping || state.planner.is_closed;
        let next = if is_over { Next::Wait(None) } else { state.planner.next(now) };
        (now, next)
    }

    /// Sends one row and sees to what becomes of it.
    async fn attempt(self: Arc<Self>, hub: Arc<Hub>, batch: Batch) {
        let Batch { mut row, coalesced, .. } = batch;
        let now = self.state().now(&hub);
        self.count(DeliveryOutcome::Coalesced, None, coalesced.len());
        if !hub.store.change(Change::Claim { row: row.clone(), coalesced }, now).await {
            row.uncertain = true;
            self.state().planner.doubt(&row.id);
        }
        let is_digest = row.notification.reason == Reason::Digest;
        let thread = if is_digest { None } else { hub.store.thread(&row).await };
        let sender = Arc::clone(&self.state().sender);
        let message = row.clone();
        let sending = hub
            .tracker
            .spawn(async move { sender.send(&Message { row: &message, thread: thread.as_ref(), now }).await });
        let done = sending.await.unwrap_or_else(|error| {
            let mut error = SendError::new(FailureClass::Transient, format!("the notifier broke off: {error}"));
            error.maybe_sent = true;
            Err(error)
        });
        match done {
            Ok(sent) => self.arrived(&hub, row, sent).await,
            Err(error) => self.failed(&hub, row, &error).await,
        }
        hub.publish();
    }

    async fn arrived(&self, hub: &Hub, row: OutboxRow, sent: Sent) {
        let now = self.state().now(hub);
        let thread = sent.thread.filter(|_| row.notification.reason != Reason::Digest);
        hub.store.change(Change::Sent { row: row.clone(), thread }, now).await;
        let mut state = self.state();
        state.planner.arrived(&row.id, now);
        state.planner.settle(&row.id);
        state.latency.add(now.since(row.created).max(0).unsigned_abs());
        state.count(DeliveryOutcome::Sent, None, 1);
        if state.record.failure.is_some() {
            tracing::info!(receiver = self.name, "notifications arrive again");
        }
        state.record = ReceiverRecord { last_success: Some(now), dead: state.record.dead, ..ReceiverRecord::default() };
    }

    async fn failed(&self, hub: &Hub, row: OutboxRow, error: &SendError) {
        if error.forget_thread {
            let now = self.state().now(hub);
            hub.store.change(Change::ForgetThread { row: row.clone() }, now).await;
        }
        let (verdict, now) = {
            let mut state = self.state();
            let now = state.now(hub);
            let verdict = state.planner.failed(&row.id, error, now, &*hub.chance);
            state.failing(&self.name, error, now);
            (verdict, now)
        };
        match verdict {
            Some(Verdict::Again(row)) => {
                self.count(DeliveryOutcome::Failed, Some(error.class), 1);
                hub.store.change(Change::Failed { row: row.clone(), class: error.class }, now).await;
                self.state().planner.put_back(row);
            }
            Some(Verdict::Dead(row)) => {
                self.bury(hub, row, Vec::new(), (error.class, Some(error.class))).await;
            }
            None => {}
        }
    }

    /// Gives up what was not tried now.
    async fn give_up(&self, hub: &Hub, batch: Batch, class: FailureClass, why: &str) {
        let Batch { mut row, coalesced, .. } = batch;
        row.error = Some(match row.error.take() {
            Some(last) => format!("{why}; the last attempt: {last}"),
            None => why.to_owned(),
        });
        self.bury(hub, row, coalesced, (class, None)).await;
        hub.publish();
    }

    /// `class`: why, and how the attempt failed that just was made, if so.
    async fn bury(
        &self,
        hub: &Hub,
        row: OutboxRow,
        coalesced: Vec<String>,
        (class, failed): (FailureClass, Option<FailureClass>),
    ) {
        let now = self.state().now(hub);
        let fallback = self.state().planner.terms.fallback.clone();
        let instead = fallback.and_then(|name| hub.post(&name));
        let rows = instead
            .as_ref()
            .map_or_else(Vec::new, |post| super::terms::fallback_rows(&row, &post.name, &post.recipients(), now));
        let said = row.error.as_deref().unwrap_or_default();
        let told = if rows.is_empty() { "nobody" } else { instead.as_ref().map_or("nobody", |post| &post.name) };
        let (receiver, recipient, id) = (&self.name, &row.recipient, &row.id);
        tracing::warn!(
            receiver,
            recipient,
            id,
            class = class.name(),
            "a notification was given up, {told} is told instead: {said}"
        );
        let dead = Change::Dead { row: row.clone(), coalesced, class: failed, fallback: rows.clone() };
        hub.store.change(dead, now).await;
        {
            let mut state = self.state();
            state.planner.settle(&row.id);
            state.count(DeliveryOutcome::Dead, Some(class), 1);
            state.record.dead = state.record.dead.saturating_add(1);
        }
        if let Some(post) = instead
            && !rows.is_empty()
        {
            post.add(rows);
        }
    }

    /// The receiver is not configured any more.
    async fn close(&self, hub: &Hub) {
        let withdrawn = self.state().planner.withdraw();
        for batch in withdrawn {
            let why = "the receiver is not configured any more";
            self.give_up(hub, batch, FailureClass::Permanent, why).await;
        }
    }

    fn count(&self, outcome: DeliveryOutcome, class: Option<FailureClass>, count: usize) {
        self.state().count(outcome, class, count);
    }
}

impl State {
    fn count(&mut self, outcome: DeliveryOutcome, class: Option<FailureClass>, count: usize) {
        let known = self.outcomes.entry((outcome, class)).or_default();
        *known = known.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// Reads the clock; where it was set, what is planned moves along.
    pub(super) fn now(&mut self, hub: &Hub) -> TimestampMs {
        let (now, passing) = ((hub.clock)(), Instant::now());
        if let Some((before, since)) = self.read_at {
            let passed = i64::try_from(passing.saturating_duration_since(since).as_millis()).unwrap_or(i64::MAX);
            let set_by = now.since(before.plus(passed));
            if set_by.abs() > CLOCK_TOLERANCE_MS {
                self.planner.shift(set_by);
            }
        }
        self.read_at = Some((now, passing));
        now
    }

    /// Remembers that an attempt failed; says so once.
    fn failing(&mut self, name: &str, error: &SendError, now: TimestampMs) {
        let record = &mut self.record;
        if record.failure.as_ref().is_none_or(|(class, _)| *class != error.class) {
            tracing::warn!(receiver = name, class = error.class.name(), "notifications do not arrive: {error}");
        }
        record.failing_since = record.failing_since.or(Some(now));
        record.failure = Some((error.class, error.message.chars().take(LONGEST_ERROR).collect()));
    }
}
