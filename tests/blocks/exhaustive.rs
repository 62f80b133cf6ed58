//! Every way to hurt a real block by a bit, a cut, a run of zeros or two records, one after the other, in process.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use blockwarden::model::{Level, Severity};

use crate::blocks::map::{Files, is_binary, load, records_of};
use crate::verifier::{fixtures, verify};

const LEVELS: [Level; 2] = [Level::Checksum, Level::Full];

/// The block that promtool wrote: about 20 kB of index and chunks.
fn block() -> Files {
    let path = fixtures().into_iter().find(|path| path.parent().unwrap().ends_with("promtool-2.42")).unwrap();
    let files = load(&path);
    let bytes: usize = files.iter().filter(|(path, _)| is_binary(path)).map(|(_, bytes)| bytes.len()).sum();
    assert!((19_000..22_000).contains(&bytes), "{bytes} bytes");
    files
}

/// Runs `cases` on all cores, each on files of its own that it leaves as it found them. What it gives is what was missed.
fn all_cores(files: &Files, cases: Range<usize>, case: impl Fn(usize, &mut Files) -> Vec<String> + Sync) {
    let next = AtomicUsize::new(cases.start);
    let missed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                let mut own = files.clone();
                loop {
                    // in runs, so that counting costs nothing
                    let first = next.fetch_add(64, Ordering::Relaxed);
                    if first >= cases.end {
                        break;
                    }
                    for number in first..cases.end.min(first + 64) {
                        let words = case(number, &mut own);
                        missed.lock().unwrap().extend(words);
                    }
                }
                assert_eq!(own, *files, "a case left something behind");
            });
        }
    });
    let missed = missed.into_inner().unwrap();
    assert!(missed.is_empty(), "{} of {}: {:#?}", missed.len(), cases.len(), &missed[..missed.len().min(20)]);
}

/// The levels at which nothing at `warning` or above was said.
fn unnoticed(files: &Files) -> impl Iterator<Item = Level> {
    LEVELS.into_iter().filter(|level| {
        let report = verify(files, *level);
        report.is_ok_and(|report| report.worst().is_none_or(|worst| worst == Severity::Info))
    })
}

/// Where each byte of these files is: path and offset.
fn places(files: &Files, wanted: impl Fn(&str) -> bool) -> Vec<(Arc<str>, usize)> {
    let of_file = |(path, bytes): (&String, &Vec<u8>)| {
        let path: Arc<str> = path.as_str().into();
        (0..bytes.len()).map(move |at| (Arc::clone(&path), at))
    };
    files.iter().filter(|(path, _)| wanted(path)).flat_map(of_file).collect()
}

#[test]
fn every_flipped_bit_is_noticed() {
    let files = block();
    let places = places(&files, |path| path != "meta.json");
    assert!(places.len() * 8 > 150_000);
    all_cores(&files, 0..places.len() * 8, |number, files| {
        let (path, at) = &places[number / 8];
        let mask = 1 << (number % 8);
        let flip = |files: &mut Files| files.get_mut(&**path).unwrap()[*at] ^= mask;
        flip(files);
        let missed =
            unnoticed(files).map(|level| format!("{level}: bit {} of byte {at} of {path}", number % 8)).collect();
        flip(files);
        missed
    });
}

#[test]
fn every_cut_is_noticed() {
    let files = block();
    let places = places(&files, |path| path != "meta.json");
    all_cores(&files, 0..places.len(), |number, files| {
        let (path, at) = &places[number];
        let tail = files.get_mut(&**path).unwrap().split_off(*at);
        let missed = unnoticed(files).map(|level| format!("{level}: {path} cut at {at}")).collect();
        files.get_mut(&**path).unwrap().extend(tail);
        missed
    });
}

