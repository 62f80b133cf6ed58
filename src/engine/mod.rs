//! The only place that wires things: clock, passes over buckets, judgement, ledger.

pub mod clock;

pub use crate::discover::Progress;
