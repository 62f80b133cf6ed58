//! What goes in comes out: commits, what is loaded after them, earlier moments, and files that are no sound ledger.

mod alerting;
mod earlier;
mod files;
mod outbox;
mod verifications;

use std::collections::BTreeMap;
use std::sync::Arc;

use ulid::Ulid;

use super::*;
use crate::model::{
    BlockChange, BlockMeta, BlockSource, BlockView, BucketTransition, BucketView, DAY_MS, DeletionMark, End, EndReason,
    FileEntry, Finding, FindingChange, FindingEnd, ForeignKeys, HOUR_MS, Interner, Interval, Labels, Lineage, Listing,
    MarkState, Marks, MetaProblem, MetaProblemKind, MetaState, Mutation, NoCompactMark, ObjectView, Parent, Provider,
    RequestCounts, Resolution, RetentionSeen, Severity, Stats, StreamPast, Subject, Transition,
};

pub(super) const KEY: &str = "S3\u{1f}minio:9000\u{1f}\u{1f}thanos\u{1f}";
pub(super) const T0: TimestampMs = TimestampMs(1_700_000_000_000);

pub(super) fn ulid(number: u64) -> Ulid {
    Ulid::from_parts(T0.0.unsigned_abs() + number, u128::from(number))
}

/// A plain block as a sidecar uploads it.
pub(super) fn meta(number: u64) -> BlockMeta {
    let hours = i64::try_from(number).unwrap() * 2 * HOUR_MS;
    let file = |name: &str, size| FileEntry { name: name.into(), size, sha256: None };
    BlockMeta {
        ulid: Some(ulid(number)),
        interval: Interval::new(T0.plus(hours), T0.plus(hours + 2 * HOUR_MS)),
        stats: Stats { samples: Some(1000), series: Some(10), chunks: Some(20), tombstones: None },
        level: 1,
        sources: [ulid(number)].into(),
        parents: Box::default(),
        hinted: false,
        failed: false,
        labels: Arc::new(Labels::from([("cluster", "eu \"1\""), ("replica", "a")])),
        resolution: Resolution::Raw,
        source: BlockSource::Sidecar,
        files: Some([file("chunks/000001", Some(100)), file("index", Some(200)), file("meta.json", None)].into()),
        segments: Some(1),
        rewrite_sources: Box::default(),
        upload_time: None,
    }
}

/// One that uses every field.
fn rich_meta(number: u64) -> BlockMeta {
    let parent = |number| Parent { ulid: ulid(number), interval: meta(number).interval };
    BlockMeta {
        ulid: None,
        interval: Interval::new(TimestampMs(i64::MIN), TimestampMs(i64::MAX)),
        stats: Stats { samples: None, series: None, chunks: Some(0), tombstones: Some(7) },
        level: u32::MAX,
        sources: [ulid(1), ulid(2), ulid(9)].into(),
        parents: [parent(1), parent(9)].into(),
        hinted: true,
        failed: true,
        resolution: Resolution::OneHour,
        source: BlockSource::Other("bucket.rewrite".into()),
        files: Some([FileEntry { name: "index".into(), size: Some(u64::MAX), sha256: Some([0xa5; 32]) }].into()),
        segments: None,
        rewrite_sources: [ulid(4)].into(),
        upload_time: Some(T0),
        ..meta(number)
    }
}

pub(super) fn read(meta: BlockMeta) -> MetaState {
    MetaState::Read { meta: Some(Arc::new(meta)), problems: Box::default() }
}

pub(super) fn object(name: &str, size: u64) -> ObjectView {
    ObjectView {
        name: name.into(),
        size,
        last_modified: T0.minus(HOUR_MS),
        etag: Some(format!("{name}-{size}").into()),
        storage_class: None,
    }
}

/// A whole block as first seen.
pub(super) fn block(number: u64) -> BlockView {
    let mut index = object("index", 200);
    index.storage_class = Some("STANDARD_IA".into());
    index.etag = None;
    BlockView {
        ulid: ulid(number),
        objects: [object("chunks/000001", 100), index, object("meta.json", 300)].into(),
        meta: read(meta(number)),
        marks: Marks::default(),
        mutations: Box::default(),
        change: BlockChange::New,
    }
}

