//! What each `meta.json` says, in columns: a fifth of its bytes, and nothing to parse when a hundred thousand are loaded.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};
use sha2::{Digest, Sha256};
use ulid::Ulid;

use super::columns;
use crate::model::{
    BlockMeta, BlockSource, FileEntry, Interner, Interval, Labels, MetaProblem, MetaState, Parent, Resolution, Stats,
    TimestampMs, parse_ulid,
};

/// The columns of both tables, in the order in which [`Metas::read`] expects them.
pub(super) const COLUMNS: &str = "metas.block, labels, metas.ulid, min_time, max_time, samples, series, chunks,
    tombstones, level, resolution, source, hinted, failed, segments, upload_time, sources, parents, rewrite_sources,
    files, problems";

/// Name, size and SHA-256 in hexadecimal digits.
type StoredFile = (String, Option<u64>, Option<String>);

/// Labels and lists that rows refer to, each loaded once.
#[derive(Debug)]
pub(super) struct Metas<'a> {
    connection: &'a Connection,
    labels: HashMap<i64, Arc<Labels>>,
    lists: HashMap<i64, Arc<[Ulid]>>,
}

impl<'a> Metas<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self { connection, labels: HashMap::new(), lists: HashMap::new() }
    }

    pub(super) const fn connection(&self) -> &'a Connection {
        self.connection
    }

    /// The content of the columns from `first` on; `None` if it was never read.
    pub(super) fn read(
        &mut self,
        row: &Row<'_>,
        first: usize,
        directory: Ulid,
        interner: &mut Interner,
    ) -> rusqlite::Result<Option<MetaState>> {
        if row.get::<_, Option<i64>>(first)?.is_none() {
            return Ok(None);
        }
        let problems: Option<Vec<MetaProblem>> = columns::optional_json(row, first + 20)?;
        let meta = match row.get(first + 1)? {
            Some(labels) => {
                let meta = self.read_meta(row, first, directory, labels, interner)?;
                Some(interner.meta(directory, meta))
            }
            None => None,
        };
        Ok(Some(MetaState::Read { meta, problems: problems.unwrap_or_default().into() }))
    }

    fn read_meta(
        &mut self,
        row: &Row<'_>,
        first: usize,
        directory: Ulid,
        labels: i64,
        interner: &mut Interner,
    ) -> rusqlite::Result<BlockMeta> {
        let sources = match row.get(first + 16)? {
            Some(list) => self.list(list, interner)?,
            None => [directory].into(),
        };
        let parents: Option<Vec<(String, i64, i64)>> = columns::optional_json(row, first + 17)?;
        let rewrites: Option<Vec<String>> = columns::optional_json(row, first + 18)?;
        let files: Option<Vec<StoredFile>> = columns::optional_json(row, first + 19)?;
        let corrupt =
            |idx| move || rusqlite::Error::InvalidColumnType(idx, "ulid".to_owned(), rusqlite::types::Type::Text);
        let parents = parents.unwrap_or_default().into_iter().map(|(ulid, start, end)| {
            let interval = Interval::new(TimestampMs(start), TimestampMs(end));
            parse_ulid(&ulid).map(|ulid| Parent { ulid, interval })
        });
        let rewrites = rewrites.unwrap_or_default().into_iter().map(|ulid| parse_ulid(&ulid));
        let files = files.map(|files| {
            let entry = |(name, size, sha256): StoredFile| FileEntry {
                name: interner.name(&name),
                size,
                sha256: sha256.as_deref().and_then(from_hex),
            };
            files.into_iter().map(entry).collect()
        });
        Ok(BlockMeta {
            ulid: columns::optional_ulid(row, first + 2)?,
            interval: Interval::new(columns::time(row, first + 3)?, columns::time(row, first + 4)?),
            stats: Stats {
                samples: columns::optional_unsigned(row, first + 5)?,
                series: columns::optional_unsigned(row, first + 6)?,
                chunks: columns::optional_unsigned(row, first + 7)?,
                tombstones: columns::optional_unsigned(row, first + 8)?,
            },
            level: row.get(first + 9)?,
            sources,
            parents: parents.collect::<Option<_>>().ok_or_else(corrupt(first + 17))?,
            hinted: row.get(first + 12)?,
            failed: row.get(first + 13)?,
            labels: self.labels(labels, interner)?,
            resolution: columns::resolution(row, first + 10)?,
            source: BlockSource::from_text(row.get_ref(first + 11)?.as_str()?),
            files,
            segments: row.get(first + 14)?,
            rewrite_sources: rewrites.collect::<Option<_>>().ok_or_else(corrupt(first + 18))?,
            upload_time: columns::optional_time(row, first + 15)?,
        })
    }

    fn labels(&mut self, id: i64, interner: &mut Interner) -> rusqlite::Result<Arc<Labels>> {
        if let Some(labels) = self.labels.get(&id) {
            return Ok(Arc::clone(labels));
        }
        let mut statement = self.connection.prepare_cached("SELECT json FROM labels WHERE id = ?1")?;
        let labels = interner.labels(statement.query_row([id], |row| columns::json(row, 0))?);
        self.labels.insert(id, Arc::clone(&labels));
        Ok(labels)
    }

    fn list(&mut self, id: i64, interner: &mut Interner) -> rusqlite::Result<Arc<[Ulid]>> {
        if let Some(list) = self.lists.get(&id) {
            return Ok(Arc::clone(list));
        }
        let mut statement = self.connection.prepare_cached("SELECT ulids FROM source_lists WHERE id = ?1")?;
        let list = statement.query_row([id], |row| {
            let (ulids, _) = row.get_ref(0)?.as_blob()?.as_chunks::<16>();
            let ulids: Vec<Ulid> = ulids.iter().map(|bytes| Ulid::from_bytes(*bytes)).collect();
            Ok(interner.ulids(&ulids))
        })?;
        self.lists.insert(id, Arc::clone(&list));
        Ok(list)
    }

    /// The first contents of a bucket's blocks that have another one now, by block.
    pub(super) fn load_first(
        &mut self,
        bucket: i64,
        interner: &mut Interner,
    ) -> rusqlite::Result<HashMap<i64, Arc<BlockMeta>>> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT blocks.ulid, {COLUMNS} FROM metas_first AS metas JOIN blocks ON blocks.id = metas.block
             WHERE blocks.bucket = ?1"
        ))?;
        let mut rows = statement.query([bucket])?;
        let mut first = HashMap::new();
        while let Some(row) = rows.next()? {
            let state = self.read(row, 1, columns::ulid(row, 0)?, interner)?;
            if let Some(meta) = state.as_ref().and_then(MetaState::meta) {
                first.insert(row.get(1)?, Arc::clone(meta));
            }
        }
        Ok(first)
    }

    /// What is stored for one block.
    pub(super) fn load_one(
        &mut self,
        block: i64,
        directory: Ulid,
        interner: &mut Interner,
    ) -> rusqlite::Result<Option<MetaState>> {
        let mut statement = self.connection.prepare_cached(&format!("SELECT {COLUMNS} FROM metas WHERE block = ?1"))?;
        let found = statement.query_row([block], |row| self.read(row, 0, directory, interner)).optional()?;
        Ok(found.flatten())
    }
}

