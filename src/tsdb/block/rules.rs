//! What has to hold between the parts of a block, and inside its segments. Numbers of known defects are those of the
//! projects' own trackers.

use super::super::fault::Rule;
use crate::model::Damage::{Chunk, Hash, Inconsistent, Mutated, Unsupported};

pub static SEGMENT_HEADER: Rule =
    Rule::critical("segment_header", Chunk, "a segment does not begin with its magic number and version");
// no reader looks at these three bytes, but no writer writes anything else
pub static SEGMENT_PADDING: Rule =
    Rule::critical("segment_padding", Chunk, "the header of a segment is not padded with zeros");
pub static RECORD_LENGTH: Rule = Rule::critical("record_length", Chunk, "the length of a chunk is not one that fits");
pub static RECORD_CHECKSUM: Rule = Rule::critical("record_checksum", Chunk, "the checksum of a chunk does not match");
pub static CHUNK_ENCODING_NONE: Rule =
    Rule::critical("chunk_encoding_none", Chunk, "a chunk has the encoding 0, which stands for none");
pub static CHUNK_TOO_LARGE: Rule =
    Rule::warning("chunk_too_large", Chunk, "a chunk is larger than any writer makes one, and was not decoded");
pub static SEGMENT_STRAY: Rule = Rule::critical("segment_stray_bytes", Chunk, "bytes of a segment belong to no chunk");

pub static CHUNK_RESOLUTION: Rule = Rule::critical(
    "chunk_resolution",
    Inconsistent,
    "the encoding of a chunk is not one for the resolution of the block",
);
/// Thanos mends these when it reads them (thanos#6598).
pub static RAW_CHUNK_DOWNSAMPLED: Rule = Rule::info(
    "raw_chunk_downsampled",
    Inconsistent,
    "a downsampled block holds a raw chunk, as old versions wrote them",
);
pub static CHUNK_ORPHAN: Rule =
    Rule::critical("chunk_orphan", Inconsistent, "a chunk is in a segment, and no series refers to it");
pub static CHUNK_DANGLING: Rule =
    Rule::critical("chunk_dangling", Inconsistent, "a series refers to a chunk that is in no segment");
pub static CHUNK_FIRST_TIME: Rule = Rule::critical(
    "chunk_first_time",
    Inconsistent,
    "the first sample of a chunk is not of the time that the index gives",
);
pub static CHUNK_LAST_TIME: Rule = Rule::critical(
    "chunk_last_time",
    Inconsistent,
    "the last sample of a chunk is not of the time that the index gives",
);
pub static CHUNKS_UNMATCHED: Rule = Rule::critical(
    "chunks_unmatched",
    Inconsistent,
    "the chunks of the segments are not those that the index refers to",
);
/// Writers before Prometheus 2.51 did not see to it.
pub static REFERENCES_UNORDERED: Rule =
    Rule::info("references_unordered", Inconsistent, "the chunks are not in the order of their series");
pub static SEGMENT_NUMBERS: Rule =
    Rule::critical("segment_numbers", Inconsistent, "the segments are not numbered from 000001 on without a hole");
pub static SEGMENT_UNUSED: Rule = Rule::critical("segment_unused", Inconsistent, "no series refers to this segment");
pub static STRAY_OBJECT: Rule = Rule::warning("stray_object", Inconsistent, "an object is not part of any block");

pub static SAMPLES_TOTAL: Rule =
    Rule::critical("samples_total", Inconsistent, "the samples are not as many as `meta.json` says");
pub static FLOAT_SAMPLES_TOTAL: Rule =
    Rule::critical("float_samples_total", Inconsistent, "the float samples are not as many as `meta.json` says");
pub static HISTOGRAM_SAMPLES_TOTAL: Rule =
    Rule::critical("histogram_samples_total", Inconsistent, "the histograms are not as many as `meta.json` says");
pub static META_SOURCES: Rule =
    Rule::warning("meta_sources", Inconsistent, "`compaction.sources` of `meta.json` is not a sorted set of blocks");
pub static META_LINEAGE: Rule =
    Rule::info("meta_lineage", Inconsistent, "`compaction` of `meta.json` is not what the writers of blocks leave");
pub static META_FLAGS: Rule =
    Rule::info("meta_flags", Inconsistent, "`meta.json` says that a compaction of this block failed or left nothing");

pub static TOMBSTONES_MISSING: Rule = Rule::critical(
    "tombstones_missing",
    Inconsistent,
    "`meta.json` counts tombstones, but there is no such file: what was deleted is there again",
);
/// The shipper uploads no tombstones (thanos `pkg/shipper`, `hardlinkBlock`).
pub static TOMBSTONES_LEFT_BEHIND: Rule = Rule::warning(
    "tombstones_left_behind",
    Inconsistent,
    "`meta.json` counts tombstones, which the uploader leaves behind: what was deleted is there again",
);
pub static TOMBSTONES_TOTAL: Rule =
    Rule::critical("tombstones_total", Inconsistent, "the tombstones are not as many as `meta.json` says");
pub static TOMBSTONE_SERIES: Rule =
    Rule::critical("tombstone_series", Inconsistent, "a tombstone is for a series that is not in the index");
pub static TOMBSTONE_RANGE: Rule =
    Rule::warning("tombstone_range", Inconsistent, "a tombstone is for times that its series does not have");

pub static FILE_HASH: Rule = Rule::critical("file_hash", Hash, "the SHA-256 is not the one that `meta.json` gives");
pub static KEPT_HASH: Rule =
    Rule::critical("kept_hash", Mutated, "the SHA-256 is not the one of the first full verification");

pub static ENCODING_UNSUPPORTED: Rule =
    Rule::warning("encoding_unsupported", Unsupported, "a chunk has an encoding that Thanos cannot read (as of 0.42)");
pub static ENCODING_NEW: Rule =
    Rule::info("encoding_new", Unsupported, "a chunk has an encoding that only a recent Prometheus can read");

/// All of them.
pub static RULES: &[&Rule] = &[
    &SEGMENT_HEADER,
    &SEGMENT_PADDING,
    &RECORD_LENGTH,
    &RECORD_CHECKSUM,
    &CHUNK_ENCODING_NONE,
    &CHUNK_TOO_LARGE,
    &SEGMENT_STRAY,
    &CHUNK_RESOLUTION,
    &RAW_CHUNK_DOWNSAMPLED,
    &CHUNK_ORPHAN,
    &CHUNK_DANGLING,
    &CHUNK_FIRST_TIME,
    &CHUNK_LAST_TIME,
    &CHUNKS_UNMATCHED,
    &REFERENCES_UNORDERED,
    &SEGMENT_NUMBERS,
    &SEGMENT_UNUSED,
    &STRAY_OBJECT,
    &SAMPLES_TOTAL,
    &FLOAT_SAMPLES_TOTAL,
    &HISTOGRAM_SAMPLES_TOTAL,
    &META_SOURCES,
    &META_LINEAGE,
    &META_FLAGS,
    &TOMBSTONES_MISSING,
    &TOMBSTONES_LEFT_BEHIND,
    &TOMBSTONES_TOTAL,
    &TOMBSTONE_SERIES,
    &TOMBSTONE_RANGE,
    &FILE_HASH,
    &KEPT_HASH,
    &ENCODING_UNSUPPORTED,
    &ENCODING_NEW,
];
