//! Blocks of real writers, read out of a bucket that fails, lies and changes as it is told.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::*;
use crate::discover::{BucketError, ErrorKind, ListPage, ListedObject, ReadObject};
use crate::model::{BlockChange, Interner, Marks, MetaState, Provider, RequestCounts, parse_ulid};
use crate::tsdb::parse_meta;

/// What the bucket makes of a request.
#[derive(Clone, Debug)]
enum Reply {
    Serve,
    /// With the lowest bit of this byte of the object flipped, if it is in the range.
    Flip(u64),
    Fail(ErrorKind),
    /// So many bytes fewer (or, below zero, more) than were asked for.
    Short(i64),
    /// As if the object had another size.
    Resized,
    /// Once all objects are gone whose keys end in this.
    Delete(&'static str),
}

type Script = Box<dyn Fn(u64, &str, &Range<u64>) -> Reply + Send + Sync>;

/// See the module.
struct Fake {
    name: Arc<str>,
    provider: Provider,
    objects: Mutex<BTreeMap<String, Bytes>>,
    script: Script,
    gets: AtomicU64,
    /// Bytes that were handed out and are still in memory: now, and at most.
    out: Arc<AtomicU64>,
    most: Arc<AtomicU64>,
    /// The longest range that was asked for.
    longest: AtomicU64,
}

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fake")
    }
}

/// Counts itself for as long as it lives.
struct Counted {
    bytes: Vec<u8>,
    out: Arc<AtomicU64>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.out.fetch_sub(len(&self.bytes), Ordering::SeqCst);
    }
}

fn len(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap()
}

fn idx(at: u64) -> usize {
    usize::try_from(at).unwrap()
}

impl Fake {
    fn new(script: impl Fn(u64, &str, &Range<u64>) -> Reply + Send + Sync + 'static) -> Self {
        Self {
            name: "fake".into(),
            provider: Provider::Filesystem,
            objects: Mutex::default(),
            script: Box::new(script),
            gets: AtomicU64::new(0),
            out: Arc::default(),
            most: Arc::default(),
            longest: AtomicU64::new(0),
        }
    }

    /// The same at the other end of a network, where what a block begins with is asked for at once.
    fn far(self) -> Self {
        Self { provider: Provider::S3, ..self }
    }

    fn error(kind: ErrorKind, key: &str) -> BucketError {
        BucketError { kind, message: format!("cannot read `{key}`: {kind:?}"), hint: Some("look".to_owned()) }
    }
}

#[async_trait]
impl Bucket for Fake {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn provider(&self) -> Provider {
        self.provider
    }

    async fn list(&self, _: &[String], _: mpsc::Sender<ListPage>) -> Result<(), BucketError> {
        Err(Self::error(ErrorKind::Protocol, ""))
    }

    async fn get(
        &self,
        key: &str,
        range: Option<Range<u64>>,
        if_match: Option<&str>,
        _max_bytes: u64,
    ) -> Result<ReadObject, BucketError> {
        assert_eq!(if_match, Some("first"), "every read is bound to what was listed");
        let nth = self.gets.fetch_add(1, Ordering::SeqCst);
        let range = range.unwrap();
        self.longest.fetch_max(range.end - range.start, Ordering::SeqCst);
        let reply = (self.script)(nth, key, &range);
        if let Reply::Delete(end) = reply {
            self.objects.lock().unwrap().retain(|key, _| !key.ends_with(end));
        }
        let Some(object) = self.objects.lock().unwrap().get(key).cloned() else {
            return Err(Self::error(ErrorKind::NotFound, key));
        };
        let mut size = len(&object);
        let mut bytes = object.slice(idx(range.start)..idx(range.end)).to_vec();
        match reply {
            Reply::Flip(at) if range.contains(&at) => bytes[idx(at - range.start)] ^= 1,
            Reply::Serve | Reply::Delete(_) | Reply::Flip(_) => {}
            Reply::Fail(kind) => return Err(Self::error(kind, key)),
            Reply::Short(by) => bytes.resize(idx(len(&bytes).saturating_add_signed(-by)), 0),
            Reply::Resized => size += 1,
        }
        let out = self.out.fetch_add(len(&bytes), Ordering::SeqCst) + len(&bytes);
        self.most.fetch_max(out, Ordering::SeqCst);
        let bytes = Bytes::from_owner(Counted { bytes, out: Arc::clone(&self.out) });
        Ok(ReadObject { bytes, size, etag: Some("first".to_owned()) })
    }

