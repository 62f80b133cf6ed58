//! The connections that are open, with a bound. Where there are too many, the one that has been quiet longest goes:
//! half-open ones fill no place that somebody else needs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Traffic;
use super::activity::Activity;

/// All connections.
#[derive(Debug)]
pub(super) struct Connections {
    limit: usize,
    traffic: Arc<Traffic>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    by_number: BTreeMap<u64, (Arc<Activity>, CancellationToken)>,
}

/// A place among the connections; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    all: Arc<Connections>,
    /// What the connection does.
    pub(super) activity: Arc<Activity>,
    /// The place is needed by another one.
    pub(super) evicted: CancellationToken,
}

impl Connections {
    pub(super) fn new(limit: usize, traffic: Arc<Traffic>) -> Arc<Self> {
        Arc::new(Self { limit, traffic, open: Mutex::default() })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more; `None` where all others are being answered.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Place> {
        let mut open = self.open();
        if open.by_number.len() >= self.limit && !open.evict() {
            self.traffic.refused();
            return None;
        }
        let number = open.next;
        open.next = number.wrapping_add(1);
        let activity = Arc::new(Activity::new(Instant::now()));
        let evicted = CancellationToken::new();
        open.by_number.insert(number, (Arc::clone(&activity), evicted.clone()));
        self.traffic.opened();
        Some(Place { number, all: Arc::clone(self), activity, evicted })
    }

    /// Sends the one away that has been quiet longest, if there is one.
    pub(super) fn make_room(&self) {
        self.open().evict();
    }
}

impl Open {
    fn evict(&mut self) -> bool {
        let quiet =
            self.by_number.iter().filter_map(|(number, (activity, _))| Some((activity.quiet_since()?, *number)));
        let Some((_, oldest)) = quiet.min() else { return false };
        if let Some((_, evicted)) = self.by_number.remove(&oldest) {
            evicted.cancel();
        }
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.all.open().by_number.remove(&self.number);
        self.all.traffic.closed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quietest_gives_way_and_the_busy_do_not() {
        let traffic = Arc::new(Traffic::default());
        let connections = Connections::new(2, Arc::clone(&traffic));
        let first = connections.enter().unwrap();
        let second = connections.enter().unwrap();
        second.activity.established(Instant::now() + std::time::Duration::from_secs(1));
        let third = connections.enter().unwrap();
        assert!(first.evicted.is_cancelled() && !second.evicted.is_cancelled());
        // until it is gone it is open, but it takes nobody's place
        assert_eq!(traffic.open_connections(), 3);
        drop(first);
        second.activity.request(Instant::now());
        third.activity.request(Instant::now());
        assert!(connections.enter().is_none());
        assert_eq!((traffic.open_connections(), traffic.refused_connections()), (2, 1));
        drop(second);
        assert!(connections.enter().is_some());
        assert!(!third.evicted.is_cancelled());
    }
}
