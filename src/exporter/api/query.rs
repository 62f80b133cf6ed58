//! Parameters: which there are, and what they say.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use ulid::Ulid;

use super::problem::Problem;
use crate::catalogue;
use crate::model::{Resolution, Selector, Severity, TimestampMs, ULID_LEN, parse_ulid};

/// A parameter of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    /// May be given several times: any of the values will do.
    pub(super) repeats: bool,
}

impl Parameter {
    pub(super) const fn one(name: &'static str) -> Self {
        Self { name, repeats: false }
    }

    pub(super) const fn several(name: &'static str) -> Self {
        Self { name, repeats: true }
    }
}

/// What was asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Query {
    values: BTreeMap<&'static str, Vec<String>>,
}

impl Query {
    /// Takes the query string apart; refuses what the path does not know.
    pub(super) fn parse(text: &str, known: &[Parameter]) -> Result<Self, Problem> {
        let mut values: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            let Some(parameter) = known.iter().find(|parameter| parameter.name == name) else {
                let names: Vec<&str> = known.iter().map(|parameter| parameter.name).collect();
                return Err(Problem::unknown_parameter(&name, &names));
            };
            let given = values.entry(parameter.name).or_default();
            if !given.is_empty() && !parameter.repeats {
                return Err(Problem::parameter(&name, "is given twice"));
            }
            given.push(value.into_owned());
        }
        Ok(Self { values })
    }

    /// The value, if it is given.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.first().map(String::as_str)
    }

    /// All values.
    pub(super) fn texts(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }

    /// `check`
    pub(super) fn checks(&self) -> Result<&[String], Problem> {
        let given = self.texts("check");
        match given.iter().find(|id| catalogue::check_ids().all(|known| known != id.as_str())) {
            Some(_) => Err(Problem::parameter("check", "is not the id of a check")),
            None => Ok(given),
        }
    }

    /// `severity`
    pub(super) fn severities(&self) -> Result<Vec<Severity>, Problem> {
        let all = [Severity::Critical, Severity::Warning, Severity::Info];
        let of = |text: &String| all.into_iter().find(|severity| severity.name() == text);
        let expected = || Problem::parameter("severity", "expected `critical`, `warning` or `info`");
        self.texts("severity").iter().map(|text| of(text).ok_or_else(expected)).collect()
    }

    /// `resolution`
    pub(super) fn resolutions(&self) -> Result<Vec<Resolution>, Problem> {
        let of = |text: &String| Resolution::ALL.into_iter().find(|resolution| resolution.name() == text);
        let expected = || Problem::parameter("resolution", "expected `raw`, `5m` or `1h`");
        self.texts("resolution").iter().map(|text| of(text).ok_or_else(expected)).collect()
    }

    /// `stream`
    pub(super) fn selector(&self) -> Result<Option<Selector>, Problem> {
        let parse = |text| Selector::parse(text).map_err(|expected| Problem::parameter("stream", expected));
        self.text("stream").map(parse).transpose()
    }

    /// A moment in RFC 3339.
    pub(super) fn time(&self, name: &str) -> Result<Option<TimestampMs>, Problem> {
        let expected = || Problem::parameter(name, "expected a time in RFC 3339, as in 2026-01-02T03:04:05Z");
        self.text(name).map(|text| TimestampMs::parse_rfc3339(text).ok().ok_or_else(expected)).transpose()
    }

    /// `block`: the ULIDs that begin so.
    pub(super) fn block(&self) -> Result<Option<RangeInclusive<Ulid>>, Problem> {
        let expected = || Problem::parameter("block", "expected a ULID or how one begins");
        let range = |prefix: &str| {
            let padded = |with: char| {
                let missing = ULID_LEN.checked_sub(prefix.len())?;
                parse_ulid(&format!("{prefix}{}", with.to_string().repeat(missing)))
            };
            let fits = !prefix.is_empty() && prefix.is_ascii();
            Some(padded('0').filter(|_| fits)?..=padded('Z')?)
        };
        self.text("block").map(|prefix| range(prefix).ok_or_else(expected)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Parameter] = &[Parameter::one("block"), Parameter::several("severity"), Parameter::one("min_time")];

    fn parsed(text: &str) -> Result<Query, Problem> {
        Query::parse(text, KNOWN)
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for (text, name) in [("x=1", "x"), ("block=01&block=01", "block"), ("Severity=info", "Severity"), ("=", "")] {
            let problem = parsed(text).unwrap_err();
            assert_eq!(problem.status(), 400, "{text}");
            let json: serde_json::Value = serde_json::from_slice(&problem.to_json()).unwrap();
            assert_eq!(json["error"]["parameter"], name, "{text}");
        }
        assert_eq!(parsed("severity=info&severity=warning&").unwrap().severities().unwrap().len(), 2);
    }

    #[test]
    fn values_are_read_or_refused() {
        for (text, fits) in [
            ("block=01", true),
            ("block=01arz3ndektsv4rrffq69g5fav", true),
            ("block=", false),
            ("block=8", false),
            ("block=01ARZ3NDEKTSV4RRFFQ69G5FAVX", false),
            ("block=0%C3%A9", false),
            ("block=0-", false),
            ("severity=info", true),
            ("severity=", false),
            ("severity=fatal", false),
            ("min_time=2026-01-02T03:04:05%2B01:00", true),
            ("min_time=now", false),
            ("min_time=1767323045", false),
        ] {
            let query = parsed(text).unwrap();
            let read = query.block().is_ok() && query.severities().is_ok() && query.time("min_time").is_ok();
            assert_eq!(read, fits, "{text}");
        }
        let one = Ulid::from_string("01ARZ3NDEKTSV4RRFFQ69G5FAV").unwrap();
        for (prefix, within) in [("0", true), ("01arz", true), (&one.to_string(), true), ("01ARA", false)] {
            assert_eq!(parsed(&format!("block={prefix}")).unwrap().block().unwrap().unwrap().contains(&one), within);
        }
    }
}
