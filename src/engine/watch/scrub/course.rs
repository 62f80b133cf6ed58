//! The scrub between its timers: what is to be read, what is being read, what came of it. A call per event, each with
//! the time at which it happens, so that a test can step it.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio_util::sync::CancellationToken;
use ulid::Ulid;

use crate::discover::Bucket;
use crate::engine::threads;
use crate::model::{
    BlockView, BucketScrub, BucketView, Level, MINUTE_MS, ScrubSettings, ScrubStatus, TimestampMs, Verdict,
    Verification,
};
use crate::verify::scrub::{Block, Next, Scheduler};
use crate::verify::{self, Watcher};

/// What there is to scrub, as the judge knows it.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Sight {
    pub(in crate::engine) settings: Arc<ScrubSettings>,
    /// All configured buckets, by name.
    pub(in crate::engine) buckets: BTreeMap<Arc<str>, Sighted>,
}

/// One bucket.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Sighted {
    /// Tells it from one of the same name that was configured before it.
    pub(in crate::engine) generation: u64,
    pub(in crate::engine) bucket: Arc<dyn Bucket>,
    /// It is not left out.
    pub(in crate::engine) scrubbed: bool,
    /// Its newest complete view, and the blocks in it; `None` before the first.
    pub(in crate::engine) seen: Option<(Arc<BucketView>, Arc<[Block]>)>,
}

/// A block that is to be read now.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) id: ReadingId,
    pub(super) bucket: Arc<dyn Bucket>,
    pub(super) view: Arc<BucketView>,
    pub(super) level: Level,
    /// Cancelled when nobody wants it any more.
    pub(super) stop: CancellationToken,
}

impl Reading {
    /// As it was listed.
    pub(super) fn block(&self) -> Option<&BlockView> {
        self.view.blocks.get(&self.id.ulid)
    }
}

/// Which reading it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReadingId {
    pub(super) bucket: Arc<str>,
    pub(super) generation: u64,
    pub(super) ulid: Ulid,
    number: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Course {
    stop: CancellationToken,
    scheduler: Scheduler,
    sight: Arc<Sight>,
    running: BTreeMap<(Arc<str>, Ulid), (u64, CancellationToken)>,
    number: u64,
    totals: BTreeMap<Arc<str>, Totals>,
    read: Arc<Tally>,
    /// What was read until when, over the last minutes.
    marks: VecDeque<(TimestampMs, u64)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    bytes: u64,
    blocks: [u64; Verdict::ALL.len()],
}

/// Counts what is read.
#[derive(Debug, Default)]
pub(super) struct Tally(AtomicU64);

impl Tally {
    pub(super) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Watcher for Tally {
    fn bytes_again(&self, _bytes: u64) {}

    fn bytes_read(&self, bytes: u64) {
        self.add(bytes);
    }
}

/// The rate that is shown is that of this time.
const RATE_MS: i64 = 5 * MINUTE_MS;

impl Course {
    /// With nothing to do yet. Whatever is read ends with `stop`.
    pub(super) fn new(stop: CancellationToken, now: TimestampMs) -> Self {
        let settings = ScrubSettings::default();
        Self {
            stop,
            scheduler: Scheduler::new(&settings, at_once(&settings), now),
            sight: Arc::default(),
            running: BTreeMap::new(),
            number: 0,
            totals: BTreeMap::new(),
            read: Arc::default(),
            marks: VecDeque::new(),
        }
    }

    /// Takes in what there is now.
    pub(super) fn look(&mut self, sight: Arc<Sight>, now: TimestampMs) {
        let before = std::mem::replace(&mut self.sight, sight);
        let sight = Arc::clone(&self.sight);
        if before.settings != sight.settings {
            self.scheduler.change(&sight.settings, at_once(&sight.settings), now);
        }
        // what is not the same bucket any more begins anew
        let is_same = |name: &str| {
            let generation = |sight: &Sight| sight.buckets.get(name).map(|bucket| bucket.generation);
            sight.wants(name) && generation(&before) == generation(&sight)
        };
        self.scheduler.keep(is_same);
        // neither is what is read under bounds that hold no more: less may have been set because it is too much
        let same_bounds = bounds(&before.settings) == bounds(&sight.settings);
        for ((name, _), (_, stop)) in &self.running {
            if !same_bounds || !is_same(name) {
                stop.cancel();
            }
        }
        for (name, bucket) in sight.buckets.iter().filter(|(name, _)| sight.wants(name)) {
            let Some((_, blocks)) = &bucket.seen else { continue };
            let known = before.buckets.get(name).and_then(|before| before.seen.as_ref());
            let is_known = known.is_some_and(|(_, known)| Arc::ptr_eq(known, blocks));
            if !is_known || !self.scheduler.knows(name) {
                self.scheduler.see(name, blocks.to_vec(), now);
            }
        }
        self.totals.retain(|name, _| sight.buckets.contains_key(name));
        for name in sight.buckets.keys() {
            self.totals.entry(Arc::clone(name)).or_default();
        }
    }

