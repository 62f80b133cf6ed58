//! One cycle: observe every bucket, judge, commit. `scan` runs it once.

use std::sync::Arc;

use futures::future::join_all;
use tokio::task::{JoinError, spawn_blocking};

use super::core::{Core, Means, Pass, Seen};
use super::memory::Memory;
pub use super::memory::{State, WITHOUT_PAST};
use super::plan;
use crate::checks::Policy;
use crate::discover::{Ambient, BucketError, Limits, Progress};
use crate::exporter::ExporterError;
use crate::ledger::LedgerError;
use crate::model::{BucketSettings, Environment, PlanDocument, Snapshot, TimestampMs};

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Job {
    /// The buckets.
    pub buckets: Vec<BucketSettings>,
    /// The demands on them.
    pub policy: Policy,
    /// Where the past is kept.
    pub state: State,
    /// For credentials and proxies.
    pub environment: Environment,
    /// Bounds of each bucket's traffic.
    pub limits: Limits,
}

/// Why a cycle could not begin or end.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The bucket's settings cannot be used.
    #[error("cannot set up bucket `{bucket}`")]
    Bucket {
        /// Its name.
        bucket: String,
        /// Why.
        source: BucketError,
    },
    /// The ledger cannot be used, and going on without it is not what was asked for.
    #[error("cannot use the ledger")]
    Ledger {
        /// Why.
        source: LedgerError,
    },
    /// The web server cannot begin.
    #[error("the web server cannot begin")]
    Web {
        /// Why.
        #[from]
        source: ExporterError,
    },
    /// A receiver cannot be told as it is configured.
    #[error("cannot tell anybody what is wrong: {why}")]
    Receivers {
        /// Which, and why.
        why: String,
    },
    /// The system gives no threads.
    #[error("cannot start a thread")]
    Threads {
        /// Why.
        source: std::io::Error,
    },
    /// The judge ended early: a defect.
    #[error("the judge ended before the service did")]
    Judge,
    /// A thread of ours ended early: a defect.
    #[error("a worker thread ended before its work was done")]
    Worker {
        /// As the runtime says it.
        source: JoinError,
    },
}

/// What a cycle gives.
#[derive(Debug)]
pub struct Outcome {
    /// The judgement.
    pub snapshot: Snapshot,
    /// What a reader of it should know.
    pub notes: Vec<String>,
}

/// Buckets, demands and past, ready for a cycle.
#[derive(Debug)]
pub struct Engine {
    pub(super) core: Core,
}

impl Engine {
    /// Sets everything up; asks nothing of any bucket yet.
    pub fn open(job: Job, ambient: &Ambient) -> Result<Self, EngineError> {
        let memory = Memory::open(&job.state).map_err(|source| EngineError::Ledger { source })?;
        let means = Means { environment: job.environment, limits: job.limits, ambient: ambient.clone() };
        Ok(Self { core: Core::open(job.buckets, job.policy, means, memory)? })
    }

    /// Observes, judges and commits, with `now` as the time of everything.
    pub async fn cycle(self, now: TimestampMs, progress: &dyn Progress) -> Result<Outcome, EngineError> {
        Ok(self.cycle_and(now, progress, |_, _| ()).await?.0)
    }

    /// Does the same, and says what the scrub of `watch` will cost.
    pub async fn plan(self, now: TimestampMs, progress: &dyn Progress) -> Result<(Outcome, PlanDocument), EngineError> {
        self.cycle_and(now, progress, move |core, snapshot| plan::plan(core, snapshot, now)).await
    }

    async fn cycle_and<T: Send + 'static>(
        self,
        now: TimestampMs,
        progress: &dyn Progress,
        then: impl FnOnce(&Core, &Snapshot) -> T + Send + 'static,
    ) -> Result<(Outcome, T), EngineError> {
        let mut engine = self.observe(now, progress).await?;
        on_worker(move || {
            let snapshot = engine.core.judge(now);
            let more = then(&engine.core, &snapshot);
            (Outcome { snapshot, notes: std::mem::take(&mut engine.core.memory.notes) }, more)
        })
        .await
    }

    /// Makes a pass over every bucket and takes in what it saw.
    pub(super) async fn observe(mut self, now: TimestampMs, progress: &dyn Progress) -> Result<Self, EngineError> {
        let (mut engine, passes) = on_worker(move || {
            let names: Vec<Arc<str>> = self.core.buckets().map(|(name, ..)| Arc::clone(name)).collect();
            let passes: Vec<Pass> = names.iter().filter_map(|name| self.core.begin(name, now, true)).collect();
            (self, passes)
        })
        .await?;
        let seen: Vec<Seen> = join_all(passes.into_iter().map(|pass| pass.run(progress))).await;
        on_worker(move || {
            for seen in seen {
                engine.core.take_in(seen);
            }
            engine
        })
        .await
    }
}

/// Runs work that takes the processor or the disk off the threads that serve the network.
pub(super) async fn on_worker<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, EngineError> {
    spawn_blocking(work).await.map_err(|source| EngineError::Worker { source })
}
