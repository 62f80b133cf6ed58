//! Text for people: the width and colours of a terminal, wrapping, foreign text made harmless, times and sizes.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::model::{Environment, Interval, Severity, TimestampMs, format_duration_ms};

/// Columns where nothing says otherwise: a pipe, a file, a log of CI.
const DEFAULT_WIDTH: usize = 100;
/// Narrower than this nothing can be laid out.
const MIN_WIDTH: usize = 40;
/// Lines longer than this are hard to read, however wide the screen is.
const MAX_PROSE_WIDTH: usize = 120;

/// How text can be shown where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Columns.
    pub(super) width: usize,
    /// Whether escape sequences for colours are understood and wanted.
    pub(super) colour: bool,
}

/// Where text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A terminal, with its columns if it knows them.
    Terminal(Option<u16>),
    /// A pipe or a file.
    Other,
}

impl Page {
    /// What `target` can show. `COLUMNS` sets the width of whatever does not know its own.
    pub fn new(target: Target, environment: &Environment) -> Self {
        let known = match target {
            Target::Terminal(columns) => columns.map(usize::from),
            Target::Other => None,
        };
        let wished = environment.non_empty("COLUMNS").and_then(|columns| columns.parse().ok());
        Self {
            width: known.or(wished).unwrap_or(DEFAULT_WIDTH).max(MIN_WIDTH),
            colour: target != Target::Other && wants_colour(environment),
        }
    }

    /// `text` in a colour, where there are colours.
    pub(super) fn paint(self, paint: Paint, text: &str) -> String {
        if self.colour && !text.is_empty() {
            format!("\u{1b}[{}m{text}\u{1b}[0m", paint.code())
        } else {
            text.to_owned()
        }
    }

    /// Columns for sentences.
    pub(super) fn prose_width(self) -> usize {
        self.width.min(MAX_PROSE_WIDTH)
    }
}

/// Whether a terminal may be coloured: `NO_COLOR` (not empty) and `TERM=dumb` say no.
pub(super) fn wants_colour(environment: &Environment) -> bool {
    environment.non_empty("NO_COLOR").is_none() && environment.get("TERM") != Some("dumb")
}

/// What a colour says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    /// Data is lost or will be.
    Critical,
    /// A safeguard is broken.
    Warning,
    /// Worth knowing.
    Info,
    /// As it should be.
    Fine,
    /// A heading.
    Strong,
    /// Beside the point.
    Faint,
}

impl Paint {
    const fn code(self) -> &'static str {
        match self {
            Self::Critical => "1;31",
            Self::Warning => "1;33",
            Self::Info => "1;36",
            Self::Fine => "32",
            Self::Strong => "1",
            Self::Faint => "2",
        }
    }
}

impl From<Severity> for Paint {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Critical => Self::Critical,
            Severity::Warning => Self::Warning,
            Severity::Info => Self::Info,
        }
    }
}

/// Text that came from a bucket, made fit for a terminal: what could move the cursor, recolour, hide or reorder text
/// (control characters, bidirectional overrides, line separators) is written as an escape.
pub(super) fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmful(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Whether a terminal might obey a character instead of showing it.
pub(super) fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Columns that `text` takes.
pub(super) fn columns(text: &str) -> usize {
    text.width()
}

/// `text` cut to `width` columns, the cut marked with `…`.
pub(super) fn shorten(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut taken = 1;
    for c in text.chars() {
        taken += c.width().unwrap_or(0);
        if taken > width {
            break;
        }
        out.push(c);
    }
    out.push('…');
    out
}

/// Appends `text` as lines of at most `width` columns. The first line begins with `first`, the others with as many
/// spaces as `first` is wide. Words are never cut, so that a ULID or a key can be copied.
pub(super) fn wrap(out: &mut String, first: &str, text: &str, width: usize) {
    let indent = columns(first);
    out.push_str(first);
    let mut at = indent;
    let mut fresh = true;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let word_columns = columns(word);
        if !fresh && at + 1 + word_columns > width {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            at = indent;
            fresh = true;
        }
        if !fresh {
            out.push(' ');
            at += 1;
        }
        out.push_str(word);
        at += word_columns;
        fresh = false;
    }
    out.push('\n');
}

/// Appends `line` and ends it.
pub(super) fn push_line(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}

/// Appends `parts`, two spaces between them, as lines of at most `width` columns, each indented by `indent` and the
/// lines after the first by two more. No part is torn apart. `show` paints a part.
pub(super) fn lay_out(
    out: &mut String,
    indent: usize,
    parts: impl IntoIterator<Item = String>,
    width: usize,
    show: impl Fn(&str) -> String,
) {
    let mut at = indent;
    out.extend(std::iter::repeat_n(' ', indent));
    let mut fresh = true;
    for part in parts {
        let part_columns = columns(&part);
        if !fresh && at + 2 + part_columns > width {
            at = indent + 2;
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', at));
        } else if !fresh {
            at += 2;
            out.push_str("  ");
        }
        out.push_str(&show(&part));
        at += part_columns;
        fresh = false;
    }
    out.push('\n');
}

/// `2026-01-02 03:04 UTC`, with seconds only where there are any.
pub(super) fn moment(time: TimestampMs) -> String {
    date_and_clock(time).map_or_else(|| time.to_string(), |(date, clock)| format!("{date} {clock} UTC"))
}

/// `2026-01-02 03:00 to 05:00 UTC (2h)`, the date repeated where it differs.
pub(super) fn span(interval: Interval) -> String {
    let length = format_duration_ms(interval.len_ms());
    match (date_and_clock(interval.start), date_and_clock(interval.end)) {
        (Some((date, from)), Some((end_date, to))) if date == end_date => {
            format!("{date} {from} to {to} UTC ({length})")
        }
        (Some((date, from)), Some((end_date, to))) => format!("{date} {from} to {end_date} {to} UTC ({length})"),
        _ => format!("{} to {} ({length})", interval.start, interval.end),
    }
}

