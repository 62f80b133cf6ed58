//! The only place that wires things: clock, passes over buckets, judgement, ledger.

mod alerts;
pub mod clock;
mod core;
mod cycle;
pub mod desk;
mod judge;
mod memory;
mod plan;
pub mod trial;
mod verifying;
pub mod watch;

use crate::model::ScrubSettings;

pub use crate::discover::{Limits, Progress, install_crypto};
pub use crate::verify::{Settings as VerifySettings, Watcher};
pub use cycle::{Engine, EngineError, Job, Outcome, State, WITHOUT_PAST};
pub use judge::judge;
pub use verifying::{Demand, Selection, Verifications, VerifiedBlock, Witness};

/// Threads that verify.
fn threads(settings: &ScrubSettings) -> usize {
    settings.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
}

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
