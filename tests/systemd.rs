//! `watch` under systemd: what it tells the supervisor, and when. The test is the supervisor: it listens on the socket
//! that systemd would have given.
#![expect(clippy::unwrap_used, reason = "whatever fails in here fails the test that uses it")]

#[expect(dead_code, reason = "each test uses its part of what they share")]
mod support;

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use support::program::Desk;
use tokio::time::Instant;

/// Longer than anything here takes on a machine that is busy with other things.
const BOUND: Duration = Duration::from_secs(30);

/// The service's time for a sign of life. It gives one twice as often, and looks at itself every half second.
const WATCHDOG: Duration = Duration::from_millis(500);

/// A service, and the socket that it reports to.
struct Supervised {
    child: Child,
    reports: UnixDatagram,
}

impl Supervised {
    fn start(desk: &Desk) -> Self {
        let socket = desk.path("notify");
        let reports = UnixDatagram::bind(&socket).unwrap();
        // the watchdog is meant for one process, which is named: the shell, and then what takes its place
        let mut command = Command::new("sh");
        command.args(["-c", "WATCHDOG_PID=$$ exec \"$@\"", "sh", env!("CARGO_BIN_EXE_blockwarden")]);
        command.args(["watch", "--config", "blockwarden.yaml", "--web.listen-address", "127.0.0.1:0"]);
        command.env_clear().current_dir(desk.path(".")).stdin(Stdio::null());
        command.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string());
        command.env("STATE_DIRECTORY", desk.path("state"));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { child, reports }
    }

    /// The next report, however late it comes within the bound.
    fn report(&self) -> Vec<String> {
        self.reports.set_read_timeout(Some(BOUND)).unwrap();
        let mut bytes = [0; 4096];
        let length = self.reports.recv(&mut bytes).unwrap();
        let text = std::str::from_utf8(bytes.get(..length).unwrap()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// The next report that is not a mere sign of life.
    fn event(&self) -> Vec<String> {
        let deadline = Instant::now() + BOUND;
        loop {
            let report = self.report();
            if report != ["WATCHDOG=1"] {
                return report;
            }
            assert!(Instant::now() < deadline, "only signs of life");
        }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status().unwrap();
        assert!(sent.success());
    }

    /// Asks for the configuration to be read again, and sees the announcement and its end, as `Type=notify-reload`
    /// wants them.
    fn reload(&self) {
        let before = monotonic_usec();
        self.signal("HUP");
        let announced = self.event();
        assert_eq!(announced.first().map(String::as_str), Some("RELOADING=1"));
        let time = announced.iter().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap();
        let time: i128 = time.parse().unwrap();
        assert!((before..=monotonic_usec()).contains(&time), "{time} is not after {before}");
        assert_eq!(self.event(), ["READY=1"]);
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        // a test that failed must not leave it behind
        self.child.kill().unwrap_or_default();
        self.child.wait().unwrap();
    }
}

/// `CLOCK_MONOTONIC`, as systemd compares it.
fn monotonic_usec() -> i128 {
    let now = sd_notify::NotifyState::monotonic_usec_now().unwrap().to_string();
    now.strip_prefix("MONOTONIC_USEC=").unwrap().parse().unwrap()
}

#[test]
fn the_supervisor_is_told_everything() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("bucket")).unwrap();
    std::fs::create_dir(desk.path("state")).unwrap();
    let bucket = desk.path("bucket");
    let sound = format!(
        "buckets:\n  - objstore_config: {{type: FILESYSTEM, config: {{directory: {}}}}}\n    new: true\n",
        bucket.display()
    );
    desk.write("blockwarden.yaml", &sound);
    let mut service = Supervised::start(&desk);

    assert_eq!(service.report(), ["READY=1"]);
    for _ in 0..3 {
        assert_eq!(service.report(), ["WATCHDOG=1"]);
    }

    service.reload();
    // a mistake is no reason to leave the supervisor waiting
    desk.write("blockwarden.yaml", "buckets: 1\n");
    service.reload();
    desk.write("blockwarden.yaml", &sound);
    service.reload();

    service.signal("TERM");
    assert_eq!(service.event(), ["STOPPING=1"]);
    assert_eq!(service.child.wait().unwrap().code(), Some(0));
    assert!(desk.path("state/ledger.db").exists(), "the ledger belongs into systemd's state directory");
    // nothing after the end
    service.reports.set_nonblocking(true).unwrap();
    assert_eq!(service.reports.recv(&mut [0; 64]).unwrap_err().kind(), ErrorKind::WouldBlock);
}
