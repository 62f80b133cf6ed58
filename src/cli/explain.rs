//! `explain`: what an alert means and what to do, from the catalogue.

use super::alerts_dir;
use super::arguments::ExplainArguments;
use super::outcome::Outcome;
use super::text::{Page, Paint, columns, push_line, wrap};
use crate::catalogue::{Catalogue, Entry};

/// How alike two ids have to be, from 0 to 1, for one to be meant by the other.
const ALIKE: f64 = 0.75;

/// Runs the command.
pub(super) fn run(arguments: &ExplainArguments, page: Page) -> anyhow::Result<Outcome> {
    let catalogue = alerts_dir::catalogue(arguments.alerts_dir.as_deref())?;
    let text = match &arguments.check {
        None => list(catalogue, page),
        Some(id) => match catalogue.entry(id) {
            Some(entry) => explain(entry, page),
            None => anyhow::bail!(unknown(id, catalogue)),
        },
    };
    Ok(Outcome::text(text))
}

/// Every alert in one line.
fn list(catalogue: &Catalogue, page: Page) -> String {
    let width = catalogue.entries().map(|entry| columns(&entry.id)).max().unwrap_or(0);
    let mut out = String::new();
    for entry in catalogue.entries() {
        let pad = " ".repeat(width - columns(&entry.id));
        let mut line = String::new();
        wrap(&mut line, &format!("{}{pad}  {:<8}  ", entry.id, entry.severity.name()), &entry.summary, page.width);
        out.push_str(&line.replacen(&entry.id, &page.paint(entry.severity.into(), &entry.id), 1));
    }
    out.push_str(
        "\n`blockwarden explain ID` says more. The severity is the one that a finding has where nothing makes it better \
         or worse.\n",
    );
    out
}

fn explain(entry: &Entry, page: Page) -> String {
    let width = page.prose_width();
    let mut out = String::new();
    let severity = page.paint(entry.severity.into(), entry.severity.name());
    push_line(&mut out, &format!("{}  {severity}", page.paint(Paint::Strong, &entry.id)));
    wrap(&mut out, "", &entry.summary, width);
    for (title, text) in [("What it means", &entry.meaning), ("What is at risk", &entry.impact)] {
        push_line(&mut out, &format!("\n{}", page.paint(Paint::Strong, title)));
        markdown(&mut out, "  ", text, width);
    }
    push_line(&mut out, &format!("\n{}", page.paint(Paint::Strong, "What to do")));
    for (idx, step) in entry.what_to_do.iter().enumerate() {
        let number = format!("  {}. ", idx + 1);
        markdown(&mut out, &number, &step.step, width);
        for command in step.run.iter().flat_map(|run| run.lines()) {
            // commands are to be copied: never wrapped
            push_line(
                &mut out,
                &format!("{:indent$}{}", "", page.paint(Paint::Info, command), indent = columns(&number) + 2),
            );
        }
    }
    if !entry.related_metrics.is_empty() {
        push_line(&mut out, &format!("\n{}", page.paint(Paint::Strong, "Metrics that tell more")));
        for metric in &entry.related_metrics {
            wrap(&mut out, "  ", metric, width);
        }
    }
    push_line(&mut out, &format!("\nAlert: {}", entry.name));
    out
}

/// Markdown as plain text: paragraphs and list items wrapped, their lines joined; the first line begins with `first`.
fn markdown(out: &mut String, first: &str, text: &str, width: usize) {
    let indent = " ".repeat(columns(first));
    let mut pieces: Vec<String> = Vec::new();
    let mut fresh = true;
    for line in without_links(text.trim()).lines().map(str::trim) {
        match pieces.last_mut() {
            _ if line.is_empty() => fresh = true,
            Some(piece) if !fresh && !is_item(line) => {
                piece.push(' ');
                piece.push_str(line);
            }
            _ => {
                // an empty line between paragraphs; items of a list stay together
                if fresh && !pieces.is_empty() {
                    pieces.push(String::new());
                }
                pieces.push(line.to_owned());
                fresh = false;
            }
        }
    }
    for (idx, piece) in pieces.iter().enumerate() {
        let lead = if idx == 0 { first } else { &indent };
        match piece.strip_prefix("- ").or_else(|| piece.strip_prefix("* ")) {
            _ if piece.is_empty() => out.push('\n'),
            Some(item) => wrap(out, &format!("{lead}- "), item, width),
            None => wrap(out, lead, piece, width),
        }
    }
}

