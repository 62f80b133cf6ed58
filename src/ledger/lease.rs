//! The one writer: an advisory lock that the kernel gives back when its holder dies, however it dies.
//!
//! It is on a file of its own. The locks of `SQLite` on the database are POSIX locks, which a process loses as soon as it
//! closes any descriptor of that file; and they are held for a moment each, not for as long as somebody is writing.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use super::LedgerError;

/// Held for as long as it lives.
#[derive(Debug)]
pub(super) struct Lease {
    // the lock ends with the descriptor
    _file: File,
}

/// Opens or creates a file that only its owner may read.
pub(super) fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

impl Lease {
    /// Takes the lease of the ledger at `ledger`. The file beside it stays: removing it would let two processes lock
    /// two different files of one name.
    pub(super) fn take(ledger: &Path) -> Result<Self, LedgerError> {
        let cannot_open = |source: std::io::Error| LedgerError::Open { path: ledger.to_owned(), source: source.into() };
        let mut name = ledger.as_os_str().to_owned();
        name.push(".lock");
        let file = private_file(&PathBuf::from(name)).map_err(cannot_open)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LedgerError::Locked { path: ledger.to_owned() }),
            Err(TryLockError::Error(source)) => Err(cannot_open(source)),
        }
    }
}
