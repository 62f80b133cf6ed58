//! Our own file.

use super::*;
use crate::checks::{Param, ParamValue, Retention};
use crate::model::RuleSettings;
use crate::model::{DAY_MS, HOUR_MS, Labels, Severity};

static LATE: Check = Check {
    id: "late",
    needs: &[],
    severity: Severity::Warning,
    params: &[
        Param { name: "after", default: ParamValue::DurationMs(HOUR_MS), help: "when" },
        Param { name: "share", default: ParamValue::Ratio(0.2), help: "how much" },
        Param { name: "count", default: ParamValue::Count(10), help: "how many" },
    ],
    run: |_| Vec::new(),
};
static CHECKS: [&Check; 1] = [&LATE];

/// The least bucket.
const BUCKET: &str = "buckets: [{objstore_config_file: objstore.yaml}]\n";

fn wrong_main(text: &str) -> Vec<String> {
    Folder::new(text).load_with(None, &CHECKS).map_or_else(|lines| lines, |_| Vec::new())
}

#[test]
fn a_file_with_one_bucket_is_enough() {
    let config = Folder::new(BUCKET).load().unwrap();
    assert_eq!(config.buckets.iter().map(|bucket| &*bucket.name).collect::<Vec<_>>(), ["thanos"]);
    let found = format!("{:?}", config.policy.bucket("thanos"));
    assert_eq!(found, format!("{:?}", crate::checks::BucketPolicy::default()));
}

#[test]
fn everything_arrives() {
    let folder = Folder::new(
        "retention: {raw: 30d, 5m: 90d, 1h: 0s}\n\
         retention_by_stream:\n- {match: '{tenant_id=\"y\"}', 1h: 1w}\n\
         streams:\n- match: '{cluster=\"eu1\"}'\n  expected: true\n  local_retention: 15d\n  retire_after: 1w\n  block_range: 2h\n\
         checks:\n  late:\n    enabled: on\n    severity: info\n    after: 2h\n    share: 0.5\n    count: 3\n    \
         overrides: [{match: '{cluster=~\"dev.*\"}', enabled: off, after: 1d}]\n\
         buckets:\n- name: prod\n  objstore_config_file: objstore.yaml\n  interval: 90s\n  new: true\n  delete_delay: 1d\n  \
         consistency_delay: 1h\n  replica_labels: [replica, 1]\n  vertical_compaction: no\n  retention: {raw: 7d}\n  \
         retention_by_stream: [{match: '{tenant_id=\"x\"}', raw: 1d}]\n\
         - objstore_config:\n    type: FILESYSTEM\n    config:\n      directory: /other\n",
    );
    let config = folder.load_with(None, &CHECKS).unwrap();
    let prod = config.policy.bucket("prod");
    assert_eq!((prod.interval_ms, prod.new), (90_000, true));
    assert_eq!((prod.delete_delay_ms, prod.consistency_delay_ms), (DAY_MS, HOUR_MS));
    assert_eq!(
        (prod.replica_labels, prod.vertical_compaction),
        (vec!["replica".to_owned(), "1".to_owned()], Some(false))
    );
    let retention = |raw, five, hour| Retention { raw, five_minutes: five, one_hour: hour };
    let days = |days: i64| Some(days * DAY_MS);
    assert_eq!(prod.retention, retention(days(7), days(90), Some(0)));
    let own: Vec<Retention> = prod.stream_retention.iter().map(|(_, retention)| *retention).collect();
    assert_eq!(own, [retention(days(1), days(90), Some(0)), retention(days(7), days(90), days(7))]);
    assert_eq!(config.policy.bucket("other").retention, retention(days(30), days(90), Some(0)));

    let eu1 = Labels::from([("cluster", "eu1")]);
    let dev = Labels::from([("cluster", "dev1")]);
    let policy = &config.policy;
    assert!(policy.is_expected(&eu1) && !policy.is_expected(&dev));
    assert_eq!(policy.local_retention_ms(&eu1), days(15));
    assert_eq!((policy.retire_after_ms(&eu1), policy.block_range_ms(&eu1)), (7 * DAY_MS, Some(2 * HOUR_MS)));
    assert!(policy.is_enabled("late", Some(&eu1)) && !policy.is_enabled("late", Some(&dev)));
    assert_eq!(policy.severity("late", Some(&dev)), Some(Severity::Info));
    let [after, share, count] = LATE.params else { panic!("three parameters") };
    assert_eq!(policy.param("late", after, Some(&dev)), ParamValue::DurationMs(DAY_MS));
    assert_eq!(policy.param("late", share, None), ParamValue::Ratio(0.5));
    assert_eq!(policy.param("late", count, None), ParamValue::Count(3));

    assert_eq!(
        config.summary(),
        [
            "bucket prod: FILESYSTEM /var/lib/thanos",
            "  credentials: none",
            "  every 1m30s, delete delay 1d, consistency delay 1h, declared new, vertical compaction off",
            "  replica labels: replica, 1",
            "  retention: raw 7d, 5m 90d, 1h for ever",
            "  retention of {tenant_id=\"x\"}: raw 1d, 5m 90d, 1h for ever",
            "  retention of {tenant_id=\"y\"}: raw 7d, 5m 90d, 1h 7d",
            "bucket other: FILESYSTEM /other",
            "  credentials: none",
            "  every 5m, delete delay 2d, consistency delay 30m",
            "  replica labels: replica, prometheus_replica, rule_replica, thanos_ruler_replica, receive_replica, __replica__",
            "  retention: raw 30d, 5m 90d, 1h for ever",
            "  retention of {tenant_id=\"y\"}: raw 30d, 5m 90d, 1h 7d",
            "streams {cluster=\"eu1\"}: expected, local retention 15d, retired after 7d, block range 2h",
            "check late: enabled, severity info, after 2h, count 3, share 0.5",
            "check late for {cluster=~\"dev.*\"}: disabled, after 1d",
            "scrub: every 30d at level full, 25MB and 50 requests per second, 192MiB of memory, all hours",
        ]
    );
}

