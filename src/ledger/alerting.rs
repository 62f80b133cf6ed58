//! Alerts, what was told of them, silences: what the state machine of alerting goes on from after a restart.

use std::collections::BTreeMap;

use rusqlite::{Connection, TransactionBehavior, params};

use super::{Ledger, LedgerError, columns, outbox_rows, prune};
use crate::model::{Alert, AlertingChange, FindingEnd, Group, Silence, TimestampMs};

/// What the ledger remembers of alerting.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertingPast {
    /// By fingerprint.
    pub alerts: Vec<Alert>,
    /// By receiver and key.
    pub groups: Vec<Group>,
    /// By id.
    pub silences: Vec<Silence>,
    /// For each alert that has not ended and whose finding has: how that ended. Something else than the service judged
    /// in between, or the process was killed in a moment that no commit allows.
    pub ended_unseen: BTreeMap<String, FindingEnd>,
}

impl Ledger {
    /// Keeps what became of alerts without a judgement: a timer, a silence. As [`Self::commit`], whole or not at all.
    pub fn commit_alerting(&mut self, change: &AlertingChange, at: TimestampMs) -> Result<(), LedgerError> {
        self.is_writable()?;
        let keeps_outbox = self.keeps_outbox();
        let mut written = || -> rusqlite::Result<()> {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            write(&transaction, change, keeps_outbox)?;
            prune::prune_notifications(&transaction, at)?;
            transaction.commit()
        };
        written().map_err(|source| LedgerError::from_sqlite(&self.path, "write to", source))
    }

    /// What alerting goes on from.
    pub fn load_alerting(&self) -> Result<AlertingPast, LedgerError> {
        let read = || -> rusqlite::Result<AlertingPast> {
            let transaction = self.connection.unchecked_transaction()?;
            let past = AlertingPast {
                alerts: all(&transaction, "SELECT alert FROM alerts ORDER BY fingerprint")?,
                groups: all(&transaction, "SELECT content FROM alert_groups ORDER BY receiver, key")?,
                silences: silences(&transaction)?,
                ended_unseen: ended_unseen(&transaction)?,
            };
            transaction.finish()?;
            Ok(past)
        };
        read().map_err(|source| self.cannot_read(source))
    }

    /// Notifications are kept: there is a file. Without one the delivery's own memory is all there is, and rows here
    /// would only pile up.
    pub(super) const fn keeps_outbox(&self) -> bool {
        self.identity.is_some()
    }
}

fn all<T: serde::de::DeserializeOwned>(connection: &Connection, select: &str) -> rusqlite::Result<Vec<T>> {
    connection.prepare_cached(select)?.query_map((), |row| columns::json(row, 0))?.collect()
}

fn silences(connection: &Connection) -> rusqlite::Result<Vec<Silence>> {
    let mut statement = connection
        .prepare_cached("SELECT id, matchers, starts, ends, author, comment, created FROM silences ORDER BY id")?;
    let silences = statement.query_map((), |row| {
        Ok(Silence {
            id: row.get(0)?,
            matchers: row.get(1)?,
            starts: columns::time(row, 2)?,
            ends: columns::time(row, 3)?,
            author: row.get(4)?,
            comment: row.get(5)?,
            created: columns::time(row, 6)?,
        })
    })?;
    silences.collect()
}

fn ended_unseen(connection: &Connection) -> rusqlite::Result<BTreeMap<String, FindingEnd>> {
    // beside max() SQLite gives the other columns of the row that has it: the newest of each fingerprint
    let mut statement = connection.prepare_cached(
        "SELECT fingerprint, end, max(id) FROM findings
         WHERE fingerprint IN (SELECT fingerprint FROM alerts WHERE phase <> 'ended') GROUP BY fingerprint",
    )?;
    let ends = statement.query_map((), |row| Ok((row.get(0)?, columns::optional_finding_end(row, 1)?)))?;
    ends.filter_map(|end| end.map(|(fingerprint, end)| end.map(|end| (fingerprint, end))).transpose()).collect()
}

/// Writes a change inside of a transaction.
pub(super) fn write(connection: &Connection, change: &AlertingChange, keeps_outbox: bool) -> rusqlite::Result<()> {
    for alert in &change.alerts {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO alerts (fingerprint, name, phase, severity, bucket, since, ended_at, alert)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                alert.fingerprint,
                alert.name,
                columns::phase_name(alert.phase),
                alert.content.severity.name(),
                alert.content.bucket,
                alert.since.0,
                alert.ended_at.map(|at| at.0),
                columns::to_json(alert)?,
            ])?;
    }
    for fingerprint in &change.forgotten {
        connection.prepare_cached("DELETE FROM alerts WHERE fingerprint = ?1")?.execute([fingerprint])?;
    }
    for group in &change.groups {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO alert_groups (receiver, key, incident, told_at, content)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                group.receiver,
                group.key,
                group.incident,
                group.told_at.map(|at| at.0),
                columns::to_json(group)?
            ])?;
    }
    for (receiver, key) in &change.closed {
        connection
            .prepare_cached("DELETE FROM alert_groups WHERE receiver = ?1 AND key = ?2")?
            .execute(params![receiver, key])?;
    }
    for silence in &change.silences {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO silences (id, matchers, starts, ends, author, comment, created)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                silence.id,
                silence.matchers,
                silence.starts.0,
                silence.ends.0,
                silence.author,
                silence.comment,
                silence.created.0
            ])?;
    }
    for id in &change.dropped_silences {
        connection.prepare_cached("DELETE FROM silences WHERE id = ?1")?.execute([id])?;
    }
    if keeps_outbox {
        for row in &change.outbox {
            outbox_rows::insert(connection, row)?;
        }
    }
    Ok(())
}
