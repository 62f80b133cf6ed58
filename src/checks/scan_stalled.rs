//! Passes over a bucket do not end any more, so that whatever happens to it from now on goes unnoticed; or verifying it
//! once over will not be done in time.

use super::scope::moment;
use super::{Check, Param, ParamValue, Policy, Scope};
use crate::model::{Finding, SECOND_MS, Schedule, Severity, format_duration_ms};

const AFTER: Param = Param {
    name: "after_intervals",
    default: ParamValue::Count(3),
    help: "so many intervals of the bucket, and at least 15 s, without a pass that ended are too many",
};

pub(super) static CHECK: Check =
    Check { id: "scan_stalled", needs: &[], severity: Severity::Warning, params: &[AFTER], run };

/// However short the interval: a pass over a storage that does not answer retries for some seconds before it ends.
const LEAST_MS: i64 = 15 * SECOND_MS;

/// For how long, in ms, no pass over a bucket may end.
pub fn allowed_ms(policy: &Policy, bucket: &str) -> i64 {
    match policy.param(CHECK.id, &AFTER, None) {
        ParamValue::Count(intervals) => {
            let intervals = i64::try_from(intervals).unwrap_or(i64::MAX);
            policy.bucket(bucket).interval_ms.saturating_mul(intervals).max(LEAST_MS)
        }
        ParamValue::DurationMs(_) | ParamValue::Ratio(_) => i64::MAX,
    }
}

/// A round is late by so many percent of its time before anybody is told: what it will take is an estimate.
const LATE_PERCENT: i64 = 10;

/// The evidence of an open finding says by this that no pass has ended; without it, it is about the scrub alone.
pub const LAST_PASS: &str = "last";

/// The same for the round that will not be over in time.
const ROUND_DUE: &str = "round_due";

fn run(scope: &Scope<'_>) -> Vec<Finding> {
    // a single pass has no schedule
    let Some(schedule) = scope.schedule else {
        return Vec::new();
    };
    let (passes, scrub) = (stalled_passes(scope, schedule), late_round(scope, schedule));
    // both are about the bucket as a whole, so they share a finding
    let finding = match (passes, scrub) {
        (Some(passes), Some(scrub)) => {
            let evidence = passes.evidence.into_iter().chain(scrub.evidence).collect();
            let message = format!("{}; besides, {}", passes.message, scrub.message);
            let remedy = format!("{}; {}", passes.remedy, scrub.remedy);
            Some(Finding { evidence, ..scope.bucket_finding(message, remedy) })
        }
        (passes, scrub) => passes.or(scrub),
    };
    finding.into_iter().collect()
}

fn stalled_passes(scope: &Scope<'_>, schedule: &Schedule) -> Option<Finding> {
    let interval_ms = scope.estate.bucket_policy.interval_ms;
    let last = schedule.finished.unwrap_or(schedule.since);
    let silent_ms = scope.judged_at.since(last);
    if silent_ms <= allowed_ms(scope.estate.policy, &scope.estate.view.bucket) {
        return None;
    }
    let since = match schedule.finished {
        Some(finished) => format!("the last one ended {}", moment(finished)),
        None => format!("there was none since {}", moment(schedule.since)),
    };
    let under_way = schedule
        .scanning_since
        .map_or_else(|| "none is under way".to_owned(), |began| format!("one is under way since {}", moment(began)));
    let message = format!(
        "no pass over the bucket has ended for {}, though one is due every {}: {since}, {under_way}; what happens in the \
         bucket meanwhile goes unnoticed",
        format_duration_ms(silent_ms.saturating_sub(silent_ms % 1_000)),
        format_duration_ms(interval_ms),
    );
    let remedy = "if passes are slow (`blockwarden_scan_duration_seconds`), lengthen `interval` of the bucket or give the \
                  service more processor; if the storage hangs, mend that; else restart the service";
    let finding = scope.bucket_finding(message, remedy);
    Some(finding.with(LAST_PASS, last.to_string()).with("interval", format_duration_ms(interval_ms)))
}

