//! Logs that real servers wrote, what is done to them, and logs that nobody writes.

use super::*;
use crate::tsdb::checksum::crc32c;

/// Uncompressed, of a server that was killed: it ends where its last record ends.
const PLAIN: &[u8] = include_bytes!("../../../tests/fixtures/wal/3.15-killed/wal/00000000");
/// Snappy, two pages.
const SNAPPY: &[u8] = include_bytes!("../../../tests/fixtures/wal/2.42-snappy/wal/00000000");
/// Zstd, where that is shorter.
const ZSTD: &[u8] = include_bytes!("../../../tests/fixtures/wal/3.15-zstd/wal/00000004");
const WBL: &[u8] = include_bytes!("../../../tests/fixtures/wal/3.15-zstd/wbl/00000004");
const CHECKPOINT: &[u8] = include_bytes!("../../../tests/fixtures/wal/3.15-zstd/wal/checkpoint.00000001/00000000");
const SNAPSHOT: &[u8] =
    include_bytes!("../../../tests/fixtures/wal/3.15-zstd/chunk_snapshot.000004.0000032768/00000000");

const REAL: [(WalKind, &[u8]); 6] = [
    (WalKind::Wal, PLAIN),
    (WalKind::Wal, SNAPPY),
    (WalKind::Wal, ZSTD),
    (WalKind::Wbl, WBL),
    (WalKind::Checkpoint, CHECKPOINT),
    (WalKind::ChunkSnapshot, SNAPSHOT),
];

fn verified(kind: WalKind, is_last: bool, bytes: &[u8]) -> WalSegment {
    verified_in(kind, is_last, bytes, bytes.len().max(1))
}

fn verified_in(kind: WalKind, is_last: bool, bytes: &[u8], part: usize) -> WalSegment {
    let mut verifier = WalSegmentVerifier::new(kind, is_last, len_u64(bytes.len()));
    for part in bytes.chunks(part) {
        verifier.feed(part);
    }
    verifier.finish()
}

fn broken(bytes: &[u8]) -> Vec<&'static str> {
    verified(WalKind::Wal, false, bytes).faults.rules().map(|broken| broken.rule.id).collect()
}

/// A fragment with a right checksum.
fn fragment(flags: u8, data: &[u8]) -> Vec<u8> {
    let len = u16::try_from(data.len()).unwrap();
    [&[flags][..], &len.to_be_bytes(), &crc32c(data).to_be_bytes(), data].concat()
}

/// The bytes with zeros up to the end of the page.
fn page(bytes: &[u8]) -> Vec<u8> {
    let mut page = bytes.to_vec();
    page.resize(bytes.len().next_multiple_of(usize::try_from(PAGE).unwrap()), 0);
    page
}

/// The bytes up to the end of the last record.
fn without_padding(bytes: &[u8]) -> &[u8] {
    let page = usize::try_from(PAGE).unwrap();
    let (mut at, mut end) = (0, 0);
    while at < bytes.len() {
        if bytes[at] == 0 || page - at % page < 7 {
            at = at / page * page + page;
        } else {
            at += 7 + usize::from(u16::from_be_bytes([bytes[at + 1], bytes[at + 2]]));
            end = at;
        }
    }
    &bytes[..end]
}

