//! Times and amounts as people say them.

use crate::model::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, TimestampMs};

/// `2026-11-21 03:12 UTC`; seconds only where there are any and `exact` is asked for.
pub(crate) fn moment(at: TimestampMs) -> String {
    match jiff::Timestamp::from_millisecond(at.0) {
        Ok(timestamp) => timestamp.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        Err(_) => format!("{} ms", at.0),
    }
}

/// `2026-11-21 03:12 UTC (2 h 13 min ago)`, or `(in 2 h 13 min)`.
pub(crate) fn moment_and_distance(at: TimestampMs, now: TimestampMs) -> String {
    let distance = now.since(at);
    let words = if distance.abs() < MINUTE_MS {
        "just now".to_owned()
    } else if distance > 0 {
        format!("{} ago", span(distance))
    } else {
        format!("in {}", span(distance))
    };
    format!("{} ({words})", moment(at))
}

/// `2 h 13 min`: the two largest units that count, without a sign.
pub(crate) fn span(ms: i64) -> String {
    let ms = ms.unsigned_abs();
    let units = [(DAY_MS, "d"), (HOUR_MS, "h"), (MINUTE_MS, "min"), (SECOND_MS, "s")];
    let mut rest = ms;
    let mut parts: Vec<String> = Vec::new();
    for (factor, name) in units {
        let factor = factor.unsigned_abs();
        let count = rest / factor;
        rest %= factor;
        if count > 0 {
            parts.push(format!("{count} {name}"));
        } else if !parts.is_empty() {
            break;
        }
        if parts.len() == 2 {
            break;
        }
    }
    if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") }
}

/// `2026-11-20 02:00 to 2026-11-21 04:00 UTC (26 h)`
pub(crate) fn interval(start: TimestampMs, end: TimestampMs) -> String {
    let hours = end.since(start).max(0);
    let start = moment(start);
    let from = start.strip_suffix(" UTC").unwrap_or(&start);
    format!("{from} to {} ({})", moment(end), hours_of(hours))
}

/// Whole hours where they are what one counts in, so that 26 h are not `1 d 2 h`.
pub(crate) fn hours_of(ms: i64) -> String {
    if (HOUR_MS..4 * DAY_MS).contains(&ms) && ms % HOUR_MS == 0 { format!("{} h", ms / HOUR_MS) } else { span(ms) }
}

/// `1.2 GiB`
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    for (name, size) in UNITS {
        if count >= size {
            let tenths = (u128::from(count) * 10 + u128::from(size) / 2) / u128::from(size);
            return format!("{}.{} {name}", tenths / 10, tenths % 10);
        }
    }
    format!("{count} B")
}

/// `3 alerts`, `1 alert`.
pub(crate) fn count(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_as_people_say_them() {
        for (ms, expected) in [
            (0, "0 s"),
            (45 * SECOND_MS, "45 s"),
            (-45 * SECOND_MS, "45 s"),
            (2 * HOUR_MS + 13 * MINUTE_MS + 5 * SECOND_MS, "2 h 13 min"),
            (3 * DAY_MS, "3 d"),
            (3 * DAY_MS + 5 * MINUTE_MS, "3 d"),
            (i64::MIN, "106751991167 d 7 h"),
        ] {
            assert_eq!(span(ms), expected);
        }
        let at = |text: &str| TimestampMs::parse_rfc3339(text).unwrap();
        let now = at("2026-11-21T03:00:00Z");
        assert_eq!(moment_and_distance(at("2026-11-21T00:47:00Z"), now), "2026-11-21 00:47 UTC (2 h 13 min ago)");
        assert_eq!(moment_and_distance(at("2026-11-21T08:00:00Z"), now), "2026-11-21 08:00 UTC (in 5 h)");
        assert_eq!(moment(TimestampMs(i64::MAX)), "9223372036854775807 ms");
        assert_eq!(
            interval(at("2026-11-20T02:00:00Z"), at("2026-11-21T04:00:00Z")),
            "2026-11-20 02:00 to 2026-11-21 04:00 UTC (26 h)"
        );
        assert_eq!(
            [bytes(12), bytes(1536), bytes(1 << 30), bytes(u64::MAX)],
            ["12 B", "1.5 KiB", "1.0 GiB", "16777216.0 TiB"]
        );
        assert_eq!([count(1, "alert"), count(12, "alert")], ["1 alert", "12 alerts"]);
    }
}
