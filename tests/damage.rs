//! What reading the bytes of blocks has shown, as later scans say it from the ledger. A program of its own: between fork
//! and exec a child holds whatever lock the process holds, so nothing may be started while the ledger is open here.
#![expect(unreachable_pub, reason = "shared between test programs")]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![expect(clippy::indexing_slicing, reason = "documents and scenarios are known to have what is named")]

#[expect(dead_code, unused_imports, reason = "each test program uses its part of what they share")]
#[path = "support/shapes/mod.rs"]
mod shapes;
#[expect(dead_code, reason = "each test program uses its part of what they share")]
#[path = "support/mod.rs"]
mod support;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use blockwarden::ledger::{Access, Ledger};
use blockwarden::model::{
    BlockView, Damage, Hashes, Interner, Level, Place, Problem, Severity, TimestampMs, Verdict, Verification,
    parse_ulid,
};

use shapes::{Block, Estate, Mark, Stream, t};

const NOW: &str = "01-03T01:30";
const LATER: &str = "01-03T02:30";
const LATEST: &str = "01-03T02:40";

/// One test after another.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Two days of a sidecar's blocks.
fn steady(labels: &str) -> Vec<Block> {
    Stream::sidecar(labels).blocks("01-01", "01-03")
}

/// A rule that is broken at one place of the index, and was so twice.
fn broken(damage: Damage) -> Problem {
    let place = Place {
        file: "index".into(),
        section: "series".to_owned(),
        offset: Some(1_234),
        expected: "checksum 00c0ffee".to_owned(),
        found: "0badcafe".to_owned(),
        found_again: Some("0badcafe".to_owned()),
        series: None,
        times_ms: None,
    };
    Problem {
        damage,
        severity: Severity::Critical,
        rule: "some_rule".to_owned(),
        words: "a checksum does not match".to_owned(),
        count: 1,
        places: vec![place],
        confirmed: true,
    }
}

/// The ledger of the estate, while nobody else writes to it.
struct Memory {
    ledger: Ledger,
    key: String,
}

impl Memory {
    fn of(estate: &Estate) -> Self {
        let ledger = Ledger::open(&estate.folder().join("state.db"), Access::Write).unwrap();
        let key = ledger.buckets().unwrap().remove(0).key;
        Self { ledger, key }
    }

    /// The block as the newest scan saw it.
    fn seen(&self, block: &Block) -> BlockView {
        let name = block.key("index");
        let ulid = parse_ulid(name.split('/').next().unwrap()).unwrap();
        let now = self.ledger.newest_scan(&self.key).unwrap().unwrap();
        let bucket: Arc<str> = "bucket".into();
        let mut found = self.ledger.as_of(&self.key, &bucket, now, &mut Interner::default()).unwrap().unwrap();
        found.view.blocks.remove(&ulid).unwrap()
    }

    /// A verification of the block as it is, that ended at `at`.
    fn verified(&mut self, block: &Block, at: &str, level: Level, problems: Vec<Problem>) {
        let seen = self.seen(block);
        let verification = Verification {
            at: TimestampMs(t(at)),
            level,
            version: 1,
            verdict: if problems.is_empty() { Verdict::Ok } else { Verdict::Corrupt },
            bytes: seen.bytes(),
            samples: 1,
            identity: seen.identity(),
            problems,
            why: None,
            compared: true,
        };
        let hashes = Hashes::from([("index".into(), [7; 32])]);
        let kept = self.ledger.commit_verification(&self.key, seen.ulid, &verification, &hashes).unwrap();
        assert!(kept.is_some(), "the ledger knows the block");
    }
}

fn seen() -> (Estate, Vec<Block>) {
    let blocks = steady("cluster=eu1");
    let estate = Estate::with(&blocks).remembering();
    estate.scan(NOW).healthy();
    (estate, blocks)
}

#[test]
fn each_kind_of_damage_is_a_finding_of_its_own() {
    let _turn = alone();
    for (damage, expected) in [
        (Damage::Index, "critical index_corrupt cluster=eu1 raw 2h@01-01T12:00 object=index"),
        (Damage::Chunk, "critical chunk_corrupt cluster=eu1 raw 2h@01-01T12:00"),
        (Damage::Tombstone, "warning tombstone_corrupt cluster=eu1 raw 2h@01-01T12:00 object=tombstones"),
        (Damage::Inconsistent, "critical block_inconsistent cluster=eu1 raw 2h@01-01T12:00"),
        (Damage::Hash, "critical hash_mismatch cluster=eu1 raw 2h@01-01T12:00"),
        (Damage::Unsupported, "warning unsupported_format cluster=eu1 raw 2h@01-01T12:00"),
        (Damage::Mutated, "critical object_mutated cluster=eu1 raw 2h@01-01T12:00 object=index"),
    ] {
        let (estate, blocks) = seen();
        Memory::of(&estate).verified(&blocks[6], NOW, Level::Full, vec![broken(damage)]);
        let expected = format!("{expected} 01-01T12:00..01-01T14:00");
        let report = estate.scan(LATER);
        report.says(&[&expected]).notes(&[]);
        let finding = report.only(damage.check());
        assert_eq!(finding["evidence"]["level"], "full");
        // it is not news the second time
        estate.scan(LATEST).says(&[&expected]);
    }
}

