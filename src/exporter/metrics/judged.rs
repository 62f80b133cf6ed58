//! The heavy part: what the newest judgement says of findings, buckets and streams.

use std::collections::{BTreeMap, BTreeSet};

use super::families::{Families, OTHERS, OfStream, number_of, seconds_of};
use super::subjects::{Subject, Subjects};
use crate::model::{
    BucketSummary, IntervalSet, Metric, MetricLabel, Published, Resolution, Severity, Snapshot, StreamSummary,
    TimestampMs,
};

/// The series of the newest judgement. `checks` are the ids of all checks.
pub(super) fn collect(published: &Published, checks: &[&'static str]) -> Families {
    let mut families = Families::new(published.metrics.clone());
    let snapshot = &*published.snapshot;
    // what was removed from the configuration may still be in a judgement that was made before
    let configured: BTreeSet<&str> = published.service.buckets.iter().map(|status| &*status.bucket).collect();
    let subjects = Subjects::of(snapshot, &configured, published.metrics.max_streams);
    findings(&mut families, snapshot, &configured, &subjects, checks);
    deadlines(&mut families, snapshot, &configured, &subjects);
    for bucket in snapshot.buckets.iter().filter(|bucket| bucket.listed && configured.contains(&*bucket.bucket)) {
        of_bucket(&mut families, bucket, &subjects);
        of_streams(&mut families, bucket, &subjects);
    }
    families
}

/// Where the series of a subject go.
fn place<'a, 's>(subjects: &'s Subjects<'a>, subject: Option<Subject<'a>>) -> (OfStream<'a>, &'s str) {
    match subject {
        None => (OfStream::None, ""),
        Some(subject) => match subjects.text(subject) {
            Some(text) => (OfStream::One(subject.1), text),
            None => (OfStream::Others, OTHERS),
        },
    }
}

fn findings<'a>(
    families: &mut Families,
    snapshot: &'a Snapshot,
    configured: &BTreeSet<&str>,
    subjects: &Subjects<'a>,
    checks: &[&'static str],
) {
    type Key<'k> = (&'k str, &'k str, Severity, &'k str);
    let mut counts: BTreeMap<Key<'_>, (OfStream<'_>, u64)> = BTreeMap::new();
    // a bucket that was not judged yet has no findings that anybody knows of, which is not the same as none
    for bucket in snapshot.buckets.iter().filter(|bucket| configured.contains(&*bucket.bucket)) {
        for check in checks {
            for severity in [Severity::Critical, Severity::Warning, Severity::Info] {
                counts.insert((&bucket.bucket, check, severity, ""), (OfStream::None, 0));
            }
        }
    }
    for finding in snapshot.findings.iter().filter(|finding| configured.contains(&*finding.subject.bucket)) {
        let bucket = &*finding.subject.bucket;
        let (stream, text) = place(subjects, finding.subject.stream.as_deref().map(|labels| (bucket, labels)));
        let (_, count) = counts.entry((bucket, finding.check, finding.severity, text)).or_insert((stream, 0));
        *count = count.saturating_add(1);
    }
    for ((bucket, check, severity, text), (stream, count)) in counts {
        let labels =
            [(MetricLabel::Bucket, bucket), (MetricLabel::Check, check), (MetricLabel::Severity, severity.name())];
        families.set_of(Metric::Findings, &labels, stream, text, number_of(count));
    }
}

