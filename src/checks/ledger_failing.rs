//! The ledger cannot be read or written: what rests on the past is not judged.

use std::sync::Arc;

use super::{Check, Scope};
use crate::model::{Evidence, Finding, Severity, Subject};

pub(super) static CHECK: Check =
    Check { id: "ledger_failing", needs: &[], severity: Severity::Warning, params: &[], run };

fn run(scope: &Scope<'_>) -> Vec<Finding> {
    // there is one ledger for all buckets, so the first one reports
    let first = scope.estates.first().is_some_and(|first| first.view.bucket == scope.estate.view.bucket);
    scope.ledger_failure.filter(|_| first).map(|why| finding(&scope.estate.view.bucket, why)).into_iter().collect()
}

/// The finding itself, for whoever notices the failure after the judgement.
pub fn finding(bucket: &Arc<str>, why: &str) -> Finding {
    Finding {
        check: CHECK.id,
        subject: Subject::bucket(Arc::clone(bucket)),
        severity: CHECK.severity,
        interval: None,
        message: format!(
            "the ledger cannot be used, so blocks that vanish, objects that change and lossy compactions may go unnoticed, \
             at the latest after a restart: {why}"
        ),
        remedy:
            "free space or mend the rights of the file that `--state` names; a damaged file can be moved away, the \
                 ledger then begins anew"
                .to_owned(),
        deadline: None,
        evidence: Evidence::from([("why", why.into())]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::kit::Kit;

    #[test]
    fn a_ledger_that_fails_is_a_warning() {
        let mut kit = Kit::healthy(49);
        kit.none(CHECK.id);
        kit.ledger_failure = Some("disk is full".to_owned());
        let finding = kit.one(CHECK.id);
        assert_eq!(finding.severity, Severity::Warning);
        assert!(finding.message.contains("disk is full"));
    }
}
