//! `config check`: the configuration as `scan` would read it.

use super::arguments::SourceArguments;
use super::judge;
use super::outcome::Outcome;
use super::text::{Page, Paint, harmless};
use crate::config::WebFile;
use crate::model::{Environment, WebSource};

/// Runs the command.
pub(super) fn run(arguments: &SourceArguments, environment: &Environment, page: Page) -> anyhow::Result<Outcome> {
    let config = judge::load(arguments, environment)?;
    if let Some(file) = &config.web.config_file {
        WebFile::new(file.clone()).load().map_err(|why| anyhow::anyhow!("{why}"))?;
    }
    let mut text: String = config.summary().iter().map(|line| harmless(line) + "\n").collect();
    text.push_str(&page.paint(Paint::Fine, "the configuration is valid"));
    text.push('\n');
    Ok(Outcome::text(text))
}