#[test]
fn a_flag_stands_instead_of_the_buckets() {
    let flag = "type: FILESYSTEM\nconfig: {directory: /flag}";
    for main in ["retention: {raw: 1d}\n", "retention: {raw: 1d}\nbuckets: [{objstore_config_file: nowhere.yaml}]\n"] {
        let config = Folder::new(main).load_with(Some(flag), &CHECKS).unwrap();
        assert_eq!(config.buckets.iter().map(|bucket| &*bucket.name).collect::<Vec<_>>(), ["flag"]);
        assert_eq!(config.policy.bucket("flag").retention.raw, Some(DAY_MS));
    }
    let main = "buckets: [{objstore_config_file: nowhere.yaml, intervall: 1m}]\n";
    assert_eq!(
        Folder::new(main).load_with(Some("type: S3"), &CHECKS).unwrap_err(),
        [
            "--objstore.config:1:1: config: is missing: say where the bucket is",
            "main.yaml:1:48: buckets[0]: unknown key `intervall`; did you mean `interval`?",
        ]
    );
}

#[test]
fn without_any_bucket_it_is_said_what_to_give() {
    let errors = load(None, None, &Environment::default(), &[]).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "command line: no bucket is given: add --objstore.config-file FILE with a Thanos objstore.config, or --config \
         FILE with `buckets`"
    );
    let expected = "1:1: buckets: is missing: name at least one bucket here, or give --objstore.config-file FILE";
    for text in ["buckets: []", "buckets:", "retention: {}"] {
        assert_eq!(wrong_main(text), [format!("main.yaml:{expected}")]);
    }
}

