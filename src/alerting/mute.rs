//! Mute times: days and hours at which nobody is told.

use super::MuteTime;
use crate::model::{DAY_MS, TimestampMs};

impl MuteTime {
    /// It holds at this moment.
    pub fn is_active(&self, at: TimestampMs) -> bool {
        if self.hours.is_always() {
            return self.date(at).is_some_and(|date| self.means(date));
        }
        self.spans(at).any(|(from, to)| from <= at && at < to)
    }

    /// A moment up to which nothing changes; no later than a day from now.
    pub fn next_change(&self, at: TimestampMs) -> TimestampMs {
        let bounds = self.spans(at).flat_map(|(from, to)| [from, to]);
        let midnight = self.hours.is_always().then(|| self.midnight_after(at)).flatten();
        bounds.chain(midnight).filter(|bound| *bound > at).min().unwrap_or(at.plus(DAY_MS)).min(at.plus(DAY_MS))
    }

    /// The spans around this moment that begin on one of its days.
    fn spans(&self, at: TimestampMs) -> impl Iterator<Item = (TimestampMs, TimestampMs)> {
        self.hours.around(at).filter(|(from, _)| self.date(*from).is_some_and(|date| self.means(date)))
    }

    fn means(&self, date: jiff::civil::Date) -> bool {
        let weekday = u8::try_from(date.weekday().to_monday_one_offset()).unwrap_or_default();
        self.weekdays.is_empty() || self.weekdays.contains(&weekday)
    }

    fn date(&self, at: TimestampMs) -> Option<jiff::civil::Date> {
        Some(jiff::Timestamp::from_millisecond(at.0).ok()?.to_zoned(self.zone.clone()).date())
    }

    fn midnight_after(&self, at: TimestampMs) -> Option<TimestampMs> {
        let midnight = self.date(at)?.tomorrow().ok()?.to_zoned(self.zone.clone()).ok()?;
        Some(TimestampMs(midnight.timestamp().as_millisecond()))
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::model::Window;

    fn at(text: &str) -> TimestampMs {
        TimestampMs::parse_rfc3339(text).unwrap()
    }

    fn mute(weekdays: &[u8], hours: &str, zone: TimeZone) -> MuteTime {
        let hours = if hours.is_empty() { Window::default() } else { Window::parse(hours, zone.clone()).unwrap() };
        MuteTime { weekdays: weekdays.to_vec(), hours, zone }
    }

    #[test]
    fn days_and_hours_mute() {
        // 2026-01-02 is a Friday
        for (days, hours, now, active, next) in [
            (&[][..], "22:00-06:00", "2026-01-02T21:59:59Z", false, "2026-01-02T22:00:00Z"),
            (&[], "22:00-06:00", "2026-01-02T22:00:00Z", true, "2026-01-03T06:00:00Z"),
            (&[5], "22:00-06:00", "2026-01-03T05:59:59Z", true, "2026-01-03T06:00:00Z"),
            (&[5], "22:00-06:00", "2026-01-02T05:00:00Z", false, "2026-01-02T22:00:00Z"),
            (&[6, 7], "22:00-06:00", "2026-01-05T03:00:00Z", true, "2026-01-05T06:00:00Z"),
            (&[6, 7], "22:00-06:00", "2026-01-05T23:00:00Z", false, "2026-01-06T23:00:00Z"),
            (&[6, 7], "", "2026-01-02T23:00:00Z", false, "2026-01-03T00:00:00Z"),
            (&[6, 7], "", "2026-01-03T00:00:00Z", true, "2026-01-04T00:00:00Z"),
            (&[6, 7], "", "2026-01-05T00:00:00Z", false, "2026-01-06T00:00:00Z"),
            (&[1, 5], "01:00-02:00,12:00-13:00", "2026-01-02T12:30:00Z", true, "2026-01-02T13:00:00Z"),
        ] {
            let mute = mute(days, hours, TimeZone::UTC);
            assert_eq!(
                (mute.is_active(at(now)), mute.next_change(at(now))),
                (active, at(next)),
                "{days:?} {hours} {now}"
            );
        }
    }

    #[test]
    fn days_and_hours_are_those_of_the_zone() {
        let zone = || TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        for (days, hours, now, active) in [
            (&[6_u8][..], "", "2026-01-02T22:59:59Z", false),
            (&[6], "", "2026-01-02T23:00:00Z", true),
            (&[5], "22:00-06:00", "2026-01-02T21:00:00Z", true),
            (&[5], "22:00-06:00", "2026-01-03T05:00:00Z", false),
        ] {
            assert_eq!(mute(days, hours, zone()).is_active(at(now)), active, "{days:?} {hours} {now}");
        }
    }
}
