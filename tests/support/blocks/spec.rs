//! What a block for a test shall hold: its series, its layout, what its writer was like.

use super::floats::{self, Encoded, Float};
use super::histograms::{self, FloatHistogram, Histogram, Reset, Shape};

/// A block to be written.
#[derive(Clone, Debug)]
pub(crate) struct BlockSpec {
    /// Its directory.
    pub(crate) ulid: String,
    /// Sorted by labels when it is written.
    pub(crate) series: Vec<SeriesSpec>,
    /// A segment ends before the record with which it would have more bytes.
    pub(crate) segment_bytes: usize,
    pub(crate) layout: Layout,
    /// Symbols that no series uses.
    pub(crate) unused_symbols: Vec<String>,
    /// `None` = there is no file.
    pub(crate) tombstones: Option<Vec<Stone>>,
    pub(crate) meta: MetaSpec,
}

/// How the index and the segments are laid out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// 1, 2, or 3, which is 2 by another number.
    pub(crate) version: u8,
    /// As up to Prometheus 3.6.
    pub(crate) label_indices: bool,
    /// The symbol that the list of all series brings along.
    pub(crate) empty_symbol: bool,
    pub(crate) chunks: ChunkOrder,
    /// Lists in an order that only version 1 allows.
    pub(crate) unsorted_lists: bool,
}

/// The order of records in the segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChunkOrder {
    /// That of the series, which every writer since Prometheus 2.51 keeps.
    AsSeries,
    /// The other way round.
    Reversed,
}

/// One series.
#[derive(Clone, Debug)]
pub(crate) struct SeriesSpec {
    /// Written in this order.
    pub(crate) labels: Vec<(String, String)>,
    /// Written in this order.
    pub(crate) chunks: Vec<ChunkSpec>,
}

/// One chunk.
#[derive(Clone, Debug)]
pub(crate) struct ChunkSpec {
    pub(crate) samples: Samples,
    pub(crate) trailing: Trailing,
    /// What the index says, where that is not the truth.
    pub(crate) times: Option<(i64, i64)>,
}

/// What is in a chunk, which decides its encoding.
#[derive(Clone, Debug)]
pub(crate) enum Samples {
    /// Encoding 1.
    Xor(Vec<Float>),
    /// Encoding 4.
    Xor2(Vec<Float>),
    /// Encoding 2, or 5 if `starts`.
    Histograms { shape: Shape, samples: Vec<Histogram>, reset: Reset, starts: bool },
    /// Encoding 3, or 6 if `starts`.
    FloatHistograms { shape: Shape, samples: Vec<FloatHistogram>, reset: Reset, starts: bool },
    /// Encoding 255: count, sum, min, max and counter, any of which may be absent.
    Aggregates([Option<Box<Samples>>; 5]),
    /// Ready bytes.
    Raw { encoding: u8, data: Vec<u8>, count: usize, times: (i64, i64) },
}

/// What stands behind the last sample of a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trailing {
    Nothing,
    /// One more zero byte if no bit is free, as writers before Prometheus 3.0 left it now and then.
    LegacyByte,
    /// These bytes: no writer does so.
    Bytes(Vec<u8>),
}

/// A deletion within a series, in ms, both ends included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stone {
    /// Index among the sorted series.
    pub(crate) series: usize,
    pub(crate) first: i64,
    pub(crate) last: i64,
}

/// What stands in `meta.json` that does not follow from the series.
#[derive(Clone, Debug)]
pub(crate) struct MetaSpec {
    /// First time and the end; `None` = those of the samples.
    pub(crate) times: Option<(i64, i64)>,
    /// `numFloatSamples` and `numHistogramSamples`, as from Prometheus 3.6 on.
    pub(crate) split_stats: bool,
    pub(crate) thanos: Option<Thanos>,
}

/// The section that Thanos adds.
#[derive(Clone, Debug)]
pub(crate) struct Thanos {
    pub(crate) labels: Vec<(String, String)>,
    /// In ms; 0 is raw.
    pub(crate) resolution: i64,
    pub(crate) files: Files,
}

/// `thanos.files`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Files {
    Absent,
    Sizes,
    /// With SHA-256.
    Hashes,
}

/// A series from text: `up job=a instance=b`; the first word is `__name__` unless it has a `=`.
pub(crate) fn series(labels: &str, chunks: Vec<ChunkSpec>) -> SeriesSpec {
    let label = |word: &str| {
        let (name, value) = word.split_once('=').unwrap_or(("__name__", word));
        (name.to_owned(), value.to_owned())
    };
    let mut labels: Vec<_> = labels.split_whitespace().map(label).collect();
    labels.sort();
    SeriesSpec { labels, chunks }
}

impl BlockSpec {
    /// A block of these series as the newest Prometheus writes it.
    pub(crate) fn new(series: Vec<SeriesSpec>) -> Self {
        Self {
            ulid: "01KDYZ5G00TESTB0CK00000000".to_owned(),
            series,
            segment_bytes: 512 << 20,
            layout: Layout {
                version: 2,
                label_indices: false,
                empty_symbol: true,
                chunks: ChunkOrder::AsSeries,
                unsorted_lists: false,
            },
            unused_symbols: Vec::new(),
            tombstones: Some(Vec::new()),
            meta: MetaSpec { times: None, split_stats: true, thanos: None },
        }
    }

