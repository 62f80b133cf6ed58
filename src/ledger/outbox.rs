//! The outbox: notifications that were decided, on their way to who is to be told. A commit puts them there together
//! with what they tell of; the delivery takes them from there, over a connection of its own, so that neither waits for
//! the other for longer than a transaction takes.
//!
//! - **At least once.** A row is `inflight` on disk before anything is sent and `sent` after it arrived. What is
//!   `inflight` when the outbox is opened may have arrived, and says so (`uncertain`) when it is sent again.
//! - **One deliverer.** The lease is the ledger's; an outbox only borrows it for each write, and can write no more once
//!   the ledger is gone. Whoever wants to finish what is being sent keeps the ledger until then.
//! - **Growth is bounded.** What arrived, or was told as part of another row, is kept for [`super::SENT_MS`], what was
//!   given up for [`super::DEAD_MS`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};
use serde_json::Value;

use super::lease::Lease;
use super::outbox_rows::{self, DEAD_LETTER, UNSETTLED};
use super::{Access, BUSY_TIMEOUT, Ledger, LedgerError, columns, identity, prune, schema};
use crate::model::{FailureClass, OutboxRow, OutboxState, TimestampMs};

/// See the module.
#[derive(Debug)]
pub struct Outbox {
    connection: Connection,
    /// For messages.
    path: PathBuf,
    access: Access,
    identity: Option<(u64, u64)>,
    /// `None`: there is no file, and so nothing to be leased.
    lease: Option<Weak<Lease>>,
}

/// What waits when a delivery begins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unsent {
    /// In the order in which they were decided; those that may have arrived are `uncertain`.
    pub rows: Vec<OutboxRow>,
    /// When each recipient was last sent something in this lane, by receiver and recipient.
    pub last_sent: BTreeMap<(String, String), TimestampMs>,
}

/// How it went with a receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceiverRecord {
    /// Something last arrived.
    pub last_success: Option<TimestampMs>,
    /// Nothing has arrived since then, though it was tried.
    pub failing_since: Option<TimestampMs>,
    /// Why the last attempt failed; `None` once one went well.
    pub failure: Option<(FailureClass, String)>,
    /// Notifications that were given up and not sent again.
    pub dead: u64,
}

impl Ledger {
    /// The outbox of this ledger, over a connection of its own. That of a ledger without a file is empty, and gone with
    /// its owner. Of a ledger that was opened for reading it can be read.
    pub fn outbox(&self) -> Result<Outbox, LedgerError> {
        let failed = |source| LedgerError::from_opening(&self.path, source);
        let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let is_file = self.identity.is_some() || self.access == Access::Read;
        let mut connection = match (is_file, self.access) {
            (false, _) => Connection::open_in_memory(),
            (true, Access::Write) => {
                self.is_in_place()?;
                Connection::open_with_flags(&self.path, flags | OpenFlags::SQLITE_OPEN_READ_WRITE)
            }
            (true, Access::Read) => Connection::open_with_flags(&self.path, flags | OpenFlags::SQLITE_OPEN_READ_ONLY),
        }
        .map_err(failed)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        connection
            .execute_batch("PRAGMA temp_store = MEMORY; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF")
            .map_err(failed)?;
        if is_file {
            // between the two looks the file may have been replaced
            if self.access == Access::Write {
                self.is_in_place()?;
            }
        } else {
            schema::migrate(&mut connection, 0).map_err(failed)?;
        }
        Ok(Outbox {
            connection,
            path: self.path.clone(),
            access: self.access,
            identity: self.identity,
            lease: self.lease.as_ref().map(Arc::downgrade),
        })
    }
}

impl Outbox {
    /// The file, or `:memory:`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes `pending` of what was being sent when the process ended, marked as `uncertain`, and gives all that waits.
    /// `lane`: see [`Unsent::last_sent`].
    pub fn recover(&mut self, lane: &str) -> Result<Unsent, LedgerError> {
        self.write(|transaction| {
            transaction
                .prepare_cached("UPDATE outbox SET state = ?1, uncertain = 1 WHERE state = ?2")?
                .execute([OutboxState::Pending.name(), OutboxState::Inflight.name()])?;
            let mut statement = transaction.prepare_cached(
                "SELECT receiver, recipient, max(settled_at) FROM outbox
                 WHERE state = 'sent' AND lane = ?1 AND settled_at IS NOT NULL GROUP BY receiver, recipient",
            )?;
            let last_sent =
                statement.query_map([lane], |row| Ok(((row.get(0)?, row.get(1)?), columns::time(row, 2)?)))?;
            Ok(Unsent {
                rows: outbox_rows::select(transaction, UNSETTLED)?,
                last_sent: last_sent.collect::<Result<_, _>>()?,
            })
        })
    }

