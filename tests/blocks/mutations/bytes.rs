//! Bytes that are not those that were written.

use super::*;

/// By name.
pub(super) const ALL: &[Named] = &[
    ("a bit of the index", |spec, random| bit(spec, random, &[Target::Index])),
    ("a bit of a segment", |spec, random| bit(spec, random, &[Target::Segment])),
    ("a bit of the tombstones", |spec, random| bit(spec, random, &[Target::Tombstones])),
    ("a cut", |spec, random| {
        resized(spec, random, |bytes, random| {
            let len = random.below(bytes.len() as u64) as usize;
            bytes.truncate(len);
        })
    }),
    ("a tail of zeros", |spec, random| {
        resized(spec, random, |bytes, random| bytes.resize(bytes.len() + 1 + random.below(20) as usize, 0))
    }),
    ("16 zeros", zeros),
    ("two records swapped", |spec, random| {
        let plan = spec.plan();
        let mut written = plan.write();
        let (segment, a) = record(&written, random);
        let b = random.below(written.records[segment].len() as u64) as usize;
        let from = swap_noticed_from(&plan, segment, (a, b))?;
        let records = &written.records[segment];
        let (first, second) = (records[a.min(b)].framed.whole.clone(), records[a.max(b)].framed.whole.clone());
        let bytes = written.file(&segment_path(segment));
        let swapped = [
            &bytes[..first.start],
            &bytes[second.clone()],
            &bytes[first.end..second.start],
            &bytes[first],
            &bytes[second.end..],
        ]
        .concat();
        if swapped == *bytes {
            return None;
        }
        *bytes = swapped;
        Some(Broken { files: written.files, from, as_one_of: CHUNK_OR_PARTS })
    }),
    ("a record lost", |spec, random| {
        let mut written = spec.write();
        let (segment, idx) = record(&written, random);
        let whole = written.records[segment][idx].framed.whole.clone();
        written.file(&segment_path(segment)).drain(whole);
        Some(Broken { files: written.files, from: Level::Checksum, as_one_of: CHUNK_OR_PARTS })
    }),
    ("a record twice", |spec, random| {
        let mut written = spec.write();
        let (segment, idx) = record(&written, random);
        let whole = written.records[segment][idx].framed.whole.clone();
        let bytes = written.file(&segment_path(segment));
        let copy = bytes[whole.clone()].to_vec();
        bytes.splice(whole.end..whole.end, copy);
        Some(Broken { files: written.files, from: Level::Checksum, as_one_of: CHUNK_OR_PARTS })
    }),
    ("a segment renamed", |spec, random| {
        let mut written = spec.write();
        let count = written.records.len();
        let idx = random.below(count as u64) as usize;
        let bytes = written.files.remove(&segment_path(idx))?;
        let name = if random.below(2) == 0 { "chunks/000000".to_owned() } else { segment_path(count) };
        written.files.insert(name, bytes);
        Some(Broken { files: written.files, from: Level::Index, as_one_of: PARTS })
    }),
    ("two segments swapped", |spec, _| {
        let mut written = spec.write();
        let (a, b) = (written.files.get(&segment_path(0))?.clone(), written.files.get(&segment_path(1))?.clone());
        written.files.insert(segment_path(0), b);
        written.files.insert(segment_path(1), a);
        Some(Broken { files: written.files, from: Level::Checksum, as_one_of: CHUNK_OR_PARTS })
    }),
    ("a segment more", |spec, random| {
        let mut written = spec.write();
        let idx = random.below(written.records.len() as u64) as usize;
        let copy = written.files[&segment_path(idx)].clone();
        written.files.insert(segment_path(written.records.len()), copy);
        Some(Broken { files: written.files, from: Level::Checksum, as_one_of: PARTS })
    }),
    ("a segment of another block", |spec, random| {
        let mut written = spec.write();
        let other = shifted(spec, 1).write();
        let idx = random.below(written.records.len().min(other.records.len()) as u64) as usize;
        written.files.insert(segment_path(idx), other.files[&segment_path(idx)].clone());
        Some(Broken { files: written.files, from: Level::Checksum, as_one_of: CHUNK_OR_PARTS })
    }),
    ("the index of another block", |spec, _| {
        let mut written = spec.write();
        written.files.insert("index".to_owned(), shifted(spec, 1).write().files["index"].clone());
        Some(Broken { files: written.files, from: Level::Checksum, as_one_of: PARTS })
    }),
    ("a tombstones file lost", |spec, _| {
        let mut written = spec.write();
        spec.tombstones.as_ref().filter(|stones| !stones.is_empty())?;
        written.files.remove("tombstones");
        Some(Broken { files: written.files, from: Level::Index, as_one_of: PARTS })
    }),
];
