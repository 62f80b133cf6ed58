//! What is wrong with an expression: it parses, it is about what its alert is about, and every metric and label in it
//! is one that is exported.

use std::collections::BTreeSet;

use promql_parser::label::MatchOp;
use promql_parser::parser::{self, Expr, LabelModifier, VectorSelector, value::ValueType};
use promql_parser::util::{ExprVisitor, walk_expr};

use super::{Entry, Origin, exported, placeholder};
use crate::model::{Component, RuleSettings};

/// The metric that every alert on a check reads.
const FINDINGS_METRIC: &str = "blockwarden_findings";

/// Everything that is wrong with the expression of an entry, and with its description's labels.
pub(super) fn validate(entry: &Entry, origin: Origin) -> Vec<String> {
    let settings = RuleSettings::default();
    let text = match placeholder::fill(entry, &settings, &[]) {
        Ok(text) => text,
        Err(problem) => return vec![problem],
    };
    let expr = match parser::parse(&text) {
        Ok(expr) => expr,
        Err(error) => return vec![format!("expr: is not PromQL: {error}")],
    };
    let mut problems = Vec::new();
    if expr.value_type() != ValueType::Vector {
        problems.push("expr: does not give a vector".to_owned());
    }
    if entry.expr.contains("job=") || entry.expr.contains("job!") {
        problems.push("expr: names a job; write `$self` or `$job`".to_owned());
    }
    let mut facts = Facts::default();
    // the visitor itself never fails nor stops
    let Ok(_) = walk_expr(&mut facts, &expr);
    if facts.selectors.is_empty() {
        problems.push("expr: reads no metric".to_owned());
    }
    if !facts.selectors.iter().all(|selector| has_matcher(selector, "job")) {
        problems.push("expr: has a selector without job; add `$self` or `$job` to each".to_owned());
    }
    match (entry.check_id(), entry.component) {
        (Some(check), _) => problems.extend(on_check(check, &facts)),
        // a file of the user may be about what we do not know
        (None, Some(component)) if origin == Origin::Own || component == Component::Own => {
            problems.extend(on_component(component, &facts));
        }
        (None, _) => {}
    }
    for name in entry.thresholds.keys().filter(|name| !entry.expr.contains(&format!("${name}"))) {
        problems.push(format!("thresholds: expr does not use `${name}`"));
    }
    let given = facts.given_labels(entry.component);
    for label in entry.description.labels().filter(|label| !given.contains(*label)) {
        problems.push(format!("description: `{label}` is not a label that expr gives"));
    }
    problems
}

fn has_matcher(selector: &VectorSelector, name: &str) -> bool {
    selector.matchers.matchers.iter().any(|matcher| matcher.name == name)
}

fn name_of(selector: &VectorSelector) -> String {
    let inside = || selector.matchers.find_matchers("__name__").first().map(|matcher| matcher.value.clone());
    selector.name.clone().or_else(inside).unwrap_or_default()
}

fn on_check(check: &str, facts: &Facts) -> Vec<String> {
    let mut problems = Vec::new();
    let is_on_it = |selector: &VectorSelector| {
        let mut matchers = selector.matchers.matchers.iter();
        name_of(selector) == FINDINGS_METRIC
            && matchers.any(|one| one.name == "check" && one.op == MatchOp::Equal && one.value == check)
    };
    if !facts.selectors.iter().all(is_on_it) {
        problems.push(format!("expr: reads something else than `{FINDINGS_METRIC}{{check=\"{check}\"}}`"));
    }
    if facts.numbers.iter().any(|number| *number != 0.0) {
        problems.push("expr: holds a threshold; thresholds belong into the check".to_owned());
    }
    problems.extend(on_component(Component::Own, facts));
    problems
}

