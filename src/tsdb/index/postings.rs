//! The posting lists, beside the table that names them: they lie one behind the other, in the order of the table.

use super::accounts::{Accounts, Sum};
use super::hash;
use super::lane::Took;
use super::list::{List, Listed, WORD};
use super::read::be_u32;
use super::rules;
use super::series::padding;
use super::table::{Listing, Table};
use crate::tsdb::Faults;
use crate::tsdb::bytes::{len_u64, len_usize};

/// Length, count and checksum.
const EMPTY: u64 = 12;

/// The section, read in order.
#[derive(Debug)]
pub(super) struct Postings {
    end: u64,
    current: Option<Current>,
    /// Bytes up to here belong to no list that can be read.
    skip_to: u64,
    /// They must not be compared with anything.
    pub(super) hurt: bool,
    /// Lists that the table does not name: faults, unless it is damaged itself.
    pub(super) unnamed: Faults,
}

#[derive(Debug)]
struct Current {
    list: List,
    listing: Option<Listing>,
    sum: Sum,
}

/// The table has to be read on first.
struct Wait;

/// What stands beside the lists.
pub(super) struct Around<'a> {
    pub(super) table: &'a mut Table,
    pub(super) accounts: &'a mut Accounts,
    pub(super) faults: &'a mut Faults,
    /// How many series there are, if all were read.
    pub(super) series: Option<u64>,
}

impl Postings {
    pub(super) fn new(end: u64) -> Self {
        Self { end, current: None, skip_to: 0, hurt: false, unnamed: Faults::default() }
    }

    /// The table has to be read on before the next list.
    pub(super) fn waits(&self, at: u64, table: &Table) -> bool {
        let (_, known) = table.known();
        !table.done() && (at >= self.end || (self.current.is_none() && known < 2))
    }

