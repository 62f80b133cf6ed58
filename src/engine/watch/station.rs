//! The service between its timers: what it knows, and what it shows of that. A call per event, each with the time at
//! which it happens, so that a test can step it.

mod alerts;
mod scrubbed;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use futures::future::join_all;
use tokio::time::Instant;

pub use self::alerts::Alerts;
pub(super) use self::alerts::Beat;
use self::alerts::Told;
pub(in crate::engine) use self::alerts::WATCHDOG_SILENT;
use super::super::chain;
use super::super::core::{Core, Means, Pass, Seen};
use super::super::cycle::{EngineError, Job};
use super::super::memory::Memory;
use super::Configured;
use super::scrub::Sight;
use crate::checks::Policy;
use crate::discover::{Ambient, Progress};
use crate::model::{
    BucketStatus, Durations, LedgerStatus, Listing, MetricsSettings, Published, ReloadStatus, RequestCounts,
    ScanCounts, Schedule, ScrubStatus, ServiceStatus, Snapshot, TimestampMs,
};

/// Between two judgements that nothing new was seen for, in ms: what is judged by the time alone is no finer.
const REJUDGE_MS: i64 = 10_000;

/// A judgement that nothing new was seen for waits for so many times what the last one took, so that the judge has time
/// for what is new however large the estate; but no longer than [`LONGEST_REST_MS`].
const REST: u64 = 20;

/// See [`REST`].
const LONGEST_REST_MS: u64 = 30_000;

/// See the module.
#[derive(Debug)]
pub struct Station {
    core: Core,
    buckets: BTreeMap<Arc<str>, BucketStatus>,
    snapshot: Arc<Snapshot>,
    number: u64,
    started: TimestampMs,
    /// Stays `true` from the first time on: a bucket that is added later makes nobody wait.
    ready: bool,
    last_judgement: Option<TimestampMs>,
    judgements: Durations,
    /// The process last stood still until then.
    excused_until: Option<TimestampMs>,
    /// What the last judgement took.
    took_ms: u64,
    reloads: ReloadStatus,
    metrics: Arc<MetricsSettings>,
    /// What there is to scrub, and what it was worked out by.
    sight: Arc<Sight>,
    sighted_policy: Arc<Policy>,
    /// How that goes.
    scrub: ScrubStatus,
    /// Who is told.
    told: Told,
}

/// What a reload changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Buckets whose passes have to begin anew, with the time in ms between two of them.
    pub started: Vec<(Arc<str>, i64)>,
    /// Buckets that go on, with the time in ms between two passes.
    pub kept: Vec<(Arc<str>, i64)>,
}

impl Station {
    /// Sets everything up; asks nothing of any bucket yet. A ledger that another process writes to is an error, one
    /// that is damaged is not: then the service remembers in memory, and says so.
    pub fn open(job: Job, metrics: MetricsSettings, ambient: &Ambient, now: TimestampMs) -> Result<Self, EngineError> {
        let memory = Memory::open_for_service(&job.state).map_err(|source| EngineError::Ledger { source })?;
        let means = Means { environment: job.environment, limits: job.limits, ambient: ambient.clone() };
        let mut core = Core::open(job.buckets, job.policy, means, memory)?;
        core.says_changes = true;
        core.unwatch_others(now);
        let mut station = Self {
            core,
            buckets: BTreeMap::new(),
            snapshot: Arc::new(Snapshot { at: now, ..Snapshot::default() }),
            number: 0,
            started: now,
            ready: false,
            last_judgement: None,
            judgements: Durations::default(),
            excused_until: None,
            took_ms: 0,
            reloads: ReloadStatus { refused: None, last_success: now, counts: (1, 0) },
            metrics: Arc::new(metrics),
            sight: Arc::default(),
            sighted_policy: Arc::default(),
            scrub: ScrubStatus::default(),
            told: Told::default(),
        };
        station.enrol(now);
        station.note_sight();
        Ok(station)
    }

    /// The buckets, with the time in ms between two passes over each.
    pub fn intervals(&self) -> Vec<(Arc<str>, i64)> {
        self.core.buckets().map(|(name, _, interval_ms)| (Arc::clone(name), interval_ms)).collect()
    }

