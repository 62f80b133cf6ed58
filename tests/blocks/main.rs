//! Blocks as the writer of the tests makes them: what other programs say of them, and what the verifier says.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a test that cannot go on has failed; what it compares is small"
)]

#[path = "../support/blocks/mod.rs"]
#[expect(dead_code, unused_imports, reason = "each test program uses its part of what they share")]
mod blocks;

mod decode;
mod encoders;
mod exhaustive;
mod mutations;
mod promtool;
mod properties;
mod recipe;
mod verifier;
