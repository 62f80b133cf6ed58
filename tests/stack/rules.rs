//! The alerts of the project, for the estate's Prometheus.

use blockwarden::catalogue::{self, RuleFormat, RuleTarget};
use blockwarden::model::RuleSettings;

/// All rules as a user loads them, but without their patience: they neither hold, nor keep firing, nor look back over
/// minutes that a test would have to wait for.
pub(crate) fn impatient() -> String {
    let catalogue = catalogue::embedded().unwrap();
    let settings = RuleSettings::default();
    let rules = catalogue::rule_document(catalogue, &settings, RuleFormat::Prometheus, RuleTarget::V3).unwrap();
    assert!(rules.contains("[10m]"), "the rules look back over another time");
    let rules = rules.replace("[10m]", "[3s]");
    rules.lines().fold(String::new(), |text, line| {
        let key = line.split_once(':').map_or(line, |(key, _)| key);
        let patient = ["for", "keep_firing_for"].contains(&key.trim());
        text + &if patient { format!("{key}: 0s\n") } else { format!("{line}\n") }
    })
}