    /// Reads on at `at`.
    pub(super) fn item(&mut self, mut at: u64, bytes: &[u8], around: &mut Around<'_>) -> Took {
        let mut used = 0_usize;
        while let Some(rest @ [_, ..]) = bytes.get(used..) {
            match self.next(at, rest, around) {
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

    fn next(&mut self, at: u64, bytes: &[u8], around: &mut Around<'_>) -> Took {
        if let Some(current) = &mut self.current {
            let sum = &mut current.sum;
            return match current.list.item(at, bytes, |reference| sum.add(hash::number(u64::from(reference)))) {
                Listed::Took(took) => took,
                Listed::End(len, crc) => {
                    self.close(crc, around);
                    Took::Bytes(len)
                }
            };
        }
        if at < self.skip_to {
            return Took::Bytes(len_usize(self.skip_to.saturating_sub(at)).min(bytes.len()));
        }
        let missing = len_usize(at.wrapping_neg() & WORD.wrapping_sub(1));
        if missing > 0 {
            let bytes = bytes.get(..missing).unwrap_or(bytes);
            padding(at, bytes, "postings", around.faults);
            return Took::Bytes(bytes.len());
        }
        if self.waits(at, around.table) {
            return Took::Stall;
        }
        self.start(at, bytes, around)
    }

    /// Where a list begins.
    #[inline]
    fn start(&mut self, at: u64, bytes: &[u8], around: &mut Around<'_>) -> Took {
        let left = self.end.saturating_sub(at);
        if left < EMPTY {
            self.broken(at, self.end, around.faults, "fewer bytes than an empty list");
            return Took::Bytes(bytes.len());
        }
        let (Some(len), Some(count), Some(head)) = (be_u32(bytes, 0), be_u32(bytes, 4), bytes.get(4..8)) else {
            return Took::More(8);
        };
        let by_len = u64::from(len).saturating_add(8);
        let by_count = u64::from(count).saturating_mul(WORD).saturating_add(EMPTY);
        let Ok(listing) = self.listing(at, by_len, around) else { return Took::Stall };
        // three say where it ends, of which two suffice: its length, its count, and where the next one begins
        let next = around.table.ahead().front().map_or(self.end, |next| next.offset);
        let by_next = next.checked_sub(at).filter(|len| *len <= left && *len >= EMPTY && len.is_multiple_of(WORD));
        let fits = |len: u64| len <= left && len >= EMPTY && len.is_multiple_of(WORD);
        let all = match () {
            () if fits(by_len) && (by_len == by_count || by_next == Some(by_len)) => by_len,
            () if by_next == Some(by_count) => by_count,
            () => {
                let found = "a length, a count and a next list that all differ";
                self.broken(at, by_next.map_or(self.end, |len| at.saturating_add(len)), around.faults, found);
                return Took::Bytes(8);
            }
        };
        if all != by_len {
            let words = || (all.saturating_sub(8).to_string(), len.to_string());
            around.faults.note(&rules::POSTINGS_LENGTH, "postings", at, words);
        }
        if all != by_count {
            self.hurt = true;
            around.faults.note(&rules::POSTINGS_COUNT, "postings", at.saturating_add(4), || {
                (all.saturating_sub(EMPTY).checked_div(WORD).unwrap_or_default().to_string(), count.to_string())
            });
        }
        let mut list = List::new(at, head, at.saturating_add(all).saturating_sub(4));
        let mut sum = Sum::default();
        let whole = list.whole(bytes, |reference| sum.add(hash::number(u64::from(reference))));
        self.current = Some(Current { list, listing, sum });
        match whole {
            Some(Listed::End(len, crc)) => {
                self.close(crc, around);
                Took::Bytes(len)
            }
            Some(Listed::Took(_)) | None => Took::Bytes(8),
        }
    }

    /// The entry of the table for the list at `at`, which has `len` bytes by its own account; `None` if there is none.
    #[inline]
    fn listing(&mut self, at: u64, len: u64, around: &mut Around<'_>) -> Result<Option<Listing>, Wait> {
        while let Some(first) = around.table.ahead().front().copied() {
            if first.offset == at {
                around.table.ahead().pop_front();
                return Ok(Some(first));
            }
            self.hurt = true;
            // only this entry is wrong, if the next one fits
            let next = around.table.ahead().get(1).map_or(self.end, |next| next.offset);
            let belongs = next == at.saturating_add(len);
            if !belongs && first.offset > at {
                break;
            }
            around.table.ahead().pop_front();
            let words = || (at.to_string(), first.offset.to_string());
            around.faults.note(&rules::TABLE_OFFSET, "postings offset table", first.at, words);
            if belongs {
                return Ok(Some(first));
            }
            if self.waits(at, around.table) {
                return Err(Wait);
            }
        }
        self.hurt = true;
        self.unnamed.note(&rules::TABLE_MISSES, "postings", at, || {
            ("an entry of the postings offset table".to_owned(), "none that leads here".to_owned())
        });
        Ok(None)
    }

    fn broken(&mut self, at: u64, to: u64, faults: &mut Faults, found: &str) {
        self.hurt = true;
        self.skip_to = to;
        let words = || (format!("a list in {} bytes", to.saturating_sub(at)), found.to_owned());
        faults.note(&rules::POSTINGS_BROKEN, "postings", at, words);
    }

    /// The current list ends.
    #[inline]
    fn close(&mut self, crc: Result<(), (u32, u32)>, around: &mut Around<'_>) {
        let Some(Current { list, listing, sum }) = self.current.take() else { return };
        let start = list.start;
        if let Err((computed, stored)) = crc {
            self.hurt = true;
            let words = || (format!("{computed:08x}"), format!("{stored:08x}"));
            around.faults.note(&rules::POSTINGS_CRC, "postings", start, words);
            return;
        }
        if let Some((at, reference)) = list.disorder {
            around.faults.note(&rules::POSTINGS_ORDER, "postings", at, || {
                ("a series behind the one before it".to_owned(), format!("series {reference}"))
            });
        }
        let Some(listing) = listing else { return };
        match listing.label {
            None => around.accounts.add_all(sum),
            Some((account, pair)) => around.accounts.add_list(account, pair, sum),
        }
        // an index without series may have an empty list of them
        if sum.count == 0 && (listing.label.is_some() || around.series != Some(0)) {
            let words = || ("one series at least".to_owned(), "none".to_owned());
            around.faults.note(&rules::POSTINGS_EMPTY, "postings", start, words);
        }
    }

    /// The section ends at `end`, the table was read: what it still names is nowhere.
    pub(super) fn end(&mut self, table: &mut Table, faults: &mut Faults) {
        for listing in table.ahead().drain(..) {
            self.hurt = true;
            faults.note(&rules::TABLE_OFFSET, "postings offset table", listing.at, || {
                (format!("an offset before {}", self.end), listing.offset.to_string())
            });
        }
    }
}
