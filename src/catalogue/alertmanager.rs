//! What belongs to the rules in Alertmanager's configuration: routes, inhibition, and the way of the `Watchdog` to us.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Catalogue, Entry, RuleError};
use crate::alerting::{DEFAULT_GROUP_BY, Timing};
use crate::model::{RuleSettings, Severity, exact_duration_ms};

const HEAD: &str = "\
# What belongs to Blockwarden's rules in Alertmanager's configuration, by `blockwarden rules --alertmanager`.
#
# Whole as it is, so that `amtool check-config` can be run on it. To use it, put the routes before your own, take the
# inhibition as it is, and give the receivers what they are to do:
#   default, blockwarden      your slack_configs, email_configs, pagerduty_configs, …
#   blockwarden-watchdog      the address of Blockwarden, and for NAME a name under notify.watchdogs. Needs the alert
#                             `Watchdog`, which always fires: kube-prometheus has it; otherwise load a rule with the
#                             expression vector(1).
";

/// Where alerts go that have nothing to do with us.
const ANYBODY: &str = "default";
const OWN: &str = "blockwarden";
const WATCHDOG: &str = "blockwarden-watchdog";
/// All of ours.
const OUR_ALERTS: &str = "alertname=~\"Blockwarden.*\"";
/// Of the `Watchdog`: as soon as it is there, and then every minute.
const WATCHDOG_TIMING: Timing = Timing { wait_ms: 0, interval_ms: 60_000, repeat_ms: 60_000 };

#[derive(Serialize)]
struct Document {
    route: Root,
    inhibit_rules: Vec<Inhibition>,
    receivers: Vec<Receiver>,
}

#[derive(Serialize)]
struct Root {
    receiver: &'static str,
    routes: Vec<Route>,
}

#[derive(Serialize)]
struct Route {
    receiver: &'static str,
    matchers: Vec<String>,
    group_by: Vec<&'static str>,
    group_wait: String,
    group_interval: String,
    repeat_interval: String,
}

#[derive(Serialize)]
struct Inhibition {
    source_matchers: Vec<String>,
    target_matchers: Vec<String>,
    equal: Vec<&'static str>,
}

#[derive(Serialize)]
struct Receiver {
    name: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    webhook_configs: Vec<Webhook>,
}

#[derive(Serialize)]
struct Webhook {
    url: &'static str,
    send_resolved: bool,
}

/// The document.
pub fn alertmanager(catalogue: &Catalogue, settings: &RuleSettings) -> Result<String, RuleError> {
    let severity = |severity: Severity| format!("severity=\"{}\"", severity.name());
    let mut inhibit_rules = inhibited(catalogue, settings);
    inhibit_rules.push(Inhibition {
        source_matchers: vec![OUR_ALERTS.to_owned(), severity(Severity::Critical)],
        target_matchers: vec![OUR_ALERTS.to_owned(), severity(Severity::Warning)],
        equal: vec!["alertname", "bucket", "stream"],
    });
    let ours = |worst: Severity, extra: Vec<String>| {
        let matchers = [OUR_ALERTS.to_owned()].into_iter().chain(extra).collect();
        route(OWN, matchers, DEFAULT_GROUP_BY.to_vec(), Timing::of(worst))
    };
    let document = Document {
        route: Root {
            receiver: ANYBODY,
            routes: vec![
                route(WATCHDOG, vec!["alertname=\"Watchdog\"".to_owned()], vec!["alertname"], WATCHDOG_TIMING),
                ours(Severity::Critical, vec![severity(Severity::Critical)]),
                ours(Severity::Warning, Vec::new()),
            ],
        },
        inhibit_rules,
        receivers: vec![
            Receiver { name: ANYBODY, webhook_configs: Vec::new() },
            Receiver { name: OWN, webhook_configs: Vec::new() },
            Receiver {
                name: WATCHDOG,
                webhook_configs: vec![Webhook {
                    url: "http://BLOCKWARDEN:9798/api/v1/watchdogs/NAME",
                    send_resolved: false,
                }],
            },
        ],
    };
    Ok(format!("{HEAD}{}", serde_yaml::to_string(&document)?))
}

fn route(receiver: &'static str, matchers: Vec<String>, group_by: Vec<&'static str>, timing: Timing) -> Route {
    Route {
        receiver,
        matchers,
        group_by,
        group_wait: exact_duration_ms(timing.wait_ms),
        group_interval: exact_duration_ms(timing.interval_ms),
        repeat_interval: exact_duration_ms(timing.repeat_ms),
    }
}

/// One for each alert that makes others pointless, and each label that says whether it is about the same.
fn inhibited(catalogue: &Catalogue, settings: &RuleSettings) -> Vec<Inhibition> {
    let is_on = |entry: &&Entry| settings.alerts.get(&entry.id).and_then(|own| own.enabled) != Some(false);
    let mut targets: BTreeMap<(&str, &'static str), Vec<&str>> = BTreeMap::new();
    for entry in catalogue.entries().filter(is_on) {
        for source in entry.inhibited_by.iter().filter_map(|id| catalogue.entry(id)).filter(is_on) {
            // what is about a server or about ourselves has no bucket
            let label = if source.check.is_some() { "bucket" } else { "job" };
            targets.entry((&source.name, label)).or_default().push(&entry.name);
        }
    }
    let rules = targets.into_iter().map(|((source, label), mut names)| {
        names.sort_unstable();
        Inhibition {
            source_matchers: vec![format!("alertname=\"{source}\"")],
            target_matchers: vec![format!("alertname=~\"{}\"", names.join("|"))],
            equal: vec![label],
        }
    });
    rules.collect()
}
