//! The one reader of the clock. Everything else takes the time as a parameter.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::model::TimestampMs;

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
