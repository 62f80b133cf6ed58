//! `notify.routes`: who is told what.

use super::super::mistake::Mistakes;
use super::super::yaml::{Key, Kind, Section, Table};
use super::receivers::Receivers;
use super::times::MuteTimes;
use crate::alerting::{DEFAULT_GROUP_BY, Route};
use crate::model::{MINUTE_MS, SECOND_MS, Selector};

/// An item of `notify.routes`
pub(in crate::config) const TABLE: Table = Table {
    keys: &[
        Key::new("name", Kind::Text, "", "For people; without it, `routes[0]` and so on."),
        Key::new(
            "match",
            Kind::Selector,
            "{}",
            "Which alerts: `alertname`, `check`, `severity`, `bucket`, `stream`, and the external labels of the stream. `{}`, or nothing, selects all.",
        ),
        Key::new("receivers", Kind::Texts, "", "Required: names. An empty list = nobody is told."),
        Key::new(
            "group_by",
            Kind::Texts,
            "[alertname, bucket, cluster, cluster_id, environment]",
            "Alerts that have these labels in common are one message. `[...]` = each alert is one.",
        ),
        Key::new(
            "group_wait",
            Kind::Duration,
            "",
            "How long to wait for more, from the first news of a group. Without it, `10s` where something is critical, otherwise `30s`.",
        ),
        Key::new(
            "group_interval",
            Kind::Duration,
            "",
            "Between two messages about one group. Without it, `1m` where something is critical, otherwise `5m`. From `1s`.",
        ),
        Key::new(
            "repeat_interval",
            Kind::Duration,
            "",
            "What has not changed is told again after this time. Without it, `1h` where something is critical, otherwise `12h`. From `1m`.",
        ),
        Key::new("mute", Kind::Texts, "", "Names of mute times, during which nothing is told by this route."),
        Key::new("continue", Kind::Flag, "false", "The routes after it are looked at as well."),
    ],
    lenient: false,
};

/// Lowers `notify.routes`; without any, everything to everybody.
pub(super) fn lower(
    notify: &Section,
    receivers: &Receivers,
    mute_times: &MuteTimes,
    mistakes: &mut Mistakes,
) -> Vec<Route> {
    if !notify.is_given("routes") {
        return vec![everything("(everything)", receivers.names.clone())];
    }
    let mut routes: Vec<Route> = Vec::new();
    let mut catches_all = false;
    for (idx, section) in notify.sections("routes").iter().enumerate() {
        let route = route(idx, section, receivers, mute_times, mistakes);
        if catches_all {
            let message = "is never looked at: an earlier route catches everything and does not say `continue: true`";
            section.mistake(mistakes, "", message);
        }
        let is_open =
            route.matchers.matchers.is_empty() && (section.selector("match").is_some() || !section.is_given("match"));
        catches_all |= is_open && !route.continues;
        routes.push(route);
    }
    routes
}

/// A route that catches everything.
fn everything(name: &str, receivers: Vec<String>) -> Route {
    Route {
        name: name.to_owned(),
        matchers: Selector { matchers: Vec::new(), text: "{}".to_owned() },
        receivers,
        group_by: DEFAULT_GROUP_BY.map(str::to_owned).to_vec(),
        group_wait_ms: None,
        group_interval_ms: None,
        repeat_interval_ms: None,
        mute: Vec::new(),
        continues: false,
    }
}

fn route(
    idx: usize,
    section: &Section,
    receivers: &Receivers,
    mute_times: &MuteTimes,
    mistakes: &mut Mistakes,
) -> Route {
    section.require(mistakes, "receivers", "name who is told; an empty list means nobody");
    let given = Some(section.text("name")).filter(|name| !name.is_empty());
    let mut route = everything(&given.unwrap_or_else(|| format!("routes[{idx}]")), Vec::new());
    if let Some(matchers) = section.selector("match") {
        route.matchers = matchers.clone();
    }
    route.receivers = names(section, "receivers", "receiver", &receivers.names, mistakes);
    route.mute = names(section, "mute", "mute time", &mute_times.names, mistakes);
    if let Some(labels) = section.texts("group_by") {
        let is_label = |label: &String| {
            let is_word = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            is_word && !label.starts_with(|first: char| first.is_ascii_digit())
        };
        let is_each = labels.iter().any(|label| label == "...");
        if is_each && labels.len() > 1 {
            section.mistake(mistakes, "group_by", "expected `...` alone: each alert is a group of its own then");
        } else if !is_each && !labels.iter().all(is_label) {
            section.mistake(mistakes, "group_by", "expected names of labels: letters, digits and `_`, no digit first");
        }
        route.group_by = labels.to_vec();
    }
    let mut time = |name: &str, min: i64| {
        section.ms(name)?;
        Some(super::duration(section, name, min, min, mistakes))
    };
    route.group_wait_ms = time("group_wait", 0);
    route.group_interval_ms = time("group_interval", SECOND_MS);
    route.repeat_interval_ms = time("repeat_interval", MINUTE_MS);
    route.continues = section.flag("continue").unwrap_or_default();
    route
}

/// Names that have to be known; each counts once.
fn names(section: &Section, key: &str, what: &str, known: &[String], mistakes: &mut Mistakes) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (idx, name) in section.texts(key).unwrap_or_default().iter().enumerate() {
        if !known.contains(name) {
            section.mistake(mistakes, key, format!("item {} is the name of no {what}", idx + 1));
        } else if found.contains(name) {
            section.mistake(mistakes, key, format!("item {} is given twice", idx + 1));
        } else {
            found.push(name.clone());
        }
    }
    found
}
