//! The logical parts of a block. A test may change them, so that the bytes are sound and what they say is not.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::bits::{put_uvarint, put_varint};
use super::index;
use super::map::{self, Framed, RecordMap, Written};
use super::spec::{BlockSpec, ChunkOrder, Files, Layout, Stone};

/// Magic, version and padding of a segment.
const SEGMENT_HEADER: [u8; 8] = [0x85, 0xbd, 0x40, 0xdd, 1, 0, 0, 0];

/// A block before it is bytes.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) ulid: String,
    pub(crate) layout: Layout,
    pub(crate) symbols: Vec<String>,
    pub(crate) series: Vec<PlannedSeries>,
    /// For the old layout: each name with its values.
    pub(crate) label_indices: Vec<(String, Vec<String>)>,
    /// The first is that of all series.
    pub(crate) lists: Vec<List>,
    /// Name, value, and which list.
    pub(crate) table: Vec<(String, String, usize)>,
    /// By segment.
    pub(crate) records: Vec<Vec<Record>>,
    pub(crate) tombstones: Option<Vec<Stone>>,
    /// Without `thanos.files`.
    pub(crate) meta: Value,
    pub(crate) files: Files,
}

/// A series as the index has it.
#[derive(Clone, Debug)]
pub(crate) struct PlannedSeries {
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) chunks: Vec<PlannedChunk>,
}

/// A chunk as the index has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlannedChunk {
    /// In ms.
    pub(crate) first: i64,
    /// In ms, included.
    pub(crate) last: i64,
    pub(crate) segment: usize,
    /// Among the records of the segment.
    pub(crate) record: usize,
}

/// A list of postings.
#[derive(Clone, Debug)]
pub(crate) struct List {
    pub(crate) name: String,
    pub(crate) value: String,
    /// By index.
    pub(crate) series: Vec<usize>,
}

/// A record of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) encoding: u8,
    pub(crate) data: Vec<u8>,
}

impl Record {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.data.len() + 10);
        put_uvarint(&mut bytes, self.data.len() as u64);
        let payload = bytes.len();
        bytes.push(self.encoding);
        bytes.extend_from_slice(&self.data);
        let crc = crc32c::crc32c(&bytes[payload..]);
        bytes.extend_from_slice(&crc.to_be_bytes());
        bytes
    }
}

impl BlockSpec {
    /// What its writer would put down.
    pub(crate) fn plan(&self) -> Plan {
        let mut sorted = self.series.clone();
        sorted.sort_by(|a, b| a.labels.cmp(&b.labels));
        let mut order: Vec<(usize, usize)> =
            sorted.iter().enumerate().flat_map(|(s, series)| (0..series.chunks.len()).map(move |c| (s, c))).collect();
        if self.layout.chunks == ChunkOrder::Reversed {
            order.reverse();
        }
        let mut records = vec![Vec::new()];
        let mut places = BTreeMap::new();
        let mut bytes = SEGMENT_HEADER.len();
        for (s, c) in order {
            let (encoding, data) = sorted[s].chunks[c].encode();
            let record = Record { encoding, data };
            // as Prometheus counts: as if each length took five bytes
            let len = 5 + 1 + record.data.len() + 4;
            if bytes + len > self.segment_bytes && bytes > SEGMENT_HEADER.len() {
                records.push(Vec::new());
                bytes = SEGMENT_HEADER.len();
            }
            bytes += len;
            let segment = records.len() - 1;
            places.insert((s, c), (segment, records[segment].len()));
            records[segment].push(record);
        }
        let planned = |(s, series): (usize, &super::spec::SeriesSpec)| {
            let chunk = |(c, chunk): (usize, &super::spec::ChunkSpec)| {
                let ((first, last), (segment, record)) = (chunk.index_times(), places[&(s, c)]);
                PlannedChunk { first, last, segment, record }
            };
            PlannedSeries {
                labels: series.labels.clone(),
                chunks: series.chunks.iter().enumerate().map(chunk).collect(),
            }
        };
        let mut plan = Plan {
            ulid: self.ulid.clone(),
            layout: self.layout,
            symbols: Vec::new(),
            series: sorted.iter().enumerate().map(planned).collect(),
            label_indices: Vec::new(),
            lists: Vec::new(),
            table: Vec::new(),
            records,
            tombstones: self.tombstones.clone(),
            meta: self.meta(),
            files: self.meta.thanos.as_ref().map_or(Files::Absent, |thanos| thanos.files),
        };
        plan.derive(&self.unused_symbols);
        plan
    }

    /// The files, and where things are in them.
    pub(crate) fn write(&self) -> Written {
        self.plan().write()
    }

