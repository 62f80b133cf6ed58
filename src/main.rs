//! The program: parse, set up, run, exit code.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use blockwarden::cli::{self, Arguments, Exit, Page, Target};
use blockwarden::{config, engine};
use clap::Parser;

fn main() -> ExitCode {
    // prints help, version and usage errors by itself; the latter end with exit code 2
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(exit) => exit.into(),
        Err(error) => {
            complain(&cli::describe(&error));
            Exit::Failed.into()
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let environment = config::environment::read();
    engine::install_crypto();
    let page = Page::new(target(), &environment);
    let outcome = cli::run(arguments, &environment, page)?;
    print(&outcome.text)?;
    for problem in &outcome.problems {
        complain(problem);
    }
    Ok(outcome.exit)
}

/// Where standard output goes.
fn target() -> Target {
    if io::stdout().is_terminal() {
        Target::Terminal(terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| width.0))
    } else {
        Target::Other
    }
}

/// Writes to standard output. A reader that has seen enough (`| head`) is not an error.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

/// Writes to standard error, each mistake on its own line.
fn complain(text: &str) {
    let mut err = io::stderr().lock();
    let written = text.lines().try_for_each(|line| writeln!(err, "error: {line}"));
    // where standard error cannot be written, nobody is left to be told; the exit code still says it
    written.unwrap_or_default();
}
