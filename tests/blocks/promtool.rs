//! Prometheus' own tool reads what the writer writes, and finds the same samples.

use std::path::Path;
use std::process::Command;

use crate::blocks::big::{Big, write_big};
use crate::blocks::data::{self, Kind, T0};
use crate::blocks::quirks::HEALTHY;
use crate::blocks::{BlockSpec, ChunkSpec, Samples, series};

/// Runs promtool in a folder and gives what it prints. Not being able to is a failure, not a reason to skip.
fn promtool(folder: &Path, args: &[&str]) -> String {
    let output = match Command::new("promtool").args(args).current_dir(folder).output() {
        Ok(output) => output,
        Err(error) => panic!("promtool cannot be run ({error}): apt-get install --no-install-recommends prometheus"),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (printed, said) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "promtool {args:?} fails\n{printed}{said}");
    assert!(!said.contains("rror"), "promtool {args:?} complains\n{said}");
    printed
}

/// Series of floats with several chunks each.
fn floats(version: u8) -> BlockSpec {
    let chunks = |kind, seed: u64| {
        let chunk = |idx: i64| ChunkSpec::xor(&data::floats(kind, T0 + idx * 2_000_000, 30, seed));
        (0..3).map(chunk).collect::<Vec<_>>()
    };
    let mut all = Vec::new();
    for (idx, kind) in Kind::ALL.into_iter().enumerate() {
        all.push(series(&format!("metric_{idx} job=a instance=b"), chunks(kind, idx as u64)));
        all.push(series(&format!("metric_{idx} job=a"), chunks(kind, 7 + idx as u64)));
    }
    all.push(series("no_name=yes", chunks(Kind::Gauge, 20)));
    let mut spec = BlockSpec::new(all);
    spec.layout.version = version;
    spec.segment_bytes = 2_000;
    spec.unused_symbols = vec!["~ nobody uses this ~".to_owned()];
    spec
}

/// As `dump` prints the floats of a block.
fn dumped(spec: &BlockSpec) -> Vec<String> {
    let mut sorted = spec.series.clone();
    sorted.sort_by(|a, b| a.labels.cmp(&b.labels));
    let mut lines = Vec::new();
    for series in &sorted {
        let labels: Vec<String> = series.labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let labels = labels.join(", ");
        for chunk in &series.chunks {
            let (Samples::Xor(samples) | Samples::Xor2(samples)) = &chunk.samples else { continue };
            lines.extend(samples.iter().map(|sample| format!("{{{labels}}} {} {}", sample.value.to_bits(), sample.at)));
        }
    }
    lines
}

/// The lines of `dump` with values as bits, since Go and Rust print them differently.
fn with_bits(printed: &str) -> Vec<String> {
    let line = |line: &str| {
        let (rest, at) = line.rsplit_once(' ').unwrap();
        let (labels, value) = rest.rsplit_once(' ').unwrap();
        let value: f64 = value.parse().unwrap();
        // all that is not a number is printed as `NaN`
        format!("{labels} {} {at}", if value.is_nan() { 0 } else { value.to_bits() })
    };
    printed.lines().map(line).collect()
}

fn check(spec: &BlockSpec) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("wal")).unwrap();
    let written = spec.write();
    written.save(folder.path());
    let listed = promtool(folder.path(), &["tsdb", "list", "."]);
    assert!(listed.contains(&written.ulid), "{listed}");
    let analyzed = promtool(folder.path(), &["tsdb", "analyze", "--extended", ".", &written.ulid]);
    assert!(analyzed.contains(&format!("Series: {}\n", spec.series.len())), "{analyzed}");
    let printed = with_bits(&promtool(folder.path(), &["tsdb", "dump", "."]));
    let nan = |line: String| {
        let (rest, at) = line.rsplit_once(' ').unwrap();
        let (labels, bits) = rest.rsplit_once(' ').unwrap();
        let bits: u64 = bits.parse().unwrap();
        format!("{labels} {} {at}", if f64::from_bits(bits).is_nan() { 0 } else { bits })
    };
    let expected: Vec<String> = dumped(spec).into_iter().map(nan).collect();
    assert_eq!(printed.len(), expected.len());
    for (printed, expected) in printed.iter().zip(&expected) {
        assert_eq!(printed, expected);
    }
}

#[test]
fn floats_come_back_from_every_version_and_layout() {
    for spec in [floats(2), floats(2).up_to_3_6(), floats(1).version_1()] {
        check(&spec);
    }
}

#[test]
fn what_the_verifier_calls_healthy_is_read() {
    for (name, spec) in HEALTHY {
        let spec = spec();
        let chunks = spec.series.iter().flat_map(|series| &series.chunks);
        if !chunks.map(|chunk| chunk.samples.encoding()).all(|encoding| encoding <= 3) {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        spec.write().save(folder.path());
        let listed = promtool(folder.path(), &["tsdb", "list", "."]);
        assert!(listed.contains(&spec.ulid), "{name}: {listed}");
        let analyzed = promtool(folder.path(), &["tsdb", "analyze", "--extended", ".", &spec.ulid]);
        assert!(analyzed.contains(&format!("Series: {}\n", spec.series.len())), "{name}: {analyzed}");
    }
}

#[test]
fn histograms_are_read() {
    for encoding in [2, 3] {
        let all = (0..6).map(|seed| series(&format!("h_{seed}"), vec![data::chunk(encoding, T0, 40, seed)]));
        let spec = BlockSpec::new(all.collect());
        let folder = tempfile::tempdir().unwrap();
        spec.write().save(folder.path());
        // decodes them, which it does not do with floats
        let analyzed = promtool(folder.path(), &["tsdb", "analyze", "--extended", ".", &spec.ulid]);
        assert!(analyzed.contains("Series: 6\n"), "{analyzed}");
    }
}

#[test]
fn big_blocks_are_read_where_they_are_small() {
    for (big, dumped) in [(Big::Samples { bytes: 1 }, false), (Big::Series { count: 3_000 }, true)] {
        let folder = tempfile::tempdir().unwrap();
        let block = write_big(folder.path(), big).unwrap();
        let ulid = block.directory.file_name().unwrap().to_str().unwrap();
        let analyzed = promtool(folder.path(), &["tsdb", "analyze", "--extended", ".", ulid]);
        assert!(analyzed.contains(&format!("Series: {}\n", block.series)), "{analyzed}");
        if dumped {
            let printed = promtool(folder.path(), &["tsdb", "dump", "."]);
            assert_eq!(printed.lines().count() as u64, block.samples);
        }
    }
}
