//! `meta.json` of a moved block, as Prometheus and Thanos write it: keys in the order of their Go structs, indented by
//! tabs. Statistics are those of the original; everything else is the block's own.

use serde::{Deserialize, Serialize};
use serde_json::ser::{PrettyFormatter, Serializer};

use super::{Identity, ShiftError};
use crate::model::{Labels, Resolution};

/// What is taken over.
#[derive(Deserialize)]
struct Original {
    stats: Stats,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Meta<'a> {
    ulid: String,
    min_time: i64,
    max_time: i64,
    stats: Stats,
    compaction: Compaction,
    version: u32,
    thanos: Thanos<'a>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Stats {
    #[serde(skip_serializing_if = "Option::is_none")]
    num_samples: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    num_float_samples: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    num_series: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    num_chunks: Option<u64>,
}

#[derive(Serialize)]
struct Compaction {
    level: u32,
    sources: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parents: Vec<Parent>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parent {
    ulid: String,
    min_time: i64,
    max_time: i64,
}

#[derive(Serialize)]
struct Thanos<'a> {
    labels: &'a Labels,
    downsample: Downsample,
    source: &'a str,
    segment_files: Vec<String>,
    files: Vec<Entry>,
    /// Thanos writes an empty object where it knows nothing.
    index_stats: Nothing,
    upload_time: String,
}

#[derive(Serialize)]
struct Downsample {
    resolution: i64,
}

#[derive(Serialize)]
struct Entry {
    rel_path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_bytes: Option<usize>,
}

#[derive(Serialize)]
struct Nothing {}

/// Writes the new `meta.json`.
pub(super) fn rename(
    original: &[u8],
    identity: &Identity,
    index: &[u8],
    segments: &[Vec<u8>],
) -> Result<Vec<u8>, ShiftError> {
    let original: Original = serde_json::from_slice(original).map_err(|error| at(&error))?;
    let names: Vec<String> = (1..=segments.len()).map(|number| format!("{number:06}")).collect();
    let sizes = names.iter().zip(segments).map(|(name, bytes)| (format!("chunks/{name}"), Some(bytes.len())));
    let sizes = sizes.chain([("index".to_owned(), Some(index.len())), ("meta.json".to_owned(), None)]);
    let files = sizes.map(|(rel_path, size_bytes)| Entry { rel_path, size_bytes }).collect();
    let parents = identity.parents.iter().map(|parent| Parent {
        ulid: parent.ulid.to_string(),
        min_time: parent.interval.start.0,
        max_time: parent.interval.end.0,
    });
    let meta = Meta {
        ulid: identity.ulid.to_string(),
        min_time: identity.interval.start.0,
        max_time: identity.interval.end.0,
        stats: original.stats,
        compaction: Compaction {
            level: identity.level,
            sources: identity.sources.iter().map(ToString::to_string).collect(),
            parents: parents.collect(),
        },
        version: 1,
        thanos: Thanos {
            labels: &identity.labels,
            downsample: Downsample {
                resolution: match identity.resolution {
                    Resolution::Raw => 0,
                    Resolution::FiveMinutes => 300_000,
                    Resolution::OneHour => 3_600_000,
                },
            },
            source: identity.source,
            segment_files: names,
            files,
            index_stats: Nothing {},
            upload_time: identity.uploaded.to_string(),
        },
    };
    let mut written = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut written, PrettyFormatter::with_indent(b"\t"));
    meta.serialize(&mut serializer).map_err(|error| at(&error))?;
    written.push(b'\n');
    Ok(written)
}

fn at(error: &serde_json::Error) -> ShiftError {
    ShiftError::Meta { line: error.line(), column: error.column() }
}
