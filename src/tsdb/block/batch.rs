//! From the chunks that the index names, in its order, to work: stretches of segments with what is expected in them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use super::super::fault::{ChunkPlace, Faults};
use super::super::index::{ChunkMeta, Entry};
use super::hash::Chain;
use super::record::{Demands, HEADER, MAX_DATA};
use super::rules;
use super::tally::fingerprint;
use super::work::{ChunkWork, Expected};
use crate::model::Level;

/// A segment as it was listed.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) name: Arc<str>,
    /// Bytes.
    pub(super) size: u64,
    /// Where it is hashed, if it is.
    pub(super) chain: Option<Arc<Chain>>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Batches {
    /// By their place in a reference, from 0: that is the number in the name, less one.
    segments: BTreeMap<u64, Segment>,
    demands: Demands,
    /// Bytes of one stretch, about.
    piece: u64,
    /// Work that can be done.
    pub(super) ready: VecDeque<ChunkWork>,
    /// Segments of which at least one chunk is referred to.
    used: BTreeSet<u64>,
    open: Option<Open>,
    last: Option<u64>,
    /// The references do not ascend, or leave out so much that stretches between them could be of any size: segments are
    /// to be walked from beginning to end instead.
    pub(super) unordered: bool,
    /// Chunks that the index names, those that lead nowhere apart.
    pub(super) chunks: u64,
    /// Sum of [`fingerprint`] over them.
    pub(super) fingerprint: u128,
    /// References that lead nowhere: faults of the index.
    pub(super) dangling: Faults,
}

/// The stretch that is being put together.
#[derive(Debug)]
struct Open {
    segment: u64,
    start: u64,
    expected: Vec<Expected>,
}

impl Batches {
    pub(super) fn new(segments: BTreeMap<u64, Segment>, demands: Demands, piece: u64) -> Self {
        Self {
            segments,
            demands,
            piece,
            ready: VecDeque::new(),
            used: BTreeSet::new(),
            open: None,
            last: None,
            unordered: false,
            chunks: 0,
            fingerprint: 0,
            dangling: Faults::default(),
        }
    }

    /// The chunks of the next series.
    pub(super) fn series(&mut self, entry: &Entry<'_>) {
        for chunk in entry.chunks {
            self.chunk(entry.at, chunk);
        }
    }

    fn chunk(&mut self, series: u64, chunk: &ChunkMeta) {
        let (segment, at) = (chunk.reference >> 32, chunk.reference & u64::from(u32::MAX));
        let size = self.segments.get(&segment).map(|segment| segment.size);
        let place = ChunkPlace { series, first_ms: chunk.first_ms, last_ms: chunk.last_ms };
        if at < HEADER || size.is_none_or(|size| at >= size) {
            let words = || {
                let number = segment.saturating_add(1);
                let there = size.map_or("no such segment".to_owned(), |size| format!("one of {size} bytes"));
                (format!("a place in segment {number:06}"), format!("offset {at}, {there}"))
            };
            self.dangling.note_in(&rules::CHUNK_DANGLING, "series", series, Some(place), words);
            return;
        }
        self.chunks = self.chunks.saturating_add(1);
        let last_ms = (self.demands.level == Level::Full).then_some(chunk.last_ms);
        self.fingerprint = self.fingerprint.wrapping_add(fingerprint(chunk.reference, chunk.first_ms, last_ms));
        self.used.insert(segment);
        let ascends = self.last.is_none_or(|last| last < chunk.reference);
        self.last = Some(chunk.reference);
        if self.unordered || !ascends {
            self.give_up();
            return;
        }
        // below that no segment is read
        if self.demands.level >= Level::Checksum {
            self.expect(segment, Expected { at, place });
        }
    }

    fn expect(&mut self, segment: u64, expected: Expected) {
        if self.open.as_ref().is_some_and(|open| open.segment != segment) {
            self.close_segment();
        }
        let open = self.open.get_or_insert_with(|| Open { segment, start: 0, expected: Vec::new() });
        let previous = open.expected.last().map_or(open.start, |last| last.at);
        if expected.at.saturating_sub(previous) > MAX_DATA {
            self.give_up();
            return;
        }
        if !open.expected.is_empty() && expected.at.saturating_sub(open.start) > self.piece {
            let range = open.start..expected.at;
            open.start = expected.at;
            let done = std::mem::take(&mut open.expected);
            self.push(segment, range, done);
        }
        if let Some(open) = &mut self.open {
            open.expected.push(expected);
        }
    }

    /// The rest of the segment that is open.
    fn close_segment(&mut self) {
        let Some(open) = self.open.take() else { return };
        let Some(size) = self.segments.get(&open.segment).map(|segment| segment.size) else { return };
        let previous = open.expected.last().map_or(open.start, |last| last.at);
        if size.saturating_sub(previous) > MAX_DATA {
            self.give_up();
            return;
        }
        self.push(open.segment, open.start..size, open.expected);
    }

    fn push(&mut self, segment: u64, range: Range<u64>, expected: Vec<Expected>) {
        let Some(segment) = self.segments.get(&segment) else { return };
        self.ready.push_back(ChunkWork {
            object: Arc::clone(&segment.name),
            range,
            expected,
            demands: self.demands,
            chain: segment.chain.clone(),
        });
    }

    /// Nothing more is put together; what was is of no use.
    fn give_up(&mut self) {
        self.unordered = true;
        self.open = None;
        self.ready.clear();
    }

    /// The index has no more series.
    pub(super) fn end(&mut self) {
        self.close_segment();
    }

    /// All segments, and whether any chunk of each is referred to.
    pub(super) fn segments(&self) -> impl Iterator<Item = (u64, &Segment, bool)> {
        self.segments.iter().map(|(number, segment)| (*number, segment, self.used.contains(number)))
    }
}
