//! `scan`: one pass over every bucket, judged.

use super::arguments::{OutputFormat, ScanArguments};
use super::outcome::{Outcome, document};
use super::text::Page;
use super::{judge, report, verify};
use crate::model::{Document, Environment};

/// Runs the command.
pub(super) fn run(arguments: &ScanArguments, environment: &Environment, page: Page) -> anyhow::Result<Outcome> {
    if arguments.verify {
        return verify::scan(arguments, environment, page);
    }
    let judged = judge::once(&arguments.source, &arguments.judgement, arguments.log, environment)?;
    let text = match arguments.output.output {
        OutputFormat::Json => document(&Document::of_scan(&judged.snapshot))?,
        OutputFormat::Text => report::render(&judged.snapshot, &judged.notes, page),
    };
    Ok(Outcome::judgement(text, &judged.snapshot))
}
