//! The names of everything that is exported: one enum, so that rules, dashboards and documentation can be held to it.

mod about;

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
