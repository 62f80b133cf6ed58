//! How the watching goes: passes, judgements, ledger, configuration.

use super::families::{Families, flag, number_of, seconds_of};
use crate::model::{BucketScrub, BucketStatus, Metric, MetricLabel, Published, ServiceStatus, Verdict};

/// The series of the service itself.
pub(super) fn collect(published: &Published) -> Families {
    let mut families = Families::new(published.metrics.clone());
    let service = &published.service;
    for bucket in &service.buckets {
        of_bucket(&mut families, bucket);
    }
    families.observe(Metric::JudgementDuration, &[], &service.judgements);
    if let Some(time) = service.last_judgement {
        families.set(Metric::JudgementLastTimestamp, &[], seconds_of(time.0));
    }

    of_scrub(&mut families, service);

    let ledger = &service.ledger;
    families.set(Metric::LedgerUp, &[], flag(ledger.failure.is_none()));
    families.set(Metric::LedgerPersistent, &[], flag(ledger.path.is_some()));
    families.set(Metric::LedgerSize, &[], number_of(ledger.bytes));
    let (succeeded, failed) = ledger.commits;
    families.set(Metric::LedgerCommits, &[(MetricLabel::Result, "success")], number_of(succeeded));
    families.set(Metric::LedgerCommits, &[(MetricLabel::Result, "failure")], number_of(failed));

    let reloads = &service.reloads;
    families.set(Metric::ConfigLastReloadSuccessful, &[], flag(reloads.refused.is_none()));
    families.set(Metric::ConfigLastReloadSuccessTimestamp, &[], seconds_of(reloads.last_success.0));
    let (succeeded, refused) = reloads.counts;
    families.set(Metric::ConfigReloads, &[(MetricLabel::Result, "success")], number_of(succeeded));
    families.set(Metric::ConfigReloads, &[(MetricLabel::Result, "refused")], number_of(refused));

    families.set(Metric::BuildInfo, &[(MetricLabel::Version, env!("CARGO_PKG_VERSION"))], 1.0);
    families
}

/// How blocks are verified.
fn of_scrub(families: &mut Families, service: &ServiceStatus) {
    let scrub = &service.scrub;
    families.set(Metric::ScrubRate, &[], number_of(scrub.rate));
    if scrub.enabled {
        families.set(Metric::ScrubInterval, &[], seconds_of(scrub.interval_ms));
    }
    let nothing = BucketScrub::default();
    for status in &service.buckets {
        let name = &*status.bucket;
        let bucket = scrub.buckets.iter().find(|bucket| *bucket.bucket == *name).unwrap_or(&nothing);
        let labels = [(MetricLabel::Bucket, name)];
        families.set(Metric::VerifiedBytes, &labels, number_of(bucket.bytes));
        for (verdict, count) in Verdict::ALL.into_iter().zip(bucket.blocks) {
            let labels = [(MetricLabel::Bucket, name), (MetricLabel::Verdict, verdict.name())];
            families.set(Metric::VerifiedBlocks, &labels, number_of(count));
        }
        families.set(Metric::ScrubBlocksUnderWay, &labels, number_of(bucket.under_way));
        let Some(outlook) = &bucket.outlook else { continue };
        for (metric, count) in [
            (Metric::ScrubBlocks, outlook.blocks),
            (Metric::ScrubBacklogBlocks, outlook.backlog_blocks),
            (Metric::ScrubBacklog, outlook.backlog_bytes),
            (Metric::ScrubNeeded, outlook.needed_rate),
        ] {
            families.set(metric, &labels, number_of(count));
        }
        families.set(Metric::ScrubRoundRemaining, &labels, seconds_of(outlook.remaining_ms));
        if let Some(oldest) = outlook.oldest {
            families.set(Metric::OldestUnverifiedTimestamp, &labels, seconds_of(oldest.0));
        }
    }
}

fn of_bucket(families: &mut Families, status: &BucketStatus) {
    let bucket = (MetricLabel::Bucket, &*status.bucket);
    if let Some(time) = status.last_scan {
        families.set(Metric::ScanLastTimestamp, &[bucket], seconds_of(time.0));
        families.set(Metric::BucketUp, &[bucket], flag(status.unreachable.is_none()));
        families.set(Metric::UnreadObjects, &[bucket], number_of(status.unread));
    }
    if let Some(time) = status.last_complete {
        families.set(Metric::ScanLastSuccessTimestamp, &[bucket], seconds_of(time.0));
    }
    families.set(Metric::ScanInterval, &[bucket], seconds_of(status.interval_ms));
    families.observe(Metric::ScanDuration, &[bucket], &status.durations);
    let scans = &status.scans;
    for (result, count) in [("complete", scans.complete), ("partial", scans.partial), ("failed", scans.failed)] {
        families.set(Metric::Scans, &[bucket, (MetricLabel::Result, result)], number_of(count));
    }
    let requests = &status.requests;
    for (operation, count) in [("list", requests.list), ("get", requests.get), ("head", requests.head)] {
        families.set(Metric::Requests, &[bucket, (MetricLabel::Operation, operation)], number_of(count));
    }
}
