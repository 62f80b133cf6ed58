//! Findings, open and past.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, params};

use super::columns;
use crate::model::{Finding, FindingEnd, Labels, OpenFinding, Resolution, Subject, TimestampMs};

/// The findings that are open, or were at `as_of`, by fingerprint. The bucket's name is part of the fingerprint, so
/// both are those of `name`, whatever the bucket was called before.
pub(super) fn load_open(
    connection: &Connection,
    bucket: i64,
    name: &Arc<str>,
    as_of: Option<TimestampMs>,
) -> rusqlite::Result<BTreeMap<String, OpenFinding>> {
    let found = select(connection, bucket, name, as_of)?.into_iter();
    Ok(found.map(|(_, finding)| (finding.subject.fingerprint(&finding.check), finding)).collect())
}

/// Gives the open findings of a bucket the fingerprints that belong to its new name.
pub(super) fn rename_bucket(connection: &Connection, bucket: i64, name: &Arc<str>) -> rusqlite::Result<()> {
    for (id, finding) in select(connection, bucket, name, None)? {
        connection
            .prepare_cached("UPDATE findings SET fingerprint = ?2 WHERE id = ?1")?
            .execute(params![id, finding.subject.fingerprint(&finding.check)])?;
    }
    Ok(())
}

fn select(
    connection: &Connection,
    bucket: i64,
    name: &Arc<str>,
    as_of: Option<TimestampMs>,
) -> rusqlite::Result<Vec<(i64, OpenFinding)>> {
    let condition = match as_of {
        None => "ended_at IS NULL AND since <= ?2",
        Some(_) => "since <= ?2 AND (ended_at IS NULL OR ended_at > ?2)",
    };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT id, since, last_judged, check_id, severity, stream, resolution, block, object, start, interval_start,
           interval_end, message, remedy, deadline, evidence
         FROM findings WHERE bucket = ?1 AND {condition}"
    ))?;
    let latest = as_of.unwrap_or(TimestampMs(i64::MAX));
    let findings = statement.query_map([bucket, latest.0], |row| {
        let stream: Option<Labels> = columns::optional_json(row, 5)?;
        let finding = OpenFinding {
            since: columns::time(row, 1)?,
            last_judged: columns::time(row, 2)?,
            check: row.get(3)?,
            severity: columns::severity(row, 4)?,
            subject: Subject {
                bucket: Arc::clone(name),
                stream: stream.map(Arc::new),
                resolution: columns::optional_resolution(row, 6)?,
                block: columns::optional_ulid(row, 7)?,
                object: row.get(8)?,
                start: columns::optional_time(row, 9)?,
            },
            interval: columns::optional_interval(row, 10)?,
            message: row.get(12)?,
            remedy: row.get(13)?,
            deadline: columns::optional_time(row, 14)?,
            evidence: columns::json(row, 15)?,
        };
        Ok((row.get(0)?, finding))
    })?;
    findings.collect()
}

/// Opens a finding, or makes the open one say what this one says.
pub(super) fn write_open(
    connection: &Connection,
    bucket: i64,
    finding: &Finding,
    at: TimestampMs,
) -> rusqlite::Result<()> {
    let subject = &finding.subject;
    connection
        .prepare_cached(
            "INSERT INTO findings (bucket, fingerprint, check_id, severity, since, last_judged, stream, resolution, block,
               object, start, interval_start, interval_end, deadline, message, remedy, evidence)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
             ON CONFLICT (bucket, fingerprint) WHERE ended_at IS NULL DO UPDATE SET
               severity = excluded.severity, last_judged = excluded.last_judged,
               interval_start = excluded.interval_start, interval_end = excluded.interval_end,
               deadline = excluded.deadline, message = excluded.message, remedy = excluded.remedy,
               evidence = excluded.evidence",
        )?
        .execute(params![
            bucket,
            finding.fingerprint(),
            finding.check,
            finding.severity.name(),
            at.0,
            columns::to_optional_json(subject.stream.as_deref())?,
            subject.resolution.map(Resolution::name),
            subject.block.map(|ulid| ulid.to_string()),
            subject.object,
            subject.start.map(|start| start.0),
            finding.interval.map(|interval| interval.start.0),
            finding.interval.map(|interval| interval.end.0),
            finding.deadline.map(|deadline| deadline.0),
            finding.message,
            finding.remedy,
            columns::to_json(&finding.evidence)?,
        ])?;
    Ok(())
}

/// Ends the open finding, if there is one.
pub(super) fn write_end(
    connection: &Connection,
    bucket: i64,
    fingerprint: &str,
    end: FindingEnd,
    at: TimestampMs,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE findings SET ended_at = ?3, end = ?4 WHERE bucket = ?1 AND fingerprint = ?2 AND ended_at IS NULL",
        )?
        .execute(params![bucket, fingerprint, at.0, end.name()])?;
    Ok(())
}
