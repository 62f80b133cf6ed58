//! A producer has not uploaded for longer than its block range explains.

use super::estate::{Estate, Stream};
use super::partial_upload::AFTER as PARTIAL_AFTER;
use super::scope::moment;
use super::stream_replaced::replacement;
use super::{Check, Param, ParamValue, Scope};
use crate::model::{DAY_MS, Finding, Interval, Need, Resolution, Severity, TimestampMs, format_duration_ms};

pub(super) const WARNING: Param = Param {
    name: "warning",
    default: ParamValue::Ratio(2.0),
    help: "lag in block ranges above which it is a `warning`; it normally saws between half a range and one and a half",
};
const CRITICAL: Param = Param {
    name: "critical",
    default: ParamValue::Ratio(3.0),
    help: "lag in block ranges above which it is `critical`",
};

pub(super) static CHECK: Check = Check {
    id: "upload_lag",
    needs: &[Need::Listing, Need::Metas],
    severity: Severity::Warning,
    params: &[WARNING, CRITICAL],
    run,
};

/// So many pauses within 30 d are a habit: a producer without samples has nothing to upload.
const HABIT: usize = 3;

fn run(scope: &Scope<'_>) -> Vec<Finding> {
    if scope.estate.mass_loss.is_some() {
        return Vec::new();
    }
    scope.estate.streams.iter().filter(|stream| !stream.derived).filter_map(|stream| judge(scope, stream)).collect()
}

fn judge(scope: &Scope<'_>, stream: &Stream) -> Option<Finding> {
    let estate = scope.estate;
    let newest = stream.newest_raw?;
    let lag = scope.now().since(newest);
    let labels = Some(&*stream.labels);
    let retired = lag > estate.policy.retire_after_ms(&stream.labels);
    let certain_lag = scope.now().since(newest.max(may_reach(scope, newest)));
    if certain_lag <= scope.factor_of(&WARNING, labels, stream.range_ms)
        || retired
        || replacement(estate, stream).is_some()
    {
        return None;
    }

    let deadline = estate.policy.local_retention_ms(&stream.labels).map(|local| newest.plus(local));
    let copy = fresh_copy(estate, stream, newest);
    let urgent = deadline.is_none_or(|deadline| deadline.since(scope.now()) < DAY_MS);
    let expected = estate.policy.is_expected(&stream.labels);
    let severity = if !expected && (stream.ruler || pauses(estate, stream) >= HABIT) {
        Severity::Info
    } else if certain_lag > scope.factor_of(&CRITICAL, labels, stream.range_ms) && !copy && urgent {
        Severity::Critical
    } else {
        Severity::Warning
    };
    let risk = match deadline {
        _ if copy => "a replica is up to date and holds a copy".to_owned(),
        Some(deadline) => format!("the producer deletes what is missing here from {} on", moment(deadline)),
        None => "what is missing here is lost once the producer's local retention ends".to_owned(),
    };
    let finding = scope.stream_finding(
        &stream.labels,
        Resolution::Raw,
        format!(
            "{} has uploaded nothing newer than {}, {} ago: {risk}",
            stream.labels,
            moment(newest),
            format_duration_ms(lag),
        ),
        "look whether the producer and its sidecar run and what the sidecar logs about uploads \
         (`thanos_shipper_dir_sync_failures_total`); if the stream was given up on purpose, set `retire_after` for it",
    );
    let finding = finding.with_severity(severity).at_risk(Interval::new(newest, scope.now()));
    Some(
        finding
            .until(deadline, scope.now())
            .with("lag_seconds", lag / 1_000)
            .with("newest_max_time", newest.to_string())
            .with("block_range_seconds", stream.range_ms / 1_000)
            .with("fresh_copy", copy),
    )
}

/// How far the data of blocks reaches that are on their way or cannot be read: nobody cuts a block before its data
/// ends. An upload that is tried again and again is young for ever, and yet brings nothing newer than that.
fn may_reach(scope: &Scope<'_>, newest: TimestampMs) -> TimestampMs {
    let missing = Interval::new(newest, scope.now());
    let hidden = scope.estate.hidden_until(missing, scope.duration_ms(&PARTIAL_AFTER, None));
    hidden.unwrap_or(newest)
}

fn fresh_copy(estate: &Estate<'_>, stream: &Stream, newest: TimestampMs) -> bool {
    let Some(group) = estate.groups.get(stream.group) else {
        return false;
    };
    let open_end = Interval::new(newest, estate.now);
    estate.members(group).filter(|other| !other.derived).any(|other| {
        let fresh = other.newest_raw.is_some_and(|end| estate.now.since(end) <= other.range_ms.saturating_mul(2));
        fresh && estate.is_copy(group, stream, other, Resolution::Raw, open_end)
    })
}

