//! Sizes in text: `50MB`, `64MiB`.

use crate::model::parse_byte_size;

/// What is said when a size was expected.
pub(super) const EXPECTED: &str = "expected a size such as 50MB or 64MiB (units B kB MB GB TB, KiB MiB GiB TiB)";

/// In which sizes are written.
const UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1_000),
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
    let bytes = parse_byte_size(text)?;
    (bytes == 0 || text.ends_with('B')).then_some(bytes)
}

/// Writes bytes as a size, in the unit that makes it shortest.
pub(super) fn format(bytes: u64) -> String {
    let exact = UNITS.into_iter().filter(|(_, factor)| bytes.is_multiple_of(*factor));
    let found = exact.map(|(unit, factor)| (bytes / factor, unit)).min();
    found.map_or_else(|| format!("{bytes}B"), |(number, unit)| format!("{number}{unit}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_unit() {
        for (text, expected) in [
            ("50MB", Some(50_000_000)),
            ("64 MiB", Some(64 << 20)),
            ("0", Some(0)),
            ("0MB", Some(0)),
            ("50", None),
            ("50mb", None),
            ("1.5GB", None),
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
