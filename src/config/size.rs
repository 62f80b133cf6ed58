//! Sizes in text: `50MB`, `64MiB`.

/// What is said when a size was expected.
pub(super) const EXPECTED: &str = "expected a size such as 50MB or 64MiB (units B kB MB GB TB, KiB MiB GiB TiB)";

const UNITS: [(&str, u64); 10] = [
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Parses a size; gives bytes. A number without a unit is refused, but for zero: it could be anything.
pub(super) fn parse(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at_checked(end)?;
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit.trim_start_matches(' '))?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || fraction.len() > 6 {
        return None;
    }
    let whole = whole.parse::<u64>().ok()?.checked_mul(*factor)?;
    let scale = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let part = u128::from(fraction.parse::<u64>().ok()?).checked_mul(u128::from(*factor))? / u128::from(scale);
    whole.checked_add(u64::try_from(part).ok()?)
}

/// Writes bytes as a size, in the largest unit that is exact, powers of 1,000 before those of 1,024.
pub(super) fn format(bytes: u64) -> String {
    let exact = UNITS.into_iter().filter(|(_, factor)| bytes.is_multiple_of(*factor));
    let found = exact.map(|(unit, factor)| (bytes / factor, unit)).min();
    found.map_or_else(|| format!("{bytes}B"), |(number, unit)| format!("{number}{unit}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_or_refused() {
        for (text, expected) in [
            ("50MB", Some(50_000_000)),
            ("64MiB", Some(64 << 20)),
            ("1.5 GB", Some(1_500_000_000)),
            ("0.5KiB", Some(512)),
            ("1kB", Some(1_000)),
            ("1KB", Some(1_000)),
            ("7B", Some(7)),
            ("0", Some(0)),
            ("0MB", Some(0)),
            ("16777215TiB", Some(16_777_215 << 40)),
            ("16777216TiB", None),
            ("50", None),
            ("50mb", None),
            ("MB", None),
            (".5MB", None),
            ("5.MB", None),
            ("1.2.3MB", None),
            ("-1MB", None),
            ("1.0000001MB", None),
            ("", None),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn written_sizes_are_read_back() {
        for (bytes, text) in [(25_000_000, "25MB"), (192 << 20, "192MiB"), (1_500, "1500B"), (3 << 40, "3TiB")] {
            assert_eq!((format(bytes).as_str(), parse(text)), (text, Some(bytes)));
        }
    }
}