    /// As Prometheus up to 3.6 writes it.
    pub(crate) fn up_to_3_6(mut self) -> Self {
        self.layout.label_indices = true;
        self.meta.split_stats = false;
        self
    }

    /// As Prometheus 2.0 writes it.
    pub(crate) fn version_1(self) -> Self {
        let mut old = self.up_to_3_6();
        old.layout.version = 1;
        old
    }

    /// As Thanos leaves it in a bucket.
    pub(crate) fn of_thanos(mut self, resolution: i64, files: Files) -> Self {
        let labels = vec![("cluster".to_owned(), "eu1".to_owned()), ("replica".to_owned(), "a".to_owned())];
        self.meta.thanos = Some(Thanos { labels, resolution, files });
        // the sidecar does not upload tombstones, and the downsampler counts samples once
        self.tombstones = None;
        self.meta.split_stats &= resolution == 0;
        self
    }
}

impl ChunkSpec {
    pub(crate) const fn new(samples: Samples) -> Self {
        Self { samples, trailing: Trailing::Nothing, times: None }
    }

    /// Encoding 1.
    pub(crate) fn xor(samples: &[Float]) -> Self {
        Self::new(Samples::Xor(samples.to_vec()))
    }

    /// What the index says about it, in ms, both included.
    pub(crate) fn index_times(&self) -> (i64, i64) {
        self.times.unwrap_or_else(|| self.samples.times())
    }

    /// Its encoding and data.
    pub(crate) fn encode(&self) -> (u8, Vec<u8>) {
        let (mut data, free) = self.samples.encode();
        match &self.trailing {
            Trailing::LegacyByte if free == 0 => data.push(0),
            Trailing::LegacyByte | Trailing::Nothing => {}
            Trailing::Bytes(bytes) => data.extend_from_slice(bytes),
        }
        (self.samples.encoding(), data)
    }
}

impl Samples {
    pub(crate) const fn encoding(&self) -> u8 {
        match self {
            Self::Xor(_) => 1,
            Self::Xor2(_) => 4,
            Self::Histograms { starts, .. } => {
                if *starts {
                    5
                } else {
                    2
                }
            }
            Self::FloatHistograms { starts, .. } => {
                if *starts {
                    6
                } else {
                    3
                }
            }
            Self::Aggregates(_) => 255,
            Self::Raw { encoding, .. } => *encoding,
        }
    }

    /// As `stats` counts them.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Xor(samples) | Self::Xor2(samples) => samples.len(),
            Self::Histograms { samples, .. } => samples.len(),
            Self::FloatHistograms { samples, .. } => samples.len(),
            Self::Aggregates([count, ..]) => count.as_ref().map_or(0, |count| count.count()),
            Self::Raw { count, .. } => *count,
        }
    }

    /// Whether `stats` counts them as floats.
    pub(crate) const fn are_floats(&self) -> bool {
        matches!(self.encoding(), 1 | 4 | 255)
    }

    /// First and last time. Of aggregates those of the windows: the counter may begin earlier.
    pub(crate) fn times(&self) -> (i64, i64) {
        let ends = |times: &mut dyn DoubleEndedIterator<Item = i64>| {
            let first = times.next().expect("a chunk has samples");
            (first, times.next_back().unwrap_or(first))
        };
        match self {
            Self::Xor(samples) | Self::Xor2(samples) => ends(&mut samples.iter().map(|sample| sample.at)),
            Self::Histograms { samples, .. } => ends(&mut samples.iter().map(|sample| sample.at)),
            Self::FloatHistograms { samples, .. } => ends(&mut samples.iter().map(|sample| sample.at)),
            Self::Aggregates(parts) => parts.iter().flatten().next().expect("an aggregate is present").times(),
            Self::Raw { times, .. } => *times,
        }
    }

    fn encode(&self) -> Encoded {
        match self {
            Self::Xor(samples) => floats::xor(samples),
            Self::Xor2(samples) => floats::xor2(samples),
            Self::Histograms { shape, samples, reset, starts } => {
                histograms::histograms(shape, samples, *reset, *starts)
            }
            Self::FloatHistograms { shape, samples, reset, starts } => {
                histograms::float_histograms(shape, samples, *reset, *starts)
            }
            Self::Aggregates(parts) => {
                let mut data = Vec::new();
                for part in parts {
                    match part {
                        None => data.push(0),
                        Some(samples) => {
                            let (inner, _) = samples.encode();
                            super::bits::put_uvarint(&mut data, inner.len() as u64);
                            data.push(samples.encoding());
                            data.extend(inner);
                        }
                    }
                }
                // the last part has the bits that are free
                (data, 8)
            }
            Self::Raw { data, .. } => (data.clone(), 8),
        }
    }
}
