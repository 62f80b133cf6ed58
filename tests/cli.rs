//! The program as its users meet it: its help, its documents, its exit codes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "cli/alerting.rs"]
mod alerting;
#[path = "cli/help.rs"]
mod help;
#[path = "cli/program.rs"]
mod program;
