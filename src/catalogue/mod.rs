//! The catalogue: for each alert, the rule and the words for people, from one file `alerts/<id>.yaml`. Runbooks,
//! rule files, `explain` and the texts of notifications are made from it and from nothing else. Pure: it gives
//! strings, others write them.

mod entry;
mod exported;
mod expr;
mod group;
mod humanize;
mod load;
mod metrics;
mod placeholder;
mod rule;
mod runbook;
mod template;

pub use entry::{AlertTest, Entry, Expectation, Firing, InputSeries, PrometheusDuration, Step, Threshold};
use load::Origin;
pub use load::{Catalogue, CatalogueError, Problem, embedded};
pub use metrics::metrics_page;
pub use rule::{rule_file, rule_test_file};
pub use runbook::{runbook, runbook_index};
pub use template::{Template, TemplateError};

/// The ids of all checks, in the order of the documentation.
pub fn check_ids() -> impl Iterator<Item = &'static str> {
    crate::checks::ALL.iter().map(|check| check.id)
}
