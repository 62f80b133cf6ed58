//! One record of a segment: `uvarint length | encoding | data | CRC32C(encoding, data)`. The length covers the data alone
//! and is itself covered by nothing.

use super::super::bytes::{Cursor, hex, len_u64, len_usize, uvarint_len};
use super::super::checksum;
use super::super::chunk::{self, ChunkFacts, Depth};
use super::super::fault::{ChunkPlace, Faults, Rule};
use super::rules;
use super::tally::Tally;
use crate::model::Level;

/// Bytes of a segment before its first record.
pub(super) const HEADER: u64 = 8;
const MAGIC: [u8; 5] = [0x85, 0xbd, 0x40, 0xdd, 1];
/// A length has at most 32 bits.
const MAX_LENGTH_BYTES: usize = 5;
/// More than any writer puts into one chunk, by far: 65,535 samples of 16 bytes make one MiB.
pub(super) const MAX_DATA: u64 = 64 << 20;

/// Where a record ends, as far as its own length says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Bytes of the length itself.
    pub(super) prefix: usize,
    /// Bytes of the data.
    pub(super) data: u64,
}

impl Frame {
    /// Bytes of the whole record.
    pub(super) fn len(self) -> u64 {
        len_u64(self.prefix).saturating_add(1).saturating_add(self.data).saturating_add(len_u64(checksum::LEN))
    }
}

/// Why a record's length cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoFrame {
    /// The bytes end within it.
    Short,
    /// It is none that a writer writes.
    Malformed,
}

/// Reads the length of the record at the start of `bytes`.
pub(super) fn frame(bytes: &[u8]) -> Result<Frame, NoFrame> {
    let head = bytes.get(..MAX_LENGTH_BYTES.min(bytes.len())).unwrap_or_default();
    let mut cursor = Cursor::new(head);
    match cursor.uvarint() {
        // nothing is written without data, and no number in more bytes than it takes
        Ok(data) if data > 0 && u32::try_from(data).is_ok() && cursor.at() == uvarint_len(data) => {
            Ok(Frame { prefix: cursor.at(), data })
        }
        Err(_) if head.len() < MAX_LENGTH_BYTES => Err(NoFrame::Short),
        Ok(_) | Err(_) => Err(NoFrame::Malformed),
    }
}

/// The checksum of a record does not match: nothing in it, and perhaps not even its end, is what was written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mismatch;

/// Encoding and data of a record, and the checksum that is stored behind them.
fn parts(frame: Frame, record: &[u8]) -> (&[u8], u32) {
    let covered = record.get(frame.prefix..record.len().saturating_sub(checksum::LEN)).unwrap_or_default();
    (covered, record.last_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes)))
}

/// The record at the start of `bytes`, if there is a whole one whose checksum matches.
pub(super) fn sound_record(bytes: &[u8]) -> Option<&[u8]> {
    let frame = frame(bytes).ok()?;
    let record = bytes.get(..len_usize(frame.len()))?;
    let (covered, stored) = parts(frame, record);
    (checksum::crc32c(covered) == stored).then_some(record)
}

/// What there is to know about the chunks of a block in order to judge one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demands {
    pub(super) level: Level,
    /// 5m or 1h.
    pub(super) downsampled: bool,
    /// Thanos reads it, or will.
    pub(super) thanos: bool,
}

/// What reading chunks has shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) faults: Faults,
    pub(super) tally: Tally,
}

/// Judges the header of a segment.
pub(super) fn read_header(bytes: &[u8], faults: &mut Faults) {
    let (magic, padding) = bytes.split_at(MAGIC.len().min(bytes.len()));
    if magic != MAGIC {
        faults.note(&rules::SEGMENT_HEADER, "header", 0, || (head_hex(&MAGIC), head_hex(magic)));
    } else if padding.iter().any(|byte| *byte != 0) {
        faults.note(&rules::SEGMENT_PADDING, "header", len_u64(MAGIC.len()), || (head_hex(&[0; 3]), head_hex(padding)));
    }
}