/// The same block in a later view.
pub(super) fn changed(mut block: BlockView, change: impl FnOnce(&mut BlockView)) -> BlockView {
    block.change = BlockChange::Changed;
    change(&mut block);
    block.objects.sort_by(|one, other| one.name.cmp(&other.name));
    block
}

pub(super) fn view(at: TimestampMs, blocks: impl IntoIterator<Item = BlockView>) -> BucketView {
    let blocks: BTreeMap<Ulid, BlockView> = blocks.into_iter().map(|block| (block.ulid, block)).collect();
    BucketView {
        bucket: "thanos".into(),
        provider: Provider::S3,
        observed_at: at,
        listing: Listing::Complete { objects: 3, bytes: 600 },
        blocks,
        foreign: ForeignKeys::default(),
        confirmed_gone: Vec::new(),
        unconfirmed_gone: Vec::new(),
        unknown: Vec::new(),
        date_skew_ms: None,
        requests: RequestCounts::default(),
    }
}

pub(super) fn transition(at: TimestampMs, changes: BucketTransition) -> Transition {
    Transition { at, buckets: BTreeMap::from([("thanos".into(), changes)]), ..Transition::default() }
}

pub(super) fn load(ledger: &Ledger, now: TimestampMs) -> Loaded {
    ledger.load(KEY, &"thanos".into(), now, &mut Interner::default()).unwrap().unwrap_or_default()
}

pub(super) fn commit(ledger: &mut Ledger, view: &BucketView, changes: BucketTransition) {
    ledger.commit(&[(KEY, view)], &transition(view.observed_at, changes)).unwrap();
}

#[test]
fn nothing_is_known_of_a_bucket_that_was_never_seen() {
    let ledger = Ledger::in_memory().unwrap();
    assert!(ledger.load(KEY, &"thanos".into(), T0, &mut Interner::default()).unwrap().is_none());
    assert!(ledger.as_of(KEY, &"thanos".into(), T0, &mut Interner::default()).unwrap().is_none());
    assert!(ledger.ancestors(KEY, &[ulid(1)], &mut Interner::default()).unwrap().is_empty());
    assert_eq!((ledger.newest_scan(KEY).unwrap(), ledger.buckets().unwrap()), (None, Vec::new()));
}

#[test]
fn a_block_comes_back_as_it_was_seen() {
    let mut ledger = Ledger::in_memory().unwrap();
    let lineage = Lineage { source_samples: Some(7), settled: true, ..Lineage::default() };
    let changes = BucketTransition {
        completed: vec![ulid(1)],
        lineage: vec![(ulid(1), lineage.clone())],
        streams: vec![(meta(1).labels, StreamPast { first_seen: T0, newest_max_time: T0.plus(5) })],
        retention: vec![RetentionSeen { since: T0, resolution: Resolution::FiveMinutes, retention_ms: Some(0) }],
        ..BucketTransition::default()
    };
    let mut rich = block(2);
    rich.meta = read(rich_meta(2));
    let mut odd = block(3);
    let problem = MetaProblem { kind: MetaProblemKind::Unparsable, text: "no JSON at line 1".to_owned() };
    odd.meta = MetaState::Read { meta: None, problems: [problem].into() };
    let mut unread = block(4);
    unread.meta = MetaState::Unknown("timed out".to_owned());
    let mut partial = block(5);
    partial.objects = [object("chunks/000001", 100)].into();
    partial.meta = MetaState::Absent;
    let seen = view(T0, [block(1), rich, odd, unread, partial]);
    // the second commit of the same finds everything there
    for _ in 0..2 {
        commit(&mut ledger, &seen, changes.clone());
        let Loaded { known, past } = load(&ledger, T0);
        assert_eq!((past.first_scan, past.last_scan), (Some(T0), Some(T0)));
        assert_eq!(past.streams.into_iter().collect::<Vec<_>>(), changes.streams);
        assert_eq!(past.retention, changes.retention);
        assert!(known.blocks.keys().eq(seen.blocks.keys()) && past.blocks.keys().eq(seen.blocks.keys()));
        for (ulid, block) in &known.blocks {
            let seen = &seen.blocks[ulid];
            assert_eq!((&block.baseline, &block.meta), (&seen.objects, &seen.meta));
            assert!(block.current.is_none() && block.first_meta.is_none());
            let is_broken = matches!(seen.meta, MetaState::Read { meta: None, .. });
            assert_eq!(block.complete, seen.meta != MetaState::Absent && !is_broken);
            assert_eq!(past.blocks[ulid].meta.as_ref(), seen.meta.meta());
        }
        assert_eq!((past.blocks[&ulid(1)].complete, &past.blocks[&ulid(1)].lineage), (true, &lineage));
        assert_eq!((past.blocks[&ulid(2)].complete, past.blocks[&ulid(2)].lineage.settled), (false, false));
    }
    assert_eq!(ledger.newest_scan(KEY).unwrap(), Some(T0));
}

