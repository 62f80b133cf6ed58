//! A service in the middle of its work, for tests: a bucket with a gap, one that cannot be reached any more, one that
//! was never judged.

mod alerting;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use ulid::Ulid;

use super::{Hooks, Site, Traffic, metrics};
use crate::model::{
    BlockChange, BlockMeta, BlockSource, BlockSpan, BlockView, BucketScrub, BucketStatus, BucketSummary, BucketView,
    DeletionMark, Durations, Evidence, Finding, ForeignKeys, HOUR_MS, Interval, Labels, LedgerStatus, Listing,
    MarkState, Marks, MetaState, MetricsSettings, ObjectView, Outlook, Provider, Published, ReloadStatus,
    RequestCounts, Resolution, ScanCounts, ScrubStatus, ServiceStatus, Severity, Snapshot, Stats, StreamSummary,
    Subject, Timeline, TimestampMs,
};

/// 2026-01-02T00:00:00Z
pub(super) const NOW: TimestampMs = TimestampMs(1_767_312_000_000);

pub(super) fn hours_ago(hours: i64) -> TimestampMs {
    NOW.minus(hours * HOUR_MS)
}

pub(super) fn labels(replica: &str) -> Arc<Labels> {
    Arc::new(Labels::from([("cluster", "eu1"), ("replica", replica)]))
}

/// The block that began so many hours ago. Streams differ in the lower bits.
pub(super) fn ulid(start: i64, stream: u128) -> Ulid {
    let time = u64::try_from(hours_ago(start - 3).0).unwrap();
    Ulid::from_parts(time, stream)
}

fn span(start: i64, stream: u128) -> BlockSpan {
    BlockSpan {
        ulid: ulid(start, stream),
        interval: Interval::new(hours_ago(start), hours_ago(start - 2)),
        level: 1,
        deletion_marked: start == 40,
        no_compact: false,
        superseded: start == 40,
        samples: Some(1_000),
        bytes: 1_500,
    }
}

fn timeline(resolution: Resolution, blocks: Vec<BlockSpan>, holes: Vec<Interval>) -> Timeline {
    let coverage = blocks.iter().map(|block| block.interval).collect();
    Timeline { resolution, coverage, holes, blocks }
}

fn stream(labels: Arc<Labels>, newest: i64, timelines: Vec<Timeline>) -> StreamSummary {
    StreamSummary { labels, derived: false, newest: Some(hours_ago(newest)), lag_ms: Some(newest * HOUR_MS), timelines }
}

fn view_of(span: &BlockSpan, labels: &Arc<Labels>, resolution: Resolution) -> BlockView {
    let object =
        |name: &str, size| ObjectView { name: name.into(), size, last_modified: NOW, etag: None, storage_class: None };
    let meta = BlockMeta {
        ulid: Some(span.ulid),
        interval: span.interval,
        stats: Stats { samples: span.samples, series: Some(10), ..Stats::default() },
        level: span.level,
        sources: Arc::from([span.ulid]),
        parents: Box::default(),
        hinted: false,
        failed: false,
        labels: Arc::clone(labels),
        resolution,
        source: BlockSource::Sidecar,
        files: None,
        segments: None,
        rewrite_sources: Box::default(),
        upload_time: None,
    };
    let mark = DeletionMark { time: hours_ago(1), details: "source of compacted block".to_owned() };
    BlockView {
        ulid: span.ulid,
        objects: [object("chunks/000001", 1_000), object("index", 400), object("meta.json", 100)].into(),
        meta: MetaState::Read { meta: Some(Arc::new(meta)), problems: Box::default() },
        marks: Marks { deletion: span.deletion_marked.then_some(MarkState::Read(mark)), ..Marks::default() },
        mutations: Box::default(),
        change: BlockChange::Unchanged,
    }
}

fn finding(check: &'static str, severity: Severity, subject: Subject) -> Finding {
    Finding {
        check,
        subject,
        severity,
        interval: None,
        message: "something is wrong".to_owned(),
        remedy: "mend it".to_owned(),
        deadline: None,
        evidence: Evidence::from([("count", 1.into())]),
    }
}

