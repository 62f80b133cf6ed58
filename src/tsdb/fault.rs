//! What is wrong with bytes: rules that can be broken, and the places at which they are.

use std::collections::BTreeMap;

use crate::model::{Damage, Severity};

/// So many places of one rule are kept; the others are counted.
pub const KEPT: usize = 5;

/// Something that has to hold.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Stable name, unique among all rules.
    pub id: &'static str,
    /// Which check declares it.
    pub damage: Damage,
    /// `Critical` for what makes data unreadable or wrong, `Warning` for what readers survive, `Info` for what writers are
    /// known to do.
    pub severity: Severity,
    /// What is wrong, as the end of the sentence "in this file …".
    pub words: &'static str,
}

impl Rule {
    /// A rule whose breach is critical.
    pub const fn critical(id: &'static str, damage: Damage, words: &'static str) -> Self {
        Self { id, damage, severity: Severity::Critical, words }
    }

    /// A rule whose breach readers survive.
    pub const fn warning(id: &'static str, damage: Damage, words: &'static str) -> Self {
        Self { id, damage, severity: Severity::Warning, words }
    }

    /// A quirk that some writer is known for.
    pub const fn info(id: &'static str, damage: Damage, words: &'static str) -> Self {
        Self { id, damage, severity: Severity::Info, words }
    }
}

/// The chunk that a fault is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkPlace {
    /// Where the entry of its series begins in the index, in bytes.
    pub series: u64,
    /// First time as the index gives it, in ms.
    pub first_ms: i64,
    /// Last time as the index gives it, in ms.
    pub last_ms: i64,
}

/// One place at which a rule is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which.
    pub rule: &'static Rule,
    /// Part of the file: `symbols`, `series`, `postings`, `record`, …
    pub section: &'static str,
    /// Bytes from the start of the file.
    pub at: u64,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
    /// The chunk, where it is in one that the index knows.
    pub chunk: Option<ChunkPlace>,
}

/// The broken rules of one file: each counted, the first few places kept, so that a file of ten million faults takes no
/// more memory than one of ten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    by_rule: BTreeMap<&'static str, Broken>,
}

/// One rule that is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub rule: &'static Rule,
    /// How often.
    pub count: u64,
    /// The first few places, by offset.
    pub first: Vec<Fault>,
}

impl Faults {
    /// Nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.by_rule.is_empty()
    }

    /// How many faults there are.
    pub fn count(&self) -> u64 {
        self.by_rule.values().map(|broken| broken.count).sum()
    }

    /// The broken rules, by name.
    pub fn rules(&self) -> impl Iterator<Item = &Broken> {
        self.by_rule.values()
    }

    /// Whether this rule is broken.
    pub fn breaks(&self, rule: &Rule) -> bool {
        self.by_rule.contains_key(rule.id)
    }

    /// Drops what is the consequence of another fault.
    pub fn forgive(&mut self, rule: &Rule) {
        self.by_rule.remove(rule.id);
    }

    /// Notes a fault; `words` gives what was expected and what was found, and is asked only if that is kept.
    pub fn note(
        &mut self,
        rule: &'static Rule,
        section: &'static str,
        at: u64,
        words: impl FnOnce() -> (String, String),
    ) {
        self.note_in(rule, section, at, None, words);
    }

    /// Notes a fault inside a chunk.
    pub fn note_in(
        &mut self,
        rule: &'static Rule,
        section: &'static str,
        at: u64,
        chunk: Option<ChunkPlace>,
        words: impl FnOnce() -> (String, String),
    ) {
        let broken = self.by_rule.entry(rule.id).or_insert_with(|| Broken { rule, count: 0, first: Vec::new() });
        broken.count = broken.count.saturating_add(1);
        if broken.first.len() < KEPT || broken.first.last().is_some_and(|last| at < last.at) {
            let (expected, found) = words();
            broken.keep(Fault { rule, section, at, expected, found, chunk });
        }
    }

    /// Adds the faults of another part of the same file.
    pub fn merge(&mut self, other: Self) {
        for (id, more) in other.by_rule {
            match self.by_rule.entry(id) {
                std::collections::btree_map::Entry::Vacant(entry) => {
                    entry.insert(more);
                }
                std::collections::btree_map::Entry::Occupied(entry) => {
                    let broken = entry.into_mut();
                    broken.count = broken.count.saturating_add(more.count);
                    for fault in more.first {
                        broken.keep(fault);
                    }
                }
            }
        }
    }
}

impl Broken {
    /// Keeps the first few, whatever the order in which they come.
    fn keep(&mut self, fault: Fault) {
        let idx = self.first.partition_point(|kept| kept.at <= fault.at);
        self.first.insert(idx, fault);
        self.first.truncate(KEPT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static RULE: Rule = Rule::critical("test_rule", Damage::Index, "is broken");

    #[test]
    fn the_first_places_are_kept_in_whatever_order_they_come() {
        let at = |offsets: &[u64]| {
            let mut faults = Faults::default();
            for at in offsets {
                faults.note(&RULE, "series", *at, || (String::new(), at.to_string()));
            }
            faults
        };
        let forwards = at(&[1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(forwards, at(&[7, 3, 5, 1, 2, 6, 4]));
        let mut merged = at(&[6, 2, 7]);
        merged.merge(at(&[1, 3, 4, 5]));
        assert_eq!(forwards, merged);
        assert_eq!(forwards.count(), 7);
        let kept: Vec<u64> = forwards.rules().flat_map(|broken| &broken.first).map(|fault| fault.at).collect();
        assert_eq!(kept, [1, 2, 3, 4, 5]);
    }
}
