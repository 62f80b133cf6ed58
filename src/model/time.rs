//! Time as the TSDB counts it: signed milliseconds since the Unix epoch; durations in Prometheus' grammar.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// One second in ms.
pub const SECOND_MS: i64 = 1_000;
/// One minute in ms.
pub const MINUTE_MS: i64 = 60 * SECOND_MS;
/// One hour in ms.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// One day in ms.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// A moment in ms since the Unix epoch, as in `meta.json`'s `minTime`. Arithmetic saturates: block
/// metadata is foreign input and may hold any 64-bit value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(transparent)]
pub struct TimestampMs(pub i64);

impl TimestampMs {
    /// This moment plus `ms`.
    #[must_use]
    pub const fn plus(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// This moment minus `ms`.
    #[must_use]
    pub const fn minus(self, ms: i64) -> Self {
        Self(self.0.saturating_sub(ms))
    }

    /// How long after `earlier` this is, in ms; negative when it is before.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Parses RFC 3339.
    pub fn parse_rfc3339(text: &str) -> Result<Self, jiff::Error> {
        text.parse::<jiff::Timestamp>().map(|timestamp| Self(timestamp.as_millisecond()))
    }
}

/// RFC 3339 in UTC; fractions only where there are any. What no calendar holds is written as milliseconds.
impl fmt::Display for TimestampMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(timestamp) => timestamp.fmt(f),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

impl Serialize for TimestampMs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

const UNITS: [(&str, i64); 7] = [
    ("y", 365 * DAY_MS),
    ("w", 7 * DAY_MS),
    ("d", DAY_MS),
    ("h", HOUR_MS),
    ("m", MINUTE_MS),
    ("s", SECOND_MS),
    ("ms", 1),
];

/// Parses a duration as Prometheus' `model.ParseDuration` does: units in descending order, each at most once,
/// whole numbers, `0` alone allowed. Gives ms; `None` where Prometheus would refuse.
pub fn parse_prometheus_duration(text: &str) -> Option<i64> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut total: i64 = 0;
    let mut units = UNITS.iter();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits_end = rest.find(|c: char| !c.is_ascii_digit())?;
        let (digits, after) = rest.split_at_checked(digits_end)?;
        let number: i64 = digits.parse().ok()?;
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at_checked(unit_end)?;
        let (_, factor) = units.find(|(name, _)| *name == unit)?;
        total = total.checked_add(number.checked_mul(*factor)?)?;
        rest = next;
    }
    Some(total)
}

/// Writes ms for a reader, in Prometheus' grammar, the two largest units that count: `3h20m`, `14d`, `45s`.
pub fn format_duration_ms(ms: i64) -> String {
    let mut rest = ms.unsigned_abs();
    let sign = if ms < 0 { "-" } else { "" };
    let mut parts = Vec::new();
    // weeks and years are left out: `45d` is read faster than `6w3d`
    for (unit, factor) in UNITS.iter().skip(2) {
        let factor = factor.unsigned_abs();
        let count = rest / factor;
        rest %= factor;
        if count > 0 {
            parts.push(format!("{count}{unit}"));
        } else if !parts.is_empty() {
            break;
        }
        if parts.len() == 2 {
            break;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { format!("{sign}{}", parts.concat()) }
}

/// Writes ms in Prometheus' grammar, to the last one: `1h30m`, `26d3h1ms`. Negative ones count as zero.
pub fn exact_duration_ms(ms: i64) -> String {
    let mut rest = ms.max(0);
    let mut text = String::new();
    for (unit, factor) in UNITS.iter().skip(2) {
        let count = rest / factor;
        rest %= factor;
        if count > 0 {
            text.extend([&*count.to_string(), *unit]);
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_durations_are_read_as_what_they_were() {
        for (ms, text) in [(0, "0s"), (90 * MINUTE_MS, "1h30m"), (15 * DAY_MS, "15d"), (-5, "0s"), (3_600_001, "1h1ms")]
        {
            assert_eq!(exact_duration_ms(ms), text);
            assert_eq!(parse_prometheus_duration(text), Some(ms.max(0)));
        }
    }

    #[test]
    fn durations_follow_prometheus_grammar() {
        for (text, expected) in [
            ("0", Some(0)),
            ("0s", Some(0)),
            ("1y", Some(365 * DAY_MS)),
            ("15d", Some(15 * DAY_MS)),
            ("1h30m", Some(90 * MINUTE_MS)),
            ("1m500ms", Some(60_500)),
            ("30m1h", None),
            ("1h1h", None),
            ("5", None),
            ("", None),
            ("-5m", None),
            ("1.5h", None),
            ("1M", None),
            ("5 m", None),
            ("99999999999999999y", None),
        ] {
            assert_eq!(parse_prometheus_duration(text), expected, "{text:?}");
        }
    }

    #[test]
    fn durations_are_written_short() {
        for (ms, expected) in [
            (0, "0s"),
            (45 * SECOND_MS, "45s"),
            (3 * HOUR_MS + 20 * MINUTE_MS + 5 * SECOND_MS, "3h20m"),
            (14 * DAY_MS, "14d"),
            (400 * DAY_MS + HOUR_MS, "400d1h"),
            (DAY_MS + MINUTE_MS, "1d"),
            (-90 * MINUTE_MS, "-1h30m"),
            (250, "250ms"),
        ] {
            assert_eq!(format_duration_ms(ms), expected);
        }
    }

    #[test]
    fn times_are_rfc3339_in_utc() {
        assert_eq!(TimestampMs(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(TimestampMs(1_500).to_string(), "1970-01-01T00:00:01.5Z");
        assert_eq!(
            TimestampMs::parse_rfc3339("2026-01-02T04:04:05+01:00").unwrap().to_string(),
            "2026-01-02T03:04:05Z"
        );
        assert_eq!(TimestampMs(i64::MAX).to_string(), format!("{}ms", i64::MAX));
    }
}