#[test]
fn real_segments_are_sound() {
    for (kind, bytes) in REAL {
        for bytes in [bytes, without_padding(bytes), &page(bytes)] {
            for is_last in [true, false] {
                let found = verified(kind, is_last, bytes);
                assert_eq!((&found.faults, found.torn), (&Faults::default(), None), "{kind:?}");
                assert_eq!(found.bytes, len_u64(bytes.len()));
                assert_eq!(found.types.values().sum::<u64>() + found.zstd, found.records, "{kind:?}");
                assert!(found.types.keys().all(|first| kind.knows(*first)), "{kind:?}: {:?}", found.types);
            }
        }
    }
    let facts = REAL.map(|(kind, bytes)| {
        let found = verified(kind, false, bytes);
        (found.records, found.fragments, found.snappy, found.zstd, found.types.into_iter().collect::<Vec<_>>())
    });
    let plain = (131, 131, 0, 0, vec![(1, 1), (2, 130)]);
    // one record goes over the end of the first page; what compression does not shorten is written as it is
    let snappy = (512, 513, 342, 0, vec![(1, 1), (2, 170), (3, 1), (4, 170), (7, 170)]);
    let zstd = (210, 210, 0, 26, vec![(2, 69), (4, 24), (7, 69), (9, 22)]);
    let wbl = (94, 94, 0, 0, vec![(2, 45), (5, 4), (7, 45)]);
    let (checkpoint, snapshot) = ((1, 1, 0, 1, vec![]), (10, 10, 0, 8, vec![(1, 1), (2, 1)]));
    assert_eq!(facts, [plain, snappy, zstd, wbl, checkpoint, snapshot]);
}

#[test]
fn parts_of_any_size_give_the_same() {
    for (kind, real) in REAL {
        for idx in [None, Some(0), Some(1), Some(5), Some(9), Some(700), Some(real.len() - 1)] {
            let mut bytes = real.to_vec();
            if let Some(idx) = idx {
                bytes[idx] ^= 0x41;
            }
            for part in [1, 2, 3, 7, 64, 5000] {
                let (parts, whole) = (verified_in(kind, true, &bytes, part), verified(kind, true, &bytes));
                assert_eq!(parts, whole, "{kind:?}, byte {idx:?}, parts of {part}");
            }
        }
    }
}

