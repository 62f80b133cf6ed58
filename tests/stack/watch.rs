//! Blockwarden as a service beside the estate, seen through what it publishes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use regex::Regex;
use reqwest::Client;
use serde_json::Value;

use crate::bucket::NAME;
use crate::http;
use crate::server::Server;
use crate::stack::Stack;
use crate::wait::until;

/// `interval` of the bucket, in seconds.
pub(crate) const INTERVAL_SECONDS: u64 = 3;
/// `checks.upload_lag.warning`, in block ranges. However short blocks are, the sidecar looks for them every 30 s only.
pub(crate) const LAG_RANGES: u64 = 5;

/// The service.
#[derive(Debug)]
pub(crate) struct Watch {
    server: Server,
    client: Client,
    url: String,
}

/// What it said of the bucket of Thanos at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Passes so far, however they ended.
    pub(crate) scans: f64,
    /// `check severity` of what is open at warning or above.
    pub(crate) open: BTreeSet<String>,
    /// The findings themselves, those of severity info among them.
    pub(crate) findings: Vec<Value>,
}

impl Seen {
    /// The finding of a check that has one.
    pub(crate) fn finding(&self, check: &str) -> &Value {
        self.findings.iter().find(|finding| finding["check"] == check).unwrap()
    }

    /// All findings, one in a line.
    pub(crate) fn text(&self) -> String {
        let line = |finding: &Value| format!("{} {} {}", finding["check"], finding["severity"], finding["message"]);
        self.findings.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

impl Watch {
    /// Starts it, and waits until it has tried its bucket once.
    pub(crate) async fn start(stack: &Stack) -> Self {
        let address = stack.blockwarden_address();
        let arguments = [
            "watch",
            "--config",
            "blockwarden.yaml",
            "--state",
            "ledger.db",
            "--web.enable-lifecycle",
            "--web.listen-address",
            &address,
        ];
        let arguments = arguments.map(ToOwned::to_owned);
        let program = Path::new(env!("CARGO_BIN_EXE_blockwarden"));
        let server = Server::start(stack.path(), "blockwarden", program, &arguments, &[]);
        let mut watch = Self { server, client: stack.client.clone(), url: format!("http://{address}") };
        until("blockwarden is ready", 30, async || {
            watch.server.assert_runs();
            http::text(&watch.client, &format!("{}/-/ready", watch.url)).await
        })
        .await;
        watch
    }

    /// Has it read its configuration again.
    pub(crate) async fn reload(&self) {
        let answer = self.client.post(format!("{}/-/reload", self.url)).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    /// The text of `/metrics`.
    pub(crate) async fn metrics(&self) -> Result<String, String> {
        http::text(&self.client, &format!("{}/metrics", self.url)).await
    }

    /// The checks whose findings ended because they were seen healed, by its own words.
    pub(crate) fn resolved(&self) -> BTreeSet<String> {
        let resolved = Regex::new("finding resolved check=\"([a-z_]+)\"").unwrap();
        resolved.captures_iter(&self.server.log()).map(|found| found[1].to_owned()).collect()
    }

    /// Looks at both ways in which it says what is wrong, which have to agree.
    pub(crate) async fn look(&self) -> Result<Seen, String> {
        let document = http::json(&self.client, &format!("{}/api/v1/findings?limit=1000", self.url)).await?;
        let metrics = self.metrics().await?;
        let findings = document["findings"].as_array().ok_or_else(|| document.to_string())?.clone();
        let mut counts: BTreeMap<String, f64> = BTreeMap::new();
        for finding in findings.iter().filter(|finding| finding["severity"] != "info") {
            let part = |name: &str| finding[name].as_str().unwrap();
            *counts.entry(format!("{} {} {}", part("bucket"), part("check"), part("severity"))).or_default() += 1.0;
        }
        let exported = exported(&metrics);
        if counts != exported {
            // one was read before a publication and the other after it
            return Err(format!("/api/v1/findings says {counts:?}, /metrics {exported:?}"));
        }
        let of_this = format!("bucket=\"{NAME}\"");
        let scans = series(&metrics, "blockwarden_scans_total").filter(|(labels, _)| labels.contains(&of_this));
        let scans = scans.map(|(_, value)| value).sum();
        let open = counts.keys().filter_map(|key| key.strip_prefix(NAME)?.strip_prefix(' ')).map(ToOwned::to_owned);
        let findings = findings.into_iter().filter(|finding| finding["bucket"] == NAME).collect();
        Ok(Seen { scans, open: open.collect(), findings })
    }
}

/// `bucket check severity` of what `/metrics` counts at warning or above.
fn exported(metrics: &str) -> BTreeMap<String, f64> {
    let label = |name: &str| Regex::new(&format!("[{{,]{name}=\"([^\"]*)\"")).unwrap();
    let (bucket, check, severity) = (label("bucket"), label("check"), label("severity"));
    let mut counts = BTreeMap::new();
    for (labels, value) in series(metrics, "blockwarden_findings") {
        let part = |label: &Regex| label.captures(labels).unwrap()[1].to_owned();
        let severity = part(&severity);
        if value > 0.0 && severity != "info" {
            *counts.entry(format!("{} {} {severity}", part(&bucket), part(&check))).or_default() += value;
        }
    }
    counts
}

/// Labels and value of each series of a metric.
fn series<'a>(metrics: &'a str, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
    let own = metrics.lines().filter_map(move |line| line.strip_prefix(name).filter(|rest| rest.starts_with('{')));
    own.map(|rest| {
        let (labels, value) = rest.rsplit_once(' ').unwrap();
        (labels, value.parse().unwrap())
    })
}
