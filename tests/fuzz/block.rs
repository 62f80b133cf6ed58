//! Targets that read an index, segments or all of a block.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use blockwarden::model::{Hashes, Interner, Level, Severity, Verdict};
use blockwarden::tsdb::block::{BlockPlan, BlockReport, settle, verify_in_memory};
use blockwarden::tsdb::checksum::crc32c;
use blockwarden::tsdb::index::{IndexDemands, IndexReport, IndexStep, IndexVerifier, Lane, NamingStep};
use blockwarden::tsdb::parse_meta;
use bytes::Bytes;
use ulid::Ulid;

use super::{How, input, may_be_printed, mend, size, uvarint};

/// `index`
pub(crate) fn index(data: &[u8]) {
    let Some((how, mut file)) = input(data) else { return };
    if how.mended {
        mend_index(&mut file);
    }
    let demanded = |bit: u8, value| (how.rest & bit != 0).then_some(value);
    let demands = IndexDemands { size: size(&file), time: None, series: demanded(1, 11), chunks: demanded(2, 31) };
    let (whole, series) = read_index(demands, &file, usize::MAX);
    let (parts, series_in_parts) = read_index(demands, &file, usize::from(how.split) + 1);
    assert_eq!(series, series_in_parts);
    assert_eq!(facts(&whole), facts(&parts));
    assert_eq!(whole.series, size(&series));
    assert!(whole.series * 16 <= size(&file) + 16 && whole.chunks * 3 <= size(&file));
    may_be_printed(&whole.faults);

    let mut run = whole.names.begin(&series);
    let mut steps = 0;
    while let NamingStep::Need(range) = run.step() {
        run.feed(&file[at(&range)]);
        steps += 1;
        assert!(steps <= file.len() * 4 + 1000, "labels are read for ever");
    }
    for name in run.finish().into_values() {
        assert!(name.len() < 10_000);
    }
}

/// What can be compared of two readings.
fn facts(report: &IndexReport) -> impl PartialEq + std::fmt::Debug + use<> {
    (
        report.faults.clone(),
        (report.version, report.whole, report.series, report.chunks, report.symbols),
        (report.first_ms, report.last_ms, report.refs_ascend),
    )
}

/// The report, and where the entries of series begin.
fn read_index(demands: IndexDemands, file: &[u8], most: usize) -> (IndexReport, Vec<u64>) {
    let mut verifier = IndexVerifier::new(demands);
    let mut series = Vec::new();
    let mut fed = 0;
    while let IndexStep::Need { lane, range } = verifier.step() {
        let range = at(&range);
        assert!(!range.is_empty() && range.end <= file.len(), "{range:?} of {}", file.len());
        let range = range.start..range.end.min(range.start.saturating_add(most));
        // the table is read beside everything else, and its last bytes before it
        fed += range.len();
        assert!(fed <= file.len() * 2 + 52, "{lane:?} is read for ever");
        verifier.feed(lane, &file[range], &mut |entry| series.push(entry.at));
    }
    // what nobody asked for does no harm
    if file.len() > 100 && most < 3 {
        verifier.feed(Lane::Main, &[], &mut |_| {});
    }
    (verifier.finish(), series)
}

fn at(range: &Range<u64>) -> Range<usize> {
    let narrow = |at: u64| usize::try_from(at).expect("it is in memory");
    narrow(range.start)..narrow(range.end)
}

/// Segments, after an index without a series: they are walked from record to record.
pub(crate) fn segment(data: &[u8]) {
    let Some((how, mut file)) = input(data) else { return };
    if how.mended {
        mend_segment(&mut file);
    }
    let files = BTreeMap::from([("chunks/000001".into(), file.into()), ("index".into(), empty_index().into())]);
    verify(how, &files);
}

/// A whole block. After the two bytes: each file as one byte for its name, three for its length, and its bytes.
pub(crate) fn whole_block(data: &[u8]) {
    const NAMES: [&str; 8] =
        ["meta.json", "index", "tombstones", "chunks/000001", "chunks/000002", "chunks/000003", "x", "chunks/000007"];
    let Some((how, packed)) = input(data) else { return };
    let mut files: BTreeMap<Arc<str>, Bytes> = BTreeMap::new();
    let mut left = packed.as_slice();
    while let [name, a, b, c, rest @ ..] = left {
        let len = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        let (file, rest) = rest.split_at(len.min(rest.len()));
        let name = NAMES[usize::from(name & 7)];
        let mut file = file.to_vec();
        match name {
            _ if !how.mended => {}
            "index" => mend_index(&mut file),
            "tombstones" => mend(&mut file, 5),
            _ if name.starts_with("chunks/") => mend_segment(&mut file),
            _ => {}
        }
        files.insert(name.into(), file.into());
        left = rest;
    }
    verify(how, &files);
}

