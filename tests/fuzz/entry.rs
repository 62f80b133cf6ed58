//! What each fuzz target does with its input. `tests/fuzzed.rs` does the same with what has made one of them fail.
//!
//! Inputs of parsers of binary files begin with two bytes: how the file is split, and how it is mended before it is read
//! (bit 0: checksums are made right, which no fuzzer guesses).

mod block;

use blockwarden::model::{Interner, Severity};
use blockwarden::tsdb::checksum::crc32c;
use blockwarden::tsdb::chunk::{Depth, Kind, read_chunk, rules, times};
use blockwarden::tsdb::head::HeadChunksVerifier;
use blockwarden::tsdb::tombstones::{MAX_KEPT, TombstonesVerifier};
use blockwarden::tsdb::wal::{WalFolder, WalKind, WalSegmentVerifier};
use blockwarden::tsdb::{Faults, parse_deletion_mark, parse_meta, parse_no_compact_mark, parse_no_downsample_mark};
use ulid::Ulid;

/// A target.
pub(crate) type Target = fn(&[u8]);

/// All targets, by name.
pub(crate) const TARGETS: &[(&str, Target)] = &[
    ("meta_json", meta_json),
    ("marks", marks),
    ("tombstones", tombstones),
    ("wal", wal),
    ("wal_folder", wal_folder),
    ("head_chunks", head_chunks),
    ("chunk", chunk),
    ("aggregate", aggregate),
    ("index", block::index),
    ("segment", block::segment),
    ("whole_block", block::whole_block),
];

/// Runs one of them.
pub(crate) fn run(name: &str, data: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target of this name");
    target(data);
}

/// `meta.json`: what is read is read again in the same way.
fn meta_json(data: &[u8]) {
    let read = |interner: &mut Interner| parse_meta(data, Ulid::nil(), interner);
    let mut interner = Interner::default();
    let parsed = read(&mut interner);
    assert_eq!(parsed, read(&mut interner));
    assert!(parsed.meta.is_some() || !parsed.problems.is_empty(), "nothing is read, and nothing is wrong");
}

/// The three marks.
fn marks(data: &[u8]) {
    let words = [
        parse_deletion_mark(data, Ulid::nil()).err(),
        parse_no_compact_mark(data, Ulid::nil()).err(),
        parse_no_downsample_mark(data, Ulid::nil()).err(),
    ];
    for problem in words.into_iter().flatten() {
        assert!(!problem.text.is_empty());
    }
}

/// `tombstones`
fn tombstones(data: &[u8]) {
    let Some((how, mut file)) = input(data) else { return };
    if how.mended {
        mend(&mut file, 5);
    }
    let read = |parts: Parts<'_>| {
        let mut verifier = TombstonesVerifier::new(size(&file));
        parts.for_each(|part| verifier.feed(part));
        verifier.finish()
    };
    let whole = read(How::whole(&file));
    assert_eq!(whole, read(how.parts(&file)));
    assert!(whole.stones.len() <= MAX_KEPT && whole.stones.is_sorted_by_key(|stone| stone.series));
    assert_eq!(whole.all_kept, size(&whole.stones) == whole.intervals);
    assert!(whole.intervals * 3 + 9 <= size(&file).max(9));
    may_be_printed(&whole.faults);
}

/// One segment of a log. The bits after the first of the second byte say of which kind, and whether it is the last.
fn wal(data: &[u8]) {
    let Some((how, mut file)) = input(data) else { return };
    if how.mended {
        mend_fragments(&mut file);
    }
    let kind = match how.rest & 3 {
        0 => WalKind::Wal,
        1 => WalKind::Wbl,
        2 => WalKind::Checkpoint,
        _ => WalKind::ChunkSnapshot,
    };
    let read = |parts: Parts<'_>| {
        let mut verifier = WalSegmentVerifier::new(kind, how.rest & 4 != 0, size(&file));
        parts.for_each(|part| verifier.feed(part));
        verifier.finish()
    };
    let whole = read(How::whole(&file));
    assert_eq!(whole, read(how.parts(&file)));
    assert_eq!(whole.bytes, size(&file));
    assert!(whole.records <= whole.fragments && whole.fragments * 7 <= whole.bytes);
    assert!(whole.torn.is_none_or(|at| at < whole.bytes));
    may_be_printed(&whole.faults);
}

/// The names of a log's files, one per line.
fn wal_folder(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for kind in [WalKind::Wal, WalKind::Wbl] {
        let folder = WalFolder::new(kind, text.lines());
        let mut backwards: Vec<&str> = text.lines().collect();
        backwards.reverse();
        let other = WalFolder::new(kind, backwards);
        assert!(folder.segments.keys().eq(other.segments.keys()));
        assert_eq!(folder.faults.count(), other.faults.count());
        may_be_printed(&folder.faults);
    }
}

/// One file of head chunks.
fn head_chunks(data: &[u8]) {
    let Some((how, mut file)) = input(data) else { return };
    if how.mended {
        mend_head_chunks(&mut file);
    }
    let read = |parts: Parts<'_>| {
        let mut verifier = HeadChunksVerifier::new(how.rest & 1 != 0, size(&file));
        parts.for_each(|part| verifier.feed(part));
        verifier.finish()
    };
    let whole = read(How::whole(&file));
    assert_eq!(whole, read(how.parts(&file)));
    assert!(whole.chunks * 30 <= size(&file) && whole.out_of_order <= whole.chunks);
    may_be_printed(&whole.faults);
}

