//! The label indices and the table of their offsets: all values of each label name. Prometheus wrote them up to 3.6 and
//! nobody has read them since 2.1, so nothing in them is worse than a warning.

use super::accounts::{Accounts, Values};
use super::frame::{Frame, FrameRules};
use super::hash;
use super::lane::Took;
use super::list::{List, Listed, WORD};
use super::read::{Reader, Short, be_u32};
use super::rules;
use super::series::padding;
use super::symbols::{MAX_TEXT, Symbols, loose, quoted};
use crate::tsdb::Faults;
use crate::tsdb::bytes::{len_u64, len_usize};

/// So many are compared with their table and with the postings; others are only read.
const MAX_KEPT: usize = 1 << 16;
/// Length, number of names, number of values and checksum.
const EMPTY: u64 = 16;

static TABLE_RULES: FrameRules = FrameRules {
    section: "label offset table",
    length: &rules::LABEL_TABLE_LENGTH,
    count: &rules::LABEL_TABLE_COUNT,
    crc: &rules::LABEL_TABLE_CRC,
    broken: &rules::LABEL_TABLE_BROKEN,
};

/// Both sections.
#[derive(Debug)]
pub(super) struct LabelIndices {
    end: u64,
    current: Option<(List, Values)>,
    /// What follows belongs to no list that can be read.
    lost: bool,
    /// They must not be compared with anything.
    hurt: bool,
    /// Where each list is, and what it holds.
    kept: Vec<(u64, Values)>,
    count: u64,
    table: Frame,
}

impl LabelIndices {
    /// The lists end at `end`, their table lies in `[table, table_end)`.
    pub(super) fn new(end: u64, table: u64, table_end: u64) -> Self {
        let table = Frame::new(&TABLE_RULES, table, table_end);
        Self { end, current: None, lost: false, hurt: false, kept: Vec::new(), count: 0, table }
    }

    /// Reads the lists on at `at`.
    pub(super) fn item(&mut self, at: u64, bytes: &[u8], symbols: &Symbols, faults: &mut Faults) -> Took {
        if let Some((list, values)) = &mut self.current {
            // symbols are sorted, so their order is that of their texts
            return match list.item(at, bytes, |symbol| values.add(symbols.hash(symbol).unwrap_or_default())) {
                Listed::Took(took) => took,
                Listed::End(len, crc) => {
                    self.close(crc, faults);
                    Took::Bytes(len)
                }
            };
        }
        if self.lost {
            return Took::Bytes(bytes.len());
        }
        let missing = len_usize(at.wrapping_neg() & WORD.wrapping_sub(1));
        if missing > 0 {
            let bytes = bytes.get(..missing).unwrap_or(bytes);
            padding(at, bytes, "label indices", faults);
            return Took::Bytes(bytes.len());
        }
        self.start(at, bytes, faults)
    }

    fn start(&mut self, at: u64, bytes: &[u8], faults: &mut Faults) -> Took {
        let left = self.end.saturating_sub(at);
        if left < EMPTY {
            self.broken(at, faults, format!("{left} bytes"));
            return Took::Bytes(bytes.len());
        }
        let (Some(len), Some(names), Some(count)) = (be_u32(bytes, 0), be_u32(bytes, 4), be_u32(bytes, 8)) else {
            return Took::More(12);
        };
        let by_count = u64::from(count).saturating_mul(WORD).saturating_add(EMPTY);
        let by_len = u64::from(len).saturating_add(8);
        if names != 1 || by_len != by_count {
            self.hurt = true;
            let found = format!("{names} names, {count} values, {len} bytes");
            let words = || ("the values of one name, in four bytes each and eight".to_owned(), found);
            faults.note(&rules::LABEL_INDEX_BROKEN, "label indices", at, words);
        }
        let Some(all) =
            [by_count, by_len].into_iter().find(|all| *all <= left && *all >= EMPTY && all.is_multiple_of(WORD))
        else {
            self.broken(at, faults, format!("{len} bytes, with {count} values"));
            return Took::Bytes(12);
        };
        let head = bytes.get(4..12).unwrap_or_default();
        self.current = Some((List::new(at, head, at.saturating_add(all).saturating_sub(4)), Values::default()));
        Took::Bytes(12)
    }

