//! A deletion mark on a block that is still needed: it can be saved by removing the mark.

use super::estate::Placed;
use super::scope::{moment, span};
use super::{Check, Scope};
use crate::model::{DeletionMark, Finding, Need, Severity};

pub(super) static CHECK: Check = Check {
    id: "deletion_unreplaced",
    needs: &[Need::Listing, Need::Metas, Need::Marks],
    severity: Severity::Critical,
    params: &[],
    run,
};

fn run(scope: &Scope<'_>) -> Vec<Finding> {
    let marked = scope.estate.blocks.iter().filter_map(|block| Some((block, block.deletion()?)));
    let unreplaced = marked.filter(|(block, mark)| {
        !block.superseded
            && !scope.estate.is_expired(block.meta, Some(mark))
            && !scope.estate.may_be_replaced_unseen(block.ulid())
    });
    unreplaced.map(|(block, mark)| judge(scope, block, mark)).collect()
}

fn judge(scope: &Scope<'_>, block: &Placed<'_>, mark: &DeletionMark) -> Finding {
    let deletion = mark.time.plus(scope.estate.bucket_policy.delete_delay_ms);
    let severity = scope.severity_of_block(block);
    let risk =
        if severity == Severity::Critical { "nothing else holds its data" } else { "only a replica holds its data" };
    let reason = if mark.details.is_empty() { "no reason given".to_owned() } else { format!("`{}`", mark.details) };
    let when = if deletion > scope.now() {
        format!("the compactor deletes it after {}", moment(deletion))
    } else {
        "the compactor deletes it in its next pass".to_owned()
    };
    let message = format!(
        "block {} of {} at resolution {}, {}, is marked for deletion ({reason}) though it is neither expired nor \
         replaced: {risk}; {when}",
        block.ulid(),
        block.meta.labels,
        block.meta.resolution,
        span(block.meta.interval),
    );
    let remedy = format!(
        "unless this was meant, stop the compactor, which deletes what it once saw marked; remove the mark: `thanos tools \
         bucket mark --id={} --marker=deletion-mark.json --remove`; start it again",
        block.ulid(),
    );
    scope
        .block_finding(block, message, remedy)
        .with_severity(severity)
        .until(Some(deletion), scope.now())
        .with("marked_at", mark.time.to_string())
        .with("details", mark.details.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::kit::{Kit, Spec, at};
    use crate::model::{HOUR_MS, Labels, MetaState};

    #[test]
    fn a_mark_on_a_block_that_is_needed_is_critical_until_it_is_deleted() {
        let mut kit = Kit::healthy(49);
        let ulid = *kit.view.blocks.keys().nth(5).unwrap();
        kit.none(CHECK.id);
        kit.mark(ulid, 40, "manual");
        let finding = kit.one(CHECK.id);
        assert_eq!((finding.severity, finding.deadline), (Severity::Critical, Some(at(88))));
        kit.fill("b", 0, 48);
        assert_eq!(kit.one(CHECK.id).severity, Severity::Warning);
        kit.view.observed_at = at(89);
        assert_eq!(kit.one(CHECK.id).deadline, None);
    }

    #[test]
    fn a_result_that_cannot_be_read_may_have_replaced_its_sources() {
        for (unread, fires) in [(true, 0), (false, 1)] {
            let mut kit = Kit::healthy(49);
            let sources: Vec<_> = kit.view.blocks.keys().take(4).copied().collect();
            kit.mark(sources[3], 40, "source of compacted block");
            let result = kit.add(Spec::compacted("a", 0, 8, &[]));
            if unread {
                kit.edit(result, |block| block.meta = MetaState::Unknown("HTTP 503".to_owned()));
            } else {
                kit.remove_object(result, "meta.json");
            }
            assert_eq!(kit.run(CHECK.id).len(), fires, "unread: {unread}");
        }
        let mut kit = Kit::healthy(49);
        let sources: Vec<_> = kit.view.blocks.keys().take(4).copied().collect();
        let result = kit.add(Spec::compacted("a", 0, 8, &sources));
        kit.remember(0, 48);
        for source in &sources {
            kit.mark(*source, 40, "source of compacted block");
        }
        kit.view.blocks.remove(&result);
        assert_eq!(kit.run(CHECK.id).len(), 4);
        kit.view.unconfirmed_gone.push((result, "HEAD says it is there".to_owned()));
        kit.none(CHECK.id);
    }

    #[test]
    fn where_blocks_do_not_name_their_sources_nobody_knows_what_replaced_what() {
        for (until, fires) in [(8, 0), (6, 1)] {
            let mut kit = Kit::healthy(49);
            let sources: Vec<_> = kit.view.blocks.keys().take(4).copied().collect();
            kit.mark(sources[3], 40, "source of compacted block");
            let result = kit.add(Spec::compacted("a", 0, until, &sources));
            kit.edit_meta(result, |meta| meta.sources = [].into());
            assert_eq!(kit.run(CHECK.id).len(), fires, "0 to {until} h");
        }
    }

    #[test]
    fn replaced_and_expired_blocks_are_rightly_marked() {
        let mut kit = Kit::healthy(49);
        let sources: Vec<_> = kit.view.blocks.keys().take(4).copied().collect();
        for source in &sources {
            kit.mark(*source, 40, "source of compacted block");
        }
        assert_eq!(kit.run(CHECK.id).len(), 4);
        let result = kit.add(Spec::compacted("a", 0, 8, &sources));
        kit.none(CHECK.id);
        // a result that is marked itself replaces nothing …
        kit.mark(result, 41, "x");
        assert_eq!(kit.run(CHECK.id).len(), 5);
        // … unless its sources are all there, unmarked
        for source in &sources {
            kit.edit(*source, |block| block.marks.deletion = None);
        }
        kit.none(CHECK.id);
    }

    #[test]
    fn a_deduplicating_compactor_replaces_blocks_of_another_stream() {
        let mut kit = Kit::healthy(49);
        let a: Vec<_> = kit.view.blocks.keys().take(4).copied().collect();
        let b = kit.fill("b", 0, 8);
        let all = [a, b].concat();
        let mut whole = Spec::compacted("a", 0, 8, &all);
        whole.labels = Labels::from([("cluster", "eu1")]);
        kit.add(whole);
        for source in all {
            kit.mark(source, 40, "source of compacted block");
        }
        kit.none(CHECK.id);
    }

    #[test]
    fn retention_accounts_for_a_mark_by_declaration_or_by_the_compactors_own_words() {
        let mut kit = Kit::healthy(49);
        let ulid = *kit.view.blocks.keys().next().unwrap();
        kit.mark(ulid, 40, "block exceeding retention of 36h0m0s");
        kit.none(CHECK.id);
        // the words do not fit the time: 2 h + 39 h is after hour 40
        kit.mark(ulid, 40, "block exceeding retention of 39h0m0s");
        kit.one(CHECK.id);
        kit.policy.buckets.entry("thanos".into()).or_default().retention.raw = Some(46 * HOUR_MS);
        kit.none(CHECK.id);
        kit.policy.buckets.entry("thanos".into()).or_default().retention.raw = Some(0);
        kit.one(CHECK.id);
    }
}
