//! PromQL in dashboards and documentation: it parses, and it names only metrics and labels that exist.

use std::collections::BTreeSet;
use std::convert::Infallible;

use blockwarden::model::{Metric, MetricKind, MetricLabel};
use promql_parser::parser::{self, Expr, VectorSelector};
use promql_parser::util::{ExprVisitor, walk_expr};

/// What Prometheus adds to everything that it scrapes.
const TARGET_LABELS: [&str; 2] = ["job", "instance"];

/// What is not of our making: Prometheus' own, and that of the process collector.
const FOREIGN: [&str; 8] = [
    "up",
    "process_cpu_seconds_total",
    "process_open_fds",
    "process_max_fds",
    "process_virtual_memory_bytes",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_threads",
];

/// The labels of a series of this name; `None` if there is none of this name.
fn labels_of(name: &str) -> Option<BTreeSet<&'static str>> {
    let mut labels = BTreeSet::from(TARGET_LABELS);
    if FOREIGN.contains(&name) {
        return Some(labels);
    }
    let metric = Metric::ALL.into_iter().find(|metric| {
        let parts: &[&str] =
            if metric.kind() == MetricKind::Histogram { &["_bucket", "_sum", "_count"] } else { &[""] };
        parts.iter().any(|part| name.strip_prefix(metric.name()) == Some(part))
    })?;
    let own = metric.labels().iter().filter(|label| **label != MetricLabel::StreamLabels);
    labels.extend(own.map(|label| label.name()));
    if name.ends_with("_bucket") {
        labels.insert("le");
    }
    Some(labels)
}

/// What an expression is about.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    /// In words, what is wrong with it.
    pub(crate) problems: Vec<String>,
    /// Every label that its series may have.
    pub(crate) labels: BTreeSet<&'static str>,
    /// The names of matchers, per selector.
    pub(crate) matched: Vec<(String, BTreeSet<String>)>,
    grouped: BTreeSet<String>,
}

impl Looked {
    fn selector(&mut self, selector: &VectorSelector) {
        let name = selector.name.clone().unwrap_or_default();
        let matched: BTreeSet<String> = selector.matchers.matchers.iter().map(|matcher| matcher.name.clone()).collect();
        match labels_of(&name) {
            None => self.problems.push(format!("there is no metric `{name}`")),
            Some(labels) => {
                let strange = matched.iter().filter(|label| !labels.contains(label.as_str()));
                self.problems.extend(strange.map(|label| format!("`{name}` has no label `{label}`")));
                self.labels.extend(labels);
            }
        }
        self.matched.push((name, matched));
    }
}

impl ExprVisitor for Looked {
    type Error = Infallible;

    fn pre_visit(&mut self, expr: &Expr) -> Result<bool, Infallible> {
        if let Expr::VectorSelector(selector) = expr {
            self.selector(selector);
        }
        if let Expr::MatrixSelector(matrix) = expr {
            self.selector(&matrix.vs);
        }
        if let Expr::Aggregate(aggregate) = expr {
            self.grouped.extend(aggregate.modifier.iter().flat_map(|modifier| modifier.labels().labels.clone()));
        }
        if let Expr::Binary(binary) = expr {
            let matching = binary.modifier.iter().flat_map(|modifier| &modifier.matching);
            self.grouped.extend(matching.flat_map(|labels| labels.labels().labels.clone()));
        }
        Ok(true)
    }
}

/// Looks at one expression, without variables in it.
pub(crate) fn look(expr: &str) -> Looked {
    let mut looked = Looked::default();
    match parser::parse(expr) {
        Ok(parsed) => {
            walk_expr(&mut looked, &parsed).unwrap();
            let strange: Vec<String> =
                looked.grouped.iter().filter(|label| !looked.labels.contains(label.as_str())).cloned().collect();
            looked.problems.extend(strange.iter().map(|label| format!("nothing in it has a label `{label}`")));
        }
        Err(error) => looked.problems.push(error),
    }
    looked
}

/// The fenced `promql` blocks of a Markdown file.
fn fenced(text: &str) -> Vec<&str> {
    text.split("```promql\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

#[test]
fn the_examples_of_the_documentation_are_sound() {
    let text = std::fs::read_to_string(crate::source::root().join("docs/metrics.md")).unwrap();
    let examples = fenced(&text);
    assert!(examples.len() >= 5, "{examples:?}");
    let problems: Vec<String> = examples
        .iter()
        .flat_map(|example| look(example).problems.into_iter().map(move |problem| format!("{example}: {problem}")))
        .collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn bad_queries_are_caught() {
    for (expr, problems) in [
        ("sum by (bucket) (blockwarden_findings{job=\"a\", check=\"b\"})", 0),
        ("histogram_quantile(0.9, sum by (le, bucket) (rate(blockwarden_scan_duration_seconds_bucket[5m])))", 0),
        ("rate(process_cpu_seconds_total[5m]) and on (instance) up", 0),
        ("blockwarden_scan_duration_seconds", 1),
        ("blockwarden_finding", 1),
        ("blockwarden_findings{ulid=\"x\"}", 1),
        ("sum by (resolution) (blockwarden_findings)", 1),
        ("blockwarden_findings / on (le) blockwarden_streams", 1),
        ("rate(blockwarden_scans_totals[5m])", 1),
        ("sum(", 1),
    ] {
        let found = look(expr).problems;
        assert_eq!(found.len(), problems, "{expr}: {found:?}");
    }
}
