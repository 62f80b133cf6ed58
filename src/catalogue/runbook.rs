//! Runbooks in Markdown, one per alert, and their index.

use super::{Entry, placeholder};
use crate::checks::{Check, ParamValue};
use crate::model::{Need, RuleSettings, format_duration_ms};

/// How to make the generated files again; part of each of them.
const HOW_TO_UPDATE: &str = "UPDATE=1 cargo test --test repo";

/// `docs/runbooks/<id>.md`: everything that on-call needs, from the entry and from its check's declaration.
pub fn runbook(entry: &Entry, check: Option<&Check>) -> String {
    let mut out = format!(
        "<!-- Generated from alerts/{id}.yaml; edit that file and run `{HOW_TO_UPDATE}`. -->\n\n# `{id}`\n\n{summary}\n\n",
        id = entry.id,
        summary = entry.summary,
    );
    let mut row = |name: &str, value: &str| line(&mut out, &format!("| {name} | {value} |"));
    row("", "");
    row("---", "---");
    row("Alert", &format!("`{}`", entry.name));
    let otherwise = if check.is_some() { ", unless the finding says otherwise" } else { "" };
    row("Severity", &format!("{}{otherwise}", entry.severity));
    if let Some(component) = entry.component {
        row("About", &format!("`{}`, by its own metrics", component.name()));
    }
    if entry.named_only {
        row("Only where", "`endpoints` of the configuration names the component");
    }
    if let Some(check) = check {
        row("Rests on", &check.needs.iter().map(|need| need_words(*need)).collect::<Vec<_>>().join(", "));
    }
    if !entry.inhibited_by.is_empty() {
        row("Silent while", &links(&entry.inhibited_by));
    }
    section(&mut out, "When it fires", &entry.meaning);
    section(&mut out, "What is at risk", &entry.impact);
    section(&mut out, "What to do", &steps(entry));
    if let Some(check) = check {
        section(&mut out, "Settings", &settings(check));
    } else {
        section(&mut out, "Settings", &alert_settings(entry));
    }
    let rule = format!(
        "```promql\n{}\n```\n\nFires after {}, goes on for {} after the last series.",
        placeholder::fill(entry, &RuleSettings::default(), &[]).unwrap_or_default(),
        entry.hold.text(),
        entry.keep_firing_for.text()
    );
    section(&mut out, "Rule", &rule);
    if !entry.related_metrics.is_empty() {
        let metrics: Vec<String> = entry.related_metrics.iter().map(|metric| format!("- `{metric}`")).collect();
        section(&mut out, "Related metrics", &metrics.join("\n"));
    }
    out
}

/// `docs/runbooks/README.md`: all alerts in a table.
pub fn runbook_index<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> String {
    let mut out = format!(
        "<!-- Generated from alerts/; edit the files there and run `{HOW_TO_UPDATE}`. -->\n\n# Runbooks\n\n\
         One page for each alert: when it fires, what is at risk, what to do. `blockwarden explain CHECK` prints the \
         same.\n\n| check | severity | |\n| --- | --- | --- |\n"
    );
    for entry in entries {
        line(&mut out, &format!("| [`{0}`]({0}.md) | {1} | {2} |", entry.id, entry.severity, entry.summary));
    }
    out
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

fn section(out: &mut String, title: &str, body: &str) {
    line(out, &format!("\n## {title}\n\n{}", body.trim_end()));
}

fn links(ids: &[String]) -> String {
    ids.iter().map(|id| format!("[`{id}`]({id}.md)")).collect::<Vec<_>>().join(", ")
}

fn steps(entry: &Entry) -> String {
    let mut out = String::new();
    for (idx, step) in entry.what_to_do.iter().enumerate() {
        line(&mut out, &format!("{}. {}", idx + 1, step.step.trim_end().replace('\n', "\n   ")));
        if let Some(run) = &step.run {
            line(&mut out, &format!("\n   ```sh\n   {}\n   ```\n", run.trim_end().replace('\n', "\n   ")));
        }
    }
    out
}

const fn need_words(need: Need) -> &'static str {
    match need {
        Need::Pass => "a pass that has ended",
        Need::Listing => "a complete listing",
        Need::Metas => "every `meta.json`",
        Need::Marks => "every mark",
        Need::Ledger => "the ledger",
        Need::Bytes => "a verification of the block as it is now",
        Need::Receivers => "how telling people goes, which `watch` knows",
    }
}

fn settings(check: &Check) -> String {
    let mut out = format!(
        "Under `checks.{}` in the configuration, for all streams or by selector.\n\n\
         | key | default | |\n| --- | --- | --- |\n\
         | `enabled` | `true` | |\n\
         | `severity` | as judged | `critical`, `warning` or `info` for all findings of this check |\n",
        check.id
    );
    for param in check.params {
        let default = match param.default {
            ParamValue::DurationMs(ms) => format_duration_ms(ms),
            ParamValue::Ratio(ratio) => ratio.to_string(),
            ParamValue::Count(count) => count.to_string(),
        };
        line(&mut out, &format!("| `{}` | `{default}` | {} |", param.name, param.help));
    }
    out
}

fn alert_settings(entry: &Entry) -> String {
    let mut out = format!(
        "Under `checks.{}` in the configuration, for `blockwarden rules`.\n\n\
         | key | default | |\n| --- | --- | --- |\n\
         | `enabled` | `true` | |\n",
        entry.id
    );
    for (name, threshold) in &entry.thresholds {
        line(&mut out, &format!("| `{name}` | `{}` | {} |", threshold.default, threshold.help));
    }
    out
}
