//! `notify.receivers`: what all kinds have in common, and who steps in for whom.

use std::path::Path;

use super::super::mistake::Mistakes;
use super::super::yaml::{self, Content, Key, Kind, Node, Reading, Section, Table};
use super::{access, kinds, name};
use crate::alerting::ReceiverPolicy;
use crate::model::{ReceiverKind, ReceiverSettings, SECOND_MS};

const KINDS: [(&str, &Table); 4] = [
    ("slack", &kinds::SLACK),
    ("mail", &kinds::MAIL),
    ("alertmanager", &kinds::ALERTMANAGER),
    ("webhook", &kinds::WEBHOOK),
];

const TYPE: Key = Key::new("type", Kind::Choice(&["slack", "mail", "alertmanager", "webhook"]), "", "Required.");

/// What every receiver has.
pub(in crate::config) const COMMON: Table = Table {
    keys: &[
        Key::new("name", Kind::Text, "", "Required, unique. A label of metrics."),
        TYPE,
        Key::new(
            "fallback",
            Kind::Text,
            "",
            "The receiver that gets what this one could not be given, for good or within a day.",
        ),
        Key::new("send_resolved", Kind::Flag, "true", "Whether it is told that alerts are over."),
        Key::new("timeout", Kind::Duration, "10s", "For a message to be taken; of mail `30s`. From `1s`, up to `10m`."),
        Key::new("rate", Kind::Integer(1, 6_000), "60", "Messages per minute at most; of Slack `50`."),
        Key::new("burst", Kind::Integer(1, 1_000), "3", "How many of them may come at once."),
        Key::new(
            "daily_test",
            Kind::Text,
            "",
            "A marked test message every day at this time, UTC, such as `09:00`: what does not work is noticed before it is needed.",
        ),
    ],
    lenient: false,
};

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// A receiver as it is sent to and as it is judged for.
#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) settings: ReceiverSettings,
    pub(super) policy: ReceiverPolicy,
}

/// All receivers.
#[derive(Debug, Default)]
pub(super) struct Receivers {
    /// Those that are right.
    pub(super) list: Vec<Receiver>,
    /// Names of all, so that one with a mistake in it is not missed elsewhere.
    pub(super) names: Vec<String>,
}

/// Lowers `notify.receivers`.
pub(super) fn lower(notify: &Section, folder: &Path, mistakes: &mut Mistakes) -> Receivers {
    const NAME: &str = "receivers";
    let mut receivers = Receivers::default();
    let Some(node) = notify.node(NAME) else { return receivers };
    let Content::Sequence(items) = &node.content else {
        notify.mistake(mistakes, NAME, format!("expected a list, found {}", node.kind()));
        return receivers;
    };
    let reading = notify.reading().key(NAME);
    let mut sections = Vec::new();
    for (idx, item) in items.iter().enumerate() {
        let Some((kind, section)) = decode(item, &reading.item(idx), mistakes) else { continue };
        let name = name(&section, "receiver", receivers.names.iter().map(String::as_str), mistakes);
        receivers.names.extend(name.clone());
        let settings = receiver(kind, name.unwrap_or_default(), &section, folder, mistakes);
        receivers.list.extend(settings);
        sections.push(section);
    }
    fallbacks(&sections, &receivers, mistakes);
    receivers
}

/// An item with the keys of its type.
fn decode(item: &Node, reading: &Reading, mistakes: &mut Mistakes) -> Option<(&'static str, Section)> {
    let start = yaml::decode(item, item.place, &[TYPE], true, reading, mistakes)?;
    start.require(mistakes, "type", "expected one of slack, mail, alertmanager, webhook");
    let word = start.text("type");
    let (kind, table) = KINDS.into_iter().find(|(kind, _)| *kind == word)?;
    let keys: Vec<Key> = COMMON.keys.iter().chain(table.keys).copied().collect();
    Some((kind, yaml::decode(item, item.place, &keys, false, reading, mistakes)?))
}

fn receiver(
    kind: &'static str,
    name: String,
    section: &Section,
    folder: &Path,
    mistakes: &mut Mistakes,
) -> Option<Receiver> {
    let (seconds, rate) = match kind {
        "slack" => (10, 50),
        "mail" => (30, 60),
        _ => (10, 60),
    };
    let timeout_ms = access::timeout(section, seconds * SECOND_MS, mistakes);
    let number =
        |name: &str, default: u32| section.integer(name).and_then(|n| u32::try_from(n).ok()).unwrap_or(default);
    let daily_test_minute = daily_test(section, mistakes);
    let kind = kinds::lower(kind, section, folder, mistakes)?;
    let recipients = match &kind {
        ReceiverKind::Mail(mail) => mail.to.clone(),
        ReceiverKind::Alertmanager(_) => Vec::new(),
        ReceiverKind::Slack(_) | ReceiverKind::Webhook(_) => vec![String::new()],
    };
    let settings = ReceiverSettings {
        name,
        fallback: Some(section.text("fallback")).filter(|name| !name.is_empty()),
        daily_test_minute,
        timeout_ms,
        per_minute: number("rate", rate),
        burst: number("burst", 3),
        kind,
    };
    let policy = ReceiverPolicy { recipients, send_resolved: section.flag("send_resolved").unwrap_or(true) };
    Some(Receiver { settings, policy })
}

fn daily_test(section: &Section, mistakes: &mut Mistakes) -> Option<u16> {
    const NAME: &str = "daily_test";
    let text = Some(section.text(NAME)).filter(|text| !text.is_empty())?;
    let minute = text.split_once(':').and_then(|(hours, minutes)| {
        let is_number = |part: &str| (1..=2).contains(&part.len()) && part.bytes().all(|c| c.is_ascii_digit());
        let (hours, minutes): (u16, u16) =
            (hours.parse().ok().filter(|_| is_number(hours))?, minutes.parse().ok().filter(|_| is_number(minutes))?);
        (minutes < 60).then_some(hours * 60 + minutes).filter(|minute| *minute < DAY)
    });
    if minute.is_none() {
        section.mistake(mistakes, NAME, "expected a time of the day such as 09:00, in quotes");
    }
    minute
}

/// Everybody's fallback is somebody else who has an outbox, and whoever steps in for whom, it ends somewhere.
fn fallbacks(sections: &[Section], receivers: &Receivers, mistakes: &mut Mistakes) {
    const NAME: &str = "fallback";
    let is_alertmanager = |name: &str| {
        let found = receivers.list.iter().find(|receiver| receiver.settings.name == name);
        found.is_some_and(|receiver| matches!(receiver.settings.kind, ReceiverKind::Alertmanager(_)))
    };
    let fallback_of = |name: &str| {
        let section = sections.iter().find(|section| section.text("name") == name)?;
        Some(section.text(NAME)).filter(|next| !next.is_empty())
    };
    for section in sections {
        let (own, next) = (section.text("name"), section.text(NAME));
        if next.is_empty() {
            continue;
        }
        let mut seen = vec![next.clone()];
        while let Some(further) = seen.last().and_then(|last| fallback_of(last)).filter(|name| !seen.contains(name)) {
            seen.push(further);
        }
        let message = match () {
            () if next == own => "is the receiver itself",
            () if !receivers.names.contains(&next) => "is the name of no receiver",
            () if is_alertmanager(&next) => "is an Alertmanager, which is told what fires, not single messages",
            () if section.text("type") == "alertmanager" => {
                "cannot be: an Alertmanager is told again and again until it answers"
            }
            () if seen.contains(&own) => "leads back to this receiver",
            () => continue,
        };
        section.mistake(mistakes, NAME, message);
    }
}
