//! A bucket as it was at an earlier moment: the view and the past that a scan had then, as far as rows can tell.
//!
//! What an object was is kept twice, at its baseline and as last listed, so a moment between two changes of one block
//! shows the baseline. A block that went and came back counts as there in between.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use ulid::Ulid;

use super::load::{
    BlockRow, BucketRow, RECENTLY_ENDED_MS, add_ancestors, load_retention, load_streams, unsettled_ancestors,
};
use super::metas::Metas;
use super::rows::{BlockMarks, Names, ObjectTable, load_marks, load_objects};
use super::{Ledger, LedgerError, columns, findings};
use crate::model::{
    BlockChange, BlockMeta, BlockView, BucketPast, BucketView, ForeignKeys, Interner, Labels, Listing, MarkState,
    Marks, MetaState, Mutation, ObjectView, PastBlock, RequestCounts, Resolution, StreamPast, TimestampMs,
    UnknownObject,
};

pub(super) const META: &str = "meta.json";
const DELETION_MARK: &str = "deletion-mark.json";
const NO_COMPACT_MARK: &str = "no-compact-mark.json";
const NO_DOWNSAMPLE_MARK: &str = "no-downsample-mark.json";

/// A bucket at an earlier moment.
#[derive(Clone, Debug)]
pub struct AsOf {
    /// As the newest scan of that moment saw it ([`Listing::FromLedger`]); `observed_at` is the time of that scan.
    pub view: BucketView,
    /// As the ledger was after that scan.
    pub past: BucketPast,
}

/// Why there is no answer.
enum Stop {
    Sqlite(rusqlite::Error),
    Pruned { at: TimestampMs, oldest: TimestampMs },
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Ledger {
    /// The bucket at `at`; before its first scan as of the first scan. `None` if it was never listed completely.
    /// [`LedgerError::Pruned`] for a moment whose details are gone.
    pub fn as_of(
        &self,
        key: &str,
        name: &Arc<str>,
        at: TimestampMs,
        interner: &mut Interner,
    ) -> Result<Option<AsOf>, LedgerError> {
        let read = |interner: &mut Interner| -> Result<_, Stop> {
            let transaction = self.connection.unchecked_transaction()?;
            let Some(bucket) = BucketRow::find(&transaction, key)? else { return Ok(None) };
            let Some(first_scan) = bucket.first_scan else { return Ok(None) };
            let scan = scan_at(&transaction, &bucket, at.max(first_scan))?;
            let as_of = Rebuild { connection: &transaction, bucket: &bucket, at: scan }.run(name, interner)?;
            transaction.finish()?;
            Ok(Some(as_of))
        };
        read(interner).map_err(|stop| match stop {
            Stop::Sqlite(source) => self.cannot_read(source),
            Stop::Pruned { at, oldest } => LedgerError::Pruned { path: self.path.clone(), at, oldest },
        })
    }
}

/// The newest scan that is not after `at`.
fn scan_at(connection: &Connection, bucket: &BucketRow, at: TimestampMs) -> Result<TimestampMs, Stop> {
    let at_or_before: Option<i64> = connection
        .prepare_cached("SELECT max(at) FROM scans WHERE bucket = ?1 AND at <= ?2")?
        .query_row(params![bucket.id, at.0], |row| row.get(0))?;
    let whole_from = bucket.detail_from.unwrap_or(TimestampMs(i64::MIN));
    if let Some(scan) = at_or_before
        && TimestampMs(scan) >= whole_from
    {
        return Ok(TimestampMs(scan));
    }
    let oldest = connection
        .prepare_cached("SELECT at FROM scans WHERE bucket = ?1 AND at >= ?2 ORDER BY at LIMIT 1")?
        .query_row(params![bucket.id, whole_from.0], |row| columns::time(row, 0))
        .optional()?;
    Err(Stop::Pruned { at, oldest: oldest.or(bucket.last_scan).unwrap_or(at) })
}

struct Rebuild<'a> {
    connection: &'a Connection,
    bucket: &'a BucketRow,
    at: TimestampMs,
}

