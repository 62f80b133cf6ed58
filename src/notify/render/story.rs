//! From a notification to what is said.

use std::collections::BTreeMap;

use super::text::{Text, clean, clean_lines, cut};
use super::when::{count, moment, moment_and_distance, span};
use super::words::{end_meaning, end_word, reason, tone_of, tone_of_end, worst_end};
use super::{Item, Span, StepText, Story, Tone, alert, digest, links};
use crate::catalogue::{Catalogue, Entry};
use crate::model::{
    Alert, FindingEnd, Links, MINUTE_MS, Notification, NotifiedAlert, OutboxRow, Phase, Reason, TimestampMs,
};

/// Alerts that get a line of their own.
const MOST_ITEMS: usize = 10;
/// Steps of the catalogue; the others are in the runbook.
const MOST_STEPS: usize = 3;
/// Values of the evidence.
const MOST_EVIDENCE: usize = 6;
/// What a subject is about, in characters.
const LONGEST_ABOUT: usize = 120;
/// Later than this, in ms, a message says that it is late.
const LATE_MS: i64 = 5 * MINUTE_MS;

/// What a story is told with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Teller<'a> {
    /// Where more can be seen.
    pub(crate) links: &'a Links,
    /// The words of each alert.
    pub(crate) words: &'a Catalogue,
    /// Now.
    pub(crate) now: TimestampMs,
}

/// What is said of a row of the outbox.
pub(crate) fn story(row: &OutboxRow, teller: Teller<'_>) -> Story {
    let notification = &row.notification;
    let mut story = match notification.reason {
        Reason::Test => test(notification),
        Reason::Digest => digest::story(notification, teller),
        Reason::First
        | Reason::NewAlerts
        | Reason::Worse
        | Reason::SomeEnded
        | Reason::Ended
        | Reason::FiredAndEnded
        | Reason::Flapping
        | Reason::Repeat => incident(notification, teller),
    };
    let mut notes = delivery_notes(row, teller.now);
    notes.append(&mut story.notes);
    story.notes = notes;
    story.footer = footer(notification);
    story
}

fn test(notification: &Notification) -> Story {
    let mut what =
        vec![Text::from("This is a test of the way that alerts take. Nothing is wrong, and nothing is to be done.")];
    what.extend(notification.text.as_deref().map(|text| Text::parse(&cut(text, 600))));
    Story {
        tone: Tone::Info,
        state: "TEST".to_owned(),
        about: format!("Blockwarden to {}", cut(&clean(&notification.receiver), LONGEST_ABOUT)),
        count: 0,
        notes: Vec::new(),
        what,
        facts: vec![("Sent", Text::from(moment(notification.at)))],
        impact: None,
        remedy: None,
        steps: Vec::new(),
        items: Vec::new(),
        more: 0,
        evidence: Vec::new(),
        links: Vec::new(),
        silence: None,
        changes: Vec::new(),
        reason: reason(notification),
        footer: Vec::new(),
    }
}

