//! There is no block under the prefix, or many went at once: one finding instead of one per block or stream.

use super::{Check, Scope};
use crate::model::{Finding, Need, Severity};

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
    if !estate.view.blocks.is_empty() || estate.bucket_policy.new {
        return Vec::new();
    }
    let foreign = &estate.view.foreign;
    let (found, remedy) = match (foreign.nested_blocks.first(), foreign.count) {
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
    use crate::checks::kit::Kit;

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
