//! A healthy estate of any size, computed from its dimensions alone: every block, key, size, `ETag` and `meta.json`
//! follows from the index of its stream and its place in time. It needs neither a disk nor memory for contents, and two
//! processes agree on it.
//!
//! Each stream has what a sidecar and a compactor leave behind in Thanos: the last day as 2h blocks of level 1, then
//! blocks of 8h, 2d (with their 5m sibling) and 14d (with 5m and 1h siblings), each with the sources and parents that
//! it was made of, `files[]` with sizes, and six objects.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "whatever fails in here fails the test that uses it")]

use std::fmt::Write as _;
use std::ops::Bound;

use blockwarden::model::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, TimestampMs};
use bytes::Bytes;
use ulid::Ulid;

use super::s3_server::{Head, Listed, Objects};

/// Objects of each block, in the order of their keys.
const NAMES: [&str; 6] = ["chunks/000001", "chunks/000002", "chunks/000003", "chunks/000004", "index", "meta.json"];
const META: usize = NAMES.len() - 1;

/// The least number of blocks that a stream can have: all kinds but the 14d blocks.
pub(crate) const LEAST_PER_STREAM: u64 = 28;

/// 2026-01-01T00:00:00Z, which is on the grid of 14 d: where the 14d blocks end and the 2d blocks begin.
const BASE: TimestampMs = TimestampMs(1_767_225_600_000);
const RESOLUTIONS_MS: [i64; 3] = [0, 300_000, 3_600_000];

/// How far compaction has come with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    TwoHours,
    EightHours,
    TwoDays,
    Fortnight,
}

impl Span {
    const fn ms(self) -> i64 {
        match self {
            Self::TwoHours => 2 * HOUR_MS,
            Self::EightHours => 8 * HOUR_MS,
            Self::TwoDays => 2 * DAY_MS,
            Self::Fortnight => 14 * DAY_MS,
        }
    }

    const fn level(self) -> u8 {
        match self {
            Self::TwoHours => 1,
            Self::EightHours => 2,
            Self::TwoDays => 3,
            Self::Fortnight => 4,
        }
    }

    /// From the end of the data until the block is written: Prometheus cuts a block an hour after its end, the
    /// compactor follows when it gets there.
    const fn delay_ms(self) -> i64 {
        match self {
            Self::TwoHours => HOUR_MS,
            Self::EightHours => 3 * HOUR_MS,
            Self::TwoDays => 9 * HOUR_MS,
            Self::Fortnight => 50 * HOUR_MS,
        }
    }

    const fn parts(self) -> Option<Self> {
        match self {
            Self::TwoHours => None,
            Self::EightHours => Some(Self::TwoHours),
            Self::TwoDays => Some(Self::EightHours),
            Self::Fortnight => Some(Self::TwoDays),
        }
    }
}

/// What tells a block from all others.
#[derive(Clone, Copy, Debug)]
struct Place {
    stream: u32,
    span: Span,
    /// Index into [`RESOLUTIONS_MS`].
    resolution: u8,
    start: i64,
}

impl Place {
    const fn end(&self) -> i64 {
        self.start + self.span.ms()
    }

    /// A number that looks random and depends on the place and `salt` alone.
    fn hash(&self, salt: u64) -> u64 {
        let kind = u64::from(self.span.level()) * 8 + u64::from(self.resolution);
        let start = self.start.unsigned_abs() / HOUR_MS.unsigned_abs();
        mix(mix(mix(u64::from(self.stream) + (salt << 32)) ^ start) ^ kind)
    }

    /// When the block was written. Streams are up to a minute apart, as scrapes and uploads are.
    fn written_at(&self) -> i64 {
        let apart = i64::try_from(mix(u64::from(self.stream)) % 60_000).unwrap();
        self.end() + self.span.delay_ms() + i64::from(self.resolution) * HOUR_MS + apart
    }

    fn uploaded_at(&self) -> i64 {
        // whole seconds, as object storage dates its objects
        (self.written_at() / SECOND_MS + 40) * SECOND_MS
    }

    fn ulid(&self) -> Ulid {
        let random = u128::from(self.hash(1)) << 16 | u128::from(self.hash(2) & 0xFFFF);
        Ulid::from_parts(self.written_at().unsigned_abs(), random)
    }

    fn etag(&self, object: usize) -> String {
        let salt = 16 + u64::try_from(object).unwrap();
        format!("{:016x}{:016x}", self.hash(salt), self.hash(salt + 16))
    }

    /// Size of all objects but `meta.json`: full segments but for the last one, and an index.
    fn size(&self, object: usize) -> u64 {
        let odd = self.hash(64 + u64::try_from(object).unwrap());
        match object {
            0..=2 => 536_870_912 - odd % 4_000,
            3 => 1_000_000 + odd % 500_000_000,
            _ => 40_000_000 + odd % 30_000_000,
        }
    }

