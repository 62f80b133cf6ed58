//! What the estate is told about itself: one configuration of Blockwarden, and what `blockwarden rules` makes of it for
//! Prometheus and Alertmanager. Only what takes minutes is brought down to seconds.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use blockwarden::catalogue;
use serde_json::{Value, json};

use crate::archive;
use crate::chain::Chain;
use crate::stack::{BLOCK_SECONDS, DELETE_DELAY_SECONDS};
use crate::watch::{INTERVAL_SECONDS, LAG_RANGES};

/// `job` of Blockwarden.
const JOB: &str = "blockwarden";

/// The configuration of Blockwarden; `notify` is its last part.
pub(crate) fn watch(notify: &str) -> String {
    // in the bucket that Thanos writes to, what a listing tells is looked at alone: what is read in the blocks as well
    // would be told beside it; and a pass that tries a dead storage again and again takes some seconds, which with such
    // an interval looks stalled
    let mut text = format!(
        "buckets:
  - objstore_config_file: objstore.yaml
    interval: {INTERVAL_SECONDS}s
    consistency_delay: 5s
    delete_delay: {DELETE_DELAY_SECONDS}s
    scrub: false
  - objstore_config_file: archive.yaml
    interval: {INTERVAL_SECONDS}s
    consistency_delay: 5s
    retention_by_stream: [{{match: '{expiring}', raw: 1h}}]
retention: {{raw: 0s}}
streams:
  - {{match: '{{cluster=\"eu1\"}}', expected: true, block_range: {BLOCK_SECONDS}s, local_retention: 15d}}
  - {{match: '{all}', retire_after: 1h}}
metrics: {{stream_labels: [cluster], rules: {{job: {JOB}, window: 3s, interval: 1s}}}}
",
        expiring = archive::EXPIRING,
        all = archive::ALL,
    );
    text.push_str("checks:\n");
    for entry in catalogue::embedded().unwrap().entries().filter(|entry| entry.check.is_some()) {
        let own = match &*entry.id {
            "upload_lag" => format!(", warning: {LAG_RANGES}, critical: {}", 2 * LAG_RANGES),
            "scan_stalled" => ", after_intervals: 10".to_owned(),
            "retention_overdue" => ", grace: 10s".to_owned(),
            _ => String::new(),
        };
        writeln!(text, "  {}: {{for: 1s, keep_firing_for: 2s{own}}}", entry.id).unwrap();
    }
    text + notify
}

/// Who is told directly. Each alert of each stream is told by itself, so that messages can be compared one by one; and
/// mails go one after the other, since the server writes down all connections together.
pub(crate) fn notify(chain: &Chain, smtp: &str) -> String {
    format!(
        "notify:
  receivers:
    - {{name: slack, type: slack, token: xoxb-stack, channel: C0123456789, api_url: '{}', rate: 6000, burst: 100}}
    - {{name: mail, type: mail, to: [ops@example.com], from: 'Blockwarden <blockwarden@example.com>', smarthost: '{smtp}', tls: none, rate: 240, burst: 1}}
  routes:
    - {{receivers: [slack, mail], group_by: [alertname, bucket, stream], group_wait: 1s, group_interval: 2s, repeat_interval: 1h}}
  watchdogs: [{{name: stack, within: 1m}}]
  links: {{page: 'https://blockwarden.example.com', runbook: 'https://docs.example.com/runbooks/{{id}}.md', dashboard: 'https://grafana.example.com/d/{{uid}}?var-bucket={{bucket}}&from={{from}}&to={{to}}'}}
",
        chain.slack.api_url()
    )
}

/// Writes the rules for the configuration in `folder`, and one for the alert that always fires.
pub(crate) fn rules(folder: &Path) {
    let out = folder.join("rules");
    fs::create_dir(&out).unwrap();
    blockwarden(folder, &["rules", "--config", "blockwarden.yaml", "--target", "3", "--out-dir", "rules"]);
    let watchdog = "groups: [{name: watchdog, rules: [{alert: Watchdog, expr: vector(1)}]}]\n";
    fs::write(folder.join("watchdog.yaml"), watchdog).unwrap();
}

/// What the rules bring along for Alertmanager, with the webhook of the test, and without its patience.
pub(crate) fn alertmanager(folder: &Path, chain: &Chain, blockwarden_address: &str) -> String {
    let text = blockwarden(folder, &["rules", "--config", "blockwarden.yaml", "--alertmanager"]);
    let mut document: Value = serde_yaml::from_str(&text).unwrap();
    for route in document["route"]["routes"].as_array_mut().unwrap() {
        for (key, value) in [("group_wait", "1s"), ("group_interval", "2s")] {
            assert!(route[key].is_string(), "{text}");
            route[key] = value.into();
        }
    }
    for receiver in document["receivers"].as_array_mut().unwrap() {
        match receiver["name"].as_str().unwrap() {
            "blockwarden" => {
                receiver["webhook_configs"] = json!([{"url": chain.hook.url("/alertmanager"), "send_resolved": true}]);
            }
            "blockwarden-watchdog" => {
                let url = receiver["webhook_configs"][0]["url"].as_str().unwrap();
                let url = url.replace("BLOCKWARDEN:9798", blockwarden_address).replace("NAME", "stack");
                receiver["webhook_configs"][0]["url"] = url.into();
            }
            other => assert_eq!(other, "default"),
        }
    }
    // YAML as well
    document.to_string()
}

/// What a command of ours prints.
fn blockwarden(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_blockwarden")).args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
