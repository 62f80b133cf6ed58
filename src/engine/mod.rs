//! The only place that wires things: clock, passes over buckets, judgement, ledger.

pub mod clock;
mod core;
mod cycle;
mod judge;
mod memory;
pub mod watch;

pub use crate::discover::{Limits, Progress, install_crypto};
pub use cycle::{Engine, EngineError, Job, Outcome, State};
pub use judge::judge;

/// An error with all of its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
