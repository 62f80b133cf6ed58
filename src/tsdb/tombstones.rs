//! `tombstones`: which samples of a block are deleted (`tsdb/tombstones/tombstones.go` of Prometheus).
//!
//! `01 30 BA 30 | 01 | { uvarint series, varint first, varint last }* | CRC32C`. The checksum covers the stones only; the
//! header is covered by being known.

use super::bytes::{len_u64, unzigzag, uvarint_len};
use super::checksum::{self, Running};
use super::fault::{Faults, Rule};
use crate::model::Damage;

/// First four bytes of the file.
pub const MAGIC: [u8; 4] = [0x01, 0x30, 0xba, 0x30];

/// The only version.
pub const VERSION: u8 = 1;

/// Bytes before the first stone.
const HEADER: u64 = 5;

/// The least size of a file: one without a stone.
pub const MIN_SIZE: u64 = HEADER + 4;

/// So many stones are kept (32 bytes each); the others are proven and counted.
pub const MAX_KEPT: usize = 2 << 20;

/// The file begins otherwise.
pub static MAGIC_RULE: Rule =
    Rule::critical("tombstones_magic", Damage::Tombstone, "does not begin with the four bytes of a tombstones file");
/// A version that no reader knows.
pub static VERSION_RULE: Rule =
    Rule::critical("tombstones_version", Damage::Tombstone, "has a version that no reader knows");
/// Too few bytes for a file without any stone, or not as many as were listed.
pub static SIZE_RULE: Rule =
    Rule::critical("tombstones_size", Damage::Tombstone, "has another size than it has to have");
/// The stones are not the ones that were written.
pub static CHECKSUM_RULE: Rule =
    Rule::critical("tombstones_checksum", Damage::Tombstone, "has stones that do not match their checksum");
/// A number of more than 64 bits, or one that the end cuts.
pub static NUMBER_RULE: Rule = Rule::critical(
    "tombstones_number",
    Damage::Tombstone,
    "has a number that cannot be read, so what follows cannot either",
);
/// No writer takes more bytes than a number needs; readers do not care.
pub static PADDED_RULE: Rule =
    Rule::warning("tombstones_padded_number", Damage::Tombstone, "has a number that takes more bytes than it needs");
/// Readers search in intervals by their ends and go wrong.
pub static BACKWARDS_RULE: Rule =
    Rule::critical("tombstones_backwards", Damage::Tombstone, "has an interval that ends before it begins");
/// Readers sort while they read.
pub static UNSORTED_RULE: Rule =
    Rule::warning("tombstones_unsorted", Damage::Tombstone, "has intervals of a series that are not in order of time");
/// Readers merge while they read; no writer leaves such.
pub static OVERLAP_RULE: Rule =
    Rule::warning("tombstones_overlap", Damage::Tombstone, "has intervals of a series that overlap");

/// What this file can break.
pub static RULES: &[&Rule] = &[
    &MAGIC_RULE,
    &VERSION_RULE,
    &SIZE_RULE,
    &CHECKSUM_RULE,
    &NUMBER_RULE,
    &PADDED_RULE,
    &BACKWARDS_RULE,
    &UNSORTED_RULE,
    &OVERLAP_RULE,
];

/// A deleted interval of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stone {
    /// Reference of the series, as postings have it: in index format 2 the offset of its entry divided by 16.
    pub series: u64,
    /// First deleted time, in ms.
    pub first_ms: i64,
    /// Last deleted time, in ms, included.
    pub last_ms: i64,
    /// Where it stands, in bytes from the start of the file.
    pub at: u64,
}

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tombstones {
    /// The intervals, by series and then as they stand in the file.
    pub stones: Vec<Stone>,
    /// How many there are.
    pub intervals: u64,
    /// `stones` holds them all; otherwise the first [`MAX_KEPT`].
    pub all_kept: bool,
    /// What is wrong.
    pub faults: Faults,
}

/// Proves a file that comes in parts.
#[derive(Clone, Debug)]
pub struct TombstonesVerifier {
    size: u64,
    at: u64,
    checksum: Running,
    stored: u32,
    number: Number,
    fields: Fields,
    lost: bool,
    last: Option<Stone>,
    found: Tombstones,
}

/// The number that is being read.
#[derive(Clone, Copy, Debug, Default)]
struct Number {
    value: u64,
    len: u32,
}

/// The stone that is being read.
#[derive(Clone, Copy, Debug, Default)]
struct Fields {
    at: u64,
    series: Option<u64>,
    first_ms: Option<i64>,
}

impl TombstonesVerifier {
    /// For a file of `size` bytes: the checksum stands in its last four.
    pub fn new(size: u64) -> Self {
        Self {
            size,
            at: 0,
            checksum: Running::default(),
            stored: 0,
            number: Number::default(),
            fields: Fields { at: HEADER, ..Fields::default() },
            lost: false,
            last: None,
            found: Tombstones { all_kept: true, ..Tombstones::default() },
        }
    }

