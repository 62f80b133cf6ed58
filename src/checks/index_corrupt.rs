//! The index of a block is damaged: a checksum or the structure, at two readings.

use super::damage::{Kind, findings};
use super::{Check, Scope};
use crate::model::{Damage, Finding, Need, Severity};

pub(super) static CHECK: Check =
    Check { id: "index_corrupt", needs: &[Need::Listing, Need::Bytes], severity: Severity::Critical, params: &[], run };

const KIND: Kind = Kind {
    damage: Damage::Index,
    consequence: "queries fail or silently lack series, and the compactor halts on the block",
    object: Some("index"),
    remedy: None,
};

fn run(scope: &Scope<'_>) -> Vec<Finding> {
    findings(scope, &KIND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::kit::{Kit, Spec, at, problem};
    use crate::model::{DAY_MS, HOUR_MS, Labels, Level, OpenFinding, Problem, Verdict};

    /// A bucket whose fourth block has this problem.
    fn with(problem: &Problem) -> (Kit, ulid::Ulid) {
        let mut kit = Kit::healthy(49);
        let ulid = *kit.view.blocks.keys().nth(3).unwrap();
        kit.verify(ulid, std::slice::from_ref(problem));
        (kit, ulid)
    }

    fn grave() -> Problem {
        problem(Damage::Index, Severity::Critical)
    }

    #[test]
    fn damage_is_critical_and_says_where_it_is_and_what_it_hurts() {
        let (kit, ulid) = with(&grave());
        let finding = kit.one(CHECK.id);
        assert_eq!((finding.severity, finding.subject.object), (Severity::Critical, Some(format!("{ulid}/index"))));
        for part in [
            "in `chunks/000001` of block",
            "a checksum does not match (record at byte 8: expected checksum 0000002a, found 00000017 at both readings)",
            "; 3 places in all",
            "; hurt is {__name__=\"up\"} from 2026-01-01 00:00 UTC to 2026-01-01 01:00 UTC",
            "queries fail or silently lack series",
            "(2026-01-01 06:00 UTC to 2026-01-01 08:00 UTC (2h))",
        ] {
            assert!(finding.message.contains(part), "{part}\n{}", finding.message);
        }
        assert_eq!((&finding.evidence["level"], &finding.evidence["count"]), (&"full".into(), &3.into()));
        let place = &finding.evidence["problems"][0]["places"][1];
        assert_eq!((&place["offset"], &place["found_again"]), (&99.into(), &"00000017".into()));
        assert_eq!(place["times"]["start"], "2026-01-01T00:00:00Z");
        // every other check is silent about it
        assert_eq!(kit.alarms(), ["index_corrupt"]);
    }

    #[test]
    fn what_is_not_known_to_be_damaged_is_not_called_so() {
        Kit::healthy(49).none(CHECK.id);
        let (kit, _) = with(&problem(Damage::Chunk, Severity::Critical));
        kit.none(CHECK.id);
        // nothing was shown
        for verdict in [Verdict::Changed, Verdict::Unreachable] {
            let (mut kit, ulid) = with(&grave());
            kit.verified.get_mut(&ulid).unwrap().verdict = verdict;
            kit.none(CHECK.id);
        }
        // other content was read
        let (mut kit, ulid) = with(&grave());
        kit.edit(ulid, |block| block.objects[1].size += 1);
        kit.none(CHECK.id);
        // it is about to go, or has gone
        let (mut kit, ulid) = with(&grave());
        kit.mark(ulid, 40, "x");
        kit.none(CHECK.id);
        kit.view.blocks.remove(&ulid);
        kit.none(CHECK.id);
        // a mark does not change what was read
        let (mut kit, ulid) = with(&grave());
        kit.mark(ulid, 40, "x");
        kit.edit(ulid, |block| block.marks.deletion = None);
        kit.one(CHECK.id);
    }

    #[test]
    fn the_worst_problem_counts() {
        for (severities, expected) in [
            (&[Severity::Info, Severity::Critical, Severity::Warning][..], Severity::Critical),
            (&[Severity::Warning, Severity::Info], Severity::Warning),
            (&[Severity::Info], Severity::Info),
        ] {
            let (mut kit, ulid) = with(&grave());
            let problems: Vec<Problem> = severities.iter().map(|own| problem(Damage::Index, *own)).collect();
            kit.verify(ulid, &problems);
            let finding = kit.one(CHECK.id);
            assert_eq!(finding.severity, expected);
            assert_eq!(finding.evidence["count"], problems.len() * 3);
        }
    }

    #[test]
    fn a_copy_that_is_not_damaged_itself_makes_it_a_warning() {
        let mut kit = Kit::healthy(49);
        let own = *kit.view.blocks.keys().nth(3).unwrap();
        let copy = kit.fill("b", 0, 48)[3];
        kit.verify(own, &[grave()]);
        let finding = kit.one(CHECK.id);
        assert_eq!(finding.severity, Severity::Warning);
        assert!(finding.remedy.starts_with("another block or replica holds the data"), "{}", finding.remedy);
        kit.verify(copy, &[problem(Damage::Chunk, Severity::Critical)]);
        assert_eq!(kit.one(CHECK.id).severity, Severity::Critical);
        kit.verify(copy, &[problem(Damage::Chunk, Severity::Warning)]);
        assert_eq!(kit.one(CHECK.id).severity, Severity::Warning);
        // a block that holds the sources does as well
        let mut kit = Kit::healthy(49);
        let blocks: Vec<_> = kit.view.blocks.keys().copied().collect();
        kit.add(Spec::compacted("a", 0, 8, &blocks[..4]));
        kit.verify(blocks[3], &[grave()]);
        assert_eq!(kit.one(CHECK.id).severity, Severity::Warning);
    }

    #[test]
    fn one_reading_that_was_wrong_is_information() {
        let once = Problem { confirmed: false, ..grave() };
        let (mut kit, ulid) = with(&once);
        let finding = kit.one(CHECK.id);
        assert_eq!(finding.severity, Severity::Info);
        assert!(finding.message.contains("but not when it was read again"), "{}", finding.message);
        // an alarm is not lowered by it
        let known = Kit::one(&with(&grave()).0, CHECK.id);
        let open = OpenFinding::of(&known, at(40), at(40));
        kit.past.findings.insert(known.fingerprint(), open);
        kit.none(CHECK.id);
        // beside one that was wrong twice it is not counted
        kit.verify(ulid, &[once, grave()]);
        assert_eq!(
            (kit.one(CHECK.id).evidence["count"].clone(), kit.one(CHECK.id).severity),
            (3.into(), Severity::Critical)
        );
    }

    #[test]
    fn while_the_producer_has_the_block_there_is_a_deadline() {
        let (mut kit, ulid) = with(&grave());
        assert!(kit.one(CHECK.id).remedy.starts_with("while the producer's local retention holds"));
        let stream = crate::checks::StreamPolicy { local_retention_ms: Some(2 * DAY_MS), ..Default::default() };
        kit.policy.streams.push(stream);
        let finding = kit.one(CHECK.id);
        assert_eq!(finding.deadline, Some(at(8 + 48)));
        assert!(
            finding.remedy.starts_with("until 2026-01-03 08:00 UTC the producer has the block"),
            "{}",
            finding.remedy
        );
        // then it is too late
        kit.policy.streams[0].local_retention_ms = Some(24 * HOUR_MS);
        assert_eq!(kit.one(CHECK.id).deadline, None);
        // a compacted block is on no producer's disk
        kit.policy.streams[0].local_retention_ms = Some(2 * DAY_MS);
        kit.edit_meta(ulid, |meta| meta.level = 2);
        let finding = kit.one(CHECK.id);
        assert!(finding.deadline.is_none() && finding.remedy.contains("thanos tools bucket rewrite"));
    }

    #[test]
    fn a_finding_remembers_the_highest_level_that_found_it() {
        let (mut kit, ulid) = with(&grave());
        let known = kit.one(CHECK.id);
        kit.past.findings.insert(known.fingerprint(), OpenFinding::of(&known, at(40), at(40)));
        kit.verified.get_mut(&ulid).unwrap().level = Level::Index;
        assert_eq!(kit.one(CHECK.id).evidence["level"], "full");
        kit.past.findings.clear();
        assert_eq!(kit.one(CHECK.id).evidence["level"], "index");
    }

    #[test]
    fn a_directory_without_a_stream_has_its_finding_too() {
        let (mut kit, ulid) = with(&grave());
        kit.edit(ulid, |block| block.meta = crate::model::MetaState::Read { meta: None, problems: Box::new([]) });
        let finding = kit.one(CHECK.id);
        assert_eq!((finding.subject.stream.is_none(), finding.subject.block), (true, Some(ulid)));
        assert!(!finding.message.contains(&Labels::from([("cluster", "eu1"), ("replica", "a")]).to_string()));
    }

    #[test]
    fn evidence_is_bounded() {
        let (mut kit, ulid) = with(&grave());
        let long = "x".repeat(10_000);
        let mut problem = grave();
        problem.places = vec![problem.places[0].clone(); 7];
        problem.places[0].expected = long;
        kit.verify(ulid, &vec![problem; 30]);
        let finding = kit.one(CHECK.id);
        assert!(finding.message.len() < 1_000, "{}", finding.message.len());
        let problems = finding.evidence["problems"].as_array().unwrap();
        let places: usize = problems.iter().map(|problem| problem["places"].as_array().unwrap().len()).sum();
        assert_eq!((problems.len(), places, finding.evidence["count"].as_u64()), (10, 10, Some(90)));
    }
}
