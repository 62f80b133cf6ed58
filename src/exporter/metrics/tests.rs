//! What is written, from a populated state.
#![expect(clippy::string_slice, reason = "places that were found in the very text")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use super::*;
use crate::exporter::guard::Guard;
use crate::exporter::routes;
use crate::exporter::sample::{self, NOW};
use crate::model::{FailureClass, HOUR_MS, MetricsSettings, Snapshot};

fn text_of(published: &Published) -> String {
    let rendered = render(published, None, &check_ids()).unwrap();
    [&*rendered.judged, &*rendered.service].concat()
}

/// All that a scrape gets.
fn whole(published: &Published) -> String {
    let (_sender, receiver) = watch::channel(Arc::new(published.clone()));
    let (exposition, _renderer) = exposition(receiver);
    text_of(published) + &live(&exposition, &Traffic::default()).unwrap()
}

/// The value of a series, as it is written.
fn value<'a>(text: &'a str, series: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))
}

fn check(text: &str, expected: &[(&str, Option<&str>)]) {
    for (series, expected) in expected {
        assert_eq!(value(text, series), *expected, "{series} in:\n{text}");
    }
}

/// Name and labels of each series, the suffixes of histograms dropped.
fn series(text: &str) -> Vec<(String, Vec<String>)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let of = |line: &str| {
        let (name, rest) = line.split_at(line.find(['{', ' ']).unwrap());
        let inside = rest.strip_prefix('{').map(|rest| &rest[..rest.rfind("} ").unwrap()]).unwrap_or_default();
        let mut names = Vec::new();
        let mut quoted = false;
        let mut begin = 0;
        let mut previous = ' ';
        for (idx, c) in inside.char_indices() {
            match c {
                '"' if previous != '\\' => quoted = !quoted,
                '=' if !quoted => names.push(inside[begin..idx].trim_start_matches(',').to_owned()),
                ',' if !quoted => begin = idx,
                _ => {}
            }
            previous = if previous == '\\' { ' ' } else { c };
        }
        (name.to_owned(), names)
    };
    lines.map(of).collect()
}

#[test]
fn what_is_known_is_written() {
    let text = whole(&sample::published());
    let b = r#"bucket="thanos",cluster="eu1",replica="b",stream="{cluster=\"eu1\", replica=\"b\"}"}"#;
    let of_b = |name: &str| format!("{name}{{{b}");
    let at = |name: &str, resolution: &str| {
        let b = b.replace("stream=", &format!("resolution=\"{resolution}\",stream="));
        format!("{name}{{{b}")
    };
    let gap = r#"blockwarden_findings{bucket="thanos",check="coverage_gap",cluster="eu1",replica="b",severity="critical",stream="{cluster=\"eu1\", replica=\"b\"}"}"#;
    let deadline = (NOW.0 + 10 * HOUR_MS) / 1000;
    check(
        &text,
        &[
            (gap, Some("1")),
            (&of_b("blockwarden_upload_lag_seconds"), Some("7200")),
            (&of_b("blockwarden_newest_sample_timestamp_seconds"), Some("1767304800")),
            (&of_b("blockwarden_loss_deadline_timestamp_seconds"), Some(&deadline.to_string())),
            (&of_b("blockwarden_stream_bytes"), Some("27000")),
            (&at("blockwarden_oldest_sample_timestamp_seconds", "raw"), Some("1767168000")),
            (&at("blockwarden_stream_blocks", "raw"), Some("17")),
            (&at("blockwarden_stream_blocks", "5m"), Some("1")),
            (&of_b("blockwarden_coverage_gap_seconds"), Some("14400")),
            ("blockwarden_bucket_blocks{bucket=\"thanos\"}", Some("37")),
            ("blockwarden_streams{bucket=\"thanos\"}", Some("2")),
            ("blockwarden_scan_duration_seconds_bucket{bucket=\"thanos\",le=\"0.1\"}", Some("0")),
            ("blockwarden_scan_duration_seconds_bucket{bucket=\"thanos\",le=\"0.3\"}", Some("1")),
            ("blockwarden_scan_duration_seconds_bucket{bucket=\"thanos\",le=\"+Inf\"}", Some("2")),
            ("blockwarden_scan_duration_seconds_sum{bucket=\"thanos\"}", Some("2.25")),
            ("blockwarden_requests_total{bucket=\"thanos\",operation=\"get\"}", Some("40")),
            ("blockwarden_verified_bytes_total{bucket=\"thanos\"}", Some("9000")),
            ("blockwarden_verified_blocks_total{bucket=\"thanos\",verdict=\"unreachable\"}", Some("2")),
            ("blockwarden_verified_blocks_total{bucket=\"new\",verdict=\"corrupt\"}", Some("0")),
            ("blockwarden_oldest_unverified_timestamp_seconds{bucket=\"thanos\"}", Some("1766592000")),
            ("blockwarden_scrub_backlog_bytes{bucket=\"thanos\"}", Some("6000")),
            ("blockwarden_scrub_backlog_bytes{bucket=\"new\"}", None),
            ("blockwarden_scrub_round_remaining_seconds{bucket=\"thanos\"}", Some("7200")),
            ("blockwarden_scrub_rate_bytes_per_second", Some("12345")),
            ("blockwarden_scrub_interval_seconds", Some("2592000")),
            ("blockwarden_ledger_persistent", Some("1")),
            ("blockwarden_ledger_commits_total{result=\"failure\"}", Some("1")),
            ("blockwarden_config_last_reload_successful", Some("0")),
            ("blockwarden_http_requests_total{code=\"200\",handler=\"/metrics\"}", Some("0")),
        ],
    );
    assert!(text.contains("process_resident_memory_bytes "), "{text}");
}

