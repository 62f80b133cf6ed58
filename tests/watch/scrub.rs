//! The scrub of real blocks: stepped by a clock that the test holds, and in the service as it runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use blockwarden::checks::Policy;
use blockwarden::engine::clock;
use blockwarden::engine::watch::Scrubber;
use blockwarden::model::{DAY_MS, HOUR_MS, TimestampMs, Verdict};
use ulid::Ulid;

use crate::running::{Running, command, wait_for};
use crate::shapes::t;
use crate::steps::{Steps, loud};

/// A bucket of real blocks, in a folder of its own.
struct Real {
    folder: tempfile::TempDir,
    blocks: Vec<PathBuf>,
}

/// One replica.
const STREAM: &str = "\"replica\":\"a\"";

impl Real {
    /// With blocks of the sample bucket, all written at this moment.
    fn new(count: usize, written: TimestampMs) -> Self {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sample-bucket");
        let mut real = Self { folder: tempfile::tempdir().unwrap(), blocks: Vec::new() };
        let mut names: Vec<_> = fs::read_dir(&sample).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        let whole = |block: &PathBuf| {
            let meta = fs::read_to_string(block.join("meta.json")).unwrap_or_default();
            let meta: String = meta.split_whitespace().collect();
            meta.contains(STREAM)
                && meta.contains("\"level\":1")
                && block.join("index").exists()
                && !block.join("deletion-mark.json").exists()
        };
        for block in names.iter().filter(|block| whole(block)).take(count) {
            let to = real.folder.path().join("bucket").join(block.file_name().unwrap());
            copy(block, &to, written);
            real.blocks.push(to);
        }
        assert_eq!(real.blocks.len(), count, "the sample has too few");
        let bucket = real.folder.path().join("bucket");
        let objstore = format!("type: FILESYSTEM\nconfig: {{directory: {}}}\n", bucket.display());
        fs::write(real.folder.path().join("objstore.yaml"), objstore).unwrap();
        real
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn ulid(&self, idx: usize) -> Ulid {
        self.blocks[idx].file_name().unwrap().to_str().unwrap().parse().unwrap()
    }

    /// Breaks the index of a block, or mends it: the same does both.
    fn flip(&self, idx: usize, written: TimestampMs) {
        let path = self.blocks[idx].join("index");
        let mut bytes = fs::read(&path).unwrap();
        let place = bytes.len() / 2;
        bytes[place] ^= 0x10;
        fs::write(&path, bytes).unwrap();
        date(&path, written);
    }
}

fn copy(from: &Path, to: &Path, written: TimestampMs) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to, written);
        } else {
            fs::copy(&path, &to).unwrap();
            date(&to, written);
        }
    }
}

fn date(path: &Path, written: TimestampMs) {
    let since = Duration::from_millis(u64::try_from(written.0).unwrap());
    fs::File::options().write(true).open(path).unwrap().set_modified(SystemTime::UNIX_EPOCH + since).unwrap();
}

/// A station over the bucket, and what scrubs it.
struct Scrubbed {
    steps: Steps,
    scrubber: Scrubber,
}

const YAML: &str = "buckets:\n- objstore_config_file: objstore.yaml\nscrub: {interval: 16d, threads: 1}\n";

fn at(moment: &str) -> TimestampMs {
    TimestampMs(t(moment))
}

impl Scrubbed {
    fn over(real: &Real, now: &str) -> Self {
        let steps = Steps::with(real.path(), YAML, now);
        let scrubber = Scrubber::new(&Policy::default().scrub, at(now)).unwrap();
        Self { steps, scrubber }
    }

    /// A pass, then whatever is due to be verified.
    fn step(&mut self, now: &str) -> Vec<(Ulid, Verdict)> {
        self.steps.step(now);
        self.scrub(at(now))
    }

    fn scrub(&mut self, now: TimestampMs) -> Vec<(Ulid, Verdict)> {
        let found = self.steps.run(|station| self.scrubber.step(station, now));
        found.into_iter().map(|(_, ulid, verdict)| (ulid, verdict)).collect()
    }
}

