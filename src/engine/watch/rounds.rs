//! The rounds over one bucket: one pass after the other, each at its time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::STUCK;
use super::judge::Judge;
use super::vigil::Pulse;
use crate::discover::{Ambient, Progress};
use crate::engine::core::{Pass, Seen};

/// A loop that is awake is heard of at least this often.
const BEAT: Duration = Duration::from_secs(1);

/// No request goes on for longer than three minutes, its retries included, but a local folder may hang for ever.
pub(super) const SILENCE: Duration = Duration::from_mins(5);

/// The rounds over one bucket.
#[derive(Debug)]
pub(super) struct Rounds {
    pub(super) bucket: Arc<str>,
    pub(super) interval: Duration,
    /// Until the first pass.
    pub(super) first: Duration,
    /// A pass that makes no progress for this long is given up.
    pub(super) silence: Duration,
    pub(super) judge: Judge,
    pub(super) pulse: Pulse,
    pub(super) ambient: Ambient,
    pub(super) stop: CancellationToken,
}

impl Rounds {
    /// Goes round until `stop`.
    pub(super) async fn run(self) {
        let mut slot = Instant::now() + self.first;
        let mut due = slot;
        while self.wait_until(due).await {
            self.pulse.expects(Duration::from_mins(20));
            // the judge may be busy with other buckets; it has a pulse of its own
            let Some(pass) = self.judge.due(&self.bucket).await else { break };
            let began = Instant::now();
            let Some(seen) = self.watch_over(pass).await else { break };
            let now = Instant::now();
            slot = next_slot(slot, self.interval, now);
            due = slot + self.jitter();
            let took_ms = u64::try_from(now.duration_since(began).as_millis()).unwrap_or(u64::MAX);
            let next_ms = i64::try_from(due.saturating_duration_since(now).as_millis()).unwrap_or(i64::MAX);
            self.pulse.expects(Duration::from_mins(20));
            self.judge.ended(seen, took_ms, next_ms).await;
        }
        self.pulse.rests();
    }

    /// `false`: to stop.
    async fn wait_until(&self, due: Instant) -> bool {
        loop {
            self.pulse.expects(STUCK);
            let now = Instant::now();
            if self.stop.is_cancelled() {
                return false;
            }
            if now >= due {
                return true;
            }
            tokio::select! {
                () = self.stop.cancelled() => return false,
                () = sleep_until(due.min(now + BEAT)) => {}
            }
        }
    }

    /// Makes a pass; one that makes no progress any more is given up. `None`: to stop.
    async fn watch_over(&self, pass: Pass) -> Option<Seen> {
        let id = pass.id();
        let activity = Activity::default();
        let running = pass.run(&activity);
        tokio::pin!(running);
        let (mut count, mut moved) = (0, Instant::now());
        loop {
            self.pulse.expects(STUCK);
            tokio::select! {
                () = self.stop.cancelled() => return None,
                seen = &mut running => return Some(seen),
                () = tokio::time::sleep(BEAT) => {}
            }
            let now = Instant::now();
            let current = activity.0.load(Ordering::Relaxed);
            if current != count {
                (count, moved) = (current, now);
            } else if now.duration_since(moved) > self.silence {
                let why = format!("the pass made no progress for {} s and was given up", self.silence.as_secs());
                return Some(id.given_up(why));
            }
        }
    }

    /// So that many services, or buckets, do not ask at the same moment for ever: up to a twentieth of the interval.
    fn jitter(&self) -> Duration {
        let most = u64::try_from(self.interval.as_millis() / 20).unwrap_or(u64::MAX);
        Duration::from_millis(self.ambient.random(most))
    }
}

/// The next slot of the bucket's grid after `now`. Slots that went by meanwhile are not made up for.
fn next_slot(slot: Instant, interval: Duration, now: Instant) -> Instant {
    let interval_ms = interval.as_millis().max(1);
    let passed = now.saturating_duration_since(slot).as_millis() / interval_ms;
    let steps = u32::try_from(passed.saturating_add(1)).unwrap_or(u32::MAX);
    slot + interval.saturating_mul(steps)
}

/// Counts what a pass gets done.
#[derive(Debug, Default)]
struct Activity(AtomicU64);

impl Activity {
    fn moved(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Progress for Activity {
    fn listed(&self, _bucket: &str, _keys: u64) {
        self.moved();
    }

    fn to_read(&self, _bucket: &str, _objects: u64) {
        self.moved();
    }

    fn read(&self, _bucket: &str) {
        self.moved();
    }

    fn ended(&self, _bucket: &str) {
        self.moved();
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;
    use tokio_util::task::TaskTracker;

    use super::super::station::Station;
    use super::super::telling;
    use super::super::vigil::Vigil;
    use super::*;
    use crate::config::{self, ObjstoreSource};
    use crate::discover::{Limits, install_crypto};
    use crate::engine::{Job, State, clock};
    use crate::ledger::Ledger;
    use crate::model::{Environment, Listing, TimestampMs};
    use crate::notify::Delivery;

    #[tokio::test]
    async fn a_pass_that_makes_no_progress_is_given_up_and_one_that_is_not_wanted_is_dropped() {
        install_crypto();
        // takes connections and never answers
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let objstore = format!(
            "{{type: S3, config: {{bucket: b, endpoint: {}, insecure: true, access_key: a, secret_key: b}}}}",
            silent.local_addr().unwrap()
        );
        let config = config::load(None, Some(&ObjstoreSource::Inline(objstore)), &Environment::default(), &[]).unwrap();
        let job = Job {
            buckets: config.buckets,
            policy: config.policy,
            state: State::Memory,
            environment: Environment::default(),
            limits: Limits::default(),
        };
        let now = TimestampMs(1_767_225_600_000);
        let mut station = Station::open(job, config.metrics, &clock::ambient(), now).unwrap();
        let bucket: Arc<str> = "b".into();
        let passes = [(); 2].map(|()| station.begin(&bucket, now).unwrap());
        let vigil = Vigil::new();
        let (publish, _published) = watch::channel(station.published());
        let (show, _sight) = watch::channel(station.sight());
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let outbox = Ledger::in_memory().unwrap().outbox().unwrap();
        let delivery =
            Delivery::start(outbox, Vec::new(), Arc::new(|| TimestampMs(0)), Arc::new(|_| 0), tasks, stop.clone());
        let (outlet, _inlet) = telling::channel(delivery);
        let (judge, _thread) =
            Judge::start(station, publish, show, vigil.pulse("judge"), clock::ambient(), outlet).unwrap();
        let rounds = Rounds {
            bucket,
            interval: Duration::from_mins(5),
            first: Duration::ZERO,
            silence: Duration::from_millis(100),
            judge,
            pulse: vigil.pulse("rounds"),
            ambient: clock::ambient(),
            stop: stop.clone(),
        };
        let [first, second] = passes;
        let seen = rounds.watch_over(first).await.unwrap();
        assert!(matches!(&seen.view.listing, Listing::Unknown { why } if why.contains("no progress")), "{seen:?}");
        stop.cancel();
        assert!(rounds.watch_over(second).await.is_none());
    }

    #[test]
    fn slots_that_went_by_are_not_made_up_for() {
        let slot = Instant::now();
        let interval = Duration::from_secs(10);
        for (now, next) in [(0, 10), (3, 10), (9_999, 10), (10_000, 20), (12_000, 20), (3_605_000, 3_610)] {
            let now = slot + Duration::from_millis(if now < 100 { now * 1_000 } else { now });
            assert_eq!(next_slot(slot, interval, now), slot + Duration::from_secs(next), "{now:?}");
        }
    }
}
