//! What reading the bytes of blocks has shown, as far as it is about the blocks as they are now.

use ulid::Ulid;

use super::{Estate, Placed};
use crate::checks::Check;
use crate::model::{BlockView, Damage, Level, OpenFinding, Problem, Severity, Verification, Verified, parse_ulid};

/// Under this name the evidence of a finding says which level of verification found it.
pub const LEVEL: &str = "level";

impl<'a> Estate<'a> {
    /// With what is known of the bytes.
    #[must_use]
    pub const fn with_verified(mut self, verified: Option<&'a Verified>) -> Self {
        self.verified = verified;
        self
    }

    /// Every verification of a block that is there, whatever content it is of.
    pub fn verified(&self) -> impl Iterator<Item = (&'a BlockView, &'a Verification)> + '_ {
        let all = self.verified.into_iter().flatten();
        all.filter_map(|(ulid, verification)| Some((self.view.blocks.get(ulid)?, verification)))
    }

    /// The verification of a block as it is now, if it has shown anything.
    pub fn verification(&self, block: &BlockView) -> Option<&'a Verification> {
        let verification = self.verified?.get(&block.ulid)?;
        is_of(verification, block).then_some(verification)
    }

    /// The block's verification, whatever content it is of, has such a problem.
    pub fn has_problem(&self, ulid: Ulid, is_such: impl Fn(&Problem) -> bool) -> bool {
        let found = self.verified.and_then(|verified| verified.get(&ulid));
        found.is_some_and(|verification| verification.problems.iter().any(is_such))
    }

    /// Something critical is wrong with the bytes of the block as it is now.
    pub(super) fn is_damaged(&self, block: &BlockView) -> bool {
        let found = self.verified.and_then(|verified| verified.get(&block.ulid));
        found.is_some_and(|verification| verification.problems.iter().any(is_grave) && is_of(verification, block))
    }

    /// Whether not finding it again means that it is healed: the block was read as it is now, by a level that would have
    /// noticed, and as a whole. What does not rest on a verification needs none.
    pub fn knows_bytes(&self, check: &Check, open: &OpenFinding) -> bool {
        let Some(level) = level_of(open) else { return true };
        let reads = |ulid: Ulid| {
            // of a block that is gone there is nothing left to be known
            let Some(block) = self.view.blocks.get(&ulid) else { return true };
            self.verification(block).is_some_and(|verification| would_notice(verification, check, level))
        };
        match open.subject.block {
            Some(ulid) => reads(ulid),
            None => self.blocks_of_many(open).all(reads),
        }
    }

    /// The blocks that a finding about many of them may be about: those that it names, and all that were there when it
    /// was opened if it stands for more than it can name.
    fn blocks_of_many(&self, open: &OpenFinding) -> impl Iterator<Item = Ulid> {
        let named = open.evidence.get("blocks").and_then(serde_json::Value::as_array);
        let mut blocks: Vec<Ulid> =
            named.into_iter().flatten().filter_map(|block| parse_ulid(block.as_str()?)).collect();
        let count = open.evidence.get("count").and_then(serde_json::Value::as_u64);
        if count.is_some_and(|count| usize::try_from(count).is_ok_and(|count| count > blocks.len())) {
            let stream = &open.subject.stream;
            let of_stream =
                self.blocks.iter().filter(|block| stream.as_ref().is_none_or(|own| *own == block.meta.labels));
            let was_there = of_stream.filter(|block| block.past.is_some_and(|past| past.first_seen <= open.since));
            blocks.extend(was_there.map(Placed::ulid));
        }
        blocks.into_iter()
    }
}

fn is_of(verification: &Verification, block: &BlockView) -> bool {
    verification.verdict.is_known() && verification.identity == block.identity()
}

const fn is_grave(problem: &Problem) -> bool {
    problem.confirmed
        && matches!(problem.severity, Severity::Critical)
        && !matches!(problem.damage, Damage::Unsupported)
}

/// The level of verification that found what the finding says; `None` if it rests on something else.
pub fn level_of(open: &OpenFinding) -> Option<Level> {
    Level::from_name(open.evidence.get(LEVEL)?.as_str()?)
}

/// Whether the verification would have shown the same again. Where the index is broken, what can be compared with it has
/// not been.
fn would_notice(verification: &Verification, check: &Check, level: Level) -> bool {
    let is_own = |problem: &&Problem| problem.damage.check() == check.id;
    let unsure = verification.problems.iter().filter(is_own).any(|problem| !problem.is_settled());
    let cut_short = Damage::Index.check() != check.id
        && verification.problems.iter().any(|problem| problem.damage == Damage::Index && is_grave(problem));
    let compared = Damage::Mutated.check() != check.id || verification.compared;
    verification.level >= level && !unsure && !cut_short && compared
}
