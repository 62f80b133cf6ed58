//! Measures the verification of large blocks: `cargo bench --bench verify`.
//!
//! It writes a block of 1 GiB of chunks and one of ten million series (kept below `target`, 4 GB), and verifies them with
//! the release build: on two cores and on one, from the disk and from an S3 server in another process, with and without
//! 50 ms before each answer, and beside promtool. Options after `--`: `--bytes N`, `--series N` (sizes), `--only WORD`
//! (rows that hold it). Prints a table for `docs/performance.md`; the exit code is 1 when a bound is broken.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a benchmark reports on standard output, and ends when something fails"
)]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "each test uses its part of what they share")]
mod support;

#[path = "../support/blocks/mod.rs"]
#[expect(dead_code, unused_imports, reason = "each test uses its part of what they share")]
mod blocks;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use blocks::big::{Big, write_big};
use blockwarden::model::TimestampMs;
use bytes::Bytes;
use serde_json::Value;
use support::program::s3_config;
use support::s3_server::{Head, Listed, Objects, Reply, S3Server};
use support::served::{Server, cpu_of_children, status_of};
use tokio::time::Instant;

/// The bounds, on two cores.
const AGAINST_PROMTOOL: f64 = 5.0;
const CHECKSUM_BYTES_PER_CORE_SECOND: f64 = 1e9;
const FULL_SAMPLES_PER_CORE_SECOND: f64 = 100e6;
const SCALING: f64 = 1.8;
const RESIDENT_BYTES: u64 = 512_000_000;
const WITH_LATENCY: f64 = 0.8;
const LATENCY: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        Some(arguments[at + 1].as_str())
    };
    let number = |name: &str, default: u64| {
        option(name).map_or(default, |text| text.parse().expect("a number after the option"))
    };
    if let Some(folder) = option("--serve") {
        serve(Path::new(folder), Duration::from_millis(number("--latency", 0)));
        return ExitCode::SUCCESS;
    }
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("only `cargo bench` measures: an unoptimized build would say nothing");
        return ExitCode::SUCCESS;
    }
    let samples = made("samples", Big::Samples { bytes: number("--bytes", 1 << 30) });
    let series = made("series", Big::Series { count: number("--series", 10_000_000) });
    let mut report = Report { only: option("--only").map(str::to_owned), ..Report::default() };
    println!("| what | wall | CPU | bytes per second | samples per core and second | peak resident |");
    println!("|---|---|---|---|---|---|");
    from_disk(&mut report, &samples);
    from_storage(&mut report, &samples);
    many_series(&mut report, &series);
    for line in report.said.iter().chain(&report.broken) {
        println!("{line}");
    }
    if report.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A data directory with one large block, made once for each size.
#[derive(Debug)]
struct Made {
    folder: PathBuf,
    block: PathBuf,
    bytes: u64,
}

fn made(name: &str, big: Big) -> Made {
    let size = match big {
        Big::Samples { bytes } => bytes,
        Big::Series { count } => count,
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("verify-{name}-{size}"));
    let done = folder.join("done");
    if !done.exists() {
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder).unwrap();
        write_big(&folder, big).unwrap();
        fs::write(&done, "").unwrap();
    }
    let blocks = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let block = blocks.into_iter().find(|path| path.join("meta.json").exists()).expect("a block");
    let bytes = files(&block).iter().map(|(_, path)| fs::metadata(path).unwrap().len()).sum();
    Made { folder, block, bytes }
}

/// The files of a block, with their names in it.
fn files(block: &Path) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(block).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|(below, path)| (format!("{name}/{below}"), path)));
        } else {
            found.push((name, path));
        }
    }
    found.sort();
    found
}

/// What one run of a program cost.
#[derive(Clone, Debug, Default)]
struct Cost {
    wall: Duration,
    cpu: Duration,
    peak_resident: u64,
}

fn measure(command: &mut Command) -> (Cost, Vec<u8>) {
    let cpu = cpu_of_children();
    let began = Instant::now();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program starts");
    let process = child.id();
    let mut stdout = child.stdout.take().unwrap();
    let (sender, output) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stdout.read_to_end(&mut bytes).unwrap();
        let status = child.wait().unwrap();
        sender.send((bytes, status, Instant::now())).unwrap();
    });
    let mut peak_resident = 0;
    let (bytes, status, ended) = loop {
        // the high-water mark only grows, so that the last reading is the peak but for what the last 20 ms added
        peak_resident = status_of(process, "VmHWM").unwrap_or(peak_resident);
        match output.recv_timeout(Duration::from_millis(20)) {
            Ok(ended) => break ended,
            Err(error) => assert_eq!(error, RecvTimeoutError::Timeout, "the thread that waits for the program is gone"),
        }
    };
    reader.join().unwrap();
    assert!(status.success(), "{command:?} ended with {status}: {}", String::from_utf8_lossy(&bytes));
    (Cost { wall: ended - began, cpu: cpu_of_children().saturating_sub(cpu), peak_resident }, bytes)
}

