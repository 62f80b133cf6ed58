//! Writing what one cycle saw and judged, in one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};
use ulid::Ulid;

use super::as_of::META;
use super::metas::{MetaIds, Metas};
use super::rows::{Names, ObjectTable, delete_objects, insert_objects, load_objects, write_marks};
use super::{Ledger, LedgerError, alerting, columns, findings, prune};
use crate::model::{
    BlockChange, BlockView, BucketTransition, BucketView, EndReason, FindingChange, FindingEnd, Interner, Lineage,
    Listing, MetaState, Resolution, TimestampMs, Transition,
};

/// Why a commit stops; what was done so far is undone.
enum Stop {
    Sqlite(rusqlite::Error),
    UnknownBucket(Arc<str>),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Ledger {
    /// Keeps what was seen and what was judged of it, whole or not at all. `views` are those that the judgement rests
    /// on, each with its bucket's key: blocks, objects and marks come from those with a complete listing, ends,
    /// findings and all else from the transition. To commit the same again changes nothing: a notification that is
    /// already in the outbox stays as it is there.
    pub fn commit(&mut self, views: &[(&str, &BucketView)], transition: &Transition) -> Result<(), LedgerError> {
        self.is_writable()?;
        let keeps_outbox = self.keeps_outbox();
        let written = write(&mut self.connection, views, transition, keeps_outbox);
        written.map_err(|stop| match stop {
            Stop::Sqlite(source) => LedgerError::from_sqlite(&self.path, "write to", source),
            Stop::UnknownBucket(bucket) => {
                LedgerError::UnknownBucket { path: self.path.clone(), bucket: bucket.to_string() }
            }
        })
    }

    /// Ends the open findings of all buckets whose key is not among `keys` as *unwatched*. Gives the names of those
    /// buckets and how many findings each had.
    pub fn unwatch_others(
        &mut self,
        keys: &BTreeSet<String>,
        at: TimestampMs,
    ) -> Result<Vec<(String, u64)>, LedgerError> {
        let others =
            self.buckets()?.into_iter().filter(|bucket| bucket.open_findings > 0 && !keys.contains(&bucket.key));
        let mut unwatched = Vec::new();
        let failed = |source| LedgerError::from_sqlite(&self.path, "write to", source);
        for bucket in others {
            self.connection
                .execute(
                    "UPDATE findings SET ended_at = ?2, end = ?3
                     WHERE bucket = (SELECT id FROM buckets WHERE key = ?1) AND ended_at IS NULL",
                    params![bucket.key, at.0, FindingEnd::Unwatched.name()],
                )
                .map_err(failed)?;
            unwatched.push((bucket.name, bucket.open_findings));
        }
        Ok(unwatched)
    }
}

fn write(
    connection: &mut Connection,
    views: &[(&str, &BucketView)],
    transition: &Transition,
    keeps_outbox: bool,
) -> Result<(), Stop> {
    // the lock is taken at once, so that the commit never fails midway because another connection was faster
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut buckets: BTreeMap<Arc<str>, i64> = BTreeMap::new();
    let mut ids = Ids { names: Names::load(&transaction, &mut Interner::default())?, metas: MetaIds::default() };
    for (key, view) in views {
        let bucket = write_bucket(&transaction, key, view)?;
        buckets.insert(Arc::clone(&view.bucket), bucket);
        let changes = transition.buckets.get(&view.bucket);
        let mut judged = Judged::of(changes);
        if matches!(view.listing, Listing::Complete { .. }) {
            write_blocks(&transaction, bucket, view, &mut judged, &mut ids)?;
        }
        judged.write(&transaction, bucket, view.observed_at)?;
        if let Some(changes) = changes {
            write_changes(&transaction, bucket, changes, view.observed_at, &mut ids.metas)?;
        }
        prune::prune(&transaction, bucket, view.observed_at)?;
    }
    for (name, changes) in &transition.buckets {
        if !buckets.contains_key(name) {
            let bucket = bucket_named(&transaction, name)?;
            Judged::of(Some(changes)).write(&transaction, bucket, transition.at)?;
            write_changes(&transaction, bucket, changes, transition.at, &mut ids.metas)?;
        }
    }
    let earlier = transition.earlier.iter().map(|(at, change)| (*at, change));
    for (at, change) in earlier.chain(transition.findings.iter().map(|change| (transition.at, change))) {
        let name = match change {
            FindingChange::Opened(finding) | FindingChange::Updated(finding) => &finding.subject.bucket,
            FindingChange::Ended { bucket, .. } => bucket,
        };
        let bucket = match buckets.get(name) {
            Some(id) => *id,
            None => bucket_named(&transaction, name)?,
        };
        match change {
            FindingChange::Opened(finding) | FindingChange::Updated(finding) => {
                findings::write_open(&transaction, bucket, finding, at)?;
            }
            FindingChange::Ended { fingerprint, end, .. } => {
                findings::write_end(&transaction, bucket, fingerprint, *end, at)?;
            }
        }
    }
    alerting::write(&transaction, &transition.alerting, keeps_outbox)?;
    prune::prune_notifications(&transaction, transition.at)?;
    transaction.commit()?;
    Ok(())
}

/// The ids of what rows share.
struct Ids {
    names: Names,
    metas: MetaIds,
}

/// The bucket that was last called this: one that is not watched any more.
fn bucket_named(connection: &Connection, name: &Arc<str>) -> Result<i64, Stop> {
    let mut statement =
        connection.prepare_cached("SELECT id FROM buckets WHERE name = ?1 ORDER BY last_scan DESC, id LIMIT 1")?;
    let id = statement.query_row([&**name], |row| row.get(0)).optional()?;
    id.ok_or_else(|| Stop::UnknownBucket(Arc::clone(name)))
}

fn write_bucket(connection: &Connection, key: &str, view: &BucketView) -> rusqlite::Result<i64> {
    let mut find = connection.prepare_cached("SELECT id, name FROM buckets WHERE key = ?1")?;
    let found: Option<(i64, String)> = find.query_row([key], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let id = match found {
        None => connection
            .prepare_cached("INSERT INTO buckets (key, name, provider) VALUES (?1, ?2, ?3)")?
            .insert(params![key, &*view.bucket, view.provider.name()])?,
        Some((id, name)) => {
            if *name != *view.bucket {
                connection
                    .prepare_cached("UPDATE buckets SET name = ?2 WHERE id = ?1")?
                    .execute(params![id, &*view.bucket])?;
                findings::rename_bucket(connection, id, &view.bucket)?;
            }
            id
        }
    };
    if let Listing::Complete { objects, bytes } = view.listing {
        connection
            .prepare_cached(
                "UPDATE buckets SET first_scan = coalesce(first_scan, ?2), last_scan = max(coalesce(last_scan, ?2), ?2)
                 WHERE id = ?1",
            )?
            .execute(params![id, view.observed_at.0])?;
        connection
            .prepare_cached("INSERT OR REPLACE INTO scans (bucket, at, objects, bytes) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![id, view.observed_at.0, columns::signed(objects), columns::signed(bytes)])?;
    }
    Ok(id)
}

/// What the judge said of blocks and has not been written. A new block takes it along, so that its row is written once.
#[derive(Default)]
struct Judged<'a> {
    completed: BTreeSet<Ulid>,
    lineage: BTreeMap<Ulid, &'a Lineage>,
}

impl<'a> Judged<'a> {
    fn of(changes: Option<&'a BucketTransition>) -> Self {
        changes.map_or_else(Self::default, |changes| Self {
            completed: changes.completed.iter().copied().collect(),
            lineage: changes.lineage.iter().map(|(ulid, lineage)| (*ulid, lineage)).collect(),
        })
    }

    fn write(self, connection: &Connection, bucket: i64, at: TimestampMs) -> rusqlite::Result<()> {
        for ulid in self.completed {
            connection
                .prepare_cached(
                    "UPDATE blocks SET complete_since = ?3 WHERE bucket = ?1 AND ulid = ?2 AND complete_since IS NULL",
                )?
                .execute(params![bucket, ulid.to_string(), at.0])?;
        }
        for (ulid, lineage) in self.lineage {
            connection
                .prepare_cached("UPDATE blocks SET lineage = ?3 WHERE bucket = ?1 AND ulid = ?2 AND lineage IS NOT ?3")?
                .execute(params![bucket, ulid.to_string(), columns::to_json(lineage)?])?;
        }
        Ok(())
    }
}

fn write_blocks(
    connection: &Connection,
    bucket: i64,
    view: &BucketView,
    judged: &mut Judged<'_>,
    ids: &mut Ids,
) -> rusqlite::Result<()> {
    let seen_at = view.observed_at;
    for block in view.blocks.values() {
        match block.change {
            BlockChange::Unchanged => {}
            BlockChange::New | BlockChange::Changed => {
                match insert_block(connection, bucket, block, judged, seen_at)? {
                    Some(id) => {
                        insert_objects(connection, ObjectTable::Baseline, id, &block.objects, &mut ids.names)?;
                        if let MetaState::Read { meta, problems } = &block.meta {
                            ids.metas.write(connection, id, block.ulid, meta.as_deref(), problems)?;
                        }
                        write_marks(connection, id, &block.marks, seen_at)?;
                    }
                    None => update_block(connection, bucket, block, seen_at, ids)?,
                }
            }
        }
    }
    Ok(())
}

fn meta_unknown(block: &BlockView) -> Option<&str> {
    match &block.meta {
        MetaState::Unknown(why) => Some(why),
        MetaState::Absent | MetaState::Read { .. } => None,
    }
}

/// The upload is over, so that nothing may change any more: `meta.json`, which comes last, is there. One that is not
/// understood does not count, as Thanos takes the block for a partial upload; who repairs it changes nothing immutable.
fn is_uploaded(block: &BlockView) -> bool {
    let is_understood = !matches!(block.meta, MetaState::Read { meta: None, .. });
    is_understood && block.object("meta.json").is_some()
}

/// Inserts a block; `None` if it is there already.
fn insert_block(
    connection: &Connection,
    bucket: i64,
    block: &BlockView,
    judged: &mut Judged<'_>,
    seen_at: TimestampMs,
) -> rusqlite::Result<Option<i64>> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO blocks (bucket, ulid, first_seen, meta_since, complete_since, lineage, meta_unknown)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
    )?;
    let changes = insert.execute(params![
        bucket,
        block.ulid.to_string(),
        seen_at.0,
        is_uploaded(block).then_some(seen_at.0),
        judged.completed.contains(&block.ulid).then_some(seen_at.0),
        columns::to_optional_json(judged.lineage.get(&block.ulid).copied())?,
        meta_unknown(block),
    ])?;
    if changes == 0 {
        return Ok(None);
    }
    judged.completed.remove(&block.ulid);
    judged.lineage.remove(&block.ulid);
    Ok(Some(connection.last_insert_rowid()))
}

