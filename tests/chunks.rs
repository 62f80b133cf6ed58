//! The chunks that Prometheus' own encoder wrote: every sample decodes to what was put in, and no damage passes.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "whatever fails in here fails the test")]

use std::fs;
use std::path::Path;

use blockwarden::model::Severity;
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

#[test]
fn no_flipped_bit_is_worse_than_noticed() {
    for vector in vectors() {
        for bit in 0..vector.data.len() * 8 {
            let mut data = vector.data.clone();
            data[bit / 8] ^= 0x80 >> (bit % 8);
            let (facts, broken) = read(vector.encoding, &data, Depth::Samples);
            let times = times(vector.encoding, &data);
            // both ways through a chunk come to the same
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
