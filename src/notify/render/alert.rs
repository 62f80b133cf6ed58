//! One alert in words.

use serde_json::Value;

use super::text::{Text, clean, cut};
use super::when::{bytes, interval, moment, moment_and_distance, span};
use super::words::{end_word, ended_after, over_at, tone_of, tone_of_end};
use super::{Item, Tone};
use crate::model::{Alert, News, NotifiedAlert, Phase, TimestampMs};

/// Of a message or remedy, in characters.
const LONGEST: usize = 900;
/// Of a value of the evidence, in characters.
const LONGEST_VALUE: usize = 160;

/// What is wrong, as a sentence.
pub(super) fn message(alert: &Alert) -> Text {
    sentence(&cut(&alert.content.message, LONGEST))
}

/// The way out, as a sentence.
pub(super) fn remedy(alert: &Alert) -> Option<Text> {
    let text = clean(&alert.content.remedy);
    (!text.is_empty()).then(|| sentence(&cut(&text, LONGEST)))
}

/// With a capital and a period, which findings do without.
pub(super) fn sentence(text: &str) -> Text {
    let text = clean(text);
    let mut chars = text.chars();
    // what begins with a name, a label or code is left as it is
    let first_word_is_prose = text.split(' ').next().is_some_and(|word| word.chars().all(char::is_alphabetic));
    let mut out: String = match chars.next() {
        Some(first) if first_word_is_prose => first.to_uppercase().chain(chars).collect(),
        _ => text.clone(),
    };
    if !out.is_empty() && !out.ends_with(['.', '!', '?', '…']) {
        out.push('.');
    }
    Text::parse(&out)
}

/// Bucket, stream, resolution, block and object.
pub(super) fn place(alert: &Alert) -> Text {
    let content = &alert.content;
    let mut place = Text::default();
    let mut add = |name: &str, value: &str| {
        let comma = if place.is_empty() { "" } else { ", " };
        place.0.push(super::Span::Plain(format!("{comma}{name} ")));
        place.0.extend(Text::code(&cut(value, 300)).0);
    };
    if !content.bucket.is_empty() {
        add("bucket", &content.bucket);
    }
    if let Some(stream) = &content.stream {
        add("stream", &stream.to_string());
    }
    if let Some(resolution) = content.resolution.as_deref().filter(|resolution| *resolution != "raw") {
        add("resolution", resolution);
    }
    if let Some(block) = &content.block {
        add("block", block);
    }
    if let Some(object) = &content.object {
        add("object", object);
    }
    place
}

/// Since when, and how long it lasted if it is over.
pub(super) fn since(alert: &Alert, now: TimestampMs) -> String {
    match over_at(alert) {
        Some(end) => {
            let span = span(end.since(alert.since));
            format!("{span}, {} to {}", moment(alert.since), moment(end))
        }
        None => moment_and_distance(alert.since, now),
    }
}

/// The time whose data is at risk.
pub(super) fn at_risk(alert: &Alert) -> Option<String> {
    let (start, end) = alert.content.interval_ms?;
    Some(interval(TimestampMs(start), TimestampMs(end)))
}

/// Until when it can be mended, with what that is called.
pub(super) fn until(alert: &Alert, now: TimestampMs) -> Option<(&'static str, String)> {
    let deadline = alert.content.deadline.filter(|_| alert.phase != Phase::Ended)?;
    let left = deadline.since(now);
    Some(if left > 0 {
        ("Can be saved until", format!("{}: {} left", moment(deadline), span(left)))
    } else {
        ("Was lost at", format!("{} ({} ago), unless it was saved before", moment(deadline), span(left)))
    })
}

/// The same, short: what stands in a list.
fn time_left(alert: &Alert, now: TimestampMs) -> Option<String> {
    let left = alert.content.deadline?.since(now);
    Some(if left > 0 { format!("{} left to save it", span(left)) } else { format!("lost for {}", span(left)) })
}

/// What the judgement rests on, at most `most`.
pub(super) fn evidence(alert: &Alert, most: usize) -> Vec<(String, String)> {
    let shown = alert.content.evidence.iter().filter(|(_, value)| !value.is_null()).take(most);
    shown.map(|(name, value)| (clean(name), value_text(name, value))).collect()
}

fn value_text(name: &str, value: &Value) -> String {
    let text = match value {
        Value::String(text) => clean(text),
        Value::Number(number) => match number.as_u64() {
            Some(count) if name.ends_with("bytes") && count >= 1024 => format!("{} ({count})", bytes(count)),
            Some(seconds) if name.ends_with("seconds") && seconds >= 60 => {
                let ms = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000);
                format!("{seconds} ({})", span(ms))
            }
            _ => number.to_string(),
        },
        Value::Array(values) if values.iter().all(|value| !value.is_object() && !value.is_array()) => {
            values.iter().map(|value| value_text("", value)).collect::<Vec<_>>().join(", ")
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => clean(&value.to_string()),
    };
    cut(&text, LONGEST_VALUE)
}

/// One line about one of several.
pub(super) fn item(notified: &NotifiedAlert, now: TimestampMs) -> Item {
    let alert = &notified.alert;
    let is_over = alert.phase == Phase::Ended;
    let mut times = if is_over {
        ended_after(alert)
    } else {
        let mut times = format!("since {}", moment(alert.since));
        if let Some(left) = time_left(alert, now) {
            times.push_str("; ");
            times.push_str(&left);
        }
        times
    };
    if let Some(news) = notified.news.and_then(news_word) {
        times = format!("{news}; {times}");
    }
    if let Some(unknown) = alert.unknown_since.filter(|_| !is_over) {
        times = format!("{times}; not seen since {}", moment(unknown));
    }
    Item { mark: mark(alert), tone: tone(alert), text: message_with_place(alert), times }
}

/// Messages mostly name their place; where one does not, it is put before it.
fn message_with_place(alert: &Alert) -> Text {
    let content = &alert.content;
    let text = sentence(&cut(&content.message, 400));
    let flat = text.flat();
    let subject = content.stream.as_ref().map(ToString::to_string).or_else(|| content.block.clone());
    let subject = subject.or_else(|| content.object.clone()).unwrap_or_else(|| content.bucket.clone());
    if subject.is_empty() || flat.contains(&clean(&subject)) || flat.ends_with('…') {
        return text;
    }
    Text::code(&cut(&subject, 300)).and(Text(vec![super::Span::Plain(": ".to_owned())])).and(text)
}

fn news_word(news: News) -> Option<&'static str> {
    match news {
        News::Fired => Some("new"),
        News::Worse => Some("got worse"),
        News::Better => Some("got better"),
        News::Flapping => Some("comes and goes"),
        News::Settled => Some("no longer comes and goes"),
        // what it ended as is said anyway
        News::Ended | News::FiredAndEnded => None,
    }
}

/// One line about what is new; `None` where nothing is.
pub(super) fn change(notified: &NotifiedAlert, now: TimestampMs) -> Option<Text> {
    notified.news?;
    let item = item(notified, now);
    let lead = Text(vec![super::Span::Plain(format!("{}: ", item.mark))]);
    Some(lead.and(item.text).and(Text(vec![super::Span::Plain(format!(" ({})", item.times))])))
}

fn mark(alert: &Alert) -> String {
    if alert.phase == Phase::Ended { end_word(alert.end).to_owned() } else { alert.content.severity.name().to_owned() }
}

pub(super) fn tone(alert: &Alert) -> Tone {
    if alert.phase == Phase::Ended { tone_of_end(alert.end) } else { tone_of(alert.content.severity) }
}
