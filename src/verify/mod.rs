//! Reads blocks out of buckets and proves them: `tsdb` says what it needs, this module brings it, in bounded memory and
//! within budgets, and has the computing done on threads of its own.

mod budget;
mod lane;
mod memory;
mod openers;
mod pool;
mod reading;
pub mod scrub;
mod source;
#[cfg(test)]
mod tests;

use std::io;
use std::num::NonZeroU64;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::discover::Bucket;
use crate::model::{
    BlockMeta, BlockView, Hashes, Level, ObjectView, TimestampMs, VERIFIER_VERSION, Verdict, Verification,
};
use crate::tsdb::block::{BlockPlan, BlockReport, BlockVerifier, settle};
use budget::Budget;
use memory::Memory;
use pool::Pool;
use reading::Reading;
use source::{Failure, Pace, Source};

/// Memory for bytes of objects, over all blocks, unless configured.
pub const DEFAULT_MEMORY_BYTES: u64 = 192 << 20;
/// Requests under way at once, over all blocks, unless configured.
pub const DEFAULT_REQUESTS_IN_FLIGHT: usize = 32;

/// Pieces that there has to be memory for, so that no place at which a block is read lacks one.
const LEAST_PIECES: u64 = 8;
/// Bytes of a piece at least, however little memory there is.
const LEAST_PIECE: u64 = 1 << 10;

/// Bounds of a verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Threads that compute.
    pub threads: usize,
    /// Bytes of objects in memory at once, over all blocks.
    pub memory_bytes: u64,
    /// Bytes that are asked for per second, over all buckets; `None` = as many as there can be.
    pub bytes_per_second: Option<NonZeroU64>,
    /// Requests per second, over all buckets; `None` = as many as there can be.
    pub requests_per_second: Option<NonZeroU64>,
    /// Requests under way at once, over all buckets. Each bucket has its own bound beside this.
    pub requests_in_flight: usize,
    /// Whatever else the process does comes first: the threads have the lowest priority.
    pub in_background: bool,
}

impl Default for Settings {
    /// As many threads as the process may use cores.
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory_bytes: DEFAULT_MEMORY_BYTES,
            bytes_per_second: None,
            requests_per_second: None,
            requests_in_flight: DEFAULT_REQUESTS_IN_FLIGHT,
            in_background: false,
        }
    }
}

/// Told how far a verification has come, from the task that verifies, often: whoever implements it must be quick.
pub trait Watcher: Send + Sync + std::fmt::Debug {
    /// So many bytes will be read once more, since something was wrong.
    fn bytes_again(&self, bytes: u64);

    /// So many were read.
    fn bytes_read(&self, bytes: u64);
}

/// For when nobody waits.
impl Watcher for () {
    fn bytes_again(&self, _bytes: u64) {}
    fn bytes_read(&self, _bytes: u64) {}
}

/// One block that is to be verified.
#[derive(Clone, Debug)]
pub struct Task {
    /// Where it is.
    pub bucket: Arc<dyn Bucket>,
    /// Its directory in the bucket.
    pub folder: Arc<str>,
    /// As they were listed: what is read has to be this.
    pub objects: Box<[ObjectView]>,
    /// `meta.json`, if it could be read.
    pub meta: Option<Arc<BlockMeta>>,
    /// [`BlockView::identity`].
    pub identity: u64,
    /// How thoroughly.
    pub level: Level,
    /// SHA-256 of its objects as first verified; empty where there are none.
    pub kept: Hashes,
}

impl Task {
    /// A block as it was listed.
    pub fn new(bucket: Arc<dyn Bucket>, block: &BlockView, level: Level, kept: Hashes) -> Self {
        Self {
            bucket,
            folder: block.ulid.to_string().into(),
            objects: block.objects.clone(),
            meta: block.meta.meta().cloned(),
            identity: block.identity(),
            level,
            kept,
        }
    }
}

/// What a verification has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The result, to be kept in the ledger.
    pub verification: Verification,
    /// SHA-256 of the objects that were read as a whole.
    pub hashes: Hashes,
    /// It was not read because an object that its level needs was not even listed: `missing_object` and its kin say so.
    pub lacking: bool,
    /// It was deleted while it was read: its `meta.json` is gone, too.
    pub gone: bool,
}

/// It was given up before its end, and says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the verification was stopped")]
pub struct Stopped;

/// Verifies blocks, any number at once. Clones share threads, memory and budgets.
#[derive(Clone, Debug)]
pub struct Verifier(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pool: Pool,
    memory: Memory,
    budget: Arc<Budget>,
    /// Bytes of a piece at most.
    piece: u64,
}

impl Verifier {
    /// Starts the threads.
    pub fn new(settings: &Settings) -> io::Result<Self> {
        Ok(Self(Arc::new(Inner {
            pool: Pool::start(settings.threads, settings.in_background)?,
            memory: Memory::new(settings.memory_bytes),
            budget: Arc::new(Budget::new(settings)),
            piece: (settings.memory_bytes / LEAST_PIECES).max(LEAST_PIECE),
        })))
    }

