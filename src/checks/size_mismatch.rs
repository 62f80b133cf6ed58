//! An object has another size than `meta.json` says, or is too short to be what its name says.

use super::estate::Placed;
use super::scope::span;
use super::{Check, Scope};
use crate::model::{BlockMeta, BlockView, Finding, Need, Severity};

pub(super) static CHECK: Check =
    Check { id: "size_mismatch", needs: &[Need::Listing, Need::Metas], severity: Severity::Critical, params: &[], run };

/// Header (5 bytes) and table of contents (52 bytes) of an index.
const SHORTEST_INDEX: u64 = 57;
/// Header of a segment.
const SHORTEST_SEGMENT: u64 = 8;

/// One object of the wrong size.
pub(super) struct Wrong<'a> {
    name: &'a str,
    size: u64,
    expected: String,
}

fn run(scope: &Scope<'_>) -> Vec<Finding> {
    let whole = scope.estate.blocks.iter().filter(|block| block.settled && !block.is_being_deleted());
    whole.filter_map(|block| judge(scope, block)).collect()
}

fn judge(scope: &Scope<'_>, block: &Placed<'_>) -> Option<Finding> {
    let wrong = wrong_sizes(block.view, block.meta);
    let first = wrong.first()?;
    let severity = scope.severity_of_block(block);
    let others = wrong.len().saturating_sub(1);
    let more = if others > 0 { format!(" and {others} more objects are wrong") } else { String::new() };
    let mut finding = scope.block_finding(
        block,
        format!(
            "`{}` of block {} of {} has {} bytes instead of {}{more}: {} cannot be relied on",
            first.name,
            block.ulid(),
            block.meta.labels,
            first.size,
            first.expected,
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
    if others == 0 {
        finding = finding.about_object(block.ulid(), first.name);
    }
    let sizes: Vec<String> =
        wrong.iter().take(20).map(|w| format!("{}: {} bytes, expected {}", w.name, w.size, w.expected)).collect();
    Some(finding.with_severity(severity).with("sizes", sizes))
}

/// Whether Prometheus takes an object for a segment: it goes by numbers for names, and passes everything else over.
fn is_segment(name: &str) -> bool {
    name.strip_prefix("chunks/").is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// Objects whose size is not what `files[]` says, or is too small for what they are.
pub(super) fn wrong_sizes<'a>(view: &'a BlockView, meta: &BlockMeta) -> Vec<Wrong<'a>> {
    let expected = |name: &str| {
        let mut files = meta.files.iter().flatten();
        files.find(|file| &*file.name == name).and_then(|file| file.size)
    };
    let shortest = |name: &str| {
        if name == "index" {
            SHORTEST_INDEX
        } else if is_segment(name) {
            SHORTEST_SEGMENT
        } else {
            0
        }
    };
    let mut wrong = Vec::new();
    for object in &view.objects {
        let (name, size) = (&*object.name, object.size);
        match expected(name) {
            Some(expected) if expected != size => wrong.push(Wrong { name, size, expected: expected.to_string() }),
            None | Some(_) if size < shortest(name) => {
                wrong.push(Wrong { name, size, expected: format!("at least {}", shortest(name)) });
            }
            None | Some(_) => {}
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::kit::Kit;

    fn resize(kit: &mut Kit, name: &str, size: u64) -> ulid::Ulid {
        let ulid = *kit.view.blocks.keys().next().unwrap();
        kit.edit(ulid, |block| {
            block.objects.iter_mut().filter(|object| &*object.name == name).for_each(|object| object.size = size);
        });
        ulid
    }

    #[test]
    fn a_size_that_meta_json_does_not_say_is_found() {
        for (name, size) in [("index", 599), ("index", 0), ("chunks/000001", 801)] {
            let mut kit = Kit::healthy(49);
            kit.none(CHECK.id);
            let ulid = resize(&mut kit, name, size);
            let finding = kit.one(CHECK.id);
            assert_eq!(finding.subject.object, Some(format!("{ulid}/{name}")));
            assert_eq!(finding.severity, Severity::Critical);
            kit.mark(ulid, 40, "x");
            kit.none(CHECK.id);
        }
    }

    #[test]
    fn without_a_list_of_files_only_impossible_sizes_are_found() {
        for (name, size, fires) in
            [("index", 57, 0), ("index", 56, 1), ("chunks/000001", 8, 0), ("chunks/000001", 7, 1), ("meta.json", 1, 0)]
        {
            let mut kit = Kit::healthy(49);
            let ulid = resize(&mut kit, name, size);
            kit.edit_meta(ulid, |meta| meta.files = None);
            assert_eq!(kit.run(CHECK.id).len(), fires, "{name} of {size} bytes");
        }
    }

    #[test]
    fn what_is_no_segment_may_have_any_size() {
        for (name, fires) in
            [("chunks/000002", 1), ("chunks/", 0), ("chunks//x", 0), ("chunks/a/000002", 0), ("chunks/.keep", 0)]
        {
            let mut kit = Kit::healthy(49);
            let ulid = *kit.view.blocks.keys().next().unwrap();
            kit.edit(ulid, |block| {
                let mut stray = block.objects.first().unwrap().clone();
                (stray.name, stray.size) = (name.into(), 1);
                let mut objects = std::mem::take(&mut block.objects).into_vec();
                objects.push(stray);
                objects.sort_by(|a, b| a.name.cmp(&b.name));
                block.objects = objects.into();
            });
            assert_eq!(kit.run(CHECK.id).len(), fires, "{name}");
        }
    }
}
