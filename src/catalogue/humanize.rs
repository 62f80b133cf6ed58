//! Numbers as Prometheus' templates write them. Tests of the rules compare the two, character by character.

/// What a value may be piped through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Humanize {
    /// `humanize`: powers of 1000.
    Metric,
    /// `humanize1024`: powers of 1024.
    Binary,
    /// `humanizeDuration`: seconds.
    Duration,
    /// `humanizePercentage`: of a ratio.
    Percentage,
}

const LARGE: [&str; 8] = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
const SMALL: [&str; 8] = ["m", "u", "n", "p", "f", "a", "z", "y"];
const BINARY: [&str; 8] = ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"];

impl Humanize {
    /// By the name of the function.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name {
            "humanize" => Some(Self::Metric),
            "humanize1024" => Some(Self::Binary),
            "humanizeDuration" => Some(Self::Duration),
            "humanizePercentage" => Some(Self::Percentage),
            _ => None,
        }
    }

    /// The text.
    pub(super) fn apply(self, value: f64) -> String {
        match self {
            Self::Percentage => four_digits(value * 100.0) + "%",
            Self::Duration if value == 0.0 => four_digits(value) + "s",
            _ if value == 0.0 || !value.is_finite() => four_digits(value),
            Self::Metric if value.abs() >= 1.0 => scaled(value, &LARGE, 1000.0),
            Self::Metric => shrunk(value),
            Self::Binary if value.abs() <= 1.0 => four_digits(value),
            Self::Binary => scaled(value, &BINARY, 1024.0),
            Self::Duration if value.abs() >= 1.0 => duration(value),
            Self::Duration => shrunk(value) + "s",
        }
    }
}

fn scaled(mut value: f64, prefixes: &[&str], base: f64) -> String {
    let mut prefix = "";
    for next in prefixes {
        if value.abs() < base {
            break;
        }
        prefix = next;
        value /= base;
    }
    four_digits(value) + prefix
}

fn shrunk(mut value: f64) -> String {
    let mut prefix = "";
    for next in SMALL {
        if value.abs() >= 1.0 {
            break;
        }
        prefix = next;
        value *= 1000.0;
    }
    four_digits(value) + prefix
}

fn duration(value: f64) -> String {
    let sign = if value < 0.0 { "-" } else { "" };
    // longer than any time that there is: what is written does not matter
    let whole: i64 = format!("{:.0}", value.abs().trunc()).parse().unwrap_or(i64::MAX);
    let (seconds, minutes, hours, days) = (whole % 60, whole / 60 % 60, whole / 3600 % 24, whole / 86_400);
    if days != 0 {
        format!("{sign}{days}d {hours}h {minutes}m {seconds}s")
    } else if hours != 0 {
        format!("{sign}{hours}h {minutes}m {seconds}s")
    } else if minutes != 0 {
        format!("{sign}{minutes}m {seconds}s")
    } else {
        format!("{sign}{}s", four_digits(value.abs()))
    }
}

/// Go's `%.4g`.
fn four_digits(value: f64) -> String {
    if let Some(text) = not_finite(value) {
        return text.to_owned();
    }
    let rounded = format!("{value:.3e}");
    let (mantissa, exponent) = rounded.split_once('e').unwrap_or((&rounded, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    match usize::try_from(3 - exponent) {
        Ok(decimals) if exponent >= -4 => without_zeros(&format!("{value:.decimals$}")).to_owned(),
        _ => with_exponent(without_zeros(mantissa), exponent),
    }
}

/// Go's `%v`, which `{{ $value }}` gives.
pub(super) fn plain(value: f64) -> String {
    if let Some(text) = not_finite(value) {
        return text.to_owned();
    }
    let shortest = format!("{value:e}");
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if value != 0.0 && !(-4..21).contains(&exponent) { with_exponent(mantissa, exponent) } else { value.to_string() }
}

fn not_finite(value: f64) -> Option<&'static str> {
    match value {
        _ if value.is_nan() => Some("NaN"),
        f64::INFINITY => Some("+Inf"),
        f64::NEG_INFINITY => Some("-Inf"),
        _ => None,
    }
}

fn with_exponent(mantissa: &str, exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

fn without_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_prometheus_writes_them() {
        for (name, value, expected) in [
            ("humanize", 0.0, "0"),
            ("humanize", 1.0, "1"),
            ("humanize", 999.96, "1000"),
            ("humanize", 1_234_567.0, "1.235M"),
            ("humanize", 0.00012, "120u"),
            ("humanize", f64::NAN, "NaN"),
            ("humanize", 1e28, "1e+04Y"),
            ("humanize1024", 0.5, "0.5"),
            ("humanize1024", 1_048_576.0, "1Mi"),
            ("humanize1024", 1000.0, "1000"),
            ("humanize1024", f64::INFINITY, "+Inf"),
            ("humanizeDuration", 0.0, "0s"),
            ("humanizeDuration", 0.25, "250ms"),
            ("humanizeDuration", 59.5, "59.5s"),
            ("humanizeDuration", 3_600.0, "1h 0m 0s"),
            ("humanizeDuration", 61.9, "1m 1s"),
            ("humanizeDuration", -90_061.0, "-1d 1h 1m 1s"),
            ("humanizeDuration", f64::NEG_INFINITY, "-Inf"),
            ("humanizePercentage", 0.123_456, "12.35%"),
            ("humanizePercentage", 0.0, "0%"),
            ("humanizePercentage", 0.000_000_1, "1e-05%"),
        ] {
            assert_eq!(Humanize::from_name(name).unwrap().apply(value), expected, "{value} | {name}");
        }
        assert!(Humanize::from_name("humanizeTimestamp").is_none());
    }

    #[test]
    fn plain_values_are_written_as_go_writes_them() {
        for (value, expected) in [
            (3.0, "3"),
            (0.1, "0.1"),
            (0.0, "0"),
            (123_456_789.0, "123456789"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (0.000_05, "5e-05"),
            (0.0001, "0.0001"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(plain(value), expected);
        }
    }
}