#[test]
fn a_new_block_is_verified_at_once_and_the_others_in_their_turn() {
    let real = Real::new(5, at("02-01"));
    let mut scrubbed = Scrubbed::over(&real, "03-07T00:00");
    // the turn of the first one begins with the scrub
    assert_eq!(scrubbed.step("03-07T00:00"), [(real.ulid(0), Verdict::Ok)]);
    assert_eq!(scrubbed.step("03-07T01:00"), []);

    let sample = real.blocks[1].clone();
    let name = real.ulid(1).to_string().replace("01K", "01J");
    copy(&sample, &real.path().join("bucket").join(&name), at("03-07T01:30"));
    // it settles first where nothing says when its upload was over
    let meta = real.path().join("bucket").join(&name).join("meta.json");
    let text = fs::read_to_string(&meta).unwrap();
    fs::write(&meta, text.replace("upload_time", "unknown")).unwrap();
    date(&meta, at("03-07T01:30"));
    assert_eq!(scrubbed.step("03-07T01:40"), []);
    let new: Ulid = name.parse().unwrap();
    assert_eq!(scrubbed.step("03-07T02:05").iter().map(|(ulid, _)| *ulid).collect::<Vec<_>>(), [new]);

    // the others are spread: 15 of 16 days for all of them
    let mut days = Vec::new();
    for hour in 3..16 * 24 {
        let now = at("03-07").plus(hour * HOUR_MS);
        let found = scrubbed.scrub(now);
        assert!(found.len() <= 1, "{found:?}");
        days.extend(found.iter().map(|_| hour / 24));
    }
    assert!(days.len() >= 6 && days.windows(2).all(|pair| pair[1] - pair[0] <= 4), "{days:?}");
    assert!(days.windows(2).all(|pair| pair[1] > pair[0]), "{days:?}");
}

#[test]
fn damage_is_found_healed_and_remembered() {
    let real = Real::new(4, at("02-01"));
    real.flip(2, at("03-06T23:00"));
    let mut scrubbed = Scrubbed::over(&real, "03-07T00:00");
    let found = scrubbed.step("03-07T00:00");
    assert!(found.contains(&(real.ulid(2), Verdict::Corrupt)), "{found:?}");
    let published = scrubbed.steps.step("03-07T00:05");
    assert!(loud(&published).contains(&"critical index_corrupt".to_owned()), "{:?}", loud(&published));
    let status = &published.service.scrub.buckets[0];
    assert_eq!((status.blocks[4], status.outlook.unwrap().blocks), (1, 4));

    // a restart knows it without reading anything
    drop(scrubbed);
    let mut scrubbed = Scrubbed::over(&real, "03-07T00:10");
    assert_eq!(scrubbed.step("03-07T00:10"), []);
    let published = scrubbed.steps.step("03-07T00:15");
    assert!(loud(&published).contains(&"critical index_corrupt".to_owned()));

    // mended: it is not any more what was verified, so that it has its turn at once
    real.flip(2, at("03-07T00:16"));
    let published = scrubbed.steps.step("03-07T00:20");
    assert!(loud(&published).contains(&"critical index_corrupt".to_owned()), "nobody has looked yet");
    assert_eq!(scrubbed.step("03-07T00:25"), [(real.ulid(2), Verdict::Ok)]);
    let published = scrubbed.steps.step("03-07T00:30");
    assert!(!loud(&published).contains(&"critical index_corrupt".to_owned()), "{:?}", loud(&published));
    assert!(scrubbed.steps.ends().contains(&"index_corrupt resolved".to_owned()));
}

#[test]
fn what_is_left_out_is_not_read() {
    let real = Real::new(4, at("03-06"));
    let mark = "{\"id\":\"x\",\"version\":1,\"deletion_time\":1772800000,\"details\":\"\"}";
    fs::write(real.blocks[0].join("deletion-mark.json"), mark).unwrap();
    fs::remove_file(real.blocks[1].join("index")).unwrap();
    let mut scrubbed = Scrubbed::over(&real, "03-07T00:00");
    let read: Vec<Ulid> = scrubbed.step("03-07T00:00").into_iter().map(|(ulid, _)| ulid).collect();
    assert_eq!(read, [real.ulid(2), real.ulid(3)]);

    for yaml in [YAML.replace("{interval", "{enabled: false, interval"), YAML.replace("yaml\n", "yaml\n  scrub: no\n")]
    {
        let configured = scrubbed.steps.reload(&yaml);
        scrubbed.steps.station.reload(Ok(configured), at("03-07T01:00")).unwrap();
        real.flip(2, at("03-07T00:59"));
        assert_eq!(scrubbed.step("03-07T01:00"), [], "{yaml}");
        assert_eq!(scrubbed.steps.station.published().service.scrub.buckets[0].outlook, None);
    }
    let configured = scrubbed.steps.reload(YAML);
    scrubbed.steps.station.reload(Ok(configured), at("03-07T02:00")).unwrap();
    let again: Vec<Ulid> = scrubbed.step("03-07T02:00").into_iter().map(|(ulid, _)| ulid).collect();
    assert_eq!(again, [real.ulid(2)], "what was verified stays verified");
}

