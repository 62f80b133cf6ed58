//! Measures whole scans of a large bucket that another process serves: `cargo bench --bench scan`.
//!
//! Options after `--`: `--streams N` (default 1,000) and `--per-stream N` (blocks, default 100), `--peer` (also time
//! `aws s3 ls --recursive`, which does nothing but list). Prints a table for `docs/performance.md`; the exit code is 1
//! when a bound is broken. The bounds are those for the default size on two cores.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark reports on standard output, and ends when something fails"
)]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "each test uses its part of what they share")]
mod support;

use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use serde_json::Value;
use support::estate::Estate;
use support::s3_server::{BUCKET, Counts};
use support::served::{self, Server, cpu_of_children, status_of};
use tokio::time::Instant;

/// The bounds for 1,000 streams of 100 blocks.
const FIRST_SCAN: Duration = Duration::from_mins(1);
const LATER_SCAN: Duration = Duration::from_secs(10);
const RESIDENT_BYTES: u64 = 600_000_000;
/// How much more than tenfold the cost of ten times the blocks may be.
const LINEARITY: f64 = 1.3;
/// Keys of a page of LIST, and how many parts the key space may be cut into for listing them at once.
const PAGE: u64 = 1_000;
const PARTS: u64 = 32;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, default: u64| {
        let at = arguments.iter().position(|argument| argument == name);
        at.map_or(default, |at| arguments[at + 1].parse().expect("a number after the option"))
    };
    let (streams, per_stream) = (number("--streams", 1_000), number("--per-stream", 100));
    if let Some(at) = arguments.iter().position(|argument| argument == "--serve") {
        serve(&arguments[at + 1], streams, per_stream);
        return ExitCode::SUCCESS;
    }
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("only `cargo bench` measures: an unoptimized build would say nothing");
        return ExitCode::SUCCESS;
    }
    bench(streams, per_stream, arguments.iter().any(|argument| argument == "--peer"))
}

/// The other process.
fn serve(address: &str, streams: u64, per_stream: u64) {
    let estate = Estate::new(u32::try_from(streams).unwrap(), per_stream);
    let facts = format!("{} {}", estate.at(), estate.objects());
    served::serve(address, Arc::new(estate), &facts);
}

fn start_server(address: &str, streams: u64, per_stream: u64) -> Server {
    let (streams, per_stream) = (streams.to_string(), per_stream.to_string());
    Server::start(&["--serve", address, "--streams", &streams, "--per-stream", &per_stream])
}

/// When the estate is healthy.
fn at(server: &Server) -> &str {
    &server.facts[0]
}

fn objects(server: &Server) -> u64 {
    server.facts[1].parse().unwrap()
}

/// What one run of a program cost.
#[derive(Clone, Debug, Default)]
struct Cost {
    wall: Duration,
    cpu: Duration,
    server_cpu: Duration,
    peak_resident: u64,
    counts: Counts,
}

fn measure(server: &Server, command: &mut Command) -> (Cost, Vec<u8>) {
    let counts = server.counts();
    let server_cpu = server.cpu();
    // time of children that have been waited for
    let cpu = cpu_of_children();
    let began = Instant::now();
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let process = child.id();
    let mut stdout = child.stdout.take().unwrap();
    let (sender, output) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stdout.read_to_end(&mut bytes).unwrap();
        child.wait().unwrap();
        sender.send((bytes, Instant::now())).unwrap();
    });
    let mut peak_resident = 0;
    let (bytes, ended) = loop {
        // the high-water mark only grows, so that the last reading is the peak but for what the last 20 ms added
        peak_resident = status_of(process, "VmHWM").unwrap_or(peak_resident);
        match output.recv_timeout(Duration::from_millis(20)) {
            Ok(ended) => break ended,
            Err(error) => assert_eq!(error, RecvTimeoutError::Timeout, "the thread that waits for the program is gone"),
        }
    };
    reader.join().unwrap();
    let now = server.counts();
    let cost = Cost {
        wall: ended - began,
        cpu: cpu_of_children().saturating_sub(cpu),
        server_cpu: server.cpu().saturating_sub(server_cpu),
        peak_resident,
        counts: Counts { list: now.list - counts.list, get: now.get - counts.get, head: now.head - counts.head },
    };
    (cost, bytes)
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

    /// Scans, checks what holds for every scan of a healthy estate, and prints a row of the table.
    fn scan(&mut self, title: &str, server: &Server, folder: &Path) -> Cost {
        let config = folder.join("bucket.yml");
        let text = format!(
            "type: S3\nconfig:\n  bucket: {BUCKET}\n  endpoint: {}\n  insecure: true\n  access_key: key\n  secret_key: secret\n",
            server.address
        );
        std::fs::write(&config, text).unwrap();
        let state = folder.join("ledger.db");
        let mut command = Command::new(env!("CARGO_BIN_EXE_blockwarden"));
        command.arg("scan").arg("--objstore.config-file").arg(&config).arg("--state").arg(&state);
        command.args(["--output", "json", "--at", at(server)]);
        let (cost, output) = measure(server, &mut command);
        let document: Value = serde_json::from_slice(&output).expect("one JSON document");
        let summary = &document["summary"];
        let counts = &summary["requests"];
        self.require(counts["list"] == cost.counts.list, || format!("{title}: {counts} is not {:?}", cost.counts));
        self.require(counts["get"] == cost.counts.get, || format!("{title}: {counts} is not {:?}", cost.counts));
        self.require(counts["head"] == cost.counts.head, || format!("{title}: {counts} is not {:?}", cost.counts));
        self.require(summary["objects"] == objects(server), || format!("{title}: summary is {summary}"));
        let findings = &summary["findings"];
        self.require(findings["critical"] == 0 && findings["warning"] == 0, || {
            let worst = document["findings"].as_array().and_then(|all| all.first()).cloned().unwrap_or_default();
            format!("{title}: healthy data, and yet {findings}, such as {worst}")
        });
        let lists = objects(server).div_ceil(PAGE) + PARTS;
        self.require(cost.counts.list <= lists, || format!("{title}: {:?}, at most {lists} LIST", cost.counts));
        let ledger = std::fs::metadata(&state).unwrap().len();
        row(title, objects(server), &cost, &format!("{} MB", ledger / 1_000_000));
        cost
    }
}

