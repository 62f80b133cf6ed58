//! Stream selectors: matchers over external labels, as in `PromQL`. Parsing is the configuration's work.

use super::Labels;

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
