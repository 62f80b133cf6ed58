//! What a check gets, and how it says what it found.

use std::sync::Arc;

use serde_json::Value;
use ulid::Ulid;

use super::Check;
use super::estate::{Estate, Placed};
use super::policy::{Param, ParamValue};
use crate::model::{
    Evidence, Finding, Interval, Labels, ReceiverStatus, Resolution, Schedule, Severity, Subject, TimestampMs,
    format_duration_ms,
};

/// One check on one bucket.
#[derive(Debug)]
pub struct Scope<'a> {
    /// The check that runs.
    pub check: &'static Check,
    /// The bucket.
    pub estate: &'a Estate<'a>,
    /// All buckets, by name: a stream may be in any of them.
    pub estates: &'a [Estate<'a>],
    /// Why the ledger cannot be relied on, if so.
    pub ledger_failure: Option<&'a str>,
    /// When the judgement is made. The facts may be older: whatever depends on them is judged as of [`Scope::now`].
    pub judged_at: TimestampMs,
    /// How passes go, where they are made again and again.
    pub schedule: Option<&'a Schedule>,
    /// Who is to be told of what is wrong, and how that goes; `None` where nobody is told.
    pub receivers: Option<&'a [ReceiverStatus]>,
}

impl Scope<'_> {
    /// The time that is judged: that of the facts, where there are any.
    pub const fn now(&self) -> TimestampMs {
        self.estate.now
    }

    /// A duration in ms that can be set for this check and stream.
    pub fn duration_ms(&self, param: &Param, labels: Option<&Labels>) -> i64 {
        match self.estate.policy.param(self.check.id, param, labels) {
            ParamValue::DurationMs(ms) => ms,
            ParamValue::Ratio(_) | ParamValue::Count(_) => 0,
        }
    }

    /// A number that can be set for this check.
    pub fn count(&self, param: &Param) -> i64 {
        match self.estate.policy.param(self.check.id, param, None) {
            ParamValue::Count(count) => i64::try_from(count).unwrap_or(i64::MAX),
            ParamValue::DurationMs(_) | ParamValue::Ratio(_) => 0,
        }
    }

    /// A factor that can be set for this check and stream, times `ms`.
    pub fn factor_of(&self, param: &Param, labels: Option<&Labels>, ms: i64) -> i64 {
        match self.estate.policy.param(self.check.id, param, labels) {
            #[expect(
                clippy::as_conversions,
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                reason = "a threshold of some hours; `as` saturates"
            )]
            ParamValue::Ratio(ratio) => (ms as f64 * ratio) as i64,
            ParamValue::DurationMs(_) | ParamValue::Count(_) => ms,
        }
    }

    /// The check's own severity, or `warning` where another block or stream holds the data of this block.
    pub fn severity_of_block(&self, block: &Placed<'_>) -> Severity {
        if self.is_held_elsewhere(block) { Severity::Warning } else { self.check.severity }
    }

    /// Another block or stream holds the data of this block.
    pub fn is_held_elsewhere(&self, block: &Placed<'_>) -> bool {
        block.superseded
            || self
                .estate
                .stream_of(block)
                .is_some_and(|stream| self.estate.has_copy(stream, block.meta.resolution, block.meta.interval))
    }

    /// A finding about the whole bucket.
    pub fn bucket_finding(&self, message: String, remedy: impl Into<String>) -> Finding {
        self.finding(Subject::bucket(Arc::clone(&self.estate.view.bucket)), message, remedy.into())
    }

    /// A finding about a stream at one resolution.
    pub fn stream_finding(
        &self,
        labels: &Arc<Labels>,
        resolution: Resolution,
        message: String,
        remedy: impl Into<String>,
    ) -> Finding {
        let subject = Subject::stream(Arc::clone(&self.estate.view.bucket), Arc::clone(labels), resolution);
        self.finding(subject, message, remedy.into())
    }

    /// A finding about a block.
    pub fn block_finding(&self, block: &Placed<'_>, message: String, remedy: impl Into<String>) -> Finding {
        let mut finding = self.stream_finding(&block.meta.labels, block.meta.resolution, message, remedy);
        finding.subject.block = Some(block.ulid());
        finding.interval = (!block.meta.interval.is_empty()).then_some(block.meta.interval);
        finding
    }

    /// A finding about a directory of which no stream is known.
    pub fn unplaced_finding(&self, ulid: Ulid, message: String, remedy: impl Into<String>) -> Finding {
        let mut finding = self.bucket_finding(message, remedy);
        finding.subject.block = Some(ulid);
        finding
    }

    fn finding(&self, subject: Subject, message: String, remedy: String) -> Finding {
        Finding {
            check: self.check.id,
            subject,
            severity: self.check.severity,
            interval: None,
            message,
            remedy,
            deadline: None,
            evidence: Evidence::new(),
        }
    }
}

impl Finding {
    /// With another severity.
    #[must_use]
    pub(super) const fn with_severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// With a named value that supports it.
    #[must_use]
    pub(super) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.evidence.insert(name, value.into());
        self
    }

    /// With the time whose data is at risk.
    #[must_use]
    pub(super) const fn at_risk(mut self, interval: Interval) -> Self {
        self.interval = Some(interval);
        self
    }

    /// With the moment until which it can be mended, unless that has passed.
    #[must_use]
    pub(super) fn until(mut self, deadline: Option<TimestampMs>, now: TimestampMs) -> Self {
        self.deadline = deadline.filter(|deadline| *deadline > now);
        self
    }

    /// About one object of the block.
    #[must_use]
    pub(super) fn about_object(mut self, ulid: Ulid, name: &str) -> Self {
        self.subject.object = Some(format!("{ulid}/{name}"));
        self
    }
}

/// An interval as a reader wants it: minutes, UTC, and how long.
pub(super) fn span(interval: Interval) -> String {
    format!("{} to {} ({})", moment(interval.start), moment(interval.end), format_duration_ms(interval.len_ms()))
}

/// A moment to the minute, UTC.
pub(super) fn moment(time: TimestampMs) -> String {
    match jiff::Timestamp::from_millisecond(time.0) {
        Ok(timestamp) => timestamp.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        Err(_) => time.to_string(),
    }
}

/// `1 block`, `12 blocks`.
pub(super) fn count_of(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
