//! The postings offset table: which label has which list. It lies behind the lists, so a lane of its own reads it, just
//! ahead of them.

use std::collections::VecDeque;

use super::accounts::{AccountId, Accounts};
use super::frame::{Frame, FrameRules};
use super::hash;
use super::lane::{Carry, Took};
use super::read::{Reader, Short};
use super::rules;
use super::symbols::{MAX_TEXT, loose, quoted};
use crate::tsdb::Faults;
use crate::tsdb::bytes::len_u64;

static RULES: FrameRules = FrameRules {
    section: "postings offset table",
    length: &rules::TABLE_LENGTH,
    count: &rules::TABLE_COUNT,
    crc: &rules::TABLE_CRC,
    broken: &rules::TABLE_BROKEN,
};

/// A name and a value.
const KEYS: u64 = 2;

/// What the list of a label needs of its entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listing {
    /// Where the entry is.
    pub(super) at: u64,
    /// Where it says that the list is.
    pub(super) offset: u64,
    /// The label's account and [`hash::pair`]; `None` for the list of all series.
    pub(super) label: Option<(AccountId, u64)>,
}

/// The table, read in order.
#[derive(Debug)]
pub(super) struct Table {
    frame: Frame,
    carry: Carry,
    at: u64,
    end: u64,
    entries: Entries,
}

#[derive(Debug, Default)]
struct Entries {
    /// Version 1 need not be sorted.
    sorted: bool,
    /// Entries whose lists were not read yet.
    ahead: VecDeque<Listing>,
    name: Vec<u8>,
    value: Vec<u8>,
    any: bool,
    name_hash: u64,
    account: AccountId,
}

impl Table {
    pub(super) fn new(version: u8, start: u64, end: u64) -> Self {
        Self {
            frame: Frame::new(&RULES, start, end),
            carry: Carry::default(),
            at: start,
            end,
            entries: Entries { sorted: version != 1, ..Entries::default() },
        }
    }

    /// The next bytes of it.
    pub(super) fn feed(&mut self, bytes: &[u8], accounts: &mut Accounts, faults: &mut Faults) {
        let mut carry = std::mem::take(&mut self.carry);
        carry.pump(bytes, |bytes| {
            let took = self
                .frame
                .item(self.at, bytes, faults, |at, bytes, faults| self.entries.entry(at, bytes, accounts, faults));
            if let Took::Bytes(used) = took {
                self.at = self.at.saturating_add(len_u64(used));
            }
            took
        });
        self.carry = carry;
    }

    /// First byte that did not come yet.
    pub(super) fn fed(&self) -> u64 {
        self.at.saturating_add(len_u64(self.carry.len()))
    }

    /// It was read to its end.
    pub(super) const fn done(&self) -> bool {
        self.at >= self.end
    }

    /// What it holds must not be compared with anything.
    pub(super) const fn hurt(&self) -> bool {
        self.frame.hurt
    }

    /// Entries whose lists were not read yet.
    pub(super) const fn ahead(&mut self) -> &mut VecDeque<Listing> {
        &mut self.entries.ahead
    }

    /// Where the last list lies that is known so far, and how many are.
    pub(super) fn known(&self) -> (Option<u64>, usize) {
        (self.entries.ahead.back().map(|listing| listing.offset), self.entries.ahead.len())
    }
}

impl Entries {
    fn entry(&mut self, at: u64, bytes: &[u8], accounts: &mut Accounts, faults: &mut Faults) -> Result<usize, Short> {
        let mut reader = Reader::new(bytes);
        if reader.item_uvarint(bytes)? != KEYS {
            return Err(Short::Broken);
        }
        let name = reader.item_text(bytes, MAX_TEXT)?;
        let value = reader.item_text(bytes, MAX_TEXT)?;
        let offset = reader.item_uvarint(bytes)?;
        if reader.loose {
            faults.note(&rules::LOOSE_NUMBER, RULES.section, at, || loose("each number of an entry"));
        }
        let same_name = self.any && name == self.name;
        if self.sorted && self.any && (name, value) <= (self.name.as_slice(), self.value.as_slice()) {
            faults.note(&rules::TABLE_ORDER, RULES.section, at, || {
                let label = |name: &[u8], value: &[u8]| format!("{}={}", quoted(name), quoted(value));
                (format!("after {}", label(&self.name, &self.value)), label(name, value))
            });
        }
        let label = if name.is_empty() && value.is_empty() {
            None
        } else {
            if !same_name || self.name_hash == 0 {
                self.name_hash = hash::text(name);
                self.account = accounts.of_name(self.name_hash);
                accounts.named(self.account, at, name);
            }
            let value_hash = hash::text(value);
            accounts.add_value(self.account, value_hash);
            Some((self.account, hash::pair(self.name_hash, value_hash)))
        };
        self.ahead.push_back(Listing { at, offset, label });
        if !same_name {
            self.name.clear();
            self.name.extend_from_slice(name);
        }
        self.value.clear();
        self.value.extend_from_slice(value);
        self.any = true;
        Ok(bytes.len().saturating_sub(reader.rest.len()))
    }
}
