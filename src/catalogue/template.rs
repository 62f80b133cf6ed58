//! The part of Prometheus' template language that descriptions use. Expanded here too, so that a message that we
//! send ourselves says the same as the one that goes through Alertmanager.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::humanize::{self, Humanize};

/// A text with labels in it: `{{ $labels.bucket }}`, `{{ $value }}`, `{{ $value | humanizeDuration }}` (also `humanize`,
/// `humanize1024`, `humanizePercentage`), and for a label that may be missing
/// `{{ with $labels.stream }} of {{ . }}{{ end }}`. Nothing else is understood.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Label(String),
    Value(Option<Humanize>),
    With { label: String, before: String, after: String },
}

/// Why a template cannot be understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TemplateError {
    /// `{{` without `}}`.
    #[error("`{{{{` is never closed; add `}}}}`")]
    Unclosed,
    /// An action that is not one of ours.
    #[error(
        "`{{{{ {action} }}}}` is not understood; use `$labels.NAME`, `$value`, `$value | humanize` or `with $labels.NAME`"
    )]
    Action {
        /// What stands between the braces.
        action: String,
    },
    /// `with` without `.` or `end`.
    #[error("`{{{{ with $labels.{label} }}}}` needs one `{{{{ . }}}}` and then `{{{{ end }}}}`")]
    With {
        /// The label.
        label: String,
    },
}

impl Template {
    /// As it was written, which is what a rule file gets.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names of the labels that it uses.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Label(label) | Part::With { label, .. } => Some(label.as_str()),
            Part::Text(_) | Part::Value(_) => None,
        })
    }

    /// The text for an alert with these labels and this value. A label that is missing is empty, as in Prometheus.
    pub fn expand(&self, labels: &BTreeMap<String, String>, value: f64) -> String {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Label(label) => out.push_str(labels.get(label).map_or("", String::as_str)),
                Part::Value(None) => out.push_str(&humanize::plain(value)),
                Part::Value(Some(function)) => out.push_str(&function.apply(value)),
                Part::With { label, before, after } => {
                    if let Some(text) = labels.get(label).filter(|text| !text.is_empty()) {
                        out.extend([before.as_str(), text, after]);
                    }
                }
            }
        }
        out
    }
}

impl TryFrom<String> for Template {
    type Error = TemplateError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let parts = parse(&text)?;
        Ok(Self { text, parts })
    }
}

fn parse(text: &str) -> Result<Vec<Part>, TemplateError> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, action, after)) = next_action(rest)? {
        if !before.is_empty() {
            parts.push(Part::Text(before.to_owned()));
        }
        rest = after;
        if let Some(value) = value_of(action) {
            parts.push(value);
        } else if let Some(label) = label_of(action) {
            parts.push(Part::Label(label));
        } else if let Some(label) = action.strip_prefix("with ").and_then(|inner| label_of(inner.trim())) {
            let missing = || TemplateError::With { label: label.clone() };
            let (before, dot, after_dot) = next_action(rest)?.ok_or_else(missing)?;
            let (after, end, after_end) = next_action(after_dot)?.ok_or_else(missing)?;
            if (dot, end) != (".", "end") {
                return Err(missing());
            }
            parts.push(Part::With { label: label.clone(), before: before.to_owned(), after: after.to_owned() });
            rest = after_end;
        } else {
            return Err(TemplateError::Action { action: action.to_owned() });
        }
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(parts)
}

/// The text before the next `{{ … }}`, what stands inside it, and the text after it.
fn next_action(text: &str) -> Result<Option<(&str, &str, &str)>, TemplateError> {
    let Some((before, opened)) = text.split_once("{{") else { return Ok(None) };
    let (action, after) = opened.split_once("}}").ok_or(TemplateError::Unclosed)?;
    Ok(Some((before, action.trim(), after)))
}

/// `$value`, perhaps piped through a function.
fn value_of(action: &str) -> Option<Part> {
    match action.split_once('|') {
        None => (action == "$value").then_some(Part::Value(None)),
        Some((value, function)) if value.trim() == "$value" => {
            Humanize::from_name(function.trim()).map(|function| Part::Value(Some(function)))
        }
        Some(_) => None,
    }
}

fn label_of(action: &str) -> Option<String> {
    let name = action.strip_prefix("$labels.")?;
    let valid = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    valid.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(text: &str) -> Result<String, TemplateError> {
        let labels = [("bucket", "thanos"), ("empty", "")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        Template::try_from(text.to_owned()).map(|template| template.expand(&BTreeMap::from(labels), 3.0))
    }

    #[test]
    fn expands_as_prometheus_does() {
        for (text, expected) in [
            ("plain", "plain"),
            ("", ""),
            ("{{ $labels.bucket }}: {{$value}}.", "thanos: 3."),
            ("{{ $value | humanizeDuration }}, {{$value|humanize}}", "3s, 3"),
            ("a{{ $labels.missing }}b", "ab"),
            ("x{{ with $labels.bucket }} of {{ . }}!{{ end }} y", "x of thanos! y"),
            ("x{{ with $labels.missing }} of {{ . }}{{ end }} y", "x y"),
            ("x{{ with $labels.empty }} of {{ . }}{{ end }} y", "x y"),
        ] {
            assert_eq!(expand(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn refuses_what_it_does_not_understand() {
        let action = |action: &str| TemplateError::Action { action: action.to_owned() };
        let with = || TemplateError::With { label: "a".to_owned() };
        for (text, expected) in [
            ("{{ $labels.a", TemplateError::Unclosed),
            ("{{ $value | toTime }}", action("$value | toTime")),
            ("{{ $labels.a | humanize }}", action("$labels.a | humanize")),
            ("{{ $labels. }}", action("$labels.")),
            ("{{ end }}", action("end")),
            ("{{ with $labels.a }} b", with()),
            ("{{ with $labels.a }} {{ end }}", with()),
            ("{{ with $labels.a }} {{ end }} {{ . }}", with()),
        ] {
            assert_eq!(expand(text), Err(expected), "{text}");
        }
    }
}
