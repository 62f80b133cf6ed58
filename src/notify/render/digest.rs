//! Many notifications in one: by severity, alert and bucket.

use std::collections::{BTreeMap, BTreeSet};

use super::story::{line, links_of, number};
use super::text::{Text, cut};
use super::when::{count, moment, moment_and_distance, span};
use super::words::{end_word, reason, tone_of, tone_of_end};
use super::{Item, Span, Story, Teller, Tone};
use crate::model::{Alert, FindingEnd, Notification, NotifiedAlert, Phase, Severity, TimestampMs};

/// Lines.
const MOST_LINES: usize = 20;

/// Streams that are named, over all lines: a message has room for so many.
const MOST_STREAMS: usize = 30;

/// What is counted together, in the order of the lines: worst first, what is over last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Critical(String, String),
    /// What is gone must not be behind what is merely late.
    Lost(String, String),
    Firing(Severity, String, String),
    /// The place in [`ENDS`].
    Over(usize, String, String),
}

/// What nobody saw healed comes before what is well.
const ENDS: [Option<FindingEnd>; 5] = [
    None,
    Some(FindingEnd::Unwatched),
    Some(FindingEnd::Retired),
    Some(FindingEnd::Expired),
    Some(FindingEnd::Resolved),
];

impl Key {
    const fn fires(&self) -> bool {
        matches!(self, Self::Critical(..) | Self::Firing(..))
    }
}

#[derive(Clone, Debug, Default)]
struct Sum {
    alerts: u64,
    began: Option<TimestampMs>,
    deadline: Option<TimestampMs>,
    /// Some of those that it is about.
    streams: BTreeSet<String>,
}

/// What a digest says.
pub(super) fn story(notification: &Notification, teller: Teller<'_>) -> Story {
    let mut sums: BTreeMap<Key, Sum> = BTreeMap::new();
    for NotifiedAlert { alert, .. } in notification.all_alerts() {
        let sum = sums.entry(key(alert)).or_default();
        sum.alerts = sum.alerts.saturating_add(1);
        if let Some(stream) = alert.content.stream.as_ref().filter(|_| sum.streams.len() < MOST_STREAMS) {
            sum.streams.insert(cut(&stream.to_string(), 60));
        }
        sum.began = Some(sum.began.map_or(alert.since, |began| began.min(alert.since)));
        if alert.phase != Phase::Ended {
            sum.deadline = sum.deadline.into_iter().chain(alert.content.deadline).min();
        }
    }
    let hidden = notification.parts.iter().fold(notification.more, |sum, part| sum.saturating_add(part.more));
    let firing = sums.iter().filter(|(key, _)| key.fires()).map(|(_, sum)| sum.alerts);
    let firing = firing.fold(hidden, u64::saturating_add);
    let over = sums.iter().filter(|(key, _)| !key.fires()).map(|(_, sum)| sum.alerts);
    let over = over.fold(0, u64::saturating_add);
    let lost = sums.keys().any(|key| matches!(key, Key::Lost(..)));
    let tone = match (firing, lost) {
        (0, true) => Tone::Lost,
        (0, false) => Tone::Neutral,
        _ => tone_of(notification.severity()),
    };
    let mut what = vec![Text::from(reason(notification))];
    what.push(Text::from(format!("{firing} fire, {over} are over.")));
    let deadline = sums.values().filter_map(|sum| sum.deadline).min();
    let mut facts = vec![("Since", Text::from(moment_and_distance(notification.began, teller.now)))];
    if let Some(deadline) = deadline {
        facts.push(("The first can be saved until", Text::from(until(deadline, teller.now))));
    }
    let lines = sums.len().min(MOST_LINES);
    let left: u64 = sums.values().skip(lines).fold(hidden, |sum, one| sum.saturating_add(one.alerts));
    Story {
        tone,
        state: if firing == 0 { "DIGEST".to_owned() } else { notification.severity().name().to_uppercase() },
        about: format!("digest of {}", count(number(notification.parts.len()), "message")),
        count: firing,
        notes: Vec::new(),
        what,
        facts,
        impact: None,
        remedy: None,
        steps: Vec::new(),
        items: sums
            .iter()
            .take(lines)
            .map(|(key, sum)| item(key, sum, MOST_STREAMS / lines.max(1), teller.now))
            .collect(),
        more: left,
        evidence: Vec::new(),
        links: links_of(notification, None, teller),
        silence: None,
        changes: Vec::new(),
        reason: reason(notification),
        footer: Vec::new(),
    }
}

fn key(alert: &Alert) -> Key {
    let (name, bucket) = (alert.name.clone(), alert.content.bucket.clone());
    if alert.phase == Phase::Ended && alert.end == Some(FindingEnd::Lost) {
        Key::Lost(name, bucket)
    } else if alert.phase == Phase::Ended {
        Key::Over(ENDS.iter().position(|end| *end == alert.end).unwrap_or(0), name, bucket)
    } else if alert.content.severity == Severity::Critical {
        Key::Critical(name, bucket)
    } else {
        Key::Firing(alert.content.severity, name, bucket)
    }
}

fn item(key: &Key, sum: &Sum, most_streams: usize, now: TimestampMs) -> Item {
    let (mark, tone, name, bucket) = match key {
        Key::Critical(name, bucket) => ("critical", Tone::Critical, name, bucket),
        Key::Lost(name, bucket) => ("lost", Tone::Lost, name, bucket),
        Key::Firing(severity, name, bucket) => (severity.name(), tone_of(*severity), name, bucket),
        Key::Over(place, name, bucket) => {
            let end = ENDS.get(*place).copied().flatten();
            (end_word(end), tone_of_end(end), name, bucket)
        }
    };
    let mut text = Text::code(&cut(name, 80));
    if !bucket.is_empty() {
        text.0.push(Span::Plain(" in ".to_owned()));
        text = text.and(Text::code(&cut(bucket, 80)));
    }
    text.0.push(Span::Plain(format!(": {}", count(sum.alerts, "alert"))));
    let named = sum.streams.len().min(most_streams);
    for (place, stream) in sum.streams.iter().take(named).enumerate() {
        text.0.push(Span::Plain(if place == 0 { ": " } else { ", " }.to_owned()));
        text = text.and(Text::code(stream));
    }
    if named > 0 && named < sum.streams.len() {
        text.0.push(Span::Plain(" and others".to_owned()));
    }
    let word = if key.fires() { "since" } else { "began" };
    let mut times = sum.began.map(|began| format!("{word} {}", moment(began))).unwrap_or_default();
    if let Some(deadline) = sum.deadline {
        let left = deadline.since(now);
        let left = if left > 0 {
            format!("{} left to save the first", span(left))
        } else {
            format!("too late for the first since {}", moment(deadline))
        };
        times = format!("{times}; {left}");
    }
    line(mark, tone, text, times)
}

fn until(deadline: TimestampMs, now: TimestampMs) -> String {
    let left = deadline.since(now);
    if left > 0 {
        format!("{}: {} left", moment(deadline), span(left))
    } else {
        format!("{}, which is over", moment(deadline))
    }
}