/// What was measured, and what did not hold.
#[derive(Default)]
struct Report {
    only: Option<String>,
    said: Vec<String>,
    broken: Vec<String>,
}

impl Report {
    fn require(&mut self, holds: bool, what: String) {
        if holds { self.said.push(what) } else { self.broken.push(format!("BROKEN: {what}")) }
    }

    fn wants(&self, title: &str) -> bool {
        self.only.as_ref().is_none_or(|only| title.contains(only.as_str()))
    }

    /// Runs `verify` on one block, the best of three; `cores` = the cores that it may use.
    fn verify(&mut self, title: &str, level: &str, cores: usize, target: &[&str], bytes: u64) -> Option<Cost> {
        if !self.wants(title) {
            return None;
        }
        let mut best: Option<(Cost, u64)> = None;
        for _ in 0..3 {
            let mut command = on(cores);
            command.arg(env!("CARGO_BIN_EXE_blockwarden")).args(["verify", "--output", "json", "--level", level]);
            let (cost, output) = measure(command.args(target));
            let document: Value = serde_json::from_slice(&output).expect("one JSON document");
            assert_eq!(document["blocks"][0]["verdict"], "ok", "{document}");
            if best.as_ref().is_none_or(|(best, _)| cost.wall < best.wall) {
                best = Some((cost, samples_of(&document, target, bytes)));
            }
        }
        let (cost, samples) = best?;
        self.row(title, &cost, if level == "index" { 0 } else { bytes }, if level == "full" { samples } else { 0 });
        Some(cost)
    }

    #[expect(clippy::unused_self, reason = "rows belong to the report")]
    fn row(&self, title: &str, cost: &Cost, bytes: u64, samples: u64) {
        let rate = |amount: u64, time: Duration| amount as f64 / time.as_secs_f64();
        let bytes = if bytes == 0 { String::new() } else { format!("{:.2} GB", rate(bytes, cost.wall) / 1e9) };
        let samples = if samples == 0 { String::new() } else { format!("{:.0} M", rate(samples, cost.cpu) / 1e6) };
        println!(
            "| {title} | {:.2} s | {:.2} s | {bytes} | {samples} | {} MB |",
            cost.wall.as_secs_f64(),
            cost.cpu.as_secs_f64(),
            cost.peak_resident / 1_000_000
        );
    }
}

/// `numSamples` of the block, which the document does not have.
fn samples_of(_document: &Value, target: &[&str], _bytes: u64) -> u64 {
    let meta = Path::new(target[0]).join("meta.json");
    let Ok(text) = fs::read_to_string(meta) else { return 0 };
    let meta: Value = serde_json::from_str(&text).unwrap();
    meta["stats"]["numSamples"].as_u64().unwrap()
}

/// A command that may use so many cores.
fn on(cores: usize) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", if cores == 1 { "0" } else { "0,1" }]);
    command
}

/// Everything is read once, so that the disk is not measured.
fn warm(made: &Made) {
    let mut buffer = vec![0; 1 << 20];
    for (_, path) in files(&made.block) {
        let mut file = fs::File::open(path).unwrap();
        while file.read(&mut buffer).unwrap() > 0 {}
    }
}