    /// The blocks of one kind less that make up this one.
    fn parts(&self, span: Span) -> impl Iterator<Item = Self> {
        let count = self.span.ms() / span.ms();
        let (stream, start) = (self.stream, self.start);
        (0..count).map(move |idx| Self { stream, span, resolution: 0, start: start + idx * span.ms() })
    }
}

/// A step of splitmix64.
const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

#[derive(Clone, Copy, Debug)]
struct Block {
    ulid: Ulid,
    place: Place,
    meta_size: u32,
}

/// The estate.
#[derive(Debug)]
pub(crate) struct Estate {
    /// By ULID.
    blocks: Vec<Block>,
    at: TimestampMs,
}

impl Estate {
    /// `streams` with `per_stream` blocks each, at least [`LEAST_PER_STREAM`]. One block more per stream is the same
    /// estate two hours later, as long as `per_stream - LEAST_PER_STREAM` does not come to a multiple of three.
    pub(crate) fn new(streams: u32, per_stream: u64) -> Self {
        Self::from_base(BASE, streams, per_stream)
    }

    /// The same, moved by whole steps of two hours so that it is healthy at `now` and stays so for the next 50 minutes.
    pub(crate) fn healthy_at(now: TimestampMs, streams: u32, per_stream: u64) -> Self {
        // nothing has settled yet of what was uploaded last, which does no harm
        let soon = now.plus(30 * MINUTE_MS);
        let step = Span::TwoHours.ms();
        let later = soon.since(Self::new(1, per_stream).at).div_euclid(step) * step;
        Self::from_base(BASE.plus(later), streams, per_stream)
    }

    fn from_base(base: TimestampMs, streams: u32, per_stream: u64) -> Self {
        let more = i64::try_from(per_stream.checked_sub(LEAST_PER_STREAM).unwrap()).unwrap();
        let (fortnights, two_hours) = (more / 3, 13 + more % 3);
        let mut blocks = Vec::new();
        for stream in 0..streams {
            let mut add = |span: Span, resolutions: u8, first: i64, count: i64| {
                for idx in 0..count {
                    for resolution in 0..resolutions {
                        let place = Place { stream, span, resolution, start: first + idx * span.ms() };
                        let meta_size = u32::try_from(meta_json(&place).len()).unwrap();
                        blocks.push(Block { ulid: place.ulid(), place, meta_size });
                    }
                }
            };
            add(Span::Fortnight, 3, base.0 - fortnights * Span::Fortnight.ms(), fortnights);
            add(Span::TwoDays, 2, base.0, 6);
            add(Span::EightHours, 1, base.0 + 12 * DAY_MS, 3);
            add(Span::TwoHours, 1, base.0 + 13 * DAY_MS, two_hours);
        }
        blocks.sort_unstable_by_key(|block| block.ulid);
        // the newest blocks end two_hours * 2h after this; they were cut an hour later and have settled
        let at = base.plus(13 * DAY_MS + two_hours * Span::TwoHours.ms() + HOUR_MS + 35 * MINUTE_MS);
        Self { blocks, at }
    }

    /// When all blocks are uploaded and settled, and none is late.
    pub(crate) const fn at(&self) -> TimestampMs {
        self.at
    }

    /// Number of objects.
    pub(crate) const fn objects(&self) -> usize {
        self.blocks.len() * NAMES.len()
    }

    /// The raw blocks of a stream that span this much, oldest first.
    pub(crate) fn raw_blocks(&self, stream: u32, span: Span) -> Vec<String> {
        let mut found: Vec<_> = self.blocks.iter().filter(|block| block.place.stream == stream).collect();
        found.retain(|block| block.place.span == span && block.place.resolution == 0);
        found.sort_by_key(|block| block.place.start);
        found.into_iter().map(|block| block.ulid.to_string()).collect()
    }

    fn find(&self, key: &str) -> Option<(&Block, usize)> {
        let (name, rest) = key.split_once('/')?;
        let ulid = Ulid::from_string(name).ok()?;
        let at = self.blocks.binary_search_by_key(&ulid, |block| block.ulid).ok()?;
        Some((&self.blocks[at], NAMES.iter().position(|name| *name == rest)?))
    }
}

impl Block {
    fn size(&self, object: usize) -> u64 {
        if object == META { u64::from(self.meta_size) } else { self.place.size(object) }
    }
}

