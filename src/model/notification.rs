//! What is told to a receiver: frozen when it is decided, whatever becomes of the alerts until it is sent. Neutral to
//! the kind of receiver, and versioned, since a ledger may hold some of an earlier version.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Alert, Phase, Severity, TimestampMs, serde_ms};

/// Of [`Notification`].
pub const NOTIFICATION_VERSION: u32 = 1;

/// What is new about an alert in a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// It fires.
    Fired,
    /// It got worse.
    Worse,
    /// It got better, and is not over.
    Better,
    /// It comes and goes, and is not told each time from here on.
    Flapping,
    /// It no longer comes and goes.
    Settled,
    /// It is over.
    Ended,
    /// It fired and is over; neither had been told.
    FiredAndEnded,
}

/// One alert in a notification.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NotifiedAlert {
    /// As it was.
    pub alert: Alert,
    /// `None`: as it was told before.
    pub news: Option<News>,
}

/// Why a notification is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The first of an incident.
    First,
    /// There are more alerts.
    NewAlerts,
    /// An alert got worse.
    Worse,
    /// Some alerts are over, others are not; or one got better.
    SomeEnded,
    /// All are over.
    Ended,
    /// All are over, and none had been told.
    FiredAndEnded,
    /// Alerts began or ceased to come and go.
    Flapping,
    /// Nothing is new, but it is still so.
    Repeat,
    /// Many notifications in one.
    Digest,
    /// Somebody wants to see whether it arrives.
    Test,
}

impl Reason {
    /// The word in metrics and documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::NewAlerts => "new_alerts",
            Self::Worse => "worse",
            Self::SomeEnded => "some_ended",
            Self::Ended => "ended",
            Self::FiredAndEnded => "fired_and_ended",
            Self::Flapping => "flapping",
            Self::Repeat => "repeat",
            Self::Digest => "digest",
            Self::Test => "test",
        }
    }
}

/// What is told to one receiver of one group of alerts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// [`NOTIFICATION_VERSION`]
    pub version: u32,
    /// Why.
    pub reason: Reason,
    /// When it was decided.
    #[serde(with = "serde_ms")]
    pub at: TimestampMs,
    /// The receiver's name.
    pub receiver: String,
    /// Identifies the group for the receiver: the canonical text of its labels.
    pub group_key: String,
    /// What its alerts have in common.
    pub group: BTreeMap<String, String>,
    /// 16 hex digits: the group from its first alert until all are over. Threads go by it.
    pub incident: String,
    /// Since when the earliest of its findings is there.
    #[serde(with = "serde_ms")]
    pub began: TimestampMs,
    /// All are over since then.
    #[serde(with = "serde_ms::optional")]
    pub ended: Option<TimestampMs>,
    /// Worst first, those that fire before those that are over.
    pub alerts: Vec<NotifiedAlert>,
    /// So many more fire, and are not in `alerts`.
    pub more: u64,
    /// When it is told again if nothing changes, in ms.
    pub repeat_ms: Option<i64>,
    /// Of a digest: what it is made of.
    pub parts: Vec<Notification>,
    /// Of a test: what it says.
    pub text: Option<String>,
}

impl Notification {
    /// Alerts of it that fire, those of a digest's parts included.
    pub fn firing(&self) -> impl Iterator<Item = &NotifiedAlert> {
        self.all_alerts().filter(|notified| notified.alert.phase == Phase::Firing)
    }

    /// All alerts, those of a digest's parts included.
    pub fn all_alerts(&self) -> impl Iterator<Item = &NotifiedAlert> {
        self.alerts.iter().chain(self.parts.iter().flat_map(|part| &part.alerts))
    }

    /// The worst that fires; else the worst that did.
    pub fn severity(&self) -> Severity {
        let worst = |firing: bool| {
            let alerts = self.all_alerts().filter(|one| !firing || one.alert.phase == Phase::Firing);
            alerts.map(|one| one.alert.content.severity).min()
        };
        worst(true).or_else(|| worst(false)).unwrap_or(Severity::Info)
    }
}

/// The group of alerts that one receiver is told together, and what it was told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// The receiver's name.
    pub receiver: String,
    /// See [`Notification::group_key`].
    pub key: String,
    /// See [`Notification::group`].
    pub labels: BTreeMap<String, String>,
    /// See [`Notification::incident`]; empty while nothing has been told.
    pub incident: String,
    /// See [`Notification::began`]; none while nothing has been told.
    #[serde(with = "serde_ms::optional", default)]
    pub began: Option<TimestampMs>,
    /// Since when there is something to be told that was not.
    #[serde(with = "serde_ms::optional")]
    pub news_since: Option<TimestampMs>,
    /// When something was last told.
    #[serde(with = "serde_ms::optional")]
    pub told_at: Option<TimestampMs>,
    /// What the receiver believes to be firing, by fingerprint.
    pub told: BTreeMap<String, Told>,
    /// Alerts that are to be told and of which nothing was, by fingerprint.
    #[serde(default)]
    pub waiting: BTreeSet<String>,
}

/// What a receiver was told of one alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// How bad it was.
    pub severity: Severity,
    /// That it comes and goes.
    pub flapping: bool,
}

/// Where a notification is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutboxState {
    /// Waits.
    Pending,
    /// Is being sent; after a crash, may have been.
    Inflight,
    /// Arrived.
    Sent,
    /// Given up.
    Dead,
    /// Told as part of another one.
    Coalesced,
}

impl OutboxState {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Inflight, Self::Sent, Self::Dead, Self::Coalesced];

    /// The word in the ledger and in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Inflight => "inflight",
            Self::Sent => "sent",
            Self::Dead => "dead",
            Self::Coalesced => "coalesced",
        }
    }
}

/// One notification on its way to one recipient of one receiver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutboxRow {
    /// 16 hex digits, unique. Message-IDs are made of it.
    pub id: String,
    /// The receiver's name.
    pub receiver: String,
    /// A mail address; empty for receivers that have one recipient.
    pub recipient: String,
    /// Rows of one receiver, recipient and lane arrive in order: the key of the group.
    pub lane: String,
    /// When it was decided.
    #[serde(with = "serde_ms")]
    pub created: TimestampMs,
    /// Not to be tried before.
    #[serde(with = "serde_ms")]
    pub not_before: TimestampMs,
    /// Given up then.
    #[serde(with = "serde_ms")]
    pub deadline: TimestampMs,
    /// How often it was tried in vain, rate limits not counted.
    pub attempts: u32,
    /// Where it is.
    pub state: OutboxState,
    /// It may have arrived already, so it says that it may be a repeat.
    pub uncertain: bool,
    /// The last attempt was refused for its form: what follows is plain text.
    pub plain: bool,
    /// What went wrong last.
    pub error: Option<String>,
    /// The receiver that was to have it and could not, where this is a fallback.
    pub instead_of: Option<String>,
    /// What is told.
    pub notification: Notification,
}

impl OutboxRow {
    /// An id for a row that is made of others, or of anything that is told once: the same parts give the same id, so
    /// that to make it again after a crash makes no second one.
    pub fn derived_id(parts: &[&str]) -> String {
        let mut hash = Sha256::new();
        for part in parts {
            // a length before each part, so that no two run together
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        let head = hash.finalize().iter().take(8).fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
        format!("{head:016x}")
    }
}