#[test]
fn the_baseline_stands_from_when_meta_json_is_there() {
    let mut ledger = Ledger::in_memory().unwrap();
    let mut uploading = block(1);
    uploading.objects = [object("chunks/000001", 50)].into();
    uploading.meta = MetaState::Absent;
    commit(&mut ledger, &view(T0, [uploading]), BucketTransition::default());

    // more of it, all of it with a meta.json that is broken, then with a good one: all replace the baseline
    let whole = block(1);
    let broken = MetaState::Read { meta: None, problems: Box::default() };
    for (hours, objects, meta) in [(1, 1, MetaState::Absent), (2, 3, broken), (3, 3, whole.meta.clone())] {
        let block = changed(whole.clone(), |block| {
            block.objects = block.objects[..objects].into();
            block.meta = meta;
        });
        commit(&mut ledger, &view(T0.plus(hours * HOUR_MS), [block.clone()]), BucketTransition::default());
        let known = &load(&ledger, T0).known.blocks[&ulid(1)];
        assert_eq!((&known.baseline, &known.current, &known.meta), (&block.objects, &None, &block.meta));
        assert_eq!(known.complete, block.meta == whole.meta);
    }

    // another size, an object more, then back to what it was
    let mutated = changed(whole.clone(), |block| {
        block.objects[1] = object("index", 999);
        block.objects = block.objects.iter().cloned().chain([object("tombstones", 9)]).collect();
    });
    for (hours, block, current) in
        [(4, mutated.clone(), Some(mutated.objects)), (5, changed(whole.clone(), |_| ()), None)]
    {
        commit(&mut ledger, &view(T0.plus(hours * HOUR_MS), [block]), BucketTransition::default());
        let known = &load(&ledger, T0).known.blocks[&ulid(1)];
        assert_eq!((&known.baseline, &known.current), (&whole.objects, &current));
    }
    assert_eq!(load(&ledger, T0).past.blocks[&ulid(1)].first_seen, T0);
}

#[test]
fn a_meta_json_that_says_the_same_in_other_bytes_is_kept_beside_the_first_too() {
    let mut ledger = Ledger::in_memory().unwrap();
    commit(&mut ledger, &view(T0, [block(1)]), BucketTransition::default());
    let again = changed(block(1), |block| {
        let was = block.objects.iter().find(|object| &*object.name == "meta.json").unwrap().clone();
        let now = ObjectView { size: was.size + 40, etag: Some("other".into()), ..was.clone() };
        for object in block.objects.iter_mut().filter(|object| object.name == was.name) {
            *object = now.clone();
        }
        block.mutations = [Mutation { was, now, meta_difference: Some((Vec::new(), false)) }].into();
    });
    commit(&mut ledger, &view(T0.plus(HOUR_MS), [again]), BucketTransition::default());
    assert_eq!(load(&ledger, T0).known.blocks[&ulid(1)].first_meta.as_deref(), Some(&meta(1)));
}

