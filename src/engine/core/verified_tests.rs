//! Verifications from the ledger to the judge and back.

use std::path::Path;

use ulid::Ulid;

use super::*;
use crate::discover::testing::ambient;
use crate::engine::memory::State;
use crate::ledger::{Access, Ledger};
use crate::model::{
    Damage, FilesystemSettings, Hashes, Level, Problem, ProviderSettings, Severity, Verdict, Verification, parse_ulid,
};

/// When the sample bucket was left; between two of its blocks being new and old.
const AT: TimestampMs = TimestampMs(1_772_811_000_000);

const NAME: &str = "sample";

fn core(bucket: &Path, state: &State) -> Core {
    let settings = BucketSettings {
        name: NAME.into(),
        prefix: String::new(),
        provider: ProviderSettings::Filesystem(FilesystemSettings {
            directory: bucket.display().to_string(),
            blocks: Vec::new(),
        }),
    };
    let means = Means { environment: Environment::default(), limits: Limits::default(), ambient: ambient() };
    let memory = Memory::open_for_service(state).unwrap();
    Core::open(vec![settings], Policy::default(), means, memory).unwrap()
}

/// A bucket of two blocks of the sample, and where the ledger is.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        for ulid in &sample_blocks()[..2] {
            let to = place.block(*ulid);
            std::fs::create_dir_all(to.join("chunks")).unwrap();
            for object in ["meta.json", "index", "chunks/000001"] {
                std::fs::copy(sample().join(ulid.to_string()).join(object), to.join(object)).unwrap();
            }
        }
        place
    }

    fn block(&self, ulid: Ulid) -> std::path::PathBuf {
        self.0.path().join("bucket").join(ulid.to_string())
    }

    fn state(&self) -> State {
        State::File(self.0.path().join("ledger.db"))
    }

    fn core(&self) -> Core {
        core(&self.0.path().join("bucket"), &self.state())
    }
}

fn sample() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sample-bucket")
}

/// Blocks of the sample that lack nothing, in order.
fn sample_blocks() -> Vec<Ulid> {
    let names = std::fs::read_dir(sample()).unwrap().map(|entry| entry.unwrap().file_name());
    let ulids = names.filter_map(|name| parse_ulid(name.to_str()?));
    let whole = |ulid: &Ulid| {
        let folder = sample().join(ulid.to_string());
        ["meta.json", "index", "chunks/000001"].iter().all(|object| folder.join(object).exists())
            && !folder.join("deletion-mark.json").exists()
    };
    let mut ulids: Vec<Ulid> = ulids.filter(whole).collect();
    ulids.sort();
    ulids
}

fn pass(core: &mut Core, at: TimestampMs) {
    let pass = core.begin(&NAME.into(), at, false).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let seen = runtime.block_on(pass.run(&()));
    assert!(core.take_in(seen));
}

/// A pass and its judgement.
fn cycle(core: &mut Core, at: TimestampMs) -> Snapshot {
    pass(core, at);
    core.judge(at)
}

fn verification(core: &Core, ulid: Ulid, at: TimestampMs, verdict: Verdict) -> Verification {
    let problem = Problem {
        damage: Damage::Index,
        severity: Severity::Critical,
        rule: "index_toc".to_owned(),
        words: "the table of contents is not what its checksum says".to_owned(),
        count: 1,
        places: Vec::new(),
        confirmed: true,
    };
    Verification {
        at,
        level: Level::Full,
        version: 1,
        verdict,
        bytes: 1,
        samples: 1,
        identity: core.world.buckets[NAME].blocks[&ulid].identity(),
        problems: (verdict == Verdict::Corrupt).then_some(problem).into_iter().collect(),
        why: None,
        compared: false,
    }
}

fn take(core: &mut Core, ulid: Ulid, verification: &Verification) {
    core.take_verification(&NAME.into(), ulid, verification.clone(), Hashes::from([("index".into(), [7; 32])]));
}

fn in_ledger(place: &Place) -> crate::model::Verified {
    let key = place.core_key();
    let State::File(path) = place.state() else { panic!("a file") };
    Ledger::open(&path, Access::Read).unwrap().verifications(&key).unwrap()
}

impl Place {
    fn core_key(&self) -> String {
        let core = core(&self.0.path().join("bucket"), &State::Memory);
        core.sources[NAME].key.clone()
    }
}

fn damage(snapshot: &Snapshot) -> Vec<&'static str> {
    snapshot.findings.iter().map(|finding| finding.check).filter(|check| *check == "index_corrupt").collect()
}