/// The ids of labels and lists while rows are written.
#[derive(Debug, Default)]
pub(super) struct MetaIds {
    labels: HashMap<Arc<Labels>, i64>,
    lists: HashMap<Arc<[Ulid]>, i64>,
}

impl MetaIds {
    pub(super) fn labels(&mut self, connection: &Connection, labels: &Arc<Labels>) -> rusqlite::Result<i64> {
        if let Some(id) = self.labels.get(labels) {
            return Ok(*id);
        }
        let json = columns::to_json(labels)?;
        let mut find = connection.prepare_cached("SELECT id FROM labels WHERE json = ?1")?;
        let id = match find.query_row([&json], |row| row.get(0)).optional()? {
            Some(id) => id,
            None => connection.prepare_cached("INSERT INTO labels (json) VALUES (?1)")?.insert([&json])?,
        };
        self.labels.insert(Arc::clone(labels), id);
        Ok(id)
    }

    fn list(&mut self, connection: &Connection, list: &Arc<[Ulid]>) -> rusqlite::Result<i64> {
        if let Some(id) = self.lists.get(list) {
            return Ok(*id);
        }
        let bytes: Vec<u8> = list.iter().flat_map(Ulid::to_bytes).collect();
        let hash = Sha256::digest(&bytes);
        let mut find = connection.prepare_cached("SELECT id FROM source_lists WHERE hash = ?1")?;
        let id = match find.query_row([hash.as_slice()], |row| row.get(0)).optional()? {
            Some(id) => id,
            None => connection
                .prepare_cached("INSERT INTO source_lists (hash, ulids) VALUES (?1, ?2)")?
                .insert(params![hash.as_slice(), bytes])?,
        };
        self.lists.insert(Arc::clone(list), id);
        Ok(id)
    }

