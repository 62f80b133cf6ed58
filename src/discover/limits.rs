//! Bounds on what a source may ask for, and the two things that differ from run to run.

use std::fmt;
use std::sync::Arc;

use crate::model::TimestampMs;

/// Bounds of one bucket's traffic, times in ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests under way at once.
    pub in_flight: usize,
    /// To open a TCP connection; the TLS handshake has its own bound in `http_config`.
    pub connect_ms: u64,
    /// Between two pieces of a body.
    pub body_idle_ms: u64,
    /// One attempt as a whole.
    pub request_ms: u64,
    /// Further attempts after the first.
    pub retries: u32,
    /// Upper bound of the first pause; it doubles with every attempt.
    pub backoff_first_ms: u64,
    /// Upper bound of every pause.
    pub backoff_max_ms: u64,
    /// The longest `Retry-After` that is waited for.
    pub retry_after_max_ms: u64,
    /// A request with all of its attempts: none goes on for longer than this after the first began.
    pub retry_total_ms: u64,
    /// The longest body, where the caller gives no bound of its own.
    pub body_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight: 64,
            connect_ms: 10_000,
            body_idle_ms: 30_000,
            request_ms: 180_000,
            retries: 6,
            backoff_first_ms: 200,
            backoff_max_ms: 20_000,
            retry_after_max_ms: 60_000,
            retry_total_ms: 180_000,
            body_bytes: 64 << 20,
        }
    }
}

/// The wall clock and chance, given from outside so that tests decide them.
#[derive(Clone)]
pub struct Ambient {
    now: Arc<dyn Fn() -> TimestampMs + Send + Sync>,
    random: Arc<dyn Fn(u64) -> u64 + Send + Sync>,
}

impl Ambient {
    /// `now` is the machine's clock, also where a scan is judged at another time: skew and signatures rest on it.
    /// `random` gives a number from 0 up to and including its argument.
    pub fn new(
        now: impl Fn() -> TimestampMs + Send + Sync + 'static,
        random: impl Fn(u64) -> u64 + Send + Sync + 'static,
    ) -> Self {
        Self { now: Arc::new(now), random: Arc::new(random) }
    }

    /// The time.
    pub fn now(&self) -> TimestampMs {
        (self.now)()
    }

    /// A number from 0 to `most`, both included.
    pub fn random(&self, most: u64) -> u64 {
        (self.random)(most).min(most)
    }
}

impl fmt::Debug for Ambient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ambient")
    }
}
