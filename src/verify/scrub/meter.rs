//! How fast blocks are read, as far as that has been seen.

use crate::model::{HOUR_MS, SECOND_MS, TimestampMs};

/// Bytes over the time in which anything was read. What was long ago counts less and less.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Meter {
    bytes: u64,
    busy_ms: i64,
    /// Something is being read, and this has counted until then.
    busy_until: Option<TimestampMs>,
}

/// Less says nothing.
const ENOUGH_MS: i64 = 10 * SECOND_MS;

impl Meter {
    /// Another block is read from now on.
    pub(super) fn began(&mut self, now: TimestampMs) {
        self.busy_until.get_or_insert(now);
    }

    /// A block was read; `more`: others are still being read.
    pub(super) fn ended(&mut self, bytes: u64, more: bool, now: TimestampMs) {
        let since = self.busy_until.map_or(0, |until| now.since(until).max(0));
        self.busy_ms = self.busy_ms.saturating_add(since);
        self.bytes = self.bytes.saturating_add(bytes);
        self.busy_until = more.then_some(now);
        if self.busy_ms > HOUR_MS {
            self.busy_ms /= 2;
            self.bytes /= 2;
        }
    }

    /// Bytes per second; `None` where too little was read.
    pub(super) fn rate(&self) -> Option<u64> {
        let busy_ms = u64::try_from(self.busy_ms).unwrap_or_default();
        (self.busy_ms >= ENOUGH_MS).then(|| self.bytes.saturating_mul(1_000) / busy_ms.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_time_in_which_something_is_read_counts() {
        let at = |seconds: i64| TimestampMs(seconds * SECOND_MS);
        let mut meter = Meter::default();
        meter.began(at(0));
        meter.ended(5_000, false, at(5));
        assert_eq!(meter.rate(), None);
        meter.began(at(100));
        meter.began(at(102));
        meter.ended(10_000, true, at(105));
        assert_eq!(meter.rate(), Some(1_500));
        meter.ended(5_000, false, at(110));
        assert_eq!(meter.rate(), Some(20_000 / 15));
        // a clock that is set back takes nothing away
        meter.began(at(50));
        meter.ended(0, false, at(40));
        assert_eq!(meter.rate(), Some(20_000 / 15));
        // it becomes slow: after some hours it is known as slow
        for hour in 1..8 {
            meter.began(at(hour * 3_600));
            meter.ended(3_600_000, false, at(hour * 3_600 + 3_600));
        }
        assert!((1_000..1_100).contains(&meter.rate().unwrap()), "{meter:?}");
    }
}