#[test]
fn every_mistake_is_said_at_its_place() {
    let twice = "- objstore_config_file: objstore.yaml\n";
    for (text, expected) in [
        ("bukets: []\n".to_owned() + BUCKET, "1:1: unknown key `bukets`; did you mean `buckets`?"),
        ("buckets: {}\n".into(), "1:1: buckets: expected a list, found a mapping"),
        ("buckets: [x]\n".into(), "1:11: buckets[0]: expected a mapping, found a single value"),
        (
            "buckets:\n- objstore_config_file: objstore.yaml\n  interval: soon\n".into(),
            "3:3: buckets[0].interval: expected a duration such as 5m",
        ),
        (
            "buckets:\n- objstore_config_file: objstore.yaml\n  interval: 1M\n".into(),
            "3:3: buckets[0].interval: expected a duration such as 5m without months and years, whose length is not fixed",
        ),
        (
            "buckets:\n- objstore_config_file: objstore.yaml\n  interval: 0s\n".into(),
            "3:3: buckets[0].interval: expected at least 1s",
        ),
        (
            "buckets:\n- objstore_config_file: objstore.yaml\n  delete_delay: 1h 30m\n".into(),
            "3:3: buckets[0].delete_delay: expected a duration such as 48h, 30d or 1h30m (units y w d h m s ms)",
        ),
        (
            "buckets:\n- objstore_config_file: objstore.yaml\n  replica_labels: replica\n".into(),
            "3:3: buckets[0].replica_labels: expected a list, found a single value",
        ),
        (
            "buckets:\n- objstore_config_file: objstore.yaml\n  replica_labels: [a, '', [b]]\n".into(),
            "3:23: buckets[0].replica_labels[1]: is empty\nmain.yaml:3:27: buckets[0].replica_labels[2]: expected text, found a list",
        ),
        (
            "buckets:\n- objstore_config_file: objstore.yaml\n  name: \"a\\nb\"\n".into(),
            "3:3: buckets[0].name: expected text without control characters",
        ),
        (
            "buckets:\n- name: a\n".into(),
            "2:3: buckets[0].objstore_config_file: is missing: name a Thanos objstore.config file, or give objstore_config",
        ),
        (
            "buckets:\n- objstore_config_file: x\n  objstore_config: {}\n".into(),
            "3:3: buckets[0].objstore_config: excludes objstore_config_file: give one of them",
        ),
        (
            "buckets:\n- objstore_config_file: no.yaml\n".into(),
            "2:3: buckets[0].objstore_config_file: no.yaml cannot be read: there is no such file",
        ),
        (
            "buckets:\n- objstore_config: {type: FILESYSTEM, config: {directory: ~}}\n".into(),
            "2:39: buckets[0].objstore_config.config.directory: is missing: the path of the directory",
        ),
        (format!("buckets:\n{twice}{twice}"), "3:3: buckets[1]: is the same location as an earlier bucket"),
        (
            format!("buckets:\n{twice}- objstore_config: {{type: FILESYSTEM, config: {{directory: /x/thanos}}}}\n"),
            "3:3: buckets[1].name: is the same as that of an earlier bucket: give each its own name",
        ),
        (
            format!("{BUCKET}retention: {{raw: 30}}\n"),
            "2:13: retention.raw: expected a duration such as 48h, 30d or 1h30m (units y w d h m s ms)",
        ),
        (format!("{BUCKET}retention: {{10m: 30d}}\n"), "2:13: retention: unknown key `10m`"),
        (
            format!("{BUCKET}retention_by_stream: [{{match: '{{}}'}}]\n"),
            "2:23: retention_by_stream[0]: says nothing: give raw, 5m or 1h",
        ),
        (
            format!("{BUCKET}retention_by_stream: [{{raw: 1d}}]\n"),
            "2:23: retention_by_stream[0].match: is missing: say which streams, such as {cluster=\"eu1\"} in quotes",
        ),
        (
            format!("{BUCKET}streams: [{{match: 'up'}}]\n"),
            "2:12: streams[0].match: expected PromQL matchers such as {cluster=\"eu1\"} in quotes",
        ),
        (
            format!("{BUCKET}streams: [{{match: {{cluster: eu1}}}}]\n"),
            "2:12: streams[0].match: expected PromQL matchers in quotes, found a mapping",
        ),
        (
            format!("{BUCKET}streams: [{{match: '{{}}', retire_after: 0s}}]\n"),
            "2:25: streams[0].retire_after: expected a duration above zero",
        ),
        (format!("{BUCKET}checks: {{lat: {{}}}}\n"), "2:10: checks: unknown key `lat`; did you mean `late`?"),
        (
            format!("{BUCKET}checks: {{late: {{afer: 1h}}}}\n"),
            "2:17: checks.late: unknown key `afer`; did you mean `after`?",
        ),
        (
            format!("{BUCKET}checks: {{late: {{after: 1}}}}\n"),
            "2:17: checks.late.after: expected a duration such as 48h, 30d or 1h30m (units y w d h m s ms)",
        ),
        (format!("{BUCKET}checks: {{late: {{share: -1}}}}\n"), "2:17: checks.late.share: expected a number from 0"),
        (format!("{BUCKET}checks: {{late: {{count: 1.5}}}}\n"), "2:17: checks.late.count: expected a whole number"),
        (
            format!("{BUCKET}checks: {{late: {{severity: page}}}}\n"),
            "2:17: checks.late.severity: expected one of critical, warning, info",
        ),
        (
            format!("{BUCKET}checks: {{late: {{overrides: [{{after: 1h}}]}}}}\n"),
            "2:29: checks.late.overrides[0].match: is missing: say which streams, such as {cluster=\"eu1\"} in quotes",
        ),
        (
            format!("{BUCKET}checks: {{late: {{overrides: {{}}}}}}\n"),
            "2:17: checks.late.overrides: expected a list, found a mapping",
        ),
        (format!("{BUCKET}checks: [late]\n"), "2:1: checks: expected a mapping, found a list"),
    ] {
        assert_eq!(wrong_main(&text).join("\n"), format!("main.yaml:{expected}"), "{text}");
    }
}