#[test]
fn what_was_verified_outlives_the_process() {
    let place = Place::new();
    let ulid = sample_blocks()[0];
    let mut core = place.core();
    assert!(core.verified(NAME).is_none());
    cycle(&mut core, AT);
    assert!(core.verified(NAME).unwrap().is_empty() && !core.readings.is_news);
    let corrupt = verification(&core, ulid, AT.plus(1), Verdict::Corrupt);
    take(&mut core, ulid, &corrupt);
    assert!(core.depends_on_time(), "a judgement is due");
    assert_eq!(in_ledger(&place), core.verified(NAME).map(|all| (**all).clone()).unwrap());
    assert_eq!(damage(&core.judge(AT.plus(2))), ["index_corrupt"]);
    assert!(!core.depends_on_time(), "and once is enough");
    drop(core);

    let mut core = place.core();
    assert_eq!(damage(&cycle(&mut core, AT.plus(3))), ["index_corrupt"]);
    assert_eq!(core.verified(NAME).unwrap()[&ulid], corrupt);
    // what is damaged vouches for nothing; what is mended does
    assert!(core.baseline(NAME, ulid).is_empty());
    let sound = verification(&core, ulid, AT.plus(4), Verdict::Ok);
    take(&mut core, ulid, &sound);
    assert_eq!(core.baseline(NAME, ulid).len(), 1);
    assert_eq!(damage(&core.judge(AT.plus(5))), [""; 0]);
    let vain =
        Verification { why: Some("503".to_owned()), ..verification(&core, ulid, AT.plus(6), Verdict::Unreachable) };
    take(&mut core, ulid, &vain);
    assert_eq!(core.verified(NAME).unwrap()[&ulid], sound);
    assert_eq!(core.attempts(NAME).unwrap()[&ulid], AT.plus(6));
}

#[test]
fn a_block_that_the_ledger_does_not_know_yet_is_kept_once_it_does() {
    let place = Place::new();
    let ulid = sample_blocks()[0];
    let mut core = place.core();
    pass(&mut core, AT);
    let sound = verification(&core, ulid, AT, Verdict::Ok);
    take(&mut core, ulid, &sound);
    assert!(in_ledger(&place).is_empty());
    assert_eq!(core.verified(NAME).unwrap()[&ulid], sound);
    core.judge(AT);
    assert_eq!(in_ledger(&place)[&ulid], sound);
}

#[test]
fn what_is_gone_drops_out() {
    let place = Place::new();
    let ulids = sample_blocks();
    let mut core = place.core();
    cycle(&mut core, AT);
    for ulid in &ulids[..2] {
        let sound = verification(&core, *ulid, AT, Verdict::Ok);
        take(&mut core, *ulid, &sound);
    }
    let late = verification(&core, ulids[0], AT.plus(2), Verdict::Ok);
    std::fs::remove_dir_all(place.block(ulids[0])).unwrap();
    let shared = Arc::clone(core.verified(NAME).unwrap());
    cycle(&mut core, AT.plus(1));
    take(&mut core, ulids[0], &late);
    assert!(core.verified(NAME).unwrap().keys().eq([&ulids[1]]));
    assert_eq!((shared.len(), in_ledger(&place).len()), (2, 1));
    // a pass that finds nothing gone leaves the map where it is
    let shared = Arc::clone(core.verified(NAME).unwrap());
    cycle(&mut core, AT.plus(3));
    assert!(Arc::ptr_eq(&shared, core.verified(NAME).unwrap()));
}

#[test]
fn another_ledger_takes_over_what_was_verified_meanwhile() {
    let place = Place::new();
    let ulid = sample_blocks()[0];
    let mut core = place.core();
    cycle(&mut core, AT);
    let State::File(path) = place.state() else { panic!("a file") };
    let files = ["ledger.db", "ledger.db-wal", "ledger.db-shm"].map(|name| path.with_file_name(name));
    for file in &files {
        std::fs::remove_file(file).unwrap_or_default();
    }
    std::fs::write(&path, "something else").unwrap();
    let corrupt = verification(&core, ulid, AT.plus(1), Verdict::Corrupt);
    take(&mut core, ulid, &corrupt);
    assert!(core.memory.is_unread());
    assert_eq!(damage(&core.judge(AT.plus(1))), ["index_corrupt"]);
    assert_eq!(damage(&cycle(&mut core, AT.plus(2))), ["index_corrupt"]);

    assert!(core.memory.is_unread());
    for file in &files {
        std::fs::remove_file(file).unwrap_or_default();
    }
    assert_eq!(damage(&cycle(&mut core, AT.plus(3))), ["index_corrupt"]);
    assert_eq!(core.memory.failure(), None);
    assert_eq!(in_ledger(&place), crate::model::Verified::from([(ulid, corrupt)]));
}

#[test]
fn a_full_disk_does_not_lose_what_was_verified() {
    let place = Place::new();
    let ulid = sample_blocks()[0];
    let mut core = place.core();
    cycle(&mut core, AT);
    let sound = verification(&core, ulid, AT.plus(1), Verdict::Ok);
    core.memory.cannot_write(&crate::ledger::LedgerError::ReadOnly { path: "x".into() });
    take(&mut core, ulid, &sound);
    assert!(in_ledger(&place).is_empty());
    assert_eq!(core.verified(NAME).unwrap()[&ulid], sound);
    core.judge(AT.plus(2));
    assert_eq!(in_ledger(&place)[&ulid], sound);
}
