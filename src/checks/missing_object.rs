//! An object that `meta.json` implies is not in the bucket.

use super::estate::Placed;
use super::scope::{count_of, span};
use super::{Check, Scope};
use crate::model::{BlockMeta, BlockView, Finding, Need, Severity};

pub(super) static CHECK: Check = Check {
    id: "missing_object",
    needs: &[Need::Listing, Need::Metas],
    severity: Severity::Critical,
    params: &[],
    run,
};

fn run(scope: &Scope<'_>) -> Vec<Finding> {
    let whole = scope.estate.blocks.iter().filter(|block| block.settled && !block.is_being_deleted());
    whole.filter_map(|block| judge(scope, block)).collect()
}

fn judge(scope: &Scope<'_>, block: &Placed<'_>) -> Option<Finding> {
    let missing = missing_objects(block.view, block.meta);
    let first = missing.first()?.clone();
    let what = if missing.len() == 1 { format!("`{first}`") } else { count_of(missing.len(), "object") };
    let severity = scope.severity_of_block(block);
    let mut finding = scope.block_finding(
        block,
        format!(
            "block {} of {} lacks {what}: {} cannot be read from it, and the compactor halts on it",
            block.ulid(),
            block.meta.labels,
            span(block.meta.interval),
        ),
        if severity == Severity::Critical {
            "while the producer has the block locally, copy `index` and `chunks/` from there; else bring the object back \
             from versioning or a copy of the bucket"
        } else {
            "another block or replica holds the data: copy the object from the producer, or mark this block for deletion \
             so that the compactor can go on"
        },
    );
    if missing.len() == 1 {
        finding = finding.about_object(block.ulid(), &first);
    }
    Some(finding.with_severity(severity).with("missing", missing))
}

/// What is not there of `files[]`, else of `index` and the segments `000001…N`.
pub fn missing_objects(view: &BlockView, meta: &BlockMeta) -> Vec<String> {
    let present = |name: &str| view.object(name).is_some();
    if let Some(files) = &meta.files {
        let absent = files.iter().map(|file| &*file.name).filter(|name| *name != "meta.json" && !present(name));
        return absent.map(str::to_owned).collect();
    }
    let listed = view.objects.iter().filter_map(|object| object.name.strip_prefix("chunks/")?.parse::<u32>().ok());
    let last = meta.segments.max(listed.max());
    // a block without samples has no segment
    let expected = last.unwrap_or(u32::from(meta.stats.chunks != Some(0) && meta.stats.samples != Some(0)));
    let segments = (1..=expected).map(|number| format!("chunks/{number:06}"));
    segments.chain(["index".to_owned()]).filter(|name| !present(name)).take(MOST_NAMED).collect()
}

/// A forged number of segments must not fill the memory.
const MOST_NAMED: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::kit::{Kit, Spec, at};

    #[test]
    fn a_damaged_copy_is_none() {
        let mut kit = Kit::healthy(49);
        let blocks = kit.fill("b", 0, 48);
        let ours = *kit.view.blocks.keys().find(|ulid| ulid.timestamp_ms() == blocks[9].timestamp_ms()).unwrap();
        kit.remove_object(ours, "index");
        assert_eq!(kit.one(CHECK.id).severity, Severity::Warning);
        kit.remove_object(blocks[9], "chunks/000001");
        let found = kit.run(CHECK.id);
        assert!(found.len() == 2 && found.iter().all(|finding| finding.severity == Severity::Critical));
        kit.mark(blocks[9], 40, "by hand");
        assert_eq!(kit.one(CHECK.id).severity, Severity::Critical, "a block on its way out is no copy either");
    }

    #[test]
    fn each_object_that_is_implied_has_to_be_there() {
        for name in ["index", "chunks/000001"] {
            for with_files in [true, false] {
                let mut kit = Kit::healthy(25);
                let ulid = kit.add(Spec::new("a", 24, 26));
                kit.view.observed_at = at(28);
                if !with_files {
                    kit.edit_meta(ulid, |meta| meta.files = None);
                }
                kit.none(CHECK.id);
                kit.remove_object(ulid, name);
                let finding = kit.one(CHECK.id);
                assert_eq!(finding.subject.object, Some(format!("{ulid}/{name}")));
                assert_eq!((finding.subject.block, finding.severity), (Some(ulid), Severity::Critical));
            }
        }
    }

    #[test]
    fn segments_have_to_be_contiguous_without_a_list_of_files() {
        let mut kit = Kit::healthy(49);
        let ulid = *kit.view.blocks.keys().next().unwrap();
        kit.edit_meta(ulid, |meta| (meta.files, meta.segments) = (None, None));
        kit.none(CHECK.id);
        kit.edit(ulid, |block| {
            let mut third = block.objects[0].clone();
            third.name = "chunks/000003".into();
            let mut objects = block.objects.to_vec();
            objects.insert(1, third);
            block.objects = objects.into();
        });
        assert_eq!(kit.one(CHECK.id).subject.object, Some(format!("{ulid}/chunks/000002")));
        kit.remove_object(ulid, "index");
        assert_eq!(kit.one(CHECK.id).evidence["missing"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn a_block_in_upload_or_deletion_is_left_alone() {
        let mut kit = Kit::healthy(49);
        let ulid = *kit.view.blocks.keys().next_back().unwrap();
        kit.remove_object(ulid, "index");
        kit.view.observed_at = at(49).plus(29 * 60_000);
        kit.none(CHECK.id);
        kit.view.observed_at = at(49).plus(30 * 60_000);
        kit.one(CHECK.id);
        // uploaded while the bucket was listed
        kit.view.observed_at = at(49).minus(60_000);
        kit.none(CHECK.id);
        // uploaded later than the judged time: old
        kit.view.observed_at = at(48);
        kit.one(CHECK.id);
        kit.mark(ulid, 49, "x");
        kit.none(CHECK.id);
    }

    #[test]
    fn a_copy_makes_it_a_warning() {
        let mut kit = Kit::healthy(49);
        let ulid = *kit.view.blocks.keys().nth(5).unwrap();
        kit.remove_object(ulid, "index");
        kit.fill("b", 0, 48);
        assert_eq!(kit.one(CHECK.id).severity, Severity::Warning);
        // the other member holds different series: no copy
        let others: Vec<_> = kit.view.blocks.keys().skip(24).copied().collect();
        for other in kit.view.blocks.keys().copied().collect::<Vec<_>>() {
            kit.edit_meta(other, |meta| {
                if meta.labels.get("replica") == Some("b") {
                    meta.stats.samples = Some(3_000);
                }
            });
        }
        assert!(!others.is_empty());
        assert_eq!(kit.one(CHECK.id).severity, Severity::Critical);
    }
}
