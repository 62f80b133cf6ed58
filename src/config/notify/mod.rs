//! `notify`: who is told what, when and how. Keys are spelled as in Alertmanager where it has them, and durations follow
//! its grammar, which is that of Prometheus.

mod access;
mod kinds;
mod receivers;
mod routes;
mod summary;
mod times;

pub(super) use summary::lines as summary;

use std::collections::BTreeMap;
use std::path::Path;

use url::Url;

use super::mistake::Mistakes;
use super::yaml::{Key, Kind, Section, Table};
use crate::alerting::{AlertingPolicy, Flapping};
use crate::model::{Links, NotifySettings};

/// `notify`
pub(super) const TABLE: Table = Table {
    keys: &[
        Key::new(
            "receivers",
            Kind::Other("list of mappings"),
            "",
            "Who can be told. Without any, alerts are judged and shown, and nobody is told.",
        ),
        Key::new(
            "routes",
            Kind::Sections(&routes::TABLE),
            "",
            "Who is told what. The first that matches counts, and those after it for as long as they say `continue`. Without any, every receiver is told everything.",
        ),
        Key::new("mute_times", Kind::Sections(&times::MUTE), "", "Days and hours that routes can name."),
        Key::new(
            "silences",
            Kind::Sections(&times::SILENCE),
            "",
            "Silences that are known beforehand; others are made by `blockwarden silence add`.",
        ),
        Key::new(
            "flapping",
            Kind::Section(&times::FLAPPING),
            "",
            "When an alert comes and goes too often to be told each time.",
        ),
        Key::new(
            "heartbeat",
            Kind::Section(&access::HEARTBEAT),
            "",
            "A dead-man's switch outside, which is pinged after each completed cycle.",
        ),
        Key::new(
            "watchdogs",
            Kind::Sections(&WATCHDOG),
            "",
            "Alertmanagers whose `Watchdog` alert has to come in, again and again.",
        ),
        Key::new("links", Kind::Section(&LINKS), "", "Where more can be seen."),
    ],
    lenient: false,
};

/// An item of `notify.watchdogs`
pub(super) const WATCHDOG: Table = Table {
    keys: &[
        Key::new(
            "name",
            Kind::Text,
            "",
            "Required, unique. Letters, digits, `-`, `_` and `.`: it is part of the path.",
        ),
        Key::new("within", Kind::Duration, "5m", "Silent for longer than this, it is told. From `1s`."),
    ],
    lenient: false,
};

/// `notify.links`
pub(super) const LINKS: Table = Table {
    keys: &[
        Key::new("page", Kind::Text, "", "Where this service is seen from, for those who get a message."),
        Key::new("runbook", Kind::Text, "", "Of a runbook; `{id}` stands for the alert."),
        Key::new(
            "dashboard",
            Kind::Text,
            "",
            "Of a dashboard; `{uid}`, `{bucket}`, `{from}` and `{to}` (in ms) are filled in.",
        ),
    ],
    lenient: false,
};

/// The tables inside, for the documentation.
pub(super) const TABLES: [(&str, &str, &Table); 14] = [
    (
        "`notify.receivers`",
        "A list. `type` says which of the keys further below there are beside these. Relative paths count from the folder of \
         this file. The files of secrets are read again at each use, so that what is in them can be changed without a reload; \
         they have to be there when the configuration is read.",
        &receivers::COMMON,
    ),
    ("`type: slack`", "An incoming webhook, or a bot's token and a channel.", &kinds::SLACK),
    ("`type: mail`", "Each recipient gets a message of his own.", &kinds::MAIL),
    (
        "`type: alertmanager`",
        "Alertmanager groups and routes by itself, so it is told every alert that is routed to it, again and again, as \
         Prometheus does. It can be no `fallback` and have none.",
        &kinds::ALERTMANAGER,
    ),
    ("`type: webhook`", "Gets the JSON of Alertmanager's webhooks, version 4.", &kinds::WEBHOOK),
    ("`basic_auth`", "", &access::BASIC_AUTH),
    ("`tls_config` of a receiver", "", &access::TLS),
    ("`notify.routes`", "A list.", &routes::TABLE),
    ("`notify.mute_times`", "A list.", &times::MUTE),
    ("`notify.silences`", "A list.", &times::SILENCE),
    ("`notify.flapping`", "", &times::FLAPPING),
    (
        "`notify.heartbeat`",
        "Pinged with `POST` after each cycle that was completed and judged, at most 5 times a minute, so that somebody else \
         notices when Blockwarden does not run. An address such as `https://hc-ping.com/…` is a secret.",
        &access::HEARTBEAT,
    ),
    (
        "`notify.watchdogs`",
        "A list. An Alertmanager sends the `Watchdog` alert that always fires to `POST /api/v1/watchdogs/NAME` (a webhook \
         receiver; needs `--web.enable-lifecycle`). Where it does not come in for longer than `within`, that is told directly.",
        &WATCHDOG,
    ),
    ("`notify.links`", "What is not given does not stand in messages and rules.", &LINKS),
];

