//! Numbers of bytes as people write them.

const UNITS: [(&str, u64); 11] = [
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    ("TB", 1_000_000_000_000),
    ("TiB", 1 << 40),
];

/// Reads `52428800`, `50MiB` or `50MB`: a whole number and a unit, powers of 1024 only with an `i`.
pub fn parse_byte_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_or_refused() {
        for (text, expected) in [
            ("0", Some(0)),
            ("52428800", Some(52_428_800)),
            ("50MiB", Some(52_428_800)),
            ("50 MiB", Some(52_428_800)),
            ("50MB", Some(50_000_000)),
            ("1kB", Some(1_000)),
            ("1KiB", Some(1_024)),
            ("3GiB", Some(3 << 30)),
            ("2GB", Some(2_000_000_000)),
            ("4TB", Some(4_000_000_000_000)),
            ("1TiB", Some(1 << 40)),
            ("7B", Some(7)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551615kB", None),
            ("18446744073709551616", None),
            ("1.5MiB", None),
            ("-1", None),
            ("MiB", None),
            ("1 mib", None),
            ("", None),
        ] {
            assert_eq!(parse_byte_size(text), expected, "{text}");
        }
    }
}
