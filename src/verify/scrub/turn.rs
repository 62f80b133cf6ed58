//! When one block has its turn.

use ulid::Ulid;

use crate::model::{
    DAY_MS, HOUR_MS, Level, MINUTE_MS, ScrubSettings, TimestampMs, VERIFIER_VERSION, Verdict, Verification,
};

/// What is demanded of the round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Each block is verified again within this time, in ms.
    pub interval_ms: i64,
    /// How thoroughly.
    pub level: Level,
    /// Since when it is demanded: what was there before and never verified is in time when it is verified within the
    /// interval after that.
    pub since: TimestampMs,
}

impl Demand {
    /// What the settings demand from now on.
    pub fn of(settings: &ScrubSettings, now: TimestampMs) -> Self {
        Self { interval_ms: settings.interval_ms.max(1), level: settings.level, since: now }
    }

    /// What the round aims at, in ms: a sixteenth is left for what comes in between.
    pub const fn aim_ms(self) -> i64 {
        self.interval_ms.saturating_sub(self.interval_ms / 16)
    }
}

/// A block as the schedule needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The directory.
    pub ulid: Ulid,
    /// [`identity`](crate::model::BlockView::identity) of what is there.
    pub identity: u64,
    /// Of all objects.
    pub bytes: u64,
    /// When its newest object was written.
    pub written: TimestampMs,
    /// When the block was first seen.
    pub seen: TimestampMs,
    /// From when on it may be read; `None` where it is not complete, or cannot be read.
    pub ready: Option<TimestampMs>,
    /// From when on it may be deleted; `None` where nothing says so.
    pub leaves: Option<TimestampMs>,
    /// Until when its producer has a copy, if that is known.
    pub copied_until: Option<TimestampMs>,
    /// The verification that counts.
    pub done: Option<Done>,
    /// Attempts since then that showed nothing.
    pub failed: Option<Failed>,
}

/// What is remembered of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// When it ended.
    pub at: TimestampMs,
    /// How thorough it was.
    pub level: Level,
    /// Of the verifier.
    pub version: u32,
    /// Of what was read.
    pub identity: u64,
    /// The result.
    pub verdict: Verdict,
}

impl Done {
    /// That of a verification; `None` for one that showed nothing.
    pub fn of(verification: &Verification) -> Option<Self> {
        let Verification { at, level, version, identity, verdict, .. } = *verification;
        verdict.is_known().then_some(Self { at, level, version, identity, verdict })
    }
}

/// Attempts that showed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The newest.
    pub at: TimestampMs,
    /// How many, one after the other.
    pub times: u32,
    /// Of what was to be read: with something else in its place, it is worth trying at once.
    pub identity: u64,
}

/// When a block has its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Never, as things are.
    Never,
    /// At once, from this moment on; before those whose second moment is later.
    Now { from: TimestampMs, before: TimestampMs },
    /// In the round: not before the first moment, and by the second.
    Round { from: TimestampMs, by: TimestampMs },
}

/// What was written within this time and never verified is new; what is older has been in the bucket before anybody
/// looked.
pub const NEW_MS: i64 = 2 * DAY_MS;
/// A reading that was wrong only once is repeated this soon.
const DOUBTFUL_MS: i64 = DAY_MS;
/// After the first attempt that showed nothing; twice as long after each further one.
const PAUSE_MS: i64 = 5 * MINUTE_MS;
/// The longest pause.
const LONGEST_PAUSE_MS: i64 = 12 * HOUR_MS;

impl Block {
    /// The verification that counts, if it is of what is there now.
    pub fn valid(&self) -> Option<Done> {
        self.done.filter(|done| done.identity == self.identity)
    }

    /// It is verified as demanded.
    pub fn is_verified(&self, demand: Demand, now: TimestampMs) -> bool {
        self.valid().is_some_and(|done| {
            done.level >= demand.level && done.version >= VERIFIER_VERSION && now.since(done.at) <= demand.interval_ms
        })
    }

    /// When its turn is.
    pub fn turn(&self, demand: Demand, now: TimestampMs) -> Turn {
        let Some(ready) = self.ready else { return Turn::Never };
        if self.leaves.is_some_and(|leaves| leaves <= now) {
            return Turn::Never;
        }
        let failed = self.failed.filter(|failed| failed.identity == self.identity);
        let from = failed.map_or(ready, |failed| ready.max(failed.at.plus(pause_ms(failed.times))));
        let by = match (self.valid(), self.done) {
            (Some(done), _) if done.verdict == Verdict::Suspect => done.at.plus(demand.aim_ms().min(DOUBTFUL_MS)),
            (Some(done), _) => done.at.plus(demand.aim_ms()),
            // other bytes than those that were verified
            (None, Some(_)) => return Turn::Now { from, before: self.written },
            (None, None) if now.since(self.written) < NEW_MS.min(demand.interval_ms) => {
                return Turn::Now { from, before: self.copied_until.unwrap_or(self.written.plus(NEW_MS)) };
            }
            (None, None) => {
                let by = self.seen.max(demand.since).plus(demand.aim_ms());
                self.copied_until.filter(|until| *until > now).map_or(by, |until| by.min(until))
            }
        };
        // what will be gone by then is not worth reading
        if self.leaves.is_some_and(|leaves| leaves < by) { Turn::Never } else { Turn::Round { from, by } }
    }
}

