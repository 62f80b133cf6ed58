//! A scan that is killed at any moment leaves a ledger that opens, and loses or invents no finding.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "whatever fails in here fails the test that uses it")]

#[expect(dead_code, reason = "each test uses its part of what they share")]
mod support;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use blockwarden::model::{HOUR_MS, MINUTE_MS, TimestampMs};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use support::estate::{Estate, Span};
use support::memory::Memory;
use support::program::{Desk, Ran, finish, s3_config};
use support::s3_server::{Reply, S3Server};
use tokio::time::Instant;

/// What has to be found in each stage, among others.
const FOUND: [&[&str]; 4] = [
    &["coverage_gap", "meta_invalid", "missing_object", "size_mismatch"],
    &["block_vanished", "meta_invalid", "missing_object"],
    &["block_vanished", "missing_object", "size_mismatch"],
    &["block_vanished", "missing_object", "object_mutated", "size_mismatch"],
];
const KILLS_PER_STAGE: u32 = 5;
/// A scan that was faster than its kill does not count; more of these than this would be no test.
const MOST_ATTEMPTS: u32 = 50;

/// What happens to the bucket before each stage; the first is its first sight.
fn change(stage: usize, bucket: &Memory, estate: &Estate) {
    let two_days = estate.raw_blocks(2, Span::TwoDays);
    let recent = estate.raw_blocks(3, Span::TwoHours);
    match stage {
        0 => {
            bucket.remove(&format!("{}/chunks/000002", two_days[0]));
            bucket.resize(&format!("{}/index", two_days[1]), 1_000);
            // a hole of two hours in one of two replicas
            bucket.remove(&recent[4]);
            bucket.put(&format!("{}/meta.json", two_days[5]), "{\"version\": 1, ", estate.at().minus(HOUR_MS));
        }
        1 => {
            bucket.remove(&estate.raw_blocks(5, Span::EightHours)[1]);
            bucket.remove(&format!("{}/chunks/000003", two_days[3]));
        }
        2 => {
            // healed
            bucket.remove(&format!("{}/meta.json", two_days[5]));
            bucket.add_from(estate, &two_days[5]);
            bucket.add_from(estate, &recent[4]);
        }
        _ => {
            bucket.remove(&estate.raw_blocks(6, Span::EightHours)[1]);
            bucket.resize(&format!("{}/index", two_days[4]), 7);
        }
    }
}

/// Kills the scan with SIGKILL after `delay`; `false` if it had ended before.
fn kill_after(desk: &Desk, config: &Path, at: TimestampMs, delay: Duration) -> bool {
    let mut child = desk.scan_command(config, at).stderr(Stdio::null()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let (ended, end) = mpsc::channel::<()>();
    let reader = std::thread::spawn(move || {
        std::io::copy(&mut stdout, &mut std::io::sink()).unwrap();
        // that nobody can send any more is the signal
        drop(ended);
    });
    if end.recv_timeout(delay) == Err(RecvTimeoutError::Timeout) {
        child.kill().unwrap();
    }
    reader.join().unwrap();
    child.wait().unwrap().signal() == Some(9)
}

/// Everything that a person or a program reads of the findings.
fn findings(ran: &Ran) -> String {
    assert!(ran.code.is_some_and(|code| code < 2), "{:?} {}", ran.code, ran.stderr);
    serde_json::to_string_pretty(&ran.findings()).unwrap()
}

#[test]
fn twenty_kills_lose_and_invent_nothing() {
    let estate = Estate::new(8, 31);
    let bucket = Arc::new(Memory::copy_of(&estate));
    let server = S3Server::start(bucket.clone());
    // so that a scan lasts long enough for its every part to be hit
    server.script(|_| Reply::ServeAfter(Duration::from_millis(5)));
    let (undisturbed, killed) = (Desk::new(), Desk::new());
    let config = undisturbed.write("bucket.yml", &s3_config(server.address()));
    let mut random = StdRng::seed_from_u64(20);

    let mut at = estate.at();
    for (stage, checks) in FOUND.into_iter().enumerate() {
        change(stage, &bucket, &estate);
        at = at.plus(5 * MINUTE_MS);
        let began = Instant::now();
        let ran = undisturbed.scan(&config, at);
        let expected = findings(&ran);
        let lasts = began.elapsed();
        let said = ran.checks();
        let is_found = |check: &&str| said.iter().any(|said| said.starts_with(check));
        assert!(checks.iter().all(is_found), "stage {stage}: {checks:?} in {said:?}");
        let (mut kills, mut attempts) = (0, 0);
        while kills < KILLS_PER_STAGE {
            let delay = lasts.mul_f64(random.random());
            kills += u32::from(kill_after(&killed, &config, at, delay));
            attempts += 1;
            assert!(attempts < MOST_ATTEMPTS, "stage {stage}: {kills} kills in {attempts} attempts");
        }
        let found = findings(&finish(&mut killed.scan_command(&config, at)));
        assert_eq!(found, expected, "stage {stage}");
        let ledger = rusqlite::Connection::open(killed.ledger()).unwrap();
        let sound: String = ledger.query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
        assert_eq!(sound, "ok", "stage {stage}");
    }
}
