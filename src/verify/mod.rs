//! Reads blocks and proves them.

pub mod scrub;
