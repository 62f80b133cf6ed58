//! What has to hold inside one chunk.

use crate::model::Damage::{Chunk, Inconsistent, Unsupported};
use crate::tsdb::Rule;

// its checksum holds, so somebody wrote it like that: a later Prometheus, perhaps
pub static ENCODING: Rule =
    Rule::warning("chunk_encoding", Unsupported, "a chunk has an encoding that is not known, and cannot be proven");
pub static SHORT: Rule = Rule::critical("chunk_short", Chunk, "a chunk ends before its last sample");
pub static EMPTY: Rule = Rule::critical("chunk_empty", Chunk, "a chunk has no samples");
pub static NUMBER: Rule = Rule::critical("chunk_number", Chunk, "a number in a chunk has more than 64 bits");
pub static WINDOW: Rule = Rule::critical("chunk_window", Chunk, "a value in a chunk has more than 64 bits");
pub static REST: Rule = Rule::critical("chunk_rest", Chunk, "a chunk goes on after its last sample");
pub static ORDER: Rule = Rule::critical("chunk_order", Chunk, "the times of a chunk do not ascend");

pub static SCHEMA: Rule = Rule::critical("histogram_schema", Chunk, "a histogram has a schema that no reader accepts");
pub static SCHEMA_RESERVED: Rule =
    Rule::info("histogram_schema_reserved", Unsupported, "a histogram has a schema that old readers do not accept");
pub static SPANS: Rule = Rule::critical("histogram_spans", Chunk, "the spans of a histogram are impossible");
pub static BOUNDS: Rule = Rule::critical("histogram_bounds", Chunk, "the bounds of a histogram do not ascend");
pub static NEGATIVE: Rule = Rule::warning("histogram_negative", Inconsistent, "a histogram has a negative count");
pub static TOO_FEW: Rule =
    Rule::warning("histogram_count", Inconsistent, "a histogram counts fewer observations than its buckets hold");
pub static FALLS: Rule =
    Rule::warning("histogram_falls", Inconsistent, "a histogram falls within a chunk, where a writer begins another");

pub static FLAGS: Rule = Rule::warning("chunk_flags", Inconsistent, "a chunk has flags that are not defined");
pub static STARTS: Rule =
    Rule::warning("chunk_starts", Inconsistent, "a chunk claims start times from a sample on that it does not have");
pub static START_LATER: Rule =
    Rule::info("chunk_start_later", Inconsistent, "a sample is older than the start that it gives");

pub static FRAMING: Rule = Rule::critical("aggregate_framing", Chunk, "the parts of an aggregate chunk do not fill it");
pub static MISSING: Rule = Rule::critical("aggregate_missing", Chunk, "an aggregate chunk lacks an aggregate");
pub static NO_COUNTER: Rule = Rule::info(
    "aggregate_counter_absent",
    Inconsistent,
    "an aggregate chunk ends in an absent counter, on which Thanos fails",
);
pub static PART_EMPTY: Rule =
    Rule::warning("aggregate_empty", Inconsistent, "an aggregate chunk has an aggregate without samples");
pub static PART_ENCODING: Rule =
    Rule::warning("aggregate_encoding", Inconsistent, "an aggregate has an encoding that Thanos does not write there");
pub static MISALIGNED: Rule =
    Rule::critical("aggregate_misaligned", Chunk, "the aggregates of a chunk have different times");
pub static VALUES: Rule =
    Rule::warning("aggregate_values", Inconsistent, "count, sum, minimum and maximum of a window do not agree");

/// All of them.
pub static RULES: &[&Rule] = &[
    &ENCODING,
    &SHORT,
    &EMPTY,
    &NUMBER,
    &WINDOW,
    &REST,
    &ORDER,
    &SCHEMA,
    &SCHEMA_RESERVED,
    &SPANS,
    &BOUNDS,
    &NEGATIVE,
    &TOO_FEW,
    &FALLS,
    &FLAGS,
    &STARTS,
    &START_LATER,
    &FRAMING,
    &MISSING,
    &NO_COUNTER,
    &PART_EMPTY,
    &PART_ENCODING,
    &MISALIGNED,
    &VALUES,
];
