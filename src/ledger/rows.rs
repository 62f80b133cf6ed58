//! Rows of objects and marks, both ways.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rusqlite::{Connection, Row, params};

use super::columns;
use crate::model::{
    DeletionMark, Interner, MarkState, Marks, MetaProblem, NoCompactMark, NoDownsampleMark, ObjectView, TimestampMs,
};

/// The two tables of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ObjectTable {
    /// `objects`
    Baseline,
    /// `objects_now`
    Current,
}

impl ObjectTable {
    const fn select(self) -> &'static str {
        match self {
            Self::Baseline => "SELECT name, size, modified, etag, class FROM objects WHERE block = ?1",
            Self::Current => "SELECT name, size, modified, etag, class FROM objects_now WHERE block = ?1",
        }
    }

    const fn insert(self) -> &'static str {
        match self {
            Self::Baseline => "INSERT INTO objects VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            Self::Current => "INSERT INTO objects_now VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        }
    }

    const fn delete(self) -> &'static str {
        match self {
            Self::Baseline => "DELETE FROM objects WHERE block = ?1",
            Self::Current => "DELETE FROM objects_now WHERE block = ?1",
        }
    }
}

/// The table of names, read once, one `Arc` per name.
#[derive(Debug, Default)]
pub(super) struct Names {
    by_id: HashMap<i64, Arc<str>>,
    by_name: HashMap<Arc<str>, i64>,
}

impl Names {
    pub(super) fn load(connection: &Connection, interner: &mut Interner) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare_cached("SELECT id, name FROM names")?;
        let mut rows = statement.query(())?;
        let mut names = Self::default();
        while let Some(row) = rows.next()? {
            let name = interner.name(row.get_ref(1)?.as_str()?);
            names.add(row.get(0)?, name);
        }
        Ok(names)
    }

    fn add(&mut self, id: i64, name: Arc<str>) {
        self.by_id.insert(id, Arc::clone(&name));
        self.by_name.insert(name, id);
    }

    fn name(&self, row: &Row<'_>, idx: usize) -> rusqlite::Result<Arc<str>> {
        let id: i64 = row.get(idx)?;
        // the row points at a name that is gone
        self.by_id.get(&id).cloned().ok_or(rusqlite::Error::IntegralValueOutOfRange(idx, id))
    }

    pub(super) fn id(&mut self, connection: &Connection, name: &Arc<str>) -> rusqlite::Result<i64> {
        if let Some(id) = self.by_name.get(name) {
            return Ok(*id);
        }
        let id = connection.prepare_cached("INSERT INTO names (name) VALUES (?1)")?.insert([&**name])?;
        self.add(id, Arc::clone(name));
        Ok(id)
    }
}

/// The objects of one block, by name.
pub(super) fn load_objects(
    connection: &Connection,
    table: ObjectTable,
    block: i64,
    names: &Names,
    interner: &mut Interner,
) -> rusqlite::Result<Box<[ObjectView]>> {
    let mut statement = connection.prepare_cached(table.select())?;
    let mut rows = statement.query([block])?;
    let mut objects = Vec::with_capacity(8);
    while let Some(row) = rows.next()? {
        objects.push(ObjectView {
            name: names.name(row, 0)?,
            size: columns::unsigned(row, 1)?,
            last_modified: columns::time(row, 2)?,
            etag: row.get_ref(3)?.as_str_or_null()?.map(Into::into),
            storage_class: row.get_ref(4)?.as_str_or_null()?.map(|class| interner.name(class)),
        });
    }
    objects.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    Ok(objects.into_boxed_slice())
}

/// Which blocks have rows in `objects_now`.
pub(super) fn blocks_with_current(connection: &Connection) -> rusqlite::Result<HashSet<i64>> {
    let mut statement = connection.prepare_cached("SELECT DISTINCT block FROM objects_now")?;
    statement.query_map((), |row| row.get(0))?.collect()
}

/// Writes the objects of a block that has none in the table.
pub(super) fn insert_objects(
    connection: &Connection,
    table: ObjectTable,
    block: i64,
    objects: &[ObjectView],
    names: &mut Names,
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(table.insert())?;
    for object in objects {
        let name = names.id(connection, &object.name)?;
        insert.execute(params![
            block,
            name,
            columns::signed(object.size),
            object.last_modified.0,
            object.etag.as_deref(),
            object.storage_class.as_deref(),
        ])?;
    }
    Ok(())
}

pub(super) fn delete_objects(connection: &Connection, table: ObjectTable, block: i64) -> rusqlite::Result<()> {
    connection.prepare_cached(table.delete())?.execute([block])?;
    Ok(())
}

const DELETION: &str = "deletion";
const NO_COMPACT: &str = "no-compact";
const NO_DOWNSAMPLE: &str = "no-downsample";

/// One mark as its columns hold it.
#[derive(Debug, Default)]
struct MarkRow {
    time: Option<TimestampMs>,
    text: Option<String>,
    problem: Option<MetaProblem>,
    unknown: Option<String>,
}

