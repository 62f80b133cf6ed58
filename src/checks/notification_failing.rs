//! Somebody who is to be told of what is wrong cannot be told.

use serde_json::{Value, json};

use super::scope::{count_of, moment};
use super::{Check, Param, ParamValue, Scope};
use crate::model::{FailureClass, Finding, MINUTE_MS, Need, ReceiverStatus, Severity, TimestampMs};

const AFTER: Param = Param {
    name: "after",
    default: ParamValue::DurationMs(10 * MINUTE_MS),
    help: "a receiver that takes nothing for longer than this is broken; one that does not let us in is so at once",
};

pub(super) static CHECK: Check =
    Check { id: "notification_failing", needs: &[Need::Receivers], severity: Severity::Warning, params: &[AFTER], run };

/// The names of the receivers that cannot be told, in the evidence: this alert is not sent to them.
pub const RECEIVERS: &str = "receivers";

fn run(scope: &Scope<'_>) -> Vec<Finding> {
    // receivers serve all buckets, so the first one reports
    let first = scope.estates.first().is_some_and(|first| first.view.bucket == scope.estate.view.bucket);
    let Some(receivers) = scope.receivers.filter(|_| first) else { return Vec::new() };
    let after_ms = scope.duration_ms(&AFTER, None);
    let failing: Vec<&ReceiverStatus> =
        receivers.iter().filter(|receiver| is_broken(receiver, after_ms, scope.judged_at)).collect();
    if failing.is_empty() {
        return Vec::new();
    }
    let waiting: u64 = failing.iter().map(|receiver| receiver.pending).sum();
    let listed: Vec<String> = failing.iter().map(|receiver| describe(receiver)).collect();
    let waiting = count_of(usize::try_from(waiting).unwrap_or(usize::MAX), "notification");
    let message = format!(
        "{} cannot be told anything, and {waiting} wait: {}",
        count_of(failing.len(), "receiver"),
        listed.join("; ")
    );
    let remedy = "renew what the error names (a token, a password, a channel, the way through the network); \
                  `blockwarden config check --online` says whether that was it, and what waits is then sent by itself";
    let names: Vec<&str> = failing.iter().map(|receiver| receiver.receiver.as_str()).collect();
    let details: Vec<Value> = failing.iter().map(|receiver| detail(receiver)).collect();
    vec![scope.bucket_finding(message, remedy).with(RECEIVERS, names).with("failures", details)]
}

/// Whether a receiver takes nothing any more, for whatever reason, at this moment.
fn is_broken(receiver: &ReceiverStatus, after_ms: i64, now: TimestampMs) -> bool {
    let Some(since) = receiver.failing_since else { return false };
    let refused = matches!(receiver.failure, Some((FailureClass::Authentication, _)));
    refused || now.since(since) > after_ms
}

fn describe(receiver: &ReceiverStatus) -> String {
    let since = receiver.failing_since.map_or_else(String::new, |since| format!(" since {}", moment(since)));
    let why = receiver.failure.as_ref().map_or("", |(_, why)| why.as_str());
    format!("`{}` ({}{since}): {why}", receiver.receiver, receiver.kind)
}

fn detail(receiver: &ReceiverStatus) -> Value {
    json!({
        "receiver": receiver.receiver,
        "kind": receiver.kind,
        "class": receiver.failure.as_ref().map(|(class, _)| class.name()),
        "failing_since": receiver.failing_since,
        "last_success": receiver.last_success,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::kit::{Kit, at};
    use crate::model::HOUR_MS;

    fn failing(name: &str, class: FailureClass, since: TimestampMs) -> ReceiverStatus {
        ReceiverStatus {
            receiver: name.to_owned(),
            kind: "slack",
            pending: 2,
            failing_since: Some(since),
            failure: Some((class, "it is said: `token_revoked`".to_owned())),
            ..ReceiverStatus::default()
        }
    }

    #[test]
    fn a_receiver_that_takes_nothing_is_told_of_and_one_that_stumbles_is_not() {
        let mut kit = Kit::healthy(49);
        let fine = ReceiverStatus { receiver: "fine".to_owned(), kind: "mail", ..ReceiverStatus::default() };
        let minutes = |minutes: i64| at(49).minus(minutes * MINUTE_MS);
        for (receivers, expected) in [
            (None, 0),
            (Some(vec![]), 0),
            (Some(vec![fine.clone()]), 0),
            (Some(vec![fine.clone(), failing("a", FailureClass::Transient, minutes(9))]), 0),
            (Some(vec![failing("a", FailureClass::RateLimited, minutes(10))]), 0),
            (Some(vec![failing("a", FailureClass::Transient, minutes(11))]), 1),
            (Some(vec![failing("a", FailureClass::Authentication, minutes(0)), fine]), 1),
        ] {
            kit.receivers.clone_from(&receivers);
            assert_eq!(kit.run(CHECK.id).len(), expected, "{receivers:?}");
        }
    }

    #[test]
    fn it_names_each_of_them_and_what_they_said() {
        let mut kit = Kit::healthy(49);
        let since = at(49).minus(HOUR_MS);
        kit.receivers = Some(vec![
            failing("oncall", FailureClass::Authentication, since),
            failing("ops", FailureClass::Permanent, since),
        ]);
        let finding = kit.one(CHECK.id);
        assert_eq!(finding.severity, Severity::Warning);
        assert_eq!(finding.evidence[RECEIVERS], json!(["oncall", "ops"]));
        for part in ["2 receivers", "4 notifications wait", "`oncall` (slack since", "token_revoked"] {
            assert!(finding.message.contains(part), "{part}: {}", finding.message);
        }
    }
}
