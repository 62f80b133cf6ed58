//! What every kind of receiver can do. Order, rhythm, repetition and what is kept are the delivery's business.

use std::fmt;

use async_trait::async_trait;
use serde_json::Value;

use crate::model::{FailureClass, OutboxRow, TimestampMs};

/// One message that is to be sent now.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// What is told and to whom. Where it is `uncertain` the message says that it may be a repeat; where it is `plain`
    /// it is text alone.
    pub row: &'a OutboxRow,
    /// What [`Sent::thread`] was when something was last sent of this incident to this recipient.
    pub thread: Option<&'a Value>,
    /// Now.
    pub now: TimestampMs,
}

/// It was taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sent {
    /// What the next message of the incident needs to belong to this one. `None` keeps what was there before.
    pub thread: Option<Value>,
    /// What came back, for people; no secret.
    pub said: String,
}

/// It was not taken, or nobody knows.
#[derive(Clone, Debug, PartialEq)]
pub struct SendError {
    /// What to do about it.
    pub class: FailureClass,
    /// What came back, for people; no secret.
    pub message: String,
    /// The server asked for this pause, in ms.
    pub retry_after_ms: Option<i64>,
    /// It may have arrived all the same.
    pub maybe_sent: bool,
    /// What the incident's messages were attached to is gone: the next one begins anew.
    pub forget_thread: bool,
}

impl SendError {
    /// An error of a class, which did not arrive.
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), retry_after_ms: None, maybe_sent: false, forget_thread: false }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SendError {}

/// A receiver that takes one message at a time.
#[async_trait]
pub trait Sender: fmt::Debug + Send + Sync {
    /// Sends one message. Always ends: it has a time-out of its own.
    async fn send(&self, message: &Message<'_>) -> Result<Sent, SendError>;

    /// Whether a message would be taken, without sending one; says what was looked at. `Ok(None)`: there is no way to
    /// know without sending.
    async fn probe(&self) -> Result<Option<String>, SendError>;
}