/// Links between runbooks become their text, others text and address.
fn without_links(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once('[') {
        out.push_str(before);
        rest = match link(tail) {
            Some((label, target, after)) => {
                out.push_str(label);
                if target.contains("://") {
                    out.push_str(" (");
                    out.push_str(target);
                    out.push(')');
                }
                after
            }
            None => {
                out.push('[');
                tail
            }
        };
    }
    out + rest
}

/// Text, address and what follows, of a link whose `[` was just read.
fn link(tail: &str) -> Option<(&str, &str, &str)> {
    let (label, tail) = tail.split_once("](")?;
    let (target, after) = tail.split_once(')')?;
    (!label.contains([']', '[', '\n'])).then_some((label, target, after))
}

fn is_item(line: &str) -> bool {
    line.starts_with("- ") || line.starts_with("* ")
}

/// What to say of an id that is none.
fn unknown(id: &str, catalogue: &Catalogue) -> String {
    let mut alike: Vec<(f64, &str)> = catalogue
        .entries()
        .map(|entry| {
            let contained = entry.id.contains(id) && id.len() >= 3;
            let likeness = if contained { 1.0 } else { strsim::jaro_winkler(id, &entry.id) };
            (likeness, &*entry.id)
        })
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .collect();
    alike.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    let names: Vec<_> = alike.iter().take(3).map(|(_, id)| format!("`{id}`")).collect();
    let hint = if names.is_empty() { String::new() } else { format!("did you mean {}? ", names.join(" or ")) };
    format!("there is no check or alert `{id}`: {hint}`blockwarden explain` lists all")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;

    const PAGE: Page = Page { width: 80, colour: false };

    fn run_with(check: Option<&str>) -> anyhow::Result<String> {
        let arguments = ExplainArguments { check: check.map(str::to_owned), alerts_dir: None };
        run(&arguments, PAGE).map(|outcome| outcome.text)
    }

    #[test]
    fn every_check_is_explained_within_the_page() {
        let list = run_with(None).unwrap();
        for entry in catalogue::embedded().unwrap().entries() {
            assert!(list.contains(&entry.id), "{}", entry.id);
            let text = run_with(Some(&entry.id)).unwrap();
            for title in ["What it means", "What is at risk", "What to do"] {
                assert!(text.contains(title), "{text}");
            }
            let commands: Vec<_> =
                entry.what_to_do.iter().filter_map(|step| step.run.as_deref()).flat_map(str::lines).collect();
            for line in text.lines().filter(|line| !commands.contains(&line.trim())) {
                assert!(columns(line) <= 80 || !line.trim().contains(' '), "{}: {line}", entry.id);
            }
        }
    }

    #[test]
    fn unknown_checks_are_refused_with_a_suggestion() {
        for (id, expected) in [
            ("covrage_gap", "there is no check or alert `covrage_gap`: did you mean `coverage_gap`"),
            ("lag", "`upload_lag`"),
            ("zzz", "there is no check or alert `zzz`: `blockwarden explain` lists all"),
        ] {
            let error = run_with(Some(id)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn links_become_text() {
        for (text, expected) in [
            ("see [`upload_lag`](upload_lag.md), then", "see `upload_lag`, then"),
            ("[the docs](https://thanos.io/a)", "the docs (https://thanos.io/a)"),
            ("files[] and a[0] ([x](y.md))", "files[] and a[0] (x)"),
            ("no link", "no link"),
        ] {
            assert_eq!(without_links(text), expected);
        }
    }

    #[test]
    fn markdown_becomes_plain_paragraphs() {
        let mut out = String::new();
        markdown(&mut out, "  1. ", "First paragraph\ngoes on.\n\n- one item\n  of two lines\n- another\n\nEnd.", 20);
        let expected = [
            "  1. First paragraph",
            "     goes on.",
            "",
            "     - one item of",
            "       two lines",
            "     - another",
            "",
            "     End.",
            "",
        ];
        assert_eq!(out, expected.join("\n"));
    }
}
