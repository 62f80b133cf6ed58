//! Reads the catalogue and finds every mistake in it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use include_dir::{Dir, include_dir};
use promql_parser::label::MatchOp;
use promql_parser::parser::{self, Expr, LabelModifier, VectorSelector, value::ValueType};
use promql_parser::util::{ExprVisitor, walk_expr};

use super::{AlertTest, Entry};

/// The metric that every alert on a check reads.
const FINDINGS_METRIC: &str = "blockwarden_findings";

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/alerts");

static EMBEDDED: LazyLock<Result<Catalogue, CatalogueError>> = LazyLock::new(|| {
    let files = FILES.files().filter_map(|file| Some((file.path().to_str()?, file.contents_utf8()?)));
    Catalogue::parse(files)
});

/// The catalogue that is part of the program.
///
/// An error means that the program was built with a broken file; a test keeps that from happening.
pub fn embedded() -> Result<&'static Catalogue, &'static CatalogueError> {
    EMBEDDED.as_ref()
}

/// All alerts.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    entries: BTreeMap<String, Entry>,
}

impl Catalogue {
    /// The alerts in the order of their ids.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// The alert with this id.
    pub fn entry(&self, id: &str) -> Option<&Entry> {
        self.entries.get(id)
    }

    /// Reads files, each with its name (`upload_lag.yaml`) and content. All mistakes of all files are reported.
    pub fn parse<'f>(files: impl IntoIterator<Item = (&'f str, &'f str)>) -> Result<Self, CatalogueError> {
        let mut catalogue = Self::default();
        let mut problems = Vec::new();
        for (file, text) in files {
            match parse_entry(file, text) {
                Ok(entry) => {
                    problems.extend(validate(&entry).into_iter().map(|text| Problem { file: file.to_owned(), text }));
                    catalogue.entries.insert(entry.id.clone(), entry);
                }
                Err(text) => problems.push(Problem { file: file.to_owned(), text }),
            }
        }
        problems.extend(catalogue.cross_check());
        if problems.is_empty() { Ok(catalogue) } else { Err(CatalogueError { problems }) }
    }

    /// What only shows when all files are known.
    fn cross_check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut names = BTreeMap::new();
        for entry in self.entries.values() {
            let mut note = |text: String| problems.push(Problem { file: format!("{}.yaml", entry.id), text });
            if let Some(other) = names.insert(&entry.name, &entry.id) {
                note(format!("name: `{}` is also the name of `{other}`; choose another", entry.name));
            }
            for id in &entry.inhibited_by {
                if *id == entry.id || !self.entries.contains_key(id) {
                    note(format!("inhibited_by: `{id}` is no other alert; use the id of one"));
                }
            }
        }
        problems
    }
}

/// The files of a catalogue have mistakes.
#[derive(Debug, thiserror::Error)]
pub struct CatalogueError {
    /// At least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the alert catalogue cannot be used")?;
        for problem in &self.problems {
            write!(f, "\n  alerts/{}: {}", problem.file, problem.text)?;
        }
        Ok(())
    }
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Name of the file.
    pub file: String,
    /// In words, beginning with the key where there is one.
    pub text: String,
}

fn parse_entry(file: &str, text: &str) -> Result<Entry, String> {
    let id = file.strip_suffix(".yaml").ok_or("is not called `<id>.yaml`; rename it")?;
    let mut entry: Entry = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
    id.clone_into(&mut entry.id);
    Ok(entry)
}

/// Everything that is wrong with one entry.
fn validate(entry: &Entry) -> Vec<String> {
    let mut problems = Vec::new();
    let mut demand = |holds: bool, text: &str| {
        if !holds {
            problems.push(text.to_owned());
        }
    };
    let is_id = !entry.id.is_empty() && entry.id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    demand(is_id, "the file's name is not lower case with underscores");
    demand(entry.check == entry.id, "check: differs from the file's name");
    demand(
        entry.name.starts_with("Blockwarden") && entry.name.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        "name: is not CamelCase that begins with `Blockwarden`",
    );
    demand(
        is_sentence(&entry.summary) && entry.summary.starts_with(|first: char| first.is_uppercase()),
        "summary: is not a sentence (capital, final period, one line)",
    );
    demand(!entry.summary.contains("{{"), "summary: is not static; labels belong into the description");
    demand(is_sentence(entry.description.text()), "description: is not a sentence (final period, one line)");
    demand(!entry.meaning.trim().is_empty(), "meaning: is empty");
    demand(!entry.impact.trim().is_empty(), "impact: is empty");
    demand(!entry.what_to_do.is_empty(), "what_to_do: has no step");
    problems.extend(validate_expr(entry));
    problems.extend(validate_tests(&entry.tests).into_iter().map(str::to_owned));
    problems
}

