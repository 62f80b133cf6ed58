//! Hours of the day.

use jiff::civil::{Date, time};
use jiff::tz::TimeZone;

use super::{DAY_MS, MINUTE_MS, TimestampMs};

/// Hours of each day in which something may be done. Without any it may be done always.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// From and to, in minutes since midnight; where the second is not greater, it is on the next day.
    spans: Vec<(u16, u16)>,
    zone: TimeZone,
}

impl Default for Window {
    fn default() -> Self {
        Self { spans: Vec::new(), zone: TimeZone::UTC }
    }
}

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// Days that are looked at in search of an opening: there is one every day, but for a night in which clocks are changed.
const LOOK_AHEAD: i32 = 3;

impl Window {
    /// Hours such as `22:00-06:00`, several with commas between them, in a time zone; or what was expected.
    pub fn parse(text: &str, zone: TimeZone) -> Result<Self, &'static str> {
        const EXPECTED: &str = "expected hours such as 22:00-06:00, or several with commas between them";
        let clock = |text: &str| -> Option<u16> {
            let (hours, minutes) = text.trim().split_once(':')?;
            let is_number = |part: &str| (1..=2).contains(&part.len()) && part.bytes().all(|c| c.is_ascii_digit());
            if !is_number(hours) || !is_number(minutes) {
                return None;
            }
            let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
            let clock = hours.checked_mul(60)?.checked_add(minutes)?;
            (minutes < 60 && clock <= DAY).then_some(clock)
        };
        let mut spans = Vec::new();
        for span in text.split(',') {
            let (from, to) = span.split_once('-').ok_or(EXPECTED)?;
            let (from, to) = (clock(from).ok_or(EXPECTED)?, clock(to).ok_or(EXPECTED)?);
            if from == to {
                return Err("expected hours that begin and end at different times; without any, all hours are meant");
            }
            if from == DAY {
                return Err("expected hours that begin before 24:00");
            }
            spans.push((from, to));
        }
        spans.sort_unstable();
        Ok(Self { spans, zone })
    }

    /// Nothing is ruled out.
    pub const fn is_always(&self) -> bool {
        self.spans.is_empty()
    }

    /// Which part of a day it is, in thousandths.
    pub fn per_mille(&self) -> i64 {
        self.minutes().saturating_mul(1_000) / i64::from(DAY)
    }

    /// Minutes of a day in which it is open.
    fn minutes(&self) -> i64 {
        let open = (0..DAY).filter(|minute| self.is_always() || self.spans.iter().any(|span| holds(*span, *minute)));
        i64::try_from(open.count()).unwrap_or(i64::from(DAY))
    }

    /// As it was written, with the zone.
    pub fn text(&self) -> String {
        if self.is_always() {
            return "all hours".to_owned();
        }
        let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        let spans: Vec<String> =
            self.spans.iter().map(|(from, to)| format!("{}-{}", clock(*from), clock(*to))).collect();
        format!("{} {}", spans.join(", "), self.zone.iana_name().unwrap_or("UTC"))
    }

    /// It is open at this moment.
    pub fn is_open(&self, at: TimestampMs) -> bool {
        self.is_always() || self.around(at).any(|(from, to)| from <= at && at < to)
    }

    /// When it closes that is open at this moment; `None` = never.
    pub fn closes(&self, at: TimestampMs) -> Option<TimestampMs> {
        if self.is_always() {
            return None;
        }
        let mut closes = at;
        // hours that begin where others end go on
        while let Some((_, to)) = self.around(closes).find(|(from, to)| *from <= closes && closes < *to) {
            closes = to;
            if closes.since(at) >= DAY_MS {
                break;
            }
        }
        Some(closes)
    }

    /// When it opens: at this moment, if it is open.
    pub fn opens(&self, at: TimestampMs) -> TimestampMs {
        if self.is_open(at) {
            return at;
        }
        self.around(at).map(|(from, _)| from).filter(|from| *from > at).min().unwrap_or_else(|| at.plus(DAY_MS))
    }

    /// The moment at which it will have been open for so many ms, counted from `at`.
    pub fn after(&self, at: TimestampMs, open_ms: i64) -> TimestampMs {
        let open_ms = open_ms.max(0);
        if self.is_always() {
            return at.plus(open_ms);
        }
        let per_day = self.minutes().saturating_mul(MINUTE_MS).max(MINUTE_MS);
        // far ahead a day is like any other
        let days = (open_ms / per_day).saturating_sub(1).max(0);
        let mut rest = open_ms.saturating_sub(days.saturating_mul(per_day));
        let mut now = at.plus(days.saturating_mul(DAY_MS));
        for _ in 0..64 {
            now = self.opens(now);
            let closes = self.closes(now).unwrap_or(now);
            let room = closes.since(now);
            if rest <= room {
                return now.plus(rest);
            }
            rest = rest.saturating_sub(room);
            now = closes;
        }
        now
    }

    /// The openings from the day before this moment on, for some days: when each begins and ends. None where it is always
    /// open.
    pub fn around(&self, at: TimestampMs) -> impl Iterator<Item = (TimestampMs, TimestampMs)> {
        let local =
            jiff::Timestamp::from_millisecond(at.0).ok().map(|moment| moment.to_zoned(self.zone.clone()).date());
        let days = (-1..LOOK_AHEAD).filter_map(move |days| {
            let day = local?.checked_add(jiff::Span::new().days(days)).ok()?;
            Some((day, day.tomorrow().ok()?))
        });
        days.flat_map(move |(day, next)| {
            self.spans.iter().filter_map(move |(from, to)| {
                let end = if to > from { self.moment(day, next, *to) } else { self.moment(next, next, *to) };
                Some((self.moment(day, next, *from)?, end?))
            })
        })
    }

    /// A minute of a day; one that the change of clocks leaves out is the one after.
    fn moment(&self, day: Date, next: Date, minute: u16) -> Option<TimestampMs> {
        let (day, minute) = if minute == DAY { (next, 0) } else { (day, minute) };
        let clock = time(i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?, 0, 0);
        let zoned = day.to_datetime(clock).to_zoned(self.zone.clone()).ok()?;
        Some(TimestampMs(zoned.timestamp().as_millisecond()))
    }
}

