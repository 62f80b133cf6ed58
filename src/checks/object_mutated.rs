//! An object of an immutable block is not what it was at first sight.

use super::damage::{open_one, shown, with_reading};
use super::estate::level_of;
use super::scope::count_of;
use super::{Check, Scope};
use crate::model::{BlockView, Damage, Finding, MetaState, Mutation, Need, Problem, Severity, Verification};

pub(super) static CHECK: Check = Check {
    id: "object_mutated",
    needs: &[Need::Listing, Need::Ledger, Need::Bytes],
    severity: Severity::Warning,
    params: &[],
    run,
};

/// Changes of at least so many blocks …
const MIGRATION_BLOCKS: usize = 10;
/// … that are more than one block in so many belong together.
const MIGRATION_SHARE: usize = 10;

/// Tools write it again where that is their job; what it says is compared instead.
const META: &str = "meta.json";

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
    let harmless = alike.iter().filter(|finding| finding.severity == Severity::Info).count();
    let known = match harmless {
        0 => String::new(),
        all if all == alike.len() => "; what they hold is the same".to_owned(),
        some => format!("; of {some} it is known by now that what they hold is the same"),
    };
    let message = format!(
        "objects of {} of {} blocks have other ETags or times than at first sight, with their old sizes: the bucket was \
         copied or migrated{known}",
        alike.len(),
        blocks.len(),
    );
    let remedy = "nothing, if that was done on purpose; else find out who wrote";
    let severity = if harmless == alike.len() { Severity::Info } else { Severity::Warning };
    let migration = scope.bucket_finding(message, remedy).with_severity(severity).with("blocks", alike.len());
    grown.into_iter().chain([migration]).collect()
}

/// What is known of the content of a block's objects beside the listing.
struct Reading<'a> {
    verification: Option<&'a Verification>,
    /// Objects that have another SHA-256 than when they were first verified.
    replaced: Vec<&'a Problem>,
    /// Every other object has the one that it had.
    is_compared: bool,
}

impl<'a> Reading<'a> {
    fn of(scope: &Scope<'a>, block: &BlockView) -> Self {
        let verification = scope.estate.verification(block);
        let problems = verification.into_iter().flat_map(|verification| &verification.problems);
        let (replaced, unsure): (Vec<&Problem>, Vec<&Problem>) =
            problems.filter(|problem| is_about_content(problem)).partition(|problem| problem.is_settled());
        let is_compared = unsure.is_empty() && verification.is_some_and(|verification| verification.compared);
        Self { verification, replaced, is_compared }
    }

    fn replaced_files(&self) -> impl Iterator<Item = &'a str> {
        self.replaced.iter().flat_map(|problem| &problem.places).map(|place| &*place.file)
    }

    fn severity_of(&self, mutation: &Mutation) -> Severity {
        match &mutation.meta_difference {
            Some((_, false)) => Severity::Info,
            None if mutation.was.size != mutation.now.size => Severity::Critical,
            None if self.replaced_files().any(|file| file == &*mutation.now.name) => Severity::Critical,
            None if self.is_compared => Severity::Info,
            Some((_, true)) | None => Severity::Warning,
        }
    }
}

fn is_about_content(problem: &Problem) -> bool {
    problem.damage == Damage::Mutated && problem.places.iter().any(|place| &*place.file != META)
}

