//! One reading of one block: what the verifier needs is fetched, what it computes is computed on the pool. In between
//! nothing is decided here.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;

use super::Watcher;
use super::lane::{Lane, Piece};
use super::memory::{Extra, Memory, Share};
use super::openers::{Coming, Openers};
use super::pool::{Broken, Pool};
use super::source::{Failure, Pace, Source};
use crate::tsdb::block::{BlockPlan, BlockReport, BlockVerifier, ChunkDone, ChunkWork, Hold, Step};

/// Places at which a verifier reads at once: the index from the front, and its tables at the end.
const LANES: u64 = 2;
/// Units of chunk work that are taken from a verifier before they are begun.
const MOST_WORK: usize = 8;

/// What a reading is made with.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    pub(super) pool: &'a Pool,
    pub(super) memory: &'a Memory,
    pub(super) source: &'a Arc<Source>,
    pub(super) pace: Pace,
    pub(super) watcher: &'a dyn Watcher,
}

/// What a verifier waits for.
#[derive(Debug)]
enum Next {
    /// Bytes.
    Bytes { lane: usize, object: Arc<str>, range: Range<u64> },
    /// Nothing: there is more work than was taken.
    More,
    /// Work to be done.
    Work,
    /// Nothing any more.
    End,
}

/// Work that is read and done somewhere else; gives how many bytes it was.
type Working = AbortOnDropHandle<Result<(ChunkDone, u64), Failure>>;

impl Reading<'_> {
    /// Reads what `verifier` needs; no object has more than `longest` bytes.
    pub(super) async fn run(
        &self,
        plan: &BlockPlan,
        mut verifier: BlockVerifier,
        longest: u64,
    ) -> Result<BlockReport, Failure> {
        let piece = longest.min(self.pace.piece);
        let reading = piece.saturating_mul(LANES).saturating_add(Openers::beyond_share(self.pace).min(piece));
        let share = self.memory.share(reading, self.pace.unit()).await.ok_or_else(closed)?;
        let mut openers = Openers::ask(plan, self.source, self.pace, &share);
        let mut lanes: BTreeMap<usize, Lane> = BTreeMap::new();
        let mut working: FuturesUnordered<Working> = FuturesUnordered::new();
        let mut done = Vec::new();
        let mut fed = None;
        loop {
            let (back, returned) = (std::mem::take(&mut done), fed.take());
            let advanced = self.pool.run(move || advance(verifier, back, returned)).await;
            let (works, next);
            (verifier, works, next) = advanced.map_err(broken)?;
            for work in works {
                let extra = self.memory_for(&work, &share, &mut working, &mut done).await?;
                let begun = openers.whole(&work.object, &work.range);
                working.push(self.begin(work, extra, begun));
            }
            match next {
                Next::Bytes { lane, object, range } => {
                    let lane_idx = lane;
                    let lane = lanes.entry(lane).or_insert_with(|| Lane::new(Arc::clone(&object), range.start));
                    if !lane.is_at(&object, range.start) {
                        *lane = Lane::new(object, range.start);
                    }
                    lane.ask(range.end, self.source, self.pace, &share, &mut openers);
                    let piece = loop {
                        tokio::select! {
                            piece = lane.next(&range) => break piece?,
                            Some(ended) = working.next() => self.take_back(ended, &mut done)?,
                        }
                    };
                    self.watcher.bytes_read(u64::try_from(piece.bytes.len()).unwrap_or(u64::MAX));
                    fed = Some((lane_idx, piece));
                }
                Next::More => {}
                Next::Work => match working.next().await {
                    Some(ended) => self.take_back(ended, &mut done)?,
                    None if done.is_empty() => {
                        return Err(Failure::Unreachable(
                            "the verifier waits for nothing: this is a defect".to_owned(),
                        ));
                    }
                    None => {}
                },
                Next::End => break,
            }
        }
        self.pool.run(move || verifier.finish()).await.map_err(broken)
    }

    /// Waits for memory for a unit of work; what ends in the meantime is taken back.
    async fn memory_for(
        &self,
        work: &ChunkWork,
        share: &Share,
        working: &mut FuturesUnordered<Working>,
        done: &mut Vec<ChunkDone>,
    ) -> Result<Extra, Failure> {
        let bytes = work.range.end.saturating_sub(work.range.start);
        let memory = share.for_work(bytes);
        tokio::pin!(memory);
        loop {
            tokio::select! {
                extra = &mut memory => return extra.ok_or_else(closed),
                Some(ended) = working.next() => self.take_back(ended, done)?,
            }
        }
    }

    /// Begins a unit of work, whose bytes may be on their way already.
    fn begin(&self, work: ChunkWork, extra: Extra, begun: Option<Coming>) -> Working {
        let (source, pool) = (Arc::clone(self.source), self.pool.clone());
        AbortOnDropHandle::new(tokio::spawn(async move {
            let length = work.range.end.saturating_sub(work.range.start);
            let bytes = match begun {
                Some(coming) => coming.await?,
                None => source.read(&work.object, work.range.clone()).await?,
            };
            let done = pool.run(move || work.run(bytes, Hold::new(extra))).await.map_err(broken)?;
            Ok((done, length))
        }))
    }

    fn take_back(
        &self,
        ended: Result<Result<(ChunkDone, u64), Failure>, JoinError>,
        done: &mut Vec<ChunkDone>,
    ) -> Result<(), Failure> {
        let (chunk, bytes) = ended.map_err(|error| Failure::Unreachable(format!("a reading broke off: {error}")))??;
        self.watcher.bytes_read(bytes);
        done.push(chunk);
        Ok(())
    }
}

/// Everything that a verifier can do by itself; on the pool.
fn advance(
    mut verifier: BlockVerifier,
    done: Vec<ChunkDone>,
    fed: Option<(usize, Piece)>,
) -> (BlockVerifier, Vec<ChunkWork>, Next) {
    for chunk in done {
        verifier.take_back(chunk);
    }
    if let Some((lane, piece)) = fed {
        verifier.feed(lane, &piece.bytes);
    }
    let mut works = Vec::new();
    let next = loop {
        if works.len() >= MOST_WORK {
            break Next::More;
        }
        match verifier.step() {
            Step::Work(work) => works.push(work),
            Step::Need { lane, object, range } => break Next::Bytes { lane, object, range },
            Step::Wait => break Next::Work,
            Step::Done => break Next::End,
        }
    };
    (verifier, works, next)
}

fn broken(_: Broken) -> Failure {
    Failure::Unreachable("a computation has failed: this is a defect of the verifier".to_owned())
}

fn closed() -> Failure {
    Failure::Unreachable("the verifier is being shut down".to_owned())
}
