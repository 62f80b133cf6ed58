//! What a command gives: text for standard output, problems for standard error, an exit code.

use std::process::ExitCode;

use serde::Serialize;

use super::text::{harmless, is_harmful};
use crate::model::{Severity, Snapshot};

/// The result of a command that could do its job, or at least begin it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// For standard output, complete, with its last newline.
    pub text: String,
    /// For standard error, fit for a terminal: why the job could not be done wholly.
    pub problems: Vec<String>,
    /// The exit code.
    pub exit: Exit,
}

/// The exit codes. The order is that of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// 0: nothing at warning or above.
    Fine,
    /// 1: findings at warning or above.
    Findings,
    /// 2: could not do the job.
    Failed,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Fine => Self::from(0),
            Exit::Findings => Self::from(1),
            Exit::Failed => Self::from(2),
        }
    }
}

impl Outcome {
    /// Text that is all there is to say.
    pub(super) const fn text(text: String) -> Self {
        Self { text, problems: Vec::new(), exit: Exit::Fine }
    }

    /// A report on a snapshot: whatever it shows, only a bucket that cannot be read is a failure.
    pub(super) fn report(text: String, snapshot: &Snapshot) -> Self {
        let unreadable = snapshot.buckets.iter().filter_map(|bucket| {
            let why = bucket.unreachable.as_ref()?;
            Some(harmless(&format!("bucket `{}` cannot be read: {why}", bucket.bucket)))
        });
        let problems: Vec<_> = unreadable.collect();
        let exit = if problems.is_empty() { Exit::Fine } else { Exit::Failed };
        Self { text, problems, exit }
    }

    /// A judgement: findings at warning or above are told by the exit code, too.
    pub(super) fn judgement(text: String, snapshot: &Snapshot) -> Self {
        let report = Self::report(text, snapshot);
        let bad = snapshot.findings.iter().any(|finding| finding.severity <= Severity::Warning);
        let exit = if bad { Exit::Findings } else { Exit::Fine };
        Self { exit: report.exit.max(exit), ..report }
    }
}

/// A JSON document as it is printed. JSON itself escapes only the oldest control characters; the others that a
/// terminal would obey are escaped here. They can only be inside of strings, so that the document means the same.
pub(super) fn document(document: &impl Serialize) -> Result<String, serde_json::Error> {
    let plain = serde_json::to_string_pretty(document)?;
    let mut text = String::with_capacity(plain.len() + 1);
    for c in plain.chars() {
        if is_harmful(c) && c != '\n' {
            let escape = format!("\\u{:04x}", u32::from(c));
            text.push_str(&escape);
        } else {
            text.push(c);
        }
    }
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::sample;
    use super::*;
    use crate::model::{CoverageDocument, Document, Interval, TimestampMs};

    /// What a committed schema says against a document.
    pub(in crate::cli) fn objections(schema: &str, document: &str) -> Vec<String> {
        let schema = serde_json::from_str(schema).unwrap();
        assert!(jsonschema::meta::is_valid(&schema));
        let validator = jsonschema::validator_for(&schema).unwrap();
        let document = serde_json::from_str(document).unwrap();
        validator.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path)).collect()
    }

    const SCAN: &str = include_str!("../../docs/scan.schema.json");
    const COVERAGE: &str = include_str!("../../docs/coverage.schema.json");
    const PLAN: &str = include_str!("../../docs/plan.schema.json");

    #[test]
    fn documents_follow_their_schemas() {
        let mut findings = sample::findings();
        findings[0].interval = Some(Interval::new(TimestampMs(i64::MIN), TimestampMs(1)));
        let full = sample::snapshot(sample::healthy_and_holey(), findings);
        let mut unreadable = sample::snapshot(vec![], vec![]);
        unreadable.buckets[0].unreachable = Some("no such bucket".to_owned());
        for snapshot in [&full, &unreadable, &Snapshot::default()] {
            let scan = document(&Document::of_scan(snapshot)).unwrap();
            assert_eq!(objections(SCAN, &scan), Vec::<String>::new(), "{scan}");
            let coverage = document(&CoverageDocument::of(snapshot)).unwrap();
            assert_eq!(objections(COVERAGE, &coverage), Vec::<String>::new(), "{coverage}");
            assert!(scan.ends_with("}\n") && coverage.ends_with("}\n"));
        }
    }

    #[test]
    fn documents_cannot_drive_the_terminal() {
        let foreign = "\u{1b}[2J \u{7f} \u{9b}31m \u{202e} ü 日本";
        let text = document(&[foreign]).unwrap();
        assert_eq!(text, "[\n  \"\\u001b[2J \\u007f \\u009b31m \\u202e ü 日本\"\n]\n");
        assert_eq!(serde_json::from_str::<Vec<String>>(&text).unwrap(), [foreign]);
    }

    #[test]
    fn schemas_demand_every_key_and_no_other() {
        fn objects(schema: &serde_json::Value, found: &mut Vec<serde_json::Value>) {
            if schema.get("properties").is_some() {
                found.push(schema.clone());
            }
            let inner = schema.as_object().into_iter().flat_map(serde_json::Map::values);
            inner.chain(schema.as_array().into_iter().flatten()).for_each(|value| objects(value, found));
        }
        for schema in [SCAN, COVERAGE, PLAN] {
            let mut found = Vec::new();
            objects(&serde_json::from_str(schema).unwrap(), &mut found);
            assert!(found.len() >= 5);
            for object in found {
                let keys: std::collections::BTreeSet<_> = object["properties"].as_object().unwrap().keys().collect();
                let required = object["required"].as_array().unwrap().iter();
                let required: std::collections::BTreeSet<_> = required.map(|key| key.as_str().unwrap()).collect();
                assert!(keys.iter().copied().eq(required.iter().copied()), "{keys:?} {required:?}");
                assert_eq!(object["additionalProperties"], false, "{keys:?}");
            }
        }
    }

    #[test]
    fn exit_codes_follow_the_worst() {
        let findings = sample::findings();
        for (kept, unreachable, judgement, report) in [
            (0..0, false, Exit::Fine, Exit::Fine),
            (3..4, false, Exit::Fine, Exit::Fine),
            (1..2, false, Exit::Findings, Exit::Fine),
            (0..4, false, Exit::Findings, Exit::Fine),
            (0..4, true, Exit::Failed, Exit::Failed),
            (0..0, true, Exit::Failed, Exit::Failed),
        ] {
            let mut snapshot = sample::snapshot(vec![], findings[kept.clone()].to_vec());
            snapshot.buckets[0].unreachable = unreachable.then(|| "connection refused\u{1b}[2J".to_owned());
            let outcome = Outcome::judgement(String::new(), &snapshot);
            assert_eq!(outcome.exit, judgement, "{kept:?} {unreachable}");
            assert_eq!(Outcome::report(String::new(), &snapshot).exit, report, "{kept:?} {unreachable}");
            let expected =
                unreachable.then(|| "bucket `thanos` cannot be read: connection refused\\u{1b}[2J".to_owned());
            assert_eq!(outcome.problems, Vec::from_iter(expected));
        }
    }
}
