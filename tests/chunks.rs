//! Chunks that Prometheus' own encoder wrote, and those of the writer for tests: every sample decodes to what was put in,
//! no damage passes, and what real writers do is no fault.
#![expect(clippy::unwrap_used, clippy::panic, reason = "whatever fails in here fails the test")]

#[path = "support/blocks/mod.rs"]
#[expect(dead_code, unused_imports, reason = "each user takes its part of what they share")]
mod blocks;

use std::fs;
use std::path::Path;

use blocks::data::{self, Kind as Series, T0, custom, downsampled, downsampled_histograms, exponential};
use blocks::{ChunkSpec, FloatHistogram, Histogram, Reset, STALE, Samples, Shape, Trailing, float};
use blockwarden::model::Severity;
use blockwarden::tsdb::Rule;
use blockwarden::tsdb::chunk::{ChunkFacts, Depth, Kind, encoding_name, read_chunk, rules, times};

/// A line of the file.
struct Vector {
    encoding: u8,
    samples: u32,
    data: Vec<u8>,
    at_ms: Vec<i64>,
    start_ms: Vec<i64>,
}

impl Vector {
    fn new(line: &str) -> Self {
        let [encoding, samples, data, at_ms, start_ms] = line.split('|').collect::<Vec<_>>().try_into().unwrap();
        Self {
            encoding: encoding.parse().unwrap(),
            samples: samples.parse().unwrap(),
            data: bytes(data),
            at_ms: numbers(at_ms),
            start_ms: numbers(start_ms),
        }
    }

