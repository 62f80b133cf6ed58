//! Alerts beside the judgement: what becomes of them goes into the same commit, and what is to be told comes out.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Core;
use crate::alerting::{Alerting, AlertingPolicy, Observed, Signal};
use crate::ledger::{AlertingPast, LedgerError};
use crate::model::{
    AlertingChange, FindingChange, FindingEnd, OutboxRow, ReceiverStatus, Silence, Snapshot, TimestampMs, Transition,
};

/// Notifications that were decided together.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine) struct Decided {
    /// In order.
    pub(in crate::engine) rows: Vec<OutboxRow>,
    /// They are in the ledger.
    pub(in crate::engine) committed: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(in crate::engine) struct Telling {
    pub(in crate::engine) state: Alerting,
    pub(in crate::engine) policy: Arc<AlertingPolicy>,
    /// What is wrong and is no finding. All of it, each time.
    signals: Vec<Signal>,
    /// `signals` are others than at the last judgement.
    has_new_signals: bool,
    /// What is in no ledger yet. Its notifications are not in here: they are on their way.
    unsaved: AlertingChange,
    /// What nobody has taken up yet.
    decided: Vec<Decided>,
    /// Counts up with each change of an alert, a group or a silence.
    pub(in crate::engine) number: u64,
    /// The ledger has become another one.
    has_new_ledger: bool,
}

impl Telling {
    fn restored(past: AlertingPast, policy: AlertingPolicy) -> Self {
        let state = Alerting::restore(past.alerts, past.groups, past.silences, past.ended_unseen);
        Self { state, policy: Arc::new(policy), ..Self::default() }
    }

    /// Takes up a change: it is in the ledger, or will be with the next commit that goes well.
    fn note(&mut self, mut change: AlertingChange, committed: bool) {
        if change.is_empty() {
            return;
        }
        self.number = self.number.saturating_add(1);
        let rows = std::mem::take(&mut change.outbox);
        if !rows.is_empty() {
            self.decided.push(Decided { rows, committed });
        }
        if !committed {
            self.unsaved = std::mem::take(&mut self.unsaved).then(change);
        }
    }

    /// Everything as a change, for a ledger that knows nothing of it.
    fn whole(&self) -> AlertingChange {
        AlertingChange {
            alerts: self.state.alerts().cloned().collect(),
            groups: self.state.groups().cloned().collect(),
            silences: self.state.silences().cloned().collect(),
            ..AlertingChange::default()
        }
    }
}

impl Core {
    /// Begins to tell people, with what the ledger remembers of that.
    pub(in crate::engine) fn tell(&mut self, policy: AlertingPolicy) -> Result<(), LedgerError> {
        let past = match self.memory.load_alerting() {
            Ok(past) => past,
            Err(error) => {
                self.memory.cannot_read(&error);
                self.memory.load_alerting()?
            }
        };
        self.telling = Some(Telling::restored(past, policy));
        Ok(())
    }

    /// Another configuration.
    pub(in crate::engine) fn set_alerting_policy(&mut self, policy: AlertingPolicy) {
        if let Some(telling) = &mut self.telling {
            telling.policy = Arc::new(policy);
            telling.number = telling.number.saturating_add(1);
        }
    }

    /// What is wrong and is no finding; `true`: it is something else than before, and is to be judged.
    pub(in crate::engine) fn set_signals(&mut self, signals: Vec<Signal>) -> bool {
        let Some(telling) = self.telling.as_mut().filter(|telling| telling.signals != signals) else { return false };
        telling.signals = signals;
        telling.has_new_signals = true;
        true
    }

    /// How telling people goes, in all.
    pub(in crate::engine) fn set_receivers(&mut self, receivers: Arc<[ReceiverStatus]>) {
        self.world.receivers = Some(receivers);
    }

    /// Somebody cannot be told, or somebody is said not to be told.
    pub(super) fn has_trouble_telling(&self) -> bool {
        let is_failing = |receiver: &ReceiverStatus| receiver.failing_since.is_some();
        self.world.receivers.as_ref().is_some_and(|receivers| receivers.iter().any(is_failing))
            || self
                .past
                .buckets
                .values()
                .any(|past| past.findings.values().any(|open| open.check == "notification_failing"))
    }

    /// Alerts, where people are told.
    pub(in crate::engine) const fn telling(&self) -> Option<&Telling> {
        self.telling.as_ref()
    }

