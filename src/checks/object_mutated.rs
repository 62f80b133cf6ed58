//! An object of an immutable block is not what it was at first sight.

use super::scope::count_of;
use super::{Check, Scope};
use crate::model::{BlockView, Finding, MetaState, Mutation, Need, Severity};

pub(super) static CHECK: Check = Check {
    id: "object_mutated",
    needs: &[Need::Listing, Need::Ledger],
    severity: Severity::Warning,
    params: &[],
    run,
};

/// Changes of at least so many blocks …
const MIGRATION_BLOCKS: usize = 10;
/// … that are more than one block in so many belong together.
const MIGRATION_SHARE: usize = 10;

fn run(scope: &Scope<'_>) -> Vec<Finding> {
    let blocks = &scope.estate.view.blocks;
    let kept = blocks.values().filter(|block| block.marks.deletion.is_none());
    let findings: Vec<Finding> = kept.filter_map(|block| judge(scope, block)).collect();
    let (grown, alike): (Vec<Finding>, Vec<Finding>) =
        findings.into_iter().partition(|finding| finding.severity == Severity::Critical);
    let migrated = alike.len() >= MIGRATION_BLOCKS && alike.len().saturating_mul(MIGRATION_SHARE) > blocks.len();
    if !migrated {
        return grown.into_iter().chain(alike).collect();
    }
    let message = format!(
        "objects of {} of {} blocks have other ETags or times than at first sight, with their old sizes: the bucket was \
         copied or migrated",
        alike.len(),
        blocks.len(),
    );
    let remedy = "nothing, if that was done on purpose; else find out who wrote";
    grown.into_iter().chain([scope.bucket_finding(message, remedy).with("blocks", alike.len())]).collect()
}

fn judge(scope: &Scope<'_>, block: &BlockView) -> Option<Finding> {
    // a `meta.json` that is wrong has a finding of its own
    let is_wrong = matches!(&block.meta, MetaState::Read { problems, .. } if !problems.is_empty());
    let counts = |mutation: &&Mutation| !(is_wrong && &*mutation.now.name == "meta.json");
    let mutations: Vec<&Mutation> = block.mutations.iter().filter(counts).collect();
    let severity = mutations.iter().map(|mutation| severity_of(mutation)).min()?;
    let names: Vec<&str> = mutations.iter().map(|mutation| &*mutation.now.name).collect();
    let what = match names.as_slice() {
        [one] => format!("`{one}`"),
        several => count_of(several.len(), "object"),
    };
    let placed = scope.estate.placed(block.ulid);
    let of = placed.map_or(String::new(), |placed| format!(" of {}", placed.meta.labels));
    let consequence = match severity {
        Severity::Critical => "another size means other content",
        Severity::Warning => "whether its content is the same is not known until it is verified",
        Severity::Info => "what changed does not touch what the block holds",
    };
    let message = format!(
        "{what} of block {}{of} changed since first sight, though blocks are immutable: {consequence}",
        block.ulid,
    );
    let remedy = match severity {
        Severity::Info => "nothing, if a tool of Thanos was run on purpose",
        Severity::Critical | Severity::Warning => {
            "find out who wrote the object (access log, another uploader with the same ULID); bring the old version back \
             from versioning if the new one is wrong"
        }
    };
    let mut finding = match placed {
        Some(placed) => scope.block_finding(placed, message, remedy),
        None => scope.unplaced_finding(block.ulid, message, remedy),
    };
    if let [one] = names.as_slice() {
        finding = finding.about_object(block.ulid, one);
    }
    let changes: Vec<String> = mutations.iter().take(20).flat_map(|mutation| describe(mutation)).collect();
    Some(finding.with_severity(severity).with("changes", changes))
}

fn severity_of(mutation: &Mutation) -> Severity {
    match &mutation.meta_difference {
        Some((_, false)) => Severity::Info,
        None if mutation.was.size != mutation.now.size => Severity::Critical,
        Some((_, true)) | None => Severity::Warning,
    }
}

