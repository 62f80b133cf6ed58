//! Brings what the outbox holds to its receivers: in order, not too fast, again and again until it is taken or its time is
//! over, and then to the fallback.
//!
//! - `planner` decides what is sent next. It is pure, and so are `coalesce`, `digest` and `terms`, which it uses.
//! - `post` is the task of one receiver: it waits, sends, and writes down what became of it. No receiver waits for
//!   another one.
//! - `store` is the outbox, or the memory that stands in for it while the ledger fails.
//!
//! Nothing here blocks whoever hands rows in.

mod coalesce;
mod digest;
mod hub;
mod planner;
mod post;
mod store;
mod terms;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::digest::DIGEST_LANE;
use self::hub::Hub;
pub use self::hub::{Chance, Clock};
use self::post::Post;
use self::store::{Change, Store};
use self::terms::Terms;
use super::Sender;
use crate::ledger::{LedgerError, Outbox, ReceiverRecord, Unsent};
use crate::model::{OutboxRow, ReceiverSettings, ReceiverStatus};

/// While the ledger fails it is tried this often.
const UPKEEP: Duration = Duration::from_mins(1);

/// See the module. Clones are the same delivery.
#[derive(Clone, Debug)]
pub struct Delivery {
    hub: Arc<Hub>,
}

impl Delivery {
    /// Begins to deliver: first what `outbox` still holds, then what comes. `tracker` holds all tasks; after `stop` no
    /// message is begun, and the tasks end once those that are on their way are over. Until then the ledger of the
    /// outbox has to be kept.
    pub fn start(
        mut outbox: Outbox,
        receivers: Vec<(ReceiverSettings, Arc<dyn Sender>)>,
        clock: Clock,
        chance: Chance,
        tracker: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let records = outbox.receiver_statuses().unwrap_or_default();
        let unsent = outbox.recover(DIGEST_LANE);
        let store = Store::new(outbox, tracker.clone());
        let delivery = Self { hub: Arc::new(Hub::new(store, (clock, chance), tracker, stop)) };
        for (settings, sender) in receivers {
            let record = records.get(&settings.name).cloned().unwrap_or_default();
            delivery.open(settings, sender, record);
        }
        let is_recovered = match unsent {
            Ok(unsent) => {
                delivery.take_over(unsent);
                true
            }
            Err(_) => false,
        };
        delivery.hub.tracker.spawn(upkeep(delivery.clone(), is_recovered));
        delivery.hub.publish();
        delivery
    }

    /// Takes rows that were decided, in their order. `committed`: they are in the ledger. Those that are not are sent
    /// all the same, say that they may be repeats, and come into the ledger once that is possible: whoever failed to
    /// commit them need not commit them again. Does not wait.
    pub fn deliver(&self, rows: Vec<OutboxRow>, committed: bool) {
        if rows.is_empty() {
            return;
        }
        let rows: Vec<OutboxRow> =
            rows.into_iter().map(|row| OutboxRow { uncertain: row.uncertain || !committed, ..row }).collect();
        if !committed {
            self.hub.store.change_later(Change::Insert { rows: rows.clone() }, (self.hub.clock)());
        }
        self.hand_out(rows);
        self.hub.publish();
    }

    /// From here on these are the receivers. One that is the same goes on as it is; what waits for one that is gone,
    /// or for a recipient that is, is given up, and the fallback gets it. Does not wait.
    pub fn replace(&self, receivers: Vec<(ReceiverSettings, Arc<dyn Sender>)>) {
        let names: BTreeSet<String> = receivers.iter().map(|(settings, _)| settings.name.clone()).collect();
        let mut gone: Vec<Arc<Post>> = Vec::new();
        self.hub.posts().retain(|name, post| {
            let stays = names.contains(name);
            if !stays {
                gone.push(Arc::clone(post));
            }
            stays
        });
        for (settings, sender) in receivers {
            let Some(post) = self.hub.post(&settings.name) else {
                self.open(settings, sender, ReceiverRecord::default());
                continue;
            };
            let mut state = post.state();
            // whoever reads the configuration again has mended something
            state.planner.try_again();
            if state.settings != settings {
                state.planner.change_terms(Terms::of(&settings));
                state.sender = sender;
                state.settings = settings;
            }
            drop(state);
            post.wake.notify_one();
        }
        for post in gone {
            post.state().planner.is_closed = true;
            post.wake.notify_one();
        }
        self.hub.publish();
    }

