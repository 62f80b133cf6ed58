//! The checks: pure functions from the world, the past and the policy to findings. One file per check, its tests
//! inside. To add one: the file, `alerts/<id>.yaml`, and two lines here.

mod block_inconsistent;
mod block_vanished;
mod bucket_empty;
mod bucket_unreachable;
mod chunk_corrupt;
mod clock_skew;
mod compaction_loss;
mod condense;
mod coverage_gap;
mod damage;
mod deletion_overdue;
mod deletion_unreplaced;
mod downsample_missing;
pub mod estate;
mod fact_unknown;
mod hash_mismatch;
mod index_corrupt;
#[cfg(test)]
pub(crate) mod kit;
pub mod ledger_failing;
mod meta_invalid;
mod missing_object;
pub mod notification_failing;
mod object_archived;
mod object_mutated;
mod overlap;
mod partial_upload;
mod policy;
mod retention_list;
mod retention_overdue;
mod retention_premature;
mod retention_unsafe;
pub mod scan_stalled;
mod scope;
mod size_mismatch;
mod stream_missing;
mod stream_replaced;
mod tombstone_corrupt;
mod unexplained;
mod unsupported_format;
mod upload_lag;

pub use condense::condense;
pub use missing_object::missing_objects;
pub use policy::{BucketPolicy, CheckPolicy, CheckSettings, Param, ParamValue, Policy, Retention, StreamPolicy};
pub use scope::Scope;

use crate::model::{Finding, Need, Severity};

/// One check. Its text for people (what it means, impact, what to do) is in `alerts/<id>.yaml`.
#[derive(Debug)]
pub struct Check {
    /// Permanent; names the bad thing.
    pub id: &'static str,
    /// The facts it rests on. Without them it does not run, and its open findings are kept.
    pub needs: &'static [Need],
    /// The severity that it has where nothing makes it better or worse.
    pub severity: Severity,
    /// What can be set in `checks.<id>` beside `enabled` and `severity`.
    pub params: &'static [Param],
    /// The judgement itself.
    pub run: fn(&Scope<'_>) -> Vec<Finding>,
}

/// Every check, in the order of the documentation.
pub static ALL: &[&Check] = &[
    &bucket_unreachable::CHECK,
    &bucket_empty::CHECK,
    &partial_upload::CHECK,
    &missing_object::CHECK,
    &size_mismatch::CHECK,
    &meta_invalid::CHECK,
    &object_archived::CHECK,
    &coverage_gap::CHECK,
    &block_vanished::CHECK,
    &deletion_unreplaced::CHECK,
    &stream_missing::CHECK,
    &stream_replaced::CHECK,
    &upload_lag::CHECK,
    &index_corrupt::CHECK,
    &chunk_corrupt::CHECK,
    &tombstone_corrupt::CHECK,
    &block_inconsistent::CHECK,
    &hash_mismatch::CHECK,
    &unsupported_format::CHECK,
    &object_mutated::CHECK,
    &compaction_loss::CHECK,
    &overlap::CHECK,
    &clock_skew::CHECK,
    &retention_overdue::CHECK,
    &retention_premature::CHECK,
    &retention_unsafe::CHECK,
    &downsample_missing::CHECK,
    &deletion_overdue::CHECK,
    &scan_stalled::CHECK,
    &fact_unknown::CHECK,
    &ledger_failing::CHECK,
    &notification_failing::CHECK,
];

#[cfg(test)]
mod tests {
    use super::kit::Kit;
    use super::*;

    #[test]
    fn a_healthy_bucket_raises_nothing() {
        for now in [25, 49, 50, 51, 201] {
            assert_eq!(Kit::healthy(now).alarms(), Vec::<&str>::new(), "at hour {now}");
        }
        let mut pair = Kit::healthy(201);
        pair.fill("b", 0, 200);
        pair.remember(190, 199);
        assert_eq!(pair.alarms(), Vec::<&str>::new());
    }

    #[test]
    fn ids_and_parameters_are_unique_and_well_formed() {
        for (idx, check) in ALL.iter().enumerate() {
            assert!(check.id.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{}", check.id);
            assert!(!ALL[..idx].iter().any(|other| other.id == check.id), "{} twice", check.id);
            for param in check.params {
                assert!(!["enabled", "severity", "overrides", "match"].contains(&param.name), "{}", check.id);
                assert!(!param.help.is_empty());
            }
        }
    }
}
