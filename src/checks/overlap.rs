//! Two blocks of one stream hold the same time: two producers, or a compaction that nobody cleaned up.

use std::collections::BTreeSet;

use ulid::Ulid;

use super::estate::{Placed, Stream};
use super::scope::span;
use super::{Check, Scope};
use crate::model::{BlockMeta, DAY_MS, Finding, Interval, Need, Resolution, Severity, ulid_time};

pub(super) static CHECK: Check = Check {
    id: "overlap",
    needs: &[Need::Listing, Need::Metas, Need::Marks],
    severity: Severity::Warning,
    params: &[],
    run,
};

/// A compactor marks what it has replaced within its next passes.
const MARKED_WITHIN_MS: i64 = DAY_MS;

fn run(scope: &Scope<'_>) -> Vec<Finding> {
    scope.estate.streams.iter().flat_map(|stream| judge(scope, stream)).collect()
}

/// One finding per stretch of time in which blocks overlap.
fn judge(scope: &Scope<'_>, stream: &Stream) -> Vec<Finding> {
    let blocks = scope.estate.blocks_of(stream, Resolution::Raw).iter();
    // where a block claims to reach into the future nothing is known of its end
    let counted = blocks.filter(|block| {
        block.settled && !block.meta.hinted && !block.is_being_deleted() && !scope.estate.is_ahead(block)
    });
    let mut open: Vec<&Placed<'_>> = Vec::new();
    let mut stretches: Vec<(Interval, BTreeSet<Ulid>)> = Vec::new();
    for block in counted {
        open.retain(|earlier| earlier.meta.interval.end > block.meta.interval.start);
        for earlier in &open {
            let Some(common) = earlier.meta.interval.intersection(block.meta.interval) else {
                continue;
            };
            if common.len_ms() <= sample_ms(earlier.meta).max(sample_ms(block.meta))
                || is_being_cleaned_up(scope, earlier, block)
            {
                continue;
            }
            let both = [earlier.ulid(), block.ulid()];
            match stretches.last_mut() {
                Some((stretch, ulids)) if both.iter().any(|ulid| ulids.contains(ulid)) => {
                    *stretch = stretch.hull(common);
                    ulids.extend(both);
                }
                _ => stretches.push((common, both.into())),
            }
        }
        open.push(block);
    }
    stretches.into_iter().map(|(stretch, ulids)| finding(scope, stream, stretch, &ulids)).collect()
}

fn finding(scope: &Scope<'_>, stream: &Stream, stretch: Interval, ulids: &BTreeSet<Ulid>) -> Finding {
    let vertical = scope.estate.has_vertical_compaction();
    let names: Vec<String> = ulids.iter().take(20).map(ToString::to_string).collect();
    let consequence = if vertical { "the compactor will merge them" } else { "a compactor halts on them" };
    let message = format!(
        "{} blocks of {} overlap from {}: {}{}; {consequence}",
        ulids.len(),
        stream.labels,
        span(stretch),
        names.iter().take(4).cloned().collect::<Vec<_>>().join(", "),
        if names.len() > 4 { ", …" } else { "" },
    );
    let remedy = if vertical {
        "nothing, while the compactor keeps up"
    } else {
        "look for two producers with the same external labels and tell them apart by a replica label; after a failed \
         compaction mark the replaced blocks for deletion; if overlaps are meant, turn vertical compaction on"
    };
    let mut finding = scope.stream_finding(&stream.labels, Resolution::Raw, message, remedy).at_risk(stretch);
    finding.subject.start = Some(stretch.start);
    if vertical {
        finding.severity = Severity::Info;
    }
    finding.with("blocks", names).with("block_count", ulids.len())
}

/// One holds the sources of the other and is so new that the compactor has still to mark it.
fn is_being_cleaned_up(scope: &Scope<'_>, a: &Placed<'_>, b: &Placed<'_>) -> bool {
    let replaced_by = |old: &Placed<'_>, new: &Placed<'_>| {
        let named = new.meta.rewrite_sources.contains(&old.ulid());
        let held = !old.meta.sources.is_empty() && old.meta.sources.iter().all(|s| new.meta.sources.contains(s));
        let since = new.meta.upload_time.unwrap_or_else(|| ulid_time(new.ulid()));
        (named || held) && scope.now().since(since) <= MARKED_WITHIN_MS
    };
    replaced_by(a, b) || replaced_by(b, a)
}

