//! A cycle in which blocks are read: observe, read what was asked for, judge all of it together.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use ulid::Ulid;

use super::core::readable::Readable;
use super::cycle::{Engine, EngineError, on_worker};
use crate::discover::Progress;
use crate::model::{
    BlockView, Hashes, Interval, Labels, Level, MetaState, Resolution, Selector, Snapshot, TimestampMs,
    VERIFIER_VERSION, Verdict, Verification,
};
use crate::verify::{self, Stopped, Task, Verifier, Watcher};

/// Results that wait for the ledger, which may be slow.
const RESULTS_AHEAD: usize = 64;

/// What is to be read, and how.
#[derive(Clone, Debug)]
pub struct Demand {
    /// Which blocks.
    pub selection: Selection,
    /// How thoroughly.
    pub level: Level,
    /// Blocks that the ledger holds as read at this level or a higher one, and unchanged since, are not read again.
    pub resume: bool,
    /// Blocks that are read at once.
    pub at_once: usize,
    /// Threads, memory, budgets.
    pub settings: verify::Settings,
}

/// Which blocks are to be read.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// These; empty for all.
    pub blocks: BTreeSet<Ulid>,
    /// Those of these streams.
    pub streams: Option<Selector>,
    /// Those that hold something of this time; one without a time that can be read does.
    pub times: Option<Interval>,
}

impl Selection {
    fn takes(&self, block: &BlockView) -> bool {
        let labels = block.meta.meta().map(|meta| &*meta.labels);
        (self.blocks.is_empty() || self.blocks.contains(&block.ulid))
            && self.streams.as_ref().is_none_or(|wanted| labels.is_some_and(|labels| wanted.matches(labels)))
            && self.times.is_none_or(|times| block.interval().is_none_or(|own| own.intersection(times).is_some()))
    }
}

/// Told how it goes, from any thread, often.
pub trait Witness: Progress + Watcher {
    /// So many blocks with so many bytes will be read.
    fn begins(&self, blocks: u64, bytes: u64);

    /// One of them was, or was found in the ledger.
    fn verified(&self, block: &VerifiedBlock);
}

/// What is known of one block that was to be verified.
#[derive(Clone, Debug)]
pub struct VerifiedBlock {
    /// Its bucket.
    pub bucket: Arc<str>,
    /// Which.
    pub block: Ulid,
    /// External labels and resolution of its stream; `None` where `meta.json` does not tell.
    pub stream: Option<(Arc<Labels>, Resolution)>,
    /// Its time.
    pub interval: Option<Interval>,
    /// What was shown.
    pub verification: Verification,
    /// It was not read: the ledger has it.
    pub recalled: bool,
    /// It was not read as a whole because something is not there, which the listing says already.
    pub lacking: bool,
    /// It was deleted while it was read.
    pub gone: bool,
}

/// What a cycle that reads blocks gives.
#[derive(Debug)]
pub struct Verifications {
    /// The judgement.
    pub snapshot: Snapshot,
    /// What a reader of it should know.
    pub notes: Vec<String>,
    /// Every block that was to be verified, by bucket and ULID.
    pub blocks: Vec<VerifiedBlock>,
    /// Blocks that were asked for and are in no bucket.
    pub absent: Vec<Ulid>,
    /// It was stopped before its end.
    pub stopped: bool,
}

/// A block that is to be read.
struct Planned {
    about: About,
    task: Task,
}

/// What is known of a block before it is read.
#[derive(Clone)]
struct About {
    bucket: Arc<str>,
    block: Ulid,
    stream: Option<(Arc<Labels>, Resolution)>,
    interval: Option<Interval>,
    lacks_meta: bool,
}

impl About {
    fn with(self, verification: Verification) -> VerifiedBlock {
        let Self { bucket, block, stream, interval, .. } = self;
        VerifiedBlock { bucket, block, stream, interval, verification, recalled: false, lacking: false, gone: false }
    }
}

impl Engine {
    /// Observes, reads what is demanded, judges and commits. `now` is the time of everything; `clock` dates the results.
    pub async fn verify(
        self,
        now: TimestampMs,
        demand: Demand,
        witness: &dyn Witness,
        stop: &CancellationToken,
        clock: impl Fn() -> TimestampMs + Send + Sync,
    ) -> Result<Verifications, EngineError> {
        let verifier = Verifier::new(&demand.settings).map_err(|source| EngineError::Threads { source })?;
        let engine = self.observe(now, witness).await?;
        let (mut engine, plan) = on_worker({
            let demand = demand.clone();
            move || {
                let mut engine = engine;
                // what is shown of a block is kept with the block, which the ledger has to know first
                engine.core.judge(now);
                let plan = engine.choose(&demand);
                (engine, plan)
            }
        })
        .await?;
        let mut blocks = plan.recalled;
        let bytes = plan.tasks.iter().map(|planned| verify::expected_bytes(&planned.task)).sum();
        witness.begins(u64::try_from(plan.tasks.len() + blocks.len()).unwrap_or(u64::MAX), bytes);
        for block in &blocks {
            witness.verified(block);
        }

        let (sender, mut results) = mpsc::channel(RESULTS_AHEAD);
        let (verifier, clock) = (&verifier, &clock);
        let (tasks, at_once) = (stream::iter(plan.tasks), demand.at_once.max(1));
        let reading = async move {
            let sender = &sender;
            let each = |planned| async move {
                if let Ok(result) = read(verifier, planned, witness, stop, clock).await {
                    // who takes the results in outlives this
                    drop(sender.send(result).await);
                }
            };
            tasks.for_each_concurrent(at_once, each).await;
        };
        let taking = async {
            let mut batch = Vec::new();
            while results.recv_many(&mut batch, RESULTS_AHEAD).await > 0 {
                let (ended, shown): (Vec<VerifiedBlock>, Vec<Shown>) = batch.drain(..).unzip();
                engine = on_worker(move || {
                    for Shown { bucket, block, verification, hashes } in shown {
                        engine.core.take_verification(&bucket, block, verification, hashes);
                    }
                    engine
                })
                .await?;
                for block in ended {
                    witness.verified(&block);
                    blocks.push(block);
                }
            }
            Ok::<_, EngineError>((engine, blocks))
        };
        let ((), taken) = tokio::join!(reading, taking);
        let (mut engine, mut blocks) = taken?;

        blocks.sort_by(|a, b| (&a.bucket, a.block).cmp(&(&b.bucket, b.block)));
        let (snapshot, notes) = on_worker(move || {
            let mut snapshot = engine.core.judge(now);
            for bucket in &mut snapshot.buckets {
                bucket.requests = engine.core.requests(&bucket.bucket);
            }
            (snapshot, std::mem::take(&mut engine.core.memory.notes))
        })
        .await?;
        Ok(Verifications { snapshot, notes, blocks, absent: plan.absent, stopped: stop.is_cancelled() })
    }

