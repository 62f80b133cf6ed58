//! A stretch of a segment, with the chunks that the index says are in it: work that can be done anywhere, in any order.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::super::bytes::{len_u64, len_usize};
use super::super::chunk::ChunkFacts;
use super::super::fault::ChunkPlace;
use super::hash::{Chain, Hold};
use super::record::{Demands, Frame, HEADER, Seen, frame, head_hex, read_header, sound_record};
use super::rules;

/// A chunk as the index knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    /// Bytes from the start of the segment.
    pub(super) at: u64,
    pub(super) place: ChunkPlace,
}

/// See the module.
#[derive(Debug)]
pub struct ChunkWork {
    /// The segment.
    pub object: Arc<str>,
    /// Its bytes that are needed, all of them at once.
    pub range: Range<u64>,
    pub(super) expected: Vec<Expected>,
    pub(super) demands: Demands,
    /// Where the segment is hashed.
    pub(super) chain: Option<Arc<Chain>>,
}

/// Work that was done.
#[derive(Debug)]
pub struct ChunkDone {
    pub(super) object: Arc<str>,
    pub(super) seen: Seen,
}

impl ChunkWork {
    /// Does it. `bytes` are those of `range`; what is missing of them is judged as missing. `hold` is kept
    /// for as long as the bytes are.
    pub fn run(self, bytes: Bytes, hold: Hold) -> ChunkDone {
        let mut stretch = Stretch { work: &self, bytes: &bytes, seen: Seen::default() };
        stretch.walk();
        let seen = stretch.seen;
        if let Some(chain) = &self.chain {
            chain.offer(self.range.start, bytes, hold);
        }
        ChunkDone { object: self.object, seen }
    }
}

struct Stretch<'a> {
    work: &'a ChunkWork,
    bytes: &'a [u8],
    seen: Seen,
}

impl<'a> Stretch<'a> {
    fn walk(&mut self) {
        let mut at = self.work.range.start;
        if at == 0 {
            at = HEADER.min(self.work.range.end);
            read_header(self.part(0, at), &mut self.seen.faults);
        }
        for (idx, expected) in self.work.expected.iter().enumerate() {
            self.unexpected(at, expected.at);
            let behind = self.work.expected.get(idx.saturating_add(1)).map_or(self.work.range.end, |next| next.at);
            at = self.expected(*expected, behind);
        }
        self.unexpected(at, self.work.range.end);
    }

    /// The record that the index knows; it ends at `behind` at the latest. Gives where it ends.
    fn expected(&mut self, expected: Expected, behind: u64) -> u64 {
        let Expected { at, place } = expected;
        let bytes = self.part(at, behind);
        let Some((frame, record)) = self.record(bytes, at, place) else { return behind };
        let read = self.seen.record(self.work.demands, frame, record, at, Some(place));
        // after a wrong checksum its length means nothing either
        let Ok(facts) = read else { return behind };
        self.seen.tally.chunks = self.seen.tally.chunks.saturating_add(1);
        if let Some(facts) = facts {
            self.times(&facts, at, place);
        }
        at.saturating_add(frame.len())
    }

    fn times(&mut self, facts: &ChunkFacts, at: u64, place: ChunkPlace) {
        if facts.first_ms != place.first_ms {
            let words = || (milliseconds(place.first_ms), milliseconds(facts.first_ms));
            self.seen.faults.note_in(&rules::CHUNK_FIRST_TIME, "chunk", at, Some(place), words);
        }
        if let Some(last_ms) = facts.last_ms.filter(|last_ms| *last_ms != place.last_ms) {
            let words = || (milliseconds(place.last_ms), milliseconds(last_ms));
            self.seen.faults.note_in(&rules::CHUNK_LAST_TIME, "chunk", at, Some(place), words);
        }
    }

    /// The record at the start of `bytes`, if it ends in them.
    fn record(&mut self, bytes: &'a [u8], at: u64, place: ChunkPlace) -> Option<(Frame, &'a [u8])> {
        let read = frame(bytes);
        let found = match read {
            Ok(frame) => match bytes.get(..len_usize(frame.len())) {
                Some(record) => return Some((frame, record)),
                None => format!("{} bytes of data", frame.data),
            },
            Err(_) => format!("no length: {}", head_hex(bytes)),
        };
        let words = || (format!("a chunk within {} bytes", bytes.len()), found);
        self.seen.faults.note_in(&rules::RECORD_LENGTH, "record", at, Some(place), words);
        None
    }

    /// Bytes that the index knows nothing of: whole chunks, or rubbish.
    fn unexpected(&mut self, mut at: u64, behind: u64) {
        while at < behind {
            let bytes = self.part(at, behind);
            let (rule, expected, len) = match sound_record(bytes) {
                Some(record) => (&rules::CHUNK_ORPHAN, "a reference in the index", record.len()),
                None => (&rules::SEGMENT_STRAY, "a chunk that the index refers to", bytes.len()),
            };
            let words = || (expected.to_owned(), format!("{len} bytes: {}", head_hex(bytes)));
            self.seen.faults.note(rule, "record", at, words);
            at = at.saturating_add(len_u64(len.max(1)));
        }
    }

    /// The bytes from `from` to `to` of the segment, as far as they are here.
    fn part(&self, from: u64, to: u64) -> &'a [u8] {
        let inside = |at: u64| len_usize(at.saturating_sub(self.work.range.start)).min(self.bytes.len());
        self.bytes.get(inside(from)..inside(to)).unwrap_or_default()
    }
}

fn milliseconds(time: i64) -> String {
    format!("{time} ms")
}
