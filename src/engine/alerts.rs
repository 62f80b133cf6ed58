//! Which alerts there are, by the catalogue and by what was set for them.

use std::collections::BTreeMap;

use super::watch::WATCHDOG_SILENT;
use crate::alerting::Kind;
use crate::catalogue::{Catalogue, Entry};
use crate::model::RuleSettings;

/// The alerts that can be told without Prometheus: those on findings, and the one on a watchdog. They hold and are kept
/// firing for as long as their rules say.
pub(super) fn kinds(catalogue: &Catalogue, settings: &RuleSettings) -> BTreeMap<String, Kind> {
    let is_told = |entry: &&Entry| is_on_check(entry) || entry.id == WATCHDOG_SILENT;
    let kind = |entry: &Entry| {
        let set = settings.alerts.get(&entry.id);
        let kind = Kind {
            name: entry.name.clone(),
            hold_ms: set.and_then(|set| set.hold_ms).unwrap_or_else(|| entry.hold.ms()),
            keep_ms: set.and_then(|set| set.keep_ms).unwrap_or_else(|| entry.keep_firing_for.ms()),
            inhibited_by: entry.inhibited_by.clone(),
        };
        (entry.id.clone(), kind)
    };
    catalogue.entries().filter(is_told).map(kind).collect()
}

fn is_on_check(entry: &Entry) -> bool {
    crate::checks::ALL.iter().any(|check| check.id == entry.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::embedded;
    use crate::model::AlertSettings;

    #[test]
    fn every_check_is_told_for_as_long_as_its_rule_says() {
        let mut settings = RuleSettings::default();
        let set = AlertSettings { hold_ms: Some(7), keep_ms: Some(9), ..AlertSettings::default() };
        settings.alerts.insert("upload_lag".to_owned(), set);
        let catalogue = embedded().unwrap();
        let kinds = kinds(catalogue, &settings);
        for check in crate::checks::ALL {
            let (kind, entry) = (&kinds[check.id], catalogue.entry(check.id).unwrap());
            let expected =
                if check.id == "upload_lag" { (7, 9) } else { (entry.hold.ms(), entry.keep_firing_for.ms()) };
            assert_eq!((kind.hold_ms, kind.keep_ms), expected, "{}", check.id);
            assert_eq!(kind.name, entry.name);
        }
    }
}