#[test]
fn the_first_meta_json_is_kept_beside_the_last() {
    let mut ledger = Ledger::in_memory().unwrap();
    commit(&mut ledger, &view(T0, [block(1)]), BucketTransition::default());
    for (hours, segments) in [(1, 2), (2, 3)] {
        let now = read(BlockMeta { segments: Some(segments), ..meta(1) });
        let block = changed(block(1), |block| block.meta = now.clone());
        commit(&mut ledger, &view(T0.plus(hours * HOUR_MS), [block]), BucketTransition::default());
        let known = &load(&ledger, T0).known.blocks[&ulid(1)];
        assert_eq!((&known.meta, known.first_meta.as_deref()), (&now, Some(&meta(1))));
    }
    // what cannot be read now is unknown to the source, and still what it was to the judge
    let unread = changed(block(1), |block| block.meta = MetaState::Unknown("403".to_owned()));
    commit(&mut ledger, &view(T0.plus(3 * HOUR_MS), [unread]), BucketTransition::default());
    let Loaded { known, past } = load(&ledger, T0);
    assert_eq!(known.blocks[&ulid(1)].meta, MetaState::Unknown("403".to_owned()));
    assert_eq!(past.blocks[&ulid(1)].meta.as_ref().and_then(|meta| meta.segments), Some(3));
    // what cannot be understood says nothing of the block, so the judge goes by what it said at first, pass after pass
    for hours in [4, 5] {
        let problem = MetaProblem { kind: MetaProblemKind::Unparsable, text: "the file ends early".to_owned() };
        let broken = changed(block(1), |block| block.meta = MetaState::Read { meta: None, problems: [problem].into() });
        commit(&mut ledger, &view(T0.plus(hours * HOUR_MS), [broken.clone()]), BucketTransition::default());
        let Loaded { known, past } = load(&ledger, T0);
        assert_eq!(known.blocks[&ulid(1)].meta, broken.meta);
        assert_eq!(past.blocks[&ulid(1)].meta.as_deref(), Some(&meta(1)));
    }
    // meta.json is the first to go when a block is deleted
    let going = changed(block(1), |block| {
        block.objects = block.objects[..2].into();
        block.meta = MetaState::Absent;
    });
    commit(&mut ledger, &view(T0.plus(6 * HOUR_MS), [going]), BucketTransition::default());
    let Loaded { known, past } = load(&ledger, T0);
    assert_eq!(known.blocks[&ulid(1)].meta, MetaState::Absent);
    assert!(past.blocks[&ulid(1)].meta.is_some());
}

#[test]
fn marks_come_change_and_go() {
    let deletion = DeletionMark { time: T0, details: "source of compacted block".to_owned() };
    let no_compact = NoCompactMark { time: T0, reason: "manual".to_owned() };
    let problem = MetaProblem { kind: MetaProblemKind::Field, text: "no time".to_owned() };
    let read = Marks {
        deletion: Some(MarkState::Read(deletion.clone())),
        no_compact: Some(MarkState::Read(no_compact)),
        no_downsample: Some(MarkState::Invalid(problem)),
    };
    let unknown = Marks { deletion: Some(MarkState::Unknown("timed out".to_owned())), ..Marks::default() };
    let mut ledger = Ledger::in_memory().unwrap();
    commit(&mut ledger, &view(T0, [block(1)]), BucketTransition::default());
    for (hours, marks, last_read) in
        [(1, read, Some(&deletion)), (2, unknown, Some(&deletion)), (3, Marks::default(), None)]
    {
        let block = changed(block(1), |block| block.marks = marks.clone());
        commit(&mut ledger, &view(T0.plus(hours * HOUR_MS), [block]), BucketTransition::default());
        let Loaded { known, past } = load(&ledger, T0);
        assert_eq!(known.blocks[&ulid(1)].marks, marks);
        assert_eq!(past.blocks[&ulid(1)].deletion.as_ref(), last_read);
    }
}

