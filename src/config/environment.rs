//! The one reader of the process environment.

use crate::model::Environment;

/// Reads the environment of the process. Variables whose name or value is not UTF-8 are left out: nothing that is
/// looked up here may be so.
pub fn read() -> Environment {
    let pairs = std::env::vars_os();
    pairs.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}
