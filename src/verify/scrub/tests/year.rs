//! A year of a bucket: blocks are written, compacted, marked and deleted, the service is started anew again and again.

use std::collections::BTreeMap;

use super::*;

/// A bucket and what the ledger holds of it.
#[derive(Debug, Default)]
struct World {
    blocks: BTreeMap<Ulid, Present>,
    ledger: BTreeMap<Ulid, Done>,
    count: u128,
}

#[derive(Clone, Copy, Debug)]
struct Present {
    start: i64,
    length: i64,
    written: TimestampMs,
    marked: Option<TimestampMs>,
}

/// Streams that are written.
const STREAMS: i64 = 2;
/// Of a block of two hours.
const BYTES: u64 = 10_000_000;
/// Raw data is kept for so long.
const RETENTION_MS: i64 = 120 * DAY_MS;
/// Of each block, in hours; compaction makes each out of the ones before.
const LENGTHS: [i64; 4] = [2, 8, 48, 96];

impl World {
    fn add(&mut self, start: i64, length: i64, now: TimestampMs) {
        self.count += 1;
        let present = Present { start, length, written: now, marked: None };
        self.blocks.insert(Ulid::from_parts(u64::try_from(now.0).unwrap(), self.count), present);
    }

    /// What Prometheus and the compactor do in this hour.
    fn hour(&mut self, hour: i64) {
        let now = hours(hour);
        self.blocks.retain(|_, block| block.marked.is_none_or(|marked| now.since(marked) < 48 * HOUR_MS));
        for pair in LENGTHS.windows(2) {
            let (part, whole) = (pair[0], pair[1]);
            // some hours after its newest part was written
            if (hour - part).rem_euclid(whole) == 0 {
                let start = hour - part - whole;
                for stream in 0..STREAMS {
                    let sources: Vec<Ulid> = (self.blocks.iter())
                        .filter(|(_, block)| block.length == part && (start..start + whole).contains(&block.start))
                        .filter(|(_, block)| block.marked.is_none())
                        .map(|(ulid, _)| *ulid)
                        .take(usize::try_from(whole / part).unwrap())
                        .collect();
                    if sources.len() == usize::try_from(whole / part).unwrap() && stream < STREAMS {
                        for source in sources {
                            self.blocks.get_mut(&source).unwrap().marked = Some(now);
                        }
                        self.add(start, whole, now);
                    }
                }
            }
        }
        if hour % 2 == 0 {
            for _ in 0..STREAMS {
                self.add(hour - 2, 2, now);
            }
        }
        for block in self.blocks.values_mut() {
            let ended = now.since(hours(block.start + block.length)) > RETENTION_MS;
            if ended && block.marked.is_none() {
                block.marked = Some(now);
            }
        }
    }

    fn seen(&self) -> Vec<Block> {
        let of = |(ulid, block): (&Ulid, &Present)| Block {
            ulid: *ulid,
            identity: 1,
            bytes: BYTES * u64::try_from(block.length / 2).unwrap(),
            written: block.written,
            seen: block.written.max(BEGIN),
            ready: Some(block.written.plus(HOUR_MS / 2)),
            leaves: Some(block.marked.unwrap_or(hours(block.start + block.length).plus(RETENTION_MS))),
            copied_until: None,
            done: self.ledger.get(ulid).copied(),
            failed: None,
        };
        self.blocks.iter().map(of).collect()
    }
}

/// What a run has shown.
#[derive(Debug, Default)]
struct Run {
    /// Bytes that were begun in each hour: of what is new, and of the round.
    new: BTreeMap<i64, u64>,
    round: BTreeMap<i64, u64>,
    /// The longest time, in ms, from complete to verified.
    slowest_new_ms: i64,
    /// The longest time, in ms, from one verification to the next, or to the end of the year.
    longest_ms: i64,
    /// Blocks that were begun outside of the hours.
    outside: u64,
}

