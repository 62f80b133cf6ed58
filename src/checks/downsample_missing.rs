//! A block is about to expire, and the coarser block that should outlive it does not exist.

use super::estate::{Estate, Placed};
use super::retention_list::per_stream;
use super::scope::{moment, span};
use super::{Check, Param, ParamValue, Scope};
use crate::model::{DAY_MS, Finding, Need, Resolution, Severity, TimestampMs};

const BEFORE: Param = Param {
    name: "before",
    default: ParamValue::DurationMs(DAY_MS),
    help: "how long before its retention a block has to be downsampled",
};

pub(super) static CHECK: Check = Check {
    id: "downsample_missing",
    needs: &[Need::Listing, Need::Metas, Need::Marks],
    severity: Severity::Warning,
    params: &[BEFORE],
    run,
};

fn run(scope: &Scope<'_>) -> Vec<Finding> {
    let doomed = scope.estate.blocks.iter().filter(|block| is_doomed(scope, block));
    // a no-downsample mark was put there on purpose
    let (meant, forgotten): (Vec<&Placed<'_>>, Vec<&Placed<'_>>) =
        doomed.partition(|block| block.view.marks.no_downsample.is_some());
    let forgotten = per_stream(forgotten.into_iter()).into_iter().map(|group| (group, scope.check.severity));
    let meant = per_stream(meant.into_iter()).into_iter().map(|group| (group, Severity::Info));
    let findings = forgotten.chain(meant).filter_map(|(group, severity)| {
        let coarse = coarser(group.resolution)?;
        let retention = scope.estate.retention_ms(&group.labels, group.resolution)?;
        let deadline = group.oldest_end.plus(retention);
        let message = format!(
            "{} of {} at resolution {}, {}, expire from {} on and have no block at {coarse} that holds their data",
            group.count(),
            group.labels,
            group.resolution,
            span(group.hull),
            moment(deadline),
        );
        let remedy = "look whether the compactor is halted or downsampling is off; blocks under 40 h (10 d for 5m) are \
                      never downsampled: remove no-compact marks so that they are merged, or raise the retention until \
                      they are";
        let finding = group.finding(scope, message, remedy).with_severity(severity);
        Some(finding.until(Some(deadline), scope.now()))
    });
    findings.collect()
}

const fn coarser(resolution: Resolution) -> Option<Resolution> {
    match resolution {
        Resolution::Raw => Some(Resolution::FiveMinutes),
        Resolution::FiveMinutes => Some(Resolution::OneHour),
        Resolution::OneHour => None,
    }
}

fn is_doomed(scope: &Scope<'_>, block: &Placed<'_>) -> bool {
    let estate = scope.estate;
    let (labels, resolution) = (&block.meta.labels, block.meta.resolution);
    let Some(coarse) = coarser(resolution).filter(|coarse| is_downsampling_on(estate, block, *coarse)) else {
        return false;
    };
    let Some(retention) = estate.retention_ms(labels, resolution).filter(|retention| *retention > 0) else {
        return false;
    };
    let soon: TimestampMs = scope.now().plus(scope.duration_ms(&BEFORE, Some(labels)));
    let end = block.meta.interval.end;
    // where the coarser block would expire as well, nothing is lost by its absence
    let outlives = estate.retention_ms(labels, coarse).is_none_or(|ms| ms == 0 || end.plus(ms) > soon);
    let held = block.downsampled || block.superseded || estate.may_be_replaced_unseen(block.ulid());
    !held && end.plus(retention) < soon && outlives
}

fn is_downsampling_on(estate: &Estate<'_>, block: &Placed<'_>, coarse: Resolution) -> bool {
    let labels = &block.meta.labels;
    let declared = Resolution::ALL.into_iter().filter(|resolution| *resolution >= coarse);
    declared.into_iter().any(|resolution| estate.retention_ms(labels, resolution).is_some())
        || estate.coarsest() >= coarse
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::kit::{Kit, Spec, at};
    use crate::checks::policy::Retention;
    use crate::model::{HOUR_MS, MarkState, NoDownsampleMark};

    /// One raw block of 48 h that expires at hour 148, then fresh ones.
    fn estate(now: i64, retention: Retention) -> (Kit, ulid::Ulid) {
        let mut kit = Kit::new(now);
        let old = kit.add(Spec::compacted("a", 0, 48, &[]));
        kit.fill("a", 48, now - 1);
        kit.policy.buckets.entry("thanos".into()).or_default().retention = retention;
        (kit, old)
    }

    fn raw_and(five_minutes: Option<i64>) -> Retention {
        Retention { raw: Some(100 * HOUR_MS), five_minutes, one_hour: None }
    }

    #[test]
    fn a_day_before_it_expires_a_block_has_to_be_downsampled() {
        for (now, retention, fires) in [
            (124, raw_and(Some(0)), 0),
            (125, raw_and(Some(0)), 1),
            (125, raw_and(Some(400 * HOUR_MS)), 1),
            (125, raw_and(None), 0),
            (125, Retention { raw: Some(0), ..raw_and(Some(0)) }, 0),
            (125, raw_and(Some(50 * HOUR_MS)), 0),
        ] {
            let (kit, old) = estate(now, retention);
            let found = kit.run(CHECK.id);
            assert_eq!(found.len(), fires, "at {now}: {retention:?}");
            assert!(found.iter().all(|f| f.subject.block == Some(old) && f.deadline == Some(at(148))));
        }
    }

    #[test]
    fn a_coarser_block_with_all_its_sources_saves_it() {
        let (mut kit, old) = estate(125, raw_and(Some(0)));
        let coarse = Spec { resolution: Resolution::FiveMinutes, ..Spec::compacted("a", 0, 48, &[old]) };
        kit.add(coarse);
        kit.none(CHECK.id);
        let (mut kit, _) = estate(125, raw_and(Some(0)));
        let stranger = kit.ulid(at(3));
        kit.add(Spec { resolution: Resolution::FiveMinutes, ..Spec::compacted("a", 0, 40, &[stranger]) });
        kit.one(CHECK.id);
    }

    #[test]
    fn downsampling_that_was_seen_counts_and_a_mark_on_purpose_is_information() {
        let (mut kit, old) = estate(125, raw_and(None));
        let stranger = kit.ulid(at(3));
        kit.add(Spec { resolution: Resolution::FiveMinutes, ..Spec::compacted("b", 0, 40, &[stranger]) });
        assert_eq!(kit.one(CHECK.id).severity, Severity::Warning);
        let mark = NoDownsampleMark { time: at(50), reason: "manual".to_owned() };
        kit.edit(old, |block| block.marks.no_downsample = Some(MarkState::Read(mark)));
        assert_eq!(kit.one(CHECK.id).severity, Severity::Info);
    }

    #[test]
    fn from_5m_to_1h_the_same_holds() {
        let retention = Retention { raw: Some(10 * HOUR_MS), five_minutes: Some(100 * HOUR_MS), one_hour: Some(0) };
        let mut kit = Kit::new(125);
        let old = kit.add(Spec { resolution: Resolution::FiveMinutes, ..Spec::compacted("a", 0, 48, &[]) });
        kit.fill("a", 120, 124);
        kit.policy.buckets.entry("thanos".into()).or_default().retention = retention;
        let found = kit.run(CHECK.id);
        assert!(found.iter().any(|f| f.subject.block == Some(old) && f.message.contains("at 1h")));
    }
}
