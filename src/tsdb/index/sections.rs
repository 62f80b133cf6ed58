//! The sections of an index in the order in which they lie. Each byte of the main lane belongs to one of them.

use std::ops::Range;

use super::accounts::Accounts;
use super::label_indices::LabelIndices;
use super::lane::Took;
use super::naming::Naming;
use super::postings::{self, Postings};
use super::series::{self, Series};
use super::symbols::Symbols;
use super::table::Table;
use super::toc::{self, HEADER, Toc};
use super::{Entry, IndexDemands, IndexReport, rules};
use crate::tsdb::Faults;
use crate::tsdb::bytes::{len_u64, len_usize};
use crate::tsdb::checksum::Running;

const MAGIC: [u8; 4] = [0xba, 0xaa, 0xd7, 0x00];
/// What every writer has written since Prometheus 2.2.
const CURRENT: u8 = 2;
/// As Prometheus 2.0 wrote it.
const LEGACY: u8 = 1;
/// So many lists may be known before they are read.
const MAX_AHEAD: usize = 1 << 14;
/// Bytes of the main lane that are asked for where the next list cannot be foreseen.
const STRETCH: u64 = 64 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Header,
    Symbols,
    Series,
    LabelIndices,
    Postings,
    LabelTable,
    PostingsTable,
    Contents,
    /// Bytes of which nothing is known.
    Skip,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Sections {
    demands: IndexDemands,
    toc: Option<Toc>,
    stage: Stage,
    at: u64,
    version: Option<u8>,
    /// What no program writes is read as what every program writes: more likely that one byte is wrong.
    read_as: u8,
    symbols: Symbols,
    series: Series,
    label_indices: LabelIndices,
    postings: Postings,
    table: Table,
    accounts: Accounts,
    /// The table and the contents, as each lane read them.
    by_table: Running,
    by_main: Running,
    contents: Vec<u8>,
}

impl Sections {
    pub(super) fn new(demands: IndexDemands) -> Self {
        // placeholders of no size, until the header and the contents are known
        Self {
            demands,
            toc: None,
            stage: Stage::Header,
            at: 0,
            version: None,
            read_as: CURRENT,
            symbols: Symbols::new(CURRENT, 0),
            series: Series::new(CURRENT, demands.time),
            label_indices: LabelIndices::new(0, 0, 0),
            postings: Postings::new(0),
            table: Table::new(CURRENT, 0, 0),
            accounts: Accounts::default(),
            by_table: Running::default(),
            by_main: Running::default(),
            contents: Vec::new(),
        }
    }

    /// The last bytes.
    pub(super) fn contents(&mut self, tail: &[u8], faults: &mut Faults) {
        self.toc = toc::read(tail, self.demands.size, faults);
        self.contents = tail.to_vec();
    }

    /// The next bytes of the table.
    pub(super) fn feed_table(&mut self, bytes: &[u8], faults: &mut Faults) {
        self.by_table.update(bytes);
        self.table.feed(bytes, &mut self.accounts, faults);
    }

    /// What of the table has to be read before the main lane goes on behind `fed`.
    pub(super) fn table_range(&self, fed: u64, waits: bool) -> Option<Range<u64>> {
        let toc = self.toc.filter(|_| self.stage == Stage::Postings && !self.table.done())?;
        let (last, known) = self.table.known();
        let behind = last.is_none_or(|last| last <= fed) && known < MAX_AHEAD;
        (waits || behind).then_some(self.table.fed()..toc.at)
    }

    /// How far the main lane can go on behind `fed`.
    pub(super) fn main_limit(&self, fed: u64, size: u64) -> u64 {
        let Some(toc) = self.toc else { return size };
        match self.stage {
            Stage::Postings if !self.table.done() => {
                let last = self.table.known().0.filter(|last| *last > fed);
                last.unwrap_or(fed.saturating_add(STRETCH)).min(toc.label_table).max(fed.saturating_add(1)).min(size)
            }
            Stage::Postings | Stage::LabelTable | Stage::PostingsTable | Stage::Contents | Stage::Skip => size,
            Stage::Header | Stage::Symbols | Stage::Series | Stage::LabelIndices => {
                toc.postings.max(fed.saturating_add(1)).min(size)
            }
        }
    }

