//! Blocks that were moved in time, as a real Prometheus reads them: promtool sees the same samples at their new times.
#![expect(clippy::unwrap_used, clippy::panic, reason = "whatever fails in here fails the test")]

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use blockwarden::model::{DAY_MS, HOUR_MS, Interner, Interval, parse_ulid};
use blockwarden::tsdb::parse_meta;
use blockwarden::tsdb::shift::{BlockFiles, Identity, shift_block};
use ulid::Ulid;

/// What promtool says to `tsdb COMMAND`; its complaints, too.
fn promtool(arguments: &[&str], folder: &Path) -> String {
    let mut command = Command::new("promtool");
    let outcome = match command.arg("tsdb").args(arguments).current_dir(folder).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("promtool is not installed; this test needs a real Prometheus: apt-get install prometheus")
        }
        other => other.unwrap(),
    };
    let complaints = String::from_utf8(outcome.stderr).unwrap();
    assert!(outcome.status.success() && complaints.is_empty(), "promtool {arguments:?}: {complaints}");
    String::from_utf8(outcome.stdout).unwrap()
}

/// Writes one block into a folder that promtool takes for a Prometheus' own.
fn write(folder: &Path, ulid: Ulid, block: &BlockFiles) {
    let home = folder.join(ulid.to_string());
    fs::create_dir_all(home.join("chunks")).unwrap();
    fs::create_dir_all(folder.join("wal")).unwrap();
    fs::write(home.join("meta.json"), &block.meta).unwrap();
    fs::write(home.join("index"), &block.index).unwrap();
    for (number, segment) in (1..).zip(&block.segments) {
        fs::write(home.join(format!("chunks/{number:06}")), segment).unwrap();
    }
}

/// Labels and value, and time, of each sample.
fn samples(dump: &str) -> Vec<(String, i64)> {
    let lines = dump.lines().map(|line| line.rsplit_once(' ').unwrap());
    lines.map(|(sample, time)| (sample.to_owned(), time.parse().unwrap())).collect()
}

#[test]
fn promtool_reads_the_same_samples_from_a_moved_block() {
    let bucket = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sample-bucket");
    for (name, shift_ms) in [
        ("01KK1CVSW00003CMCEVWY81VX5", 1_234_567),
        ("01KK19DY800000Z82RK5PWWBPN", -3_000 * DAY_MS - 1),
        ("01KJVCKEW00001CMV2S505BK6X", 2_000 * DAY_MS),
    ] {
        let read = |file: &str| fs::read(bucket.join(name).join(file)).unwrap();
        let original =
            BlockFiles { meta: read("meta.json"), index: read("index"), segments: vec![read("chunks/000001")] };
        let ulid = parse_ulid(name).unwrap();
        let meta = parse_meta(&original.meta, ulid, &mut Interner::default()).meta.unwrap();
        let identity = Identity {
            ulid: Ulid::from_parts(1_800_000_000_000, 1),
            interval: Interval::new(meta.interval.start.plus(shift_ms), meta.interval.end.plus(shift_ms)),
            level: meta.level,
            sources: meta.sources.to_vec(),
            parents: meta.parents.to_vec(),
            labels: (*meta.labels).clone(),
            resolution: meta.resolution,
            source: "compactor",
            uploaded: meta.interval.end.plus(shift_ms + HOUR_MS),
        };
        let moved = shift_block(&original, shift_ms, &identity).unwrap();

        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        write(folders[0].path(), ulid, &original);
        write(folders[1].path(), identity.ulid, &moved);
        let [before, after] = [0, 1].map(|idx| samples(&promtool(&["dump", "."], folders[idx].path())));
        let stated = meta.stats.samples.and_then(|samples| usize::try_from(samples).ok());
        assert_eq!(Some(before.len()), stated, "dump ends early without a word where a chunk is damaged");
        let expected: Vec<(String, i64)> = before.into_iter().map(|(sample, time)| (sample, time + shift_ms)).collect();
        assert!(after == expected, "{name}: other samples, or other times");

        // reads every checksum of series and chunks
        let name = identity.ulid.to_string();
        let analysis = promtool(&["analyze", "--extended", ".", &name], folders[1].path());
        assert!(analysis.contains(&name) && analysis.contains("Series: 4"), "{analysis}");
        let listed = promtool(&["list", "."], folders[1].path());
        assert!(listed.contains(&name), "{listed}");
    }
}