fn incident(notification: &Notification, teller: Teller<'_>) -> Story {
    let alerts = &notification.alerts;
    let firing: Vec<&NotifiedAlert> = notification.firing().collect();
    let is_over = firing.is_empty() && notification.more == 0;
    let single = if alerts.len() == 1 && notification.more == 0 { alerts.first() } else { None };
    let (tone, state) = state(notification, is_over);
    // the catalogue's words are about one kind; where there are several, each line speaks for itself
    let first = alerts.first().map(|notified| &notified.alert);
    let is_one_kind = first.is_some_and(|first| alerts.iter().all(|each| each.alert.id == first.id));
    let entry = first.filter(|_| is_one_kind).and_then(|alert| teller.words.entry(&alert.id));
    let shown = if single.is_some() { Vec::new() } else { chosen(alerts) };
    let total = number(alerts.len()).saturating_add(notification.more);
    Story {
        tone,
        state,
        about: about(notification),
        count: if is_over { number(alerts.len()) } else { number(firing.len()).saturating_add(notification.more) },
        notes: notes(notification, single),
        what: what(notification, single, entry, is_over),
        facts: match single {
            Some(notified) => facts(&notified.alert, teller.now),
            None => group_facts(notification, teller.now),
        },
        impact: entry.filter(|_| !is_over).map(|entry| paragraph(&entry.impact)),
        remedy: single.or(first_of_same_remedy(alerts)).filter(|_| !is_over).and_then(|one| alert::remedy(&one.alert)),
        steps: entry.filter(|_| !is_over).map(|entry| steps(entry, single)).unwrap_or_default(),
        items: shown.iter().map(|notified| alert::item(notified, teller.now)).collect(),
        more: if single.is_some() { 0 } else { total.saturating_sub(number(shown.len())) },
        evidence: single.map(|one| alert::evidence(&one.alert, MOST_EVIDENCE)).unwrap_or_default(),
        links: links_of(notification, first, teller),
        silence: if is_over { None } else { links::silence_command(&silenced(notification, first)) },
        changes: changes(alerts, teller.now),
        reason: reason(notification),
        footer: Vec::new(),
    }
}

/// Those that get a line: what is new must be among them; then the worst.
fn chosen(alerts: &[NotifiedAlert]) -> Vec<&NotifiedAlert> {
    let mut places: Vec<usize> = (0..alerts.len()).collect();
    places.sort_by_key(|place| alerts.get(*place).is_none_or(|notified| notified.news.is_none()));
    places.truncate(MOST_ITEMS);
    places.sort_unstable();
    places.into_iter().filter_map(|place| alerts.get(place)).collect()
}

/// One line for each alert of which there is news; the first ones, and how many there are besides.
pub(super) fn changes(alerts: &[NotifiedAlert], now: TimestampMs) -> Vec<Text> {
    let mut changes: Vec<Text> = alerts.iter().filter_map(|notified| alert::change(notified, now)).collect();
    let more = changes.len().saturating_sub(MOST_ITEMS);
    if more > 0 {
        changes.truncate(MOST_ITEMS);
        changes.push(Text::from(format!("and {more} more")));
    }
    changes
}

fn state(notification: &Notification, is_over: bool) -> (Tone, String) {
    if !is_over {
        let severity = notification.severity();
        return (tone_of(severity), severity.name().to_uppercase());
    }
    let end = worst_end(notification.alerts.iter().map(|notified| &notified.alert));
    (tone_of_end(end), end_word(end).to_uppercase())
}

/// The same for all messages of an incident, so that mail programs keep them together.
pub(super) fn about(notification: &Notification) -> String {
    let group = &notification.group;
    let label = |name: &str| group.get(name).filter(|value| !value.is_empty()).map(String::as_str);
    let mut about = label("alertname").unwrap_or("Alerts").to_owned();
    if let Some(bucket) = label("bucket") {
        about.push_str(" in ");
        about.push_str(bucket);
    }
    for (name, value) in group {
        // the severity may change, and the check has the alert's name
        if !matches!(name.as_str(), "alertname" | "bucket" | "severity" | "check") && !value.is_empty() {
            let label = if name == "stream" { value.clone() } else { format!("{name}={value}") };
            about.extend([", ", &label]);
        }
    }
    cut(&clean(&about), LONGEST_ABOUT)
}

