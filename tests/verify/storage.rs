//! Blocks in S3, which fails, changes and lies while they are read.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{Method, StatusCode};
use blockwarden::model::TimestampMs;

use crate::kit::{self, AT, PROMTOOL, follows_schema, verdicts, verify};
use crate::support::memory::Memory;
use crate::support::program::{Desk, Ran, s3_config};
use crate::support::s3_server::{Call, Reply, S3Server};

/// A bucket before a server, and a desk.
pub(crate) struct Bench {
    pub(crate) bucket: Arc<Memory>,
    pub(crate) server: S3Server,
    pub(crate) desk: Desk,
    config: PathBuf,
}

/// When everything was uploaded.
pub(crate) fn uploaded() -> TimestampMs {
    TimestampMs::parse_rfc3339("2026-11-30T00:00:00Z").unwrap()
}

impl Bench {
    /// With the blocks of these writers.
    pub(crate) fn new(writers: &[&str]) -> Self {
        let bucket = Arc::new(Memory::default());
        for writer in writers {
            for block in kit::folders(&kit::fixtures().join("blocks").join(writer)) {
                for (name, content) in kit::files(&block) {
                    bucket.put(&format!("{}/{name}", kit::name(&block)), content, uploaded());
                }
            }
        }
        let server = S3Server::start(bucket.clone());
        let desk = Desk::new();
        // a request that fails is not sent again
        let config = desk.write("bucket.yml", &(s3_config(server.address()) + "  max_retries: 1\n"));
        Self { bucket, server, desk, config }
    }

    pub(crate) fn config(&self) -> &str {
        self.config.to_str().unwrap()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let first = ["verify", "--output", "json", "--at", AT, "--objstore.config-file", self.config()];
        let all: Vec<&str> = first.into_iter().chain(arguments.iter().copied()).collect();
        let ran = self.desk.run(&all);
        follows_schema(&ran);
        ran
    }
}

/// A read of the segment.
fn is_segment(call: &Call) -> bool {
    call.method == Method::GET && call.key.as_ref().is_some_and(|key| key.ends_with("chunks/000001"))
}

#[test]
fn blocks_in_a_bucket_are_read_once_and_whole() {
    let bench = Bench::new(&["thanos-compacted", "thanos-5m", "thanos-1h", "thanos-uploaded"]);
    let before = bench.server.counts();
    let ran = verify(&bench.desk, &["--objstore.config-file", bench.config()]);
    assert_eq!((ran.code, ran.checks()), (Some(0), vec![]), "{} {}", ran.stdout, ran.stderr);
    assert_eq!(verdicts(&ran).len(), 5);
    let after = bench.server.counts();
    // of two equal runs
    assert_eq!(ran.requests("get") * 2, after.get - before.get, "the document counts what the server saw");
    assert_eq!(ran.requests("list") * 2, after.list - before.list);
    for call in bench.server.take_calls().iter().filter(|call| is_segment(call)) {
        assert!(call.headers.contains_key("if-match"), "{call:?}");
    }
}

