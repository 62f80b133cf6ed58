//! A hole between two blocks of a stream: time that no block holds.

use std::sync::Arc;

use super::estate::{Group, Hole};
use super::partial_upload::AFTER as PARTIAL_AFTER;
use super::scope::span;
use super::{Check, Param, ParamValue, Scope};
use crate::model::{DAY_MS, Finding, Labels, Need, Resolution, Severity, TimestampMs, format_duration_ms};

const OLD_SCAR: Param = Param {
    name: "old_scar_after",
    default: ParamValue::DurationMs(15 * DAY_MS),
    help: "a hole that is older than this at its first sight, and that nobody can fill, is `info`",
};

pub(super) static CHECK: Check = Check {
    id: "coverage_gap",
    needs: &[Need::Listing, Need::Metas],
    severity: Severity::Critical,
    params: &[OLD_SCAR],
    run,
};

/// Prometheus' default `--storage.tsdb.retention.time`, where none is declared.
pub(super) const LOCAL_RETENTION_MS: i64 = 15 * DAY_MS;

fn run(scope: &Scope<'_>) -> Vec<Finding> {
    let estate = scope.estate;
    if estate.mass_loss.is_some() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for group in &estate.groups {
        for resolution in Resolution::ALL {
            let holes = estate.group_holes(group, resolution);
            let upload_ms = scope.duration_ms(&PARTIAL_AFTER, None);
            let certain = holes.iter().filter(|hole| !estate.may_be_hidden(hole.interval, upload_ms));
            found.extend(certain.map(|hole| judge(scope, group, hole, resolution)));
        }
    }
    found
}

fn judge(scope: &Scope<'_>, group: &Group, hole: &Hole, resolution: Resolution) -> Finding {
    let estate = scope.estate;
    let interval = hole.interval;
    let local_ms = estate.policy.local_retention_ms(&hole.labels);
    let local_end = |start: TimestampMs| start.plus(local_ms.unwrap_or(LOCAL_RETENTION_MS));
    let fillable = resolution == Resolution::Raw && local_end(interval.end) > scope.now();

    let risk = if hole.copied {
        "a replica holds it, so queries with deduplication still answer"
    } else if fillable {
        "no replica holds it; it is lost when the producer's local retention ends"
    } else {
        "no replica holds it, and no producer is likely to"
    };
    let message = format!("{} at resolution {resolution} has a hole from {}: {risk}", hole.labels, span(interval));
    let remedy = if hole.copied {
        "find out why this replica lost it (was it down, did its upload fail?), so that the other one is not alone for \
         long"
    } else if fillable {
        "look in the producer's data directory for blocks of this time: if `thanos.shipper.json` names them as uploaded \
         take them out of it, or upload them with `thanos tools bucket upload-blocks`"
    } else {
        "look for the blocks in a copy of the bucket, in versioning or in a backup; else note the hole where users of \
         the data see it"
    };
    let mut finding = scope.stream_finding(&hole.labels, resolution, message, remedy).at_risk(interval);
    finding.subject.start = Some(interval.start);
    finding.severity = severity(scope, hole, fillable, &finding);
    // only a declared retention gives a moment that can be relied on
    let deadline = local_ms.filter(|_| fillable && !hole.copied).map(|_| local_end(interval.start));
    let streams: Vec<String> = hole.streams.iter().map(ToString::to_string).collect();
    let members = estate.members(group).count();
    finding
        .until(deadline, scope.now())
        .with("missing", format_duration_ms(interval.len_ms()))
        .with("streams", streams)
        .with("members_of_group", members)
        .with("copied", hole.copied)
}

