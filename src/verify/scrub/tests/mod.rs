//! The schedule as a whole: single cases, and a year of a bucket in which everything happens.

mod cases;
mod cost;
mod year;

use std::sync::Arc;

use jiff::tz::TimeZone;
use ulid::Ulid;

use super::*;
use crate::model::{
    DAY_MS, HOUR_MS, Level, Outlook, ScrubSettings, TimestampMs, VERIFIER_VERSION, Verdict, Verification, Window,
};

/// 2026-01-01T00:00:00Z
const BEGIN: TimestampMs = TimestampMs(1_767_225_600_000);

fn settings(interval_days: i64, window: &str) -> ScrubSettings {
    ScrubSettings {
        interval_ms: interval_days * DAY_MS,
        max_bytes_per_second: None,
        window: if window.is_empty() { Window::default() } else { Window::parse(window, TimeZone::UTC).unwrap() },
        ..ScrubSettings::default()
    }
}

fn hours(hours: i64) -> TimestampMs {
    BEGIN.plus(hours * HOUR_MS)
}

/// Complete since `written`, and first seen by a scrub that began with the test.
fn block(number: u128, bytes: u64, written: TimestampMs) -> Block {
    Block {
        ulid: Ulid::from_parts(0, number),
        identity: 1,
        bytes,
        written,
        seen: written.max(BEGIN),
        ready: Some(written),
        leaves: None,
        copied_until: None,
        done: None,
        failed: None,
    }
}

fn shown(block: &Block, verdict: Verdict, at: TimestampMs) -> Verification {
    Verification {
        at,
        level: Level::Full,
        version: VERIFIER_VERSION,
        verdict,
        bytes: block.bytes,
        samples: 0,
        identity: block.identity,
        problems: Vec::new(),
        why: None,
        compared: true,
    }
}

fn bucket(name: &str) -> Arc<str> {
    name.into()
}
