//! The proof that the postings are the inversion of the series, in memory that grows with neither.
//!
//! Each label name has an account. A series adds, for each of its labels, hash(name, value) × hash(series) on one side;
//! a posting list adds hash(name, value) × Σ hash(series) on the other. As lists are strictly ascending and the table
//! names none twice, equal sums mean equal sets, but for a chance of about 2⁻⁶⁴.

use super::hash::{self, Map};
use super::rules;
use super::symbols::quoted;
use crate::tsdb::Faults;

/// So many label names have accounts of their own; the others share one. Real estates have a few thousand.
const MAX_ACCOUNTS: usize = 1 << 16;

/// A label name's account; its number in the list of all.
pub(super) type AccountId = u32;

#[derive(Debug, Default)]
struct Account {
    /// What the series add, and how often.
    series: u128,
    labels: u64,
    /// What the lists add, and for how many postings.
    lists: u128,
    postings: u64,
    /// Where the table names the label first, and its name there.
    table: Option<(u64, Box<str>)>,
    /// Its values, as the table has them.
    values: Values,
}

/// Values of one label name: how many, and the sum of their hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Values {
    pub(super) count: u64,
    pub(super) sum: u64,
}

impl Values {
    #[inline]
    pub(super) fn add(&mut self, value_hash: u64) {
        self.count = self.count.wrapping_add(1);
        self.sum = self.sum.wrapping_add(hash::number(value_hash));
    }
}

/// The accounts of all label names, and of the list of all series.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    all: Vec<Account>,
    by_name: Map<u64, AccountId>,
    by_symbol: Map<u32, AccountId>,
    series: Sum,
    listed: Option<Sum>,
}

/// Some references: how many, and the sum of their hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) count: u64,
    pub(super) sum: u128,
}

impl Sum {
    #[inline]
    pub(super) fn add(&mut self, reference_hash: u64) {
        self.count = self.count.wrapping_add(1);
        self.sum = self.sum.wrapping_add(u128::from(reference_hash));
    }
}

impl Accounts {
    /// That of the name with this hash.
    pub(super) fn of_name(&mut self, name_hash: u64) -> AccountId {
        if let Some(id) = self.by_name.get(&name_hash) {
            return *id;
        }
        let shared = self.all.len() > MAX_ACCOUNTS;
        let id = if shared { MAX_ACCOUNTS } else { self.all.len() };
        let id = AccountId::try_from(id).unwrap_or_default();
        if !shared {
            self.all.push(Account::default());
            // the last one is for all that come after
            if self.all.len() <= MAX_ACCOUNTS {
                self.by_name.insert(name_hash, id);
            }
        }
        id
    }

    /// The same, for a name as the series name it.
    pub(super) fn of_symbol(&mut self, symbol: u32, name_hash: u64) -> AccountId {
        if let Some(id) = self.by_symbol.get(&symbol) {
            return *id;
        }
        let id = self.of_name(name_hash);
        if self.by_symbol.len() < MAX_ACCOUNTS {
            self.by_symbol.insert(symbol, id);
        }
        id
    }

    /// A series with a label: its [`hash::pair`], and the hash of the series.
    #[inline]
    pub(super) fn add_label(&mut self, id: AccountId, pair: u64, series_hash: u64) {
        if let Some(account) = usize::try_from(id).ok().and_then(|idx| self.all.get_mut(idx)) {
            let product = u128::from(pair).wrapping_mul(u128::from(series_hash));
            account.series = account.series.wrapping_add(product);
            account.labels = account.labels.wrapping_add(1);
        }
    }

    /// A series.
    #[inline]
    pub(super) fn add_series(&mut self, series_hash: u64) {
        self.series.add(series_hash);
    }

    /// The list of all series.
    pub(super) fn add_all(&mut self, list: Sum) {
        self.listed = Some(list);
    }

    /// A posting list.
    #[inline]
    pub(super) fn add_list(&mut self, id: AccountId, pair: u64, list: Sum) {
        if let Some(account) = usize::try_from(id).ok().and_then(|idx| self.all.get_mut(idx)) {
            account.lists = account.lists.wrapping_add(u128::from(pair).wrapping_mul(list.sum));
            account.postings = account.postings.wrapping_add(list.count);
        }
    }

    /// The table names this label at `at`.
    pub(super) fn named(&mut self, id: AccountId, at: u64, name: &[u8]) {
        if let Some(account) = usize::try_from(id).ok().and_then(|idx| self.all.get_mut(idx)) {
            account.table.get_or_insert_with(|| (at, quoted(name).into_boxed_str()));
        }
    }

    /// A value of it in the table.
    #[inline]
    pub(super) fn add_value(&mut self, id: AccountId, value_hash: u64) {
        if let Some(account) = usize::try_from(id).ok().and_then(|idx| self.all.get_mut(idx)) {
            account.values.add(value_hash);
        }
    }

    /// The values that the table gives for the name with this hash; `None` where it shares its account.
    pub(super) fn values(&self, name_hash: u64) -> Option<Values> {
        if self.all.len() > MAX_ACCOUNTS {
            return None;
        }
        let id = self.by_name.get(&name_hash).and_then(|id| usize::try_from(*id).ok());
        Some(id.and_then(|idx| self.all.get(idx)).map_or_else(Values::default, |account| account.values))
    }

    /// Compares both sides. `postings` is where the lists begin.
    pub(super) fn compare(&self, postings: u64, faults: &mut Faults) {
        let listed = self.listed.unwrap_or_default();
        // where there is no series, there need not be a list of them
        if listed != self.series {
            faults.note(&rules::POSTINGS_ALL, "postings", postings, || {
                let others = if listed.count == self.series.count { ", and others" } else { "" };
                (format!("{} series", self.series.count), format!("{} series{others}", listed.count))
            });
        }
        for account in self.all.iter().filter(|account| account.series != account.lists) {
            let at = account.table.as_ref().map_or(postings, |(at, _)| *at);
            faults.note(&rules::POSTINGS_DIFFER, "postings", at, || {
                let name = account.table.as_ref().map_or("a label that the table does not name", |(_, name)| name);
                let others = if account.labels == account.postings { ", of other series or values" } else { "" };
                let expected = format!("label {name}: {} postings, one for each series with it", account.labels);
                (expected, format!("{} postings{others}", account.postings))
            });
        }
    }
}
