//! The service: stepped through hours by a clock that the test holds, and as a program that is started, reloaded, killed
//! and robbed of its disk.
#![expect(unreachable_pub, reason = "shared between test programs")]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![expect(clippy::indexing_slicing, reason = "what is not there fails the test")]

#[expect(dead_code, unused_imports, reason = "each test program uses its part of what they share")]
#[path = "../support/shapes/mod.rs"]
mod shapes;
#[expect(dead_code, reason = "each test program uses its part of what they share")]
#[path = "../support/mod.rs"]
mod support;

mod alerts;
mod ledger;
mod program;
mod running;
mod scrub;
mod stepped;
mod steps;
