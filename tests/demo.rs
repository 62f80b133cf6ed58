//! `demo` as its users run it: faults on the terminal and in the API, a new one, one that heals, and an end that leaves
//! nothing behind.
#![expect(clippy::unwrap_used, clippy::panic, reason = "whatever fails in here fails the test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

/// Much more than anything takes, and less than anybody waits.
const PATIENCE: Duration = Duration::from_mins(2);

/// The program, and what it has said.
struct Demo {
    child: Child,
    lines: Receiver<String>,
    said: String,
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_blockwarden"));
        command.env_clear().env("COLUMNS", "80").arg("demo").args(arguments);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || out.lines().map_while(Result::ok).all(|line| send.send(line).is_ok()));
        Self { child, lines, said: String::new() }
    }

    /// Waits for a line that holds `text`.
    #[track_caller]
    fn hears(&mut self, text: &str) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                panic!("no {text:?} in\n{}", self.said);
            };
            self.said.push_str(&line);
            self.said.push('\n');
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Ctrl-C; gives the exit code.
    fn interrupt(mut self) -> (Option<i32>, String) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.said.push_str(&line);
            self.said.push('\n');
        }
        (self.child.wait().unwrap().code(), self.said)
    }
}

/// `severity check` of each finding at warning or above, as the API has them.
fn findings(address: &str) -> Vec<String> {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET /api/v1/findings HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let start = body.find('{').unwrap();
    let document: Value =
        serde_json::Deserializer::from_str(body.get(start..).unwrap()).into_iter().next().unwrap().unwrap();
    let word = |finding: &Value, key| finding.get(key).and_then(Value::as_str).unwrap().to_owned();
    let all = document.get("findings").unwrap().as_array().unwrap();
    let bad = all.iter().filter(|finding| word(finding, "severity") != "info");
    bad.map(|finding| word(finding, "severity") + " " + &word(finding, "check")).collect()
}

#[test]
fn faults_come_and_go_while_one_watches_and_nothing_is_left() {
    // the usual port may be taken by anybody; then it says so, and takes another
    let _usual = TcpListener::bind("127.0.0.1:9798");
    let mut demo = Demo::start(&["--pace", "4s"]);
    let folder = demo.hears("  folder ").split_whitespace().last().unwrap().to_owned();
    let place = demo.hears("/api/v1/findings");
    let address = place.split("//").nth(1).unwrap().split('/').next().unwrap().to_owned();
    demo.hears("port is taken");
    assert!(Path::new(&folder).join("bucket").is_dir(), "{folder}");

    demo.hears("opened    critical  coverage_gap");
    demo.hears("opened    warning   upload_lag");
    let beginning = [
        "critical coverage_gap",
        "warning coverage_gap",
        "warning missing_object",
        "warning partial_upload",
        "warning upload_lag",
    ];
    assert_eq!(findings(&address), beginning);

    demo.hears("somebody deletes block");
    demo.hears("opened    warning   block_vanished");
    assert!(findings(&address).contains(&"warning block_vanished".to_owned()));
    demo.hears("resolved  warning   missing_object");
    assert!(!findings(&address).contains(&"warning missing_object".to_owned()));
    demo.hears("opened    warning   size_mismatch");

    let (code, said) = demo.interrupt();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.ends_with(&format!("ended; {folder} is removed\n")), "{said}");
    assert!(!Path::new(&folder).exists(), "{folder}");
    let wide = said.lines().filter(|line| line.chars().count() > 80 && !line.contains("objstore.config-file"));
    assert_eq!(wide.collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn a_named_folder_is_kept_and_never_overwritten() {
    let home = tempfile::tempdir().unwrap();
    let named = home.path().join("kept");
    let folder = named.to_str().unwrap();
    let mut demo = Demo::start(&["--dir", folder, "--web.listen-address", "127.0.0.1:0"]);
    demo.hears("opened ");
    let (code, said) = demo.interrupt();
    assert_eq!(code, Some(0), "{said}");
    assert!(named.join("bucket").is_dir() && said.ends_with(&format!("everything is in {folder}\n")), "{said}");

    let mut command = Command::new(env!("CARGO_BIN_EXE_blockwarden"));
    let refused = command.args(["demo", "--dir", folder]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("is not empty"));
}