    /// The next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        let stones_end = self.size.saturating_sub(len_u64(checksum::LEN)).max(HEADER);
        let stones_from = skipped(HEADER.saturating_sub(self.at), bytes);
        let stones_to = skipped(stones_end.saturating_sub(self.at), bytes).max(stones_from);
        for byte in bytes.get(..stones_from).unwrap_or_default() {
            self.header(*byte);
            self.at += 1;
        }
        let stones = bytes.get(stones_from..stones_to).unwrap_or_default();
        self.checksum.update(stones);
        for byte in stones {
            self.stone_byte(*byte);
            self.at += 1;
        }
        for byte in bytes.get(stones_to..).unwrap_or_default() {
            if self.at < self.size {
                self.stored = self.stored << 8 | u32::from(*byte);
            }
            self.at += 1;
        }
    }

    /// What the file says, after its last byte.
    pub fn finish(mut self) -> Tombstones {
        let (size, at) = (self.size, self.at);
        if at != size {
            self.note(&SIZE_RULE, at.min(size), || (format!("{size} bytes"), format!("{at} bytes")));
        } else if size < MIN_SIZE {
            self.note(&SIZE_RULE, size, || (format!("at least {MIN_SIZE} bytes"), format!("{size} bytes")));
        } else {
            let between = self.number.len > 0 || self.fields.series.is_some();
            if between && !self.lost {
                let stone = self.fields.at;
                self.note(&NUMBER_RULE, stone, || ("three numbers".to_owned(), "the end of the stones".to_owned()));
            }
            let (stored, computed) = (self.stored, self.checksum.value());
            if stored != computed {
                let at = size - len_u64(checksum::LEN);
                self.note(&CHECKSUM_RULE, at, || (format!("{computed:08x}"), format!("{stored:08x}")));
            }
        }
        self.found.stones.sort_by_key(|stone| stone.series); // stable
        for (previous, next) in self.found.stones.iter().zip(self.found.stones.iter().skip(1)) {
            check_order(*previous, *next, &mut self.found.faults);
        }
        self.found
    }

    fn header(&mut self, byte: u8) {
        let at = self.at;
        let (rule, expected) = match usize::try_from(at).ok().and_then(|idx| MAGIC.get(idx)) {
            Some(expected) => (&MAGIC_RULE, *expected),
            None => (&VERSION_RULE, VERSION),
        };
        if byte != expected {
            self.note(rule, at, || (format!("{expected:02x}"), format!("{byte:02x}")));
        }
    }

    fn stone_byte(&mut self, byte: u8) {
        if self.lost {
            return;
        }
        let Number { value, len } = self.number;
        if len == 9 && byte > 1 {
            self.lost = true;
            let stone = self.fields.at;
            self.note(&NUMBER_RULE, stone, || ("64 bits".to_owned(), "more".to_owned()));
            return;
        }
        let value = value | u64::from(byte & 0x7f) << (7 * len);
        let len = len + 1;
        if byte >= 0x80 {
            self.number = Number { value, len };
            return;
        }
        self.number = Number::default();
        let needed = uvarint_len(value);
        if usize::try_from(len) != Ok(needed) {
            let at = self.at;
            self.note(&PADDED_RULE, at, || (format!("{needed} bytes for {value}"), len.to_string()));
        }
        let fields = self.fields;
        match (fields.series, fields.first_ms) {
            (None, _) => self.fields.series = Some(value),
            (Some(_), None) => self.fields.first_ms = Some(unzigzag(value)),
            (Some(series), Some(first_ms)) => {
                self.stone(Stone { series, first_ms, last_ms: unzigzag(value), at: fields.at });
                self.fields = Fields { at: self.at + 1, ..Fields::default() };
            }
        }
    }

    fn stone(&mut self, stone: Stone) {
        if stone.last_ms < stone.first_ms {
            self.note(&BACKWARDS_RULE, stone.at, || {
                (format!("a last time from {} on", stone.first_ms), stone.last_ms.to_string())
            });
        }
        self.found.intervals += 1;
        if self.found.stones.len() < MAX_KEPT {
            self.found.stones.push(stone);
        } else {
            // those that are kept are compared at the end, whatever stands between them
            self.found.all_kept = false;
            if let Some(last) = self.last {
                check_order(last, stone, &mut self.found.faults);
            }
        }
        self.last = Some(stone);
    }

    fn note(&mut self, rule: &'static Rule, at: u64, words: impl FnOnce() -> (String, String)) {
        self.found.faults.note(rule, "stones", at, words);
    }
}

/// How many of `bytes` come before a place that is `distance` away.
fn skipped(distance: u64, bytes: &[u8]) -> usize {
    usize::try_from(distance).map_or(bytes.len(), |distance| distance.min(bytes.len()))
}

