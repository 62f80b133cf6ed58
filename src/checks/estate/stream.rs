//! What is worked out of a stream once its blocks are known.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Estate, LIVE_WITHIN_MS, Placed, Stream};
use crate::model::{
    BlockSource, DAY_MS, HOUR_MS, Interval, IntervalSet, Labels, MINUTE_MS, Resolution, TimestampMs, ulid_time,
};

/// Prometheus' default block range, where too few blocks are there to tell.
const DEFAULT_RANGE_MS: i64 = 2 * HOUR_MS;
/// So many level-1 blocks are enough to tell.
const ENOUGH_BLOCKS: usize = 3;

/// The results.
#[derive(Debug)]
pub(super) struct WorkedOut {
    derived: bool,
    ruler: bool,
    coverage: BTreeMap<Resolution, IntervalSet>,
    newest_raw: Option<TimestampMs>,
    live_since: Option<TimestampMs>,
    range_ms: i64,
}

impl Stream {
    /// A stream whose blocks are still to be placed.
    pub(super) fn new(labels: Arc<Labels>, group: usize) -> Self {
        Self {
            labels,
            group,
            derived: true,
            ruler: false,
            blocks: BTreeMap::new(),
            coverage: BTreeMap::new(),
            newest_raw: None,
            live_since: None,
            range_ms: DEFAULT_RANGE_MS,
        }
    }

    pub(super) fn take(&mut self, worked_out: WorkedOut) {
        self.derived = worked_out.derived;
        self.ruler = worked_out.ruler;
        self.coverage = worked_out.coverage;
        self.newest_raw = worked_out.newest_raw;
        self.live_since = worked_out.live_since;
        self.range_ms = worked_out.range_ms;
    }
}

/// Cut within 7 d of its data: not backfilled. A compacted block is as old as its sources are.
pub(super) fn is_live(block: &Placed<'_>) -> bool {
    let newest = block.meta.sources.iter().map(|source| ulid_time(*source)).max();
    newest.unwrap_or_else(|| ulid_time(block.ulid())).since(block.meta.interval.end) <= LIVE_WITHIN_MS
}

pub(super) fn work_out(estate: &Estate<'_>, stream: &Stream) -> WorkedOut {
    let raw = estate.blocks_of(stream, Resolution::Raw);
    let remembered = estate.past.streams.get(&stream.labels);
    let every = || Resolution::ALL.into_iter().flat_map(|resolution| estate.blocks_of(stream, resolution));
    let produced = every().filter(|block| block.meta.source.is_producer());
    let ruled = every().filter(|block| block.meta.source == BlockSource::Ruler).count();
    let produced = produced.count();

    // the data of a block that claims to reach into the future ends now, as far as anyone can tell
    let horizon = estate.now.plus(HOUR_MS);
    let coverage = Resolution::ALL.into_iter().filter_map(|resolution| {
        let parts = estate.blocks_of(stream, resolution).iter().flat_map(|block| block.cover.parts());
        let cut = parts.map(|part| Interval::new(part.start, part.end.min(horizon)));
        let set: IntervalSet = cut.collect();
        (!set.is_empty()).then_some((resolution, set))
    });

    let newest = raw.iter().filter_map(|block| newest_sample(estate, block)).max();
    WorkedOut {
        derived: produced == 0 && remembered.is_none(),
        ruler: produced > 0 && ruled == produced,
        coverage: coverage.collect(),
        // what is gone lags; only of a stream without any raw block left it is asked when the last one ended
        newest_raw: newest.or(remembered.map(|past| past.newest_max_time)),
        live_since: raw.iter().filter(|block| is_live(block)).map(|block| block.meta.interval.start).min(),
        range_ms: estate.policy.block_range_ms(&stream.labels).unwrap_or_else(|| commonest_span(raw)),
    }
}

/// An out-of-order block ends on the grid, which may lie ahead of its cut; its samples cannot. Nor can those of a block
/// that claims to reach into the future, unless its cut is dated there as well: then it says nothing.
fn newest_sample(estate: &Estate<'_>, block: &Placed<'_>) -> Option<TimestampMs> {
    let (end, cut) = (block.meta.interval.end, ulid_time(block.ulid()));
    if estate.is_ahead(block) {
        (cut <= estate.now).then(|| end.min(cut))
    } else if block.meta.hinted {
        Some(end.min(cut))
    } else {
        Some(end)
    }
}

/// The commonest span of plain level-1 blocks, rounded to the grid.
fn commonest_span(raw: &[Placed<'_>]) -> i64 {
    let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
    let plain = raw.iter().filter(|block| block.meta.is_plain_level_one() && !block.meta.interval.is_empty());
    let mut total: usize = 0;
    for block in plain {
        *counts.entry(round_to_grid(block.meta.interval.len_ms())).or_default() += 1;
        total += 1;
    }
    if total < ENOUGH_BLOCKS {
        return DEFAULT_RANGE_MS;
    }
    // of equally common spans the longest, so that nothing is called late too early
    counts.into_iter().max_by_key(|(span, count)| (*count, *span)).map_or(DEFAULT_RANGE_MS, |(span, _)| span)
}

/// To whole minutes, and from 30 min on to whole half hours: blocks start at their first sample, not on the grid.
fn round_to_grid(span_ms: i64) -> i64 {
    let grid = if span_ms >= 30 * MINUTE_MS { 30 * MINUTE_MS } else { MINUTE_MS };
    let rounded = span_ms.saturating_add(grid / 2) / grid * grid;
    rounded.clamp(MINUTE_MS, 31 * DAY_MS)
}
