//! What one reading of a block has shown, and what two readings together say.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::fault::{Broken, Fault, Faults, Rule};
use crate::model::{Damage, Hashes, Place, Problem, Severity, Verdict};

/// One reading of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockReport {
    /// Broken rules by path inside the block's directory.
    pub faults: BTreeMap<Arc<str>, Faults>,
    /// Labels of the series that faults are in, by where their entries begin in the index, in bytes.
    pub labels: BTreeMap<u64, String>,
    /// Samples that were decoded, or counted where the level does not decode.
    pub samples: u64,
    /// Series in the index.
    pub series: u64,
    /// Chunks that were read.
    pub chunks: u64,
    /// Bytes of the objects that were read.
    pub bytes: u64,
    /// SHA-256 of the objects that were hashed.
    pub hashes: Hashes,
    /// Each hashed object had one of the first full verification to compare with.
    pub compared: bool,
}

/// What is known after one reading or two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// `ok`, `suspect` or `corrupt`.
    pub verdict: Verdict,
    /// Broken rules: worst first, then by kind of damage and rule.
    pub problems: Vec<Problem>,
}

impl BlockReport {
    /// Something is wrong that a second reading has to confirm. What writers are known to do needs none.
    pub fn needs_second_reading(&self) -> bool {
        self.worst().is_some_and(|severity| severity < Severity::Info)
    }

    /// The worst severity of a broken rule.
    pub fn worst(&self) -> Option<Severity> {
        self.broken().map(|(_, broken)| broken.rule.severity).min()
    }

    /// Every broken rule with its file.
    pub fn broken(&self) -> impl Iterator<Item = (&Arc<str>, &Broken)> {
        self.faults.iter().flat_map(|(file, faults)| faults.rules().map(move |broken| (file, broken)))
    }

    fn broken_in(&self, file: &str, rule: &Rule) -> Option<&Broken> {
        self.faults.get(file)?.rules().find(|broken| broken.rule.id == rule.id)
    }
}

/// So many places of one rule are named, over all files.
const NAMED: usize = 5;

/// What the first reading and, where it was made, the second say together. What only one of them shows is *suspect*.
pub fn settle(first: &BlockReport, second: Option<&BlockReport>) -> Settled {
    let mut problems: BTreeMap<(Severity, Damage, &'static str, bool), Problem> = BTreeMap::new();
    let mut add = |report: &BlockReport, file: &Arc<str>, broken: &Broken, again: Option<&Broken>| {
        let rule = broken.rule;
        let confirmed = again.is_some() || rule.severity == Severity::Info;
        let problem = problems.entry((rule.severity, rule.damage, rule.id, !confirmed)).or_insert_with(|| Problem {
            damage: rule.damage,
            severity: rule.severity,
            rule: rule.id.to_owned(),
            words: rule.words.to_owned(),
            count: 0,
            places: Vec::new(),
            confirmed,
        });
        problem.count = problem.count.saturating_add(broken.count);
        for fault in &broken.first {
            if problem.places.len() < NAMED {
                problem.places.push(place(report, file, fault, again));
            }
        }
    };
    for (file, broken) in first.broken() {
        add(first, file, broken, second.and_then(|second| second.broken_in(file, broken.rule)));
    }
    for (file, broken) in second.into_iter().flat_map(BlockReport::broken) {
        if first.broken_in(file, broken.rule).is_none() {
            add(second.unwrap_or(first), file, broken, None);
        }
    }
    let problems: Vec<Problem> = problems.into_values().collect();
    // a sound block that not everybody can read is sound
    let counts = |problem: &&Problem| problem.severity < Severity::Info && problem.damage != Damage::Unsupported;
    let verdict = if problems.iter().filter(counts).any(|problem| problem.confirmed) {
        Verdict::Corrupt
    } else if problems.iter().any(|problem| counts(&problem)) {
        Verdict::Suspect
    } else {
        Verdict::Ok
    };
    Settled { verdict, problems }
}

fn place(report: &BlockReport, file: &Arc<str>, fault: &Fault, again: Option<&Broken>) -> Place {
    let again = again.and_then(|again| again.first.iter().find(|other| other.at == fault.at));
    Place {
        file: Arc::clone(file),
        section: fault.section.to_owned(),
        offset: (fault.section != WHOLE).then_some(fault.at),
        expected: fault.expected.clone(),
        found: fault.found.clone(),
        found_again: again.map(|other| other.found.clone()),
        series: fault.chunk.and_then(|chunk| report.labels.get(&chunk.series).cloned()),
        times_ms: fault.chunk.map(|chunk| (chunk.first_ms, chunk.last_ms)),
    }
}

/// The section of a fault that is in no place of its file.
pub(super) const WHOLE: &str = "file";

#[cfg(test)]
mod tests {
    use super::super::rules;
    use super::*;

    fn report(found: &[(&str, &'static Rule, u64)]) -> BlockReport {
        let mut report = BlockReport::default();
        for (file, rule, at) in found {
            let faults = report.faults.entry((*file).into()).or_default();
            faults.note(rule, "record", *at, || ("1".to_owned(), format!("at {at}")));
        }
        report
    }

    #[test]
    fn only_what_is_seen_twice_is_declared() {
        let bad = ("chunks/000001", &rules::RECORD_CHECKSUM, 8);
        let quirk = ("index", &rules::REFERENCES_UNORDERED, 9);
        let foreign = ("chunks/000001", &rules::ENCODING_UNSUPPORTED, 8);
        for (first, second, verdict) in [
            (vec![], None, Verdict::Ok),
            (vec![quirk], None, Verdict::Ok),
            (vec![foreign], Some(vec![foreign]), Verdict::Ok),
            (vec![bad], Some(vec![bad]), Verdict::Corrupt),
            (vec![bad], Some(vec![]), Verdict::Suspect),
            (vec![bad], Some(vec![("chunks/000002", bad.1, 8)]), Verdict::Suspect),
            (vec![bad], None, Verdict::Suspect),
        ] {
            let first = report(&first);
            let second = second.map(|second| report(&second));
            assert_eq!(settle(&first, second.as_ref()).verdict, verdict, "{first:?} {second:?}");
            assert_eq!(first.needs_second_reading(), first.worst().is_some_and(|worst| worst < Severity::Info));
        }
    }

    #[test]
    fn both_readings_are_in_the_evidence() {
        let first =
            report(&[("chunks/000001", &rules::RECORD_CHECKSUM, 8), ("chunks/000001", &rules::RECORD_LENGTH, 30)]);
        let second = report(&[("chunks/000001", &rules::RECORD_CHECKSUM, 8)]);
        let settled = settle(&first, Some(&second));
        let seen: Vec<_> = settled
            .problems
            .iter()
            .map(|problem| (problem.rule.as_str(), problem.confirmed, problem.places[0].found_again.as_deref()))
            .collect();
        assert_eq!(seen, [("record_checksum", true, Some("at 8")), ("record_length", false, None)]);
    }
}
