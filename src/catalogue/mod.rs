//! The catalogue: for each alert, the rule and the words for people, from one file `alerts/<id>.yaml`. Runbooks,
//! rule files, `explain` and the texts of notifications are made from it and from nothing else. Pure: it gives
//! strings, others write them.

mod alertmanager;
mod annotations;
mod entry;
mod exported;
mod expr;
mod group;
mod humanize;
mod load;
mod metrics;
mod placeholder;
mod rule;
mod rule_file;
mod rule_test;
mod runbook;
mod samples;
mod template;
mod words;

pub use alertmanager::alertmanager;
pub use entry::{AlertTest, Entry, Expectation, Firing, InputSeries, PrometheusDuration, Step, Threshold};
use load::Origin;
pub use load::{Catalogue, CatalogueError, Problem, embedded};
pub use metrics::metrics_page;
pub use rule::{Group, RuleError, group_name, groups, groups_of};
pub use rule_file::{RuleFile, RuleFormat, RuleTarget, is_generated, rule_document, rule_files};
pub use rule_test::{guard_of, rule_test_file};
pub use runbook::{runbook, runbook_index};
pub use template::{Template, TemplateError};
pub use words::{Words, words};

/// The ids of all checks, in the order of the documentation.
pub fn check_ids() -> impl Iterator<Item = &'static str> {
    crate::checks::ALL.iter().map(|check| check.id)
}
