//! The labels of everything that is exported.

/// What tells the series of a metric apart. Each has few values, or as many as there are buckets or streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MetricLabel {
    /// A configured bucket.
    Bucket,
    /// The id of a check.
    Check,
    /// The status code of an answer.
    Code,
    /// A group of paths.
    Handler,
    /// A kind of request against a bucket.
    Operation,
    /// What became of a notification.
    Outcome,
    /// Why a notification failed or was not made.
    Reason,
    /// A configured receiver of notifications.
    Receiver,
    /// Downsampling.
    Resolution,
    /// How something ended.
    Result,
    /// How bad a finding is.
    Severity,
    /// Where an alert or a silence is in its life.
    State,
    /// A stream in canonical text.
    Stream,
    /// Stands for the external labels that `metrics.stream_labels` chooses, each under its own name.
    StreamLabels,
    /// What became of a block that was verified.
    Verdict,
    /// Of the program.
    Version,
    /// A configured watchdog.
    Watchdog,
}

impl MetricLabel {
    /// All, in the order of their names.
    pub const ALL: [Self; 17] = [
        Self::Bucket,
        Self::Check,
        Self::Code,
        Self::Handler,
        Self::Operation,
        Self::Outcome,
        Self::Reason,
        Self::Receiver,
        Self::Resolution,
        Self::Result,
        Self::Severity,
        Self::State,
        Self::Stream,
        Self::StreamLabels,
        Self::Verdict,
        Self::Version,
        Self::Watchdog,
    ];

    /// The name in the output. That of [`Self::StreamLabels`] is only for the documentation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bucket => "bucket",
            Self::Check => "check",
            Self::Code => "code",
            Self::Handler => "handler",
            Self::Operation => "operation",
            Self::Outcome => "outcome",
            Self::Reason => "reason",
            Self::Receiver => "receiver",
            Self::Resolution => "resolution",
            Self::Result => "result",
            Self::Severity => "severity",
            Self::State => "state",
            Self::Stream => "stream",
            Self::StreamLabels => "…",
            Self::Verdict => "verdict",
            Self::Version => "version",
            Self::Watchdog => "watchdog",
        }
    }

    /// What its values are, in Markdown.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Bucket => "the configured name of the bucket",
            Self::Check => "the id of a check; `blockwarden explain CHECK` says more",
            Self::Code => "the status code, or `other`",
            Self::Handler => "`/`, `/-/healthy`, `/-/ready`, `/-/reload`, `/metrics`, `/api` or `unknown`",
            Self::Operation => "`list`, `get` or `head`",
            Self::Outcome => {
                "`sent`, `failed` (and tried again), `dead` (given up), `coalesced` (told as part of another one)"
            }
            Self::Reason => {
                "of a notification that failed or is dead: `rate_limited`, `transient`, `timeout`, `permanent`, `authentication`, \
                 `deadline`, otherwise empty; of one that was not made: `silence`, `inhibition`, `mute_time`"
            }
            Self::Receiver => "the configured name of the receiver",
            Self::Resolution => "`raw`, `5m` or `1h`",
            Self::Result => "how it ended; the help text names the values",
            Self::Severity => "`critical`, `warning` or `info`",
            Self::State => "of an alert: `pending`, `firing`, `unknown`; of a silence: `active`, `pending`",
            Self::Stream => {
                "the external labels in canonical text, `{cluster=\"eu1\", replica=\"a\"}`; empty for what is about a whole \
                 bucket; `(others)` for all streams that have no series of their own"
            }
            Self::StreamLabels => {
                "the external labels named in `metrics.stream_labels`; empty where a stream lacks one"
            }
            Self::Verdict => {
                "`ok`, `changed` or `unreachable` (nothing is known), `suspect` (wrong once), `corrupt` (wrong twice)"
            }
            Self::Version => "the version of the program",
            Self::Watchdog => "the configured name of the watchdog",
        }
    }
}
