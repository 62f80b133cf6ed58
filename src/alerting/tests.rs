//! One rule of alerting after the other.

use serde_json::json;

use super::kit::*;
use super::*;
use crate::model::{DAY_MS, HOUR_MS, Labels, MINUTE_MS, OutboxState, Reason, Severity, Window};

/// What happens to the finding `coverage_gap` of replica a, or around it.
#[derive(Clone, Copy, Debug)]
enum Event {
    There(Severity),
    Ends(FindingEnd),
    Unknown,
    /// Whether its bucket is seen; `None`: it is no longer configured.
    Bucket(Option<bool>),
    /// The finding is not there, and nobody says how it ended.
    Missing,
    Restart,
}
use Event::{Bucket, Ends, Missing, Restart, There, Unknown};
use FindingEnd::{Expired, Resolved, Unwatched};
use Severity::{Critical, Info, Warning};

/// What happens at which second, and what is told.
type Case = (&'static str, &'static [(i64, Event)], &'static [&'static str]);

/// The same, with the matchers of a silence before it and its seconds.
type Silenced = (&'static str, &'static str, (i64, i64), &'static [(i64, Event)], &'static [&'static str]);

fn happen(kit: &mut Kit, event: Event) {
    let fingerprint = gap("a").fingerprint();
    match event {
        There(severity) => {
            kit.kept.clear();
            kit.open(Finding { severity, ..gap("a") });
        }
        Ends(end) => kit.end(&fingerprint, end),
        Unknown => drop(kit.kept.insert(fingerprint)),
        Bucket(seen) => {
            kit.buckets.clear();
            kit.buckets.extend(seen.map(|seen| ("thanos".into(), seen)));
        }
        Missing => drop(kit.findings.remove(&fingerprint)),
        Restart => kit.restart(),
    }
}

/// What is told by second 5000 (before the first repeat of a warning) when all this happens, each at its second.
fn told(policy: AlertingPolicy, events: &[(i64, Event)]) -> (Kit, Vec<String>) {
    let mut kit = Kit::new(policy);
    let mut told = Vec::new();
    for (second, event) in events {
        told.extend(kit.until(*second).iter().map(text));
        happen(&mut kit, *event);
        told.extend(kit.judge_at(*second));
        assert!(kit.judge().is_empty(), "the same judgement again changes something at {second}: {events:?}");
    }
    told.extend(kit.told_until(5_000));
    (kit, told)
}

#[test]
fn alerts_begin_and_end_by_what_is_known() {
    const GAP: Event = There(Critical);
    let cases: &[Case] = &[
        ("shorter than `for`", &[(0, GAP), (59, Ends(Resolved))], &[]),
        ("in two parts, each shorter", &[(0, GAP), (40, Ends(Resolved)), (50, GAP), (100, Ends(Resolved))], &[]),
        ("fires", &[(0, GAP), (61, Restart)], &["70 F", "3670 R"]),
        ("ends", &[(0, GAP), (200, Ends(Resolved)), (210, Restart)], &["70 F", "260 E"]),
        ("ends otherwise", &[(0, GAP), (200, Ends(Expired))], &["70 F", "260 E"]),
        ("is back within `keep_firing_for`", &[(0, GAP), (200, Ends(Resolved)), (259, GAP)], &["70 F", "3670 R"]),
        ("is back after it", &[(0, GAP), (200, Ends(Resolved)), (261, GAP)], &["70 F", "260 E", "331 F", "3931 R"]),
        ("is info", &[(0, There(Info))], &[]),
        ("becomes info", &[(0, GAP), (200, There(Info))], &["70 F", "260 E"]),
        ("pending while unknown", &[(0, GAP), (30, Unknown)], &[]),
        ("unknown for a while", &[(0, GAP), (30, Unknown), (50, Restart), (90, GAP)], &["130 F", "3730 R"]),
        ("unknown twice", &[(0, GAP), (10, Unknown), (20, GAP), (30, Unknown), (90, GAP)], &["140 F", "3740 R"]),
        ("found unknown", &[(0, GAP), (0, Unknown), (100, GAP)], &["170 F", "3770 R"]),
        ("fires and is unknown", &[(0, GAP), (100, Unknown)], &["70 F", "3670 R"]),
        ("unknown, then over", &[(0, GAP), (100, Unknown), (200, Ends(Resolved))], &["70 F", "260 E"]),
        ("nobody can look", &[(0, GAP), (99, Bucket(Some(false))), (100, Missing)], &["70 F", "3670 R"]),
        (
            "it is gone when somebody looks again",
            &[(0, GAP), (99, Bucket(Some(false))), (100, Missing), (300, Bucket(Some(true)))],
            &["70 F", "360 E"],
        ),
        (
            "healed, and then nobody can look for a while",
            &[(0, GAP), (100, Ends(Resolved)), (110, Bucket(Some(false))), (500, Bucket(Some(true)))],
            &["70 F", "550 E"],
        ),
        (
            "healed, and nobody can look",
            &[(0, GAP), (100, Ends(Resolved)), (110, Bucket(Some(false))), (120, Restart)],
            &["70 F", "3670 R"],
        ),
        ("unwatched", &[(0, GAP), (200, Ends(Unwatched))], &["70 F", "200 E"]),
        ("the bucket is taken out", &[(0, GAP), (99, Bucket(None)), (200, Missing)], &["70 F", "200 E"]),
        ("pending, and the bucket is taken out", &[(0, GAP), (9, Bucket(None)), (10, Missing)], &[]),
        ("over before it is told", &[(0, GAP), (65, Ends(Unwatched)), (66, Restart)], &["70 B"]),
        ("worse", &[(0, There(Warning)), (100, GAP)], &["90 F", "110 W", "3710 R"]),
        ("better", &[(0, GAP), (100, There(Warning))], &["70 F", "130 b"]),
        ("better and worse again before it is told", &[(0, GAP), (80, There(Warning)), (90, GAP)], &["70 F", "3670 R"]),
    ];
    let words = [
        ("F", "first slack: coverage_gap/a fired"),
        ("E", "ended slack: coverage_gap/a ended"),
        ("B", "fired_and_ended slack: coverage_gap/a fired_and_ended"),
        ("R", "repeat slack: coverage_gap/a still"),
        ("W", "worse slack: coverage_gap/a worse"),
        ("b", "some_ended slack: coverage_gap/a better"),
    ];
    for (case, events, expected) in cases {
        let expected: Vec<String> = expected
            .iter()
            .map(|line| {
                let (second, word) = line.split_once(' ').unwrap();
                format!("{second} {}", words.iter().find(|(short, _)| *short == word).unwrap().1)
            })
            .collect();
        assert_eq!(told(policy(), events).1, expected, "{case}");
    }
}

#[test]
fn an_alert_knows_its_times() {
    let events = [(0, There(Critical)), (200, Ends(Resolved)), (230, There(Critical)), (300, Unknown)];
    let (kit, _) = told(policy(), &events);
    let alert = kit.alert(&gap("a").fingerprint());
    assert_eq!((alert.since, alert.fired_at, alert.healed_at, alert.end), (at(0), Some(at(60)), None, None));
    assert_eq!((alert.unknown_since, alert.edges.len()), (Some(at(300)), 3));
    let (kit, _) = told(policy(), &[(0, There(Critical)), (200, Ends(Expired))]);
    let alert = kit.alert(&gap("a").fingerprint());
    assert_eq!((alert.healed_at, alert.end, alert.ended_at), (Some(at(200)), Some(Expired), Some(at(260))));
    // ended before it fired: remembered for the sake of flapping alone
    let (kit, _) = told(policy(), &[(2_000, There(Critical)), (2_010, Ends(Resolved))]);
    assert_eq!((kit.alerting.alerts().count(), kit.tables.alerts.len()), (0, 1));
    // a change of what is said is a change of the alert, and no news
    let (mut kit, _) = told(policy(), &[(0, There(Critical))]);
    kit.open(Finding { message: "more is missing".to_owned(), ..gap("a") });
    let change = kit.judge();
    assert_eq!((change.alerts.len(), change.groups.len(), change.outbox.len()), (1, 0, 0));
}

#[test]
fn what_ended_while_nobody_listened_ends_as_the_ledger_says() {
    let (kit, _) = told(policy(), &[(0, There(Critical))]);
    let fingerprint = gap("a").fingerprint();
    for (known, expected) in [(Some(FindingEnd::Lost), FindingEnd::Lost), (None, Resolved)] {
        let mut kit = kit.clone();
        kit.alerting.ended_unseen.extend(known.map(|end| (fingerprint.clone(), end)));
        happen(&mut kit, Missing);
        kit.judge();
        assert_eq!(kit.alert(&fingerprint).end, Some(expected));
        assert!(kit.alerting.ended_unseen.is_empty());
    }
}

#[test]
fn without_a_kind_there_is_no_alert() {
    let (mut kit, told) = told(policy(), &[(0, There(Critical)), (100, There(Critical))]);
    assert_eq!(told.len(), 2);
    let kinds = std::mem::take(&mut kit.policy.kinds);
    assert_eq!(kit.tick().outbox.len(), 1);
    assert_eq!(kit.alert(&gap("a").fingerprint()).end, Some(Unwatched));
    assert!(kit.judge().is_empty());
    kit.policy.kinds = kinds;
    assert_eq!(kit.judge().alerts.len(), 1);
}

#[test]
fn signals_are_alerts_for_as_long_as_they_are_given() {
    let mut kit = Kit::new(policy());
    kit.signals.push(Signal { fingerprint: "watchdog_silent".to_owned(), ..signal("watchdog_silent", &[]) });
    kit.judge_at(0);
    assert!(kit.alerting.alerts.contains_key("signal:watchdog_silent"));
    // no bucket that cannot be seen keeps a signal from ending
    kit.buckets = BTreeMap::from([("".into(), false)]);
    assert_eq!(kit.judge_at(100), ["70 first slack: watchdog_silent/- fired"]);
    kit.signals.clear();
    kit.judge_at(200);
    assert_eq!(kit.told_until(300), ["260 ended slack: watchdog_silent/- ended"]);
}

#[test]
fn what_belongs_together_is_told_together() {
    let mut kit = Kit::new(policy());
    let a = kit.open(gap("a"));
    kit.judge_at(0);
    let b = kit.open(gap("b"));
    kit.judge_at(5);
    assert_eq!(kit.told_until(500), ["70 first slack: coverage_gap/a fired, coverage_gap/b fired"]);
    kit.open(gap("c"));
    kit.judge_at(500);
    let third = ["570 new_alerts slack: coverage_gap/a still, coverage_gap/b still, coverage_gap/c fired"];
    assert_eq!(kit.told_until(590), third);
    // after a message the next one waits for `group_interval`, and ends that come together are told together
    let d = kit.open(gap("d"));
    kit.kept.clear();
    kit.judge_at(595);
    kit.end(&a, Resolved);
    kit.judge_at(600);
    let (still, ended) = ("coverage_gap/b still, coverage_gap/c still", "coverage_gap/a ended");
    assert_eq!(kit.told_until(700), [format!("665 new_alerts slack: {still}, coverage_gap/d fired, {ended}")]);
    let first = kit.outbox[0].notification.clone();
    let last = kit.outbox.last().unwrap().notification.clone();
    assert_eq!((&first.incident, first.began), (&last.incident, at(0)));
    // all are over: at once, whatever the interval
    for fingerprint in [b, gap("c").fingerprint(), d] {
        kit.end(&fingerprint, Resolved);
    }
    assert_eq!(kit.told_until(700), Vec::<String>::new());
    kit.judge_at(700);
    let told = kit.until(1_000);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].reason, told[0].at, told[0].ended), (Reason::Ended, at(760), Some(at(760))));
    assert_eq!((told[0].began, &told[0].incident, told[0].repeat_ms), (at(0), &first.incident, None));
    kit.open(gap("a"));
    kit.judge_at(1_000);
    assert_ne!(kit.until(1_100)[0].incident, first.incident);
}

