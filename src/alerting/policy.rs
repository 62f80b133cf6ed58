//! What alerts are held to: how long, who is told, when, and when not.

use std::collections::BTreeMap;

use crate::model::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Selector, Severity, Silence, TimestampMs, Window};

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct AlertingPolicy {
    /// By id in the catalogue. What is not here is no alert.
    pub kinds: BTreeMap<String, Kind>,
    /// The first that matches counts, and those after it for as long as they say `continue`.
    pub routes: Vec<Route>,
    /// By name.
    pub receivers: BTreeMap<String, ReceiverPolicy>,
    /// By name.
    pub mute_times: BTreeMap<String, MuteTime>,
    /// Those of the configuration; others are in [`super::Alerting`].
    pub silences: Vec<Silence>,
    /// When an alert comes and goes too often.
    pub flapping: Flapping,
}

/// One alert of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// `alertname`
    pub name: String,
    /// `for`, in ms.
    pub hold_ms: i64,
    /// `keep_firing_for`, in ms.
    pub keep_ms: i64,
    /// Ids of alerts that make it pointless while they fire for the same bucket.
    pub inhibited_by: Vec<String>,
}

/// A receiver, as far as it decides what is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceiverPolicy {
    /// One row of the outbox each; one empty text for a receiver that has just one. Empty = nothing goes through the
    /// outbox: an Alertmanager groups by itself and is told everything again and again.
    pub recipients: Vec<String>,
    /// That alerts are over is told.
    pub send_resolved: bool,
}

/// One route.
#[derive(Clone, Debug)]
pub struct Route {
    /// For people: its name, or `routes[2]`.
    pub name: String,
    /// Over [`crate::model::Alert::routing_labels`].
    pub matchers: Selector,
    /// Names of receivers; none = nobody is told.
    pub receivers: Vec<String>,
    /// Labels whose values tell groups apart. `...` alone: each alert is a group of its own.
    pub group_by: Vec<String>,
    /// What was set; otherwise [`Timing::of`] the worst severity of the group.
    pub group_wait_ms: Option<i64>,
    /// See `group_wait_ms`.
    pub group_interval_ms: Option<i64>,
    /// See `group_wait_ms`.
    pub repeat_interval_ms: Option<i64>,
    /// Names of mute times.
    pub mute: Vec<String>,
    /// Routes after it are looked at as well.
    pub continues: bool,
}

/// What alerts are grouped by where no route says otherwise: all streams of one cluster are one message.
pub const DEFAULT_GROUP_BY: [&str; 5] = ["alertname", "bucket", "cluster", "cluster_id", "environment"];

/// Rhythm of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// From the first news of a group until they are told, in ms: what comes together is told together.
    pub wait_ms: i64,
    /// Between two messages about one group, in ms.
    pub interval_ms: i64,
    /// Until something that has not changed is told again, in ms.
    pub repeat_ms: i64,
}

impl Timing {
    /// The defaults.
    pub const fn of(severity: Severity) -> Self {
        match severity {
            Severity::Critical => Self { wait_ms: 10 * SECOND_MS, interval_ms: MINUTE_MS, repeat_ms: HOUR_MS },
            Severity::Warning | Severity::Info => {
                Self { wait_ms: 30 * SECOND_MS, interval_ms: 5 * MINUTE_MS, repeat_ms: 12 * HOUR_MS }
            }
        }
    }
}

/// Days and hours at which nobody is told.
#[derive(Clone, Debug, PartialEq)]
pub struct MuteTime {
    /// Days of the week, 1 = Monday; empty = all. A span over midnight belongs to the day on which it begins.
    pub weekdays: Vec<u8>,
    /// Hours; all = the whole day.
    pub hours: Window,
    /// Name of the time zone of `weekdays`: that of `hours`.
    pub zone: jiff::tz::TimeZone,
}

/// When an alert comes and goes too often to be told each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flapping {
    /// So many comings and goings of its finding…
    pub edges: usize,
    /// …within this time, in ms.
    pub within_ms: i64,
    /// None for this long, in ms: it no longer does.
    pub quiet_ms: i64,
}

impl Default for Flapping {
    fn default() -> Self {
        // so that what comes every hour is seen to come and go, too
        Self { edges: 6, within_ms: 3 * HOUR_MS, quiet_ms: HOUR_MS }
    }
}

/// A notification that has not arrived after this time, in ms, is given up, and its receiver's fallback gets it.
pub const DEADLINE_MS: i64 = DAY_MS;

/// An alert that ended is remembered for so long, in ms.
pub const REMEMBERED_MS: i64 = DAY_MS;

impl AlertingPolicy {
    /// All silences of the configuration that hold now.
    pub fn active_silences(&self, now: TimestampMs) -> impl Iterator<Item = &Silence> {
        self.silences.iter().filter(move |silence| silence.is_active(now))
    }
}
