//! Snapshots made up for the tests of what is shown.

use std::sync::Arc;

use serde_json::json;
use ulid::Ulid;

use crate::model::{
    BlockSpan, BucketSummary, Finding, HOUR_MS, Interval, Labels, RequestCounts, Resolution, Severity, Snapshot,
    StreamSummary, Subject, Timeline, TimestampMs,
};

/// 2026-01-02T03:04:00Z
pub(super) const AT: TimestampMs = TimestampMs(1_767_323_040_000);

/// So many hours after 2026-01-01T00:00:00Z.
pub(super) fn hour(hours: i64) -> TimestampMs {
    TimestampMs(1_767_225_600_000).plus(hours * HOUR_MS)
}

pub(super) fn hours(start: i64, end: i64) -> Interval {
    Interval::new(hour(start), hour(end))
}

/// A block that was cut or compacted when its data ended.
pub(super) fn block(level: u32, start: i64, end: i64) -> BlockSpan {
    let time = u64::try_from(hour(end).0).unwrap();
    BlockSpan {
        ulid: Ulid::from_parts(time, u128::from(level)),
        interval: hours(start, end),
        level,
        deletion_marked: false,
        no_compact: false,
        superseded: false,
        samples: Some(1_000),
        bytes: 25 << 20,
    }
}

pub(super) fn timeline(resolution: Resolution, blocks: Vec<BlockSpan>, holes: Vec<Interval>) -> Timeline {
    let coverage = blocks.iter().map(|block| block.interval).collect();
    Timeline { resolution, coverage, holes, blocks }
}

/// Two replicas of one cluster. The second has a hole, compacted blocks that are marked, one block that is not to be
/// compacted, and downsampled data.
pub(super) fn healthy_and_holey() -> Vec<StreamSummary> {
    let replica = |name: &str| Arc::new(Labels::from([("cluster", "eu1"), ("replica", name)]));
    let healthy = (-24..26).step_by(2).map(|start| block(1, start, start + 2)).collect();
    let mut sources: Vec<_> = (-24..-16).step_by(2).map(|start| block(1, start, start + 2)).collect();
    for source in &mut sources {
        (source.superseded, source.deletion_marked) = (true, true);
    }
    let mut holey = sources;
    holey.extend([-24, -16, -8].map(|start| block(2, start, start + 8)));
    holey.extend([0, 2, 4, 10, 12, 14, 16, 18, 20, 22, 24].map(|start| block(1, start, start + 2)));
    holey.iter_mut().filter(|block| block.interval.start == hour(12)).for_each(|block| block.no_compact = true);
    vec![
        StreamSummary {
            labels: replica("a"),
            derived: false,
            newest: Some(hour(26)),
            lag_ms: Some(AT.since(hour(26))),
            timelines: vec![timeline(Resolution::Raw, healthy, vec![])],
        },
        StreamSummary {
            labels: replica("b"),
            derived: false,
            newest: Some(hour(26)),
            lag_ms: Some(AT.since(hour(26))),
            timelines: vec![
                timeline(Resolution::Raw, holey, vec![hours(6, 10)]),
                timeline(Resolution::FiveMinutes, vec![block(3, -24, 0)], vec![]),
            ],
        },
    ]
}

pub(super) fn snapshot(streams: Vec<StreamSummary>, findings: Vec<Finding>) -> Snapshot {
    let spans = || streams.iter().flat_map(|stream| &stream.timelines).flat_map(|timeline| &timeline.blocks);
    let blocks = u64::try_from(spans().count()).unwrap();
    let bucket = BucketSummary {
        bucket: "thanos".into(),
        observed_at: AT,
        unreachable: None,
        listed: true,
        blocks,
        objects: blocks * 3,
        bytes: spans().map(|span| span.bytes).sum(),
        requests: RequestCounts { list: 1, get: blocks, head: 0 },
        streams,
    };
    Snapshot { at: AT, findings, buckets: vec![bucket], ..Snapshot::default() }
}

/// A critical finding with everything in it, two warnings that share a check, one note about a hostile key.
pub(super) fn findings() -> Vec<Finding> {
    let bucket: Arc<str> = "thanos".into();
    let stream = Arc::new(Labels::from([("cluster", "eu1"), ("replica", "b")]));
    let gap =
        Subject { start: Some(hour(6)), ..Subject::stream(Arc::clone(&bucket), Arc::clone(&stream), Resolution::Raw) };
    let one = block(1, 2, 4).ulid;
    let overdue = |ulid: Ulid| Finding {
        check: "deletion_overdue",
        subject: Subject {
            block: Some(ulid),
            ..Subject::stream(Arc::clone(&bucket), Arc::clone(&stream), Resolution::Raw)
        },
        severity: Severity::Warning,
        interval: Some(hours(2, 4)),
        message: format!("block {ulid} has been marked for deletion for 96h and is still there"),
        remedy: "look at the compactor's log: it deletes what is marked".to_owned(),
        deadline: None,
        evidence: [("marked_hours", json!(96))].into(),
    };
    vec![
        Finding {
            check: "coverage_gap",
            subject: gap,
            severity: Severity::Critical,
            interval: Some(hours(6, 10)),
            message: "no block of {cluster=\"eu1\", replica=\"b\"} holds 2026-01-01 06:00 to 10:00 UTC (4h), and no \
                      other replica does: queries over that time will find nothing"
                .to_owned(),
            remedy: "find the blocks in the data directory of the Prometheus with these external labels and upload \
                     them with `thanos tools bucket upload-blocks` before its local retention deletes them"
                .to_owned(),
            deadline: Some(hour(32)),
            evidence: [("gap_seconds", json!(14_400)), ("before", json!(one.to_string()))].into(),
        },
        overdue(one),
        overdue(block(1, 4, 6).ulid),
        Finding {
            check: "meta_invalid",
            subject: Subject {
                block: Some(one),
                object: Some(format!("{one}/chunks/\u{1b}[31mevil\n000001")),
                ..Subject::bucket(bucket)
            },
            severity: Severity::Info,
            interval: None,
            message: "a key holds \u{1b}]0;title\u{7} and \u{202e}reversed".to_owned(),
            remedy: "ask who wrote it".to_owned(),
            deadline: Some(hour(20)),
            evidence: [].into(),
        },
    ]
}

/// Compares `text` with the committed file `tests/fixtures/cli/<name>.snap`.
#[track_caller]
pub(super) fn compare(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../tests/fixtures/cli");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}
