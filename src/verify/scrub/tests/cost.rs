//! What a schedule costs.

use super::super::cost::{Census, fit, load, total};
use super::*;
use crate::model::{Amount, ObjectView, Provider, RequestCounts};

fn objects(index: u64, segment: u64, class: Option<&str>) -> Vec<ObjectView> {
    let object = |name: &str, size, class: Option<&str>| ObjectView {
        name: name.into(),
        size,
        last_modified: BEGIN,
        etag: None,
        storage_class: class.map(Into::into),
    };
    vec![object("chunks/000001", segment, class), object("index", index, None), object("meta.json", 1_000, None)]
}

fn settings_of(level: Level, bytes_per_second: u64) -> ScrubSettings {
    let mut settings = settings(15, "");
    (settings.level, settings.max_bytes_per_second) = (level, Some(bytes_per_second));
    settings.prices.egress_per_gb = 0.09;
    settings
}

#[test]
fn requests_bytes_and_money_are_reckoned_for_a_month() {
    let warm = objects(1 << 20, (1 << 30) - (1 << 20), None);
    let cold = objects(0, 4 << 30, Some("standard_ia"));
    let old = |number| block(number, 0, hours(-1_000));
    let verified = Block { done: Done::of(&shown(&old(2), Verdict::Ok, hours(-1))), ..old(2) };
    let marked = Block { leaves: Some(hours(-1)), ..block(4, 0, hours(-2)) };
    let blocks = [(old(1), &*warm), (verified, &*cold), (block(3, 0, hours(-1)), &*warm), (marked, &*warm)];
    let census = Census {
        blocks: &blocks,
        pass: RequestCounts { list: 7, get: 0, head: 0 },
        scan_interval_ms: 300_000,
        provider: Provider::S3,
        scrubbed: true,
    };
    let found = load(&census, &settings_of(Level::Full, 1), BEGIN);
    // an index is asked for once more, for its end; a segment in pieces of 8 MiB
    let (of_warm, of_cold) = (2 + 128, 2 + 512);
    assert_eq!(found.round, Amount { blocks: 3, bytes: 6 << 30, requests: 2 * of_warm + of_cold });
    assert_eq!(found.left_out, Amount { blocks: 1, bytes: 1 << 30, requests: of_warm });
    assert_eq!(found.backlog, Amount { blocks: 2, bytes: 2 << 30, requests: 2 * of_warm });
    let classes: Vec<_> =
        found.storage_classes.iter().map(|class| (class.storage_class.as_deref(), class.bytes)).collect();
    assert_eq!(classes, [(None, 2 << 30), (Some("standard_ia"), 4 << 30)]);
    // two rounds; of each, a cent per GB of the colder class
    let round = found.round_per_month;
    assert_eq!((round.bytes, round.get), (12 << 30, 2 * found.round.requests));
    let near = |a: f64, b: f64| (a - b).abs() < 1e-6;
    assert!(near(round.retrieval_money, 0.08) && near(round.egress_money, 12.0 * 0.09), "{round:?}");
    // two blocks in a week
    assert_eq!(found.new_per_month.bytes, (2_u64 << 30) * 30 / 7 + 1);
    let scans = found.scans_per_month;
    assert_eq!((scans.list, scans.get), (7 * 12 * 24 * 30, 18));
    assert!(near(scans.requests_money, 60_480.0 / 1_000.0 * 0.005 + 18.0 / 1_000.0 * 0.0004), "{scans:?}");

    let index = load(&census, &settings_of(Level::Index, 1), BEGIN);
    assert_eq!((index.round.bytes, index.round_per_month.retrieval_money), (2 << 20, 0.0));
    let local = load(&Census { provider: Provider::Filesystem, ..census }, &settings_of(Level::Full, 1), BEGIN);
    assert!(near(local.round_per_month.money() + local.scans_per_month.money(), 0.0));
    let blocks = [(old(1), &*warm)];
    let left_out = Census { blocks: &blocks, scrubbed: false, ..census };
    let left_out = load(&left_out, &settings_of(Level::Full, 1), BEGIN);
    assert_eq!((left_out.round.blocks, left_out.left_out.blocks, left_out.round_per_month.get), (0, 1, 0));
    let both = total([&found, &found].into_iter());
    assert_eq!(
        (both.round.blocks, both.storage_classes[1].bytes, both.scans_per_month.list),
        (6, 8 << 30, 2 * scans.list)
    );
}

#[test]
fn a_round_fits_or_it_is_said_what_it_needs() {
    let all = objects(0, 15 * 86_400 * 1_000, None);
    let blocks = [(block(1, 0, hours(-1_000)), &*all)];
    let census = Census {
        blocks: &blocks,
        pass: RequestCounts::default(),
        scan_interval_ms: 300_000,
        provider: Provider::S3,
        scrubbed: true,
    };
    // 1,000 bytes per second for all of the 15 days, and a sixteenth of the time is left over
    let found = load(&census, &settings_of(Level::Full, 1), BEGIN);
    for (bytes_per_second, window, threads, in_time, needed, days) in [
        (1_067, "", 1, true, 1_067, 14),
        (1_066, "", 1, false, 1_067, 14),
        (1_067, "00:00-12:00", 1, false, 2_134, 28),
        (3_000, "00:00-12:00", 1, true, 2_134, 10),
    ] {
        let mut settings = settings_of(Level::Full, bytes_per_second);
        settings.window = super::settings(15, window).window;
        let fit = fit(&found, &settings, threads, BEGIN);
        assert_eq!((fit.in_time, fit.needed_bytes_per_second), (in_time, needed), "{bytes_per_second} {window}");
        assert_eq!(fit.round_seconds.map(|seconds| seconds / 86_400), Some(days), "{bytes_per_second} {window}");
    }
    // many small requests: the other bound
    let many = objects(0, 1, None);
    let blocks: Vec<_> = (0..100_000).map(|number| (block(number, 0, hours(-1_000)), &*many)).collect();
    let found = load(&Census { blocks: &blocks, ..census }, &settings_of(Level::Full, 1), BEGIN);
    let mut settings = ScrubSettings { interval_ms: DAY_MS / 10, ..settings_of(Level::Full, 1_000_000) };
    settings.max_requests_per_second = Some(10);
    let fit = fit(&found, &settings, 1, BEGIN);
    assert_eq!((fit.in_time, fit.needed_requests_per_second), (false, 38));
}