#[test]
fn series_have_the_labels_that_the_enum_names() {
    let text = whole(&sample::published());
    let mut seen = BTreeSet::new();
    for (name, labels) in series(&text).into_iter().filter(|(name, _)| name.starts_with("blockwarden_")) {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(&name);
        let known = |metric: &Metric| metric.name() == name || metric.name() == base;
        let metric = Metric::ALL.into_iter().find(known).unwrap_or_else(|| panic!("{name} is not in the enum"));
        let mut expected: Vec<&str> = Vec::new();
        for label in metric.labels() {
            if *label == MetricLabel::StreamLabels {
                expected.extend(["cluster", "replica"]);
            } else {
                expected.push(label.name());
            }
        }
        expected.sort_unstable();
        // the encoder writes it last
        if name.ends_with("_seconds_bucket") {
            expected.push("le");
        }
        assert_eq!(labels, expected, "{name}");
        seen.insert(metric);
    }
    let unseen: Vec<&str> = Metric::ALL.iter().filter(|metric| !seen.contains(metric)).map(|m| m.name()).collect();
    assert!(unseen.is_empty(), "no series of {unseen:?} in a populated state");
}

#[test]
fn no_series_is_written_twice_and_nothing_is_absent_before_the_first_finding() {
    let text = whole(&sample::published());
    let mut lines: Vec<&str> =
        text.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit_once(' ').unwrap().0).collect();
    let all = lines.len();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), all);
    for check in check_ids().iter() {
        for severity in ["critical", "warning", "info"] {
            let series = |bucket: &str| {
                format!(
                    "blockwarden_findings{{bucket=\"{bucket}\",check=\"{check}\",cluster=\"\",replica=\"\",severity=\"{severity}\",stream=\"\"}}"
                )
            };
            assert_eq!(value(&text, &series("thanos")), Some("0"), "{check} {severity}");
            // of a bucket that nobody has judged nothing is known, not even that it is well
            assert_eq!(value(&text, &series("new")), None);
        }
    }
    check(
        &text,
        &[
            ("blockwarden_scans_total{bucket=\"new\",result=\"failed\"}", Some("0")),
            ("blockwarden_requests_total{bucket=\"new\",operation=\"list\"}", Some("0")),
            ("blockwarden_scan_duration_seconds_count{bucket=\"new\"}", Some("0")),
            ("blockwarden_bucket_up{bucket=\"new\"}", None),
            ("blockwarden_scan_last_timestamp_seconds{bucket=\"new\"}", None),
            ("blockwarden_bucket_blocks{bucket=\"new\"}", None),
        ],
    );
}