/// How long nothing is tried after so many attempts that showed nothing.
fn pause_ms(times: u32) -> i64 {
    let doubled = times.saturating_sub(1).min(20);
    PAUSE_MS.saturating_mul(1 << doubled).min(LONGEST_PAUSE_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: TimestampMs = TimestampMs(1_767_225_600_000);
    const DEMAND: Demand =
        Demand { interval_ms: 32 * DAY_MS, level: Level::Full, since: TimestampMs(NOW.0 - 15 * DAY_MS) };

    fn ago(days: i64) -> TimestampMs {
        NOW.minus(days * DAY_MS)
    }

    fn block() -> Block {
        Block {
            ulid: Ulid::nil(),
            identity: 7,
            bytes: 1_000,
            written: ago(20),
            seen: ago(10),
            ready: Some(ago(20)),
            leaves: None,
            copied_until: None,
            done: None,
            failed: None,
        }
    }

    fn done(days_ago: i64) -> Done {
        let (level, version, verdict) = (Level::Full, VERIFIER_VERSION, Verdict::Ok);
        Done { at: ago(days_ago), level, version, identity: 7, verdict }
    }

    #[test]
    fn each_block_has_its_turn() {
        let now = |from, before| Turn::Now { from, before };
        let round = |by| Turn::Round { from: ago(20), by };
        let other = |change: fn(&mut Done)| {
            let mut done = done(5);
            change(&mut done);
            Some(done)
        };
        for (what, block, expected) in [
            ("never verified", block(), round(ago(-20))),
            ("seen before anything was demanded", Block { seen: ago(90), ..block() }, round(ago(-15))),
            ("not complete", Block { ready: None, ..block() }, Turn::Never),
            ("marked", Block { leaves: Some(ago(1)), ..block() }, Turn::Never),
            ("gone before its turn", Block { leaves: Some(ago(-19)), ..block() }, Turn::Never),
            ("gone after its turn", Block { leaves: Some(ago(-20)), ..block() }, round(ago(-20))),
            ("new", Block { written: ago(1), ..block() }, now(ago(20), ago(-1))),
            (
                "new, and its producer will drop it",
                Block { written: ago(1), copied_until: Some(ago(-3)), ..block() },
                now(ago(20), ago(-3)),
            ),
            ("new, and gone soon", Block { written: ago(1), leaves: Some(ago(-1)), ..block() }, now(ago(20), ago(-1))),
            ("old, but its producer has it", Block { copied_until: Some(ago(-4)), ..block() }, round(ago(-4))),
            ("old, and its producer had it", Block { copied_until: Some(ago(4)), ..block() }, round(ago(-20))),
            ("verified", Block { done: Some(done(5)), ..block() }, round(ago(-25))),
            ("verified long ago", Block { done: Some(done(50)), ..block() }, round(ago(20))),
            (
                "gone before it is verified again",
                Block { done: Some(done(5)), leaves: Some(ago(-24)), ..block() },
                Turn::Never,
            ),
            ("changed", Block { done: other(|done| done.identity = 8), ..block() }, now(ago(20), ago(20))),
            ("less thorough", Block { done: other(|done| done.level = Level::Index), ..block() }, round(ago(-25))),
            ("doubtful", Block { done: other(|done| done.verdict = Verdict::Suspect), ..block() }, round(ago(4))),
            ("damaged", Block { done: other(|done| done.verdict = Verdict::Corrupt), ..block() }, round(ago(-25))),
        ] {
            assert_eq!(block.turn(DEMAND, NOW), expected, "{what}");
        }
    }

    #[test]
    fn what_could_not_be_read_is_tried_again_after_growing_pauses() {
        for (times, minutes) in [(1, 5), (2, 10), (3, 20), (7, 320), (8, 640), (9, 720), (u32::MAX, 720)] {
            let block = Block { failed: Some(Failed { at: NOW, times, identity: 7 }), done: Some(done(3)), ..block() };
            let from = NOW.plus(minutes * MINUTE_MS);
            assert_eq!(block.turn(DEMAND, NOW), Turn::Round { from, by: ago(-27) }, "{times}");
        }
        let replaced = Block { failed: Some(Failed { at: NOW, times: 9, identity: 8 }), ..block() };
        assert_eq!(replaced.turn(DEMAND, NOW), block().turn(DEMAND, NOW));
    }

    #[test]
    fn verified_is_what_meets_the_demand() {
        let with = |days, level, version| Block { done: Some(Done { level, version, ..done(days) }), ..block() };
        for (block, expected) in [
            (block(), false),
            (with(32, Level::Full, VERIFIER_VERSION), true),
            (with(33, Level::Full, VERIFIER_VERSION), false),
            (with(1, Level::Checksum, VERIFIER_VERSION), false),
            (with(1, Level::Full, VERIFIER_VERSION - 1), false),
            (Block { identity: 8, ..with(1, Level::Full, VERIFIER_VERSION) }, false),
        ] {
            assert_eq!(block.is_verified(DEMAND, NOW), expected, "{block:?}");
        }
    }
}
