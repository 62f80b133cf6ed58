//! How much was asked, and what was answered. Labels are bounded: a request counts for one of a few handlers, and a
//! code that no handler is known to give counts as `other`.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handler {
    /// The page with the links.
    Home,
    /// `/-/healthy`
    Healthy,
    /// `/-/ready`
    Ready,
    /// `/-/reload`
    Reload,
    /// `/metrics`
    Metrics,
    /// Everything under `/api/`
    Api,
    /// A path that does not exist.
    Unknown,
}

impl Handler {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Home, Self::Healthy, Self::Ready, Self::Reload, Self::Metrics, Self::Api, Self::Unknown];

    /// The one of a path.
    pub fn of(path: &str) -> Self {
        match path {
            "/" => Self::Home,
            "/-/healthy" => Self::Healthy,
            "/-/ready" => Self::Ready,
            "/-/reload" => Self::Reload,
            "/metrics" => Self::Metrics,
            path if path.starts_with("/api/") => Self::Api,
            _ => Self::Unknown,
        }
    }

    /// The value of the label `handler`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Home => "/",
            Self::Healthy => "/-/healthy",
            Self::Ready => "/-/ready",
            Self::Reload => "/-/reload",
            Self::Metrics => "/metrics",
            Self::Api => "/api",
            Self::Unknown => "unknown",
        }
    }
}

/// The values of the label `code`.
const CODES: [&str; 11] = ["200", "304", "400", "401", "403", "404", "405", "413", "429", "500", "503"];
const OTHER: &str = "other";
const CELLS: usize = Handler::ALL.len() * (CODES.len() + 1);

/// Counts of requests and connections.
#[derive(Debug)]
pub struct Traffic {
    requests: [AtomicU64; CELLS],
    open: AtomicU64,
    refused: AtomicU64,
}

impl Default for Traffic {
    fn default() -> Self {
        Self { requests: [const { AtomicU64::new(0) }; CELLS], open: AtomicU64::new(0), refused: AtomicU64::new(0) }
    }
}

impl Traffic {
    /// Counts a request that was answered.
    pub fn answered(&self, handler: Handler, code: u16) {
        let text = code.to_string();
        let handlers = Handler::ALL.iter().position(|known| *known == handler).unwrap_or(Handler::ALL.len() - 1);
        let codes = CODES.iter().position(|known| *known == text).unwrap_or(CODES.len());
        if let Some(cell) = self.requests.get(handlers * (CODES.len() + 1) + codes) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Requests so far by the labels `handler` and `code`; every combination, from 0.
    pub fn requests(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> + '_ {
        let labels = Handler::ALL
            .into_iter()
            .flat_map(|handler| CODES.into_iter().chain([OTHER]).map(move |code| (handler.name(), code)));
        labels.zip(&self.requests).map(|((handler, code), count)| (handler, code, count.load(Ordering::Relaxed)))
    }

    /// Connections that are open now.
    pub fn open_connections(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Connections that were turned away so far, because there were too many.
    pub fn refused_connections(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    pub(super) fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_starts_at_zero_and_strangers_count_as_other() {
        let traffic = Traffic::default();
        assert_eq!(traffic.requests().count(), CELLS);
        assert!(traffic.requests().all(|(.., count)| count == 0));
        traffic.answered(Handler::of("/metrics"), 200);
        traffic.answered(Handler::of("/metrics"), 200);
        traffic.answered(Handler::of("/api/v1/status"), 304);
        traffic.answered(Handler::of("/wp-login.php"), 418);
        let counted: Vec<_> = traffic.requests().filter(|(.., count)| *count > 0).collect();
        assert_eq!(counted, [("/metrics", "200", 2), ("/api", "304", 1), ("unknown", "other", 1)]);
    }
}