#[test]
fn alerts_and_receivers_have_all_of_their_series() {
    let mut published = sample::published();
    let notifications = |receiver: &str, outcome: &str, reason: &str| {
        format!("blockwarden_notifications_total{{outcome=\"{outcome}\",reason=\"{reason}\",receiver=\"{receiver}\"}}")
    };
    check(
        &text_of(&published),
        &[
            ("blockwarden_alerts{severity=\"critical\",state=\"firing\"}", Some("2")),
            ("blockwarden_alerts{severity=\"critical\",state=\"unknown\"}", Some("0")),
            ("blockwarden_alerts{severity=\"warning\",state=\"firing\"}", Some("1")),
            ("blockwarden_alerts{severity=\"warning\",state=\"pending\"}", Some("1")),
            ("blockwarden_alerts{severity=\"warning\",state=\"unknown\"}", Some("1")),
            ("blockwarden_silences{state=\"active\"}", Some("1")),
            ("blockwarden_silences{state=\"pending\"}", Some("1")),
            ("blockwarden_notifications_suppressed_total{reason=\"silence\"}", Some("4")),
            ("blockwarden_notifications_suppressed_total{reason=\"mute_time\"}", Some("0")),
            (&notifications("oncall", "sent", ""), Some("12")),
            (&notifications("oncall", "failed", "rate_limited"), Some("3")),
            (&notifications("oncall", "failed", ""), None),
            (&notifications("ops", "coalesced", ""), Some("0")),
            ("blockwarden_notification_latency_seconds_count{receiver=\"oncall\"}", Some("1")),
            ("blockwarden_notification_last_success_timestamp_seconds{receiver=\"oncall\"}", Some("1767312000")),
            ("blockwarden_notification_last_success_timestamp_seconds{receiver=\"ops\"}", Some("0")),
            ("blockwarden_notifications_dead{receiver=\"ops\"}", Some("1")),
            ("blockwarden_outbox_pending{receiver=\"ops\"}", Some("2")),
            ("blockwarden_outbox_oldest_pending_timestamp_seconds{receiver=\"ops\"}", Some("1767308400")),
            ("blockwarden_outbox_oldest_pending_timestamp_seconds{receiver=\"oncall\"}", Some("0")),
            ("blockwarden_receiver_up{receiver=\"oncall\"}", Some("1")),
            ("blockwarden_receiver_up{receiver=\"ops\"}", Some("0")),
            ("blockwarden_heartbeat_pings_total{result=\"failure\"}", Some("1")),
            ("blockwarden_heartbeat_last_success_timestamp_seconds", Some("1767312000")),
            ("blockwarden_watchdog_last_seen_timestamp_seconds{watchdog=\"eu1\"}", Some("1767308400")),
            ("blockwarden_watchdog_last_seen_timestamp_seconds{watchdog=\"us1\"}", Some("0")),
            ("blockwarden_watchdog_within_seconds{watchdog=\"us1\"}", Some("60")),
        ],
    );
    let text = text_of(&published);
    for (outcome, reason) in
        ["failed", "dead"].into_iter().flat_map(|outcome| FailureClass::ALL.map(|class| (outcome, class.name())))
    {
        for receiver in ["oncall", "ops"] {
            assert!(value(&text, &notifications(receiver, outcome, reason)).is_some(), "{receiver} {outcome} {reason}");
        }
    }
    // of what is not configured there is nothing, and of alerts there is zero
    published.alerting = Arc::default();
    published.service.receivers = Arc::default();
    let text = text_of(&published);
    for name in ["notifications_total", "outbox", "receiver_up", "heartbeat", "watchdog"] {
        assert!(!text.contains(&format!("\nblockwarden_{name}")), "{name}: {text}");
    }
    check(&text, &[("blockwarden_alerts{severity=\"critical\",state=\"firing\"}", Some("0"))]);
}

