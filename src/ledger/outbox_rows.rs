//! Rows of the outbox as columns, both ways.

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params};

use super::columns;
use crate::model::{OutboxRow, OutboxState, TimestampMs};

/// Waits, or is on its way.
pub(super) const UNSETTLED: &str = "state IN ('pending', 'inflight')";

/// Given up, and not sent again since.
pub(super) const DEAD_LETTER: &str = "state = 'dead' AND resent_as IS NULL";

const COLUMNS: &str = "id, receiver, recipient, lane, state, created, not_before, deadline, attempts, uncertain, plain,
    error, instead_of, notification";

fn read(row: &Row<'_>) -> rusqlite::Result<OutboxRow> {
    Ok(OutboxRow {
        id: row.get(0)?,
        receiver: row.get(1)?,
        recipient: row.get(2)?,
        lane: row.get(3)?,
        state: columns::outbox_state(row, 4)?,
        created: columns::time(row, 5)?,
        not_before: columns::time(row, 6)?,
        deadline: columns::time(row, 7)?,
        attempts: u32::try_from(columns::unsigned(row, 8)?).unwrap_or(u32::MAX),
        uncertain: row.get(9)?,
        plain: row.get(10)?,
        error: row.get(11)?,
        instead_of: row.get(12)?,
        notification: columns::json(row, 13)?,
    })
}

/// The rows that `condition` selects, in the order in which they were decided.
pub(super) fn select(connection: &Connection, condition: &str) -> rusqlite::Result<Vec<OutboxRow>> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM outbox WHERE {condition} ORDER BY number"))?;
    statement.query_map((), read)?.collect()
}

/// Adds a row, unless there is one with its id.
pub(super) fn insert(connection: &Connection, row: &OutboxRow) -> rusqlite::Result<()> {
    put(connection, row, None, "NOTHING")
}

/// Makes the row with this id be as it is given, whether it was there or not.
pub(super) fn write(connection: &Connection, row: &OutboxRow, settled_at: Option<TimestampMs>) -> rusqlite::Result<()> {
    put(
        connection,
        row,
        settled_at,
        "UPDATE SET state = excluded.state, reason = excluded.reason, incident = excluded.incident,
           created = excluded.created, not_before = excluded.not_before, deadline = excluded.deadline,
           attempts = excluded.attempts, uncertain = excluded.uncertain, plain = excluded.plain,
           error = excluded.error, settled_at = excluded.settled_at, notification = excluded.notification",
    )
}

fn put(
    connection: &Connection,
    row: &OutboxRow,
    settled_at: Option<TimestampMs>,
    on_conflict: &str,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(&format!(
            "INSERT INTO outbox ({COLUMNS}, reason, incident, settled_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
             ON CONFLICT (id) DO {on_conflict}"
        ))?
        .execute(params![
            row.id,
            row.receiver,
            row.recipient,
            row.lane,
            row.state.name(),
            row.created.0,
            row.not_before.0,
            row.deadline.0,
            row.attempts,
            row.uncertain,
            row.plain,
            row.error,
            row.instead_of,
            columns::to_json(&row.notification)?,
            row.notification.reason.name(),
            row.notification.incident,
            settled_at.map(|at| at.0),
        ])?;
    Ok(())
}

/// Says of rows that they are told as part of another one.
pub(super) fn coalesce(
    connection: &Connection,
    ids: &[String],
    told_in: &str,
    at: TimestampMs,
) -> rusqlite::Result<()> {
    let mut update = connection.prepare_cached(&format!(
        "UPDATE outbox SET state = ?2, told_in = ?3, settled_at = ?4 WHERE id = ?1 AND {UNSETTLED}"
    ))?;
    for id in ids {
        update.execute(params![id, OutboxState::Coalesced.name(), told_in, at.0])?;
    }
    Ok(())
}

/// A row changes its place without its content.
pub(super) fn set(connection: &Connection, row: &OutboxRow, settled_at: Option<TimestampMs>) -> rusqlite::Result<()> {
    let changed = connection
        .prepare_cached(
            "UPDATE outbox SET state = ?2, not_before = ?3, deadline = ?4, attempts = ?5, uncertain = ?6, plain = ?7,
               error = ?8, settled_at = ?9 WHERE id = ?1",
        )?
        .execute(params![
            row.id,
            row.state.name(),
            row.not_before.0,
            row.deadline.0,
            row.attempts,
            row.uncertain,
            row.plain,
            row.error.clone().map_or(Value::Null, Value::Text),
            settled_at.map(|at| at.0),
        ])?;
    // its commit had failed, and it was delivered from memory
    if changed == 0 { write(connection, row, settled_at) } else { Ok(()) }
}
