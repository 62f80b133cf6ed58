//! An object is not what its uploader hashed: its SHA-256 is not the one in `meta.json`.

use super::damage::{Kind, findings};
use super::{Check, Scope};
use crate::model::{Damage, Finding, Need, Severity};

pub(super) static CHECK: Check =
    Check { id: "hash_mismatch", needs: &[Need::Listing, Need::Bytes], severity: Severity::Critical, params: &[], run };

const KIND: Kind = Kind {
    damage: Damage::Hash,
    consequence: "it was damaged or replaced on the way to the bucket or in it, and nothing in the block can be relied on",
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
}