/// The data of a chunk, after the number of their encoding.
fn chunk(data: &[u8]) {
    if let Some((encoding, data)) = data.split_first() {
        one_chunk(*encoding, data);
    }
}

/// The data of a chunk that Thanos has downsampled.
fn aggregate(data: &[u8]) {
    one_chunk(255, data);
}

fn one_chunk(encoding: u8, data: &[u8]) {
    let read = |depth| {
        let mut faults = Faults::default();
        let facts = read_chunk(encoding, data, depth, &mut |rule, at, expected, found| {
            assert!(at <= data.len(), "{} at {at} of {}", rule.id, data.len());
            faults.note(rule, "chunk", size(&data[..at]), || (expected, found));
        });
        (facts, faults)
    };
    let (head, _) = read(Depth::Head);
    let (facts, faults) = read(Depth::Samples);
    may_be_printed(&faults);
    // what is of no known encoding may be sound, but not for us
    let is_critical = faults.rules().any(|broken| broken.rule.severity == Severity::Critical);
    let is_sound = !is_critical && !faults.breaks(&rules::ENCODING);
    assert!(facts.is_some() || !is_sound, "nothing is read, and nothing is wrong");
    let Some(facts) = facts else { return };
    let head = head.expect("what can be read to the end can be begun");
    assert_eq!((head.kind, head.samples, head.first_ms), (facts.kind, facts.samples, facts.first_ms));
    assert!(!is_sound || facts.last_ms.is_some());
    let times = times(encoding, data);
    if is_sound {
        let times = times.expect("a sound chunk has times");
        assert_eq!(size(&times.at_ms), u64::from(facts.samples));
        assert_eq!(times.at_ms.first(), Some(&facts.first_ms));
        assert_eq!(times.at_ms.last().copied(), facts.last_ms);
        assert!(times.at_ms.is_sorted_by(|a, b| a < b));
        assert!(facts.kind != Kind::Aggregates || encoding == 255);
    }
}

/// How a file is read.
#[derive(Clone, Copy)]
struct How {
    split: u8,
    mended: bool,
    rest: u8,
}

/// The parts of a file.
type Parts<'a> = Box<dyn Iterator<Item = &'a [u8]> + 'a>;

impl How {
    fn whole(file: &[u8]) -> Parts<'_> {
        Box::new(std::iter::once(file))
    }

    /// Parts of one size, or of sizes that follow from it.
    fn parts(self, file: &[u8]) -> Parts<'_> {
        let mut left = file;
        let mut len = usize::from(self.split & 0x7f) + 1;
        Box::new(std::iter::from_fn(move || {
            if left.is_empty() {
                return None;
            }
            let (part, rest) = left.split_at(len.min(left.len()));
            if self.split > 0x7f {
                len = len * 31 % 257 + 1;
            }
            left = rest;
            Some(part)
        }))
    }
}

fn input(data: &[u8]) -> Option<(How, Vec<u8>)> {
    let [split, how, file @ ..] = data else { return None };
    Some((How { split: *split, mended: how & 1 != 0, rest: how >> 1 }, file.to_vec()))
}

fn size<T>(of: &[T]) -> u64 {
    u64::try_from(of.len()).expect("it is in memory")
}

/// The words of every fault are read by someone.
fn may_be_printed(faults: &Faults) {
    for fault in faults.rules().flat_map(|broken| &broken.first) {
        assert!(fault.expected.len() + fault.found.len() < 10_000, "{}", fault.rule.id);
    }
}

/// Makes the checksum in the last four bytes that of what is before it, from `from` on.
fn mend(bytes: &mut [u8], from: usize) {
    let Some(end) = bytes.len().checked_sub(4) else { return };
    if let Some(covered) = bytes.get(from..end) {
        let checksum = crc32c(covered).to_be_bytes();
        bytes[end..].copy_from_slice(&checksum);
    }
}

/// An unsigned LEB128 number and how many bytes it takes.
fn uvarint(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0_u64;
    for (idx, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * idx);
        if *byte < 0x80 {
            return usize::try_from(value).ok().map(|value| (value, idx + 1));
        }
    }
    None
}

fn mend_fragments(file: &mut [u8]) {
    for page in file.chunks_mut(32 * 1024) {
        let mut at = 0;
        while let Some(&[flags, high, low]) = page.get(at..at + 3) {
            let end = at + 7 + usize::from(u16::from_be_bytes([high, low]));
            if flags.trailing_zeros() >= 3 || end > page.len() {
                break;
            }
            let checksum = crc32c(&page[at + 7..end]).to_be_bytes();
            page[at + 3..at + 7].copy_from_slice(&checksum);
            at = end;
        }
    }
}

fn mend_head_chunks(file: &mut [u8]) {
    let mut at = 8;
    while let Some((len, prefix)) = file.get(at + 25..).and_then(uvarint) {
        let end = at + 25 + prefix + len + 4;
        if end > file.len() {
            break;
        }
        mend(&mut file[at..end], 0);
        at = end;
    }
}