#[test]
fn what_became_unknown_keeps_its_last_value_and_says_so() {
    let text = text_of(&sample::published());
    check(
        &text,
        &[
            ("blockwarden_bucket_up{bucket=\"archive\"}", Some("0")),
            ("blockwarden_bucket_blocks{bucket=\"archive\"}", Some("1")),
            ("blockwarden_unread_objects{bucket=\"archive\"}", Some("2")),
            ("blockwarden_scans_total{bucket=\"archive\",result=\"failed\"}", Some("3")),
            ("blockwarden_scan_last_timestamp_seconds{bucket=\"archive\"}", Some("1767312000")),
            ("blockwarden_scan_last_success_timestamp_seconds{bucket=\"archive\"}", Some("1767308400")),
        ],
    );
    let lag = text.lines().filter(|line| line.starts_with("blockwarden_upload_lag_seconds{bucket=\"archive\""));
    assert_eq!(lag.count(), 0, "a derived stream has no lag");

    // one that could never be listed has no figures, not zeros
    let mut published = sample::published();
    let mut snapshot = Snapshot::clone(&published.snapshot);
    snapshot.buckets[0].listed = false;
    snapshot.buckets[0].streams.clear();
    published.snapshot = Arc::new(snapshot);
    check(&text_of(&published), &[("blockwarden_bucket_blocks{bucket=\"archive\"}", None)]);
}