    async fn head(&self, key: &str) -> Result<Option<ListedObject>, BucketError> {
        let size = self.objects.lock().unwrap().get(key).map(|object| len(object));
        Ok(size.map(|size| ListedObject {
            key: key.to_owned(),
            size,
            etag: None,
            last_modified: TimestampMs(0),
            storage_class: None,
        }))
    }

    fn requests(&self) -> RequestCounts {
        RequestCounts { get: self.gets.load(Ordering::SeqCst), ..RequestCounts::default() }
    }

    fn date_skew_ms(&self) -> Option<i64> {
        None
    }
}

/// Every block of `tests/fixtures/blocks`: its folder.
fn fixtures() -> Vec<std::path::PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/blocks");
    let folders = |path: &Path| -> Vec<std::path::PathBuf> {
        let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_dir()).collect()
    };
    let mut all: Vec<_> = folders(&root).iter().flat_map(|writer| folders(writer)).collect();
    all.retain(|path| path.join("meta.json").exists());
    all.sort();
    assert!(all.len() >= 15, "{all:?}");
    all
}

/// One of 20 KB, and in its segment a byte in the middle.
fn fixture() -> (std::path::PathBuf, u64) {
    let found = fixtures().into_iter().find(|path| path.to_string_lossy().contains("promtool-2.42")).unwrap();
    (found, 9_000)
}

/// Puts a block into the bucket; as a scan would list it.
fn put(bucket: &Fake, folder: &Path) -> BlockView {
    let ulid = parse_ulid(folder.file_name().unwrap().to_str().unwrap()).unwrap();
    let mut objects = Vec::new();
    let chunks = fs::read_dir(folder.join("chunks")).unwrap().map(|entry| entry.unwrap().path());
    let beside = ["index", "meta.json", "tombstones"].map(|name| folder.join(name));
    for path in chunks.chain(beside).filter(|path| path.exists()) {
        let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
        let content = Bytes::from(fs::read(&path).unwrap());
        objects.push(ObjectView {
            name: name.as_str().into(),
            size: len(&content),
            last_modified: TimestampMs(1),
            etag: Some("first".into()),
            storage_class: None,
        });
        bucket.objects.lock().unwrap().insert(format!("{ulid}/{name}"), content);
    }
    objects.sort_by(|a, b| a.name.cmp(&b.name));
    let meta = parse_meta(&fs::read(folder.join("meta.json")).unwrap(), ulid, &mut Interner::default());
    BlockView {
        ulid,
        objects: objects.into(),
        meta: MetaState::Read { meta: meta.meta.map(Arc::new), problems: Box::default() },
        marks: Marks::default(),
        mutations: Box::default(),
        change: BlockChange::New,
    }
}

fn as_bucket(fake: &Arc<Fake>) -> Arc<dyn Bucket> {
    Arc::<Fake>::clone(fake)
}

/// Two threads, and pieces of 1 KiB.
fn settings() -> Settings {
    Settings { threads: 2, memory_bytes: 8 << 10, ..Settings::default() }
}

async fn verify(bucket: Fake, folder: &Path, level: Level) -> (Outcome, Arc<Fake>) {
    let block = put(&bucket, folder);
    let bucket = Arc::new(bucket);
    let verifier = Verifier::new(&settings()).unwrap();
    let task = Task::new(as_bucket(&bucket), &block, level, Hashes::new());
    let outcome = verifier.verify(task, &(), &CancellationToken::new(), || TimestampMs(7)).await.unwrap();
    let kept = async {
        while bucket.out.load(Ordering::SeqCst) > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), kept).await.expect("nothing is kept");
    (outcome, bucket)
}

#[derive(Debug, Default)]
struct Counting(AtomicU64);

