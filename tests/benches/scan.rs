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
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use serde_json::Value;
use support::estate::Estate;
use support::s3_server::{BUCKET, COUNTS_PATH, Counts, S3Server};
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

/// The other process: serves until standard input ends, which it does when the parent is gone, however it went.
fn serve(address: &str, streams: u64, per_stream: u64) {
    let estate = Estate::new(u32::try_from(streams).unwrap(), per_stream);
    let at = estate.at();
    let objects = estate.objects();
    let server = S3Server::start_on(address, Arc::new(estate), false);
    println!("{} {at} {objects}", server.address());
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// The other process as its parent sees it.
struct Server {
    process: Child,
    address: String,
    /// When the estate is healthy.
    at: String,
    objects: u64,
}

impl Server {
    fn start(address: &str, streams: u64, per_stream: u64) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--serve", address, "--streams", &streams.to_string(), "--per-stream", &per_stream.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        Self { process, address: words[0].into(), at: words[1].into(), objects: words[2].parse().unwrap() }
    }

    fn counts(&self) -> Counts {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {COUNTS_PATH} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let numbers: Vec<u64> =
            answer.lines().last().unwrap().split(' ').map(|number| number.parse().unwrap()).collect();
        Counts { list: numbers[0], get: numbers[1], head: numbers[2] }
    }

    fn cpu(&self) -> Duration {
        cpu_of(&format!("/proc/{}/stat", self.process.id()), 13)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().unwrap();
    }
}

/// User and system time from `/proc/<pid>/stat`, whose fields from `first` on (counted from 0) are the two, in ticks
/// of 10 ms.
fn cpu_of(path: &str, first: usize) -> Duration {
    let stat = std::fs::read_to_string(path).unwrap();
    // the name of the program, in parentheses, may hold blanks
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    let ticks = rest.split(' ').skip(first - 2).take(2).map(|ticks| ticks.parse::<u64>().unwrap());
    Duration::from_millis(ticks.sum::<u64>() * 10)
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
    let cpu = cpu_of("/proc/self/stat", 15);
    let began = Instant::now();
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
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
        peak_resident = high_water_mark(&status).unwrap_or(peak_resident);
        match output.recv_timeout(Duration::from_millis(20)) {
            Ok(ended) => break ended,
            Err(error) => assert_eq!(error, RecvTimeoutError::Timeout, "the thread that waits for the program is gone"),
        }
    };
    reader.join().unwrap();
    let now = server.counts();
    let cost = Cost {
        wall: ended - began,
        cpu: cpu_of("/proc/self/stat", 15).saturating_sub(cpu),
        server_cpu: server.cpu().saturating_sub(server_cpu),
        peak_resident,
        counts: Counts { list: now.list - counts.list, get: now.get - counts.get, head: now.head - counts.head },
    };
    (cost, bytes)
}

fn high_water_mark(status: &str) -> Option<u64> {
    let status = std::fs::read_to_string(status).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().unwrap() * 1_024)
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
        command.args(["--output", "json", "--at", &server.at]);
        let (cost, output) = measure(server, &mut command);
        let document: Value = serde_json::from_slice(&output).expect("one JSON document");
        let summary = &document["summary"];
        let counts = &summary["requests"];
        self.require(counts["list"] == cost.counts.list, || format!("{title}: {counts} is not {:?}", cost.counts));
        self.require(counts["get"] == cost.counts.get, || format!("{title}: {counts} is not {:?}", cost.counts));
        self.require(counts["head"] == cost.counts.head, || format!("{title}: {counts} is not {:?}", cost.counts));
        self.require(summary["objects"] == server.objects, || format!("{title}: summary is {summary}"));
        let findings = &summary["findings"];
        self.require(findings["critical"] == 0 && findings["warning"] == 0, || {
            let worst = document["findings"].as_array().and_then(|all| all.first()).cloned().unwrap_or_default();
            format!("{title}: healthy data, and yet {findings}, such as {worst}")
        });
        let lists = server.objects.div_ceil(PAGE) + PARTS;
        self.require(cost.counts.list <= lists, || format!("{title}: {:?}, at most {lists} LIST", cost.counts));
        let ledger = std::fs::metadata(&state).unwrap().len();
        row(title, server.objects, &cost, &format!("{} MB", ledger / 1_000_000));
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
        let server = Server::start("127.0.0.1:0", streams.div_ceil(10), per_stream);
        let small = report.scan("a tenth, first scan", &server, folder.path());
        report.scan("a tenth, second scan", &server, folder.path());
        small
    };

    let folder = tempfile::tempdir().unwrap();
    let server = Server::start("127.0.0.1:0", streams, per_stream);
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
    let server = Server::start(&address, streams, per_stream + 1);
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
