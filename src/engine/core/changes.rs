//! What has changed: which blocks of the past that makes interesting, and what of findings is logged.

use std::collections::BTreeSet;
use std::sync::Arc;

use ulid::Ulid;

use crate::model::{BlockChange, BucketPast, BucketView, Finding, FindingChange, FindingEnd, OpenFinding, Severity};

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

/// Compacted blocks that are new need what the ledger holds of their sources, however long those are gone.
pub(super) fn ancestors_to_look_up(view: &BucketView, past: &BucketPast) -> Vec<Ulid> {
    if past.first_scan.is_none() {
        // everything is new, and millions of sources would be looked for in vain
        return Vec::new();
    }
    let new = view.blocks.values().filter(|block| block.change != BlockChange::Unchanged);
    let metas = new.filter_map(|block| block.meta.meta()).filter(|meta| meta.level > 1);
    let named = metas.flat_map(|meta| {
        let parents = meta.parents.iter().map(|parent| parent.ulid);
        meta.sources.iter().copied().chain(parents)
    });
    let unknown = named.filter(|ulid| !view.blocks.contains_key(ulid) && !past.blocks.contains_key(ulid));
    unknown.collect::<BTreeSet<Ulid>>().into_iter().collect()
}
