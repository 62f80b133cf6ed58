//! The service: rounds over every bucket, one judge, a web server, reload, and an end in good order.

mod answering;
mod judge;
mod rounds;
pub(super) mod scrub;
mod signals;
mod station;
mod telling;
mod vigil;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use scrub::Scrubber;
pub use signals::{Signal, Signals};
pub(super) use station::WATCHDOG_SILENT;
pub use station::{Alerts, Reloaded, Station};
pub use vigil::{Pulse, Vigil};

use super::chain;
use super::cycle::{EngineError, Job, on_worker};
use crate::catalogue::Catalogue;
use crate::checks::Policy;
use crate::discover::Ambient;
pub use crate::exporter::Options as WebOptions;
use crate::exporter::{self, Hooks, ReloadReply};
use crate::ledger::Outbox;
use crate::model::{BucketSettings, MetricsSettings, Published};
use crate::notify::Delivery;
use judge::Judge;
use rounds::Rounds;
use scrub::Scrub;
use telling::{Means, Tellers};

/// What a configuration says, as far as it can change while the service runs.
#[derive(Clone, Debug)]
pub struct Configured {
    /// The buckets.
    pub buckets: Vec<BucketSettings>,
    /// The demands on them.
    pub policy: Policy,
    /// What is exported of streams.
    pub metrics: MetricsSettings,
    /// Who is told what.
    pub alerts: Alerts,
}

/// Reads the configuration again; otherwise says what is wrong, one mistake a line. Blocks.
pub type Loader = Arc<dyn Fn() -> Result<Configured, String> + Send + Sync>;

/// What the service is started with.
#[derive(Clone)]
pub struct Settings {
    /// Buckets, demands, ledger.
    pub job: Job,
    /// What is exported of streams.
    pub metrics: MetricsSettings,
    /// Where and how to listen.
    pub web: exporter::Options,
    /// Who is told what.
    pub alerts: Alerts,
    /// The words of alerts.
    pub words: Arc<Catalogue>,
    /// For a reload.
    pub loader: Loader,
    /// Clock and chance.
    pub ambient: Ambient,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("job", &self.job).field("web", &self.web).finish_non_exhaustive()
    }
}

/// A service that runs. Dropping it leaves it running; [`Self::stop`] ends it.
#[derive(Debug)]
pub struct Service {
    address: SocketAddr,
    published: watch::Receiver<Arc<Published>>,
    reload: mpsc::Sender<ReloadReply>,
    stop: CancellationToken,
    web_stop: CancellationToken,
    tasks: TaskTracker,
    vigil: Arc<Vigil>,
    judging: std::thread::JoinHandle<()>,
    web: std::thread::JoinHandle<()>,
}

/// Between two reminders of the judge that time goes by.
const TICK: Duration = Duration::from_secs(1);

/// A loop that is not heard of for this long is stuck: its thread is busy with something that never ends.
const STUCK: Duration = Duration::from_mins(2);

/// For all files of a configuration to be read.
const READING: Duration = Duration::from_secs(20);

/// For the web server to end, where all else took its time.
const WEB_GRACE: Duration = Duration::from_secs(2);

/// Reloads that wait at most; those that wait together are answered together.
const RELOADS: usize = 32;

/// Requests for something to be done that wait at most.
const ACTIONS: usize = 32;

/// Between the first passes over two buckets, so that a service with many of them does not begin with all at once.
const STAGGER: Duration = Duration::from_millis(100);

