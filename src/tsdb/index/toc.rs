//! The table of contents: where the sections lie, in the last 52 bytes.

use super::rules;
use crate::tsdb::Faults;
use crate::tsdb::bytes::{Cursor, Unreadable};
use crate::tsdb::checksum::crc32c;

/// Six offsets and their checksum.
pub(super) const LEN: u64 = 52;
/// Magic and version.
pub(super) const HEADER: u64 = 5;
/// A length, a count and a checksum: what an empty table takes.
const EMPTY: u64 = 12;

/// The sections behind the symbols, in the order in which they lie. Each ends where the next begins, the last where the
/// table of contents begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Toc {
    pub(super) series: u64,
    pub(super) label_indices: u64,
    pub(super) postings: u64,
    pub(super) label_table: u64,
    pub(super) postings_table: u64,
    /// Where it lies itself.
    pub(super) at: u64,
}

/// Reads it; `None` where it leads nowhere.
pub(super) fn read(tail: &[u8], size: u64, faults: &mut Faults) -> Option<Toc> {
    let at = size.saturating_sub(LEN);
    let (offsets, stored) = fields(tail).ok()?;
    let computed = crc32c(tail.get(..48)?);
    if computed != stored {
        faults.note(&rules::TOC_CRC, "toc", at, || (format!("{computed:08x}"), format!("{stored:08x}")));
        return None;
    }
    let [symbols, series, label_indices, label_table, postings, postings_table] = offsets;
    // zero is an absent section by the format's text; no reader needs these two
    let label_indices = if label_indices == 0 { postings } else { label_indices };
    let label_table = if label_table == 0 { postings_table } else { label_table };
    let toc = Toc { series, label_indices, postings, label_table, postings_table, at };
    let lies = symbols == HEADER
        && series >= HEADER.saturating_add(EMPTY)
        && series <= label_indices
        && label_indices <= postings
        && postings <= label_table
        && (label_table == postings_table || label_table.saturating_add(EMPTY) <= postings_table)
        && postings_table.saturating_add(EMPTY) <= at;
    if !lies {
        faults.note(&rules::TOC_OFFSETS, "toc", at, || {
            let ordered =
                "5 for the symbols, then series, label indices, postings, label offset table, postings offset table";
            (format!("{ordered}, ascending, up to {at}"), format!("{symbols}, {toc:?}"))
        });
        return None;
    }
    Some(toc)
}

fn fields(tail: &[u8]) -> Result<([u64; 6], u32), Unreadable> {
    let mut cursor = Cursor::new(tail);
    let mut offsets = [0; 6];
    for offset in &mut offsets {
        *offset = cursor.be_u64()?;
    }
    Ok((offsets, cursor.be_u32()?))
}
