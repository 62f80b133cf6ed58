//! What a file of `alerts/` says.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Template;
use crate::model::{Component, Severity, parse_prometheus_duration};

/// One alert: its rule, its words and its tests.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The file's name without `.yaml`. Permanent.
    #[serde(skip)]
    pub id: String,
    /// `alertname` in Prometheus.
    pub name: String,
    /// The check whose findings it is about: equal to `id`. Without one the alert is PromQL alone.
    pub check: Option<String>,
    /// Whose metrics an alert that is PromQL alone is about.
    #[serde(default, deserialize_with = "component")]
    pub component: Option<Component>,
    /// The group of its rule; by default that of the check, or the component.
    pub group: Option<String>,
    /// There is a rule only if the configuration names the component: for what goes by something being absent.
    #[serde(default)]
    pub named_only: bool,
    /// What may be set for an alert that is PromQL alone. A check's thresholds are in the check.
    #[serde(default)]
    pub thresholds: BTreeMap<String, Threshold>,
    /// PromQL that gives a series for as long as something is wrong, with placeholders: `$self` and `$job` (matchers of
    /// our own job and of the component's), `$window` (how far back to look), `$stream` (the labels of a stream) and
    /// the name of each threshold.
    pub expr: String,
    /// How long `expr` must hold before the alert fires.
    #[serde(rename = "for")]
    pub hold: PrometheusDuration,
    /// How long the alert goes on firing after `expr` has given its last series.
    pub keep_firing_for: PrometheusDuration,
    /// The severity that a finding has where nothing makes it better or worse. The alert has that of its series.
    pub severity: Severity,
    /// One static sentence.
    pub summary: String,
    /// One or two sentences with the alert's labels.
    pub description: Template,
    /// When it fires and when it does not, in Markdown.
    pub meaning: String,
    /// What is lost or endangered, in Markdown.
    pub impact: String,
    /// In the order in which on-call should do it.
    pub what_to_do: Vec<Step>,
    /// Metrics of Thanos, Prometheus and our own that tell more.
    #[serde(default)]
    pub related_metrics: Vec<String>,
    /// Ids of alerts of the same bucket that make this one pointless while they fire.
    #[serde(default)]
    pub inhibited_by: Vec<String>,
    /// At least: quiet while all is well, fires in time, survives a gap between scrapes, resolves.
    pub tests: Vec<AlertTest>,
}

impl Entry {
    /// Id of the check, for an alert on one.
    pub fn check_id(&self) -> Option<&str> {
        self.check.as_deref()
    }
}

/// By its word.
fn component<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Component>, D::Error> {
    let word = String::deserialize(deserializer)?;
    let known = || Component::ALL.map(Component::name).join(", ");
    let unknown = || serde::de::Error::custom(format!("`{word}` is not a component; use one of {}", known()));
    Component::from_name(&word).map(Some).ok_or_else(unknown)
}

/// A number in the expression that the configuration may set.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// Where nothing is set.
    pub default: f64,
    /// One sentence, with the unit.
    pub help: String,
}

/// One step of the way out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What to do and what to look for, in Markdown.
    pub step: String,
    /// Commands to copy, one per line; capitals in them stand for what the finding names.
    pub run: Option<String>,
}

/// One unit test of the rule, in promtool's notation.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertTest {
    /// What it shows.
    pub name: String,
    /// One sample a minute each.
    pub input_series: Vec<InputSeries>,
    /// In order of time.
    pub expect: Vec<Expectation>,
}

/// One series of a test.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSeries {
    /// Name and labels.
    pub series: String,
    /// promtool's expanding notation: `0x5 2x20 _x3`.
    pub values: String,
}

/// What fires at one moment of a test.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Time since the first sample.
    pub at: PrometheusDuration,
    /// The alerts that fire, each as `value` and its labels; empty = none.
    pub firing: Vec<Firing>,
}

/// One alert that fires.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Firing {
    /// The value of the expression; for an alert on a check the number of findings.
    pub value: f64,
    /// All labels but `alertname`.
    pub labels: BTreeMap<String, String>,
}

/// A duration in Prometheus' grammar, kept as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PrometheusDuration {
    text: String,
    ms: i64,
}

impl PrometheusDuration {
    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// In ms.
    pub const fn ms(&self) -> i64 {
        self.ms
    }
}

impl TryFrom<String> for PrometheusDuration {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match parse_prometheus_duration(&text) {
            Some(ms) => Ok(Self { text, ms }),
            None => Err(format!("`{text}` is not a duration such as `5m` or `1h30m`")),
        }
    }
}
