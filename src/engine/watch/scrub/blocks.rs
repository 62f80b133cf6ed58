//! What is known of the blocks of a bucket, as the schedule of the scrub needs it. Pure.

use std::collections::BTreeMap;

use ulid::Ulid;

use crate::checks::{BucketPolicy, Policy, missing_objects};
use crate::model::{BlockView, BucketPast, BucketView, Level, TimestampMs, Verified};
use crate::verify::scrub::{Block, Done, Failed, bytes_at, is_read};

/// What is known of a bucket beside what was seen.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Known<'a> {
    pub(in crate::engine) policy: &'a Policy,
    pub(in crate::engine) past: Option<&'a BucketPast>,
    pub(in crate::engine) verified: Option<&'a Verified>,
    /// When blocks were tried in vain since they were last read.
    pub(in crate::engine) attempts: Option<&'a BTreeMap<Ulid, TimestampMs>>,
}

/// The blocks of a bucket, as they were seen at `view.observed_at`.
pub(in crate::engine) fn blocks_of(view: &BucketView, known: Known<'_>, level: Level) -> Vec<Block> {
    let demands = known.policy.bucket(&view.bucket);
    view.blocks.values().map(|block| of(block, view, known, &demands, level)).collect()
}

fn of(block: &BlockView, view: &BucketView, known: Known<'_>, demands: &BucketPolicy, level: Level) -> Block {
    let ulid = block.ulid;
    let identity = block.identity();
    let written = block.newest_modification().unwrap_or(view.observed_at);
    let meta = block.meta.meta();
    let expires = meta.and_then(|meta| {
        let retention_ms = demands.retention_ms(&meta.labels, meta.resolution).filter(|ms| *ms > 0)?;
        Some(meta.interval.end.plus(retention_ms))
    });
    let marked = block.marks.deletion.as_ref().map(|_| TimestampMs(i64::MIN));
    let copied_until = meta
        .filter(|meta| meta.is_plain_level_one() && meta.source.is_producer())
        .and_then(|meta| Some(meta.interval.end.plus(known.policy.local_retention_ms(&meta.labels)?)));
    let past = known.past.and_then(|past| past.blocks.get(&ulid));
    let failed = known.attempts.and_then(|attempts| attempts.get(&ulid));
    Block {
        ulid,
        identity,
        bytes: bytes_at(&block.objects, level),
        written,
        seen: past.map_or(view.observed_at, |past| past.first_seen),
        ready: ready(block, demands, level),
        leaves: marked.or(expires),
        copied_until,
        done: known.verified.and_then(|verified| Done::of(verified.get(&ulid)?)),
        failed: failed.map(|at| Failed { at: *at, times: 1, identity }),
    }
}

/// From when on a block may be read: once everything is there that its `meta.json`, which is written last, implies. An
/// uploader that notes there when it was done is taken at its word; after any other, listings are given some time.
fn ready(block: &BlockView, demands: &BucketPolicy, level: Level) -> Option<TimestampMs> {
    let meta = block.meta.meta()?;
    let is_archived = block.objects.iter().any(|object| object.is_archived() && is_read(&object.name, level));
    if is_archived || !missing_objects(block, meta).is_empty() {
        return None;
    }
    let listed = block.object("meta.json").map(|object| object.last_modified.plus(demands.consistency_delay_ms));
    meta.upload_time.or(listed)
}
