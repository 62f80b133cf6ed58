//! Reading a bucket: what its source needs in order to fetch only what is new, and what the judge needs of its past.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Params, Row, params};
use ulid::Ulid;

use super::metas::Metas;
use super::rows::{BlockMarks, Names, ObjectTable, blocks_with_current, load_marks, load_objects};
use super::{Ledger, LedgerError, columns, findings, metas};
use crate::model::{
    BlockMeta, BucketPast, DAY_MS, End, Interner, KnownBlock, KnownBucket, Labels, Lineage, MetaState, ObjectView,
    PastBlock, RetentionSeen, StreamPast, TimestampMs,
};

/// How long after its end a block is in the past in any case.
pub(super) const RECENTLY_ENDED_MS: i64 = 10 * DAY_MS;

/// One bucket as the ledger holds it. The two share the contents of `meta.json`.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// For its source.
    pub known: KnownBucket,
    /// For the judge.
    pub past: BucketPast,
}

impl Ledger {
    /// Reads the bucket that `key` identifies and that is now called `name`; `None` if it was never committed.
    pub fn load(
        &self,
        key: &str,
        name: &Arc<str>,
        now: TimestampMs,
        interner: &mut Interner,
    ) -> Result<Option<Loaded>, LedgerError> {
        let read = |interner: &mut Interner| {
            // what was read earlier is read from the file again: pages that are kept would hide damage for as long as
            // a service runs
            self.connection.release_memory()?;
            // all statements have to see the same commit
            let transaction = self.connection.unchecked_transaction()?;
            let Some(bucket) = BucketRow::find(&transaction, key)? else { return Ok(None) };
            let loaded = load_bucket(&transaction, &bucket, name, now, interner)?;
            transaction.finish()?;
            Ok(Some(loaded))
        };
        read(interner).map_err(|source| self.cannot_read(source))
    }

    /// Looks up blocks of a bucket, those that ended long ago included: what a block that was just seen was made of.
    /// Those that were never seen are not in the answer.
    pub fn ancestors(
        &self,
        key: &str,
        ulids: &[Ulid],
        interner: &mut Interner,
    ) -> Result<BTreeMap<Ulid, PastBlock>, LedgerError> {
        let read = |interner: &mut Interner| {
            let transaction = self.connection.unchecked_transaction()?;
            let Some(bucket) = BucketRow::find(&transaction, key)? else { return Ok(BTreeMap::new()) };
            let wanted = ulids.iter().copied().collect();
            let marks = load_marks(&transaction, bucket.id, TimestampMs(i64::MAX))?;
            let mut found = BTreeMap::new();
            add_ancestors(bucket.id, &wanted, &marks, &mut found, &mut Metas::new(&transaction), interner)?;
            transaction.finish()?;
            Ok(found)
        };
        read(interner).map_err(|source| self.cannot_read(source))
    }
}

/// A row of `buckets`.
#[derive(Debug)]
pub(super) struct BucketRow {
    pub(super) id: i64,
    pub(super) first_scan: Option<TimestampMs>,
    pub(super) last_scan: Option<TimestampMs>,
    pub(super) detail_from: Option<TimestampMs>,
    pub(super) provider: crate::model::Provider,
}

impl BucketRow {
    pub(super) fn find(connection: &Connection, key: &str) -> rusqlite::Result<Option<Self>> {
        let mut statement = connection
            .prepare_cached("SELECT id, first_scan, last_scan, detail_from, provider FROM buckets WHERE key = ?1")?;
        let read = |row: &Row<'_>| {
            Ok(Self {
                id: row.get(0)?,
                first_scan: columns::optional_time(row, 1)?,
                last_scan: columns::optional_time(row, 2)?,
                detail_from: columns::optional_time(row, 3)?,
                provider: columns::provider(row, 4)?,
            })
        };
        statement.query_row([key], read).optional()
    }
}

/// A row of `blocks` and what its `meta.json` says.
#[derive(Debug)]
pub(super) struct BlockRow {
    pub(super) id: i64,
    pub(super) ulid: Ulid,
    pub(super) first_seen: TimestampMs,
    pub(super) meta_since: Option<TimestampMs>,
    pub(super) complete_since: Option<TimestampMs>,
    pub(super) changed_at: Option<TimestampMs>,
    pub(super) end: Option<End>,
    pub(super) lineage: Lineage,
    pub(super) meta_unknown: Option<String>,
    pub(super) meta_difference: Option<(Vec<String>, bool)>,
    /// As last read; `None` if it never was.
    pub(super) meta: Option<MetaState>,
}

