//! A chunk segment: records one after the other, each `length, encoding, data, CRC32C(encoding, data)`.

use super::ShiftError;
use super::bytes::{CRC, File};

const HEADER: &[u8] = &[0x85, 0xbd, 0x40, 0xdd, 1, 0, 0, 0];

/// Samples as they were scraped.
const XOR: u8 = 1;
/// What Thanos makes of them: up to five chunks in one.
const AGGREGATES: u8 = 255;
/// count, sum, min, max, counter.
const AGGREGATE_COUNT: usize = 5;

/// Moves every sample of a segment.
pub(super) fn shift(bytes: &mut [u8], shift_ms: i64) -> Result<(), ShiftError> {
    let mut file = File::new("chunks", bytes);
    if file.slice(0, HEADER.len())? != HEADER {
        return Err(file.malformed(0, "not the header of a segment"));
    }
    let mut at = HEADER.len();
    while at < file.len() {
        let (len, start) = file.length(at)?;
        let data = start.saturating_add(1);
        let end = data.checked_add(len).ok_or(file.malformed(at, "a length is too large"))?;
        file.check_crc(start, end)?;
        let encoding = file.byte(start)?;
        if encoding == AGGREGATES {
            shift_aggregates(&mut file, data, end, shift_ms)?;
        } else {
            shift_chunk(&mut file, encoding, data, end, shift_ms)?;
        }
        file.write_crc(start, end)?;
        at = end.saturating_add(CRC);
    }
    Ok(())
}

/// Moves one chunk whose data is `at..end`: only its first sample has an absolute time.
fn shift_chunk(file: &mut File<'_>, encoding: u8, at: usize, end: usize, shift_ms: i64) -> Result<(), ShiftError> {
    if encoding != XOR {
        // the others keep their first time between the bits of other numbers
        return Err(file.unsupported(at, "a chunk that is not XOR"));
    }
    if file.big_endian(at, 2)? == 0 {
        return Err(file.malformed(at, "a chunk without samples"));
    }
    let (_, behind) = file.shift_varint(at.saturating_add(2), shift_ms)?;
    if behind > end { Err(file.malformed(at, "a chunk ends early")) } else { Ok(()) }
}

fn shift_aggregates(file: &mut File<'_>, start: usize, end: usize, shift_ms: i64) -> Result<(), ShiftError> {
    let mut at = start;
    for _ in 0..AGGREGATE_COUNT {
        let (len, next) = file.length(at)?;
        at = next;
        if len == 0 {
            continue;
        }
        let data = at.saturating_add(1);
        let behind = data.checked_add(len).filter(|behind| *behind <= end);
        let behind = behind.ok_or(file.malformed(at, "an aggregate reaches beyond its chunk"))?;
        let encoding = file.byte(at)?;
        shift_chunk(file, encoding, data, behind, shift_ms)?;
        at = behind;
    }
    if at == end { Ok(()) } else { Err(file.malformed(at, "a chunk of aggregates does not end where it should")) }
}
