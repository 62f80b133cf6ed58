//! Streams and blocks, declared in a line each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use ulid::Ulid;

use super::time::{At, DAY, HOUR, MINUTE, short};

/// What produces blocks: external labels, kind of writer and rate.
#[derive(Clone, Debug)]
pub struct Stream {
    pub labels: BTreeMap<String, String>,
    source: &'static str,
    samples_per_hour: u64,
    range: i64,
}

impl Stream {
    /// A sidecar's stream; labels as `cluster=eu1 replica=a`.
    pub fn sidecar(labels: &str) -> Self {
        let pairs = labels.split_whitespace().map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let labels = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { labels, source: "sidecar", samples_per_hour: 240_000, range: 2 * HOUR }
    }

    /// A receiver's.
    pub fn receive(labels: &str) -> Self {
        Self::sidecar(labels).source("receive")
    }

    /// A ruler's.
    pub fn ruler(labels: &str) -> Self {
        Self::sidecar(labels).source("ruler").rate(2_000)
    }

    /// `thanos.source` of its blocks.
    pub fn source(self, source: &'static str) -> Self {
        Self { source, ..self }
    }

    /// Samples in an hour.
    pub fn rate(self, samples_per_hour: u64) -> Self {
        Self { samples_per_hour, ..self }
    }

    /// `--storage.tsdb.min-block-duration`.
    pub fn range(self, range: i64) -> Self {
        Self { range, ..self }
    }

    /// One block as a head cuts it: one hour after its end, uploaded a minute later.
    pub fn block(&self, min: impl At, max: impl At) -> Block {
        let (min, max) = (min.ms(), max.ms());
        let samples = self.samples_per_hour * u64::try_from((max - min) / MINUTE).unwrap() / 60;
        let mut block = Block {
            ulid: Ulid::nil(),
            labels: self.labels.clone(),
            min,
            max,
            level: 1,
            resolution: 0,
            source: self.source.to_owned(),
            sources: Vec::new(),
            parents: Vec::new(),
            hinted: false,
            samples,
            series: self.samples_per_hour / 120,
            chunks: samples / 120,
            tombstones: 0,
            uploaded: 0,
            upload_time: UploadTime::Written,
            segments: vec![8 + samples * 13 / 10],
            index: 4_000 + samples / 10,
            files: true,
            segment_files: true,
            thanos: true,
            rewrites: Vec::new(),
            content: None,
            leaf: true,
            salt: 0,
        };
        block.identify(max + HOUR);
        block
    }

    /// Whole blocks from `from` to `to`, one after the other.
    pub fn blocks(&self, from: impl At, to: impl At) -> Vec<Block> {
        let (from, to) = (from.ms(), to.ms());
        let starts = std::iter::successors(Some(from), |start| Some(start + self.range));
        starts.take_while(|start| start + self.range <= to).map(|start| self.block(start, start + self.range)).collect()
    }
}

/// `thanos.upload_time`: written since Thanos 0.40; the zero time where a tool rewrote the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadTime {
    Written,
    Zero,
    Absent,
}

/// One block.
#[expect(clippy::struct_excessive_bools, reason = "each is a key that a writer leaves out or not")]
#[derive(Clone, Debug)]
pub struct Block {
    pub ulid: Ulid,
    pub labels: BTreeMap<String, String>,
    pub min: i64,
    pub max: i64,
    pub level: u32,
    pub resolution: i64,
    pub source: String,
    pub sources: Vec<Ulid>,
    pub parents: Vec<(Ulid, i64, i64)>,
    pub hinted: bool,
    pub samples: u64,
    pub series: u64,
    pub chunks: u64,
    pub tombstones: u64,
    /// When its upload ended: `LastModified` of its objects.
    pub uploaded: i64,
    pub upload_time: UploadTime,
    /// Sizes of the chunk segments.
    pub segments: Vec<u64>,
    pub index: u64,
    /// Whether `thanos.files` is written.
    pub files: bool,
    /// Whether `thanos.segment_files` is written.
    pub segment_files: bool,
    /// Whether there is a `thanos` section at all.
    pub thanos: bool,
    pub rewrites: Vec<Ulid>,
    /// Folder with the files of a real block.
    pub content: Option<PathBuf>,
    /// Its own and only source.
    pub leaf: bool,
    salt: u64,
}

impl Block {
    /// Gives it a ULID of that time, the same for the same block on every run, and an upload a minute later.
    fn identify(&mut self, cut: i64) {
        let text = format!(
            "{:?} {} {} {} {} {} {} {}",
            self.labels, self.min, self.max, self.level, self.resolution, self.hinted, self.source, self.salt
        );
        // FNV-1a: any spread will do, so long as it is always the same
        let random = text
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        self.ulid = Ulid::from_parts(u64::try_from(cut).unwrap(), u128::from(random));
        if self.leaf {
            self.sources = vec![self.ulid];
        }
        self.uploaded = cut + MINUTE;
    }

