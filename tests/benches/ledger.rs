//! How long the ledger takes for a large bucket: `cargo bench --bench ledger -- [STREAMS [BLOCKS PER STREAM]]`.
#![expect(clippy::unwrap_used, reason = "whatever fails in here fails the measurement")]

#[expect(dead_code, reason = "each user takes its part of what they share")]
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::process::Command;

use blockwarden::ledger::{Access, Ledger};
use blockwarden::model::{
    BlockChange, BlockView, BucketTransition, BucketView, ForeignKeys, Interner, Lineage, Listing, Marks, MetaState,
    ObjectView, Provider, RequestCounts, TimestampMs, Transition,
};
use blockwarden::tsdb::parse_meta;
use support::estate::Estate;
use support::s3_server::Objects;
use tokio::time::Instant;
use ulid::Ulid;

const KEY: &str = "S3\u{1f}localhost\u{1f}\u{1f}estate\u{1f}";

fn main() {
    if let Some(path) = std::env::args().find_map(|argument| argument.strip_prefix("--load=").map(PathBuf::from)) {
        return load(&path);
    }
    // cargo passes `--bench`
    let sizes: Vec<u32> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let streams = sizes.first().copied().unwrap_or(1_000);
    let per_stream = sizes.get(1).copied().unwrap_or(100);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");

    let estate = Estate::new(streams, u64::from(per_stream));
    let mut view = view_of(&estate);
    let transition = transition_of(&view);
    say(&format!("{} blocks, {} objects, {} resident before", view.blocks.len(), estate.objects(), resident()));
    drop(estate);

    let mut ledger = Ledger::open(&path, Access::Write).unwrap();
    timed("first commit", || ledger.commit(&[(KEY, &view)], &transition).unwrap());
    say(&format!("{} resident, {} bytes in the file", resident(), path.metadata().unwrap().len()));

    for block in view.blocks.values_mut() {
        block.change = BlockChange::Unchanged;
    }
    view.observed_at = view.observed_at.plus(1);
    let nothing = Transition { at: view.observed_at, ..Transition::default() };
    timed("commit without a change", || ledger.commit(&[(KEY, &view)], &nothing).unwrap());
    drop(ledger);
    // by another process, so that its memory is its own
    let argument = format!("--load={}", path.display());
    assert!(Command::new(std::env::current_exe().unwrap()).arg(argument).status().unwrap().success());
}

fn load(path: &Path) {
    let name = "estate".into();
    let ledger = timed("open", || Ledger::open(path, Access::Read).unwrap());
    say(&format!("{} resident", resident()));
    let now = ledger.newest_scan(KEY).unwrap().unwrap();
    let loaded = timed("load", || ledger.load(KEY, &name, now, &mut Interner::default()).unwrap().unwrap());
    say(&format!("{} blocks, {} resident", loaded.past.blocks.len(), resident()));
    drop(loaded);
    let as_of = timed("as of", || ledger.as_of(KEY, &name, now, &mut Interner::default()).unwrap().unwrap());
    say(&format!("{} blocks", as_of.view.blocks.len()));
}

fn view_of(estate: &Estate) -> BucketView {
    let mut interner = Interner::default();
    let mut blocks: BTreeMap<Ulid, BlockView> = BTreeMap::new();
    let mut objects: Vec<ObjectView> = Vec::new();
    let mut total: (u64, u64) = (0, 0);
    estate.visit(Bound::Unbounded, &mut |listed| {
        let (directory, name) = listed.key.split_once('/').unwrap();
        total = (total.0 + 1, total.1 + listed.size);
        objects.push(ObjectView {
            name: interner.name(name),
            size: listed.size,
            last_modified: TimestampMs::parse_rfc3339(listed.modified).unwrap(),
            etag: Some(listed.etag.into()),
            storage_class: None,
        });
        if name == "meta.json" {
            let ulid = Ulid::from_string(directory).unwrap();
            let meta = MetaState::from(parse_meta(&estate.body(listed.key).unwrap(), ulid, &mut interner));
            let block = BlockView {
                ulid,
                objects: std::mem::take(&mut objects).into_boxed_slice(),
                meta,
                marks: Marks::default(),
                mutations: Box::default(),
                change: BlockChange::New,
            };
            blocks.insert(ulid, block);
        }
        true
    });
    BucketView {
        bucket: "estate".into(),
        provider: Provider::S3,
        observed_at: estate.at(),
        listing: Listing::Complete { objects: total.0, bytes: total.1 },
        blocks,
        foreign: ForeignKeys::default(),
        confirmed_gone: Vec::new(),
        unconfirmed_gone: Vec::new(),
        unknown: Vec::new(),
        date_skew_ms: None,
        requests: RequestCounts::default(),
    }
}

/// All complete, all settled, as a first judgement of a healthy bucket says.
fn transition_of(view: &BucketView) -> Transition {
    let lineage = |block: &BlockView| {
        let leaves = block.interval().map(|interval| [interval].into_iter().collect());
        (block.ulid, Lineage { leaves, source_samples: None, settled: true })
    };
    let changes = BucketTransition {
        completed: view.blocks.keys().copied().collect(),
        lineage: view.blocks.values().map(lineage).collect(),
        ..BucketTransition::default()
    };
    Transition {
        at: view.observed_at,
        buckets: BTreeMap::from([(view.bucket.clone(), changes)]),
        ..Transition::default()
    }
}

fn timed<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = run();
    say(&format!("{what}: {:.3} s", start.elapsed().as_secs_f64()));
    result
}

/// Resident memory now and at its highest.
fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or(" ?").trim().to_owned();
    format!("{} (highest {})", field("VmRSS:"), field("VmHWM:"))
}

fn say(line: &str) {
    writeln!(std::io::stdout().lock(), "{line}").unwrap();
}
