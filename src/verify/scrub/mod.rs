//! The scrub: which block is verified when, and what that costs. Pure: no I/O, no clock, no timers.
//!
//! New blocks come first, as soon as they are complete, and so does what is not any more what was verified. All others
//! are read in a round: the one that was verified longest ago first, at the slowest steady pace at which each is read
//! again within the interval. The pace follows from the blocks and their verifications alone, so that a restart goes on
//! where it was, and what has come together (a first start, a weekend without power) is spread like everything else.

mod cost;
mod lane;
mod meter;
mod scheduler;
#[cfg(test)]
mod tests;
mod turn;

pub use cost::{Census, MONTH_MS, bytes_at, fit, is_read, load, total};
pub use scheduler::{Next, Scheduler};
pub use turn::{Block, Demand, Done, Failed, NEW_MS, Turn};
