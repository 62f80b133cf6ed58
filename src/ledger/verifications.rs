//! What reading the bytes of blocks has shown, and the hashes that they had at first.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};
use ulid::Ulid;

use super::load::BucketRow;
use super::rows::Names;
use super::{Ledger, LedgerError, columns};
use crate::model::{Hashes, Interner, Problem, TimestampMs, Verification, Verified};

/// A verification that is to be kept.
#[derive(Clone, Copy, Debug)]
pub struct ToKeep<'a> {
    /// Key of the bucket.
    pub bucket: &'a str,
    /// The block.
    pub ulid: Ulid,
    /// What was shown.
    pub verification: &'a Verification,
    /// SHA-256 of the objects that were read as a whole.
    pub hashes: &'a Hashes,
}

/// What counts of a block once a verification is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The new verification, or the one that it does not [replace](Verification::replaces). It counts as compared only
    /// where the hashes are older than every change of an object.
    pub verification: Verification,
    /// Newest attempt that showed nothing.
    pub tried_at: Option<TimestampMs>,
}

impl Ledger {
    /// Keeps a verification; `None` where the ledger has no such block, or it is gone.
    pub fn commit_verification(
        &mut self,
        key: &str,
        ulid: Ulid,
        verification: &Verification,
        hashes: &Hashes,
    ) -> Result<Option<Kept>, LedgerError> {
        let kept = self.commit_verifications(&[ToKeep { bucket: key, ulid, verification, hashes }])?;
        Ok(kept.into_iter().next().flatten())
    }

    /// Keeps several verifications in one transaction, whole or not at all.
    pub fn commit_verifications(&mut self, all: &[ToKeep<'_>]) -> Result<Vec<Option<Kept>>, LedgerError> {
        self.is_writable()?;
        write(&mut self.connection, all).map_err(|source| LedgerError::from_sqlite(&self.path, "write to", source))
    }

    /// What counts of each block of a bucket that is there.
    pub fn verifications(&self, key: &str) -> Result<Verified, LedgerError> {
        let read = || -> rusqlite::Result<_> {
            let mut statement = self.connection.prepare_cached(&format!(
                "SELECT {COLUMNS}, ulid FROM verifications JOIN blocks ON blocks.id = block
                 WHERE ended_at IS NULL AND bucket = (SELECT id FROM buckets WHERE key = ?1)"
            ))?;
            let rows =
                statement.query_map([key], |row| Ok((columns::ulid(row, WIDTH)?, read_kept(row)?.verification)))?;
            rows.collect::<rusqlite::Result<_>>()
        };
        read().map_err(|source| self.cannot_read(source))
    }

    /// When each block was last tried in vain, for those that were tried since they were last read.
    pub fn attempts(&self, key: &str) -> Result<BTreeMap<Ulid, TimestampMs>, LedgerError> {
        let read = || -> rusqlite::Result<_> {
            let mut statement = self.connection.prepare_cached(
                "SELECT ulid, tried_at FROM verifications JOIN blocks ON blocks.id = block
                 WHERE tried_at IS NOT NULL AND ended_at IS NULL AND bucket = (SELECT id FROM buckets WHERE key = ?1)",
            )?;
            let rows = statement.query_map([key], |row| Ok((columns::ulid(row, 0)?, columns::time(row, 1)?)))?;
            rows.collect::<rusqlite::Result<_>>()
        };
        read().map_err(|source| self.cannot_read(source))
    }

    /// SHA-256 of the objects of a block as the first clean verification read them; empty if there was none.
    pub fn baseline(&self, key: &str, ulid: Ulid) -> Result<Hashes, LedgerError> {
        let read = || -> rusqlite::Result<_> {
            let mut statement = self.connection.prepare_cached(
                "SELECT names.name, sha256 FROM hashes JOIN names ON names.id = hashes.name
                   JOIN blocks ON blocks.id = block
                 WHERE ulid = ?2 AND bucket = (SELECT id FROM buckets WHERE key = ?1)",
            )?;
            let rows = statement.query_map(params![key, ulid.to_string()], |row| {
                Ok((row.get_ref(0)?.as_str()?.into(), row.get::<_, [u8; 32]>(1)?))
            })?;
            rows.collect::<rusqlite::Result<_>>()
        };
        read().map_err(|source| self.cannot_read(source))
    }
}

fn write(connection: &mut Connection, all: &[ToKeep<'_>]) -> rusqlite::Result<Vec<Option<Kept>>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut names = Names::load(&transaction, &mut Interner::default())?;
    let mut kept = Vec::with_capacity(all.len());
    for one in all {
        kept.push(match block_id(&transaction, one)? {
            Some(block) => Some(keep(&transaction, block, one, &mut names)?),
            None => None,
        });
    }
    transaction.commit()?;
    Ok(kept)
}

fn block_id(connection: &Connection, one: &ToKeep<'_>) -> rusqlite::Result<Option<i64>> {
    let Some(bucket) = BucketRow::find(connection, one.bucket)? else { return Ok(None) };
    connection
        .prepare_cached("SELECT id FROM blocks WHERE bucket = ?1 AND ulid = ?2 AND ended_at IS NULL")?
        .query_row(params![bucket.id, one.ulid.to_string()], |row| row.get(0))
        .optional()
}

fn keep(connection: &Connection, block: i64, one: &ToKeep<'_>, names: &mut Names) -> rusqlite::Result<Kept> {
    if one.verification.is_clean() {
        keep_hashes(connection, block, one, names)?;
    }
    let was: Option<Kept> = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM verifications WHERE block = ?1"))?
        .query_row([block], read_kept)
        .optional()?;
    let mut verification = one.verification.clone();
    verification.compared &= !has_late_hash(connection, block)?;
    let tried_at = (!verification.verdict.is_known()).then_some(verification.at);
    let counts = match &was {
        Some(was) if !verification.replaces(&was.verification) => {
            Kept { verification: was.verification.clone(), tried_at: tried_at.max(was.tried_at) }
        }
        Some(_) | None => Kept { verification, tried_at },
    };
    if was.as_ref() != Some(&counts) {
        replace(connection, block, &counts)?;
    }
    Ok(counts)
}

fn keep_hashes(connection: &Connection, block: i64, one: &ToKeep<'_>, names: &mut Names) -> rusqlite::Result<()> {
    // of an object that has changed since its first sight this is not the hash that it had then
    let mut insert = connection.prepare_cached(
        "INSERT INTO hashes (block, name, sha256, at, late) VALUES (?1, ?2, ?3, ?4, EXISTS (
           SELECT 1 FROM objects_now AS now JOIN objects AS was USING (block, name) WHERE block = ?1 AND name = ?2
             AND (was.size, was.modified, was.etag) IS NOT (now.size, now.modified, now.etag)))
         ON CONFLICT DO NOTHING",
    )?;
    for (name, hash) in one.hashes {
        insert.execute(params![block, names.id(connection, name)?, hash, one.verification.at.0])?;
    }
    Ok(())
}

