//! A whole block, proven: every file by itself, and all of them against each other. Without I/O: it says what it needs,
//! is fed bytes in arbitrary splits, and hands out what can be done on other threads.
//!
//! One pass over the index names every chunk in the order of the segments. From that come stretches of segments with what
//! has to be in them ([`ChunkWork`]), so that each record is proven to be referred to exactly once, each reference to be a
//! record, and each time in the index to be that of a sample, in memory that does not grow with the block.

mod batch;
mod hash;
mod memory;
mod meta;
mod plan;
mod record;
mod report;
pub mod rules;
mod stones;
mod tally;
#[cfg(test)]
mod tests;
mod totals;
mod walk;
mod work;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::bytes::len_u64;
use super::fault::Faults;
use super::index::{IndexDemands, IndexReport, IndexStep, IndexVerifier, Lane, NamingRun, NamingStep};
use super::tombstones::TombstonesVerifier;
use batch::Batches;
use meta::Kinds;
use plan::Layout;
use record::{Demands, Seen};
use stones::Stones;
use walk::Walk;

use crate::model::Level;

pub use hash::Hold;
pub use memory::{verify_files, verify_in_memory};
pub use plan::{BlockPlan, Missing};
pub use report::{BlockReport, Settled, settle};
pub use work::{ChunkDone, ChunkWork};

/// What the verifier wants next.
#[derive(Debug)]
pub enum Step {
    /// Bytes of an object, from the start of the range on; any that are not nothing may be fed.
    Need {
        /// Where they are fed. A lane goes on where it ended, unless its range says otherwise.
        lane: usize,
        /// Path inside the block's directory.
        object: Arc<str>,
        /// Bytes; up to its end they are wanted for certain.
        range: Range<u64>,
    },
    /// Something to be done, here or elsewhere, and to be handed back.
    Work(ChunkWork),
    /// Nothing before work is handed back.
    Wait,
    /// Nothing more.
    Done,
}

/// How many lanes there are.
pub const LANES: usize = 6;
const META: usize = 0;
const TOMBSTONES: usize = 1;
const INDEX: usize = 2;
const TABLE: usize = 3;
const WALK: usize = 4;
const NAMES: usize = 5;

/// See the module.
#[derive(Debug)]
pub struct BlockVerifier {
    plan: BlockPlan,
    layout: Layout,
    demands: Demands,
    phase: Phase,
    /// Work that is under way.
    outstanding: usize,
    /// What work has shown, by segment.
    worked: BTreeMap<Arc<str>, Seen>,
    batches: Batches,
    kinds: Kinds,
    stones: Option<Stones>,
    index: Option<IndexReport>,
    /// Segments that still have to be walked.
    to_walk: VecDeque<(u64, Arc<str>, u64)>,
    /// What walking has shown, by segment.
    walked: BTreeMap<Arc<str>, Seen>,
    report: BlockReport,
}

#[derive(Debug)]
enum Phase {
    Meta(Vec<u8>),
    Tombstones(Box<TombstonesVerifier>, Hashing),
    Index(Box<IndexVerifier>, Hashing),
    /// Until all work is handed back.
    Draining,
    Walking(Box<Walk>, Arc<str>, Hashing),
    Naming(Box<NamingRun>),
    Done,
}

/// A file that is read from its beginning to its end.
#[derive(Debug)]
struct Hashing {
    object: Arc<str>,
    size: u64,
    fed: u64,
    sha: Option<Sha256>,
}

impl Hashing {
    fn feed(&mut self, bytes: &[u8]) {
        self.fed = self.fed.saturating_add(len_u64(bytes.len()));
        if let Some(sha) = &mut self.sha {
            sha.update(bytes);
        }
    }

    fn need(&self, lane: usize) -> Step {
        Step::Need { lane, object: Arc::clone(&self.object), range: self.fed..self.size }
    }
}

