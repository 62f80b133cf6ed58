//! A finding: one thing that is wrong, about one subject, with evidence and the way out.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use ulid::Ulid;

use super::{Interval, Labels, Resolution, TimestampMs};

/// How bad a finding is. The order is the order of output: worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Data is lost, or will be within a day unless somebody acts.
    Critical,
    /// A safeguard is broken.
    Warning,
    /// Worth knowing; never notified by default.
    Info,
}

impl Severity {
    /// The word in output, labels and rules.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a finding is about. Together with the check's id it makes the fingerprint, so nothing in here may move while
/// the fault stays the same: an interval counts by its start alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    /// The bucket's name in output.
    pub bucket: Arc<str>,
    /// External labels of the stream, or of the replica group when several streams share the finding.
    pub stream: Option<Arc<Labels>>,
    /// Resolution, where the finding is about one.
    pub resolution: Option<Resolution>,
    /// The block, where it is about one.
    pub block: Option<Ulid>,
    /// The object's key inside the bucket (without the configured prefix), where it is about one.
    pub object: Option<String>,
    /// Start of the interval, where the finding is about one that has a fixed start (a hole).
    pub start: Option<TimestampMs>,
}

impl Subject {
    /// A whole bucket.
    pub const fn bucket(bucket: Arc<str>) -> Self {
        Self { bucket, stream: None, resolution: None, block: None, object: None, start: None }
    }

    /// One stream of a bucket at one resolution.
    pub const fn stream(bucket: Arc<str>, stream: Arc<Labels>, resolution: Resolution) -> Self {
        Self { bucket, stream: Some(stream), resolution: Some(resolution), block: None, object: None, start: None }
    }

    /// 16 hex digits that stay the same for as long as check and subject do.
    pub fn fingerprint(&self, check: &str) -> String {
        let mut hash = Sha256::new();
        let stream = self.stream.as_ref().map(ToString::to_string);
        let resolution = self.resolution.map(Resolution::name);
        let block = self.block.map(|ulid| ulid.to_string());
        let start = self.start.map(|start| start.0.to_string());
        let parts = [
            Some(check),
            Some(&*self.bucket),
            stream.as_deref(),
            resolution,
            block.as_deref(),
            self.object.as_deref(),
            start.as_deref(),
        ];
        for part in parts {
            // a length before each part, so that no two subjects run together
            let marker = part.map_or(u64::MAX, |text| u64::try_from(text.len()).unwrap_or(u64::MAX));
            hash.update(marker.to_be_bytes());
            hash.update(part.unwrap_or_default());
        }
        let head = hash.finalize().iter().take(8).fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
        format!("{head:016x}")
    }
}

/// Named values that support a finding, sorted by name.
pub type Evidence = BTreeMap<&'static str, serde_json::Value>;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Id of the check.
    pub check: &'static str,
    /// What it is about.
    pub subject: Subject,
    /// How bad it is, here and now.
    pub severity: Severity,
    /// The time whose data is at risk.
    pub interval: Option<Interval>,
    /// One sentence: what is wrong and what is at risk. With labels, interval and ULIDs.
    pub message: String,
    /// One sentence: what to do.
    pub remedy: String,
    /// Until when it can be mended; afterwards data is lost for good.
    pub deadline: Option<TimestampMs>,
    /// What the judgement rests on.
    pub evidence: Evidence,
}

impl Finding {
    /// See [`Subject::fingerprint`].
    pub fn fingerprint(&self) -> String {
        self.subject.fingerprint(self.check)
    }

    /// Its place in every list.
    pub fn key(&self) -> FindingKey {
        let subject = &self.subject;
        FindingKey {
            severity: self.severity,
            check: self.check.to_owned(),
            bucket: subject.bucket.to_string(),
            stream: subject.stream.as_deref().cloned(),
            start: self.interval.map(|interval| interval.start.0),
            block: subject.block.map(|ulid| ulid.to_string()),
            object: subject.object.clone(),
            resolution: subject.resolution.and_then(|own| Resolution::ALL.iter().position(|each| *each == own)),
            fingerprint: self.fingerprint(),
        }
    }
}

/// The order of findings in every list: worst first, then by check, bucket, stream, start, block, object. No two
/// findings of one judgement share a key, so it also says where a reader of pages has got to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindingKey {
    severity: Severity,
    check: String,
    bucket: String,
    stream: Option<Labels>,
    start: Option<i64>,
    block: Option<String>,
    object: Option<String>,
    resolution: Option<usize>,
    fingerprint: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_tell_subjects_apart_and_ignore_everything_else() {
        let bucket = Subject::bucket("thanos".into());
        let stream = Subject::stream("thanos".into(), Arc::new(Labels::from([("a", "b")])), Resolution::Raw);
        let object = Subject { object: Some("raw".into()), ..bucket.clone() };
        let all = [&bucket, &stream, &object].map(|subject| subject.fingerprint("overlap"));
        assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);
        assert_ne!(bucket.fingerprint("overlap"), bucket.fingerprint("upload_lag"));
        assert_eq!(bucket.fingerprint("overlap").len(), 16);
    }
}