#[test]
fn what_ended_is_remembered_for_as_long_as_it_is_asked_for() {
    let mut ledger = Ledger::in_memory().unwrap();
    let compacted = BlockMeta { sources: [ulid(1), ulid(2)].into(), level: 2, ..meta(9) };
    commit(&mut ledger, &view(T0, [block(1), block(2), block(3), block(4)]), BucketTransition::default());
    let mut newer = block(9);
    newer.meta = read(compacted);
    let ended = BucketTransition {
        ended: vec![
            (ulid(1), EndReason::Superseded),
            (ulid(2), EndReason::Superseded),
            (ulid(3), EndReason::Vanished),
            (ulid(4), EndReason::Marked),
        ],
        ..BucketTransition::default()
    };
    let end = T0.plus(DAY_MS);
    commit(&mut ledger, &view(end, [newer.clone()]), ended);
    let there = |ledger: &Ledger, now: TimestampMs| {
        let Loaded { known, past } = load(ledger, now);
        assert!(known.blocks.keys().eq([&ulid(9)]));
        past.blocks.keys().map(Ulid::timestamp_ms).map(|ms| ms - T0.0.unsigned_abs()).collect::<Vec<_>>()
    };
    assert_eq!(there(&ledger, end), [1, 2, 3, 4, 9]);
    assert_eq!(load(&ledger, end).past.blocks[&ulid(3)].end, Some(End { at: end, reason: EndReason::Vanished }));
    // after ten days: the unexplained one, and the sources of what is not settled
    assert_eq!(there(&ledger, end.plus(11 * DAY_MS)), [1, 2, 3, 9]);
    let settled = Lineage { settled: true, ..Lineage::default() };
    let explained = BucketTransition {
        lineage: vec![(ulid(9), settled)],
        reasons: vec![(ulid(3), EndReason::Expired)],
        ..BucketTransition::default()
    };
    newer.change = BlockChange::Unchanged;
    commit(&mut ledger, &view(end.plus(11 * DAY_MS), [newer.clone()]), explained);
    assert_eq!(there(&ledger, end.plus(11 * DAY_MS)), [9]);

    // statistics outlive the details
    let found = |ledger: &Ledger| ledger.ancestors(KEY, &[ulid(1), ulid(77)], &mut Interner::default()).unwrap();
    commit(&mut ledger, &view(end.plus(DETAIL_MS), [newer.clone()]), BucketTransition::default());
    let ancestor = found(&ledger).remove(&ulid(1)).and_then(|block| block.meta).unwrap();
    assert_eq!((ancestor.stats, ancestor.files.is_some()), (meta(1).stats, false));
    assert_eq!(count(&ledger, "objects"), 3);
    commit(&mut ledger, &view(end.plus(ENDED_MS), [newer]), BucketTransition::default());
    assert!(found(&ledger).is_empty());
    assert_eq!(["blocks", "metas", "source_lists", "objects"].map(|table| count(&ledger, table)), [1, 1, 1, 3]);
}

pub(super) fn count(ledger: &Ledger, table: &str) -> i64 {
    ledger.connection.query_row(&format!("SELECT count(*) FROM {table}"), (), |row| row.get(0)).unwrap()
}

#[test]
fn a_block_that_comes_back_starts_anew() {
    let mut ledger = Ledger::in_memory().unwrap();
    commit(&mut ledger, &view(T0, [block(1), block(2)]), BucketTransition::default());
    let ended = BucketTransition { ended: vec![(ulid(1), EndReason::Vanished)], ..BucketTransition::default() };
    let rest = changed(block(2), |block| block.change = BlockChange::Unchanged);
    commit(&mut ledger, &view(T0.plus(1), [rest.clone()]), ended);
    let mut again = block(1);
    again.objects[0] = object("chunks/000001", 77);
    commit(&mut ledger, &view(T0.plus(2), [again.clone(), rest]), BucketTransition::default());
    let Loaded { known, past } = load(&ledger, T0);
    assert_eq!(known.blocks[&ulid(1)].baseline, again.objects);
    assert_eq!((past.blocks[&ulid(1)].first_seen, past.blocks[&ulid(1)].end), (T0, None));
}

#[test]
fn an_incomplete_listing_says_nothing_about_blocks() {
    let mut ledger = Ledger::in_memory().unwrap();
    commit(&mut ledger, &view(T0, [block(1)]), BucketTransition::default());
    let mut failed = view(T0.plus(1), [block(2)]);
    failed.listing = Listing::Unknown { why: "timed out".to_owned() };
    commit(&mut ledger, &failed, BucketTransition::default());
    let Loaded { known, past } = load(&ledger, T0);
    assert_eq!((known.blocks.len(), past.last_scan), (1, Some(T0)));
}

pub(super) fn finding(bucket: &str, block: Option<u64>, message: &str) -> Finding {
    let subject = Subject {
        stream: Some(meta(1).labels),
        resolution: Some(Resolution::FiveMinutes),
        block: block.map(ulid),
        object: Some("a/b".to_owned()),
        start: Some(T0),
        ..Subject::bucket(bucket.into())
    };
    Finding {
        check: "missing_object",
        subject,
        severity: Severity::Critical,
        interval: Some(meta(1).interval),
        message: message.to_owned(),
        remedy: "restore it".to_owned(),
        deadline: Some(T0.plus(DAY_MS)),
        evidence: BTreeMap::from([("missing", serde_json::json!(["index", 1, null]))]),
    }
}

