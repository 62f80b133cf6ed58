//! Measures how fast chunks are decoded and checksums are made, on one core: `cargo bench --bench chunk -- [WORD]…`,
//! where only lines that have one of the words are measured. Prints a table for `docs/performance.md`.
//!
//! The figure of a line is its best pass of many, so other work on the machine matters little.
#![expect(
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::expect_used,
    reason = "a benchmark reports on standard output, and ends when something fails"
)]

#[path = "../support/blocks/mod.rs"]
#[expect(dead_code, unused_imports, reason = "each user takes its part of what they share")]
mod blocks;

use std::hint::black_box;
use std::time::Duration;

use blocks::data::{Random, T0, exponential, float_histograms, histograms};
use blocks::{ChunkSpec, Float, Reset, Samples, Shape};
use blockwarden::tsdb::chunk::{Depth, encoding_name, read_chunk};
use tokio::time::Instant;

/// Chunks of a pass: so many that the processor cannot learn their branches by heart, and so few that a pass is done before
/// other work takes the core.
const CHUNKS: u64 = 1_000;
const HISTOGRAM_CHUNKS: u64 = 50;
/// Samples of a chunk, as Prometheus cuts them.
const SAMPLES: usize = 120;
/// How long a line is measured.
const TIME: Duration = Duration::from_secs(1);

fn main() {
    // cargo passes `--bench`
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let wanted = |line: &str| words.is_empty() || words.iter().any(|word| line.contains(word.as_str()));
    println!("{:<52} {:>12} {:>10} {:>8}", "chunks", "Msamples/s", "MB/s", "B/sample");
    for (name, times, values) in SERIES {
        for (encoding, starts) in [(1, Starts::None), (4, Starts::None), (4, Starts::Fixed), (4, Starts::Moving)] {
            let line = format!("{}, {name}{}", encoding_name(encoding), starts.words());
            if wanted(&line) {
                let made = (0..CHUNKS).map(|seed| floats(seed, times, values, starts));
                let form = if encoding == 1 { Samples::Xor } else { Samples::Xor2 };
                measure(&line, encoding, &made.map(|samples| data(encoding, form(samples))).collect::<Vec<_>>());
            }
        }
    }
    for encoding in [2, 3, 5, 6] {
        for (name, shape) in [("7 buckets", exponential()), ("70 buckets", wide())] {
            let line = format!("{}, {name}", encoding_name(encoding));
            if wanted(&line) {
                let chunks: Vec<Vec<u8>> =
                    (0..HISTOGRAM_CHUNKS).map(|seed| histogram(encoding, &shape, seed)).collect();
                measure(&line, encoding, &chunks);
            }
        }
    }
    println!("\n{:<52} {:>10} {:>10}", "CRC32C, GB/s", "crc-fast", "crc32c");
    for len in [64, 222, 565, 4_096, 1 << 20] {
        let line = format!("pieces of {len} bytes");
        if wanted(&line) {
            checksums(&line, len);
        }
    }
}

/// When a target is scraped.
type Steps = fn(&mut Random) -> i64;
/// What it says.
type Values = fn(&mut Random, f64) -> f64;

const SERIES: [(&str, Steps, Values); 6] = [
    ("constant, times aligned", |_| 0, |_, _| 1.0),
    ("constant, times jittered", jitter, |_, _| 1.0),
    ("counter, times aligned", |_| 0, counter),
    ("counter, times jittered", jitter, counter),
    ("slow counter, times nearly aligned", |random| i64::from(random.below(8) == 0), slow_counter),
    ("random floats, times jittered", jitter, |random, _| f64::from_bits(random.next() >> 12 | 0x3ff << 52)),
];

/// A few ms to either side.
fn jitter(random: &mut Random) -> i64 {
    random.below(9).cast_signed() - 4
}

fn counter(random: &mut Random, before: f64) -> f64 {
    before + random.below(1_000) as f64
}

