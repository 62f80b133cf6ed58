//! What the tasks of all receivers share.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::post::Post;
use super::store::Store;
use crate::model::{ReceiverStatus, TimestampMs};

/// The time.
pub type Clock = Arc<dyn Fn() -> TimestampMs + Send + Sync>;

/// Anything up to the number that it is given, that included.
pub type Chance = Arc<dyn Fn(u64) -> u64 + Send + Sync>;

/// See the module.
pub(super) struct Hub {
    posts: Mutex<BTreeMap<String, Arc<Post>>>,
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) chance: Chance,
    pub(super) tracker: TaskTracker,
    pub(super) stop: CancellationToken,
    pub(super) status: watch::Sender<Arc<Vec<ReceiverStatus>>>,
    /// Something could not be written, or another ledger is there.
    pub(super) upkeep: Notify,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("posts", &self.posts).field("store", &self.store).finish_non_exhaustive()
    }
}

impl Hub {
    pub(super) fn new(
        store: Store,
        (clock, chance): (Clock, Chance),
        tracker: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        Self {
            posts: Mutex::default(),
            store,
            clock,
            chance,
            tracker,
            stop,
            status: watch::Sender::new(Arc::default()),
            upkeep: Notify::new(),
        }
    }

    pub(super) fn posts(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Post>>> {
        // a map is whole after every statement
        self.posts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn post(&self, name: &str) -> Option<Arc<Post>> {
        self.posts().get(name).cloned()
    }

    /// Shows how it goes. Also where something is not written yet somebody has to see to it.
    pub(super) fn publish(&self) {
        let posts: Vec<Arc<Post>> = self.posts().values().cloned().collect();
        // computed inside, so that of two that publish at once the later one shows the later state
        self.status.send_modify(|status| *status = Arc::new(posts.iter().map(|post| post.status()).collect()));
        if self.store.is_behind() {
            self.upkeep.notify_one();
        }
    }
}
