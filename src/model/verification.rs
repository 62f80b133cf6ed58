//! What reading a block's bytes has shown.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use ulid::Ulid;

use super::{DAY_MS, Severity, TimestampMs};

/// Raised whenever the verifier notices more than before: what an older one passed is worth reading again.
pub const VERIFIER_VERSION: u32 = 1;

/// How thoroughly a block is read. Each level includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The listing and `meta.json`: what a scan does.
    Quick,
    /// Every byte of the index.
    Index,
    /// The index, every chunk's checksum, and all that can be compared without decoding.
    Checksum,
    /// Every sample.
    Full,
}

impl Level {
    /// All, the lightest first.
    pub const ALL: [Self; 4] = [Self::Quick, Self::Index, Self::Checksum, Self::Full];

    /// The word in output, configuration and ledger.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Index => "index",
            Self::Checksum => "checksum",
            Self::Full => "full",
        }
    }

    /// From its word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What became of a block that was to be verified, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything that the level reads holds.
    Ok,
    /// It went, or was replaced, while it was read: nothing is known.
    Changed,
    /// It could not be read: nothing is known.
    Unreachable,
    /// Wrong at one reading and not at the next: the way to the bytes is at fault, not the block.
    Suspect,
    /// Wrong at two readings.
    Corrupt,
}

impl Verdict {
    /// All, the best first.
    pub const ALL: [Self; 5] = [Self::Ok, Self::Changed, Self::Unreachable, Self::Suspect, Self::Corrupt];

    /// The word in output, metrics and ledger.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Changed => "changed",
            Self::Unreachable => "unreachable",
            Self::Suspect => "suspect",
            Self::Corrupt => "corrupt",
        }
    }

    /// From its word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.name() == name)
    }

    /// The block was read to the end, whatever that has shown.
    pub const fn is_known(self) -> bool {
        matches!(self, Self::Ok | Self::Suspect | Self::Corrupt)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What kind of damage; each is a check of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Damage {
    /// `index_corrupt`: a checksum or the structure of the index.
    Index,
    /// `chunk_corrupt`: a checksum or the structure of a segment or chunk.
    Chunk,
    /// `tombstone_corrupt`: the same of `tombstones`.
    Tombstone,
    /// `block_inconsistent`: parts that are each sound do not agree.
    Inconsistent,
    /// `hash_mismatch`: not the bytes that the uploader hashed.
    Hash,
    /// `unsupported_format`: sound, but not for every reader in the estate.
    Unsupported,
    /// `object_mutated`: not the bytes that the first full verification read.
    Mutated,
}

impl Damage {
    /// All, in the order of output.
    pub const ALL: [Self; 7] =
        [Self::Index, Self::Chunk, Self::Tombstone, Self::Inconsistent, Self::Hash, Self::Unsupported, Self::Mutated];

    /// The id of the check that declares it.
    pub const fn check(self) -> &'static str {
        match self {
            Self::Index => "index_corrupt",
            Self::Chunk => "chunk_corrupt",
            Self::Tombstone => "tombstone_corrupt",
            Self::Inconsistent => "block_inconsistent",
            Self::Hash => "hash_mismatch",
            Self::Unsupported => "unsupported_format",
            Self::Mutated => "object_mutated",
        }
    }
}

/// One place at which a rule is broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Path inside the block's directory.
    pub file: Arc<str>,
    /// Part of the file: `symbols`, `series`, `postings`, `record`, …
    pub section: String,
    /// Bytes from the start of the file; `None` where the file as a whole is meant.
    pub offset: Option<u64>,
    /// What should be there.
    pub expected: String,
    /// What the first reading gave.
    pub found: String,
    /// What the second reading gave; `None` if there was none, or if it did not show this.
    pub found_again: Option<String>,
    /// Labels of the series, for a chunk; as Prometheus prints them, shortened if they are very long.
    pub series: Option<String>,
    /// First and last time of the samples that are hurt, in ms, both included.
    pub times_ms: Option<(i64, i64)>,
}

/// One rule that is broken, once or often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Which check declares it.
    pub damage: Damage,
    /// How bad it is by itself.
    pub severity: Severity,
    /// Stable name of the rule.
    pub rule: String,
    /// The rule's words: what is wrong.
    pub words: String,
    /// At how many places.
    pub count: u64,
    /// The first few, by file and offset.
    pub places: Vec<Place>,
    /// Seen at two readings.
    pub confirmed: bool,
}

impl Problem {
    /// Nobody needs to look again: it was seen twice, or is a quirk that no reading error looks like.
    pub const fn is_settled(&self) -> bool {
        self.confirmed || matches!(self.severity, Severity::Info)
    }
}

impl Problem {
    /// The rule's words as a sentence about `subject`, a file or a block: some of them say what it has or is, others what
    /// is the case in it.
    pub fn about(&self, subject: &str) -> String {
        const PREDICATES: [&str; 7] = ["has", "is", "does", "ends", "gave", "still", "lacks"];
        let is_predicate = self.words.split(' ').next().is_some_and(|first| PREDICATES.contains(&first));
        let preposition = if is_predicate { "" } else { "in " };
        format!("{preposition}{subject} {}", self.words)
    }
}

