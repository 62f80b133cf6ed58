//! One cycle: observe every bucket, judge, commit. `scan` runs it once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::join_all;
use tokio::task::{JoinError, spawn_blocking};
use ulid::Ulid;

use super::judge::{judge, sort_findings};
use super::memory::Memory;
pub use super::memory::State;
use crate::checks::{Policy, ledger_failing};
use crate::discover::{self, Ambient, Bucket, BucketError, Limits, Progress, ScanOptions};
use crate::ledger::LedgerError;
use crate::model::{
    BlockChange, BucketPast, BucketSettings, BucketView, Environment, KnownBucket, Listing, Past, Snapshot,
    TimestampMs, World,
};

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

/// Buckets, demands and past, ready for cycles.
#[derive(Debug)]
pub struct Engine {
    buckets: Vec<Source>,
    policy: Arc<Policy>,
    memory: Memory,
}

#[derive(Debug)]
struct Source {
    name: Arc<str>,
    key: String,
    bucket: Arc<dyn Bucket>,
}

/// A bucket before its pass.
struct Prepared {
    known: KnownBucket,
    past: BucketPast,
    /// The pass itself, where the ledger already holds it.
    remembered: Option<BucketView>,
}

impl Engine {
    /// Sets everything up; asks nothing of any bucket yet.
    pub fn open(job: Job, ambient: &Ambient) -> Result<Self, EngineError> {
        let memory = Memory::open(&job.state).map_err(|source| EngineError::Ledger { source })?;
        let open = |settings: BucketSettings| {
            let bucket = discover::open(&settings, &job.environment, &job.limits, ambient)
                .map_err(|source| EngineError::Bucket { bucket: settings.name.to_string(), source })?;
            Ok(Source { name: Arc::clone(&settings.name), key: settings.ledger_key(), bucket })
        };
        let buckets = job.buckets.into_iter().map(open).collect::<Result<Vec<Source>, EngineError>>()?;
        Ok(Self { buckets, policy: Arc::new(job.policy), memory })
    }

    /// Observes, judges and commits, with `now` as the time of everything.
    pub async fn cycle(mut self, now: TimestampMs, progress: &dyn Progress) -> Result<Outcome, EngineError> {
        let (engine, prepared) = on_worker(move || {
            let prepared = self.prepare(now);
            (self, prepared)
        })
        .await?;
        let passes = engine.buckets.iter().zip(prepared).map(|(source, prepared)| async move {
            let view = match prepared.remembered {
                Some(view) => view,
                None => {
                    let options = ScanOptions::default();
                    discover::scan(&source.bucket, prepared.known, now, &options, progress).await
                }
            };
            (Arc::clone(&source.name), Arc::new(view), prepared.past)
        });
        let observed = join_all(passes).await;
        on_worker(move || engine.conclude(observed, now)).await
    }

    fn prepare(&mut self, now: TimestampMs) -> Vec<Prepared> {
        let sources: Vec<(Arc<str>, String)> =
            self.buckets.iter().map(|source| (Arc::clone(&source.name), source.key.clone())).collect();
        sources.iter().map(|(name, key)| self.prepare_bucket(name, key, now)).collect()
    }

    fn prepare_bucket(&mut self, name: &Arc<str>, key: &str, now: TimestampMs) -> Prepared {
        let nothing = || Prepared { known: KnownBucket::default(), past: BucketPast::default(), remembered: None };
        let newest = self.memory.newest_scan(key);
        let earlier = newest.as_ref().is_ok_and(|newest| newest.is_some_and(|newest| newest > now));
        let prepared = if let Err(error) = newest {
            Err(error)
        } else if earlier {
            self.memory.as_of(key, name, now).map(|as_of| {
                as_of.map_or_else(nothing, |as_of| {
                    self.memory.notes.push(format!(
                        "`{name}` was scanned after the time that is judged: read from the ledger as of {}",
                        as_of.view.observed_at
                    ));
                    Prepared { known: KnownBucket::default(), past: as_of.past, remembered: Some(as_of.view) }
                })
            })
        } else {
            self.memory.load(key, name, now).map(|loaded| Prepared {
                known: loaded.known,
                past: loaded.past,
                remembered: None,
            })
        };
        prepared.unwrap_or_else(|error| {
            self.memory.fail(&error);
            nothing()
        })
    }

    fn conclude(mut self, observed: Vec<(Arc<str>, Arc<BucketView>, BucketPast)>, now: TimestampMs) -> Outcome {
        let mut world = World::default();
        let mut past = Past::default();
        for (name, view, bucket_past) in observed {
            world.buckets.insert(Arc::clone(&name), view);
            past.buckets.insert(name, bucket_past);
        }
        self.look_up_ancestors(&world, &mut past);
        past.ledger_failure.clone_from(&self.memory.failure);
        let (mut snapshot, transition) = judge(&world, &past, &self.policy, now);

        // what was rebuilt from the ledger is already in it
        let fresh: Vec<(&str, &BucketView)> = self
            .buckets
            .iter()
            .filter_map(|source| Some((source.key.as_str(), &**world.buckets.get(&source.name)?)))
            .filter(|(_, view)| !matches!(view.listing, Listing::FromLedger { .. }))
            .collect();
        if self.memory.writes && self.memory.failure.is_none() && fresh.len() == world.buckets.len() {
            let committed = self.memory.ledger().commit(&fresh, &transition);
            if let Err(error) = committed {
                let why = self.memory.fail(&error);
                if let Some(bucket) = world.buckets.keys().next() {
                    snapshot.findings.push(ledger_failing::finding(bucket, &why));
                    sort_findings(&mut snapshot.findings);
                }
            }
        }
        Outcome { snapshot, notes: self.memory.notes }
    }

    /// Compacted blocks that are new need what the ledger holds of their sources, however long those are gone.
    fn look_up_ancestors(&mut self, world: &World, past: &mut Past) {
        for source in &self.buckets {
            let (Some(view), Some(past)) = (world.buckets.get(&source.name), past.buckets.get_mut(&source.name)) else {
                continue;
            };
            if past.first_scan.is_none() {
                // everything is new, and millions of sources would be looked for in vain
                continue;
            }
            let new = view.blocks.values().filter(|block| block.change != BlockChange::Unchanged);
            let metas = new.filter_map(|block| block.meta.meta()).filter(|meta| meta.level > 1);
            let named = metas.flat_map(|meta| {
                let parents = meta.parents.iter().map(|parent| parent.ulid);
                meta.sources.iter().copied().chain(parents)
            });
            let unknown = named.filter(|ulid| !view.blocks.contains_key(ulid) && !past.blocks.contains_key(ulid));
            let wanted: Vec<Ulid> = unknown.collect::<BTreeSet<Ulid>>().into_iter().collect();
            if wanted.is_empty() {
                continue;
            }
            match self.memory.ancestors(&source.key, &wanted) {
                Ok(found) => past.blocks.extend::<BTreeMap<_, _>>(found),
                Err(error) => {
                    self.memory.fail(&error);
                }
            }
        }
    }
}

/// Runs work that takes the processor or the disk off the threads that serve the network.
async fn on_worker<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, EngineError> {
    spawn_blocking(work).await.map_err(|source| EngineError::Worker { source })
}
