//! The program as it runs: what it answers, and what it takes of the machine.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::support::s3_server::BUCKET;
use crate::support::served::{cpu_of, status_of};

/// `blockwarden watch` in a process of its own.
pub(crate) struct Service {
    process: Child,
    address: String,
    pub(crate) client: reqwest::Client,
}

/// What a process takes of the machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) resident: u64,
    pub(crate) peak: u64,
    pub(crate) threads: u64,
    pub(crate) handles: u64,
    pub(crate) cpu: Duration,
}

/// A client that keeps connections, or that makes a new one for each request.
pub(crate) fn client(keeps: bool) -> reqwest::Client {
    reqwest::Client::builder().no_proxy().pool_max_idle_per_host(usize::from(keeps)).build().unwrap()
}

/// The body of an answer that has to be a good one.
pub(crate) async fn body(request: reqwest::RequestBuilder) -> Vec<u8> {
    let mut answer = request.send().await.unwrap().error_for_status().unwrap();
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.unwrap() {
        bytes.extend_from_slice(&chunk);
    }
    bytes
}

impl Service {
    /// Starts it on the bucket at `server`, and waits until it listens.
    pub(crate) async fn start(program: &Path, folder: &Path, server: &str, interval: &str) -> Self {
        let config = folder.join("blockwarden.yaml");
        let text = format!(
            "scrub: {{enabled: false}}\nbuckets:\n- interval: {interval}\n  objstore_config:\n    type: S3\n    config: {{bucket: {BUCKET}, \
             endpoint: '{server}', insecure: true, access_key: key, secret_key: secret}}\n"
        );
        std::fs::write(&config, text).unwrap();
        let log = folder.join("log");
        let process = Command::new(program)
            .env_clear()
            .arg("watch")
            .arg("--config")
            .arg(&config)
            .arg("--state")
            .arg(folder.join("ledger.db"))
            .args(["--web.listen-address", "127.0.0.1:0", "--log.format", "json"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let began = Instant::now();
        let address = loop {
            let text = std::fs::read_to_string(&log).unwrap();
            let said = text.lines().find(|line| line.contains("\"watching\""));
            if let Some(said) = said {
                let (_, rest) = said.split_once("\"address\":\"").unwrap();
                break rest.split('"').next().unwrap().to_owned();
            }
            assert!(began.elapsed() < Duration::from_mins(1), "it does not begin: {text}");
            sleep(Duration::from_millis(10)).await;
        };
        Self { process, address, client: client(true) }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The samples of `/metrics`, by name and labels as they are written.
    pub(crate) async fn samples(&self) -> Samples {
        let text = String::from_utf8(body(self.client.get(self.url("/metrics"))).await).unwrap();
        let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Samples(samples.collect())
    }

    /// Waits for the end of `passes` passes in all.
    pub(crate) async fn passed(&self, passes: f64, within: Duration) -> Samples {
        let began = Instant::now();
        loop {
            let samples = self.samples().await;
            if samples.sum("blockwarden_scans_total") >= passes {
                return samples;
            }
            assert!(began.elapsed() < within, "no pass ends");
            sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) fn usage(&self) -> Usage {
        let process = self.process.id();
        let status = |name| status_of(process, name).expect("the service runs");
        let handles = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count();
        Usage {
            resident: status("VmRSS"),
            peak: status("VmHWM"),
            threads: status("Threads"),
            handles: u64::try_from(handles).unwrap(),
            cpu: cpu_of(process),
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// See [`Service::samples`].
#[derive(Debug)]
pub(crate) struct Samples(BTreeMap<String, f64>);

impl Samples {
    /// The sum of all series of this name; 0 where there are none.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        let of_name = |(key, _): &(&String, &f64)| key.split('{').next() == Some(name);
        self.0.iter().filter(of_name).map(|(_, value)| value).sum()
    }

    /// The sum of those whose label `result` is this.
    pub(crate) fn of_result(&self, name: &str, result: &str) -> f64 {
        let label = format!("result=\"{result}\"");
        let fits = |(key, _): &(&String, &f64)| key.split('{').next() == Some(name) && key.contains(&label);
        self.0.iter().filter(fits).map(|(_, value)| value).sum()
    }

    /// The same, `None` where there are none.
    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        self.0.keys().any(|key| key.split('{').next() == Some(name)).then(|| self.sum(name))
    }
}
