//! The program `watch`, running.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

/// Whatever is waited for takes no longer than this, on the slowest machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A service that is killed when this is dropped.
pub struct Running {
    child: Child,
    pub address: SocketAddr,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

/// `watch` in a folder, with its configuration and any free port; further arguments can be added.
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blockwarden"));
    command.env_clear().env("HOME", folder).current_dir(folder).args(["watch", "--config", "blockwarden.yaml"]);
    command.args(["--web.listen-address", "127.0.0.1:0", "--web.enable-lifecycle", "--log.format", "json"]);
    command
}

impl Running {
    /// Starts it and waits until it has its address.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let kept = Arc::clone(&log);
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut kept = kept.lock().unwrap();
                kept.push_str(&line);
                kept.push('\n');
            }
        });
        let mut running = Self { child, address: ([127, 0, 0, 1], 0).into(), log, reader: Some(reader) };
        running.address = wait_for("its address", || {
            let log = running.log();
            let mut event = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let address = event.find_map(|event| Some(event["address"].as_str()?.parse().unwrap()));
            assert!(address.is_some() || running.child.try_wait().unwrap().is_none(), "it ended: {log}");
            address
        });
        running
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> ExitStatus {
        let status = wait_for("its end", || self.child.try_wait().unwrap());
        self.reader.take().unwrap().join().unwrap();
        status
    }

    /// Ends it in good order.
    pub fn stop(mut self) -> String {
        self.signal("TERM");
        let status = self.ended();
        let log = self.log();
        assert!(status.success(), "{status}: {log}");
        log
    }

    /// An answer: its status and its body.
    pub fn ask(&self, method: &str, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let address = self.address;
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// `severity check` of what is open at `warning` or above, as the API has it.
    pub fn loud(&self) -> Vec<String> {
        let findings = self.findings();
        let word = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
        let loud = findings.iter().filter(|finding| finding["severity"] != "info");
        loud.map(|finding| word(finding, "severity") + " " + &word(finding, "check")).collect()
    }

    /// What is open, as the API has it.
    pub fn findings(&self) -> Vec<Value> {
        let (status, body) = self.ask("GET", "/api/v1/findings?limit=1000");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str::<Value>(&body).unwrap()["findings"].as_array().unwrap().clone()
    }

    /// The value, a whole number, of the first series that begins like this; it has to be there.
    pub fn metric(&self, series: &str) -> u64 {
        self.metric_if_there(series).unwrap_or_else(|| panic!("no {series}"))
    }

    /// The value, a whole number, of the first series that begins like this.
    pub fn metric_if_there(&self, series: &str) -> Option<u64> {
        let (status, body) = self.ask("GET", "/metrics");
        assert_eq!(status, 200);
        let line = body.lines().find(|line| line.starts_with(series) && !line.starts_with('#'));
        Some(line?.rsplit_once(' ').unwrap().1.parse().unwrap())
    }

    /// Waits until that many passes have ended.
    pub fn passes(&self, count: u64) {
        wait_for("passes", || {
            (self.metric_if_there("blockwarden_scan_duration_seconds_count") >= Some(count)).then_some(())
        });
    }

    /// Waits until the next pass that begins from now on has ended.
    pub fn next_pass(&self) {
        // one may be under way that has seen what was
        self.passes(self.metric("blockwarden_scan_duration_seconds_count") + 2);
    }

    /// Waits until exactly these are open.
    pub fn shows(&self, expected: &[&str]) {
        let mut shown = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            shown = self.loud();
            if shown == expected {
                return;
            }
            pause();
        }
        panic!("expected {expected:?}, not {shown:?}: {}", self.log());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().unwrap();
    }
}

/// Asks again and again until there is an answer.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        pause();
    }
}

/// Between two questions.
fn pause() {
    std::thread::park_timeout(Duration::from_millis(50));
}

/// A folder to run it in: a configuration that looks every `interval` at the bucket beside it. The blocks there are
/// made up, so that nobody should look into them.
pub fn configure(folder: &Path, interval: &str) -> PathBuf {
    let path = folder.join("blockwarden.yaml");
    let buckets = format!("buckets:\n- objstore_config_file: objstore.yaml\n  interval: {interval}\n");
    std::fs::write(&path, buckets + "scrub: {enabled: false}\n").unwrap();
    path
}