#[test]
fn sections_of_later_versions_may_be_empty() {
    let keys = ["endpoints: []", "deviation: {}", "backups:", "scrub: ~", "notify:", "metrics: {}", "web: {}"];
    assert_eq!(wrong_main(&format!("{BUCKET}{}\n", keys.join("\n"))), Vec::<String>::new());
}

#[test]
fn all_mistakes_of_all_files_are_reported_together() {
    let folder = Folder::new(
        "buckets:\n- objstore_config_file: a.yaml\n  interval: soon\n- objstore_config_file: b.yaml\n  colour: red\nretention: {raw: x}\n",
    );
    folder.write("a.yaml", "type: S3\nconfig:\n  bucket: b\n");
    folder.write("b.yaml", "type: [\n");
    let lines = folder.load().unwrap_err();
    let places: Vec<&str> = lines.iter().filter_map(|line| line.split(": ").next()).collect();
    assert_eq!(places, ["a.yaml:2:1", "b.yaml:2:1", "main.yaml:3:3", "main.yaml:5:3", "main.yaml:6:13"]);
}

#[test]
fn defaults_in_the_documentation_are_those_that_hold() {
    let default = |name: &str| {
        let key = buckets::TABLE.keys.iter().find(|key| key.name == name).unwrap();
        crate::model::parse_prometheus_duration(key.default).unwrap()
    };
    let demands = crate::checks::BucketPolicy::default();
    assert_eq!(default("interval"), demands.interval_ms);
    assert_eq!(default("delete_delay"), demands.delete_delay_ms);
    assert_eq!(default("consistency_delay"), demands.consistency_delay_ms);
    let labels = buckets::TABLE.keys.iter().find(|key| key.name == "replica_labels").unwrap();
    assert_eq!(labels.default, format!("[{}]", demands.replica_labels.join(", ")));
    let retire = policy::STREAM.keys.iter().find(|key| key.name == "retire_after").unwrap();
    let labels = Labels::default();
    assert_eq!(
        crate::model::parse_prometheus_duration(retire.default),
        Some(Policy::default().retire_after_ms(&labels))
    );
}

