//! A month of an estate, scanned every few hours with a ledger: producers upload, the compactor compacts,
//! downsamples, applies retention and deletes. Nothing may alarm anybody at any step.

use crate::shapes::{Block, Compactor, CompactorSettings, DAY, Estate, HOUR, MINUTE, Stream, short, t};

/// A day on which a two-day range begins.
const START: &str = "02-02";

/// Who uploads, what the compactor is told, what is declared.
struct Month {
    producers: Vec<Vec<Block>>,
    settings: CompactorSettings,
    config: &'static str,
    /// No scan in this time, as if Blockwarden had been down.
    pause: Option<(i64, i64)>,
    days: i64,
}

/// Uploads, compacts every two hours, scans every six.
fn play(month: Month) {
    let mut pending: Vec<Block> = month.producers.into_iter().flatten().collect();
    pending.sort_by_key(|block| block.uploaded);
    let mut compactor = Compactor::new(month.settings);
    let mut estate = Estate::new().config(month.config).remembering();
    let start = t(START) + 4 * HOUR + 17 * MINUTE;
    let mut rest = pending.as_slice();
    let steps = month.days * DAY / (2 * HOUR);
    for step in 0..steps {
        let now = start + step * 2 * HOUR;
        let (arrived, later) = rest.split_at(rest.partition_point(|block| block.uploaded <= now));
        rest = later;
        compactor.upload(&mut estate, arrived);
        compactor.pass(&mut estate, now - 7 * MINUTE);
        let paused = month.pause.is_some_and(|(from, to)| from <= now && now < to);
        if step % 3 == 0 && !paused {
            let report = estate.scan(now);
            assert_eq!(report.loud(), [""; 0], "at {}: {:#?}", short(now), report.findings());
        }
        if step % 7 == 0 {
            let report = estate.scan_afresh(now);
            assert_eq!(report.loud(), [""; 0], "at first sight at {}: {:#?}", short(now), report.findings());
        }
    }
    assert!(compactor.live().iter().any(|block| block.level > 2), "nothing was compacted");
}

fn blocks(stream: &Stream, days: i64) -> Vec<Block> {
    stream.blocks(START, t(START) + days * DAY)
}

#[test]
fn one_sidecar_with_retention_by_resolution() {
    let settings =
        CompactorSettings { retention: [Some(8 * DAY), Some(16 * DAY), None], ..CompactorSettings::default() };
    play(Month {
        producers: vec![blocks(&Stream::sidecar("cluster=eu1"), 32)],
        settings,
        config: "retention: {raw: 8d, 5m: 16d, 1h: 0s}\n",
        pause: None,
        days: 30,
    });
}

#[test]
fn a_pair_of_replicas_and_a_week_without_a_scan() {
    let streams = ["cluster=eu1 replica=a", "cluster=eu1 replica=b"].map(Stream::sidecar);
    play(Month {
        producers: streams.iter().map(|stream| blocks(stream, 32)).collect(),
        settings: CompactorSettings { retention: [Some(12 * DAY), None, None], ..CompactorSettings::default() },
        config: "retention: {raw: 12d, 5m: 0s, 1h: 0s}\n",
        pause: Some((t("02-09T03:00"), t("02-16T03:00"))),
        days: 30,
    });
}

#[test]
fn deduplicated_replicas() {
    let streams = ["cluster=eu1 replica=a", "cluster=eu1 replica=b"].map(Stream::sidecar);
    play(Month {
        producers: streams.iter().map(|stream| blocks(stream, 20)).collect(),
        settings: CompactorSettings { deduplicate: Some("replica"), ..CompactorSettings::default() },
        config: "{}\n",
        pause: Some((t("02-06T03:00"), t("02-09T03:00"))),
        days: 18,
    });
}

#[test]
fn late_samples_and_a_cluster_that_ends() {
    let stream = Stream::sidecar("cluster=eu1");
    let late = (1..16_i64).map(|day| {
        let from = t(START) + day * DAY;
        stream.block(from - 4 * HOUR, from - 2 * HOUR).samples(400).cut(from + HOUR).hinted()
    });
    play(Month {
        producers: vec![
            blocks(&stream, 18),
            late.collect(),
            // its successor, with another zone, starts at once
            Stream::sidecar("cluster=us1 zone=a").blocks(START, t(START) + 5 * DAY),
            Stream::sidecar("cluster=us1 zone=b").blocks(t(START) + 5 * DAY, t(START) + 18 * DAY),
        ],
        settings: CompactorSettings::default(),
        config: "{}\n",
        pause: None,
        days: 17,
    });
}