fn judge(scope: &Scope<'_>, block: &BlockView) -> Option<Finding> {
    // a `meta.json` that is wrong has a finding of its own
    let is_wrong = matches!(&block.meta, MetaState::Read { problems, .. } if !problems.is_empty());
    let counts = |mutation: &&Mutation| !(is_wrong && &*mutation.now.name == META);
    let mutations: Vec<&Mutation> = block.mutations.iter().filter(counts).collect();
    if mutations.is_empty() && !scope.estate.has_problem(block.ulid, is_about_content) {
        return None;
    }
    let reading = Reading::of(scope, block);
    let by_listing = mutations.iter().map(|mutation| reading.severity_of(mutation));
    let severity = by_listing.chain(reading.replaced.first().map(|_| Severity::Critical)).min()?;
    let mut names: Vec<&str> = mutations.iter().map(|mutation| &*mutation.now.name).collect();
    names.extend(reading.replaced_files());
    names.sort_unstable();
    names.dedup();
    let what = match names.as_slice() {
        [one] => format!("`{one}`"),
        several => count_of(several.len(), "object"),
    };
    let placed = scope.estate.placed(block.ulid);
    let of = placed.map_or(String::new(), |placed| format!(" of {}", placed.meta.labels));
    let consequence = match severity {
        Severity::Critical if !reading.replaced.is_empty() => {
            "its SHA-256 is not the one that it had when the block was first verified, so somebody replaced what it holds"
        }
        Severity::Critical => "another size means other content",
        Severity::Warning if reading.verification.is_some() => {
            "whether its content is the same cannot be told, since no SHA-256 is kept from before"
        }
        Severity::Warning => "whether its content is the same is not known until it is verified",
        Severity::Info if reading.is_compared => "it was read again, and what the block holds is the same",
        Severity::Info => "what changed does not touch what the block holds",
    };
    let message = format!(
        "{what} of block {}{of} changed since first sight, though blocks are immutable: {consequence}",
        block.ulid,
    );
    let remedy = match severity {
        Severity::Info => "nothing, if a tool of Thanos was run or the object was restored on purpose",
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
    let level = open_one(scope, &finding).and_then(level_of);
    if level.is_some() && reading.replaced.is_empty() && !reading.is_compared {
        // what a reading has shown stays said until another one has shown something else
        return None;
    }
    if let Some(verification) = reading.verification.filter(|_| !reading.replaced.is_empty()) {
        finding = with_reading(finding, verification, level.max(Some(verification.level)))
            .with("sha256", shown(&reading.replaced));
    }
    let changes: Vec<String> = mutations.iter().take(20).flat_map(|mutation| describe(mutation)).collect();
    Some(finding.with_severity(severity).with("changes", changes))
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
    use crate::checks::kit::{Kit, at, problem};
    use crate::model::{MetaProblem, MetaProblemKind, ObjectView, OpenFinding};

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

    /// A block whose index has another tag than at first sight.
    fn retagged() -> (Kit, ulid::Ulid) {
        let mut kit = Kit::healthy(49);
        mutate(&mut kit, 3, "index", |object| object.etag = Some("other".into()));
        let ulid = *kit.view.blocks.keys().nth(3).unwrap();
        (kit, ulid)
    }

    /// The index has another SHA-256 than it had.
    fn replaced() -> Problem {
        let mut problem = problem(Damage::Mutated, Severity::Critical);
        problem.places.truncate(1);
        problem.places[0].file = "index".into();
        problem
    }

    #[test]
    fn what_is_the_same_by_its_hash_is_information() {
        let (mut kit, ulid) = retagged();
        assert!(kit.one(CHECK.id).message.ends_with("not known until it is verified"));
        kit.verify(ulid, &[]);
        let finding = kit.one(CHECK.id);
        assert_eq!(finding.severity, Severity::Info);
        assert!(finding.message.ends_with("what the block holds is the same"), "{}", finding.message);
        // verified, and there was nothing to compare with
        kit.verified.get_mut(&ulid).unwrap().compared = false;
        let finding = kit.one(CHECK.id);
        assert_eq!(finding.severity, Severity::Warning);
        assert!(finding.message.ends_with("no SHA-256 is kept from before"), "{}", finding.message);
        // verified before it was written
        kit.verify(ulid, &[]);
        kit.edit(ulid, |block| block.objects[1].etag = Some("third".into()));
        assert_eq!(kit.one(CHECK.id).severity, Severity::Warning);
        // another size is another content, whatever was compared
        let (mut kit, ulid) = retagged();
        mutate(&mut kit, 3, "index", |object| object.size += 1);
        kit.verify(ulid, &[]);
        assert_eq!(kit.one(CHECK.id).severity, Severity::Critical);
    }

    #[test]
    fn another_hash_is_critical_and_in_the_evidence_whatever_the_listing_says() {
        for listed in [true, false] {
            let (mut kit, ulid) = retagged();
            if !listed {
                kit.edit(ulid, |block| block.mutations = Box::new([]));
                kit.none(CHECK.id);
            }
            kit.verify(ulid, &[replaced()]);
            let finding = kit.one(CHECK.id);
            assert_eq!(finding.severity, Severity::Critical);
            assert_eq!(finding.subject.object, Some(format!("{ulid}/index")));
            let place = &finding.evidence["sha256"][0]["places"][0];
            assert_eq!((&place["expected"], &place["found"]), (&"checksum 0000002a".into(), &"00000017".into()));
            assert_eq!(finding.evidence["changes"].as_array().unwrap().len(), usize::from(listed));
            assert_eq!(kit.alarms(), [CHECK.id]);
            // of other content it says nothing, but what was said stays
            let open = OpenFinding::of(&finding, at(40), at(40));
            kit.past.findings.insert(finding.fingerprint(), open);
            kit.edit(ulid, |block| block.objects[1].etag = Some("third".into()));
            kit.none(CHECK.id);
        }
    }

    #[test]
    fn another_hash_at_one_reading_of_two_tells_nothing() {
        let (mut kit, ulid) = retagged();
        kit.verify(ulid, &[Problem { confirmed: false, ..replaced() }]);
        assert_eq!(kit.one(CHECK.id).severity, Severity::Warning);
        kit.edit(ulid, |block| block.mutations = Box::new([]));
        kit.none(CHECK.id);
    }

    #[test]
    fn a_meta_json_that_was_written_again_is_compared_by_what_it_says() {
        let (mut kit, ulid) = retagged();
        kit.edit(ulid, |block| block.mutations = Box::new([]));
        let mut only_meta = replaced();
        only_meta.places[0].file = META.into();
        kit.verify(ulid, &[only_meta]);
        kit.none(CHECK.id);
    }

    #[test]
    fn a_migration_that_was_read_again_is_information() {
        let mut kit = Kit::healthy(201);
        let blocks: Vec<_> = kit.view.blocks.keys().copied().take(11).collect();
        for nth in 0..11 {
            mutate(&mut kit, nth, "index", |object| object.etag = Some("other".into()));
        }
        for (read, severity, words) in [
            (0, Severity::Warning, "migrated"),
            (5, Severity::Warning, "of 5 it is known by now that what they hold is the same"),
            (11, Severity::Info, "what they hold is the same"),
        ] {
            for ulid in &blocks[..read] {
                kit.verify(*ulid, &[]);
            }
            let finding = kit.one(CHECK.id);
            assert_eq!((finding.severity, finding.subject.block), (severity, None));
            assert!(finding.message.ends_with(words), "{}", finding.message);
        }
    }
}