impl Rebuild<'_> {
    fn run(&self, name: &Arc<str>, interner: &mut Interner) -> rusqlite::Result<AsOf> {
        let marks = load_marks(self.connection, self.bucket.id, self.at)?;
        let names = Names::load(self.connection, interner)?;
        let mut metas = Metas::new(self.connection);
        let first_metas = metas.load_first(self.bucket.id, interner)?;
        let mut blocks = BTreeMap::new();
        let mut past = BTreeMap::new();
        let there = "bucket = ?1 AND first_seen <= ?2 AND (ended_at IS NULL OR ended_at > ?2)";
        let parameters = params![self.bucket.id, self.at.0];
        BlockRow::each(there, parameters, &mut metas, interner, |row, interner| {
            let marks = marks.get(&row.id);
            blocks.insert(row.ulid, self.block(&row, first_metas.get(&row.id), marks, &names, interner)?);
            let first = first_metas.get(&row.id);
            past.insert(row.ulid, self.past_block(row, marks, first));
            Ok(())
        })?;
        self.add_ended(&mut past, &marks, &mut metas, interner)?;

        let unknown = blocks.values().flat_map(unknown_objects).collect();
        let objects = blocks.values().map(|block| block.objects.len()).sum::<usize>();
        let bytes = blocks.values().map(BlockView::bytes).sum();
        let view = BucketView {
            bucket: Arc::clone(name),
            provider: self.bucket.provider,
            observed_at: self.at,
            listing: Listing::FromLedger { objects: u64::try_from(objects).unwrap_or(u64::MAX), bytes },
            blocks,
            foreign: ForeignKeys::default(),
            confirmed_gone: Vec::new(),
            unconfirmed_gone: Vec::new(),
            unknown,
            date_skew_ms: None,
            requests: RequestCounts::default(),
        };
        let past = BucketPast {
            first_scan: self.bucket.first_scan,
            last_scan: Some(self.at),
            streams: self.streams(&past, interner)?,
            blocks: past,
            retention: load_retention(self.connection, self.bucket.id)?
                .into_iter()
                .filter(|seen| seen.since <= self.at)
                .collect(),
            findings: findings::load_open(self.connection, self.bucket.id, name, Some(self.at))?,
        };
        Ok(AsOf { view, past })
    }

    /// The block as it was listed.
    fn block(
        &self,
        row: &BlockRow,
        first_meta: Option<&Arc<BlockMeta>>,
        marks: Option<&BlockMarks>,
        names: &Names,
        interner: &mut Interner,
    ) -> rusqlite::Result<BlockView> {
        let load = |table, interner: &mut Interner| load_objects(self.connection, table, row.id, names, interner);
        let baseline = load(ObjectTable::Baseline, interner)?;
        let mut current = match row.changed_at {
            Some(changed_at) if changed_at <= self.at => load(ObjectTable::Current, interner)?,
            Some(_) | None => Box::default(),
        };
        // it may be as it was at first again
        let had_changed = !current.is_empty();
        let mut mutations = Vec::new();
        if had_changed {
            let difference = row.meta_difference.as_ref();
            let is_mark = |name: &str| matches!(name, DELETION_MARK | NO_COMPACT_MARK | NO_DOWNSAMPLE_MARK);
            mutations.extend(current.iter().filter(|now| !is_mark(&now.name)).filter_map(|now| {
                let was = baseline.iter().find(|was| was.name == now.name && !now.has_content_of(was))?;
                let meta_difference = difference.filter(|_| &*now.name == META).cloned();
                Some(Mutation { was: was.clone(), now: now.clone(), meta_difference })
            }));
        } else {
            current = self.listed_then(row, baseline);
        }
        let meta = match first_meta {
            // it was replaced later
            Some(first) if !had_changed && row.meta_since.is_some_and(|since| since <= self.at) => {
                MetaState::Read { meta: Some(Arc::clone(first)), problems: Box::default() }
            }
            Some(_) | None => row.meta_state(&current),
        };
        Ok(BlockView {
            ulid: row.ulid,
            objects: current,
            meta,
            marks: marks.map(|found| found.marks.clone()).unwrap_or_default(),
            mutations: mutations.into_boxed_slice(),
            change: BlockChange::Unchanged,
        })
    }

    /// Of the baseline, what a block that was still being uploaded then had.
    fn listed_then(&self, row: &BlockRow, baseline: Box<[ObjectView]>) -> Box<[ObjectView]> {
        if row.meta_since.is_none_or(|since| since <= self.at) {
            return baseline;
        }
        let uploading = |object: &&ObjectView| &*object.name != META;
        let there: Vec<_> =
            baseline.iter().filter(uploading).filter(|object| object.last_modified <= self.at).cloned().collect();
        if there.is_empty() { baseline.iter().filter(uploading).cloned().collect() } else { there.into() }
    }

    fn past_block(&self, row: BlockRow, marks: Option<&BlockMarks>, first: Option<&Arc<BlockMeta>>) -> PastBlock {
        let complete = row.complete_since.is_some_and(|since| since <= self.at);
        let end = row.end.filter(|end| end.at <= self.at);
        PastBlock { complete, end, ..row.into_past(marks, first) }
    }

    fn add_ended(
        &self,
        past: &mut BTreeMap<Ulid, PastBlock>,
        marks: &HashMap<i64, BlockMarks>,
        metas: &mut Metas<'_>,
        interner: &mut Interner,
    ) -> rusqlite::Result<()> {
        let ended = "bucket = ?1 AND ended_at <= ?2 AND (ended_at > ?3 OR end_reason = 'vanished')";
        let parameters = params![self.bucket.id, self.at.0, self.at.minus(RECENTLY_ENDED_MS).0];
        BlockRow::each(ended, parameters, metas, interner, |row, _| {
            let marks = marks.get(&row.id);
            past.insert(row.ulid, self.past_block(row, marks, None));
            Ok(())
        })?;
        let missing = unsettled_ancestors(past);
        add_ancestors(self.bucket.id, &missing, marks, past, metas, interner)?;
        past.retain(|_, block| block.first_seen <= self.at);
        Ok(())
    }

    /// The newest data of each stream among the blocks of that time; the row holds the newest ever.
    fn streams(
        &self,
        blocks: &BTreeMap<Ulid, PastBlock>,
        interner: &mut Interner,
    ) -> rusqlite::Result<BTreeMap<Arc<Labels>, StreamPast>> {
        let mut newest: BTreeMap<&Labels, TimestampMs> = BTreeMap::new();
        let raw = blocks.values().filter_map(|block| block.meta.as_ref());
        for meta in raw.filter(|meta| meta.resolution == Resolution::Raw) {
            let known = newest.entry(&meta.labels).or_insert(meta.interval.end);
            *known = (*known).max(meta.interval.end);
        }
        let mut streams = load_streams(self.connection, self.bucket.id, interner)?;
        streams.retain(|_, stream| stream.first_seen <= self.at);
        for (labels, stream) in &mut streams {
            stream.newest_max_time =
                newest.get(&**labels).copied().unwrap_or_else(|| stream.newest_max_time.min(self.at));
        }
        Ok(streams)
    }
}