    /// The next block, or when to ask again if nothing else happens.
    pub(super) fn next(&mut self, now: TimestampMs) -> Result<Reading, Option<TimestampMs>> {
        let (name, ulid) = match self.scheduler.next(now) {
            Next::Begin { bucket, ulid } => (bucket, ulid),
            Next::Wait(until) => return Err(until),
        };
        self.number = self.number.saturating_add(1);
        let bucket = self.sight.buckets.get(&name);
        let Some((bucket, (view, _))) = bucket.and_then(|bucket| Some((bucket, bucket.seen.as_ref()?))) else {
            // nothing is in the schedule that was not seen
            return Err(None);
        };
        let stop = self.stop.child_token();
        self.running.insert((Arc::clone(&name), ulid), (self.number, stop.clone()));
        Ok(Reading {
            id: ReadingId { bucket: name, generation: bucket.generation, ulid, number: self.number },
            bucket: Arc::clone(&bucket.bucket),
            view: Arc::clone(view),
            level: self.sight.settings.level,
            stop,
        })
    }

    /// A block was read, or given up.
    pub(super) fn ended(&mut self, id: &ReadingId, shown: Option<&Verification>, now: TimestampMs) {
        let place = (Arc::clone(&id.bucket), id.ulid);
        if self.running.get(&place).is_none_or(|(number, _)| *number != id.number) {
            // nobody waits for it any more
            return;
        }
        self.running.remove(&place);
        self.scheduler.ended(&id.bucket, id.ulid, shown, now);
        let (Some(totals), Some(shown)) = (self.totals.get_mut(&id.bucket), shown) else { return };
        totals.bytes = totals.bytes.saturating_add(shown.bytes);
        let verdicts = Verdict::ALL.iter().zip(&mut totals.blocks);
        if let Some((_, count)) = verdicts.into_iter().find(|(verdict, _)| **verdict == shown.verdict) {
            *count = count.saturating_add(1);
        }
    }

    /// To be told what is read.
    pub(super) fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.read)
    }

    /// What is demanded.
    pub(super) fn settings(&self) -> &ScrubSettings {
        &self.sight.settings
    }

    /// How it goes.
    pub(super) fn status(&mut self, now: TimestampMs) -> ScrubStatus {
        let bucket = |(name, totals): (&Arc<str>, &Totals)| BucketScrub {
            bucket: Arc::clone(name),
            bytes: totals.bytes,
            blocks: totals.blocks,
            under_way: u64::try_from(self.scheduler.running(name)).unwrap_or(u64::MAX),
            outlook: self.scheduler.outlook(name, now),
        };
        let buckets = self.totals.iter().map(bucket).collect();
        let settings = &self.sight.settings;
        let (enabled, interval_ms) = (settings.enabled, settings.interval_ms);
        ScrubStatus { enabled, interval_ms, rate: self.rate(now), buckets }
    }

    /// Bytes per second over the last minutes.
    fn rate(&mut self, now: TimestampMs) -> u64 {
        let read = self.read.bytes();
        // a clock that is set back begins anew
        self.marks.retain(|(at, _)| *at <= now);
        while self.marks.get(1).is_some_and(|(at, _)| now.since(*at) >= RATE_MS) {
            self.marks.pop_front();
        }
        self.marks.push_back((now, read));
        let Some((since, before)) = self.marks.front() else { return 0 };
        let ms = u64::try_from(now.since(*since)).unwrap_or_default();
        read.saturating_sub(*before).saturating_mul(1_000).checked_div(ms).unwrap_or(0)
    }
}

impl Sight {
    /// The scrub is on for this bucket.
    fn wants(&self, name: &str) -> bool {
        self.settings.enabled && self.buckets.get(name).is_some_and(|bucket| bucket.scrubbed)
    }
}

/// Blocks that are read at once: one more than threads, so that none has to wait for the begin of the next.
fn at_once(settings: &ScrubSettings) -> usize {
    threads(settings).saturating_add(1)
}

