//! What plain text means, as Go's yaml.v2 reads it (YAML 1.1), because Thanos does: <https://github.com/go-yaml/yaml/blob/v2.4.0/resolve.go>.

/// Nothing.
pub(super) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// A truth value.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// A whole number: decimal, `0x`, `0o` or a leading zero for octal, `0b`, with underscores anywhere, or a decimal
/// fraction without a fractional part (`1e3`).
pub(super) fn integer(text: &str) -> Option<i64> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || c == '+' || c == '-') {
        return None;
    }
    let plain = text.replace('_', "");
    let (negative, digits) = match plain.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = if let Some(hex) = lower.strip_prefix("0x") {
        (16, hex)
    } else if let Some(binary) = lower.strip_prefix("0b") {
        (2, binary)
    } else if let Some(octal) = lower.strip_prefix("0o") {
        (8, octal)
    } else if lower.len() > 1 && lower.starts_with('0') && lower.bytes().all(|c| c.is_ascii_digit()) {
        (8, lower.as_str())
    } else {
        (10, lower.as_str())
    };
    // a second sign is no digit, but Rust would take it for one
    if digits.starts_with(['+', '-']) {
        return None;
    }
    match i128::from_str_radix(digits, radix) {
        Ok(number) => i64::try_from(if negative { -number } else { number }).ok(),
        Err(_) => fraction(&plain).filter(|number| number.fract() == 0.0).and_then(whole),
    }
}

/// A number with or without a fractional part.
pub(in crate::config) fn number(text: &str) -> Option<f64> {
    match integer(text) {
        // every share and factor that anybody writes is far below 2^53, above which this would round
        Some(number) => number.to_string().parse().ok(),
        None => fraction(&text.replace('_', "")),
    }
}

/// Decimal digits with an optional point and exponent; neither infinite nor NaN.
fn fraction(text: &str) -> Option<f64> {
    let digits = |c: char| c.is_ascii_digit() || matches!(c, '.' | '+' | '-' | 'e' | 'E');
    if !text.chars().all(digits) {
        return None;
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// The whole number that a float without a fractional part is; within 2^53, where floats still count by ones.
fn whole(number: f64) -> Option<i64> {
    let text = format!("{number:.0}");
    text.parse::<i64>().ok().filter(|number| number.unsigned_abs() <= 1 << 53)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_those_of_yaml_1_1() {
        for (text, expected) in [
            ("0", Some(0)),
            ("42", Some(42)),
            ("+7", Some(7)),
            ("-7", Some(-7)),
            ("67_108_864", Some(67_108_864)),
            ("0x1F", Some(31)),
            ("-0x10", Some(-16)),
            ("0b101", Some(5)),
            ("0o17", Some(15)),
            ("017", Some(15)),
            ("1e3", Some(1000)),
            ("3.0", Some(3)),
            ("3.5", None),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("--1", None),
            ("0x-1", None),
            ("12a", None),
            ("", None),
            ("_1", None),
            ("five", None),
        ] {
            assert_eq!(integer(text), expected, "{text:?}");
        }
    }

    #[test]
    fn numbers_may_have_a_fraction_but_no_limit() {
        for (text, expected) in
            [("0.2", Some(0.2)), ("1", Some(1.0)), (".5", Some(0.5)), ("1e999", None), (".inf", None), ("nan", None)]
        {
            assert_eq!(number(text), expected, "{text:?}");
        }
    }
}
