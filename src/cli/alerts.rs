//! `alerts`: what fires and who was told, the way of an alert, and what could not be delivered.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Context;
use http::Method;
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use super::arguments::{AlertsArguments, AlertsCommand, OutputFormat, PlaceArguments, SourceArguments};
use super::outcome::{Outcome, document};
use super::text::{Page, Paint, harmless};
use super::{judge, watch};
use crate::engine::clock;
use crate::engine::desk::{self, AlertingPolicy, DeskError, Explained};
use crate::model::{Environment, Labels, MatchOp, Selector, Severity, TimestampMs, format_duration_ms};

/// Elements of a page of the API; what is beyond the last page that is asked for is counted.
const PAGE: usize = 1_000;

/// Pages that are asked for.
const MAX_PAGES: usize = 100;

/// Runs the command.
pub(super) fn run(arguments: &AlertsArguments, environment: &Environment, page: Page) -> anyhow::Result<Outcome> {
    match &arguments.command {
        None => list(arguments, environment, page),
        Some(AlertsCommand::Route { labels, config }) => {
            let source = SourceArguments { config: Some(config.clone()), ..SourceArguments::default() };
            let config = judge::load(&source, environment)?;
            route(labels, &config.alerting, clock::now(), page)
        }
        Some(AlertsCommand::Dead { place, output }) => {
            let dead = match &place.url {
                Some(url) => elements(
                    &asked(url, Method::GET, "/api/v1/notifications?state=dead&limit=1000", None)?,
                    "notifications",
                ),
                None => desk::dead(&ledger(place, environment)?)?,
            };
            let text = match output.output {
                OutputFormat::Json => document(&json!({"version": 1, "notifications": dead}))?,
                OutputFormat::Text => dead_letters(&dead, page),
            };
            Ok(Outcome::text(text))
        }
        Some(AlertsCommand::Resend { ids, all, place }) => {
            let resent = match &place.url {
                Some(url) => resend_over(url, ids, *all)?,
                None => {
                    let ids = (!all).then_some(ids.as_slice());
                    desk::resend(&ledger(place, environment)?, ids, clock::now())?
                }
            };
            let later = if place.url.is_some() { "" } else { ", once a service runs on this ledger" };
            Ok(Outcome::text(format!("{} will be sent again{later}\n", resent.len())))
        }
    }
}

fn resend_over(url: &str, ids: &[String], all: bool) -> anyhow::Result<Vec<String>> {
    let mut resent = Vec::new();
    let paths: Vec<String> = if all {
        vec!["/api/v1/notifications/resend".to_owned()]
    } else {
        let encoded = |id: &String| form_urlencoded::byte_serialize(id.as_bytes()).collect::<String>();
        ids.iter().map(|id| format!("/api/v1/notifications/{}/resend", encoded(id))).collect()
    };
    for path in paths {
        let answer = asked(url, Method::POST, &path, None)?;
        resent.extend(elements(&answer, "resent").iter().map(|id| id.as_str().unwrap_or_default().to_owned()));
    }
    Ok(resent)
}

/// Asks a service and waits for its answer.
pub(super) fn asked(url: &str, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start a thread")?;
    Ok(runtime.block_on(desk::ask(url, method, path, body))?)
}

/// The elements of a list in an answer.
pub(super) fn elements(answer: &Value, name: &str) -> Vec<Value> {
    answer.get(name).and_then(Value::as_array).cloned().unwrap_or_default()
}

/// The ledger that is named, or the one of a service that nobody named one to.
fn ledger(place: &PlaceArguments, environment: &Environment) -> Result<PathBuf, DeskError> {
    let path = place.state.clone().or_else(|| watch::default_ledger(environment));
    path.ok_or_else(|| DeskError::NoLedger { path: "$STATE_DIRECTORY, $XDG_STATE_HOME or $HOME".to_owned() })
}

fn list(arguments: &AlertsArguments, environment: &Environment, page: Page) -> anyhow::Result<Outcome> {
    let mut alerts = match &arguments.place.url {
        None => desk::alerts(&ledger(&arguments.place, environment)?, &AlertingPolicy::default(), clock::now())?,
        Some(url) => {
            let mut alerts = Vec::new();
            let mut cursor = String::new();
            for _ in 0..MAX_PAGES {
                let answer = asked(url, Method::GET, &format!("/api/v1/alerts?limit={PAGE}{cursor}"), None)?;
                alerts.extend(elements(&answer, "alerts"));
                match answer.get("next").and_then(Value::as_str) {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            alerts
        }
    };
    alerts.retain(|alert| arguments.all || text_of(alert, "state") != "ended");
    let text = match arguments.output.output {
        OutputFormat::Json => document(&json!({"version": 1, "alerts": alerts}))?,
        OutputFormat::Text => listed(&alerts, page),
    };
    Ok(Outcome::text(text))
}

fn listed(alerts: &[Value], page: Page) -> String {
    if alerts.is_empty() {
        return "no alerts\n".to_owned();
    }
    let mut text = String::new();
    for alert in alerts {
        let severity = text_of(alert, "severity");
        let paint = if severity == "critical" { Paint::Critical } else { Paint::Warning };
        let mut place = cell(alert, "bucket");
        if let Some(stream) = alert.get("stream").and_then(Value::as_object) {
            let pairs =
                stream.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()));
            place = format!("{place} {}", harmless(&Labels(pairs.collect()).to_string()));
        }
        let state = text_of(alert, "state");
        let head = format!("{state} {severity} {}", text_of(alert, "alertname"));
        line(&mut text, format_args!("{}  {place}", page.paint(paint, &harmless(&head))));
        line(&mut text, format_args!("  since {}: {}", cell(alert, "since"), cell(alert, "message")));
        let told: Vec<String> = elements(alert, "receivers").iter().filter_map(Value::as_str).map(harmless).collect();
        let told = if told.is_empty() { "nobody".to_owned() } else { told.join(", ") };
        let held = alert.get("suppressed").filter(|held| !held.is_null());
        let held = held.map(|held| format!(", not now: {} {}", cell(held, "by"), cell(held, "id"))).unwrap_or_default();
        let flapping = if text_of(alert, "flapping_since").is_empty() { "" } else { ", comes and goes" };
        line(&mut text, format_args!("  told: {told}{held}{flapping}"));
    }
    text
}

