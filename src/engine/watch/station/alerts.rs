//! What the station knows beside the judgement: who is told and how that goes, who has to be heard of, and when the
//! dead-man's switch is told that all is well.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::Station;
use crate::alerting::{self, AlertingPolicy, Signal, Suppressed};
use crate::catalogue::Catalogue;
use crate::engine::alerts::kinds;
use crate::engine::chain;
use crate::engine::core::Decided;
use crate::ledger::{LedgerError, Outbox};
use crate::model::{
    Alert, AlertContent, AlertingStatus, DAY_MS, HeartbeatStatus, MINUTE_MS, NOTIFICATION_VERSION, Notification,
    NotifySettings, OutboxRow, OutboxState, Phase, Reason, ReceiverStatus, RuleSettings, SECOND_MS, Severity,
    ShownAlert, Silence, TimestampMs, WatchdogStatus, format_duration_ms,
};
use crate::notify::HeartbeatPhase;

/// The alert of an Alertmanager whose `Watchdog` is not heard of any more.
pub(in crate::engine) const WATCHDOG_SILENT: &str = "watchdog_silent";

/// Two cycles that the switch is told of come no closer than this, in ms: with one message for the begin and one for the
/// end of each, five a minute is what dead-man's switches take.
const LEAST_BEAT_MS: i64 = 25 * SECOND_MS;

/// A notification that waits for longer than this, in ms, is stuck: then not all is well.
const STUCK_MS: i64 = 10 * MINUTE_MS;

/// Alerts that are shown of those that ended.
const SHOWN_ENDED: usize = 1_000;

/// Who is told what, by what configuration.
#[derive(Clone, Debug, Default)]
pub struct Alerts {
    /// Routes, times, silences.
    pub policy: AlertingPolicy,
    /// Receivers, dead-man's switch, watchdogs.
    pub notify: NotifySettings,
    /// The rules that tell the same by way of Prometheus.
    pub rules: RuleSettings,
}

impl Alerts {
    /// What is configured, with the alerts that there are.
    pub fn new(policy: AlertingPolicy, notify: NotifySettings, rules: RuleSettings, words: &Catalogue) -> Self {
        let policy = AlertingPolicy { kinds: kinds(words, &rules), ..policy };
        Self { policy, notify, rules }
    }
}

