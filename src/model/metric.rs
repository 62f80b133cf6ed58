//! The names of everything that is exported: one enum, so that rules, dashboards and documentation can be held to it.

use super::MetricLabel;

/// What a value means over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Goes up and down.
    Gauge,
    /// Only grows, but for a restart.
    Counter,
    /// Counts durations by length.
    Histogram,
}

impl MetricKind {
    /// As in a `# TYPE` line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Histogram => "histogram",
        }
    }
}

/// Everything about one metric.
struct About {
    name: &'static str,
    kind: MetricKind,
    help: &'static str,
    labels: &'static [MetricLabel],
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

/// One metric. A name is permanent: rules and dashboards of others rest on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// The program.
    BuildInfo,
    /// Open findings.
    Findings,
    /// Blocks of a bucket.
    BucketBlocks,
    /// Keys of a bucket.
    BucketObjects,
    /// Bytes of a bucket.
    BucketBytes,
    /// Streams of a bucket.
    Streams,
    /// Streams without series of their own.
    StreamsOmitted,
    /// Age of the newest data.
    UploadLag,
    /// End of the newest data.
    NewestSampleTimestamp,
    /// Begin of the oldest data.
    OldestSampleTimestamp,
    /// Blocks of a stream.
    StreamBlocks,
    /// Bytes of a stream.
    StreamBytes,
    /// Length of all holes.
    CoverageGap,
    /// Until when data can be saved.
    LossDeadlineTimestamp,
    /// The bucket can be listed.
    BucketUp,
    /// Passes.
    Scans,
    /// How long they took.
    ScanDuration,
    /// The newest pass.
    ScanLastTimestamp,
    /// The newest complete listing.
    ScanLastSuccessTimestamp,
    /// From one pass to the next.
    ScanInterval,
    /// Requests against the bucket.
    Requests,
    /// What the newest pass could not read.
    UnreadObjects,
    /// Bytes that were proven.
    VerifiedBytes,
    /// Blocks that were verified.
    VerifiedBlocks,
    /// The oldest verification.
    OldestUnverifiedTimestamp,
    /// Blocks that the scrub reads.
    ScrubBlocks,
    /// Blocks that are being read.
    ScrubBlocksUnderWay,
    /// Blocks that are not verified as demanded.
    ScrubBacklogBlocks,
    /// Their bytes.
    ScrubBacklog,
    /// How fast blocks are read.
    ScrubRate,
    /// How fast they have to be.
    ScrubNeeded,
    /// Until the backlog is gone.
    ScrubRoundRemaining,
    /// Within what time each block is verified again.
    ScrubInterval,
    /// How long judgements took.
    JudgementDuration,
    /// The newest judgement.
    JudgementLastTimestamp,
    /// Alerts by severity.
    Alerts,
    /// What became of notifications.
    Notifications,
    /// Notifications that were not made.
    NotificationsSuppressed,
    /// How long notifications took.
    NotificationLatency,
    /// When a receiver was last told something.
    NotificationLastSuccessTimestamp,
    /// Notifications that were given up.
    NotificationsDead,
    /// Notifications that wait.
    OutboxPending,
    /// The oldest of them.
    OutboxOldestPendingTimestamp,
    /// A receiver can be told something.
    ReceiverUp,
    /// Silences.
    Silences,
    /// Pings to the dead-man's switch.
    HeartbeatPings,
    /// The newest that went well.
    HeartbeatLastSuccessTimestamp,
    /// When a watchdog was last heard of.
    WatchdogLastSeenTimestamp,
    /// How long it may be silent.
    WatchdogWithin,
    /// The ledger works.
    LedgerUp,
    /// The ledger is a file.
    LedgerPersistent,
    /// Commits.
    LedgerCommits,
    /// Its size.
    LedgerSize,
    /// The newest configuration is in force.
    ConfigLastReloadSuccessful,
    /// When it was read.
    ConfigLastReloadSuccessTimestamp,
    /// How often it was read.
    ConfigReloads,
    /// What runs at once.
    Tasks,
    /// Requests that were answered.
    HttpRequests,
    /// Connections that are open.
    HttpConnections,
    /// Connections that were turned away.
    HttpConnectionsRefused,
}

