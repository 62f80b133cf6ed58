//! `/api/v1/streams`: how far each stream reaches, and what of it is missing.

use std::collections::BTreeMap;

use serde::Serialize;

use super::page::{Page, PageQuery, judged_at, to_json};
use super::problem::Problem;
use super::query::{Parameter, Query};
use super::{Endpoint, Prepared};
use crate::model::{
    FindingCounts, Interval, Labels, Published, Resolution, SECOND_MS, Selector, Snapshot, StreamSummary, Timeline,
    TimestampMs,
};

pub(super) static ENDPOINT: Endpoint = Endpoint {
    path: "/api/v1/streams",
    parameters: &[
        Parameter::several("bucket"),
        Parameter::one("stream"),
        Parameter::one("limit"),
        Parameter::one("cursor"),
    ],
    prepare,
};

#[derive(Serialize)]
struct Streams<'a> {
    version: u32,
    at: Option<TimestampMs>,
    total: usize,
    next: Option<String>,
    streams: Vec<Stream<'a>>,
}

#[derive(Serialize)]
struct Stream<'a> {
    bucket: &'a str,
    stream: &'a Labels,
    derived: bool,
    lag_seconds: Option<i64>,
    newest: Option<TimestampMs>,
    deadline: Option<TimestampMs>,
    findings: FindingCounts,
    timelines: Vec<Resolved<'a>>,
}

/// One resolution.
#[derive(Serialize)]
struct Resolved<'a> {
    resolution: Resolution,
    oldest: Option<TimestampMs>,
    newest: Option<TimestampMs>,
    blocks: usize,
    bytes: u64,
    gap_seconds: i64,
    holes: &'a [Interval],
}

/// What the findings say of one stream.
#[derive(Clone, Copy, Default)]
struct Said {
    counts: FindingCounts,
    deadline: Option<TimestampMs>,
}

fn prepare(query: &Query) -> Result<Prepared, Problem> {
    let page = PageQuery::of(query)?;
    let (buckets, selector) = (query.texts("bucket").to_vec(), query.selector()?);
    Ok(Box::new(move |published| answer(published, &page, &buckets, selector.as_ref())))
}

fn answer(
    published: &Published,
    page: &PageQuery<(String, Labels)>,
    buckets: &[String],
    selector: Option<&Selector>,
) -> Result<Vec<u8>, Problem> {
    let snapshot = &*published.snapshot;
    let all = || {
        let buckets = snapshot
            .buckets
            .iter()
            .filter(|bucket| buckets.is_empty() || buckets.iter().any(|wanted| **wanted == *bucket.bucket));
        let streams = buckets.flat_map(|bucket| bucket.streams.iter().map(|stream| (&*bucket.bucket, stream)));
        streams.filter(|(_, stream)| selector.is_none_or(|selector| selector.matches(&stream.labels)))
    };
    let is_later = |(bucket, stream): &(&str, &StreamSummary)| {
        page.after.as_ref().is_none_or(|(name, labels)| (*bucket, &*stream.labels) > (name.as_str(), labels))
    };
    let Page { items, next } =
        Page::take(all().filter(is_later), page.limit, |(bucket, stream)| (bucket.to_owned(), &stream.labels))?;
    let said = said(snapshot);
    let streams = items.into_iter().map(|(bucket, stream)| {
        let said = said.get(&(bucket, &*stream.labels)).copied().unwrap_or_default();
        Stream {
            bucket,
            stream: &stream.labels,
            derived: stream.derived,
            lag_seconds: stream.lag_ms.map(|lag| lag / SECOND_MS),
            newest: stream.newest,
            deadline: said.deadline,
            findings: said.counts,
            timelines: stream.timelines.iter().map(resolved).collect(),
        }
    });
    let streams = streams.collect();
    to_json(&Streams { version: 1, at: judged_at(published), total: all().count(), next, streams })
}

fn said(snapshot: &Snapshot) -> BTreeMap<(&str, &Labels), Said> {
    let mut all: BTreeMap<(&str, &Labels), Said> = BTreeMap::new();
    for finding in &snapshot.findings {
        let Some(labels) = finding.subject.stream.as_deref() else { continue };
        let said = all.entry((&*finding.subject.bucket, labels)).or_default();
        said.counts.add(finding.severity);
        said.deadline = said.deadline.into_iter().chain(finding.deadline).min();
    }
    all
}

fn resolved(timeline: &Timeline) -> Resolved<'_> {
    let hull = timeline.coverage.hull();
    let gap_ms: i64 = timeline.holes.iter().map(|hole| hole.len_ms()).sum();
    Resolved {
        resolution: timeline.resolution,
        oldest: hull.map(|hull| hull.start),
        newest: hull.map(|hull| hull.end),
        blocks: timeline.blocks.len(),
        bytes: timeline.blocks.iter().map(|block| block.bytes).sum(),
        gap_seconds: gap_ms / SECOND_MS,
        holes: &timeline.holes,
    }
}
