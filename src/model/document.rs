//! The JSON document of `scan` and `verify`, the same that the API serves. Its schema is `docs/scan.schema.json`.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::{Finding, Labels, Level, RequestCounts, Severity, Snapshot, TimestampMs, Verdict};

/// The document. Every key is always present.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    /// Of this format: 1.
    pub version: u32,
    /// The time that was judged.
    pub at: TimestampMs,
    /// Counts.
    pub summary: DocumentSummary,
    /// Worst first.
    pub findings: &'a [Finding],
    /// Verdicts of verified blocks; `null` for a scan that verified nothing.
    pub blocks: Option<&'a [BlockVerdict]>,
}

/// Counts over all buckets.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct DocumentSummary {
    /// Buckets that were scanned or tried.
    pub buckets: u64,
    /// Distinct sets of external labels, per bucket.
    pub streams: u64,
    /// Block directories.
    pub blocks: u64,
    /// Keys.
    pub objects: u64,
    /// Bytes of all keys.
    pub bytes: u64,
    /// Bytes whose content was verified.
    pub bytes_verified: u64,
    /// Attempts.
    pub requests: RequestCounts,
    /// By severity.
    pub findings: FindingCounts,
}

/// Findings by severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FindingCounts {
    /// `critical`
    pub critical: u64,
    /// `warning`
    pub warning: u64,
    /// `info`
    pub info: u64,
}

impl FindingCounts {
    /// Counts a list.
    pub fn of(findings: &[Finding]) -> Self {
        let mut counts = Self::default();
        for finding in findings {
            counts.add(finding.severity);
        }
        counts
    }

    /// Counts one.
    pub const fn add(&mut self, severity: Severity) {
        match severity {
            Severity::Critical => self.critical += 1,
            Severity::Warning => self.warning += 1,
            Severity::Info => self.info += 1,
        }
    }
}

/// The verdict on one verified block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BlockVerdict {
    /// ULID.
    pub block: String,
    /// Level of verification.
    pub level: Level,
    /// What became of it.
    pub verdict: Verdict,
    /// Bytes that were read and proven.
    pub bytes: u64,
}

impl<'a> Document<'a> {
    /// The document of a scan.
    pub fn of_scan(snapshot: &'a Snapshot) -> Self {
        let mut summary = DocumentSummary { findings: FindingCounts::of(&snapshot.findings), ..Default::default() };
        for bucket in &snapshot.buckets {
            summary.buckets += 1;
            summary.streams += u64::try_from(bucket.streams.len()).unwrap_or(u64::MAX);
            summary.blocks += bucket.blocks;
            summary.objects += bucket.objects;
            summary.bytes += bucket.bytes;
            summary.requests = summary.requests.plus(bucket.requests);
        }
        Self { version: 1, at: snapshot.at, summary, findings: &snapshot.findings, blocks: None }
    }

    /// The document of a scan in which blocks were read; `bytes` of them in all.
    pub fn of_verification(snapshot: &'a Snapshot, blocks: &'a [BlockVerdict], bytes: u64) -> Self {
        let mut document = Self::of_scan(snapshot);
        document.summary.bytes_verified = bytes;
        document.blocks = Some(blocks);
        document
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let subject = &self.subject;
        let mut out = serializer.serialize_struct("Finding", 13)?;
        out.serialize_field("fingerprint", &self.fingerprint())?;
        out.serialize_field("check", self.check)?;
        out.serialize_field("severity", &self.severity)?;
        out.serialize_field("bucket", &*subject.bucket)?;
        out.serialize_field::<Option<&Labels>>("stream", &subject.stream.as_deref())?;
        out.serialize_field("resolution", &subject.resolution)?;
        out.serialize_field("block", &subject.block.map(|ulid| ulid.to_string()))?;
        out.serialize_field("object", &subject.object)?;
        out.serialize_field("interval", &self.interval)?;
        out.serialize_field("message", &self.message)?;
        out.serialize_field("remedy", &self.remedy)?;
        out.serialize_field("deadline", &self.deadline)?;
        out.serialize_field("evidence", &self.evidence)?;
        out.end()
    }
}
