//! The catalogue as Prometheus reads it: one rule per alert, and the unit tests of the rules for promtool.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Entry, placeholder};
use crate::model::RuleSettings;

#[derive(Serialize)]
struct RuleFile<'a> {
    groups: [Group<'a>; 1],
}

#[derive(Serialize)]
struct Group<'a> {
    name: &'a str,
    rules: Vec<Rule<'a>>,
}

#[derive(Serialize)]
struct Rule<'a> {
    alert: &'a str,
    expr: String,
    r#for: &'a str,
    keep_firing_for: &'a str,
    annotations: Annotations<'a>,
}

#[derive(Serialize)]
struct Annotations<'a> {
    summary: &'a str,
    description: &'a str,
}

/// A rule file with one group of these alerts. Needs Prometheus 2.42 or newer, for `keep_firing_for`.
pub fn rule_file<'a>(group: &str, entries: impl IntoIterator<Item = &'a Entry>) -> Result<String, serde_yaml::Error> {
    let rules = entries.into_iter().map(|entry| Rule {
        alert: &entry.name,
        expr: placeholder::fill(entry, &RuleSettings::default(), &[]).unwrap_or_default(),
        r#for: entry.hold.text(),
        keep_firing_for: entry.keep_firing_for.text(),
        annotations: Annotations { summary: &entry.summary, description: entry.description.text() },
    });
    serde_yaml::to_string(&RuleFile { groups: [Group { name: group, rules: rules.collect() }] })
}

#[derive(Serialize)]
struct TestFile<'a> {
    rule_files: [&'a str; 1],
    evaluation_interval: &'static str,
    tests: Vec<Test<'a>>,
}

#[derive(Serialize)]
struct Test<'a> {
    name: String,
    interval: &'static str,
    input_series: Vec<Series<'a>>,
    alert_rule_test: Vec<Moment<'a>>,
}

#[derive(Serialize)]
struct Series<'a> {
    series: &'a str,
    values: &'a str,
}

#[derive(Serialize)]
struct Moment<'a> {
    eval_time: &'a str,
    alertname: &'a str,
    exp_alerts: Vec<ExpectedAlert<'a>>,
}

#[derive(Serialize)]
struct ExpectedAlert<'a> {
    exp_labels: &'a BTreeMap<String, String>,
    exp_annotations: ExpectedAnnotations<'a>,
}

#[derive(Serialize)]
struct ExpectedAnnotations<'a> {
    summary: &'a str,
    description: String,
}

/// The unit tests of the rules in `rule_file` (a path as promtool will see it), for `promtool test rules`. The
/// descriptions that it expects are expanded here, so the tests also show that both expansions are the same.
pub fn rule_test_file<'a>(
    rule_file: &str,
    entries: impl IntoIterator<Item = &'a Entry>,
) -> Result<String, serde_yaml::Error> {
    let tests = entries.into_iter().flat_map(|entry| {
        entry.tests.iter().map(move |test| Test {
            name: format!("{}: {}", entry.id, test.name),
            interval: "1m",
            input_series: test
                .input_series
                .iter()
                .map(|series| Series { series: &series.series, values: &series.values })
                .collect(),
            alert_rule_test: test.expect.iter().map(|moment| expected_moment(entry, moment)).collect(),
        })
    });
    serde_yaml::to_string(&TestFile { rule_files: [rule_file], evaluation_interval: "1m", tests: tests.collect() })
}

fn expected_moment<'a>(entry: &'a Entry, moment: &'a super::Expectation) -> Moment<'a> {
    let alerts = moment.firing.iter().map(|firing| ExpectedAlert {
        exp_labels: &firing.labels,
        exp_annotations: ExpectedAnnotations {
            summary: &entry.summary,
            description: entry.description.expand(&firing.labels, firing.value),
        },
    });
    Moment { eval_time: moment.at.text(), alertname: &entry.name, exp_alerts: alerts.collect() }
}