impl BlockRow {
    /// Calls `with` for every block of the bucket that `condition` (with parameters from `?1`) selects.
    pub(super) fn each(
        condition: &'static str,
        parameters: impl Params,
        metas: &mut Metas<'_>,
        interner: &mut Interner,
        mut with: impl FnMut(Self, &mut Interner) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let connection = metas.connection();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT blocks.id, blocks.ulid, first_seen, meta_since, complete_since, changed_at, ended_at, end_reason,
               lineage, meta_unknown, meta_difference, {}
             FROM blocks LEFT JOIN metas ON metas.block = blocks.id WHERE {condition}",
            metas::COLUMNS
        ))?;
        let mut rows = statement.query(parameters)?;
        while let Some(row) = rows.next()? {
            let block = Self::read(row, metas, interner)?;
            with(block, interner)?;
        }
        Ok(())
    }

    fn read(row: &Row<'_>, metas: &mut Metas<'_>, interner: &mut Interner) -> rusqlite::Result<Self> {
        let ulid = columns::ulid(row, 1)?;
        let end = match columns::optional_time(row, 6)? {
            Some(at) => Some(End { at, reason: columns::end_reason(row, 7)? }),
            None => None,
        };
        Ok(Self {
            id: row.get(0)?,
            ulid,
            first_seen: columns::time(row, 2)?,
            meta_since: columns::optional_time(row, 3)?,
            complete_since: columns::optional_time(row, 4)?,
            changed_at: columns::optional_time(row, 5)?,
            end,
            lineage: columns::optional_json(row, 8)?.unwrap_or_default(),
            meta_unknown: row.get(9)?,
            meta_difference: columns::optional_json(row, 10)?,
            meta: metas.read(row, 11, ulid, interner)?,
        })
    }

    /// The state of its `meta.json` when these objects are all that it has.
    pub(super) fn meta_state(&self, objects: &[ObjectView]) -> MetaState {
        if !objects.iter().any(|object| &*object.name == "meta.json") {
            return MetaState::Absent;
        }
        match (&self.meta_unknown, &self.meta) {
            (Some(why), _) => MetaState::Unknown(why.clone()),
            (None, Some(state)) => state.clone(),
            (None, None) => MetaState::Unknown("it was never read".to_owned()),
        }
    }

    /// For the judge. What a `meta.json` said at first holds while what is there now cannot be understood.
    pub(super) fn into_past(self, marks: Option<&BlockMarks>, first: Option<&Arc<BlockMeta>>) -> PastBlock {
        PastBlock {
            meta: self.meta.as_ref().and_then(MetaState::meta).or(first).cloned(),
            first_seen: self.first_seen,
            complete: self.complete_since.is_some(),
            deletion: marks.and_then(|marks| marks.deletion.clone()),
            lineage: self.lineage,
            end: self.end,
        }
    }
}