fn status(bucket: &str) -> BucketStatus {
    let mut durations = Durations::default();
    durations.add(250);
    durations.add(2_000);
    BucketStatus {
        bucket: bucket.into(),
        provider: Provider::S3,
        interval_ms: 300_000,
        watched_since: TimestampMs(0),
        last_end: None,
        scanning_since: None,
        last_scan: Some(NOW),
        last_complete: Some(NOW),
        next_scan: Some(NOW.plus(300_000)),
        last_duration_ms: Some(2_000),
        durations,
        scans: ScanCounts { complete: 2, partial: 0, failed: 0 },
        requests: RequestCounts { list: 2, get: 40, head: 0 },
        unread: 0,
        unreachable: None,
    }
}

fn summary(bucket: &str, streams: Vec<StreamSummary>) -> BucketSummary {
    let spans = || streams.iter().flat_map(|stream| &stream.timelines).flat_map(|timeline| &timeline.blocks);
    let blocks = u64::try_from(spans().count()).unwrap();
    BucketSummary {
        bucket: bucket.into(),
        observed_at: NOW,
        unreachable: None,
        listed: true,
        blocks,
        objects: blocks * 3,
        bytes: spans().map(|span| span.bytes).sum(),
        requests: RequestCounts { list: 1, get: blocks, head: 0 },
        streams,
    }
}

/// The newest view of a bucket with these streams.
fn view(summary: &BucketSummary) -> BucketView {
    let streams = summary.streams.iter();
    let timelines = streams.flat_map(|stream| stream.timelines.iter().map(|timeline| (&stream.labels, timeline)));
    let blocks = timelines.flat_map(|(labels, timeline)| {
        timeline.blocks.iter().map(|span| (span.ulid, view_of(span, labels, timeline.resolution)))
    });
    BucketView {
        bucket: Arc::clone(&summary.bucket),
        provider: Provider::S3,
        observed_at: NOW,
        listing: Listing::Complete { objects: summary.objects, bytes: summary.bytes },
        blocks: blocks.collect(),
        foreign: ForeignKeys::default(),
        confirmed_gone: Vec::new(),
        unconfirmed_gone: Vec::new(),
        unknown: Vec::new(),
        date_skew_ms: None,
        requests: summary.requests,
    }
}

/// `thanos` has two replicas, the second with a hole; `archive` could be listed before and cannot now; `new` had no
/// pass yet.
pub(super) fn published() -> Published {
    let hole = Interval::new(hours_ago(20), hours_ago(16));
    let starts = || (2..=20).rev().map(|idx| idx * 2);
    let a = starts().map(|start| span(start, 1)).collect();
    let b = starts().filter(|start| ![18, 20].contains(start)).map(|start| span(start, 2)).collect();
    let coarse = vec![span(40, 3)];
    let streams = vec![
        stream(labels("a"), 2, vec![timeline(Resolution::Raw, a, vec![])]),
        stream(
            labels("b"),
            2,
            vec![timeline(Resolution::Raw, b, vec![hole]), timeline(Resolution::FiveMinutes, coarse, vec![])],
        ),
    ];
    let thanos = summary("thanos", streams);
    let mut archive = summary(
        "archive",
        vec![StreamSummary {
            derived: true,
            lag_ms: None,
            ..stream(labels("a"), 30, vec![timeline(Resolution::Raw, vec![span(32, 4)], vec![])])
        }],
    );
    archive.unreachable = Some("connection refused".to_owned());

    let name: Arc<str> = "thanos".into();
    let of_b = || Subject::stream(Arc::clone(&name), labels("b"), Resolution::Raw);
    let mut findings = vec![
        finding("bucket_unreachable", Severity::Critical, Subject::bucket("archive".into())),
        Finding {
            interval: Some(hole),
            deadline: Some(NOW.plus(10 * HOUR_MS)),
            ..finding("coverage_gap", Severity::Critical, Subject { start: Some(hole.start), ..of_b() })
        },
        Finding {
            interval: Some(span(40, 1).interval),
            ..finding(
                "deletion_overdue",
                Severity::Warning,
                Subject {
                    block: Some(ulid(40, 1)),
                    ..Subject::stream(Arc::clone(&name), labels("a"), Resolution::Raw)
                },
            )
        },
        finding("clock_skew", Severity::Warning, of_b()),
    ];
    findings.sort_by_cached_key(Finding::key);

    let reached = status("thanos");
    let lost = BucketStatus {
        last_complete: Some(hours_ago(1)),
        scans: ScanCounts { complete: 1, partial: 1, failed: 3 },
        unread: 2,
        unreachable: archive.unreachable.clone(),
        ..status("archive")
    };
    let untouched = BucketStatus {
        scanning_since: Some(NOW),
        last_scan: None,
        last_complete: None,
        next_scan: None,
        last_duration_ms: None,
        durations: Durations::default(),
        scans: ScanCounts::default(),
        requests: RequestCounts::default(),
        ..status("new")
    };
    let views = [&thanos, &archive].map(|summary| (Arc::clone(&summary.bucket), Arc::new(view(summary))));
    Published {
        number: 7,
        views: Arc::new(BTreeMap::from(views)),
        snapshot: Arc::new(Snapshot { at: NOW, findings, buckets: vec![archive, thanos], ..Snapshot::default() }),
        service: ServiceStatus {
            started: hours_ago(5),
            ready: false,
            buckets: vec![lost, untouched, reached],
            ledger: LedgerStatus { path: Some("state.db".to_owned()), failure: None, commits: (5, 1), bytes: 65_536 },
            reloads: ReloadStatus {
                refused: Some("config.yaml:3:1: unknown key".to_owned()),
                last_success: hours_ago(5),
                counts: (1, 1),
            },
            judgements: Durations { counts: [3, 0, 0, 0, 0, 0, 0, 0, 0, 0], count: 3, sum_ms: 120 },
            last_judgement: Some(NOW),
            scrub: ScrubStatus {
                enabled: true,
                interval_ms: 30 * 24 * HOUR_MS,
                rate: 12_345,
                buckets: vec![BucketScrub {
                    bucket: "thanos".into(),
                    bytes: 9_000,
                    blocks: [6, 1, 2, 0, 1],
                    under_way: 1,
                    outlook: Some(Outlook {
                        blocks: 36,
                        bytes: 50_000,
                        oldest: Some(hours_ago(200)),
                        backlog_blocks: 4,
                        backlog_bytes: 6_000,
                        remaining_ms: 7_200_000,
                        needed_rate: 3,
                        worst: None,
                    }),
                }],
            },
            receivers: Arc::new(alerting::receivers()),
        },
        alerting: Arc::new(alerting::status()),
        metrics: Arc::new(MetricsSettings {
            stream_labels: vec!["cluster".to_owned(), "replica".to_owned()],
            ..MetricsSettings::default()
        }),
    }
}

