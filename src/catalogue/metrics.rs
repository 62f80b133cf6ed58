//! `docs/metrics.md`, from the enum of metrics.

use crate::model::{Metric, MetricLabel};

const HEAD: &str = r#"<!-- Generated from src/model/metric.rs and src/catalogue/metrics.rs by `UPDATE=1 cargo test --test repo`. -->
# Metrics

`blockwarden watch` serves them at `/metrics`, on `127.0.0.1:9798` unless `--web.listen-address` says otherwise, in the text format of Prometheus. Base units throughout; no ULID and no object key is ever a label.

```yaml
scrape_configs:
  - job_name: blockwarden
    static_configs:
      - targets: ["127.0.0.1:9798"]
```

- What is said of findings, buckets and streams is of the newest judgement, and is written once per judgement: a scrape asks nothing of any bucket.
- A series whose subject is gone disappears: a bucket that was removed from the configuration, a stream without blocks.
- A bucket that cannot be listed keeps the last values of everything below "Findings, buckets, streams"; `blockwarden_bucket_up` is 0 then, and `bucket_unreachable` or `fact_unknown` is among the findings. Before its first complete listing a bucket has no such series at all: nothing is known, which is not zero.
- What is said of the verification of blocks is from a moment ago, and of a bucket from its first complete listing on; where the scrub is off, or leaves a bucket out, only the counters are there.
- Counters and `blockwarden_findings` have all of their series from the start, at 0, so that the first failure is seen by `increase`. `blockwarden_findings` does so from the first judgement of the bucket on.
- At most `metrics.max_streams` streams (of all buckets together) have series of their own: those with findings first, the worst first, then by canonical text. The others of a bucket share one with `stream="(others)"`; the help text says how they are put together.

## Labels

| label | values |
| --- | --- |
"#;

const TAIL: &str = r#"
## The process

As every client of Prometheus has them: `process_cpu_seconds_total` (in whole seconds), `process_open_fds`, `process_max_fds`, `process_virtual_memory_bytes`, `process_resident_memory_bytes`, `process_start_time_seconds`, `process_threads`.

## Examples

What is wrong now, and where:

```promql
sum by (check, severity, bucket, stream) (blockwarden_findings) > 0
```

Time until data is lost for good, the most urgent first:

```promql
sort(min by (bucket, stream) (blockwarden_loss_deadline_timestamp_seconds) - time())
```

Buckets whose newest complete listing is older than three intervals:

```promql
time() - blockwarden_scan_last_success_timestamp_seconds > 3 * blockwarden_scan_interval_seconds
```

How far back each bucket reaches, by resolution:

```promql
time() - min by (bucket, resolution) (blockwarden_oldest_sample_timestamp_seconds)
```

Lag at this very moment, not at the last judgement:

```promql
time() - blockwarden_newest_sample_timestamp_seconds
```

Buckets in which a block was not verified for longer than it should be:

```promql
time() - blockwarden_oldest_unverified_timestamp_seconds > on () group_left () blockwarden_scrub_interval_seconds
```

How much of the round is done, once everything has been seen:

```promql
1 - blockwarden_scrub_backlog_blocks / blockwarden_scrub_blocks
```

What a bucket will hold in 30 days if it goes on like this:

```promql
predict_linear(blockwarden_bucket_bytes[7d], 30 * 86400)
```

Receivers that cannot be told anything, and for how long something has been waiting for them:

```promql
(time() - blockwarden_outbox_oldest_pending_timestamp_seconds)
  and blockwarden_outbox_oldest_pending_timestamp_seconds > 0 and on (receiver) blockwarden_receiver_up == 0
```

Notifications that did not arrive at the first attempt, and why:

```promql
sum by (receiver, reason) (increase(blockwarden_notifications_total{outcome="failed"}[1h])) > 0
```

Requests against the buckets per day:

```promql
sum by (bucket, operation) (increase(blockwarden_requests_total[1d]))
```
"#;