/// What of a block was there to be read and could not be; of an archived object its storage class says so.
fn unknown_objects(block: &BlockView) -> Vec<UnknownObject> {
    fn why<T>(mark: Option<&MarkState<T>>) -> Option<&String> {
        match mark {
            Some(MarkState::Unknown(why)) => Some(why),
            Some(MarkState::Read(_) | MarkState::Invalid(_)) | None => None,
        }
    }
    let Marks { deletion, no_compact, no_downsample } = &block.marks;
    let meta = match &block.meta {
        MetaState::Unknown(why) => Some(why),
        MetaState::Absent | MetaState::Read { .. } => None,
    };
    let found = [
        (META, meta),
        (DELETION_MARK, why(deletion.as_ref())),
        (NO_COMPACT_MARK, why(no_compact.as_ref())),
        (NO_DOWNSAMPLE_MARK, why(no_downsample.as_ref())),
    ];
    let is_archived = |name: &str| block.object(name).is_some_and(ObjectView::is_archived);
    let unknown = found.into_iter().filter(|(name, _)| !is_archived(name)).filter_map(|(name, why)| {
        let object = format!("{}/{name}", block.ulid);
        why.map(|why| UnknownObject { block: block.ulid, object, why: why.clone() })
    });
    unknown.collect()
}
