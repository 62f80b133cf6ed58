//! Blocks that no verifier may call corrupt: healthy ones of every shape, and those with the known habits and bugs of
//! writers, each with what is odd about it.

use super::data::{self, Kind, T0};
use super::spec::{BlockSpec, ChunkOrder, ChunkSpec, Files, Samples, SeriesSpec, Stone, Trailing, series};

/// A block by its name.
pub(crate) type Named = (&'static str, fn() -> BlockSpec);

const MINUTE: i64 = 60_000;
/// From the first sample of a chunk of [`regular`] to that of the next.
pub(crate) const STEP: i64 = 30 * MINUTE;

/// A chunk of 20 floats that begins `idx` steps after the first.
fn chunk(idx: i64, seed: u64) -> ChunkSpec {
    ChunkSpec::xor(&data::floats(Kind::ALL[seed as usize % 4], T0 + idx * STEP, 20, seed))
}

/// Three chunks for each of six series: floats of every kind, one series of each name without a `job`.
pub(crate) fn regular() -> BlockSpec {
    let chunks = |seed| (0..3).map(|idx| chunk(idx, seed)).collect();
    let labels = |seed: u64| match seed % 2 {
        0 => format!("metric_{} instance=i{seed} job=a", seed / 2),
        _ => format!("metric_{} instance=i{seed}", seed / 2),
    };
    BlockSpec::new((0..6).map(|seed| series(&labels(seed), chunks(seed))).collect())
}

/// [`regular`] with every encoding from 1 to 6, which needs Prometheus 3.14.
pub(crate) fn every_encoding() -> BlockSpec {
    let mut spec = regular();
    for encoding in 1..=6 {
        let chunks = (0..3).map(|idx| data::chunk(encoding, T0 + idx * STEP, 25, u64::from(encoding)));
        spec.series.push(series(&format!("encoded_{encoding} job=b"), chunks.collect()));
    }
    spec
}

/// What Thanos makes of [`regular`] and of histograms.
pub(crate) fn downsampled() -> BlockSpec {
    let resolution = 5 * MINUTE;
    let raw = |seed: u64, idx: i64| data::floats(Kind::ALL[seed as usize % 3], T0 + idx * 4 * STEP, 400, seed);
    let floats = |seed| (0..3).map(|idx| data::downsampled(&raw(seed, idx), resolution)).collect();
    let mut all: Vec<_> = (0..4).map(|seed| series(&format!("metric_{seed} job=a"), floats(seed))).collect();
    let histograms =
        |idx: i64| data::downsampled_histograms(&data::exponential(), T0 + idx * 4 * STEP, 20, resolution, 3);
    all.push(series("histogram job=a", (0..3).map(histograms).collect()));
    BlockSpec::new(all).of_thanos(resolution, Files::Hashes)
}

/// Nothing is odd about these.
pub(crate) const HEALTHY: &[Named] = &[
    ("as Prometheus 3.7 and later", regular),
    ("as Prometheus 3.6 and before", || regular().up_to_3_6()),
    ("several segments", || BlockSpec { segment_bytes: 700, ..regular() }),
    ("one record per segment", || BlockSpec { segment_bytes: 0, ..regular() }),
    ("several segments before 3.7", || BlockSpec { segment_bytes: 500, ..regular().up_to_3_6() }),
    ("in a bucket, with sizes", || regular().of_thanos(0, Files::Sizes)),
    ("in a bucket, with hashes", || BlockSpec { segment_bytes: 900, ..regular() }.of_thanos(0, Files::Hashes)),
    ("downsampled", downsampled),
    ("one sample", || BlockSpec::new(vec![series("up", vec![ChunkSpec::xor(&[super::float(T0, 1.0)])])])),
    ("tombstones", || {
        let stone = |series, from: i64, to: i64| Stone { series, first: T0 + from * MINUTE, last: T0 + to * MINUTE };
        BlockSpec { tombstones: Some(vec![stone(3, 0, 1), stone(3, 3, 4), stone(0, 1, 2)]), ..regular() }
    }),
    ("no tombstones file", || BlockSpec { tombstones: None, ..regular() }),
    ("before the epoch", || {
        let samples = [super::float(-90_000, 1.0), super::float(-60_000, 2.0), super::float(1, 3.0)];
        BlockSpec::new(vec![series("up", vec![ChunkSpec::xor(&samples)])])
    }),
];

/// Each writer that does so, or did so, is known. The data are all there.
pub(crate) const QUIRKS: &[Named] = &[
    ("unused symbols", || BlockSpec {
        unused_symbols: ["~", "AA", "metric_1x"].map(String::from).to_vec(),
        ..regular()
    }),
    ("no empty symbol", || {
        let mut spec = regular();
        spec.layout.empty_symbol = false;
        spec
    }),
    ("a zero byte behind each chunk that ends with a byte, as before 3.0", || {
        // a single sample ends with a byte
        let mut spec = regular();
        for (idx, series) in spec.series.iter_mut().enumerate() {
            let lone = ChunkSpec::xor(&data::floats(Kind::Gauge, T0 + 4 * STEP, 1, idx as u64));
            series.chunks.push(lone);
            for chunk in &mut series.chunks {
                chunk.trailing = Trailing::LegacyByte;
            }
        }
        spec
    }),
    ("references that do not ascend, as before 2.51", || {
        let mut spec = BlockSpec { segment_bytes: 700, ..regular().up_to_3_6() };
        spec.layout.chunks = ChunkOrder::Reversed;
        spec
    }),
    ("index version 1", || regular().version_1()),
    ("index version 1 with lists in any order", || {
        let mut spec = regular().version_1();
        spec.layout.unsorted_lists = true;
        spec
    }),
    ("a series without a name", || {
        let mut spec = regular();
        spec.series.push(series("job=nameless", vec![chunk(0, 9)]));
        spec
    }),
    ("a counter that is absent", || {
        let mut spec = downsampled();
        for chunk in spec.series.iter_mut().flat_map(|series| &mut series.chunks) {
            if let Samples::Aggregates(parts) = &mut chunk.samples
                && parts[2].is_some()
            {
                parts[4] = None;
            }
        }
        spec
    }),
    ("index version 3", || {
        let mut spec = regular();
        spec.layout.version = 3;
        spec
    }),
    ("encodings that only a new Prometheus reads", every_encoding),
    ("encodings that no Thanos reads", || every_encoding().of_thanos(0, Files::Sizes)),
    ("the last sample of a chunk is the first of the next, as with 2.47.0", || {
        with_chunks(|chunks| {
            let shared = last_of(&chunks[0]);
            if let Samples::Xor(samples) = &mut chunks[1].samples {
                samples.insert(0, shared);
            }
        })
    }),
    ("a chunk that begins at the end of the block, as with tsdb issue 347", || {
        let mut spec = regular();
        spec.series[0].chunks.push(chunk(4, 0));
        spec.meta.times = Some((T0, T0 + 4 * STEP));
        spec
    }),
    ("the end of the block is its last sample", || {
        let mut spec = regular();
        let ends = spec.series.iter().flat_map(|series| &series.chunks).map(|chunk| chunk.index_times().1);
        spec.meta.times = Some((T0, ends.max().expect("there are chunks")));
        spec
    }),
    ("a raw chunk in a downsampled block", || {
        let mut spec = downsampled();
        spec.series[0].chunks.push(chunk(40, 1));
        spec
    }),
    ("chunks that overlap, as out-of-order bugs left them", || {
        with_chunks(|chunks| chunks.insert(2, later(&chunks[1], 20_000)))
    }),
    ("a chunk twice", || with_chunks(|chunks| chunks.insert(2, chunks[1].clone()))),
];

/// [`regular`] with other chunks in its third series.
fn with_chunks(change: fn(&mut Vec<ChunkSpec>)) -> BlockSpec {
    let mut spec = regular();
    let SeriesSpec { chunks, .. } = &mut spec.series[2];
    change(chunks);
    spec
}

fn last_of(chunk: &ChunkSpec) -> super::Float {
    let samples = floats_of(chunk);
    samples[samples.len() - 1]
}

/// The same values `by` ms later.
fn later(chunk: &ChunkSpec, by: i64) -> ChunkSpec {
    let later = floats_of(chunk).iter().map(|sample| super::Float { at: sample.at + by, ..*sample });
    ChunkSpec::xor(&later.collect::<Vec<_>>())
}

fn floats_of(chunk: &ChunkSpec) -> &[super::Float] {
    if let Samples::Xor(samples) = &chunk.samples { samples } else { panic!("a chunk of encoding 1") }
}
