//! Demands on streams and on retention: `streams`, `retention`, `retention_by_stream`.

use super::mistake::Mistakes;
use super::yaml::{Key, Kind, Section, Table};
use crate::checks::{Retention, StreamPolicy};
use crate::model::Selector;

/// `retention`
pub(super) const RETENTION: Table = Table {
    keys: &[
        Key::new("raw", Kind::Duration, "", "The compactor's `--retention.resolution-raw`."),
        Key::new("5m", Kind::Duration, "", "The compactor's `--retention.resolution-5m`."),
        Key::new("1h", Kind::Duration, "", "The compactor's `--retention.resolution-1h`."),
    ],
    lenient: false,
};

/// An item of `retention_by_stream`
pub(super) const STREAM_RETENTION: Table = Table {
    keys: &[
        Key::new("match", Kind::Selector, "", "Required: which streams, such as `'{tenant_id=\"x\"}'`."),
        Key::new("raw", Kind::Duration, "that of the bucket", "Retention of raw blocks."),
        Key::new("5m", Kind::Duration, "that of the bucket", "Retention of blocks with a resolution of 5 minutes."),
        Key::new("1h", Kind::Duration, "that of the bucket", "Retention of blocks with a resolution of 1 hour."),
    ],
    lenient: false,
};

/// An item of `streams`
pub(super) const STREAM: Table = Table {
    keys: &[
        Key::new("match", Kind::Selector, "", "Required: which streams, such as `'{cluster=\"eu1\"}'`."),
        Key::new("expected", Kind::Flag, "false", "There has to be such a stream, and it has to stay fresh."),
        Key::new(
            "local_retention",
            Kind::Duration,
            "",
            "The producer's `--storage.tsdb.retention.time`: how long what was not uploaded can still be saved.",
        ),
        Key::new(
            "retire_after",
            Kind::Duration,
            "14d",
            "After this long without new data a stream counts as given up.",
        ),
        Key::new(
            "block_range",
            Kind::Duration,
            "",
            "The producer's `--storage.tsdb.min-block-duration`. Without it, it is taken from the blocks.",
        ),
    ],
    lenient: false,
};

/// Lowers `retention`; nothing declared where there is none.
pub(super) fn retention(section: Option<&Section>) -> Retention {
    section.map_or_else(Retention::default, |section| Retention {
        raw: section.ms("raw"),
        five_minutes: section.ms("5m"),
        one_hour: section.ms("1h"),
    })
}

/// `retention`, where it says nothing what `general` says.
pub(super) const fn over(retention: Retention, general: Retention) -> Retention {
    const fn first(one: Option<i64>, other: Option<i64>) -> Option<i64> {
        if one.is_some() { one } else { other }
    }
    Retention {
        raw: first(retention.raw, general.raw),
        five_minutes: first(retention.five_minutes, general.five_minutes),
        one_hour: first(retention.one_hour, general.one_hour),
    }
}

/// Lowers `retention_by_stream`.
pub(super) fn stream_retention(sections: &[Section], mistakes: &mut Mistakes) -> Vec<(Selector, Retention)> {
    let lowered = sections.iter().filter_map(|section| {
        require_match(section, mistakes);
        if !["raw", "5m", "1h"].iter().any(|name| section.is_given(name)) {
            section.mistake(mistakes, "", "says nothing: give raw, 5m or 1h");
        }
        Some((section.selector("match")?.clone(), retention(Some(section))))
    });
    lowered.collect()
}

/// Lowers `streams`.
pub(super) fn streams(sections: &[Section], mistakes: &mut Mistakes) -> Vec<StreamPolicy> {
    let lowered = sections.iter().filter_map(|section| {
        require_match(section, mistakes);
        for name in ["local_retention", "retire_after", "block_range"] {
            if section.ms(name) == Some(0) {
                section.mistake(mistakes, name, "expected a duration above zero");
            }
        }
        Some(StreamPolicy {
            selector: section.selector("match")?.clone(),
            expected: section.flag("expected").unwrap_or_default(),
            local_retention_ms: section.ms("local_retention"),
            retire_after_ms: section.ms("retire_after"),
            block_range_ms: section.ms("block_range"),
        })
    });
    lowered.collect()
}

/// Notes a mistake where an item does not say which streams it means.
pub(super) fn require_match(section: &Section, mistakes: &mut Mistakes) {
    section.require(mistakes, "match", "say which streams, such as {cluster=\"eu1\"} in quotes");
}
