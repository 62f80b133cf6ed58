//! How `watch` shows itself: `metrics` and `web`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::mistake::Mistakes;
use super::yaml::{Key, Kind, Section, Table};
use crate::model::{Component, ComponentSettings, MINUTE_MS, MetricLabel, MetricsSettings, RuleSettings};

/// A series counts for 5 minutes, so rules that are evaluated less often have gaps.
const MAX_RULE_INTERVAL_MS: i64 = 5 * MINUTE_MS;

/// `metrics`
pub(super) const METRICS: Table = Table {
    keys: &[
        Key::new(
            "stream_labels",
            Kind::Texts,
            "",
            "External labels that become labels of all metrics about streams, such as `cluster`, for grouping and routing.",
        ),
        Key::new(
            "max_streams",
            Kind::Integer(0, 100_000),
            "1000",
            "Streams that have series of their own; the others are summed.",
        ),
        Key::new("rules", Kind::Section(&RULES), "", "What `blockwarden rules` makes rules for."),
    ],
    lenient: false,
};

/// `metrics.rules`
pub(super) const RULES: Table = Table {
    keys: &[
        Key::new("job", Kind::Text, "blockwarden", "The label `job` under which Prometheus scrapes Blockwarden."),
        Key::new(
            "window",
            Kind::Duration,
            "10m",
            "How far back rules look, so that a scrape that fails resolves nothing. At least twice the interval.",
        ),
        Key::new("interval", Kind::Duration, "1m", "From one evaluation of the rules to the next, at most 5m."),
    ],
    lenient: false,
};

/// An entry of `endpoints`
pub(super) const ENDPOINT: Table = Table {
    keys: &[
        Key::new("name", Kind::Text, "", "Required; unique."),
        Key::new(
            "component",
            Kind::Choice(&[
                "prometheus",
                "sidecar",
                "compactor",
                "store",
                "query",
                "receive",
                "ruler",
                "replicate",
                "backup",
            ]),
            "",
            "Required: what it is. `backup` is a job that reports `prometheus_backup_*`.",
        ),
        Key::new("job", Kind::Text, "", "Required: the label `job` under which Prometheus scrapes it."),
        Key::refused("url", Kind::Other("anything"), "not supported by this version"),
        Key::refused("tls_config", Kind::Other("anything"), "not supported by this version"),
        Key::refused("basic_auth", Kind::Other("anything"), "not supported by this version"),
    ],
    lenient: false,
};

/// `web`
pub(super) const WEB: Table = Table {
    keys: &[
        Key::new("listen_address", Kind::Text, "127.0.0.1:9798", "As `--web.listen-address`: `host:port` or `:port`."),
        Key::new(
            "config_file",
            Kind::File,
            "",
            "As `--web.config.file`: the exporter toolkit's web configuration, see below. A relative path counts from the folder of this file.",
        ),
    ],
    lenient: false,
};

/// The web server, as far as the file says something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebOptions {
    /// `web.listen_address`
    pub listen_address: Option<String>,
    /// `web.config_file`
    pub config_file: Option<PathBuf>,
}

/// Labels that histograms and Prometheus give, beside those that our own metrics have.
const LABELS_OF_PROMETHEUS: [&str; 4] = ["instance", "job", "le", "quantile"];

/// Lowers `metrics`.
pub(super) fn metrics(section: Option<&Section>, mistakes: &mut Mistakes) -> MetricsSettings {
    const NAME: &str = "stream_labels";
    let mut settings = MetricsSettings::default();
    let Some(section) = section else { return settings };
    let taken = MetricLabel::ALL.iter().map(|label| label.name()).chain(LABELS_OF_PROMETHEUS);
    let mut seen = BTreeSet::new();
    for label in section.texts(NAME).unwrap_or_default() {
        if !is_label_name(label) {
            section.mistake(mistakes, NAME, "expected names of labels: letters, digits and `_`, no digit first");
        } else if let Some(taken) = taken.clone().find(|taken| taken == label) {
            section.mistake(mistakes, NAME, format!("`{taken}` is a label that the metrics have already"));
        } else if !seen.insert(label) {
            section.mistake(mistakes, NAME, "names a label twice");
        }
        settings.stream_labels.push(label.clone());
    }
    if let Some(max) = section.integer("max_streams").and_then(|max| usize::try_from(max).ok()) {
        settings.max_streams = max;
    }
    settings
}

/// A name that may be exported; those with two underscores in front belong to Prometheus.
fn is_label_name(name: &str) -> bool {
    let is_word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_word && !name.is_empty() && !name.starts_with(|first: char| first.is_ascii_digit()) && !name.starts_with("__")
}

/// Lowers `metrics.rules` and `endpoints`.
pub(super) fn rules(metrics: Option<&Section>, endpoints: &[Section], mistakes: &mut Mistakes) -> RuleSettings {
    let mut settings = RuleSettings::default();
    if let Some(section) = metrics.and_then(|metrics| metrics.section("rules")) {
        if !section.text("job").is_empty() {
            settings.job = section.text("job");
        }
        settings.window_ms = section.ms("window").unwrap_or(settings.window_ms);
        settings.interval_ms = section.ms("interval").unwrap_or(settings.interval_ms);
        if !(1..=MAX_RULE_INTERVAL_MS).contains(&settings.interval_ms) {
            section.mistake(
                mistakes,
                "interval",
                "expected more than 0s and at most 5m, after which Prometheus forgets",
            );
        } else if settings.window_ms < settings.interval_ms.saturating_mul(2) {
            section.mistake(mistakes, "window", "expected at least twice the interval");
        }
    }
    let mut names = BTreeSet::new();
    for section in endpoints {
        for (key, what) in [("name", "a name"), ("component", "what it is"), ("job", "its label `job`")] {
            section.require(mistakes, key, what);
        }
        if section.is_given("name") && !names.insert(section.text("name")) {
            section.mistake(mistakes, "name", "is the name of another endpoint");
        }
        if let Some(component) = Component::from_name(&section.text("component")) {
            settings.components.push(ComponentSettings { component, job: section.text("job") });
        }
    }
    settings
}

/// Lowers `web`. `main` is the path of the file that it is in.
pub(super) fn web(section: Option<&Section>, main: &Path, mistakes: &mut Mistakes) -> WebOptions {
    let Some(section) = section else { return WebOptions::default() };
    let given = |name: &str| Some(section.text(name)).filter(|text| !text.is_empty());
    let listen_address = given("listen_address");
    let port = |address: &String| address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if listen_address.as_ref().is_some_and(|address| !port(address)) {
        section.mistake(mistakes, "listen_address", "expected host:port, [IPv6]:port or :port");
    }
    let folder = main.parent().unwrap_or(Path::new(""));
    WebOptions { listen_address, config_file: given("config_file").map(|file| folder.join(file)) }
}
