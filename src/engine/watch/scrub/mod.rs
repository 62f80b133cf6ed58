//! The scrub: what the schedule says, done.

mod blocks;

pub(in crate::engine) use blocks::{Known, blocks_of};
