//! Blockwarden beside the real servers that it is made for: Prometheus, Thanos, `MinIO` and Alertmanager.
//! `tests/stack/build` builds them first; `cargo test --features stack --test stack` runs this.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![expect(clippy::indexing_slicing, reason = "documents are known to have what is named")]

mod archive;
mod bucket;
mod chain;
mod faults;
mod history;
mod http;
#[expect(dead_code, reason = "each test program uses its part of what they share")]
#[path = "../support/http_server.rs"]
mod http_server;
#[path = "../support/mail_text.rs"]
mod mail_text;
mod rules;
mod server;
mod settings;
#[expect(dead_code, reason = "each test program uses its part of what they share")]
#[path = "../support/slack_server.rs"]
mod slack_server;
mod stack;
mod wait;
mod watch;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use stack::Stack;
use wait::until;
use watch::Watch;

/// So many blocks of the running Prometheus have to come and stay quiet.
const CYCLES: usize = 4;

/// The checks whose findings end because they are seen healed.
const HEALED: [&str; 13] = [
    "block_inconsistent",
    "block_vanished",
    "bucket_unreachable",
    "chunk_corrupt",
    "coverage_gap",
    "deletion_unreplaced",
    "index_corrupt",
    "meta_invalid",
    "missing_object",
    "overlap",
    "size_mismatch",
    "stream_missing",
    "upload_lag",
];

#[tokio::test]
async fn an_estate_is_quiet_while_it_is_well_and_each_fault_is_found_and_heals() {
    let mut stack = Stack::start().await;
    let watch = Watch::start(&stack).await;
    let began = history::now_ms();
    healthy(&mut stack, &watch, began).await;
    archive::faults(&stack, &watch).await;
    faults::block_deleted(&stack, &watch).await;
    faults::index_removed(&stack, &watch).await;
    faults::segment_truncated(&stack, &watch).await;
    let saved = faults::marked_by_hand(&mut stack, &watch).await;
    faults::sidecar_stopped(&mut stack, &watch, &saved).await;
    faults::storage_stopped(&mut stack, &watch).await;
    stack.chain.assert_nothing_else_was_told();
    assert_eq!(watch.resolved(), HEALED.map(ToOwned::to_owned).into());
    metrics_are_well_formed(&stack, &watch).await;
    scraped_without_an_error(&stack, began).await;
}

/// Uploads, compaction and deletion go their way, and nobody is alarmed.
async fn healthy(stack: &mut Stack, watch: &Watch, began: i64) {
    let mut ever = BTreeSet::new();
    stack.start_compactor().await;
    until("blocks come, are compacted, and their sources go", 240, async || {
        stack.assert_runs();
        let seen = watch.look().await?;
        assert!(seen.open.is_empty(), "the estate is well, and yet:\n{}", seen.text());
        let blocks = stack.bucket.blocks().await?;
        ever.extend(blocks.keys().cloned());
        let live = blocks.values().filter(|block| block.level == 1 && block.start >= began).count();
        let compacted: Vec<_> = blocks.values().filter(|block| block.level > 1).collect();
        let sources = compacted.iter().flat_map(|block| &block.sources).filter(|source| ever.contains(*source));
        let (left, gone): (Vec<&String>, Vec<&String>) = sources.partition(|source| blocks.contains_key(*source));
        if live >= CYCLES && compacted.len() >= 3 && left.is_empty() && !gone.is_empty() {
            return Ok(());
        }
        let marked = blocks.values().filter(|block| block.marked).count();
        let (compacted, left, gone) = (compacted.len(), left.len(), gone.len());
        Err(format!("{live} new, {compacted} compacted, {marked} marked; of the sources {left} left, {gone} gone"))
    })
    .await;

    // what nobody saw between two looks, Prometheus did
    let alarms = r#"max_over_time(sum(blockwarden_findings{severity!="info"})[SPAN:1s])"#;
    assert_eq!(since(stack, began, alarms).await, [0.0], "there was an alarm meanwhile");
    // and what the compactor and the store gateway made of the blocks still answers
    let samples = http::query(&stack.client, &stack.query_url(), "count(count_over_time(history[1d]))").await.unwrap();
    assert_eq!(samples.into_iter().map(|(_, value)| value).collect::<Vec<_>>(), [12.0]);
}

/// Both the Prometheus of Debian and the newest have nothing to say about the metrics.
async fn metrics_are_well_formed(stack: &Stack, watch: &Watch) {
    let metrics = watch.metrics().await.unwrap();
    assert!(metrics.contains("blockwarden_findings{"), "{metrics}");
    for promtool in [Path::new("promtool"), &stack.programs.promtool] {
        let mut command = Command::new(promtool);
        command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("promtool cannot be run ({error}): apt-get install --no-install-recommends prometheus")
        });
        child.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success() && said.is_empty(), "{}: {said}", promtool.display());
    }
}

/// Prometheus scraped the service once a second, whatever happened, and no scrape failed.
async fn scraped_without_an_error(stack: &Stack, began: i64) {
    assert_eq!(since(stack, began, r#"min_over_time(up{job="blockwarden"}[SPAN])"#).await, [1.0]);
    let seconds = f64::from(u32::try_from((history::now_ms() - began) / 1_000).unwrap());
    let scrapes = since(stack, began, r#"count_over_time(up{job="blockwarden"}[SPAN])"#).await;
    assert!(scrapes[0] > seconds * 0.9, "{} scrapes in {seconds} s", scrapes[0]);
    let targets = http::json(&stack.client, &format!("{}/api/v1/targets", stack.prometheus_url())).await.unwrap();
    let targets = targets.pointer("/data/activeTargets").and_then(Value::as_array).unwrap();
    let own = targets.iter().find(|target| target["labels"]["job"] == "blockwarden").unwrap();
    assert_eq!((&own["health"], &own["lastError"]), (&"up".into(), &"".into()));
}

/// What Prometheus says of the time since `began`, which `SPAN` stands for.
async fn since(stack: &Stack, began: i64, expression: &str) -> Vec<f64> {
    let seconds = (history::now_ms() - began) / 1_000;
    let expression = expression.replace("SPAN", &format!("{seconds}s"));
    let samples = http::query(&stack.client, &stack.prometheus_url(), &expression).await.unwrap();
    samples.into_iter().map(|(_, value)| value).collect()
}
