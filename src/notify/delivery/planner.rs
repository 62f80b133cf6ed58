//! What is sent next to one receiver, given what waits, how it went so far and the time. Pure: no timer, no I/O.
//!
//! - **In order.** Rows of one recipient and lane go one at a time. What waits in a lane is told as one message, once
//!   its turn comes, as far as it belongs to one incident.
//! - **A digest blocks its recipient.** It tells of many lanes, so none of them goes on before it arrived. What comes
//!   while it is tried again becomes part of it.
//! - **Nothing is given up but by its deadline or because it is refused**, and what is given up takes along everything
//!   that was merged into it.

use std::collections::{BTreeMap, VecDeque};

use super::coalesce::{can_merge, merge};
use super::digest::{DIGEST_AFTER, DIGEST_INTERVAL_MS, DIGEST_LANE, DIGEST_PARTS, digest};
use super::terms::{CIRCUIT_FIRST_MS, CIRCUIT_MS, Terms};
use crate::model::{FailureClass, OutboxRow, OutboxState, Reason, TimestampMs};
use crate::notify::SendError;

/// Longest error that is kept, in characters: it comes from outside.
pub(super) const LONGEST_ERROR: usize = 500;

/// What is to be done now.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Next {
    /// This is sent.
    Send(Batch),
    /// This is given up untried, and why.
    GiveUp(Batch, FailureClass, &'static str),
    /// Nothing before this moment, unless something happens; `None` = at all.
    Wait(Option<TimestampMs>),
}

/// A row, and the ids of those that it tells as well.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Batch {
    pub(super) row: OutboxRow,
    pub(super) coalesced: Vec<String>,
    /// Its place among all rows of the receiver.
    number: u64,
}

/// What becomes of a row that did not arrive.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    /// It is tried again, as it is now.
    Again(OutboxRow),
    /// It is given up.
    Dead(OutboxRow),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Planner {
    pub(super) terms: Terms,
    recipients: BTreeMap<String, Recipient>,
    /// Rows that are being sent or given up, by id.
    busy: BTreeMap<String, Batch>,
    number: u64,
    /// The receiver asked for a pause until then.
    paused_until: Option<TimestampMs>,
    /// It does not let us in; the next try.
    circuit: Option<TimestampMs>,
    /// How long it was waited for that, in ms.
    circuit_pause_ms: i64,
    /// When the messages of the past are all accounted for, at the average pace.
    spent_until: TimestampMs,
    /// The receiver is not configured any more.
    pub(super) is_closed: bool,
}

#[derive(Debug, Default)]
struct Recipient {
    lanes: BTreeMap<String, Lane>,
    /// After a digest nothing is told until then.
    quiet_until: Option<TimestampMs>,
}

#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Batch>,
    is_busy: bool,
}

impl Lane {
    /// Makes one of neighbours that belong together.
    fn merge(&mut self) {
        let mut merged: VecDeque<Batch> = VecDeque::with_capacity(self.waiting.len());
        for next in self.waiting.drain(..) {
            match merged.pop_back() {
                Some(before) if can_merge(&before.row, &next.row) => merged.push_back(before.and(next)),
                Some(before) => merged.extend([before, next]),
                None => merged.push_back(next),
            }
        }
        self.waiting = merged;
    }

    fn is_test(&self) -> bool {
        self.waiting.front().is_some_and(|batch| batch.row.notification.reason == Reason::Test)
    }

    fn is_ready(&self, now: TimestampMs) -> bool {
        !self.is_busy && self.waiting.front().is_some_and(|batch| batch.row.not_before <= now)
    }
}

impl Batch {
    /// Itself, and what comes after it, as one.
    fn and(self, newer: Self) -> Self {
        let mut coalesced = self.coalesced;
        coalesced.push(self.row.id.clone());
        coalesced.extend(newer.coalesced);
        Self { row: merge(self.row, newer.row), coalesced, number: self.number }
    }