#[test]
fn findings_open_change_and_end_and_follow_their_bucket_to_a_new_name() {
    let mut ledger = Ledger::in_memory().unwrap();
    let change = |ledger: &mut Ledger, view: &BucketView, findings: Vec<FindingChange>| {
        let transition = Transition { at: view.observed_at, findings, ..Transition::default() };
        ledger.commit(&[(KEY, view)], &transition)
    };
    let (first, second) = (finding("thanos", Some(1), "gone"), finding("thanos", None, "gone"));
    let opened = [&first, &second].map(|finding| FindingChange::Opened(finding.clone()));
    change(&mut ledger, &view(T0, [block(1)]), opened.into()).unwrap();
    let open = load(&ledger, T0).past.findings;
    let stored = &open[&first.fingerprint()];
    assert!(stored.says_the_same(&first) && stored.subject == first.subject && stored.check == first.check);
    assert_eq!((open.len(), stored.since, stored.last_judged), (2, T0, T0));

    let updated = finding("thanos", Some(1), "still gone");
    let later = view(T0.plus(1), []);
    change(&mut ledger, &later, vec![FindingChange::Updated(updated.clone())]).unwrap();
    let stored = &load(&ledger, T0).past.findings[&first.fingerprint()];
    assert!(stored.says_the_same(&updated));
    assert_eq!((stored.since, stored.last_judged), (T0, T0.plus(1)));

    // the bucket is called otherwise now
    let mut renamed = view(T0.plus(2), []);
    renamed.bucket = "archive".into();
    let moved = finding("archive", Some(1), "still gone");
    let open = ledger.load(KEY, &"archive".into(), T0, &mut Interner::default()).unwrap().unwrap().past.findings;
    assert!(open.contains_key(&moved.fingerprint()) && open.len() == 2);
    let ended =
        FindingChange::Ended { bucket: "archive".into(), fingerprint: moved.fingerprint(), end: FindingEnd::Resolved };
    change(&mut ledger, &renamed, vec![ended]).unwrap();
    let open = ledger.load(KEY, &"archive".into(), T0, &mut Interner::default()).unwrap().unwrap().past.findings;
    assert!(open.keys().eq([&finding("archive", None, "").fingerprint()]));
    let record = BucketRecord {
        key: KEY.to_owned(),
        name: "archive".to_owned(),
        scans: Some((T0, T0.plus(2))),
        open_findings: 1,
    };
    assert_eq!(ledger.buckets().unwrap(), [record]);

    // what is no longer watched ends without a view of its bucket
    let unwatched = FindingChange::Ended {
        bucket: "archive".into(),
        fingerprint: finding("archive", None, "").fingerprint(),
        end: FindingEnd::Unwatched,
    };
    let mut nobody = Transition { at: T0.plus(3), findings: vec![unwatched], ..Transition::default() };
    ledger.commit(&[], &nobody).unwrap();
    assert_eq!(ledger.buckets().unwrap()[0].open_findings, 0);
    assert_eq!(count(&ledger, "findings WHERE end IN ('resolved', 'unwatched')"), 2);

    nobody.findings = vec![FindingChange::Opened(finding("never seen", None, ""))];
    let error = ledger.commit(&[], &nobody).unwrap_err();
    assert_eq!(error.to_string(), "the ledger `:memory:` has no bucket `never seen` to keep a change of");
}

#[test]
fn buckets_with_one_name_are_apart() {
    let mut ledger = Ledger::in_memory().unwrap();
    commit(&mut ledger, &view(T0, [block(1)]), BucketTransition::default());
    ledger.commit(&[("other", &view(T0.plus(1), [block(2)]))], &Transition::default()).unwrap();
    assert!(load(&ledger, T0).known.blocks.keys().eq([&ulid(1)]));
    assert_eq!(ledger.newest_scan("other").unwrap(), Some(T0.plus(1)));
}

#[test]
fn unchanged_rows_are_not_touched() {
    let mut ledger = Ledger::in_memory().unwrap();
    let mut seen = view(T0, (0..500).map(block));
    commit(&mut ledger, &seen, BucketTransition::default());
    for block in seen.blocks.values_mut() {
        block.change = BlockChange::Unchanged;
    }
    seen.observed_at = T0.plus(1);
    let before: i64 = total_changes(&ledger);
    commit(&mut ledger, &seen, BucketTransition::default());
    assert_eq!(total_changes(&ledger) - before, 2);
}

fn total_changes(ledger: &Ledger) -> i64 {
    ledger.connection.query_row("SELECT total_changes()", (), |row| row.get(0)).unwrap()
}
