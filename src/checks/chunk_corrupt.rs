//! A chunk or segment of a block is damaged: a checksum or the structure, at two readings.

use super::damage::{Kind, findings};
use super::{Check, Scope};
use crate::model::{Damage, Finding, Need, Severity};

pub(super) static CHECK: Check =
    Check { id: "chunk_corrupt", needs: &[Need::Listing, Need::Bytes], severity: Severity::Critical, params: &[], run };

const KIND: Kind = Kind {
    damage: Damage::Chunk,
    consequence: "queries that touch these samples fail or return wrong values, and the compactor halts on the block",
    object: None,
    remedy: None,
};

fn run(scope: &Scope<'_>) -> Vec<Finding> {
    findings(scope, &KIND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::kit::{Kit, problem};

    #[test]
    fn it_fires_on_its_own_damage_alone() {
        for damage in Damage::ALL {
            let mut kit = Kit::healthy(49);
            let ulid = *kit.view.blocks.keys().nth(3).unwrap();
            kit.verify(ulid, &[problem(damage, Severity::Critical)]);
            if damage == KIND.damage {
                let finding = kit.one(CHECK.id);
                assert_eq!((finding.severity, finding.subject.block), (CHECK.severity, Some(ulid)));
                assert!(finding.message.contains(KIND.consequence), "{}", finding.message);
                assert_eq!(kit.alarms(), [CHECK.id]);
            } else {
                kit.none(CHECK.id);
            }
            kit.verify(ulid, &[]);
            kit.none(CHECK.id);
        }
    }

    #[test]
    fn a_replica_with_the_same_hours_makes_it_a_warning() {
        let mut kit = Kit::healthy(49);
        kit.fill("b", 0, 48);
        let ulid = *kit.view.blocks.keys().nth(3).unwrap();
        kit.verify(ulid, &[problem(Damage::Chunk, Severity::Critical)]);
        assert_eq!(kit.one(CHECK.id).severity, Severity::Warning);
    }
}
