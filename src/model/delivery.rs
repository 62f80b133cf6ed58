//! How alerts stand and how notifying goes, for metrics, the API and the check that notices when nobody can be told.

use std::collections::BTreeMap;

use super::{Alert, Durations, Silence, TimestampMs};

/// What becomes of an attempt to tell somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeliveryOutcome {
    /// It arrived.
    Sent,
    /// It did not, and is tried again.
    Failed,
    /// It did not, and was given up.
    Dead,
    /// It became part of another one.
    Coalesced,
}

impl DeliveryOutcome {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sent, Self::Failed, Self::Dead, Self::Coalesced];

    /// The word in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Dead => "dead",
            Self::Coalesced => "coalesced",
        }
    }
}

/// Why an attempt failed, as far as it matters for what is done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureClass {
    /// Too much was sent.
    RateLimited,
    /// Nobody answered, or the server had a problem of its own.
    Transient,
    /// No answer came in time, after the message had been handed over: it may have arrived.
    Timeout,
    /// The message is not accepted as it is.
    Permanent,
    /// We are not let in, or what we are to write to is not there.
    Authentication,
    /// The notification was too old.
    Deadline,
}

impl FailureClass {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::RateLimited, Self::Transient, Self::Timeout, Self::Permanent, Self::Authentication, Self::Deadline];

    /// The word in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::Transient => "transient",
            Self::Timeout => "timeout",
            Self::Permanent => "permanent",
            Self::Authentication => "authentication",
            Self::Deadline => "deadline",
        }
    }
}

/// One receiver.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReceiverStatus {
    /// Its name.
    pub receiver: String,
    /// `slack`, `mail`, …
    pub kind: &'static str,
    /// Notifications that wait or are being sent.
    pub pending: u64,
    /// Since when the oldest of them was decided.
    pub oldest_pending: Option<TimestampMs>,
    /// Notifications that were given up and not sent again.
    pub dead: u64,
    /// Ends of attempts, by what became of them; why, where they failed.
    pub outcomes: BTreeMap<(DeliveryOutcome, Option<FailureClass>), u64>,
    /// From the decision to the arrival.
    pub latency: Durations,
    /// Something last arrived.
    pub last_success: Option<TimestampMs>,
    /// Nothing has arrived since then, though it was tried.
    pub failing_since: Option<TimestampMs>,
    /// Why the last attempt failed; `None` once one went well.
    pub failure: Option<(FailureClass, String)>,
}

/// How alerts stand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertingStatus {
    /// Alerting is on: `watch` with or without receivers.
    pub enabled: bool,
    /// As of when all this is.
    pub at: TimestampMs,
    /// Those that are pending or fire, and those that ended of late; worst first.
    pub alerts: Vec<ShownAlert>,
    /// Runtime and configured ones that are not over.
    pub silences: Vec<Silence>,
    /// Notifications that were not made, since the process began, by reason.
    pub suppressed: BTreeMap<&'static str, u64>,
    /// All that are configured, by name.
    pub watchdogs: BTreeMap<String, WatchdogStatus>,
    /// How the heartbeat goes.
    pub heartbeat: Option<HeartbeatStatus>,
}

/// One of the Alertmanagers that have to be heard of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WatchdogStatus {
    /// Silent for longer than this, in ms, it is told.
    pub within_ms: i64,
    /// When it was last heard of; `None` = not since the process began.
    pub last_seen: Option<TimestampMs>,
}

/// The dead-man's switch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeartbeatStatus {
    /// Pings that went well, and that failed.
    pub counts: (u64, u64),
    /// When one last went well.
    pub last_success: Option<TimestampMs>,
    /// Why the last one failed, if it did.
    pub error: Option<String>,
}

/// An alert as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct ShownAlert {
    /// Itself.
    pub alert: Alert,
    /// Why it is not told: `silence`, `inhibition`, `mute_time`; and by what.
    pub suppressed: Option<(&'static str, String)>,
    /// Who is told.
    pub receivers: Vec<String>,
}