#[test]
fn retention_that_nobody_declared() {
    let streams = ["cluster=eu1 replica=a", "cluster=eu1 replica=b"].map(Stream::sidecar);
    for pause in [None, Some((t("02-15T03:00"), t("02-20T03:00")))] {
        play(Month {
            producers: streams.iter().map(|stream| blocks(stream, 28)).collect(),
            settings: CompactorSettings {
                retention: [Some(6 * DAY), Some(12 * DAY), None],
                ..CompactorSettings::default()
            },
            config: "{}\n",
            pause,
            days: 26,
        });
    }
}

#[test]
fn deduplicated_replicas_with_retention_and_late_samples() {
    let streams = ["cluster=eu1 replica=a", "cluster=eu1 replica=b"].map(Stream::sidecar);
    let late = streams.iter().flat_map(|stream| {
        (1..20_i64).map(move |day| {
            let from = t(START) + day * DAY;
            stream.block(from - 4 * HOUR, from - 2 * HOUR).samples(400).cut(from + HOUR).hinted()
        })
    });
    let mut producers: Vec<Vec<Block>> = streams.iter().map(|stream| blocks(stream, 22)).collect();
    producers.push(late.collect());
    play(Month {
        producers,
        settings: CompactorSettings {
            deduplicate: Some("replica"),
            retention: [Some(8 * DAY), None, None],
            ..CompactorSettings::default()
        },
        config: "retention: {raw: 8d, 5m: 0s, 1h: 0s}\n",
        pause: Some((t("02-12T03:00"), t("02-17T03:00"))),
        days: 20,
    });
}

#[test]
fn tenants_of_receivers_that_come_and_go() {
    let hashring = [("r0", 240_000), ("r1", 90_000), ("r2", 150_000)];
    let producers = hashring.map(|(replica, rate)| {
        let stream =
            |tenant: &str| Stream::receive(&format!("receive_replica={replica} tenant_id={tenant}")).rate(rate);
        let mut all = blocks(&stream("steady"), 24);
        all.extend(stream("late").blocks(t(START) + 5 * DAY + 6 * HOUR, t(START) + 24 * DAY));
        all
    });
    play(Month {
        producers: producers.to_vec(),
        settings: CompactorSettings { retention: [Some(10 * DAY), None, None], ..CompactorSettings::default() },
        config: "retention: {raw: 10d, 5m: 0s, 1h: 0s}\n",
        pause: None,
        days: 20,
    });
}

/// A number from 0 to `below`, always the same for the same seed and turn.
fn chance(seed: u64, turn: i64, below: u64) -> i64 {
    let mixed = (seed ^ turn.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    i64::try_from((mixed ^ (mixed >> 29)) % below).unwrap()
}

/// Blocks of a producer that is restarted now and then, whose blocks begin with their first sample and whose uploads
/// take their time.
fn restless(stream: &Stream, seed: u64, days: i64) -> Vec<Block> {
    let mut made = Vec::new();
    for window in 0..days * 12 {
        let start = t(START) + window * 2 * HOUR;
        let (first, end) = (start + chance(seed, window, 15_000), start + 2 * HOUR);
        let delay = MINUTE * chance(seed + 1, window, 40);
        if chance(seed + 2, window, 6) == 0 {
            // down for up to a quarter of an hour, and the head after an empty start is cut later
            let down = start + MINUTE * (20 + chance(seed + 3, window, 60));
            let up = down + MINUTE * chance(seed + 4, window, 14);
            made.push(stream.block(first, down).cut(end + HOUR).uploaded(end + HOUR + delay));
            made.push(stream.block(up, end).cut(up + 3 * HOUR).uploaded(up + 3 * HOUR + delay));
        } else {
            made.push(stream.block(first, end).uploaded(end + HOUR + delay));
        }
    }
    made
}

#[test]
fn restarts_and_slow_uploads() {
    for seed in 1..=2 {
        let streams = ["cluster=eu1 replica=a", "cluster=eu1 replica=b"].map(Stream::sidecar);
        let producers = streams.iter().zip([seed, seed + 100]).map(|(stream, seed)| restless(stream, seed, 16));
        play(Month {
            producers: producers.collect(),
            settings: CompactorSettings {
                deduplicate: (seed % 2 == 0).then_some("replica"),
                retention: [Some(7 * DAY), None, None],
                ..CompactorSettings::default()
            },
            config: "retention: {raw: 7d, 5m: 0s, 1h: 0s}\n",
            pause: None,
            days: 14,
        });
    }
}
