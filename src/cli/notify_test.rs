//! `notify-test`, and `config check --online`: whether receivers take messages.

use anyhow::Context;
use serde::Serialize;

use super::arguments::{NotifyTestArguments, OutputFormat, SourceArguments};
use super::outcome::{Exit, Outcome, document};
use super::progress::Bars;
use super::text::{Page, Paint, harmless, wants_colour};
use super::{judge, logging};
use crate::config::Config;
use crate::engine::trial::{self, Trial};
use crate::model::Environment;

/// Runs `notify-test`.
pub(super) fn run(arguments: &NotifyTestArguments, environment: &Environment, page: Page) -> anyhow::Result<Outcome> {
    logging::install(arguments.log, wants_colour(environment), &Bars::none())?;
    let source = SourceArguments { config: Some(arguments.config.clone()), ..SourceArguments::default() };
    let config = judge::load(&source, environment)?;
    let known = |name: &String| config.notify.receivers.iter().any(|receiver| receiver.name == *name);
    if let Some(unknown) = arguments.receivers.iter().find(|name| !known(name)) {
        anyhow::bail!("--receiver `{unknown}`: there is no receiver of this name in the configuration");
    }
    if config.notify.receivers.is_empty() {
        anyhow::bail!("the configuration has no receiver: `notify.receivers` is where they are");
    }
    let trials = runtime()?.block_on(trial::send(&config.notify, &arguments.receivers, environment));
    match arguments.output.output {
        OutputFormat::Text => Ok(outcome(&trials, page)),
        OutputFormat::Json => Ok(Outcome { text: document(&Tested::of(&trials))?, ..outcome(&trials, page) }),
    }
}

/// Asks each receiver without sending.
pub(super) fn probe(config: &Config, environment: &Environment, page: Page) -> anyhow::Result<Outcome> {
    if config.notify.receivers.is_empty() {
        return Ok(Outcome::text("there is no receiver to ask\n".to_owned()));
    }
    Ok(outcome(&runtime()?.block_on(trial::probe(&config.notify, environment)), page))
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().context("cannot start threads")
}

#[derive(Serialize)]
struct Tested<'a> {
    version: u32,
    receivers: Vec<TestedReceiver<'a>>,
}

#[derive(Serialize)]
struct TestedReceiver<'a> {
    receiver: &'a str,
    kind: &'a str,
    recipient: &'a str,
    ok: bool,
    said: Option<&'a str>,
    latency_ms: u64,
}

impl<'a> Tested<'a> {
    fn of(trials: &'a [Trial]) -> Self {
        let receivers = trials.iter().map(|trial| TestedReceiver {
            receiver: &trial.receiver,
            kind: trial.kind,
            recipient: &trial.recipient,
            ok: trial.result.is_ok(),
            said: match &trial.result {
                Ok(said) => said.as_deref(),
                Err(error) => Some(error),
            },
            latency_ms: trial.latency_ms,
        });
        Self { version: 1, receivers: receivers.collect() }
    }
}

/// A line for each, and exit code 2 if one does not work.
fn outcome(trials: &[Trial], page: Page) -> Outcome {
    let mut text = String::new();
    let mut exit = Exit::Fine;
    for trial in trials {
        let (paint, word, said) = match &trial.result {
            Ok(Some(said)) => (Paint::Fine, "ok", said.as_str()),
            Ok(None) => (Paint::Info, "unknown", "cannot be known without sending: `blockwarden notify-test` sends"),
            Err(error) => {
                exit = Exit::Failed;
                (Paint::Critical, "failed", error.as_str())
            }
        };
        let recipient = if trial.recipient.is_empty() { String::new() } else { format!(", {}", trial.recipient) };
        let (word, latency) = (page.paint(paint, word), trial.latency_ms);
        let said = if said.is_empty() { String::new() } else { format!(": {}", harmless(said)) };
        let name = harmless(&format!("{} ({}{recipient})", trial.receiver, trial.kind));
        text.extend([&word, "  ", &name, &format!(" after {latency} ms{said}\n")]);
    }
    let failed = trials.iter().filter(|trial| trial.result.is_err()).count();
    let problems = (failed > 0).then(|| format!("{failed} of {} could not be told anything", trials.len()));
    Outcome { text, problems: problems.into_iter().collect(), exit }
}
