//! How alerts stand and how telling people goes. Everything that is configured has all of its series from the start, so
//! that the first failure is seen by `increase`.

use std::collections::BTreeMap;

use super::families::{Families, flag, number_of, seconds_of};
use crate::model::{
    AlertingStatus, DeliveryOutcome, FailureClass, Metric, MetricLabel, Phase, Published, ReceiverStatus, Severity,
    TimestampMs,
};

/// Adds the series of alerts, silences, receivers, the heartbeat and watchdogs.
pub(super) fn collect(families: &mut Families, published: &Published) {
    let status = &published.alerting;
    of_alerts(families, status);
    for reason in ["inhibition", "mute_time", "silence"] {
        let count = status.suppressed.get(reason).copied().unwrap_or_default();
        families.set(Metric::NotificationsSuppressed, &[(MetricLabel::Reason, reason)], number_of(count));
    }
    for receiver in published.service.receivers.iter() {
        of_receiver(families, receiver);
    }
    if let Some(heartbeat) = &status.heartbeat {
        let (succeeded, failed) = heartbeat.counts;
        for (result, count) in [("success", succeeded), ("failure", failed)] {
            families.set(Metric::HeartbeatPings, &[(MetricLabel::Result, result)], number_of(count));
        }
        families.set(Metric::HeartbeatLastSuccessTimestamp, &[], time_of(heartbeat.last_success));
    }
    for (name, watchdog) in &status.watchdogs {
        let labels = [(MetricLabel::Watchdog, name.as_str())];
        families.set(Metric::WatchdogLastSeenTimestamp, &labels, time_of(watchdog.last_seen));
        families.set(Metric::WatchdogWithin, &labels, seconds_of(watchdog.within_ms));
    }
}

/// Alerts and silences by state. What is `info` is no alert.
fn of_alerts(families: &mut Families, status: &AlertingStatus) {
    let mut alerts: BTreeMap<(Severity, &str), u64> = BTreeMap::new();
    for severity in [Severity::Critical, Severity::Warning] {
        alerts.extend(["pending", "firing", "unknown"].map(|state| ((severity, state), 0)));
    }
    for shown in &status.alerts {
        if shown.alert.phase == Phase::Ended {
            continue;
        }
        let count = alerts.entry((shown.alert.content.severity, shown.state())).or_default();
        *count = count.saturating_add(1);
    }
    for ((severity, state), count) in alerts {
        let labels = [(MetricLabel::Severity, severity.name()), (MetricLabel::State, state)];
        families.set(Metric::Alerts, &labels, number_of(count));
    }
    let active = status.silences.iter().filter(|silence| silence.is_active(status.at)).count();
    let pending = status.silences.iter().filter(|silence| silence.starts > status.at).count();
    for (state, count) in [("active", active), ("pending", pending)] {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        families.set(Metric::Silences, &[(MetricLabel::State, state)], number_of(count));
    }
}

fn of_receiver(families: &mut Families, status: &ReceiverStatus) {
    let receiver = (MetricLabel::Receiver, status.receiver.as_str());
    for outcome in DeliveryOutcome::ALL {
        let reasons: Vec<Option<FailureClass>> = match outcome {
            DeliveryOutcome::Sent | DeliveryOutcome::Coalesced => vec![None],
            DeliveryOutcome::Failed | DeliveryOutcome::Dead => FailureClass::ALL.map(Some).to_vec(),
        };
        for reason in reasons {
            let labels = [
                receiver,
                (MetricLabel::Outcome, outcome.name()),
                (MetricLabel::Reason, reason.map_or("", FailureClass::name)),
            ];
            let count = status.outcomes.get(&(outcome, reason)).copied().unwrap_or_default();
            families.set(Metric::Notifications, &labels, number_of(count));
        }
    }
    families.observe(Metric::NotificationLatency, &[receiver], &status.latency);
    families.set(Metric::NotificationLastSuccessTimestamp, &[receiver], time_of(status.last_success));
    families.set(Metric::NotificationsDead, &[receiver], number_of(status.dead));
    families.set(Metric::OutboxPending, &[receiver], number_of(status.pending));
    families.set(Metric::OutboxOldestPendingTimestamp, &[receiver], time_of(status.oldest_pending));
    families.set(Metric::ReceiverUp, &[receiver], flag(status.failing_since.is_none()));
}

/// A moment as a sample; 0 = there was none.
fn time_of(time: Option<TimestampMs>) -> f64 {
    time.map_or(0.0, |time| seconds_of(time.0))
}
