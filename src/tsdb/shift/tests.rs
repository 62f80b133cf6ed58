//! Moving the real blocks of the sample bucket, and damaged ones.

use super::*;
use crate::model::{DAY_MS, HOUR_MS, Interner, MINUTE_MS, parse_ulid};
use crate::tsdb::checksum::crc32c;
use crate::tsdb::parse_meta;

/// 2h and two days of a real Prometheus.
const SHORT: &str = "01KK1CVSW00003CMCEVWY81VX5";
const LONG: &str = "01KJVCKEW00001CMV2S505BK6X";

fn real(ulid: &str) -> BlockFiles {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sample-bucket").join(ulid);
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    BlockFiles { meta: read("meta.json"), index: read("index"), segments: vec![read("chunks/000001")] }
}

/// The block's own identity, its interval moved.
fn identity(block: &BlockFiles, ulid: &str, shift_ms: i64) -> Identity {
    let ulid = parse_ulid(ulid).unwrap();
    let meta = parse_meta(&block.meta, ulid, &mut Interner::default()).meta.unwrap();
    Identity {
        ulid,
        interval: Interval::new(meta.interval.start.plus(shift_ms), meta.interval.end.plus(shift_ms)),
        level: meta.level,
        sources: meta.sources.to_vec(),
        parents: meta.parents.to_vec(),
        labels: (*meta.labels).clone(),
        resolution: meta.resolution,
        source: "sidecar",
        uploaded: meta.interval.end.plus(shift_ms).plus(HOUR_MS),
    }
}

fn moved(block: &BlockFiles, ulid: &str, shift_ms: i64) -> Result<BlockFiles, ShiftError> {
    shift_block(block, shift_ms, &identity(block, ulid, shift_ms))
}

#[test]
fn a_block_that_is_moved_there_and_back_is_the_same() {
    for ulid in [SHORT, LONG] {
        let block = real(ulid);
        for shift_ms in [1, HOUR_MS, 4_000 * DAY_MS, -4_000 * DAY_MS] {
            let there = moved(&block, ulid, shift_ms).unwrap();
            assert_ne!((&there.index, &there.segments), (&block.index, &block.segments), "{shift_ms}");
            let back = moved(&there, ulid, -shift_ms).unwrap();
            assert_eq!((&back.index, &back.segments), (&block.index, &block.segments), "{shift_ms}");
            assert_eq!(moved(&block, ulid, 0).unwrap().index, block.index);
        }
    }
}

#[test]
fn the_new_meta_says_who_the_block_is_and_keeps_what_it_holds() {
    let block = real(LONG);
    let new = Ulid::from_parts(1_800_000_000_000, 7);
    let mut wanted = identity(&block, LONG, 30 * DAY_MS);
    (wanted.ulid, wanted.labels) = (new, Labels::from([("cluster", "x")]));
    let meta = shift_block(&block, 30 * DAY_MS, &wanted).unwrap().meta;
    let was = parse_meta(&block.meta, parse_ulid(LONG).unwrap(), &mut Interner::default()).meta.unwrap();
    let parsed = parse_meta(&meta, new, &mut Interner::default());
    assert_eq!(parsed.problems, []);
    let is = parsed.meta.unwrap();
    assert_eq!((is.interval, is.stats, is.upload_time), (wanted.interval, was.stats, Some(wanted.uploaded)));
    assert_eq!((&*is.sources, &*is.parents, is.level), (&*wanted.sources, &*wanted.parents, 3));
    let files: Vec<(&str, Option<u64>)> = is.files.as_ref().unwrap().iter().map(|f| (&*f.name, f.size)).collect();
    assert_eq!(files, [("chunks/000001", Some(23_765)), ("index", Some(1_591)), ("meta.json", None)]);
}

#[test]
fn samples_may_move_otherwise_than_their_block_while_they_stay_inside() {
    let block = real(SHORT);
    let wanted = identity(&block, SHORT, 0);
    // scraped every minute, from the first ms on
    for (shift_ms, inside) in [(0, true), (MINUTE_MS - 1, true), (MINUTE_MS, false), (-1, false)] {
        let result = shift_block(&block, shift_ms, &wanted);
        assert_eq!(result.is_ok(), inside, "{shift_ms}: {result:?}");
    }
}

#[test]
fn another_width_is_refused() {
    let block = real(SHORT);
    // 42 bits with the sign: until September 2039, from June 1970 on
    for shift_ms in [14 * 365 * DAY_MS, -56 * 365 * DAY_MS] {
        assert!(matches!(moved(&block, SHORT, shift_ms), Err(ShiftError::Width { file: "index", .. })), "{shift_ms}");
    }
    assert!(matches!(moved(&block, SHORT, i64::MAX), Err(ShiftError::Malformed { .. })));
}

