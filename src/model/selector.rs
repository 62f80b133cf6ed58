//! Stream selectors: matchers over external labels, in text as in `PromQL`: `{cluster="eu1", replica=~"a|b"}`.

use promql_parser::label::MatchOp as PromMatchOp;
use promql_parser::parser::{self, Expr};

use super::Labels;

/// Nobody writes longer ones, and the parser is not asked to.
const MAX_BYTES: usize = 4096;

/// How a matcher compares.
#[derive(Clone, Debug)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`, anchored
    Regex(regex::Regex),
    /// `!~`, anchored
    NotRegex(regex::Regex),
}

/// One matcher. A label that is absent compares as the empty string, as in Prometheus.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// Name of the external label.
    pub name: String,
    /// The comparison.
    pub op: MatchOp,
    /// The text to compare with (for a regular expression: as it was written).
    pub value: String,
}

/// A conjunction of matchers; an empty one selects every stream.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    /// All must hold.
    pub matchers: Vec<Matcher>,
    /// As the user wrote it, for messages.
    pub text: String,
}

impl Selector {
    /// Parses matchers; says what was expected otherwise.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "expected PromQL matchers such as {cluster=\"eu1\"} in quotes";
        let braces = text.trim();
        if !braces.starts_with('{') || !braces.ends_with('}') || braces.len() > MAX_BYTES {
            return Err(EXPECTED);
        }
        // A metric name before the braces allows what PromQL refuses without one, because it would select too much there
        // and is plain here: `{}` for every stream, `{tenant_id=""}` for those without the label.
        let Ok(Expr::VectorSelector(vector)) = parser::parse(&format!("stream{braces}")) else {
            return Err(EXPECTED);
        };
        if !vector.matchers.or_matchers.is_empty() || vector.offset.is_some() || vector.at.is_some() {
            return Err(EXPECTED);
        }
        let named = |matcher: &promql_parser::label::Matcher| matcher.name == "__name__";
        if vector.matchers.matchers.iter().any(named) {
            return Err("expected matchers of external labels; a stream has no metric name");
        }
        let matchers = vector.matchers.matchers.into_iter().map(|matcher| Matcher {
            name: matcher.name,
            op: match matcher.op {
                PromMatchOp::Equal => MatchOp::Equal,
                PromMatchOp::NotEqual => MatchOp::NotEqual,
                PromMatchOp::Re(regex) => MatchOp::Regex(regex),
                PromMatchOp::NotRe(regex) => MatchOp::NotRegex(regex),
            },
            value: matcher.value,
        });
        Ok(Self { matchers: matchers.collect(), text: braces.to_owned() })
    }

    /// Whether the stream with these external labels is meant.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|matcher| {
            let value = labels.get(&matcher.name).unwrap_or_default();
            match &matcher.op {
                MatchOp::Equal => value == matcher.value,
                MatchOp::NotEqual => value != matcher.value,
                MatchOp::Regex(regex) => regex.is_match(value),
                MatchOp::NotRegex(regex) => !regex.is_match(value),
            }
        })
    }

    /// The labels that an equality fixes: the subject of a stream that was expected and never seen.
    pub fn fixed_labels(&self) -> Labels {
        let equal = self.matchers.iter().filter(|matcher| matches!(matcher.op, MatchOp::Equal));
        Labels(equal.map(|matcher| (matcher.name.clone(), matcher.value.clone())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_follow_promql() {
        let eu1 = Labels::from([("cluster", "eu1"), ("replica", "a")]);
        for (text, matches) in [
            ("{}", Some(true)),
            (" {cluster=\"eu1\"} ", Some(true)),
            ("{cluster='eu1', replica!=\"b\"}", Some(true)),
            ("{cluster=~\"eu.\"}", Some(true)),
            ("{cluster=~\"e\"}", Some(false)),
            ("{replica!~\"a|b\"}", Some(false)),
            ("{tenant_id=\"\"}", Some(true)),
            ("{tenant_id=\"x\"}", Some(false)),
            ("cluster=\"eu1\"", None),
            ("up{cluster=\"eu1\"}", None),
            ("{cluster=\"eu1\"} or {cluster=\"eu2\"}", None),
            ("{cluster=\"eu1\" or cluster=\"eu2\"}", None),
            ("{__name__=\"up\"}", None),
            ("{cluster=~\"(\"}", None),
            ("{cluster}", None),
            ("", None),
        ] {
            let selector = Selector::parse(text).ok();
            assert_eq!(selector.map(|selector| selector.matches(&eu1)), matches, "{text}");
        }
    }
}