fn row(title: &str, objects: u64, cost: &Cost, ledger: &str) {
    let Cost { wall, cpu, server_cpu, peak_resident, counts } = cost;
    println!(
        "| {title} | {objects} | {:.1} s | {:.1} s | {:.1} s | {} MB | {} | {} | {} | {ledger} |",
        wall.as_secs_f64(),
        cpu.as_secs_f64(),
        server_cpu.as_secs_f64(),
        peak_resident / 1_000_000,
        counts.list,
        counts.get,
        counts.head,
    );
}

fn bench(streams: u64, per_stream: u64, peer: bool) -> ExitCode {
    let mut report = Report::default();
    println!("| what | objects | wall | CPU | CPU of the server | peak resident | LIST | GET | HEAD | ledger |");
    println!("|---|---|---|---|---|---|---|---|---|---|");

    let small = {
        let folder = tempfile::tempdir().unwrap();
        let server = start_server("127.0.0.1:0", streams.div_ceil(10), per_stream);
        let small = report.scan("a tenth, first scan", &server, folder.path());
        report.scan("a tenth, second scan", &server, folder.path());
        small
    };

    let folder = tempfile::tempdir().unwrap();
    let server = start_server("127.0.0.1:0", streams, per_stream);
    let first = report.scan("first scan", &server, folder.path());
    report.require(first.wall <= FIRST_SCAN, || format!("the first scan took {:?}", first.wall));
    // by processor time, which does not depend on what else the machine does
    let factor = first.cpu.as_secs_f64() / small.cpu.as_secs_f64();
    report.require(factor <= 10.0 * LINEARITY, || format!("ten times the blocks cost {factor:.1} times the CPU"));
    let mut later = vec![first];
    for title in ["second scan", "third scan"] {
        let cost = report.scan(title, &server, folder.path());
        report.require(cost.counts.get == 0, || format!("nothing has changed, and yet {:?}", cost.counts));
        later.push(cost);
    }
    if peer {
        list_with_aws(&server);
    }
    // the same bucket at the same address two hours later: one block more in each stream
    let address = server.address.clone();
    drop(server);
    let server = start_server(&address, streams, per_stream + 1);
    let cost = report.scan("two hours later", &server, folder.path());
    report.require(cost.counts.get == streams, || format!("{streams} new blocks, and yet {:?}", cost.counts));
    later.push(cost);
    for (idx, cost) in later.iter().enumerate() {
        report.require(idx == 0 || cost.wall <= LATER_SCAN, || format!("later scan {idx} took {:?}", cost.wall));
        let resident = cost.peak_resident;
        report.require(resident <= RESIDENT_BYTES, || format!("scan {idx} had {resident} bytes resident"));
    }
    println!("\nten times the blocks: {factor:.1} times the CPU");
    for broken in &report.broken {
        println!("BROKEN: {broken}");
    }
    if report.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What the AWS command line needs to list the same bucket: the floor for a tool that lists from start to end.
fn list_with_aws(server: &Server) {
    let mut command = Command::new("aws");
    command.args(["s3", "ls", "--recursive", &format!("s3://{BUCKET}"), "--endpoint-url"]);
    command.arg(format!("http://{}", server.address));
    let variables: [(&str, &OsStr); 3] = [
        ("AWS_ACCESS_KEY_ID", "key".as_ref()),
        ("AWS_SECRET_ACCESS_KEY", "secret".as_ref()),
        ("AWS_DEFAULT_REGION", "us-east-1".as_ref()),
    ];
    let (cost, output) = measure(server, command.envs(variables));
    let lines = output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
    row("`aws s3 ls --recursive`", u64::try_from(lines).unwrap(), &cost, "none");
}
