//! Who is told what while time goes by, and what a restart makes of it.

use std::fs;

use blockwarden::model::{OutboxRow, Phase, Reason, ReceiverStatus};

use crate::shapes::{Block, Estate, Stream};
use crate::steps::{Steps, at};

const CONFIGURATION: &str = "
buckets:
- objstore_config_file: objstore.yaml
notify:
  receivers:
  - {name: oncall, type: webhook, url: 'http://127.0.0.1:1/', daily_test: '02:00'}
  - {name: others, type: mail, from: a@example.com, to: [b@example.com, c@example.com], smarthost: 'localhost:25'}
  routes:
  - {match: '{severity=\"critical\"}', receivers: [oncall], continue: true}
  - {receivers: [others]}
  watchdogs:
  - {name: eu1, within: 10m}
";

fn steady() -> Vec<Block> {
    Stream::sidecar("cluster=eu1").blocks("01-01", "01-03")
}

/// `receiver recipient reason: alert, …` of what was decided.
fn told(steps: &mut Steps) -> Vec<String> {
    steps.station.take_decided().into_iter().flat_map(|(rows, _)| rows).map(|row| line(&row)).collect()
}

fn line(row: &OutboxRow) -> String {
    let alerts: Vec<&str> = row.notification.alerts.iter().map(|told| told.alert.id.as_str()).collect();
    let to = format!("{} {}", row.receiver, row.recipient);
    format!("{} {}: {}", to.trim(), row.notification.reason.name(), alerts.join(", "))
}

#[test]
fn what_stays_wrong_is_told_to_everybody_it_concerns_and_its_end_too() {
    let blocks = steady();
    let estate = Estate::with(&blocks);
    let mut steps = Steps::with(estate.folder(), CONFIGURATION, "01-03T01:30");
    steps.step("01-03T01:30");
    steps.station.hear("eu1", at("01-03T01:30"));
    let index = estate.path(&blocks[6].key("index"));
    let aside = estate.folder().join("index");
    fs::rename(&index, &aside).unwrap();
    steps.step("01-03T01:31");
    assert_eq!(told(&mut steps), [""; 0], "it may be over in a moment");
    for (now, expected) in [
        ("01-03T01:35:59", vec![]),
        ("01-03T01:36", vec![]),
        (
            "01-03T01:36:10",
            vec![
                "oncall first: missing_object",
                "others b@example.com first: missing_object",
                "others c@example.com first: missing_object",
            ],
        ),
        ("01-03T01:37", vec![]),
    ] {
        steps.station.hear("eu1", at(now));
        steps.station.wait_until(at(now));
        assert_eq!(told(&mut steps), expected, "{now}");
    }
    let published = steps.station.wait_until(at("01-03T01:38"));
    let alerts = &published.alerting.alerts;
    assert_eq!(alerts.len(), 1);
    assert_eq!((alerts[0].alert.phase, alerts[0].receivers.join(" ").as_str()), (Phase::Firing, "oncall others"));

    fs::rename(&aside, &index).unwrap();
    steps.step("01-03T01:40");
    steps.station.hear("eu1", at("01-03T01:54:59"));
    steps.station.wait_until(at("01-03T01:54:59"));
    assert_eq!(told(&mut steps), [""; 0], "it may come back in a moment");
    steps.station.wait_until(at("01-03T01:55"));
    let ended = ["oncall ended: ", "others b@example.com ended: ", "others c@example.com ended: "];
    assert_eq!(told(&mut steps), ended.map(|line| format!("{line}missing_object")));
}

#[test]
fn a_restart_neither_tells_twice_nor_forgets() {
    let blocks = steady();
    let estate = Estate::with(&blocks);
    let index = estate.path(&blocks[6].key("index"));
    let aside = estate.folder().join("index");
    fs::rename(&index, &aside).unwrap();
    let begin = |now: &str| Steps::with(estate.folder(), CONFIGURATION, now);
    let mut steps = begin("01-03T01:30");
    steps.step("01-03T01:30");
    drop(steps);
    // `for` goes on where it was
    let mut steps = begin("01-03T01:33");
    steps.step("01-03T01:33");
    assert_eq!(told(&mut steps), [""; 0]);
    steps.station.wait_until(at("01-03T01:35"));
    steps.station.wait_until(at("01-03T01:35:10"));
    assert_eq!(told(&mut steps).len(), 3);
    drop(steps);
    let mut steps = begin("01-03T01:36");
    steps.step("01-03T01:36");
    steps.station.wait_until(at("01-03T01:40"));
    assert_eq!(told(&mut steps), [""; 0]);
    drop(steps);
    // it heals while nobody looks
    fs::rename(&aside, &index).unwrap();
    let mut steps = begin("01-03T01:41");
    steps.step("01-03T01:41");
    steps.station.wait_until(at("01-03T01:56"));
    assert_eq!(told(&mut steps).len(), 3);
}