impl BlockVerifier {
    /// For a block whose parts are all there.
    pub fn new(plan: BlockPlan) -> Result<Self, Missing> {
        let mut report = BlockReport::default();
        let layout = Layout::of(&plan, &mut report.faults)?;
        let demands = plan.demands();
        let batches = Batches::new(layout.segments.clone(), demands, plan.piece);
        let mut verifier = Self {
            plan,
            layout,
            demands,
            phase: Phase::Done,
            outstanding: 0,
            worked: BTreeMap::new(),
            batches,
            kinds: Kinds::default(),
            stones: None,
            index: None,
            to_walk: VecDeque::new(),
            walked: BTreeMap::new(),
            report,
        };
        if verifier.layout.tombstones.as_ref().is_some_and(|(_, size)| *size == 0) {
            // nothing of it can be asked for
            verifier.note("tombstones", TombstonesVerifier::new(0).finish().faults);
        }
        verifier.phase = match &verifier.layout.meta {
            Some(size) if verifier.plan.meta.is_some() && *size <= meta::MAX_BYTES && *size > 0 => {
                Phase::Meta(Vec::new())
            }
            Some(_) | None => verifier.begin_tombstones(),
        };
        Ok(verifier)
    }

    /// What it wants next.
    pub fn step(&mut self) -> Step {
        if let Some(work) = self.batches.ready.pop_front() {
            self.outstanding = self.outstanding.saturating_add(1);
            return Step::Work(work);
        }
        loop {
            match &mut self.phase {
                Phase::Meta(bytes) => {
                    let range = len_u64(bytes.len())..self.layout.meta.unwrap_or(0);
                    return Step::Need { lane: META, object: "meta.json".into(), range };
                }
                Phase::Tombstones(_, reading) => return reading.need(TOMBSTONES),
                Phase::Index(index, reading) => {
                    if let IndexStep::Need { lane, range } = index.step() {
                        let lane = if lane == Lane::Main { INDEX } else { TABLE };
                        return Step::Need { lane, object: Arc::clone(&reading.object), range };
                    }
                    self.end_index();
                    if let Some(work) = self.batches.ready.pop_front() {
                        self.outstanding = self.outstanding.saturating_add(1);
                        return Step::Work(work);
                    }
                }
                Phase::Draining if self.outstanding > 0 => return Step::Wait,
                Phase::Draining => self.begin_walking(),
                Phase::Walking(_, _, reading) if reading.fed < reading.size => return reading.need(WALK),
                Phase::Walking(..) => self.end_walk(),
                Phase::Naming(run) => match run.step() {
                    NamingStep::Need(range) => {
                        return Step::Need { lane: NAMES, object: Arc::clone(&self.layout.index.0), range };
                    }
                    NamingStep::Done => self.end_naming(),
                },
                Phase::Done => return Step::Done,
            }
        }
    }

    /// Takes bytes of the range that was named last for this lane.
    pub fn feed(&mut self, lane: usize, bytes: &Bytes) {
        match &mut self.phase {
            Phase::Meta(kept) if lane == META => {
                kept.extend_from_slice(bytes);
                if len_u64(kept.len()) >= self.layout.meta.unwrap_or(0) {
                    let kept = std::mem::take(kept);
                    if let Some(meta) = self.plan.meta.clone() {
                        let mut faults = Faults::default();
                        self.kinds = meta::read(&kept, &meta, &mut faults);
                        self.note("meta.json", faults);
                    }
                    self.phase = self.begin_tombstones();
                }
            }
            Phase::Tombstones(tombstones, reading) if lane == TOMBSTONES => {
                tombstones.feed(bytes);
                reading.feed(bytes);
                if reading.fed >= reading.size {
                    self.end_tombstones();
                }
            }
            Phase::Index(index, reading) if lane == INDEX || lane == TABLE => {
                let (batches, stones) = (&mut self.batches, &mut self.stones);
                let own = if lane == INDEX { Lane::Main } else { Lane::Table };
                index.feed(own, bytes, &mut |entry| {
                    batches.series(&entry);
                    if let Some(stones) = stones {
                        stones.series(&entry);
                    }
                });
                if lane == INDEX {
                    reading.feed(bytes);
                }
            }
            Phase::Walking(walk, _, reading) if lane == WALK => {
                walk.feed(bytes);
                reading.feed(bytes);
            }
            Phase::Naming(run) if lane == NAMES => run.feed(bytes),
            // a driver that feeds what nobody asked for
            Phase::Meta(_)
            | Phase::Tombstones(..)
            | Phase::Index(..)
            | Phase::Draining
            | Phase::Walking(..)
            | Phase::Naming(_)
            | Phase::Done => {}
        }
    }

    /// Takes back work that was done.
    pub fn take_back(&mut self, done: ChunkDone) {
        self.outstanding = self.outstanding.saturating_sub(1);
        self.worked.entry(done.object).or_default().merge(done.seen);
    }