    /// Reads the next item.
    pub(super) fn item(&mut self, bytes: &[u8], faults: &mut Faults, found: &mut dyn FnMut(Entry<'_>)) -> Took {
        if self.settle(faults) {
            return Took::Stall;
        }
        let left = self.end().saturating_sub(self.at);
        let bytes = bytes.get(..len_usize(left)).unwrap_or(bytes);
        let at = self.at;
        let took = match self.stage {
            Stage::Header => self.header(bytes, faults),
            Stage::Symbols => self.symbols.item(at, bytes, faults),
            Stage::Series => {
                let (symbols, accounts) = (&self.symbols, &mut self.accounts);
                self.series.item(at, bytes, left, &mut series::Around { symbols, accounts, faults, found })
            }
            Stage::LabelIndices => self.label_indices.item(at, bytes, &self.symbols, faults),
            Stage::Postings => {
                let series = self.series.whole.then_some(self.series.count);
                let (table, accounts) = (&mut self.table, &mut self.accounts);
                self.postings.item(at, bytes, &mut postings::Around { table, accounts, faults, series })
            }
            Stage::LabelTable => {
                let sound = !self.symbols.hurt() && !self.table.hurt();
                self.label_indices.table(at, bytes, &self.accounts, sound, faults)
            }
            Stage::PostingsTable | Stage::Contents => {
                self.by_main.update(bytes);
                Took::Bytes(bytes.len())
            }
            Stage::Skip => Took::Bytes(bytes.len()),
        };
        if let Took::Bytes(used) = took {
            self.at = self.at.saturating_add(len_u64(used));
        }
        took
    }

    fn header(&mut self, bytes: &[u8], faults: &mut Faults) -> Took {
        let Some((magic, [version])) = bytes.get(..len_usize(HEADER)).and_then(|header| header.split_at_checked(4))
        else {
            return if self.demands.size < HEADER { Took::Bytes(bytes.len()) } else { Took::More(len_usize(HEADER)) };
        };
        if magic != MAGIC {
            faults.note(&rules::MAGIC, "header", 0, || (format!("{MAGIC:02x?}"), format!("{magic:02x?}")));
        }
        self.version = (magic == MAGIC).then_some(*version);
        if *version == LEGACY {
            self.read_as = LEGACY;
        }
        let rule = match *version {
            LEGACY => Some(&rules::VERSION_1),
            CURRENT => None,
            3 => Some(&rules::VERSION_3),
            _ => Some(&rules::VERSION),
        };
        if let Some(rule) = rule {
            faults.note(rule, "header", 4, || (CURRENT.to_string(), version.to_string()));
        }
        Took::Bytes(len_usize(HEADER))
    }

    /// Where the section ends that is being read.
    fn end(&self) -> u64 {
        let size = self.demands.size;
        let Some(toc) = self.toc else { return if self.stage == Stage::Header { HEADER.min(size) } else { size } };
        match self.stage {
            Stage::Header => HEADER,
            Stage::Symbols => toc.series,
            Stage::Series => toc.label_indices,
            Stage::LabelIndices => toc.postings,
            Stage::Postings => toc.label_table,
            Stage::LabelTable => toc.postings_table,
            Stage::PostingsTable => toc.at,
            Stage::Contents | Stage::Skip => size,
        }
    }

    /// Goes on to the section that the next byte belongs to; true if the table has to be read first.
    pub(super) fn settle(&mut self, faults: &mut Faults) -> bool {
        loop {
            if self.stage == Stage::Postings {
                let end = self.at >= self.end();
                if end {
                    self.postings.end(&mut self.table, faults);
                }
                if self.postings.waits(self.at, &self.table) {
                    return true;
                }
            }
            if self.at < self.end() || matches!(self.stage, Stage::Contents | Stage::Skip) {
                return false;
            }
            self.close(faults);
            self.stage = self.next();
        }
    }

    fn next(&self) -> Stage {
        match self.stage {
            _ if self.toc.is_none() => Stage::Skip,
            Stage::Header => Stage::Symbols,
            Stage::Symbols => Stage::Series,
            Stage::Series => Stage::LabelIndices,
            Stage::LabelIndices => Stage::Postings,
            Stage::Postings => Stage::LabelTable,
            Stage::LabelTable => Stage::PostingsTable,
            Stage::PostingsTable | Stage::Contents => Stage::Contents,
            Stage::Skip => Stage::Skip,
        }
    }

    /// What is to be done where a section ends.
    fn close(&mut self, faults: &mut Faults) {
        let Some(toc) = self.toc else { return };
        match self.stage {
            Stage::Header => {
                let version = self.read_as;
                self.symbols = Symbols::new(version, toc.series);
                self.series = Series::new(version, self.demands.time);
                self.label_indices = LabelIndices::new(toc.postings, toc.label_table, toc.postings_table);
                self.postings = Postings::new(toc.label_table);
                self.table = Table::new(version, toc.postings_table, toc.at);
            }
            Stage::Series => self.series.end(self.at, faults),
            Stage::LabelIndices => self.symbols.forget(),
            Stage::LabelTable => {
                let table = (toc.label_table < toc.postings_table).then_some(toc.label_table);
                self.label_indices.end(table, faults);
            }
            Stage::Symbols | Stage::Postings | Stage::PostingsTable | Stage::Contents | Stage::Skip => {}
        }
    }

    /// What only all parts together show.
    pub(super) fn finish(mut self, mut faults: Faults) -> IndexReport {
        let read = self.toc.is_some() && self.at >= self.demands.size;
        let whole = read && self.series.whole;
        if let Some(toc) = self.toc.filter(|_| read) {
            self.by_table.update(&self.contents);
            if self.by_table.value() != self.by_main.value() {
                faults.note(&rules::READINGS_DIFFER, "postings offset table", toc.postings_table, || {
                    (format!("{:08x}", self.by_table.value()), format!("{:08x}", self.by_main.value()))
                });
            }
            let unproven =
                !whole || self.symbols.hurt() || self.series.labels.unknown || self.postings.hurt || self.table.hurt();
            if unproven {
                faults.note(&rules::POSTINGS_UNPROVEN, "postings", toc.postings, || {
                    ("an index without damage".to_owned(), "damage, which other rules name".to_owned())
                });
            } else {
                self.accounts.compare(toc.postings, &mut faults);
            }
        }
        if !self.table.hurt() {
            faults.merge(self.postings.unnamed);
        }
        let (series, chunks) = (self.series.count, self.series.chunks.count);
        for (rule, expected, found) in
            [(&rules::SERIES_COUNT, self.demands.series, series), (&rules::CHUNKS_COUNT, self.demands.chunks, chunks)]
        {
            if let Some(expected) = expected.filter(|expected| whole && *expected != found) {
                faults.note(rule, "series", self.toc.map_or(0, |toc| toc.series), || {
                    (expected.to_string(), found.to_string())
                });
            }
        }
        let any = self.series.chunks.count > 0;
        IndexReport {
            faults,
            version: self.version,
            whole,
            series,
            chunks,
            first_ms: any.then_some(self.series.chunks.first_ms),
            last_ms: any.then_some(self.series.chunks.last_ms),
            refs_ascend: self.series.chunks.ascend,
            symbols: self.symbols.count(),
            names: Naming {
                marks: self.symbols.marks(),
                series: self.toc.map_or(0..0, |toc| toc.series..toc.label_indices),
            },
        }
    }
}