    /// From here on notifications are kept in this outbox: the ledger is another one. What it holds from before is
    /// sent, and what waits here is put into it.
    pub async fn attach(&self, outbox: Outbox) {
        self.hub.store.attach(outbox).await;
        let posts: Vec<Arc<Post>> = self.hub.posts().values().cloned().collect();
        let rows = posts.iter().flat_map(|post| post.state().planner.waiting()).collect();
        self.hub.store.change_later(Change::Insert { rows }, (self.hub.clock)());
        self.recover().await.unwrap_or_default();
        self.hub.publish();
    }

    /// How it goes with every receiver, in the order of their names.
    pub fn status(&self) -> watch::Receiver<Arc<Vec<ReceiverStatus>>> {
        self.hub.status.subscribe()
    }

    /// What was given up and not sent again, oldest first.
    pub async fn dead_letters(&self) -> Result<Vec<OutboxRow>, LedgerError> {
        self.hub.store.with(|outbox| outbox.dead_letters()).await
    }

    /// What waits or is being sent, oldest first.
    pub async fn waiting(&self) -> Result<Vec<OutboxRow>, LedgerError> {
        self.hub.store.with(|outbox| outbox.waiting()).await
    }

    /// Sends again what was given up, all or those with these ids; gives the ids of those that it finds, as they were.
    pub async fn resend(&self, ids: Option<Vec<String>>) -> Result<Vec<String>, LedgerError> {
        let now = (self.hub.clock)();
        let work = move |outbox: &mut Outbox| {
            let rows = outbox.resend(ids.as_deref(), now)?;
            Ok((rows, outbox.receiver_statuses()?))
        };
        let (rows, records) = self.hub.store.with(work).await?;
        let posts: Vec<Arc<Post>> = self.hub.posts().values().cloned().collect();
        for post in posts {
            post.state().record.dead = records.get(&post.name).map_or(0, |record| record.dead);
        }
        let resent = rows.iter().map(|row| row.id.clone()).collect();
        self.hand_out(rows);
        self.hub.publish();
        Ok(resent)
    }

    fn open(&self, settings: ReceiverSettings, sender: Arc<dyn Sender>, record: ReceiverRecord) {
        let post = Arc::new(Post::new(settings, sender, record));
        self.hub.posts().insert(post.name.clone(), Arc::clone(&post));
        self.hub.tracker.spawn(post.run(Arc::clone(&self.hub)));
    }

    /// Gives rows to their receivers. Those of receivers that there are not are given up.
    fn hand_out(&self, rows: Vec<OutboxRow>) {
        let mut by_receiver: BTreeMap<String, Vec<OutboxRow>> = BTreeMap::new();
        for row in rows {
            by_receiver.entry(row.receiver.clone()).or_default().push(row);
        }
        for (name, rows) in by_receiver {
            let Some(post) = self.hub.post(&name) else {
                let hub = Arc::clone(&self.hub);
                self.hub.tracker.spawn(async move {
                    tracing::warn!(
                        receiver = name,
                        "notifications are for a receiver that is not configured: given up"
                    );
                    for row in rows {
                        let error = Some("the receiver is not configured".to_owned());
                        let row = OutboxRow { error, ..row };
                        let dead = Change::Dead { row, coalesced: Vec::new(), class: None, fallback: Vec::new() };
                        hub.store.change(dead, (hub.clock)()).await;
                    }
                });
                continue;
            };
            post.add(rows);
        }
    }

    fn take_over(&self, unsent: Unsent) {
        for ((receiver, recipient), at) in &unsent.last_sent {
            if let Some(post) = self.hub.post(receiver) {
                post.state().planner.digest_was_sent(recipient, *at);
            }
        }
        self.hand_out(unsent.rows);
    }

    async fn recover(&self) -> Result<(), LedgerError> {
        let unsent = self.hub.store.with(|outbox| outbox.recover(DIGEST_LANE)).await?;
        self.take_over(unsent);
        Ok(())
    }
}

/// Writes what could not be written, for as long as there is any.
async fn upkeep(delivery: Delivery, mut is_recovered: bool) {
    let hub = Arc::clone(&delivery.hub);
    loop {
        if is_recovered && !hub.store.is_behind() {
            tokio::select! {
                () = hub.upkeep.notified() => {}
                () = hub.stop.cancelled() => return,
            }
        }
        let caught_up = hub.store.with(|_| Ok(())).await;
        if caught_up.is_ok() && !is_recovered {
            is_recovered = delivery.recover().await.is_ok();
            hub.publish();
        }
        if !is_recovered || hub.store.is_behind() {
            tokio::select! {
                () = tokio::time::sleep(UPKEEP) => {}
                () = hub.stop.cancelled() => return,
            }
        }
    }
}
