//! A writer that is killed at any moment leaves a ledger that opens, and in it every commit that it had reported,
//! whole, and nothing of any other. Without a test harness, because this program is also the writer: it calls itself.
#![expect(clippy::unwrap_used, reason = "whatever fails in here fails the test")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use blockwarden::ledger::{Access, Ledger};
use blockwarden::model::{
    Alert, AlertContent, AlertingChange, BlockChange, BlockView, BucketTransition, BucketView, DAY_MS, EndReason,
    Finding, FindingChange, FindingEnd, ForeignKeys, Interner, Listing, Marks, MetaState, NOTIFICATION_VERSION, News,
    Notification, NotifiedAlert, ObjectView, OutboxRow, OutboxState, Phase, Provider, Reason, RequestCounts, Severity,
    Subject, TimestampMs, Transition,
};
use ulid::Ulid;

const KEY: &str = "FILESYSTEM\u{1f}\u{1f}\u{1f}/bucket\u{1f}";
/// Blocks that each commit brings, and the next one ends.
const BLOCKS: i64 = 150;
const KILLS: usize = 20;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.as_slice() {
        [_, role, path] if role == "writer" => write_for_ever(path.as_ref()),
        _ => kill_and_look(),
    }
}

fn kill_and_look() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let mut newest = 0;
    for round in 0..KILLS {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .arg("writer")
            .arg(&path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        // an even line says that a commit begins, an odd one that it is done; the kill comes somewhere after
        let reported: Vec<i64> = lines.by_ref().take(1 + round * 7 % 9).map(|line| number(&line.unwrap())).collect();
        // how far the writer gets in this time differs from round to round
        std::hint::black_box((0..round * 200_000).fold(0_usize, |sum, next| sum.wrapping_mul(31) ^ next));
        writer.kill().unwrap();
        writer.wait().unwrap();
        let reported = reported.into_iter().chain(lines.map(|line| number(&line.unwrap()))).max().unwrap();
        newest = look(&path, newest.max(reported));
    }
    assert!(newest > 10, "only {newest} commits: the writer never came to write");
}

/// The newest commit that a line proves: the one that is done, or the one before that which begins.
fn number(line: &str) -> i64 {
    let (what, number) = line.split_once(' ').unwrap();
    let number: i64 = number.parse().unwrap();
    if what == "done" { number } else { number - 1 }
}

/// Checks what a killed writer left and says which commit was the last. `reported` is the least that it can be.
fn look(path: &Path, reported: i64) -> i64 {
    // the lease went with its holder
    let ledger = Ledger::open(path, Access::Write).unwrap();
    let newest = ledger.newest_scan(KEY).unwrap().map_or(0, |scan| scan.0);
    assert!((reported..=reported + 1).contains(&newest), "reported {reported}, found {newest}");
    if newest > 0 {
        let now = TimestampMs(newest);
        let loaded = ledger.load(KEY, &"bucket".into(), now, &mut Interner::default()).unwrap().unwrap();
        assert!(loaded.known.blocks.keys().copied().eq(blocks_of(newest)));
        assert!(loaded.known.blocks.values().all(|block| block.baseline.len() == 3));
        assert_eq!(loaded.past.blocks.len(), usize::try_from(newest * BLOCKS).unwrap());
        assert!(loaded.past.findings.keys().eq([&finding(newest).fingerprint()]));
        // the alert of the finding, and every notification up to it
        assert_eq!(ledger.load_alerting().unwrap().alerts, [alert(newest)]);
        let waiting = ledger.outbox().unwrap().waiting().unwrap();
        assert!(waiting.into_iter().eq((1..=newest).map(notification)));
    }
    drop(ledger);
    let connection = rusqlite::Connection::open(path).unwrap();
    let check: String = connection.query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    newest
}

/// Commits until it is killed: each commit brings blocks, ends those of the one before, and replaces the one finding.
fn write_for_ever(path: &Path) {
    let mut ledger = Ledger::open(path, Access::Write).unwrap();
    let mut newest = ledger.newest_scan(KEY).unwrap().map_or(0, |scan| scan.0);
    loop {
        newest += 1;
        say("begin", newest);
        let (view, transition) = step(newest);
        ledger.commit(&[(KEY, &view)], &transition).unwrap();
        say("done", newest);
    }
}

