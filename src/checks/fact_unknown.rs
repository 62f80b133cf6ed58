//! Something that is there to be read could not be read, so part of the judgement is missing.

use super::scope::count_of;
use super::{Check, Param, ParamValue, Scope};
use crate::model::{Finding, Need, Severity};

const INTERVALS: Param = Param {
    name: "warning_after_intervals",
    default: ParamValue::Count(3),
    help: "after so many intervals of the bucket an unknown fact is a `warning`",
};

pub(super) static CHECK: Check =
    Check { id: "fact_unknown", needs: &[Need::Listing], severity: Severity::Info, params: &[INTERVALS], run };

fn run(scope: &Scope<'_>) -> Vec<Finding> {
    let estate = scope.estate;
    let view = estate.view;
    let unread = view.unknown.iter().map(|unknown| (unknown.object.clone(), unknown.why.clone()));
    let unconfirmed = view.unconfirmed_gone.iter().map(|(ulid, why)| (format!("{ulid}/"), why.clone()));
    let unknown: Vec<(String, String)> = unread.chain(unconfirmed).collect();
    let Some((first, why)) = unknown.first() else {
        return Vec::new();
    };
    // a bucket of which nothing can be read is `bucket_unreachable`
    if estate.unreachable().is_some() {
        return Vec::new();
    }
    // a failed request names its object itself
    let place = if why.contains(first) { String::new() } else { format!("`{first}`: ") };
    let message = format!(
        "{} could not be read, so what depends on them is not judged and stays as it was; the first: {place}{why}",
        count_of(unknown.len(), "object"),
    );
    let remedy = "nothing, if it passes; else give the credentials the right to read every object of the bucket, or raise \
                  the storage's limits";
    let mut finding = scope.bucket_finding(message, remedy);
    let open = estate.past.findings.get(&finding.fingerprint());
    let since = open.map_or(scope.now(), |open| open.since);
    let intervals = scope.count(&INTERVALS);
    if scope.now().since(since) >= estate.bucket_policy.interval_ms.saturating_mul(intervals) {
        finding.severity = Severity::Warning;
    }
    let places: Vec<&str> = unknown.iter().take(20).map(|(place, _)| place.as_str()).collect();
    vec![finding.with("objects", places).with("count", unknown.len()).with("since", since.to_string())]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::checks::kit::{Kit, at};
    use crate::model::{MINUTE_MS, OpenFinding, Subject, UnknownObject};

    #[test]
    fn what_cannot_be_read_is_information_and_after_three_intervals_a_warning() {
        let mut kit = Kit::healthy(49);
        kit.none(CHECK.id);
        let block = *kit.view.blocks.keys().next().unwrap();
        kit.view.unknown.push(UnknownObject {
            block,
            object: format!("{block}/meta.json"),
            why: "503 SlowDown".to_owned(),
        });
        assert_eq!(kit.one(CHECK.id).severity, Severity::Info);
        for (minutes, severity) in [(14, Severity::Info), (15, Severity::Warning)] {
            let subject = Subject::bucket("thanos".into());
            let open = OpenFinding {
                since: at(49).minus(minutes * MINUTE_MS),
                last_judged: at(49),
                check: CHECK.id.to_owned(),
                subject: subject.clone(),
                severity: Severity::Info,
                interval: None,
                message: String::new(),
                remedy: String::new(),
                deadline: None,
                evidence: BTreeMap::new(),
            };
            kit.past.findings.insert(subject.fingerprint(CHECK.id), open);
            assert_eq!(kit.one(CHECK.id).severity, severity, "{minutes} min");
        }
    }

    #[test]
    fn the_object_is_named_once() {
        let mut kit = Kit::healthy(49);
        let block = *kit.view.blocks.keys().next().unwrap();
        let object = format!("{block}/meta.json");
        for why in [format!("cannot read `{object}`: 503"), "the bucket is throttled".to_owned()] {
            kit.view.unknown = vec![UnknownObject { block, object: object.clone(), why }];
            assert_eq!(kit.one(CHECK.id).message.matches(&object).count(), 1);
        }
    }

    #[test]
    fn a_block_that_the_listing_lacks_and_head_finds_is_unknown() {
        let mut kit = Kit::healthy(49);
        let ulid = kit.ulid(at(3));
        kit.view.unconfirmed_gone.push((ulid, "the listing lacks it, HEAD finds it".to_owned()));
        assert!(kit.one(CHECK.id).message.contains("HEAD finds it"));
    }
}
