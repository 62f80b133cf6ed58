//! Tells people: a notifier per kind of receiver, and the delivery of what the ledger's outbox holds.

mod alertmanager;
mod delivery;
mod heartbeat;
mod http;
mod mail;
mod open;
mod render;
mod secret;
mod sender;
mod slack;
mod webhook;

pub use alertmanager::{AlertmanagerClient, LabelledAlert, Told, alertmanager_body};
pub use delivery::{Chance, Clock, Delivery};
pub use heartbeat::{Heartbeat, HeartbeatPhase};
pub use open::{Context, OpenError, open, open_alertmanager};
pub use sender::{Message, SendError, Sender, Sent};