/// The bounds of the verifier.
pub(super) fn bounds(settings: &ScrubSettings) -> verify::Settings {
    verify::Settings {
        threads: threads(settings),
        memory_bytes: settings.memory,
        bytes_per_second: settings.max_bytes_per_second.and_then(NonZeroU64::new),
        requests_per_second: settings.max_requests_per_second.and_then(NonZeroU64::new),
        in_background: true,
        ..verify::Settings::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, ObjstoreSource};
    use crate::discover::Limits;
    use crate::engine::watch::{Configured, Station};
    use crate::engine::{Job, State, clock};
    use crate::model::{Environment, ProviderSettings};

    /// 2026-03-06T15:30:00Z, when the sample bucket was left.
    const NOW: TimestampMs = TimestampMs(1_772_811_000_000);

    /// A station that has seen the sample bucket.
    async fn station() -> (Station, Configured) {
        let objstore = "{type: FILESYSTEM, config: {directory: tests/fixtures/sample-bucket}}".to_owned();
        let config = config::load(None, Some(&ObjstoreSource::Inline(objstore)), &Environment::default(), &[]).unwrap();
        let configured = Configured {
            buckets: config.buckets.clone(),
            policy: config.policy.clone(),
            metrics: config.metrics.clone(),
            alerts: crate::engine::watch::Alerts::default(),
        };
        let job = Job {
            buckets: config.buckets,
            policy: config.policy,
            state: State::Memory,
            environment: Environment::default(),
            limits: Limits::default(),
        };
        let mut station = Station::open(job, config.metrics, &clock::ambient(), NOW).unwrap();
        station.step(NOW, &()).await;
        (station, configured)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_nobody_wants_any_more_is_given_up_and_what_is_kept_goes_on() {
        type Change = fn(&mut Configured);
        let cases: [(&str, Change, bool, bool); 6] = [
            ("nothing", |_| (), false, true),
            ("of something else", |new| new.policy.streams.push(crate::checks::StreamPolicy::default()), false, true),
            ("the interval", |new| new.policy.scrub.interval_ms /= 2, false, true),
            ("less at once", |new| new.policy.scrub.max_bytes_per_second = Some(1_000), true, true),
            ("the scrub is off", |new| new.policy.scrub.enabled = false, true, false),
            (
                "the bucket is left out",
                |new| {
                    let name = new.buckets[0].name.clone();
                    new.policy.buckets.entry(name).or_default().scrub = false;
                },
                true,
                false,
            ),
        ];
        for (what, change, stops, goes_on) in cases {
            let (mut station, mut configured) = station().await;
            let mut course = Course::new(CancellationToken::new(), NOW);
            course.look(station.sight(), NOW);
            let reading = course.next(NOW).unwrap();
            assert!(reading.block().is_some() && !reading.stop.is_cancelled());
            change(&mut configured);
            station.reload(Ok(configured), NOW).unwrap();
            course.look(station.sight(), NOW);
            assert_eq!(reading.stop.is_cancelled(), stops, "{what}");
            course.ended(&reading.id, None, NOW);
            assert_eq!(course.status(NOW).buckets[0].under_way, 0, "{what}");
            assert_eq!(course.next(NOW).is_ok(), goes_on, "{what}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_bucket_that_is_somewhere_else_begins_anew_and_a_removed_one_has_no_figures() {
        let (mut station, mut configured) = station().await;
        let mut course = Course::new(CancellationToken::new(), NOW);
        course.look(station.sight(), NOW);
        let reading = course.next(NOW).unwrap();
        // reached in another way: what was begun is of the one before
        let ProviderSettings::Filesystem(folder) = &mut configured.buckets[0].provider else { panic!() };
        folder.directory = "./tests/fixtures/sample-bucket".to_owned();
        station.reload(Ok(configured.clone()), NOW).unwrap();
        course.look(station.sight(), NOW);
        assert!(reading.stop.is_cancelled());
        let taken = Verification {
            at: NOW,
            level: Level::Full,
            version: 1,
            verdict: Verdict::Ok,
            bytes: 1,
            samples: 1,
            identity: 1,
            problems: Vec::new(),
            why: None,
            compared: false,
        };
        let (name, ulid) = (Arc::clone(&reading.id.bucket), reading.id.ulid);
        station.take_verification(&name, reading.id.generation, ulid, taken, crate::model::Hashes::new());
        course.ended(&reading.id, None, NOW);
        station.step(NOW, &()).await;
        course.look(station.sight(), NOW);
        let again = course.next(NOW).unwrap();
        assert_eq!((again.id.ulid, again.id.generation), (ulid, reading.id.generation + 1), "nothing was shown of it");

        configured.buckets.clear();
        station.reload(Ok(configured), NOW).unwrap();
        course.look(station.sight(), NOW);
        assert!(again.stop.is_cancelled() && course.next(NOW).is_err() && course.status(NOW).buckets.is_empty());
    }

    #[test]
    fn the_rate_is_that_of_the_last_minutes() {
        let mut course = Course::new(CancellationToken::new(), NOW);
        let mut rates = Vec::new();
        for (minute, bytes) in [(0, 0), (1, 60_000), (4, 0), (6, 60_000), (12, 0), (20, 0)] {
            course.tally().bytes_read(bytes);
            rates.push(course.status(NOW.plus(minute * MINUTE_MS)).rate);
        }
        assert_eq!(rates, [0, 1_000, 250, 200, 0, 0]);
        assert_eq!(course.status(NOW).rate, 0, "a clock that is set back is no defect");
    }
}
