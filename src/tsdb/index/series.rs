//! The section of the series: each entry at its place, whole, and in order. Behind a damaged one the next whole one is
//! searched.

use super::accounts::Accounts;
use super::chunks::Chunks;
use super::entry::Labels;
use super::hash;
use super::lane::Took;
use super::read::{Reader, Short, be_u32};
use super::symbols::{Symbols, loose};
use super::{Entry, rules};
use crate::model::Interval;
use crate::tsdb::Faults;
use crate::tsdb::bytes::{len_u64, len_usize};
use crate::tsdb::checksum::{self, crc32c};

/// A longer entry is refused, and is never held: it would have over a million chunks.
const MAX_ENTRY: usize = 16 << 20;
/// A longer one is not found again behind a damage; it would have about ten thousand chunks.
const MAX_FOUND: usize = 64 << 10;
/// So many bytes are read in vain in search of whole entries before the rest of the section is given up: what bytes may
/// cost must not hang on what they say.
const SEARCH_BUDGET: u64 = 256 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Behind an entry: zeros up to the next place.
    Padding,
    /// At a place where an entry begins.
    Entry,
    /// Behind a damage, in search of a whole entry.
    Search,
    /// Nothing more is read.
    Lost,
}

/// The section, read in order.
#[derive(Debug)]
pub(super) struct Series {
    /// Entries begin at multiples of this.
    align: u64,
    state: State,
    /// Every entry was read.
    pub(super) whole: bool,
    pub(super) count: u64,
    pub(super) labels: Labels,
    pub(super) chunks: Chunks,
    /// Zeros since the last entry.
    padded: usize,
    budget: u64,
}

/// What the series are compared with or added to.
pub(super) struct Around<'a> {
    pub(super) symbols: &'a Symbols,
    pub(super) accounts: &'a mut Accounts,
    pub(super) faults: &'a mut Faults,
    pub(super) found: &'a mut dyn FnMut(Entry<'_>),
}

impl Series {
    pub(super) fn new(version: u8, time: Option<Interval>) -> Self {
        Self {
            align: if version == 1 { 1 } else { 16 },
            state: State::Padding,
            whole: true,
            count: 0,
            labels: Labels::default(),
            chunks: Chunks::new(time),
            padded: 0,
            budget: SEARCH_BUDGET,
        }
    }

    /// Reads on at `at`; the section has `left` more bytes.
    pub(super) fn item(&mut self, mut at: u64, bytes: &[u8], left: u64, around: &mut Around<'_>) -> Took {
        let mut used = 0_usize;
        while let Some(rest @ [_, ..]) = bytes.get(used..) {
            let left = len_usize(left.saturating_sub(len_u64(used)));
            match self.next(at, rest, left, around) {
                Took::Bytes(len) => {
                    used = used.saturating_add(len);
                    at = at.saturating_add(len_u64(len));
                }
                Took::More(_) | Took::Stall if used > 0 => break,
                waits @ (Took::More(_) | Took::Stall) => return waits,
            }
        }
        Took::Bytes(used)
    }

    #[inline]
    fn next(&mut self, at: u64, bytes: &[u8], left: usize, around: &mut Around<'_>) -> Took {
        if self.state == State::Padding {
            let missing = self.to_place(at);
            if missing > 0 {
                let bytes = bytes.get(..missing).unwrap_or(bytes);
                padding(at, bytes, "series", around.faults);
                self.padded = self.padded.saturating_add(bytes.len());
                return Took::Bytes(bytes.len());
            }
            self.state = State::Entry;
        }
        match self.state {
            State::Padding | State::Entry => self.entry(at, bytes, left, around),
            State::Search => self.search(at, bytes, left, around),
            State::Lost => Took::Bytes(bytes.len()),
        }
    }

    /// Bytes from `at` to the next place.
    #[inline]
    fn to_place(&self, at: u64) -> usize {
        len_usize(at.wrapping_neg() & self.align.wrapping_sub(1))
    }