    fn ids(&self) -> impl Iterator<Item = &String> {
        self.coalesced.iter().chain([&self.row.id])
    }
}

impl Planner {
    pub(super) fn new(terms: Terms) -> Self {
        Self {
            terms,
            recipients: BTreeMap::new(),
            busy: BTreeMap::new(),
            number: 0,
            paused_until: None,
            circuit: None,
            circuit_pause_ms: 0,
            spent_until: TimestampMs(i64::MIN),
            is_closed: false,
        }
    }

    /// A row that is to be sent. One that is known already changes nothing.
    pub(super) fn add(&mut self, row: OutboxRow) {
        let lane = self.recipients.entry(row.recipient.clone()).or_default().lanes.entry(row.lane.clone()).or_default();
        let is_known = lane.waiting.iter().chain(self.busy.values()).any(|batch| batch.ids().any(|id| *id == row.id));
        if !is_known {
            lane.waiting.push_back(Batch { row, coalesced: Vec::new(), number: self.number });
            self.number += 1;
            lane.merge();
        }
    }

    /// A digest was sent to this recipient then: the next one keeps its distance.
    pub(super) fn digest_was_sent(&mut self, recipient: &str, at: TimestampMs) {
        let recipient = self.recipients.entry(recipient.to_owned()).or_default();
        recipient.quiet_until = recipient.quiet_until.max(Some(at.plus(DIGEST_INTERVAL_MS)));
    }

    /// Rows that wait or are being sent, and since when the oldest of them was decided.
    pub(super) fn pending(&self) -> (u64, Option<TimestampMs>) {
        let waiting = self.recipients.values().flat_map(|recipient| recipient.lanes.values());
        let all = waiting.flat_map(|lane| &lane.waiting).chain(self.busy.values());
        all.fold((0, None), |(count, oldest), batch| {
            let created = batch.row.created;
            let batches = u64::try_from(batch.coalesced.len()).unwrap_or(u64::MAX).saturating_add(1);
            (batches.saturating_add(count), Some(oldest.map_or(created, |oldest: TimestampMs| oldest.min(created))))
        })
    }

    /// Rows that wait, merged as they are.
    pub(super) fn waiting(&self) -> Vec<OutboxRow> {
        let lanes = self.recipients.values().flat_map(|recipient| recipient.lanes.values());
        lanes.flat_map(|lane| &lane.waiting).map(|batch| batch.row.clone()).collect()
    }

    /// Takes out all that waits.
    pub(super) fn withdraw(&mut self) -> Vec<Batch> {
        let lanes = self.recipients.values_mut().flat_map(|recipient| recipient.lanes.values_mut());
        let mut withdrawn: Vec<Batch> = lanes.flat_map(|lane| lane.waiting.drain(..)).collect();
        self.tidy();
        withdrawn.sort_by_key(|batch| batch.number);
        withdrawn
    }

    /// The receiver is another one under the same name: how it went with the old one says nothing.
    pub(super) fn change_terms(&mut self, terms: Terms) {
        self.terms = terms;
        (self.circuit, self.paused_until) = (None, None);
    }

    /// The clock was set, by so many ms: what was to happen in a minute still does.
    pub(super) fn shift(&mut self, ms: i64) {
        let shifted = |moment: &mut TimestampMs| *moment = moment.plus(ms);
        self.paused_until.iter_mut().chain(&mut self.circuit).chain([&mut self.spent_until]).for_each(shifted);
        for recipient in self.recipients.values_mut() {
            recipient.quiet_until.iter_mut().for_each(shifted);
            let waiting = recipient.lanes.values_mut().flat_map(|lane| &mut lane.waiting);
            waiting.for_each(|batch| {
                shifted(&mut batch.row.not_before);
                shifted(&mut batch.row.deadline);
            });
        }
        self.busy.values_mut().for_each(|batch| shifted(&mut batch.row.deadline));
    }

