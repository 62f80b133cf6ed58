//! The blocks of one bucket, in the order of their turns.

use std::collections::{BTreeMap, BTreeSet};

use ulid::Ulid;

use super::turn::{Block, Demand, Done, Failed, Turn};
use crate::model::{DAY_MS, Outlook, ScrubOutlook, TimestampMs, Verification, Window};

/// One bucket.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    /// Since when it is scrubbed as it is now: before that, nobody could be late.
    since: TimestampMs,
    blocks: BTreeMap<Ulid, Block>,
    /// The oldest verification among them.
    oldest: Option<TimestampMs>,
    /// By urgency.
    now: BTreeSet<(TimestampMs, Ulid)>,
    /// By the end of their turn.
    round: BTreeSet<(TimestampMs, Ulid)>,
    /// By the moment from which on they may be read.
    waiting: BTreeSet<(TimestampMs, Ulid)>,
    running: BTreeSet<Ulid>,
    /// Bytes per day, while the window is open, that keep everything in time.
    pace: u64,
    /// The newest turn of the round: when it began, and for how many bytes.
    last: Option<(TimestampMs, u64)>,
    /// When it ends: before that, the next one would come too early.
    next_round: TimestampMs,
    /// Where it stands in the order of buckets: grows with what was read.
    pub(super) served: u64,
}

/// What would be read next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    /// Where it is in the order.
    place: (TimestampMs, Ulid),
    /// It has its turn in the round; otherwise it is new, or changed.
    of_round: bool,
}

impl Candidate {
    pub(super) const fn ulid(self) -> Ulid {
        self.place.1
    }
}

/// Blocks that are tried for what is left of a window.
const LOOK_AHEAD: usize = 16;

impl Lane {
    pub(super) const fn new(now: TimestampMs) -> Self {
        Self {
            since: now,
            blocks: BTreeMap::new(),
            oldest: None,
            now: BTreeSet::new(),
            round: BTreeSet::new(),
            waiting: BTreeSet::new(),
            running: BTreeSet::new(),
            pace: 0,
            last: None,
            next_round: now,
            served: 0,
        }
    }

    /// From now on other demands hold.
    pub(super) const fn restart(&mut self, now: TimestampMs) {
        self.since = now;
    }

    /// What is demanded here. The bucket as a whole is scrubbed since the oldest verification that counts.
    fn demand(&self, demand: Demand) -> Demand {
        Demand { since: self.oldest.unwrap_or(self.since).min(self.since), ..demand }
    }

    /// Takes in what there is now. What is known better here than by whoever gives it stays known.
    pub(super) fn see(&mut self, blocks: Vec<Block>, demand: Demand, window: &Window, now: TimestampMs) {
        let known = std::mem::take(&mut self.blocks);
        self.blocks = blocks.into_iter().map(|block| (block.ulid, merge(block, known.get(&block.ulid)))).collect();
        // a restart goes on where it was: the turn of the block that was read last may not be over
        self.last = self.last.or_else(|| self.newest());
        self.sort(demand, window, now);
    }

    /// When a block was last read, and how long it is.
    fn newest(&self) -> Option<(TimestampMs, u64)> {
        self.blocks.values().filter_map(|block| Some((block.done?.at, block.bytes))).max()
    }

    /// Puts all blocks into order, as of now.
    pub(super) fn sort(&mut self, demand: Demand, window: &Window, now: TimestampMs) {
        self.oldest = self.blocks.values().filter_map(|block| Some(block.done?.at)).min();
        let demand = self.demand(demand);
        (self.now, self.round, self.waiting) = Default::default();
        let mut due: Vec<(TimestampMs, u64)> = Vec::new();
        let ulids: Vec<Ulid> = self.blocks.keys().copied().filter(|ulid| !self.running.contains(ulid)).collect();
        for ulid in ulids {
            if let Some(Turn::Round { by, .. }) = self.enqueue(ulid, demand, now) {
                due.push((by, self.blocks.get(&ulid).map_or(0, |block| block.bytes.max(1))));
            }
        }
        due.sort_unstable();
        self.pace = pace_of(&due, demand, window, now);
        // at another pace the turn that was given last is longer or shorter
        self.next_round = self.last.map_or(now, |(began, bytes)| window.after(began, self.slot_ms(bytes)));
    }

    /// Puts one block into its place.
    fn enqueue(&mut self, ulid: Ulid, demand: Demand, now: TimestampMs) -> Option<Turn> {
        let turn = self.blocks.get(&ulid)?.turn(demand, now);
        match turn {
            Turn::Never => false,
            Turn::Now { from, .. } | Turn::Round { from, .. } if from > now => self.waiting.insert((from, ulid)),
            Turn::Now { before, .. } => self.now.insert((before, ulid)),
            Turn::Round { by, .. } => self.round.insert((by, ulid)),
        };
        Some(turn)
    }

