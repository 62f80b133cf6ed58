//! What symbols and tables have in common: a length, a count, so many entries, a checksum.

use super::lane::Took;
use super::read::{Short, be_u32};
use crate::tsdb::bytes::{len_u64, len_usize};
use crate::tsdb::checksum::{self, Running};
use crate::tsdb::{Faults, Rule};

/// Length and count.
const HEAD: usize = 8;

/// What is broken where one is wrong.
#[derive(Debug)]
pub(super) struct FrameRules {
    pub(super) section: &'static str,
    pub(super) length: &'static Rule,
    pub(super) count: &'static Rule,
    pub(super) crc: &'static Rule,
    pub(super) broken: &'static Rule,
}

/// One section of this form. Where it ends is known from the table of contents: its length is only compared.
#[derive(Debug)]
pub(super) struct Frame {
    rules: &'static FrameRules,
    start: u64,
    /// First byte of the checksum.
    entries_end: u64,
    crc: Running,
    claimed: u32,
    /// Entries that were read.
    pub(super) entries: u64,
    /// An entry could not be read, so what follows it was not either.
    lost: bool,
    /// What it holds must not be compared with anything.
    pub(super) hurt: bool,
}

impl Frame {
    /// In `[start, end)`, of at least twelve bytes.
    pub(super) fn new(rules: &'static FrameRules, start: u64, end: u64) -> Self {
        let entries_end = end.saturating_sub(len_u64(checksum::LEN));
        let crc = Running::default();
        Self { rules, start, entries_end, crc, claimed: 0, entries: 0, lost: false, hurt: false }
    }

    /// Reads on at `at`; `entry` reads the entry at the start of the bytes that it is given, and says how long it is.
    pub(super) fn item(
        &mut self,
        at: u64,
        bytes: &[u8],
        faults: &mut Faults,
        entry: impl FnMut(u64, &[u8], &mut Faults) -> Result<usize, Short>,
    ) -> Took {
        if at == self.start {
            return self.head(bytes, faults);
        }
        match self.entries_end.checked_sub(at) {
            None | Some(0) => self.tail(at, bytes, faults),
            Some(left) => self.entries(at, bytes, len_usize(left), faults, entry),
        }
    }

    fn head(&mut self, bytes: &[u8], faults: &mut Faults) -> Took {
        let (Some(len), Some(count)) = (be_u32(bytes, 0), be_u32(bytes, 4)) else { return Took::More(HEAD) };
        let expected = self.entries_end.saturating_sub(self.start).saturating_sub(4);
        if u64::from(len) != expected {
            faults.note(self.rules.length, self.rules.section, self.start, || (expected.to_string(), len.to_string()));
        }
        self.claimed = count;
        self.crc.update(bytes.get(4..HEAD).unwrap_or_default());
        Took::Bytes(HEAD)
    }

    fn entries(
        &mut self,
        at: u64,
        bytes: &[u8],
        left: usize,
        faults: &mut Faults,
        mut entry: impl FnMut(u64, &[u8], &mut Faults) -> Result<usize, Short>,
    ) -> Took {
        let bytes = bytes.get(..left).unwrap_or(bytes);
        let mut used = if self.lost { bytes.len() } else { 0 };
        while let Some(rest @ [_, ..]) = bytes.get(used..) {
            let here = at.saturating_add(len_u64(used));
            match entry(here, rest, faults) {
                Ok(len) => {
                    used = used.saturating_add(len);
                    self.entries = self.entries.saturating_add(1);
                }
                Err(Short::More(want)) if want <= left.saturating_sub(used) => {
                    if used == 0 {
                        return Took::More(want);
                    }
                    break;
                }
                Err(Short::More(_) | Short::Broken) => {
                    faults.note(self.rules.broken, self.rules.section, here, || {
                        let number = self.entries.saturating_add(1);
                        let all = format!("entry {number} of {} inside the section", self.claimed);
                        (all, "no such entry".to_owned())
                    });
                    self.lost = true;
                    self.hurt = true;
                    used = bytes.len();
                }
            }
        }
        self.crc.update(bytes.get(..used).unwrap_or_default());
        Took::Bytes(used)
    }

    fn tail(&mut self, at: u64, bytes: &[u8], faults: &mut Faults) -> Took {
        let Some(stored) = be_u32(bytes, 0) else { return Took::More(checksum::LEN) };
        let computed = self.crc.value();
        if computed != stored {
            self.hurt = true;
            faults
                .note(self.rules.crc, self.rules.section, at, || (format!("{computed:08x}"), format!("{stored:08x}")));
        }
        if !self.lost && u64::from(self.claimed) != self.entries {
            self.hurt = true;
            let found = self.entries;
            faults.note(self.rules.count, self.rules.section, self.start.saturating_add(4), || {
                (format!("{} entries", self.claimed), format!("{found} entries"))
            });
        }
        Took::Bytes(checksum::LEN)
    }
}