#[test]
fn ends_are_told_after_the_interval_while_others_fire() {
    // without flapping nothing but the end that is still to be told keeps the alert from being forgotten
    for edges in [6, 0] {
        ends_are_told(Flapping { edges, ..Flapping::default() });
    }
}

fn ends_are_told(flapping: Flapping) {
    let mut kit = Kit::new(AlertingPolicy { flapping, ..policy() });
    let (a, _) = (kit.open(gap("a")), kit.open(gap("b")));
    kit.judge_at(0);
    kit.until(71);
    kit.end(&a, Unwatched);
    kit.judge_at(75);
    // it comes back before its end was told, and goes before it fires
    kit.open(gap("a"));
    kit.judge_at(80);
    assert!(kit.told_until(124).is_empty());
    kit.end(&a, Resolved);
    assert_eq!(kit.judge_at(125), Vec::<String>::new());
    assert_eq!(kit.told_until(200), ["135 some_ended slack: coverage_gap/b still, coverage_gap/a ended"]);
}

#[test]
fn the_rhythm_is_that_of_the_route_or_of_the_severity() {
    let set = Route {
        group_wait_ms: Some(5_000),
        group_interval_ms: Some(100_000),
        repeat_interval_ms: Some(600_000),
        ..route_to(&["slack"])
    };
    for (route, severity, first, second, repeat) in [
        (route_to(&["slack"]), Critical, 70, 130, 3_730),
        (route_to(&["slack"]), Warning, 90, 390, 390 + 12 * 3_600),
        (set.clone(), Critical, 65, 165, 765),
        (set, Warning, 65, 165, 765),
    ] {
        let mut kit = Kit::new(AlertingPolicy { routes: vec![route], ..policy() });
        kit.open(Finding { severity, ..gap("a") });
        kit.judge_at(0);
        kit.open(Finding { severity, ..gap("b") });
        kit.judge_at(30);
        let at = kit.until(90_000).iter().take(3).map(|told| told.at.since(EPOCH) / 1_000).collect::<Vec<_>>();
        // the second one fires at second 90, which is part of the first message where that waits for so long
        let expected = if first == 90 { vec![90, 90 + 12 * 3_600] } else { vec![first, second, repeat] };
        assert_eq!(at[..expected.len()], expected, "{severity}");
    }
}

