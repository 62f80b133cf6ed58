//! The schema and how a file of an earlier version gets there.

use rusqlite::{Connection, TransactionBehavior};

/// `application_id` of every ledger, in the file's header: `BWdn`.
pub(super) const APPLICATION_ID: i64 = 0x4257_646e;

/// One script per version, oldest first; a released script is never changed. For each there is a file that the version
/// before it wrote, in `tests/fixtures/ledger`.
const MIGRATIONS: &[&str] =
    &[include_str!("migrations/0001.sql"), include_str!("migrations/0002.sql"), include_str!("migrations/0003.sql")];

/// The version that this program reads and writes.
pub(super) fn newest() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// What a file is, by its header and catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// No table, no version: just created.
    Empty,
    /// A ledger with this schema.
    Version(i64),
    /// The database of another program.
    Foreign,
}

/// Looks without writing.
pub(super) fn state(connection: &Connection) -> rusqlite::Result<State> {
    let application: i64 = connection.query_row("PRAGMA application_id", (), |row| row.get(0))?;
    let version: i64 = connection.query_row("PRAGMA user_version", (), |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    Ok(match (application, version, tables) {
        (0, 0, 0) => State::Empty,
        (APPLICATION_ID, version @ 1.., 1..) => State::Version(version),
        _ => State::Foreign,
    })
}

/// Runs what is missing after `version`, all of it or nothing.
pub(super) fn migrate(connection: &mut Connection, version: i64) -> rusqlite::Result<()> {
    let done = usize::try_from(version).unwrap_or(0);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for script in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(script)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", newest())?;
    transaction.commit()
}
