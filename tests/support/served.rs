//! A bucket that another process serves, so that its work and memory are not taken for those of the program, and what
//! the kernel says of processes.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "whatever fails in here fails the benchmark that uses it"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use super::s3_server::{COUNTS_PATH, Counts, Objects, S3Server};

/// The other process: serves until standard input ends, which it does when the parent is gone, however it went. Tells
/// the parent its address and these `facts`.
pub(crate) fn serve(address: &str, objects: Arc<dyn Objects>, facts: &str) {
    let server = S3Server::start_on(address, objects, false);
    println!("{} {facts}", server.address());
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// The other process as its parent sees it.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: String,
    /// What it said of itself.
    pub(crate) facts: Vec<String>,
}

impl Server {
    /// Starts this same program with these arguments; it has to call [`serve`].
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut words = line.split_whitespace().map(str::to_owned);
        Self { process, address: words.next().unwrap(), facts: words.collect() }
    }

    /// Requests so far.
    pub(crate) fn counts(&self) -> Counts {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {COUNTS_PATH} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let numbers: Vec<u64> =
            answer.lines().last().unwrap().split(' ').map(|number| number.parse().unwrap()).collect();
        Counts { list: numbers[0], get: numbers[1], head: numbers[2] }
    }

    /// User and system time so far.
    pub(crate) fn cpu(&self) -> Duration {
        cpu_of(self.process.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().unwrap();
    }
}

/// User and system time of a process.
pub(crate) fn cpu_of(process: u32) -> Duration {
    cpu_in(&format!("/proc/{process}/stat"), 13)
}

/// User and system time of the children that have been waited for.
pub(crate) fn cpu_of_children() -> Duration {
    cpu_in("/proc/self/stat", 15)
}

/// From `/proc/<pid>/stat`, whose fields from `first` on (counted from 0) are the two, in ticks of 10 ms.
fn cpu_in(path: &str, first: usize) -> Duration {
    let stat = std::fs::read_to_string(path).unwrap();
    // the name of the program, in parentheses, may hold blanks
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    let ticks = rest.split(' ').skip(first - 2).take(2).map(|ticks| ticks.parse::<u64>().unwrap());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

/// A number of `/proc/<pid>/status`, such as `Threads` or `VmHWM`, in bytes where it is a size; `None` once the
/// process is gone.
pub(crate) fn status_of(process: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let (number, unit) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
    let factor = if unit == "kB" { 1_024 } else { 1 };
    Some(number.parse::<u64>().unwrap() * factor)
}