#[test]
fn series_of_what_is_gone_disappear() {
    let mut published = sample::published();
    published.service.buckets.retain(|status| &*status.bucket != "archive");
    assert!(
        !text_of(&published).contains("bucket=\"archive\""),
        "removed from the configuration, and still in the judgement"
    );

    let mut snapshot = Snapshot::clone(&published.snapshot);
    snapshot.findings.clear();
    snapshot.buckets[1].streams.pop();
    published.snapshot = Arc::new(snapshot);
    let text = text_of(&published);
    assert!(!text.contains(r#"replica="b""#), "{text}");
    assert!(!text.contains("blockwarden_loss_deadline_timestamp_seconds"), "{text}");
    assert!(text.contains(r#"replica="a""#));
}

#[test]
fn streams_beyond_the_bound_are_summed() {
    let mut published = sample::published();
    published.metrics = Arc::new(MetricsSettings { max_streams: 1, ..MetricsSettings::default() });
    let text = text_of(&published);
    // the one with a critical finding is kept
    let kept = r#"{bucket="thanos",stream="{cluster=\"eu1\", replica=\"b\"}"}"#;
    check(
        &text,
        &[
            (&format!("blockwarden_upload_lag_seconds{kept}"), Some("7200")),
            ("blockwarden_stream_bytes{bucket=\"thanos\",stream=\"(others)\"}", Some("28500")),
            ("blockwarden_upload_lag_seconds{bucket=\"thanos\",stream=\"(others)\"}", Some("7200")),
            ("blockwarden_stream_blocks{bucket=\"archive\",resolution=\"raw\",stream=\"(others)\"}", Some("1")),
            (
                "blockwarden_findings{bucket=\"thanos\",check=\"deletion_overdue\",severity=\"warning\",stream=\"(others)\"}",
                Some("1"),
            ),
            ("blockwarden_streams_omitted{bucket=\"thanos\"}", Some("1")),
            ("blockwarden_streams_omitted{bucket=\"archive\"}", Some("1")),
        ],
    );
    published.metrics = Arc::new(MetricsSettings { max_streams: 0, ..MetricsSettings::default() });
    let text = text_of(&published);
    check(
        &text,
        &[
            ("blockwarden_stream_bytes{bucket=\"thanos\",stream=\"(others)\"}", Some("55500")),
            ("blockwarden_coverage_gap_seconds{bucket=\"thanos\",stream=\"(others)\"}", Some("14400")),
            ("blockwarden_loss_deadline_timestamp_seconds{bucket=\"thanos\",stream=\"(others)\"}", Some("1767348000")),
        ],
    );
    let streams: BTreeSet<&str> =
        text.lines().filter_map(|line| line.split("stream=\"").nth(1)?.split('"').next()).collect();
    assert_eq!(streams, BTreeSet::from(["", "(others)"]));
}

#[test]
fn hostile_label_values_are_escaped() {
    let mut published = sample::published();
    let mut snapshot = Snapshot::clone(&published.snapshot);
    let hostile = crate::model::Labels::from([("cluster", "a\"} 1\nup 0\n\\")]);
    snapshot.buckets[1].streams[0].labels = Arc::new(hostile);
    published.snapshot = Arc::new(snapshot);
    let text = text_of(&published);
    assert!(text.contains(r#"cluster="a\"} 1\nup 0\n\\""#), "{text}");
    assert!(!text.lines().any(|line| line.starts_with("up ")));
    promtool(&text);
}

/// What promtool has to say of a text, which should be nothing.
fn promtool(text: &str) {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool cannot be run: apt-get install --no-install-recommends prometheus");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn promtool_has_nothing_to_say() {
    promtool(&whole(&sample::published()));
    promtool(&whole(&Published::default()));
}

#[test]
fn a_thousand_streams_cost_less_than_three_megabytes() {
    let mut published = sample::wide(1_000, 3);
    published.metrics = Arc::new(MetricsSettings {
        stream_labels: ["cluster", "prometheus", "replica"].map(str::to_owned).to_vec(),
        max_streams: 1_000,
    });
    let text = text_of(&published);
    assert!(text.contains("blockwarden_streams_omitted{bucket=\"thanos\"} 0\n"));
    assert!(text.len() < 3_000_000, "{} bytes", text.len());
    let lines: BTreeMap<&str, usize> = text.lines().fold(BTreeMap::new(), |mut all, line| {
        *all.entry(line.split('{').next().unwrap()).or_default() += 1;
        all
    });
    assert_eq!(lines["blockwarden_stream_blocks"], 3_000);
}

#[tokio::test]
async fn a_long_text_is_sent_as_it_is() {
    for (published, compressed) in [(sample::published(), true), (sample::wide(1_000, 1), false)] {
        let (_sender, site) = sample::site(published);
        let guard = Arc::new(Guard::new(None).await.unwrap());
        let router = routes::router(site, guard, Duration::from_mins(1));
        let request = Request::get("/metrics").header(header::ACCEPT_ENCODING, "gzip").body(Body::empty()).unwrap();
        let response = TowerToHyperService::new(router).call(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], TEXT_FORMAT);
        assert_eq!(response.headers().contains_key(header::CONTENT_ENCODING), compressed);
    }
}

#[tokio::test]
async fn what_did_not_change_is_not_written_again() {
    let mut published = sample::published();
    let first = render(&published, None, &check_ids()).unwrap();
    let before = (Arc::new(published.clone()), first.clone());
    published.number += 1;
    published.service.ledger.bytes += 1;
    let second = render(&published, Some(&before), &check_ids()).unwrap();
    assert!(Arc::ptr_eq(&first.judged, &second.judged));
    assert_ne!(first.service, second.service);
    for change in [
        |published: &mut Published| published.snapshot = Arc::new(Snapshot::clone(&published.snapshot)),
        |published: &mut Published| published.metrics = Arc::default(),
        |published: &mut Published| drop(published.service.buckets.pop()),
    ] {
        let mut changed = Published::clone(&before.0);
        change(&mut changed);
        let third = render(&changed, Some(&before), &check_ids()).unwrap();
        assert!(!Arc::ptr_eq(&first.judged, &third.judged));
    }
}

#[tokio::test]
async fn a_publication_reaches_the_readers_and_the_renderer_ends_with_them() {
    let (sender, receiver) = watch::channel(Arc::new(Published::default()));
    let (exposition, renderer) = exposition(receiver);
    let rendering = tokio::spawn(renderer.run());
    let mut newest = exposition.rendered.clone();
    newest.wait_for(Option::is_some).await.unwrap();
    sender.send_replace(Arc::new(sample::published()));
    let is_new = |rendered: &Option<Rendered>| {
        rendered.as_ref().is_some_and(|rendered| rendered.judged.contains("coverage_gap"))
    };
    newest.wait_for(is_new).await.unwrap();
    drop((newest, exposition));
    rendering.await.unwrap();
}