fn has_late_hash(connection: &Connection, block: i64) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM hashes WHERE block = ?1 AND late)")?
        .query_row([block], |row| row.get(0))
}

fn replace(connection: &Connection, block: i64, kept: &Kept) -> rusqlite::Result<()> {
    let Kept { verification, tried_at } = kept;
    let problems = Some(&verification.problems).filter(|problems| !problems.is_empty());
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO verifications
               (block, at, level, version, verdict, bytes, samples, identity, problems, why, compared, tried_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            block,
            verification.at.0,
            verification.level.name(),
            verification.version,
            verification.verdict.name(),
            columns::signed(verification.bytes),
            columns::signed(verification.samples),
            verification.identity.cast_signed(),
            columns::to_optional_json(problems)?,
            verification.why,
            verification.compared,
            tried_at.map(|at| at.0),
        ])?;
    Ok(())
}

const COLUMNS: &str = "at, level, version, verdict, bytes, samples, identity, problems, why, compared, tried_at";
/// How many columns those are.
const WIDTH: usize = 11;

fn read_kept(row: &Row<'_>) -> rusqlite::Result<Kept> {
    let verification = Verification {
        at: columns::time(row, 0)?,
        level: columns::level(row, 1)?,
        version: row.get(2)?,
        verdict: columns::verdict(row, 3)?,
        bytes: columns::unsigned(row, 4)?,
        samples: columns::unsigned(row, 5)?,
        identity: row.get::<_, i64>(6)?.cast_unsigned(),
        problems: columns::optional_json::<Vec<Problem>>(row, 7)?.unwrap_or_default(),
        why: row.get(8)?,
        compared: row.get(9)?,
    };
    Ok(Kept { verification, tried_at: columns::optional_time(row, 10)? })
}
