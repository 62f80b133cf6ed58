//! What may be read per second, over all blocks and buckets. First come, first served: a bucket that asks for much does
//! not hold up one that asks for little by more than one piece.

use std::num::NonZeroU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::Settings;

/// What was not used is kept for so long, so that work in small pieces reaches the full rate.
const KEPT: Duration = Duration::from_millis(250);

/// All budgets.
#[derive(Debug)]
pub(super) struct Budget {
    bytes: Option<Rate>,
    requests: Option<Rate>,
    in_flight: Semaphore,
}

impl Budget {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            bytes: settings.bytes_per_second.map(Rate::new),
            requests: settings.requests_per_second.map(Rate::new),
            in_flight: Semaphore::new(settings.requests_in_flight.max(1)),
        }
    }

    /// Waits until a request for so many bytes may be made. It is under way until the permit is dropped.
    pub(super) async fn request(&self, bytes: u64) -> Option<SemaphorePermit<'_>> {
        let now = Instant::now();
        let turns = [(&self.requests, 1), (&self.bytes, bytes)];
        let turn = turns.into_iter().filter_map(|(rate, amount)| Some(rate.as_ref()?.reserve(now, amount))).max();
        if let Some(turn) = turn.filter(|turn| *turn > now) {
            tokio::time::sleep_until(turn).await;
        }
        // the semaphore is never closed
        self.in_flight.acquire().await.ok()
    }
}

/// So much per second.
#[derive(Debug)]
struct Rate {
    per_second: NonZeroU64,
    /// When what was asked for so far will have been paid; `None` before the first time.
    paid: Mutex<Option<Instant>>,
}

impl Rate {
    const fn new(per_second: NonZeroU64) -> Self {
        Self { per_second, paid: Mutex::new(None) }
    }

    /// When `amount` may be had by who asks `now`. It is taken from then on.
    fn reserve(&self, now: Instant, amount: u64) -> Instant {
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = now.checked_sub(KEPT).unwrap_or(now);
        let turn = paid.map_or(now, |paid| paid.max(oldest));
        // a rate so low that the time cannot be told never comes to its end
        *paid = turn.checked_add(self.cost(amount)).or(Some(turn));
        turn.max(now)
    }

    fn cost(&self, amount: u64) -> Duration {
        let nanos = u128::from(amount).saturating_mul(1_000_000_000) / u128::from(self.per_second.get());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_kept_to_whatever_the_sizes_and_pauses() {
        let begin = Instant::now();
        let ms = Duration::from_millis;
        let rate = Rate::new(NonZeroU64::new(1_000).unwrap());
        // asked at, for how much, may be had at, all in ms
        for (asked, amount, turn) in [
            (0, 500, 0),
            (0, 1, 500),
            (0, 999, 501),
            (100, 10, 1_500),
            (1_600, 0, 1_600),
            // idle for long: no more than 250 ms are kept
            (10_000, 300, 10_000),
            (10_000, 100, 10_050),
            (10_000, 1, 10_150),
        ] {
            let may = rate.reserve(begin + ms(asked), amount);
            assert_eq!(may.duration_since(begin), ms(turn), "{amount} asked for at {asked}");
        }
    }

    #[test]
    fn rates_of_any_size_give_a_time() {
        let now = Instant::now();
        for per_second in [1, u64::MAX] {
            let rate = Rate::new(NonZeroU64::new(per_second).unwrap());
            assert_eq!(rate.reserve(now, u64::MAX), now);
            assert!(rate.reserve(now, 1) >= now);
        }
    }
}
