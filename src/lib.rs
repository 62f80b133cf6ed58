//! Blockwarden watches the long-term memory of a Prometheus estate. The modules in reading order:

pub mod catalogue;
pub mod checks;
pub mod cli;
pub mod config;
pub mod discover;
pub mod engine;
pub mod ledger;
pub mod model;
pub mod tsdb;
