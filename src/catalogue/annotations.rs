//! The words that go with an alert of Prometheus.

use std::collections::BTreeMap;

use promql_parser::parser;
use serde::Serialize;

use super::{Entry, group};
use crate::model::{Component, RuleSettings};

/// What stands for the address of the Prometheus that evaluates the rule.
const EXTERNAL_URL: &str = "{{ $externalURL }}";

/// In the order in which they are written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Annotations {
    pub(super) summary: String,
    pub(super) description: String,
    pub(super) remedy: String,
    pub(super) runbook_url: String,
    pub(super) dashboard_url: String,
}

/// As they stand in the rule. Where no link is configured, both lead to the Prometheus itself, which knows the alert
/// and its figures; a link to anywhere else would be a guess.
pub(super) fn of(entry: &Entry, settings: &RuleSettings, expr: &str) -> Annotations {
    let links = &settings.links;
    let runbook_url = match links.runbook.as_str() {
        "" => format!("{EXTERNAL_URL}/alerts?search={}", entry.name),
        link => link.replace("{id}", &entry.id),
    };
    let is_ours = entry.component.is_none_or(|component| component == Component::Own);
    // our dashboards show nothing of what others export
    let dashboard_url = match links.dashboard.as_str() {
        link if is_ours && !link.is_empty() => link
            .replace("{uid}", dashboard(entry))
            .replace("{bucket}", "{{ $labels.bucket | urlquery }}")
            .replace("{from}", "now-1d")
            .replace("{to}", "now"),
        _ => graph(entry, settings, expr),
    };
    Annotations {
        summary: entry.summary.clone(),
        description: entry.description.text().to_owned(),
        remedy: format!("blockwarden explain {} says what to do.", entry.id),
        runbook_url,
        dashboard_url,
    }
}

/// As they are once Prometheus has expanded them, where its own address is empty, as it is in unit tests of rules, and
/// no link is configured.
pub(super) fn expanded(
    entry: &Entry,
    settings: &RuleSettings,
    expr: &str,
    labels: &BTreeMap<String, String>,
    value: f64,
) -> Annotations {
    let written = of(entry, settings, expr);
    Annotations {
        description: entry.description.expand(labels, value),
        runbook_url: written.runbook_url.replace(EXTERNAL_URL, ""),
        dashboard_url: written.dashboard_url.replace(EXTERNAL_URL, ""),
        ..written
    }
}

fn dashboard(entry: &Entry) -> &'static str {
    if group::of(entry) == "damage" { "blockwarden-integrity" } else { "blockwarden-overview" }
}

/// Prometheus' own graph of what the alert is about.
fn graph(entry: &Entry, settings: &RuleSettings, expr: &str) -> String {
    let shown = match entry.check_id() {
        Some(check) => format!("blockwarden_findings{{job=\"{}\", check=\"{check}\"}}", settings.job),
        None => parser::parse(expr).map_or_else(|_| expr.to_owned(), |parsed| parsed.to_string()),
    };
    let encoded: String = form_urlencoded::byte_serialize(shown.as_bytes()).collect();
    format!("{EXTERNAL_URL}/graph?g0.expr={encoded}&g0.tab=0&g0.range_input=1d")
}