/// Two stones, `next` after `previous` in the file.
fn check_order(previous: Stone, next: Stone, faults: &mut Faults) {
    if previous.series != next.series {
        return;
    }
    let words = || {
        (
            format!("series {} after {} ms", next.series, previous.last_ms),
            format!("{} to {} ms", next.first_ms, next.last_ms),
        )
    };
    if next.last_ms < previous.first_ms {
        faults.note(&UNSORTED_RULE, "stones", next.at, words);
    } else if next.first_ms <= previous.last_ms {
        faults.note(&OVERLAP_RULE, "stones", next.at, words);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tsdb::checksum::crc32c;

    const REAL: &[u8] = include_bytes!("../../tests/fixtures/wal/3.15-zstd/block/tombstones");

    fn verified(bytes: &[u8]) -> Tombstones {
        verified_in(bytes, bytes.len().max(1))
    }

    fn verified_in(bytes: &[u8], part: usize) -> Tombstones {
        let mut verifier = TombstonesVerifier::new(len_u64(bytes.len()));
        for part in bytes.chunks(part) {
            verifier.feed(part);
        }
        verifier.finish()
    }

    fn broken(bytes: &[u8]) -> Vec<&'static str> {
        verified(bytes).faults.rules().map(|broken| broken.rule.id).collect()
    }

    fn file(stones: &[u8]) -> Vec<u8> {
        [&MAGIC, &[VERSION][..], stones, &crc32c(stones).to_be_bytes()].concat()
    }

    #[test]
    fn real_files_are_sound() {
        let empty = [0x01, 0x30, 0xba, 0x30, 0x01, 0, 0, 0, 0];
        assert_eq!(verified(&empty), Tombstones { all_kept: true, ..Tombstones::default() });

        let found = verified(REAL);
        assert_eq!(found.faults, Faults::default());
        assert!(found.all_kept);
        // eight series, of which four have lost two intervals
        assert_eq!((found.intervals, found.stones.len()), (12, 12));
        let first = 1_767_225_600_000 + 60_000;
        assert!(found.stones.iter().any(|stone| (stone.first_ms, stone.last_ms) == (first, first + 60_000)));
        assert!(found.stones.is_sorted_by_key(|stone| (stone.series, stone.first_ms)));
        assert_eq!(found.stones.iter().map(|stone| stone.at).min(), Some(HEADER));
    }

    #[test]
    fn parts_of_any_size_give_the_same() {
        let mut files = vec![REAL.to_vec()];
        for idx in [0, 4, 20, 100, REAL.len() - 1] {
            let mut bytes = REAL.to_vec();
            bytes[idx] ^= 0xc0;
            files.push(bytes);
        }
        for bytes in files {
            for part in [1, 2, 3, 7, 64] {
                assert_eq!(verified_in(&bytes, part), verified(&bytes), "parts of {part}");
            }
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        for bit in 0..REAL.len() * 8 {
            let mut bytes = REAL.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(!broken(&bytes).is_empty(), "bit {bit}");
        }
        for len in 0..REAL.len() {
            assert!(!broken(&REAL[..len]).is_empty(), "{len} bytes");
            let mut verifier = TombstonesVerifier::new(len_u64(REAL.len()));
            verifier.feed(&REAL[..len]);
            assert!(verifier.finish().faults.breaks(&SIZE_RULE), "{len} bytes of those that were listed");
        }
        let mut verifier = TombstonesVerifier::new(9);
        verifier.feed(REAL);
        assert!(verifier.finish().faults.breaks(&SIZE_RULE));
    }

    #[test]
    fn stones_are_held_to_their_order() {
        let max = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        for (stones, expected) in [
            (&[1, 2, 4, 1, 6, 8][..], &[][..]),
            (&[1, 6, 8, 2, 2, 4], &[]),
            (&[1, 6, 8, 2, 2, 4, 1, 2, 4], &["tombstones_unsorted"]),
            (&[1, 2, 4, 2, 2, 4, 1, 4, 8], &["tombstones_overlap"]),
            (&[1, 2, 4, 1, 2, 4], &["tombstones_overlap"]),
            (&[1, 4, 2], &["tombstones_backwards"]),
            (&[0x81, 0, 2, 4], &["tombstones_padded_number"]),
            (&[1, 2], &["tombstones_number"]),
            (&[1, 2, 0x80], &["tombstones_number"]),
            (&[0xff; 12], &["tombstones_number"]),
            (&[&max[..], &max, &max].concat(), &[]),
        ] {
            assert_eq!(broken(&file(stones)), expected, "{stones:?}");
        }
        let found =
            verified(&file(&[&[7][..], &max, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]].concat()));
        assert_eq!(found.stones, [Stone { series: 7, first_ms: i64::MIN, last_ms: i64::MAX, at: 5 }]);
    }

    #[test]
    fn what_is_not_kept_is_proven_and_counted() {
        let stones = [1, 2, 4].repeat(MAX_KEPT + 2);
        let found = verified(&file(&stones));
        assert_eq!((found.stones.len(), found.all_kept), (MAX_KEPT, false));
        assert_eq!(found.intervals, len_u64(MAX_KEPT) + 2);
        assert_eq!(found.faults.count(), len_u64(MAX_KEPT) + 1);
    }
}
