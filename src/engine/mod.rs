//! The only place that wires things: clock, passes over buckets, judgement, ledger.

pub mod clock;
mod cycle;
mod judge;
mod memory;

pub use crate::discover::{Limits, Progress, install_crypto};
pub use cycle::{Engine, EngineError, Job, Outcome, State};
pub use judge::judge;
