//! What a scan said, one line per finding: severity, check, what it is about, and until when.

use std::collections::BTreeMap;
use std::process::Output;
use std::sync::LazyLock;

use serde_json::Value;

use super::time::short;

/// The outcome of one scan.
#[derive(Debug)]
pub struct Report {
    /// Exit code.
    pub code: i32,
    /// The document.
    pub document: Value,
    /// Standard output as it was.
    pub stdout: String,
    names: BTreeMap<String, String>,
}

impl Report {
    /// Of a scan at `at` that printed `output`; `names` is what its blocks are called.
    pub fn new(output: &Output, names: &BTreeMap<String, String>, at: i64) -> Self {
        let stdout = String::from_utf8(output.stdout.clone()).expect("UTF-8 on standard output");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let document = serde_json::from_str(&stdout)
            .unwrap_or_else(|error| panic!("scan at {} printed no document ({error}):\n{stdout}\n{stderr}", short(at)));
        check_form(&document);
        Self { code: output.status.code().unwrap_or(-1), document, stdout, names: names.clone() }
    }

    /// All findings of the document.
    pub fn findings(&self) -> &[Value] {
        self.document["findings"].as_array().expect("a list of findings")
    }

    /// Findings at `warning` or above, sorted.
    pub fn loud(&self) -> Vec<String> {
        self.lines(|severity| severity != "info")
    }

    /// Findings at `info`, sorted.
    pub fn quiet(&self) -> Vec<String> {
        self.lines(|severity| severity == "info")
    }

    fn lines(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let findings = self.findings().iter().filter(|finding| wanted(text(finding, "severity")));
        let mut lines: Vec<String> = findings.map(|finding| self.line(finding)).collect();
        lines.sort();
        lines
    }

    /// The one finding of this check.
    #[track_caller]
    pub fn only(&self, check: &str) -> &Value {
        let mut found = self.findings().iter().filter(|finding| text(finding, "check") == check);
        let first = found.next().unwrap_or_else(|| panic!("no {check} in {:#?}", self.findings()));
        assert!(found.next().is_none(), "several {check} in {:#?}", self.findings());
        first
    }

    /// Nothing at `warning` or above, and the exit code says so.
    #[track_caller]
    pub fn healthy(&self) -> &Self {
        assert_eq!(self.loud(), [""; 0], "{:#?}", self.findings());
        assert_eq!(self.code, 0);
        self
    }

    /// Exactly these findings at `warning` or above (in any order), and the exit code says so.
    #[track_caller]
    pub fn says(&self, expected: &[&str]) -> &Self {
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(self.loud(), expected, "{:#?}", self.findings());
        assert_eq!(self.code, 1);
        self
    }

    /// Exactly these findings at `info` (in any order).
    #[track_caller]
    pub fn notes(&self, expected: &[&str]) -> &Self {
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(self.quiet(), expected, "{:#?}", self.findings());
        self
    }

    fn line(&self, finding: &Value) -> String {
        let mut words = vec![text(finding, "severity").to_owned(), text(finding, "check").to_owned()];
        if let Some(stream) = finding["stream"].as_object() {
            let pairs = stream.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or("?")));
            words.push(pairs.collect::<Vec<_>>().join(","));
        }
        words.extend(finding["resolution"].as_str().map(str::to_owned));
        let block = finding["block"].as_str();
        words.extend(block.map(|block| self.names.get(block).map_or(block, String::as_str).to_owned()));
        if let Some(object) = finding["object"].as_str() {
            let within = block.and_then(|block| object.strip_prefix(block)?.strip_prefix('/'));
            words.push(format!("object={}", within.map_or_else(|| format!("/{object}"), str::to_owned)));
        }
        if finding["interval"].is_object() {
            let edge = |name| moment(&finding["interval"][name]);
            words.push(format!("{}..{}", edge("start"), edge("end")));
        }
        if finding["deadline"].is_string() {
            words.push(format!("by {}", moment(&finding["deadline"])));
        }
        words.join(" ")
    }
}

/// What holds of every document: the committed schema, the order, and that each finding is one.
fn check_form(document: &Value) {
    static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
        let schema = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/scan.schema.json"));
        jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap()
    });
    let errors: Vec<String> = SCHEMA.iter_errors(document).map(|error| error.to_string()).collect();
    assert_eq!(errors, [""; 0], "{document:#}");

    let findings = document["findings"].as_array().unwrap();
    let mut fingerprints: Vec<&str> = findings.iter().map(|finding| text(finding, "fingerprint")).collect();
    fingerprints.sort_unstable();
    assert!(fingerprints.windows(2).all(|pair| pair[0] != pair[1]), "two findings are one: {findings:#?}");
    let rank = |finding: &Value| {
        let severity = ["critical", "warning", "info"].iter().position(|name| *name == text(finding, "severity"));
        (severity, text(finding, "check").to_owned())
    };
    assert!(findings.is_sorted_by_key(rank), "not in order: {findings:#?}");
    for finding in findings {
        let (message, remedy) = (text(finding, "message"), text(finding, "remedy"));
        assert!(!message.ends_with('.') && !message.contains('\n'), "{message}");
        assert!(!remedy.is_empty() && !remedy.ends_with('.'), "{remedy}");
    }
}

fn text<'a>(finding: &'a Value, key: &str) -> &'a str {
    finding[key].as_str().unwrap_or_else(|| panic!("no {key} in {finding}"))
}

fn moment(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |text| short(super::time::t(text)))
}