#[test]
fn every_16_zeros_are_noticed() {
    let files = block();
    let places = places(&files, is_binary);
    all_cores(&files, 0..places.len(), |number, files| {
        let (path, at) = &places[number];
        let bytes = files.get_mut(&**path).unwrap();
        let range = *at..bytes.len().min(at + 16);
        let before = bytes[range.clone()].to_vec();
        if before.iter().all(|byte| *byte == 0) {
            return Vec::new();
        }
        bytes[range.clone()].fill(0);
        let missed = unnoticed(files).map(|level| format!("{level}: zeros at {at} of {path}")).collect();
        files.get_mut(&**path).unwrap()[range].copy_from_slice(&before);
        missed
    });
}

/// Each pair of records changes places. In this block no two have the same length and the same first time, which would hide
/// it from who reads no samples; the same last time as well would hide it from everybody.
#[test]
fn every_two_swapped_records_are_noticed() {
    let files = block();
    let segment = files["chunks/000001"].clone();
    let records = records_of(&segment);
    let pairs: Vec<_> = (0..records.len()).flat_map(|a| (a + 1..records.len()).map(move |b| (a, b))).collect();
    assert!(pairs.len() > 300, "{}", pairs.len());
    all_cores(&files, 0..pairs.len(), |number, files| {
        let (a, b) = pairs[number];
        let (first, second) = (records[a].framed.whole.clone(), records[b].framed.whole.clone());
        let swapped = [
            &segment[..first.start],
            &segment[second.clone()],
            &segment[first.end..second.start],
            &segment[first],
            &segment[second.end..],
        ];
        files.insert("chunks/000001".to_owned(), swapped.concat());
        let missed = unnoticed(files).map(|level| format!("{level}: records {a} and {b}")).collect();
        files.insert("chunks/000001".to_owned(), segment.clone());
        missed
    });
}

#[test]
fn every_lost_or_repeated_record_is_noticed() {
    let files = block();
    let segment = files["chunks/000001"].clone();
    let records = records_of(&segment);
    all_cores(&files, 0..records.len() * 2, |number, files| {
        let whole = records[number / 2].framed.whole.clone();
        let again = if number % 2 == 0 { &[] } else { &segment[whole.clone()] };
        let kept = if number % 2 == 0 { whole.start } else { whole.end };
        files.insert("chunks/000001".to_owned(), [&segment[..kept], again, &segment[whole.end..]].concat());
        let missed = unnoticed(files).map(|level| format!("{level}: record {} {}", number / 2, number % 2)).collect();
        files.insert("chunks/000001".to_owned(), segment.clone());
        missed
    });
}

#[test]
fn files_that_are_not_those_of_the_block_are_noticed() {
    let files = block();
    let others = fixtures().into_iter().filter(|path| !path.parent().unwrap().ends_with("promtool-2.42"));
    let others: Vec<Files> = others.map(|path| load(&path)).collect();
    let mut missed = Vec::new();
    for (number, other) in others.iter().enumerate() {
        for path in ["chunks/000001", "index"] {
            let mut mixed = files.clone();
            mixed.insert(path.to_owned(), other[path].clone());
            missed.extend(unnoticed(&mixed).map(|level| format!("{level}: {path} of block {number}")));
        }
    }
    for name in ["chunks/000000", "chunks/000002", "chunks/1"] {
        let mut renamed = files.clone();
        let segment = renamed.remove("chunks/000001").unwrap();
        renamed.insert(name.to_owned(), segment);
        missed.extend(unnoticed(&renamed).map(|level| format!("{level}: renamed to {name}")));
        let mut more = files.clone();
        more.insert(name.to_owned(), files["chunks/000001"].clone());
        missed.extend(unnoticed(&more).map(|level| format!("{level}: also as {name}")));
    }
    for path in ["index", "chunks/000001"] {
        let mut fewer = files.clone();
        fewer.remove(path);
        missed.extend(unnoticed(&fewer).map(|level| format!("{level}: without {path}")));
    }
    assert!(missed.is_empty(), "{missed:#?}");
}