fn is_sentence(text: &str) -> bool {
    text.ends_with('.') && !text.contains('\n')
}

fn validate_expr(entry: &Entry) -> Vec<String> {
    let expr = match parser::parse(&entry.expr) {
        Ok(expr) => expr,
        Err(error) => return vec![format!("expr: is not PromQL: {error}")],
    };
    let mut problems = Vec::new();
    if expr.value_type() != ValueType::Vector {
        problems.push("expr: does not give a vector".to_owned());
    }
    let mut facts = ExprFacts::default();
    // the visitor itself never fails nor stops
    let Ok(_) = walk_expr(&mut facts, &expr);
    let on_check =
        |selector: &VectorSelector| {
            selector.name.as_deref() == Some(FINDINGS_METRIC)
                && selector.matchers.matchers.iter().any(|matcher| {
                    matcher.name == "check" && matcher.op == MatchOp::Equal && matcher.value == entry.check
                })
        };
    if facts.selectors.is_empty() || !facts.selectors.iter().all(on_check) {
        problems.push(format!("expr: reads something else than `{FINDINGS_METRIC}{{check=\"{}\"}}`", entry.check));
    }
    if facts.thresholds.iter().any(|threshold| *threshold != 0.0) {
        problems.push("expr: holds a threshold; thresholds belong into the check".to_owned());
    }
    for label in entry.description.labels() {
        if !facts.labels.iter().any(|known| known == label) {
            problems.push(format!("description: `{label}` is not a label that expr gives"));
        }
    }
    problems
}

/// What an expression is made of.
#[derive(Default)]
struct ExprFacts {
    selectors: Vec<VectorSelector>,
    thresholds: Vec<f64>,
    labels: Vec<String>,
}

impl ExprVisitor for ExprFacts {
    type Error = std::convert::Infallible;

    fn pre_visit(&mut self, expr: &Expr) -> Result<bool, Self::Error> {
        match expr {
            Expr::VectorSelector(selector) => self.selectors.push(selector.clone()),
            Expr::MatrixSelector(matrix) => self.selectors.push(matrix.vs.clone()),
            Expr::NumberLiteral(number) => self.thresholds.push(number.val),
            Expr::Aggregate(aggregate) => {
                if let Some(LabelModifier::Include(labels)) = &aggregate.modifier {
                    self.labels.extend(labels.labels.iter().cloned());
                }
            }
            Expr::Unary(_)
            | Expr::Binary(_)
            | Expr::Paren(_)
            | Expr::Subquery(_)
            | Expr::StringLiteral(_)
            | Expr::Call(_)
            | Expr::Extension(_) => {}
        }
        Ok(true)
    }
}

