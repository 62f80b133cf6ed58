//! The command line: one file per command, and what they share.

mod alerts;
mod alerts_dir;
mod arguments;
mod completions;
mod config_check;
mod coverage;
mod demo;
mod explain;
mod judge;
mod logging;
mod notify_test;
mod outcome;
mod plan;
mod progress;
mod report;
mod rules;
#[cfg(test)]
mod sample;
mod scan;
mod silence;
mod text;
mod timeline;
mod verify;
mod watch;

pub use arguments::Arguments;
pub use outcome::{Exit, Outcome};
pub use text::{Page, Target};

use arguments::{Command, ConfigCommand};

use crate::model::Environment;

/// Does what the command line says. An error means that the job was not begun: there is nothing for standard output
/// and the exit code is [`Exit::Failed`].
pub fn run(arguments: &Arguments, environment: &Environment, page: Page) -> anyhow::Result<Outcome> {
    match &arguments.command {
        Command::Scan(arguments) => scan::run(arguments, environment, page),
        Command::Verify(arguments) => verify::run(arguments, environment, page),
        Command::Watch(arguments) => watch::run(arguments, environment),
        Command::Demo(arguments) => demo::run(arguments, environment, page),
        Command::Coverage(arguments) => coverage::run(arguments, environment, page),
        Command::Plan(arguments) => plan::run(arguments, environment, page),
        Command::Alerts(arguments) => alerts::run(arguments, environment, page),
        Command::Silence(command) => silence::run(command, environment, page),
        Command::NotifyTest(arguments) => notify_test::run(arguments, environment, page),
        Command::Config(ConfigCommand::Check(arguments)) => config_check::run(arguments, environment, page),
        Command::Rules(arguments) => rules::run(arguments, environment),
        Command::Explain(arguments) => explain::run(arguments, page),
        Command::Completions { shell } => completions::run(*shell),
    }
}

/// An error with its causes, without those that the text before them quotes already, fit for a terminal.
pub fn describe(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text.lines().map(text::harmless).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn errors_are_told_with_their_causes_once() {
        let quoted = || Err::<(), _>(anyhow!("connection refused")).context("no answer: connection refused");
        for (error, expected) in [
            (anyhow!("one"), "one"),
            (anyhow!("inner").context("outer"), "outer: inner"),
            (quoted().context("bucket `thanos`").unwrap_err(), "bucket `thanos`: no answer: connection refused"),
            (anyhow!("first\nsecond \u{1b}[2J"), "first\nsecond \\u{1b}[2J"),
        ] {
            assert_eq!(describe(&error), expected);
        }
    }
}
