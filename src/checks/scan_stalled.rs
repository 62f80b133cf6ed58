//! Passes over a bucket do not end any more, so that whatever happens to it from now on goes unnoticed.

use super::scope::moment;
use super::{Check, Param, ParamValue, Policy, Scope};
use crate::model::{Finding, SECOND_MS, Severity, format_duration_ms};

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

fn run(scope: &Scope<'_>) -> Vec<Finding> {
    // a single pass has no schedule
    let Some(schedule) = scope.schedule else {
        return Vec::new();
    };
    let interval_ms = scope.estate.bucket_policy.interval_ms;
    let last = schedule.finished.unwrap_or(schedule.since);
    let silent_ms = scope.judged_at.since(last);
    if silent_ms <= allowed_ms(scope.estate.policy, &scope.estate.view.bucket) {
        return Vec::new();
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
    vec![finding.with("last", last.to_string()).with("interval", format_duration_ms(interval_ms))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::BucketPolicy;
    use crate::checks::kit::{Kit, at};
    use crate::model::{Listing, MINUTE_MS, Schedule};

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
            kit.schedule = Some(Schedule { since: at(40), finished, scanning_since: None });
            assert_eq!(kit.run(CHECK.id).len(), count, "{seconds}");
        }
    }

    #[test]
    fn a_bucket_that_nobody_has_seen_yet_can_stall_too() {
        let mut kit = Kit::healthy(49);
        kit.view.listing = Listing::Awaited;
        kit.view.blocks.clear();
        let long_ago = at(48);
        kit.schedule = Some(Schedule { since: long_ago, finished: None, scanning_since: Some(long_ago) });
        assert!(kit.one(CHECK.id).message.contains("for 1h"), "{}", kit.one(CHECK.id).message);
        kit.none("bucket_unreachable");
    }
}