fn validate_tests(tests: &[AlertTest]) -> Vec<&'static str> {
    let fires = |test: &AlertTest| test.expect.iter().any(|moment| !moment.firing.is_empty());
    let ends_quiet = |test: &AlertTest| test.expect.last().is_some_and(|moment| moment.firing.is_empty());
    let has_gap = |test: &AlertTest| test.input_series.iter().any(|series| series.values.contains('_'));
    let in_order = |test: &AlertTest| test.expect.is_sorted_by_key(|moment| moment.at.ms());
    let demands: [(bool, &str); 5] = [
        (tests.iter().any(|test| !fires(test)), "tests: none shows it quiet while all is well"),
        (tests.iter().any(fires), "tests: none shows it fire"),
        (tests.iter().any(|test| fires(test) && has_gap(test)), "tests: none shows it survive a gap between scrapes"),
        (tests.iter().any(|test| fires(test) && ends_quiet(test)), "tests: none shows it resolve"),
        (tests.iter().all(in_order), "tests: moments are not in order of time"),
    ];
    demands.into_iter().filter(|(holds, _)| !holds).map(|(_, text)| text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
name: BlockwardenLate
check: late
expr: max by (check, severity, bucket) (max_over_time(blockwarden_findings{check="late"}[10m])) > 0
for: 5m
keep_firing_for: 15m
severity: warning
summary: Something is late.
description: "{{ $value }} things in {{ $labels.bucket }} are late."
meaning: text
impact: text
what_to_do: [{step: look, run: ls}]
inhibited_by: []
tests:
  - {name: quiet, input_series: [], expect: [{at: 5m, firing: []}]}
  - name: fires
    input_series: [{series: 'x{a="b"}', values: 1 _x2 1}]
    expect: [{at: 5m, firing: [{value: 1, labels: {bucket: b}}]}, {at: 1h, firing: []}]
"#;

    fn problems(files: &[(&str, &str)]) -> Vec<String> {
        match Catalogue::parse(files.iter().copied()) {
            Ok(_) => Vec::new(),
            Err(error) => error.problems.into_iter().map(|problem| problem.text).collect(),
        }
    }

    #[test]
    fn the_embedded_catalogue_is_sound() {
        if let Err(error) = embedded() {
            panic!("{error}");
        }
    }

    #[test]
    fn finds_each_mistake() {
        assert_eq!(problems(&[("late.yaml", GOOD)]), Vec::<String>::new());
        for (from, to, expected) in [
            ("check: late", "check: other", "check: differs"),
            ("name: BlockwardenLate", "name: Late", "name: is not CamelCase"),
            ("summary: Something is late.", "summary: something", "summary: is not a sentence"),
            ("summary: Something is late.", "summary: '{{ $labels.a }} X.'", "summary: is not static"),
            ("things in", "{{ things }} in", "is not understood"),
            ("$labels.bucket", "$labels.pod", "description: `pod` is not a label"),
            ("are late.\"", "are late\"", "description: is not a sentence"),
            ("meaning: text", "meaning: ''", "meaning: is empty"),
            ("impact: text", "impact: ' '", "impact: is empty"),
            ("[{step: look, run: ls}]", "[]", "what_to_do: has no step"),
            ("for: 5m", "for: 5 minutes", "is not a duration"),
            ("severity: warning", "severity: bad", "unknown variant"),
            ("impact: text", "impact: text\nextra: 1", "unknown field `extra`"),
            ("> 0", "> 0 )", "expr: is not PromQL"),
            ("> 0", "> 7", "expr: holds a threshold"),
            ("{check=\"late\"}", "{check=\"soon\"}", "expr: reads something else"),
            ("blockwarden_findings", "up", "expr: reads something else"),
            ("inhibited_by: []", "inhibited_by: [late]", "inhibited_by: `late` is no other alert"),
            ("inhibited_by: []", "inhibited_by: [gone]", "inhibited_by: `gone` is no other alert"),
            ("1 _x2 1", "1x4", "survive a gap"),
            ("{at: 1h, firing: []}", "{at: 1m, firing: []}", "not in order"),
            (", {at: 1h, firing: []}", "", "resolve"),
        ] {
            let text = GOOD.replacen(from, to, 1);
            assert_ne!(text, GOOD, "{from} is not in the good text");
            let found = problems(&[("late.yaml", &text)]);
            assert!(found.iter().any(|problem| problem.contains(expected)), "{expected}: {found:?}");
        }
    }

    #[test]
    fn reports_the_mistakes_of_all_files_together() {
        let twin = GOOD.replace("late", "soon");
        let broken = GOOD.replace("impact: text", "impact: ''");
        let found = problems(&[("late.yaml", &broken), ("soon.yaml", &twin), ("notes.txt", "")]);
        let expected = [
            "impact: is empty",
            "is not called `<id>.yaml`; rename it",
            "name: `BlockwardenLate` is also the name of `late`; choose another",
        ];
        assert_eq!(found, expected);
    }
}