    /// Gets ready for a pass that begins now; `None` for a bucket that is not configured any more.
    pub(super) fn begin(&mut self, name: &Arc<str>, now: TimestampMs) -> Option<Pass> {
        let pass = self.core.begin(name, now, false)?;
        if let Some(status) = self.buckets.get_mut(name) {
            status.scanning_since = Some(now);
            status.next_scan = None;
        }
        self.note_schedule(name);
        self.note_begun(now);
        if self.last_judgement.is_none() {
            // what was open before a restart is shown before the first pass is over
            self.judge(now);
        }
        Some(pass)
    }

    /// Takes in what a pass saw that ended now and took `took_ms`; the next one is due in `next_ms`. To be followed by
    /// [`Self::judge`].
    pub(super) fn take_in(&mut self, seen: Seen, now: TimestampMs, took_ms: u64, next_ms: i64) {
        let name = Arc::clone(&seen.name);
        let (listing, unread) = (seen.view.listing.clone(), seen.view.unknown.len());
        let (began, requests) = (seen.view.observed_at, seen.view.requests);
        if !self.core.take_in(seen) {
            return;
        }
        self.note_sight();
        let Some(status) = self.buckets.get_mut(&name) else { return };
        status.scanning_since = None;
        status.last_scan = Some(began);
        status.last_end = Some(now);
        self.told.note_looked_at(&name);
        status.next_scan = Some(now.plus(next_ms));
        status.last_duration_ms = Some(took_ms);
        status.durations.add(took_ms);
        status.requests = status.requests.plus(requests);
        status.unread = u64::try_from(unread).unwrap_or(u64::MAX);
        status.unreachable = None;
        let counts = &mut status.scans;
        let count = match listing {
            Listing::Unknown { why } => {
                status.unreachable = Some(why);
                &mut counts.failed
            }
            _ if unread > 0 => &mut counts.partial,
            Listing::Complete { .. } | Listing::FromLedger { .. } | Listing::Awaited => &mut counts.complete,
        };
        *count = count.saturating_add(1);
        if status.unreachable.is_none() {
            status.last_complete = Some(began);
        }
        self.note_schedule(&name);
    }

