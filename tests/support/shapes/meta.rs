//! `meta.json` and marks, byte for byte in the form in which Thanos writes them: keys in the order of its Go structs,
//! tab-indented, with a final line feed; marks in one line.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};

use super::block::{Block, UploadTime};
use super::time::rfc3339;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Meta<'a> {
    ulid: String,
    min_time: i64,
    max_time: i64,
    stats: Stats,
    compaction: Compaction,
    version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    thanos: Option<Thanos<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stats {
    #[serde(skip_serializing_if = "is_zero")]
    num_samples: u64,
    #[serde(skip_serializing_if = "is_zero")]
    num_series: u64,
    #[serde(skip_serializing_if = "is_zero")]
    num_chunks: u64,
    #[serde(skip_serializing_if = "is_zero")]
    num_tombstones: u64,
}

#[derive(Serialize)]
struct Compaction {
    level: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sources: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parents: Vec<Parent>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hints: Vec<&'static str>,
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
    labels: &'a BTreeMap<String, String>,
    downsample: Downsample,
    source: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    segment_files: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<File>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rewrites: Vec<Rewrite>,
    index_stats: BTreeMap<String, i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upload_time: Option<String>,
}

#[derive(Serialize)]
struct Downsample {
    resolution: i64,
}

#[derive(Serialize)]
struct File {
    rel_path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_bytes: Option<u64>,
}

#[derive(Serialize)]
struct Rewrite {
    sources: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl Block {
    /// The bytes of `meta.json`.
    pub fn meta_json(&self) -> Vec<u8> {
        let parents = self.parents.iter().map(|(ulid, min, max)| Parent {
            ulid: ulid.to_string(),
            min_time: *min,
            max_time: *max,
        });
        let meta = Meta {
            ulid: self.ulid.to_string(),
            min_time: self.min,
            max_time: self.max,
            stats: Stats {
                num_samples: self.samples,
                num_series: self.series,
                num_chunks: self.chunks,
                num_tombstones: self.tombstones,
            },
            compaction: Compaction {
                level: self.level,
                sources: self.sources.iter().map(ToString::to_string).collect(),
                parents: parents.collect(),
                hints: if self.hinted { vec!["from-out-of-order"] } else { Vec::new() },
            },
            version: 1,
            thanos: self.thanos.then(|| self.thanos_section()),
        };
        let mut bytes = Vec::new();
        let mut serializer = Serializer::with_formatter(&mut bytes, PrettyFormatter::with_indent(b"\t"));
        meta.serialize(&mut serializer).unwrap();
        bytes.push(b'\n');
        bytes
    }

    fn thanos_section(&self) -> Thanos<'_> {
        let chunks = (1..).zip(&self.segments);
        let segments: Vec<(String, u64)> = chunks.map(|(number, size)| (format!("{number:06}"), *size)).collect();
        let mut files = Vec::new();
        if self.files {
            for (name, size) in &segments {
                files.push(File { rel_path: format!("chunks/{name}"), size_bytes: Some(*size) });
            }
            files.push(File { rel_path: "index".to_owned(), size_bytes: Some(self.index) });
            files.push(File { rel_path: "meta.json".to_owned(), size_bytes: None });
        }
        Thanos {
            labels: &self.labels,
            downsample: Downsample { resolution: self.resolution },
            source: &self.source,
            segment_files: if self.segment_files {
                segments.into_iter().map(|(name, _)| name).collect()
            } else {
                Vec::new()
            },
            files,
            rewrites: match self.rewrites.as_slice() {
                [] => Vec::new(),
                sources => vec![Rewrite { sources: sources.iter().map(ToString::to_string).collect() }],
            },
            index_stats: BTreeMap::new(),
            upload_time: match self.upload_time {
                UploadTime::Written => Some(rfc3339(self.uploaded)),
                UploadTime::Zero => Some("0001-01-01T00:00:00Z".to_owned()),
                UploadTime::Absent => None,
            },
        }
    }
}
