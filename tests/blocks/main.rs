//! Blocks as the writer of the tests makes them: what other programs say of them, and what the verifier says.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

#[path = "../support/blocks/mod.rs"]
#[expect(dead_code, unused_imports, reason = "each test program uses its part of what they share")]
mod blocks;

mod promtool;
