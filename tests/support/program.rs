//! Runs the program as its users do, in an empty environment.
#![expect(clippy::unwrap_used, reason = "whatever fails in here fails the test that uses it")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use blockwarden::model::TimestampMs;
use serde_json::Value;
use tempfile::TempDir;

use super::s3_server::BUCKET;

/// What a run left behind.
#[derive(Clone, Debug)]
pub(crate) struct Ran {
    /// `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The document on standard output; all of it has to be one.
    pub(crate) fn document(&self) -> Value {
        let parsed = serde_json::from_str(&self.stdout);
        assert!(parsed.is_ok(), "standard output is {:?}, standard error {}", self.stdout, self.stderr);
        parsed.unwrap()
    }

    /// One of the counts under `summary.requests`.
    pub(crate) fn requests(&self, kind: &str) -> u64 {
        self.document().pointer(&format!("/summary/requests/{kind}")).unwrap().as_u64().unwrap()
    }

    /// What is wrong, as JSON.
    pub(crate) fn findings(&self) -> Vec<Value> {
        self.document().get("findings").unwrap().as_array().unwrap().clone()
    }

    /// `check severity` of each finding, in the document's order.
    pub(crate) fn checks(&self) -> Vec<String> {
        let word = |finding: &Value, key| finding.get(key).and_then(Value::as_str).unwrap().to_owned();
        self.findings().iter().map(|finding| word(finding, "check") + " " + &word(finding, "severity")).collect()
    }
}

/// A folder with a ledger and files, to run the program in.
#[derive(Debug)]
pub(crate) struct Desk {
    folder: TempDir,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A file in the folder, which need not exist.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where the ledger is.
    pub(crate) fn ledger(&self) -> PathBuf {
        self.path("ledger.db")
    }

    /// Writes a file and gives its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The program with these arguments, not started yet.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_blockwarden"));
        // nothing of whoever runs the tests: neither credentials, nor proxies, nor a default ledger
        command.env_clear().env("HOME", self.folder.path()).current_dir(self.folder.path());
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the program with these arguments.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        finish(&mut self.command(arguments))
    }

    /// The scan of the bucket that `config` (a Thanos file) describes, not started yet.
    pub(crate) fn scan_command(&self, config: &Path, at: TimestampMs) -> Command {
        let mut command = self.command(&["scan", "--output", "json", "--at", &at.to_string()]);
        command.arg("--objstore.config-file").arg(config).arg("--state").arg(self.ledger());
        command
    }

    /// Scans the bucket that `config` (a Thanos file) describes.
    pub(crate) fn scan(&self, config: &Path, at: TimestampMs) -> Ran {
        finish(&mut self.scan_command(config, at))
    }
}

/// Runs a command to its end.
pub(crate) fn finish(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The Thanos file of a server's bucket.
pub(crate) fn s3_config(address: SocketAddr) -> String {
    format!(
        "type: S3\nconfig:\n  bucket: {BUCKET}\n  endpoint: {address}\n  insecure: true\n  access_key: key\n  secret_key: secret\n"
    )
}