/// What is there of a block that changed.
struct Stored {
    id: i64,
    baseline_stands: bool,
    ended: bool,
}

impl Stored {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            baseline_stands: columns::optional_time(row, 1)?.is_some(),
            ended: columns::optional_time(row, 2)?.is_some(),
        })
    }
}

fn update_block(
    connection: &Connection,
    bucket: i64,
    block: &BlockView,
    seen_at: TimestampMs,
    ids: &mut Ids,
) -> rusqlite::Result<()> {
    let mut stored = connection
        .prepare_cached("SELECT id, meta_since, ended_at FROM blocks WHERE bucket = ?1 AND ulid = ?2")?
        .query_row(params![bucket, block.ulid.to_string()], Stored::read)?;
    if stored.ended {
        // it is back: another upload, with a baseline of its own
        connection
            .prepare_cached(
                "UPDATE blocks SET ended_at = NULL, end_reason = NULL, meta_since = NULL, changed_at = NULL,
                   meta_difference = NULL WHERE id = ?1",
            )?
            .execute([stored.id])?;
        for forget in ["DELETE FROM verifications WHERE block = ?1", "DELETE FROM hashes WHERE block = ?1"] {
            connection.prepare_cached(forget)?.execute([stored.id])?;
        }
        stored.baseline_stands = false;
    }
    delete_objects(connection, ObjectTable::Current, stored.id)?;
    if stored.baseline_stands {
        let baseline =
            load_objects(connection, ObjectTable::Baseline, stored.id, &ids.names, &mut Interner::default())?;
        if baseline != block.objects {
            insert_objects(connection, ObjectTable::Current, stored.id, &block.objects, &mut ids.names)?;
            connection
                .prepare_cached("UPDATE blocks SET changed_at = ?2 WHERE id = ?1")?
                .execute(params![stored.id, seen_at.0])?;
        }
    } else {
        delete_objects(connection, ObjectTable::Baseline, stored.id)?;
        insert_objects(connection, ObjectTable::Baseline, stored.id, &block.objects, &mut ids.names)?;
        if is_uploaded(block) {
            connection
                .prepare_cached("UPDATE blocks SET meta_since = ?2 WHERE id = ?1")?
                .execute(params![stored.id, seen_at.0])?;
        }
    }
    update_meta(connection, &stored, block, &mut ids.metas)?;
    let difference = block.mutations.iter().find_map(|mutation| mutation.meta_difference.as_ref());
    connection
        .prepare_cached("UPDATE blocks SET meta_unknown = ?2, meta_difference = ?3 WHERE id = ?1")?
        .execute(params![stored.id, meta_unknown(block), columns::to_optional_json(difference)?])?;
    write_marks(connection, stored.id, &block.marks, seen_at)
}

