//! Blocks were marked for deletion and never deleted: nobody cleans up.

use super::{Check, Param, ParamValue, Scope};
use crate::model::{BlockView, DAY_MS, Finding, MarkState, Need, Severity, TimestampMs, format_duration_ms};

const GRACE: Param = Param {
    name: "grace",
    default: ParamValue::DurationMs(DAY_MS),
    help: "how long after its delete delay a marked block may still be there",
};

pub(super) static CHECK: Check = Check {
    id: "deletion_overdue",
    needs: &[Need::Listing, Need::Marks],
    severity: Severity::Warning,
    params: &[GRACE],
    run,
};

fn run(scope: &Scope<'_>) -> Vec<Finding> {
    let delay = scope.estate.bucket_policy.delete_delay_ms;
    let bound = delay.saturating_add(scope.duration_ms(&GRACE, None));
    let overdue = |block: &'_ BlockView| -> Option<TimestampMs> {
        let mark = block.marks.deletion.as_ref().and_then(MarkState::read)?;
        (scope.now().since(mark.time) > bound).then_some(mark.time)
    };
    let blocks = scope.estate.view.blocks.values();
    let late: Vec<(TimestampMs, &BlockView)> = blocks.filter_map(|block| Some((overdue(block)?, block))).collect();
    let Some(oldest) = late.iter().map(|(time, _)| *time).min() else {
        return Vec::new();
    };
    let count = super::scope::count_of(late.len(), "block");
    let message = format!(
        "{count} marked for deletion still there, the oldest mark {} old with a delete delay of {}: the compactor does \
         not clean up",
        format_duration_ms(scope.now().since(oldest)),
        format_duration_ms(delay),
    );
    let remedy = "look whether the compactor runs, is halted or too busy (it deletes only at the start of a pass) and may \
                  delete; `thanos tools bucket cleanup` does it at once";
    let mut finding = scope.bucket_finding(message, remedy);
    if let [(_, one)] = late.as_slice() {
        finding = match scope.estate.placed(one.ulid) {
            Some(placed) => scope.block_finding(placed, finding.message, remedy),
            None => scope.unplaced_finding(one.ulid, finding.message, remedy),
        };
    }
    let names: Vec<String> = late.iter().take(20).map(|(_, block)| block.ulid.to_string()).collect();
    let bytes: u64 = late.iter().map(|(_, block)| block.bytes()).sum();
    let finding = finding.with("blocks", names).with("block_count", late.len()).with("bytes", bytes);
    vec![finding.with("oldest_mark", oldest.to_string())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::kit::{Kit, Spec};
    use crate::model::HOUR_MS;

    #[test]
    fn a_mark_older_than_its_delay_by_a_day_is_overdue() {
        for (marked, fires) in [(129, 0), (128, 0), (127, 1)] {
            let mut kit = Kit::healthy(200);
            let ulid = *kit.view.blocks.keys().next().unwrap();
            kit.add(Spec::compacted("a", 0, 2, &[ulid]));
            kit.mark(ulid, marked, "source of compacted block");
            let found = kit.run(CHECK.id);
            assert_eq!(found.len(), fires, "marked at {marked}");
            assert!(found.iter().all(|finding| finding.subject.block == Some(ulid)));
        }
    }

    #[test]
    fn many_are_one_finding_and_the_delay_can_be_declared() {
        let mut kit = Kit::healthy(200);
        for ulid in kit.view.blocks.keys().take(30).copied().collect::<Vec<_>>() {
            kit.mark(ulid, 120, "x");
        }
        let finding = kit.one(CHECK.id);
        assert_eq!((finding.subject.block, &finding.evidence["block_count"]), (None, &30.into()));
        kit.policy.buckets.entry("thanos".into()).or_default().delete_delay_ms = 60 * HOUR_MS;
        kit.none(CHECK.id);
    }

    #[test]
    fn a_directory_that_holds_only_a_mark_counts() {
        let mut kit = Kit::healthy(200);
        let ulid = *kit.view.blocks.keys().next().unwrap();
        kit.mark(ulid, 100, "x");
        for name in ["meta.json", "index", "chunks/000001"] {
            kit.remove_object(ulid, name);
        }
        assert_eq!(kit.one(CHECK.id).subject.stream, None);
    }
}