fn verify(how: How, files: &BTreeMap<Arc<str>, Bytes>) {
    let level = [Level::Full, Level::Checksum, Level::Index, Level::Full][usize::from(how.rest & 3)];
    let meta = files.get("meta.json").and_then(|bytes| parse_meta(bytes, Ulid::nil(), &mut Interner::default()).meta);
    let objects: Vec<_> = files.iter().map(|(name, bytes)| (Arc::clone(name), size(bytes))).collect();
    let plan = |piece| BlockPlan {
        level,
        objects: objects.clone(),
        meta: meta.clone().map(Arc::new),
        kept: Hashes::new(),
        piece,
    };
    let whole = verify_in_memory(plan(1 << 20), files, usize::MAX);
    let parts = verify_in_memory(plan(1 << 20), files, usize::from(how.split) + 1);
    match (whole, parts) {
        (Ok(whole), Ok(parts)) => {
            assert_eq!(whole, parts);
            judge(&whole);
            // stretches of other sizes see the same
            let pieces = verify_in_memory(plan(u64::from(how.split) * 16), files, usize::MAX);
            assert_eq!(pieces.expect("it was read before"), whole);
        }
        (whole, parts) => assert_eq!(whole.is_ok(), parts.is_ok()),
    }
}

fn judge(report: &BlockReport) {
    report.faults.values().for_each(may_be_printed);
    let settled = settle(report, Some(report));
    assert_eq!(settled.verdict == Verdict::Ok, settle(report, None).verdict == Verdict::Ok);
    assert!(settled.verdict == Verdict::Ok || report.worst().is_some_and(|worst| worst < Severity::Info));
}

/// An index of version 2 without anything in it.
fn empty_index() -> Vec<u8> {
    let framed = |payload: &[u8]| {
        let len = u32::try_from(payload.len()).expect("it is short");
        [&len.to_be_bytes()[..], payload, &crc32c(payload).to_be_bytes()].concat()
    };
    let mut file = vec![0xba, 0xaa, 0xd7, 0x00, 2];
    let symbols = file.len();
    file.extend(framed(&[0; 4]));
    file.resize(file.len().next_multiple_of(4), 0);
    let postings = file.len();
    file.extend(framed(&[0; 4]));
    let table = file.len();
    file.extend(framed(&[&[0, 0, 0, 1, 2, 0, 0][..], &[u8::try_from(postings).expect("it is short")]].concat()));
    let contents = [symbols, postings, 0, 0, postings, table].map(|at| u64::try_from(at).expect("it is short"));
    let contents: Vec<u8> = contents.iter().flat_map(|at| at.to_be_bytes()).collect();
    [file, contents.clone(), crc32c(&contents).to_be_bytes().to_vec()].concat()
}

fn mend_segment(file: &mut [u8]) {
    let mut at = 8;
    while let Some((len, prefix)) = file.get(at..).and_then(uvarint) {
        let end = at + prefix + 1 + len + 4;
        if end > file.len() {
            break;
        }
        mend(&mut file[at + prefix..end], 0);
        at = end;
    }
}

/// Makes the checksums right that the table of contents leads to.
fn mend_index(file: &mut [u8]) {
    let Some(toc) = file.len().checked_sub(52) else { return };
    let place = |idx: usize| {
        let bytes = file.get(toc + idx * 8..toc + idx * 8 + 8)?;
        usize::try_from(u64::from_be_bytes(bytes.try_into().ok()?)).ok().filter(|at| *at <= toc)
    };
    let [symbols, series, label_indices, label_table, postings, postings_table] = std::array::from_fn(place);
    mend(&mut file[toc..], 0);
    for at in [symbols, label_table, postings_table].into_iter().flatten() {
        mend_framed(file, at);
    }
    for (from, to) in [(label_indices, postings), (postings, label_table.filter(|at| *at > 0).or(postings_table))] {
        let (Some(mut at), Some(to)) = (from, to) else { continue };
        while at < to.min(toc) {
            match mend_framed(file, at) {
                Some(end) => at = end.next_multiple_of(4),
                None => break,
            }
        }
    }
    let end = label_indices.filter(|at| *at > 0).or(postings).unwrap_or(0);
    let mut at = series.unwrap_or(usize::MAX).saturating_add(15) / 16 * 16;
    while at < end.min(toc) {
        let Some((len, prefix)) = uvarint(&file[at..]) else { break };
        let next = at + prefix + len + 4;
        if next > toc {
            break;
        }
        mend(&mut file[at + prefix..next], 0);
        at = next.next_multiple_of(16);
    }
}

/// A length of four bytes, so many bytes, and their checksum. Where it ends.
fn mend_framed(file: &mut [u8], at: usize) -> Option<usize> {
    let len = u32::from_be_bytes(file.get(at..at + 4)?.try_into().ok()?);
    let end = at.checked_add(usize::try_from(len).ok()?)?.checked_add(8)?;
    mend(file.get_mut(at + 4..end)?, 0);
    Some(end)
}