fn update_meta(connection: &Connection, stored: &Stored, block: &BlockView, ids: &mut MetaIds) -> rusqlite::Result<()> {
    if !stored.baseline_stands {
        connection.prepare_cached("DELETE FROM metas_first WHERE block = ?1")?.execute([stored.id])?;
    }
    let MetaState::Read { meta, problems } = &block.meta else { return Ok(()) };
    let was = Metas::new(connection).load_one(stored.id, block.ulid, &mut Interner::default())?;
    let says_the_same = was.as_ref() == Some(&block.meta);
    // a file that was written again may say the same in other bytes: then too it is compared with the first from now on
    let written_again = block.mutations.iter().any(|mutation| &*mutation.now.name == META);
    if stored.baseline_stands && (written_again || !says_the_same) {
        // the very first one stays
        connection
            .prepare_cached("INSERT OR IGNORE INTO metas_first SELECT * FROM metas WHERE block = ?1")?
            .execute([stored.id])?;
    }
    if says_the_same {
        return Ok(());
    }
    ids.write(connection, stored.id, block.ulid, meta.as_deref(), problems)
}

fn write_changes(
    connection: &Connection,
    bucket: i64,
    changes: &BucketTransition,
    at: TimestampMs,
    metas: &mut MetaIds,
) -> rusqlite::Result<()> {
    for (ulid, reason) in &changes.ended {
        connection
            .prepare_cached(
                "UPDATE blocks SET ended_at = ?3, end_reason = ?4 WHERE bucket = ?1 AND ulid = ?2 AND ended_at IS NULL",
            )?
            .execute(params![bucket, ulid.to_string(), at.0, EndReason::name(*reason)])?;
    }
    for (ulid, reason) in &changes.reasons {
        connection
            .prepare_cached(
                "UPDATE blocks SET end_reason = ?3 WHERE bucket = ?1 AND ulid = ?2 AND ended_at IS NOT NULL",
            )?
            .execute(params![bucket, ulid.to_string(), EndReason::name(*reason)])?;
    }
    for (labels, past) in &changes.streams {
        connection
            .prepare_cached(
                "INSERT INTO streams (bucket, labels, first_seen, newest_max_time) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET first_seen = min(first_seen, excluded.first_seen),
                   newest_max_time = max(newest_max_time, excluded.newest_max_time)",
            )?
            .execute(params![bucket, metas.labels(connection, labels)?, past.first_seen.0, past.newest_max_time.0])?;
    }
    for seen in &changes.retention {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO retention (bucket, since, resolution, retention_ms) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![bucket, seen.since.0, Resolution::name(seen.resolution), seen.retention_ms])?;
    }
    Ok(())
}
