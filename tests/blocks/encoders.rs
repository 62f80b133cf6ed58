//! The writer's encoders against Prometheus' own.

use crate::blocks::{ChunkSpec, Samples, data};
use crate::decode::decode;

const VECTORS: &str = include_str!("../fixtures/chunks/vectors.txt");

/// Encoding and data of each chunk that Prometheus' encoder wrote, and the timestamps in it.
fn vectors() -> impl Iterator<Item = (u8, Vec<u8>, String)> {
    VECTORS.lines().map(|line| {
        let fields: Vec<&str> = line.split('|').collect();
        let hex = fields[2].as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        let data = hex.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
        (fields[0].parse().unwrap(), data, format!("{}{}", fields[3], fields[4]))
    })
}

/// Timestamps and starts, as the vectors have them.
fn times(samples: &Samples) -> String {
    let (at, start): (Vec<i64>, Vec<i64>) = match samples {
        Samples::Xor(samples) | Samples::Xor2(samples) => samples.iter().map(|s| (s.at, s.start)).unzip(),
        Samples::Histograms { samples, .. } => samples.iter().map(|s| (s.at, s.start)).unzip(),
        Samples::FloatHistograms { samples, .. } => samples.iter().map(|s| (s.at, s.start)).unzip(),
        Samples::Aggregates(_) | Samples::Raw { .. } => panic!("not decoded"),
    };
    let text = |times: Vec<i64>| format!("[{}]", times.iter().map(i64::to_string).collect::<Vec<_>>().join(" "));
    text(at) + &text(start)
}

/// Values as bits, so that what is not a number compares as well.
fn same(a: &Samples, b: &Samples) -> bool {
    format!("{:?}", bits(a)) == format!("{:?}", bits(b))
}

fn bits(samples: &Samples) -> (Vec<u64>, String) {
    let all = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let values = match samples {
        Samples::Xor(samples) | Samples::Xor2(samples) => samples.iter().map(|s| s.value.to_bits()).collect(),
        Samples::Histograms { samples, .. } => samples.iter().map(|s| s.sum.to_bits()).collect(),
        Samples::FloatHistograms { samples, .. } => samples
            .iter()
            .flat_map(|s| [all(&[s.count, s.zeros, s.sum]), all(&s.positive), all(&s.negative)].concat())
            .collect(),
        Samples::Aggregates(_) | Samples::Raw { .. } => panic!("not decoded"),
    };
    (values, format!("{samples:?}"))
}

#[test]
fn chunks_are_encoded_as_prometheus_encodes_them() {
    let mut other = [0; 7];
    for (number, (encoding, data, expected)) in vectors().enumerate() {
        let samples = decode(encoding, &data);
        assert_eq!(times(&samples), expected, "line {}", number + 1);
        let (encoded_as, encoded) = ChunkSpec::new(samples.clone()).encode();
        assert_eq!(encoded_as, encoding);
        assert!(same(&decode(encoding, &encoded), &samples), "line {}", number + 1);
        other[usize::from(encoding)] += usize::from(encoded != data);
    }
    // an appender that was opened again, as after a restart, goes on in a window of 64 bits
    assert_eq!(other, [0, 3, 1, 1, 5, 1, 1]);
}

#[test]
fn samples_come_back_as_they_were() {
    for encoding in 1..=6 {
        for seed in 0..60 {
            let chunk = data::chunk(encoding, data::T0, 1 + seed as usize * 3, seed);
            let (_, encoded) = chunk.encode();
            let decoded = decode(encoding, &encoded);
            let mut meant = chunk.samples;
            forget_starts(&mut meant, encoding);
            assert!(same(&decoded, &meant), "encoding {encoding}, seed {seed}: {decoded:?}\n{meant:?}");
        }
    }
}

/// Encodings 1 to 3 do not keep starts.
fn forget_starts(samples: &mut Samples, encoding: u8) {
    if encoding > 3 {
        return;
    }
    match samples {
        Samples::Xor(samples) | Samples::Xor2(samples) => samples.iter_mut().for_each(|s| s.start = 0),
        Samples::Histograms { samples, .. } => samples.iter_mut().for_each(|s| s.start = 0),
        Samples::FloatHistograms { samples, .. } => samples.iter_mut().for_each(|s| s.start = 0),
        Samples::Aggregates(_) | Samples::Raw { .. } => panic!("no encoding up to 3"),
    }
}
