//! What the ledger remembers, as the judge needs it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use super::{
    BlockMeta, DeletionMark, Evidence, Interval, IntervalSet, Labels, Resolution, Severity, Subject, TimestampMs,
};

/// The past of every bucket, by the bucket's name.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// Buckets that the ledger knows among those that are configured.
    pub buckets: BTreeMap<Arc<str>, BucketPast>,
    /// Why the ledger cannot be relied on, if so (opened in memory after a failure, a commit that failed).
    pub ledger_failure: Option<String>,
    /// The ledger could not be read, so that what is missing here may have been there. Where only writing fails, the
    /// past is that of the last commit, and whole.
    pub unread: bool,
}

/// The past of one bucket.
#[derive(Clone, Debug, Default)]
pub struct BucketPast {
    /// First and last complete pass.
    pub first_scan: Option<TimestampMs>,
    /// Last complete pass; everything that has not ended was there then.
    pub last_scan: Option<TimestampMs>,
    /// Blocks that were there at the last pass; of those that ended: all that ended unexplained, all that ended
    /// within the last 10 days, and every source or parent of a block whose lineage is not settled yet.
    pub blocks: BTreeMap<Ulid, PastBlock>,
    /// What is remembered of each stream.
    pub streams: BTreeMap<Arc<Labels>, StreamPast>,
    /// Retention as it was declared, oldest first.
    pub retention: Vec<RetentionSeen>,
    /// Findings that are open, by fingerprint.
    pub findings: BTreeMap<String, OpenFinding>,
}

/// What is remembered of a stream beyond its blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamPast {
    /// When it was first seen.
    pub first_seen: TimestampMs,
    /// Newest `maxTime` of its raw blocks, ever.
    pub newest_max_time: TimestampMs,
}

/// One block that the ledger knows.
#[derive(Clone, Debug)]
pub struct PastBlock {
    /// `meta.json` as last understood; `None` if it never was.
    pub meta: Option<Arc<BlockMeta>>,
    /// First seen, in any state.
    pub first_seen: TimestampMs,
    /// Has been seen with a `meta.json` and every object that it implies.
    pub complete: bool,
    /// The deletion mark as last read.
    pub deletion: Option<DeletionMark>,
    /// What is known of its ancestors.
    pub lineage: Lineage,
    /// Its end, if it is gone.
    pub end: Option<End>,
}

/// What a compacted block is made of, settled at its first sight, because its sources go soon after.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// Union of the level-1 ancestors' own intervals; `None` = not all of them were known.
    pub leaves: Option<IntervalSet>,
    /// Sum of the samples of the level-1 ancestors, where every one is known, none is hinted, none overlaps another,
    /// all are of one stream and none has tombstones.
    pub source_samples: Option<u64>,
    /// Nothing more will be learned: every ancestor was looked up once.
    pub settled: bool,
}

/// The end of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// When it was first found gone.
    pub at: TimestampMs,
    /// Why it went, as far as that is known.
    pub reason: EndReason,
}

/// Why a block went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// Other blocks hold its sources.
    Superseded,
    /// Older than its retention.
    Expired,
    /// It had a deletion mark, and neither of the above.
    Marked,
    /// It never was complete.
    Partial,
    /// None of these.
    Vanished,
}

impl EndReason {
    /// The word in the ledger and in evidence.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Superseded => "superseded",
            Self::Expired => "expired",
            Self::Marked => "marked",
            Self::Partial => "partial",
            Self::Vanished => "vanished",
        }
    }
}

/// A declared retention and since when it was declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionSeen {
    /// Seen at this scan for the first time.
    pub since: TimestampMs,
    /// Which resolution.
    pub resolution: Resolution,
    /// In ms; `Some(0)` = for ever, `None` = undeclared.
    pub retention_ms: Option<i64>,
}

/// A finding that is open in the ledger: enough to show it again while its facts are unknown.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenFinding {
    /// First seen.
    pub since: TimestampMs,
    /// Last judged, as opposed to kept.
    pub last_judged: TimestampMs,
    /// Id of the check, as stored: may be one that this version no longer has.
    pub check: String,
    /// What it is about.
    pub subject: Subject,
    /// As last judged.
    pub severity: Severity,
    /// As last judged.
    pub interval: Option<Interval>,
    /// As last judged.
    pub message: String,
    /// As last judged.
    pub remedy: String,
    /// As last judged.
    pub deadline: Option<TimestampMs>,
    /// As last judged.
    pub evidence: BTreeMap<String, serde_json::Value>,
}

impl OpenFinding {
    /// A finding that is open since `since` and was judged at `judged`.
    pub fn of(finding: &super::Finding, since: TimestampMs, judged: TimestampMs) -> Self {
        Self {
            since,
            last_judged: judged,
            check: finding.check.to_owned(),
            subject: finding.subject.clone(),
            severity: finding.severity,
            interval: finding.interval,
            message: finding.message.clone(),
            remedy: finding.remedy.clone(),
            deadline: finding.deadline,
            evidence: finding.evidence.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        }
    }

    /// Whether everything that is shown equals `finding`.
    pub fn says_the_same(&self, finding: &super::Finding) -> bool {
        let evidence: &Evidence = &finding.evidence;
        self.severity == finding.severity
            && self.interval == finding.interval
            && self.message == finding.message
            && self.remedy == finding.remedy
            && self.deadline == finding.deadline
            && self.evidence.len() == evidence.len()
            && evidence.iter().all(|(key, value)| self.evidence.get(*key) == Some(value))
    }
}