/// A round of the scrub that will not be over when it should.
fn late_round(scope: &Scope<'_>, schedule: &Schedule) -> Option<Finding> {
    let outlook = schedule.scrub?;
    let round_ms = outlook.due.since(outlook.began);
    let late_ms = outlook.round_ends.since(outlook.due);
    let empty = scope.bucket_finding(String::new(), "");
    let open = scope.estate.past.findings.get(&empty.fingerprint());
    let is_told = open.is_some_and(|open| open.evidence.contains_key(ROUND_DUE));
    // what was said stays said until it is in time again
    let tolerated_ms = if is_told { 0 } else { round_ms.saturating_mul(LATE_PERCENT) / 100 };
    if late_ms <= tolerated_ms.max(0) {
        return None;
    }
    let left_seconds = u64::try_from(outlook.due.since(scope.judged_at) / SECOND_MS).unwrap_or(0);
    let needed = outlook.bytes_left.checked_div(left_seconds);
    let needed_words = needed
        .map_or_else(|| "the time for it is over".to_owned(), |needed| format!("{} a second would do", size(needed)));
    let message = format!(
        "verifying the bucket once over, begun {}, will be over by {} and not by {}: {} are left at {} a second, and \
         {needed_words}; damage that comes meanwhile is found late",
        moment(outlook.began),
        moment(outlook.round_ends),
        moment(outlook.due),
        size(outlook.bytes_left),
        size(outlook.bytes_per_second),
    );
    let remedy = "raise `scrub.max_bytes_per_second`, widen `scrub.window`, or lengthen `scrub.interval`; `blockwarden plan` \
                  says what each would cost; if the storage or the processor is what is slow, a lower level reads less";
    let finding = scope
        .bucket_finding(message, remedy)
        .with(ROUND_DUE, outlook.due.to_string())
        .with("round_began", outlook.began.to_string())
        .with("round_ends", outlook.round_ends.to_string())
        .with("bytes_left", outlook.bytes_left)
        .with("bytes_per_second", outlook.bytes_per_second);
    Some(finding)
}