/// What the dead-man's switch is told.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine::watch) struct Beat {
    /// `Success`: everything was looked at and judged, and nothing is stuck.
    pub(in crate::engine::watch) phase: HeartbeatPhase,
    /// In short.
    pub(in crate::engine::watch) summary: Value,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Told {
    notify: NotifySettings,
    /// By who reports: the delivery, and each task that tells Alertmanagers.
    receivers: BTreeMap<Arc<str>, Vec<ReceiverStatus>>,
    watchdogs: BTreeMap<String, Watchdog>,
    /// Buckets whose pass has ended since the last beat.
    looked_at: BTreeSet<Arc<str>>,
    last_beat: Option<TimestampMs>,
    beats: Vec<Beat>,
    /// The switch was told that a cycle has begun.
    has_begun: bool,
    heartbeat: HeartbeatStatus,
    status: Arc<AlertingStatus>,
    statuses: Arc<Vec<ReceiverStatus>>,
    /// What `status` was made of.
    shown: Option<u64>,
    suppressed_now: BTreeSet<(String, &'static str)>,
    suppressed: BTreeMap<&'static str, u64>,
    /// Daily tests up to here were sent.
    tested_until: Option<TimestampMs>,
}

/// One Alertmanager that has to be heard of.
#[derive(Clone, Copy, Debug)]
struct Watchdog {
    within_ms: i64,
    /// Heard of, or not missed before.
    since: TimestampMs,
    last_seen: Option<TimestampMs>,
}

impl Told {
    /// A pass over a bucket has ended.
    pub(super) fn note_looked_at(&mut self, bucket: &Arc<str>) {
        self.looked_at.insert(Arc::clone(bucket));
    }
}

impl Station {
    /// Begins to tell people. Without it, alerts are neither kept nor told.
    pub fn tell(&mut self, alerts: Alerts, now: TimestampMs) -> Result<(), LedgerError> {
        self.core.tell(alerts.policy)?;
        self.told.suppressed = Suppressed::ALL.into_iter().map(|reason| (reason.name(), 0)).collect();
        self.told.tested_until = Some(now);
        self.core.set_receivers(Arc::default());
        self.set_notify(alerts.notify, now);
        self.show_alerts(now);
        Ok(())
    }

    /// The outbox of a ledger that has become another one since this was last asked.
    pub(in crate::engine::watch) fn take_new_outbox(&mut self) -> Option<Outbox> {
        if !self.core.take_new_ledger() {
            return None;
        }
        let outbox = self.core.memory.outbox();
        outbox.inspect_err(|error| tracing::error!("notifications are kept in memory only: {}", chain(error))).ok()
    }

    /// What is to be told, for whoever does it.
    pub(in crate::engine::watch) fn outbox(&self) -> Result<Outbox, LedgerError> {
        self.core.memory.outbox()
    }

    /// Goes on with another configuration.
    pub(super) fn replace_alerts(&mut self, alerts: Alerts, now: TimestampMs) {
        self.core.set_alerting_policy(alerts.policy);
        self.set_notify(alerts.notify, now);
    }

    fn set_notify(&mut self, notify: NotifySettings, now: TimestampMs) {
        let told = &mut self.told;
        let before = std::mem::take(&mut told.watchdogs);
        told.watchdogs = notify
            .watchdogs
            .iter()
            .map(|settings| {
                let known = before.get(&settings.name);
                let (since, last_seen) = known.map_or((now, None), |known| (known.since, known.last_seen));
                (settings.name.clone(), Watchdog { within_ms: settings.within_ms, since, last_seen })
            })
            .collect();
        told.notify = notify;
        told.shown = None;
        self.miss_watchdogs(now);
    }

    /// What was decided to be told since this was last asked.
    pub fn take_decided(&mut self) -> Vec<(Vec<OutboxRow>, bool)> {
        self.core.take_decided().into_iter().map(|Decided { rows, committed }| (rows, committed)).collect()
    }

    /// What the dead-man's switch is to be told.
    pub(in crate::engine::watch) fn take_beats(&mut self) -> Vec<Beat> {
        std::mem::take(&mut self.told.beats)
    }

    /// Another number whenever alerts, or what is demanded of them, are others.
    pub(in crate::engine::watch) fn alerts_number(&self) -> Option<u64> {
        self.core.telling().map(|telling| telling.number)
    }

    /// What each Alertmanager is to be told: alerts by receiver.
    pub(in crate::engine::watch) fn for_alertmanagers(
        &self,
        resolved_ms: i64,
        now: TimestampMs,
    ) -> BTreeMap<String, Vec<Alert>> {
        let Some(telling) = self.core.telling() else { return BTreeMap::new() };
        let receivers = telling.policy.receivers.iter().filter(|(_, receiver)| receiver.recipients.is_empty());
        let alerts = receivers
            .map(|(name, _)| (name.clone(), telling.state.for_alertmanager(name, &telling.policy, resolved_ms, now)));
        alerts.collect()
    }

    /// How telling goes, as one of those who do it says. `true`: something is broken that was not, or the other way.
    pub fn take_receivers(&mut self, who: Arc<str>, statuses: Vec<ReceiverStatus>) -> bool {
        let broken = |statuses: &[ReceiverStatus]| -> Vec<(String, bool)> {
            let failing = statuses.iter().filter(|status| status.failing_since.is_some());
            failing.map(|status| (status.receiver.clone(), true)).collect()
        };
        let before = broken(&self.told.statuses);
        self.told.receivers.insert(who, statuses);
        let mut all: Vec<ReceiverStatus> = self.told.receivers.values().flatten().cloned().collect();
        let place = |status: &ReceiverStatus| {
            self.told.notify.receivers.iter().position(|receiver| receiver.name == status.receiver)
        };
        all.retain(|status| place(status).is_some());
        all.sort_by_key(place);
        let changed = broken(&all) != before;
        self.core.set_receivers(all.clone().into());
        self.told.statuses = Arc::new(all);
        changed
    }

    /// How the dead-man's switch was reached.
    pub(in crate::engine::watch) fn take_heartbeat(&mut self, result: Result<bool, String>, now: TimestampMs) {
        let heartbeat = &mut self.told.heartbeat;
        match result {
            // that not all is well was told, which is no sign of life
            Ok(false) => heartbeat.error = None,
            Ok(true) => {
                heartbeat.counts.0 = heartbeat.counts.0.saturating_add(1);
                heartbeat.last_success = Some(now);
                heartbeat.error = None;
            }
            Err(error) => {
                if heartbeat.error.is_none() {
                    tracing::warn!("the dead-man's switch cannot be told that all is well: {error}");
                }
                heartbeat.counts.1 = heartbeat.counts.1.saturating_add(1);
                heartbeat.error = Some(error);
            }
        }
        self.told.shown = None;
    }

    /// An Alertmanager is heard of; `false`: it is not one of ours.
    pub fn hear(&mut self, watchdog: &str, now: TimestampMs) -> bool {
        let Some(known) = self.told.watchdogs.get_mut(watchdog) else { return false };
        known.since = now;
        known.last_seen = Some(now);
        self.told.shown = None;
        self.miss_watchdogs(now);
        true
    }

    /// Adds or changes a silence.
    pub fn silence(&mut self, silence: Silence, now: TimestampMs) {
        self.core.silence(silence, now);
        self.show_alerts(now);
    }

    /// Ends a silence, and gives it; `None`: there is none with this id that is not over.
    pub fn expire_silence(&mut self, id: &str, now: TimestampMs) -> Option<Silence> {
        let expired = self.core.expire_silence(id, now);
        self.show_alerts(now);
        expired
    }

    /// The process stood still: who is not heard of has an excuse.
    pub(super) fn excuse_watchdogs(&mut self, now: TimestampMs) {
        for watchdog in self.told.watchdogs.values_mut() {
            watchdog.since = now;
        }
    }

    /// Time goes by for alerts. `true`: something is shown otherwise.
    pub(super) fn tick_alerts(&mut self, now: TimestampMs) -> bool {
        self.miss_watchdogs(now);
        self.send_daily_tests(now);
        if self.core.has_new_signals() {
            self.judge(now);
            return true;
        }
        let passed = self.core.pass_time(now);
        self.show_alerts(now) || passed
    }

    fn miss_watchdogs(&mut self, now: TimestampMs) {
        let silent = self.told.watchdogs.iter().filter(|(_, watchdog)| now.since(watchdog.since) > watchdog.within_ms);
        let signals = silent.map(|(name, watchdog)| signal_of(name, *watchdog)).collect();
        self.core.set_signals(signals);
    }

    fn send_daily_tests(&mut self, now: TimestampMs) {
        let until = self.told.tested_until.unwrap_or(now);
        // a clock that was set, or a process that stood still for long, makes up for nothing
        self.told.tested_until = Some(now);
        if now.since(until) <= 0 || now.since(until) > DAY_MS {
            return;
        }
        let Some(telling) = self.core.telling() else { return };
        let due = self.told.notify.receivers.iter().filter(|receiver| {
            receiver.daily_test_minute.is_some_and(|minute| {
                let at_ms = i64::from(minute).saturating_mul(MINUTE_MS);
                let day = |time: TimestampMs| time.minus(at_ms).0.div_euclid(DAY_MS);
                day(now) > day(until)
            })
        });
        let text = "The daily test: this receiver can be told what is wrong. There is nothing to be done.";
        let rows: Vec<OutboxRow> = due
            .flat_map(|receiver| {
                let recipients =
                    telling.policy.receivers.get(&receiver.name).map(|policy| policy.recipients.as_slice());
                test_rows(&receiver.name, recipients.unwrap_or_default(), text, now)
            })
            .collect();
        if !rows.is_empty() {
            self.core.tell_rows(rows, now);
        }
    }

    /// A pass begins: with the first of a cycle the switch is told so.
    pub(super) fn note_begun(&mut self, now: TimestampMs) {
        let is_early = self.told.last_beat.is_some_and(|last| (0..LEAST_BEAT_MS).contains(&now.since(last)));
        if self.told.notify.heartbeat.as_ref().is_some_and(|heartbeat| heartbeat.phases)
            && !self.told.has_begun
            && !is_early
        {
            self.told.has_begun = true;
            self.told.beats.push(Beat { phase: HeartbeatPhase::Start, summary: json!({"at": now}) });
        }
    }

    /// A judgement was made: if all buckets were looked at since the last beat, it is time for the next.
    pub(super) fn note_judged(&mut self, now: TimestampMs) {
        let is_over = !self.buckets.is_empty() && self.buckets.keys().all(|name| self.told.looked_at.contains(name));
        let is_early = self.told.last_beat.is_some_and(|last| (0..LEAST_BEAT_MS).contains(&now.since(last)));
        if self.told.notify.heartbeat.is_none() || !is_over || is_early {
            return;
        }
        self.told.looked_at.clear();
        self.told.has_begun = false;
        self.told.last_beat = Some(now);
        let stuck: Vec<&str> = self
            .told
            .statuses
            .iter()
            .filter(|receiver| receiver.oldest_pending.is_some_and(|oldest| now.since(oldest) > STUCK_MS))
            .map(|receiver| receiver.receiver.as_str())
            .collect();
        let count =
            |severity: Severity| self.snapshot.findings.iter().filter(|finding| finding.severity == severity).count();
        let summary = json!({
            "at": now,
            "buckets": self.buckets.len(),
            "unreachable": self.buckets.values().filter(|status| status.unreachable.is_some()).count(),
            "findings": {"critical": count(Severity::Critical), "warning": count(Severity::Warning)},
            "stuck_receivers": stuck,
        });
        let phase = if stuck.is_empty() { HeartbeatPhase::Success } else { HeartbeatPhase::Fail };
        self.told.beats.push(Beat { phase, summary });
    }

    /// Works out anew what is shown of alerts, if anything has changed. `true`: it has.
    pub(super) fn show_alerts(&mut self, now: TimestampMs) -> bool {
        let Some(telling) = self.core.telling() else { return false };
        if self.told.shown == Some(telling.number) {
            return false;
        }
        self.told.shown = Some(telling.number);
        let mut suppressed_now = BTreeSet::new();
        let mut alerts: Vec<ShownAlert> = Vec::new();
        let mut ended: Vec<&Alert> = Vec::new();
        for alert in telling.state.alerts() {
            if alert.phase == Phase::Ended {
                ended.push(alert);
                continue;
            }
            let suppressed = (alert.phase == Phase::Firing)
                .then(|| telling.state.suppressed(alert, &telling.policy, now))
                .flatten()
                .map(|(reason, by)| (reason.name(), by));
            if let Some((reason, _)) = &suppressed {
                suppressed_now.insert((alert.fingerprint.clone(), *reason));
            }
            alerts.push(shown(alert, suppressed, &telling.policy));
        }
        alerts.sort_by(|a, b| key_of(&a.alert).cmp(&key_of(&b.alert)));
        ended.sort_by_key(|alert| (std::cmp::Reverse(alert.ended_at), &alert.fingerprint));
        ended.truncate(SHOWN_ENDED);
        alerts.extend(ended.into_iter().map(|alert| shown(alert, None, &telling.policy)));
        let mut silences: Vec<Silence> = telling.state.silences().chain(&telling.policy.silences).cloned().collect();
        silences.retain(|silence| silence.ends > now);
        silences.sort_by(|a, b| (a.starts, &a.id).cmp(&(b.starts, &b.id)));
        for (fingerprint, reason) in &suppressed_now {
            if !self.told.suppressed_now.contains(&(fingerprint.clone(), *reason)) {
                let count = self.told.suppressed.entry(reason).or_default();
                *count = count.saturating_add(1);
            }
        }
        self.told.suppressed_now = suppressed_now;
        let watchdogs = self.told.watchdogs.iter().map(|(name, watchdog)| {
            let status = WatchdogStatus { within_ms: watchdog.within_ms, last_seen: watchdog.last_seen };
            (name.clone(), status)
        });
        self.told.status = Arc::new(AlertingStatus {
            enabled: true,
            at: now,
            alerts,
            silences,
            suppressed: self.told.suppressed.clone(),
            watchdogs: watchdogs.collect(),
            heartbeat: self.told.notify.heartbeat.as_ref().map(|_| self.told.heartbeat.clone()),
        });
        true
    }

    /// What is shown of alerts.
    pub(super) fn alerting_status(&self) -> Arc<AlertingStatus> {
        Arc::clone(&self.told.status)
    }

    /// What is shown of receivers.
    pub(super) fn receiver_statuses(&self) -> Arc<Vec<ReceiverStatus>> {
        Arc::clone(&self.told.statuses)
    }
}

fn key_of(alert: &Alert) -> (Severity, Phase, &str, &str, &str) {
    let content = &alert.content;
    // what fires before what is pending
    let phase = if alert.phase == Phase::Firing { Phase::Pending } else { Phase::Ended };
    (content.severity, phase, &alert.id, &content.bucket, &alert.fingerprint)
}

fn shown(alert: &Alert, suppressed: Option<(&'static str, String)>, policy: &AlertingPolicy) -> ShownAlert {
    let steps = alerting::route(&alert.routing_labels(), policy);
    let mut receivers: Vec<String> =
        steps.into_iter().filter(|step| step.matches).flat_map(|step| step.receivers).collect();
    receivers.sort();
    receivers.dedup();
    ShownAlert { alert: alert.clone(), suppressed, receivers }
}

fn signal_of(name: &str, watchdog: Watchdog) -> Signal {
    let last = watchdog.last_seen.map_or_else(
        || format!("was not heard of since {}", watchdog.since),
        |last| format!("was last heard of at {last}"),
    );
    let allowed = format_duration_ms(watchdog.within_ms);
    Signal {
        fingerprint: format!("signal:watchdog:{name}"),
        id: WATCHDOG_SILENT.to_owned(),
        content: AlertContent {
            severity: Severity::Critical,
            bucket: String::new(),
            stream: None,
            resolution: None,
            block: None,
            object: Some(name.to_owned()),
            interval_ms: None,
            message: format!(
                "the Watchdog of `{name}` {last}, and has to be heard of every {allowed}: its Prometheus, its \
                 Alertmanager or the way between them is broken, so that no alert of it reaches anybody"
            ),
            remedy: "see whether Prometheus evaluates rules and reaches Alertmanager, and whether Alertmanager \
                     reaches this service"
                .to_owned(),
            deadline: None,
            evidence: BTreeMap::from([
                ("watchdog".to_owned(), name.into()),
                ("within_ms".to_owned(), watchdog.within_ms.into()),
                ("last_seen".to_owned(), watchdog.last_seen.map(|last| last.to_string()).into()),
            ]),
        },
    }
}

/// A test message for each recipient of a receiver.
pub(in crate::engine) fn test_rows(
    receiver: &str,
    recipients: &[String],
    text: &str,
    now: TimestampMs,
) -> Vec<OutboxRow> {
    let rows = recipients.iter().map(|recipient| {
        let id = alerting::digest(&[receiver, recipient, "test", &now.0.to_string()]);
        OutboxRow {
            receiver: receiver.to_owned(),
            recipient: recipient.clone(),
            lane: format!("test {id}"),
            created: now,
            not_before: now,
            // tomorrow's test says more than a late one
            deadline: now.plus(DAY_MS / 2),
            attempts: 0,
            state: OutboxState::Pending,
            uncertain: false,
            plain: false,
            error: None,
            instead_of: None,
            notification: Notification {
                version: NOTIFICATION_VERSION,
                reason: Reason::Test,
                at: now,
                receiver: receiver.to_owned(),
                group_key: format!("test {id}"),
                group: BTreeMap::new(),
                incident: id.clone(),
                began: now,
                ended: None,
                alerts: Vec::new(),
                more: 0,
                repeat_ms: None,
                parts: Vec::new(),
                text: Some(text.to_owned()),
            },
            id,
        }
    });
    rows.collect()
}
