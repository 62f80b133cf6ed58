//! What a judgement changes: committed to the ledger in one transaction, before anyone is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use super::{
    Alert, EndReason, Finding, Group, Labels, Lineage, OutboxRow, RetentionSeen, Silence, StreamPast, TimestampMs,
};

/// All changes of one cycle.
#[derive(Clone, Debug, Default)]
pub struct Transition {
    /// The time that was judged.
    pub at: TimestampMs,
    /// Per bucket, by name. Buckets whose listing is unknown have no entry but may have findings.
    pub buckets: BTreeMap<Arc<str>, BucketTransition>,
    /// Changes of findings that were judged before, each with its time, oldest first, and are in no ledger yet.
    pub earlier: Vec<(TimestampMs, FindingChange)>,
    /// Changes of findings, by bucket's name.
    pub findings: Vec<FindingChange>,
    /// What becomes of alerts, and who is told.
    pub alerting: AlertingChange,
}

/// What becomes of alerts, and who is told: one transaction with the findings that it comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertingChange {
    /// New or changed, as they are now.
    pub alerts: Vec<Alert>,
    /// Fingerprints of alerts that are forgotten: they ended long ago, or never fired.
    pub forgotten: Vec<String>,
    /// New or changed, as they are now.
    pub groups: Vec<Group>,
    /// Receiver and key of groups that are over.
    pub closed: Vec<(String, String)>,
    /// New silences, and those that end earlier than they were to.
    pub silences: Vec<Silence>,
    /// Ids of silences that are forgotten: they ended long ago.
    pub dropped_silences: Vec<String>,
    /// Notifications, in the order in which they were decided.
    pub outbox: Vec<OutboxRow>,
}

impl AlertingChange {
    /// There is nothing in it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// This one and then `later`, as one change.
    #[must_use]
    pub fn then(mut self, later: Self) -> Self {
        if self.is_empty() {
            return later;
        }
        self.alerts.retain(|alert| {
            let is_same = |other: &Alert| other.fingerprint == alert.fingerprint;
            !later.alerts.iter().any(is_same) && !later.forgotten.contains(&alert.fingerprint)
        });
        self.forgotten.retain(|forgotten| !later.alerts.iter().any(|alert| alert.fingerprint == *forgotten));
        self.groups.retain(|group| {
            let is_same = |other: &Group| (&other.receiver, &other.key) == (&group.receiver, &group.key);
            let is_closed = |(receiver, key): &(String, String)| (receiver, key) == (&group.receiver, &group.key);
            !later.groups.iter().any(is_same) && !later.closed.iter().any(is_closed)
        });
        self.closed.retain(|(receiver, key)| {
            !later.groups.iter().any(|group| (&group.receiver, &group.key) == (receiver, key))
        });
        self.silences.retain(|silence| {
            !later.silences.iter().any(|other| other.id == silence.id) && !later.dropped_silences.contains(&silence.id)
        });
        self.alerts.extend(later.alerts);
        self.forgotten.extend(later.forgotten);
        self.groups.extend(later.groups);
        self.closed.extend(later.closed);
        self.silences.extend(later.silences);
        self.dropped_silences.extend(later.dropped_silences);
        self.outbox.extend(later.outbox);
        self
    }
}

/// Changes of one bucket. Blocks that are new or changed are in its view.
#[derive(Clone, Debug, Default)]
pub struct BucketTransition {
    /// Blocks that are gone, and why.
    pub ended: Vec<(Ulid, EndReason)>,
    /// Blocks that ended earlier whose reason is now known better.
    pub reasons: Vec<(Ulid, EndReason)>,
    /// Blocks seen complete for the first time.
    pub completed: Vec<Ulid>,
    /// Lineage that was settled.
    pub lineage: Vec<(Ulid, Lineage)>,
    /// Streams that are new or have newer data.
    pub streams: Vec<(Arc<Labels>, StreamPast)>,
    /// Retention declared otherwise than before.
    pub retention: Vec<RetentionSeen>,
}

/// One change of one finding.
#[derive(Clone, Debug)]
pub enum FindingChange {
    /// Seen for the first time.
    Opened(Finding),
    /// Still there, says something else.
    Updated(Finding),
    /// Over.
    Ended {
        /// The bucket's name.
        bucket: Arc<str>,
        /// Of check and subject.
        fingerprint: String,
        /// How.
        end: FindingEnd,
    },
}

/// How a finding ends; never by mere absence of facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingEnd {
    /// Seen healed.
    Resolved,
    /// Its subject left by retention.
    Expired,
    /// Its stream was given up.
    Retired,
    /// Its bucket is no longer configured.
    Unwatched,
    /// What it was about is gone, unhealed.
    Lost,
}

impl FindingEnd {
    /// The word in the ledger and in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resolved => "resolved",
            Self::Expired => "expired",
            Self::Retired => "retired",
            Self::Unwatched => "unwatched",
            Self::Lost => "lost",
        }
    }
}
