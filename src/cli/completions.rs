//! `completions`: scripts that let a shell complete commands and flags.

use clap::CommandFactory;
use clap::builder::{PossibleValue, PossibleValuesParser};
use clap_complete::Shell;

use super::arguments::Arguments;
use super::outcome::Outcome;
use crate::catalogue;

/// Runs the command.
pub(super) fn run(shell: Shell) -> anyhow::Result<Outcome> {
    // only here is it worth reading the catalogue: the shell then offers the checks that `explain` knows
    let entries = catalogue::embedded()?.entries();
    let checks = entries.map(|entry| PossibleValue::new(entry.id.as_str()).help(entry.summary.as_str()));
    let checks = PossibleValuesParser::new(checks.collect::<Vec<_>>());
    let mut command = Arguments::command()
        .mut_subcommand("explain", |explain| explain.mut_arg("check", |check| check.value_parser(checks)));
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "blockwarden", &mut script);
    Ok(Outcome::text(String::from_utf8_lossy(&script).into_owned()))
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_learns_every_command() {
        for shell in Shell::value_variants() {
            let script = run(*shell).unwrap().text;
            for word in ["scan", "coverage", "explain", "completions", "objstore.config-file"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
            let checks = catalogue::embedded().unwrap().entries();
            let missing: Vec<_> = checks.filter(|check| !script.contains(&check.id)).collect();
            // clap_complete offers values of arguments without a flag in these two only
            assert!(missing.is_empty() || !matches!(shell, Shell::Bash | Shell::Zsh), "{shell}: {missing:?}");
        }
    }
}
