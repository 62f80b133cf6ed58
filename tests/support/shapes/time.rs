//! Moments in tests: `01-03T04:00` is in 2026, UTC.

pub const MINUTE: i64 = 60_000;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

const YEAR: &str = "2026-";

/// Whatever names a moment: text as above, or ms since the epoch.
pub trait At {
    /// In ms since the epoch.
    fn ms(self) -> i64;
}

impl At for i64 {
    fn ms(self) -> i64 {
        self
    }
}

impl At for &str {
    fn ms(self) -> i64 {
        t(self)
    }
}

/// Parses `MM-DDTHH:MM[:SS[.mmm]]` of 2026, or any RFC 3339 text.
pub fn t(text: &str) -> i64 {
    let rfc3339 = match text.len() {
        0..=10 => format!("{YEAR}{text}T00:00:00Z"),
        11 => format!("{YEAR}{text}:00Z"),
        _ if text.ends_with('Z') => text.to_owned(),
        _ => format!("{YEAR}{text}Z"),
    };
    let parsed: jiff::Timestamp = rfc3339.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    parsed.as_millisecond()
}

/// As the command line and `meta.json` take it.
pub fn rfc3339(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap().to_string()
}

/// The short text that [`t`] reads.
pub fn short(ms: i64) -> String {
    let text = rfc3339(ms);
    let Some(text) = text.strip_prefix(YEAR) else { return text };
    let text = text.trim_end_matches('Z');
    text.strip_suffix(":00").unwrap_or(text).to_owned()
}
