//! `silence`: made, listed and ended, by the service or in its ledger.

use http::Method;
use serde_json::{Value, json};

use super::alerts::{asked, cell, elements, table, text_of};
use super::arguments::{OutputFormat, SilenceAddArguments, SilenceCommand};
use super::outcome::{Outcome, document};
use super::text::Page;
use crate::engine::desk::AlertingPolicy;
use crate::engine::{clock, desk};
use crate::model::{Environment, NewSilence, SilenceEnd};

/// Runs the command.
pub(super) fn run(command: &SilenceCommand, environment: &Environment, page: Page) -> anyhow::Result<Outcome> {
    match command {
        SilenceCommand::Add(arguments) => add(arguments, environment),
        SilenceCommand::List { place, output } => {
            let silences = match &place.state {
                Some(path) => desk::silences(path, &AlertingPolicy::default(), clock::now())?,
                None => elements(&asked(&place.url, Method::GET, "/api/v1/silences", None)?, "silences"),
            };
            let text = match output.output {
                OutputFormat::Json => document(&json!({"version": 1, "silences": silences}))?,
                OutputFormat::Text => listed(&silences, page),
            };
            Ok(Outcome::text(text))
        }
        SilenceCommand::Expire { id, place } => {
            let ended = match &place.state {
                Some(path) => desk::expire(path, id, clock::now())?,
                None => {
                    let id: String = form_urlencoded::byte_serialize(id.as_bytes()).collect();
                    asked(&place.url, Method::DELETE, &format!("/api/v1/silences/{id}"), None)?
                }
            };
            Ok(Outcome::text(format!("silence {} of {} is over\n", text_of(&ended, "id"), text_of(&ended, "match"))))
        }
    }
}

fn add(arguments: &SilenceAddArguments, environment: &Environment) -> anyhow::Result<Outcome> {
    let author = arguments.author.clone().or_else(|| environment.non_empty("USER").map(str::to_owned));
    let Some(author) = author else { anyhow::bail!("--author is missing: $USER says nothing either") };
    let ends = match (arguments.end, arguments.duration) {
        (Some(end), _) => SilenceEnd::At(end),
        (None, Some(ms)) => SilenceEnd::After(ms),
        (None, None) => anyhow::bail!("--duration or --end is missing: a silence ends"),
    };
    let matchers = arguments.matchers.clone();
    let new = NewSilence { matchers, starts: arguments.start, ends, author, comment: arguments.comment.clone() };
    let now = clock::now();
    let made = match &arguments.place.state {
        Some(path) => desk::silence(path, &new, now)?,
        None => {
            // what can be seen to be wrong is said without asking anybody
            new.accept(String::new(), now).map_err(|wrong| anyhow::anyhow!("{}: {}", wrong.part, wrong.expected))?;
            let (end, duration) = match ends {
                SilenceEnd::At(end) => (Some(end), None),
                // exactly, whatever the units were
                SilenceEnd::After(ms) => (None, Some(format!("{ms}ms"))),
            };
            let body = json!({
                "match": new.matchers, "starts": arguments.start, "ends": end, "duration": duration,
                "author": new.author, "comment": new.comment,
            });
            asked(&arguments.place.url, Method::POST, "/api/v1/silences", Some(body))?
        }
    };
    let of = |name| text_of(&made, name);
    Ok(Outcome::text(format!("silence {} of {} from {} until {}\n", of("id"), of("match"), of("starts"), of("ends"))))
}

fn listed(silences: &[Value], page: Page) -> String {
    if silences.is_empty() {
        return "no silences\n".to_owned();
    }
    let mut rows = vec![["ID", "MATCHES", "FROM", "UNTIL", "AUTHOR", "COMMENT"].map(str::to_owned).to_vec()];
    for silence in silences {
        let cells = ["id", "match", "starts", "ends", "author", "comment"];
        rows.push(cells.map(|name| cell(silence, name)).to_vec());
    }
    table(&rows, page)
}
