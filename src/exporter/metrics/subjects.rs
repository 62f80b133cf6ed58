//! Which streams have series of their own.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Labels, Severity, Snapshot};

/// A stream of a bucket, or the labels of a replica group that a finding is about.
pub(super) type Subject<'a> = (&'a str, &'a Labels);

/// The subjects of a snapshot, and those of them that have series of their own.
#[derive(Debug)]
pub(super) struct Subjects<'a> {
    chosen: BTreeMap<Subject<'a>, String>,
    omitted: BTreeMap<&'a str, u64>,
}

impl<'a> Subjects<'a> {
    /// At most `max` in all: first those with open findings, the worst first, then by canonical text. So the choice
    /// is the same for as long as nothing else changes.
    pub(super) fn of(snapshot: &'a Snapshot, configured: &BTreeSet<&str>, max: usize) -> Self {
        let mut worst: BTreeMap<Subject<'a>, Option<Severity>> = BTreeMap::new();
        for bucket in &snapshot.buckets {
            worst.extend(bucket.streams.iter().map(|stream| ((&*bucket.bucket, &*stream.labels), None)));
        }
        for finding in &snapshot.findings {
            let Some(labels) = finding.subject.stream.as_deref() else { continue };
            let known = worst.entry((&*finding.subject.bucket, labels)).or_default();
            *known = Some(known.map_or(finding.severity, |known| known.min(finding.severity)));
        }
        let mut ranked: Vec<(bool, Option<Severity>, String, Subject<'a>)> = worst
            .into_iter()
            .filter(|((bucket, _), _)| configured.contains(bucket))
            .map(|(subject, severity)| (severity.is_none(), severity, subject.1.to_string(), subject))
            .collect();
        ranked.sort_unstable();
        let mut omitted: BTreeMap<&str, u64> = BTreeMap::new();
        for (.., (bucket, _)) in ranked.iter().skip(max) {
            let count = omitted.entry(bucket).or_default();
            *count = count.saturating_add(1);
        }
        let chosen = ranked.into_iter().take(max).map(|(_, _, text, subject)| (subject, text)).collect();
        Self { chosen, omitted }
    }

    /// The canonical text, if the subject has series of its own.
    pub(super) fn text(&self, subject: Subject<'a>) -> Option<&str> {
        self.chosen.get(&subject).map(String::as_str)
    }

    /// How many of a bucket have none.
    pub(super) fn omitted(&self, bucket: &str) -> u64 {
        self.omitted.get(bucket).copied().unwrap_or_default()
    }
}
