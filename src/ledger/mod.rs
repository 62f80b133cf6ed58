//! The ledger: an `SQLite` file that remembers what was seen, when, and what was wrong. `docs/ledger.md` describes
//! its tables.
//!
//! - **A bucket is a place, not a name**: it is keyed by type, endpoint, account, bucket and prefix. Who renames it
//!   keeps its past; its open findings move to the new name.
//! - **Unchanged rows are not touched.** A block that has not ended was there at its bucket's last scan, so a pass that
//!   finds nothing new writes two rows per bucket.
//! - **A commit is one transaction**, in WAL mode with `synchronous = FULL`: a process killed at any moment leaves the
//!   commit whole or not at all, and what somebody was told after a commit is not taken back by a power cut. `NORMAL`
//!   would save one flush per pass, which is nothing beside the pass.
//! - **One writer**: see `lease`. Readers see the state of the last commit and never wait.
//! - **Growth is bounded.** Ended blocks are kept whole for [`DETAIL_MS`], so that any moment since then can be judged
//!   again ([`Ledger::as_of`]); after that without their objects, files and verifications, for the statistics; after [`ENDED_MS`] not
//!   at all, unless they ended unexplained. Ended findings go after [`ENDED_MS`], records of passes after
//!   [`DETAIL_MS`]. Streams and changes of retention are kept: they are few. Of notifications see [`Outbox`].
//!
//! Every call blocks. No secret gets here: neither key nor name of a bucket holds one.

mod alerting;
mod as_of;
mod columns;
mod commit;
mod error;
mod findings;
mod lease;
mod load;
mod metas;
mod outbox;
mod outbox_rows;
mod prune;
mod rows;
mod schema;
#[cfg(test)]
mod tests;
mod verifications;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension};

pub use alerting::AlertingPast;
pub use as_of::AsOf;
pub use error::LedgerError;
pub use load::Loaded;
pub use outbox::{Outbox, ReceiverRecord, Unsent};
pub use prune::{DEAD_MS, DETAIL_MS, ENDED_MS, SENT_MS};
pub use verifications::{Kept, ToKeep};

use crate::model::TimestampMs;
use lease::Lease;
use schema::State;

/// How a ledger is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// As the one writer; the file is created or migrated where needed.
    Write,
    /// Beside a writer, or without one; the file has to be there.
    Read,
}

/// An open ledger.
#[derive(Debug)]
pub struct Ledger {
    connection: Connection,
    /// For messages.
    path: PathBuf,
    access: Access,
    /// Of the file, where there is one.
    identity: Option<(u64, u64)>,
    /// Held for as long as the ledger lives; its outboxes only borrow it.
    lease: Option<Arc<Lease>>,
}

/// A bucket that the ledger knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketRecord {
    /// What identifies it.
    pub key: String,
    /// What it was called at the last commit.
    pub name: String,
    /// First and last pass with a complete listing.
    pub scans: Option<(TimestampMs, TimestampMs)>,
    /// Number of open findings.
    pub open_findings: u64,
}

/// How long a statement waits for the lock that a checkpoint or a first reader holds for a moment.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

impl Ledger {
    /// Opens the file at `path`. [`LedgerError::Locked`] says that another process writes: open it with
    /// [`Access::Read`] then.
    pub fn open(path: &Path, access: Access) -> Result<Self, LedgerError> {
        // one file has one lease, whatever link leads to it; one that is not there yet has its own name
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let path = real.as_path();
        let cannot_open = |source: std::io::Error| LedgerError::Open { path: path.to_owned(), source: source.into() };
        let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let lease = match access {
            Access::Write => {
                flags |= OpenFlags::SQLITE_OPEN_READ_WRITE;
                let lease = Lease::take(path)?;
                if !path.try_exists().map_err(cannot_open)? {
                    // SQLite would create it readable for all; its companions take over the mode of the file
                    drop(lease::private_file(path).map_err(cannot_open)?);
                }
                Some(lease)
            }
            Access::Read => {
                flags |= OpenFlags::SQLITE_OPEN_READ_ONLY;
                None
            }
        };
        let failed = |source| LedgerError::from_opening(path, source);
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        if access == Access::Write && connection.is_readonly(rusqlite::MAIN_DB).map_err(failed)? {
            // the database is content with less than was asked for
            return Err(cannot_open(std::io::ErrorKind::PermissionDenied.into()));
        }
        Self::set_up(connection, path, access, lease)
    }

    /// A ledger that is never written anywhere and is gone with the process.
    pub fn in_memory() -> Result<Self, LedgerError> {
        let path = Path::new(":memory:");
        let connection = Connection::open_in_memory().map_err(|source| LedgerError::from_opening(path, source))?;
        Self::set_up(connection, path, Access::Write, None)
    }

