//! Whole indexes: healthy, split, damaged, hostile.

mod damage;
mod healthy;
mod hostile;
mod laws;
mod naming;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};

use super::*;
use crate::model::{Severity, TimestampMs};

/// All that a reading has shown, so that two can be compared.
#[derive(Clone, PartialEq)]
struct Seen {
    faults: Faults,
    version: Option<u8>,
    whole: bool,
    ascend: bool,
    numbers: (u64, u64, u64),
    times: (Option<i64>, Option<i64>),
    series: Vec<(u64, u64, Vec<ChunkMeta>)>,
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, ascend, series) = (self.whole, self.ascend, self.series.len());
        writeln!(f, "{:?} {whole} {ascend} {:?} {:?}, {series} series", self.version, self.numbers, self.times)?;
        for broken in self.faults.rules() {
            writeln!(f, "  {} × {}", broken.count, broken.rule.id)?;
            for fault in &broken.first {
                writeln!(f, "    {} {}: {} | {}", fault.at, fault.section, fault.expected, fault.found)?;
            }
        }
        Ok(())
    }
}

impl Seen {
    /// The rules that are broken, and at least so severe.
    fn rules(&self, least: Severity) -> Vec<&'static str> {
        self.faults.rules().filter(|broken| broken.rule.severity <= least).map(|broken| broken.rule.id).collect()
    }
}

/// Serves whatever is wanted, in parts of the lengths that `part` gives.
fn read_parts(bytes: &[u8], demands: IndexDemands, mut part: impl FnMut() -> usize) -> (Seen, Naming) {
    let mut verifier = IndexVerifier::new(demands);
    let mut series = Vec::new();
    let mut main = 0;
    while let IndexStep::Need { lane, range } = verifier.step() {
        assert!(range.start < range.end && range.end <= demands.size, "{range:?}");
        if lane == Lane::Main {
            assert_eq!(range.start, main, "the main lane goes on without a gap");
        }
        let start = usize::try_from(range.start).unwrap();
        let end = usize::try_from(range.end).unwrap().min(start.saturating_add(part()));
        let Some(given) = bytes.get(start..end.min(bytes.len())).filter(|given| !given.is_empty()) else { break };
        if lane == Lane::Main {
            main += len_u64(given.len());
        }
        verifier.feed(lane, given, &mut |entry| series.push((entry.at, entry.id, entry.chunks.to_vec())));
    }
    let report = verifier.finish();
    let seen = Seen {
        faults: report.faults,
        version: report.version,
        whole: report.whole,
        ascend: report.refs_ascend,
        numbers: (report.series, report.chunks, report.symbols),
        times: (report.first_ms, report.last_ms),
        series,
    };
    (seen, report.names)
}

fn read(bytes: &[u8], demands: IndexDemands) -> Seen {
    read_parts(bytes, demands, || usize::MAX).0
}

/// Nothing but the size is known.
fn size(bytes: &[u8]) -> IndexDemands {
    IndexDemands { size: len_u64(bytes.len()), ..IndexDemands::default() }
}

/// What `meta.json` beside an index says.
fn demands(index: &[u8], meta: &[u8]) -> IndexDemands {
    let meta: serde_json::Value = serde_json::from_slice(meta).unwrap();
    let time = |key: &str| TimestampMs(meta.get(key).and_then(serde_json::Value::as_i64).unwrap());
    let stat = |key: &str| Some(meta.pointer(key).map_or(0, |value| value.as_u64().unwrap()));
    IndexDemands {
        size: len_u64(index.len()),
        time: Some(Interval::new(time("minTime"), time("maxTime"))),
        series: stat("/stats/numSeries"),
        chunks: stat("/stats/numChunks"),
    }
}

/// An index that a real program wrote, with what its `meta.json` says.
fn real(block: &Path) -> (Vec<u8>, IndexDemands) {
    let index = std::fs::read(block.join("index")).unwrap();
    let meta = std::fs::read(block.join("meta.json")).unwrap();
    let demands = demands(&index, &meta);
    (index, demands)
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// The sample bucket has a block whose index is cut, as its `meta.json` shows.
fn is_cut(block: &Path) -> bool {
    let meta: serde_json::Value = serde_json::from_slice(&std::fs::read(block.join("meta.json")).unwrap()).unwrap();
    let files = meta.pointer("/thanos/files").and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
    let size = files.iter().find(|file| file["rel_path"] == "index").and_then(|file| file["size_bytes"].as_u64());
    size.is_some_and(|size| size != std::fs::metadata(block.join("index")).unwrap().len())
}

/// Whole blocks of the fixtures, by path.
fn blocks() -> Vec<PathBuf> {
    let mut folders = vec![fixtures().join("sample-bucket"), fixtures().join("demo")];
    folders.extend(entries(&fixtures().join("blocks")));
    let mut found: Vec<PathBuf> = folders.iter().flat_map(|folder| entries(folder)).collect();
    found.retain(|path| path.join("index").is_file() && path.join("meta.json").is_file() && !is_cut(path));
    found.sort();
    assert!(found.len() > 40, "{}", found.len());
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    if !folder.is_dir() {
        return Vec::new();
    }
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}