/// So many days, of which the first forty are a first round.
fn run(settings: &ScrubSettings, days: i64, restart_hours: i64, stops: &[std::ops::Range<i64>]) -> Run {
    let a = bucket("a");
    let mut world = World::default();
    for hour in (-150 * 24)..0 {
        world.hour(hour);
    }
    let mut scheduler = Scheduler::new(settings, 2, BEGIN);
    let mut run = Run::default();
    // reading 50 MB takes a second
    let mut reading: Vec<(TimestampMs, Ulid, Block)> = Vec::new();
    for hour in 0..days * 24 {
        world.hour(hour);
        if stops.iter().any(|stop| stop.contains(&hour)) || (restart_hours > 0 && hour % restart_hours == 0) {
            reading.clear();
            scheduler = Scheduler::new(settings, 2, hours(hour));
        }
        if stops.iter().any(|stop| stop.contains(&hour)) {
            continue;
        }
        let seen = world.seen();
        let by_ulid: BTreeMap<Ulid, Block> = seen.iter().map(|block| (block.ulid, *block)).collect();
        scheduler.see(&a, seen, hours(hour));
        let mut now = hours(hour);
        loop {
            reading.sort_by_key(|(ends, ..)| *ends);
            if let Some((ends, ulid, block)) = reading.first().copied().filter(|(ends, ..)| *ends <= now) {
                reading.remove(0);
                let verification = shown(&block, Verdict::Ok, ends);
                scheduler.ended(&a, ulid, Some(&verification), ends);
                if let Some(before) = world.ledger.insert(ulid, Done::of(&verification).unwrap()) {
                    run.longest_ms = run.longest_ms.max(ends.since(before.at));
                } else if block.written > BEGIN {
                    run.slowest_new_ms = run.slowest_new_ms.max(ends.since(block.ready.unwrap()));
                }
                continue;
            }
            let ends = reading.first().map(|(ends, ..)| *ends);
            now = match scheduler.next(now) {
                Next::Begin { ulid, .. } => {
                    let Some(block) = by_ulid.get(&ulid) else { panic!("{ulid} is gone") };
                    let takes_ms = i64::try_from(block.bytes / 50_000).unwrap();
                    reading.push((now.plus(takes_ms), ulid, *block));
                    let is_new = !world.ledger.contains_key(&ulid) && block.written > BEGIN;
                    let loads = if is_new { &mut run.new } else { &mut run.round };
                    *loads.entry(hour).or_default() += block.bytes;
                    run.outside += u64::from(!is_new && !settings.window.is_open(now));
                    continue;
                }
                Next::Wait(until) => until.into_iter().chain(ends).min().unwrap_or(hours(hour + 1)).max(now.plus(1)),
            };
            if now >= hours(hour + 1) {
                break;
            }
        }
    }
    let end = hours(days * 24);
    for block in world.seen() {
        if block.leaves.is_some_and(|leaves| leaves > end)
            && block.ready.is_some_and(|ready| end.since(ready) > HOUR_MS)
        {
            let last = block.done.map_or(block.seen, |done| done.at);
            run.longest_ms = run.longest_ms.max(end.since(last));
        }
    }
    run
}

/// The greatest load of so many hours over the mean of all hours that may be used, from the day given on.
fn unevenness(loads: &BTreeMap<i64, u64>, per: i64, (from, to): (i64, i64), share: f64) -> f64 {
    let mut sums: BTreeMap<i64, u64> = BTreeMap::new();
    for (hour, bytes) in loads.range(from * 24..to * 24) {
        *sums.entry(hour / per).or_default() += bytes;
    }
    let total: u64 = sums.values().sum();
    let greatest = sums.values().max().copied().unwrap_or_default();
    #[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "a ratio for a bound")]
    let ratio = greatest as f64 / (total as f64 / ((to - from) * 24 / per) as f64);
    ratio * share
}

#[test]
fn in_a_year_each_block_is_verified_within_the_interval_and_evenly() {
    let run = run(&settings(30, ""), 365, 0, &[]);
    assert!(run.longest_ms <= 30 * DAY_MS, "{} days", run.longest_ms / DAY_MS);
    assert!(run.slowest_new_ms <= 2 * HOUR_MS, "{} min", run.slowest_new_ms / 60_000);
    let per_day = unevenness(&run.round, 24, (40, 365), 1.0);
    assert!(per_day < 2.0, "the fullest day has {per_day} times the mean");
}

#[test]
fn restarts_and_a_week_without_power_make_no_difference_that_lasts() {
    for hours in [5, 29] {
        let run = run(&settings(30, ""), 150, hours, std::slice::from_ref(&(100 * 24..107 * 24)));
        // a week more than the interval cannot be helped; it is caught up with soon
        assert!(run.longest_ms <= 38 * DAY_MS, "{} days", run.longest_ms / DAY_MS);
        let per_day = unevenness(&run.round, 24, (40, 100), 1.0);
        assert!(per_day < 2.0, "every {hours} h: the fullest day has {per_day} times the mean");
        let after = unevenness(&run.round, 24, (100, 140), 1.0);
        assert!(after < 4.0, "after the week: {after} times the mean");
    }
}

#[test]
fn nights_are_enough() {
    let settings = settings(30, "22:00-06:00");
    let run = run(&settings, 200, 50, &[]);
    assert_eq!(run.outside, 0);
    assert!(run.longest_ms <= 30 * DAY_MS, "{} days", run.longest_ms / DAY_MS);
    assert!(run.slowest_new_ms <= 2 * HOUR_MS, "{} min", run.slowest_new_ms / 60_000);
    let per_day = unevenness(&run.round, 24, (40, 200), 1.0);
    assert!(per_day < 2.0, "the fullest night has {per_day} times the mean");
}