/// The bytes as digits; the first few, if there are many.
pub(super) fn head_hex(bytes: &[u8]) -> String {
    const SHOWN: usize = 16;
    let shown = hex(bytes.get(..SHOWN.min(bytes.len())).unwrap_or_default());
    if bytes.len() > SHOWN { shown + "…" } else { shown }
}

impl Seen {
    /// Judges the record that is `bytes`, exactly, at `at` of its segment. `None`: it is sound and cannot be understood.
    pub(super) fn record(
        &mut self,
        demands: Demands,
        frame: Frame,
        bytes: &[u8],
        at: u64,
        place: Option<ChunkPlace>,
    ) -> Result<Option<ChunkFacts>, Mismatch> {
        let (covered, stored) = parts(frame, bytes);
        if !self.checksum(checksum::crc32c(covered), stored, at, place) {
            return Err(Mismatch);
        }
        let (encoding, data) = covered.split_first().map_or((0, covered), |(encoding, data)| (*encoding, data));
        if !self.encoding(demands, encoding, at, place) {
            self.tally.uncounted = self.tally.uncounted.saturating_add(1);
            return Ok(None);
        }
        let depth = if demands.level == Level::Full { Depth::Samples } else { Depth::Head };
        // where the data begins in the segment
        let start = at.saturating_add(len_u64(frame.prefix)).saturating_add(1);
        let faults = &mut self.faults;
        let mut note = |rule: &'static Rule, offset: usize, expected: String, found: String| {
            faults.note_in(rule, "chunk", start.saturating_add(len_u64(offset)), place, || (expected, found));
        };
        let facts = chunk::read_chunk(encoding, data, depth, &mut note);
        match &facts {
            Some(facts) => self.tally.count(facts),
            None => self.tally.uncounted = self.tally.uncounted.saturating_add(1),
        }
        Ok(facts)
    }

    /// Judges a checksum.
    pub(super) fn checksum(&mut self, computed: u32, stored: u32, at: u64, place: Option<ChunkPlace>) -> bool {
        if computed != stored {
            // what these bytes would have, and what was written behind them
            let words = || (format!("{computed:08x}"), format!("{stored:08x}"));
            self.faults.note_in(&rules::RECORD_CHECKSUM, "record", at, place, words);
        }
        computed == stored
    }

    /// Judges an encoding; `false`: the data cannot be read.
    fn encoding(&mut self, demands: Demands, encoding: u8, at: u64, place: Option<ChunkPlace>) -> bool {
        const RAW: u8 = 1;
        const AGGREGATES: u8 = 255;
        // what Thanos' own vendored Prometheus can decode
        const OLD: [u8; 4] = [1, 2, 3, AGGREGATES];
        let found = || format!("{encoding} ({})", chunk::encoding_name(encoding));
        if !chunk::is_known(encoding) {
            let words = || ("1 to 6, or 255".to_owned(), encoding.to_string());
            let rule = if encoding == 0 { &rules::CHUNK_ENCODING_NONE } else { &chunk::rules::ENCODING };
            self.faults.note_in(rule, "record", at, place, words);
            return false;
        }
        if !OLD.contains(&encoding) {
            let rule = if demands.thanos { &rules::ENCODING_UNSUPPORTED } else { &rules::ENCODING_NEW };
            self.faults.note_in(rule, "record", at, place, || ("1, 2, 3 or 255".to_owned(), found()));
        }
        match (demands.downsampled, encoding == AGGREGATES) {
            (true, true) | (false, false) => {}
            (true, false) => {
                let rule = if encoding == RAW { &rules::RAW_CHUNK_DOWNSAMPLED } else { &rules::CHUNK_RESOLUTION };
                self.faults.note_in(rule, "record", at, place, || ("255 (aggregates)".to_owned(), found()));
            }
            (false, true) => {
                let words = || ("raw samples".to_owned(), found());
                self.faults.note_in(&rules::CHUNK_RESOLUTION, "record", at, place, words);
            }
        }
        true
    }

    /// Adds what another part has shown.
    pub(super) fn merge(&mut self, other: Self) {
        self.faults.merge(other.faults);
        self.tally.add(other.tally);
    }
}