    /// What was decided since this was last asked.
    pub(in crate::engine) fn take_decided(&mut self) -> Vec<Decided> {
        self.telling.as_mut().map_or_else(Vec::new, |telling| std::mem::take(&mut telling.decided))
    }

    /// What becomes of alerts after a judgement. To be committed with it, and then [`Self::note_alerts`].
    pub(super) fn alerts_after(
        &mut self,
        snapshot: &Snapshot,
        transition: &Transition,
        now: TimestampMs,
    ) -> AlertingChange {
        let Some(telling) = &mut self.telling else { return AlertingChange::default() };
        let ended: BTreeMap<String, FindingEnd> = transition
            .findings
            .iter()
            .filter_map(|change| match change {
                FindingChange::Ended { fingerprint, end, .. } => Some((fingerprint.clone(), *end)),
                FindingChange::Opened(_) | FindingChange::Updated(_) => None,
            })
            .collect();
        let is_seen = |name: &Arc<str>| self.world.buckets.get(name).is_some_and(|view| view.listing.is_complete());
        let buckets = self.sources.keys().map(|name| (Arc::clone(name), is_seen(name))).collect();
        let signals = std::mem::take(&mut telling.signals);
        let observed = Observed {
            findings: &snapshot.findings,
            kept: &snapshot.kept,
            ended: &ended,
            buckets: &buckets,
            signals: &signals,
        };
        let change = telling.state.step(Some(observed), &Arc::clone(&telling.policy), now);
        telling.signals = signals;
        telling.has_new_signals = false;
        std::mem::take(&mut telling.unsaved).then(change)
    }

    /// Whether the ledger has become another one since this was last asked.
    pub(in crate::engine) fn take_new_ledger(&mut self) -> bool {
        self.telling.as_mut().is_some_and(|telling| std::mem::take(&mut telling.has_new_ledger))
    }

    /// The change that [`Self::alerts_after`] gave was committed, or that failed.
    pub(super) fn note_alerts(&mut self, change: AlertingChange, committed: bool) {
        if let Some(telling) = &mut self.telling {
            telling.note(change, committed);
        }
    }

    /// The ledger is another one, which knows nothing yet.
    pub(super) fn alerts_are_unsaved(&mut self) {
        if let Some(telling) = &mut self.telling {
            telling.unsaved = telling.whole();
            telling.has_new_ledger = true;
        }
    }

    /// Something is to be judged, or the time has come for something to be told.
    pub(in crate::engine) fn has_new_signals(&self) -> bool {
        self.telling.as_ref().is_some_and(|telling| telling.has_new_signals)
    }

    /// Lets time pass for alerts alone. `true`: something has changed.
    pub(in crate::engine) fn pass_time(&mut self, now: TimestampMs) -> bool {
        let Some(telling) = &mut self.telling else { return false };
        if telling.state.next_due(&telling.policy).is_none_or(|due| due > now) {
            return false;
        }
        let change = telling.state.step(None, &Arc::clone(&telling.policy), now);
        self.keep_alerts(change, now)
    }

    /// Adds or changes a silence.
    pub(in crate::engine) fn silence(&mut self, silence: Silence, now: TimestampMs) -> bool {
        let Some(telling) = &mut self.telling else { return false };
        let change = telling.state.silence(silence);
        self.keep_alerts(change, now)
    }

    /// Ends a silence, and gives it; `None`: there is none with this id that is not over.
    pub(in crate::engine) fn expire_silence(&mut self, id: &str, now: TimestampMs) -> Option<Silence> {
        let change = self.telling.as_mut()?.state.expire_silence(id, now)?;
        let ended = change.silences.first().cloned();
        self.keep_alerts(change, now);
        ended
    }

    /// Tells something that no alert is the reason of.
    pub(in crate::engine) fn tell_rows(&mut self, rows: Vec<OutboxRow>, now: TimestampMs) {
        self.keep_alerts(AlertingChange { outbox: rows, ..AlertingChange::default() }, now);
    }

    fn keep_alerts(&mut self, change: AlertingChange, now: TimestampMs) -> bool {
        let Some(telling) = &mut self.telling else { return false };
        if change.is_empty() {
            return false;
        }
        let change = std::mem::take(&mut telling.unsaved).then(change);
        let committed = match self.memory.commit_alerting(&change, now) {
            Ok(()) => true,
            Err(error) => {
                self.memory.cannot_write(&error);
                false
            }
        };
        self.note_alerts(change, committed);
        true
    }
}
