//! What `meta.json` says beyond what places a block in a stream, and whether that can be.

use ulid::Ulid;

use super::super::fault::Faults;
use super::super::json::Reader;
use super::super::tree::Object;
use super::rules;
use crate::model::{BlockMeta, BlockSource, Interval, Resolution};

/// Numbers of samples by kind; `None` where the writer left them out (before Prometheus 3.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kinds {
    pub(super) floats: Option<u64>,
    pub(super) histograms: Option<u64>,
}

/// A larger one is not looked at twice: writers stay far below this.
pub(super) const MAX_BYTES: u64 = 16 << 20;

/// Reads what `BlockMeta` does not hold.
pub(super) fn read(bytes: &[u8], meta: &BlockMeta, faults: &mut Faults) -> Kinds {
    let mut reader = Reader::default();
    let Some(document) = reader.document(bytes) else { return Kinds::default() };
    let empty = Object::default();
    let compaction = reader.object(&document, "compaction", "compaction").unwrap_or(&empty);
    let deletable = reader.boolean(compaction, "deletable", "compaction.deletable");
    if deletable || meta.failed {
        let found = if deletable { "`deletable`" } else { "`failed`" };
        faults.note(&rules::META_FLAGS, "compaction", 0, || ("neither flag".to_owned(), found.to_owned()));
    }
    lineage(meta, faults);
    let stats = reader.object(&document, "stats", "stats").unwrap_or(&empty);
    let floats = reader.unsigned(stats, "numFloatSamples", "stats.numFloatSamples");
    let histograms = reader.unsigned(stats, "numHistogramSamples", "stats.numHistogramSamples");
    // each is left out when it is zero, and both by old writers
    match (floats, histograms) {
        (None, None) => Kinds::default(),
        (floats, histograms) => Kinds { floats: Some(floats.unwrap_or(0)), histograms: Some(histograms.unwrap_or(0)) },
    }
}

fn lineage(meta: &BlockMeta, faults: &mut Faults) {
    let sources = &meta.sources;
    let sorted = sources.iter().zip(sources.iter().skip(1)).all(|(before, after)| before < after);
    if sources.is_empty() || !sorted {
        let found = if sources.is_empty() { "none".to_owned() } else { format!("{} blocks, unsorted", sources.len()) };
        faults.note(&rules::META_SOURCES, "compaction", 0, || ("a sorted set of blocks".to_owned(), found));
    }
    let mut note = |expected: String, found: String| {
        faults.note(&rules::META_LINEAGE, "compaction", 0, || (expected, found));
    };
    let parents = meta.parents.iter().map(|parent| parent.interval).reduce(Interval::hull);
    if meta.level > 1 && meta.resolution == Resolution::Raw {
        match parents {
            None => note("parents of a compacted block".to_owned(), "none".to_owned()),
            Some(hull) if hull != meta.interval => note(
                format!("times of its parents: {} to {}", hull.start.0, hull.end.0),
                format!("{} to {}", meta.interval.start.0, meta.interval.end.0),
            ),
            Some(_) => {}
        }
    }
    // Thanos keeps the sources of what it downsamples and rewrites
    let own = meta.resolution == Resolution::Raw && meta.rewrite_sources.is_empty();
    let written = matches!(meta.source, BlockSource::Unset | BlockSource::Sidecar | BlockSource::Receive);
    if meta.level == 1
        && own
        && written
        && let (Some(ulid), [source]) = (meta.ulid, &**sources)
        && ulid != *source
    {
        note(format!("its own ULID {ulid}"), source_text(*source));
    }
}

fn source_text(source: Ulid) -> String {
    format!("source {source}")
}