impl MarkRow {
    fn of<T>(state: &MarkState<T>, read: impl Fn(&T) -> (TimestampMs, &str)) -> Self {
        match state {
            MarkState::Read(mark) => {
                let (time, text) = read(mark);
                Self { time: Some(time), text: Some(text.to_owned()), ..Self::default() }
            }
            MarkState::Invalid(problem) => Self { problem: Some(problem.clone()), ..Self::default() },
            MarkState::Unknown(why) => Self { unknown: Some(why.clone()), ..Self::default() },
        }
    }

    fn state<T>(self, make: impl Fn(TimestampMs, String) -> T) -> MarkState<T> {
        match self {
            Self { unknown: Some(why), .. } => MarkState::Unknown(why),
            Self { problem: Some(problem), .. } => MarkState::Invalid(problem),
            Self { time: Some(time), text, .. } => MarkState::Read(make(time, text.unwrap_or_default())),
            // no row of ours is like this; to look again does no harm
            Self { time: None, .. } => MarkState::Unknown("the ledger holds no content".to_owned()),
        }
    }
}

/// The marks of a block, and its deletion mark as it could last be read.
#[derive(Clone, Debug, Default)]
pub(super) struct BlockMarks {
    pub(super) marks: Marks,
    pub(super) deletion: Option<DeletionMark>,
}

/// The marks of a bucket's blocks (those that ended included), first seen at `seen_by` or before, by block.
pub(super) fn load_marks(
    connection: &Connection,
    bucket: i64,
    seen_by: TimestampMs,
) -> rusqlite::Result<HashMap<i64, BlockMarks>> {
    let mut statement = connection.prepare_cached(
        "SELECT block, kind, time, text, problem_kind, problem, unknown
         FROM marks JOIN blocks ON blocks.id = marks.block WHERE blocks.bucket = ?1 AND marks.first_seen <= ?2",
    )?;
    let mut rows = statement.query([bucket, seen_by.0])?;
    let mut by_block: HashMap<i64, BlockMarks> = HashMap::new();
    while let Some(row) = rows.next()? {
        let found = by_block.entry(row.get(0)?).or_default();
        let problem = columns::optional_problem_kind(row, 4)?.zip(row.get(5)?);
        let mark = MarkRow {
            time: columns::optional_time(row, 2)?,
            text: row.get(3)?,
            problem: problem.map(|(kind, text)| MetaProblem { kind, text }),
            unknown: row.get(6)?,
        };
        match row.get_ref(1)?.as_str()? {
            DELETION => {
                let make = |time, details| DeletionMark { time, details };
                found.deletion = mark.time.map(|time| make(time, mark.text.clone().unwrap_or_default()));
                found.marks.deletion = Some(mark.state(make));
            }
            NO_COMPACT => found.marks.no_compact = Some(mark.state(|time, reason| NoCompactMark { time, reason })),
            NO_DOWNSAMPLE => {
                found.marks.no_downsample = Some(mark.state(|time, reason| NoDownsampleMark { time, reason }));
            }
            _ => return Err(rusqlite::Error::InvalidColumnType(1, "kind".to_owned(), rusqlite::types::Type::Text)),
        }
    }
    Ok(by_block)
}

/// Makes the rows of a block say what `marks` says.
pub(super) fn write_marks(
    connection: &Connection,
    block: i64,
    marks: &Marks,
    seen_at: TimestampMs,
) -> rusqlite::Result<()> {
    let deletion = marks.deletion.as_ref().map(|mark| MarkRow::of(mark, |mark| (mark.time, &mark.details)));
    let no_compact = marks.no_compact.as_ref().map(|mark| MarkRow::of(mark, |mark| (mark.time, &mark.reason)));
    let no_downsample = marks.no_downsample.as_ref().map(|mark| MarkRow::of(mark, |mark| (mark.time, &mark.reason)));
    for (kind, mark) in [(DELETION, deletion), (NO_COMPACT, no_compact), (NO_DOWNSAMPLE, no_downsample)] {
        let Some(mark) = mark else {
            connection
                .prepare_cached("DELETE FROM marks WHERE block = ?1 AND kind = ?2")?
                .execute(params![block, kind])?;
            continue;
        };
        // a mark that cannot be read now keeps what it said before
        connection
            .prepare_cached(
                "INSERT INTO marks (block, kind, first_seen, time, text, problem_kind, problem, unknown)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT DO UPDATE SET
                   time = iif(excluded.unknown IS NULL, excluded.time, time),
                   text = iif(excluded.unknown IS NULL, excluded.text, text),
                   problem_kind = excluded.problem_kind, problem = excluded.problem, unknown = excluded.unknown",
            )?
            .execute(params![
                block,
                kind,
                seen_at.0,
                mark.time.map(|time| time.0),
                mark.text,
                mark.problem.as_ref().and_then(|problem| columns::problem_kind_name(problem.kind)),
                mark.problem.map(|problem| problem.text),
                mark.unknown,
            ])?;
    }
    Ok(())
}
