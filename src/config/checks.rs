//! `checks`: settings of single checks, by the parameters that they declare.

use std::collections::BTreeMap;

use super::mistake::{Mistakes, Place};
use super::yaml::{self, Content, Key, Kind, Node, Reading, Section};
use super::{duration, policy};
use crate::checks::{Check, CheckPolicy, CheckSettings, Param, ParamValue};
use crate::model::{AlertSettings, KnownAlert, Selector, Severity};

const SEVERITIES: [Severity; 3] = [Severity::Critical, Severity::Warning, Severity::Info];

/// What every check has.
pub(super) const COMMON: [Key; 2] = [
    Key::new("enabled", Kind::Flag, "true", "Whether it runs."),
    Key::new(
        "severity",
        Kind::Choice(&["critical", "warning", "info"]),
        "that of the check",
        "The severity of all its findings.",
    ),
];
/// What an alert has, that of a check and one that is PromQL alone.
pub(super) const OF_ALERTS: [Key; 2] = [
    Key::new(
        "for",
        Kind::Duration,
        "that of the alert",
        "How long something has to be wrong before the alert fires, by rule and by our own notification.",
    ),
    Key::new(
        "keep_firing_for",
        Kind::Duration,
        "that of the alert",
        "How long the alert goes on after it is no longer wrong.",
    ),
];
/// What a check has beside them.
pub(super) const OVERRIDES: Key = Key::new(
    "overrides",
    Kind::Other("list of mappings"),
    "",
    "The same keys with `match`, for the streams that it selects; of several that match, the first that says something counts.",
);
/// What an item of `overrides` has beside them.
const MATCH: Key = Key::new("match", Kind::Selector, "", "Required: which streams.");

/// Lowers `checks` to the policies of checks and what was set for alerts; `place` is that of the key.
pub(super) fn lower(
    node: &Node,
    place: Place,
    reading: &Reading,
    (all, known): (&[&'static Check], &[KnownAlert]),
    mistakes: &mut Mistakes,
) -> (BTreeMap<String, CheckPolicy>, BTreeMap<String, AlertSettings>) {
    let ids = all.iter().map(|check| check.id).chain(known.iter().map(|alert| alert.id));
    let ids: Vec<Key> = ids.map(|id| Key::new(id, Kind::Other("mapping"), "", "")).collect();
    let (mut policies, mut alerts) = (BTreeMap::new(), BTreeMap::new());
    let Some(section) = yaml::decode(node, place, &ids, false, reading, mistakes) else { return (policies, alerts) };
    for check in all {
        let Some(node) = section.node(check.id) else { continue };
        let reading = reading.key(check.id);
        let mut keys = settings_keys(check);
        keys.push(OVERRIDES);
        keys.extend(OF_ALERTS);
        let Some(own) = yaml::decode(node, section.place(check.id), &keys, false, &reading, mistakes) else { continue };
        let overrides = own.node("overrides").map(|node| overrides(node, &own, check, mistakes));
        let policy = CheckPolicy { settings: settings(&own, check), overrides: overrides.unwrap_or_default() };
        policies.insert(check.id.to_owned(), policy);
        alerts.insert(check.id.to_owned(), alert(&own, &[]));
    }
    for known in known {
        let Some(node) = section.node(known.id) else { continue };
        let [enabled, ..] = COMMON;
        let thresholds = known.thresholds.iter().map(|own| Key::new(own.name, Kind::Ratio, "", own.help));
        let keys: Vec<Key> = [enabled].into_iter().chain(OF_ALERTS).chain(thresholds).collect();
        let reading = reading.key(known.id);
        let Some(own) = yaml::decode(node, section.place(known.id), &keys, false, &reading, mistakes) else { continue };
        let names: Vec<&str> = known.thresholds.iter().map(|threshold| threshold.name).collect();
        alerts.insert(known.id.to_owned(), alert(&own, &names));
    }
    alerts.retain(|_, settings| *settings != AlertSettings::default());
    (policies, alerts)
}

fn alert(section: &Section, thresholds: &[&str]) -> AlertSettings {
    let set = thresholds.iter().filter_map(|name| Some(((*name).to_owned(), section.ratio(name)?)));
    AlertSettings {
        enabled: section.flag("enabled"),
        hold_ms: section.ms("for"),
        keep_ms: section.ms("keep_firing_for"),
        thresholds: set.collect(),
    }
}

fn overrides(node: &Node, own: &Section, check: &Check, mistakes: &mut Mistakes) -> Vec<(Selector, CheckSettings)> {
    let Content::Sequence(items) = &node.content else {
        own.mistake(mistakes, "overrides", format!("expected a list, found {}", node.kind()));
        return Vec::new();
    };
    let mut keys = settings_keys(check);
    keys.push(MATCH);
    let reading = own.reading().key("overrides");
    let lowered = items.iter().enumerate().filter_map(|(idx, item)| {
        let section = yaml::decode(item, item.place, &keys, false, &reading.item(idx), mistakes)?;
        policy::require_match(&section, mistakes);
        Some((section.selector("match")?.clone(), settings(&section, check)))
    });
    lowered.collect()
}

fn settings_keys(check: &Check) -> Vec<Key> {
    let params = check.params.iter().map(|param| Key::new(param.name, kind(param), "", param.help));
    COMMON.into_iter().chain(params).collect()
}

/// What a parameter's value has to be.
pub(super) const fn kind(param: &Param) -> Kind {
    match param.default {
        ParamValue::DurationMs(_) => Kind::Duration,
        ParamValue::Ratio(_) => Kind::Ratio,
        ParamValue::Count(_) => Kind::Integer(0, i64::MAX),
    }
}

/// A parameter's default, as a user would write it.
pub(super) fn default_text(param: &Param) -> String {
    match param.default {
        ParamValue::DurationMs(ms) => duration::format(ms),
        ParamValue::Ratio(ratio) => ratio.to_string(),
        ParamValue::Count(count) => count.to_string(),
    }
}

fn settings(section: &Section, check: &Check) -> CheckSettings {
    let word = section.text("severity");
    let params = check.params.iter().filter_map(|param| {
        let value = match param.default {
            ParamValue::DurationMs(_) => ParamValue::DurationMs(section.ms(param.name)?),
            ParamValue::Ratio(_) => ParamValue::Ratio(section.ratio(param.name)?),
            ParamValue::Count(_) => ParamValue::Count(u64::try_from(section.integer(param.name)?).ok()?),
        };
        Some((param.name.to_owned(), value))
    });
    CheckSettings {
        enabled: section.flag("enabled"),
        severity: SEVERITIES.into_iter().find(|severity| severity.name() == word),
        params: params.collect(),
    }
}