fn describe(mutation: &Mutation) -> Vec<String> {
    let (was, now) = (&mutation.was, &mutation.now);
    let name = &now.name;
    if let Some((lines, _)) = &mutation.meta_difference
        && !lines.is_empty()
    {
        return lines.iter().map(|line| format!("{name}: {line}")).collect();
    }
    let mut lines = Vec::new();
    if was.size != now.size {
        lines.push(format!("{name}: {} → {} bytes", was.size, now.size));
    }
    if was.etag != now.etag {
        let text = |etag: &Option<Box<str>>| etag.as_deref().unwrap_or("none").to_owned();
        lines.push(format!("{name}: ETag {} → {}", text(&was.etag), text(&now.etag)));
    }
    if was.last_modified != now.last_modified {
        lines.push(format!("{name}: modified {} → {}", was.last_modified, now.last_modified));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::kit::Kit;
    use crate::model::{MetaProblem, MetaProblemKind, ObjectView};

    fn mutate(kit: &mut Kit, nth: usize, name: &str, change: impl FnOnce(&mut ObjectView)) {
        let ulid = *kit.view.blocks.keys().nth(nth).unwrap();
        kit.edit(ulid, |block| {
            let was = block.objects.iter().find(|object| &*object.name == name).unwrap().clone();
            let mut now = was.clone();
            change(&mut now);
            block.mutations = [Mutation { was, now, meta_difference: None }].into();
        });
    }

    #[test]
    fn another_size_is_critical_and_another_tag_or_time_a_warning() {
        let mut kit = Kit::healthy(49);
        kit.none(CHECK.id);
        mutate(&mut kit, 3, "index", |object| object.size += 1);
        let finding = kit.one(CHECK.id);
        assert_eq!(finding.severity, Severity::Critical);
        assert!(finding.subject.object.unwrap().ends_with("/index"));
        mutate(&mut kit, 3, "index", |object| object.etag = Some("other".into()));
        assert_eq!(kit.one(CHECK.id).severity, Severity::Warning);
        mutate(&mut kit, 3, "index", |object| object.last_modified = object.last_modified.plus(1));
        assert_eq!(kit.one(CHECK.id).severity, Severity::Warning);
    }

    #[test]
    fn a_meta_json_that_a_tool_rewrote_is_information_with_the_difference() {
        for (weighty, severity) in [(false, Severity::Info), (true, Severity::Warning)] {
            let mut kit = Kit::healthy(49);
            mutate(&mut kit, 3, "meta.json", |object| object.size += 1);
            let ulid = *kit.view.blocks.keys().nth(3).unwrap();
            kit.edit(ulid, |block| {
                block.mutations[0].meta_difference = Some((vec!["thanos.files: 0 → 3 entries".to_owned()], weighty));
            });
            let finding = kit.one(CHECK.id);
            assert_eq!(finding.severity, severity);
            assert_eq!(finding.evidence["changes"][0], "meta.json: thanos.files: 0 → 3 entries");
        }
    }

    #[test]
    fn a_meta_json_that_broke_is_meta_invalid_alone() {
        let mut kit = Kit::healthy(49);
        mutate(&mut kit, 3, "meta.json", |object| object.size -= 1);
        kit.one(CHECK.id);
        let ulid = *kit.view.blocks.keys().nth(3).unwrap();
        let problem = MetaProblem { kind: MetaProblemKind::Unparsable, text: "the file ends early".to_owned() };
        kit.edit(ulid, |block| block.meta = MetaState::Read { meta: None, problems: [problem].into() });
        kit.none(CHECK.id);
        kit.one("meta_invalid");
    }

    #[test]
    fn a_block_that_cannot_be_read_now_keeps_the_stream_that_it_had() {
        let mut kit = Kit::healthy(49);
        kit.remember(20, 48);
        mutate(&mut kit, 3, "index", |object| object.size += 1);
        let ulid = *kit.view.blocks.keys().nth(3).unwrap();
        kit.edit(ulid, |block| block.meta = MetaState::Unknown("503".to_owned()));
        assert_eq!(kit.one(CHECK.id).subject.stream.unwrap().get("cluster"), Some("eu1"));
    }

    #[test]
    fn a_migration_is_one_finding() {
        let mut kit = Kit::healthy(201);
        for nth in 0..11 {
            mutate(&mut kit, nth, "index", |object| object.etag = Some("other".into()));
        }
        let finding = kit.one(CHECK.id);
        assert_eq!((finding.subject.block, finding.severity), (None, Severity::Warning));
        let mut few = Kit::healthy(201);
        for nth in 0..10 {
            mutate(&mut few, nth, "index", |object| object.etag = Some("other".into()));
        }
        assert_eq!(few.run(CHECK.id).len(), 10);
    }
}