/// Lowers `notify`; nobody is told anything where there is none. `main` is the path of the file that it is in.
pub(super) fn lower(
    section: Option<&Section>,
    main: &Path,
    mistakes: &mut Mistakes,
) -> (AlertingPolicy, NotifySettings) {
    let Some(section) = section else { return (AlertingPolicy::default(), NotifySettings::default()) };
    let folder = main.parent().unwrap_or(Path::new(""));
    let receivers = receivers::lower(section, folder, mistakes);
    let mute_times = times::mute_times(section.sections("mute_times"), mistakes);
    let policy = AlertingPolicy {
        kinds: BTreeMap::new(),
        routes: routes::lower(section, &receivers, &mute_times, mistakes),
        receivers: receivers
            .list
            .iter()
            .map(|receiver| (receiver.settings.name.clone(), receiver.policy.clone()))
            .collect(),
        mute_times: mute_times.times,
        silences: times::silences(section.sections("silences"), mistakes),
        flapping: section
            .section("flapping")
            .map_or_else(Flapping::default, |section| times::flapping(section, mistakes)),
    };
    let settings = NotifySettings {
        receivers: receivers.list.into_iter().map(|receiver| receiver.settings).collect(),
        heartbeat: section.section("heartbeat").and_then(|section| access::heartbeat(section, folder, mistakes)),
        watchdogs: times::watchdogs(section.sections("watchdogs"), mistakes),
        links: section.section("links").map(|section| links(section, mistakes)).unwrap_or_default(),
    };
    (policy, settings)
}

fn links(section: &Section, mistakes: &mut Mistakes) -> Links {
    let mut link = |name: &str, known: &[&str]| {
        let text = url(section, name, mistakes).unwrap_or_default();
        for field in text.split('{').skip(1).map(|rest| rest.split('}').next().unwrap_or_default()) {
            if !known.contains(&field) {
                let known: Vec<String> = known.iter().map(|field| format!("{{{field}}}")).collect();
                let known = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
                section.mistake(
                    mistakes,
                    name,
                    format!("has a field that nothing is filled in for; there is: {known}"),
                );
            }
        }
        text
    };
    Links {
        page: link("page", &[]).trim_end_matches('/').to_owned(),
        runbook: link("runbook", &["id"]),
        dashboard: link("dashboard", &["uid", "bucket", "from", "to"]),
    }
}

/// A URL that is no secret; `None` where there is none, or where it is wrong.
fn url(section: &Section, name: &str, mistakes: &mut Mistakes) -> Option<String> {
    let text = Some(section.text(name)).filter(|text| !text.is_empty())?;
    match check_url(&text).and_then(|url| check_no_login(&url)) {
        Ok(()) => Some(text),
        Err(expected) => {
            section.mistake(mistakes, name, expected);
            None
        }
    }
}

/// A URL over HTTP, or what was expected.
fn check_url(text: &str) -> Result<Url, &'static str> {
    const EXPECTED: &str = "expected a URL that begins with http:// or https:// and has a host";
    let url = Url::parse(text).ok().ok_or(EXPECTED)?;
    let fits = matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|host| !host.is_empty());
    if fits && !text.contains(char::is_whitespace) { Ok(url) } else { Err(EXPECTED) }
}

/// A password in a URL would be shown with it.
fn check_no_login(url: &Url) -> Result<(), &'static str> {
    if url.username().is_empty() && url.password().is_none() {
        Ok(())
    } else {
        Err("expected a URL without name and password: they have keys of their own, whose values are never shown")
    }
}

/// A name that is given once, and that may be a label: `None` where it is not there or wrong.
fn name<'a>(
    section: &Section,
    what: &str,
    mut others: impl Iterator<Item = &'a str>,
    mistakes: &mut Mistakes,
) -> Option<String> {
    section.require(mistakes, "name", &format!("give each {what} a name of its own"));
    let name = Some(section.text("name")).filter(|name| !name.is_empty())?;
    if name.len() > MAX_NAME || name.contains(char::is_control) {
        section.mistake(mistakes, "name", "expected a short name without control characters");
        return None;
    }
    if others.any(|other| other == name) {
        section.mistake(mistakes, "name", format!("is the same as that of an earlier {what}: give each its own name"));
        return None;
    }
    Some(name)
}

/// Bytes of a name: it is a label of metrics and a column of tables.
const MAX_NAME: usize = 100;

/// A duration of at least `min` ms; its default where it is not given or too short.
fn duration(section: &Section, name: &str, default: i64, min: i64, mistakes: &mut Mistakes) -> i64 {
    let Some(ms) = section.ms(name) else { return default };
    if ms < min {
        section.mistake(mistakes, name, format!("expected at least {}", super::duration::format(min)));
        return default;
    }
    ms
}
