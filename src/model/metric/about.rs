//! What each metric is: name, kind, labels, and what it says.

use super::{Metric, MetricKind};
use crate::model::MetricLabel;

/// Everything about one metric.
pub(super) struct About {
    pub(super) name: &'static str,
    pub(super) kind: MetricKind,
    pub(super) help: &'static str,
    pub(super) labels: &'static [MetricLabel],
}

const fn gauge(name: &'static str, labels: &'static [MetricLabel], help: &'static str) -> About {
    About { name, kind: MetricKind::Gauge, help, labels }
}

const fn counter(name: &'static str, labels: &'static [MetricLabel], help: &'static str) -> About {
    About { name, kind: MetricKind::Counter, help, labels }
}

const fn histogram(name: &'static str, labels: &'static [MetricLabel], help: &'static str) -> About {
    About { name, kind: MetricKind::Histogram, help, labels }
}

const NONE: &[MetricLabel] = &[];
const BUCKET: &[MetricLabel] = &[MetricLabel::Bucket];
const BUCKET_VERDICT: &[MetricLabel] = &[MetricLabel::Bucket, MetricLabel::Verdict];
const BUCKET_RESULT: &[MetricLabel] = &[MetricLabel::Bucket, MetricLabel::Result];
const RECEIVER: &[MetricLabel] = &[MetricLabel::Receiver];
const RESULT: &[MetricLabel] = &[MetricLabel::Result];
const STREAM: &[MetricLabel] = &[MetricLabel::Bucket, MetricLabel::Stream, MetricLabel::StreamLabels];
const STREAM_RESOLUTION: &[MetricLabel] =
    &[MetricLabel::Bucket, MetricLabel::Resolution, MetricLabel::Stream, MetricLabel::StreamLabels];
const WATCHDOG: &[MetricLabel] = &[MetricLabel::Watchdog];

