//! Which group the rule of an alert is in.

use super::Entry;
use crate::model::Component;

/// The checks of each group.
const CHECKS: [(&str, &str); 7] = [
    (
        "missing",
        "bucket_unreachable bucket_empty partial_upload missing_object size_mismatch meta_invalid object_archived \
         coverage_gap block_vanished deletion_unreplaced stream_missing stream_replaced upload_lag loss_deadline \
         block_not_uploaded store_gap duplicate_producer replica_bucket_divergence",
    ),
    (
        "damage",
        "index_corrupt chunk_corrupt tombstone_corrupt block_inconsistent hash_mismatch unsupported_format \
         object_mutated compaction_loss overlap clock_skew",
    ),
    (
        "retention",
        "retention_overdue retention_premature retention_drift retention_unsafe downsample_missing deletion_overdue \
         compaction_stalled versioning_disabled",
    ),
    ("deviation", "series_deviation metric_vanished query_deviation parity_mismatch canary_mismatch"),
    ("servers", "endpoint_down endpoint_misconfigured"),
    (
        "backups",
        "backup_missing backup_late backup_corrupt backup_unencrypted backup_retention backup_failing restore_failed",
    ),
    ("self", OWN),
];

const OWN: &str = "scan_stalled fact_unknown ledger_failing notification_failing";

/// The short name: `missing` for the group `blockwarden-missing`.
pub(super) fn of(entry: &Entry) -> &str {
    if let Some(group) = &entry.group {
        return group;
    }
    match (entry.component, entry.check_id()) {
        (Some(Component::Own) | None, None) => "self",
        (Some(component), None) => component.name(),
        (_, Some(id)) => {
            let listed = CHECKS.iter().find(|(_, ids)| ids.split_whitespace().any(|known| known == id));
            listed.map_or("checks", |(group, _)| group)
        }
    }
}