    /// `row` is about to be sent, with all that `coalesced` (ids) were to tell. On disk when this returns.
    pub fn claim(&mut self, row: &OutboxRow, coalesced: &[String], at: TimestampMs) -> Result<(), LedgerError> {
        self.write(|transaction| {
            outbox_rows::write(transaction, &OutboxRow { state: OutboxState::Inflight, ..row.clone() }, None)?;
            outbox_rows::coalesce(transaction, coalesced, &row.id, at)
        })
    }

    /// `row` arrived. With a `thread` the next message of the incident belongs to it; without, to what was there before.
    pub fn sent(&mut self, row: &OutboxRow, thread: Option<&Value>, at: TimestampMs) -> Result<(), LedgerError> {
        self.write(|transaction| {
            let sent = OutboxRow { state: OutboxState::Sent, error: None, ..row.clone() };
            outbox_rows::set(transaction, &sent, Some(at))?;
            let key = params![row.receiver, row.recipient, row.notification.incident, at.0];
            match thread {
                Some(thread) => transaction
                    .prepare_cached(
                        "INSERT OR REPLACE INTO threads (receiver, recipient, incident, used_at, thread)
                         VALUES (?1, ?2, ?3, ?4, ?5)",
                    )?
                    .execute(params![
                        row.receiver,
                        row.recipient,
                        row.notification.incident,
                        at.0,
                        columns::to_json(thread)?
                    ])?,
                None => transaction
                    .prepare_cached(
                        "UPDATE threads SET used_at = ?4 WHERE receiver = ?1 AND recipient = ?2 AND incident = ?3",
                    )?
                    .execute(key)?,
            };
            transaction
                .prepare_cached(
                    "INSERT INTO receivers (name, last_success) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET
                       last_success = excluded.last_success, failing_since = NULL, failure = NULL, error = NULL",
                )?
                .execute(params![row.receiver, at.0])?;
            prune::prune_notifications(transaction, at)
        })
    }

    /// `row` did not arrive, and waits again as it is given: when it is tried next, how often it was, what it says of
    /// itself. Its `error` says what went wrong.
    pub fn failed(&mut self, row: &OutboxRow, class: FailureClass, at: TimestampMs) -> Result<(), LedgerError> {
        self.write(|transaction| {
            outbox_rows::set(transaction, &OutboxRow { state: OutboxState::Pending, ..row.clone() }, None)?;
            failing(transaction, row, class, at)
        })
    }

    /// `row` is given up, with all that `coalesced` (ids) were to tell; `fallback` is sent instead. Its `error` says
    /// why. `class`: an attempt failed that way.
    pub fn dead(
        &mut self,
        row: &OutboxRow,
        coalesced: &[String],
        class: Option<FailureClass>,
        fallback: &[OutboxRow],
        at: TimestampMs,
    ) -> Result<(), LedgerError> {
        self.write(|transaction| {
            outbox_rows::write(transaction, &OutboxRow { state: OutboxState::Dead, ..row.clone() }, Some(at))?;
            outbox_rows::coalesce(transaction, coalesced, &row.id, at)?;
            for row in fallback {
                outbox_rows::insert(transaction, row)?;
            }
            class.map_or(Ok(()), |class| failing(transaction, row, class, at))
        })
    }

    /// Adds rows that no commit brought. What is there already stays as it is.
    pub fn insert(&mut self, rows: &[OutboxRow]) -> Result<(), LedgerError> {
        self.write(|transaction| rows.iter().try_for_each(|row| outbox_rows::insert(transaction, row)))
    }

    /// What was given up and not sent again, oldest first.
    pub fn dead_letters(&self) -> Result<Vec<OutboxRow>, LedgerError> {
        outbox_rows::select(&self.connection, DEAD_LETTER).map_err(|source| self.cannot_read(source))
    }

    /// What waits or is being sent, oldest first.
    pub fn waiting(&self) -> Result<Vec<OutboxRow>, LedgerError> {
        outbox_rows::select(&self.connection, UNSETTLED).map_err(|source| self.cannot_read(source))
    }

