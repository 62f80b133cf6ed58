//! A block is sound, but of a format that the readers of the estate cannot read.

use super::damage::{Kind, findings};
use super::{Check, Scope};
use crate::model::{Damage, Finding, Need, Severity};

pub(super) static CHECK: Check = Check {
    id: "unsupported_format",
    needs: &[Need::Listing, Need::Bytes],
    severity: Severity::Warning,
    params: &[],
    run,
};

const KIND: Kind = Kind {
    damage: Damage::Unsupported,
    consequence: "store gateways and compactors of the estate cannot read the block",
    object: None,
    remedy: Some(
        "upgrade what reads the bucket before it gets there, or turn the feature off that makes the producer write this format",
    ),
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
