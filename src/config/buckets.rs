//! Demands on buckets: an item of `buckets`, and what the top level says for all of them.

use std::path::Path;
use std::sync::Arc;

use super::yaml::{Key, Kind, Section, Table};
use super::{Loader, Reading, objstore, policy};
use crate::checks::{BucketPolicy, Retention};
use crate::model::{BucketSettings, SECOND_MS, Selector};

/// An item of `buckets`
pub(super) const TABLE: Table = Table {
    keys: &[
        Key::new(
            "name",
            Kind::Text,
            "that of the bucket, container or directory",
            "The name in output. Has to be unique.",
        ),
        Key::new(
            "objstore_config_file",
            Kind::File,
            "",
            "Thanos' file, as it is. A relative path counts from the folder of this file. Either this or `objstore_config`.",
        ),
        Key::new("objstore_config", Kind::Other("mapping"), "", "The content of such a file."),
        Key::new("interval", Kind::Interval, "5m", "Time between two passes of `watch`; from `1s`."),
        Key::new("scrub", Kind::Flag, "true", "Whether the scrub verifies its blocks."),
        Key::new("new", Kind::Flag, "false", "The bucket may be empty."),
        Key::new("delete_delay", Kind::Duration, "48h", "The compactor's `--delete-delay`."),
        Key::new("consistency_delay", Kind::Duration, "30m", "The compactor's `--consistency-delay`."),
        Key::new(
            "replica_labels",
            Kind::Texts,
            "[replica, prometheus_replica, rule_replica, thanos_ruler_replica, receive_replica, __replica__]",
            "Labels that only tell replicas apart.",
        ),
        Key::new(
            "vertical_compaction",
            Kind::Flag,
            "",
            "Whether the compactor merges overlapping blocks. Without it, what is seen counts.",
        ),
        Key::new(
            "retention",
            Kind::Section(&policy::RETENTION),
            "",
            "As at the top level, whose values hold where this says nothing.",
        ),
        Key::new(
            "retention_by_stream",
            Kind::Sections(&policy::STREAM_RETENTION),
            "",
            "As at the top level, before whose items these are tried.",
        ),
    ],
    lenient: false,
};

/// What the top level says for all buckets.
#[derive(Debug, Default)]
pub(super) struct Defaults {
    /// `retention`
    pub(super) retention: Retention,
    /// `retention_by_stream`
    pub(super) stream_retention: Vec<(Selector, Retention)>,
}

impl Defaults {
    /// A bucket about which nothing else is said.
    pub(super) fn bucket(&self, settings: BucketSettings) -> (BucketSettings, BucketPolicy) {
        (settings, self.policy(BucketPolicy::default()))
    }

    /// The bucket's own demands, completed.
    fn policy(&self, mut own: BucketPolicy) -> BucketPolicy {
        own.retention = policy::over(own.retention, self.retention);
        own.stream_retention.extend(self.stream_retention.iter().cloned());
        for (_, retention) in &mut own.stream_retention {
            *retention = policy::over(*retention, own.retention);
        }
        own
    }
}

/// Lowers `buckets`. `main` is the path of the file that they are in.
pub(super) fn lower(
    loader: &mut Loader<'_>,
    main: &Path,
    sections: &[Section],
    defaults: &Defaults,
) -> Vec<(BucketSettings, BucketPolicy)> {
    let mut buckets: Vec<(BucketSettings, BucketPolicy)> = Vec::new();
    for section in sections {
        let own = defaults.policy(demands(loader, section));
        let Some(mut settings) = settings(loader, main, section) else { continue };
        if section.is_given("name") {
            settings.name = Arc::from(section.text("name"));
        }
        report_twins(loader, section, &settings, &buckets);
        buckets.push((settings, own));
    }
    buckets
}

/// Where an item's bucket is.
fn settings(loader: &mut Loader<'_>, main: &Path, section: &Section) -> Option<BucketSettings> {
    let (file, inline) = ("objstore_config_file", "objstore_config");
    match (section.is_given(file), section.is_given(inline)) {
        (true, true) => {
            section.mistake(loader.mistakes, inline, "excludes objstore_config_file: give one of them");
            None
        }
        (false, false) => {
            section.mistake(
                loader.mistakes,
                file,
                "is missing: name a Thanos objstore.config file, or give objstore_config",
            );
            None
        }
        (false, true) => {
            let node = section.node(inline)?;
            objstore::lower(node, section.place(inline), &section.reading().key(inline), loader.mistakes)
        }
        (true, false) => {
            let path = section.text(file);
            if path.is_empty() {
                return None;
            }
            let path = main.parent().unwrap_or(Path::new("")).join(path);
            match super::files::read_bytes(&path) {
                Ok(bytes) => {
                    let (name, node) = loader.parse(Arc::from(path.to_string_lossy().as_ref()), &bytes)?;
                    objstore::lower(&node, node.place, &Reading::top(&name), loader.mistakes)
                }
                Err(reason) => {
                    let message = format!("{} cannot be read: {reason}", path.display());
                    section.mistake(loader.mistakes, file, message);
                    None
                }
            }
        }
    }
}

/// What an item demands.
pub(super) fn demands(loader: &mut Loader<'_>, section: &Section) -> BucketPolicy {
    let defaults = BucketPolicy::default();
    if section.ms("interval").is_some_and(|ms| ms < SECOND_MS) {
        section.mistake(loader.mistakes, "interval", "expected at least 1s");
    }
    if section.text("name").contains(char::is_control) {
        section.mistake(loader.mistakes, "name", "expected text without control characters");
    }
    BucketPolicy {
        interval_ms: section.ms("interval").unwrap_or(defaults.interval_ms),
        scrub: section.flag("scrub").unwrap_or(defaults.scrub),
        new: section.flag("new").unwrap_or(defaults.new),
        delete_delay_ms: section.ms("delete_delay").unwrap_or(defaults.delete_delay_ms),
        consistency_delay_ms: section.ms("consistency_delay").unwrap_or(defaults.consistency_delay_ms),
        replica_labels: section.texts("replica_labels").map_or(defaults.replica_labels, <[String]>::to_vec),
        vertical_compaction: section.flag("vertical_compaction"),
        retention: policy::retention(section.section("retention")),
        stream_retention: policy::stream_retention(section.sections("retention_by_stream"), loader.mistakes),
    }
}

/// Two buckets of one name would be one in output; two of one location would be counted twice.
fn report_twins(
    loader: &mut Loader<'_>,
    section: &Section,
    settings: &BucketSettings,
    others: &[(BucketSettings, BucketPolicy)],
) {
    // one whose name or location is wrong or not known is like no other
    if settings.name.is_empty() {
        return;
    }
    if others.iter().any(|(other, _)| other.ledger_key() == settings.ledger_key()) {
        section.mistake(loader.mistakes, "", "is the same location as an earlier bucket");
    } else if others.iter().any(|(other, _)| other.name == settings.name) {
        section.mistake(loader.mistakes, "name", "is the same as that of an earlier bucket: give each its own name");
    }
}