fn on_component(component: Component, facts: &Facts) -> Vec<String> {
    let mut problems = Vec::new();
    let mut known: BTreeSet<&str> = facts.made.iter().map(String::as_str).chain(exported::KUBERNETES_LABELS).collect();
    for selector in &facts.selectors {
        let name = name_of(selector);
        let Some(labels) = exported::labels_of(component, &name) else {
            problems.push(format!("expr: {} exports no series `{name}`", component.name()));
            continue;
        };
        known.extend(labels);
        for matcher in &selector.matchers.matchers {
            if matcher.name != "__name__" && !labels.contains(matcher.name.as_str()) {
                problems.push(format!("expr: `{name}` has no label `{}`", matcher.name));
            }
        }
    }
    for label in facts.grouped.iter().chain(&facts.matched) {
        if !known.contains(label.as_str()) {
            problems.push(format!("expr: nothing in it has a label `{label}`"));
        }
    }
    problems
}

/// What an expression is made of.
#[derive(Default)]
struct Facts {
    selectors: Vec<VectorSelector>,
    numbers: Vec<f64>,
    /// Labels in `by`.
    grouped: BTreeSet<String>,
    /// Labels in `on`, `ignoring`, `without`, `group_left`, `group_right`.
    matched: BTreeSet<String>,
    /// Labels that `label_replace` or `label_join` make.
    made: BTreeSet<String>,
    /// How many aggregations with `by` or with nothing are around what is visited.
    depth: usize,
    /// Selectors whose labels reach the result.
    outside: Vec<String>,
}

impl Facts {
    /// The labels that the result may have.
    fn given_labels(&self, component: Option<Component>) -> BTreeSet<&str> {
        let mut given: BTreeSet<&str> = self.grouped.iter().chain(&self.made).map(String::as_str).collect();
        let labels = self.outside.iter().filter_map(|name| exported::labels_of(component?, name));
        given.extend(labels.flatten());
        given
    }

    fn selector(&mut self, selector: &VectorSelector) {
        if self.depth == 0 {
            self.outside.push(name_of(selector));
        }
        self.selectors.push(selector.clone());
    }

    /// An aggregation that keeps only what it names.
    fn is_narrow(expr: &Expr) -> bool {
        matches!(expr, Expr::Aggregate(aggregate) if !matches!(aggregate.modifier, Some(LabelModifier::Exclude(_))))
    }
}

impl ExprVisitor for Facts {
    type Error = std::convert::Infallible;

    fn pre_visit(&mut self, expr: &Expr) -> Result<bool, Self::Error> {
        match expr {
            Expr::VectorSelector(selector) => self.selector(selector),
            Expr::MatrixSelector(matrix) => self.selector(&matrix.vs),
            Expr::NumberLiteral(number) => self.numbers.push(number.val),
            Expr::Aggregate(aggregate) => {
                match &aggregate.modifier {
                    Some(LabelModifier::Include(labels)) => self.grouped.extend(labels.labels.iter().cloned()),
                    Some(LabelModifier::Exclude(labels)) => self.matched.extend(labels.labels.iter().cloned()),
                    None => {}
                }
                // the walk leaves out what `quantile` and others are given
                if let Some(parameter) = &aggregate.param {
                    walk_expr(self, parameter)?;
                }
            }
            Expr::Binary(binary) => {
                if let Some(modifier) = &binary.modifier {
                    let groups =
                        modifier.card.labels().into_iter().chain(modifier.matching.iter().map(LabelModifier::labels));
                    self.matched.extend(groups.flat_map(|labels| labels.labels.iter().cloned()));
                }
            }
            Expr::Call(call) if ["label_replace", "label_join"].contains(&call.func.name) => {
                if let Some(Expr::StringLiteral(label)) = call.args.args.get(1).map(AsRef::as_ref) {
                    self.made.insert(label.val.clone());
                }
            }
            Expr::Unary(_)
            | Expr::Paren(_)
            | Expr::Subquery(_)
            | Expr::StringLiteral(_)
            | Expr::Call(_)
            | Expr::Extension(_) => {}
        }
        self.depth += usize::from(Self::is_narrow(expr));
        Ok(true)
    }

    fn post_visit(&mut self, expr: &Expr) -> Result<bool, Self::Error> {
        self.depth -= usize::from(Self::is_narrow(expr));
        Ok(true)
    }
}