    /// What is to be done now. A row that is given out is busy until [`Self::settle`] or [`Self::put_back`].
    pub(super) fn next(&mut self, now: TimestampMs) -> Next {
        // also what was being sent when its recipient went, or was decided before that
        if let Some(batch) = self.stranger() {
            return Next::GiveUp(batch, FailureClass::Permanent, "the recipient is not configured any more");
        }
        if let Some(batch) = self.overdue(now) {
            return Next::GiveUp(batch, FailureClass::Deadline, "it was not taken in time");
        }
        if self.recipients.values().all(|recipient| recipient.lanes.values().all(|lane| lane.waiting.is_empty())) {
            return Next::Wait(None);
        }
        let deadline = self.first(|batch| batch.row.deadline);
        if self.busy.len() >= self.terms.parallel || (self.circuit.is_some() && !self.busy.is_empty()) {
            return Next::Wait(deadline);
        }
        // a receiver that was quiet may be told `burst` messages at once
        let allowance = self.terms.spacing_ms.saturating_mul(self.terms.burst - 1);
        let gates = [self.paused_until, self.circuit, Some(self.spent_until.minus(allowance))];
        if let Some(gate) = gates.into_iter().flatten().max().filter(|gate| *gate > now) {
            return Next::Wait(Some(deadline.map_or(gate, |deadline| deadline.min(gate))));
        }
        let Some((_, recipient, lane)) = self.choose(now) else { return Next::Wait(self.wake(now, deadline)) };
        match self.take(&recipient, lane.as_deref(), now) {
            Some(batch) => {
                self.spent_until = self.spent_until.max(now).plus(self.terms.spacing_ms);
                Next::Send(batch)
            }
            None => Next::Wait(deadline),
        }
    }

    /// The oldest that may go: its number, recipient and lane; without a lane a digest of all that are ready.
    fn choose(&self, now: TimestampMs) -> Option<(u64, String, Option<String>)> {
        let mut best: Option<(u64, String, Option<String>)> = None;
        for (name, recipient) in &self.recipients {
            let ready = || recipient.lanes.iter().filter(|(_, lane)| lane.is_ready(now));
            let blocked_by_digest = recipient.lanes.contains_key(DIGEST_LANE);
            let is_quiet = recipient.quiet_until.is_some_and(|until| until > now);
            let is_storm = ready().filter(|(_, lane)| !lane.is_test()).count() > DIGEST_AFTER;
            let mut offer = |number: u64, lane: Option<&String>| {
                if best.as_ref().is_none_or(|(least, ..)| number < *least) {
                    best = Some((number, name.clone(), lane.cloned()));
                }
            };
            for (lane_name, lane) in ready() {
                let Some(front) = lane.waiting.front() else { continue };
                let is_digest = lane_name == DIGEST_LANE;
                if lane.is_test() || is_digest || !(blocked_by_digest || is_quiet) {
                    // while nobody is let in, a single row shows whether that is over
                    let is_storm = is_storm && !lane.is_test() && self.circuit.is_none();
                    offer(front.number, (!is_digest && !is_storm || self.circuit.is_some()).then_some(lane_name));
                }
            }
        }
        best
    }

    fn take(&mut self, recipient: &str, lane: Option<&str>, now: TimestampMs) -> Option<Batch> {
        let recipient = self.recipients.get_mut(recipient)?;
        let (lane, batch) = match lane {
            Some(name) => {
                let lane = recipient.lanes.get_mut(name)?;
                let batch = lane.waiting.pop_front()?;
                (lane, batch)
            }
            None => {
                let batch = gather(recipient, now)?;
                (recipient.lanes.entry(DIGEST_LANE.to_owned()).or_default(), batch)
            }
        };
        lane.is_busy = true;
        self.busy.insert(batch.row.id.clone(), batch.clone());
        self.tidy();
        Some(batch)
    }