fn from_disk(report: &mut Report, made: &Made) {
    warm(made);
    let block = made.block.to_str().unwrap();
    report.verify("index, two cores", "index", 2, &[block], made.bytes);
    let checksum = report.verify("checksum, two cores", "checksum", 2, &[block], made.bytes);
    let checksum_one = report.verify("checksum, one core", "checksum", 1, &[block], made.bytes);
    let full = report.verify("full, two cores", "full", 2, &[block], made.bytes);
    let full_one = report.verify("full, one core", "full", 1, &[block], made.bytes);
    let mut tools = vec![("promtool of Debian".to_owned(), PathBuf::from("promtool"))];
    #[expect(clippy::disallowed_methods, reason = "a switch of this benchmark alone")]
    let other = std::env::var("PROMTOOL").ok();
    tools.extend(other.map(|path| ("the promtool in $PROMTOOL".to_owned(), path.into())));
    for (name, tool) in tools {
        let title = format!("`tsdb analyze --extended`, {name}");
        if !report.wants(&title) {
            continue;
        }
        let ulid = made.block.file_name().unwrap().to_str().unwrap();
        let mut command = on(2);
        command.arg(&tool).args(["tsdb", "analyze", "--extended", made.folder.to_str().unwrap(), ulid]);
        let (cost, _) = measure(&mut command);
        report.row(&title, &cost, made.bytes, 0);
        if let Some(checksum) = &checksum {
            let times = cost.wall.as_secs_f64() / checksum.wall.as_secs_f64();
            let what = format!("level checksum is {times:.1} times as fast as {name} (bound {AGAINST_PROMTOOL})");
            report.require(times >= AGAINST_PROMTOOL, what);
        }
    }
    if let Some(one) = checksum_one {
        let rate = made.bytes as f64 / one.wall.as_secs_f64();
        let what = format!("level checksum: {:.2} GB per second on one core (bound 1.00)", rate / 1e9);
        report.require(rate >= CHECKSUM_BYTES_PER_CORE_SECOND, what);
    }
    if let (Some(one), Some(two)) = (full_one, full) {
        let rate = samples_of(&Value::Null, &[block], 0) as f64 / one.wall.as_secs_f64();
        let what = format!("level full: {:.0} M samples per second on one core (bound 100)", rate / 1e6);
        report.require(rate >= FULL_SAMPLES_PER_CORE_SECOND, what);
        let times = one.wall.as_secs_f64() / two.wall.as_secs_f64();
        report
            .require(times >= SCALING, format!("level full: {times:.2} times as fast on two cores (bound {SCALING})"));
    }
}

fn from_storage(report: &mut Report, made: &Made) {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("bucket.yml");
    for level in ["checksum", "full"] {
        let mut walls = BTreeMap::new();
        for latency in [0, LATENCY.as_millis()] {
            let title = format!("{level}, S3, {latency} ms");
            if !report.wants(&title) {
                continue;
            }
            let server = Server::start(&["--serve", made.folder.to_str().unwrap(), "--latency", &latency.to_string()]);
            fs::write(&config, s3_config(server.address.parse().unwrap())).unwrap();
            let target = ["--objstore.config-file", config.to_str().unwrap()];
            if let Some(cost) = report.verify(&title, level, 2, &target, made.bytes) {
                walls.insert(latency, cost.wall);
            }
        }
        if let (Some(without), Some(with)) = (walls.get(&0), walls.get(&LATENCY.as_millis())) {
            let share = without.as_secs_f64() / with.as_secs_f64();
            let what =
                format!("level {level}: {:.0} % of the throughput with 50 ms per request (bound 80)", share * 100.0);
            report.require(share >= WITH_LATENCY, what);
        }
    }
}

fn many_series(report: &mut Report, made: &Made) {
    let block = made.block.to_str().unwrap();
    if let Some(cost) = report.verify("full, many series", "full", 2, &[block], made.bytes) {
        let mb = cost.peak_resident / 1_000_000;
        report.require(cost.peak_resident <= RESIDENT_BYTES, format!("many series: {mb} MB resident (bound 512)"));
    }
}

/// A block of this machine as objects; each is read once and kept.
struct Folder(BTreeMap<String, Bytes>);

const MODIFIED: &str = "2026-01-02T00:00:00Z";

impl Folder {
    fn new(folder: &Path) -> Self {
        let all = files(folder).into_iter().filter(|(name, _)| {
            name.contains("chunks/")
                || name.ends_with("index")
                || name.ends_with("meta.json")
                || name.ends_with("tombstones")
        });
        Self(all.map(|(name, path)| (name, fs::read(path).unwrap().into())).collect())
    }
}

impl Objects for Folder {
    fn visit(&self, from: Bound<&str>, visit: &mut dyn FnMut(&Listed<'_>) -> bool) {
        for (key, body) in self.0.range::<str, _>((from, Bound::Unbounded)) {
            let size = u64::try_from(body.len()).unwrap();
            if !visit(&Listed { key, size, modified: MODIFIED, etag: "e", class: "STANDARD" }) {
                return;
            }
        }
    }

    fn head(&self, key: &str) -> Option<Head> {
        let size = u64::try_from(self.0.get(key)?.len()).unwrap();
        Some(Head { size, modified: TimestampMs::parse_rfc3339(MODIFIED).unwrap(), etag: "e".to_owned() })
    }

    fn body(&self, key: &str) -> Option<Bytes> {
        self.0.get(key).cloned()
    }
}

/// The other process.
fn serve(folder: &Path, latency: Duration) {
    let server = S3Server::start_on("127.0.0.1:0", Arc::new(Folder::new(folder)), false);
    if !latency.is_zero() {
        server.script(move |_| Reply::ServeAfter(latency));
    }
    println!("{} ready", server.address());
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}
