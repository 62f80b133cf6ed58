//! `config check`: the configuration as `scan` would read it, and whether receivers would take a message.

use super::arguments::ConfigCheckArguments;
use super::outcome::Outcome;
use super::text::{Page, Paint, harmless};
use super::{judge, notify_test};
use crate::config::WebFile;
use crate::engine::clock;
use crate::model::{Environment, WebSource};

/// Runs the command.
pub(super) fn run(arguments: &ConfigCheckArguments, environment: &Environment, page: Page) -> anyhow::Result<Outcome> {
    let config = judge::load(&arguments.source, environment)?;
    if let Some(file) = &config.web.config_file {
        WebFile::new(file.clone()).load().map_err(|why| anyhow::anyhow!("{why}"))?;
    }
    let mut text: String = config.summary().iter().map(|line| harmless(line) + "\n").collect();
    let now = clock::now();
    for silence in config.alerting.silences.iter().filter(|silence| silence.ends <= now) {
        let note =
            format!("note: the silence of {} is over since {}: it can be removed", silence.matchers, silence.ends);
        text.push_str(&harmless(&note));
        text.push('\n');
    }
    text.push_str(&page.paint(Paint::Fine, "the configuration is valid"));
    text.push('\n');
    if !arguments.online {
        return Ok(Outcome::text(text));
    }
    let outcome = notify_test::probe(&config, environment, page)?;
    Ok(Outcome { text: text + &outcome.text, ..outcome })
}