#[test]
fn a_receiver_that_wants_no_ends_gets_none_and_is_told_again_of_what_returns() {
    let mut policy = policy();
    policy.receivers.get_mut("slack").unwrap().send_resolved = false;
    let events = [(0, There(Critical)), (100, Ends(Resolved)), (165, There(Critical))];
    let (kit, lines) = told(policy.clone(), &events);
    assert_eq!(lines[..2], ["70 first slack: coverage_gap/a fired", "235 first slack: coverage_gap/a fired"]);
    assert_ne!(kit.outbox[0].notification.incident, kit.outbox[1].notification.incident);
    // what was never told is news all the same
    let (kit, lines) = told(policy, &[(0, There(Critical)), (65, Ends(Unwatched))]);
    assert_eq!(lines, ["70 fired_and_ended slack: coverage_gap/a fired_and_ended"]);
    assert!(kit.tables.groups.is_empty());
}

#[test]
fn silences_keep_alerts_from_being_told_but_never_their_end() {
    const GAP: Event = There(Critical);
    const GAP_A: &str = r#"{alertname="BlockwardenCoverageGap", replica="a"}"#;
    let cases: &[Silenced] = &[
        ("from the beginning", GAP_A, (0, 500), &[(0, GAP)], &["510 first fired", "4110 repeat still"]),
        ("of something else", r#"{replica="b"}"#, (0, 500), &[(0, GAP)], &["70 first fired", "3670 repeat still"]),
        ("that nobody can read", "{replica=", (0, 500), &[(0, GAP)], &["70 first fired", "3670 repeat still"]),
        ("until after the end", GAP_A, (0, 500), &[(0, GAP), (100, Ends(Resolved))], &[]),
        ("for less than the wait", GAP_A, (65, 66), &[(0, GAP)], &["76 first fired", "3676 repeat still"]),
        ("told before", GAP_A, (80, 500), &[(0, GAP)], &["70 first fired", "3670 repeat still"]),
        ("over the repeat", GAP_A, (80, 4_000), &[(0, GAP)], &["70 first fired", "4000 repeat still"]),
        (
            "over the end",
            GAP_A,
            (80, 4_000),
            &[(0, GAP), (100, Ends(Resolved))],
            &["70 first fired", "160 ended ended"],
        ),
        (
            "worse",
            GAP_A,
            (95, 300),
            &[(0, There(Warning)), (100, GAP)],
            &["90 first fired", "310 worse worse", "3910 repeat still"],
        ),
        ("over before it is told", GAP_A, (66, 300), &[(0, GAP), (65, Ends(Unwatched))], &[]),
    ];
    for configured in [false, true] {
        for (case, matchers, (from, to), events, expected) in cases {
            let own = silence("s", matchers, at(*from), at(*to));
            let mut kit = Kit::new(policy());
            if configured {
                kit.policy.silences.push(own);
            } else {
                let change = kit.alerting.silence(own);
                kit.commit(change);
            }
            let mut lines = Vec::new();
            for (second, event) in *events {
                lines.extend(kit.told_until(*second));
                happen(&mut kit, *event);
                lines.extend(kit.judge_at(*second));
            }
            lines.extend(kit.told_until(5_000));
            let short: Vec<String> =
                lines.iter().map(|line| line.replace("slack: ", "").replace("coverage_gap/a ", "")).collect();
            assert_eq!(short, *expected, "{case}");
        }
    }
}

#[test]
fn silences_are_ended_and_forgotten() {
    let mut kit = Kit::new(policy());
    kit.open(gap("a"));
    let change = kit.alerting.silence(silence("s", "{}", at(0), at(1_000_000)));
    kit.commit(change);
    assert!(kit.judge_at(0).is_empty() && kit.told_until(100).is_empty());
    let alert = kit.alert(&gap("a").fingerprint()).clone();
    assert_eq!(kit.alerting.suppressed(&alert, &kit.policy, at(100)), Some((Suppressed::Silence, "s".to_owned())));
    assert_eq!(kit.alerting.suppressed_counts(), &BTreeMap::from([(Suppressed::Silence, 1)]));
    let change = kit.alerting.expire_silence("s", at(100)).unwrap();
    kit.commit(change);
    assert_eq!(kit.alerting.suppressed(&alert, &kit.policy, at(100)), None);
    assert!(kit.alerting.expire_silence("s", at(100)).is_none() && kit.alerting.expire_silence("t", at(100)).is_none());
    assert_eq!(kit.told_until(200), ["110 first slack: coverage_gap/a fired"]);
    kit.until(100 + 5 * 86_400 - 1);
    assert_eq!(kit.alerting.silences().count(), 1);
    kit.until(100 + 5 * 86_400);
    assert_eq!(kit.alerting.silences().count(), 0);
}

#[test]
fn an_alert_that_another_one_makes_pointless_is_not_told() {
    let unreachable = |bucket| finding("bucket_unreachable", Critical, bucket, "a");
    let other = |id, severity, bucket, replica| finding(id, severity, bucket, replica);
    for (case, others, expected) in [
        ("alone", vec![], true),
        ("its bucket cannot be reached", vec![unreachable("thanos")], false),
        ("another bucket cannot", vec![unreachable("b2")], true),
        ("one that is not named", vec![other("coverage_gap", Critical, "thanos", "a")], true),
        ("its own id, though it is named", vec![other("overlap", Warning, "thanos", "b")], true),
        ("the critical one of another stream", vec![other("overlap", Critical, "thanos", "b")], true),
        ("the critical one of another bucket", vec![other("overlap", Critical, "b2", "a")], true),
        ("the same stream's warning", vec![], true),
    ] {
        let mut kit = Kit::new(policy());
        kit.buckets.insert("b2".into(), true);
        let overlap = kit.open(overlap("a"));
        for one in others {
            kit.open(one);
        }
        kit.judge_at(0);
        kit.until(200);
        let told =
            kit.outbox.iter().any(|row| row.notification.alerts.iter().any(|one| one.alert.fingerprint == overlap));
        assert_eq!(told, expected, "{case}");
        let by = kit.alerting.suppressed(kit.alert(&overlap), &kit.policy, at(200)).map(|(by, _)| by);
        assert_eq!(by, (!expected).then_some(Suppressed::Inhibition), "{case}");
    }
}

#[test]
fn inhibition_looks_at_phases_alone() {
    let mut kit = Kit::new(policy());
    let unreachable = kit.open(finding("bucket_unreachable", Critical, "thanos", "a"));
    kit.judge_at(0);
    let change = kit.alerting.silence(silence("s", "{check=\"bucket_unreachable\"}", at(0), at(100_000)));
    kit.commit(change);
    kit.open(overlap("a"));
    // pending alone does not inhibit, a silenced one does, and so do an unknown and a healed one
    kit.judge_at(1);
    kit.kept.insert(unreachable.clone());
    kit.judge_at(70);
    assert!(kit.told_until(300).is_empty());
    kit.kept.clear();
    kit.judge_at(300);
    kit.end(&unreachable, Resolved);
    kit.judge_at(310);
    assert!(kit.told_until(369).is_empty());
    assert_eq!(kit.told_until(500), ["400 first slack: overlap/a fired"]);
}

#[test]
fn a_critical_one_inhibits_its_warning() {
    let mut kit = Kit::new(policy());
    let at_block = |severity, object: &str| {
        let mut one = finding("overlap", severity, "thanos", "a");
        one.subject.object = Some(object.to_owned());
        one
    };
    kit.open(at_block(Warning, "x"));
    let critical = kit.open(at_block(Critical, "y"));
    kit.judge_at(0);
    assert_eq!(kit.told_until(1_000), ["70 first slack: overlap/a fired"]);
    kit.end(&critical, Resolved);
    kit.judge_at(1_000);
    // at once, since all that was told is over, and with what nothing inhibits any more
    assert_eq!(kit.told_until(1_100), ["1060 new_alerts slack: overlap/a fired, overlap/a ended"]);
}

fn mute_until_thirty() -> MuteTime {
    // the tests begin at 12:00
    let zone = jiff::tz::TimeZone::UTC;
    MuteTime { weekdays: vec![5], hours: Window::parse("11:00-12:30", zone.clone()).unwrap(), zone }
}

#[test]
fn a_muted_route_tells_nothing_while_another_one_does() {
    let mut policy = policy();
    policy.mute_times.insert("work".to_owned(), mute_until_thirty());
    policy.receivers.insert("mail".to_owned(), receiver(&["a@b", "c@d"]));
    policy.routes = vec![
        Route { mute: vec!["work".to_owned()], continues: true, ..route_to(&["slack"]) },
        route_to(&["mail", "slack"]),
    ];
    let mut kit = Kit::new(policy);
    kit.open(gap("a"));
    kit.judge_at(0);
    let lines = ["70 first mail: coverage_gap/a fired"; 2];
    assert_eq!(kit.told_until(1_799), lines);
    let alert = kit.alert(&gap("a").fingerprint()).clone();
    assert_eq!(kit.alerting.suppressed(&alert, &kit.policy, kit.now), None);
    kit.policy.routes.pop();
    assert_eq!(kit.alerting.suppressed(&alert, &kit.policy, kit.now), Some((Suppressed::MuteTime, "work".to_owned())));
    assert_eq!(kit.told_until(1_900), ["1810 first slack: coverage_gap/a fired"]);
    assert_eq!(kit.alerting.suppressed_counts(), &BTreeMap::from([(Suppressed::MuteTime, 1)]));
}

#[test]
fn routes_are_looked_at_in_order() {
    let named = |name: &str, matchers: &str, receivers: &[&str], continues| Route {
        name: name.to_owned(),
        matchers: selector(matchers),
        continues,
        ..route_to(receivers)
    };
    let mut policy = policy();
    policy.receivers.insert("mail".to_owned(), receiver(&["a@b"]));
    policy.receivers.insert("am".to_owned(), receiver(&[]));
    policy.routes = vec![
        named("eu2", r#"{cluster="eu2"}"#, &["mail"], false),
        named("critical", r#"{severity="critical"}"#, &["slack", "am", "nobody"], true),
        Route { group_by: vec!["...".to_owned()], ..named("rest", "{}", &["slack", "mail"], false) },
        named("never", "{}", &["mail"], false),
    ];
    let labels = |severity: &str, cluster: &str| {
        Labels::from([("alertname", "X"), ("severity", severity), ("cluster", cluster), ("bucket", "b")])
    };
    for (labels, expected) in [
        (labels("critical", "eu2"), "eu2 mail"),
        (labels("critical", "eu1"), "!eu2, critical slack+am+nobody, rest mail"),
        (labels("warning", "eu1"), "!eu2, !critical, rest slack+mail"),
    ] {
        let steps = route(&labels, &policy);
        let words = steps.iter().map(|step| {
            let told = format!("{} {}", step.route, step.receivers.join("+"));
            if step.matches { told } else { format!("!{}", step.route) }
        });
        assert_eq!(words.collect::<Vec<_>>().join(", "), expected);
        let group = &steps.last().unwrap().group;
        assert_eq!(group.contains_key("severity"), expected.contains("rest"), "{group:?}");
    }
    policy.routes.truncate(3);
    let mut kit = Kit::new(policy);
    kit.open(gap("a"));
    kit.open(gap("b"));
    kit.judge_at(0);
    let told = kit.until(100);
    let lines: Vec<String> = told.iter().map(text).collect();
    // each receiver is told once, by the first route that leads there: `mail` by alert, and an Alertmanager not at all
    assert_eq!(lines.len(), 3);
    assert_eq!(told.iter().filter(|one| one.receiver == "mail" && one.group.contains_key("fingerprint")).count(), 2);
    assert!(lines.contains(&"70 first slack: coverage_gap/a fired, coverage_gap/b fired".to_owned()));
    assert_eq!(
        kit.outbox.iter().find(|row| row.receiver == "slack").unwrap().lane,
        r#"{alertname="BlockwardenCoverageGap", bucket="thanos", cluster="eu1"}"#
    );
}

#[test]
fn what_was_told_stays_where_it_was_told() {
    let (mut kit, _) = told(policy(), &[(0, There(Critical))]);
    kit.policy.receivers.insert("mail".to_owned(), receiver(&["a@b"]));
    kit.policy.routes = vec![Route { group_by: Vec::new(), ..route_to(&["mail", "slack"]) }];
    kit.tick();
    assert_eq!(kit.told_until(5_100), ["5010 first mail: coverage_gap/a fired"]);
    // another rhythm and another group, but not for what was told; and no route at all still leads to the end
    kit.policy.routes.clear();
    kit.end(&gap("a").fingerprint(), Resolved);
    kit.judge_at(5_200);
    let ends = ["5260 ended mail: coverage_gap/a ended", "5260 ended slack: coverage_gap/a ended"];
    assert_eq!(kit.told_until(5_300), ends);
}

#[test]
fn a_receiver_that_is_gone_is_forgotten_without_a_word() {
    for policy_after in [AlertingPolicy { receivers: BTreeMap::new(), ..policy() }, {
        let receivers = BTreeMap::from([("slack".to_owned(), receiver(&[]))]);
        AlertingPolicy { receivers, ..policy() }
    }] {
        let (mut kit, _) = told(policy(), &[(0, There(Critical))]);
        kit.policy = policy_after;
        let change = kit.tick();
        assert_eq!((change.closed.len(), change.outbox.len()), (1, 0));
    }
}

#[test]
fn that_receivers_fail_is_told_to_all_others() {
    let mut policy = policy();
    for name in ["mail", "pager"] {
        policy.receivers.insert(name.to_owned(), receiver(&[name]));
    }
    policy.receivers.insert("am".to_owned(), receiver(&[]));
    policy.routes.clear();
    let mut kit = Kit::new(policy);
    kit.signals.push(signal("notification_failing", &[("receivers", json!(["slack", "pager"]))]));
    kit.judge_at(0);
    assert_eq!(kit.told_until(100), ["70 first mail: notification_failing/- fired"]);
    assert_eq!(kit.alerting.for_alertmanager("am", &kit.policy, 0, kit.now).len(), 1);
    assert_eq!(kit.alerting.for_alertmanager("pager", &kit.policy, 0, kit.now).len(), 0);
    // the pager works again, and learns of the one that does not
    kit.signals = vec![signal("notification_failing", &[("receivers", json!(["slack"]))])];
    kit.judge_at(200);
    assert_eq!(kit.told_until(300), ["210 first pager: notification_failing/- fired"]);
}

#[test]
fn an_alertmanager_is_told_what_fires_and_what_ended_of_late() {
    let mut kit = Kit::new(policy());
    let (a, _) = (kit.open(gap("a")), kit.open(overlap("a")));
    let change = kit.alerting.silence(silence("s", "{}", at(0), at(100_000)));
    kit.commit(change);
    kit.judge_at(0);
    let count = |kit: &Kit| kit.alerting.for_alertmanager("slack", &kit.policy, 15 * MINUTE_MS, kit.now).len();
    assert_eq!(count(&kit), 0);
    kit.until(60);
    assert_eq!(count(&kit), 2, "silences are applied by the Alertmanager");
    assert_eq!(kit.alerting.for_alertmanager("mail", &kit.policy, 0, kit.now).len(), 0);
    kit.end(&a, Resolved);
    kit.judge_at(100);
    kit.until(160 + 15 * 60 - 1);
    assert_eq!(count(&kit), 2);
    kit.until(160 + 15 * 60);
    assert_eq!(count(&kit), 1);
}

#[test]
fn rows_are_told_apart_and_have_a_deadline() {
    let mut policy = policy();
    policy.receivers.insert("slack".to_owned(), receiver(&["a@b", "c@d"]));
    let (kit, _) = told(policy, &[(0, There(Critical)), (100, Ends(Resolved))]);
    let ids: BTreeSet<&str> = kit.outbox.iter().map(|row| row.id.as_str()).collect();
    assert_eq!((ids.len(), kit.outbox.len()), (4, 4));
    assert!(ids.iter().all(|id| id.len() == 16 && id.bytes().all(|c| c.is_ascii_hexdigit())));
    for row in &kit.outbox {
        assert_eq!((row.created, row.not_before), (row.notification.at, row.notification.at));
        assert_eq!((row.deadline, row.state), (row.created.plus(DAY_MS), OutboxState::Pending));
        assert_eq!((row.lane.as_str(), row.notification.incident.len()), (row.notification.group_key.as_str(), 16));
    }
    assert_eq!([&kit.outbox[0], &kit.outbox[1]].map(|row| row.recipient.as_str()), ["a@b", "c@d"]);
    assert_eq!(kit.outbox[0].notification.repeat_ms, Some(HOUR_MS));
}

/// There for so many seconds of each period, from second 0 to the end; what was told, by reason.
fn come_and_go(kit: &mut Kit, there: i64, period: i64, end: i64) -> BTreeMap<&'static str, usize> {
    let fingerprint = gap("a").fingerprint();
    for begin in (0..end).step_by(usize::try_from(period).unwrap()) {
        kit.until(begin);
        kit.open(gap("a"));
        kit.judge();
        kit.until(begin + there);
        kit.end(&fingerprint, Resolved);
        kit.judge();
    }
    kit.until(end + 3_600);
    let mut counts = BTreeMap::new();
    for row in &kit.outbox {
        *counts.entry(row.notification.reason.name()).or_default() += 1;
    }
    counts
}

#[test]
fn what_comes_and_goes_is_told_to_do_so() {
    let mut kit = Kit::new(policy());
    // too short for `for`: without flapping nobody would ever hear of it
    let counts = come_and_go(&mut kit, 30, 300, 3_600);
    let lines: Vec<String> = kit.outbox.iter().map(|row| text(&row.notification)).collect();
    // the seventh edge comes at second 900; the last one at 3330, and half an hour later it is over
    assert_eq!(
        lines,
        [
            "910 first slack: coverage_gap/a flapping",
            "4510 repeat slack: coverage_gap/a still",
            "5130 ended slack: coverage_gap/a ended"
        ]
    );
    assert_eq!(counts.len(), 3);
    assert!(kit.alert(&gap("a").fingerprint()).edges.is_empty());

    // told as firing before it is told to flap; there in the end, so that it is settled
    let mut kit = Kit::new(policy());
    let gap_a = kit.open(gap("a"));
    kit.judge_at(0);
    for second in (100..700).step_by(200) {
        kit.until(second);
        kit.end(&gap_a, Resolved);
        kit.judge();
        kit.until(second + 100);
        kit.open(gap("a"));
        kit.judge();
    }
    assert_eq!(kit.alert(&gap_a).flapping_since, Some(at(500)));
    let lines = kit.told_until(4_000);
    assert_eq!(kit.alert(&gap_a).flapping_since, None);
    assert_eq!(lines, ["2410 flapping slack: coverage_gap/a settled"]);
    let words = kit.outbox.iter().map(|row| text(&row.notification));
    assert_eq!(words.rev().nth(1).unwrap(), "530 flapping slack: coverage_gap/a flapping");
}

#[test]
fn while_it_comes_and_goes_only_worse_is_told() {
    let mut kit = Kit::new(policy());
    let gap_a = gap("a").fingerprint();
    for round in 0..12 {
        let severity = if round >= 6 && round % 2 == 0 { Critical } else { Warning };
        kit.until(round * 200);
        kit.open(Finding { severity, ..gap("a") });
        kit.judge();
        kit.until(round * 200 + 30);
        kit.end(&gap_a, Resolved);
        kit.judge();
    }
    let lines: Vec<String> = kit.outbox.iter().map(|row| text(&row.notification)).collect();
    assert_eq!(lines, ["630 first slack: coverage_gap/a flapping", "1210 worse slack: coverage_gap/a worse"]);
}

#[test]
fn a_month_of_coming_and_going_gives_few_messages() {
    const MONTH: i64 = 30 * 86_400;
    for (there, period, expected) in [
        // every ten minutes for five, 4320 times: told twice, then said to flap, and told of every hour from there on
        (300, 600, BTreeMap::from([("first", 3), ("flapping", 1), ("repeat", 720), ("ended", 3)])),
        // every half hour for a minute and a half
        (90, 1_800, BTreeMap::from([("first", 3), ("flapping", 1), ("repeat", 719), ("ended", 3)])),
        // once an hour for twenty minutes
        (1_200, 3_600, BTreeMap::from([("first", 3), ("flapping", 1), ("repeat", 717), ("ended", 3)])),
    ] {
        let mut kit = Kit::new(AlertingPolicy { flapping: Flapping::default(), ..policy() });
        let counts = come_and_go(&mut kit, there, period, MONTH);
        assert_eq!(counts, expected, "{there} of {period}");
        assert!(kit.alert(&gap("a").fingerprint()).edges.len() <= 6);
    }
}

#[test]
fn a_storm_is_one_message_and_costs_little() {
    let mut kit = Kit::new(policy());
    for count in 0..5_000 {
        kit.open(gap(&format!("r{count:04}")));
    }
    let began = tokio::time::Instant::now();
    kit.judge();
    let judged = began.elapsed();
    kit.now = at(60);
    kit.tick();
    kit.now = at(70);
    let began = tokio::time::Instant::now();
    let told = kit.tick();
    let told_in = began.elapsed();
    println!("judged in {judged:?}, told in {told_in:?}");
    assert!(judged.as_secs() < 5 && told_in.as_secs() < 5);
    assert_eq!(told.outbox.len(), 1);
    let notification = &told.outbox[0].notification;
    assert_eq!((notification.alerts.len(), notification.more), (200, 4_800));
    assert!(notification.alerts.is_sorted_by_key(|one| one.alert.content.stream.clone()));
    let json = serde_json::to_string(notification).unwrap();
    assert!(json.len() < 400_000, "{}", json.len());
    kit.now = at(80);
    assert!(kit.judge().is_empty());
}

#[test]
fn nothing_grows_while_nothing_changes() {
    let (mut kit, _) = told(policy(), &[(0, There(Critical))]);
    let size = |kit: &Kit| format!("{:?}", kit.alerting).len();
    let before = size(&kit);
    for _ in 0..10_000 {
        kit.now = kit.now.plus(1);
        assert!(kit.judge().is_empty());
    }
    assert_eq!(size(&kit), before);
}

#[test]
fn a_clock_that_goes_back_breaks_nothing() {
    let (mut kit, _) = told(policy(), &[(0, There(Critical)), (100, Unknown)]);
    kit.now = at(-100_000);
    kit.kept.clear();
    kit.judge();
    kit.end(&gap("a").fingerprint(), Resolved);
    kit.judge();
    kit.now = TimestampMs(i64::MAX);
    assert_eq!(kit.alerting.step(None, &kit.policy, kit.now).outbox.len(), 1);
}