    fn broken(&mut self, at: u64, faults: &mut Faults, found: String) {
        self.hurt = true;
        self.lost = true;
        let most = self.end.saturating_sub(at);
        faults.note(&rules::LABEL_INDEX_BROKEN, "label indices", at, || (format!("a list in {most} bytes"), found));
    }

    fn close(&mut self, crc: Result<(), (u32, u32)>, faults: &mut Faults) {
        let Some((list, values)) = self.current.take() else { return };
        if let Err((computed, stored)) = crc {
            self.hurt = true;
            let words = || (format!("{computed:08x}"), format!("{stored:08x}"));
            faults.note(&rules::LABEL_INDEX_CRC, "label indices", list.start, words);
        } else if let Some((at, symbol)) = list.disorder {
            faults.note(&rules::LABEL_INDEX_ORDER, "label indices", at, || {
                ("a value behind the one before it".to_owned(), format!("symbol {symbol}"))
            });
        }
        self.count = self.count.saturating_add(1);
        if self.kept.len() < MAX_KEPT {
            self.kept.push((list.start, values));
        }
    }

    /// Reads the table of their offsets on at `at`. `accounts` have the values of each name, if `sound`.
    pub(super) fn table(
        &mut self,
        at: u64,
        bytes: &[u8],
        accounts: &Accounts,
        sound: bool,
        faults: &mut Faults,
    ) -> Took {
        let (kept, count, sound) = (&self.kept, self.count, sound && !self.hurt);
        let mut ordinal = len_usize(self.table.entries);
        let kept_all = len_u64(kept.len()) == count;
        let hurt = self.hurt;
        self.table.item(at, bytes, faults, |at, bytes, faults| {
            let mut reader = Reader::new(bytes);
            if reader.item_uvarint(bytes)? != 1 {
                return Err(Short::Broken);
            }
            let name = reader.item_text(bytes, MAX_TEXT)?;
            let offset = reader.item_uvarint(bytes)?;
            if reader.loose {
                faults.note(&rules::LOOSE_NUMBER, TABLE_RULES.section, at, || loose("each number of an entry"));
            }
            let list = kept.get(ordinal);
            ordinal = ordinal.saturating_add(1);
            let expected = list.map(|(start, _)| *start);
            if expected != Some(offset) && kept_all && !hurt {
                faults.note(&rules::LABEL_TABLE_OFFSET, TABLE_RULES.section, at, || {
                    let expected = expected.map_or_else(|| "no more entries".to_owned(), |at| at.to_string());
                    (expected, offset.to_string())
                });
            }
            if let Some((start, values)) = list
                && sound
                && let Some(expected) = accounts.values(hash::text(name))
                && expected != *values
            {
                faults.note(&rules::LABEL_INDEX_CONTENT, "label indices", *start, || {
                    let Values { count, .. } = *values;
                    let others = if count == expected.count { ", and others" } else { "" };
                    (format!("{} values of {}", expected.count, quoted(name)), format!("{count} values{others}"))
                });
            }
            Ok(bytes.len().saturating_sub(reader.rest.len()))
        })
    }

    /// Behind the table: whether it has all lists. `at` is where it begins; `None` where there is none.
    pub(super) fn end(&self, at: Option<u64>, faults: &mut Faults) {
        let named = if at.is_some() { self.table.entries } else { 0 };
        if named < self.count && !self.hurt && !self.table.hurt {
            faults.note(&rules::LABEL_TABLE_OFFSET, TABLE_RULES.section, at.unwrap_or(self.end), || {
                (format!("{} entries", self.count), format!("{named} entries"))
            });
        }
    }
}
