//! Tells people: a notifier per kind of receiver, and the delivery of what the ledger's outbox holds.

mod sender;

pub use sender::{Message, SendError, Sender, Sent};
