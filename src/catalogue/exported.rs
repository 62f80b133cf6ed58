//! What each component exports: the metrics and labels that an alert on it may name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use crate::model::{Component, Metric, MetricKind, MetricLabel};

/// Component, kind, name and labels of one metric a line.
const TEXT: &str = include_str!("exported.txt");

/// What Prometheus adds to everything that it scrapes.
const TARGET_LABELS: [&str; 2] = ["job", "instance"];

/// What most set-ups in Kubernetes add as well. Elsewhere they are missing, and aggregating by them changes nothing.
pub(super) const KUBERNETES_LABELS: [&str; 2] = ["namespace", "pod"];

/// What Prometheus itself knows of each target.
const OF_TARGETS: [&str; 6] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_post_metric_relabeling",
    "scrape_samples_scraped",
    "scrape_series_added",
    "scrape_timeout_seconds",
];

/// What our process collector exports.
const OF_PROCESSES: [(&str, &str); 7] = [
    ("counter", "process_cpu_seconds_total"),
    ("gauge", "process_open_fds"),
    ("gauge", "process_max_fds"),
    ("gauge", "process_virtual_memory_bytes"),
    ("gauge", "process_resident_memory_bytes"),
    ("gauge", "process_start_time_seconds"),
    ("gauge", "process_threads"),
];

/// Labels by the name of the series, by component.
static SERIES: LazyLock<BTreeMap<Component, BTreeMap<String, BTreeSet<&'static str>>>> = LazyLock::new(|| {
    let mut all: BTreeMap<Component, BTreeMap<String, BTreeSet<&'static str>>> = BTreeMap::new();
    for line in TEXT.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split(' ');
        let (Some(component), Some(kind), Some(name)) =
            (words.next().and_then(Component::from_name), words.next(), words.next())
        else {
            continue;
        };
        add(all.entry(component).or_default(), kind, name, &words.collect::<Vec<_>>());
    }
    let own = all.entry(Component::Own).or_default();
    for metric in Metric::ALL {
        let labels: Vec<_> = metric
            .labels()
            .iter()
            .filter(|label| **label != MetricLabel::StreamLabels)
            .map(|label| label.name())
            .collect();
        let kind = if metric.kind() == MetricKind::Histogram { "histogram" } else { "gauge" };
        add(own, kind, metric.name(), &labels);
    }
    for (kind, name) in OF_PROCESSES {
        add(own, kind, name, &[]);
    }
    for component in Component::ALL {
        for name in OF_TARGETS {
            add(all.entry(component).or_default(), "gauge", name, &[]);
        }
    }
    all
});

fn add(series: &mut BTreeMap<String, BTreeSet<&'static str>>, kind: &str, name: &str, labels: &[&'static str]) {
    let parts: &[(&str, Option<&'static str>)] = match kind {
        "histogram" => &[("_bucket", Some("le")), ("_sum", None), ("_count", None)],
        "summary" => &[("", Some("quantile")), ("_sum", None), ("_count", None)],
        _ => &[("", None)],
    };
    for (suffix, extra) in parts {
        let all = series.entry(format!("{name}{suffix}")).or_default();
        all.extend(TARGET_LABELS.iter().chain(labels).chain(extra));
    }
}

/// The labels of the series of this name that the component exports; `None` if it exports none.
pub(super) fn labels_of(component: Component, name: &str) -> Option<&'static BTreeSet<&'static str>> {
    SERIES.get(&component)?.get(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_understood() {
        for line in TEXT.lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<&str> = line.split(' ').collect();
            assert!(Component::from_name(words[0]).is_some(), "{line}");
            assert!(["gauge", "counter", "histogram", "summary"].contains(&words[1]), "{line}");
            let is_name = |word: &str| word.bytes().all(|byte| byte.is_ascii_lowercase() || b"_1024".contains(&byte));
            assert!(words.len() >= 3 && words[2..].iter().all(|word| is_name(word)), "{line}");
        }
    }

    #[test]
    fn series_and_their_labels_are_known() {
        let labels =
            |component, name| labels_of(component, name).map(|labels| labels.iter().copied().collect::<Vec<_>>());
        for (component, name, expected) in [
            (Component::Compactor, "thanos_compact_halted", Some(vec!["instance", "job"])),
            (Component::Sidecar, "thanos_compact_halted", None),
            (
                Component::Replicate,
                "thanos_replicate_replication_run_duration_seconds_bucket",
                Some(vec!["instance", "job", "le", "result"]),
            ),
            (Component::Own, "blockwarden_scans_total", Some(vec!["bucket", "instance", "job", "result"])),
            (Component::Own, "blockwarden_scan_duration_seconds", None),
            (Component::Backup, "up", Some(vec!["instance", "job"])),
            (
                Component::Prometheus,
                "prometheus_target_interval_length_seconds",
                Some(vec!["instance", "interval", "job", "quantile"]),
            ),
        ] {
            assert_eq!(labels(component, name), expected, "{name}");
        }
    }
}
