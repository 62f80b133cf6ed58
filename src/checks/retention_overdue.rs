//! Blocks that retention should have removed are still there.

use super::estate::{Estate, Placed};
use super::retention_list::per_stream;
use super::{Check, Param, ParamValue, Scope};
use crate::model::{DAY_MS, Finding, Need, Severity, TimestampMs, format_duration_ms};

const GRACE: Param = Param {
    name: "grace",
    default: ParamValue::DurationMs(2 * DAY_MS),
    help: "how long after its retention a block may still be without a deletion mark",
};

pub(super) static CHECK: Check = Check {
    id: "retention_overdue",
    needs: &[Need::Listing, Need::Metas, Need::Marks],
    severity: Severity::Warning,
    params: &[GRACE],
    run,
};

fn run(scope: &Scope<'_>) -> Vec<Finding> {
    let overdue = |block: &&Placed<'_>| {
        let grace = scope.duration_ms(&GRACE, Some(&block.meta.labels));
        let due = due(scope.estate, block);
        block.deletion().is_none() && due.is_some_and(|due| scope.now() > due.plus(grace))
    };
    let groups = per_stream(scope.estate.blocks.iter().filter(overdue));
    let findings = groups.into_iter().map(|group| {
        let retention = scope.estate.retention_ms(&group.labels, group.resolution).unwrap_or(0);
        let message = format!(
            "{} of {} at resolution {} outlived the declared retention of {}, the oldest ended {} ago: the compactor \
             does not apply retention, or to another value",
            group.count(),
            group.labels,
            group.resolution,
            format_duration_ms(retention),
            format_duration_ms(scope.now().since(group.oldest_end)),
        );
        let remedy = "look whether the compactor runs, is halted (`thanos_compact_halted`) or has other \
                      `--retention.resolution-*` flags than `retention` here; retention runs only after compaction \
                      and downsampling have succeeded";
        group.finding(scope, message, remedy).with("retention_seconds", retention / 1_000)
    });
    findings.collect()
}

/// When retention should have removed the block: a policy that was changed applies from when the change was seen.
fn due(estate: &Estate<'_>, block: &Placed<'_>) -> Option<TimestampMs> {
    let retention = estate.retention_ms(&block.meta.labels, block.meta.resolution).filter(|ms| *ms > 0)?;
    let resolution = block.meta.resolution;
    let history: Vec<_> = estate.past.retention.iter().filter(|seen| seen.resolution == resolution).collect();
    // a change that this very scan sees is not in the history yet
    let changed = match history.as_slice() {
        [.., last] if last.retention_ms != estate.bucket_policy.retention.of(resolution) => Some(estate.now),
        [_, .., last] => Some(last.since),
        [] | [_] => None,
    };
    let expired = block.meta.interval.end.plus(retention);
    Some(changed.map_or(expired, |changed| changed.max(expired)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::kit::{Kit, at};
    use crate::model::{HOUR_MS, Resolution, RetentionSeen};

    fn retain(kit: &mut Kit, hours: i64) {
        kit.policy.buckets.entry("thanos".into()).or_default().retention.raw = Some(hours * HOUR_MS);
    }

    #[test]
    fn blocks_that_outlive_retention_by_two_days_are_one_finding() {
        // the first block ends at hour 2
        for (retention, blocks) in [(51, 0), (50, 1), (46, 3), (0, 0)] {
            let mut kit = Kit::healthy(101);
            kit.none(CHECK.id);
            retain(&mut kit, retention);
            let found = kit.run(CHECK.id);
            assert_eq!(found.len(), usize::from(blocks > 0), "{retention} h");
            assert!(found.iter().all(|finding| finding.evidence["block_count"] == blocks));
        }
    }

    #[test]
    fn a_mark_is_enough() {
        let mut kit = Kit::healthy(101);
        retain(&mut kit, 50);
        let first = *kit.view.blocks.keys().next().unwrap();
        kit.mark(first, 60, "block exceeding retention of 50h0m0s");
        kit.none(CHECK.id);
    }

    #[test]
    fn a_shorter_retention_applies_from_when_it_was_seen() {
        let mut kit = Kit::healthy(101);
        retain(&mut kit, 20);
        let seen = |hour, hours: i64| RetentionSeen {
            since: at(hour),
            resolution: Resolution::Raw,
            retention_ms: Some(hours * HOUR_MS),
        };
        kit.past.retention = vec![seen(0, 90)];
        kit.none(CHECK.id);
        kit.past.retention = vec![seen(0, 90), seen(60, 20)];
        kit.none(CHECK.id);
        kit.past.retention = vec![seen(0, 90), seen(52, 20)];
        kit.one(CHECK.id);
        kit.past.retention = vec![seen(0, 20)];
        kit.one(CHECK.id);
    }
}