fn deadlines<'a>(
    families: &mut Families,
    snapshot: &'a Snapshot,
    configured: &BTreeSet<&str>,
    subjects: &Subjects<'a>,
) {
    let mut earliest: BTreeMap<(&str, &str), (OfStream<'_>, TimestampMs)> = BTreeMap::new();
    for finding in snapshot.findings.iter().filter(|finding| configured.contains(&*finding.subject.bucket)) {
        let Some(deadline) = finding.deadline else { continue };
        let bucket = &*finding.subject.bucket;
        let (stream, text) = place(subjects, finding.subject.stream.as_deref().map(|labels| (bucket, labels)));
        let (_, known) = earliest.entry((bucket, text)).or_insert((stream, deadline));
        *known = deadline.min(*known);
    }
    for ((bucket, text), (stream, deadline)) in earliest {
        let labels = [(MetricLabel::Bucket, bucket)];
        families.set_of(Metric::LossDeadlineTimestamp, &labels, stream, text, seconds_of(deadline.0));
    }
}

fn of_bucket(families: &mut Families, bucket: &BucketSummary, subjects: &Subjects<'_>) {
    let labels = [(MetricLabel::Bucket, &*bucket.bucket)];
    let streams = u64::try_from(bucket.streams.len()).unwrap_or(u64::MAX);
    for (metric, count) in [
        (Metric::BucketBlocks, bucket.blocks),
        (Metric::BucketObjects, bucket.objects),
        (Metric::BucketBytes, bucket.bytes),
        (Metric::Streams, streams),
        (Metric::StreamsOmitted, subjects.omitted(&bucket.bucket)),
    ] {
        families.set(metric, &labels, number_of(count));
    }
}

/// What is said of a stream, or of several together.
#[derive(Debug, Default)]
struct Quantities {
    lag_ms: Option<i64>,
    newest: Option<TimestampMs>,
    bytes: u64,
    gap_ms: i64,
    by_resolution: BTreeMap<Resolution, AtResolution>,
}

#[derive(Debug, Default)]
struct AtResolution {
    oldest: Option<TimestampMs>,
    blocks: u64,
}

impl Quantities {
    fn add(&mut self, stream: &StreamSummary) {
        self.lag_ms = self.lag_ms.max(stream.lag_ms);
        self.newest = earlier(self.newest, stream.newest);
        // what is missing at two resolutions is missing once
        let holes: IntervalSet = stream.timelines.iter().flat_map(|timeline| &timeline.holes).copied().collect();
        let gap: i64 = holes.parts().iter().map(|hole| hole.len_ms()).sum();
        self.gap_ms = self.gap_ms.saturating_add(gap);
        for timeline in &stream.timelines {
            let own = self.by_resolution.entry(timeline.resolution).or_default();
            own.oldest = earlier(own.oldest, timeline.coverage.hull().map(|hull| hull.start));
            own.blocks = own.blocks.saturating_add(u64::try_from(timeline.blocks.len()).unwrap_or(u64::MAX));
            let bytes: u64 = timeline.blocks.iter().map(|block| block.bytes).sum();
            self.bytes = self.bytes.saturating_add(bytes);
        }
    }

    fn write(&self, families: &mut Families, bucket: &str, stream: OfStream<'_>, text: &str) {
        let labels = [(MetricLabel::Bucket, bucket)];
        let values = [
            (Metric::UploadLag, self.lag_ms.map(seconds_of)),
            (Metric::NewestSampleTimestamp, self.newest.map(|time| seconds_of(time.0))),
            (Metric::StreamBytes, Some(number_of(self.bytes))),
            (Metric::CoverageGap, Some(seconds_of(self.gap_ms))),
        ];
        for (metric, value) in values {
            if let Some(value) = value {
                families.set_of(metric, &labels, stream, text, value);
            }
        }
        for (resolution, own) in &self.by_resolution {
            let labels = [(MetricLabel::Bucket, bucket), (MetricLabel::Resolution, resolution.name())];
            let values = [
                (Metric::OldestSampleTimestamp, own.oldest.map(|time| seconds_of(time.0))),
                (Metric::StreamBlocks, Some(number_of(own.blocks))),
            ];
            for (metric, value) in values {
                if let Some(value) = value {
                    families.set_of(metric, &labels, stream, text, value);
                }
            }
        }
    }
}

/// The earlier of two times that may both be unknown.
fn earlier(a: Option<TimestampMs>, b: Option<TimestampMs>) -> Option<TimestampMs> {
    a.into_iter().chain(b).min()
}

fn of_streams(families: &mut Families, bucket: &BucketSummary, subjects: &Subjects<'_>) {
    let mut others: Option<Quantities> = None;
    for stream in &bucket.streams {
        if let Some(text) = subjects.text((&bucket.bucket, &stream.labels)) {
            let mut own = Quantities::default();
            own.add(stream);
            own.write(families, &bucket.bucket, OfStream::One(&stream.labels), text);
        } else {
            others.get_or_insert_default().add(stream);
        }
    }
    if let Some(others) = others {
        others.write(families, &bucket.bucket, OfStream::Others, OTHERS);
    }
}
