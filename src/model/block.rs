//! A block's own description: `meta.json` and the marks, as `tsdb` parsed them.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};
use ulid::Ulid;

use super::{Interval, Labels, TimestampMs};

/// Characters of a ULID.
pub const ULID_LEN: usize = 26;

/// Parses a directory name as a ULID, in either case as Go's `ulid.Parse` does; `None` for anything that the library
/// would decode to other bits (a first character above `7` overflows 128 bits).
pub fn parse_ulid(name: &str) -> Option<Ulid> {
    if name.len() != ULID_LEN || name.bytes().next().is_none_or(|first| first > b'7') {
        return None;
    }
    Ulid::from_string(name).ok()
}

/// The time inside a ULID: when the block was cut (level 1) or compacted.
pub fn ulid_time(ulid: Ulid) -> TimestampMs {
    TimestampMs(i64::try_from(ulid.timestamp_ms()).unwrap_or(i64::MAX))
}

/// Downsampling resolution of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resolution {
    /// 0 ms: the samples as they were scraped.
    #[default]
    Raw,
    /// 300,000 ms.
    FiveMinutes,
    /// 3,600,000 ms.
    OneHour,
}

impl Resolution {
    /// All, finest first.
    pub const ALL: [Self; 3] = [Self::Raw, Self::FiveMinutes, Self::OneHour];

    /// From `thanos.downsample.resolution` in ms; `None` for a value that Thanos does not write.
    pub const fn from_ms(ms: i64) -> Option<Self> {
        match ms {
            0 => Some(Self::Raw),
            300_000 => Some(Self::FiveMinutes),
            3_600_000 => Some(Self::OneHour),
            _ => None,
        }
    }

    /// The name in output and configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::FiveMinutes => "5m",
            Self::OneHour => "1h",
        }
    }
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Resolution {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Who wrote a block (`thanos.source`, Thanos `pkg/block/metadata`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum BlockSource {
    /// Empty or absent: an old sidecar, or a block that Prometheus itself wrote.
    #[default]
    Unset,
    /// `sidecar`
    Sidecar,
    /// `receive`
    Receive,
    /// `ruler`
    Ruler,
    /// `compactor` and `compactor.repair`
    Compactor,
    /// Anything else: `bucket.repair`, `bucket.rewrite`, `bucket.upload`, `test`, …
    Other(Arc<str>),
}

impl BlockSource {
    /// Reads the text of `meta.json`.
    pub fn from_text(text: &str) -> Self {
        match text {
            "" => Self::Unset,
            "sidecar" => Self::Sidecar,
            "receive" => Self::Receive,
            "ruler" => Self::Ruler,
            "compactor" | "compactor.repair" => Self::Compactor,
            other => Self::Other(other.into()),
        }
    }

    /// Written by something that produces new data, so that the stream has a lag.
    pub const fn is_producer(&self) -> bool {
        matches!(self, Self::Unset | Self::Sidecar | Self::Receive | Self::Ruler)
    }
}

/// `stats` of `meta.json`; `None` where the writer left the field out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// `numSamples`
    pub samples: Option<u64>,
    /// `numSeries`
    pub series: Option<u64>,
    /// `numChunks`
    pub chunks: Option<u64>,
    /// `numTombstones`
    pub tombstones: Option<u64>,
}

/// One entry of `compaction.parents`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// The block that was compacted.
    pub ulid: Ulid,
    /// Its time range.
    pub interval: Interval,
}

/// One entry of `thanos.files`, `rel_path` with forward slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Path inside the block's directory.
    pub name: Arc<str>,
    /// `size_bytes`; `None` for `meta.json` itself.
    pub size: Option<u64>,
    /// SHA-256, where the uploader was told to write it.
    pub sha256: Option<[u8; 32]>,
}

/// What a parsable `meta.json` says. Fields that are merely odd are in `MetaProblem`s beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockMeta {
    /// `ulid` as written, which need not be the directory's.
    pub ulid: Option<Ulid>,
    /// `[minTime, maxTime)`.
    pub interval: Interval,
    /// `stats`.
    pub stats: Stats,
    /// `compaction.level`; 1 = cut from a head.
    pub level: u32,
    /// `compaction.sources`: the level-1 ancestors; one list for a block and what was downsampled from it.
    pub sources: Arc<[Ulid]>,
    /// `compaction.parents`.
    pub parents: Box<[Parent]>,
    /// `compaction.hints` is not empty (`from-out-of-order`): such blocks overlap by design.
    pub hinted: bool,
    /// `compaction.failed`.
    pub failed: bool,
    /// `thanos.labels`.
    pub labels: Arc<Labels>,
    /// `thanos.downsample.resolution`.
    pub resolution: Resolution,
    /// `thanos.source`.
    pub source: BlockSource,
    /// `thanos.files`; `None` when absent (written since Thanos 0.17).
    pub files: Option<Box<[FileEntry]>>,
    /// `thanos.segment_files`: how many segments, and `None` when absent. They are always numbered from 1.
    pub segments: Option<u32>,
    /// All `thanos.rewrites[].sources`.
    pub rewrite_sources: Box<[Ulid]>,
    /// `thanos.upload_time` (since Thanos 0.40); `None` when absent or zero.
    pub upload_time: Option<TimestampMs>,
}

impl BlockMeta {
    /// Cut from a head and not an out-of-order block.
    pub const fn is_plain_level_one(&self) -> bool {
        self.level <= 1 && !self.hinted
    }
}

/// What is wrong with a `meta.json` or a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetaProblemKind {
    /// Not JSON, or a field of the wrong type: Thanos treats the block as a partial upload.
    Unparsable,
    /// `version` is not 1: Thanos' fetcher fails.
    Version,
    /// A required field is missing or outside of what the writers produce.
    Field,
}

/// One problem, with the place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetaProblem {
    /// The class.
    pub kind: MetaProblemKind,
    /// In words, lower case, with line and column where JSON itself is broken.
    pub text: String,
}

/// `deletion-mark.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletionMark {
    /// `deletion_time` (seconds in the file): when the mark was set.
    pub time: TimestampMs,
    /// `details`.
    pub details: String,
}

/// `no-compact-mark.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoCompactMark {
    /// `no_compact_time`.
    pub time: TimestampMs,
    /// `reason`.
    pub reason: String,
}

/// `no-downsample-mark.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoDownsampleMark {
    /// `no_downsample_time`.
    pub time: TimestampMs,
    /// `reason`.
    pub reason: String,
}
