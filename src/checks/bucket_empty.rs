//! There is no block under the prefix, or many went at once: one finding instead of one per block or stream.

use super::partial_upload::AFTER as PARTIAL_AFTER;
use super::{Check, Scope};
use crate::model::{BlockView, Finding, MetaState, Need, Severity};

pub(super) static CHECK: Check =
    Check { id: "bucket_empty", needs: &[Need::Listing], severity: Severity::Critical, params: &[], run };

fn run(scope: &Scope<'_>) -> Vec<Finding> {
    let estate = scope.estate;
    if let Some((lost, before)) = estate.mass_loss {
        let finding = scope.bucket_finding(
            format!(
                "{lost} of {before} blocks went at once, with neither mark, retention nor compaction to account for it"
            ),
            "stop the compactor and every job that writes here, then look for a deleted prefix, a lifecycle rule or \
             another prefix in the configuration; with versioning on, the objects can be brought back",
        );
        return vec![finding.with("lost", lost).with("before", before)];
    }
    // a directory is a block once it has a `meta.json`; what is on its way there counts as one
    let uploading_ms = scope.duration_ms(&PARTIAL_AFTER, None);
    let is_block = |block: &BlockView| block.meta != MetaState::Absent || estate.is_young(block, uploading_ms);
    if estate.view.blocks.values().any(is_block) || estate.bucket_policy.new {
        return Vec::new();
    }
    let foreign = &estate.view.foreign;
    let partial = estate.view.blocks.len();
    let (found, remedy) = match (foreign.nested_blocks.first(), foreign.count) {
        _ if partial > 0 => (
            format!("it holds {partial} directories without a `meta.json`"),
            "bring the `meta.json` of each block back from versioning or a copy of the bucket before a compactor \
             deletes the rest as partial uploads"
                .to_owned(),
        ),
        (Some(nested), _) => (
            format!("blocks lie under `{nested}/`"),
            format!("set `prefix: {nested}` in the objstore file if those are the ones that are meant"),
        ),
        (None, 0) => (
            "it holds no object at all".to_owned(),
            "check bucket and prefix, and whether anything has ever uploaded; declare a bucket that is meant to be \
             empty with `new: true`"
                .to_owned(),
        ),
        (None, count) => (
            format!("it holds {count} objects of other kinds"),
            "check bucket and prefix; declare a bucket that is meant to hold no block yet with `new: true`".to_owned(),
        ),
    };
    let finding = scope.bucket_finding(format!("there is no block in the bucket: {found}"), remedy);
    vec![finding.with("foreign_objects", foreign.count).with("top_level", foreign.samples.clone())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::kit::{Kit, Spec};

    #[test]
    fn an_empty_bucket_is_critical_unless_it_was_declared_new() {
        let mut kit = Kit::new(48);
        assert_eq!(kit.one(CHECK.id).severity, Severity::Critical);
        kit.view.foreign.nested_blocks = vec!["tenant-a".to_owned()];
        assert!(kit.one(CHECK.id).remedy.contains("prefix: tenant-a"));
        kit.policy.buckets.entry("thanos".into()).or_default().new = true;
        kit.none(CHECK.id);
        Kit::healthy(48).none(CHECK.id);
    }

    #[test]
    fn directories_without_meta_json_are_no_blocks_unless_they_are_on_their_way() {
        for (now, fires) in [(43, 0), (44, 1)] {
            let mut kit = Kit::new(now);
            let ulid = kit.add(Spec::new("a", 40, 42));
            kit.none(CHECK.id);
            kit.remove_object(ulid, "meta.json");
            assert_eq!(kit.run(CHECK.id).len(), fires, "at {now}");
        }
    }

    #[test]
    fn a_fifth_of_the_blocks_gone_at_once_is_one_finding() {
        for (vanished, fires) in [(9, false), (10, false), (11, true)] {
            // 50 blocks: more than 10 have to go
            let mut kit = Kit::new(102);
            let blocks = kit.fill("a", 0, 101);
            assert_eq!(blocks.len(), 50);
            kit.remember(90, 101);
            for ulid in blocks.iter().skip(3).take(vanished) {
                kit.vanish(*ulid);
            }
            assert_eq!(kit.run(CHECK.id).len(), usize::from(fires), "{vanished}");
            assert_eq!(kit.run("block_vanished").is_empty(), fires, "{vanished}");
        }
    }
}