/// Holes of the last 30 d as long as a lag that would be reported.
fn pauses(estate: &Estate<'_>, stream: &Stream) -> usize {
    let Some(coverage) = stream.coverage.get(&Resolution::Raw) else {
        return 0;
    };
    let recent = coverage.holes().filter(|hole| estate.now.since(hole.end) < 30 * DAY_MS);
    recent.filter(|hole| hole.len_ms() > stream.range_ms).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::kit::{Kit, Spec, at};
    use crate::checks::policy::StreamPolicy;
    use crate::model::{BlockSource, HOUR_MS, MINUTE_MS, StreamPast};

    /// A replica that stopped at hour 48, judged so many minutes later.
    fn late(minutes: i64) -> Kit {
        let mut kit = Kit::healthy(49);
        kit.view.observed_at = at(48).plus(minutes * MINUTE_MS);
        kit
    }

    #[test]
    fn lag_is_measured_in_block_ranges() {
        for (minutes, severity) in [
            (60, None),
            (180, None),
            (240, None),
            (241, Some(Severity::Warning)),
            (360, Some(Severity::Warning)),
            (361, Some(Severity::Critical)),
            (14 * 24 * 60, Some(Severity::Critical)),
            (14 * 24 * 60 + 1, None),
        ] {
            let found = late(minutes).run(CHECK.id);
            assert_eq!(found.first().map(|f| f.severity), severity, "{minutes} min");
        }
    }

    #[test]
    fn the_range_is_that_of_the_blocks_or_declared() {
        let mut kit = Kit::new(0);
        for start in (0..48).step_by(1) {
            kit.add(Spec::new("a", start, start + 1));
        }
        kit.view.observed_at = at(50).plus(MINUTE_MS);
        assert_eq!(kit.one(CHECK.id).severity, Severity::Warning);
        let range = StreamPolicy { block_range_ms: Some(2 * HOUR_MS), ..StreamPolicy::default() };
        kit.policy.streams = vec![range];
        kit.none(CHECK.id);
    }

    #[test]
    fn a_fresh_copy_or_a_deadline_that_is_far_off_keeps_it_a_warning() {
        let mut kit = late(7 * 60);
        kit.fill("b", 0, 54);
        let finding = kit.one(CHECK.id);
        assert_eq!(finding.severity, Severity::Warning);
        assert_eq!(finding.subject.stream.unwrap().get("replica"), Some("a"));

        for (local, severity) in [(5 * DAY_MS, Severity::Warning), (30 * HOUR_MS, Severity::Critical)] {
            let mut kit = late(7 * 60);
            let policy = StreamPolicy { local_retention_ms: Some(local), ..StreamPolicy::default() };
            kit.policy.streams = vec![policy];
            let finding = kit.one(CHECK.id);
            assert_eq!((finding.severity, finding.deadline), (severity, Some(at(48).plus(local))));
        }
    }

    #[test]
    fn rulers_and_streams_that_often_pause_are_information_unless_expected() {
        let mut ruler = late(7 * 60);
        for ulid in ruler.view.blocks.keys().copied().collect::<Vec<_>>() {
            ruler.edit_meta(ulid, |meta| meta.source = BlockSource::Ruler);
        }
        assert_eq!(ruler.one(CHECK.id).severity, Severity::Info);
        ruler.policy.streams = vec![StreamPolicy { expected: true, ..StreamPolicy::default() }];
        assert_eq!(ruler.one(CHECK.id).severity, Severity::Critical);

        let mut pausing = Kit::new(55);
        for start in [0, 8, 16, 24, 32, 40, 46] {
            pausing.fill("a", start, start + 2);
        }
        assert_eq!(pausing.one(CHECK.id).severity, Severity::Info);
    }

    #[test]
    fn derived_streams_and_what_is_on_its_way_do_not_lag() {
        let mut kit = late(7 * 60);
        for ulid in kit.view.blocks.keys().copied().collect::<Vec<_>>() {
            kit.edit_meta(ulid, |meta| meta.source = BlockSource::Other("bucket.upload".into()));
        }
        kit.none(CHECK.id);

        let mut kit = late(5 * 60);
        let ulid = kit.add(Spec { cut_after: 2, ..Spec::new("a", 48, 50) });
        kit.view.observed_at = at(52).plus(30 * MINUTE_MS);
        kit.remove_object(ulid, "meta.json");
        kit.none(CHECK.id);
        kit.view.observed_at = at(53);
        kit.one(CHECK.id);
    }

    #[test]
    fn an_upload_that_never_succeeds_hides_no_more_than_its_own_time() {
        for (hours, severity) in [(3, None), (5, Some(Severity::Warning)), (9, Some(Severity::Critical))] {
            let mut kit = late(60);
            // cut at hour 51, and still tried when it is judged
            let ulid = kit.add(Spec::new("a", 48, 50));
            kit.view.observed_at = at(51 + hours);
            kit.remove_object(ulid, "meta.json");
            kit.edit(ulid, |block| {
                let mut objects = block.objects.to_vec();
                for object in &mut objects {
                    object.last_modified = at(51 + hours).minus(MINUTE_MS);
                }
                block.objects = objects.into();
            });
            assert_eq!(kit.run(CHECK.id).first().map(|f| f.severity), severity, "{hours} h");
        }
    }

    #[test]
    fn an_out_of_order_block_that_ends_on_the_grid_hides_no_lag() {
        let mut kit = late(5 * 60);
        let ulid = kit.add(Spec { hinted: true, ..Spec::new("a", 52, 54) });
        kit.edit_meta(ulid, |meta| meta.upload_time = Some(at(49)));
        // cut at hour 55: dated later than the judged time, so its data may reach until now
        kit.none(CHECK.id);
    }

    #[test]
    fn a_stream_whose_blocks_are_all_gone_is_remembered() {
        let mut kit = late(5 * 60);
        let labels = std::sync::Arc::clone(&kit.view.blocks.values().next().unwrap().meta.meta().unwrap().labels);
        kit.past.streams.insert(labels, StreamPast { first_seen: at(0), newest_max_time: at(48) });
        kit.view.blocks.clear();
        assert_eq!(kit.one(CHECK.id).severity, Severity::Warning);
    }
}