/// Whether hours hold a minute of the day.
const fn holds((from, to): (u16, u16), minute: u16) -> bool {
    if from < to { from <= minute && minute < to } else { from <= minute || minute < to }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::HOUR_MS;

    fn at(text: &str) -> TimestampMs {
        TimestampMs::parse_rfc3339(text).unwrap()
    }

    fn utc(text: &str) -> Window {
        Window::parse(text, TimeZone::UTC).unwrap()
    }

    #[test]
    fn hours_are_read_or_refused() {
        for (text, expected) in [
            ("22:00-06:00", Some("22:00-06:00 UTC")),
            ("0:00-24:00", Some("00:00-24:00 UTC")),
            (" 12:30 - 13:00 , 01:00-05:59", Some("01:00-05:59, 12:30-13:00 UTC")),
            ("", None),
            ("22:00", None),
            ("22-6", None),
            ("22:00-06:60", None),
            ("24:01-06:00", None),
            ("24:00-06:00", None),
            ("06:00-06:00", None),
            ("1:00-2:00,", None),
            ("+1:00-2:00", None),
            ("001:00-2:00", None),
        ] {
            assert_eq!(
                Window::parse(text, TimeZone::UTC).map(|window| window.text()).ok().as_deref(),
                expected,
                "{text}"
            );
        }
        assert_eq!(Window::default().text(), "all hours");
    }

    #[test]
    fn it_opens_and_closes_at_its_hours() {
        for (window, now, opens, closes) in [
            ("22:00-06:00", "2026-01-02T21:59:59Z", "2026-01-02T22:00:00Z", None),
            ("22:00-06:00", "2026-01-02T22:00:00Z", "2026-01-02T22:00:00Z", Some("2026-01-03T06:00:00Z")),
            ("22:00-06:00", "2026-01-03T05:59:59Z", "2026-01-03T05:59:59Z", Some("2026-01-03T06:00:00Z")),
            ("22:00-06:00", "2026-01-03T06:00:00Z", "2026-01-03T22:00:00Z", None),
            ("01:00-02:00,02:00-04:00", "2026-01-03T01:30:00Z", "2026-01-03T01:30:00Z", Some("2026-01-03T04:00:00Z")),
            ("12:00-13:00,01:00-02:00", "2026-01-03T11:00:00Z", "2026-01-03T12:00:00Z", None),
            ("18:00-24:00", "2026-01-03T23:00:00Z", "2026-01-03T23:00:00Z", Some("2026-01-04T00:00:00Z")),
        ] {
            let (window, now) = (utc(window), at(now));
            assert_eq!(window.opens(now), at(opens), "{}", window.text());
            assert_eq!(window.is_open(now), closes.is_some());
            if let Some(closes) = closes {
                assert_eq!(window.closes(now), Some(at(closes)));
            }
        }
        let always = Window::default();
        assert!(always.is_open(at("2026-01-02T21:59:59Z")) && always.closes(TimestampMs(0)).is_none());
        assert!(
            utc("00:00-24:00").closes(at("2026-01-02T12:00:00Z")).is_some_and(|end| end > at("2026-01-03T11:00:00Z"))
        );
    }

    #[test]
    fn a_zone_moves_the_hours_and_its_change_of_clocks_too() {
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let window = Window::parse("02:00-04:00", berlin).unwrap();
        // in winter an hour behind UTC, in summer two; on 2026-03-29 there is no 02:30
        for (now, opens, closes) in [
            ("2026-03-28T00:00:00Z", "2026-03-28T01:00:00Z", "2026-03-28T03:00:00Z"),
            ("2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"),
            ("2026-03-29T12:00:00Z", "2026-03-30T00:00:00Z", "2026-03-30T02:00:00Z"),
        ] {
            let opens = at(opens);
            assert_eq!((window.opens(at(now)), window.closes(opens)), (opens, Some(at(closes))), "{now}");
        }
    }

    #[test]
    fn time_counts_only_while_it_is_open() {
        let window = utc("22:00-06:00");
        assert_eq!(window.per_mille(), 333);
        for (hours, expected) in [
            (0, "2026-01-02T22:00:00Z"),
            (3, "2026-01-03T01:00:00Z"),
            (8, "2026-01-03T06:00:00Z"),
            (9, "2026-01-03T23:00:00Z"),
            (20, "2026-01-05T02:00:00Z"),
        ] {
            assert_eq!(window.after(at("2026-01-02T12:00:00Z"), hours * HOUR_MS), at(expected), "{hours}");
        }
        // a year of nights
        let year = window.after(at("2026-01-02T22:00:00Z"), 365 * 8 * HOUR_MS);
        assert!((year.since(at("2027-01-02T22:00:00Z"))).abs() < 2 * DAY_MS, "{year}");
        assert_eq!(Window::default().after(TimestampMs(5), 7), TimestampMs(12));
        assert_eq!((utc("12:00-13:00,12:30-14:00").per_mille(), Window::default().per_mille()), (83, 1_000));
    }
}
