//! One file of head chunks.

use super::{
    CHECKSUM_RULE, ENCODING_RULE, HEADER_RULE, HeadChunks, LENGTH_RULE, MAGIC, MAGIC_RULE, MAX_DECODED, PADDED_RULE,
    RANGE_RULE, RECORD_RULE, SIZE_RULE, TAIL_RULE, TORN_RULE,
};
use crate::tsdb::bytes::{len_u64, uvarint_len};
use crate::tsdb::checksum::Running;
use crate::tsdb::chunk::{Depth, read_chunk};
use crate::tsdb::fault::Rule;

/// Bytes before the first record.
const HEADER: usize = 8;

/// Bytes of a record before the length of its data.
const FIXED: usize = 25;

/// A length takes so many bytes at most.
const MAX_LEN_BYTES: usize = 5;

/// Samples came out of order.
const OUT_OF_ORDER: u8 = 0x80;

/// Proves a file that comes in parts.
#[derive(Clone, Debug)]
pub struct HeadChunksVerifier {
    is_last: bool,
    size: u64,
    at: u64,
    state: State,
    record: Record,
    /// A record that does not match its checksum. If only zeros follow, it was being written.
    doubt: Option<Doubt>,
    found: HeadChunks,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Header,
    Fixed,
    Len,
    Data {
        left: u64,
    },
    Checksum,
    /// Zeros up to the end, unless `noted`.
    Tail {
        noted: bool,
    },
    Unread,
}

#[derive(Clone, Debug, Default)]
struct Record {
    at: u64,
    fixed: [u8; FIXED],
    filled: usize,
    len: u64,
    len_bytes: usize,
    checksum: Running,
    data: Vec<u8>,
    stored: u32,
    stored_bytes: u32,
}

#[derive(Clone, Copy, Debug)]
struct Doubt {
    at: u64,
    computed: u32,
    stored: u32,
}

impl HeadChunksVerifier {
    /// For a file of `size` bytes. `is_last`: no file follows it, and it may be a copy of one that is being written.
    pub fn new(is_last: bool, size: u64) -> Self {
        Self {
            is_last,
            size,
            at: 0,
            state: State::Header,
            record: Record::default(),
            doubt: None,
            found: HeadChunks::default(),
        }
    }