impl Objects for Estate {
    fn visit(&self, from: Bound<&str>, visit: &mut dyn FnMut(&Listed<'_>) -> bool) {
        let is_before = |key: &str| match from {
            Bound::Unbounded => false,
            Bound::Included(from) => key < from,
            Bound::Excluded(from) => key <= from,
        };
        let first = self.blocks.partition_point(|block| is_before(&format!("{}/{}", block.ulid, NAMES[META])));
        let mut key = String::new();
        for block in &self.blocks[first..] {
            let modified = TimestampMs(block.place.uploaded_at()).to_string();
            for (object, name) in NAMES.iter().enumerate() {
                key.clear();
                write!(key, "{}/{name}", block.ulid.array_to_str(&mut [0; 26])).unwrap();
                if is_before(&key) {
                    continue;
                }
                let (size, etag) = (block.size(object), block.place.etag(object));
                if !visit(&Listed { key: &key, size, modified: &modified, etag: &etag, class: "STANDARD" }) {
                    return;
                }
            }
        }
    }

    fn head(&self, key: &str) -> Option<Head> {
        let (block, object) = self.find(key)?;
        let modified = TimestampMs(block.place.uploaded_at());
        Some(Head { size: block.size(object), modified, etag: block.place.etag(object) })
    }

    fn body(&self, key: &str) -> Option<Bytes> {
        let (block, object) = self.find(key)?;
        (object == META).then(|| meta_json(&block.place).into())
    }
}

/// As Thanos writes it: indented with tabs, a line feed at the end.
fn meta_json(place: &Place) -> String {
    let mut out = String::with_capacity(1_500 + usize::try_from(place.span.ms() / HOUR_MS).unwrap() * 20);
    let resolution_ms = RESOLUTIONS_MS[usize::from(place.resolution)];
    let windows = place.span.ms() / Span::TwoHours.ms();
    let series = 1_000 + place.stream % 7 * 100;
    // a sample each 15 s, or one per window of the downsampled resolution
    let samples = place.span.ms() / resolution_ms.max(15_000) * i64::from(series);
    let (start, end, level) = (place.start, place.end(), place.span.level());
    write!(
        out,
        "{{\n\t\"ulid\": \"{}\",\n\t\"minTime\": {start},\n\t\"maxTime\": {end},\n\t\"stats\": {{\n\
         \t\t\"numSamples\": {samples},\n\t\t\"numFloatSamples\": {samples},\n\t\t\"numSeries\": {series},\n\
         \t\t\"numChunks\": {}\n\t}},\n\t\"compaction\": {{\n\t\t\"level\": {level},\n\t\t\"sources\": [",
        place.ulid(),
        windows * i64::from(series) * 4,
    )
    .unwrap();
    let mut separator = "";
    for source in place.parts(Span::TwoHours) {
        out.push_str(separator);
        out.push_str("\n\t\t\t\"");
        out.push_str(source.ulid().array_to_str(&mut [0; 26]));
        out.push('"');
        separator = ",";
    }
    out.push_str("\n\t\t]");
    if let Some(span) = place.span.parts() {
        out.push_str(",\n\t\t\"parents\": [");
        separator = "";
        for parent in place.parts(span) {
            write!(
                out,
                "{separator}\n\t\t\t{{\n\t\t\t\t\"ulid\": \"{}\",\n\t\t\t\t\"minTime\": {},\n\t\t\t\t\"maxTime\": {}\n\t\t\t}}",
                parent.ulid(),
                parent.start,
                parent.end(),
            )
            .unwrap();
            separator = ",";
        }
        out.push_str("\n\t\t]");
    }
    let source = if level == 1 { "sidecar" } else { "compactor" };
    let replica = if place.stream.is_multiple_of(2) { "a" } else { "b" };
    write!(
        out,
        "\n\t}},\n\t\"version\": 1,\n\t\"thanos\": {{\n\t\t\"labels\": {{\n\t\t\t\"cluster\": \"eu-{:04}\",\n\
         \t\t\t\"replica\": \"{replica}\"\n\t\t}},\n\t\t\"downsample\": {{\n\t\t\t\"resolution\": {resolution_ms}\n\
         \t\t}},\n\t\t\"source\": \"{source}\",\n\t\t\"segment_files\": [",
        place.stream / 2,
    )
    .unwrap();
    separator = "";
    for segment in NAMES.iter().filter_map(|name| name.strip_prefix("chunks/")) {
        write!(out, "{separator}\n\t\t\t\"{segment}\"").unwrap();
        separator = ",";
    }
    out.push_str("\n\t\t],\n\t\t\"files\": [");
    for (object, name) in NAMES.iter().enumerate().take(META) {
        let size = place.size(object);
        write!(out, "\n\t\t\t{{\n\t\t\t\t\"rel_path\": \"{name}\",\n\t\t\t\t\"size_bytes\": {size}\n\t\t\t}},")
            .unwrap();
    }
    write!(
        out,
        "\n\t\t\t{{\n\t\t\t\t\"rel_path\": \"meta.json\"\n\t\t\t}}\n\t\t],\n\t\t\"index_stats\": {{}},\n\
         \t\t\"upload_time\": \"{}\"\n\t}}\n}}\n",
        TimestampMs(place.uploaded_at()),
    )
    .unwrap();
    out
}
