//! When something is told and when not: mute times, silences, flapping; and watchdogs, which are about time, too.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use super::super::mistake::Mistakes;
use super::super::yaml::{Key, Kind, Section, Table};
use super::{duration, name};
use crate::alerting::{Flapping, MuteTime};
use crate::model::{Labels, MINUTE_MS, SECOND_MS, Silence, TimestampMs, WatchdogSettings, Window};

/// An item of `notify.mute_times`
pub(in crate::config) const MUTE: Table = Table {
    keys: &[
        Key::new("name", Kind::Text, "", "Required, unique. Routes name it in `mute`."),
        Key::new(
            "days",
            Kind::Texts,
            "",
            "Days of the week, `saturday`, or from one to another, `monday:friday`. Without it, every day.",
        ),
        Key::new(
            "hours",
            Kind::Text,
            "",
            "Such as `22:00-06:00`, or several with commas between them; hours over midnight belong to the day on which they begin. Without it, the whole day.",
        ),
        Key::new(
            "time_zone",
            Kind::Text,
            "UTC",
            "Of days and hours: a name of the time zone database, such as `Europe/Berlin`.",
        ),
    ],
    lenient: false,
};

/// An item of `notify.silences`
pub(in crate::config) const SILENCE: Table = Table {
    keys: &[
        Key::new(
            "match",
            Kind::Selector,
            "",
            "Required: which alerts, as in routes. At least one matcher has to demand something.",
        ),
        Key::new("starts", Kind::Text, "", "From when on, in RFC 3339. Without it, always until the end."),
        Key::new("ends", Kind::Text, "", "Required: until when, in RFC 3339, such as `2026-01-02T03:04:05Z`."),
        Key::new("author", Kind::Text, "configuration", "Who."),
        Key::new("comment", Kind::Text, "", "Why."),
    ],
    lenient: false,
};

/// `notify.flapping`
pub(in crate::config) const FLAPPING: Table = Table {
    keys: &[
        Key::new("edges", Kind::Integer(2, 1_000), "6", "So many comings and goings of a finding…"),
        Key::new("within", Kind::Duration, "3h", "…within this time are told once, and not each. From `1m`."),
        Key::new("quiet", Kind::Duration, "1h", "None for this long: it no longer comes and goes. From `1m`."),
    ],
    lenient: false,
};

const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// All mute times.
#[derive(Debug, Default)]
pub(super) struct MuteTimes {
    /// Those that are right.
    pub(super) times: BTreeMap<String, MuteTime>,
    /// Names of all, so that one with a mistake in it is not missed elsewhere.
    pub(super) names: Vec<String>,
}

/// Lowers `notify.mute_times`.
pub(super) fn mute_times(sections: &[Section], mistakes: &mut Mistakes) -> MuteTimes {
    let mut found = MuteTimes::default();
    for section in sections {
        let name = name(section, "mute time", found.names.iter().map(String::as_str), mistakes);
        let time = mute_time(section, mistakes);
        if let Some(name) = name {
            found.names.push(name.clone());
            found.times.insert(name, time);
        }
    }
    found
}

fn mute_time(section: &Section, mistakes: &mut Mistakes) -> MuteTime {
    let zone_name = section.text("time_zone");
    let zone = match zone_name.as_str() {
        "" | "UTC" => Some(TimeZone::UTC),
        name => TimeZone::get(name).ok(),
    };
    if zone.is_none() {
        let message = "expected a name of the time zone database, such as Europe/Berlin, which this machine has to have; \
                       UTC is known everywhere";
        section.mistake(mistakes, "time_zone", message);
    }
    let zone = zone.unwrap_or(TimeZone::UTC);
    if !section.is_given("days") && !section.is_given("hours") {
        section.mistake(mistakes, "", "says nothing: give days, hours or both");
    }
    let hours =
        Some(section.text("hours")).filter(|hours| !hours.is_empty()).map(|hours| Window::parse(&hours, zone.clone()));
    let hours = hours.transpose().unwrap_or_else(|expected| {
        section.mistake(mistakes, "hours", expected);
        None
    });
    MuteTime { weekdays: weekdays(section, mistakes), hours: hours.unwrap_or_default(), zone }
}

