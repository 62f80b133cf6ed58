//! A segment from its beginning to its end, by the lengths of its records alone: for segments whose order the index does
//! not give, and for those that it does not know.

use super::super::bytes::{len_u64, len_usize};
use super::super::checksum::{self, Running};
use super::record::{Demands, Frame, HEADER, MAX_DATA, NoFrame, Seen, frame, read_header};
use super::rules;
use super::tally::fingerprint;
use crate::model::Level;

/// See the module. Bytes may come in any split.
#[derive(Debug)]
pub(super) struct Walk {
    /// Place of the segment in a reference.
    segment: u64,
    /// Bytes of the segment.
    size: u64,
    demands: Demands,
    /// Bytes that were used up.
    at: u64,
    /// What was fed and cannot be used yet.
    kept: Vec<u8>,
    state: State,
    pub(super) seen: Seen,
}

#[derive(Debug)]
enum State {
    Header,
    Record,
    /// A record that is too large to be kept: only its checksum is looked at.
    Large {
        begun: u64,
        left: u64,
        running: Box<Running>,
    },
    /// Nothing can be told apart any more.
    Lost,
}

impl Walk {
    pub(super) fn new(segment: u64, size: u64, demands: Demands) -> Self {
        Self { segment, size, demands, at: 0, kept: Vec::new(), state: State::Header, seen: Seen::default() }
    }

    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.kept.is_empty() {
                let used = self.use_up(bytes);
                bytes = bytes.get(used..).unwrap_or_default();
                if used == 0 {
                    self.kept.extend_from_slice(bytes);
                    return;
                }
                continue;
            }
            // as much more as makes the item whole, so that what follows needs no copy
            let wanted = len_usize(self.wanted()).saturating_sub(self.kept.len()).clamp(1, bytes.len());
            let (more, rest) = bytes.split_at(wanted);
            self.kept.extend_from_slice(more);
            bytes = rest;
            let kept = std::mem::take(&mut self.kept);
            let used = self.use_up(&kept);
            self.kept = kept;
            self.kept.drain(..used);
        }
    }

    /// How many bytes the next item has, as far as that can be told from those that are kept.
    fn wanted(&self) -> u64 {
        match self.state {
            State::Header => HEADER,
            State::Record => frame(&self.kept).map_or(1, Frame::len),
            State::Large { .. } | State::Lost => 1,
        }
    }

    /// Uses up what is whole at the start of `bytes`; gives how much that was.
    fn use_up(&mut self, bytes: &[u8]) -> usize {
        let used = match &mut self.state {
            State::Header => {
                let len = HEADER.min(self.size);
                let Some(header) = bytes.get(..len_usize(len)) else { return 0 };
                read_header(header, &mut self.seen.faults);
                self.state = State::Record;
                header.len()
            }
            State::Record => self.record(bytes),
            State::Large { left, running, .. } => {
                let (part, _) = bytes.split_at(len_usize(*left).min(bytes.len()));
                running.update(part);
                *left = left.saturating_sub(len_u64(part.len()));
                if *left == 0 { self.large_ends(part.len(), bytes) } else { part.len() }
            }
            State::Lost => bytes.len(),
        };
        self.at = self.at.saturating_add(len_u64(used));
        used
    }

    fn record(&mut self, bytes: &[u8]) -> usize {
        let room = self.size.saturating_sub(self.at);
        let frame = match frame(bytes) {
            Ok(frame) if frame.len() <= room => frame,
            Err(NoFrame::Short) if room > len_u64(bytes.len()) => return 0,
            Ok(_) | Err(_) => return self.lose(bytes),
        };
        if frame.data > MAX_DATA {
            let Some(rest) = bytes.get(frame.prefix..).filter(|rest| !rest.is_empty()) else { return 0 };
            let begun = self.at;
            let words = || (format!("at most {MAX_DATA} bytes of data"), format!("{}", frame.data));
            self.seen.faults.note(&rules::CHUNK_TOO_LARGE, "record", begun, words);
            // the encoding is covered as well
            let left = frame.data.saturating_add(1);
            let part = rest.get(..len_usize(left).min(rest.len())).unwrap_or_default();
            let mut running: Box<Running> = Box::default();
            running.update(part);
            let left = left.saturating_sub(len_u64(part.len()));
            self.state = State::Large { begun, left, running };
            return frame.prefix.saturating_add(part.len());
        }
        let Some(record) = bytes.get(..len_usize(frame.len())) else { return 0 };
        match self.seen.record(self.demands, frame, record, self.at, None) {
            Ok(facts) => {
                self.seen.tally.chunks = self.seen.tally.chunks.saturating_add(1);
                if let Some(facts) = facts {
                    let last_ms = facts.last_ms.filter(|_| self.demands.level == Level::Full);
                    let own = fingerprint(self.segment << 32 | self.at, facts.first_ms, last_ms);
                    self.seen.tally.fingerprint = self.seen.tally.fingerprint.wrapping_add(own);
                }
                record.len()
            }
            // its length may be what is wrong, or not: the next one is tried at once, and shows it
            Err(_mismatch) => record.len(),
        }
    }

    /// The stored checksum of a large record follows.
    fn large_ends(&mut self, used: usize, bytes: &[u8]) -> usize {
        let State::Large { begun, running, .. } = &self.state else { return used };
        let (begun, computed) = (*begun, running.value());
        let rest = bytes.get(used..).unwrap_or_default();
        let Some(stored) = rest.first_chunk::<{ checksum::LEN }>() else { return used };
        self.seen.checksum(computed, u32::from_be_bytes(*stored), begun, None);
        self.seen.tally.chunks = self.seen.tally.chunks.saturating_add(1);
        self.seen.tally.uncounted = self.seen.tally.uncounted.saturating_add(1);
        self.state = State::Record;
        used.saturating_add(checksum::LEN)
    }

    fn lose(&mut self, bytes: &[u8]) -> usize {
        let left = self.size.saturating_sub(self.at);
        // not which: how many of them are here depends on the parts in which they came
        let words = || ("a chunk".to_owned(), format!("{left} bytes"));
        self.seen.faults.note(&rules::SEGMENT_STRAY, "record", self.at, words);
        self.state = State::Lost;
        bytes.len()
    }

    /// Everything was fed.
    pub(super) fn finish(mut self) -> Seen {
        if self.at < self.size && !matches!(self.state, State::Lost) {
            let kept = std::mem::take(&mut self.kept);
            self.lose(&kept);
        }
        self.seen
    }
}