impl Metric {
    /// All, in the order of the documentation.
    pub const ALL: [Self; 60] = [
        Self::Findings,
        Self::BucketBlocks,
        Self::BucketObjects,
        Self::BucketBytes,
        Self::Streams,
        Self::StreamsOmitted,
        Self::UploadLag,
        Self::NewestSampleTimestamp,
        Self::OldestSampleTimestamp,
        Self::StreamBlocks,
        Self::StreamBytes,
        Self::CoverageGap,
        Self::LossDeadlineTimestamp,
        Self::BucketUp,
        Self::Scans,
        Self::ScanDuration,
        Self::ScanLastTimestamp,
        Self::ScanLastSuccessTimestamp,
        Self::ScanInterval,
        Self::Requests,
        Self::UnreadObjects,
        Self::VerifiedBytes,
        Self::VerifiedBlocks,
        Self::OldestUnverifiedTimestamp,
        Self::ScrubBlocks,
        Self::ScrubBlocksUnderWay,
        Self::ScrubBacklogBlocks,
        Self::ScrubBacklog,
        Self::ScrubRate,
        Self::ScrubNeeded,
        Self::ScrubRoundRemaining,
        Self::ScrubInterval,
        Self::JudgementDuration,
        Self::JudgementLastTimestamp,
        Self::Alerts,
        Self::Notifications,
        Self::NotificationsSuppressed,
        Self::NotificationLatency,
        Self::NotificationLastSuccessTimestamp,
        Self::NotificationsDead,
        Self::OutboxPending,
        Self::OutboxOldestPendingTimestamp,
        Self::ReceiverUp,
        Self::Silences,
        Self::HeartbeatPings,
        Self::HeartbeatLastSuccessTimestamp,
        Self::WatchdogLastSeenTimestamp,
        Self::WatchdogWithin,
        Self::LedgerUp,
        Self::LedgerPersistent,
        Self::LedgerCommits,
        Self::LedgerSize,
        Self::ConfigLastReloadSuccessful,
        Self::ConfigLastReloadSuccessTimestamp,
        Self::ConfigReloads,
        Self::BuildInfo,
        Self::Tasks,
        Self::HttpRequests,
        Self::HttpConnections,
        Self::HttpConnectionsRefused,
    ];

    /// The full name.
    pub const fn name(self) -> &'static str {
        self.about().name
    }

    /// Gauge, counter or histogram.
    pub const fn kind(self) -> MetricKind {
        self.about().kind
    }

    /// The `# HELP` line: one or two sentences.
    pub const fn help(self) -> &'static str {
        self.about().help
    }

    /// Its labels, in the order of their names.
    pub const fn labels(self) -> &'static [MetricLabel] {
        self.about().labels
    }

    /// The unit of its values, in words; empty for a plain count.
    pub fn unit(self) -> &'static str {
        let name = self.name();
        let base = name.strip_suffix("_total").unwrap_or(name);
        match () {
            () if base.ends_with("_timestamp_seconds") => "Unix time in seconds",
            () if base.ends_with("_bytes_per_second") => "bytes per second",
            () if base.ends_with("_seconds") => "seconds",
            () if base.ends_with("_bytes") => "bytes",
            () => "",
        }
    }

    const fn about(self) -> About {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_follow_the_conventions() {
        for (idx, metric) in Metric::ALL.into_iter().enumerate() {
            let name = metric.name();
            assert!(!Metric::ALL[..idx].iter().any(|other| other.name() == name), "{name} twice");
            assert!(name.starts_with("blockwarden_"), "{name}");
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
            assert_eq!(name.ends_with("_total"), metric.kind() == MetricKind::Counter, "{name}");
            assert!(metric.help().ends_with('.') && !metric.help().contains('\n'), "{name}");
            // in the order of the enum, which is that of the names
            assert!(metric.labels().is_sorted(), "{name}");
        }
    }
}