    /// Makes new rows of dead letters, all or those of these ids, and gives them; the old ones stay, and are no dead
    /// letters any more. An id that is none is left out.
    pub fn resend(&mut self, ids: Option<&[String]>, now: TimestampMs) -> Result<Vec<OutboxRow>, LedgerError> {
        self.write(|transaction| {
            let dead = outbox_rows::select(transaction, DEAD_LETTER)?;
            let chosen = dead.into_iter().filter(|row| ids.is_none_or(|ids| ids.contains(&row.id)));
            let mut resent = Vec::new();
            for old in chosen {
                let row = OutboxRow {
                    id: OutboxRow::derived_id(&["resend", &old.id, &now.0.to_string()]),
                    state: OutboxState::Pending,
                    created: now,
                    not_before: now,
                    deadline: now.plus(old.deadline.since(old.created)),
                    attempts: 0,
                    plain: false,
                    error: None,
                    ..old.clone()
                };
                outbox_rows::insert(transaction, &row)?;
                transaction
                    .prepare_cached("UPDATE outbox SET resent_as = ?2 WHERE id = ?1")?
                    .execute([&old.id, &row.id])?;
                resent.push(row);
            }
            Ok(resent)
        })
    }

    /// What the next message of an incident belongs to.
    pub fn thread(&self, receiver: &str, recipient: &str, incident: &str) -> Result<Option<Value>, LedgerError> {
        let read = || -> rusqlite::Result<Option<Value>> {
            let mut statement = self.connection.prepare_cached(
                "SELECT thread FROM threads WHERE receiver = ?1 AND recipient = ?2 AND incident = ?3",
            )?;
            statement.query_row([receiver, recipient, incident], |row| columns::json(row, 0)).optional()
        };
        read().map_err(|source| self.cannot_read(source))
    }

    /// What the messages of an incident belonged to is gone.
    pub fn forget_thread(&mut self, receiver: &str, recipient: &str, incident: &str) -> Result<(), LedgerError> {
        self.write(|transaction| {
            transaction
                .prepare_cached("DELETE FROM threads WHERE receiver = ?1 AND recipient = ?2 AND incident = ?3")?
                .execute([receiver, recipient, incident])?;
            Ok(())
        })
    }

    /// How it went with every receiver that was ever tried or has dead letters, by name.
    pub fn receiver_statuses(&self) -> Result<BTreeMap<String, ReceiverRecord>, LedgerError> {
        let read = || -> rusqlite::Result<_> {
            let mut records: BTreeMap<String, ReceiverRecord> = BTreeMap::new();
            let mut statement = self
                .connection
                .prepare_cached("SELECT name, last_success, failing_since, failure, error FROM receivers")?;
            let mut rows = statement.query(())?;
            while let Some(row) = rows.next()? {
                let record = ReceiverRecord {
                    last_success: columns::optional_time(row, 1)?,
                    failing_since: columns::optional_time(row, 2)?,
                    failure: columns::optional_failure_class(row, 3)?.zip(row.get(4)?),
                    dead: 0,
                };
                records.insert(row.get(0)?, record);
            }
            let mut statement = self.connection.prepare_cached(&format!(
                "SELECT receiver, count(*) FROM outbox WHERE {DEAD_LETTER} GROUP BY receiver"
            ))?;
            let mut rows = statement.query(())?;
            while let Some(row) = rows.next()? {
                records.entry(row.get(0)?).or_default().dead = columns::unsigned(row, 1)?;
            }
            Ok(records)
        };
        read().map_err(|source| self.cannot_read(source))
    }

    /// One transaction, whole or not at all, and on disk when this returns.
    fn write<T>(&mut self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, LedgerError> {
        if self.access == Access::Read {
            return Err(LedgerError::ReadOnly { path: self.path.clone() });
        }
        // held until the end of the transaction: nobody else can begin to deliver in between
        let lease = self.lease.as_ref().map(Weak::upgrade);
        if matches!(lease, Some(None)) {
            return Err(LedgerError::Released { path: self.path.clone() });
        }
        if identity(&self.path) != self.identity {
            return Err(LedgerError::Displaced { path: self.path.clone() });
        }
        let done = || -> rusqlite::Result<T> {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let made = work(&transaction)?;
            transaction.commit()?;
            Ok(made)
        };
        done().map_err(|source| LedgerError::from_sqlite(&self.path, "write to", source))
    }

    fn cannot_read(&self, source: rusqlite::Error) -> LedgerError {
        LedgerError::from_sqlite(&self.path, "read", source)
    }
}

fn failing(connection: &Connection, row: &OutboxRow, class: FailureClass, at: TimestampMs) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO receivers (name, failing_since, failure, error) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET failing_since = coalesce(failing_since, excluded.failing_since),
               failure = excluded.failure, error = excluded.error",
        )?
        .execute(params![row.receiver, at.0, class.name(), row.error.as_deref().unwrap_or_default()])?;
    Ok(())
}