fn notes(notification: &Notification, single: Option<&NotifiedAlert>) -> Vec<Text> {
    let mut notes = Vec::new();
    let firing = notification.firing();
    let unknown: Vec<TimestampMs> = firing.filter_map(|notified| notified.alert.unknown_since).collect();
    if let Some(since) = unknown.iter().min() {
        let since = moment(*since);
        notes.push(Text::from(match single {
            Some(_) => format!("It cannot be seen at the moment: what this rests on is unknown since {since}. What follows is as it was last seen."),
            None => format!("{} cannot be seen at the moment (unknown since {since} or later) and said as last seen.", count(number(unknown.len()), "alert")),
        }));
    }
    let lost = notification.alerts.iter().filter(|notified| notified.alert.end == Some(FindingEnd::Lost));
    let lost = number(lost.filter(|notified| notified.alert.phase == Phase::Ended).count());
    if lost > 0 && single.is_none() {
        let are = if lost == 1 { "is" } else { "are" };
        notes.push(Text::from(format!("{} {are} lost: what that was about is gone unhealed.", count(lost, "alert"))));
    }
    if let Some(since) = single.and_then(|notified| notified.alert.flapping_since) {
        notes.push(Text::from(format!("It comes and goes since {}, and is not told each time.", moment(since))));
    }
    notes
}

fn what(
    notification: &Notification,
    single: Option<&NotifiedAlert>,
    entry: Option<&Entry>,
    is_over: bool,
) -> Vec<Text> {
    let mut what = Vec::new();
    if is_over {
        what.push(Text::from(ending(notification)));
    }
    match single {
        Some(notified) => what.push(alert::message(&notified.alert)),
        None => what.extend(entry.map(|entry| Text::parse(&entry.summary))),
    }
    what
}

/// How it ended, honestly: only what was seen healed is called healed.
fn ending(notification: &Notification) -> String {
    let end = worst_end(notification.alerts.iter().map(|notified| &notified.alert));
    let ended = notification.ended.unwrap_or(notification.at);
    let lasted = span(ended.since(notification.began));
    let mut words: BTreeMap<&'static str, u64> = BTreeMap::new();
    for notified in &notification.alerts {
        let number = words.entry(end_word(notified.alert.end)).or_default();
        *number = number.saturating_add(1);
    }
    if words.len() > 1 {
        let each: Vec<String> = words.iter().map(|(word, number)| format!("{number} {word}")).collect();
        return format!(
            "Over after {lasted}: {}. {}",
            each.join(", "),
            if matches!(end, Some(FindingEnd::Lost)) {
                end_meaning(end)
            } else {
                "Only what is resolved was seen healed."
            }
        );
    }
    let word = end_word(end);
    let capital: String = word.chars().take(1).flat_map(char::to_uppercase).chain(word.chars().skip(1)).collect();
    format!("{capital} after {lasted}. {}", end_meaning(end))
}

fn facts(one: &Alert, now: TimestampMs) -> Vec<(&'static str, Text)> {
    let mut facts = Vec::new();
    let place = alert::place(one);
    if !place.is_empty() {
        facts.push(("Where", place));
    }
    facts.push((if one.phase == Phase::Ended { "Lasted" } else { "Since" }, Text::from(alert::since(one, now))));
    facts.extend(alert::until(one, now).map(|(name, until)| (name, Text::from(until))));
    if let Some(interval) = alert::at_risk(one) {
        facts.push((if one.phase == Phase::Ended { "Was about" } else { "Data at risk" }, Text::from(interval)));
    }
    facts
}

fn group_facts(notification: &Notification, now: TimestampMs) -> Vec<(&'static str, Text)> {
    let mut facts = Vec::new();
    let place: Vec<(&String, &String)> = notification
        .group
        .iter()
        .filter(|(name, value)| !matches!(name.as_str(), "alertname" | "severity" | "check") && !value.is_empty())
        .collect();
    if !place.is_empty() {
        let mut text = Text::default();
        for (name, value) in place {
            let comma = if text.is_empty() { "" } else { ", " };
            text.0.push(Span::Plain(format!("{comma}{} ", clean(name))));
            text = text.and(Text::code(&cut(value, 300)));
        }
        facts.push(("Where", text));
    }
    facts.push(match notification.ended {
        Some(ended) => {
            let span = span(ended.since(notification.began));
            ("Lasted", Text::from(format!("{span}, {} to {}", moment(notification.began), moment(ended))))
        }
        None => ("Since", Text::from(moment_and_distance(notification.began, now))),
    });
    let soonest = notification.firing().filter(|one| one.alert.content.deadline.is_some());
    if let Some(first) = soonest.min_by_key(|one| one.alert.content.deadline)
        && let Some((name, until)) = alert::until(&first.alert, now)
    {
        let place = format!("{until} (the first of them)");
        facts.push((name, Text::from(place)));
    }
    facts
}

