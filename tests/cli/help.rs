//! `docs/cli.md` is the long help of every command; `UPDATE=1 cargo test --test cli` writes it anew.

use std::fmt::Write as _;
use std::path::Path;

use blockwarden::cli::Arguments;
use clap::{Command, CommandFactory};

const HEAD: &str = "\
# Command line

<!-- Generated from src/cli/arguments.rs: `UPDATE=1 cargo test --test cli` writes it anew. -->

Every command with its flags, as `--help` shows them. The documents that `--output json` gives are described by
[scan.schema.json](scan.schema.json), [coverage.schema.json](coverage.schema.json) and
[plan.schema.json](plan.schema.json).
";

fn command() -> Command {
    // whatever the terminal of whoever runs the test
    let mut command = Arguments::command().term_width(100);
    command.build();
    command
}

/// Every command that does something, parents first, with its whole name.
fn walk(command: &Command, prefix: &str, found: &mut Vec<(String, Command)>) {
    let name = format!("{prefix}{}", command.get_name());
    found.push((name.clone(), command.clone()));
    command.get_subcommands().for_each(|child| walk(child, &format!("{name} "), found));
}

/// Without the spaces that clap leaves at the end of lines.
fn trimmed(text: &str) -> String {
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

fn reference() -> String {
    let mut commands = Vec::new();
    walk(&command(), "", &mut commands);
    let mut out = HEAD.to_owned();
    for (name, mut command) in commands {
        let help = trimmed(&command.render_long_help().to_string());
        write!(out, "\n## `{name}`\n\n```text\n{}\n```\n", help.trim_end()).unwrap();
    }
    out
}

#[test]
fn the_reference_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    let expected = reference();
    #[expect(clippy::disallowed_methods, reason = "the switch that writes generated files is an environment variable")]
    let update = std::env::var_os("UPDATE").is_some();
    if update {
        std::fs::write(&path, &expected).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == expected, "docs/cli.md is out of date: run `UPDATE=1 cargo test --test cli` and commit it");
}

#[test]
fn short_help_fits_a_screen() {
    let mut commands = Vec::new();
    walk(&command(), "", &mut commands);
    for (name, mut command) in commands {
        let help = trimmed(&command.render_help().to_string());
        assert!(help.lines().count() <= 45, "{name}:\n{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{name}:\n{help}");
    }
}

#[test]
fn every_flag_is_explained() {
    let mut commands = Vec::new();
    walk(&command(), "", &mut commands);
    for (name, command) in commands {
        assert!(command.get_about().is_some(), "{name}");
        for argument in command.get_arguments() {
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            assert!(!help.is_empty() && !help.ends_with('.'), "{name} {}: {help:?}", argument.get_id());
        }
    }
}
