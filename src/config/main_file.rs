//! Our own file, from the top.

use std::path::Path;
use std::sync::Arc;

use super::buckets::{self, Defaults};
use super::yaml::{self, Key, Kind, Node, Reading, Table};
use super::{Loader, WebOptions, checks, notify, policy, scrub, service};
use crate::alerting::AlertingPolicy;
use crate::checks::{BucketPolicy, Policy};
use crate::model::{BucketSettings, MetricsSettings, NotifySettings, RuleSettings};

const LATER: &str = "not supported by this version";
const ANY: Kind = Kind::Other("anything");

/// The top level.
pub(super) const TABLE: Table = Table {
    keys: &[
        Key::new(
            "buckets",
            Kind::Sections(&buckets::TABLE),
            "",
            "The buckets to watch. Required, unless `--objstore.config-file` or `--objstore.config` stands instead.",
        ),
        Key::new(
            "retention",
            Kind::Section(&policy::RETENTION),
            "",
            "What the compactors were told. `0s` = for ever; what is absent is unknown, and the checks that need it are silent.",
        ),
        Key::new(
            "retention_by_stream",
            Kind::Sections(&policy::STREAM_RETENTION),
            "",
            "Retention of single tenants or streams; the first that matches counts.",
        ),
        Key::new(
            "streams",
            Kind::Sections(&policy::STREAM),
            "",
            "What is known of producers; of several that match, the first that says something counts.",
        ),
        Key::new("checks", Kind::Other("mapping"), "", "Settings of single checks, by their id."),
        Key::new(
            "endpoints",
            Kind::Sections(&service::ENDPOINT),
            "",
            "The servers beside the buckets, by the `job` under which Prometheus scrapes them: that one is gone is an alert, too.",
        ),
        Key::refused("deviation", ANY, LATER),
        Key::refused("backups", ANY, LATER),
        Key::new("notify", Kind::Section(&notify::TABLE), "", "Who `watch` tells what, when and how."),
        Key::new(
            "scrub",
            Kind::Section(&scrub::TABLE),
            "",
            "How `watch` verifies the content of blocks, again and again.",
        ),
        Key::new("metrics", Kind::Section(&service::METRICS), "", "What `watch` exports of streams."),
        Key::new("web", Kind::Section(&service::WEB), "", "The web server of `watch`. Flags of the command line win."),
    ],
    lenient: false,
};

/// What the file says.
#[derive(Debug, Default)]
pub(super) struct Main {
    /// The buckets with the demands on them; empty where they are not wanted.
    pub(super) buckets: Vec<(BucketSettings, BucketPolicy)>,
    /// For every bucket.
    pub(super) defaults: Defaults,
    /// Demands on streams and settings of checks; those on buckets are beside the buckets.
    pub(super) policy: Policy,
    /// `metrics`
    pub(super) metrics: MetricsSettings,
    /// `web`
    pub(super) web: WebOptions,
    /// `notify`, as far as it decides.
    pub(super) alerting: AlertingPolicy,
    /// `notify`, as far as it is done.
    pub(super) notify: NotifySettings,
    /// What rules are made for.
    pub(super) rules: RuleSettings,
}

/// Lowers the file. Without `with_buckets` its `buckets` are looked through for mistakes and otherwise ignored.
pub(super) fn lower(loader: &mut Loader<'_>, path: &Path, file: &Arc<str>, node: &Node, with_buckets: bool) -> Main {
    let reading = Reading::top(file);
    let Some(top) = yaml::decode(node, node.place, TABLE.keys, TABLE.lenient, &reading, loader.mistakes) else {
        return Main::default();
    };
    let defaults = Defaults {
        retention: policy::retention(top.section("retention")),
        stream_retention: policy::stream_retention(top.sections("retention_by_stream"), loader.mistakes),
    };
    let sections = top.sections("buckets");
    let buckets = if with_buckets {
        if sections.is_empty() && (!top.is_given("buckets") || top.is_empty_list("buckets")) {
            let message = "is missing: name at least one bucket here, or give --objstore.config-file FILE";
            top.mistake(loader.mistakes, "buckets", message);
        }
        buckets::lower(loader, path, sections, &defaults)
    } else {
        for section in sections {
            buckets::demands(loader, section);
        }
        Vec::new()
    };
    let both = (loader.checks, loader.alerts);
    let (checks, alerts) = top.node("checks").map_or_else(Default::default, |node| {
        checks::lower(node, top.place("checks"), &reading.key("checks"), both, loader.mistakes)
    });
    let policy = Policy {
        streams: policy::streams(top.sections("streams"), loader.mistakes),
        checks,
        scrub: scrub::lower(top.section("scrub"), loader.mistakes),
        ..Policy::default()
    };
    let metrics = service::metrics(top.section("metrics"), loader.mistakes);
    let web = service::web(top.section("web"), path, loader.mistakes);
    let (alerting, notify) = notify::lower(top.section("notify"), path, loader.mistakes);
    let rules = RuleSettings {
        alerts,
        stream_labels: metrics.stream_labels.clone(),
        max_streams: metrics.max_streams,
        links: notify.links.clone(),
        ..service::rules(top.section("metrics"), top.sections("endpoints"), loader.mistakes)
    };
    Main { buckets, defaults, policy, metrics, web, alerting, notify, rules }
}