#[test]
fn many_kinds_and_many_blocks_are_few_findings() {
    let _turn = alone();
    let (estate, blocks) = seen();
    let mut memory = Memory::of(&estate);
    let all = Damage::ALL.map(broken);
    for block in &blocks[..12] {
        memory.verified(block, NOW, Level::Full, all.to_vec());
    }
    drop(memory);
    let report = estate.scan(LATER);
    assert_eq!(report.findings().len(), Damage::ALL.len());
    assert_eq!(report.only("chunk_corrupt")["evidence"]["count"], 12);
}

#[test]
fn a_replica_softens_damage_unless_it_is_damaged_too() {
    let _turn = alone();
    let (a, b) = (steady("cluster=eu1 replica=a"), steady("cluster=eu1 replica=b"));
    let estate = Estate::with(&[&a[..], &b[..]].concat()).remembering();
    estate.scan(NOW).healthy();
    Memory::of(&estate).verified(&a[6], NOW, Level::Full, vec![broken(Damage::Chunk)]);
    let of = |severity: &str, replica: &str| {
        format!("{severity} chunk_corrupt cluster=eu1,replica={replica} raw 2h@01-01T12:00 01-01T12:00..01-01T14:00")
    };
    estate.scan(LATER).says(&[&of("warning", "a")]);
    Memory::of(&estate).verified(&b[6], LATER, Level::Full, vec![broken(Damage::Chunk)]);
    estate.scan(LATEST).says(&[&of("critical", "a"), &of("critical", "b")]);
}

#[test]
fn damage_ends_when_the_block_as_it_is_has_been_read_as_thoroughly() {
    let _turn = alone();
    let (estate, blocks) = seen();
    let damaged = "critical chunk_corrupt cluster=eu1 raw 2h@01-01T12:00 01-01T12:00..01-01T14:00";
    Memory::of(&estate).verified(&blocks[6], NOW, Level::Full, vec![broken(Damage::Chunk)]);
    estate.scan(LATER).says(&[damaged]);
    // less was read
    Memory::of(&estate).verified(&blocks[6], LATER, Level::Checksum, Vec::new());
    estate.scan("01-03T02:31").says(&[damaged]);
    // the segment is written again: what was read is no longer there
    estate.sparse(&blocks[6].key("chunks/000001"), blocks[6].segments[0], "01-03T02:31");
    let changed = "object_mutated cluster=eu1 raw 2h@01-01T12:00 object=chunks/000001 01-01T12:00..01-01T14:00";
    estate.scan("01-03T02:32").says(&[damaged, &format!("warning {changed}")]);
    Memory::of(&estate).verified(&blocks[6], "01-03T02:33", Level::Checksum, Vec::new());
    let lines = estate.scan("01-03T02:34").loud();
    assert!(lines.contains(&damaged.to_owned()), "{lines:?}");
    // with its first SHA-256 or without one, it is as it should be now
    Memory::of(&estate).verified(&blocks[6], "01-03T02:35", Level::Full, Vec::new());
    let lines = estate.scan(LATEST).loud();
    assert!(!lines.contains(&damaged.to_owned()), "{lines:?}");
}

#[test]
fn a_block_that_is_about_to_go_is_nobodys_worry_any_more() {
    let _turn = alone();
    let (mut estate, blocks) = seen();
    Memory::of(&estate).verified(&blocks[6], NOW, Level::Full, vec![broken(Damage::Index)]);
    assert_eq!(estate.scan(LATER).code, 1);
    // built anew from elsewhere, and the damaged one marked
    estate.put(&[blocks[6].clone().twin(1).uploaded(LATER)]);
    estate.mark(&blocks[6], Mark::Deletion, LATER);
    let lines = estate.scan(LATEST).loud();
    assert!(lines.iter().all(|line| !line.contains("index_corrupt")), "{lines:?}");
}

#[test]
fn an_earlier_moment_knows_nothing_of_what_was_verified_later() {
    let _turn = alone();
    let (estate, blocks) = seen();
    estate.scan(LATER).healthy();
    Memory::of(&estate).verified(&blocks[6], LATER, Level::Full, vec![broken(Damage::Index)]);
    assert_eq!(estate.scan(LATEST).code, 1);
    estate.scan(NOW).healthy();
}

#[test]
fn what_is_in_no_ledger_is_not_said() {
    let _turn = alone();
    let (estate, blocks) = seen();
    Memory::of(&estate).verified(&blocks[6], NOW, Level::Full, vec![broken(Damage::Index)]);
    estate.scan_afresh(LATER).healthy();
}