fn severity(scope: &Scope<'_>, hole: &Hole, fillable: bool, finding: &Finding) -> Severity {
    let labels: &Arc<Labels> = &hole.labels;
    let old_after = scope.duration_ms(&OLD_SCAR, Some(labels));
    let old_at = |time: TimestampMs| time.since(hole.interval.end) > old_after;
    let open = scope.estate.past.findings.get(&finding.fingerprint());
    let found_old = old_at(open.map_or(scope.now(), |open| open.since));
    if hole.copied {
        Severity::Warning
    } else if (found_old && !fillable && !hole.was_seen) || hole.ruler {
        // a ruler without results has nothing to upload
        Severity::Info
    } else {
        Severity::Critical
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::kit::{Kit, Spec, at};
    use crate::checks::policy::StreamPolicy;
    use crate::model::{BlockSource, Interval, MetaState, Parent};
    use ulid::Ulid;

    /// Blocks of `replica` from 0 to `until`, but for the hours 40 to 42.
    fn hole(kit: &mut Kit, replica: &str, until: i64) {
        kit.fill(replica, 0, 40);
        kit.fill(replica, 42, until);
    }

    #[test]
    fn a_hole_is_critical_without_a_copy_and_a_warning_with_one() {
        let mut kit = Kit::new(61);
        hole(&mut kit, "a", 60);
        let finding = kit.one(CHECK.id);
        assert_eq!(finding.severity, Severity::Critical);
        assert_eq!(finding.interval, Some(Interval::new(at(40), at(42))));
        assert_eq!(finding.subject.stream.as_ref().unwrap().get("replica"), Some("a"));
        kit.fill("b", 0, 60);
        let finding = kit.one(CHECK.id);
        assert_eq!(finding.severity, Severity::Warning);
        assert_eq!(finding.subject.stream.as_ref().unwrap().get("replica"), Some("a"));
    }

    #[test]
    fn what_is_due_before_an_out_of_order_block_is_not_missing() {
        for (hinted, fires) in [(true, 0), (false, 1)] {
            let mut kit = Kit::healthy(49);
            kit.add(Spec { hinted, cut_after: -1, ..Spec::new("a", 50, 52) });
            kit.view.observed_at = at(51);
            assert_eq!(kit.run(CHECK.id).len(), fires, "hinted: {hinted}");
        }
    }

    #[test]
    fn a_block_whose_interval_is_wrong_may_hold_what_seems_to_be_missing() {
        let mut kit = Kit::healthy(49);
        let ulid = *kit.view.blocks.keys().nth(9).unwrap();
        kit.edit_meta(ulid, |meta| meta.interval = Interval::new(meta.interval.end, meta.interval.start));
        kit.none(CHECK.id);
        kit.edit_meta(ulid, |meta| meta.interval = Interval::new(at(0), at(2)));
        kit.one(CHECK.id);
    }

    #[test]
    fn a_compacted_block_that_is_damaged_or_unread_may_hold_what_seems_to_be_missing() {
        let unparsable = || MetaState::Read { meta: None, problems: [].into() };
        let unknown = || MetaState::Unknown("HTTP 503".to_owned());
        for (end, damaged, unread) in [(24, 0, 0), (23, 1, 0)] {
            for (state, fires) in [(unparsable(), damaged), (unknown(), unread)] {
                let mut kit = Kit::new(49);
                kit.fill("a", 0, 16);
                let ulid = kit.add(Spec { cut_after: 7, ..Spec::compacted("a", 16, 24, &[]) });
                kit.edit(ulid, |block| block.meta = state);
                kit.fill("a", end, end + 24);
                assert_eq!(kit.run(CHECK.id).len(), fires, "until {end}");
            }
        }
    }

    #[test]
    fn members_of_a_hashring_are_no_copies() {
        let mut kit = Kit::new(61);
        hole(&mut kit, "a", 60);
        for start in (0..60).step_by(2) {
            kit.add(Spec { samples: 500, source: BlockSource::Receive, ..Spec::new("b", start, start + 2) });
        }
        assert_eq!(kit.one(CHECK.id).severity, Severity::Critical);
    }

    #[test]
    fn replicas_that_lack_the_same_time_make_one_finding_of_the_group() {
        let mut kit = Kit::new(61);
        hole(&mut kit, "a", 60);
        hole(&mut kit, "b", 60);
        let finding = kit.one(CHECK.id);
        assert_eq!(finding.severity, Severity::Critical);
        assert_eq!(finding.subject.stream.unwrap().to_string(), r#"{cluster="eu1"}"#);
    }

    #[test]
    fn the_part_that_no_replica_holds_is_what_is_lost() {
        let mut kit = Kit::new(61);
        hole(&mut kit, "a", 60);
        kit.fill("b", 0, 38);
        kit.fill("b", 44, 60);
        // a lacks 40 to 42, b lacks 38 to 44
        let finding = kit.one(CHECK.id);
        assert_eq!(finding.interval, Some(Interval::new(at(40), at(42))));
    }

    #[test]
    fn a_hole_does_not_heal_by_compaction_across_it() {
        let mut kit = Kit::new(31);
        kit.fill("a", 8, 30);
        let sources: Vec<_> = [(0, 2), (4, 6), (6, 8)].map(|(s, e)| kit.add(Spec::new("a", s, e))).into();
        let parents = [(0, 2), (4, 6), (6, 8)]
            .into_iter()
            .zip(&sources)
            .map(|((start, end), ulid)| Parent { ulid: *ulid, interval: Interval::new(at(start), at(end)) });
        let parents: Vec<Parent> = parents.collect();
        let result = kit.add(Spec { parents, ..Spec::compacted("a", 0, 8, &sources) });
        assert_eq!(kit.one(CHECK.id).interval, Some(Interval::new(at(2), at(4))));
        // the sources are deleted: the ledger saw them
        kit.remember(20, 30);
        for source in &sources {
            kit.view.blocks.remove(source);
        }
        assert_eq!(kit.one(CHECK.id).interval, Some(Interval::new(at(2), at(4))));
        // a ledger that never saw them: the parents say it
        kit.past.blocks.retain(|ulid, _| !sources.contains(ulid));
        assert_eq!(kit.one(CHECK.id).interval, Some(Interval::new(at(2), at(4))));
        kit.edit_meta(result, |meta| meta.parents = Box::new([]));
        kit.none(CHECK.id);
    }

    #[test]
    fn a_long_outage_within_a_compacted_block_is_no_reason_to_doubt_the_copy() {
        let mut kit = Kit::new(61);
        let eights = |kit: &mut Kit, replica: &str, outage: Option<i64>| {
            let starts = (0..48).step_by(8).filter(|start| Some(*start) != outage);
            let parents: Vec<Parent> = starts
                .map(|start| Parent {
                    ulid: Ulid::from_parts(0, u128::from(start.unsigned_abs())),
                    interval: Interval::new(at(start), at(start + 8)),
                })
                .collect();
            let samples = u64::try_from(parents.len()).unwrap() * 8_000;
            // nobody knows the sources any more
            let gone = [Ulid::from_parts(0, 99)];
            kit.add(Spec { samples, parents, ..Spec::compacted(replica, 0, 48, &gone) });
            kit.fill(replica, 48, 60);
        };
        eights(&mut kit, "a", Some(16));
        let finding = kit.one(CHECK.id);
        assert_eq!((finding.interval, finding.severity), (Some(Interval::new(at(16), at(24))), Severity::Critical));
        eights(&mut kit, "b", None);
        assert_eq!(kit.one(CHECK.id).severity, Severity::Warning);
    }

    #[test]
    fn small_gaps_open_ends_islands_and_expired_time_are_no_holes() {
        let mut kit = Kit::healthy(49);
        kit.none(CHECK.id);
        let last = *kit.view.blocks.keys().next_back().unwrap();
        kit.edit_meta(last, |meta| meta.interval.start = meta.interval.start.plus(15 * 60_000));
        kit.none(CHECK.id);
        kit.edit_meta(last, |meta| meta.interval.start = meta.interval.start.plus(1));
        kit.one(CHECK.id);

        let mut island = Kit::new(149);
        island.fill("a", 100, 148);
        island.add(Spec { cut_after: 24 * 8, ..Spec::new("a", 0, 2) });
        island.add(Spec { cut_after: 24 * 8, ..Spec::new("a", 10, 12) });
        island.none(CHECK.id);

        let mut expired = Kit::new(61);
        hole(&mut expired, "a", 60);
        expired.policy.buckets.entry("thanos".into()).or_default().retention.raw = Some(19 * 3_600_000);
        expired.none(CHECK.id);
    }

    #[test]
    fn old_scars_are_information_unless_the_ledger_saw_the_data() {
        let mut kit = Kit::new(24 * 30);
        hole(&mut kit, "a", 24 * 30 - 1);
        assert_eq!(kit.one(CHECK.id).severity, Severity::Info);
        let lost = kit.add(Spec::new("a", 40, 42));
        kit.remember(50, 24 * 30 - 1);
        kit.vanish(lost);
        assert_eq!(kit.one(CHECK.id).severity, Severity::Critical);
        let mut long = Kit::new(24 * 30);
        hole(&mut long, "a", 24 * 30 - 1);
        let local = StreamPolicy { local_retention_ms: Some(60 * DAY_MS), ..StreamPolicy::default() };
        long.policy.streams = vec![local];
        let finding = long.one(CHECK.id);
        assert_eq!((finding.severity, finding.deadline), (Severity::Critical, Some(at(40).plus(60 * DAY_MS))));
    }

    #[test]
    fn a_block_in_upload_or_that_cannot_be_read_may_fill_the_hole() {
        let mut kit = Kit::new(44);
        kit.fill("a", 0, 40);
        let ulid = kit.add(Spec::new("a", 40, 42));
        kit.add(Spec { cut_after: 1, ..Spec::new("a", 42, 43) });
        kit.none(CHECK.id);
        kit.view.observed_at = at(43).plus(30 * 60_000);
        kit.remove_object(ulid, "meta.json");
        kit.none(CHECK.id);
        kit.view.observed_at = at(45);
        kit.one(CHECK.id);
        kit.edit(ulid, |block| block.meta = MetaState::Unknown("503".to_owned()));
        kit.none(CHECK.id);
    }

    #[test]
    fn what_compaction_made_of_the_whole_group_covers_every_member() {
        let mut kit = Kit::new(61);
        kit.fill("a", 48, 60);
        kit.fill("b", 48, 60);
        kit.fill("a", 0, 2);
        kit.fill("b", 0, 2);
        let mut whole = Spec::compacted("a", 2, 48, &[]);
        whole.labels = Labels::from([("cluster", "eu1")]);
        kit.one(CHECK.id);
        kit.add(whole);
        kit.none(CHECK.id);
    }

    #[test]
    fn coarser_resolutions_count_only_where_raw_data_has_expired() {
        let mut kit = Kit::new(24 * 20);
        for (start, end) in [(0, 48), (96, 144), (144, 192)] {
            kit.add(Spec { resolution: Resolution::FiveMinutes, ..Spec::compacted("a", start, end, &[]) });
        }
        kit.fill("a", 24 * 8, 24 * 20 - 1);
        kit.none(CHECK.id);
        kit.policy.buckets.entry("thanos".into()).or_default().retention.raw = Some(10 * DAY_MS);
        let finding = kit.one(CHECK.id);
        assert_eq!(finding.interval, Some(Interval::new(at(48), at(96))));
        assert_eq!(finding.subject.resolution, Some(Resolution::FiveMinutes));
    }
}
