//! Samples as targets give them, by a seed.

use super::floats::{Float, STALE};
use super::histograms::{CUSTOM, FloatHistogram, Histogram, Reset, Shape};
use super::spec::{ChunkSpec, Samples};

/// 2026-01-01T00:00:00Z, in ms.
pub(crate) const T0: i64 = 1_767_225_600_000;

/// Numbers that look random and are the same each time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// The next one of 64 bits (`SplitMix64`).
    #[inline]
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One below `end`.
    #[inline]
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// What kind of series floats come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Constant,
    /// Odd steps of time, values of any bits, staleness.
    Wild,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Counter, Self::Gauge, Self::Constant, Self::Wild];
}

/// `count` floats from `at` on, every 15 s or nearly so; not later than one per 60 s.
pub(crate) fn floats(kind: Kind, at: i64, count: usize, seed: u64) -> Vec<Float> {
    let mut random = Random(seed);
    let (mut at, mut total) = (at, random.below(1_000_000));
    let start = if seed.is_multiple_of(2) { at - 60_000 } else { 0 };
    let mut samples = Vec::with_capacity(count);
    for idx in 0..count {
        let value = match kind {
            Kind::Counter => {
                total += random.below(1_000);
                total as f64
            }
            Kind::Gauge => random.below(100_000) as f64 / 1_000.0,
            Kind::Constant => 1.0,
            Kind::Wild => match random.below(4) {
                0 => STALE,
                1 => f64::NEG_INFINITY,
                2 => f64::from_bits(random.next()),
                _ => 0.5,
            },
        };
        // some counters begin anew
        let start = if start != 0 && idx > count / 2 { at - 1_000 } else { start };
        samples.push(Float { at, start, value });
        at += match (kind, random.below(8)) {
            (Kind::Wild, jump) => 1 + [1, 500, 9_000, 59_000][jump as usize % 4] + random.below(900).cast_signed(),
            (_, 0) => 15_001,
            (_, _) => 15_000,
        };
    }
    samples
}

/// A shape with buckets on both sides.
pub(crate) fn exponential() -> Shape {
    Shape {
        schema: 3,
        zero_threshold: 2.0_f64.powi(-128),
        positive: vec![(-2, 3), (4, 2)],
        negative: vec![(0, 2)],
        bounds: Vec::new(),
    }
}

/// A shape with bounds that were chosen.
pub(crate) fn custom() -> Shape {
    let bounds = vec![0.005, 0.1, 1.0, 2.5, 1.0 / 3.0 + 3.0, 1e9];
    Shape { schema: CUSTOM, zero_threshold: 0.0, positive: vec![(0, 4), (1, 2)], negative: Vec::new(), bounds }
}

/// Counts of buckets and zeros that only grow, every 15 s.
fn grown(shape: &Shape, at: i64, count: usize, seed: u64) -> Vec<(i64, u64, Vec<u64>)> {
    let mut random = Random(seed);
    let mut counts = vec![0; Shape::buckets(&shape.positive) + Shape::buckets(&shape.negative)];
    let mut zeros = 0;
    let step = |idx: usize| {
        for count in &mut counts {
            *count += random.below(9);
        }
        zeros += if shape.schema == CUSTOM { 0 } else { random.below(3) };
        (at + 15_000 * idx as i64, zeros, counts.clone())
    };
    (0..count).map(step).collect()
}

/// Differences from each to the next.
fn differences(counts: &[u64]) -> Vec<i64> {
    let before = std::iter::once(0).chain(counts.iter().map(|count| count.cast_signed()));
    counts.iter().zip(before).map(|(count, before)| count.cast_signed() - before).collect()
}

/// Histograms of a counter.
pub(crate) fn histograms(shape: &Shape, at: i64, count: usize, seed: u64) -> Vec<Histogram> {
    let split = Shape::buckets(&shape.positive);
    let sample = |(at, zeros, counts): (i64, u64, Vec<u64>)| Histogram {
        at,
        start: if seed.is_multiple_of(2) { T0 - 7 } else { 0 },
        count: zeros + counts.iter().sum::<u64>(),
        zeros,
        sum: counts.iter().sum::<u64>() as f64 / 7.0,
        positive: differences(&counts[..split]),
        negative: differences(&counts[split..]),
    };
    grown(shape, at, count, seed).into_iter().map(sample).collect()
}