impl Service {
    /// Starts everything. The web server listens and the rounds have begun when this returns.
    pub async fn start(settings: Settings) -> Result<Self, EngineError> {
        let Settings { job, metrics, web, alerts, words, loader, ambient } = settings;
        let vigil = Vigil::new();
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let means = Means {
            words,
            environment: job.environment.clone(),
            ambient: ambient.clone(),
            tasks: tasks.clone(),
            stop: stop.clone(),
        };
        let mut receivers = telling::open(&alerts, &means).map_err(|why| EngineError::Receivers { why })?;
        let opened = {
            let ambient = ambient.clone();
            on_worker(move || -> Result<(Station, Outbox), EngineError> {
                let mut station = Station::open(job, metrics, &ambient, ambient.now())?;
                let ledger = |source| EngineError::Ledger { source };
                station.tell(alerts, ambient.now()).map_err(ledger)?;
                let outbox = station.outbox().map_err(ledger)?;
                Ok((station, outbox))
            })
            .await?
        };
        let (mut station, outbox) = opened?;
        let intervals = station.intervals();
        let (publish, published) = watch::channel(station.published());
        let (show, sight) = watch::channel(station.sight());
        let (reload, reloads) = mpsc::channel(RELOADS);
        let (actions, asked) = mpsc::channel(ACTIONS);
        let health = {
            let vigil = Arc::clone(&vigil);
            move || vigil.health()
        };
        let alive = {
            let pulse = vigil.pulse("web server");
            move || pulse.expects(STUCK)
        };
        let hooks = Hooks { reload: reload.clone(), actions, health: Arc::new(health), alive: Arc::new(alive) };
        let server = exporter::bind(web, published.clone(), hooks).await?;
        let address = server.local_addr();

        let web_stop = CancellationToken::new();
        let threads = |source| EngineError::Threads { source };
        let web = server.spawn(web_stop.clone())?;
        let clock = {
            let ambient = ambient.clone();
            Arc::new(move || ambient.now())
        };
        let chance = {
            let ambient = ambient.clone();
            Arc::new(move |most| ambient.random(most))
        };
        let delivery = Delivery::start(outbox, receivers.senders(), clock, chance, tasks.clone(), stop.clone());
        let (outlet, inlet) = telling::channel(delivery.clone());
        let (judge, judging) =
            Judge::start(station, publish, show, vigil.pulse("judge"), ambient.clone(), outlet).map_err(threads)?;
        tasks.spawn(answering::answer(asked, judge.clone(), delivery.clone(), ambient.clone(), stop.clone()));
        let tellers = Tellers::start(means, judge.clone(), delivery, inlet, receivers);
        let scrub_ambient = ambient.clone();
        let fleet = Fleet {
            judge: judge.clone(),
            vigil: Arc::clone(&vigil),
            ambient,
            stop: stop.clone(),
            tasks: tasks.clone(),
            running: BTreeMap::new(),
        };
        let begin = Reloaded { started: intervals, kept: Vec::new() };
        tasks.spawn(answer_reloads(fleet, tellers, begin, loader, reloads));
        let scrub = Scrub {
            judge: judge.clone(),
            sight,
            pulse: vigil.pulse("scrub"),
            ambient: scrub_ambient,
            stop: stop.clone(),
        };
        tasks.spawn(scrub.run());
        tasks.spawn(tick(judge, vigil.pulse("clock"), stop.clone()));
        let stuck = |name: &str| {
            tracing::error!("the loop `{name}` is stuck; the process ends so that it can be started anew");
            std::process::abort();
        };
        vigil.listen(stuck).map_err(threads)?;
        vigil::tell(&[NotifyState::Ready]);
        Ok(Self { address, published, reload, stop, web_stop, tasks, vigil, judging, web })
    }

    /// Where the web server listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The newest state, and every later one.
    pub fn published(&self) -> watch::Receiver<Arc<Published>> {
        self.published.clone()
    }

    /// Reads the configuration again; where it is wrong, the old one stays in force and the error says what is wrong.
    pub fn reloading(&self) -> impl Future<Output = Result<(), String>> + Send + use<> {
        let requests = self.reload.clone();
        async move {
            let (reply, answer) = oneshot::channel();
            // both fail only once the service has ended
            requests.send(reply).await.unwrap_or_default();
            answer.await.unwrap_or_else(|_gone| Err("the service is about to end".to_owned()))
        }
    }

    /// Resolves if the service cannot go on.
    pub async fn broken(&self) -> EngineError {
        let mut published = self.published.clone();
        // the judge publishes for as long as it lives
        while published.changed().await.is_ok() {}
        EngineError::Judge
    }

    /// Ends everything in good order: passes are given up, a commit that has begun is finished, requests are answered.
    /// Gives the names of what was not over within `grace`.
    pub async fn stop(self, grace: Duration) -> Vec<&'static str> {
        vigil::tell(&[NotifyState::Stopping]);
        self.vigil.end();
        self.stop.cancel();
        self.tasks.close();
        drop((self.reload, self.published));
        let mut left = Vec::new();
        let deadline = Instant::now() + grace;
        if timeout_at(deadline, self.tasks.wait()).await.is_err() {
            left.push("passes over buckets, or blocks that are verified");
        }
        if !joined(self.judging, deadline).await {
            left.push("the judge");
        }
        // the last to go: who asks meanwhile is answered. It needs a moment even where the others took all the time
        self.web_stop.cancel();
        if !joined(self.web, deadline.max(Instant::now() + WEB_GRACE)).await {
            left.push("the web server");
        }
        left
    }
}

