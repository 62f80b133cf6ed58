//! What can go wrong with a ledger, as far as callers treat it differently.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::model::TimestampMs;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// An operation on the ledger that failed. After a failed commit nothing of it is in the file.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// It is not there, or may not be read or written, or the file system cannot lock.
    #[error("cannot open the ledger `{}`: check that its directory exists and may be written", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// As the system said it.
        source: Cause,
    },
    /// A file of something else.
    #[error("`{}` is not a ledger: {why}; name another file, or move this one away", path.display())]
    NotALedger {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        why: String,
    },
    /// Made and not written to yet, and opened for reading.
    #[error("the ledger `{}` is empty: nothing was written to it yet", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Parts of the file are missing or overwritten.
    #[error(
        "the ledger `{}` is damaged: move it and its `-wal` away, then restore a copy or start with an empty one",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What was found.
        source: Cause,
    },
    /// Another file, or none, is where the ledger was: what is written now would be lost.
    #[error("the ledger `{}` was moved, removed or replaced while it was in use", path.display())]
    Displaced {
        /// The file.
        path: PathBuf,
    },
    /// The ledger that this outbox belongs to was given up.
    #[error("the ledger `{}` is no longer in use by this process", path.display())]
    Released {
        /// The file.
        path: PathBuf,
    },
    /// Written by a later version of this program.
    #[error(
        "the ledger `{}` has schema {found} and this version knows up to {supported}: use the newer version, or another file",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// Ours.
        supported: i64,
    },
    /// Written by an earlier version, and opened for reading, so that it cannot be migrated.
    #[error(
        "the ledger `{}` has schema {found} and this version reads {supported}: open it once for writing",
        path.display()
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// Ours.
        supported: i64,
    },
    /// Another process writes to it; reading is possible.
    #[error("another process writes to the ledger `{}`", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// A commit to a ledger that was opened for reading.
    #[error("the ledger `{}` was opened for reading only", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// No space is left.
    #[error("no space is left for the ledger `{}`", path.display())]
    Full {
        /// The file.
        path: PathBuf,
        /// As the database said it.
        source: rusqlite::Error,
    },
    /// The details of that moment are pruned.
    #[error("the ledger `{}` holds details since {oldest} only, not as of {at}", path.display())]
    Pruned {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        at: TimestampMs,
        /// The earliest moment that can be asked for.
        oldest: TimestampMs,
    },
    /// A change for a bucket that is neither in the views nor in the ledger.
    #[error("the ledger `{}` has no bucket `{bucket}` to keep a change of", path.display())]
    UnknownBucket {
        /// The file.
        path: PathBuf,
        /// Its name.
        bucket: String,
    },
    /// Reading or writing failed otherwise.
    #[error("cannot {doing} the ledger `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// `read`, `write to`, …
        doing: &'static str,
        /// As the database said it.
        source: rusqlite::Error,
    },
}

impl LedgerError {
    /// An error of the database before the ledger is there to be read.
    pub(super) fn from_opening(path: &Path, source: rusqlite::Error) -> Self {
        let sorted = Self::from_sqlite(path, "open", source);
        let Self::Io { path, source, .. } = sorted else { return sorted };
        Self::Open { path, source: source.into() }
    }

    /// Sorts an error of the database by what it means to a caller.
    pub(super) fn from_sqlite(path: &Path, doing: &'static str, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        // a value that cannot be what we wrote, or a statement of ours that does not fit the tables
        let is_not_ours = matches!(
            source,
            rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::SqlInputError { .. }
        );
        let code = source.sqlite_error_code();
        if is_not_ours || code == Some(ErrorCode::DatabaseCorrupt) {
            Self::Corrupt { path, source: source.into() }
        } else if code == Some(ErrorCode::NotADatabase) {
            Self::NotALedger { path, why: "it is no SQLite database".to_owned() }
        } else if code == Some(ErrorCode::DiskFull) {
            Self::Full { path, source }
        } else if matches!(code, Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied)) {
            Self::Open { path, source: source.into() }
        } else if code == Some(ErrorCode::ReadOnly) {
            Self::ReadOnly { path }
        } else {
            Self::Io { path, doing, source }
        }
    }
}