    fn stranger(&mut self) -> Option<Batch> {
        let known = &self.terms.recipients;
        let strangers = self.recipients.iter_mut().filter(|(name, _)| !known.contains(name));
        let mut lanes = strangers.flat_map(|(_, recipient)| recipient.lanes.values_mut());
        let lane = lanes.find(|lane| !lane.is_busy && !lane.waiting.is_empty())?;
        let batch = lane.waiting.pop_front()?;
        lane.is_busy = true;
        self.busy.insert(batch.row.id.clone(), batch.clone());
        Some(batch)
    }

    fn overdue(&mut self, now: TimestampMs) -> Option<Batch> {
        let lanes = self.recipients.values_mut().flat_map(|recipient| recipient.lanes.values_mut());
        let mut free = lanes.filter(|lane| !lane.is_busy);
        let lane = free.find(|lane| lane.waiting.front().is_some_and(|batch| batch.row.deadline <= now))?;
        let batch = lane.waiting.pop_front()?;
        lane.is_busy = true;
        self.busy.insert(batch.row.id.clone(), batch.clone());
        Some(batch)
    }

    fn first(&self, moment: impl Fn(&Batch) -> TimestampMs) -> Option<TimestampMs> {
        let lanes = self.recipients.values().flat_map(|recipient| recipient.lanes.values());
        lanes.filter(|lane| !lane.is_busy).filter_map(|lane| lane.waiting.front()).map(moment).min()
    }

    fn wake(&self, now: TimestampMs, deadline: Option<TimestampMs>) -> Option<TimestampMs> {
        let quiet = self.recipients.values().filter_map(|recipient| recipient.quiet_until);
        let lanes = self.recipients.values().flat_map(|recipient| recipient.lanes.values());
        let waiting = lanes.filter(|lane| !lane.is_busy).filter_map(|lane| lane.waiting.front());
        let moments = quiet.chain(waiting.map(|batch| batch.row.not_before)).filter(|moment| *moment > now);
        moments.chain(deadline).min()
    }

    /// The row is being sent without having been claimed, and may be sent again after a crash.
    pub(super) fn doubt(&mut self, id: &str) {
        if let Some(batch) = self.busy.get_mut(id) {
            batch.row.uncertain = true;
        }
    }

    /// There is reason to believe that it lets us in again.
    pub(super) fn try_again(&mut self) {
        self.circuit = None;
        self.circuit_pause_ms = 0;
    }

    /// The row arrived.
    pub(super) fn arrived(&mut self, id: &str, now: TimestampMs) {
        self.try_again();
        let Some(batch) = self.busy.get(id) else { return };
        if batch.row.notification.reason == Reason::Digest {
            let recipient = batch.row.recipient.clone();
            self.digest_was_sent(&recipient, now);
        }
    }

    /// The row is settled, however it went: its lane goes on.
    pub(super) fn settle(&mut self, id: &str) {
        if let Some(batch) = self.busy.remove(id)
            && let Some(lane) = self.lane(&batch.row)
        {
            lane.is_busy = false;
        }
        self.tidy();
    }

    /// The row waits again, before all others of its lane.
    pub(super) fn put_back(&mut self, row: OutboxRow) {
        let Some(batch) = self.busy.remove(&row.id) else { return };
        if let Some(lane) = self.lane(&row) {
            lane.is_busy = false;
            lane.waiting.push_front(Batch { row, coalesced: Vec::new(), number: batch.number });
            lane.merge();
        }
    }

    fn lane(&mut self, row: &OutboxRow) -> Option<&mut Lane> {
        self.recipients.get_mut(&row.recipient)?.lanes.get_mut(&row.lane)
    }