/// A single bucket with many streams, each with blocks at all resolutions.
pub(super) fn wide(streams: usize, blocks: i64) -> Published {
    let stream = |idx: usize| {
        let labels = Labels::from([
            ("cluster".to_owned(), format!("production-eu-west-{idx}")),
            ("prometheus".to_owned(), "monitoring/k8s".to_owned()),
            ("replica".to_owned(), format!("prometheus-k8s-{}", idx % 2)),
        ]);
        let low = u128::try_from(idx).unwrap() * 4;
        let timelines = Resolution::ALL.into_iter().zip(0..).map(|(resolution, step)| {
            let blocks = (1..=blocks).rev().map(|count| span(2 + count * 2, low + step)).collect();
            timeline(resolution, blocks, vec![Interval::new(hours_ago(9), hours_ago(7))])
        });
        stream(Arc::new(labels), 2, timelines.collect())
    };
    let mut streams: Vec<StreamSummary> = (0..streams).map(stream).collect();
    streams.sort_by(|a, b| a.labels.cmp(&b.labels));
    let wide = summary("thanos", streams);
    let mut published = published();
    published.views = Arc::new(BTreeMap::from([(Arc::clone(&wide.bucket), Arc::new(view(&wide)))]));
    published.snapshot = Arc::new(Snapshot { at: NOW, buckets: vec![wide], ..Snapshot::default() });
    published.service.buckets.retain(|status| &*status.bucket == "thanos");
    published
}

/// What handlers are given, and the sender that publishes anew.
pub(super) fn site(published: Published) -> (watch::Sender<Arc<Published>>, Site) {
    let (sender, receiver) = watch::channel(Arc::new(published));
    let (exposition, renderer) = metrics::exposition(receiver.clone());
    tokio::spawn(renderer.run());
    let hooks = Hooks {
        reload: mpsc::channel(1).0,
        actions: mpsc::channel(1).0,
        health: Arc::new(|| Ok(())),
        alive: Arc::new(|| ()),
    };
    let site = Site {
        published: receiver,
        exposition,
        traffic: Arc::new(Traffic::default()),
        hooks,
        lifecycle: false,
        listen_host: "".into(),
    };
    (sender, site)
}
