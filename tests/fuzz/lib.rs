//! The pure modules of the project, as targets see them.

#[path = "../../src/model/mod.rs"]
pub mod model;
#[path = "../../src/tsdb/mod.rs"]
pub mod tsdb;
