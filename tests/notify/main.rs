//! What is told, and how it is sent: to servers that answer by script.
#![expect(clippy::unwrap_used, clippy::string_slice, reason = "what fails in here fails the test")]
#![expect(clippy::indexing_slicing, reason = "what is not there fails the test")]

mod alertmanager;
mod mail;
mod messages;
mod slack;
mod webhook;

#[expect(dead_code, reason = "each test program uses its part of what they share")]
#[path = "../support/mod.rs"]
mod support;

use blockwarden::model::{OutboxRow, ReceiverKind, ReceiverSettings, SECOND_MS};
use blockwarden::notify::Message;
use serde_json::Value;

use support::notifications::now;

/// A receiver that waits for two seconds.
fn receiver(kind: ReceiverKind) -> ReceiverSettings {
    ReceiverSettings {
        name: "on-call".to_owned(),
        fallback: None,
        daily_test_minute: None,
        timeout_ms: 2 * SECOND_MS,
        per_minute: 60,
        burst: 5,
        kind,
    }
}

/// As it comes out of the outbox at [`now`].
fn message<'a>(row: &'a OutboxRow, thread: Option<&'a Value>) -> Message<'a> {
    Message { row, thread, now: now() }
}
