//! A `meta.json` or a mark that Thanos cannot use.

use super::estate::Placed;
use super::partial_upload::REMOVED_AFTER_MS;
use super::scope::moment;
use super::{Check, Scope};
use crate::model::{
    BlockView, Finding, MarkState, MetaProblem, MetaProblemKind, MetaState, Need, Severity, TimestampMs,
};

pub(super) static CHECK: Check = Check {
    id: "meta_invalid",
    needs: &[Need::Listing, Need::Metas, Need::Marks],
    severity: Severity::Critical,
    params: &[],
    run,
};

fn run(scope: &Scope<'_>) -> Vec<Finding> {
    let estate = scope.estate;
    let mut found = Vec::new();
    for block in &estate.blocks {
        let mut problems = problems_of(block.view).to_vec();
        if estate.is_ahead(block) && matches!(block.view.meta, MetaState::Read { .. }) {
            let text = format!("`maxTime` {} is in the future", moment(block.meta.interval.end));
            problems.push(MetaProblem { kind: MetaProblemKind::Field, text });
        }
        if !problems.is_empty() && block.settled {
            found.push(judge(scope, block.view, Some(block), &problems));
        }
    }
    for block in &estate.unplaced {
        let problems = problems_of(block);
        let consistency = estate.bucket_policy.consistency_delay_ms;
        if !problems.is_empty() && !estate.is_young(block, consistency) {
            found.push(judge(scope, block, None, problems));
        }
    }
    found.extend(estate.view.blocks.values().flat_map(|block| invalid_marks(scope, block)));
    found
}

fn problems_of(block: &BlockView) -> &[MetaProblem] {
    match &block.meta {
        MetaState::Read { problems, .. } => problems,
        MetaState::Absent | MetaState::Unknown(_) => &[],
    }
}

fn judge(scope: &Scope<'_>, view: &BlockView, placed: Option<&Placed<'_>>, problems: &[MetaProblem]) -> Finding {
    let ulid = view.ulid;
    let texts: Vec<&str> = problems.iter().map(|problem| problem.text.as_str()).collect();
    let unparsable = problems.iter().any(|problem| problem.kind == MetaProblemKind::Unparsable);
    let removal: Option<TimestampMs> = view
        .newest_modification()
        .filter(|newest| unparsable && *newest <= scope.now())
        .map(|newest| newest.plus(REMOVED_AFTER_MS));
    let consequence = match removal {
        Some(removal) => {
            format!("Thanos takes the block for a partial upload, and a compactor deletes it after {}", moment(removal))
        }
        None => "Thanos does not use the block as it should".to_owned(),
    };
    let message = format!("`meta.json` of block {ulid} is wrong: {}; {consequence}", texts.join("; "));
    let remedy = "bring the right `meta.json` back from versioning or a copy of the bucket before a compactor runs; the \
                  producer's own lacks the `thanos` section with the external labels";
    let finding = match placed {
        Some(block) => {
            let severity = scope.severity_of_block(block);
            scope.block_finding(block, message, remedy).with_severity(severity)
        }
        None => scope.unplaced_finding(ulid, message, remedy),
    };
    finding.about_object(ulid, "meta.json").until(removal, scope.now()).with("problems", texts)
}

fn invalid_marks(scope: &Scope<'_>, block: &BlockView) -> Vec<Finding> {
    let marks = &block.marks;
    let invalid = [
        ("deletion-mark.json", problem_of(marks.deletion.as_ref())),
        ("no-compact-mark.json", problem_of(marks.no_compact.as_ref())),
        ("no-downsample-mark.json", problem_of(marks.no_downsample.as_ref())),
    ];
    let found = invalid.into_iter().filter_map(|(name, problem)| Some((name, problem?)));
    let findings = found.map(|(name, problem)| {
        let ulid = block.ulid;
        let consequence = match problem.kind {
            MetaProblemKind::Version => "every component that reads it fails",
            MetaProblemKind::Unparsable | MetaProblemKind::Field => "Thanos acts as if there were no mark",
        };
        let message = format!("`{name}` of block {ulid} is wrong: {}; {consequence}", problem.text);
        let remedy = "write the mark again with `thanos tools bucket mark`, or remove it";
        let finding = match scope.estate.placed(ulid) {
            Some(placed) => scope.block_finding(placed, message, remedy),
            None => scope.unplaced_finding(ulid, message, remedy),
        };
        finding.with_severity(Severity::Warning).about_object(ulid, name).with("problems", vec![problem.text.as_str()])
    });
    findings.collect()
}

