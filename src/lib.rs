//! Blockwarden watches the long-term memory of a Prometheus estate. The modules in reading order; who may use whom is
//! in `docs/architecture.md`, and a test holds it.
//!
//! - [`model`]: the words of the domain as types
//! - [`tsdb`]: what Prometheus and Thanos write, without I/O
//! - [`checks`]: from the world, the past and the policy to findings, one file per check
//! - [`alerting`]: alerts over time, grouping, inhibition, silences, routes
//! - [`catalogue`]: the words and the rule of each alert, and what is made from them
//! - [`config`]: our configuration and Thanos' `objstore.config`, with every mistake and its place
//! - [`discover`]: buckets, read only, with as few requests as possible
//! - [`verify`]: reads blocks out of buckets, proves them, and says when which is looked at
//! - [`ledger`]: what was seen before
//! - [`notify`]: Slack, mail, Alertmanager, webhooks, and the delivery of what is to be told
//! - [`exporter`]: what is known, over HTTP
//! - [`engine`]: one cycle: observe, judge, commit
//! - [`cli`]: the commands

pub mod alerting;
pub mod catalogue;
pub mod checks;
pub mod cli;
pub mod config;
pub mod discover;
pub mod engine;
pub mod exporter;
pub mod ledger;
pub mod model;
pub mod notify;
pub mod tsdb;
pub mod verify;