fn say(what: &str, number: i64) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{what} {number}").unwrap();
    out.flush().unwrap();
}

fn blocks_of(number: i64) -> impl Iterator<Item = Ulid> {
    (0..BLOCKS).map(move |idx| Ulid::from_parts(1_000_000 + number.unsigned_abs(), u128::from(idx.unsigned_abs())))
}

fn step(number: i64) -> (BucketView, Transition) {
    let at = TimestampMs(number);
    let object = |name: &str| ObjectView {
        name: name.into(),
        size: number.unsigned_abs(),
        last_modified: at,
        etag: Some("d41d8cd98f00b204e9800998ecf8427e".into()),
        storage_class: None,
    };
    let block = |ulid| BlockView {
        ulid,
        objects: [object("chunks/000001"), object("index"), object("meta.json")].into(),
        meta: MetaState::Unknown("not asked for".to_owned()),
        marks: Marks::default(),
        mutations: Box::default(),
        change: BlockChange::New,
    };
    let bucket: Arc<str> = "bucket".into();
    let view = BucketView {
        bucket: bucket.clone(),
        provider: Provider::Filesystem,
        observed_at: at,
        listing: Listing::Complete { objects: 1, bytes: 1 },
        blocks: blocks_of(number).map(|ulid| (ulid, block(ulid))).collect(),
        foreign: ForeignKeys::default(),
        confirmed_gone: Vec::new(),
        unconfirmed_gone: Vec::new(),
        unknown: Vec::new(),
        date_skew_ms: None,
        requests: RequestCounts::default(),
    };
    let mut changes = BucketTransition::default();
    let mut findings = vec![FindingChange::Opened(finding(number))];
    if number > 1 {
        changes.ended = blocks_of(number - 1).map(|ulid| (ulid, EndReason::Superseded)).collect();
        let fingerprint = finding(number - 1).fingerprint();
        findings.push(FindingChange::Ended { bucket: bucket.clone(), fingerprint, end: FindingEnd::Resolved });
    }
    let alerting = AlertingChange {
        alerts: vec![alert(number)],
        forgotten: vec![finding(number - 1).fingerprint()],
        outbox: vec![notification(number)],
        ..AlertingChange::default()
    };
    let buckets = BTreeMap::from([(bucket, changes)]);
    (view, Transition { at, buckets, findings, alerting, ..Transition::default() })
}

fn alert(number: i64) -> Alert {
    let finding = finding(number);
    Alert {
        fingerprint: finding.fingerprint(),
        id: finding.check.to_owned(),
        name: "BlockwardenCoverageGap".to_owned(),
        content: AlertContent::from(&finding),
        phase: Phase::Firing,
        since: TimestampMs(number),
        fired_at: Some(TimestampMs(number)),
        healed_at: None,
        end: None,
        ended_at: None,
        unknown_since: None,
        frozen_ms: 0,
        edges: Vec::new(),
        flapping_since: None,
    }
}

fn notification(number: i64) -> OutboxRow {
    let at = TimestampMs(number);
    OutboxRow {
        id: format!("{number:016x}"),
        receiver: "chat".to_owned(),
        recipient: String::new(),
        lane: "thanos".to_owned(),
        created: at,
        not_before: at,
        deadline: at.plus(DAY_MS),
        attempts: 0,
        state: OutboxState::Pending,
        uncertain: false,
        plain: false,
        error: None,
        instead_of: None,
        notification: Notification {
            version: NOTIFICATION_VERSION,
            reason: Reason::First,
            at,
            receiver: "chat".to_owned(),
            group_key: "thanos".to_owned(),
            group: BTreeMap::new(),
            incident: format!("{number:016x}"),
            began: at,
            ended: None,
            alerts: vec![NotifiedAlert { alert: alert(number), news: Some(News::Fired) }],
            more: 0,
            repeat_ms: None,
            parts: Vec::new(),
            text: None,
        },
    }
}

fn finding(number: i64) -> Finding {
    let subject = Subject { start: Some(TimestampMs(number)), ..Subject::bucket("bucket".into()) };
    Finding {
        check: "coverage_gap",
        subject,
        severity: Severity::Critical,
        interval: None,
        message: "a hole".to_owned(),
        remedy: "fill it".to_owned(),
        deadline: None,
        evidence: BTreeMap::new(),
    }
}
