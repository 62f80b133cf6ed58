//! An object lies in a storage class that cannot be read at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Check, Scope};
use crate::model::{BlockView, Finding, Need, ObjectView, Severity};

pub(super) static CHECK: Check =
    Check { id: "object_archived", needs: &[Need::Listing], severity: Severity::Warning, params: &[], run };

fn run(scope: &Scope<'_>) -> Vec<Finding> {
    let blocks = scope.estate.view.blocks.values();
    blocks.filter_map(|block| judge(scope, block)).collect()
}

fn judge(scope: &Scope<'_>, block: &BlockView) -> Option<Finding> {
    let objects: Vec<&ObjectView> = block.objects.iter().filter(|object| object.is_archived()).collect();
    let first = objects.first()?;
    let class = first.storage_class.clone().unwrap_or_default();
    let message = format!(
        "block {} has {} of {} objects in storage class {class}: queries and compaction fail on it until it is restored",
        block.ulid,
        objects.len(),
        block.objects.len(),
    );
    let remedy = "take the blocks out of the lifecycle rule that archives them, and restore the objects";
    let placed = scope.estate.placed(block.ulid);
    let mut finding = match placed {
        Some(placed) => scope.block_finding(placed, message, remedy),
        None => scope.unplaced_finding(block.ulid, message, remedy),
    };
    if objects.len() == 1 {
        finding = finding.about_object(block.ulid, &first.name);
    }
    let mut by_class: BTreeMap<Arc<str>, usize> = BTreeMap::new();
    for object in &objects {
        *by_class.entry(object.storage_class.clone().unwrap_or_default()).or_default() += 1;
    }
    let counts: Vec<String> = by_class.iter().map(|(class, count)| format!("{class}: {count}")).collect();
    Some(finding.with("storage_classes", counts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::kit::Kit;

    #[test]
    fn only_classes_that_take_hours_are_found() {
        for (class, fires) in [
            ("GLACIER", 1),
            ("DEEP_ARCHIVE", 1),
            ("Archive", 1),
            ("GLACIER_IR", 0),
            ("ARCHIVE", 0),
            ("STANDARD_IA", 0),
            ("Cool", 0),
        ] {
            let mut kit = Kit::healthy(49);
            kit.none(CHECK.id);
            let ulid = *kit.view.blocks.keys().next().unwrap();
            kit.edit(ulid, |block| block.objects[0].storage_class = Some(class.into()));
            let found = kit.run(CHECK.id);
            assert_eq!(found.len(), fires, "{class}");
            assert!(found.iter().all(|f| f.subject.object == Some(format!("{ulid}/chunks/000001"))));
        }
    }
}
