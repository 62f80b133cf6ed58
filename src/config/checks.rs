//! `checks`: settings of single checks, by the parameters that they declare.

use std::collections::BTreeMap;

use super::mistake::{Mistakes, Place};
use super::yaml::{self, Content, Key, Kind, Node, Reading, Section};
use super::{duration, policy};
use crate::checks::{Check, CheckPolicy, CheckSettings, Param, ParamValue};
use crate::model::{Selector, Severity};

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
/// What a check has beside them.
pub(super) const OVERRIDES: Key = Key::new(
    "overrides",
    Kind::Other("list of mappings"),
    "",
    "The same keys with `match`, for the streams that it selects; of several that match, the first that says something counts.",
);
/// What an item of `overrides` has beside them.
const MATCH: Key = Key::new("match", Kind::Selector, "", "Required: which streams.");

/// Lowers `checks`; `place` is that of the key.
pub(super) fn lower(
    node: &Node,
    place: Place,
    reading: &Reading,
    all: &[&'static Check],
    mistakes: &mut Mistakes,
) -> BTreeMap<String, CheckPolicy> {
    let ids: Vec<Key> = all.iter().map(|check| Key::new(check.id, Kind::Other("mapping"), "", "")).collect();
    let mut policies = BTreeMap::new();
    let Some(section) = yaml::decode(node, place, &ids, false, reading, mistakes) else { return policies };
    for check in all {
        let Some(node) = section.node(check.id) else { continue };
        let reading = reading.key(check.id);
        let mut keys = settings_keys(check);
        keys.push(OVERRIDES);
        let Some(own) = yaml::decode(node, section.place(check.id), &keys, false, &reading, mistakes) else { continue };
        let overrides = own.node("overrides").map(|node| overrides(node, &own, check, mistakes));
        let policy = CheckPolicy { settings: settings(&own, check), overrides: overrides.unwrap_or_default() };
        policies.insert(check.id.to_owned(), policy);
    }
    policies
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
