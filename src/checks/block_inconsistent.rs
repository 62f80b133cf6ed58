//! Parts of a block that are each sound do not agree with each other.

use super::damage::{Kind, findings};
use super::{Check, Scope};
use crate::model::{Damage, Finding, Need, Severity};

pub(super) static CHECK: Check = Check {
    id: "block_inconsistent",
    needs: &[Need::Listing, Need::Bytes],
    severity: Severity::Critical,
    params: &[],
    run,
};

const KIND: Kind = Kind {
    damage: Damage::Inconsistent,
    consequence: "what queries return for its time cannot be relied on, and the compactor may halt on it or carry the fault on",
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
    fn a_quirk_of_the_writer_is_information_however_often_it_was_read() {
        for confirmed in [true, false] {
            let mut kit = Kit::healthy(49);
            let ulid = *kit.view.blocks.keys().nth(3).unwrap();
            let quirk = crate::model::Problem { confirmed, ..problem(Damage::Inconsistent, Severity::Info) };
            kit.verify(ulid, &[quirk]);
            let finding = kit.one(CHECK.id);
            assert_eq!(finding.severity, Severity::Info);
            assert!(finding.message.ends_with("nothing is lost"), "{}", finding.message);
        }
    }

    #[test]
    fn what_readers_get_over_is_a_warning() {
        let mut kit = Kit::healthy(49);
        let ulid = *kit.view.blocks.keys().nth(3).unwrap();
        kit.verify(ulid, &[problem(Damage::Inconsistent, Severity::Warning)]);
        let finding = kit.one(CHECK.id);
        assert_eq!(finding.severity, Severity::Warning);
        assert!(finding.message.contains("readers get over it today") && finding.deadline.is_none());
    }
}
