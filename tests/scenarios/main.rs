//! Scenarios: whole buckets, scanned through the binary as a user scans them. `healthy` holds the shapes that must not
//! alarm anybody, `faults` every way in which each check fires, `sample` the bucket of real blocks that comes with the
//! project.
#![expect(unreachable_pub, reason = "shared between test programs")]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![expect(clippy::indexing_slicing, reason = "documents and scenarios are known to have what is named")]

#[path = "../support/shapes/mod.rs"]
mod shapes;
#[expect(dead_code, reason = "each test program uses its part of what they share")]
#[path = "../support/mod.rs"]
mod support;

mod faults;
mod healthy;
mod sample;
mod storage;

use shapes::{Block, Estate, Stream};

/// When most estates are judged: an hour and a half after their newest sample.
const NOW: &str = "01-03T01:30";

/// Two days of a sidecar's blocks, up to the newest that can be there at [`NOW`].
fn steady(labels: &str) -> Vec<Block> {
    Stream::sidecar(labels).blocks("01-01", "01-03")
}

/// A pair of replicas with the same data.
fn pair() -> (Estate, Vec<Block>, Vec<Block>) {
    let (a, b) = (steady("cluster=eu1 replica=a"), steady("cluster=eu1 replica=b"));
    (Estate::with(&[&a[..], &b[..]].concat()), a, b)
}
