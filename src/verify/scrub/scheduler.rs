//! Which block is read next, over all buckets.

use std::collections::BTreeMap;
use std::sync::Arc;

use ulid::Ulid;

use super::lane::Lane;
use super::meter::Meter;
use super::turn::{Block, Demand};
use crate::model::{MINUTE_MS, Outlook, ScrubSettings, TimestampMs, Verification, Window};

/// What is to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// This block is to be read. It counts as being read from now on, until [`Scheduler::ended`].
    Begin {
        /// Where.
        bucket: Arc<str>,
        /// Which.
        ulid: Ulid,
    },
    /// Nothing before this moment, unless something is seen or ends; `None` = nothing at all.
    Wait(Option<TimestampMs>),
}

/// The schedule. All that has to survive a restart is in what it is given: the verifications of the ledger.
#[derive(Clone, Debug)]
pub struct Scheduler {
    demand: Demand,
    window: Window,
    budget: Option<u64>,
    /// Blocks that may be read at once.
    at_once: usize,
    lanes: BTreeMap<Arc<str>, Lane>,
    meter: Meter,
    /// The place in the order of buckets of the one that had the last turn.
    clock: u64,
    sorted: TimestampMs,
}

/// Turns grow older by themselves: all are put into order anew at least this often.
const SORT_MS: i64 = 30 * MINUTE_MS;

impl Scheduler {
    /// Without buckets.
    pub fn new(settings: &ScrubSettings, at_once: usize, now: TimestampMs) -> Self {
        Self {
            demand: Demand::of(settings, now),
            window: settings.window.clone(),
            budget: settings.max_bytes_per_second,
            at_once: at_once.max(1),
            lanes: BTreeMap::new(),
            meter: Meter::default(),
            clock: 0,
            sorted: now,
        }
    }

    /// Goes on with other settings.
    pub fn change(&mut self, settings: &ScrubSettings, at_once: usize, now: TimestampMs) {
        self.demand = Demand::of(settings, now);
        self.window = settings.window.clone();
        self.budget = settings.max_bytes_per_second;
        self.at_once = at_once.max(1);
        // what was measured was so under other bounds
        self.meter = Meter::default();
        for lane in self.lanes.values_mut() {
            lane.restart(now);
        }
        self.sort(now);
    }

    /// Takes in the blocks of a bucket, all of them.
    pub fn see(&mut self, bucket: &Arc<str>, blocks: Vec<Block>, now: TimestampMs) {
        let lane = self.lanes.entry(Arc::clone(bucket)).or_insert_with(|| Lane::new(now));
        lane.see(blocks, self.demand, &self.window, now);
    }

    /// Forgets the buckets that are not to be scrubbed any more.
    pub fn keep(&mut self, is_wanted: impl Fn(&str) -> bool) {
        self.lanes.retain(|bucket, _| is_wanted(bucket));
    }

    fn sort(&mut self, now: TimestampMs) {
        for lane in self.lanes.values_mut() {
            lane.sort(self.demand, &self.window, now);
        }
        self.sorted = now;
    }

    /// What is to be done now.
    pub fn next(&mut self, now: TimestampMs) -> Next {
        let since = now.since(self.sorted);
        if !(0..SORT_MS).contains(&since) {
            self.sort(now);
        }
        let running: usize = self.lanes.values().map(Lane::running).sum();
        if running >= self.at_once {
            return Next::Wait(None);
        }
        let rate = self.rate();
        for lane in self.lanes.values_mut() {
            lane.wake(self.demand, now);
        }
        // the bucket that has been given least; one that had nothing to do has no claim to what it did not use
        let clock = self.clock;
        let ready = self.lanes.iter_mut().filter_map(|(bucket, lane)| {
            let candidate = lane.candidate(&self.window, rate, now)?;
            Some((lane.served.max(clock), bucket, lane, candidate))
        });
        let Some((served, bucket, lane, candidate)) = ready.min_by_key(|(served, ..)| *served) else {
            let wakes = self.lanes.values().filter_map(|lane| lane.wakes(&self.window, now)).min();
            return Next::Wait(wakes);
        };
        self.clock = served;
        let bytes = lane.begin(candidate, &self.window, now);
        lane.served = served.saturating_add(bytes.max(1));
        self.meter.began(now);
        Next::Begin { bucket: Arc::clone(bucket), ulid: candidate.ulid() }
    }

    /// A block was read, or given up before anything was shown.
    pub fn ended(&mut self, bucket: &str, ulid: Ulid, shown: Option<&Verification>, now: TimestampMs) {
        if let Some(lane) = self.lanes.get_mut(bucket) {
            lane.end(ulid, shown, self.demand, now);
        }
        let more = self.lanes.values().any(|lane| lane.running() > 0);
        self.meter.ended(shown.map_or(0, |verification| verification.bytes), more, now);
    }

    /// The bucket was seen.
    pub fn knows(&self, bucket: &str) -> bool {
        self.lanes.contains_key(bucket)
    }

    /// Blocks of a bucket that are being read.
    pub fn running(&self, bucket: &str) -> usize {
        self.lanes.get(bucket).map_or(0, Lane::running)
    }

    /// Bytes per second that can be read, as far as that is known.
    fn rate(&self) -> Option<u64> {
        self.budget.into_iter().chain(self.meter.rate()).min()
    }

    /// What there is to do in a bucket; `None` for one that was not seen yet.
    pub fn outlook(&self, bucket: &str, now: TimestampMs) -> Option<Outlook> {
        let lane = self.lanes.get(bucket)?;
        let total: u64 = self.lanes.values().map(Lane::pace).fold(0, u64::saturating_add);
        let capacity = self.rate().map(|rate| {
            let rate = rate.saturating_mul(24 * 60 * 60);
            let spare = rate.checked_sub(total);
            let share = || u128::from(rate).saturating_mul(lane.pace().into()) / u128::from(total.max(1));
            // what the others do not need, or the share of what is too little for all
            spare.map_or_else(|| u64::try_from(share()).unwrap_or(u64::MAX), |spare| spare.saturating_add(lane.pace()))
        });
        Some(lane.outlook(self.demand, &self.window, capacity, now))
    }
}