/// The same way out for all: then it is said once.
fn first_of_same_remedy(alerts: &[NotifiedAlert]) -> Option<&NotifiedAlert> {
    let first = alerts.first()?;
    alerts.iter().all(|each| each.alert.content.remedy == first.alert.content.remedy).then_some(first)
}

/// The first paragraph, on one line.
pub(super) fn paragraph(markdown: &str) -> Text {
    Text::parse(markdown.split("\n\n").next().unwrap_or_default())
}

/// `ULID` in a command stands for the block; where there is one, it can be copied as it is.
fn steps(entry: &Entry, single: Option<&NotifiedAlert>) -> Vec<StepText> {
    let block = single.and_then(|notified| notified.alert.content.block.as_deref());
    let block = block.filter(|block| block.chars().all(|c| c.is_ascii_alphanumeric()));
    let filled = |run: &str| clean_lines(&block.map_or_else(|| run.to_owned(), |block| run.replace("ULID", block)));
    let steps = entry.what_to_do.iter().take(MOST_STEPS);
    steps
        .map(|step| StepText {
            text: paragraph(&step.step),
            run: step.run.as_deref().map(filled).filter(|run| !run.is_empty()),
        })
        .collect()
}

/// What the command silences: the group; where it has no labels, the alert.
fn silenced(notification: &Notification, first: Option<&Alert>) -> BTreeMap<String, String> {
    if !notification.group.is_empty() {
        return notification.group.clone();
    }
    first.map(Alert::labels).unwrap_or_default()
}

pub(super) fn links_of(
    notification: &Notification,
    first: Option<&Alert>,
    teller: Teller<'_>,
) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let to = notification.ended.unwrap_or(teller.now);
    if let Some(alert) = first {
        found.extend(links::runbook(teller.links, &alert.id).map(|link| ("Runbook", link)));
        let dashboard = links::dashboard(teller.links, &alert.id, &alert.content.bucket, notification.began, to);
        found.extend(dashboard.map(|link| ("Dashboard", link)));
    }
    found.extend(links::page(teller.links).map(|link| ("Blockwarden", link)));
    found
}

fn delivery_notes(row: &OutboxRow, now: TimestampMs) -> Vec<Text> {
    let mut notes = Vec::new();
    if row.uncertain {
        notes.push(Text::from("This may be a repeat: an earlier attempt to send it may have arrived."));
    }
    if let Some(receiver) = &row.instead_of {
        let name = Text::code(&cut(receiver, 100));
        let before = Text(vec![Span::Plain("Sent here instead of to ".to_owned())]);
        notes.push(before.and(name).and(Text(vec![Span::Plain(", which could not be reached.".to_owned())])));
    }
    let at = row.notification.at;
    if now.since(at) > LATE_MS {
        notes.push(Text::from(format!("This is late: it tells how things stood at {}.", moment_and_distance(at, now))));
    }
    notes
}

fn footer(notification: &Notification) -> Vec<String> {
    let mut footer = vec![format!("receiver {}", cut(&clean(&notification.receiver), 60))];
    if !notification.incident.is_empty() {
        footer.insert(0, format!("incident {}", cut(&clean(&notification.incident), 40)));
    }
    if let Some(ms) =
        notification.repeat_ms.filter(|_| notification.ended.is_none() && notification.reason != Reason::Repeat)
    {
        footer.push(format!("said again every {} while it lasts", span(ms)));
    }
    footer
}

pub(super) fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// One line of a digest or a list.
pub(super) fn line(mark: &str, tone: Tone, text: Text, times: String) -> Item {
    Item { mark: mark.to_owned(), tone, text, times }
}