    fn name(&self) -> String {
        format!("{} of {} samples, {} bytes", encoding_name(self.encoding), self.samples, self.data.len())
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn numbers(list: &str) -> Vec<i64> {
    let list = list.trim_start_matches('[').trim_end_matches(']');
    list.split([' ', ',']).filter(|number| !number.is_empty()).map(|number| number.parse().unwrap()).collect()
}

fn vectors() -> Vec<Vector> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/chunks/vectors.txt");
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let vectors: Vec<Vector> = lines.map(Vector::new).collect();
    for encoding in 1..=6 {
        assert!(vectors.iter().any(|vector| vector.encoding == encoding), "no vector of encoding {encoding}");
    }
    vectors
}

/// What is read, and the broken rules.
fn read(encoding: u8, data: &[u8], depth: Depth) -> (Option<ChunkFacts>, Vec<(&'static str, Severity, String)>) {
    let mut broken = Vec::new();
    let facts = read_chunk(encoding, data, depth, &mut |rule, at, expected, found| {
        assert!(at <= data.len(), "{} at byte {at} of {}", rule.id, data.len());
        broken.push((rule.id, rule.severity, format!("at {at}: expected {expected}, found {found}")));
    });
    (facts, broken)
}

fn is_critical(broken: &[(&'static str, Severity, String)]) -> bool {
    broken.iter().any(|(_, severity, _)| *severity == Severity::Critical)
}

#[test]
fn what_prometheus_writes_is_read_to_the_last_bit_and_is_sound() {
    for vector in vectors() {
        let (facts, broken) = read(vector.encoding, &vector.data, Depth::Samples);
        // some were made to be younger than the start that they give
        let younger = vector.at_ms.iter().zip(&vector.start_ms).any(|(at, start)| start > at && *start != 0);
        let expected: &[&str] = if younger { &[rules::START_LATER.id] } else { &[] };
        let ids: Vec<&str> = broken.iter().map(|(id, ..)| *id).collect();
        assert_eq!(ids, expected, "{}: {broken:?}", vector.name());
        let facts = facts.unwrap();
        let kind = if matches!(vector.encoding, 1 | 4) { Kind::Float } else { Kind::Histogram };
        let expected = ChunkFacts {
            kind,
            samples: vector.samples,
            first_ms: vector.at_ms[0],
            last_ms: vector.at_ms.last().copied(),
        };
        assert_eq!(facts, expected, "{}", vector.name());
        let (head, broken) = read(vector.encoding, &vector.data, Depth::Head);
        assert_eq!((head, broken.len()), (Some(ChunkFacts { last_ms: None, ..expected }), 0), "{}", vector.name());
        let times = times(vector.encoding, &vector.data).unwrap();
        assert_eq!(times.at_ms, vector.at_ms, "{}", vector.name());
        assert_eq!(times.start_ms, vector.start_ms, "{}", vector.name());
    }
}

#[test]
fn every_truncation_is_noticed() {
    for vector in vectors() {
        // the last byte may be zeros only, of which none has to be there
        let bits = vector.data.iter().rposition(|byte| *byte != 0).unwrap();
        for len in 0..vector.data.len() {
            let (facts, broken) = read(vector.encoding, &vector.data[..len], Depth::Samples);
            let whole = facts.is_some_and(|facts| facts.last_ms.is_some()) && !is_critical(&broken);
            assert!(!whole || len > bits, "{} cut to {len} bytes passes", vector.name());
        }
        let longer = [&vector.data[..], &[0, 0]].concat();
        let (_, broken) = read(vector.encoding, &longer, Depth::Samples);
        assert!(broken.iter().any(|(id, ..)| *id == rules::REST.id), "{}: {broken:?}", vector.name());
    }
}

fn flipped(data: &[u8], bit: usize) -> Vec<u8> {
    let mask = |idx: usize| if idx == bit / 8 { 0x80 >> (bit % 8) } else { 0 };
    data.iter().enumerate().map(|(idx, byte)| byte ^ mask(idx)).collect()
}

/// Reads every vector of two encodings with each bit flipped: both ways through a chunk come to the same.
fn flip_all(encodings: [u8; 2]) {
    for vector in vectors().into_iter().filter(|vector| encodings.contains(&vector.encoding)) {
        for bit in 0..vector.data.len() * 8 {
            let data = flipped(&vector.data, bit);
            let (facts, broken) = read(vector.encoding, &data, Depth::Samples);
            let times = times(vector.encoding, &data);
            let whole = facts.and_then(|facts| facts.last_ms);
            assert_eq!(
                whole,
                times.as_ref().and_then(|times| times.at_ms.last().copied()),
                "{} bit {bit}",
                vector.name()
            );
            let ascends = times.is_some_and(|times| times.at_ms.is_sorted_by(|a, b| a < b));
            assert_eq!(!is_critical(&broken), ascends, "{} bit {bit}: {broken:?}", vector.name());
        }
    }
}

#[test]
fn floats_with_a_flipped_bit_are_read_or_refused() {
    flip_all([1, 4]);
}

#[test]
fn histograms_with_a_flipped_bit_are_read_or_refused() {
    flip_all([2, 5]);
}

#[test]
fn histograms_of_floats_with_a_flipped_bit_are_read_or_refused() {
    flip_all([3, 6]);
}

/// The broken rules of a chunk.
#[track_caller]
fn assert_breaks(chunk: impl Into<ChunkSpec>, rules: &[&Rule]) {
    let (encoding, data) = chunk.into().encode();
    let (_, broken) = read(encoding, &data, Depth::Samples);
    let ids: Vec<&str> = broken.iter().map(|(id, ..)| *id).collect();
    let expected: Vec<&str> = rules.iter().map(|rule| rule.id).collect();
    assert_eq!(ids, expected, "{broken:?}");
}

#[test]
fn what_the_writer_for_tests_writes_is_sound() {
    for seed in 0..60 {
        for encoding in 1..=6 {
            for count in [1, 2, 3, 120, 4_000] {
                let mut chunk = data::chunk(encoding, T0, count, seed);
                chunk.trailing = Trailing::LegacyByte;
                let (_, data) = chunk.encode();
                let (facts, broken) = read(encoding, &data, Depth::Samples);
                assert_eq!(broken, [], "encoding {encoding}, {count} samples, seed {seed}");
                let facts = facts.unwrap();
                assert_eq!((facts.first_ms, facts.last_ms.unwrap()), chunk.index_times());
                assert_eq!(usize::try_from(facts.samples), Ok(count));
                assert_eq!(times(encoding, &data).unwrap().at_ms.len(), count);
            }
        }
    }
}

/// Two histograms of a shape with three buckets.
fn pair(change: impl Fn(&mut Histogram)) -> Vec<Histogram> {
    let one = Histogram { at: T0, start: 0, count: 9, zeros: 2, sum: 1.5, positive: vec![3, -1, 0], negative: vec![] };
    let mut two = Histogram { at: T0 + 15_000, ..one.clone() };
    change(&mut two);
    vec![one, two]
}

fn three_buckets() -> Shape {
    Shape { positive: vec![(0, 2), (3, 1)], negative: Vec::new(), ..exponential() }
}

fn whole(samples: Vec<Histogram>, reset: Reset) -> Samples {
    Samples::Histograms { shape: three_buckets(), samples, reset, starts: false }
}

#[test]
fn histograms_that_only_rise_are_judged_by_it() {
    let rise = |_: &mut Histogram| {};
    let falls = |two: &mut Histogram| (two.count, two.positive) = (8, vec![3, -1, -1]);
    let bucket_falls = |two: &mut Histogram| two.positive = vec![3, -2, 1];
    let zeros_fall = |two: &mut Histogram| two.zeros = 1;
    let negative = |two: &mut Histogram| two.positive = vec![3, -4, 5];
    let too_few = |two: &mut Histogram| two.zeros = 3;
    let nan = |two: &mut Histogram| (two.count, two.sum) = (20, f64::NAN);
    let stale = |two: &mut Histogram| *two = Histogram { at: two.at, sum: STALE, ..empty() };
    for reset in [Reset::Unknown, Reset::No, Reset::Yes] {
        assert_breaks(whole(pair(rise), reset), &[]);
        assert_breaks(whole(pair(nan), reset), &[]);
        assert_breaks(whole(pair(stale), reset), &[]);
        assert_breaks(whole(pair(falls), reset), &[&rules::FALLS]);
        assert_breaks(whole(pair(bucket_falls), reset), &[&rules::FALLS]);
        assert_breaks(whole(pair(zeros_fall), reset), &[&rules::FALLS]);
        assert_breaks(whole(pair(negative), reset), &[&rules::NEGATIVE, &rules::FALLS]);
        assert_breaks(whole(pair(too_few), reset), &[&rules::TOO_FEW]);
    }
    for change in [falls, bucket_falls, zeros_fall, negative, too_few] {
        assert_breaks(whole(pair(change), Reset::Gauge), &[]);
    }
}

fn empty() -> Histogram {
    Histogram { at: 0, start: 0, count: 0, zeros: 0, sum: 0.0, positive: vec![], negative: vec![] }
}

#[test]
fn histograms_of_floats_are_judged_with_a_grain_of_salt() {
    let pair = |change: &dyn Fn(&mut FloatHistogram)| {
        let (positive, negative) = (vec![3.5, 2.5, 1e9], vec![]);
        let one = FloatHistogram { at: T0, start: 0, count: 1e9 + 6.0, zeros: 0.0, sum: 1.5, positive, negative };
        let mut two = FloatHistogram { at: T0 + 15_000, ..one.clone() };
        change(&mut two);
        let samples = vec![one, two];
        move |reset| Samples::FloatHistograms { shape: three_buckets(), samples: samples.clone(), reset, starts: false }
    };
    assert_breaks(pair(&|_| {})(Reset::No), &[]);
    // what adding in another order gives
    assert_breaks(pair(&|two| two.positive[2] += 1e-6)(Reset::No), &[]);
    assert_breaks(pair(&|two| two.count = f64::NAN)(Reset::No), &[]);
    assert_breaks(pair(&|two| two.positive[0] = f64::INFINITY)(Reset::No), &[&rules::TOO_FEW]);
    assert_breaks(pair(&|two| two.positive[2] = 2e9)(Reset::No), &[&rules::TOO_FEW]);
    assert_breaks(pair(&|two| two.positive[0] = 3.0)(Reset::No), &[&rules::FALLS]);
    assert_breaks(pair(&|two| two.positive[0] = -3.0)(Reset::No), &[&rules::NEGATIVE, &rules::FALLS]);
    assert_breaks(pair(&|two| two.count = 5.0)(Reset::Gauge), &[]);
    assert_breaks(pair(&|two| two.positive[0] = -3.0)(Reset::Gauge), &[]);
}

#[test]
fn layouts_that_cannot_be_are_noted() {
    let with = |change: &dyn Fn(&mut Shape), shape: Shape| {
        let mut shape = shape;
        change(&mut shape);
        let samples = data::histograms(&shape, T0, 3, 1);
        Samples::Histograms { shape, samples, reset: Reset::No, starts: false }
    };
    for schema in [-4, 0, 8] {
        assert_breaks(with(&|shape| shape.schema = schema, exponential()), &[]);
    }
    for schema in [-9, -5, 9, 52] {
        assert_breaks(with(&|shape| shape.schema = schema, exponential()), &[&rules::SCHEMA_RESERVED]);
    }
    for schema in [-10, 53, -54, 127] {
        assert_breaks(with(&|shape| shape.schema = schema, exponential()), &[&rules::SCHEMA]);
    }
    // spans without buckets are legal, those that go back are not
    assert_breaks(with(&|shape| shape.positive.push((7, 0)), exponential()), &[]);
    assert_breaks(with(&|shape| shape.positive.push((-1, 1)), exponential()), &[&rules::SPANS]);
    assert_breaks(with(&|shape| shape.negative[0].0 = -5, exponential()), &[]);
    assert_breaks(with(&|_| {}, custom()), &[]);
    assert_breaks(with(&|shape| shape.positive[0].0 = -1, custom()), &[&rules::SPANS]);
    assert_breaks(with(&|shape| shape.positive[1].1 += 1, custom()), &[&rules::SPANS]);
    assert_breaks(with(&|shape| shape.negative.push((0, 1)), custom()), &[&rules::SPANS]);
    for bound in [1.0, 0.05, f64::NAN, f64::INFINITY] {
        assert_breaks(with(&|shape| shape.bounds[2] = bound.min(0.1), custom()), &[&rules::BOUNDS]);
        assert_breaks(with(&|shape| shape.bounds[5] = bound, custom()), &[&rules::BOUNDS]);
    }
    let (encoding, mut data) = ChunkSpec::new(with(&|_| {}, exponential())).encode();
    data[2] |= 0x20;
    assert_eq!(read(encoding, &data, Depth::Samples).1[0].0, rules::FLAGS.id);
}

/// Aggregates of an hour of floats, five minutes each.
fn aggregates(change: impl Fn(&mut [Option<Box<Samples>>; 5])) -> ChunkSpec {
    let mut chunk = downsampled(&data::floats(Series::Gauge, T0, 240, 1), 300_000);
    if let Samples::Aggregates(parts) = &mut chunk.samples {
        change(parts);
    }
    chunk
}

/// The floats of an aggregate.
fn floats(part: &mut Option<Box<Samples>>) -> &mut Vec<blocks::Float> {
    match part.as_deref_mut() {
        Some(Samples::Xor(samples)) => samples,
        other => panic!("{other:?} are no floats"),
    }
}

#[test]
fn aggregates_are_sound_as_thanos_writes_them() {
    let chunk = aggregates(|_| {});
    let (_, data) = chunk.encode();
    let (facts, broken) = read(255, &data, Depth::Samples);
    assert_eq!(broken, []);
    let times = chunk.index_times();
    let expected = ChunkFacts { kind: Kind::Aggregates, samples: 12, first_ms: times.0, last_ms: Some(times.1) };
    assert_eq!(facts, Some(expected));
    assert_eq!(read(255, &data, Depth::Head).0, Some(ChunkFacts { last_ms: None, ..expected }));
    // one window gives the counter three equal times
    let one = [float(T0, 2.0)];
    assert_breaks(downsampled(&one, 300_000), &[]);
    for seed in 0..20 {
        assert_breaks(downsampled(&data::floats(Series::Counter, T0, 5_000, seed), 3_600_000), &[]);
        assert_breaks(downsampled_histograms(&exponential(), T0, 30, 300_000, seed), &[]);
        assert_breaks(downsampled_histograms(&custom(), T0, 30, 300_000, seed), &[]);
    }
    // of a window without numbers there is neither minimum nor maximum
    assert_breaks(
        aggregates(|parts| {
            floats(&mut parts[1])[3].value = f64::NAN;
            floats(&mut parts[2])[3].value = f64::MAX;
            floats(&mut parts[3])[3].value = f64::MIN;
        }),
        &[],
    );
}

#[test]
fn aggregates_that_cannot_be_are_noted() {
    assert_breaks(aggregates(|parts| parts[4] = None), &[&rules::NO_COUNTER]);
    for idx in 0..4 {
        assert_breaks(aggregates(|parts| parts[idx] = None), &[&rules::MISSING]);
    }
    for idx in 1..4 {
        assert_breaks(aggregates(|parts| floats(&mut parts[idx])[3].at += 1), &[&rules::MISALIGNED]);
        assert_breaks(aggregates(|parts| floats(&mut parts[idx]).truncate(5)), &[&rules::MISALIGNED]);
    }
    assert_breaks(aggregates(|parts| floats(&mut parts[4])[3].at = 0), &[&rules::ORDER]);
    assert_breaks(aggregates(|parts| floats(&mut parts[0])[0].value = 0.0), &[&rules::VALUES]);
    assert_breaks(aggregates(|parts| floats(&mut parts[1])[0].value *= 3.0), &[&rules::VALUES]);
    assert_breaks(aggregates(|parts| floats(&mut parts[2])[0].value = 1e9), &[&rules::VALUES]);
    let xor2 = |parts: &mut [Option<Box<Samples>>; 5]| {
        let samples = floats(&mut parts[3]).clone();
        parts[3] = Some(Box::new(Samples::Xor2(samples)));
    };
    assert_breaks(aggregates(xor2), &[&rules::PART_ENCODING]);
    let raw =
        |encoding, data: &[u8]| Some(Box::new(Samples::Raw { encoding, data: data.to_vec(), count: 1, times: (0, 0) }));
    assert_breaks(aggregates(|parts| parts[2] = raw(1, &[0, 0])), &[&rules::PART_EMPTY]);
    assert_breaks(aggregates(|parts| parts[2] = raw(255, &[0, 0])), &[&rules::ENCODING]);
    assert_breaks(aggregates(|parts| parts[0] = raw(7, &[0, 0])), &[&rules::ENCODING]);
}

#[test]
fn aggregates_fill_their_chunk() {
    let (encoding, data) = aggregates(|_| {}).encode();
    for len in 0..data.len() {
        let (_, broken) = read(encoding, &data[..len], Depth::Head);
        assert_eq!(broken.first().map(|(id, ..)| *id), Some(rules::FRAMING.id), "cut to {len} bytes");
    }
    let (_, broken) = read(encoding, &[&data[..], &[0]].concat(), Depth::Head);
    assert_eq!(broken[0].0, rules::FRAMING.id);
    for bit in 0..data.len() * 8 {
        let data = flipped(&data, bit);
        let facts = read(encoding, &data, Depth::Samples).0;
        assert!(facts.is_none_or(|facts| facts.kind == Kind::Aggregates));
    }
}