    /// Writes what a `meta.json` says, in place of what the row said.
    pub(super) fn write(
        &mut self,
        connection: &Connection,
        block: i64,
        directory: Ulid,
        meta: Option<&BlockMeta>,
        problems: &[MetaProblem],
    ) -> rusqlite::Result<()> {
        let problems = columns::to_optional_json((!problems.is_empty()).then_some(problems))?;
        let Some(meta) = meta else {
            connection
                .prepare_cached("INSERT OR REPLACE INTO metas (block, problems) VALUES (?1, ?2)")?
                .execute(params![block, problems])?;
            return Ok(());
        };
        let labels = self.labels(connection, &meta.labels)?;
        let is_own_source = *meta.sources == [directory];
        let sources = if is_own_source { None } else { Some(self.list(connection, &meta.sources)?) };
        let parents: Vec<_> = meta
            .parents
            .iter()
            .map(|parent| (parent.ulid.to_string(), parent.interval.start.0, parent.interval.end.0))
            .collect();
        let rewrites: Vec<_> = meta.rewrite_sources.iter().map(Ulid::to_string).collect();
        let files: Option<Vec<_>> = meta
            .files
            .as_ref()
            .map(|files| files.iter().map(|file| (&*file.name, file.size, file.sha256.as_ref().map(to_hex))).collect());
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO metas (block, labels, ulid, min_time, max_time, samples, series, chunks, tombstones,
                   level, resolution, source, hinted, failed, segments, upload_time, sources, parents, rewrite_sources,
                   files, problems)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)",
            )?
            .execute(params![
                block,
                labels,
                meta.ulid.map(|ulid| ulid.to_string()),
                meta.interval.start.0,
                meta.interval.end.0,
                meta.stats.samples.map(columns::signed),
                meta.stats.series.map(columns::signed),
                meta.stats.chunks.map(columns::signed),
                meta.stats.tombstones.map(columns::signed),
                meta.level,
                Resolution::name(meta.resolution),
                source_text(&meta.source),
                meta.hinted,
                meta.failed,
                meta.segments,
                meta.upload_time.map(|time| time.0),
                sources,
                columns::to_optional_json((!parents.is_empty()).then_some(&parents))?,
                columns::to_optional_json((!rewrites.is_empty()).then_some(&rewrites))?,
                columns::to_optional_json(files.as_ref())?,
                problems,
            ])?;
        Ok(())
    }
}

/// The text that [`BlockSource::from_text`] reads.
fn source_text(source: &BlockSource) -> &str {
    match source {
        BlockSource::Unset => "",
        BlockSource::Sidecar => "sidecar",
        BlockSource::Receive => "receive",
        BlockSource::Ruler => "ruler",
        BlockSource::Compactor => "compactor",
        BlockSource::Other(text) => text,
    }
}

fn to_hex(hash: &[u8; 32]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied();
    hash.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).flatten().collect()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let bytes = pairs.iter().map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    bytes.collect::<Option<Vec<u8>>>()?.try_into().ok()
}
