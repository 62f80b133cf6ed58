//! What becomes of findings, in the log.

use std::sync::Arc;

use crate::model::{Finding, FindingChange, FindingEnd, OpenFinding, Severity};

/// A finding is new.
pub(super) fn log_opened(finding: &Finding) {
    let (check, bucket, severity) = (finding.check, &*finding.subject.bucket, finding.severity.name());
    let stream = finding.subject.stream.as_ref().map(ToString::to_string);
    match finding.severity {
        Severity::Critical | Severity::Warning => {
            tracing::warn!(check, bucket, severity, stream, "finding opened: {}", finding.message);
        }
        Severity::Info => tracing::info!(check, bucket, severity, stream, "finding opened: {}", finding.message),
    }
}

/// A finding is no longer open.
pub(super) fn log_ended(open: &OpenFinding, end: FindingEnd) {
    let (check, bucket) = (open.check.as_str(), &*open.subject.bucket);
    let stream = open.subject.stream.as_ref().map(ToString::to_string);
    tracing::info!(check, bucket, stream, since = %open.since, "finding {}", end.name());
}

/// The bucket that a change is about.
pub(super) fn bucket_of(change: &FindingChange) -> &Arc<str> {
    match change {
        FindingChange::Opened(finding) | FindingChange::Updated(finding) => &finding.subject.bucket,
        FindingChange::Ended { bucket, .. } => bucket,
    }
}
