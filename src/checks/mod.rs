//! The checks: pure functions from the world, the past and the policy to findings. One file per check, its tests
//! inside. To add one: the file, `alerts/<id>.yaml`, and two lines here.

mod policy;

pub use policy::{BucketPolicy, CheckPolicy, CheckSettings, Param, ParamValue, Policy, Retention, StreamPolicy};

use crate::model::{Need, Severity};

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
}

/// Every check, in the order of the documentation.
pub static ALL: &[&Check] = &[];
