//! `/api/v1/blocks`: every block directory of the newest complete listing.

use std::ops::RangeInclusive;
use std::sync::Arc;

use serde::Serialize;
use ulid::Ulid;

use super::page::{Page, PageQuery, judged_at, to_json};
use super::problem::Problem;
use super::query::{Parameter, Query};
use super::{Endpoint, Prepared};
use crate::model::{
    BlockMeta, BlockView, BucketView, DeletionMark, Interval, Labels, MarkState, MetaState, Published, Resolution,
    Snapshot, TimestampMs, parse_ulid, ulid_time,
};

pub(super) static ENDPOINT: Endpoint = Endpoint {
    path: "/api/v1/blocks",
    parameters: &[
        Parameter::several("bucket"),
        Parameter::one("stream"),
        Parameter::several("resolution"),
        Parameter::one("block"),
        Parameter::one("min_time"),
        Parameter::one("max_time"),
        Parameter::one("limit"),
        Parameter::one("cursor"),
    ],
    prepare,
};

#[derive(Serialize)]
struct Blocks<'a> {
    version: u32,
    at: Option<TimestampMs>,
    total: usize,
    next: Option<String>,
    blocks: Vec<Block<'a>>,
}

#[derive(Serialize)]
struct Block<'a> {
    bucket: &'a str,
    block: String,
    created: TimestampMs,
    objects: usize,
    bytes: u64,
    meta: &'static str,
    stream: Option<&'a Labels>,
    resolution: Option<Resolution>,
    interval: Option<Interval>,
    level: Option<u32>,
    samples: Option<u64>,
    series: Option<u64>,
    superseded: Option<bool>,
    deletion_mark: Option<Mark<'a>>,
    no_compact_mark: bool,
    no_downsample_mark: bool,
}

/// A deletion mark that is there. One that cannot be read says nothing.
#[derive(Serialize)]
struct Mark<'a> {
    time: Option<TimestampMs>,
    details: Option<&'a str>,
}

/// What was asked.
struct Question<F> {
    limit: usize,
    after: Option<(String, Ulid)>,
    range: RangeInclusive<Ulid>,
    buckets: Vec<String>,
    /// What has to be asked of each block, if anything.
    wanted: Option<F>,
}

type Place<'a> = (&'a Arc<str>, &'a BlockView);

fn prepare(query: &Query) -> Result<Prepared, Problem> {
    let page: PageQuery<(String, String)> = PageQuery::of(query)?;
    let after = page.after.map(|(bucket, block)| parse_ulid(&block).map(|ulid| (bucket, ulid)));
    let after = after.map(|key| key.ok_or_else(|| Problem::parameter("cursor", "expected `next` of the page before")));
    let question = Question {
        limit: page.limit,
        after: after.transpose()?,
        range: query.block()?.unwrap_or(EVERY),
        buckets: query.texts("bucket").to_vec(),
        wanted: filter(query)?,
    };
    Ok(Box::new(move |published| answer(published, &question)))
}

const EVERY: RangeInclusive<Ulid> = Ulid::nil()..=Ulid(u128::MAX);

