//! Files that are no sound ledger, ledgers that somebody else uses, disks that are full.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::model::Verdict;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn ledger(&self) -> PathBuf {
        self.0.path().join("ledger.db")
    }

    /// A ledger with some blocks in it, closed.
    fn with_blocks(count: u64) -> Self {
        let folder = Self::new();
        let mut ledger = Ledger::open(&folder.ledger(), Access::Write).unwrap();
        commit(&mut ledger, &view(T0, (0..count).map(block)), BucketTransition::default());
        folder
    }
}

/// The variant's name, and the whole chain as the program prints it.
fn failure(result: Result<Ledger, LedgerError>) -> (String, String) {
    let error = result.unwrap_err();
    let variant = format!("{error:?}").split([' ', '{', '(']).next().unwrap().to_owned();
    let cause = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
    (variant, format!("{error}{cause}"))
}

#[test]
fn a_ledger_is_its_owners_alone_and_is_there_again_when_opened_again() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    {
        let mut ledger = Ledger::open(&folder.ledger(), Access::Write).unwrap();
        commit(&mut ledger, &view(T0, [block(1)]), BucketTransition::default());
        for file in fs::read_dir(folder.0.path()).unwrap() {
            let file = file.unwrap();
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
        }
    }
    let ledger = Ledger::open(&folder.ledger(), Access::Write).unwrap();
    assert_eq!(load(&ledger, T0).known.blocks.len(), 1);
    let mode: String = ledger.connection.query_row("PRAGMA journal_mode", (), |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

#[test]
fn a_second_writer_is_told_and_may_read() {
    let folder = Folder::with_blocks(1);
    let mut writer = Ledger::open(&folder.ledger(), Access::Write).unwrap();
    let (variant, text) = failure(Ledger::open(&folder.ledger(), Access::Write));
    assert_eq!(variant, "Locked");
    assert!(text.starts_with("another process writes to the ledger"), "{text}");

    let mut reader = Ledger::open(&folder.ledger(), Access::Read).unwrap();
    commit(&mut writer, &view(T0.plus(1), [block(2)]), BucketTransition::default());
    assert_eq!(load(&reader, T0).known.blocks.len(), 2);
    let refused = reader.commit(&[], &Transition::default());
    assert!(matches!(refused, Err(LedgerError::ReadOnly { .. })));

    drop(writer);
    assert_eq!(Ledger::open(&folder.ledger(), Access::Write).unwrap().access(), Access::Write);
}

#[test]
fn what_cannot_be_opened_is_said_with_its_place() {
    let folder = Folder::new();
    let missing = folder.0.path().join("no such folder/ledger.db");
    for access in [Access::Write, Access::Read] {
        let (variant, text) = failure(Ledger::open(&missing, access));
        assert_eq!(variant, "Open");
        assert!(text.contains("no such folder/ledger.db` ") || text.contains("no such folder/ledger.db`:"), "{text}");
    }
    // nobody may create a file there, root included
    assert_eq!(failure(Ledger::open("/proc/ledger.db".as_ref(), Access::Write)).0, "Open");
    assert_eq!(failure(Ledger::open(folder.0.path(), Access::Read)).0, "Open");
}

#[test]
fn what_is_no_ledger_is_left_alone() {
    type Make<'a> = &'a dyn Fn(&PathBuf);
    let text = |path: &PathBuf| fs::write(path, "buckets:\n  - name: thanos\n".repeat(100)).unwrap();
    let foreign = |path: &PathBuf| {
        Connection::open(path).unwrap().execute_batch("CREATE TABLE bookmarks (url TEXT)").unwrap();
    };
    let numbered = |path: &PathBuf| {
        Connection::open(path).unwrap().execute_batch("PRAGMA user_version = 1; CREATE TABLE blocks (id)").unwrap();
    };
    let cases: [(Make<'_>, &str); 3] = [
        (&text, "it is no SQLite database"),
        (&foreign, "it is the database of another program"),
        (&numbered, "it is the database of another program"),
    ];
    for (make, why) in cases {
        let folder = Folder::new();
        make(&folder.ledger());
        let before = fs::read(folder.ledger()).unwrap();
        for access in [Access::Write, Access::Read] {
            let (variant, text) = failure(Ledger::open(&folder.ledger(), access));
            assert_eq!(variant, "NotALedger");
            assert!(text.contains(why), "{text}");
        }
        assert!(fs::read(folder.ledger()).unwrap() == before);
    }
    // an empty file may become one, but is none
    let folder = Folder::new();
    fs::write(folder.ledger(), "").unwrap();
    assert_eq!(failure(Ledger::open(&folder.ledger(), Access::Read)).0, "Empty");
    Ledger::open(&folder.ledger(), Access::Write).unwrap();
}

#[test]
fn damage_is_told_apart_from_absence() {
    type Damage<'a> = &'a dyn Fn(&mut Vec<u8>);
    let cut = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() / 2);
    let overwritten = |bytes: &mut Vec<u8>| bytes.iter_mut().skip(4096).for_each(|byte| *byte = 0x5a);
    let cases: [Damage<'_>; 2] = [&cut, &overwritten];
    for damage in cases {
        let folder = Folder::with_blocks(300);
        let mut bytes = fs::read(folder.ledger()).unwrap();
        damage(&mut bytes);
        fs::write(folder.ledger(), bytes).unwrap();
        let used = Ledger::open(&folder.ledger(), Access::Write).and_then(|ledger| {
            ledger.load(KEY, &"thanos".into(), T0, &mut Interner::default())?;
            Ok(ledger)
        });
        let (variant, text) = failure(used);
        assert_eq!(variant, "Corrupt", "{text}");
    }
}

#[test]
fn a_row_that_we_cannot_have_written_is_damage() {
    let mut ledger = Ledger::in_memory().unwrap();
    for (damage, repair) in [
        ("UPDATE blocks SET ulid = 'no ulid'", "UPDATE blocks SET ulid = '01HF7YAT000000000000000000'"),
        ("UPDATE metas SET parents = '[[\"x\", 1, 2]]'", "UPDATE metas SET parents = NULL"),
        ("UPDATE metas SET resolution = '6m'", "UPDATE metas SET resolution = 'raw'"),
        ("UPDATE objects SET size = -1", "UPDATE objects SET size = 1"),
        ("UPDATE buckets SET provider = 'TAPE'", "UPDATE buckets SET provider = 'GCS'"),
    ] {
        commit(&mut ledger, &view(T0, [block(1)]), BucketTransition::default());
        ledger.connection.execute_batch(damage).unwrap();
        let loaded = ledger.load(KEY, &"thanos".into(), T0, &mut Interner::default());
        assert!(matches!(loaded, Err(LedgerError::Corrupt { .. })), "{damage}");
        ledger.connection.execute_batch(repair).unwrap();
        load(&ledger, T0);
    }
}

#[test]
fn a_newer_schema_is_refused() {
    let folder = Folder::with_blocks(1);
    Connection::open(folder.ledger()).unwrap().pragma_update(None, "user_version", schema::newest() + 1).unwrap();
    for access in [Access::Write, Access::Read] {
        let (variant, text) = failure(Ledger::open(&folder.ledger(), access));
        assert_eq!(variant, "Newer");
        let expected = format!("has schema {} and this version knows up to {}", schema::newest() + 1, schema::newest());
        assert!(text.contains(&expected), "{text}");
    }
}

#[test]
fn a_full_disk_takes_nothing_back_and_loses_nothing() {
    let folder = Folder::with_blocks(10);
    let mut ledger = Ledger::open(&folder.ledger(), Access::Write).unwrap();
    let pages: i64 = ledger.connection.query_row("PRAGMA page_count", (), |row| row.get(0)).unwrap();
    ledger.connection.pragma_update(None, "max_page_count", pages + 2).unwrap();
    let more = view(T0.plus(1), (10..2_000).map(block));
    let full = ledger.commit(&[(KEY, &more)], &Transition::default()).unwrap_err();
    assert!(matches!(full, LedgerError::Full { .. }), "{full}");
    assert_eq!(load(&ledger, T0).known.blocks.len(), 10);
    assert_eq!(ledger.newest_scan(KEY).unwrap(), Some(T0));
    // with space it goes on
    ledger.connection.pragma_update(None, "max_page_count", 1_000_000).unwrap();
    ledger.commit(&[(KEY, &more)], &Transition::default()).unwrap();
    assert_eq!(load(&ledger, T0).known.blocks.len(), 2_000);
}

/// A ledger as each version left it. For the next migration: add the file that the version before it wrote of the same
/// blocks, and keep these.
const FIXTURES: &[(&str, &[u8])] = &[
    ("v1.db", include_bytes!("../../../tests/fixtures/ledger/v1.db")),
    ("v2.db", include_bytes!("../../../tests/fixtures/ledger/v2.db")),
    ("v3.db", include_bytes!("../../../tests/fixtures/ledger/v3.db")),
];

#[test]
fn ledgers_of_every_version_are_migrated() {
    assert_eq!(i64::try_from(FIXTURES.len()).unwrap(), schema::newest());
    for (name, bytes) in FIXTURES {
        let folder = Folder::new();
        fs::write(folder.ledger(), bytes).unwrap();
        let ledger = Ledger::open(&folder.ledger(), Access::Write).unwrap();
        assert_eq!(schema::state(&ledger.connection).unwrap(), State::Version(schema::newest()), "{name}");
        let Loaded { known, past } = load(&ledger, T0);
        assert_eq!((known.blocks.len(), past.blocks.len(), past.findings.len()), (2, 3, 1), "{name}");
        assert_eq!(known.blocks[&ulid(2)].meta, read(rich_meta(2)), "{name}");
        assert!(past.blocks[&ulid(3)].end.is_some(), "{name}");
        // since version 2
        let verified = ledger.verifications(KEY).unwrap();
        let expected = (*name != "v1.db").then(|| (ulid(1), verifications::verification(T0, Verdict::Ok)));
        assert_eq!(verified, expected.into_iter().collect(), "{name}");
        assert_eq!(ledger.baseline(KEY, ulid(1)).unwrap().len(), verified.len(), "{name}");
        // since version 3
        let is_v3 = !["v1.db", "v2.db"].contains(name);
        let (past, waiting) = if is_v3 { alerting::remembered() } else { Default::default() };
        assert_eq!(ledger.load_alerting().unwrap(), past, "{name}");
        let outbox = ledger.outbox().unwrap();
        assert_eq!(outbox.waiting().unwrap(), waiting, "{name}");
        assert_eq!(outbox.receiver_statuses().unwrap().len(), usize::from(is_v3), "{name}");
        let check: String = ledger.connection.query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
        assert_eq!(check, "ok", "{name}");
    }
}

#[test]
fn a_migrated_ledger_has_the_tables_of_a_new_one() {
    let tables = |ledger: &Ledger| -> Vec<(String, Option<String>)> {
        let mut statement = ledger.connection.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name").unwrap();
        statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    };
    for (name, bytes) in FIXTURES {
        let folder = Folder::new();
        fs::write(folder.ledger(), bytes).unwrap();
        let migrated = Ledger::open(&folder.ledger(), Access::Write).unwrap();
        assert_eq!(tables(&migrated), tables(&Ledger::in_memory().unwrap()), "{name}");
    }
}

#[test]
fn the_queries_of_the_documentation_run() {
    let ledger = Ledger::in_memory().unwrap();
    let mut blocks = include_str!("../../../docs/ledger.md").split("```sql\n");
    blocks.next();
    let queries: Vec<&str> = blocks.map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(queries.len() >= 4);
    for query in queries {
        ledger.connection.prepare(query).unwrap();
    }
}