fn dead_letters(dead: &[Value], page: Page) -> String {
    if dead.is_empty() {
        return "nothing was given up\n".to_owned();
    }
    let mut rows = vec![["ID", "RECEIVER", "RECIPIENT", "SINCE", "ATTEMPTS", "WHY"].map(str::to_owned).to_vec()];
    for row in dead {
        rows.push(["id", "receiver", "recipient", "created", "attempts", "error"].map(|name| cell(row, name)).to_vec());
    }
    table(&rows, page)
}

/// The text of a key; empty where there is none.
pub(super) fn text_of<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The same fit for a terminal; numbers too.
pub(super) fn cell(value: &Value, name: &str) -> String {
    match value.get(name) {
        Some(Value::String(text)) => harmless(text),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// Columns that are as wide as they have to be; the first row is a heading.
pub(super) fn table(rows: &[Vec<String>], page: Page) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (idx, row) in rows.iter().enumerate() {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell}{}", " ".repeat(width.saturating_sub(cell.width()))));
        let line = cells.collect::<Vec<_>>().join("  ");
        let line = line.trim_end();
        text.push_str(&if idx == 0 { page.paint(Paint::Strong, line) } else { line.to_owned() });
        text.push('\n');
    }
    text
}

/// The labels that equalities give.
fn labels_of(text: &str) -> anyhow::Result<Labels> {
    let selector = Selector::parse(text).map_err(|expected| anyhow::anyhow!("`{text}`: {expected}"))?;
    if selector.matchers.iter().any(|matcher| !matches!(matcher.op, MatchOp::Equal)) {
        anyhow::bail!("`{text}`: expected the labels of one alert, each with `=`");
    }
    Ok(selector.fixed_labels())
}

fn route(text: &str, policy: &AlertingPolicy, now: TimestampMs, page: Page) -> anyhow::Result<Outcome> {
    let labels = labels_of(text)?;
    let severity = labels.get("severity").unwrap_or_default();
    let known = [Severity::Critical, Severity::Warning].map(Severity::name);
    let mut out = format!("alert {}\n", harmless(&labels.to_string()));
    if !known.contains(&severity) {
        line(&mut out, format_args!("  without severity=\"critical\" the rhythm of a warning is shown"));
    }
    let steps = desk::route(&labels, policy, now);
    let mut told: Vec<&str> = Vec::new();
    for explained in &steps {
        describe(&mut out, explained, page);
        for name in explained.step.receivers.iter().map(String::as_str) {
            if !told.contains(&name) {
                told.push(name);
            }
        }
    }
    for silence in desk::silenced_by(&labels, policy, now) {
        line(
            &mut out,
            format_args!("silenced until {} by the configuration: {}", silence.ends, harmless(&silence.comment)),
        );
    }
    let told = if told.is_empty() { "nobody".to_owned() } else { told.join(", ") };
    line(&mut out, format_args!("{}", page.paint(Paint::Strong, &harmless(&format!("told: {told}")))));
    if policy.routes.is_empty() {
        out.push_str("  the configuration has no `notify`\n");
    }
    Ok(Outcome::text(out))
}

fn describe(out: &mut String, explained: &Explained, page: Page) {
    let step = &explained.step;
    let (paint, word) = if step.matches { (Paint::Fine, "matches") } else { (Paint::Faint, "does not match") };
    let name = harmless(&format!("route {} {}", step.route, explained.matchers));
    line(out, format_args!("{name}: {}", page.paint(paint, word)));
    if !step.matches {
        return;
    }
    let receivers = if step.receivers.is_empty() { "nobody".to_owned() } else { step.receivers.join(", ") };
    line(out, format_args!("  receivers: {}", harmless(&receivers)));
    let group: Vec<String> = step.group.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    line(out, format_args!("  one message with all that have {{{}}}", harmless(&group.join(", "))));
    let [wait, interval, repeat] = explained.timing_ms.map(format_duration_ms);
    line(out, format_args!("  told after {wait}, changes every {interval} at most, again after {repeat}"));
    for (name, holds) in &explained.mute {
        line(out, format_args!("  mute time {}: {}", harmless(name), if *holds { "holds now" } else { "not now" }));
    }
    line(out, format_args!("  {}", if explained.continues { "goes on to the next route" } else { "ends here" }));
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // writing into a String cannot fail
    text.write_fmt(arguments).unwrap_or_default();
    text.push('\n');
}
