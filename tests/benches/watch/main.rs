//! Measures the service, in the release build, beside a bucket that another process serves: `cargo bench --bench watch`
//! tries everything for a moment on a small bucket. After `--`:
//!
//! - `--latency`: how long `/metrics` takes while passes over 100,000 blocks follow each other without a pause.
//! - `--load`: what `wrk` with 50 connections on the API does to passes and memory (Debian's package `wrk`).
//! - `--soak MINUTES`: whether memory, file handles, threads and tasks stay flat over passes each 2 s on a bucket of
//!   10,000 blocks that changes all the time. `--csv FILE` keeps what was read every 5 s.
//!
//! `--program FILE` measures another build. Prints a table for `docs/performance.md`; the exit code is 1 when a bound is
//! broken.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark reports on standard output, and ends when something fails"
)]

#[path = "../../support/mod.rs"]
#[expect(dead_code, reason = "each test uses its part of what they share")]
mod support;

mod churn;
mod service;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use blockwarden::engine::{clock, install_crypto};
use service::{Samples, Service, Usage, body, client};
use support::estate::{Estate, LEAST_PER_STREAM};
use support::memory::Memory;
use support::served::{self, Server};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// For each kind of scrape.
const P99: Duration = Duration::from_millis(100);
/// Of the text of 1,000 streams.
const TEXT_BYTES: usize = 3_000_000;
/// By how much of its interval a pass may begin late, jitter (a twentieth) included.
const LATE: f64 = 0.10;
/// By how much memory may be larger at the end than at the begin.
const GROWTH: f64 = 0.05;
/// Of a soak, until everything is as large as it gets: threads that put answers together begin when two of them coincide,
/// and the connections of the first pass stay open for minutes, of which the later ones do not need most.
const WARM_UP: f64 = 300.0;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let text = |name: &str| arguments.iter().position(|argument| argument == name).map(|at| arguments[at + 1].clone());
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    if let Some(address) = text("--serve") {
        let number = |name| text(name).unwrap().parse::<u32>().unwrap();
        serve(&address, number("--streams"), number("--per-stream"), has("--churn"));
        return ExitCode::SUCCESS;
    }
    if !has("--bench") {
        println!("only `cargo bench` measures: an unoptimized build would say nothing");
        return ExitCode::SUCCESS;
    }
    install_crypto();
    let program = text("--program").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_blockwarden")), PathBuf::from);
    let minute = Duration::from_mins(1);
    let mut report = Report::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        if has("--latency") {
            report.latency(&program, 1_000, 100, minute).await;
        } else if has("--load") {
            report.load(&program, 100, 100, minute).await;
        } else if let Some(minutes) = text("--soak") {
            let length = minute * minutes.parse::<u32>().expect("a number of minutes");
            report.soak(&program, 100, 100, length, text("--csv").as_deref()).await;
        } else {
            let moment = Duration::from_secs(10);
            report.latency(&program, 50, LEAST_PER_STREAM, moment).await;
            report.load(&program, 10, LEAST_PER_STREAM, moment).await;
            report.soak(&program, 10, LEAST_PER_STREAM, moment * 3, None).await;
        }
    });
    for broken in &report.broken {
        println!("BROKEN: {broken}");
    }
    if report.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The other process.
fn serve(address: &str, streams: u32, per_stream: u32, changes: bool) {
    let estate = Estate::healthy_at(clock::now(), streams, u64::from(per_stream));
    if changes {
        let memory = Arc::new(Memory::copy_of(&estate));
        churn::begin(Arc::clone(&memory), &estate, streams);
        served::serve(address, memory, "");
    } else {
        served::serve(address, Arc::new(estate), "");
    }
}

fn start_server(streams: u64, per_stream: u64, more: &[&str]) -> Server {
    let (streams, per_stream) = (streams.to_string(), per_stream.to_string());
    let arguments = ["--serve", "127.0.0.1:0", "--streams", &streams, "--per-stream", &per_stream];
    Server::start(&[&arguments, more].concat())
}

/// How busy the machine was, for the reader: mean number of runnable threads over the last minute.
fn load_average() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap().split(' ').next().unwrap().to_owned()
}

/// What was asked for, and what did not hold.
#[derive(Default)]
struct Report {
    broken: Vec<String>,
}

