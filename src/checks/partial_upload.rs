//! Objects of a block without its `meta.json`: an upload that was never finished.

use ulid::Ulid;

use super::estate::Estate;
use super::scope::moment;
use super::{Check, Param, ParamValue, Scope};
use crate::model::{
    BlockView, Finding, HOUR_MS, Interval, MetaState, Need, Resolution, Severity, TimestampMs, format_duration_ms,
    ulid_time,
};

/// For how long an upload may show nothing: large multipart uploads are invisible until they end.
pub(super) const AFTER: Param = Param {
    name: "after",
    default: ParamValue::DurationMs(HOUR_MS),
    help: "how long after its newest object a directory without `meta.json` counts as an upload in progress",
};

pub(super) static CHECK: Check = Check {
    id: "partial_upload",
    needs: &[Need::Listing, Need::Metas],
    severity: Severity::Warning,
    params: &[AFTER],
    run,
};

/// A compactor removes partial uploads this long after their newest object (Thanos `PartialUploadThresholdAge`).
pub(super) const REMOVED_AFTER_MS: i64 = 48 * HOUR_MS;

fn run(scope: &Scope<'_>) -> Vec<Finding> {
    let estate = scope.estate;
    let after = scope.duration_ms(&AFTER, None);
    let partial = estate.unplaced.iter().filter(|block| {
        block.meta == MetaState::Absent && block.marks.deletion.is_none() && !estate.is_young(block, after)
    });
    let mut partial = partial.peekable();
    if partial.peek().is_none() {
        return Vec::new();
    }
    let losses = Losses::of(estate);
    partial.filter_map(|block| judge(scope, block, &losses)).collect()
}

fn judge(scope: &Scope<'_>, block: &BlockView, losses: &Losses) -> Option<Finding> {
    let estate = scope.estate;
    let newest = block.newest_modification()?;
    // what is dated later than the judged time says nothing of when it will be removed
    let removal = (estate.has_compactor() && newest <= scope.now()).then(|| newest.plus(REMOVED_AFTER_MS));
    let missing = losses.matching(block.ulid);
    let cut = moment(ulid_time(block.ulid));
    let objects = block.objects.len();
    // what is dated later than the judged time has no age
    let age = scope.now().since(newest);
    let age = if age < 0 { String::new() } else { format!(", the newest {} old", format_duration_ms(age)) };
    let was_whole = estate.past.blocks.get(&block.ulid).is_some_and(|past| past.complete);
    let what = if was_whole { "lost its `meta.json`" } else { "was never uploaded completely: it has no `meta.json`" };
    let deletion = removal.map_or_else(String::new, |at| format!("; the compactor deletes it after {}", moment(at)));
    let message = format!("block {} (cut {cut}, {objects} objects{age}) {what}{deletion}", block.ulid);
    let remedy = match missing {
        Some(_) => {
            "read the producer's log (sidecar, receive or ruler) and let it finish; while the block is in its local \
             storage, delete the partial directory and it is uploaded again"
        }
        None => "nothing is missing at its time: let the compactor remove it, or delete the directory",
    };
    let mut finding = scope.unplaced_finding(block.ulid, message, remedy);
    finding.interval = missing;
    if missing.is_none() {
        finding.severity = Severity::Info;
    }
    let names: Vec<&str> = block.objects.iter().take(5).map(|object| &*object.name).collect();
    Some(
        finding
            .until(removal, scope.now())
            .with("objects", objects)
            .with("bytes", block.bytes())
            .with("first_objects", names)
            .with("newest_object", newest.to_string()),
    )
}

/// What is missing in the bucket.
struct Losses {
    holes: Vec<Interval>,
    /// From the newest block of a late stream until now.
    open_ends: Vec<Interval>,
}