fn load_bucket(
    connection: &Connection,
    bucket: &BucketRow,
    name: &Arc<str>,
    now: TimestampMs,
    interner: &mut Interner,
) -> rusqlite::Result<Loaded> {
    let names = Names::load(connection, interner)?;
    let changed = blocks_with_current(connection)?;
    let marks = load_marks(connection, bucket.id, TimestampMs(i64::MAX))?;
    let mut metas = Metas::new(connection);
    let first_metas = metas.load_first(bucket.id, interner)?;
    let mut known = KnownBucket::default();
    let mut blocks = BTreeMap::new();
    BlockRow::each("bucket = ?1 AND ended_at IS NULL", [bucket.id], &mut metas, interner, |row, interner| {
        let baseline = load_objects(connection, ObjectTable::Baseline, row.id, &names, interner)?;
        let current = if changed.contains(&row.id) {
            Some(load_objects(connection, ObjectTable::Current, row.id, &names, interner)?)
        } else {
            None
        };
        let marks = marks.get(&row.id);
        let block = KnownBlock {
            meta: row.meta_state(current.as_ref().unwrap_or(&baseline)),
            baseline,
            current,
            first_meta: first_metas.get(&row.id).cloned(),
            marks: marks.map(|found| found.marks.clone()).unwrap_or_default(),
            complete: row.meta_since.is_some(),
        };
        known.blocks.insert(row.ulid, block);
        let first = first_metas.get(&row.id);
        blocks.insert(row.ulid, row.into_past(marks, first));
        Ok(())
    })?;

    let mut add = |row: BlockRow, _: &mut Interner| {
        let (marks, first) = (marks.get(&row.id), first_metas.get(&row.id));
        blocks.insert(row.ulid, row.into_past(marks, first));
        Ok(())
    };
    let recently = params![bucket.id, now.minus(RECENTLY_ENDED_MS).0];
    BlockRow::each("bucket = ?1 AND ended_at > ?2", recently, &mut metas, interner, &mut add)?;
    BlockRow::each("bucket = ?1 AND end_reason = 'vanished'", [bucket.id], &mut metas, interner, &mut add)?;
    let missing = unsettled_ancestors(&blocks);
    add_ancestors(bucket.id, &missing, &marks, &mut blocks, &mut metas, interner)?;

    let past = BucketPast {
        first_scan: bucket.first_scan,
        last_scan: bucket.last_scan,
        blocks,
        streams: load_streams(connection, bucket.id, interner)?,
        retention: load_retention(connection, bucket.id)?,
        findings: findings::load_open(connection, bucket.id, name, None)?,
    };
    Ok(Loaded { known, past })
}

/// Ancestors of blocks whose lineage is not settled, as far as they are not among the blocks.
pub(super) fn unsettled_ancestors(blocks: &BTreeMap<Ulid, PastBlock>) -> BTreeSet<Ulid> {
    let unsettled = blocks.values().filter(|block| !block.lineage.settled && block.end.is_none());
    let mut missing = BTreeSet::new();
    for meta in unsettled.filter_map(|block| block.meta.as_ref()) {
        let parents = meta.parents.iter().map(|parent| parent.ulid);
        let ancestors = meta.sources.iter().chain(&meta.rewrite_sources).copied().chain(parents);
        missing.extend(ancestors.filter(|ulid| !blocks.contains_key(ulid)));
    }
    missing
}

pub(super) fn add_ancestors(
    bucket: i64,
    wanted: &BTreeSet<Ulid>,
    marks: &HashMap<i64, BlockMarks>,
    blocks: &mut BTreeMap<Ulid, PastBlock>,
    metas: &mut Metas<'_>,
    interner: &mut Interner,
) -> rusqlite::Result<()> {
    for ulid in wanted {
        let parameters = params![bucket, ulid.to_string()];
        BlockRow::each("bucket = ?1 AND blocks.ulid = ?2", parameters, metas, interner, |row, _| {
            let marks = marks.get(&row.id);
            blocks.insert(row.ulid, row.into_past(marks, None));
            Ok(())
        })?;
    }
    Ok(())
}

pub(super) fn load_streams(
    connection: &Connection,
    bucket: i64,
    interner: &mut Interner,
) -> rusqlite::Result<BTreeMap<Arc<Labels>, StreamPast>> {
    let mut statement = connection.prepare_cached(
        "SELECT json, first_seen, newest_max_time FROM streams JOIN labels ON labels.id = streams.labels
             WHERE bucket = ?1",
    )?;
    let rows = statement.query_map([bucket], |row| {
        let past = StreamPast { first_seen: columns::time(row, 1)?, newest_max_time: columns::time(row, 2)? };
        Ok((columns::json::<Labels>(row, 0)?, past))
    })?;
    rows.map(|row| row.map(|(labels, past)| (interner.labels(labels), past))).collect()
}

pub(super) fn load_retention(connection: &Connection, bucket: i64) -> rusqlite::Result<Vec<RetentionSeen>> {
    let mut statement = connection.prepare_cached(
        "SELECT since, resolution, retention_ms FROM retention WHERE bucket = ?1 ORDER BY since, resolution",
    )?;
    let rows = statement.query_map([bucket], |row| {
        Ok(RetentionSeen {
            since: columns::time(row, 0)?,
            resolution: columns::resolution(row, 1)?,
            retention_ms: row.get(2)?,
        })
    })?;
    rows.collect()
}