#[test]
fn what_cannot_be_seen_is_neither_over_nor_new() {
    let blocks = steady();
    let estate = Estate::with(&blocks);
    estate.delete_object(&blocks[6], "index");
    let mut steps = Steps::with(estate.folder(), &CONFIGURATION.replace("10m", "10d"), "01-03T01:30");
    steps.step("01-03T01:30");
    steps.station.wait_until(at("01-03T01:35"));
    steps.station.wait_until(at("01-03T01:35:10"));
    assert_eq!(told(&mut steps).len(), 3);
    let (bucket, aside) = (estate.path(""), estate.folder().join("aside"));
    fs::rename(&bucket, &aside).unwrap();
    steps.step("01-03T01:40");
    let published = steps.station.wait_until(at("01-03T03:00"));
    let frozen = published.alerting.alerts.iter().find(|shown| shown.alert.id == "missing_object").unwrap();
    assert!(frozen.alert.unknown_since.is_some() && frozen.alert.phase == Phase::Firing);
    assert!(!told(&mut steps).iter().any(|line| line.contains("ended")));
}

#[test]
fn a_watchdog_that_is_silent_is_told_and_so_is_its_return() {
    let estate = Estate::with(&steady());
    let mut steps = Steps::with(estate.folder(), CONFIGURATION, "01-03T01:30");
    steps.step("01-03T01:30");
    assert!(steps.station.hear("eu1", at("01-03T01:35")) && !steps.station.hear("us1", at("01-03T01:35")));
    steps.station.wait_until(at("01-03T01:45"));
    assert_eq!(told(&mut steps), [""; 0]);
    // a machine that was suspended has heard nobody
    steps.station.stood_still(at("01-03T01:50"));
    steps.station.wait_until(at("01-03T02:00"));
    assert_eq!(told(&mut steps), ["oncall test: "], "the daily test alone");
    for minute in 0..=10 {
        steps.station.wait_until(at(&format!("01-03T02:{minute:02}:01")));
    }
    let silent = told(&mut steps);
    assert!(silent.contains(&"oncall first: watchdog_silent".to_owned()), "{silent:?}");
    assert!(steps.station.hear("eu1", at("01-03T02:11")));
    for minute in 11..=40 {
        steps.station.hear("eu1", at(&format!("01-03T02:{minute:02}:02")));
        steps.station.wait_until(at(&format!("01-03T02:{minute:02}:02")));
    }
    let back = told(&mut steps);
    assert!(back.contains(&"oncall ended: watchdog_silent".to_owned()), "{back:?}");
}

#[test]
fn a_receiver_that_cannot_be_told_is_told_of_to_the_others() {
    let estate = Estate::with(&steady());
    let mut steps = Steps::with(estate.folder(), &CONFIGURATION.replace("10m", "10d"), "01-03T01:30");
    steps.step("01-03T01:30");
    let status = |failing: bool| ReceiverStatus {
        receiver: "oncall".to_owned(),
        kind: "webhook",
        pending: 3,
        failing_since: failing.then(|| at("01-03T01:30")),
        failure: failing.then(|| (blockwarden::model::FailureClass::Authentication, "401".to_owned())),
        ..ReceiverStatus::default()
    };
    steps.station.take_receivers("delivery".into(), vec![status(true)]);
    for now in ["01-03T01:31", "01-03T01:36", "01-03T01:36:30", "01-03T01:37"] {
        steps.station.wait_until(at(now));
    }
    let expected = ["others b@example.com first: ", "others c@example.com first: "];
    assert_eq!(told(&mut steps), expected.map(|line| format!("{line}notification_failing")));
    steps.station.take_receivers("delivery".into(), vec![status(false)]);
    for minute in 38..=59 {
        steps.step(&format!("01-03T01:{minute}"));
    }
    let expected = ["others b@example.com ended: ", "others c@example.com ended: "];
    assert_eq!(told(&mut steps), expected.map(|line| format!("{line}notification_failing")));
}

#[test]
fn a_removed_bucket_is_not_watched_any_more_and_says_so() {
    let blocks = steady();
    let estate = Estate::with(&blocks);
    estate.delete_object(&blocks[6], "index");
    let mut steps = Steps::with(estate.folder(), &CONFIGURATION.replace("10m", "10d"), "01-03T01:30");
    steps.step("01-03T01:30");
    steps.station.wait_until(at("01-03T01:35"));
    steps.station.wait_until(at("01-03T01:35:10"));
    assert_eq!(told(&mut steps).len(), 3);
    let other = estate.folder().join("other");
    fs::create_dir(&other).unwrap();
    let objstore = format!("{{type: FILESYSTEM, config: {{directory: {}}}}}", other.display());
    fs::write(estate.folder().join("other.yaml"), objstore).unwrap();
    let yaml = CONFIGURATION.replace("objstore.yaml", "other.yaml").replace("10m", "10d");
    let configured = steps.reload(&yaml);
    steps.station.reload(Ok(configured), at("01-03T01:40")).unwrap();
    steps.station.wait_until(at("01-03T01:41"));
    let rows: Vec<OutboxRow> = steps.station.take_decided().into_iter().flat_map(|(rows, _)| rows).collect();
    assert_eq!(rows.len(), 3, "{rows:?}");
    for row in rows {
        assert_eq!(row.notification.reason, Reason::Ended);
        assert_eq!(row.notification.alerts[0].alert.end.unwrap().name(), "unwatched");
    }
}