    /// Moves those whose time has come.
    pub(super) fn wake(&mut self, demand: Demand, now: TimestampMs) {
        let demand = self.demand(demand);
        while let Some((_, ulid)) = self.waiting.first().copied().filter(|(from, _)| *from <= now) {
            self.waiting.pop_first();
            self.enqueue(ulid, demand, now);
        }
    }

    /// What would be read next. `rate`: bytes per second, as far as known.
    pub(super) fn candidate(&self, window: &Window, rate: Option<u64>, now: TimestampMs) -> Option<Candidate> {
        if let Some(place) = self.now.first() {
            return Some(Candidate { place: *place, of_round: false });
        }
        if self.next_round > now || !window.is_open(now) {
            return None;
        }
        let left_ms = window.closes(now).map(|closes| closes.since(now));
        let whole_ms = DAY_MS.saturating_mul(window.per_mille()) / 1_000;
        let fits = |(_, ulid): &&(TimestampMs, Ulid)| {
            let (Some(left_ms), Some(rate)) = (left_ms, rate) else { return true };
            let bytes = self.blocks.get(ulid).map_or(0, |block| block.bytes);
            let takes_ms = i64::try_from(bytes.saturating_mul(1_000) / rate.max(1)).unwrap_or(i64::MAX);
            // what is too long for any day is begun on any
            takes_ms <= left_ms || takes_ms > whole_ms
        };
        let place = self.round.iter().take(LOOK_AHEAD).find(fits)?;
        Some(Candidate { place: *place, of_round: true })
    }

    /// When to ask again, if nothing else happens.
    pub(super) fn wakes(&self, window: &Window, now: TimestampMs) -> Option<TimestampMs> {
        let waiting = self.waiting.first().map(|(from, _)| *from);
        let round = (!self.round.is_empty()).then(|| {
            let turn = window.opens(self.next_round.max(now));
            // its turn has come, and nothing fits into what is left of the hours
            if turn > now { turn } else { window.closes(now).map_or(turn, |closes| window.opens(closes)) }
        });
        waiting.into_iter().chain(round).min()
    }

    /// A block is being read. Gives its length.
    pub(super) fn begin(&mut self, Candidate { place, of_round }: Candidate, window: &Window, now: TimestampMs) -> u64 {
        let (queue, (_, ulid)) = (if of_round { &mut self.round } else { &mut self.now }, place);
        queue.remove(&place);
        self.running.insert(ulid);
        let bytes = self.blocks.get(&ulid).map_or(0, |block| block.bytes);
        if of_round {
            let slot = self.slot_ms(bytes);
            // a moment of delay is made up for, a longer one is not: the pace has been raised by then
            let began = if self.last.is_some() && now.since(self.next_round) < slot { self.next_round } else { now };
            self.last = Some((began, bytes));
            self.next_round = window.after(began, slot);
        } else if self.last.is_none() {
            // nor does the round begin with what has just been read
            self.last = Some((now, bytes));
            self.next_round = window.after(now, self.slot_ms(bytes));
        }
        bytes
    }

    /// How long the turn of a block lasts, in ms while the window is open.
    fn slot_ms(&self, bytes: u64) -> i64 {
        let slot = u128::from(bytes.max(1)).saturating_mul(DAY_MS.unsigned_abs().into()) / u128::from(self.pace.max(1));
        i64::try_from(slot).unwrap_or(i64::MAX).min(31 * DAY_MS)
    }

    /// A block was read, or not.
    pub(super) fn end(&mut self, ulid: Ulid, shown: Option<&Verification>, demand: Demand, now: TimestampMs) {
        if !self.running.remove(&ulid) {
            return;
        }
        if let (Some(block), Some(verification)) = (self.blocks.get_mut(&ulid), shown) {
            match Done::of(verification) {
                Some(done) => (block.done, block.failed) = (Some(done), None),
                None => {
                    let identity = verification.identity;
                    let times =
                        block.failed.filter(|failed| failed.identity == identity).map_or(0, |failed| failed.times);
                    block.failed = Some(Failed { at: verification.at, times: times.saturating_add(1), identity });
                }
            }
        }
        let demand = self.demand(demand);
        self.enqueue(ulid, demand, now);
    }

    /// Blocks that are being read.
    pub(super) fn running(&self) -> usize {
        self.running.len()
    }

    /// Bytes per day, while the window is open, that keep everything in time.
    pub(super) const fn pace(&self) -> u64 {
        self.pace
    }