/// The same with counts as floats.
pub(crate) fn float_histograms(shape: &Shape, at: i64, count: usize, seed: u64) -> Vec<FloatHistogram> {
    let split = Shape::buckets(&shape.positive);
    let halves = |counts: &[u64]| counts.iter().map(|count| *count as f64 / 2.0).collect::<Vec<_>>();
    let sample = |(at, zeros, counts): (i64, u64, Vec<u64>)| FloatHistogram {
        at,
        start: if seed.is_multiple_of(2) { T0 - 7 } else { 0 },
        count: (zeros + counts.iter().sum::<u64>()) as f64 / 2.0,
        zeros: zeros as f64 / 2.0,
        sum: counts.iter().sum::<u64>() as f64 / 7.0,
        positive: halves(&counts[..split]),
        negative: halves(&counts[split..]),
    };
    grown(shape, at, count, seed).into_iter().map(sample).collect()
}

/// A chunk of any encoding, 1 to 6.
pub(crate) fn chunk(encoding: u8, at: i64, count: usize, seed: u64) -> ChunkSpec {
    let kind = Kind::ALL[seed as usize % 4];
    let shape = if seed.is_multiple_of(3) { custom() } else { exponential() };
    let reset = if seed.is_multiple_of(5) { Reset::Unknown } else { Reset::No };
    ChunkSpec::new(match encoding {
        1 => Samples::Xor(floats(kind, at, count, seed)),
        4 => Samples::Xor2(floats(kind, at, count, seed)),
        2 | 5 => {
            let samples = histograms(&shape, at, count, seed);
            Samples::Histograms { shape, samples, reset, starts: encoding == 5 }
        }
        3 | 6 => {
            let samples = float_histograms(&shape, at, count, seed);
            Samples::FloatHistograms { shape, samples, reset, starts: encoding == 6 }
        }
        _ => panic!("encoding {encoding} is none of 1 to 6"),
    })
}

/// What Thanos makes of floats: windows of `resolution` ms, each with its aggregates.
pub(crate) fn downsampled(raw: &[Float], resolution: i64) -> ChunkSpec {
    let last = raw.last().expect("there are samples").at;
    let mut windows: Vec<(i64, Vec<f64>)> = Vec::new();
    for sample in raw {
        let end = (sample.at - sample.at.rem_euclid(resolution) + resolution - 1).min(last);
        match windows.last_mut() {
            Some((at, values)) if *at == end => values.push(sample.value),
            _ => windows.push((end, vec![sample.value])),
        }
    }
    let aggregate = |of: &dyn Fn(&[f64]) -> f64| -> Vec<Float> {
        windows.iter().map(|(at, values)| Float { at: *at, start: 0, value: of(values) }).collect()
    };
    // the first raw sample, the total at the end of each window, and the last raw value once more
    let mut counter = vec![Float { start: 0, ..raw[0] }];
    counter.extend(aggregate(&|values| values[values.len() - 1]));
    counter.push(counter[counter.len() - 1]);
    let xor = |samples| Some(Box::new(Samples::Xor(samples)));
    ChunkSpec::new(Samples::Aggregates([
        xor(aggregate(&|values| values.len() as f64)),
        xor(aggregate(&|values| values.iter().sum())),
        xor(aggregate(&|values| values.iter().copied().fold(f64::INFINITY, f64::min))),
        xor(aggregate(&|values| values.iter().copied().fold(f64::NEG_INFINITY, f64::max))),
        xor(counter),
    ]))
}

/// What Thanos makes of histograms, each being a window of its own.
pub(crate) fn downsampled_histograms(shape: &Shape, at: i64, count: usize, resolution: i64, seed: u64) -> ChunkSpec {
    let mut samples = float_histograms(shape, at, count, seed);
    for (idx, sample) in samples.iter_mut().enumerate() {
        (sample.at, sample.start) = (at + resolution * idx as i64, 0);
    }
    let counts = samples.iter().map(|sample| Float { at: sample.at, start: 0, value: 4.0 }).collect();
    let part = |samples: Vec<FloatHistogram>, reset| {
        Some(Box::new(Samples::FloatHistograms { shape: shape.clone(), samples, reset, starts: false }))
    };
    let mut counter = vec![samples[0].clone()];
    counter.extend(samples.iter().cloned());
    counter.push(samples[samples.len() - 1].clone());
    counter[0].at -= resolution / 2;
    Samples::Aggregates([
        Some(Box::new(Samples::Xor(counts))),
        part(samples, Reset::Gauge),
        None,
        None,
        part(counter, Reset::Unknown),
    ])
    .into()
}

impl From<Samples> for ChunkSpec {
    fn from(samples: Samples) -> Self {
        Self::new(samples)
    }
}
