//! Durations in text. What is compared with Prometheus or Thanos follows their grammar (`1y` = 365 d); our own
//! intervals follow humantime's, in which a year is 365.25 d and `M` a month: both are refused there, so that no
//! duration means two things.

pub(super) use crate::model::exact_duration_ms as format;

/// What is said when a duration in Prometheus' grammar was expected.
pub(super) const PROMETHEUS_EXPECTED: &str = "expected a duration such as 48h, 30d or 1h30m (units y w d h m s ms)";

/// Parses our own intervals; gives ms, or what was expected.
pub(super) fn parse_interval(text: &str) -> Result<i64, &'static str> {
    const LONG: [&str; 8] = ["y", "yr", "yrs", "year", "years", "M", "month", "months"];
    let mut units = text.split(|c: char| !c.is_alphabetic());
    if units.any(|unit| LONG.contains(&unit)) {
        return Err("expected a duration such as 5m without months and years, whose length is not fixed");
    }
    // humantime's own message repeats the text
    let Ok(duration) = humantime::parse_duration(text) else { return Err("expected a duration such as 5m") };
    i64::try_from(duration.as_millis()).ok().ok_or("expected a shorter duration")
}

#[cfg(test)]
mod tests {
    use crate::model::{DAY_MS, HOUR_MS, parse_prometheus_duration};

    use super::*;

    #[test]
    fn intervals_are_humantime_without_units_of_two_lengths() {
        for (text, expected) in [
            ("5m", Some(300_000)),
            ("1h 30m", Some(5_400_000)),
            ("1w", Some(604_800_000)),
            ("250ms", Some(250)),
            ("1M", None),
            ("2 months", None),
            ("1y", None),
            ("1yr", None),
            ("5", None),
            ("", None),
            ("-5m", None),
            ("5 minutes", Some(300_000)),
            ("99999999999999w", None),
        ] {
            assert_eq!(parse_interval(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn written_durations_are_read_back() {
        for ms in [0, 1, 60_500, 48 * HOUR_MS, 15 * DAY_MS + 3 * HOUR_MS + 7] {
            assert_eq!(parse_prometheus_duration(&format(ms)), Some(ms));
        }
    }
}
