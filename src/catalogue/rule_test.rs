//! The unit tests of the rules for promtool: those of the catalogue, and for each alert one in which everything that
//! it is about has gone away.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{AlertTest, Catalogue, Entry, Expectation, RuleError, annotations, placeholder, samples};
use crate::model::{Component, MINUTE_MS, RuleSettings, exact_duration_ms};

/// Who tells that Blockwarden itself is gone.
const OWN_GUARD: &str = "blockwarden_absent";

#[derive(Serialize)]
struct TestFile<'a> {
    rule_files: &'a [String],
    evaluation_interval: &'static str,
    tests: Vec<Test>,
}

#[derive(Serialize)]
struct Test {
    name: String,
    interval: &'static str,
    input_series: Vec<Series>,
    alert_rule_test: Vec<Moment>,
}

#[derive(Serialize)]
struct Series {
    series: String,
    values: String,
}

#[derive(Serialize)]
struct Moment {
    eval_time: String,
    alertname: String,
    exp_alerts: Vec<Expected>,
}

#[derive(Serialize)]
struct Expected {
    exp_labels: BTreeMap<String, String>,
    exp_annotations: annotations::Annotations,
}

/// The tests of these entries against `rule_files` (paths as promtool will see them), which were made for the same
/// settings. The annotations that they expect are expanded here, so the tests also show that both expansions are the
/// same.
pub fn rule_test_file<'a>(
    rule_files: &[String],
    catalogue: &Catalogue,
    entries: impl IntoIterator<Item = &'a Entry>,
    settings: &RuleSettings,
) -> Result<String, RuleError> {
    let mut tests = Vec::new();
    for entry in entries {
        for test in &entry.tests {
            tests.push(Test {
                name: format!("{}: {}", entry.id, test.name),
                interval: "1m",
                input_series: test
                    .input_series
                    .iter()
                    .map(|series| Series { series: series.series.clone(), values: series.values.clone() })
                    .collect(),
                alert_rule_test: test
                    .expect
                    .iter()
                    .map(|moment| expected_moment(entry, moment, settings))
                    .collect::<Result<_, _>>()?,
            });
        }
        tests.extend(gone(entry, catalogue, settings)?);
    }
    Ok(serde_yaml::to_string(&TestFile { rule_files, evaluation_interval: "1m", tests })?)
}

/// Who tells that what the alert is about is gone; `None` where nobody does.
pub fn guard_of<'a>(entry: &Entry, catalogue: &'a Catalogue) -> Option<&'a Entry> {
    match entry.component {
        None | Some(Component::Own) => catalogue.entry(OWN_GUARD),
        Some(component) => catalogue
            .entries()
            .find(|guard| guard.named_only && guard.component == Some(component) && guard.expr.contains("absent(")),
    }
}

fn expected_moment(entry: &Entry, moment: &Expectation, settings: &RuleSettings) -> Result<Moment, RuleError> {
    let alerts = moment.firing.iter().map(|firing| expected(entry, &firing.labels, firing.value, settings));
    Ok(Moment {
        eval_time: moment.at.text().to_owned(),
        alertname: entry.name.clone(),
        exp_alerts: alerts.collect::<Result<_, _>>()?,
    })
}

fn expected(
    entry: &Entry,
    labels: &BTreeMap<String, String>,
    value: f64,
    settings: &RuleSettings,
) -> Result<Expected, RuleError> {
    let component = entry.component.filter(|component| *component != Component::Own);
    let jobs = component.map(|component| settings.jobs(component)).unwrap_or_default();
    let problem = |problem| RuleError::Entry { id: entry.id.clone(), problem };
    let expr = placeholder::fill(entry, settings, &jobs).map_err(problem)?;
    let exp_annotations = annotations::expanded(entry, settings, &expr, labels, value);
    Ok(Expected { exp_labels: labels.clone(), exp_annotations })
}

/// The first test that fires, up to the moment at which it does; then all series end. The guard has to fire, and an
/// alert on a check has to fire still: nobody has seen it healed.
fn gone(entry: &Entry, catalogue: &Catalogue, settings: &RuleSettings) -> Result<Option<Test>, RuleError> {
    let Some(guard) = guard_of(entry, catalogue) else { return Ok(None) };
    let is_named = |component| component == Component::Own || !settings.jobs(component).is_empty();
    if guard.named_only && !guard.component.is_some_and(is_named) {
        return Ok(None);
    }
    let firing = |test: &AlertTest| test.expect.iter().find(|moment| !moment.firing.is_empty()).cloned();
    let Some((test, fires)) = entry.tests.iter().find_map(|test| Some((test, firing(test)?))) else { return Ok(None) };
    let Some(told) = guard.tests.iter().find_map(firing) else { return Ok(None) };

    let count = usize::try_from(fires.at.ms() / MINUTE_MS).unwrap_or_default().saturating_add(1);
    let mut input_series: Vec<Series> = test
        .input_series
        .iter()
        .map(|series| Series { series: series.series.clone(), values: samples::cut(&series.values, count) })
        .collect();
    let job = entry.component.unwrap_or(Component::Own).usual_job();
    let says_up = test.input_series.iter().any(|series| series.series.starts_with("up{"));
    if !says_up {
        let targets: BTreeSet<(String, String)> =
            test.input_series.iter().map(|series| target(&series.series, job)).collect();
        for (job, instance) in targets {
            let labels = format!("{{job=\"{job}\", instance=\"{instance}\"");
            let values = samples::cut(&format!("1x{count}"), count);
            input_series.push(Series { series: format!("up{labels}}}"), values: values.clone() });
            if guard.component == Some(Component::Own) {
                let series = format!("blockwarden_build_info{labels}, version=\"0.1.0\"}}");
                input_series.push(Series { series, values });
            }
        }
    }
    let late = fires.at.ms() + settings.window_ms + guard.hold.ms() + 2 * MINUTE_MS;
    let at = |ms: i64, entry: &Entry, exp_alerts| Moment {
        eval_time: exact_duration_ms(ms),
        alertname: entry.name.clone(),
        exp_alerts,
    };
    let mut moments = Vec::new();
    if !says_up && guard.component == Some(Component::Own) {
        moments.push(at(fires.at.ms(), guard, Vec::new()));
    }
    if let Some(told) = told.firing.first() {
        moments.push(at(late, guard, vec![expected(guard, &told.labels, 1.0, settings)?]));
    }
    if entry.check.is_some() {
        let still = fires.firing.iter().map(|firing| expected(entry, &firing.labels, firing.value, settings));
        moments.push(at(late, entry, still.collect::<Result<_, _>>()?));
    }
    let name = format!("{}: {} tells it when everything that it is about is gone", entry.id, guard.id);
    Ok(Some(Test { name, interval: "1m", input_series, alert_rule_test: moments }))
}

/// Job and instance of a series in text.
fn target(series: &str, job: &str) -> (String, String) {
    let label = |name: &str| -> Option<String> {
        let (_, rest) = series.split_once(&format!("{name}=\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    (label("job").unwrap_or_else(|| job.to_owned()), label("instance").unwrap_or_else(|| "a".to_owned()))
}