impl Watcher for Counting {
    fn bytes_again(&self, _bytes: u64) {}
    fn bytes_read(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sound_blocks_are_read_whole_and_found_sound() {
    // in pieces of 1 KiB, and with all that a block begins with in one
    let verifiers = [settings(), Settings { threads: 2, ..Settings::default() }];
    let verifiers = verifiers.map(|settings| Verifier::new(&settings).unwrap());
    for (folder, (verifier, far)) in fixtures().into_iter().flat_map(|folder| {
        let ways = [(&verifiers[0], false), (&verifiers[0], true), (&verifiers[1], true)];
        ways.map(|way| (folder.clone(), way))
    }) {
        let bucket = Fake::new(|_, _, _| Reply::Serve);
        let bucket = if far { bucket.far() } else { bucket };
        let block = put(&bucket, &folder);
        let bucket: Arc<dyn Bucket> = Arc::new(bucket);
        let mut kept = Hashes::new();
        for level in [Level::Quick, Level::Index, Level::Checksum, Level::Full, Level::Full] {
            let watcher = Counting::default();
            let task = Task::new(Arc::clone(&bucket), &block, level, kept.clone());
            let expected = expected_bytes(&task);
            let outcome = verifier.verify(task, &watcher, &CancellationToken::new(), || TimestampMs(7)).await.unwrap();
            let verification = outcome.verification;
            let told = format!("{} {level}: {verification:?}", folder.display());
            assert_eq!(verification.verdict, Verdict::Ok, "{told}");
            assert_eq!((verification.at, verification.level), (TimestampMs(7), level));
            assert_eq!(verification.identity, block.identity());
            assert!(verification.problems.iter().all(|problem| problem.severity > crate::model::Severity::Critical));
            let beside = if level == Level::Quick { 0 } else { 4 << 10 };
            assert!((expected..=expected + beside).contains(&verification.bytes), "{told}");
            assert!(watcher.0.load(Ordering::SeqCst) >= expected, "{told}");
            let samples = block.meta.meta().unwrap().stats.samples;
            if level >= Level::Checksum {
                assert!(samples.is_none_or(|samples| samples == verification.samples), "{told}");
            }
            assert_eq!(verification.compared, level == Level::Full && !kept.is_empty(), "{told}");
            if level == Level::Full {
                assert!(outcome.hashes.contains_key("index") && outcome.hashes.contains_key("chunks/000001"));
                kept = outcome.hashes;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_is_not_judged() {
    let (folder, _) = fixture();
    for (reply, verdict, words) in [
        (Reply::Fail(ErrorKind::Changed), Verdict::Changed, "Changed; look"),
        (Reply::Fail(ErrorKind::NotFound), Verdict::Changed, "NotFound"),
        (Reply::Resized, Verdict::Changed, "when it was listed"),
        (Reply::Fail(ErrorKind::Forbidden), Verdict::Unreachable, "Forbidden; look"),
        (Reply::Fail(ErrorKind::Unauthenticated), Verdict::Unreachable, "Unauthenticated"),
        (Reply::Fail(ErrorKind::Archived), Verdict::Unreachable, "Archived"),
        (Reply::Fail(ErrorKind::Unavailable), Verdict::Unreachable, "Unavailable"),
        (Reply::Fail(ErrorKind::Throttled), Verdict::Unreachable, "Throttled"),
        (Reply::Short(1), Verdict::Unreachable, "asked for"),
        (Reply::Short(-1), Verdict::Unreachable, "asked for"),
    ] {
        // at each of the requests in turn, until none is left
        for nth in 0.. {
            let at_nth = reply.clone();
            let bucket = Fake::new(move |n, _, _| if n == nth { at_nth.clone() } else { Reply::Serve });
            let (outcome, bucket) = verify(bucket, &folder, Level::Full).await;
            if bucket.requests().get <= nth {
                assert!(nth > 15, "in pieces of 1 KiB there are more requests than {nth}");
                assert_eq!(outcome.verification.verdict, Verdict::Ok);
                break;
            }
            let Outcome { verification, hashes, lacking, gone } = outcome;
            assert_eq!(verification.verdict, verdict, "{reply:?} at {nth}");
            assert!(verification.why.as_ref().is_some_and(|why| why.contains(words)), "{:?}", verification.why);
            assert!(verification.problems.is_empty() && hashes.is_empty() && !lacking && !gone);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_that_is_deleted_meanwhile_is_gone() {
    let (folder, _) = fixture();
    for (deleted, gone) in [("chunks/000001", false), ("", true)] {
        let bucket = Fake::new(move |n, _, _| if n == 9 { Reply::Delete(deleted) } else { Reply::Serve });
        let (outcome, _) = verify(bucket, &folder, Level::Full).await;
        assert_eq!((outcome.verification.verdict, outcome.gone), (Verdict::Changed, gone), "{deleted:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_never_listed_is_lacking() {
    let (folder, _) = fixture();
    for name in ["index", "chunks/000001"] {
        let bucket = Fake::new(|_, _, _| Reply::Serve);
        let mut block = put(&bucket, &folder);
        block.objects = block.objects.iter().filter(|object| &*object.name != name).cloned().collect();
        let task = Task::new(Arc::new(bucket), &block, Level::Full, Hashes::new());
        let verifier = Verifier::new(&settings()).unwrap();
        let outcome = verifier.verify(task, &(), &CancellationToken::new(), || TimestampMs(7)).await.unwrap();
        assert_eq!((outcome.verification.verdict, outcome.lacking), (Verdict::Unreachable, true));
        assert_eq!(outcome.verification.why, Some(format!("`{name}` is not there")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_wrong_twice_is_corrupt() {
    let (folder, at) = fixture();
    let flips = |upto: u64, seen: Arc<AtomicU64>| {
        move |_, key: &str, range: &Range<u64>| {
            let hit = key.ends_with("chunks/000001") && range.contains(&at);
            if hit && seen.fetch_add(1, Ordering::SeqCst) < upto { Reply::Flip(at) } else { Reply::Serve }
        }
    };
    for (level, far) in [(Level::Checksum, false), (Level::Full, false), (Level::Full, true)] {
        for (times, verdict) in [(0, Verdict::Ok), (1, Verdict::Suspect), (2, Verdict::Corrupt)] {
            let seen = Arc::new(AtomicU64::new(0));
            let bucket = Fake::new(flips(times, Arc::clone(&seen)));
            let (outcome, _) = verify(if far { bucket.far() } else { bucket }, &folder, level).await;
            let verification = outcome.verification;
            assert_eq!(verification.verdict, verdict, "{verification:?}");
            assert_eq!(
                seen.load(Ordering::SeqCst),
                if times == 0 { 1 } else { 2 },
                "read once more, and no more than that"
            );
            for problem in &verification.problems {
                assert_eq!(problem.confirmed, verdict == Verdict::Corrupt);
                for place in &problem.places {
                    assert_eq!(&*place.file, "chunks/000001");
                    assert_eq!(place.found_again.is_some(), verdict == Verdict::Corrupt, "{place:?}");
                    assert!(place.series.is_some() && place.times_ms.is_some(), "{place:?}");
                }
            }
            assert_eq!(verification.problems.is_empty(), verdict == Verdict::Ok);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_wrong_once_and_cannot_be_read_again_is_suspect() {
    let (folder, at) = fixture();
    let seen = Arc::new(AtomicU64::new(0));
    let bucket = Fake::new(move |_, key, range| {
        let hit = key.ends_with("chunks/000001") && range.contains(&at);
        match if hit { seen.fetch_add(1, Ordering::SeqCst) } else { 9 } {
            0 => Reply::Flip(at),
            1 => Reply::Fail(ErrorKind::Unavailable),
            _ => Reply::Serve,
        }
    });
    let (outcome, _) = verify(bucket, &folder, Level::Full).await;
    assert_eq!(outcome.verification.verdict, Verdict::Suspect);
    assert!(outcome.verification.why.unwrap().contains("a second time"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_it_within_a_buffer() {
    let (folder, _) = fixture();
    // long before the last: the result of a verification that is about to end may be given all the same
    for nth in [0, 1, 3] {
        let stop = CancellationToken::new();
        let token = stop.clone();
        let bucket = Fake::new(move |n, _, _| {
            if n == nth {
                token.cancel();
            }
            Reply::Serve
        });
        let block = put(&bucket, &folder);
        let bucket = Arc::new(bucket);
        let verifier = Verifier::new(&Settings { requests_in_flight: 1, ..settings() }).unwrap();
        let task = Task::new(as_bucket(&bucket), &block, Level::Full, Hashes::new());
        let result = verifier.verify(task.clone(), &(), &stop, || TimestampMs(7)).await;
        assert_eq!(result, Err(Stopped));
        let asked = bucket.requests().get;
        assert_eq!(asked, nth + 1, "{asked} requests where the stop came with number {nth}");
        assert_eq!(verifier.verify(task, &(), &stop, || TimestampMs(7)).await, Err(Stopped), "nor is it begun");
        assert!(bucket.requests().get <= asked + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_bounded_over_all_blocks() {
    let folders = fixtures();
    for (memory, in_flight, far) in
        [(8 << 10, 64, false), (16 << 10, 64, false), (64 << 10, 2, false), (16 << 10, 64, true), (256 << 10, 8, true)]
    {
        let bucket = Fake::new(|_, _, _| Reply::Serve);
        let bucket = if far { bucket.far() } else { bucket };
        let blocks: Vec<BlockView> = folders.iter().map(|folder| put(&bucket, folder)).collect();
        let bucket = Arc::new(bucket);
        let settings =
            Settings { threads: 2, memory_bytes: memory, requests_in_flight: in_flight, ..Settings::default() };
        let verifier = Verifier::new(&settings).unwrap();
        let verifying = blocks.iter().map(|block| {
            let task = Task::new(as_bucket(&bucket), block, Level::Full, Hashes::new());
            let verifier = verifier.clone();
            async move { verifier.verify(task, &(), &CancellationToken::new(), || TimestampMs(7)).await }
        });
        for outcome in futures::future::join_all(verifying).await {
            assert_eq!(outcome.unwrap().verification.verdict, Verdict::Ok);
        }
        let (most, longest) = (bucket.most.load(Ordering::SeqCst), bucket.longest.load(Ordering::SeqCst));
        assert!(most <= memory + longest, "{most} of {memory} bytes, and one unit of {longest} beyond");
        assert!(most >= memory / 8, "what there is is used: {most} of {memory} bytes");
    }
}

#[tokio::test]
async fn what_a_block_begins_with_is_asked_for_at_once() {
    let (folder, _) = fixture();
    let order = Arc::new(Mutex::new(Vec::new()));
    let asked = Arc::clone(&order);
    let bucket = Fake::new(move |_, key, range| {
        let name = key.split_once('/').unwrap().1.to_owned();
        asked.lock().unwrap().push((name, range.start));
        Reply::Serve
    });
    let bucket = bucket.far();
    let block = put(&bucket, &folder);
    let bucket = Arc::new(bucket);
    let verifier = Verifier::new(&Settings { threads: 2, ..Settings::default() }).unwrap();
    let task = Task::new(as_bucket(&bucket), &block, Level::Full, Hashes::new());
    let outcome = verifier.verify(task, &(), &CancellationToken::new(), || TimestampMs(7)).await.unwrap();
    assert_eq!(outcome.verification.verdict, Verdict::Ok);
    let mut order = order.lock().unwrap().clone();
    order.sort();
    // each object once: nothing is asked for ahead and then again
    let objects: Vec<(String, u64)> = block.objects.iter().map(|object| (object.name.to_string(), 0)).collect();
    assert_eq!(order, objects);
}

#[tokio::test(start_paused = true)]
async fn the_budget_of_bytes_holds_over_all_blocks() {
    let bucket = Fake::new(|_, _, _| Reply::Serve);
    let blocks: Vec<BlockView> = fixtures().iter().map(|folder| put(&bucket, folder)).collect();
    let bucket: Arc<dyn Bucket> = Arc::new(bucket);
    let settings = Settings { bytes_per_second: NonZeroU64::new(1_000), ..settings() };
    let verifier = Verifier::new(&settings).unwrap();
    let watcher = Counting::default();
    let begun = Instant::now();
    let verifying = blocks.iter().map(|block| {
        let task = Task::new(Arc::clone(&bucket), block, Level::Full, Hashes::new());
        let (verifier, watcher) = (verifier.clone(), &watcher);
        async move { verifier.verify(task, watcher, &CancellationToken::new(), || TimestampMs(7)).await }
    });
    futures::future::join_all(verifying).await;
    let (bytes, ms) = (watcher.0.load(Ordering::SeqCst), begun.elapsed().as_millis());
    // the first piece is free, and so is what was not used for a moment
    let least = u128::from(bytes - 1_024 - 250);
    assert!((least..=u128::from(bytes) + 1_000).contains(&ms), "{bytes} bytes in {ms} ms at 1000 per second");
}
