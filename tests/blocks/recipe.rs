//! Blocks of any kind, out of small numbers that proptest can choose and shrink.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::blocks::data::{self, Kind, T0};
use crate::blocks::{BlockSpec, ChunkOrder, ChunkSpec, Files, SeriesSpec, Stone, series};

/// What a block is made of.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    /// By name, job and instance.
    series: Vec<((u8, u8, u8), Vec<ChunkRecipe>)>,
    segment_bytes: usize,
    kind: BlockKind,
    stones: Vec<(u8, u8)>,
    unused_symbols: Vec<u8>,
    empty_symbol: bool,
}

#[derive(Clone, Debug)]
struct ChunkRecipe {
    encoding: u8,
    count: usize,
    /// ms after the chunk before.
    gap: i64,
    seed: u64,
}

/// Who wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BlockKind {
    Version1,
    /// With chunks in another order than their series.
    Before251,
    UpTo36,
    New,
    Uploaded(Files),
    Downsampled(Files),
}

fn chunk() -> impl Strategy<Value = ChunkRecipe> {
    let seed = 0..1_000_u64;
    (1..=6_u8, 1..40_usize, 0..100_000_i64, seed).prop_map(|(encoding, count, gap, seed)| ChunkRecipe {
        encoding,
        count,
        gap,
        seed,
    })
}

fn kind() -> impl Strategy<Value = BlockKind> {
    prop_oneof![
        Just(BlockKind::New),
        Just(BlockKind::UpTo36),
        Just(BlockKind::Version1),
        Just(BlockKind::Before251),
        Just(BlockKind::Uploaded(Files::Absent)),
        Just(BlockKind::Uploaded(Files::Sizes)),
        Just(BlockKind::Uploaded(Files::Hashes)),
        Just(BlockKind::Downsampled(Files::Sizes)),
        Just(BlockKind::Downsampled(Files::Hashes)),
    ]
}

/// Any block.
pub(crate) fn recipe() -> impl Strategy<Value = Recipe> {
    let series = vec(((0..4_u8, 0..3_u8, 0..4_u8), vec(chunk(), 1..5)), 1..7);
    let segments = prop_oneof![Just(1 << 20), 0..2_000_usize];
    (series, segments, kind(), vec(any::<(u8, u8)>(), 0..4), vec(any::<u8>(), 0..3), any::<bool>()).prop_map(
        |(series, segment_bytes, kind, stones, unused_symbols, empty_symbol)| Recipe {
            series,
            segment_bytes,
            kind,
            stones,
            unused_symbols,
            empty_symbol,
        },
    )
}

impl Recipe {
    /// The block.
    pub(crate) fn spec(&self) -> BlockSpec {
        let mut all: BTreeMap<Vec<(String, String)>, SeriesSpec> = BTreeMap::new();
        for ((name, job, instance), chunks) in &self.series {
            let job = ["", "job=a", "job=b"][usize::from(*job)];
            // sorted by bytes, whatever they stand for
            let instance = ["", "instance=a", "instance=ab", "instance=é"][usize::from(*instance)];
            let labels = format!("metric_{name} {job} {instance}");
            let one = series(&labels, self.chunks(chunks));
            all.insert(one.labels.clone(), one);
        }
        let mut spec = BlockSpec::new(all.into_values().collect());
        spec.segment_bytes = self.segment_bytes;
        spec.unused_symbols = self.unused_symbols.iter().map(|symbol| format!("unused {symbol}")).collect();
        spec.layout.empty_symbol = self.empty_symbol;
        match self.kind {
            BlockKind::New => spec.tombstones = Some(self.stones(&spec)),
            BlockKind::UpTo36 | BlockKind::Before251 => {
                spec.tombstones = Some(self.stones(&spec));
                spec = spec.up_to_3_6();
                if self.kind == BlockKind::Before251 {
                    spec.layout.chunks = ChunkOrder::Reversed;
                }
            }
            BlockKind::Version1 => {
                spec.tombstones = Some(self.stones(&spec));
                spec = spec.version_1();
            }
            BlockKind::Uploaded(files) => spec = spec.of_thanos(0, files),
            BlockKind::Downsampled(files) => spec = spec.of_thanos(300_000, files),
        }
        spec
    }

    fn chunks(&self, recipes: &[ChunkRecipe]) -> Vec<ChunkSpec> {
        let mut at = T0;
        let mut chunks = Vec::new();
        for recipe in recipes {
            let ChunkRecipe { encoding, count, gap, seed } = *recipe;
            at += gap;
            let chunk = match self.kind {
                BlockKind::Downsampled(_) => {
                    let raw = data::floats(Kind::ALL[seed as usize % 3], at, count * 5, seed);
                    if encoding.is_multiple_of(2) {
                        data::downsampled_histograms(&data::exponential(), at, count, 300_000, seed)
                    } else {
                        data::downsampled(&raw, 300_000)
                    }
                }
                // Thanos 0.42 reads no other
                BlockKind::Uploaded(_) => data::chunk((encoding - 1) % 3 + 1, at, count, seed),
                BlockKind::New | BlockKind::UpTo36 | BlockKind::Before251 | BlockKind::Version1 => {
                    data::chunk(encoding, at, count, seed)
                }
            };
            at = chunk.index_times().1 + 300_000;
            chunks.push(chunk);
        }
        chunks
    }

    /// Deletions that do not touch each other, within the samples of their series.
    fn stones(&self, spec: &BlockSpec) -> Vec<Stone> {
        let mut stones: Vec<Stone> = Vec::new();
        for (series, len) in &self.stones {
            let series = usize::from(*series) % spec.series.len();
            let chunks = &spec.series[series].chunks;
            let last = chunks[chunks.len() - 1].index_times().1;
            let first = stones.iter().filter(|stone| stone.series == series).map(|stone| stone.last + 2).max();
            let first = first.unwrap_or(chunks[0].index_times().0);
            let stone = Stone { series, first, last: first + i64::from(*len) };
            if stone.last <= last {
                stones.push(stone);
            }
        }
        stones
    }
}