fn problem_of<T>(mark: Option<&MarkState<T>>) -> Option<&MetaProblem> {
    match mark? {
        MarkState::Invalid(problem) => Some(problem),
        MarkState::Read(_) | MarkState::Unknown(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::kit::{Kit, Spec, at};

    fn problem(kind: MetaProblemKind) -> MetaProblem {
        MetaProblem { kind, text: "the file ends early at line 1 column 5".to_owned() }
    }

    #[test]
    fn an_unparsable_file_is_critical_and_says_when_the_block_is_deleted() {
        let mut kit = Kit::healthy(49);
        kit.none(CHECK.id);
        let ulid = kit.add(Spec::new("a", 46, 48));
        let problems = [problem(MetaProblemKind::Unparsable)];
        kit.edit(ulid, |block| block.meta = MetaState::Read { meta: None, problems: problems.into() });
        kit.none(CHECK.id);
        kit.view.observed_at = at(50);
        let finding = kit.one(CHECK.id);
        assert_eq!((finding.severity, finding.deadline), (Severity::Critical, Some(at(49 + 48))));
        assert_eq!(finding.subject.object, Some(format!("{ulid}/meta.json")));
        assert_eq!(finding.subject.stream, None);
    }

    #[test]
    fn a_wrong_field_leaves_the_block_in_its_stream_and_a_copy_makes_it_a_warning() {
        let mut kit = Kit::healthy(49);
        let ulid = *kit.view.blocks.keys().nth(3).unwrap();
        kit.edit(ulid, |block| {
            let MetaState::Read { problems, .. } = &mut block.meta else { panic!() };
            *problems = [problem(MetaProblemKind::Field)].into();
        });
        let finding = kit.one(CHECK.id);
        assert_eq!((finding.severity, finding.deadline), (Severity::Critical, None));
        assert!(finding.subject.stream.is_some());
        kit.fill("b", 0, 48);
        assert_eq!(kit.one(CHECK.id).severity, Severity::Warning);
    }

    #[test]
    fn data_from_the_future_is_wrong_but_an_out_of_order_block_ends_on_the_grid() {
        for (end, hinted, fires) in [(49, false, 0), (50, false, 0), (51, false, 1), (51, true, 0), (53, true, 1)] {
            let mut kit = Kit::healthy(49);
            let ulid = kit.add(Spec { hinted, ..Spec::new("a", 48, end) });
            kit.edit_meta(ulid, |meta| meta.upload_time = Some(at(48)));
            kit.edit(ulid, |block| block.objects.iter_mut().for_each(|object| object.last_modified = at(48)));
            assert_eq!(kit.run(CHECK.id).len(), fires, "ends at {end}, hinted: {hinted}");
        }
    }

    #[test]
    fn a_block_that_was_made_after_the_judged_time_is_not_from_the_future() {
        let mut kit = Kit::healthy(49);
        let ulid = kit.add(Spec::new("a", 60, 62));
        kit.none(CHECK.id);
        // the producer's clock is ahead, the storage's is not
        kit.edit(ulid, |block| block.objects.iter_mut().for_each(|object| object.last_modified = at(48)));
        kit.edit_meta(ulid, |meta| meta.upload_time = Some(at(48)));
        kit.one(CHECK.id);
    }

    #[test]
    fn a_wrong_mark_is_a_warning() {
        let mut kit = Kit::healthy(49);
        let ulid = *kit.view.blocks.keys().next().unwrap();
        kit.edit(ulid, |block| block.marks.no_compact = Some(MarkState::Invalid(problem(MetaProblemKind::Field))));
        let finding = kit.one(CHECK.id);
        assert_eq!(finding.severity, Severity::Warning);
        assert_eq!(finding.subject.object, Some(format!("{ulid}/no-compact-mark.json")));
    }
}