    /// Verifies one block, on a runtime of several threads. At [`Level::Quick`] nothing is read: the listing was. What is wrong at one reading is read once more. `now` dates
    /// the result. Once `stop` is cancelled it ends as soon as the buffers that are computed on are done.
    pub async fn verify(
        &self,
        task: Task,
        watcher: &dyn Watcher,
        stop: &CancellationToken,
        now: impl Fn() -> TimestampMs + Send,
    ) -> Result<Outcome, Stopped> {
        let mut outcome = Outcome {
            verification: Verification {
                at: TimestampMs::default(),
                level: task.level,
                version: VERIFIER_VERSION,
                verdict: Verdict::Unreachable,
                bytes: 0,
                samples: 0,
                identity: task.identity,
                problems: Vec::new(),
                why: None,
                compared: false,
            },
            hashes: Hashes::new(),
            lacking: false,
            gone: false,
        };
        if task.level == Level::Quick {
            outcome.verification.verdict = Verdict::Ok;
            outcome.verification.at = now();
            return Ok(outcome);
        }
        let verification = &mut outcome.verification;
        match stop.run_until_cancelled(self.readings(&task, watcher, stop)).await.ok_or(Stopped)? {
            Ok(known) => {
                let settled = settle(&known.first, known.second.as_ref());
                verification.verdict = settled.verdict;
                verification.problems = settled.problems;
                verification.bytes = known.bytes;
                verification.samples = known.samples;
                verification.compared = known.first.compared;
                verification.why = known.why;
                outcome.hashes = known.hashes;
            }
            Err(Unread::Lacks(why)) => {
                verification.why = Some(why);
                outcome.lacking = true;
            }
            Err(Unread::Failed(Failure::Stopped)) => return Err(Stopped),
            Err(Unread::Failed(Failure::Unreachable(why))) => verification.why = Some(why),
            Err(Unread::Failed(Failure::Changed { why, gone })) => {
                verification.verdict = Verdict::Changed;
                verification.why = Some(why);
                outcome.gone = gone && self.is_gone(&task).await;
            }
        }
        outcome.verification.at = now();
        Ok(outcome)
    }

    /// An object of the block was not there any more: whether the whole block is not.
    async fn is_gone(&self, task: &Task) -> bool {
        // whoever deletes a block begins with this
        matches!(task.bucket.head(&format!("{}/meta.json", task.folder)).await, Ok(None))
    }

    /// Reads a block once, and once more if something is wrong.
    async fn readings(&self, task: &Task, watcher: &dyn Watcher, stop: &CancellationToken) -> Result<Known, Unread> {
        let inner = &self.0;
        let mut pace = Pace::of(task.bucket.provider());
        pace.piece = pace.piece.min(inner.piece);
        let sizes = task.objects.iter().map(|object| (Arc::clone(&object.name), object.size));
        let plan = BlockPlan {
            level: task.level,
            objects: sizes.collect(),
            meta: task.meta.clone(),
            kept: task.kept.clone(),
            piece: pace.piece,
        };
        let source = Arc::new(Source::new(task, Arc::clone(&inner.budget), stop.clone()));
        let reading = Reading { pool: &inner.pool, memory: &inner.memory, source: &source, pace, watcher };
        let first = read_once(&reading, plan.clone()).await?;
        let mut known = Known {
            bytes: first.bytes,
            samples: first.samples,
            hashes: first.hashes.clone(),
            second: None,
            why: None,
            first,
        };
        if known.first.needs_second_reading() {
            watcher.bytes_again(expected_bytes(task));
            match read_once(&reading, plan).await {
                Ok(second) => {
                    known.hashes.clone_from(&second.hashes);
                    known.samples = second.samples;
                    known.second = Some(second);
                }
                // that it was wrong once is known all the same
                Err(Unread::Failed(Failure::Unreachable(why))) => {
                    known.why = Some(format!("it could not be read a second time: {why}"));
                }
                Err(unread) => return Err(unread),
            }
        }
        Ok(known)
    }
}

/// What one or two readings gave.
#[derive(Debug)]
struct Known {
    first: BlockReport,
    second: Option<BlockReport>,
    bytes: u64,
    samples: u64,
    hashes: Hashes,
    why: Option<String>,
}

/// Why nothing is known.
#[derive(Debug)]
enum Unread {
    /// Not there.
    Lacks(String),
    /// Reading failed.
    Failed(Failure),
}

async fn read_once(reading: &Reading<'_>, plan: BlockPlan) -> Result<BlockReport, Unread> {
    let longest = plan.objects.iter().map(|(_, size)| *size).max().unwrap_or(0);
    let verifier = BlockVerifier::new(plan.clone()).map_err(|missing| Unread::Lacks(missing.to_string()))?;
    reading.run(&plan, verifier, longest).await.map_err(Unread::Failed)
}

/// Bytes that one reading takes, as far as the listing tells.
pub fn expected_bytes(task: &Task) -> u64 {
    let is_read = |name: &str| match task.level {
        Level::Quick => false,
        Level::Index => matches!(name, "index" | "tombstones"),
        Level::Checksum | Level::Full => matches!(name, "index" | "tombstones") || is_segment(name),
    };
    let sizes = task.objects.iter().filter(|object| is_read(&object.name)).map(|object| object.size);
    sizes.fold(0, u64::saturating_add)
}

fn is_segment(name: &str) -> bool {
    name.starts_with("chunks/")
}