#[test]
fn what_cannot_be_read_is_unknown() {
    let whole = kit::block_of(PROMTOOL);
    let segment = format!("{}/chunks/000001", kit::name(&whole));
    for (what, reply, verdict) in [
        ("cut bodies", Reply::Cut(1_000), "unreachable"),
        ("refused", Reply::Refuse(StatusCode::FORBIDDEN, "AccessDenied"), "unreachable"),
        ("failing", Reply::Refuse(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"), "unreachable"),
        ("changed", Reply::Refuse(StatusCode::PRECONDITION_FAILED, "PreconditionFailed"), "changed"),
        ("gone", Reply::Refuse(StatusCode::NOT_FOUND, "NoSuchKey"), "changed"),
    ] {
        let bench = Bench::new(&[PROMTOOL]);
        bench.server.script(move |call| if is_segment(call) { reply } else { Reply::Serve });
        let ran = bench.run(&[]);
        let told = format!("{what}: {} {}", ran.stdout, ran.stderr);
        assert_eq!(verdicts(&ran), [format!("{} full {verdict}", kit::name(&whole))], "{told}");
        assert_eq!((ran.code, ran.checks()), (Some(2), vec![]), "{told}");
        assert!(ran.stderr.contains(&segment) && ran.stderr.starts_with("error: block "), "{told}");
    }
}

#[test]
fn a_cut_body_is_asked_for_again() {
    let bench = Bench::new(&[PROMTOOL]);
    let patient = bench.desk.write("patient.yml", &s3_config(bench.server.address()));
    let cuts = AtomicU64::new(0);
    bench.server.script(move |call| {
        if is_segment(call) && cuts.fetch_add(1, Ordering::SeqCst) < 1 { Reply::Cut(1_000) } else { Reply::Serve }
    });
    let ran = bench.desk.run(&["verify", "--output", "json", "--objstore.config-file", patient.to_str().unwrap()]);
    assert_eq!((ran.code, ran.checks()), (Some(0), vec![]), "{} {}", ran.stdout, ran.stderr);
}

#[test]
fn a_block_that_changes_while_it_is_read_is_not_called_corrupt() {
    let block = kit::name(&kit::block_of(PROMTOOL));
    let bench = Bench::new(&[PROMTOOL, "thanos-uploaded"]);
    let (bucket, key) = (Arc::clone(&bench.bucket), format!("{block}/chunks/000001"));
    let reads = AtomicU64::new(0);
    bench.server.script(move |call| {
        // once the index is read, before the segment is
        if is_segment(call) && call.key.as_ref() == Some(&key) && reads.fetch_add(1, Ordering::SeqCst) == 0 {
            bucket.put(&key, "something else", uploaded());
        }
        Reply::Serve
    });
    let ran = bench.run(&[]);
    let told = format!("{} {}", ran.stdout, ran.stderr);
    let verdicts = verdicts(&ran);
    assert!(verdicts.contains(&format!("{block} full changed")) && verdicts.len() == 2, "{told}");
    assert_eq!((ran.code, ran.checks()), (Some(2), vec![]), "{told}");
}

#[test]
fn a_block_that_is_deleted_while_it_is_read_is_only_noted() {
    let block = kit::name(&kit::block_of(PROMTOOL));
    let bench = Bench::new(&[PROMTOOL, "thanos-uploaded"]);
    let (bucket, prefix) = (Arc::clone(&bench.bucket), format!("{block}/"));
    let key = format!("{block}/chunks/000001");
    bench.server.script(move |call| {
        if call.method == Method::GET && call.key.as_ref() == Some(&key) {
            bucket.remove(&prefix);
        }
        Reply::Serve
    });
    let ran = bench.run(&[]);
    let told = format!("{} {}", ran.stdout, ran.stderr);
    assert!(verdicts(&ran).contains(&format!("{block} full changed")), "{told}");
    assert_eq!((ran.code, ran.checks()), (Some(0), vec![]), "{told}");
}

#[test]
fn only_what_is_wrong_at_two_readings_is_corrupt() {
    let block = kit::name(&kit::block_of(PROMTOOL));
    for (times, verdict, checks, code) in
        [(1, "suspect", vec!["chunk_corrupt info"], 0), (2, "corrupt", vec!["chunk_corrupt critical"], 1)]
    {
        let bench = Bench::new(&[PROMTOOL]);
        let reads = AtomicU64::new(0);
        bench.server.script(move |call| {
            let flip = is_segment(call) && reads.fetch_add(1, Ordering::SeqCst) < times;
            if flip { Reply::Flip(9_000) } else { Reply::Serve }
        });
        let ran = bench.run(&[]);
        let told = format!("{} {}", ran.stdout, ran.stderr);
        assert_eq!(verdicts(&ran), [format!("{block} full {verdict}")], "{told}");
        assert_eq!(
            (ran.checks(), ran.code),
            (checks.iter().map(|&check| check.to_owned()).collect(), Some(code)),
            "{told}"
        );
    }
}

#[test]
fn what_was_wrong_once_and_cannot_be_read_again_is_a_failure() {
    let bench = Bench::new(&[PROMTOOL]);
    let reads = AtomicU64::new(0);
    bench.server.script(move |call| match if is_segment(call) { reads.fetch_add(1, Ordering::SeqCst) } else { 9 } {
        0 => Reply::Flip(9_000),
        1 => Reply::Refuse(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        _ => Reply::Serve,
    });
    let ran = bench.run(&[]);
    assert_eq!(ran.code, Some(2), "{} {}", ran.stdout, ran.stderr);
    assert!(verdicts(&ran)[0].ends_with("suspect") && ran.stderr.contains("a second time"), "{}", ran.stderr);
}

#[test]
fn blocks_are_selected() {
    let bench = Bench::new(&["thanos-compacted", "thanos-5m", PROMTOOL]);
    let block = kit::name(&kit::block_of(PROMTOOL));
    let other = kit::name(&kit::block_of("thanos-5m"));
    let all = ran_blocks(&bench.run(&["--level", "quick"]));
    assert_eq!(all.len(), 4);
    for (arguments, expected) in [
        (vec!["--id", &*block], 1),
        (vec!["--id", &*block, "--id", &*other], 2),
        (vec!["--stream", "{}"], 4),
        (vec!["--stream", "{cluster=~\".+\"}"], 3),
        (vec!["--stream", "{cluster=~\".+\"}", "--min-time", "2026-01-03T00:00:00Z"], 1),
        (vec!["--max-time", "2026-01-01T12:00:00Z"], 3),
        (vec!["--min-time", "-1d"], 0),
        (vec!["--min-time", "-400d"], 4),
    ] {
        let arguments: Vec<&str> = ["--level", "index"].into_iter().chain(arguments).collect();
        let ran = bench.run(&arguments);
        assert_eq!(
            (ran.code, ran_blocks(&ran).len()),
            (Some(0), expected),
            "{arguments:?} {} {}",
            ran.stdout,
            ran.stderr
        );
    }
    for (arguments, words) in [
        (vec!["--id", "01KK0HCWW0000FANWA5KTS24VZ"], "block 01KK0HCWW0000FANWA5KTS24VZ is in no bucket"),
        (vec!["--stream", "{cluster=\"nowhere\"}"], "no block is among those"),
    ] {
        let ran = bench.run(&arguments);
        assert_eq!((ran.code, ran_blocks(&ran).len()), (Some(2), 0), "{arguments:?}");
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
}

fn ran_blocks(ran: &Ran) -> Vec<String> {
    verdicts(ran)
}

#[test]
fn a_bucket_that_cannot_be_listed_is_a_failure() {
    let bench = Bench::new(&[PROMTOOL]);
    bench.server.script(|_| Reply::Refuse(StatusCode::FORBIDDEN, "AccessDenied"));
    let ran = bench.run(&[]);
    assert_eq!((ran.code, ran.checks()), (Some(2), vec!["bucket_unreachable warning".to_owned()]), "{}", ran.stdout);
    assert!(verdicts(&ran).is_empty());
}

#[test]
fn a_scan_can_verify_as_well() {
    let bench = Bench::new(&["thanos-compacted", PROMTOOL]);
    let run = |more: &[&str]| {
        let first = ["scan", "--output", "json", "--at", AT, "--objstore.config-file", bench.config()];
        let all: Vec<&str> = first.into_iter().chain(more.iter().copied()).collect();
        let ran = bench.desk.run(&all);
        follows_schema(&ran);
        ran
    };
    let plain = run(&[]);
    assert!(plain.document()["blocks"].is_null());
    let read = run(&["--verify"]);
    assert_eq!((read.code, read.checks()), (plain.code, plain.checks()), "whole blocks change nothing of a judgement");
    assert_eq!(verdicts(&read).len(), 3);
    assert!(read.document()["summary"]["bytes_verified"].as_u64().unwrap() > 40_000);
    assert!(verdicts(&run(&["--verify", "--level", "index"])).iter().all(|verdict| verdict.ends_with("index ok")));
    bench.server.script(|call| if is_segment(call) { Reply::Flip(700) } else { Reply::Serve });
    let hurt = run(&["--verify"]);
    let damaged = hurt.checks().iter().filter(|check| check.starts_with("chunk_corrupt ")).count();
    assert_eq!((hurt.code, damaged), (Some(1), 3), "{}", hurt.stdout);
    assert!(hurt.findings().len() > damaged, "and everything that a scan finds");
}