    /// The row did not arrive. `chance(most)` is anything up to `most`.
    pub(super) fn failed(
        &mut self,
        id: &str,
        error: &SendError,
        now: TimestampMs,
        chance: &dyn Fn(u64) -> u64,
    ) -> Option<Verdict> {
        let mut row = self.busy.get(id)?.row.clone();
        row.state = OutboxState::Pending;
        row.error = Some(error.message.chars().take(LONGEST_ERROR).collect());
        row.uncertain |= error.maybe_sent;
        row.not_before = now;
        if error.class != FailureClass::RateLimited {
            row.attempts = row.attempts.saturating_add(1);
        }
        match error.class {
            FailureClass::RateLimited => {
                row.not_before = now.plus(Terms::pause_ms(error.retry_after_ms, chance));
                self.paused_until = self.paused_until.max(Some(row.not_before));
            }
            FailureClass::Transient | FailureClass::Timeout => {
                let asked = error.retry_after_ms.map_or(0, |_| Terms::pause_ms(error.retry_after_ms, chance));
                row.not_before = now.plus(self.terms.backoff_ms(row.attempts, chance).max(asked));
                // that says nothing about whether we are let in
                self.circuit = self.circuit.map(|_| row.not_before);
            }
            // several that were on their way are refused for one reason
            FailureClass::Authentication if self.circuit.is_some_and(|next| next > now) => {}
            FailureClass::Authentication => {
                self.circuit_pause_ms = self.circuit_pause_ms.saturating_mul(2).clamp(CIRCUIT_FIRST_MS, CIRCUIT_MS);
                self.circuit = Some(now.plus(self.circuit_pause_ms));
            }
            FailureClass::Permanent => {
                self.circuit = None;
                if row.plain {
                    return Some(Verdict::Dead(row));
                }
                row.plain = true;
            }
            FailureClass::Deadline => return Some(Verdict::Dead(row)),
        }
        Some(Verdict::Again(row))
    }

    /// Forgets lanes and recipients of which nothing is known any more.
    fn tidy(&mut self) {
        self.recipients.retain(|_, recipient| {
            recipient.lanes.retain(|_, lane| lane.is_busy || !lane.waiting.is_empty());
            !recipient.lanes.is_empty() || recipient.quiet_until.is_some()
        });
    }
}

/// Takes what is ready of a recipient, the worst first where it is too much, and makes one row of it.
fn gather(recipient: &mut Recipient, now: TimestampMs) -> Option<Batch> {
    let mut ready: Vec<(bool, crate::model::Severity, u64, String)> = Vec::new();
    for (name, lane) in recipient.lanes.iter().filter(|(_, lane)| lane.is_ready(now) && !lane.is_test()) {
        let severity = lane.waiting.iter().map(|batch| batch.row.notification.severity()).min();
        let number = lane.waiting.front().map_or(0, |batch| batch.number);
        ready.extend(severity.map(|severity| (name != DIGEST_LANE, severity, number, name.clone())));
    }
    ready.sort_unstable();
    let later = ready.split_off(ready.len().min(DIGEST_PARTS));
    if let [(_, _, _, only)] = ready.as_slice()
        && let Some(lane) = recipient.lanes.get_mut(only)
        && only == DIGEST_LANE
        && lane.waiting.len() == 1
    {
        // nothing has come since it failed
        return lane.waiting.pop_front();
    }
    let mut batches: Vec<Batch> = Vec::new();
    for (_, _, _, name) in &ready {
        if let Some(lane) = recipient.lanes.get_mut(name) {
            batches.extend(lane.waiting.drain(..));
        }
    }
    let fires = |batch: &Batch| batch.row.notification.firing().count();
    let later = later.iter().filter_map(|(_, _, _, name)| recipient.lanes.get(name));
    let waiting: usize = later.filter_map(|lane| lane.waiting.back()).map(fires).sum();
    batches.sort_by_key(|batch| batch.number);
    let number = batches.first()?.number;
    let coalesced = batches.iter().flat_map(Batch::ids).cloned().collect();
    let rows = batches.into_iter().map(|batch| batch.row).collect();
    let row = digest(rows, u64::try_from(waiting).unwrap_or(u64::MAX), now)?;
    Some(Batch { row, coalesced, number })
}