impl Metric {
    /// Name, kind, help and labels.
    pub(super) const fn about(self) -> About {
        match self {
            Self::Findings => gauge(
                "blockwarden_findings",
                &[
                    MetricLabel::Bucket,
                    MetricLabel::Check,
                    MetricLabel::Severity,
                    MetricLabel::Stream,
                    MetricLabel::StreamLabels,
                ],
                "Open findings. Each check has a series without stream for each severity, from the first judgement of \
                 its bucket on.",
            ),
            Self::BucketBlocks => gauge(
                "blockwarden_bucket_blocks",
                BUCKET,
                "Block directories at the last complete listing, partial ones included.",
            ),
            Self::BucketObjects => gauge(
                "blockwarden_bucket_objects",
                BUCKET,
                "Objects at the last complete listing, those outside of blocks included.",
            ),
            Self::BucketBytes => {
                gauge("blockwarden_bucket_bytes", BUCKET, "Bytes of all objects at the last complete listing.")
            }
            Self::Streams => {
                gauge("blockwarden_streams", BUCKET, "Streams that have blocks at the last complete listing.")
            }
            Self::StreamsOmitted => gauge(
                "blockwarden_streams_omitted",
                BUCKET,
                "Streams that have no series of their own, because there are more than metrics.max_streams.",
            ),
            Self::UploadLag => gauge(
                "blockwarden_upload_lag_seconds",
                STREAM,
                "Time of the last judgement minus the newest maxTime of the raw blocks, for streams that have a \
                 producer. Of the others: the greatest.",
            ),
            Self::NewestSampleTimestamp => gauge(
                "blockwarden_newest_sample_timestamp_seconds",
                STREAM,
                "Newest maxTime of the raw blocks. Of the others: the earliest.",
            ),
            Self::OldestSampleTimestamp => gauge(
                "blockwarden_oldest_sample_timestamp_seconds",
                STREAM_RESOLUTION,
                "Begin of the oldest data. Of the others: the earliest.",
            ),
            Self::StreamBlocks => gauge(
                "blockwarden_stream_blocks",
                STREAM_RESOLUTION,
                "Blocks, marked and superseded ones included. Of the others: the sum.",
            ),
            Self::StreamBytes => {
                gauge("blockwarden_stream_bytes", STREAM, "Bytes of all blocks. Of the others: the sum.")
            }
            Self::CoverageGap => gauge(
                "blockwarden_coverage_gap_seconds",
                STREAM,
                "Length of all holes that count: over the tolerated length, inside retention, at any resolution. Of the \
                 others: the sum.",
            ),
            Self::LossDeadlineTimestamp => gauge(
                "blockwarden_loss_deadline_timestamp_seconds",
                STREAM,
                "Earliest moment after which data of an open finding cannot be saved any more; absent where no \
                 finding has one. Of the others: the earliest.",
            ),
            Self::BucketUp => gauge(
                "blockwarden_bucket_up",
                BUCKET,
                "1 if the newest pass could list the bucket, 0 if not; absent before the first.",
            ),
            Self::Scans => counter(
                "blockwarden_scans_total",
                BUCKET_RESULT,
                "Passes by how they ended: complete, partial (some objects could not be read), failed (the bucket \
                 could not be listed).",
            ),
            Self::ScanDuration => {
                histogram("blockwarden_scan_duration_seconds", BUCKET, "How long passes over a bucket took.")
            }
            Self::ScanLastTimestamp => gauge(
                "blockwarden_scan_last_timestamp_seconds",
                BUCKET,
                "Begin of the newest pass that has ended; absent before the first.",
            ),
            Self::ScanLastSuccessTimestamp => gauge(
                "blockwarden_scan_last_success_timestamp_seconds",
                BUCKET,
                "Begin of the newest pass that listed the bucket completely; absent before the first.",
            ),
            Self::ScanInterval => {
                gauge("blockwarden_scan_interval_seconds", BUCKET, "Configured time from one pass to the next.")
            }
            Self::Requests => counter(
                "blockwarden_requests_total",
                &[MetricLabel::Bucket, MetricLabel::Operation],
                "Attempts against the bucket in all passes that have ended, retries included.",
            ),
            Self::UnreadObjects => {
                gauge("blockwarden_unread_objects", BUCKET, "Objects that the newest pass was to read and could not.")
            }
            Self::VerifiedBytes => counter(
                "blockwarden_verified_bytes_total",
                BUCKET,
                "Bytes of blocks that were read and verified to the end.",
            ),
            Self::VerifiedBlocks => counter(
                "blockwarden_verified_blocks_total",
                BUCKET_VERDICT,
                "Blocks that were to be verified, by what became of them.",
            ),
            Self::OldestUnverifiedTimestamp => gauge(
                "blockwarden_oldest_unverified_timestamp_seconds",
                BUCKET,
                "When the block was last verified that was verified longest ago; for one that never was: when it was \
                 first seen. Of the blocks that the scrub reads.",
            ),
            Self::ScrubBlocks => gauge(
                "blockwarden_scrub_blocks",
                BUCKET,
                "Blocks that the scrub reads: all but those that are incomplete, archived or about to be deleted.",
            ),
            Self::ScrubBlocksUnderWay => {
                gauge("blockwarden_scrub_blocks_under_way", BUCKET, "Blocks that are being verified.")
            }
            Self::ScrubBacklogBlocks => gauge(
                "blockwarden_scrub_backlog_blocks",
                BUCKET,
                "Blocks that are not verified as demanded: never, longer than the interval ago, not as they are now, \
                 less thoroughly or by an older verifier.",
            ),
            Self::ScrubBacklog => gauge(
                "blockwarden_scrub_backlog_bytes",
                BUCKET,
                "Bytes of the blocks that are not verified as demanded.",
            ),
            Self::ScrubRate => gauge(
                "blockwarden_scrub_rate_bytes_per_second",
                NONE,
                "Bytes of blocks that were read per second, over the last 5 minutes.",
            ),
            Self::ScrubNeeded => gauge(
                "blockwarden_scrub_needed_bytes_per_second",
                BUCKET,
                "Bytes per second, while the window is open, at which each block is verified again in time: the pace \
                 that is kept.",
            ),
            Self::ScrubRoundRemaining => gauge(
                "blockwarden_scrub_round_remaining_seconds",
                BUCKET,
                "Estimated time until every block is verified as demanded; 0 when all are.",
            ),
            Self::ScrubInterval => gauge(
                "blockwarden_scrub_interval_seconds",
                NONE,
                "Within this time each block is verified again; absent where the scrub is off.",
            ),
            Self::JudgementDuration => histogram(
                "blockwarden_judgement_duration_seconds",
                NONE,
                "How long judgements took, with the commit to the ledger.",
            ),
            Self::JudgementLastTimestamp => gauge(
                "blockwarden_judgement_last_timestamp_seconds",
                NONE,
                "When the newest judgement was made; absent before the first.",
            ),
            Self::Alerts => gauge(
                "blockwarden_alerts",
                &[MetricLabel::Severity, MetricLabel::State],
                "Alerts that are not over: pending (for less than their `for`), firing, or unknown (their facts are not known at present, whichever of the two they are).",
            ),
            Self::Notifications => counter(
                "blockwarden_notifications_total",
                &[MetricLabel::Outcome, MetricLabel::Reason, MetricLabel::Receiver],
                "Attempts to tell a receiver, by what became of them and, where they failed, why. Each receiver has all of its series from the start.",
            ),
            Self::NotificationsSuppressed => counter(
                "blockwarden_notifications_suppressed_total",
                &[MetricLabel::Reason],
                "Notifications that were not made, by what kept them back: silence, inhibition, mute_time.",
            ),
            Self::NotificationLatency => histogram(
                "blockwarden_notification_latency_seconds",
                RECEIVER,
                "Time from the decision to tell something to its arrival at the receiver.",
            ),
            Self::NotificationLastSuccessTimestamp => gauge(
                "blockwarden_notification_last_success_timestamp_seconds",
                RECEIVER,
                "When something last arrived at the receiver; 0 = never.",
            ),
            Self::NotificationsDead => gauge(
                "blockwarden_notifications_dead",
                RECEIVER,
                "Notifications that were given up and have not been sent again. `blockwarden alerts dead` lists them.",
            ),
            Self::OutboxPending => gauge(
                "blockwarden_outbox_pending",
                RECEIVER,
                "Notifications that wait for the receiver, those being sent included.",
            ),
            Self::OutboxOldestPendingTimestamp => gauge(
                "blockwarden_outbox_oldest_pending_timestamp_seconds",
                RECEIVER,
                "When the oldest notification that waits was decided; 0 = nothing waits.",
            ),
            Self::ReceiverUp => gauge(
                "blockwarden_receiver_up",
                RECEIVER,
                "1 unless the newest attempts to tell the receiver something failed.",
            ),
            Self::Silences => gauge(
                "blockwarden_silences",
                &[MetricLabel::State],
                "Silences that are not over, configured ones included: active, or pending (not yet).",
            ),
            Self::HeartbeatPings => counter(
                "blockwarden_heartbeat_pings_total",
                RESULT,
                "Pings to the external dead-man's switch by how they ended: success, failure. Absent where none is configured.",
            ),
            Self::HeartbeatLastSuccessTimestamp => gauge(
                "blockwarden_heartbeat_last_success_timestamp_seconds",
                NONE,
                "When a ping to the dead-man's switch last went well; 0 = never. Absent where none is configured.",
            ),
            Self::WatchdogLastSeenTimestamp => gauge(
                "blockwarden_watchdog_last_seen_timestamp_seconds",
                WATCHDOG,
                "When a Watchdog alert last came in; 0 = not since the process began.",
            ),
            Self::WatchdogWithin => gauge(
                "blockwarden_watchdog_within_seconds",
                WATCHDOG,
                "How long a watchdog may be silent before that is told.",
            ),
            Self::LedgerUp => gauge("blockwarden_ledger_up", NONE, "1 if the ledger can be relied on, 0 if it fails."),
            Self::LedgerPersistent => gauge(
                "blockwarden_ledger_persistent",
                NONE,
                "1 if the ledger is a file, 0 if it is in memory only and gone with the process.",
            ),
            Self::LedgerCommits => {
                counter("blockwarden_ledger_commits_total", RESULT, "Commits by how they ended: success, failure.")
            }
            Self::LedgerSize => gauge("blockwarden_ledger_size_bytes", NONE, "Size of the ledger."),
            Self::ConfigLastReloadSuccessful => gauge(
                "blockwarden_config_last_reload_successful",
                NONE,
                "1 if the newest attempt to read the configuration went well, 0 if it was refused.",
            ),
            Self::ConfigLastReloadSuccessTimestamp => gauge(
                "blockwarden_config_last_reload_success_timestamp_seconds",
                NONE,
                "When the configuration in force was read.",
            ),
            Self::ConfigReloads => counter(
                "blockwarden_config_reloads_total",
                RESULT,
                "Attempts to read the configuration by how they ended, the one at the start included: success, \
                 refused.",
            ),
            Self::BuildInfo => gauge("blockwarden_build_info", &[MetricLabel::Version], "1, with the version."),
            Self::Tasks => {
                gauge("blockwarden_tasks", NONE, "Asynchronous tasks that are alive, those of the web server included.")
            }
            Self::HttpRequests => counter(
                "blockwarden_http_requests_total",
                &[MetricLabel::Code, MetricLabel::Handler],
                "Requests that were answered.",
            ),
            Self::HttpConnections => gauge("blockwarden_http_connections", NONE, "Connections that are open."),
            Self::HttpConnectionsRefused => counter(
                "blockwarden_http_connections_refused_total",
                NONE,
                "Connections that were turned away because there were too many.",
            ),
        }
    }
}