    /// Cut at another time; uploaded a minute later.
    pub fn cut(mut self, cut: impl At) -> Self {
        self.identify(cut.ms());
        self
    }

    /// Another block with the same description.
    pub fn twin(mut self, salt: u64) -> Self {
        let cut = self.cut_at();
        self.salt = salt;
        self.identify(cut);
        self
    }

    /// The time in its ULID.
    pub fn cut_at(&self) -> i64 {
        i64::try_from(self.ulid.timestamp_ms()).unwrap()
    }

    /// Its upload ended at another time than a minute after the cut.
    pub fn uploaded(self, at: impl At) -> Self {
        Self { uploaded: at.ms(), ..self }
    }

    /// Says when it was uploaded, or not.
    pub fn upload_time(self, upload_time: UploadTime) -> Self {
        Self { upload_time, ..self }
    }

    /// An out-of-order block.
    pub fn hinted(mut self) -> Self {
        self.hinted = true;
        let cut = self.cut_at();
        self.identify(cut);
        self
    }

    /// As Thanos before 0.17 wrote it: neither `files` nor `upload_time`.
    pub fn legacy(self) -> Self {
        Self { files: false, upload_time: UploadTime::Absent, ..self }
    }

    /// As `legacy`, and before `segment_files` too.
    pub fn ancient(self) -> Self {
        Self { segment_files: false, ..self.legacy() }
    }

    pub fn samples(self, samples: u64) -> Self {
        Self { samples, ..self }
    }

    pub fn segments(self, sizes: &[u64]) -> Self {
        Self { segments: sizes.to_vec(), ..self }
    }

    /// Another external label set, as the compactor writes it when it drops a replica label.
    pub fn without_label(mut self, name: &str) -> Self {
        self.labels.remove(name);
        let cut = self.cut_at();
        self.identify(cut);
        self
    }

    /// What a reader calls it: `2h@01-02T04:00`, `2d@01-02T00:00/5m`.
    pub fn name(&self) -> String {
        let span = self.max - self.min;
        let span = match span {
            _ if span % DAY == 0 => format!("{}d", span / DAY),
            _ if span % HOUR == 0 => format!("{}h", span / HOUR),
            _ => format!("{}m", span / MINUTE),
        };
        let resolution = match self.resolution {
            0 => "",
            300_000 => "/5m",
            _ => "/1h",
        };
        format!("{span}@{}{resolution}", short(self.min))
    }

    /// Its objects but `meta.json`, with their sizes.
    pub fn objects(&self) -> Vec<(String, u64)> {
        let segments = (1..).zip(&self.segments).map(|(number, size)| (format!("chunks/{number:06}"), *size));
        segments.chain([("index".to_owned(), self.index)]).collect()
    }

    pub fn key(&self, object: &str) -> String {
        format!("{}/{object}", self.ulid)
    }
}

/// What a compactor makes of `parts`, done an hour after the newest of them was cut.
pub fn compact(parts: &[Block]) -> Block {
    let first = parts.first().expect("parts to compact");
    let sources: BTreeSet<Ulid> = parts.iter().flat_map(|part| part.sources.iter().copied()).collect();
    let mut block = Block {
        min: parts.iter().map(|part| part.min).min().unwrap(),
        max: parts.iter().map(|part| part.max).max().unwrap(),
        level: parts.iter().map(|part| part.level).max().unwrap() + 1,
        source: "compactor".to_owned(),
        sources: sources.into_iter().collect(),
        parents: parts.iter().map(|part| (part.ulid, part.min, part.max)).collect(),
        hinted: false,
        samples: parts.iter().map(|part| part.samples).sum(),
        series: parts.iter().map(|part| part.series).max().unwrap(),
        chunks: parts.iter().map(|part| part.chunks).sum(),
        tombstones: 0,
        segments: vec![parts.iter().flat_map(|part| &part.segments).sum()],
        index: parts.iter().map(|part| part.index).sum(),
        rewrites: Vec::new(),
        content: None,
        leaf: false,
        ..first.clone()
    };
    block.identify(parts.iter().map(Block::cut_at).max().unwrap() + HOUR);
    block
}

/// What the compactor makes of one block at another resolution (ms), an hour after it was made.
pub fn downsample(raw: &Block, resolution: i64) -> Block {
    let mut block = Block {
        resolution,
        source: "compactor".to_owned(),
        segments: vec![raw.segments.iter().sum::<u64>() / 4 + 8],
        content: None,
        leaf: false,
        ..raw.clone()
    };
    block.identify(raw.cut_at() + HOUR);
    block
}

/// Two-day ranges begin at even days since the epoch: the first at or after `at`.
pub fn next_days(at: impl At, days: i64) -> i64 {
    let span = days * DAY;
    (at.ms() + span - 1).div_euclid(span) * span
}
