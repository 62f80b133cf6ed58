//! Once everything is read: sums against `meta.json`, segments against the index, hashes against those that are known.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::bytes::hex;
use super::super::fault::Faults;
use super::record::Seen;
use super::report::WHOLE;
use super::tally::Tally;
use super::{BlockVerifier, rules};
use crate::model::{BlockMeta, BlockSource, Damage, Level, Resolution, Severity};

impl BlockVerifier {
    /// Compares what can be compared, and leaves out what merely follows from damage that has been found.
    pub(super) fn compare(&mut self) {
        let read_whole = self.index.as_ref().is_some_and(|index| index.whole);
        let index_whole = read_whole && !self.has("index", Damage::Index);
        self.compare_tombstones(index_whole);
        let unordered = self.batches.unordered;
        if self.index.as_ref().is_some_and(|index| !index.refs_ascend) {
            let mut faults = Faults::default();
            faults.note(&rules::REFERENCES_UNORDERED, "series", 0, || ("ascending".to_owned(), "not so".to_owned()));
            self.note("index", faults);
        }
        let mut tally = Tally::default();
        for (name, mut seen) in std::mem::take(&mut self.worked) {
            if unordered {
                // what was done before that was known
                continue;
            }
            if !index_whole {
                seen.faults.forgive(&rules::CHUNK_ORPHAN);
            }
            self.take_worked(&name, seen, &mut tally);
        }
        let unused: BTreeSet<Arc<str>> = self
            .batches
            .segments()
            .filter(|(_, _, used)| !used)
            .map(|(_, segment, _)| Arc::clone(&segment.name))
            .collect();
        for name in unused.iter().filter(|_| !unordered && index_whole) {
            let mut faults = Faults::default();
            let words = || ("a reference in the index".to_owned(), "none".to_owned());
            faults.note(&rules::SEGMENT_UNUSED, WHOLE, 0, words);
            self.note(name, faults);
        }
        for (name, seen) in std::mem::take(&mut self.walked) {
            if unordered {
                tally.add(seen.tally);
            }
            if unordered || unused.contains(&name) {
                self.note(&name, seen.faults);
            }
        }
        self.report.samples = tally.samples;
        self.report.chunks = tally.chunks;
        let chunks_whole = !self.report.faults.keys().any(|file| self.has(file, Damage::Chunk));
        if unordered && index_whole && chunks_whole && self.demands.level > Level::Index {
            self.compare_sets(tally);
        }
        if index_whole && chunks_whole && tally.uncounted == 0 && self.demands.level > Level::Index {
            self.compare_totals(tally);
        }
        self.compare_hashes();
    }

    /// Damage of this kind was found in a file, at warning or above.
    fn has(&self, file: &str, damage: Damage) -> bool {
        self.report.faults.get(file).is_some_and(|faults| breaks(faults, damage))
    }

    /// What reading a segment in stretches has shown.
    fn take_worked(&mut self, name: &Arc<str>, seen: Seen, tally: &mut Tally) {
        tally.add(seen.tally);
        self.note(name, seen.faults);
        let segment = self.layout.segments.values().find(|segment| segment.name == *name);
        let Some(segment) = segment else { return };
        self.report.bytes = self.report.bytes.saturating_add(segment.size);
        if let Some(hash) = segment.chain.as_ref().and_then(|chain| chain.finish(segment.size)) {
            self.report.hashes.insert(Arc::clone(name), hash);
        }
    }

    /// The chunks of all segments together against those of the index together.
    fn compare_sets(&mut self, tally: Tally) {
        let (named, sum) = (self.batches.chunks, self.batches.fingerprint);
        if (tally.chunks, tally.fingerprint) != (named, sum) {
            let mut faults = Faults::default();
            let words = || {
                let others = if tally.chunks == named { " others, or of other times" } else { "" };
                let found = format!("{}{others}", tally.chunks);
                (format!("{named} chunks that the index names"), found)
            };
            faults.note(&rules::CHUNKS_UNMATCHED, "series", 0, words);
            self.note("index", faults);
        }
    }

    fn compare_totals(&mut self, tally: Tally) {
        let Some(meta) = self.plan.meta.clone() else { return };
        let mut faults = Faults::default();
        let mut compare = |rule, expected: u64, found: u64| {
            if expected != found {
                faults.note(rule, "stats", 0, || (expected.to_string(), found.to_string()));
            }
        };
        if let Some(stats) = self.plan.stats() {
            compare(&rules::SAMPLES_TOTAL, stats.samples.unwrap_or(0), tally.samples);
        }
        // Thanos copies these two from the block that it downsamples
        if meta.resolution == Resolution::Raw {
            if let Some(floats) = self.kinds.floats {
                compare(&rules::FLOAT_SAMPLES_TOTAL, floats, tally.float_samples);
            }
            if let Some(histograms) = self.kinds.histograms {
                compare(&rules::HISTOGRAM_SAMPLES_TOTAL, histograms, tally.histogram_samples);
            }
        }
        self.note("meta.json", faults);
    }

    fn compare_tombstones(&mut self, index_whole: bool) {
        let sound = !self.has("tombstones", Damage::Tombstone);
        let counted = self.stones.as_ref().map(|stones| stones.intervals);
        if let Some(stones) = &mut self.stones {
            let faults = stones.finish(index_whole && sound);
            self.note("tombstones", faults);
        }
        let Some(meta) = self.plan.meta.clone() else { return };
        let declared = meta.stats.tombstones.unwrap_or(0);
        let mut faults = Faults::default();
        match counted {
            Some(counted) if counted != declared && sound => {
                let words = || (format!("{declared} intervals"), format!("{counted}"));
                faults.note(&rules::TOMBSTONES_TOTAL, "stones", 0, words);
                self.note("tombstones", faults);
            }
            None if declared > 0 => {
                let rule =
                    if is_left_behind(&meta) { &rules::TOMBSTONES_LEFT_BEHIND } else { &rules::TOMBSTONES_MISSING };
                let words = || (format!("{declared} intervals in `tombstones`"), "no such file".to_owned());
                faults.note(rule, "stats", 0, words);
                self.note("meta.json", faults);
            }
            Some(_) | None => {}
        }
    }

    fn compare_hashes(&mut self) {
        let mut all = !self.report.hashes.is_empty();
        let mut found: Vec<(Arc<str>, Faults)> = Vec::new();
        for (name, hash) in &self.report.hashes {
            let mut faults = Faults::default();
            let mut compare = |rule, expected: &[u8; 32]| {
                if expected != hash {
                    faults.note(rule, WHOLE, 0, || (hex(expected), hex(hash)));
                }
            };
            if let Some(declared) = self.plan.declared(name) {
                compare(&rules::FILE_HASH, declared);
            }
            match self.plan.kept.get(name) {
                Some(kept) => compare(&rules::KEPT_HASH, kept),
                None => all = false,
            }
            found.push((Arc::clone(name), faults));
        }
        self.report.compared = all && self.demands.level == Level::Full;
        for (name, faults) in found {
            self.note(&name, faults);
        }
    }
}

/// Damage of this kind, at warning or above.
fn breaks(faults: &Faults, damage: Damage) -> bool {
    faults.rules().any(|broken| broken.rule.damage == damage && broken.rule.severity < Severity::Info)
}

/// Thanos' shipper uploads meta, index and chunks of what Prometheus wrote, and nothing else.
fn is_left_behind(meta: &BlockMeta) -> bool {
    let listed = meta.files.iter().flatten().any(|file| &*file.name == "tombstones");
    meta.source == BlockSource::Sidecar && !listed
}
