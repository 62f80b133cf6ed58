//! One server: a process on loopback whose log is kept, and which does not outlive the test.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// So many lines of each log are shown when a test fails.
const TAIL: usize = 25;

/// A running process.
#[derive(Debug)]
pub(crate) struct Server {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts `program` in `folder`, in an environment of just these variables. Its output goes to `<name>.log` there.
    pub(crate) fn start(
        folder: &Path,
        name: &str,
        program: &Path,
        arguments: &[String],
        environment: &[(&str, &str)],
    ) -> Self {
        let log = folder.join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log).unwrap();
        // `Drop` ends it when a test fails; the kernel does when the test itself is killed
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program).args(arguments).current_dir(folder);
        command.env_clear().env("HOME", folder).env("PATH", "/usr/bin:/bin").envs(environment.iter().copied());
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        let child = command.spawn().unwrap_or_else(|error| {
            panic!("setpriv cannot be run ({error}): apt-get install --no-install-recommends util-linux")
        });
        Self { name: name.to_owned(), child, log }
    }

    /// Fails the test if it has ended by itself.
    pub(crate) fn assert_runs(&mut self) {
        let end = self.child.try_wait().unwrap();
        assert!(end.is_none(), "{} ended by itself: {end:?}", self.name);
    }

    /// All that it has said.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Server {
    #[expect(clippy::print_stderr, reason = "what a server said explains why a test failed")]
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default();
            eprintln!("--- {} said last:\n{}", self.name, tail.join("\n"));
        }
    }
}

/// Ports of loopback that nobody listens on. They lie below those that the system gives to connections, so that none is
/// taken by one before its server starts.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    let first = 20_000 + u16::try_from(std::process::id() % 400).unwrap() * 20;
    let mut free = (first..32_000).filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    std::array::from_fn(|_| free.next().expect("no free port on loopback"))
}
