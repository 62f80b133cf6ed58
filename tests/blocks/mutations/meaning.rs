//! Bytes with checksums that fit, which say what is not so.

use super::*;

/// By name.
pub(super) const ALL: &[Named] = &[
    ("a posting lost", |spec, random| {
        planned(spec, Level::Index, INDEX_OR_PARTS, |plan| {
            let list = random.below(plan.lists.len() as u64) as usize;
            let series = &mut plan.lists[list].series;
            series.remove(random.below(series.len() as u64) as usize);
            true
        })
    }),
    ("a posting more", |spec, random| {
        planned(spec, Level::Index, INDEX_OR_PARTS, |plan| {
            let list = random.below(plan.lists.len() as u64) as usize;
            let more = random.below(plan.series.len() as u64) as usize;
            let series = &mut plan.lists[list].series;
            series.push(more);
            series.sort_unstable();
            true
        })
    }),
    ("a posting that is no series", |spec, random| {
        let mut written = spec.write();
        let list = random.below(written.index.lists.len() as u64) as usize;
        let framed = written.index.lists[list].framed.clone();
        let bytes = written.file("index");
        // the last one, so that the list stays in order
        bytes[framed.payload.end - 1] ^= 1;
        mend_crc(bytes, &framed);
        Some(Broken { files: written.files, from: Level::Index, as_one_of: INDEX_OR_PARTS })
    }),
    ("two lists changed places in their table", |spec, random| {
        planned(spec, Level::Index, INDEX_OR_PARTS, |plan| {
            let (a, b) = pair(plan.table.len(), random);
            let (first, second) = (plan.table[a].2, plan.table[b].2);
            (plan.table[a].2, plan.table[b].2) = (second, first);
            a != b
        })
    }),
    ("two entries of the table changed places", |spec, random| {
        planned(spec, Level::Index, INDEX_OR_PARTS, |plan| {
            let (a, b) = pair(plan.table.len(), random);
            plan.table.swap(a, b);
            // version 1 has no order, but then the offsets do not ascend
            a != b && plan.layout.version != 1
        })
    }),
    ("an entry of the table lost", |spec, random| {
        planned(spec, Level::Index, INDEX_OR_PARTS, |plan| {
            plan.table.remove(random.below(plan.table.len() as u64) as usize);
            true
        })
    }),
    ("an entry of the table for another value", |spec, random| {
        planned(spec, Level::Index, INDEX_OR_PARTS, |plan| {
            let idx = random.below(plan.table.len() as u64) as usize;
            plan.table[idx].1.push('!');
            true
        })
    }),
    ("a list lost with its entry", |spec, random| {
        planned(spec, Level::Index, INDEX_OR_PARTS, |plan| {
            let lost = random.below(plan.lists.len() as u64) as usize;
            plan.lists.remove(lost);
            plan.table.remove(lost);
            plan.table.iter_mut().filter(|entry| entry.2 > lost).for_each(|entry| entry.2 -= 1);
            true
        })
    }),
    ("two symbols in the wrong order", |spec, random| {
        planned(spec, Level::Index, INDEX, |plan| {
            let (a, b) = pair(plan.symbols.len(), random);
            plan.symbols.swap(a, b);
            a != b
        })
    }),
    ("a symbol twice", |spec, random| {
        planned(spec, Level::Index, INDEX, |plan| {
            let idx = random.below(plan.symbols.len() as u64) as usize;
            let again = plan.symbols[idx].clone();
            plan.symbols.insert(idx, again);
            true
        })
    }),
    ("two series in the wrong order", |spec, random| {
        planned(spec, Level::Index, INDEX, |plan| {
            let (a, b) = pair(plan.series.len(), random);
            plan.series.swap(a, b);
            plan.derive(&[]);
            a != b
        })
    }),
    ("a series twice", |spec, random| {
        planned(spec, Level::Index, INDEX, |plan| {
            let (a, b) = pair(plan.series.len(), random);
            plan.series[a].labels = plan.series[b].labels.clone();
            plan.derive(&[]);
            a != b
        })
    }),
    ("labels in the wrong order", |spec, random| {
        planned(spec, Level::Index, INDEX, |plan| {
            let idx = random.below(plan.series.len() as u64) as usize;
            plan.series[idx].labels.reverse();
            plan.series[idx].labels.len() > 1
        })
    }),
    ("a series without chunks", |spec, random| {
        planned(spec, Level::Index, PARTS, |plan| {
            let idx = random.below(plan.series.len() as u64) as usize;
            plan.series[idx].chunks.clear();
            true
        })
    }),
    ("a series that only its chunks remember", |spec, random| {
        planned(spec, Level::Checksum, PARTS, |plan| {
            if plan.series.len() < 2 || plan.tombstones.as_ref().is_some_and(|stones| !stones.is_empty()) {
                return false;
            }
            let lost = plan.series.remove(random.below(plan.series.len() as u64) as usize);
            plan.derive(&[]);
            add(plan, "numSeries", -1);
            add(plan, "numChunks", -i64::try_from(lost.chunks.len()).unwrap());
            true
        })
    }),
    ("a chunk that the index has lost", |spec, random| {
        planned(spec, Level::Checksum, PARTS, |plan| {
            let idx = random.below(plan.series.len() as u64) as usize;
            let chunks = &mut plan.series[idx].chunks;
            chunks.remove(random.below(chunks.len() as u64) as usize);
            let left = !chunks.is_empty();
            add(plan, "numChunks", -1);
            left
        })
    }),
    ("a first time in the index", |spec, random| {
        planned(spec, Level::Checksum, PARTS, |plan| {
            let chunk = chunk(plan, random);
            chunk.first += change(random);
            true
        })
    }),
    ("a last time in the index", |spec, random| {
        planned(spec, Level::Full, PARTS, |plan| {
            let chunk = chunk(plan, random);
            chunk.last += change(random);
            true
        })
    }),
    ("a reference to another record", |spec, random| {
        planned(spec, Level::Checksum, PARTS, |plan| {
            let all: Vec<_> = plan.series.iter().flat_map(|series| &series.chunks).copied().collect();
            let other = all[random.below(all.len() as u64) as usize];
            let chunk = chunk(plan, random);
            let differs = (chunk.segment, chunk.record) != (other.segment, other.record);
            (chunk.segment, chunk.record) = (other.segment, other.record);
            differs
        })
    }),
    ("another chunk in a record", |spec, random| {
        let other = shifted(spec, 1_000).plan();
        planned(spec, Level::Checksum, PARTS, |plan| {
            let chunk = *chunk(plan, random);
            let foreign = other.records.get(chunk.segment).and_then(|records| records.get(chunk.record)).cloned();
            let Some(foreign) = foreign else { return false };
            plan.records[chunk.segment][chunk.record] = foreign;
            true
        })
    }),
    ("a sample lost", |spec, random| {
        let mut shorter = spec.clone();
        shorter.series.sort_by(|a, b| a.labels.cmp(&b.labels));
        let (series, chunk) = (random.next() as usize % shorter.series.len(), random.next() as usize);
        let chunks = &mut shorter.series[series].chunks;
        let chunk = chunk % chunks.len();
        let (Samples::Xor(samples) | Samples::Xor2(samples)) = &mut chunks[chunk].samples else {
            return None;
        };
        if samples.len() < 3 {
            return None;
        }
        samples.remove(1);
        let record = chunks[chunk].encode();
        planned(spec, Level::Checksum, PARTS, |plan| {
            let at = plan.series[series].chunks[chunk];
            plan.records[at.segment][at.record].data.clone_from(&record.1);
            true
        })
    }),
    ("zeros behind the last sample", |spec, random| {
        planned(spec, Level::Full, CHUNK, |plan| {
            let chunk = *chunk(plan, random);
            plan.records[chunk.segment][chunk.record].data.extend([0, 0]);
            true
        })
    }),
    ("an encoding that is none", |spec, random| {
        planned(spec, Level::Checksum, &[Damage::Chunk, Damage::Unsupported], |plan| {
            let chunk = *chunk(plan, random);
            plan.records[chunk.segment][chunk.record].encoding = 7 + random.below(200) as u8;
            true
        })
    }),
    ("a table of contents that leads elsewhere", |spec, random| {
        let mut written = spec.write();
        let toc = written.index.toc.clone()?;
        let byte = toc.payload.start + random.below(48) as usize;
        let bytes = written.file("index");
        bytes[byte] = bytes[byte].wrapping_add(1 + random.below(255) as u8);
        mend_crc(bytes, &toc);
        Some(Broken { files: written.files, from: Level::Index, as_one_of: INDEX })
    }),
    ("a count in the index", |spec, random| {
        let mut written = spec.write();
        let lists = written.index.lists.iter().map(|list| &list.framed);
        let counted: Vec<Framed> =
            written.index.symbols.iter().chain(&written.index.table).chain(lists).cloned().collect();
        let framed = counted[random.below(counted.len() as u64) as usize].clone();
        let byte = framed.payload.start + random.below(4) as usize;
        let bytes = written.file("index");
        bytes[byte] = bytes[byte].wrapping_add(1 + random.below(255) as u8);
        mend_crc(bytes, &framed);
        Some(Broken { files: written.files, from: Level::Index, as_one_of: INDEX_OR_PARTS })
    }),
    ("any byte under a checksum of the index", |spec, random| {
        let mut written = spec.write();
        let all: Vec<Framed> = written.index.framed().into_iter().cloned().collect();
        let framed = all[random.below(all.len() as u64) as usize].clone();
        let byte = framed.payload.start + random.below(framed.payload.len() as u64) as usize;
        let symbols = written.index.symbols.as_ref().is_some_and(|symbols| *symbols == framed);
        let bytes = written.file("index");
        bytes[byte] = bytes[byte].wrapping_add(1 + random.below(255) as u8);
        mend_crc(bytes, &framed);
        // a symbol may become another one; a last time is known by its sample alone; where a reference leads is no record
        let from = if symbols { return None } else { Level::Full };
        Some(Broken { files: written.files, from, as_one_of: ANY_DAMAGE })
    }),
    ("a tombstone lost", |spec, _| {
        planned(spec, Level::Index, PARTS, |plan| plan.tombstones.as_mut().and_then(Vec::pop).is_some())
    }),
    ("a tombstone of no series", |spec, _| {
        let mut written = spec.write();
        spec.tombstones.as_ref().filter(|stones| stones.len() == 1)?;
        written.files.insert("tombstones".to_owned(), crate::blocks::plan::tombstones([(1, 5, 6)]));
        Some(Broken { files: written.files, from: Level::Index, as_one_of: PARTS })
    }),
    ("a tombstone that ends before it begins", |spec, _| {
        let mut written = spec.write();
        spec.tombstones.as_ref().filter(|stones| stones.len() == 1)?;
        let series = u64::from(written.index.series[0].reference);
        written.files.insert("tombstones".to_owned(), crate::blocks::plan::tombstones([(series, 6, 5)]));
        Some(Broken { files: written.files, from: Level::Index, as_one_of: STONE })
    }),
    ("a number in meta.json", |spec, random| {
        let keys = ["numSamples", "numFloatSamples", "numHistogramSamples", "numSeries", "numChunks", "numTombstones"];
        let key = keys[random.below(6) as usize];
        let from = if key.ends_with("Samples") { Level::Checksum } else { Level::Index };
        planned(spec, from, PARTS, |plan| add(plan, key, 1 + random.below(9).cast_signed()))
    }),
    ("times in meta.json that leave samples out", |spec, random| {
        planned(spec, Level::Index, PARTS, |plan| {
            let (start, end) = (plan.meta["minTime"].as_i64().unwrap(), plan.meta["maxTime"].as_i64().unwrap());
            if end - start < 4 {
                return false;
            }
            let by = 1 + random.below((end - start).cast_unsigned() / 2).cast_signed();
            match random.below(2) {
                0 => plan.meta["minTime"] = (start + by).into(),
                // one less is what early versions meant
                _ => plan.meta["maxTime"] = (end - 1 - by).into(),
            }
            true
        })
    }),
    ("other values of the same times, which only a hash knows", |spec, random| {
        let mut other = spec.clone();
        let chunks: Vec<_> = other.series.iter_mut().flat_map(|series| &mut series.chunks).collect();
        let idx = random.below(chunks.len() as u64) as usize;
        let Samples::Xor(samples) = &mut chunks.into_iter().nth(idx)?.samples else { return None };
        // what is infinite stays so, and staleness is no value
        let value = &mut samples.last_mut()?.value;
        *value = if value.to_bits() == 42.0_f64.to_bits() { 43.0 } else { 42.0 };
        let mut files = other.write().files;
        spec.meta.thanos.as_ref().filter(|thanos| thanos.files == crate::blocks::Files::Hashes)?;
        files.insert("meta.json".to_owned(), spec.write().files["meta.json"].clone());
        Some(Broken { files, from: Level::Checksum, as_one_of: &[Damage::Hash] })
    }),
    ("a hash in meta.json", |spec, random| {
        let mut written = spec.write();
        let mut meta: serde_json::Value = serde_json::from_slice(&written.files["meta.json"]).unwrap();
        let files = meta["thanos"]["files"].as_array_mut()?;
        let idx = random.below(files.len() as u64 - 1) as usize;
        let value = files[idx]["hash"]["value"].as_str()?.to_owned();
        let other: String = value.chars().rev().collect();
        files[idx]["hash"]["value"] = other.into();
        written.files.insert("meta.json".to_owned(), serde_json::to_vec(&meta).unwrap());
        Some(Broken { files: written.files, from: Level::Checksum, as_one_of: &[Damage::Hash] })
    }),
];