/// No bit is uncovered: the list of those that may be flipped without notice is empty for every real segment.
#[test]
fn every_flipped_bit_is_noticed() {
    for (kind, real) in REAL {
        // the records, and padding up to the end of a page shortened to some bytes
        let records = without_padding(real);
        let short = &real[..(records.len() + 16).min(real.len())];
        let healthy = verified(kind, true, short);
        // of one that is long, some of its first bytes, the end of its first page and its own end
        let page = usize::try_from(PAGE).unwrap();
        let is_tried =
            |idx: &usize| short.len() < 6000 || *idx < 2000 || idx.abs_diff(page) < 50 || idx + 50 > short.len();
        let bits = (0..short.len()).filter(is_tried).flat_map(|idx| idx * 8..idx * 8 + 8);
        let mut unnoticed = Vec::new();
        let mut bytes = short.to_vec();
        for bit in bits {
            bytes[bit / 8] ^= 1 << (bit % 8);
            let found = verified(kind, true, &bytes);
            if found.faults.is_empty() && found.torn == healthy.torn {
                unnoticed.push(bit);
            }
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!(unnoticed, Vec::<usize>::new(), "{kind:?} of {} bytes", short.len());
    }
}

#[test]
fn a_cut_is_torn_or_at_the_end_of_a_record() {
    for (kind, real) in REAL {
        let records = without_padding(real);
        let whole = verified(kind, false, records).records;
        let mut at_ends = 0;
        for len in (0..records.len()).filter(|len| len % 97 == 0 || *len < 2000 || records.len() < 6000) {
            let (last, other) = (verified(kind, true, &records[..len]), verified(kind, false, &records[..len]));
            let torn = last.torn.is_some();
            at_ends += u64::from(!torn);
            assert_eq!(other.torn, last.torn);
            assert_eq!(other.faults.breaks(&TORN_RULE), torn, "{kind:?}, {len} bytes");
            assert_eq!(last.faults.is_empty(), !torn || !kind.is_written_at_once(), "{kind:?}, {len} bytes");
            assert!(last.records < whole);
        }
        if records.len() < 6000 {
            assert_eq!(at_ends, whole, "{kind:?}");
        }
    }
    let mut verifier = WalSegmentVerifier::new(WalKind::Wal, true, len_u64(PLAIN.len()));
    verifier.feed(&PLAIN[..PLAIN.len() / 2]);
    assert!(verifier.finish().faults.breaks(&SIZE_RULE));
}

#[test]
fn fragments_are_held_to_their_form() {
    let full = fragment(1, &[2, 7]);
    let three = [fragment(2, &[2]), fragment(3, &[7]), fragment(4, &[8])];
    let [first, middle, last] = &three;
    let snappy = [3, 2 << 2, 2, 7, 8];
    let zstd = [0x28, 0xb5, 0x2f, 0xfd, 1, 2, 3];
    let mut wrong = full.clone();
    wrong[8] ^= 1;
    let mut long = full.clone();
    long[1] = 0x80;
    let max = 32 * 1024 - 7;
    let next_page = |bytes: &[u8]| [page(bytes), full.clone()].concat();
    for (bytes, expected, records) in [
        (vec![], &[][..], 0),
        (full.clone(), &[], 1),
        (three.concat(), &[], 1),
        (fragment(1, &[]), &["wal_record_empty"], 1),
        (fragment(1, &[99, 1]), &[], 1),
        (next_page(&full), &[], 2),
        (next_page(&[0]), &[], 1),
        ([fragment(2, &vec![2; max]), fragment(3, &vec![7; max]), fragment(4, &[1])].concat(), &[], 1),
        (next_page(&fragment(1, &vec![2; max - 6])), &[], 2),
        (next_page(&wrong), &["wal_checksum"], 1),
        (next_page(&long), &["wal_fragment_length"], 1),
        (next_page(&fragment(5, &[2])), &["wal_fragment_type"], 1),
        (next_page(&[0, 0, 1]), &["wal_padding"], 1),
        (next_page(&[0x20]), &["wal_reserved_bits"], 1),
        (fragment(0x21, &[2]), &["wal_reserved_bits"], 1),
        ([first, &full[..]].concat(), &["wal_fragment_order"], 1),
        ([first, first, &last[..]].concat(), &["wal_fragment_order"], 1),
        (middle.clone(), &["wal_fragment_order"], 0),
        ([middle, middle, &last[..]].concat(), &["wal_fragment_order"], 0),
        ([last, &full[..]].concat(), &["wal_fragment_order"], 1),
        // a record that was lost with the page that it began on is not lost twice
        ([page(&wrong), three[1..].concat(), full.clone()].concat(), &["wal_checksum"], 1),
        ([page(&[&first[..], &wrong].concat()), three[2..].concat()].concat(), &["wal_checksum"], 0),
        (first.clone(), &["wal_torn"], 0),
        ([&first[..], middle].concat(), &["wal_torn"], 0),
        (page(first), &["wal_torn"], 0),
        (full[..3].to_vec(), &["wal_torn"], 0),
        ([fragment(1, &vec![2; max - 3]), full.clone()].concat(), &["wal_page_crossed"], 2),
        ([fragment(1, &vec![2; max - 8]), full.clone()].concat(), &["wal_page_crossed"], 2),
        (fragment(9, &snappy), &[], 1),
        (fragment(9, &[0]), &[], 1),
        (fragment(9, &snappy[..4]), &["wal_compression"], 1),
        (fragment(9, &[]), &["wal_compression", "wal_record_empty"], 1),
        (fragment(0x19, &snappy), &["wal_reserved_bits"], 1),
        (fragment(1, &[&[14, 13 << 2][..], &[9; 14]].concat()), &["wal_compression_hidden"], 1),
        (fragment(0x11, &zstd), &[], 1),
        (fragment(0x11, &zstd[1..]), &["wal_compression"], 1),
        (fragment(0x11, &zstd[..3]), &["wal_compression"], 1),
        (fragment(1, &zstd), &["wal_compression_hidden"], 1),
        ([fragment(0x12, &zstd[..2]), fragment(0x14, &zstd[2..])].concat(), &[], 1),
        ([fragment(0x12, &zstd[..2]), fragment(4, &zstd[2..])].concat(), &["wal_compression_mixed"], 1),
    ] {
        let found = verified(WalKind::Wal, false, &bytes);
        let shown = &bytes[..bytes.len().min(64)];
        assert_eq!((broken(&bytes), found.records), (expected.to_vec(), records), "{shown:02x?} of {}", bytes.len());
        assert!(found.faults.count() <= 2, "{shown:02x?}: {:?}", found.faults);
    }
}

#[test]
fn a_log_can_be_replayed_from_its_folder() {
    let gap = GAP_RULE.id;
    let (after, missing) = (CHECKPOINT_GAP_RULE.id, CHECKPOINT_MISSING_RULE.id);
    for (paths, wal, wbl) in [
        (&[][..], &[][..], &[][..]),
        (&["00000000", "00000001"], &[], &[]),
        (&["00000001", "00000000"], &[], &[]),
        (&["00000000", "00000002", "00000004"], &[gap], &[gap]),
        (&["00000003"], &[missing], &[]),
        (&["checkpoint.00000002/00000000", "00000003"], &[], &[]),
        (&["checkpoint.000002/00000000", "checkpoint.000002/00000001", "00000002", "00000003"], &[], &[]),
        (&["checkpoint.00000002/00000000", "00000004"], &[after], &[after]),
        (&["checkpoint.00000002/00000000"], &[after], &[after]),
        (&["checkpoint.00000002/00000000", "00000000", "00000001", "00000002"], &[after], &[after]),
        (&["checkpoint.00000002/00000000", "checkpoint.00000002/00000002", "00000003"], &[gap], &[gap]),
        (&["checkpoint.00000002/00000001", "00000003"], &["wal_checkpoint_empty"], &["wal_checkpoint_empty"]),
        (
            &["checkpoint.00000001/00000000", "checkpoint.00000002/00000000", "00000003"],
            &["wal_checkpoint_superseded"],
            &["wal_checkpoint_superseded"],
        ),
        (
            &["checkpoint.00000001.tmp/00000000", "00000000"],
            &["wal_checkpoint_incomplete"],
            &["wal_checkpoint_incomplete"],
        ),
        (&["0", "00000001"], &["wal_segment_name"], &["wal_segment_name"]),
        (&["00000000", "0"], &["wal_segment_name", "wal_segment_twice"], &["wal_segment_name", "wal_segment_twice"]),
        (&["00000000", "+1", "x", "a/b", "checkpoint.x/00000000"], &["wal_stray_file"], &["wal_stray_file"]),
        (&["99999999", "100000000"], &[missing], &[]),
        (&["18446744073709551615"], &[missing], &[]),
        (
            &["checkpoint.18446744073709551615/00000000", "18446744073709551616"],
            &[after, "wal_stray_file"],
            &[after, "wal_stray_file"],
        ),
    ] {
        for (kind, expected) in [(WalKind::Wal, wal), (WalKind::Wbl, wbl)] {
            let folder = WalFolder::new(kind, paths.iter().copied());
            let broken: Vec<&str> = folder.faults.rules().map(|broken| broken.rule.id).collect();
            assert_eq!(broken, expected, "{kind:?} {paths:?}");
        }
    }
    let paths = ["00000003", "checkpoint.00000002/00000000", "checkpoint.00000001/00000000", "00000002"];
    let folder = WalFolder::new(WalKind::Wal, paths);
    assert_eq!(folder.segments.keys().copied().collect::<Vec<_>>(), [2, 3]);
    let checkpoint = folder.checkpoint.unwrap();
    assert_eq!((checkpoint.covers, checkpoint.name.as_str()), (2, "checkpoint.00000002"));
    assert_eq!(checkpoint.segments.into_values().collect::<Vec<_>>(), ["checkpoint.00000002/00000000"]);
}