#[test]
fn what_is_cut_is_refused() {
    let block = real(SHORT);
    let whole = identity(&block, SHORT, DAY_MS);
    for len in 0..block.index.len() {
        let cut = BlockFiles { index: block.index[..len].to_vec(), ..block.clone() };
        assert!(shift_block(&cut, DAY_MS, &whole).is_err(), "index of {len} bytes");
    }
    // a segment that ends with a record is whole as far as it goes
    let mut whole_ends = 0;
    for len in 0..block.segments[0].len() {
        let cut = BlockFiles { segments: vec![block.segments[0][..len].to_vec()], ..block.clone() };
        whole_ends += usize::from(shift_block(&cut, DAY_MS, &whole).is_ok());
    }
    assert_eq!(whole_ends, 4, "one before each of four chunks");
    let cut = BlockFiles { meta: block.meta[..block.meta.len() / 2].to_vec(), ..block };
    assert!(matches!(shift_block(&cut, DAY_MS, &whole), Err(ShiftError::Meta { .. })));
}

#[test]
fn damage_is_refused_and_never_given_a_new_checksum() {
    let block = real(SHORT);
    let whole = identity(&block, SHORT, DAY_MS);
    for at in 0..block.segments[0].len() {
        let mut damaged = block.clone();
        damaged.segments[0][at] ^= 0x10;
        assert!(shift_block(&damaged, DAY_MS, &whole).is_err(), "segment, byte {at}");
    }
    // the series begin at 112 and end with the table's own offset of the label indices
    let mut unnoticed = 0;
    for at in 0..block.index.len() {
        let mut damaged = block.clone();
        damaged.index[at] ^= 0x10;
        match shift_block(&damaged, DAY_MS, &whole) {
            Ok(moved) => {
                // symbols, paddings and postings are none of our business, and stay as they are
                assert_eq!(moved.index[at], damaged.index[at], "index, byte {at}");
                unnoticed += 1;
            }
            Err(error) => assert!(error.to_string().starts_with("index: "), "{error}"),
        }
    }
    assert!(unnoticed < block.index.len() - TABLE - SERIES, "{unnoticed}");
}

/// Bytes of the index that have to hold: its table of contents, and four series entries.
const TABLE: usize = 52;
const SERIES: usize = 4 * 24;

/// A segment with one record.
fn segment(encoding: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x85, 0xbd, 0x40, 0xdd, 1, 0, 0, 0, u8::try_from(data.len()).unwrap(), encoding];
    bytes.extend(data);
    bytes.extend(crc32c(&bytes[9..]).to_be_bytes());
    bytes
}

#[test]
fn each_aggregate_of_a_downsampled_chunk_moves() {
    // count of samples, first time (six bytes), first value
    let at = |time: [u8; 6]| [&[0, 1][..], &time, &[0; 8]].concat();
    let aggregates = |time: [u8; 6]| {
        let one = at(time);
        let present = [&[16, 1][..], &one].concat();
        [&present[..], &present, &[0], &[0], &present].concat()
    };
    let (before, after) = ([0x80, 0xe0, 0xa6, 0xbf, 0x98, 0x67], [0x82, 0xe0, 0xa6, 0xbf, 0x98, 0x67]);
    let mut bytes = segment(255, &aggregates(before));
    chunks::shift(&mut bytes, 1).unwrap();
    assert_eq!(bytes, segment(255, &aggregates(after)));

    let whole = aggregates(before);
    for data in [&whole[..whole.len() - 1], &[&whole[..], &[0]].concat(), &[200, 1], &[]] {
        assert!(chunks::shift(&mut segment(255, data), 1).is_err(), "{data:?}");
    }
}

#[test]
fn encodings_that_keep_their_time_elsewhere_are_refused() {
    for encoding in [0, 2, 3, 4, 5, 6] {
        let refused = chunks::shift(&mut segment(encoding, &[0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0]), 1);
        assert!(matches!(refused, Err(ShiftError::Unsupported { .. })), "{encoding}: {refused:?}");
    }
    for data in [&[][..], &[0, 1], &[0, 0, 2, 0], &[0, 1, 0x80]] {
        assert!(matches!(chunks::shift(&mut segment(1, data), 1), Err(ShiftError::Malformed { .. })), "{data:?}");
    }
}