/// About the time between two samples of a series, in ms: ends and starts of blocks differ by as much.
fn sample_ms(meta: &BlockMeta) -> i64 {
    let per_series = match (meta.stats.samples, meta.stats.series) {
        (Some(samples), Some(series)) if series > 0 && samples > 0 => (samples / series).max(1),
        _ => return 1,
    };
    let most = 15 * crate::model::MINUTE_MS;
    i64::try_from(per_series).map_or(1, |count| (meta.interval.len_ms() / count).clamp(1, most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::kit::{Kit, Spec, at};
    use crate::model::{Labels, MINUTE_MS};

    #[test]
    fn two_blocks_of_one_stream_at_one_time_overlap() {
        let mut kit = Kit::healthy(49);
        kit.none(CHECK.id);
        let other = kit.add(Spec::new("a", 10, 12));
        let finding = kit.one(CHECK.id);
        assert_eq!((finding.severity, finding.interval), (Severity::Warning, Some(Interval::new(at(10), at(12)))));
        assert!(finding.message.contains(&other.to_string()));
        kit.policy.buckets.entry("thanos".into()).or_default().vertical_compaction = Some(true);
        assert_eq!(kit.one(CHECK.id).severity, Severity::Info);
    }

    #[test]
    fn a_stream_made_of_replicas_shows_that_vertical_compaction_is_on() {
        let mut kit = Kit::healthy(49);
        kit.add(Spec::new("a", 10, 12));
        let mut whole = Spec::compacted("a", 0, 2, &[]);
        whole.labels = Labels::from([("cluster", "eu1")]);
        kit.add(whole);
        assert_eq!(kit.one(CHECK.id).severity, Severity::Info);
    }

    #[test]
    fn a_sample_hints_marks_uploads_and_replicas_do_not_overlap() {
        // 1,000 samples an hour in 100 series: one in 6 min
        for (minutes, fires) in [(6, 0), (7, 1)] {
            let mut kit = Kit::healthy(49);
            let ulid = *kit.view.blocks.keys().nth(5).unwrap();
            kit.edit_meta(ulid, |meta| meta.interval.end = meta.interval.end.plus(minutes * MINUTE_MS));
            assert_eq!(kit.run(CHECK.id).len(), fires, "{minutes} min");
        }
        let mut kit = Kit::healthy(49);
        kit.add(Spec { hinted: true, ..Spec::new("a", 10, 12) });
        kit.add(Spec::new("b", 10, 12));
        let marked = kit.add(Spec::new("a", 20, 22));
        kit.mark(marked, 25, "outdated block");
        let fresh = kit.add(Spec::new("a", 20, 22));
        kit.edit_meta(fresh, |meta| meta.upload_time = Some(at(49).minus(MINUTE_MS)));
        kit.none(CHECK.id);
    }

    #[test]
    fn a_compacted_block_may_stand_beside_its_sources_for_a_day() {
        for (uploaded, fires) in [(25, 0), (24, 1)] {
            let mut kit = Kit::healthy(49);
            let sources: Vec<_> = kit.view.blocks.keys().take(4).copied().collect();
            let result = kit.add(Spec::compacted("a", 0, 8, &sources));
            kit.edit_meta(result, |meta| meta.upload_time = Some(at(uploaded)));
            kit.view.observed_at = at(49);
            assert_eq!(kit.run(CHECK.id).len(), fires, "uploaded at {uploaded}");
        }
    }

    #[test]
    fn duplicates_are_one_stretch_per_window() {
        let mut kit = Kit::healthy(49);
        kit.fill("a", 0, 48);
        kit.view.observed_at = at(50);
        assert_eq!(kit.run(CHECK.id).len(), 24);
    }
}