    fn set_up(
        mut connection: Connection,
        path: &Path,
        access: Access,
        lease: Option<Lease>,
    ) -> Result<Self, LedgerError> {
        let failed = |source| LedgerError::from_opening(path, source);
        let supported = schema::newest();
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        let state = schema::state(&connection).map_err(failed)?;
        let version = match (state, access) {
            (State::Foreign, _) => {
                return Err(LedgerError::NotALedger {
                    path: path.to_owned(),
                    why: "it is the database of another program".to_owned(),
                });
            }
            (State::Empty, Access::Read) => {
                return Err(LedgerError::Empty { path: path.to_owned() });
            }
            (State::Empty, Access::Write) => 0,
            (State::Version(found), _) if found > supported => {
                return Err(LedgerError::Newer { path: path.to_owned(), found, supported });
            }
            (State::Version(found), Access::Read) if found < supported => {
                return Err(LedgerError::Older { path: path.to_owned(), found, supported });
            }
            (State::Version(found), _) => found,
        };
        connection
            .execute_batch("PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384; PRAGMA trusted_schema = OFF")
            .map_err(failed)?;
        if access == Access::Write {
            // the limit is for the file that a first commit of a large bucket leaves behind
            connection
                .execute_batch(
                    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 16777216",
                )
                .map_err(failed)?;
            if version < supported {
                schema::migrate(&mut connection, version).map_err(failed)?;
            }
        }
        connection.set_prepared_statement_cache_capacity(64);
        let identity = lease.is_some().then(|| identity(path)).flatten();
        Ok(Self { connection, path: path.to_owned(), access, identity, lease: lease.map(Arc::new) })
    }

    /// Looks through the whole file for damage. Reads every page.
    pub fn check(&self) -> Result<(), LedgerError> {
        let found: String = self
            .connection
            .query_row("PRAGMA quick_check(1)", (), |row| row.get(0))
            .map_err(|source| self.cannot_read(source))?;
        if found == "ok" {
            return Ok(());
        }
        Err(LedgerError::Corrupt { path: self.path.clone(), source: found.into() })
    }

    /// The file that was opened is still the one of that name.
    fn is_in_place(&self) -> Result<(), LedgerError> {
        match identity(&self.path) {
            now if now == self.identity => Ok(()),
            _ => Err(LedgerError::Displaced { path: self.path.clone() }),
        }
    }

    /// Commits are possible, as far as can be told before one.
    fn is_writable(&self) -> Result<(), LedgerError> {
        if self.access == Access::Read {
            return Err(LedgerError::ReadOnly { path: self.path.clone() });
        }
        self.is_in_place()
    }

    /// Whether commits are possible.
    pub const fn access(&self) -> Access {
        self.access
    }

    /// When the bucket was last listed completely; `None` if it never was.
    pub fn newest_scan(&self, key: &str) -> Result<Option<TimestampMs>, LedgerError> {
        let scan: Option<Option<i64>> = self
            .connection
            .query_row("SELECT last_scan FROM buckets WHERE key = ?1", [key], |row| row.get(0))
            .optional()
            .map_err(|source| self.cannot_read(source))?;
        Ok(scan.flatten().map(TimestampMs))
    }

    /// Every bucket ever seen, by key: those that are no longer configured included.
    pub fn buckets(&self) -> Result<Vec<BucketRecord>, LedgerError> {
        let query = || -> rusqlite::Result<Vec<BucketRecord>> {
            let mut statement = self.connection.prepare(
                "SELECT key, name, first_scan, last_scan,
                   (SELECT count(*) FROM findings WHERE bucket = buckets.id AND ended_at IS NULL)
                 FROM buckets ORDER BY key",
            )?;
            let records = statement.query_map((), |row| {
                let first: Option<i64> = row.get(2)?;
                let last: Option<i64> = row.get(3)?;
                Ok(BucketRecord {
                    key: row.get(0)?,
                    name: row.get(1)?,
                    scans: first.zip(last).map(|(first, last)| (TimestampMs(first), TimestampMs(last))),
                    open_findings: columns::unsigned(row, 4)?,
                })
            })?;
            records.collect()
        };
        query().map_err(|source| self.cannot_read(source))
    }

    fn cannot_read(&self, source: rusqlite::Error) -> LedgerError {
        LedgerError::from_sqlite(&self.path, "read", source)
    }
}

/// Device and inode of a file. Nothing is opened: closing a descriptor of the file would drop the locks of `SQLite`.
fn identity(path: &Path) -> Option<(u64, u64)> {
    #[cfg(unix)]
    {
        let metadata = std::fs::metadata(path).ok()?;
        Some((std::os::unix::fs::MetadataExt::dev(&metadata), std::os::unix::fs::MetadataExt::ino(&metadata)))
    }
    #[cfg(not(unix))]
    {
        path.exists().then_some((0, 0))
    }
}