    fn meta(&self) -> Value {
        let chunks = || self.series.iter().flat_map(|series| &series.chunks);
        let count = |floats: bool| -> usize {
            chunks().filter(|chunk| chunk.samples.are_floats() == floats).map(|chunk| chunk.samples.count()).sum()
        };
        let first = chunks().map(|chunk| chunk.index_times().0).min().unwrap_or(0);
        let last = chunks().map(|chunk| chunk.index_times().1).max().unwrap_or(0);
        let (start, end) = self.meta.times.unwrap_or((first, last + 1));
        let mut stats = Map::new();
        // as Go does it, what is zero is left out
        let mut stat = |key: &str, value: usize| {
            if value > 0 {
                stats.insert(key.to_owned(), json!(value));
            }
        };
        stat("numSamples", count(true) + count(false));
        if self.meta.split_stats {
            stat("numFloatSamples", count(true));
            stat("numHistogramSamples", count(false));
        }
        stat("numSeries", self.series.len());
        stat("numChunks", chunks().count());
        stat("numTombstones", self.tombstones.as_ref().map_or(0, Vec::len));
        let mut meta = json!({
            "ulid": self.ulid, "minTime": start, "maxTime": end, "stats": stats,
            "compaction": {"level": 1, "sources": [self.ulid]}, "version": 1,
        });
        if let Some(thanos) = &self.meta.thanos {
            let labels: Map<String, Value> =
                thanos.labels.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            let source = if thanos.resolution > 0 { "compactor" } else { "sidecar" };
            meta["thanos"] = json!({
                "version": 1, "labels": labels, "downsample": {"resolution": thanos.resolution}, "source": source,
            });
        }
        meta
    }
}

impl Plan {
    /// Gives the series the symbols, lists and tables that belong to them.
    pub(crate) fn derive(&mut self, unused_symbols: &[String]) {
        let mut symbols: BTreeSet<String> = unused_symbols.iter().cloned().collect();
        if self.layout.empty_symbol {
            symbols.insert(String::new());
        }
        let mut lists: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
        let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (idx, series) in self.series.iter().enumerate() {
            lists.entry((String::new(), String::new())).or_default().push(idx);
            for (name, value) in &series.labels {
                symbols.extend([name.clone(), value.clone()]);
                lists.entry((name.clone(), value.clone())).or_default().push(idx);
                values.entry(name.clone()).or_default().insert(value.clone());
            }
        }
        self.symbols = symbols.into_iter().collect();
        self.lists = lists.into_iter().map(|((name, value), series)| List { name, value, series }).collect();
        if self.layout.unsorted_lists {
            self.lists[1..].reverse();
        }
        self.table =
            self.lists.iter().enumerate().map(|(idx, list)| (list.name.clone(), list.value.clone(), idx)).collect();
        if self.layout.label_indices {
            let of_name = |(name, values): (String, BTreeSet<String>)| (name, values.into_iter().collect());
            self.label_indices = values.into_iter().map(of_name).collect();
        }
    }

    /// The files, and where things are in them.
    pub(crate) fn write(&self) -> Written {
        let mut files = map::Files::new();
        let mut records = Vec::new();
        for (idx, segment) in self.records.iter().enumerate() {
            let mut bytes = SEGMENT_HEADER.to_vec();
            let mut maps = Vec::new();
            for record in segment {
                let at = bytes.len();
                bytes.extend(record.bytes());
                let end = bytes.len() - 4;
                let data = end - record.data.len()..end;
                let framed = Framed { whole: at..bytes.len(), payload: data.start - 1..data.end };
                maps.push(RecordMap { framed, data });
            }
            files.insert(map::segment_path(idx), bytes);
            records.push(maps);
        }
        let (bytes, index) = index::write(self, &records);
        files.insert("index".to_owned(), bytes);
        if let Some(stones) = &self.tombstones {
            let stone = |stone: &Stone| (u64::from(index.series[stone.series].reference), stone.first, stone.last);
            files.insert("tombstones".to_owned(), tombstones(stones.iter().map(stone)));
        }
        let meta = self.meta_with_files(&files);
        files.insert("meta.json".to_owned(), serde_json::to_vec_pretty(&meta).unwrap());
        Written { ulid: self.ulid.clone(), files, index, records }
    }

    fn meta_with_files(&self, files: &map::Files) -> Value {
        let mut meta = self.meta.clone();
        if self.files == Files::Absent {
            return meta;
        }
        let entry = |(path, bytes): (&String, &Vec<u8>)| {
            let mut entry = json!({"rel_path": path, "size_bytes": bytes.len()});
            if self.files == Files::Hashes {
                let value = format!("{:x}", Sha256::digest(bytes));
                entry["hash"] = json!({"hashFunc": "SHA256", "value": value});
            }
            entry
        };
        let mut entries: Vec<Value> = files.iter().map(entry).collect();
        entries.push(json!({"rel_path": "meta.json"}));
        meta["thanos"]["files"] = Value::Array(entries);
        meta
    }
}

/// The file `tombstones`: reference of a series, first and last time in ms of each stone.
pub(crate) fn tombstones(stones: impl IntoIterator<Item = (u64, i64, i64)>) -> Vec<u8> {
    let mut bytes = vec![0x01, 0x30, 0xba, 0x30, 1];
    for (series, first, last) in stones {
        put_uvarint(&mut bytes, series);
        put_varint(&mut bytes, first);
        put_varint(&mut bytes, last);
    }
    // the checksum covers the stones alone
    let crc = crc32c::crc32c(&bytes[5..]);
    bytes.extend_from_slice(&crc.to_be_bytes());
    bytes
}
