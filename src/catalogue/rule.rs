//! The catalogue as Prometheus reads it: groups of rules, made for what the settings say.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Catalogue, Entry, annotations, group, placeholder};
use crate::model::{Component, RuleSettings, exact_duration_ms};

/// What is the same in the names of all groups and files.
const PREFIX: &str = "blockwarden-";

/// A rule gives no more alerts than this for each stream that has series of its own: more are a mistake in the rule.
const ALERTS_PER_STREAM: usize = 5;
/// See [`ALERTS_PER_STREAM`]; where there are few streams.
const MIN_LIMIT: usize = 5_000;

/// An expression cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// Of an entry that was not validated.
    #[error("alert `{id}`: {problem}")]
    Entry {
        /// Whose.
        id: String,
        /// In words.
        problem: String,
    },
    /// Never of our own types.
    #[error("the rules cannot be written as YAML")]
    Yaml(#[from] serde_yaml::Error),
}

/// A group of rules.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// Unique among all groups.
    pub name: String,
    interval: String,
    limit: usize,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Rule {
    alert: String,
    expr: String,
    r#for: String,
    keep_firing_for: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<&'static str, &'static str>,
    annotations: annotations::Annotations,
}

/// All groups that have a rule, by name.
pub fn groups(catalogue: &Catalogue, settings: &RuleSettings) -> Result<Vec<Group>, RuleError> {
    groups_of(catalogue.entries(), settings)
}

/// The groups of some entries.
pub fn groups_of<'a>(
    entries: impl IntoIterator<Item = &'a Entry>,
    settings: &RuleSettings,
) -> Result<Vec<Group>, RuleError> {
    let mut groups: BTreeMap<String, Vec<Rule>> = BTreeMap::new();
    for entry in entries {
        let rules = rules_of(entry, settings)?;
        if !rules.is_empty() {
            groups.entry(group_name(entry)).or_default().extend(rules);
        }
    }
    let limit = settings.max_streams.saturating_mul(ALERTS_PER_STREAM).max(MIN_LIMIT);
    let interval = exact_duration_ms(settings.interval_ms);
    Ok(groups.into_iter().map(|(name, rules)| Group { name, interval: interval.clone(), limit, rules }).collect())
}

/// The name of the group that the rule of an alert is in: `blockwarden-missing`.
pub fn group_name(entry: &Entry) -> String {
    format!("{PREFIX}{}", group::of(entry))
}

/// None where it is switched off or about a component that is not there; one for each job where what is absent could
/// not be told of several jobs together.
fn rules_of(entry: &Entry, settings: &RuleSettings) -> Result<Vec<Rule>, RuleError> {
    let own = settings.alerts.get(&entry.id).cloned().unwrap_or_default();
    if own.enabled == Some(false) {
        return Ok(Vec::new());
    }
    let jobs = entry.component.filter(|component| *component != Component::Own);
    let jobs = jobs.map(|component| settings.jobs(component)).unwrap_or_default();
    let selections = if entry.named_only { jobs.into_iter().map(|job| vec![job]).collect() } else { vec![jobs] };
    let rules = selections.into_iter().map(|jobs| {
        let problem = |problem| RuleError::Entry { id: entry.id.clone(), problem };
        let expr = placeholder::fill(entry, settings, &jobs).map_err(problem)?;
        let hold = own.hold_ms.map_or_else(|| entry.hold.text().to_owned(), exact_duration_ms);
        let keep = own.keep_ms.map_or_else(|| entry.keep_firing_for.text().to_owned(), exact_duration_ms);
        let severity = entry.check.is_none().then_some(("severity", entry.severity.name()));
        Ok(Rule {
            alert: entry.name.clone(),
            annotations: annotations::of(entry, settings, &expr),
            expr,
            r#for: hold,
            keep_firing_for: keep,
            labels: severity.into_iter().collect(),
        })
    });
    rules.collect()
}