    /// The next bytes.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = match self.state {
                State::Header => self.header(bytes),
                State::Fixed => self.fixed(bytes),
                State::Len => self.len(bytes),
                State::Data { left } => self.data(bytes, left),
                State::Checksum => self.checksum(bytes),
                State::Tail { noted } => self.tail(bytes, noted),
                State::Unread => bytes.len(),
            };
            self.at += len_u64(taken);
            bytes = bytes.get(taken..).unwrap_or_default();
        }
    }

    /// What the file holds, after its last byte.
    pub fn finish(mut self) -> HeadChunks {
        let (at, size, begun) = (self.at, self.size, self.record.at);
        if at != size {
            self.note(&SIZE_RULE, at.min(size), || (format!("{size} bytes"), format!("{at} bytes")));
        }
        match self.state {
            // Prometheus removes such a file when it starts, if it is the last
            State::Header if self.is_last => self.found.torn = Some(0),
            State::Header => self.note(&SIZE_RULE, at, || (format!("at least {HEADER} bytes"), format!("{at} bytes"))),
            // of fewer zeros than a record has, too
            State::Fixed | State::Tail { noted: false } if self.record.is_zero() => {
                if let Some(doubt) = self.doubt.take_if(|doubt| doubt.is_cut()) {
                    self.tear(doubt.at);
                }
            }
            State::Fixed | State::Len | State::Data { .. } | State::Checksum => self.tear(begun),
            State::Tail { .. } | State::Unread => {}
        }
        self.declare_doubt();
        self.found
    }

    fn tear(&mut self, at: u64) {
        self.found.torn = Some(at);
        if !self.is_last {
            self.note(&TORN_RULE, at, || ("the end of the record".to_owned(), "the end of the file".to_owned()));
        }
    }

    fn header(&mut self, bytes: &[u8]) -> usize {
        let taken = self.record.fill(bytes, HEADER);
        if self.record.filled < HEADER {
            return taken;
        }
        let header = std::mem::take(&mut self.record).fixed;
        if self.is_last && header == [0; FIXED] {
            self.found.torn = Some(0);
            self.state = State::Tail { noted: false };
            return taken;
        }
        let (magic, padding) = header.split_at(MAGIC.len());
        if magic != MAGIC {
            self.note(&MAGIC_RULE, 0, || (format!("{MAGIC:02x?}"), format!("{magic:02x?}")));
        }
        if let Some(byte) = padding.iter().find(|byte| **byte != 0) {
            self.note(&HEADER_RULE, len_u64(MAGIC.len()), || ("00".to_owned(), format!("{byte:02x}")));
        }
        self.record.at = len_u64(HEADER);
        self.state = State::Fixed;
        taken
    }

    fn fixed(&mut self, bytes: &[u8]) -> usize {
        let taken = self.record.fill(bytes, FIXED);
        if self.record.filled == FIXED {
            if self.record.is_zero() {
                let encoding = self.record.encoding();
                self.state = State::Tail { noted: false };
                // the one byte of the record that does not have to be zero for it to be none
                if encoding != 0 {
                    let at = self.record.at + len_u64(FIXED) - 1;
                    self.note_tail(at, encoding);
                }
            } else {
                self.record.checksum.update(&self.record.fixed);
                self.state = State::Len;
            }
        }
        taken
    }

    fn len(&mut self, bytes: &[u8]) -> usize {
        let Some(&byte) = bytes.first() else { return 0 };
        let record = &mut self.record;
        record.checksum.update(&[byte]);
        record.len |= u64::from(byte & 0x7f) << (7 * record.len_bytes);
        record.len_bytes += 1;
        let is_over = byte >= 0x80 && record.len_bytes == MAX_LEN_BYTES;
        if is_over || record.len > u64::from(u32::MAX) {
            let (at, len) = (record.at, record.len);
            self.note(&LENGTH_RULE, at, || ("32 bits".to_owned(), format!("{len} or more")));
            self.leave_unread(at);
        } else if byte < 0x80 {
            self.state = if record.len == 0 { State::Checksum } else { State::Data { left: record.len } };
        }
        1
    }

    fn data(&mut self, bytes: &[u8], left: u64) -> usize {
        let taken = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let data = bytes.get(..taken).unwrap_or_default();
        self.record.checksum.update(data);
        if self.record.data.len().saturating_add(data.len()) <= MAX_DECODED {
            self.record.data.extend_from_slice(data);
        }
        let left = left - len_u64(taken);
        self.state = if left == 0 { State::Checksum } else { State::Data { left } };
        taken
    }

    fn checksum(&mut self, bytes: &[u8]) -> usize {
        let Some(&byte) = bytes.first() else { return 0 };
        self.record.stored = self.record.stored << 8 | u32::from(byte);
        self.record.stored_bytes += 1;
        if self.record.stored_bytes == 4 {
            let mut record = std::mem::take(&mut self.record);
            self.state = State::Fixed;
            self.end_record(&record);
            // the next takes the same memory
            record.data.clear();
            self.record = Record { at: self.at + 1, data: record.data, ..Record::default() };
        }
        1
    }

    fn end_record(&mut self, record: &Record) {
        let doubted = self.declare_doubt();
        let computed = record.checksum.value();
        if record.stored != computed {
            if doubted {
                // two in a row: the length of the first was wrong, and this is no record
                self.leave_unread(record.at);
            } else {
                self.doubt = Some(Doubt { at: record.at, computed, stored: record.stored });
            }
            return;
        }
        self.found.chunks += 1;
        let (at, encoding) = (record.at, record.encoding());
        self.found.out_of_order += u64::from(encoding & OUT_OF_ORDER != 0);
        if record.len_bytes != uvarint_len(record.len) {
            self.note(&PADDED_RULE, at, || (uvarint_len(record.len).to_string(), record.len_bytes.to_string()));
        }
        let (series, first, last) = (record.number(0), record.number(8).cast_signed(), record.number(16).cast_signed());
        if series == 0 || last < first {
            self.note(&RECORD_RULE, at, || {
                ("a series and an interval".to_owned(), format!("series {series}, {first} to {last} ms"))
            });
        }
        if matches!(encoding & !OUT_OF_ORDER, 1..=6) {
            self.decode(record, first, last);
        } else {
            self.note(&ENCODING_RULE, at, || ("1 to 6".to_owned(), (encoding & !OUT_OF_ORDER).to_string()));
        }
    }

    /// Holds the chunk itself to its record.
    fn decode(&mut self, record: &Record, first: i64, last: i64) {
        if len_u64(record.data.len()) != record.len {
            return;
        }
        let at = record.at + len_u64(FIXED + record.len_bytes);
        let faults = &mut self.found.faults;
        let mut note = |rule: &'static Rule, idx: usize, expected: String, found: String| {
            faults.note(rule, "data", at + len_u64(idx), || (expected, found));
        };
        let encoding = record.encoding() & !OUT_OF_ORDER;
        let Some(facts) = read_chunk(encoding, &record.data, Depth::Samples, &mut note) else { return };
        self.found.samples += u64::from(facts.samples);
        let found_last = facts.last_ms.unwrap_or(last);
        if (facts.first_ms, found_last) != (first, last) {
            self.note(&RANGE_RULE, record.at, || {
                (format!("{first} to {last} ms"), format!("{} to {found_last} ms", facts.first_ms))
            });
        }
    }

    /// What was in doubt is wrong. Whether there was a doubt.
    fn declare_doubt(&mut self) -> bool {
        let Some(Doubt { at, computed, stored }) = self.doubt.take() else { return false };
        self.note(&CHECKSUM_RULE, at, || (format!("{computed:08x}"), format!("{stored:08x}")));
        true
    }

    fn leave_unread(&mut self, from: u64) {
        self.declare_doubt();
        self.found.unread_from = Some(from);
        self.state = State::Unread;
    }

    fn tail(&mut self, bytes: &[u8], noted: bool) -> usize {
        let found = bytes.iter().enumerate().find(|(_, byte)| **byte != 0).filter(|_| !noted);
        if let Some((idx, byte)) = found {
            self.note_tail(self.at + len_u64(idx), *byte);
        }
        bytes.len()
    }

    fn note_tail(&mut self, at: u64, byte: u8) {
        self.declare_doubt();
        self.state = State::Tail { noted: true };
        self.note(&TAIL_RULE, at, || ("00".to_owned(), format!("{byte:02x}")));
    }

    fn note(&mut self, rule: &'static Rule, at: u64, words: impl FnOnce() -> (String, String)) {
        self.found.faults.note(rule, "record", at, words);
    }
}