#[test]
fn a_round_that_cannot_be_done_in_time_is_told() {
    let real = Real::new(4, at("02-01"));
    for (bound, told) in [("1B", true), ("1MB", false)] {
        let yaml = YAML.replace("16d", &format!("1h, max_bytes_per_second: {bound}"));
        let mut steps = Steps::with(real.path(), &yaml, "03-07T00:00");
        steps.step("03-07T00:00");
        let mut scrubber = Scrubber::new(&Policy::default().scrub, at("03-07")).unwrap();
        // the first one is read by a verifier that knows no such bound
        assert_eq!(steps.run(|station| scrubber.step(station, at("03-07"))).len(), 1);
        let published = steps.step("03-07T00:05");
        assert_eq!(
            loud(&published).contains(&"warning scan_stalled".to_owned()),
            told,
            "{:?}",
            published.service.scrub
        );
        drop(steps);
        fs::remove_file(real.path().join("ledger.db")).unwrap();
    }
}

/// Blocks that were verified, by what became of them.
fn verified(running: &Running, verdict: &str) -> u64 {
    let series = format!("blockwarden_verified_blocks_total{{bucket=\"bucket\",verdict=\"{verdict}\"}}");
    running.metric_if_there(&series).unwrap_or_default()
}

fn becomes(running: &Running, verdict: &str, count: u64) {
    let what = format!("{count} {verdict}");
    wait_for(&what, || (verified(running, verdict) >= count).then_some(()));
}

#[test]
fn the_service_verifies_what_is_new_tells_what_is_broken_and_goes_on_after_a_restart() {
    let now = clock::now();
    let old = now.minus(10 * DAY_MS);
    let real = Real::new(5, old);
    let path = real.path();
    fs::write(
        path.join("blockwarden.yaml"),
        "buckets:\n- objstore_config_file: objstore.yaml\n  interval: 1s\n  consistency_delay: 0s\n",
    )
    .unwrap();
    let start = || Running::start(command(path).args(["--state", "ledger.db"]));
    let running = start();
    // counters are there from the start
    running.passes(1);
    assert!(running.metric_if_there("blockwarden_verified_bytes_total{bucket=\"bucket\"}").is_some());
    becomes(&running, "ok", 1);
    let backlog = "blockwarden_scrub_backlog_blocks{bucket=\"bucket\"}";
    wait_for("the backlog", || (running.metric_if_there(backlog) == Some(4)).then_some(()));

    // written again, and broken by it
    real.flip(3, clock::now());
    becomes(&running, "corrupt", 1);
    let is_open = |running: &Running| running.findings().iter().any(|finding| finding["check"] == "index_corrupt");
    wait_for("the finding", || is_open(&running).then_some(()));
    let series = "blockwarden_findings{bucket=\"bucket\",check=\"index_corrupt\",severity=\"critical\",stream=\"{";
    wait_for("its metric", || (running.metric_if_there(series) == Some(1)).then_some(()));
    let (_, status) = running.ask("GET", "/api/v1/status");
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["buckets"][0]["verification"]["verified_blocks"]["corrupt"], 1, "{status}");
    assert_eq!(status["scrub"]["enabled"], true);

    real.flip(3, clock::now());
    wait_for("the end of the finding", || (!is_open(&running)).then_some(()));
    let log = running.stop();
    assert!(log.contains("finding resolved"), "{log}");

    // after a restart nothing is read that was read, until its turn
    let running = start();
    running.passes(3);
    wait_for("the backlog", || (running.metric_if_there(backlog) == Some(3)).then_some(()));
    assert_eq!(running.metric("blockwarden_verified_bytes_total{bucket=\"bucket\"}"), 0);
    // a new block is
    let name = real.ulid(1).to_string().replace("01K", "01J");
    copy(&real.blocks[1], &path.join("bucket").join(name), clock::now());
    wait_for("the new block", || {
        let all = ["ok", "corrupt", "suspect"].map(|verdict| verified(&running, verdict)).iter().sum::<u64>();
        (all == 1).then_some(())
    });
    // left out by a reload
    let yaml = fs::read_to_string(path.join("blockwarden.yaml")).unwrap();
    fs::write(path.join("blockwarden.yaml"), yaml + "scrub: {enabled: false}\n").unwrap();
    assert_eq!(running.ask("POST", "/-/reload").0, 200);
    wait_for("the end of the scrub", || {
        running.metric_if_there("blockwarden_scrub_interval_seconds").is_none().then_some(())
    });
    running.stop();
}
