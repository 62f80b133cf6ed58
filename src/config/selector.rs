//! Stream selectors in text: `PromQL` matchers, as in `{cluster="eu1", replica=~"a|b"}`.

use promql_parser::label::MatchOp as PromMatchOp;
use promql_parser::parser::{self, Expr};

use crate::model::{MatchOp, Matcher, Selector};

/// Nobody writes longer ones, and the parser is not asked to.
const MAX_BYTES: usize = 4096;

/// Parses matchers; gives what was expected otherwise.
pub(super) fn parse(text: &str) -> Result<Selector, &'static str> {
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
    Ok(Selector { matchers: matchers.collect(), text: braces.to_owned() })
}

#[cfg(test)]
mod tests {
    use crate::model::Labels;

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
            let selector = parse(text).ok();
            assert_eq!(selector.map(|selector| selector.matches(&eu1)), matches, "{text}");
        }
    }
}
