//! What goes in comes out: commits, what is loaded after them, earlier moments, and files that are no sound ledger.

use std::collections::BTreeMap;
use std::sync::Arc;

use ulid::Ulid;

use super::*;
use crate::model::{
    BlockChange, BlockMeta, BlockView, BucketTransition, BucketView, DAY_MS, DeletionMark, EndReason, Finding,
    FindingChange, FindingEnd, ForeignKeys, HOUR_MS, Interval, Labels, Lineage, Listing, MarkState, Marks, MetaProblem,
    MetaProblemKind, MetaState, Mutation, NoCompactMark, ObjectView, PastBlock, Provider, RequestCounts, Resolution,
    RetentionSeen, Severity, StreamPast, Subject, Transition,
};
use crate::tsdb;

pub(super) const KEY: &str = "S3\u{1f}minio:9000\u{1f}\u{1f}thanos\u{1f}";
pub(super) const T0: TimestampMs = TimestampMs(1_700_000_000_000);

/// What `tsdb` makes of stored bytes.
pub(super) fn parse(ulid: Ulid, bytes: &[u8], interner: &mut Interner) -> MetaState {
    tsdb::parse_meta(bytes, ulid, interner).into()
}

pub(super) fn ulid(number: u64) -> Ulid {
    Ulid::from_parts(T0.0.unsigned_abs() + number, u128::from(number))
}

pub(super) fn meta_json(number: u64, sources: &[u64]) -> String {
    let sources: Vec<String> = sources.iter().map(|number| format!("\"{}\"", ulid(*number))).collect();
    format!(
        r#"{{
  "ulid": "{}", "minTime": {}, "maxTime": {}, "version": 1,
  "stats": {{ "numSamples": 1000, "numSeries": 10, "numChunks": 20 }},
  "compaction": {{ "level": 1, "sources": [{}] }},
  "thanos": {{
    "labels": {{ "cluster": "eu 1", "replica": "a" }}, "downsample": {{ "resolution": 0 }}, "source": "sidecar",
    "segment_files": ["000001"],
    "files": [{{ "rel_path": "chunks/000001", "size_bytes": 100 }}, {{ "rel_path": "index", "size_bytes": 200 }}, {{ "rel_path": "meta.json" }}]
  }}
}}"#,
        ulid(number),
        T0.0 + i64::try_from(number).unwrap() * 2 * HOUR_MS,
        T0.0 + i64::try_from(number + 1).unwrap() * 2 * HOUR_MS,
        sources.join(", ")
    )
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
    block_with_meta(number, &meta_json(number, &[number]))
}

pub(super) fn block_with_meta(number: u64, json: &str) -> BlockView {
    let mut class = object("index", 200);
    class.storage_class = Some("STANDARD_IA".into());
    BlockView {
        ulid: ulid(number),
        objects: [object("chunks/000001", 100), class, object("meta.json", 300)].into(),
        meta: parse(ulid(number), json.as_bytes(), &mut Interner::default()),
        meta_bytes: Some(json.as_bytes().into()),
        marks: Marks::default(),
        mutations: Box::default(),
        change: BlockChange::New,
    }
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
    Transition { at, buckets: BTreeMap::from([("thanos".into(), changes)]), findings: Vec::new() }
}

pub(super) fn load(ledger: &Ledger, now: TimestampMs) -> Loaded {
    ledger.load(KEY, &"thanos".into(), now, &mut Interner::default(), &parse).unwrap().unwrap_or_default()
}

#[test]
fn a_block_comes_back_as_it_was_seen() {
    let mut ledger = Ledger::in_memory().unwrap();
    assert!(ledger.load(KEY, &"thanos".into(), T0, &mut Interner::default(), &parse).unwrap().is_none());
    assert_eq!(ledger.newest_scan(KEY).unwrap(), None);
    let lineage = Lineage { source_samples: Some(7), settled: true, ..Lineage::default() };
    let changes = BucketTransition {
        completed: vec![ulid(1)],
        lineage: vec![(ulid(1), lineage.clone())],
        streams: vec![(
            Arc::new(Labels::from([("cluster", "eu 1")])),
            StreamPast { first_seen: T0, newest_max_time: T0.plus(5) },
        )],
        retention: vec![RetentionSeen { since: T0, resolution: Resolution::FiveMinutes, retention_ms: Some(0) }],
        ..BucketTransition::default()
    };
    let seen = view(T0, [block(1), block(2)]);
    // the second commit of the same finds everything there
    for _ in 0..2 {
        ledger.commit(&[(KEY, &seen)], &transition(T0, changes.clone())).unwrap();
        let Loaded { known, past } = load(&ledger, T0);
        assert_eq!((past.first_scan, past.last_scan), (Some(T0), Some(T0)));
        assert_eq!(past.streams.into_iter().collect::<Vec<_>>(), changes.streams);
        assert_eq!(past.retention, changes.retention);
        assert_eq!(known.blocks.keys().copied().collect::<Vec<_>>(), [ulid(1), ulid(2)]);
        for (ulid, block) in &known.blocks {
            let seen = &seen.blocks[ulid];
            assert_eq!(block.baseline, seen.objects);
            assert_eq!(block.meta, seen.meta);
            assert!(block.current.is_none() && block.first_meta.is_none() && block.complete);
            assert_eq!(past.blocks[ulid].meta.as_ref(), seen.meta.meta());
        }
        assert_eq!((past.blocks[&ulid(1)].complete, &past.blocks[&ulid(1)].lineage), (true, &lineage));
        assert_eq!((past.blocks[&ulid(2)].complete, past.blocks[&ulid(2)].lineage.settled), (false, false));
    }
    assert_eq!(ledger.newest_scan(KEY).unwrap(), Some(T0));
}
