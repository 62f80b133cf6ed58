//! A block that the ledger knew whole is gone, and nothing accounts for it.

use super::estate::Gone;
use super::scope::{moment, span};
use super::{Check, Scope};
use crate::model::{Finding, Need, Severity};

pub(super) static CHECK: Check = Check {
    id: "block_vanished",
    needs: &[Need::Listing, Need::Metas, Need::Ledger],
    severity: Severity::Critical,
    params: &[],
    run,
};

fn run(scope: &Scope<'_>) -> Vec<Finding> {
    let estate = scope.estate;
    // a loss of the bucket is one finding of `bucket_empty`
    if estate.mass_loss.is_some() {
        return Vec::new();
    }
    let unexplained = estate.gone.iter().filter(|gone| estate.is_unexplained(gone));
    let vanished = unexplained.filter(|gone| !estate.may_be_replaced_unseen(gone.ulid));
    vanished.filter_map(|gone| judge(scope, gone)).collect()
}

fn judge(scope: &Scope<'_>, gone: &Gone<'_>) -> Option<Finding> {
    let estate = scope.estate;
    let meta = gone.past.meta.as_ref()?;
    let stream = estate.stream(&meta.labels);
    let copied = stream.is_some_and(|stream| estate.has_copy(stream, meta.resolution, meta.interval));
    let since = estate.gone_since(gone);
    let risk = if copied { "a replica holds a copy of it" } else { "nothing else in the bucket holds its data" };
    let message = format!(
        "block {} of {} at resolution {}, {}, is gone since {} without mark, compaction or retention: {risk}",
        gone.ulid,
        meta.labels,
        meta.resolution,
        span(meta.interval),
        moment(since),
    );
    let remedy = "find out who deleted it (access log, lifecycle rules, a second compactor); bring it back from \
                  versioning, from a copy of the bucket or from the producer while its local retention lasts";
    let mut finding = scope.stream_finding(&meta.labels, meta.resolution, message, remedy).at_risk(meta.interval);
    finding.subject.block = Some(gone.ulid);
    if copied {
        finding.severity = Severity::Warning;
    }
    let deadline = estate.policy.local_retention_ms(&meta.labels).map(|local| meta.interval.start.plus(local));
    Some(
        finding
            .until(deadline, scope.now())
            .with("first_seen", gone.past.first_seen.to_string())
            .with("gone_since", since.to_string())
            .with("samples", meta.stats.samples),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::kit::{Kit, Spec};
    use crate::model::{DAY_MS, HOUR_MS, Resolution, RetentionSeen};

    fn with_ledger(now: i64) -> (Kit, Vec<ulid::Ulid>) {
        let mut kit = Kit::new(now);
        let blocks = kit.fill("a", 0, now - 1);
        kit.remember(now - 2, now - 1);
        (kit, blocks)
    }

    #[test]
    fn a_block_that_went_without_a_reason_is_found_wherever_it_was() {
        for idx in [0, 10, 23] {
            let (mut kit, blocks) = with_ledger(49);
            kit.none(CHECK.id);
            kit.vanish(blocks[idx]);
            let finding = kit.one(CHECK.id);
            assert_eq!((finding.subject.block, finding.severity), (Some(blocks[idx]), Severity::Critical), "{idx}");
        }
    }

    #[test]
    fn a_longer_retention_applies_from_when_it_was_declared() {
        for (before_ms, fires) in [(40 * HOUR_MS, 0), (50 * HOUR_MS, 1), (0, 1)] {
            let (mut kit, blocks) = with_ledger(49);
            let policy = kit.policy.buckets.entry("thanos".into()).or_default();
            policy.retention.raw = Some(90 * DAY_MS);
            kit.past.retention = vec![RetentionSeen {
                since: crate::checks::kit::at(40),
                resolution: Resolution::Raw,
                retention_ms: Some(before_ms),
            }];
            kit.vanish(blocks[2]);
            assert_eq!(kit.run(CHECK.id).len(), fires, "{before_ms}");
        }
    }

    #[test]
    fn a_copy_makes_it_a_warning() {
        let (mut kit, blocks) = with_ledger(49);
        kit.fill("b", 0, 48);
        kit.vanish(blocks[10]);
        assert_eq!(kit.one(CHECK.id).severity, Severity::Warning);
    }

    #[test]
    fn marked_superseded_expired_incomplete_and_unconfirmed_blocks_did_not_vanish() {
        let (mut kit, blocks) = with_ledger(49);
        kit.mark(blocks[3], 20, "source of compacted block");
        kit.remember(47, 48);
        kit.vanish(blocks[3]);
        kit.none(CHECK.id);

        let (mut kit, blocks) = with_ledger(49);
        for ulid in &blocks[..4] {
            kit.vanish(*ulid);
        }
        assert_eq!(kit.run(CHECK.id).len(), 4);
        kit.add(Spec::compacted("a", 0, 8, &blocks[..4]));
        kit.none(CHECK.id);

        let (mut kit, blocks) = with_ledger(49);
        kit.vanish(blocks[0]);
        kit.policy.buckets.entry("thanos".into()).or_default().retention.raw = Some(46 * HOUR_MS);
        kit.none(CHECK.id);
        kit.policy.buckets.entry("thanos".into()).or_default().retention.raw = Some(48 * HOUR_MS);
        kit.one(CHECK.id);

        let (mut kit, blocks) = with_ledger(49);
        kit.vanish(blocks[5]);
        kit.past.blocks.get_mut(&blocks[5]).unwrap().complete = false;
        kit.none(CHECK.id);

        let (mut kit, blocks) = with_ledger(49);
        kit.vanish(blocks[5]);
        kit.view.confirmed_gone.clear();
        kit.view.unconfirmed_gone.push((blocks[5], "HEAD says it is there".to_owned()));
        kit.none(CHECK.id);
        kit.none("coverage_gap");
    }

    #[test]
    fn after_days_without_a_scan_the_oldest_block_may_have_expired_unseen() {
        let mut kit = Kit::new(24 * 9);
        let blocks = kit.fill("a", 0, 24 * 9 - 1);
        kit.remember(49, 24 * 9 - 49);
        kit.vanish(blocks[0]);
        kit.none(CHECK.id);
        // but not one in the middle, and not where retention is declared
        kit.vanish(blocks[10]);
        assert_eq!(kit.one(CHECK.id).subject.block, Some(blocks[10]));
        kit.policy.buckets.entry("thanos".into()).or_default().retention.raw = Some(30 * DAY_MS);
        assert_eq!(kit.run(CHECK.id).len(), 2);
    }
}