/// A size as it is spoken of, in powers of ten.
fn size(bytes: u64) -> String {
    let units = [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{}.{} {name}", bytes / unit, bytes % unit / (unit / 10)),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::BucketPolicy;
    use crate::checks::kit::{Kit, at};
    use crate::model::{DAY_MS, Listing, MINUTE_MS, OpenFinding, Schedule, ScrubOutlook};

    #[test]
    fn three_intervals_without_a_pass_that_ended_are_a_warning() {
        let mut kit = Kit::healthy(49);
        kit.none(CHECK.id);
        let before = |minutes: i64| at(49).minus(minutes * MINUTE_MS);
        for (since, finished, scanning, expected) in [
            (1_000, Some(15), None, None),
            (1_000, Some(16), None, Some("none is under way")),
            (1_000, Some(16), Some(14), Some("one is under way since")),
            (15, None, Some(15), None),
            (16, None, Some(16), Some("there was none since")),
        ] {
            kit.schedule = Some(Schedule {
                since: before(since),
                finished: finished.map(before),
                scanning_since: scanning.map(before),
                scrub: None,
            });
            match expected {
                None => kit.none(CHECK.id),
                Some(words) => {
                    let finding = kit.one(CHECK.id);
                    assert_eq!(finding.severity, Severity::Warning);
                    assert!(finding.message.contains(words), "{}", finding.message);
                }
            }
        }
    }

    #[test]
    fn an_interval_of_seconds_allows_for_retries() {
        let mut kit = Kit::healthy(49);
        let demands = BucketPolicy { interval_ms: SECOND_MS, ..BucketPolicy::default() };
        kit.policy.buckets.insert("thanos".into(), demands);
        for (seconds, count) in [(15, 0), (16, 1)] {
            let finished = Some(at(49).minus(seconds * SECOND_MS));
            kit.schedule = Some(Schedule { since: at(40), finished, scanning_since: None, scrub: None });
            assert_eq!(kit.run(CHECK.id).len(), count, "{seconds}");
        }
    }

    #[test]
    fn a_bucket_that_nobody_has_seen_yet_can_stall_too() {
        let mut kit = Kit::healthy(49);
        kit.view.listing = Listing::Awaited;
        kit.view.blocks.clear();
        let long_ago = at(48);
        kit.schedule = Some(Schedule { since: long_ago, finished: None, scanning_since: Some(long_ago), scrub: None });
        assert!(kit.one(CHECK.id).message.contains("for 1h"), "{}", kit.one(CHECK.id).message);
        kit.none("bucket_unreachable");
    }

    /// A bucket that is looked at in time, and whose round of 30 days will be over so many days too late.
    fn scrubbed(late_days: i64) -> Kit {
        let mut kit = Kit::healthy(49);
        let due = at(48).plus(30 * DAY_MS);
        let scrub = ScrubOutlook {
            began: at(48),
            round_ends: due.plus(late_days * DAY_MS),
            due,
            bytes_left: 12_345_678_901_234,
            bytes_per_second: 3_400_000,
        };
        kit.schedule =
            Some(Schedule { since: at(40), finished: Some(at(49)), scanning_since: None, scrub: Some(scrub) });
        kit
    }

    #[test]
    fn a_round_that_will_be_late_is_told_once_it_is_late_by_a_tenth_and_until_it_is_in_time() {
        for (late_days, was_open, fires) in [
            (-1, false, false),
            (0, false, false),
            (3, false, false),
            (4, false, true),
            (3, true, true),
            (1, true, true),
            (0, true, false),
        ] {
            let mut kit = scrubbed(late_days);
            if was_open {
                let before = scrubbed(4).one(CHECK.id);
                kit.past.findings.insert(before.fingerprint(), OpenFinding::of(&before, at(40), at(40)));
            }
            assert_eq!(kit.run(CHECK.id).len(), usize::from(fires), "{late_days} {was_open}");
        }
        let finding = scrubbed(4).one(CHECK.id);
        assert_eq!(finding.severity, Severity::Warning);
        for part in [
            "by 2026-02-06 00:00 UTC and not by 2026-02-02 00:00 UTC",
            "12.3 TB are left at 3.4 MB a second",
            "4.7 MB a second would do",
        ] {
            assert!(finding.message.contains(part), "{}", finding.message);
        }
    }

    #[test]
    fn a_round_whose_time_is_over_says_so() {
        let mut kit = scrubbed(4);
        kit.view.observed_at = at(49).plus(31 * DAY_MS);
        kit.schedule.as_mut().unwrap().finished = Some(kit.view.observed_at);
        assert!(kit.one(CHECK.id).message.contains("the time for it is over"), "{}", kit.one(CHECK.id).message);
    }

    #[test]
    fn passes_that_stall_and_a_round_that_is_late_are_one_finding() {
        let mut kit = scrubbed(4);
        kit.schedule.as_mut().unwrap().finished = Some(at(47));
        let finding = kit.one(CHECK.id);
        assert!(finding.message.contains("no pass over the bucket has ended for 2h"), "{}", finding.message);
        assert!(finding.message.contains("; besides, verifying the bucket once over"), "{}", finding.message);
        assert!(finding.evidence.contains_key(LAST_PASS) && finding.evidence.contains_key(ROUND_DUE));
        // of a round nobody has said anything before, though something is open
        let stalled = {
            let mut kit = scrubbed(0);
            kit.schedule.as_mut().unwrap().finished = Some(at(47));
            kit.one(CHECK.id)
        };
        let mut kit = scrubbed(3);
        kit.past.findings.insert(stalled.fingerprint(), OpenFinding::of(&stalled, at(40), at(40)));
        kit.none(CHECK.id);
    }

    #[test]
    fn sizes_are_spoken_of_in_powers_of_ten() {
        for (bytes, text) in
            [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (1_999_999, "1.9 MB"), (5_000_000_000, "5.0 GB")]
        {
            assert_eq!(size(bytes), text);
        }
    }
}