    /// Judges everything as of now, and keeps it in the ledger.
    pub(super) fn judge(&mut self, now: TimestampMs) {
        let watch = Instant::now();
        self.snapshot = Arc::new(self.core.judge(now));
        self.took_ms = u64::try_from(watch.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.judgements.add(self.took_ms);
        self.last_judgement = Some(now);
        self.note_judged(now);
        self.show_alerts(now);
    }

    /// The whole process stood still until now (a suspended machine): no pass could end meanwhile, which is nobody's
    /// fault.
    pub fn stood_still(&mut self, now: TimestampMs) {
        self.excused_until = Some(now);
        let names: Vec<Arc<str>> = self.buckets.keys().map(Arc::clone).collect();
        for name in names {
            self.note_schedule(&name);
        }
        self.excuse_watchdogs(now);
    }

    /// Time goes by. `true`: what was judged by the time alone was judged again.
    pub(super) fn tick(&mut self, now: TimestampMs) -> bool {
        let since = self.last_judgement.map_or(i64::MAX, |last| now.since(last));
        let interval = self.buckets.values().map(|status| status.interval_ms).min().unwrap_or(REJUDGE_MS);
        // a clock that was set back must not hold judgements up until it gets there again
        let rest_ms = i64::try_from(self.took_ms.saturating_mul(REST).min(LONGEST_REST_MS)).unwrap_or(i64::MAX);
        let due = since >= REJUDGE_MS.min(interval).max(rest_ms) || since < 0;
        let rejudged = due && (self.core.depends_on_time() || self.core.has_stalled(now));
        if rejudged {
            self.judge(now);
        }
        self.tick_alerts(now) || rejudged
    }

    /// Goes on with another configuration, or says why not and stays as it was.
    pub fn reload(&mut self, configured: Result<Configured, String>, now: TimestampMs) -> Result<Reloaded, String> {
        let replaced = configured.and_then(|configured| {
            let (metrics, alerts) = (configured.metrics, configured.alerts);
            let replaced = self.core.replace(configured.buckets, configured.policy);
            replaced.map(|replaced| (replaced, metrics, alerts)).map_err(|error| chain(&error))
        });
        let (replaced, metrics, alerts) = match replaced {
            Ok(replaced) => replaced,
            Err(why) => {
                self.reloads.counts.1 = self.reloads.counts.1.saturating_add(1);
                self.reloads.refused = Some(why.clone());
                return Err(why);
            }
        };
        self.metrics = Arc::new(metrics);
        self.reloads.counts.0 = self.reloads.counts.0.saturating_add(1);
        self.reloads.refused = None;
        self.reloads.last_success = now;
        self.core.unwatch_others(now);
        self.buckets.retain(|name, _| replaced.kept.contains(name) || replaced.in_place.contains(name));
        for name in &replaced.in_place {
            if let Some(status) = self.buckets.get_mut(name) {
                // its pass, if there was one, was given up
                status.scanning_since = None;
            }
        }
        self.enrol(now);
        self.note_sight();
        self.replace_alerts(alerts, now);
        self.judge(now);
        let (started, kept) = self.intervals().into_iter().partition(|(name, _)| replaced.started.contains(name));
        Ok(Reloaded { started, kept })
    }

    /// What is shown.
    pub fn published(&mut self) -> Arc<Published> {
        self.number = self.number.saturating_add(1);
        let path = self.core.memory.path();
        let bytes = path.map_or(0, bytes_of);
        let ledger = LedgerStatus {
            path: path.map(|path| path.display().to_string()),
            failure: self.core.memory.failure().map(str::to_owned),
            commits: self.core.memory.commits,
            bytes,
        };
        let buckets: Vec<BucketStatus> = self.buckets.values().cloned().collect();
        self.ready |= buckets.iter().all(|status| status.last_scan.is_some());
        let service = ServiceStatus {
            started: self.started,
            ready: self.ready,
            buckets,
            ledger,
            reloads: self.reloads.clone(),
            judgements: self.judgements,
            last_judgement: self.last_judgement,
            scrub: self.scrub.clone(),
            receivers: self.receiver_statuses(),
        };
        Arc::new(Published {
            number: self.number,
            snapshot: Arc::clone(&self.snapshot),
            views: Arc::new(self.core.complete_views()),
            service,
            metrics: Arc::clone(&self.metrics),
            alerting: self.alerting_status(),
        })
    }

    /// One cycle, without timers: a pass over every bucket, then the judgement, all as of `now`.
    pub async fn step(&mut self, now: TimestampMs, progress: &dyn Progress) -> Arc<Published> {
        let names: Vec<(Arc<str>, i64)> = self.intervals();
        let passes: Vec<Pass> = names.iter().filter_map(|(name, _)| self.begin(name, now)).collect();
        for seen in join_all(passes.into_iter().map(|pass| pass.run(progress))).await {
            let next_ms = names.iter().find(|(name, _)| *name == seen.name).map_or(0, |(_, interval)| *interval);
            self.take_in(seen, now, 0, next_ms);
        }
        self.judge(now);
        self.published()
    }

    /// Time goes by without a pass: what the service would do on its own in between.
    pub fn wait_until(&mut self, now: TimestampMs) -> Arc<Published> {
        self.tick(now);
        self.published()
    }

    /// Makes a status for each bucket that has none, and notes changed intervals.
    fn enrol(&mut self, now: TimestampMs) {
        let buckets: Vec<_> = self
            .core
            .buckets()
            .map(|(name, provider, interval_ms)| (Arc::clone(name), provider, interval_ms))
            .collect();
        for (name, provider, interval_ms) in buckets {
            let status = self.buckets.entry(Arc::clone(&name)).or_insert_with(|| BucketStatus {
                bucket: Arc::clone(&name),
                provider,
                interval_ms,
                watched_since: now,
                scanning_since: None,
                last_scan: None,
                last_end: None,
                last_complete: None,
                next_scan: None,
                last_duration_ms: None,
                durations: Durations::default(),
                scans: ScanCounts::default(),
                requests: RequestCounts::default(),
                unread: 0,
                unreachable: None,
            });
            status.interval_ms = interval_ms;
            self.note_schedule(&name);
        }
    }

    fn note_schedule(&mut self, name: &Arc<str>) {
        if let Some(status) = self.buckets.get(name) {
            let schedule = Schedule {
                since: status.watched_since,
                finished: status.last_end.max(self.excused_until),
                scanning_since: status.scanning_since,
                scrub: self.outlook(name),
            };
            self.core.set_schedule(name, schedule);
        }
    }
}

/// The ledger with what is written ahead of it, in bytes.
fn bytes_of(ledger: &Path) -> u64 {
    let mut ahead = ledger.as_os_str().to_owned();
    ahead.push("-wal");
    let files = [ledger, Path::new(&ahead)].map(|file| std::fs::metadata(file).map_or(0, |metadata| metadata.len()));
    files.iter().sum()
}
