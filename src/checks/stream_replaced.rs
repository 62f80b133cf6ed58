//! A stream ended, and another that differs in one label began: a renamed replica or cluster, not an outage.

use super::estate::{Estate, Stream};
use super::scope::moment;
use super::{Check, Scope};
use crate::model::{Finding, Need, Resolution, Severity};

pub(super) static CHECK: Check =
    Check { id: "stream_replaced", needs: &[Need::Listing, Need::Metas], severity: Severity::Info, params: &[], run };

fn run(scope: &Scope<'_>) -> Vec<Finding> {
    let estate = scope.estate;
    let ended = estate.streams.iter().filter_map(|stream| {
        let newest = stream.newest_raw?;
        let retired = estate.now.since(newest) > estate.policy.retire_after_ms(&stream.labels);
        let new = replacement(estate, stream)?;
        (!retired).then_some((stream, new, newest))
    });
    let findings = ended.map(|(old, new, end)| {
        let message = format!("{} ended at {} and {} took its place", old.labels, moment(end), new.labels);
        let remedy = "nothing, if the external labels were changed on purpose; queries across the change have to name \
                      both";
        scope
            .stream_finding(&old.labels, Resolution::Raw, message, remedy)
            .with("replaced_by", new.labels.to_string())
            .with("ended", end.to_string())
    });
    findings.collect()
}

/// The stream that took the place of one that has stopped: one label differs, and it starts within a block range of
/// the other's end.
pub(super) fn replacement<'e>(estate: &'e Estate<'_>, old: &Stream) -> Option<&'e Stream> {
    let end = old.newest_raw?;
    if old.derived || estate.now.since(end) <= old.range_ms.saturating_mul(2) {
        return None;
    }
    estate.streams.iter().find(|new| {
        let start = estate.blocks_of(new, Resolution::Raw).first().map(|block| block.meta.interval.start);
        !new.derived
            && new.labels.distance(&old.labels) == 1
            && new.newest_raw > Some(end)
            && start.is_some_and(|start| start.since(end).saturating_abs() <= old.range_ms)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::kit::{Kit, Spec};
    use crate::model::Labels;

    fn replaced(start: i64, labels: &Labels) -> Kit {
        let mut kit = Kit::new(61);
        kit.fill("a", 0, 40);
        for start in (start..59).step_by(2) {
            kit.add(Spec { labels: labels.clone(), ..Spec::new("a", start, start + 2) });
        }
        kit
    }

    #[test]
    fn a_renamed_stream_is_information_and_no_lag() {
        let kit = replaced(40, &Labels::from([("cluster", "eu1"), ("replica", "b")]));
        assert_eq!(kit.one(CHECK.id).severity, Severity::Info);
        kit.none("upload_lag");
        let added = Labels::from([("cluster", "eu1"), ("replica", "a"), ("region", "x")]);
        replaced(42, &added).one(CHECK.id);
    }

    #[test]
    fn another_stream_that_started_elsewhere_or_differs_more_replaces_nothing() {
        for (start, labels) in [
            (36, Labels::from([("cluster", "eu1"), ("replica", "b")])),
            (44, Labels::from([("cluster", "eu1"), ("replica", "b")])),
            (40, Labels::from([("cluster", "eu2"), ("replica", "b")])),
        ] {
            let kit = replaced(start, &labels);
            kit.none(CHECK.id);
            assert!(!kit.run("upload_lag").is_empty());
        }
        Kit::healthy(49).none(CHECK.id);
    }
}