/// `5h from now`, `3h ago`, seen from `now`.
pub(super) fn distance(time: TimestampMs, now: TimestampMs) -> String {
    match time.since(now) {
        0 => "now".to_owned(),
        ahead @ 1.. => format!("{} from now", format_duration_ms(ahead)),
        behind => format!("{} ago", format_duration_ms(behind.saturating_neg())),
    }
}

fn date_and_clock(time: TimestampMs) -> Option<(String, String)> {
    let timestamp = jiff::Timestamp::from_millisecond(time.0).ok()?;
    let clock = if time.0.rem_euclid(60_000) == 0 { "%H:%M" } else { "%H:%M:%S" };
    Some((timestamp.strftime("%Y-%m-%d").to_string(), timestamp.strftime(clock).to_string()))
}

/// `1 block`, `4 blocks`, `12,345 blocks`.
pub(super) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// Digits in groups of three: `12,345`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (idx, digit) in digits.chars().enumerate() {
        if idx > 0 && (digits.len() - idx).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `999 B`, `1.2 GiB`: one decimal, rounded down.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut out = format!("{bytes} B");
    let mut scale: u64 = 1;
    for unit in UNITS {
        scale = match scale.checked_mul(1024) {
            Some(scale) if bytes >= scale => scale,
            _ => break,
        };
        let tenths = u128::from(bytes % scale) * 10 / u128::from(scale);
        out = format!("{}.{tenths} {unit}", bytes / scale);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_that_want_them() {
        let terminal = Target::Terminal(Some(80));
        for (target, environment, width, colour) in [
            (terminal, &[][..], 80, true),
            (terminal, &[("NO_COLOR", "1")], 80, false),
            (terminal, &[("NO_COLOR", "")], 80, true),
            (terminal, &[("TERM", "dumb")], 80, false),
            (Target::Terminal(Some(10)), &[], MIN_WIDTH, true),
            (Target::Terminal(None), &[], DEFAULT_WIDTH, true),
            (Target::Terminal(None), &[("COLUMNS", "72")], 72, true),
            (Target::Other, &[], DEFAULT_WIDTH, false),
            (Target::Other, &[("COLUMNS", "72")], 72, false),
            (Target::Other, &[("COLUMNS", "wide")], DEFAULT_WIDTH, false),
            // a terminal knows its width better than a variable that a shell may have exported long ago
            (terminal, &[("COLUMNS", "72")], 80, true),
        ] {
            let page = Page::new(target, &environment.iter().copied().collect());
            assert_eq!(page, Page { width, colour }, "{target:?} {environment:?}");
        }
    }

    #[test]
    fn foreign_text_cannot_drive_the_terminal() {
        for (text, expected) in [
            ("plain `01J` ümlaut 日本 ░", "plain `01J` ümlaut 日本 ░"),
            ("a\u{1b}[31mred", "a\\u{1b}[31mred"),
            ("bell\u{7} line\nfeed\ttab\r", "bell\\u{7} line\\u{a}feed\\u{9}tab\\u{d}"),
            ("c1 \u{9b}2J del\u{7f}", "c1 \\u{9b}2J del\\u{7f}"),
            ("bidi \u{202e}gpj.exe\u{2066}", "bidi \\u{202e}gpj.exe\\u{2066}"),
            ("zero\u{200b}width\u{feff}", "zero\\u{200b}width\\u{feff}"),
        ] {
            assert_eq!(harmless(text), expected);
        }
    }

    #[test]
    fn wrapping_keeps_words_whole() {
        let mut out = String::new();
        wrap(&mut out, "  do: ", "one two three 01HZZZZZZZZZZZZZZZZZZZZZZZ four", 20);
        assert_eq!(out, "  do: one two three\n      01HZZZZZZZZZZZZZZZZZZZZZZZ\n      four\n");
        let mut empty = String::new();
        wrap(&mut empty, "", "", 20);
        assert_eq!(empty, "\n");
        assert_eq!(shorten("abcdef", 4), "abc…");
        assert_eq!(shorten("日本語", 4), "日…");
        assert_eq!(shorten("abcd", 4), "abcd");
    }

    #[test]
    fn times_are_short_and_in_utc() {
        let day = TimestampMs::parse_rfc3339("2026-01-02T00:00:00Z").unwrap();
        let hour = |hours: i64| day.plus(hours * 3_600_000);
        assert_eq!(moment(hour(3)), "2026-01-02 03:00 UTC");
        assert_eq!(moment(hour(3).plus(5_000)), "2026-01-02 03:00:05 UTC");
        assert_eq!(moment(TimestampMs(i64::MAX)), format!("{}ms", i64::MAX));
        assert_eq!(span(Interval::new(hour(2), hour(4))), "2026-01-02 02:00 to 04:00 UTC (2h)");
        assert_eq!(span(Interval::new(hour(22), hour(26))), "2026-01-02 22:00 to 2026-01-03 02:00 UTC (4h)");
        assert_eq!(distance(hour(5), hour(0)), "5h from now");
        assert_eq!(distance(hour(0), hour(3)), "3h ago");
        assert_eq!(distance(hour(0), hour(0)), "now");
    }

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!(count(1, "block", "blocks"), "1 block");
        assert_eq!(count(0, "block", "blocks"), "0 blocks");
        assert_eq!(count(1_234_567, "block", "blocks"), "1,234,567 blocks");
        for (bytes, expected) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1_610_612_735, "1.4 GiB"), (u64::MAX, "15.9 EiB")]
        {
            assert_eq!(size(bytes), expected);
        }
    }
}
