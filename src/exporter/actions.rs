//! What the server asks the engine to do, because it changes something or is not published: silences, the outbox,
//! watchdogs.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::model::{NewSilence, OutboxRow, OutboxState, Silence};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such thing.
    NotFound,
    /// It cannot be as it was asked for: the part that is wrong, and what was expected.
    Invalid(String, String),
    /// Not now; the text says why, and has no secret in it.
    Unavailable(String),
}

/// Who waits for the answer.
pub type ActionReply<T> = oneshot::Sender<Result<T, Refusal>>;

/// Notifications of an outbox.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutboxPage {
    /// How many there are.
    pub total: u64,
    /// As many of them as were asked for, the newest first.
    pub rows: Vec<OutboxRow>,
}

/// What is to be done.
#[derive(Debug)]
pub enum Action {
    /// Make a silence; answered with it.
    Silence {
        /// What was asked for; whether it can be is for the engine to say, which has the time.
        silence: NewSilence,
        /// Whom to answer.
        reply: ActionReply<Silence>,
    },
    /// End a silence now; answered with it.
    Expire {
        /// Its id.
        id: String,
        /// Whom to answer.
        reply: ActionReply<Silence>,
    },
    /// Send dead notifications again; answered with the ids of those that will be.
    Resend {
        /// Which; `None` = all that are dead.
        ids: Option<Vec<String>>,
        /// Whom to answer.
        reply: ActionReply<Vec<String>>,
    },
    /// Look into the outbox.
    Outbox {
        /// In one of these states.
        states: Vec<OutboxState>,
        /// So many at most.
        limit: usize,
        /// Whom to answer.
        reply: ActionReply<OutboxPage>,
    },
    /// A watchdog was heard of.
    Watchdog {
        /// Its name.
        name: String,
        /// Whom to answer.
        reply: ActionReply<()>,
    },
}

/// Hands an action to the engine and waits for the answer, both with a bound.
pub(super) async fn ask<T>(
    actions: &mpsc::Sender<Action>,
    action: impl FnOnce(ActionReply<T>) -> Action,
) -> Result<T, Refusal> {
    let unavailable = |why: &str| Err(Refusal::Unavailable(why.to_owned()));
    let (reply, answer) = oneshot::channel();
    let exchange = async {
        if actions.send(action(reply)).await.is_err() {
            return unavailable("the service does not take this now");
        }
        answer.await.unwrap_or_else(|_| unavailable("the service is shutting down"))
    };
    tokio::time::timeout(PATIENCE, exchange).await.unwrap_or_else(|_| unavailable("the service is busy: ask again"))
}
