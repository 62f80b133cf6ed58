//! External labels: what tells one stream from another.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// External labels, sorted by name. Two equal sets are one stream of a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Labels(pub BTreeMap<String, String>);

impl Labels {
    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All pairs but those whose name is in `dropped`.
    #[must_use]
    pub fn without(&self, dropped: &[String]) -> Self {
        Self(self.0.iter().filter(|(name, _)| !dropped.contains(name)).map(|(n, v)| (n.clone(), v.clone())).collect())
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In how many names the two differ: a name that only one has, or that has another value.
    pub fn distance(&self, other: &Self) -> usize {
        let differing = self.0.iter().filter(|(name, value)| other.0.get(*name) != Some(value)).count();
        differing + other.0.keys().filter(|name| !self.0.contains_key(*name)).count()
    }
}

impl<N: Into<String>, V: Into<String>, const LEN: usize> From<[(N, V); LEN]> for Labels {
    fn from(pairs: [(N, V); LEN]) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// The canonical text, as Prometheus writes labels: `{cluster="eu1", replica="a"}`.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (idx, (name, value)) in self.0.iter().enumerate() {
            let comma = if idx > 0 { ", " } else { "" };
            write!(f, "{comma}{name}={value:?}")?;
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_have_one_canonical_text_and_a_distance() {
        let a = Labels::from([("replica", "a"), ("cluster", "e\"u1")]);
        assert_eq!(a.to_string(), r#"{cluster="e\"u1", replica="a"}"#);
        let b = Labels::from([("replica", "b"), ("cluster", "e\"u1"), ("zone", "x")]);
        assert_eq!((a.distance(&b), b.distance(&a), a.distance(&a)), (2, 2, 0));
    }
}
