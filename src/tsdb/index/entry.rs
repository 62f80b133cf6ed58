//! The labels of a series entry: sorted, known to the symbol table, and behind those of the series before.

use std::cmp::Ordering;

use super::accounts::{AccountId, Accounts};
use super::hash;
use super::read::Reader;
use super::rules;
use super::symbols::Symbols;
use crate::tsdb::Faults;

/// More labels than any series has; a bound on what one entry can cost.
const MAX_LABELS: u64 = 1 << 16;

/// The labels of the series before, by position: most of them are those of the next one as well.
#[derive(Debug, Default)]
pub(super) struct Labels {
    slots: Vec<Slot>,
    /// So many of them the series before had; `None` before the first one.
    before: Option<usize>,
    /// A label could not be found in the symbol table.
    pub(super) unknown: bool,
}

/// A label, with what it takes long to look up of its name.
#[derive(Clone, Copy, Debug)]
struct Slot {
    name: u32,
    value: u32,
    account: AccountId,
    name_hash: u64,
}

impl Labels {
    /// Reads the labels of the series at `at`, whose id has the hash `series_hash`, and adds them to the accounts. `None`
    /// where they cannot be read.
    #[inline]
    pub(super) fn read(
        &mut self,
        at: u64,
        series_hash: u64,
        reader: &mut Reader<'_>,
        symbols: &Symbols,
        accounts: &mut Accounts,
        faults: &mut Faults,
    ) -> Option<()> {
        let count = reader.uvarint().filter(|count| *count <= MAX_LABELS)?;
        let count = usize::try_from(count).ok()?;
        let known = self.before.take();
        let before = known.unwrap_or_default();
        let (empty, metric_name) = (symbols.empty(), symbols.metric_name());
        let (mut sorted, mut named, mut bare) = (true, false, false);
        let mut last_name = None;
        let mut order = Ordering::Equal;
        for idx in 0..count {
            let (name, value) = (reader.uvarint32()?, reader.uvarint32()?);
            sorted &= last_name.is_none_or(|last| last < name);
            last_name = Some(name);
            named |= name == metric_name;
            bare |= name == empty || value == empty;
            match self.slots.get_mut(idx) {
                Some(slot) if slot.name == name => {
                    if order == Ordering::Equal {
                        order = if idx < before { value.cmp(&slot.value) } else { Ordering::Greater };
                    }
                    slot.value = value;
                }
                known => {
                    let known = known.map(|slot| slot.name).filter(|_| idx < before);
                    order = order.then(known.map_or(Ordering::Greater, |known| name.cmp(&known)));
                    self.rename(at, idx, (name, value), symbols, accounts, faults);
                }
            }
        }
        // a loop of its own, so that the processor waits for all of these hashes at once
        for slot in self.slots.get(..count).unwrap_or_default() {
            let value_hash = symbols.hash(slot.value).unwrap_or_else(|| {
                self.unknown = true;
                unknown(at, slot.value, symbols, faults)
            });
            accounts.add_label(slot.account, hash::pair(slot.name_hash, value_hash), series_hash);
        }
        if order == Ordering::Equal && known.is_some() {
            // the same labels, or the first of them
            order = Ordering::Less;
        }
        if order == Ordering::Less {
            faults.note(&rules::SERIES_ORDER, "series", at, || {
                ("labels behind those of the series before".to_owned(), "labels before them, or the same".to_owned())
            });
        }
        self.before = Some(count);
        if !sorted {
            faults.note(&rules::SERIES_LABELS_ORDER, "series", at, || {
                ("names in ascending order".to_owned(), "names that are not".to_owned())
            });
        }
        if count == 0 {
            let words = || ("one label at least".to_owned(), "none".to_owned());
            faults.note(&rules::SERIES_WITHOUT_LABELS, "series", at, words);
        } else if (bare || !named) && !symbols.hurt() {
            self.judge(at, count, (empty, metric_name), faults);
        }
        Some(())
    }

    /// What is to be said of empty texts, and where `__name__` is missing.
    #[cold]
    fn judge(&self, at: u64, count: usize, (empty, metric_name): (u32, u32), faults: &mut Faults) {
        let slots = self.slots.get(..count).unwrap_or_default();
        if !slots.iter().any(|slot| slot.name == metric_name) {
            let words = || ("a label `__name__`".to_owned(), format!("{count} others"));
            faults.note(&rules::SERIES_WITHOUT_NAME, "series", at, words);
        }
        if slots.iter().any(|slot| slot.name == empty) {
            let words = || ("a name".to_owned(), "an empty one".to_owned());
            faults.note(&rules::SERIES_LABEL_NAME_EMPTY, "series", at, words);
        }
        if slots.iter().any(|slot| slot.value == empty) {
            let words = || ("a value, or no label".to_owned(), "a label with an empty value".to_owned());
            faults.note(&rules::SERIES_LABEL_VALUE_EMPTY, "series", at, words);
        }
    }

    /// A label whose name the series before did not have at this position.
    fn rename(
        &mut self,
        at: u64,
        idx: usize,
        (name, value): (u32, u32),
        symbols: &Symbols,
        accounts: &mut Accounts,
        faults: &mut Faults,
    ) {
        let name_hash = symbols.hash(name).unwrap_or_else(|| {
            self.unknown = true;
            unknown(at, name, symbols, faults)
        });
        let slot = Slot { name, value, account: accounts.of_symbol(name, name_hash), name_hash };
        match self.slots.get_mut(idx) {
            Some(place) => *place = slot,
            None => self.slots.push(slot),
        }
    }
}

/// A symbol that is in no table; it has no hash.
#[cold]
fn unknown(at: u64, symbol: u32, symbols: &Symbols, faults: &mut Faults) -> u64 {
    // where symbols were lost, it may be one of these
    if !symbols.hurt() {
        faults.note(&rules::SERIES_SYMBOL, "series", at, || {
            (format!("one of {} symbols", symbols.count()), format!("symbol {symbol}"))
        });
    }
    0
}
