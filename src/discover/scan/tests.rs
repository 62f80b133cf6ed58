//! A pass over a bucket in memory that can be told to fail.

use std::ops::Range;
use std::sync::Mutex;

use async_trait::async_trait;
use ulid::Ulid;

use super::*;
use crate::discover::{ListedObject, OddKey, ReadObject};
use crate::model::{BlockChange, KnownBlock, MarkState, MetaState, ObjectView, Provider, parse_ulid};

const A: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAA";
const B: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAB";
const C: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAC";

/// What a test bucket holds, and how it misbehaves.
#[derive(Clone, Debug, Default)]
struct Stored {
    objects: BTreeMap<String, (ListedObject, Vec<u8>)>,
    odd: Vec<OddKey>,
    /// Fails after this many pages.
    list_fails_after: Option<(usize, ErrorKind)>,
    /// Keys that are listed and not there.
    gone: Vec<String>,
    /// Reading or looking for a key with this in it fails.
    failing: Vec<(&'static str, ErrorKind)>,
    /// Sends one byte less than it has.
    short: bool,
}

#[derive(Debug)]
struct Memory {
    name: Arc<str>,
    stored: Mutex<Stored>,
    counts: Mutex<RequestCounts>,
}

impl Stored {
    fn put(&mut self, key: &str, content: &str, version: i64) -> &mut Self {
        let object = ListedObject {
            key: key.to_owned(),
            size: u64::try_from(content.len()).unwrap(),
            etag: Some(format!("e{version}").into()),
            last_modified: TimestampMs(version * 1_000),
            storage_class: None,
        };
        self.objects.insert(key.to_owned(), (object, content.as_bytes().to_vec()));
        self
    }

    fn block(&mut self, ulid: &str) -> &mut Self {
        self.put(&format!("{ulid}/chunks/000001"), "chunks", 1);
        self.put(&format!("{ulid}/index"), "index", 1);
        self.put(&format!("{ulid}/meta.json"), &meta(ulid, 10), 1)
    }

    fn remove(&mut self, start: &str) -> &mut Self {
        self.objects.retain(|key, _| !key.starts_with(start));
        self
    }

    fn with_class(&mut self, key: &str, class: &str) -> &mut Self {
        self.objects.get_mut(key).unwrap().0.storage_class = Some(class.into());
        self
    }
}

fn meta(ulid: &str, samples: u64) -> String {
    format!(
        r#"{{"ulid":"{ulid}","minTime":0,"maxTime":7200000,"stats":{{"numSamples":{samples}}},"version":1,
        "compaction":{{"level":1,"sources":["{ulid}"]}},
        "thanos":{{"labels":{{"cluster":"eu1"}},"downsample":{{"resolution":0}},"source":"sidecar"}}}}"#
    )
}

