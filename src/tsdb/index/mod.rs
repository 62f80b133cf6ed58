//! The index of a block, every byte of it, in one pass and in memory that does not grow with series, postings or chunks.
//!
//! [`IndexVerifier`] does no I/O: it says which bytes it wants, and is fed them in arbitrary splits. Two lanes read the
//! same file: [`Lane::Main`] all of it in order, and [`Lane::Table`] its last bytes first, which say where the sections lie,
//! and then the table of the postings' offsets, beside the postings on the other lane, since it lies behind them.
//!
//! Kept are a hash of eight bytes for each symbol (and its place, in version 1), the place of each 256th, and an account for
//! each label name, by which postings and series are compared (`accounts.rs`). No length that is read decides about memory.

mod accounts;
mod chunks;
mod entry;
mod frame;
mod hash;
mod label_indices;
mod lane;
mod list;
mod naming;
mod postings;
mod read;
mod report;
pub mod rules;
mod sections;
mod series;
mod symbols;
mod table;
#[cfg(test)]
mod tests;
mod toc;

use std::ops::Range;

pub use naming::{Naming, NamingRun, NamingStep};
pub use report::IndexReport;

use crate::model::Interval;
use crate::tsdb::Faults;
use crate::tsdb::bytes::len_u64;
use lane::Carry;
use sections::Sections;
use toc::{HEADER, LEN as TOC_LEN};

/// What the listing and `meta.json` say about an index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexDemands {
    /// Bytes of the file.
    pub size: u64,
    /// The block's time.
    pub time: Option<Interval>,
    /// Number of series.
    pub series: Option<u64>,
    /// Number of chunks.
    pub chunks: Option<u64>,
}

/// One of two readers of the same file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Reads all of it in order.
    Main,
    /// Reads the last 52 bytes, then the postings offset table in order.
    Table,
}

/// What a verifier wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexStep {
    /// The bytes of this range, or the first of them. On each lane the ranges follow each other without a gap, but for
    /// the step back from the end of the file to the table.
    Need {
        /// Who reads them.
        lane: Lane,
        /// Bytes from the start of the file.
        range: Range<u64>,
    },
    /// Nothing: it can be finished.
    Done,
}

/// A chunk, as the index knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkMeta {
    /// Time of its first sample, in ms.
    pub first_ms: i64,
    /// Time of its last sample, in ms.
    pub last_ms: i64,
    /// Number of the segment, from 0 on, in the upper 32 bits; offset of the chunk's length in it in the lower ones.
    pub reference: u64,
}

/// A series, whose checksum fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Where it begins, in bytes.
    pub at: u64,
    /// As postings and tombstones name it.
    pub id: u64,
    /// Its chunks, in the order of the index.
    pub chunks: &'a [ChunkMeta],
}

/// Bytes of the table that are asked for at once: what they hold is kept until the lists are there.
const TABLE_STRETCH: u64 = 256 << 10;

/// Reads an index once and says what is wrong with it.
#[derive(Debug)]
pub struct IndexVerifier {
    demands: IndexDemands,
    faults: Faults,
    /// The last bytes, as far as they came.
    tail: Vec<u8>,
    /// Bytes of the main lane that came.
    fed: u64,
    carry: Carry,
    sections: Sections,
    /// The table has to be read on before the main lane.
    waits: bool,
}

impl IndexVerifier {
    /// Of an index of which this is known.
    pub fn new(demands: IndexDemands) -> Self {
        let mut faults = Faults::default();
        if demands.size < HEADER.saturating_add(TOC_LEN) {
            faults.note(&rules::TOO_SHORT, "toc", 0, || {
                (format!("{} bytes at least", HEADER.saturating_add(TOC_LEN)), format!("{} bytes", demands.size))
            });
        }
        let sections = Sections::new(demands);
        Self { demands, faults, tail: Vec::new(), fed: 0, carry: Carry::default(), sections, waits: false }
    }

    /// What it wants next. The main lane is wanted to the end whatever is wrong, so that others can read along.
    pub fn step(&self) -> IndexStep {
        let size = self.demands.size;
        if let Some(range) = self.tail_range() {
            return IndexStep::Need { lane: Lane::Table, range };
        }
        let wanted = self.sections.table_range(self.fed, self.waits);
        if let Some(range) = wanted {
            let end = range.end.min(range.start.saturating_add(TABLE_STRETCH));
            return IndexStep::Need { lane: Lane::Table, range: range.start..end };
        }
        if self.fed < size {
            let range = self.fed..self.sections.main_limit(self.fed, size);
            return IndexStep::Need { lane: Lane::Main, range };
        }
        IndexStep::Done
    }

    /// Takes the first of the bytes that [`step`](Self::step) wants, or all of them. `series` is given each series whose
    /// checksum fits, in the order of the file.
    pub fn feed(&mut self, lane: Lane, bytes: &[u8], series: &mut dyn FnMut(Entry<'_>)) {
        match lane {
            Lane::Table => {
                if self.tail_range().is_some() {
                    self.tail.extend_from_slice(bytes);
                    if self.tail_range().is_none() {
                        self.sections.contents(&self.tail, &mut self.faults);
                    }
                    return;
                }
                self.sections.feed_table(bytes, &mut self.faults);
                self.pump(&[], series);
            }
            Lane::Main => {
                self.fed = self.fed.saturating_add(len_u64(bytes.len()));
                self.pump(bytes, series);
            }
        }
    }

    fn pump(&mut self, bytes: &[u8], series: &mut dyn FnMut(Entry<'_>)) {
        let mut carry = std::mem::take(&mut self.carry);
        carry.pump(bytes, |bytes| self.sections.item(bytes, &mut self.faults, series));
        self.carry = carry;
        self.waits = self.sections.settle(&mut self.faults);
    }

    /// What is missing of the last bytes.
    fn tail_range(&self) -> Option<Range<u64>> {
        let start = self.demands.size.checked_sub(TOC_LEN).filter(|start| *start >= HEADER)?;
        let came = start.saturating_add(len_u64(self.tail.len()));
        (came < self.demands.size).then_some(came..self.demands.size)
    }

    /// What was found. Bytes that were wanted and did not come are a fault.
    pub fn finish(mut self) -> IndexReport {
        if self.step() != IndexStep::Done {
            let (fed, size) = (self.fed, self.demands.size);
            self.faults.note(&rules::ENDS_EARLY, "file", fed, || (format!("{size} bytes"), format!("{fed} bytes")));
        }
        self.sections.finish(self.faults)
    }
}