fn answer<F: Fn(&BlockView) -> bool>(published: &Published, question: &Question<F>) -> Result<Vec<u8>, Problem> {
    let Question { limit, after, range, buckets, wanted } = question;
    let views = || {
        let named = |name: &str| buckets.is_empty() || buckets.iter().any(|bucket| bucket == name);
        published.views.iter().filter(move |(name, _)| named(name))
    };

    let total = match wanted {
        None if *range == EVERY => views().map(|(_, view)| view.blocks.len()).sum(),
        None => views().map(|(_, view)| view.blocks.range(range.clone()).count()).sum(),
        Some(wanted) => {
            let count = |view: &BucketView| view.blocks.range(range.clone()).filter(|(_, block)| wanted(block)).count();
            views().map(|(_, view)| count(view)).sum()
        }
    };
    let rest = views().flat_map(|(name, view)| {
        let from = match after {
            Some((bucket, _)) if **name < **bucket => None,
            Some((bucket, ulid)) if **name == **bucket => ulid.0.checked_add(1).map(Ulid),
            _ => Some(Ulid::nil()),
        };
        // an empty range is none that a tree takes
        let from = from.map(|from| from.max(*range.start())).filter(|from| from <= range.end());
        let blocks = from.map(|from| view.blocks.range(from..=*range.end())).into_iter().flatten();
        blocks.map(move |(_, block)| (name, block))
    });
    let rest = rest.filter(|(_, block)| wanted.as_ref().is_none_or(|wanted| wanted(block)));
    let Page { items, next } =
        Page::take(rest, *limit, |(bucket, block): &Place<'_>| (bucket.to_string(), block.ulid.to_string()))?;
    let blocks = items.into_iter().map(|place| describe(place, &published.snapshot)).collect();
    to_json(&Blocks { version: 1, at: judged_at(published), total, next, blocks })
}

/// What has to be asked of each block, if anything.
fn filter(query: &Query) -> Result<Option<impl Fn(&BlockView) -> bool + Send + use<>>, Problem> {
    let (selector, resolutions) = (query.selector()?, query.resolutions()?);
    let (min_time, max_time) = (query.time("min_time")?, query.time("max_time")?);
    let asks = selector.is_some() || !resolutions.is_empty() || min_time.is_some() || max_time.is_some();
    let fits = move |meta: &BlockMeta| {
        min_time.is_none_or(|min| meta.interval.end > min)
            && max_time.is_none_or(|max| meta.interval.start <= max)
            && (resolutions.is_empty() || resolutions.contains(&meta.resolution))
            && selector.as_ref().is_none_or(|selector| selector.matches(&meta.labels))
    };
    // a block without a description has no stream and no time
    Ok(asks.then_some(move |block: &BlockView| block.meta.meta().is_some_and(|meta| fits(meta))))
}

fn describe<'a>((bucket, block): Place<'a>, snapshot: &Snapshot) -> Block<'a> {
    let meta = block.meta.meta();
    Block {
        bucket,
        block: block.ulid.to_string(),
        created: ulid_time(block.ulid),
        objects: block.objects.len(),
        bytes: block.bytes(),
        meta: match &block.meta {
            MetaState::Absent => "absent",
            MetaState::Unknown(_) => "unknown",
            MetaState::Read { meta: Some(_), problems } if problems.is_empty() => "ok",
            MetaState::Read { .. } => "invalid",
        },
        stream: meta.map(|meta| &*meta.labels),
        resolution: meta.map(|meta| meta.resolution),
        interval: meta.map(|meta| meta.interval),
        level: meta.map(|meta| meta.level),
        samples: meta.and_then(|meta| meta.stats.samples),
        series: meta.and_then(|meta| meta.stats.series),
        superseded: meta.and_then(|meta| is_superseded(snapshot, bucket, block.ulid, meta)),
        deletion_mark: block.marks.deletion.as_ref().map(|mark| {
            let read: Option<&DeletionMark> = MarkState::read(mark);
            Mark { time: read.map(|read| read.time), details: read.map(|read| read.details.as_str()) }
        }),
        no_compact_mark: block.marks.no_compact.is_some(),
        no_downsample_mark: block.marks.no_downsample.is_some(),
    }
}

/// As it was judged; `None` where the block has no place in the judgement.
fn is_superseded(snapshot: &Snapshot, bucket: &str, ulid: Ulid, meta: &BlockMeta) -> Option<bool> {
    let bucket = snapshot.buckets.iter().find(|summary| *summary.bucket == *bucket)?;
    let stream = bucket.streams.binary_search_by(|stream| stream.labels.cmp(&meta.labels)).ok()?;
    let timelines = &bucket.streams.get(stream)?.timelines;
    let blocks = &timelines.iter().find(|timeline| timeline.resolution == meta.resolution)?.blocks;
    let place = (meta.interval.start, ulid);
    let idx = blocks.binary_search_by_key(&place, |block| (block.interval.start, block.ulid)).ok()?;
    Some(blocks.get(idx)?.superseded)
}
