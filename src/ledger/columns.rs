//! Values of the model as columns, both ways. What cannot have been written by us is an error, never skipped.

use std::fmt;

use rusqlite::Row;
use rusqlite::types::{Null, Type, Value, ValueRef};
use serde::de::DeserializeOwned;
use ulid::Ulid;

use crate::model::{
    EndReason, FailureClass, FindingEnd, Interval, Level, MetaProblemKind, OutboxState, Phase, Provider, Resolution,
    Severity, TimestampMs, Verdict, parse_ulid,
};

/// A column whose content we never write.
#[derive(Debug)]
struct Unexpected(&'static str);

impl fmt::Display for Unexpected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this is no {}", self.0)
    }
}

impl std::error::Error for Unexpected {}

fn unexpected(idx: usize, what: &'static str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(idx, Type::Text, Box::new(Unexpected(what)))
}

/// A text column through `read`; `None` for NULL.
fn optional<T>(
    row: &Row<'_>,
    idx: usize,
    what: &'static str,
    read: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<Option<T>> {
    match row.get_ref(idx)? {
        ValueRef::Null => Ok(None),
        ValueRef::Text(text) => {
            let value = std::str::from_utf8(text).ok().and_then(read);
            value.map(Some).ok_or_else(|| unexpected(idx, what))
        }
        ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => Err(unexpected(idx, what)),
    }
}

fn required<T>(
    row: &Row<'_>,
    idx: usize,
    what: &'static str,
    read: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    optional(row, idx, what, read)?.ok_or_else(|| unexpected(idx, what))
}

pub(super) fn time(row: &Row<'_>, idx: usize) -> rusqlite::Result<TimestampMs> {
    row.get(idx).map(TimestampMs)
}

pub(super) fn optional_time(row: &Row<'_>, idx: usize) -> rusqlite::Result<Option<TimestampMs>> {
    Ok(row.get::<_, Option<i64>>(idx)?.map(TimestampMs))
}

pub(super) fn unsigned(row: &Row<'_>, idx: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(idx)?;
    u64::try_from(value)
        .map_err(|source| rusqlite::Error::FromSqlConversionFailure(idx, Type::Integer, Box::new(source)))
}

pub(super) fn optional_unsigned(row: &Row<'_>, idx: usize) -> rusqlite::Result<Option<u64>> {
    if row.get_ref(idx)? == ValueRef::Null { Ok(None) } else { unsigned(row, idx).map(Some) }
}

/// Sizes and counts; what no column holds is no size that any storage can have.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn ulid(row: &Row<'_>, idx: usize) -> rusqlite::Result<Ulid> {
    required(row, idx, "ULID", parse_ulid)
}

pub(super) fn optional_ulid(row: &Row<'_>, idx: usize) -> rusqlite::Result<Option<Ulid>> {
    optional(row, idx, "ULID", parse_ulid)
}

pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, idx: usize) -> rusqlite::Result<T> {
    required(row, idx, "JSON of this kind", |text| serde_json::from_str(text).ok())
}

pub(super) fn optional_json<T: DeserializeOwned>(row: &Row<'_>, idx: usize) -> rusqlite::Result<Option<T>> {
    optional(row, idx, "JSON of this kind", |text| serde_json::from_str(text).ok())
}

pub(super) fn resolution(row: &Row<'_>, idx: usize) -> rusqlite::Result<Resolution> {
    required(row, idx, "resolution", resolution_named)
}

pub(super) fn optional_resolution(row: &Row<'_>, idx: usize) -> rusqlite::Result<Option<Resolution>> {
    optional(row, idx, "resolution", resolution_named)
}

fn resolution_named(name: &str) -> Option<Resolution> {
    Resolution::ALL.into_iter().find(|resolution| resolution.name() == name)
}

pub(super) fn severity(row: &Row<'_>, idx: usize) -> rusqlite::Result<Severity> {
    const ALL: [Severity; 3] = [Severity::Critical, Severity::Warning, Severity::Info];
    required(row, idx, "severity", |name| ALL.into_iter().find(|severity| severity.name() == name))
}

