//! Placeholders in expressions: what the settings put in.

use super::Entry;
use crate::model::{Component, RuleSettings, exact_duration_ms};

/// The expression for one selection of jobs, with every placeholder replaced; an error says which is not known.
pub(super) fn fill(entry: &Entry, settings: &RuleSettings, jobs: &[&str]) -> Result<String, String> {
    replace(entry.expr.trim_end(), |name| match name {
        "self" => Some(matcher(&[&settings.job], "")),
        "job" => entry.component.map(|component| matcher(jobs, usual_jobs(component, settings))),
        "window" => Some(exact_duration_ms(settings.window_ms)),
        "stream" => Some(
            ["stream"]
                .into_iter()
                .chain(settings.stream_labels.iter().map(String::as_str))
                .collect::<Vec<_>>()
                .join(", "),
        ),
        _ => {
            let threshold = entry.thresholds.get(name)?;
            let set = settings.alerts.get(&entry.id).and_then(|own| own.thresholds.get(name)).copied();
            Some(set.unwrap_or(threshold.default).to_string())
        }
    })
    .map_err(|name| format!("expr: `${name}` is neither `$self`, `$job`, `$window`, `$stream` nor one of `thresholds`"))
}

/// A regular expression, as the mixins of Thanos and Prometheus have it, where the configuration names no job.
fn usual_jobs(component: Component, settings: &RuleSettings) -> &str {
    match component {
        Component::Own => &settings.job,
        Component::Prometheus => ".*prometheus.*",
        Component::Sidecar => ".*thanos-sidecar.*",
        Component::Compactor => ".*thanos-compact.*",
        Component::Store => ".*thanos-store.*",
        Component::Query => ".*thanos-query.*",
        Component::Receive => ".*thanos-receive.*",
        Component::Ruler => ".*thanos-rule.*",
        Component::Replicate => ".*thanos-bucket-replicate.*",
        Component::Backup => ".*backup.*",
    }
}

/// A matcher of exactly these jobs, else of `usual`.
fn matcher(jobs: &[&str], usual: &str) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    match jobs {
        [] if usual.contains(".*") => format!("job=~{}", quoted(usual)),
        [] => format!("job={}", quoted(usual)),
        [job] => format!("job={}", quoted(job)),
        several => {
            let escaped: Vec<String> = several.iter().map(|job| literal(job)).collect();
            format!("job=~{}", quoted(&escaped.join("|")))
        }
    }
}

/// Text as a regular expression that matches it alone.
fn literal(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Replaces each `$name`; the error is a name that has no value.
fn replace(text: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let end = after.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(after.len());
        let (name, tail) = after.split_at_checked(end).unwrap_or((after, ""));
        if name.is_empty() {
            // the end of a regular expression
            out.push('$');
        } else {
            out.push_str(&value(name).ok_or_else(|| name.to_owned())?);
        }
        rest = tail;
    }
    Ok(out + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_become_matchers() {
        for (jobs, usual, expected) in [
            (&[][..], ".*thanos-store.*", r#"job=~".*thanos-store.*""#),
            (&[], "blockwarden", r#"job="blockwarden""#),
            (&["a\"b"], "x", r#"job="a\"b""#),
            (&["a.b", "c-d"], "x", r#"job=~"a\\.b|c-d""#),
        ] {
            assert_eq!(matcher(jobs, usual), expected);
        }
    }

    #[test]
    fn each_name_is_replaced() {
        let value = |name: &str| (name == "window").then(|| "10m".to_owned());
        for (text, expected) in [
            ("a[$window]", Ok("a[10m]")),
            ("no", Ok("no")),
            (r#"a{b=~"c$", d=~"e$|f"}[$window] > $"#, Ok(r#"a{b=~"c$", d=~"e$|f"}[10m] > $"#)),
            ("$other", Err("other")),
        ] {
            assert_eq!(replace(text, value), expected.map(str::to_owned).map_err(str::to_owned), "{text}");
        }
    }
}