    fn note(&mut self, object: &str, faults: Faults) {
        if !faults.is_empty() {
            self.report.faults.entry(object.into()).or_default().merge(faults);
        }
    }

    fn reading(&self, object: &Arc<str>, size: u64) -> Hashing {
        let sha = self.plan.hashes(object).then(Sha256::new);
        Hashing { object: Arc::clone(object), size, fed: 0, sha }
    }

    /// The file was read to its end.
    fn read(&mut self, reading: Hashing) {
        self.report.bytes = self.report.bytes.saturating_add(reading.size);
        if let Some(sha) = reading.sha.filter(|_| reading.fed == reading.size) {
            self.report.hashes.insert(reading.object, sha.finalize().into());
        }
    }

    fn begin_tombstones(&mut self) -> Phase {
        match self.layout.tombstones.clone().filter(|(_, size)| *size > 0) {
            Some((name, size)) => Phase::Tombstones(Box::new(TombstonesVerifier::new(size)), self.reading(&name, size)),
            None => self.begin_index(),
        }
    }

    fn end_tombstones(&mut self) {
        let next = self.begin_index();
        if let Phase::Tombstones(tombstones, reading) = std::mem::replace(&mut self.phase, next) {
            let mut read = tombstones.finish();
            self.note("tombstones", std::mem::take(&mut read.faults));
            self.stones = Some(Stones::new(&read));
            self.read(reading);
        }
    }

    fn begin_index(&self) -> Phase {
        let (name, size) = &self.layout.index;
        let stats = self.plan.stats();
        let demands = IndexDemands {
            size: *size,
            time: self.plan.meta.as_ref().map(|meta| meta.interval),
            series: stats.map(|stats| stats.series.unwrap_or(0)),
            chunks: stats.map(|stats| stats.chunks.unwrap_or(0)),
        };
        Phase::Index(Box::new(IndexVerifier::new(demands)), self.reading(name, *size))
    }

    fn end_index(&mut self) {
        let Phase::Index(index, reading) = std::mem::replace(&mut self.phase, Phase::Draining) else { return };
        let mut index = index.finish();
        self.report.series = index.series;
        self.note("index", std::mem::take(&mut index.faults));
        self.index = Some(index);
        self.batches.end();
        let dangling = std::mem::take(&mut self.batches.dangling);
        self.note("index", dangling);
        self.read(reading);
    }

    /// All stretches are done. What could not be cut into stretches is walked.
    fn begin_walking(&mut self) {
        if self.demands.level > Level::Index {
            let all = self.batches.unordered;
            let left = self.batches.segments().filter(|(_, _, used)| all || !used);
            self.to_walk = left.map(|(number, segment, _)| (number, Arc::clone(&segment.name), segment.size)).collect();
        }
        self.next_walk();
    }

    fn next_walk(&mut self) {
        match self.to_walk.pop_front() {
            Some((number, name, size)) => {
                let reading = self.reading(&name, size);
                self.phase = Phase::Walking(Box::new(Walk::new(number, size, self.demands)), name, reading);
            }
            None => self.begin_naming(),
        }
    }

    fn end_walk(&mut self) {
        if let Phase::Walking(walk, name, reading) = std::mem::replace(&mut self.phase, Phase::Done) {
            self.walked.insert(name, walk.finish());
            self.read(reading);
        }
        self.next_walk();
    }

    /// Everything is read and can be compared; then only labels are missing.
    fn begin_naming(&mut self) {
        self.compare();
        let kept = self.report.faults.values().flat_map(Faults::rules).flat_map(|broken| &broken.first);
        let series: BTreeSet<u64> = kept.filter_map(|fault| fault.chunk).map(|chunk| chunk.series).collect();
        let series: Vec<u64> = series.into_iter().collect();
        let index = self.index.take().filter(|_| !series.is_empty());
        self.phase = index.map_or(Phase::Done, |index| Phase::Naming(Box::new(index.names.begin(&series))));
    }

    fn end_naming(&mut self) {
        if let Phase::Naming(run) = std::mem::replace(&mut self.phase, Phase::Done) {
            self.report.labels = run.finish();
        }
    }

    /// What this reading has shown.
    pub fn finish(self) -> BlockReport {
        self.report
    }
}