    #[inline]
    fn entry(&mut self, at: u64, bytes: &[u8], left: usize, around: &mut Around<'_>) -> Took {
        if bytes.first() == Some(&0) {
            around.faults.note(&rules::SERIES_GAP, "series", at, || ("an entry".to_owned(), "zeros".to_owned()));
            return self.damaged(at, around.faults);
        }
        let mut reader = Reader::new(bytes);
        let len = match reader.item_uvarint(bytes) {
            Ok(len) => len_usize(len),
            Err(Short::More(want)) if want <= left => return Took::More(want),
            Err(_) => {
                around.faults.note(&rules::SERIES_BROKEN, "series", at, || {
                    ("a length".to_owned(), "bytes that are no number".to_owned())
                });
                return self.damaged(at, around.faults);
            }
        };
        let head = bytes.len().saturating_sub(reader.rest.len());
        let all = head.saturating_add(len).saturating_add(checksum::LEN);
        if len == 0 || len > MAX_ENTRY || all > left {
            around.faults.note(&rules::SERIES_BROKEN, "series", at, || {
                let most = left.saturating_sub(head).saturating_sub(checksum::LEN).min(MAX_ENTRY);
                (format!("1 to {most} bytes"), format!("{len} bytes"))
            });
            return self.damaged(at, around.faults);
        }
        let Some((payload, crc)) =
            reader.rest.get(..all.saturating_sub(head)).and_then(|rest| rest.split_at_checked(len))
        else {
            return Took::More(all);
        };
        let (computed, stored) = (crc32c(payload), be_u32(crc, 0).unwrap_or_default());
        if computed != stored {
            around
                .faults
                .note(&rules::SERIES_CRC, "series", at, || (format!("{computed:08x}"), format!("{stored:08x}")));
            self.spend(all);
            return self.damaged(at, around.faults);
        }
        self.read(at, Reader { rest: payload, loose: reader.loose }, around);
        self.state = State::Padding;
        self.padded = 0;
        Took::Bytes(all)
    }

    /// An entry whose checksum fits.
    #[inline]
    fn read(&mut self, at: u64, mut reader: Reader<'_>, around: &mut Around<'_>) {
        let id = at.checked_div(self.align).unwrap_or(at);
        let series_hash = hash::number(id);
        let read = self
            .labels
            .read(at, series_hash, &mut reader, around.symbols, around.accounts, around.faults)
            .and_then(|()| self.chunks.read(at, &mut reader, around.faults));
        if reader.loose {
            around.faults.note(&rules::LOOSE_NUMBER, "series", at, || loose("each number of an entry"));
        }
        if read.is_none() {
            self.whole = false;
            around.faults.note(&rules::SERIES_PAYLOAD, "series", at, || {
                ("labels and chunks, and nothing else".to_owned(), "bytes that cannot be read as these".to_owned())
            });
            return;
        }
        self.count = self.count.saturating_add(1);
        around.accounts.add_series(series_hash);
        (around.found)(Entry { at, id, chunks: &self.chunks.of_series });
    }

    /// An entry was lost: the next one is searched from the next place on, for its length may be what is wrong.
    #[cold]
    fn damaged(&mut self, at: u64, faults: &mut Faults) -> Took {
        self.whole = false;
        self.state = State::Search;
        if self.budget == 0 {
            self.state = State::Lost;
            faults.note(&rules::SERIES_UNREAD, "series", at, || {
                ("whole entries".to_owned(), "too many damaged ones".to_owned())
            });
        }
        Took::Bytes(1)
    }

    /// Bytes were read that will be read again.
    fn spend(&mut self, bytes: usize) {
        self.budget = self.budget.saturating_sub(len_u64(bytes));
    }

    /// One place is tried: a whole entry, or not.
    #[cold]
    fn search(&mut self, at: u64, bytes: &[u8], left: usize, around: &mut Around<'_>) -> Took {
        let missing = self.to_place(at);
        if missing > 0 {
            return Took::Bytes(missing.min(bytes.len()));
        }
        let mut reader = Reader::new(bytes);
        let len = match reader.item_uvarint(bytes) {
            Ok(len) => len_usize(len),
            Err(Short::More(want)) if want <= left => return Took::More(want),
            Err(_) => return Took::Bytes(1),
        };
        let head = bytes.len().saturating_sub(reader.rest.len());
        let all = head.saturating_add(len).saturating_add(checksum::LEN);
        if len == 0 || len > MAX_FOUND || all > left {
            return Took::Bytes(1);
        }
        let Some((payload, crc)) =
            reader.rest.get(..all.saturating_sub(head)).and_then(|rest| rest.split_at_checked(len))
        else {
            return Took::More(all);
        };
        if be_u32(crc, 0) == Some(crc32c(payload)) {
            self.state = State::Entry;
            return self.entry(at, bytes, left, around);
        }
        self.spend(all);
        if self.budget == 0 {
            return self.damaged(at, around.faults);
        }
        Took::Bytes(1)
    }

    /// The section ends at `at`, which is where its last entry ends.
    pub(super) fn end(&self, at: u64, faults: &mut Faults) {
        if self.padded > 0 && matches!(self.state, State::Padding | State::Entry) {
            faults.note(&rules::PADDING_EXTRA, "series", at, || {
                ("the end of a series".to_owned(), format!("{} more bytes", self.padded))
            });
        }
    }
}

/// Bytes between two parts, which have to be zero.
#[inline]
pub(super) fn padding(at: u64, bytes: &[u8], section: &'static str, faults: &mut Faults) {
    for (idx, byte) in bytes.iter().enumerate().filter(|(_, byte)| **byte != 0) {
        let at = at.saturating_add(len_u64(idx));
        faults.note(&rules::PADDING, section, at, || ("00".to_owned(), format!("{byte:02x}")));
    }
}
