//! Data that the ledger saw is gone before its declared retention.

use super::estate::Gone;
use super::retention_list::per_stream_of;
use super::scope::span;
use super::{Check, Scope};
use crate::model::{EndReason, Finding, Need, Severity, format_duration_ms};

pub(super) static CHECK: Check = Check {
    id: "retention_premature",
    needs: &[Need::Listing, Need::Metas, Need::Ledger],
    severity: Severity::Critical,
    params: &[],
    run,
};

fn run(scope: &Scope<'_>) -> Vec<Finding> {
    let estate = scope.estate;
    if estate.mass_loss.is_some() {
        return Vec::new();
    }
    let premature = estate.gone.iter().filter(|gone| is_premature(scope, gone));
    let metas = premature.filter_map(|gone| Some((gone.ulid, &**gone.past.meta.as_ref()?)));
    let findings = per_stream_of(metas).into_iter().map(|group| {
        let retention = estate.retention_ms(&group.labels, group.resolution).unwrap_or(0);
        let stream = estate.stream(&group.labels);
        let copied = stream.is_some_and(|stream| estate.has_copy(stream, group.resolution, group.hull));
        let declared = if retention == 0 { "for ever".to_owned() } else { format_duration_ms(retention) };
        let message = format!(
            "{} of {} at resolution {}, {}, went before the declared retention ({declared})",
            group.count(),
            group.labels,
            group.resolution,
            span(group.hull),
        );
        let remedy = "compare the compactor's `--retention.resolution-*` flags and the bucket's lifecycle rules with \
                      `retention` here, and stop whichever deletes too early; bring the blocks back from versioning or a \
                      copy of the bucket";
        let severity = if copied { Severity::Warning } else { scope.check.severity };
        group.finding(scope, message, remedy).with_severity(severity).with("retention_seconds", retention / 1_000)
    });
    findings.collect()
}

/// Deleted by way of a mark, or taken from the old end of its stream, while it was younger than the retention that was
/// then in force. What went unmarked from the middle is `block_vanished` alone: no retention does that.
fn is_premature(scope: &Scope<'_>, gone: &Gone<'_>) -> bool {
    let estate = scope.estate;
    let Some(meta) = &gone.past.meta else {
        return false;
    };
    let by_retention = match estate.end_reason(gone) {
        EndReason::Marked => true,
        EndReason::Vanished => estate.is_behind_horizon(gone),
        EndReason::Superseded | EndReason::Expired | EndReason::Partial => false,
    };
    let went = estate.gone_since(gone);
    let mut history = estate.past.retention.iter().filter(|seen| seen.resolution == meta.resolution);
    let then = history.rfind(|seen| seen.since <= went).map(|seen| seen.retention_ms);
    let now = estate.retention_ms(&meta.labels, meta.resolution);
    let young = |retention: i64| retention == 0 || went < meta.interval.end.plus(retention);
    // both have to agree: what was allowed then, or is allowed now, is no loss
    by_retention && now.is_some_and(young) && then.is_none_or(|then| then.is_some_and(young))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::kit::{Kit, at};
    use crate::model::{End, HOUR_MS, Resolution, RetentionSeen};

    fn marked_and_gone(retention: Option<i64>) -> Kit {
        let mut kit = Kit::healthy(101);
        let first = *kit.view.blocks.keys().next().unwrap();
        kit.mark(first, 20, "block exceeding retention of 12h0m0s");
        kit.remember(10, 100);
        kit.vanish(first);
        kit.policy.buckets.entry("thanos".into()).or_default().retention.raw = retention.map(|hours| hours * HOUR_MS);
        kit
    }

    #[test]
    fn data_that_went_before_its_retention_is_critical() {
        // the block ended at hour 2 and is found gone at hour 101
        for (retention, fires) in [(Some(100), 1), (Some(0), 1), (Some(98), 0), (None, 0)] {
            let kit = marked_and_gone(retention);
            let found = kit.run(CHECK.id);
            assert_eq!(found.len(), fires, "{retention:?}");
            assert!(found.iter().all(|finding| finding.severity == Severity::Critical));
            kit.none("block_vanished");
        }
    }

    #[test]
    fn the_retention_then_in_force_counts() {
        let seen = |hour, hours: i64| RetentionSeen {
            since: at(hour),
            resolution: Resolution::Raw,
            retention_ms: Some(hours * HOUR_MS),
        };
        let mut kit = marked_and_gone(Some(500));
        let first = *kit.past.blocks.keys().next().unwrap();
        kit.past.blocks.get_mut(&first).unwrap().end = Some(End { at: at(80), reason: EndReason::Marked });
        kit.past.retention = vec![seen(0, 50), seen(90, 500)];
        kit.none(CHECK.id);
        kit.past.retention = vec![seen(0, 500)];
        kit.one(CHECK.id);
    }

    #[test]
    fn the_old_end_that_went_without_marks_is_premature_but_a_hole_is_not() {
        let mut kit = Kit::healthy(101);
        let blocks: Vec<_> = kit.view.blocks.keys().copied().collect();
        kit.remember(10, 100);
        kit.policy.buckets.entry("thanos".into()).or_default().retention.raw = Some(500 * HOUR_MS);
        kit.vanish(blocks[20]);
        kit.none(CHECK.id);
        kit.vanish(blocks[0]);
        kit.vanish(blocks[1]);
        assert_eq!(kit.one(CHECK.id).evidence["block_count"], 2);
    }
}
