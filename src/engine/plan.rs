//! What the configured schedule costs, reckoned from one pass.

use std::sync::Arc;

use super::core::Core;
use super::watch::scrub::{Known, blocks_of};
use crate::model::{
    BucketPlan, Fit, Load, ObjectView, PlanDocument, PlannedScrub, RequestCounts, Snapshot, TimestampMs,
};
use crate::verify::scrub::{self, Block, Census};

/// The plan for what was seen.
pub(super) fn plan(core: &Core, snapshot: &Snapshot, now: TimestampMs) -> PlanDocument {
    let settings = &core.policy().scrub;
    let views = core.complete_views();
    let buckets: Vec<BucketPlan> = core
        .buckets()
        .map(|(name, provider, interval_ms)| {
            let summary = snapshot.buckets.iter().find(|summary| summary.bucket == *name);
            let unreachable = summary.and_then(|summary| summary.unreachable.clone());
            let scrubbed = settings.enabled && core.policy().bucket(name).scrub;
            let load = views.get(name).map_or_else(Load::default, |view| {
                let known = Known {
                    policy: core.policy(),
                    past: core.past(name),
                    verified: core.verified(name).map(|verified| &**verified),
                    attempts: core.attempts(name),
                };
                let of = |block: Block| Some((block, &*view.blocks.get(&block.ulid)?.objects));
                let blocks: Vec<(Block, &[ObjectView])> =
                    blocks_of(view, known, settings.level).into_iter().filter_map(of).collect();
                let census = Census {
                    blocks: &blocks,
                    pass: RequestCounts { list: view.requests.list, ..RequestCounts::default() },
                    scan_interval_ms: interval_ms,
                    provider,
                    scrubbed,
                };
                scrub::load(&census, settings, now)
            });
            let bucket = Arc::clone(name);
            BucketPlan { bucket, unreachable, scrubbed, scan_interval_seconds: interval_ms / 1_000, load }
        })
        .collect();
    let total = scrub::total(buckets.iter().map(|bucket| &bucket.load));
    let fit: Fit = scrub::fit(&total, settings, super::threads(settings), now);
    PlanDocument {
        version: 1,
        at: now,
        scrub: PlannedScrub {
            enabled: settings.enabled,
            interval_seconds: settings.interval_ms / 1_000,
            level: settings.level,
            window: (!settings.window.is_always()).then(|| settings.window.text()),
            max_bytes_per_second: settings.max_bytes_per_second,
            max_requests_per_second: settings.max_requests_per_second,
        },
        currency: settings.prices.currency.clone(),
        buckets,
        total,
        fit,
    }
}