fn mark(ulid: &str) -> String {
    format!(r#"{{"id":"{ulid}","version":1,"deletion_time":1700000000,"details":"source of compacted block"}}"#)
}

impl Memory {
    fn fail(&self, key: &str) -> Result<(), BucketError> {
        let stored = self.stored.lock().unwrap();
        match stored.failing.iter().find(|(part, _)| key.contains(part)) {
            Some((_, kind)) => Err(BucketError { kind: *kind, message: format!("no `{key}`"), hint: None }),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Bucket for Memory {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn provider(&self) -> Provider {
        Provider::S3
    }

    async fn list(&self, _splits: &[String], pages: mpsc::Sender<ListPage>) -> Result<(), BucketError> {
        self.counts.lock().unwrap().list += 1;
        let stored = self.stored.lock().unwrap().clone();
        let objects: Vec<ListedObject> = stored.objects.into_values().map(|(object, _)| object).collect();
        for (sent, objects) in objects.chunks(2).enumerate() {
            if stored.list_fails_after.is_some_and(|(pages, _)| pages == sent) {
                break;
            }
            pages.send(ListPage { objects: objects.to_vec(), odd: Vec::new() }).await.unwrap();
        }
        if let Some((_, kind)) = stored.list_fails_after {
            let hint = Some("wait".to_owned());
            return Err(BucketError { kind, message: "cannot list".to_owned(), hint });
        }
        pages.send(ListPage { objects: Vec::new(), odd: stored.odd }).await.unwrap();
        Ok(())
    }

    async fn get(
        &self,
        key: &str,
        _range: Option<Range<u64>>,
        _if_match: Option<&str>,
        max_bytes: u64,
    ) -> Result<ReadObject, BucketError> {
        self.counts.lock().unwrap().get += 1;
        self.fail(key)?;
        let stored = self.stored.lock().unwrap();
        let Some((object, content)) = stored.objects.get(key).filter(|_| !stored.gone.iter().any(|gone| gone == key))
        else {
            return Err(BucketError { kind: ErrorKind::NotFound, message: String::new(), hint: None });
        };
        assert!(object.size <= max_bytes);
        let mut bytes = content.clone();
        if stored.short {
            bytes.pop();
        }
        let size = u64::try_from(bytes.len()).unwrap();
        Ok(ReadObject { bytes: bytes.into(), size, etag: object.etag.clone().map(String::from) })
    }

    async fn head(&self, key: &str) -> Result<Option<ListedObject>, BucketError> {
        self.counts.lock().unwrap().head += 1;
        self.fail(key)?;
        // a listing may lag behind: what is "gone" here is listed, what is not listed may be here
        let stored = self.stored.lock().unwrap();
        let hidden = stored.gone.iter().any(|gone| gone == key);
        Ok(stored.objects.get(key).map(|(object, _)| object.clone()).or_else(|| {
            hidden.then(|| ListedObject {
                key: key.to_owned(),
                size: 0,
                etag: None,
                last_modified: TimestampMs(0),
                storage_class: None,
            })
        }))
    }

    fn requests(&self) -> RequestCounts {
        *self.counts.lock().unwrap()
    }

    fn date_skew_ms(&self) -> Option<i64> {
        Some(7)
    }
}

async fn pass(stored: &Stored, known: KnownBucket) -> BucketView {
    pass_with(stored, known, &ScanOptions::default()).await
}

async fn pass_with(stored: &Stored, known: KnownBucket, options: &ScanOptions) -> BucketView {
    let bucket: Arc<dyn Bucket> = Arc::new(Memory {
        name: "memory".into(),
        stored: Mutex::new(stored.clone()),
        counts: Mutex::new(RequestCounts { list: 5, get: 5, head: 5 }),
    });
    scan(&bucket, known, TimestampMs(9), options, &()).await
}

/// What the ledger would hold after `view`, given what it held before.
fn remember(view: &BucketView, before: &KnownBucket) -> KnownBucket {
    let blocks = view.blocks.iter().map(|(ulid, block)| {
        let old = before.blocks.get(ulid);
        let baseline = old.filter(|old| old.complete).map_or_else(|| block.objects.clone(), |old| old.baseline.clone());
        let known = KnownBlock {
            current: (baseline != block.objects).then(|| block.objects.clone()),
            baseline,
            meta: block.meta.clone(),
            first_meta: old.and_then(|old| old.first_meta.clone().or(old.meta.meta().cloned())),
            marks: block.marks.clone(),
            complete: matches!(block.meta, MetaState::Read { meta: Some(_), .. } | MetaState::Unknown(_))
                || old.is_some_and(|old| old.complete),
        };
        (*ulid, known)
    });
    KnownBucket { blocks: blocks.collect() }
}

/// First pass over `first`, then one over what `change` made of it.
async fn twice(first: &mut Stored, change: impl FnOnce(&mut Stored) -> &mut Stored) -> BucketView {
    let view = pass(first, KnownBucket::default()).await;
    let known = remember(&view, &KnownBucket::default());
    change(first);
    pass(first, known).await
}

fn ulid(text: &str) -> Ulid {
    parse_ulid(text).unwrap()
}

#[tokio::test]
async fn the_first_pass_reads_every_meta_and_mark() {
    let mut stored = Stored::default();
    stored.block(A).block(B).put(&format!("{B}/deletion-mark.json"), &mark(B), 2);
    stored.put(&format!("{C}/"), "", 1).put(&format!("{C}/chunks/"), "", 1);
    let view = pass(&stored, KnownBucket::default()).await;
    assert_eq!(view.requests, RequestCounts { list: 1, get: 3, head: 0 });
    assert_eq!((view.observed_at, view.date_skew_ms), (TimestampMs(9), Some(7)));
    assert!(matches!(view.listing, Listing::Complete { objects: 9, .. }));
    assert_eq!(view.blocks.keys().copied().collect::<Vec<_>>(), [ulid(A), ulid(B)], "markers make no block");
    let block = &view.blocks[&ulid(B)];
    assert_eq!(block.change, BlockChange::New);
    assert_eq!(block.meta.meta().unwrap().labels.0["cluster"], "eu1");
    assert_eq!(block.marks.deletion.as_ref().unwrap().read().unwrap().time, TimestampMs(1_700_000_000_000));
    assert!(block.meta.meta().is_some() && block.object("chunks/000001").is_some());
    assert!(Arc::ptr_eq(&block.objects[1].name, &view.blocks[&ulid(A)].objects[1].name) || block.objects.len() == 4);
}

#[tokio::test]
async fn nothing_is_read_twice() {
    let mut stored = Stored::default();
    stored.block(A).put(&format!("{A}/deletion-mark.json"), &mark(A), 2);
    let view = twice(&mut stored, |stored| stored).await;
    assert_eq!(view.requests, RequestCounts { list: 1, get: 0, head: 0 });
    let block = &view.blocks[&ulid(A)];
    assert_eq!(block.change, BlockChange::Unchanged);
    assert!(block.meta.meta().is_some() && block.marks.deletion.is_some());
    assert!(block.mutations.is_empty() && view.unknown.is_empty());
}

#[tokio::test]
async fn what_changed_is_read_again_and_said() {
    type Change = fn(&mut Stored) -> &mut Stored;
    let cases: [(&str, Change, u64, BlockChange, &[&str]); 8] = [
        (
            "a mark came",
            |stored| stored.put(&format!("{A}/deletion-mark.json"), &mark(A), 2),
            1,
            BlockChange::Changed,
            &[],
        ),
        ("an object came", |stored| stored.put(&format!("{A}/chunks/000002"), "x", 2), 0, BlockChange::Changed, &[]),
        ("an object went", |stored| stored.remove(&format!("{A}/index")), 0, BlockChange::Changed, &[]),
        ("other ETag", |stored| stored.put(&format!("{A}/index"), "index", 2), 0, BlockChange::Changed, &["index"]),
        (
            "other size",
            |stored| stored.put(&format!("{A}/chunks/000001"), "chunk", 1),
            0,
            BlockChange::Changed,
            &["chunks/000001"],
        ),
        (
            "meta.json rewritten",
            |stored| stored.put(&format!("{A}/meta.json"), &meta(A, 11), 2),
            1,
            BlockChange::Changed,
            &["meta.json"],
        ),
        (
            "moved to a colder class",
            |stored| stored.with_class(&format!("{A}/index"), "GLACIER"),
            0,
            BlockChange::Changed,
            &[],
        ),
        (
            "no ETag any more",
            |stored| {
                stored.objects.get_mut(&format!("{A}/meta.json")).unwrap().0.etag = None;
                stored
            },
            0,
            BlockChange::Changed,
            &[],
        ),
    ];
    for (name, change, gets, expected, mutated) in cases {
        let view = twice(Stored::default().block(A), change).await;
        let block = &view.blocks[&ulid(A)];
        assert_eq!((view.requests.get, block.change), (gets, expected), "{name}");
        let names: Vec<&str> = block.mutations.iter().map(|mutation| &*mutation.now.name).collect();
        assert_eq!(names, mutated, "{name}");
        if name == "meta.json rewritten" {
            let (lines, matters) = block.mutations[0].meta_difference.clone().unwrap();
            assert!(matters && lines[0].starts_with("stats.numSamples"), "{lines:?}");
        }
    }
}

#[tokio::test]
async fn what_was_never_read_is_not_compared_however_often_one_looks() {
    let mut stored = Stored { failing: vec![("meta.json", ErrorKind::Forbidden)], ..Stored::default() };
    stored.block(A);
    let unread = pass(&stored, KnownBucket::default()).await;
    let mut known = remember(&unread, &KnownBucket::default());
    stored.failing.clear();
    stored.put(&format!("{A}/meta.json"), &meta(A, 11), 2);
    for look in 0..2 {
        let view = pass(&stored, known.clone()).await;
        let mutations = &view.blocks[&ulid(A)].mutations;
        assert_eq!((mutations.len(), &mutations[0].meta_difference), (1, &None), "look {look}");
        known = remember(&view, &known);
    }
}

#[tokio::test]
async fn a_block_may_grow_until_its_meta_json_is_there() {
    let mut stored = Stored::default();
    stored.put(&format!("{A}/index"), "half", 1);
    let view = twice(&mut stored, |stored| stored.block(A).put(&format!("{A}/index"), "index", 2)).await;
    let block = &view.blocks[&ulid(A)];
    assert_eq!((view.requests.get, block.change), (1, BlockChange::Changed));
    assert!(block.mutations.is_empty());
}

#[tokio::test]
async fn a_failed_listing_is_no_listing() {
    for (pages, kind, lists) in [
        (0, ErrorKind::Throttled, 1),
        (1, ErrorKind::Throttled, 1),
        (2, ErrorKind::Protocol, 1),
        // once more as a whole
        (1, ErrorKind::Disordered, 2),
    ] {
        let mut stored = Stored { list_fails_after: Some((pages, kind)), ..Stored::default() };
        stored.block(A).block(B);
        let first = pass(&Stored::default().block(A).block(B).clone(), KnownBucket::default()).await;
        let view = pass(&stored, remember(&first, &KnownBucket::default())).await;
        assert_eq!(view.listing, Listing::Unknown { why: "cannot list; wait".to_owned() });
        assert!(view.blocks.is_empty() && view.confirmed_gone.is_empty() && view.unconfirmed_gone.is_empty());
        assert_eq!(view.requests, RequestCounts { list: lists, get: 0, head: 0 }, "{kind:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_unknown() {
    let mut stored = Stored { failing: vec![("meta.json", ErrorKind::Forbidden)], ..Stored::default() };
    stored.block(A).put(&format!("{B}/deletion-mark.json"), &mark(B), 1);
    let view = pass(&stored, KnownBucket::default()).await;
    assert!(matches!(&view.blocks[&ulid(A)].meta, MetaState::Unknown(why) if why.contains("no `")));
    assert_eq!(view.unknown.len(), 1);
    assert_eq!(view.unknown[0].object, format!("{A}/meta.json"));
    assert!(matches!(view.blocks[&ulid(B)].marks.deletion, Some(MarkState::Read(_))));

    let known = remember(&view, &KnownBucket::default());
    stored.failing.clear();
    let healed = pass(&stored, known).await;
    assert_eq!(healed.requests.get, 1, "only what is unknown is asked for again");
    assert!(healed.blocks[&ulid(A)].meta.meta().is_some() && healed.unknown.is_empty());

    stored.short = true;
    let short = pass(&stored, KnownBucket::default()).await;
    assert_eq!(short.unknown.len(), 2, "a body that is shorter than listed is no content");
}

#[tokio::test]
async fn a_storage_that_always_fails_is_not_asked_for_ever() {
    let mut stored = Stored { failing: vec![("meta.json", ErrorKind::Unavailable)], ..Stored::default() };
    for n in 0..1_000 {
        stored.block(&Ulid::from_parts(n, 0).to_string());
    }
    let view = pass(&stored, KnownBucket::default()).await;
    assert!((200..300).contains(&view.requests.get), "{:?}", view.requests);
    assert_eq!(view.unknown.len(), 1_000);
    assert!(view.unknown.last().unwrap().why.contains("in a row; the last: no `"), "{:?}", view.unknown.last());
}

#[tokio::test]
async fn a_storage_that_gives_no_answer_ends_the_reading() {
    let mut stored = Stored { failing: vec![("meta.json", ErrorKind::Unavailable)], ..Stored::default() };
    for n in 0..1_000 {
        stored.block(&Ulid::from_parts(n, 0).to_string());
    }
    let options = ScanOptions { silence_ms: 0, ..ScanOptions::default() };
    let view = pass_with(&stored, KnownBucket::default(), &options).await;
    let at_once = u64::try_from(options.reads_at_once).unwrap();
    assert!(view.requests.get <= at_once, "{:?}", view.requests);
    assert_eq!(view.unknown.len(), 1_000, "and nothing is taken for absent");
}

#[tokio::test]
async fn archived_objects_are_never_fetched() {
    for (class, gets) in [("GLACIER", 0), ("DEEP_ARCHIVE", 0), ("Archive", 0), ("GLACIER_IR", 1)] {
        let view =
            pass(Stored::default().block(A).with_class(&format!("{A}/meta.json"), class), KnownBucket::default()).await;
        assert_eq!(view.requests.get, gets, "{class}");
        let is_unknown = matches!(&view.blocks[&ulid(A)].meta, MetaState::Unknown(why) if why.contains(class));
        assert_eq!(is_unknown, gets == 0);
        assert!(view.unknown.is_empty());
    }
    let key = format!("{A}/meta.json");
    let view = twice(Stored::default().block(A), |stored| stored.with_class(&key, "GLACIER")).await;
    assert!(view.blocks[&ulid(A)].meta.meta().is_some(), "what was read before is still known");
}

#[tokio::test]
async fn what_goes_while_it_is_read_is_gone() {
    let gone = vec![format!("{A}/meta.json"), format!("{B}/deletion-mark.json"), format!("{C}/meta.json")];
    let mut stored = Stored { gone, ..Stored::default() };
    for ulid in [A, B] {
        stored.put(&format!("{ulid}/deletion-mark.json"), &mark(ulid), 1);
    }
    stored.block(A).block(C);
    let view = pass(&stored, KnownBucket::default()).await;
    let block = &view.blocks[&ulid(A)];
    assert_eq!((&block.meta, block.object("meta.json")), (&MetaState::Absent, None));
    assert!(!view.blocks.contains_key(&ulid(B)), "nothing is left of it");
    // nobody deletes this one
    assert!(matches!(view.blocks[&ulid(C)].meta, MetaState::Unknown(_)));
    assert_eq!(view.unknown.iter().map(|unknown| unknown.block).collect::<Vec<_>>(), [ulid(C)]);
}

#[tokio::test]
async fn missing_blocks_are_looked_for() {
    for (name, hidden, failing, confirmed, unconfirmed) in [
        ("gone", vec![], vec![], vec![A, B], vec![]),
        ("not listed and there", vec![format!("{A}/meta.json")], vec![], vec![B], vec![A]),
        ("cannot be told", vec![], vec![(A, ErrorKind::Forbidden)], vec![B], vec![A]),
    ] {
        let mut stored = Stored { gone: hidden, ..Stored::default() };
        stored.block(A).block(B).block(C);
        let known = {
            let plain = Stored { gone: vec![], ..stored.clone() };
            remember(&pass(&plain, KnownBucket::default()).await, &KnownBucket::default())
        };
        stored.remove(A).remove(B);
        stored.failing = failing;
        let view = pass(&stored, known).await;
        assert_eq!(view.confirmed_gone, confirmed.into_iter().map(ulid).collect::<Vec<_>>(), "{name}");
        let doubtful: Vec<Ulid> = view.unconfirmed_gone.iter().map(|(ulid, _)| *ulid).collect();
        assert_eq!(doubtful, unconfirmed.into_iter().map(ulid).collect::<Vec<_>>(), "{name}");
        assert_eq!(view.requests.head, 2, "{name}");
    }
    let mut stored = Stored::default();
    stored.block(A).put(&format!("{A}/deletion-mark.json"), &mark(A), 1);
    let view = twice(&mut stored, |stored| stored.remove(A)).await;
    assert_eq!((view.confirmed_gone, view.requests.head), (vec![ulid(A)], 0), "a marked block was expected to go");
}

#[tokio::test]
async fn of_very_many_missing_blocks_some_are_looked_for() {
    for (failing, confirmed, unconfirmed) in
        [(vec![], 500, 0), (vec![("0000000001", ErrorKind::Unavailable)], 199, 301)]
    {
        let mut stored = Stored::default();
        for n in 0..500_u64 {
            stored.block(&Ulid::from_parts(n * 4_000_000_000 + 1, u128::MAX).to_string());
        }
        let view = twice(&mut stored, |stored| {
            stored.failing = failing;
            stored.remove("")
        })
        .await;
        assert_eq!((view.confirmed_gone.len(), view.unconfirmed_gone.len()), (confirmed, unconfirmed));
        assert_eq!(view.requests.head, 200);
    }
}

#[tokio::test]
async fn foreign_keys_are_counted_and_named() {
    let mut stored = Stored { odd: vec![OddKey { key: "odd\\xff/x".to_owned(), size: 3 }], ..Stored::default() };
    for key in ["debug/metas/x.json", "a//b", "../up", "zz", "loki/index/1", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "bb", "cc"] {
        stored.put(key, "12", 1);
    }
    stored.put(&format!("tenant/{A}/meta.json"), &meta(A, 1), 1);
    stored.put(&format!("{}/meta.json", A.to_lowercase()), &meta(A, 1), 1);
    stored.put("", "", 1);
    let view = pass(&stored, KnownBucket::default()).await;
    assert!(view.blocks.is_empty() && view.requests.get == 0);
    assert_eq!(view.foreign.count, 12);
    assert_eq!(view.foreign.samples, ["..", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "01arz3ndektsv4rrffq69g5faa", "a", "bb"]);
    assert_eq!(view.foreign.nested_blocks, ["tenant"]);
    let Listing::Complete { objects, bytes } = view.listing else { panic!("{:?}", view.listing) };
    assert_eq!((objects, bytes), (12, view.foreign.bytes));
}

#[tokio::test]
async fn an_object_without_a_difference_keeps_its_known_copy() {
    let mut stored = Stored::default();
    stored.block(A);
    let first = pass(&stored, KnownBucket::default()).await;
    let known = remember(&first, &KnownBucket::default());
    let name: *const ObjectView = known.blocks[&ulid(A)].baseline.as_ptr();
    let view = pass(&stored, known).await;
    assert!(std::ptr::eq(view.blocks[&ulid(A)].objects.as_ptr(), name));
}