    /// What there is to do. `capacity`: bytes per day, while the window is open, that can be read; `None` = not known.
    pub(super) fn outlook(&self, demand: Demand, window: &Window, capacity: Option<u64>, now: TimestampMs) -> Outlook {
        let demand = self.demand(demand);
        let mut outlook = Outlook { needed_rate: per_second(self.pace), ..Outlook::default() };
        let mut urgent: u64 = 0;
        let mut due: Vec<(TimestampMs, u64)> = Vec::new();
        let mut backlog_now: u64 = 0;
        for block in self.blocks.values() {
            let turn = block.turn(demand, now);
            let verified = block.is_verified(demand, now);
            match turn {
                Turn::Never => continue,
                Turn::Now { .. } => urgent = urgent.saturating_add(block.bytes),
                Turn::Round { by, .. } => due.push((by, block.bytes)),
            }
            outlook.blocks = outlook.blocks.saturating_add(1);
            outlook.bytes = outlook.bytes.saturating_add(block.bytes);
            let since = block.valid().map_or(block.seen, |done| done.at);
            outlook.oldest = Some(outlook.oldest.map_or(since, |oldest| oldest.min(since)));
            if !verified {
                outlook.backlog_blocks = outlook.backlog_blocks.saturating_add(1);
                outlook.backlog_bytes = outlook.backlog_bytes.saturating_add(block.bytes);
                if matches!(turn, Turn::Now { .. }) {
                    backlog_now = backlog_now.saturating_add(block.bytes);
                }
            }
        }
        due.sort_unstable();
        let fastest = capacity.unwrap_or(u64::MAX);
        let paced = outlook.backlog_bytes.saturating_sub(backlog_now);
        outlook.remaining_ms = lasts_ms(backlog_now, fastest, 1_000).saturating_add(lasts_ms(
            paced,
            self.pace.min(fastest),
            window.per_mille(),
        ));
        if let Some(capacity) = capacity {
            outlook.worst = self.worst(&due, urgent, demand, (capacity, window.per_mille()), now);
        }
        outlook
    }

    /// The block of the round that comes out worst: when its turn is over, and until when it should be.
    fn worst(
        &self,
        due: &[(TimestampMs, u64)],
        urgent: u64,
        demand: Demand,
        (capacity, per_mille): (u64, i64),
        now: TimestampMs,
    ) -> Option<ScrubOutlook> {
        let spare_ms = demand.interval_ms.saturating_sub(demand.aim_ms());
        // what was late already when the scrub began is given some time
        let grace = self.since.plus(demand.interval_ms / 8);
        let mut read = urgent;
        let ends = due.iter().map(|(by, bytes)| {
            read = read.saturating_add(*bytes);
            (now.plus(lasts_ms(read, capacity, per_mille)), by.plus(spare_ms).max(grace), read)
        });
        let (round_ends, due, bytes_left) = ends.max_by_key(|(ends, due, _)| ends.since(*due))?;
        let over_all_hours = u128::from(per_second(capacity)).saturating_mul(per_mille.unsigned_abs().into()) / 1_000;
        Some(ScrubOutlook {
            began: due.minus(demand.interval_ms),
            round_ends,
            due,
            bytes_left,
            bytes_per_second: u64::try_from(over_all_hours).unwrap_or(u64::MAX),
        })
    }
}

/// What a block is, with what is known of it here: the ledger may fail, and keeps fewer attempts.
fn merge(given: Block, known: Option<&Block>) -> Block {
    let Some(known) = known else { return given };
    let done = match (given.done, known.done) {
        (Some(given), Some(known)) if known.at > given.at => Some(known),
        (given, known) => given.or(known),
    };
    let failed = match (given.failed, known.failed) {
        (Some(given), Some(known)) if given.at > known.at => Some(given),
        (given, known) => known.or(given),
    };
    let failed = failed.filter(|failed| done.is_none_or(|done| done.at < failed.at));
    Block { done, failed, seen: given.seen.min(known.seen), ..given }
}

/// The slowest steady pace, in bytes per day while the window is open, at which each block is read by its time. What is
/// late already is spread over a while too.
fn pace_of(due: &[(TimestampMs, u64)], demand: Demand, window: &Window, now: TimestampMs) -> u64 {
    // within what is left over for it, so that it is in time all the same if it was
    let least_ms = demand.interval_ms.saturating_sub(demand.aim_ms()).max(1);
    let mut read: u128 = 0;
    let mut pace: u128 = 0;
    for (by, bytes) in due {
        read = read.saturating_add(u128::from(*bytes));
        let left_ms = u128::from(by.since(now).max(least_ms).unsigned_abs());
        pace = pace.max(read.saturating_mul(u128::from(DAY_MS.unsigned_abs())).div_ceil(left_ms));
    }
    let open = u128::from(window.per_mille().max(1).unsigned_abs());
    u64::try_from(pace.saturating_mul(1_000) / open).unwrap_or(u64::MAX)
}

/// How long so many bytes take at a pace per day that holds for so many thousandths of a day.
fn lasts_ms(bytes: u64, per_day: u64, per_mille: i64) -> i64 {
    let per_day = u128::from(per_day.max(1)).saturating_mul(per_mille.max(1).unsigned_abs().into());
    let ms = u128::from(bytes).saturating_mul(u128::from(DAY_MS.unsigned_abs())).saturating_mul(1_000) / per_day.max(1);
    i64::try_from(ms).unwrap_or(i64::MAX)
}

const fn per_second(per_day: u64) -> u64 {
    per_day.div_ceil(24 * 60 * 60)
}