#[test]
fn rules_are_set_up() {
    let text = format!(
        "{BUCKET}metrics: {{stream_labels: [cluster], max_streams: 50, rules: {{job: warden, window: 20m, interval: 2m}}}}\n\
         endpoints:\n  - {{name: a, component: compactor, job: thanos-compact}}\n  - {{name: b, component: prometheus, job: p}}\n\
         checks:\n  upload_lag: {{for: 7m, enabled: false}}\n  overlap: {{severity: info}}\n  \
         halted: {{keep_firing_for: 1h, intervals: 2.5}}\nnotify: {{links: {{page: 'https://b.example.com'}}}}\n"
    );
    let rules = Folder::new(&text).load().unwrap().rules;
    assert_eq!((rules.job.as_str(), rules.window_ms, rules.interval_ms), ("warden", 1_200_000, 120_000));
    assert_eq!((rules.stream_labels, rules.max_streams), (vec!["cluster".to_owned()], 50));
    assert_eq!(rules.links.page, "https://b.example.com");
    let components: Vec<_> = rules.components.iter().map(|one| (one.component.name(), one.job.as_str())).collect();
    assert_eq!(components, [("compactor", "thanos-compact"), ("prometheus", "p")]);
    assert_eq!(rules.alerts.keys().collect::<Vec<_>>(), ["halted", "upload_lag"]);
    assert_eq!((rules.alerts["upload_lag"].enabled, rules.alerts["upload_lag"].hold_ms), (Some(false), Some(420_000)));
    let halted = &rules.alerts["halted"];
    assert_eq!((halted.keep_ms, halted.thresholds["intervals"]), (Some(3_600_000), 2.5));
    assert_eq!(Folder::new(BUCKET).load().unwrap().rules, RuleSettings::default());
}

#[test]
fn mistakes_about_rules_are_found() {
    for (text, expected) in [
        ("metrics: {rules: {window: 1m}}", "metrics.rules.window: expected at least twice the interval"),
        (
            "metrics: {rules: {interval: 10m, window: 1h}}",
            "metrics.rules.interval: expected more than 0s and at most 5m",
        ),
        ("metrics: {rules: {window: fast}}", "metrics.rules.window: expected a duration"),
        ("endpoints: [{name: a, job: b}]", "endpoints[0].component: is missing"),
        ("endpoints: [{name: a, component: car, job: b}]", "endpoints[0].component: expected one of"),
        ("endpoints: [{name: a, component: store}]", "endpoints[0].job: is missing"),
        ("endpoints: [{component: store, job: b}]", "endpoints[0].name: is missing"),
        (
            "endpoints: [{name: a, component: store, job: b}, {name: a, component: query, job: c}]",
            "endpoints[1].name: is the name of another endpoint",
        ),
        (
            "endpoints: [{name: a, component: store, job: b, url: 'http://c'}]",
            "endpoints[0].url: not supported by this version",
        ),
        ("checks: {upload_lag: {for: soon}}", "checks.upload_lag.for: expected a duration"),
        ("checks: {upload_lag: {intervals: 3}}", "unknown key `intervals`"),
        ("checks: {halted: {severity: info}}", "unknown key `severity`"),
        ("checks: {halted: {intervals: -1}}", "checks.halted.intervals: expected"),
        ("checks: {haltet: {}}", "unknown key `haltet`; did you mean `halted`?"),
    ] {
        let found = Folder::new(&format!("{BUCKET}{text}\n")).load().unwrap_err().join("\n");
        assert!(found.contains(expected), "{text}: {found}");
    }
}