/// Waits for a thread to end. A panic of it has been logged, and there is nothing to be done about it any more.
async fn joined(thread: std::thread::JoinHandle<()>, deadline: Instant) -> bool {
    let ended = async {
        while !thread.is_finished() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout_at(deadline, ended).await.is_ok()
}

/// The rounds that run, by bucket.
#[derive(Debug)]
struct Fleet {
    judge: Judge,
    vigil: Arc<Vigil>,
    ambient: Ambient,
    stop: CancellationToken,
    tasks: TaskTracker,
    running: BTreeMap<Arc<str>, (i64, CancellationToken)>,
}

impl Fleet {
    /// Ends the rounds of what is no longer configured and begins those of what is new. A bucket that is as it was goes
    /// on, a pass that is under way included.
    fn apply(&mut self, reloaded: &Reloaded) {
        let goes_on = |name: &Arc<str>, interval_ms: i64| {
            reloaded.kept.iter().any(|(kept, interval)| kept == name && *interval == interval_ms)
        };
        self.running.retain(|name, (interval_ms, stop)| {
            let goes_on = goes_on(name, *interval_ms);
            if !goes_on {
                stop.cancel();
            }
            goes_on
        });
        let mut first = Duration::ZERO;
        for (bucket, interval_ms) in reloaded.started.iter().chain(&reloaded.kept) {
            if self.running.contains_key(bucket) {
                continue;
            }
            let stop = self.stop.child_token();
            let interval = Duration::from_millis(u64::try_from(*interval_ms).unwrap_or(1).max(1));
            self.tasks.spawn(
                Rounds {
                    bucket: Arc::clone(bucket),
                    interval,
                    first: first.min(interval),
                    silence: rounds::SILENCE,
                    judge: self.judge.clone(),
                    pulse: self.vigil.pulse(&format!("rounds over {bucket}")),
                    ambient: self.ambient.clone(),
                    stop: stop.clone(),
                }
                .run(),
            );
            self.running.insert(Arc::clone(bucket), (*interval_ms, stop));
            first += STAGGER;
        }
    }
}

/// Reads the configuration again whenever somebody asks. Those who ask while that is done are answered together, with
/// what the next reading gives.
async fn answer_reloads(
    mut fleet: Fleet,
    mut tellers: Tellers,
    begin: Reloaded,
    loader: Loader,
    mut requests: mpsc::Receiver<ReloadReply>,
) {
    fleet.apply(&begin);
    let stop = fleet.stop.clone();
    loop {
        let first = tokio::select! {
            () = stop.cancelled() => return,
            request = requests.recv() => request,
        };
        let Some(first) = first else { return };
        let mut waiting = vec![first];
        while let Ok(request) = requests.try_recv() {
            waiting.push(request);
        }
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            vigil::tell(&[NotifyState::Reloading, now]);
        }
        let load = Arc::clone(&loader);
        let configured = tokio::select! {
            () = stop.cancelled() => return,
            configured = timeout(READING, on_worker(move || load())) => configured,
        };
        let configured = match configured {
            Ok(read) => read.unwrap_or_else(|error| Err(chain(&error))),
            // the thread that hangs is left behind; the next attempt has another
            Err(_elapsed) => Err(format!("it could not be read within {} s: a file system hangs", READING.as_secs())),
        };
        let receivers = configured.and_then(|configured| {
            let opened = telling::open(&configured.alerts, &tellers.means)?;
            Ok((configured, opened))
        });
        let (configured, opened) = match receivers {
            Ok((configured, opened)) => (Ok(configured), Some(opened)),
            Err(why) => (Err(why), None),
        };
        let answer = fleet.judge.reload(configured).await;
        match &answer {
            Ok(reloaded) => {
                fleet.apply(reloaded);
                if let Some(opened) = opened {
                    tellers.apply(opened);
                }
                tracing::info!(buckets = fleet.running.len(), "the configuration was read again");
            }
            Err(why) => {
                tracing::error!("the configuration was not read again, the one before stays in force: {why}");
            }
        }
        vigil::tell(&[NotifyState::Ready]);
        for reply in waiting {
            // whoever has gone does not need it
            reply.send(answer.as_ref().map(|_| ()).map_err(Clone::clone)).unwrap_or_default();
        }
    }
}

/// Reminds the judge that time goes by.
async fn tick(judge: Judge, pulse: Pulse, stop: CancellationToken) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Instant::now();
    loop {
        pulse.expects(STUCK);
        tokio::select! {
            () = stop.cancelled() => break,
            _ = ticks.tick() => {}
        }
        let now = Instant::now();
        judge.tick(now.duration_since(last) > vigil::STOOD_STILL);
        last = now;
    }
    pulse.rests();
}