pub(super) fn provider(row: &Row<'_>, idx: usize) -> rusqlite::Result<Provider> {
    const ALL: [Provider; 4] = [Provider::S3, Provider::Gcs, Provider::Azure, Provider::Filesystem];
    required(row, idx, "storage type", |name| ALL.into_iter().find(|provider| provider.name() == name))
}

pub(super) fn end_reason(row: &Row<'_>, idx: usize) -> rusqlite::Result<EndReason> {
    const ALL: [EndReason; 5] =
        [EndReason::Superseded, EndReason::Expired, EndReason::Marked, EndReason::Partial, EndReason::Vanished];
    required(row, idx, "reason", |name| ALL.into_iter().find(|reason| reason.name() == name))
}

pub(super) fn optional_finding_end(row: &Row<'_>, idx: usize) -> rusqlite::Result<Option<FindingEnd>> {
    const ALL: [FindingEnd; 5] =
        [FindingEnd::Resolved, FindingEnd::Expired, FindingEnd::Retired, FindingEnd::Unwatched, FindingEnd::Lost];
    optional(row, idx, "end", |name| ALL.into_iter().find(|end| end.name() == name))
}

pub(super) fn outbox_state(row: &Row<'_>, idx: usize) -> rusqlite::Result<OutboxState> {
    required(row, idx, "state", |name| OutboxState::ALL.into_iter().find(|state| state.name() == name))
}

pub(super) fn optional_failure_class(row: &Row<'_>, idx: usize) -> rusqlite::Result<Option<FailureClass>> {
    optional(row, idx, "class", |name| FailureClass::ALL.into_iter().find(|class| class.name() == name))
}

pub(super) const fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "pending",
        Phase::Firing => "firing",
        Phase::Ended => "ended",
    }
}

pub(super) fn level(row: &Row<'_>, idx: usize) -> rusqlite::Result<Level> {
    required(row, idx, "level", Level::from_name)
}

pub(super) fn verdict(row: &Row<'_>, idx: usize) -> rusqlite::Result<Verdict> {
    required(row, idx, "verdict", Verdict::from_name)
}

/// An interval in two columns.
pub(super) fn optional_interval(row: &Row<'_>, idx: usize) -> rusqlite::Result<Option<Interval>> {
    let (start, end) = (optional_time(row, idx)?, optional_time(row, idx + 1)?);
    Ok(start.zip(end).map(|(start, end)| Interval::new(start, end)))
}

const PROBLEM_KINDS: [(MetaProblemKind, &str); 3] = [
    (MetaProblemKind::Unparsable, "unparsable"),
    (MetaProblemKind::Version, "version"),
    (MetaProblemKind::Field, "field"),
];

pub(super) fn problem_kind_name(kind: MetaProblemKind) -> Option<&'static str> {
    PROBLEM_KINDS.iter().find(|(known, _)| *known == kind).map(|(_, name)| *name)
}

pub(super) fn optional_problem_kind(row: &Row<'_>, idx: usize) -> rusqlite::Result<Option<MetaProblemKind>> {
    let kind = |name: &str| PROBLEM_KINDS.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind);
    optional(row, idx, "kind of problem", kind)
}

/// JSON of a value that cannot fail to be written, as a column.
pub(super) fn to_json<T: serde::Serialize + ?Sized>(value: &T) -> rusqlite::Result<Value> {
    let text =
        serde_json::to_string(value).map_err(|source| rusqlite::Error::ToSqlConversionFailure(Box::new(source)))?;
    Ok(Value::Text(text))
}

/// The same for what may be absent.
pub(super) fn to_optional_json<T: serde::Serialize + ?Sized>(value: Option<&T>) -> rusqlite::Result<Value> {
    value.map_or(Ok(Value::from(Null)), to_json)
}