impl Report {
    fn require(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(what());
        }
    }

    async fn latency(&mut self, program: &Path, streams: u64, per_stream: u64, length: Duration) {
        println!("/metrics, {streams} streams of {per_stream} blocks; load average before: {}\n", load_average());
        println!("| while | client | scrapes | p50 | p99 | longest | text |");
        println!("|---|---|---|---|---|---|---|");
        let server = start_server(streams, per_stream, &[]);
        let folder = tempfile::tempdir().unwrap();
        let service = Service::start(program, folder.path(), &server.address, "1s").await;
        let began = Instant::now();
        let first = async { service.passed(1.0, Duration::from_mins(10)).await };
        let (waits, _) = self.scrape("the first pass runs", &service, first).await;
        let first_pass = began.elapsed();
        let (before, usage) = (service.usage(), service.samples().await);
        let (more, bytes) = self.scrape("passes follow each other", &service, sleep(length)).await;
        let samples = service.samples().await;
        let after = service.usage();
        let took = |name: &str| samples.sum(&format!("{name}_sum")) - usage.sum(&format!("{name}_sum"));
        let count = |name: &str| samples.sum(&format!("{name}_count")) - usage.sum(&format!("{name}_count"));
        let mean = |name: &str| took(name) / count(name);
        println!(
            "\nfirst pass {:.1} s; then {:.0} passes of {:.2} s, judgements of {:.2} s, CPU {:.1} s in {:.0} s; resident \
             {} MB, at most {} MB; load average after: {}\n",
            first_pass.as_secs_f64(),
            count("blockwarden_scan_duration_seconds"),
            mean("blockwarden_scan_duration_seconds"),
            mean("blockwarden_judgement_duration_seconds"),
            after.cpu.saturating_sub(before.cpu).as_secs_f64(),
            length.as_secs_f64(),
            after.resident / 1_000_000,
            after.peak / 1_000_000,
            load_average(),
        );
        self.require(bytes <= TEXT_BYTES, || format!("{streams} streams cost {bytes} bytes of text"));
        self.require(count("blockwarden_scan_duration_seconds") > 0.0, || "no pass ended".to_owned());
        for (client, wait) in waits.into_iter().chain(more) {
            self.require(wait <= P99, || format!("/metrics over {client}: p99 {wait:?}"));
        }
    }

    /// Scrapes in several ways every 100 ms for as long as `until` lasts. Gives the p99 of each, and the most bytes.
    async fn scrape<T>(
        &mut self,
        title: &str,
        service: &Service,
        until: impl Future<Output = T>,
    ) -> (Vec<(String, Duration)>, usize) {
        // Prometheus keeps its connection and asks for gzip
        let ways = [("kept, plain", true, ""), ("kept, gzip", true, "gzip"), ("new, plain", false, "")];
        let url = service.url("/metrics");
        let tasks = ways.map(|(_, keeps, encoding)| {
            let (client, url) = (client(keeps), url.clone());
            let done = tokio_util::sync::CancellationToken::new();
            let stop = done.clone();
            let scraping = tokio::spawn(async move {
                let mut ticks = interval(Duration::from_millis(100));
                ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
                let (mut waits, mut most) = (Vec::new(), 0);
                while !stop.is_cancelled() {
                    ticks.tick().await;
                    let began = Instant::now();
                    let request = client.get(&url).header("accept-encoding", encoding);
                    most = most.max(body(request).await.len());
                    waits.push(began.elapsed());
                }
                (waits, most)
            });
            (done, scraping)
        });
        until.await;
        let (mut p99s, mut most) = (Vec::new(), 0);
        for ((name, ..), (done, scraping)) in ways.into_iter().zip(tasks) {
            done.cancel();
            let (mut waits, bytes) = scraping.await.unwrap();
            waits.sort();
            let at = |share: f64| waits[((waits.len() as f64 * share).ceil() as usize).clamp(1, waits.len()) - 1];
            let ms = |wait: Duration| wait.as_secs_f64() * 1_000.0;
            println!(
                "| {title} | {name} | {} | {:.1} ms | {:.1} ms | {:.1} ms | {bytes} |",
                waits.len(),
                ms(at(0.5)),
                ms(at(0.99)),
                ms(at(1.0)),
            );
            p99s.push((format!("a connection that is {name}, while {title}"), at(0.99)));
            most = most.max(bytes);
        }
        (p99s, most)
    }

    async fn load(&mut self, program: &Path, streams: u64, per_stream: u64, length: Duration) {
        println!("wrk, {streams} streams of {per_stream} blocks; load average before: {}\n", load_average());
        let every = Duration::from_secs(5);
        let server = start_server(streams, per_stream, &[]);
        let folder = tempfile::tempdir().unwrap();
        let service = Service::start(program, folder.path(), &server.address, "5s").await;
        service.passed(2.0, Duration::from_mins(2)).await;
        let script = folder.path().join("paths.lua");
        std::fs::write(&script, PATHS).unwrap();
        let wrk = |length: Duration| {
            let mut wrk = Command::new("wrk");
            let seconds = format!("{}s", length.as_secs().max(1));
            wrk.args(["--threads", "1", "--connections", "50", "--latency", "--duration", &seconds]);
            wrk.arg("--script").arg(&script).arg(service.url("/")).stdout(Stdio::piped());
            let running = wrk.spawn().expect("wrk: apt-get install wrk");
            async { tokio::task::spawn_blocking(|| running.wait_with_output().unwrap()).await.unwrap() }
        };
        let (alone, ()) = Passes::watch(&service, sleep(length / 2)).await;
        // memory is as large as it gets only once everything has been asked for
        wrk(length / 6).await;
        let before = service.usage();
        let (loaded, all) = Passes::watch(&service, wrk(length)).await;
        let after = service.usage();
        let said = String::from_utf8(all.stdout).unwrap();
        println!("```\n{}\n```\n", said.trim());
        println!("| | passes | mean length | begun late by at most | resident |");
        println!("|---|---|---|---|---|");
        for (title, passes, usage) in [("alone", &alone, before), ("under load", &loaded, after)] {
            println!(
                "| {title} | {} | {:.0} ms | {:.0} ms | {:.1} MB |",
                passes.count,
                passes.mean * 1_000.0,
                passes.latest(every) * 1_000.0,
                usage.resident as f64 / 1e6,
            );
        }
        println!(
            "\nCPU {:.1} s in {:.0} s; at most {} MB; load average after: {}\n",
            after.cpu.saturating_sub(before.cpu).as_secs_f64(),
            length.as_secs_f64(),
            after.peak / 1_000_000,
            load_average()
        );
        self.require(said.contains("Requests/sec"), || "wrk said nothing".to_owned());
        for trouble in ["Socket errors", "Non-2xx"] {
            self.require(!said.contains(trouble), || format!("wrk: {trouble}"));
        }
        let late = loaded.latest(every) / every.as_secs_f64();
        self.require(late <= LATE, || format!("a pass began late by {:.0} % of its interval", late * 100.0));
        let due = length.as_secs() / every.as_secs();
        self.require(loaded.count as u64 + 1 >= due, || format!("{} of {due} passes", loaded.count));
        self.require(loaded.failed == 0.0, || format!("{} passes failed", loaded.failed));
        let grown = after.resident as f64 / before.resident as f64 - 1.0;
        self.require(grown <= GROWTH, || format!("memory grew by {:.0} %", grown * 100.0));
    }

    async fn soak(&mut self, program: &Path, streams: u64, per_stream: u64, length: Duration, csv: Option<&str>) {
        println!("soak, {streams} streams of {per_stream} blocks; load average before: {}\n", load_average());
        let server = start_server(streams, per_stream, &["--churn"]);
        let folder = tempfile::tempdir().unwrap();
        let service = Service::start(program, folder.path(), &server.address, "2s").await;
        let mut rows: Vec<(f64, Usage, Samples)> = Vec::new();
        let mut text = String::from("seconds,resident,threads,handles,tasks,scans,findings,ledger,cpu,load\n");
        let began = Instant::now();
        let mut ticks = interval(Duration::from_secs(5).min(length / 12));
        while began.elapsed() < length {
            ticks.tick().await;
            for path in ["/api/v1/status", "/api/v1/findings", "/api/v1/streams", "/api/v1/blocks?limit=1000"] {
                body(service.client.get(service.url(path))).await;
            }
            let (samples, usage) = (service.samples().await, service.usage());
            let tasks = samples.get("blockwarden_tasks").unwrap_or(f64::NAN);
            writeln!(
                text,
                "{:.1},{},{},{},{tasks},{},{},{},{:.2},{}",
                began.elapsed().as_secs_f64(),
                usage.resident,
                usage.threads,
                usage.handles,
                samples.sum("blockwarden_scans_total"),
                samples.sum("blockwarden_findings"),
                samples.sum("blockwarden_ledger_size_bytes"),
                usage.cpu.as_secs_f64(),
                load_average(),
            )
            .unwrap();
            if let Some(csv) = csv {
                std::fs::write(csv, &text).unwrap();
            }
            rows.push((began.elapsed().as_secs_f64(), usage, samples));
        }
        let (warm_up, end) = (WARM_UP.min(length.as_secs_f64() / 3.0), length.as_secs_f64());
        rows.retain(|(at, ..)| *at >= warm_up);
        let (first, last) = (&rows[0].2, &rows[rows.len() - 1].2);
        let change = |name: &str| last.sum(name) - first.sum(name);
        println!("| from {warm_up:.0} s to {end:.0} s | least | most | mean | growth of the fitted line |");
        println!("|---|---|---|---|---|");
        // what may be added at the end of the line; handles and tasks come and go with connections and passes
        let values = [
            ("resident bytes", None, rows.iter().map(|row| row.1.resident as f64).collect::<Vec<_>>()),
            ("threads", Some(1.0), rows.iter().map(|row| row.1.threads as f64).collect()),
            ("file handles", Some(1.0), rows.iter().map(|row| row.1.handles as f64).collect()),
            ("tasks", Some(1.0), rows.iter().filter_map(|row| row.2.get("blockwarden_tasks")).collect()),
            (
                "ledger bytes",
                Some(f64::INFINITY),
                rows.iter().map(|row| row.2.sum("blockwarden_ledger_size_bytes")).collect(),
            ),
        ];
        for (name, bound, values) in values {
            if values.is_empty() {
                continue;
            }
            let times: Vec<f64> = rows.iter().map(|row| row.0).collect();
            let (mean, growth) = fitted(&times, &values);
            let least = values.iter().copied().fold(f64::INFINITY, f64::min);
            let most = values.iter().copied().fold(0.0, f64::max);
            println!(
                "| {name} | {least:.0} | {most:.0} | {mean:.1} | {growth:+.1} ({:+.1} %) |",
                growth / mean * 100.0
            );
            let bound = bound.unwrap_or(mean * GROWTH);
            self.require(growth <= bound, || format!("{name} grew by {growth:.1}"));
        }
        let cpu = rows[rows.len() - 1].1.cpu.saturating_sub(rows[0].1.cpu).as_secs_f64();
        println!(
            "\n{:.0} passes of {:.2} s, {:.0} failed; {:.0} commits; CPU {cpu:.1} s; load average after: {}\n",
            change("blockwarden_scans_total"),
            change("blockwarden_scan_duration_seconds_sum") / change("blockwarden_scan_duration_seconds_count"),
            failed(last),
            change("blockwarden_ledger_commits_total"),
            load_average(),
        );
        let due = (end - warm_up) / 2.0;
        let passes = change("blockwarden_scans_total");
        self.require(passes > due * 0.8, || format!("only {passes} of {due:.0} passes"));
        self.require(failed(last) == 0.0, || "passes failed".to_owned());
    }
}