    fn choose(&mut self, demand: &Demand) -> Plan {
        let mut plan = Plan { absent: demand.selection.blocks.iter().copied().collect(), ..Plan::default() };
        for name in self.core.rewound_buckets() {
            self.core.memory.notes.push(format!("`{name}` is judged as of an earlier moment: its blocks are not read"));
        }
        let mut by_bucket: Vec<std::vec::IntoIter<Planned>> = Vec::new();
        for readable in self.core.readable() {
            let mut planned = Vec::new();
            for block in readable.view.blocks.values() {
                if !demand.selection.takes(block) {
                    continue;
                }
                plan.absent.retain(|absent| *absent != block.ulid);
                let explicit = readable.named || !demand.selection.blocks.is_empty();
                if block.meta == MetaState::Absent && !explicit {
                    // an upload that goes on, or was never finished: the listing says all there is to say
                    continue;
                }
                let about = About::of(&readable, block);
                match readable.known.get(&block.ulid).filter(|known| demand.resume && demand.is_done(known, block)) {
                    Some(known) => {
                        plan.recalled.push(VerifiedBlock { recalled: true, ..about.with(known.clone()) });
                    }
                    None => planned.push(self.task(about, &readable, block, demand.level)),
                }
            }
            by_bucket.push(planned.into_iter());
        }
        // in turn, so that no bucket waits for the end of another
        loop {
            let round: Vec<Planned> = by_bucket.iter_mut().filter_map(Iterator::next).collect();
            if round.is_empty() {
                return plan;
            }
            plan.tasks.extend(round);
        }
    }

    fn task(&mut self, about: About, readable: &Readable, block: &BlockView, level: Level) -> Planned {
        let kept = if level == Level::Full { self.core.baseline(&about.bucket, block.ulid) } else { Hashes::new() };
        Planned { about, task: Task::new(Arc::clone(&readable.bucket), block, level, kept) }
    }
}

impl Demand {
    /// The ledger knows as much of the block as is demanded.
    fn is_done(&self, known: &Verification, block: &BlockView) -> bool {
        known.identity == block.identity()
            && known.level >= self.level
            && known.version >= VERIFIER_VERSION
            && matches!(known.verdict, Verdict::Ok | Verdict::Corrupt)
    }
}

#[derive(Default)]
struct Plan {
    tasks: Vec<Planned>,
    recalled: Vec<VerifiedBlock>,
    absent: Vec<Ulid>,
}

impl About {
    fn of(readable: &Readable, block: &BlockView) -> Self {
        let meta = block.meta.meta();
        Self {
            bucket: Arc::clone(&readable.name),
            block: block.ulid,
            stream: meta.map(|meta| (Arc::clone(&meta.labels), meta.resolution)),
            interval: block.interval(),
            lacks_meta: match &block.meta {
                MetaState::Absent | MetaState::Unknown(_) => true,
                MetaState::Read { .. } => false,
            },
        }
    }
}

/// What the engine learns of a block.
struct Shown {
    bucket: Arc<str>,
    block: Ulid,
    verification: Verification,
    hashes: Hashes,
}

async fn read(
    verifier: &Verifier,
    planned: Planned,
    witness: &dyn Witness,
    stop: &CancellationToken,
    clock: &(impl Fn() -> TimestampMs + Sync),
) -> Result<(VerifiedBlock, Shown), Stopped> {
    let Planned { about, task } = planned;
    let mut outcome = verifier.verify(task, &AsWatcher(witness), stop, clock).await?;
    if about.lacks_meta && outcome.verification.verdict == Verdict::Ok {
        // what it should be is in there: without it nothing is proven
        outcome.verification.verdict = Verdict::Unreachable;
        outcome.verification.why = Some("there is no `meta.json` that could be read to compare it with".to_owned());
        outcome.lacking = true;
    }
    let shown = Shown {
        bucket: Arc::clone(&about.bucket),
        block: about.block,
        verification: outcome.verification.clone(),
        hashes: outcome.hashes,
    };
    let block = VerifiedBlock { lacking: outcome.lacking, gone: outcome.gone, ..about.with(outcome.verification) };
    Ok((block, shown))
}

/// A witness as the verifier sees it.
#[derive(Debug)]
struct AsWatcher<'a>(&'a dyn Witness);

impl Watcher for AsWatcher<'_> {
    fn bytes_again(&self, bytes: u64) {
        self.0.bytes_again(bytes);
    }

    fn bytes_read(&self, bytes: u64) {
        self.0.bytes_read(bytes);
    }
}