impl Record {
    /// Takes bytes until there are `wanted`.
    fn fill(&mut self, bytes: &[u8], wanted: usize) -> usize {
        let empty = self.fixed.get_mut(self.filled..wanted).unwrap_or_default();
        let taken = empty.len().min(bytes.len());
        for (to, from) in empty.iter_mut().zip(bytes) {
            *to = *from;
        }
        self.filled += taken;
        taken
    }

    /// No series and no times: readers stop here.
    fn is_zero(&self) -> bool {
        self.fixed.iter().take(FIXED - 1).all(|byte| *byte == 0)
    }

    const fn encoding(&self) -> u8 {
        let [.., encoding] = self.fixed;
        encoding
    }

    /// The eight bytes from `idx` on.
    fn number(&self, idx: usize) -> u64 {
        self.fixed.iter().skip(idx).take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

impl Doubt {
    /// The record was cut, and zeros follow: some of the last bytes of its checksum, at least, were not written.
    fn is_cut(&self) -> bool {
        (1..=4).any(|bytes| self.stored == self.computed & u32::MAX.checked_shl(8 * bytes).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tsdb::fault::Faults;

    const REAL: &[u8] = include_bytes!("../../../tests/fixtures/wal/3.15-zstd/chunks_head/000001");

    /// Where the last record of the real file ends.
    const END: usize = 2083;

    fn verified(bytes: &[u8], is_last: bool) -> HeadChunks {
        verified_in(bytes, is_last, bytes.len().max(1))
    }

    fn verified_in(bytes: &[u8], is_last: bool, part: usize) -> HeadChunks {
        let mut verifier = HeadChunksVerifier::new(is_last, len_u64(bytes.len()));
        for part in bytes.chunks(part) {
            verifier.feed(part);
        }
        verifier.finish()
    }

    fn broken(found: &HeadChunks) -> Vec<&'static str> {
        found.faults.rules().map(|broken| broken.rule.id).collect()
    }

    /// The real file with a tail of 40 zeros.
    fn short() -> Vec<u8> {
        REAL[..END + 40].to_vec()
    }

    #[test]
    fn real_files_are_sound() {
        for bytes in [REAL, &REAL[..END], &short(), &REAL[..8]] {
            for is_last in [true, false] {
                let found = verified(bytes, is_last);
                assert_eq!((found.faults, found.torn, found.unread_from), (Faults::default(), None, None));
            }
        }
        let found = verified(REAL, false);
        assert_eq!((found.chunks, found.out_of_order, found.samples), (10, 2, 384));
    }

    #[test]
    fn parts_of_any_size_give_the_same() {
        for idx in [0, 6, 20, 33, 34, 100, END - 1, END + 3, END + 24, END + 30] {
            let mut bytes = short();
            bytes[idx] ^= 0xc0;
            for part in [1, 2, 3, 7, 64] {
                assert_eq!(verified_in(&bytes, true, part), verified(&bytes, true), "byte {idx}, parts of {part}");
            }
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = short();
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(!verified(&bytes, false).faults.is_empty(), "bit {bit}");
            let last = verified(&bytes, true);
            assert!(!last.faults.is_empty() || last.torn.is_some(), "bit {bit} of the last file");
        }
    }

    #[test]
    fn a_cut_is_torn_in_the_last_file_and_a_fault_in_another() {
        let mut ends = vec![HEADER];
        while let Some(at) = ends.last().filter(|at| **at < END) {
            let mut cursor = crate::tsdb::bytes::Cursor::new(&REAL[at + FIXED..]);
            let len = usize::try_from(cursor.uvarint().unwrap()).unwrap();
            ends.push(at + FIXED + cursor.at() + len + 4);
        }
        assert_eq!((ends.len(), ends.last()), (11, Some(&END)));
        for len in 0..END {
            let cut = &REAL[..len];
            // as it is on a file system, and as it is in a file that was allocated in advance
            for tail in [0, 64] {
                let bytes = [cut, &vec![0; tail]].concat();
                // zeros after a record are no other one, and zeros at its end are not missed if others take their place
                let is_whole = ends.iter().any(|end| {
                    bytes.len() >= *end && bytes[..*end] == REAL[..*end] && bytes[*end..].iter().all(|byte| *byte == 0)
                });
                let (last, other) = (verified(&bytes, true), verified(&bytes, false));
                assert_eq!(other.faults.is_empty(), is_whole, "{len} bytes, {tail} zeros");
                let magic_is_cut = (1..HEADER).contains(&len) && tail > 0;
                assert_eq!(last.torn.is_some(), !is_whole && !magic_is_cut, "{len} bytes, {tail} zeros");
                assert_eq!(last.faults.is_empty(), is_whole || !magic_is_cut, "{len} bytes, {tail} zeros");
            }
        }
        let mut verifier = HeadChunksVerifier::new(true, len_u64(REAL.len()));
        verifier.feed(&REAL[..END]);
        assert!(verifier.finish().faults.breaks(&SIZE_RULE));
    }

    #[test]
    fn records_have_to_make_sense() {
        let file = |series: u64, first: i64, last: i64, encoding: u8, len: &[u8], data: &[u8]| {
            let record =
                [&series.to_be_bytes()[..], &first.to_be_bytes(), &last.to_be_bytes(), &[encoding], len, data].concat();
            let checksum = crate::tsdb::checksum::crc32c(&record);
            [&MAGIC[..], &[0; 3], &record, &checksum.to_be_bytes()].concat()
        };
        // one float at time 0
        let data = [0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let none = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        for (bytes, expected) in [
            (file(1, 0, 0, 1, &[11], &data), &[][..]),
            (file(1, 0, 0, 0x81, &[11], &data), &[]),
            (file(0, 0, 1, 1, &[11], &data), &["head_chunks_range", "head_chunks_record"]),
            (file(1, 1, 0, 1, &[11], &data), &["head_chunks_range", "head_chunks_record"]),
            (file(1, -1, 0, 1, &[11], &data), &["head_chunks_range"]),
            (file(1, 0, 1, 1, &[11], &data), &["head_chunks_range"]),
            (file(1, 0, 0, 1, &[11], &none), &["chunk_empty"]),
            (file(1, 0, 0, 1, &[0], &[]), &["chunk_short"]),
            (file(1, 0, 0, 7, &[11], &data), &["head_chunks_encoding"]),
            (file(1, 0, 0, 0xff, &[11], &data), &["head_chunks_encoding"]),
            (file(1, 0, 0, 1, &[0x8b, 0], &data), &["head_chunks_padded_length"]),
            (file(1, 0, 0, 1, &[0x8b, 0x80, 0x80, 0x80, 0x80, 0], &data), &["head_chunks_length"]),
            (file(1, 0, 0, 1, &[0xff, 0xff, 0xff, 0xff, 0x7f], &data), &["head_chunks_length"]),
            (file(1, 0, 0, 1, &[0xff, 0xff, 0xff, 0xff, 0x0f], &data), &["head_chunks_torn"]),
            (file(0, 0, 0, 1, &[11], &data), &["head_chunks_tail"]),
        ] {
            assert_eq!(broken(&verified(&bytes, false)), expected, "{bytes:02x?}");
        }
    }
}
