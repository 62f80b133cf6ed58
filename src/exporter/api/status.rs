//! `/api/v1/status`: how the watching goes.

use std::collections::BTreeMap;

use serde::Serialize;

use super::page::{judged_at, to_json};
use super::problem::Problem;
use super::query::Query;
use super::{Endpoint, Prepared};
use crate::model::{
    BucketScrub, BucketStatus, BucketSummary, FindingCounts, Published, RequestCounts, TimestampMs, Verdict,
};

pub(super) static ENDPOINT: Endpoint = Endpoint { path: "/api/v1/status", parameters: &[], prepare };

#[derive(Serialize)]
struct Status<'a> {
    version: u32,
    program_version: &'static str,
    at: Option<TimestampMs>,
    started: TimestampMs,
    ready: bool,
    findings: FindingCounts,
    buckets: Vec<Bucket<'a>>,
    ledger: Ledger<'a>,
    configuration: Configuration<'a>,
    scrub: Scrub,
}

/// How blocks are verified, in all buckets.
#[derive(Serialize)]
struct Scrub {
    enabled: bool,
    interval_ms: i64,
    bytes_per_second: u64,
}

#[derive(Serialize)]
struct Bucket<'a> {
    bucket: &'a str,
    provider: &'static str,
    interval_ms: i64,
    scanning_since: Option<TimestampMs>,
    last_scan: Option<TimestampMs>,
    last_complete_scan: Option<TimestampMs>,
    next_scan: Option<TimestampMs>,
    last_duration_ms: Option<u64>,
    scans: Scans,
    requests: RequestCounts,
    unread_objects: u64,
    unreachable: Option<&'a str>,
    listed: Option<Listed>,
    verification: Option<Verification>,
}

/// How the blocks of a bucket are verified.
#[derive(Serialize)]
struct Verification {
    verified_bytes: u64,
    verified_blocks: BTreeMap<&'static str, u64>,
    blocks_under_way: u64,
    outlook: Option<Outlook>,
}

/// What there is to do.
#[derive(Serialize)]
struct Outlook {
    blocks: u64,
    bytes: u64,
    oldest: Option<TimestampMs>,
    backlog_blocks: u64,
    backlog_bytes: u64,
    remaining_ms: i64,
    needed_bytes_per_second: u64,
}

#[derive(Serialize)]
struct Scans {
    complete: u64,
    partial: u64,
    failed: u64,
}

/// What the last complete listing held.
#[derive(Serialize)]
struct Listed {
    at: TimestampMs,
    streams: usize,
    blocks: u64,
    objects: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct Ledger<'a> {
    path: Option<&'a str>,
    failure: Option<&'a str>,
    commits: Outcomes,
    bytes: u64,
}

#[derive(Serialize)]
struct Configuration<'a> {
    last_success: TimestampMs,
    refused: Option<&'a str>,
    reloads: Outcomes,
}

#[derive(Serialize)]
struct Outcomes {
    succeeded: u64,
    failed: u64,
}

impl Outcomes {
    const fn of((succeeded, failed): (u64, u64)) -> Self {
        Self { succeeded, failed }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "what every endpoint gives")]
fn prepare(_: &Query) -> Result<Prepared, Problem> {
    Ok(Box::new(answer))
}

fn answer(published: &Published) -> Result<Vec<u8>, Problem> {
    let (service, snapshot) = (&published.service, &published.snapshot);
    let summary_of = |name: &str| snapshot.buckets.iter().find(|summary| *summary.bucket == *name);
    let scrub_of = |name: &str| service.scrub.buckets.iter().find(|scrub| *scrub.bucket == *name);
    let buckets =
        service.buckets.iter().map(|status| bucket_of(status, summary_of(&status.bucket), scrub_of(&status.bucket)));
    to_json(&Status {
        version: 1,
        program_version: env!("CARGO_PKG_VERSION"),
        at: judged_at(published),
        started: service.started,
        ready: service.ready,
        findings: FindingCounts::of(&snapshot.findings),
        buckets: buckets.collect(),
        ledger: Ledger {
            path: service.ledger.path.as_deref(),
            failure: service.ledger.failure.as_deref(),
            commits: Outcomes::of(service.ledger.commits),
            bytes: service.ledger.bytes,
        },
        configuration: Configuration {
            last_success: service.reloads.last_success,
            refused: service.reloads.refused.as_deref(),
            reloads: Outcomes::of(service.reloads.counts),
        },
        scrub: Scrub {
            enabled: service.scrub.enabled,
            interval_ms: service.scrub.interval_ms,
            bytes_per_second: service.scrub.rate,
        },
    })
}

fn bucket_of<'a>(status: &'a BucketStatus, summary: Option<&BucketSummary>, scrub: Option<&BucketScrub>) -> Bucket<'a> {
    Bucket {
        bucket: &status.bucket,
        provider: status.provider.name(),
        interval_ms: status.interval_ms,
        scanning_since: status.scanning_since,
        last_scan: status.last_scan,
        last_complete_scan: status.last_complete,
        next_scan: status.next_scan,
        last_duration_ms: status.last_duration_ms,
        scans: Scans { complete: status.scans.complete, partial: status.scans.partial, failed: status.scans.failed },
        requests: status.requests,
        unread_objects: status.unread,
        unreachable: status.unreachable.as_deref(),
        listed: summary.filter(|summary| summary.listed).map(|summary| Listed {
            at: summary.observed_at,
            streams: summary.streams.len(),
            blocks: summary.blocks,
            objects: summary.objects,
            bytes: summary.bytes,
        }),
        verification: scrub.map(verification_of),
    }
}

fn verification_of(scrub: &BucketScrub) -> Verification {
    Verification {
        verified_bytes: scrub.bytes,
        verified_blocks: Verdict::ALL.iter().map(|verdict| verdict.name()).zip(scrub.blocks).collect(),
        blocks_under_way: scrub.under_way,
        outlook: scrub.outlook.map(|outlook| Outlook {
            blocks: outlook.blocks,
            bytes: outlook.bytes,
            oldest: outlook.oldest,
            backlog_blocks: outlook.backlog_blocks,
            backlog_bytes: outlook.backlog_bytes,
            remaining_ms: outlook.remaining_ms,
            needed_bytes_per_second: outlook.needed_rate,
        }),
    }
}