/// Titles, and the metrics below each.
const SECTIONS: [(&str, &[Metric]); 5] = [
    (
        "Findings, buckets, streams",
        &[
            Metric::Findings,
            Metric::LossDeadlineTimestamp,
            Metric::BucketBlocks,
            Metric::BucketObjects,
            Metric::BucketBytes,
            Metric::Streams,
            Metric::StreamsOmitted,
            Metric::UploadLag,
            Metric::NewestSampleTimestamp,
            Metric::OldestSampleTimestamp,
            Metric::StreamBlocks,
            Metric::StreamBytes,
            Metric::CoverageGap,
        ],
    ),
    (
        "Passes",
        &[
            Metric::BucketUp,
            Metric::Scans,
            Metric::ScanDuration,
            Metric::ScanLastTimestamp,
            Metric::ScanLastSuccessTimestamp,
            Metric::ScanInterval,
            Metric::Requests,
            Metric::UnreadObjects,
        ],
    ),
    (
        "Verification of blocks",
        &[
            Metric::VerifiedBytes,
            Metric::VerifiedBlocks,
            Metric::OldestUnverifiedTimestamp,
            Metric::ScrubBlocks,
            Metric::ScrubBlocksUnderWay,
            Metric::ScrubBacklogBlocks,
            Metric::ScrubBacklog,
            Metric::ScrubRate,
            Metric::ScrubNeeded,
            Metric::ScrubRoundRemaining,
            Metric::ScrubInterval,
        ],
    ),
    (
        "Alerts and notifications",
        &[
            Metric::Alerts,
            Metric::Silences,
            Metric::Notifications,
            Metric::NotificationsSuppressed,
            Metric::NotificationLatency,
            Metric::NotificationLastSuccessTimestamp,
            Metric::NotificationsDead,
            Metric::OutboxPending,
            Metric::OutboxOldestPendingTimestamp,
            Metric::ReceiverUp,
            Metric::HeartbeatPings,
            Metric::HeartbeatLastSuccessTimestamp,
            Metric::WatchdogLastSeenTimestamp,
            Metric::WatchdogWithin,
        ],
    ),
    (
        "The service itself",
        &[
            Metric::BuildInfo,
            Metric::JudgementDuration,
            Metric::JudgementLastTimestamp,
            Metric::LedgerUp,
            Metric::LedgerPersistent,
            Metric::LedgerCommits,
            Metric::LedgerSize,
            Metric::ConfigLastReloadSuccessful,
            Metric::ConfigLastReloadSuccessTimestamp,
            Metric::ConfigReloads,
            Metric::Tasks,
            Metric::HttpRequests,
            Metric::HttpConnections,
            Metric::HttpConnectionsRefused,
        ],
    ),
];

/// The whole page.
pub fn metrics_page() -> String {
    let label = |label: MetricLabel| format!("| `{}` | {} |\n", label.name(), label.meaning());
    let labels: String = MetricLabel::ALL.into_iter().map(label).collect();
    let sections: String = SECTIONS.iter().map(|(title, metrics)| section(title, metrics)).collect();
    [HEAD, &labels, &sections, TAIL].concat()
}

fn section(title: &str, metrics: &[Metric]) -> String {
    let row = |metric: &Metric| {
        let labels: Vec<String> = metric.labels().iter().map(|label| format!("`{}`", label.name())).collect();
        format!(
            "| `{}` ({}) | {} | {} | {} |\n",
            metric.name(),
            metric.kind().name(),
            labels.join(", "),
            metric.unit(),
            metric.help()
        )
    };
    let rows: String = metrics.iter().map(row).collect();
    format!("\n## {title}\n\n| metric | labels | unit | |\n| --- | --- | --- | --- |\n{rows}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_its_section() {
        let mut listed: Vec<Metric> = SECTIONS.iter().flat_map(|(_, metrics)| *metrics).copied().collect();
        let mut all = Metric::ALL.to_vec();
        listed.sort_unstable();
        all.sort_unstable();
        assert_eq!(listed, all);
    }
}