impl Losses {
    fn of(estate: &Estate<'_>) -> Self {
        let holes = estate.groups.iter().flat_map(|group| estate.group_holes(group, Resolution::Raw));
        let late = estate.streams.iter().filter(|stream| !stream.derived).filter_map(|stream| {
            let newest: TimestampMs = stream.newest_raw?;
            let late = estate.now.since(newest) > stream.range_ms.saturating_mul(2);
            let retired = estate.now.since(newest) > estate.policy.retire_after_ms(&stream.labels);
            (late && !retired).then_some(Interval::new(newest, estate.now))
        });
        Self { holes: holes.map(|hole| hole.interval).collect(), open_ends: late.collect() }
    }

    /// The hole, or the open end of a late stream, that the block may have been meant for.
    fn matching(&self, ulid: Ulid) -> Option<Interval> {
        let cut = ulid_time(ulid);
        let matching = self.holes.iter().filter(|hole| Estate::ulid_matches(ulid, **hole));
        // of several the one that ends about an hour before the cut
        let hole = matching.min_by_key(|hole| cut.since(hole.end).saturating_sub(HOUR_MS).saturating_abs());
        hole.or_else(|| self.open_ends.iter().find(|end| cut > end.start)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::kit::{Kit, Spec, at};
    use crate::model::BlockSource;

    fn with_partial(kit: &mut Kit, start: i64) -> Ulid {
        let ulid = kit.add(Spec::new("a", start, start + 2));
        kit.remove_object(ulid, "meta.json");
        ulid
    }

    #[test]
    fn a_partial_upload_in_a_hole_is_a_warning() {
        let mut kit = Kit::new(49);
        kit.fill("a", 0, 40);
        with_partial(&mut kit, 40);
        kit.fill("a", 42, 48);
        let finding = kit.one(CHECK.id);
        assert_eq!(finding.severity, Severity::Warning);
        assert_eq!(finding.interval, Some(Interval::new(at(40), at(42))));
        assert_eq!(finding.deadline, None, "no compactor is at work");
    }

    #[test]
    fn of_several_holes_the_one_that_was_cut_for_it_is_named() {
        let mut kit = Kit::new(61);
        kit.fill("a", 0, 40);
        with_partial(&mut kit, 40);
        kit.fill("a", 42, 60);
        kit.fill("b", 0, 38);
        kit.fill("b", 40, 42);
        kit.fill("b", 44, 60);
        assert_eq!(kit.one(CHECK.id).interval, Some(Interval::new(at(40), at(42))));
    }

    #[test]
    fn a_partial_upload_at_the_late_end_is_a_warning() {
        let mut kit = Kit::new(49);
        kit.fill("a", 0, 42);
        with_partial(&mut kit, 42);
        assert_eq!(kit.one(CHECK.id).severity, Severity::Warning);
    }

    #[test]
    fn a_partial_upload_that_nothing_misses_is_information_with_the_time_of_its_removal() {
        let mut kit = Kit::healthy(49);
        kit.add(Spec { source: BlockSource::Compactor, level: 2, ..Spec::new("a", 0, 8) });
        with_partial(&mut kit, 40);
        let finding = kit.one(CHECK.id);
        assert_eq!(finding.severity, Severity::Info);
        assert_eq!(finding.deadline, Some(at(43 + 48)));
    }

    #[test]
    fn young_marked_and_future_directories() {
        for (now, marked, fires) in [(43, false, 0), (44, false, 1), (44, true, 0), (42, false, 1)] {
            let mut kit = Kit::new(now);
            let ulid = with_partial(&mut kit, 40);
            if marked {
                kit.mark(ulid, 43, "source of compacted block");
            }
            assert_eq!(kit.run(CHECK.id).len(), fires, "at {now}, marked: {marked}");
        }
    }

    #[test]
    fn what_arrives_while_the_bucket_is_listed_is_an_upload_in_progress() {
        for (earlier_ms, fires) in [(1, 0), (5 * 60_000, 0), (5 * 60_000 + 1, 1)] {
            let mut kit = Kit::new(43);
            with_partial(&mut kit, 40);
            kit.view.observed_at = at(43).minus(earlier_ms);
            assert_eq!(kit.run(CHECK.id).len(), fires, "{earlier_ms} ms before its newest object");
        }
    }
}