/// One that stands still every other time.
fn slow_counter(random: &mut Random, before: f64) -> f64 {
    before + (random.below(10) as f64 - 4.0).max(0.0)
}

/// When what a sample counts began.
#[derive(Clone, Copy)]
enum Starts {
    None,
    /// At the same time for all.
    Fixed,
    /// At the sample before, as for deltas.
    Moving,
}

impl Starts {
    const fn words(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Fixed => ", starts fixed",
            Self::Moving => ", starts moving",
        }
    }
}

fn floats(seed: u64, steps: Steps, values: Values, starts: Starts) -> Vec<Float> {
    let mut random = Random(seed);
    let mut value = random.below(1_000_000) as f64;
    let mut before = T0 - 15_000;
    let mut samples = Vec::new();
    for idx in 0..SAMPLES {
        let at = T0 + 15_000 * i64::try_from(idx).expect("it is small") + steps(&mut random);
        let start = match starts {
            Starts::None => 0,
            Starts::Fixed => T0 - 100_000,
            Starts::Moving => before,
        };
        samples.push(Float { at, start, value });
        value = values(&mut random, value);
        before = at;
    }
    samples
}

fn data(encoding: u8, samples: Samples) -> Vec<u8> {
    let (found, data) = ChunkSpec::new(samples).encode();
    assert_eq!(found, encoding);
    data
}

/// One with many buckets in two runs on either side of a gap.
fn wide() -> Shape {
    Shape { positive: vec![(-20, 30), (5, 40)], negative: Vec::new(), ..exponential() }
}

fn histogram(encoding: u8, shape: &Shape, seed: u64) -> Vec<u8> {
    let (shape, reset, starts) = (shape.clone(), Reset::No, encoding > 4);
    data(
        encoding,
        if encoding == 2 || encoding == 5 {
            let samples = histograms(&shape, T0, SAMPLES, seed);
            Samples::Histograms { shape, samples, reset, starts }
        } else {
            let samples = float_histograms(&shape, T0, SAMPLES, seed);
            Samples::FloatHistograms { shape, samples, reset, starts }
        },
    )
}

/// Decodes all chunks again and again.
fn measure(line: &str, encoding: u8, chunks: &[Vec<u8>]) {
    let best = best(|| {
        for data in chunks {
            let facts = read_chunk(encoding, black_box(data), Depth::Samples, &mut |rule, at, expected, found| {
                assert_eq!(rule.damage.check(), "", "{} at {at}: expected {expected}, found {found}", rule.id);
            });
            black_box(facts.expect("it is sound"));
        }
    });
    let (count, bytes) = (SAMPLES * chunks.len(), chunks.iter().map(Vec::len).sum::<usize>());
    let (rate, speed) = (count as f64 / best.as_secs_f64() / 1e6, bytes as f64 / best.as_secs_f64() / 1e6);
    println!("{line:<52} {rate:>12.1} {speed:>10.0} {:>8.2}", bytes as f64 / count as f64);
}

/// Both libraries over 4 MB.
fn checksums(line: &str, len: usize) {
    let mut random = Random(1);
    let bytes: Vec<u8> = (0..4 << 17).flat_map(|_| random.next().to_le_bytes()).collect();
    let speed = |sum: &dyn Fn(&[u8]) -> u32| {
        let best = best(|| {
            for piece in bytes.chunks(len) {
                black_box(sum(black_box(piece)));
            }
        });
        bytes.len() as f64 / best.as_secs_f64() / 1e9
    };
    let ours = speed(&blockwarden::tsdb::checksum::crc32c);
    println!("{line:<52} {ours:>10.1} {:>10.1}", speed(&crc32c::crc32c));
}

/// The shortest time of many.
fn best(mut pass: impl FnMut()) -> Duration {
    let begin = Instant::now();
    let mut best = Duration::MAX;
    while begin.elapsed() < TIME {
        let start = Instant::now();
        pass();
        best = best.min(start.elapsed());
    }
    best
}
