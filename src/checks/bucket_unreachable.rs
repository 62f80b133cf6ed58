//! The bucket cannot be listed or read: nothing can be said of anything in it.

use super::scope::moment;
use super::{Check, Param, ParamValue, Scope};
use crate::model::{Finding, MINUTE_MS, Need, Provider, Severity};

const CRITICAL_AFTER: Param = Param {
    name: "critical_after",
    default: ParamValue::DurationMs(15 * MINUTE_MS),
    help: "how long a bucket may be unreachable before that is critical",
};

pub(super) static CHECK: Check = Check {
    id: "bucket_unreachable",
    needs: &[Need::Pass],
    severity: Severity::Critical,
    params: &[CRITICAL_AFTER],
    run,
};

fn run(scope: &Scope<'_>) -> Vec<Finding> {
    let Some(why) = scope.estate.unreachable() else {
        return Vec::new();
    };
    let remedy = match scope.estate.view.provider {
        Provider::Filesystem => "check that the directory is there, mounted and may be read",
        Provider::S3 | Provider::Gcs | Provider::Azure => {
            "check endpoint, credentials and the right to list and get; uploads by the sidecars probably fail, too"
        }
    };
    let message = format!("the bucket cannot be read, so nothing is known of its blocks: {why}");
    let mut finding = scope.bucket_finding(message, remedy);
    let open = scope.estate.past.findings.get(&finding.fingerprint());
    let since = open.map_or(scope.now(), |open| open.since);
    if scope.now().since(since) <= scope.duration_ms(&CRITICAL_AFTER, None) {
        finding.severity = Severity::Warning;
    }
    if let Some(last) = scope.estate.past.last_scan {
        finding.message = format!("{}; last read {}", finding.message, moment(last));
    }
    vec![finding.with("since", since.to_string()).with("why", why)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::kit::{Kit, at};
    use crate::model::{Listing, OpenFinding, Subject};

    #[test]
    fn a_failed_listing_is_a_warning_and_after_a_quarter_of_an_hour_critical() {
        let mut kit = Kit::healthy(48);
        kit.none(CHECK.id);
        kit.view.listing = Listing::Unknown { why: "LIST timed out".to_owned() };
        let finding = kit.one(CHECK.id);
        assert_eq!(finding.severity, Severity::Warning);
        assert!(finding.message.contains("LIST timed out"));
        for (minutes, severity) in [(15, Severity::Warning), (16, Severity::Critical)] {
            let subject = Subject::bucket("thanos".into());
            let open = OpenFinding {
                since: at(48).minus(minutes * MINUTE_MS),
                last_judged: at(48),
                check: CHECK.id.to_owned(),
                subject: subject.clone(),
                severity: Severity::Warning,
                interval: None,
                message: String::new(),
                remedy: String::new(),
                deadline: None,
                evidence: std::collections::BTreeMap::new(),
            };
            kit.past.findings.insert(subject.fingerprint(CHECK.id), open);
            assert_eq!(kit.one(CHECK.id).severity, severity, "{minutes} min");
        }
    }

    #[test]
    fn the_remedy_is_that_of_the_storage() {
        for provider in [Provider::Filesystem, Provider::S3, Provider::Gcs, Provider::Azure] {
            let mut kit = Kit::new(48);
            kit.view.provider = provider;
            kit.view.listing = Listing::Unknown { why: "it cannot be listed".to_owned() };
            let remedy = kit.one(CHECK.id).remedy;
            assert_eq!(remedy.contains("endpoint"), provider != Provider::Filesystem, "{provider:?}: {remedy}");
        }
    }

    #[test]
    fn one_object_that_cannot_be_read_does_not_make_the_bucket_unreachable() {
        let mut kit = Kit::healthy(48);
        let ulid = kit.ulid(at(47));
        let unknown = crate::model::UnknownObject { block: ulid, object: "x".to_owned(), why: "403".to_owned() };
        kit.view.unknown.push(unknown);
        kit.view.requests.get = 1;
        kit.none(CHECK.id);
        kit.view.blocks.clear();
        assert!(kit.one(CHECK.id).message.contains("403"));
    }
}