/// What one verification of one block has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// When it ended.
    pub at: TimestampMs,
    /// How thorough it was.
    pub level: Level,
    /// [`VERIFIER_VERSION`] of the program that did it.
    pub version: u32,
    /// The result.
    pub verdict: Verdict,
    /// Bytes of objects that were read and proven.
    pub bytes: u64,
    /// Samples that were decoded, or counted where the level does not decode.
    pub samples: u64,
    /// What was read: [`identity`](super::BlockView::identity) of the block at that time. Of another identity, it says
    /// nothing.
    pub identity: u64,
    /// Broken rules, in a fixed order.
    pub problems: Vec<Problem>,
    /// Why nothing is known, for `unreachable` and `changed`.
    pub why: Option<String>,
    /// SHA-256 of every object was compared with the one that was kept from the first full verification.
    pub compared: bool,
}

/// After this long, what was shown to be whole is not worth more for having been looked at more thoroughly.
const STALE_MS: i64 = 7 * DAY_MS;

impl Verification {
    /// Whether this counts from now on, where `known` counted before. What is known of the same content is not given up
    /// for less: not for an attempt that showed nothing, not for a sound result of a level, or of a verifier, that looked
    /// at less, unless it is old, and confirmed damage not for one reading that was wrong.
    pub fn replaces(&self, known: &Self) -> bool {
        if !known.verdict.is_known() || known.identity != self.identity {
            return true;
        }
        if self.at < known.at {
            return false;
        }
        match self.verdict {
            Verdict::Changed | Verdict::Unreachable => false,
            Verdict::Suspect => known.verdict != Verdict::Corrupt,
            Verdict::Corrupt => true,
            Verdict::Ok => {
                let as_much = self.level >= known.level && self.version >= known.version;
                // where less is demanded from now on, that it is whole is known anew all the same
                as_much || known.verdict == Verdict::Ok && self.at.since(known.at) >= STALE_MS
            }
        }
    }

    /// Whether it may vouch for hashes: everything was read, and as it should be. What was damaged when it was first
    /// read, and is mended later, has not been changed by anybody who should not.
    pub fn is_clean(&self) -> bool {
        let harmless = |problem: &Problem| {
            problem.severity == Severity::Info || matches!(problem.damage, Damage::Unsupported | Damage::Mutated)
        };
        matches!(self.verdict, Verdict::Ok | Verdict::Corrupt) && self.problems.iter().all(harmless)
    }
}

/// SHA-256 of objects that were read as a whole, by path inside the block's directory.
pub type Hashes = BTreeMap<Arc<str>, [u8; 32]>;

/// The verification of each block of a bucket that counts: the newest, as far as it [`replaces`](Verification::replaces)
/// the one before.
pub type Verified = BTreeMap<Ulid, Verification>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_given_up_only_for_what_says_more() {
        use Level::{Checksum, Full, Index};
        use Verdict::{Changed, Corrupt, Ok, Suspect, Unreachable};
        let at = |at: i64, level, version, verdict, identity| Verification {
            at: TimestampMs(at),
            level,
            version,
            verdict,
            bytes: 0,
            samples: 0,
            identity,
            problems: Vec::new(),
            why: None,
            compared: false,
        };
        let known = |verdict| at(10, Checksum, 2, verdict, 7);
        for (known, new, replaces) in [
            (known(Ok), at(11, Checksum, 2, Ok, 7), true),
            (known(Ok), at(11, Full, 2, Ok, 7), true),
            (known(Ok), at(11, Index, 2, Ok, 7), false),
            (known(Ok), at(11, Full, 1, Ok, 7), false),
            (known(Ok), at(10 + STALE_MS, Index, 2, Ok, 7), true),
            (known(Corrupt), at(10 + STALE_MS, Index, 2, Ok, 7), false),
            (known(Ok), at(9, Full, 2, Ok, 7), false),
            (known(Ok), at(11, Full, 2, Unreachable, 7), false),
            (known(Corrupt), at(11, Full, 2, Changed, 7), false),
            (known(Corrupt), at(11, Full, 2, Suspect, 7), false),
            (known(Corrupt), at(11, Index, 2, Ok, 7), false),
            (known(Corrupt), at(11, Full, 2, Ok, 7), true),
            (known(Ok), at(11, Index, 1, Corrupt, 7), true),
            (known(Ok), at(11, Checksum, 2, Suspect, 7), true),
            // of other content, and of nothing, anything is more
            (known(Ok), at(11, Index, 1, Unreachable, 8), true),
            (known(Unreachable), at(11, Index, 2, Changed, 7), true),
            (known(Changed), at(11, Index, 2, Ok, 7), true),
        ] {
            assert_eq!(new.replaces(&known), replaces, "{known:?}\n{new:?}");
        }
    }

    #[test]
    fn only_what_was_whole_vouches_for_its_hashes() {
        let with = |verdict, problem: Option<(Damage, Severity)>| Verification {
            at: TimestampMs(0),
            level: Level::Full,
            version: 1,
            verdict,
            bytes: 0,
            samples: 0,
            identity: 0,
            problems: problem
                .map(|(damage, severity)| Problem {
                    damage,
                    severity,
                    rule: String::new(),
                    words: String::new(),
                    count: 1,
                    places: Vec::new(),
                    confirmed: true,
                })
                .into_iter()
                .collect(),
            why: None,
            compared: false,
        };
        for (verdict, problem, clean) in [
            (Verdict::Ok, None, true),
            (Verdict::Corrupt, Some((Damage::Inconsistent, Severity::Info)), true),
            (Verdict::Corrupt, Some((Damage::Unsupported, Severity::Warning)), true),
            (Verdict::Corrupt, Some((Damage::Index, Severity::Warning)), false),
            (Verdict::Suspect, None, false),
            (Verdict::Unreachable, None, false),
            (Verdict::Changed, None, false),
        ] {
            assert_eq!(with(verdict, problem).is_clean(), clean, "{verdict} {problem:?}");
        }
    }
}
