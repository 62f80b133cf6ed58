//! A scan asks for no more than it needs: what has not changed is never read again.
#![expect(clippy::unwrap_used, reason = "whatever fails in here fails the test that uses it")]

#[expect(dead_code, reason = "each test uses its part of what they share")]
mod support;

use std::sync::Arc;

use blockwarden::model::{HOUR_MS, MINUTE_MS, TimestampMs};
use support::estate::{Estate, Span};
use support::memory::Memory;
use support::program::{Desk, Ran, s3_config};
use support::s3_server::{Counts, Objects, S3Server};

const STREAMS: u32 = 40;
const PER_STREAM: u64 = 31;
/// Into how many parts the key space may be cut for listing them at once.
const PARTS: u64 = 32;

/// A bucket, a server before it and a ledger.
struct Bench {
    bucket: Arc<Memory>,
    server: S3Server,
    desk: Desk,
    at: TimestampMs,
}

impl Bench {
    fn new(estate: &Estate) -> Self {
        let bucket = Arc::new(Memory::copy_of(estate));
        Self { server: S3Server::start(bucket.clone()), bucket, desk: Desk::new(), at: estate.at() }
    }

    /// Scans five minutes after the last time and gives, beside what the program said, the keys of all GET and HEAD.
    /// The document has to count what the server counted, and LIST has to stay within its bound.
    fn scan(&mut self) -> (Ran, Vec<String>) {
        self.at = self.at.plus(5 * MINUTE_MS);
        let before = self.server.counts();
        drop(self.server.take_calls());
        let config = self.desk.write("bucket.yml", &s3_config(self.server.address()));
        let ran = self.desk.scan(&config, self.at);
        let now = self.server.counts();
        let said = Counts { list: ran.requests("list"), get: ran.requests("get"), head: ran.requests("head") };
        let seen = Counts { list: now.list - before.list, get: now.get - before.get, head: now.head - before.head };
        assert_eq!(said, seen, "the document counts the attempts that the server saw");
        let keys = u64::try_from(self.bucket.len()).unwrap();
        assert!(seen.list <= keys.div_ceil(1_000) + PARTS, "{seen:?} for {keys} keys");
        let calls = self.server.take_calls();
        let mut read: Vec<_> =
            calls.into_iter().filter_map(|call| Some(format!("{} {}", call.method, call.key?))).collect();
        read.sort();
        (ran, read)
    }
}

#[test]
fn an_unchanged_bucket_is_listed_and_not_read() {
    let mut bench = Bench::new(&Estate::new(STREAMS, PER_STREAM));
    let (first, read) = bench.scan();
    assert_eq!(first.code, Some(0), "{:?} {}", first.checks(), first.stderr);
    assert_eq!(read.len(), 40 * 31, "one `meta.json` per block");
    assert!(read.iter().all(|call| call.starts_with("GET ") && call.ends_with("/meta.json")));
    for _ in 0..2 {
        let (later, read) = bench.scan();
        assert_eq!(read, [""; 0]);
        assert_eq!((later.code, later.checks()), (Some(0), first.checks()));
        assert_eq!(later.document()["summary"]["blocks"], 40 * 31);
    }
}

#[test]
fn only_what_is_new_or_changed_is_read() {
    let estate = Estate::new(STREAMS, PER_STREAM);
    let mut bench = Bench::new(&estate);
    bench.scan();

    let block = estate.raw_blocks(3, Span::TwoDays)[0].clone();
    let mark = format!("{block}/no-compact-mark.json");
    let text = |reason: &str| {
        format!("{{\"id\":\"{block}\",\"version\":1,\"no_compact_time\":1768442400,\"reason\":\"{reason}\"}}")
    };
    bench.bucket.put(&mark, text("manual"), bench.at);
    assert_eq!(bench.scan().1, [format!("GET {mark}")], "a new mark");
    assert_eq!(bench.scan().1, [""; 0], "a mark that is known");
    bench.bucket.put(&mark, text("index-size-exceeding"), bench.at);
    assert_eq!(bench.scan().1, [format!("GET {mark}")], "a mark with another content");
    bench.bucket.remove(&mark);
    assert_eq!(bench.scan().1, [""; 0], "a mark that was taken away");

    let meta = format!("{block}/meta.json");
    let body = String::from_utf8(estate.body(&meta).unwrap().to_vec()).unwrap();
    bench.bucket.put(&meta, body.replace("\"replica\": \"b\"", "\"replica\": \"b\", \"tier\": \"1\""), bench.at);
    assert_eq!(bench.scan().1, [format!("GET {meta}")], "a `meta.json` that was rewritten");

    let grown = Estate::new(STREAMS, PER_STREAM + 1);
    bench.bucket.add_from(&grown, "");
    bench.at = bench.at.plus(2 * HOUR_MS);
    let mut new: Vec<_> = (0..STREAMS).map(|stream| grown.raw_blocks(stream, Span::TwoHours).pop().unwrap()).collect();
    new.sort();
    let new: Vec<_> = new.iter().map(|block| format!("GET {block}/meta.json")).collect();
    assert_eq!(bench.scan().1, new, "the `meta.json` of each new block");
    assert_eq!(bench.scan().1, [""; 0]);
}

#[test]
fn a_block_that_is_gone_costs_one_head() {
    let estate = Estate::new(4, PER_STREAM);
    let mut bench = Bench::new(&estate);
    bench.scan();
    let block = estate.raw_blocks(1, Span::EightHours)[1].clone();
    assert_eq!(bench.bucket.remove(&block), 6);
    let (gone, read) = bench.scan();
    assert_eq!(read, [format!("HEAD {block}/meta.json")]);
    assert!(gone.checks().iter().any(|check| check.starts_with("block_vanished ")), "{:?}", gone.checks());
    let (later, read) = bench.scan();
    assert_eq!(read, [""; 0], "what is known to be gone is not asked for again");
    assert_eq!(later.checks(), gone.checks());
}
