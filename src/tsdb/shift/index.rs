//! An index: only the entries of its series name times, each `length, payload, CRC32C(payload)`, aligned to 16 bytes.

use super::ShiftError;
use super::bytes::{CRC, File};
use crate::model::TimestampMs;

const HEADER: &[u8] = &[0xba, 0xaa, 0xd7, 0, 2];

/// Six offsets of 8 bytes.
const TOC: usize = 48;
/// Each entry begins at a multiple of so many bytes.
const ALIGNMENT: usize = 16;

/// Moves every chunk that the index names; gives the first and last time of all, or nothing where there is no chunk.
pub(super) fn shift(bytes: &mut [u8], shift_ms: i64) -> Result<Option<(TimestampMs, TimestampMs)>, ShiftError> {
    let mut file = File::new("index", bytes);
    if file.slice(0, HEADER.len())? != HEADER {
        return Err(file.malformed(0, "not the header of an index of version 2"));
    }
    let toc = file.len().checked_sub(TOC + CRC).ok_or(file.malformed(0, "no room for a table of contents"))?;
    file.check_crc(toc, toc.saturating_add(TOC))?;
    // where the series begin; the label indices follow them, and do so even where they are empty
    let start = offset(&file, toc, 1)?;
    let end = offset(&file, toc, 2)?;
    if start < HEADER.len() || end < start || end > toc {
        return Err(file.malformed(toc, "the table of contents leads nowhere"));
    }

    let mut all: Option<(i64, i64)> = None;
    let mut at = start.next_multiple_of(ALIGNMENT);
    while at < end {
        let (len, payload) = file.length(at)?;
        let behind = payload.checked_add(len).filter(|behind| behind.saturating_add(CRC) <= end);
        let behind = behind.ok_or(file.malformed(at, "a series reaches beyond its section"))?;
        file.check_crc(payload, behind)?;
        if let Some((first, last)) = shift_series(&mut file, payload, behind, shift_ms)? {
            let (earliest, latest) = all.unwrap_or((first, last));
            all = Some((earliest.min(first), latest.max(last)));
        }
        file.write_crc(payload, behind)?;
        at = behind.saturating_add(CRC).next_multiple_of(ALIGNMENT);
    }
    Ok(all.map(|(first, last)| (TimestampMs(first), TimestampMs(last))))
}

/// One of the six offsets.
fn offset(file: &File<'_>, toc: usize, idx: usize) -> Result<usize, ShiftError> {
    let at = toc.saturating_add(idx.saturating_mul(8));
    usize::try_from(file.big_endian(at, 8)?).map_err(|_too_large| file.malformed(at, "an offset is too large"))
}

/// Only the first chunk has an absolute time: the others count from the end of the one before.
fn shift_series(
    file: &mut File<'_>,
    start: usize,
    end: usize,
    shift_ms: i64,
) -> Result<Option<(i64, i64)>, ShiftError> {
    let (labels, mut at) = file.length(start)?;
    for _ in 0..labels {
        let (_, value) = file.uvarint(at)?;
        at = file.uvarint(value)?.1;
        if at > end {
            return Err(file.malformed(start, "a series ends within its labels"));
        }
    }
    let (chunks, mut at) = file.length(at)?;
    if chunks == 0 {
        return Ok(None);
    }
    let place = at;
    let out_of_range = file.malformed(place, "a chunk's time is out of range");
    let later =
        |time: i64, by: u64| i64::try_from(by).ok().and_then(|by| time.checked_add(by)).ok_or(out_of_range.clone());
    let (first, next) = file.shift_varint(at, shift_ms)?;
    let (duration, next) = file.uvarint(next)?;
    let mut last = later(first, duration)?;
    at = file.uvarint(next)?.1;
    for _ in 1..chunks {
        let (gap, next) = file.uvarint(at)?;
        let (duration, next) = file.uvarint(next)?;
        last = later(later(last, gap)?, duration)?;
        at = file.uvarint(next)?.1;
        if at > end {
            break;
        }
    }
    if at == end {
        Ok(Some((first, last)))
    } else {
        Err(file.malformed(start, "a series does not end where it should"))
    }
}
