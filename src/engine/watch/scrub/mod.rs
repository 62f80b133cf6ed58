//! The scrub: what the schedule says, done.

mod blocks;
mod course;
mod stepped;
mod task;

use crate::discover::Ambient;
use crate::model::{Hashes, TimestampMs, VERIFIER_VERSION, Verdict, Verification};
use crate::verify::{Task, Verifier, Watcher};

pub(in crate::engine) use blocks::{Known, blocks_of};
use course::{Reading, Tally};
pub(super) use course::{Sight, Sighted};
pub use stepped::Scrubber;
pub(super) use task::Scrub;

/// Reads a block. `None`: it was stopped. The last value: whether anybody has to be told, which is not so of a block
/// that was deleted meanwhile.
async fn read(
    verifier: &Verifier,
    reading: &Reading,
    kept: Hashes,
    tallies: (&Tally, &Tally),
    ambient: &Ambient,
) -> Option<(Verification, Hashes, bool)> {
    let task = Task::new(reading.bucket.clone(), reading.block()?, reading.level, kept);
    let outcome = verifier.verify(task, &Both(tallies), &reading.stop, || ambient.now()).await.ok()?;
    Some((outcome.verification, outcome.hashes, !outcome.gone))
}

/// What there is to be said where nothing was heard any more.
fn given_up(reading: &Reading, why: String, now: TimestampMs) -> Option<(Verification, Hashes, bool)> {
    let verification = Verification {
        at: now,
        level: reading.level,
        version: VERIFIER_VERSION,
        verdict: Verdict::Unreachable,
        bytes: 0,
        samples: 0,
        identity: reading.block()?.identity(),
        problems: Vec::new(),
        why: Some(why),
        compared: false,
    };
    Some((verification, Hashes::new(), true))
}

/// Counts for one block, and for all.
#[derive(Debug)]
struct Both<'a>((&'a Tally, &'a Tally));

impl Watcher for Both<'_> {
    fn bytes_again(&self, _bytes: u64) {}

    fn bytes_read(&self, bytes: u64) {
        let (one, all) = self.0;
        one.add(bytes);
        all.add(bytes);
    }
}