/// What is asked for under load, in turn.
const PATHS: &str = r#"
local paths = {"/api/v1/status", "/api/v1/findings", "/api/v1/streams", "/api/v1/blocks?limit=100", "/metrics"}
local at = 0
request = function()
  at = at % #paths + 1
  return wrk.format("GET", paths[at])
end
"#;

fn failed(samples: &Samples) -> f64 {
    samples.sum("blockwarden_scans_total") - samples.of_result("blockwarden_scans_total", "complete")
}

/// How passes went for a while.
struct Passes {
    count: usize,
    failed: f64,
    /// Of their length, in seconds.
    mean: f64,
    /// When they began, in seconds since the epoch.
    begins: Vec<f64>,
}

impl Passes {
    async fn watch<T>(service: &Service, until: impl Future<Output = T>) -> (Self, T) {
        let before = service.samples().await;
        let mut begins = vec![before.sum("blockwarden_scan_last_timestamp_seconds")];
        tokio::pin!(until);
        let (last, outcome) = loop {
            tokio::select! {
                outcome = &mut until => break (service.samples().await, outcome),
                () = sleep(Duration::from_millis(500)) => {
                    let begin = service.samples().await.sum("blockwarden_scan_last_timestamp_seconds");
                    if begins.last() != Some(&begin) {
                        begins.push(begin);
                    }
                }
            }
        };
        let change = |name: &str| last.sum(name) - before.sum(name);
        let count = change("blockwarden_scan_duration_seconds_count");
        let mean = change("blockwarden_scan_duration_seconds_sum") / count;
        (Self { count: count as usize, failed: failed(&last) - failed(&before), mean, begins }, outcome)
    }

    /// Most seconds by which a pass began later than the grid of its interval says.
    fn latest(&self, every: Duration) -> f64 {
        let every = every.as_secs_f64();
        // the grid is not known, but no pass begins before its slot: the earliest begin is nearest to it
        let slot = |begin: &f64| begin.rem_euclid(every);
        let least = self
            .begins
            .iter()
            .map(|begin| (begin - self.begins[0] + every / 2.0).rem_euclid(every))
            .fold(every, f64::min);
        let grid = slot(&(self.begins[0] - every / 2.0 + least));
        self.begins.iter().map(|begin| (begin - grid).rem_euclid(every)).fold(0.0, f64::max)
    }
}

/// The mean of the values, and how much the line through them that fits best rises from the first time to the last.
fn fitted(times: &[f64], values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean_time = times.iter().sum::<f64>() / count;
    let mean = values.iter().sum::<f64>() / count;
    let pairs = || times.iter().zip(values).map(|(time, value)| (time - mean_time, value - mean));
    let slope =
        pairs().map(|(time, value)| time * value).sum::<f64>() / pairs().map(|(time, _)| time * time).sum::<f64>();
    (mean, slope * (times[times.len() - 1] - times[0]))
}
