//! How `watch` shows itself: `metrics` and `web`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::mistake::Mistakes;
use super::yaml::{Key, Kind, Section, Table};
use crate::model::{MetricLabel, MetricsSettings};

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
