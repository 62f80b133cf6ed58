//! The one reader of the clock, and of chance. Everything else takes them as parameters.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::discover::Ambient;
use crate::model::TimestampMs;

/// What a program that runs for real gives its sources: this clock, and chance that differs from run to run.
pub fn ambient() -> Ambient {
    Ambient::new(now, |most| rand::random_range(0..=most))
}

/// Now.
pub fn now() -> TimestampMs {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
    let now = SystemTime::now();
    let ms = |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    match now.duration_since(UNIX_EPOCH) {
        Ok(after) => TimestampMs(ms(after)),
        Err(before) => TimestampMs(ms(before.duration()).saturating_neg()),
    }
}