/// Days of the week, from 1 = Monday.
fn weekdays(section: &Section, mistakes: &mut Mistakes) -> Vec<u8> {
    let number =
        |name: &str| DAYS.into_iter().zip(1_u8..).find(|(day, _)| day.eq_ignore_ascii_case(name)).map(|(_, n)| n);
    let mut days = Vec::new();
    for text in section.texts("days").unwrap_or_default() {
        let (from, to) = text.split_once(':').unwrap_or((text, text));
        match (number(from), number(to)) {
            (Some(from), Some(to)) if from <= to => days.extend(from..=to),
            (Some(_), Some(_)) => {
                section.mistake(mistakes, "days", "expected days in the order of the week, which begins on monday");
            }
            _ => section.mistake(mistakes, "days", "expected days such as saturday, or monday:friday"),
        }
    }
    days.sort_unstable();
    days.dedup();
    days
}

/// Lowers `notify.silences`.
pub(super) fn silences(sections: &[Section], mistakes: &mut Mistakes) -> Vec<Silence> {
    let silences = sections.iter().enumerate().filter_map(|(idx, section)| {
        section.require(mistakes, "match", "say which alerts, such as {bucket=\"thanos\"} in quotes");
        section.require(mistakes, "ends", "say until when: a silence without an end is forgotten");
        let selector = section.selector("match");
        if selector.is_some_and(|selector| selector.matches(&Labels::default())) {
            let message = "expected at least one matcher that demands something: this silences whatever lacks these \
                           labels; everything is {alertname=~\".+\"}";
            section.mistake(mistakes, "match", message);
        }
        let starts = time(section, "starts", mistakes);
        let ends = time(section, "ends", mistakes)?;
        let starts = starts.unwrap_or_default();
        if ends <= starts {
            section.mistake(mistakes, "ends", "expected a time after `starts`");
        }
        let author = Some(section.text("author")).filter(|author| !author.is_empty());
        Some(Silence {
            id: format!("silences[{idx}]"),
            matchers: selector?.text.clone(),
            starts,
            ends,
            author: author.unwrap_or_else(|| "configuration".to_owned()),
            comment: section.text("comment"),
            created: starts,
        })
    });
    silences.collect()
}

fn time(section: &Section, name: &str, mistakes: &mut Mistakes) -> Option<TimestampMs> {
    let text = Some(section.text(name)).filter(|text| !text.is_empty())?;
    let time = TimestampMs::parse_rfc3339(&text).ok();
    if time.is_none() {
        section.mistake(mistakes, name, "expected a time in RFC 3339, such as 2026-01-02T03:04:05Z");
    }
    time
}

/// Lowers `notify.flapping`.
pub(super) fn flapping(section: &Section, mistakes: &mut Mistakes) -> Flapping {
    let defaults = Flapping::default();
    Flapping {
        edges: section.integer("edges").and_then(|edges| usize::try_from(edges).ok()).unwrap_or(defaults.edges),
        within_ms: duration(section, "within", defaults.within_ms, MINUTE_MS, mistakes),
        quiet_ms: duration(section, "quiet", defaults.quiet_ms, MINUTE_MS, mistakes),
    }
}

/// Lowers `notify.watchdogs`.
pub(super) fn watchdogs(sections: &[Section], mistakes: &mut Mistakes) -> Vec<WatchdogSettings> {
    let mut watchdogs: Vec<WatchdogSettings> = Vec::new();
    for section in sections {
        let name = name(section, "watchdog", watchdogs.iter().map(|watchdog| watchdog.name.as_str()), mistakes);
        let within_ms = duration(section, "within", 5 * MINUTE_MS, SECOND_MS, mistakes);
        let Some(name) = name else { continue };
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if !name.bytes().all(fits) || name.bytes().all(|byte| byte == b'.') {
            section.mistake(mistakes, "name", "expected letters, digits, `-`, `_` and `.`: it is part of a path");
        }
        watchdogs.push(WatchdogSettings { name, within_ms });
    }
    watchdogs
}
