//! The checks: pure functions from the world, the past and the policy to findings. One file per check, its tests
//! inside. To add one: the file, `alerts/<id>.yaml`, and two lines here.

pub mod estate;
mod policy;
mod scope;
mod unexplained;

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
pub static ALL: &[&Check] = &[];
