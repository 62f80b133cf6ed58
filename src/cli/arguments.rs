//! The command line: every command and flag, with its help. `docs/cli.md` is generated from here.

mod alerts;
mod rules;
mod verify;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::model::{Level, TimestampMs};
pub(super) use alerts::{
    AlertsArguments, AlertsCommand, NotifyTestArguments, PlaceArguments, SilenceAddArguments, SilenceCommand,
};
pub(super) use rules::{RulesArguments, RulesFormat, RulesTarget};
pub(super) use verify::{BlockArguments, BoundArguments, Moment, VerifyArguments};

const ABOUT: &str = "Watches the long-term memory of a Prometheus estate: the blocks in object storage";

const LONG_ABOUT: &str = "\
Blockwarden watches the long-term memory of a Prometheus estate: the blocks that Prometheus and Thanos keep in object \
storage. It says, before anyone needs the data, what is missing, late, kept too long or not long enough, or no longer \
what it used to be, and how long there is left to save it. It only ever reads.";

const EXIT_CODES: &str = "\
Exit codes:
  0  nothing at warning or above; reports such as `coverage` give it whatever they show
  1  findings at warning or above
  2  could not do the job: bad usage or configuration, or a bucket that cannot be read; 2 beats 1";

const EXAMPLES: &str = "\
Examples:
  Judge the bucket that a Thanos sidecar writes to, with the sidecar's own file:
    blockwarden scan --objstore.config-file bucket.yml

  Judge all buckets, and remember what was seen, so that the next scan notices what has vanished:
    blockwarden scan --config blockwarden.yml --state /var/lib/blockwarden/ledger.db

  See which hours each stream holds:
    blockwarden coverage --objstore.config-file bucket.yml --stream '{cluster=\"eu1\"}'

  What does this finding mean, and what is to be done?
    blockwarden explain coverage_gap";

const SCAN_EXAMPLES: &str = "\
Examples:
  A bucket as Thanos describes it:
    blockwarden scan --objstore.config-file bucket.yml

  A folder that holds blocks:
    blockwarden scan --objstore.config '{type: FILESYSTEM, config: {directory: /var/thanos}}'

  A copy of a bucket, judged as of the day it was made:
    blockwarden scan --objstore.config-file copy.yml --at 2026-01-02T03:04:05Z

  For a script: the checks that found something critical:
    blockwarden scan --config blockwarden.yml --output json |
      jq -r '.findings[] | select(.severity == \"critical\").check'";

const WATCH_EXAMPLES: &str = "\
Examples:
  The bucket that a Thanos sidecar writes to, for a first look:
    blockwarden watch --objstore.config-file bucket.yml

  As a service that Prometheus scrapes:
    blockwarden watch --config /etc/blockwarden/blockwarden.yml \\
      --state /var/lib/blockwarden/ledger.db --web.listen-address :9798

  What is critical now?
    curl -s 'http://localhost:9798/api/v1/findings?severity=critical'";

const COVERAGE_EXAMPLES: &str = "\
Examples:
  The last month of one cluster:
    blockwarden coverage --config blockwarden.yml \\
      --stream '{cluster=\"eu1\"}' --min-time 2026-01-01T00:00:00Z

  Every hole, for a script:
    blockwarden coverage --config blockwarden.yml --output json |
      jq '.buckets[].streams[].timelines[].holes[]'";

const PLAN_EXAMPLES: &str = "\
Examples:
  What would it cost to verify this bucket every month?
    blockwarden plan --objstore.config-file bucket.yml

  The same with what the service has verified already:
    blockwarden plan --config blockwarden.yml --state /var/lib/blockwarden/ledger.db

  For a script: the bytes per second that are needed
    blockwarden plan --config blockwarden.yml --output json | jq .fit.needed_bytes_per_second";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "blockwarden",
    version,
    about = ABOUT,
    long_about = LONG_ABOUT,
    after_help = EXIT_CODES,
    after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"),
    max_term_width = 110,
    disable_help_subcommand = true
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Look at every bucket once and say what is wrong
    ///
    /// Lists each bucket, reads what is new (`meta.json` and marks, never data), judges it and prints what is wrong,
    /// worst first: what is at risk, until when it can be saved, and what to do. One document with `--output json`,
    /// as described by `docs/scan.schema.json`.
    #[command(after_long_help = SCAN_EXAMPLES)]
    Scan(ScanArguments),
    /// Read blocks to the last byte and prove that they are whole
    ///
    /// Every checksum, every sample, and that all parts agree: index with chunks, times and counts with `meta.json`,
    /// hashes with those of the uploader and of the first verification. Says which series and hours are hurt. Memory is
    /// bounded, whatever the size of a block. What is wrong is read a second time before it is said.
    #[command(after_long_help = verify::EXAMPLES)]
    Verify(VerifyArguments),
    /// Look at every bucket again and again, and export what is wrong as metrics and over HTTP
    ///
    /// The service. Each bucket has its own `interval` (5 min unless configured). The content of blocks is verified as
    /// well: what is new at once, all others again every 30 days (`scrub`). What is wrong is in `/metrics` for
    /// Prometheus and in `/api/v1/findings` for everybody else; docs/metrics.md lists the metrics. SIGHUP reads the
    /// configuration again, SIGTERM and SIGINT end the service.
    #[command(after_long_help = WATCH_EXAMPLES, mut_arg("level", |level| level.default_value("info")))]
    Watch(WatchArguments),
    /// Watch a bucket of real blocks, made on the spot, while things go wrong in it
    ///
    /// Makes a week of two clusters in a temporary folder, some of it faulty, and starts the same service as `watch` on
    /// it. While one looks on, blocks are deleted, damaged and brought back. Needs no network, and writes nowhere else.
    #[command(mut_arg("level", |level| level.default_value("error")))]
    Demo(DemoArguments),
    /// Draw what each stream holds over time
    ///
    /// One timeline per stream: its blocks by resolution and compaction level, holes, blocks that are marked for
    /// deletion or excluded from compaction, and how far the newest data lags behind. A report: exit code 0 whatever
    /// it shows, 2 if a bucket cannot be read.
    #[command(after_long_help = COVERAGE_EXAMPLES)]
    Coverage(CoverageArguments),
    /// Say what verifying all blocks again and again costs per month, and whether it can be done in time
    ///
    /// Looks at every bucket once, as `scan` does, and reckons what `scrub` of the configuration takes in `watch`:
    /// requests, bytes, time of a core and money, by a price table that can be edited (`scrub.prices`). A report: exit
    /// code 0 whatever it shows, 2 if a bucket cannot be read. One document with `--output json`, as described by
    /// `docs/plan.schema.json`.
    #[command(after_long_help = PLAN_EXAMPLES)]
    Plan(PlanArguments),
    /// List alerts: what fires, since when, who was told, and who was not
    ///
    /// Of the ledger that `watch` keeps, beside a running service as well; or of the service itself, with --url, which
    /// also knows what its configuration suppresses. A report: exit code 0 whatever it shows.
    #[command(after_long_help = alerts::ALERTS_EXAMPLES)]
    Alerts(Box<AlertsArguments>),
    /// Silence alerts for a time, and list or end silences
    #[command(subcommand, after_long_help = alerts::SILENCE_EXAMPLES)]
    Silence(SilenceCommand),
    /// Send a marked test message through each receiver and say what came back
    ///
    /// Exit code 0 if every receiver took it, otherwise 2. An Alertmanager gets an alert `BlockwardenTest` of severity
    /// info, which ends by itself within minutes.
    #[command(after_long_help = alerts::NOTIFY_TEST_EXAMPLES)]
    NotifyTest(NotifyTestArguments),
    /// Work with the configuration file
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Make the rules that Prometheus evaluates over our metrics, and over those of Thanos, Prometheus and backups
    ///
    /// One rule for each alert of the catalogue, made for your jobs, components, thresholds and links; without
    /// `--config` for the defaults, which is also what `rules/` holds. `--alertmanager` prints the routes and inhibition
    /// that go with them.
    #[command(after_long_help = rules::EXAMPLES)]
    Rules(RulesArguments),
    /// Say what a check or an alert looks for, what is at risk when it finds something, and what to do
    ///
    /// Without ID: every check and every other alert in one line.
    Explain(ExplainArguments),
    /// Print the completion script of a shell
    ///
    /// For example: `blockwarden completions bash > /etc/bash_completion.d/blockwarden`.
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// What can be done with the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Read the configuration as `scan` would and show what was understood, or every mistake with its place
    ///
    /// Opens no connection, unless --online is given, and shows no secret. Exit code 2 if there is a mistake.
    Check(ConfigCheckArguments),
}

/// `config check`
#[derive(Args, Debug)]
pub struct ConfigCheckArguments {
    /// What to read.
    #[command(flatten)]
    pub source: SourceArguments,
    /// Ask each receiver of notifications whether it would take a message, without sending one
    ///
    /// Exit code 2 if one would not. Of some, such as incoming webhooks, it cannot be known without sending:
    /// `blockwarden notify-test` sends.
    #[arg(long)]
    pub online: bool,
}

/// Which buckets, and what is demanded of them.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Buckets and configuration")]
pub struct SourceArguments {
    /// The bucket, as Thanos describes it: the file that `thanos sidecar --objstore.config-file` takes
    ///
    /// Replaces `buckets` of the configuration; the rest of it applies.
    #[arg(long = "objstore.config-file", value_name = "FILE", conflicts_with = "objstore_config")]
    pub objstore_config_file: Option<PathBuf>,
    /// The same as text instead of a file
    ///
    /// Other users of the machine may see it in the list of processes: no place for secrets. `$(NAME)` stands for an
    /// environment variable.
    #[arg(long = "objstore.config", value_name = "YAML")]
    pub objstore_config: Option<String>,
    /// The configuration: buckets, retention, expected streams, settings of checks
    ///
    /// Every key is described in `docs/configuration.md`. Not needed for a first look at one bucket.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Alerts of your own: a folder of files as in `alerts/`, each of which replaces the one of its name or adds one
    #[arg(long = "alerts-dir", value_name = "DIR", hide_short_help = true)]
    pub alerts_dir: Option<PathBuf>,
}

/// With what memory and as of when.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Judgement")]
pub struct JudgementArguments {
    /// The ledger: what was seen before. Made if it is not there
    ///
    /// Without it nothing is remembered, so that blocks that vanish or change cannot be noticed, and every `meta.json`
    /// is read again.
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Judge as of this moment instead of now, for example 2026-01-02T03:04:05Z
    ///
    /// Replaces the clock everywhere, the ledger's times included. Before the newest scan of the ledger, the ledger
    /// alone is read.
    #[arg(long, value_name = "RFC3339", value_parser = TimestampMs::parse_rfc3339)]
    pub at: Option<TimestampMs>,
}

/// What goes to standard output.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Output")]
pub struct OutputArguments {
    /// For people or for programs
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub output: OutputFormat,
}

/// The form of standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people
    Text,
    /// One JSON document
    Json,
}

/// What goes to standard error.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Logging (standard error)")]
pub struct LogArguments {
    /// The least important level that is logged
    #[arg(long = "log.level", value_name = "LEVEL", default_value = "warn")]
    pub level: LogLevel,
    /// Lines for people or JSON objects; with `json`, no progress is drawn
    #[arg(long = "log.format", value_name = "FORMAT", default_value = "text")]
    pub format: LogFormat,
}

/// Levels of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// The job, or a part of it, could not be done
    Error,
    /// Something an operator should know
    Warn,
    /// What is being done
    Info,
    /// Each step
    Debug,
    /// Everything; libraries stay at info, so that no secret gets into a log
    Trace,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line per event
    Text,
    /// One JSON object per line
    Json,
}

/// `scan`
#[derive(Args, Debug)]
pub struct ScanArguments {
    /// Which buckets.
    #[command(flatten)]
    pub source: SourceArguments,
    /// As of when.
    #[command(flatten)]
    pub judgement: JudgementArguments,
    /// In which form.
    #[command(flatten)]
    pub output: OutputArguments,
    /// What is logged.
    #[command(flatten)]
    pub log: LogArguments,
    /// Read every block, too, as `verify` does
    #[arg(long, help_heading = "Reading")]
    pub verify: bool,
    /// With --verify: how thoroughly: quick, index, checksum or full (the default)
    // the log has a level, too
    #[arg(id = "reading_level", long = "level", value_name = "LEVEL", help_heading = "Reading", requires = "verify", hide_possible_values = true,
          value_parser = verify::levels())]
    pub level: Option<Level>,
    /// What reading may take.
    #[command(flatten)]
    pub bounds: BoundArguments,
}

/// `watch`
#[derive(Args, Debug)]
pub struct WatchArguments {
    /// Which buckets.
    #[command(flatten)]
    pub source: SourceArguments,
    /// The ledger: what was seen before. Made if it is not there
    ///
    /// Without it: `ledger.db` in `$STATE_DIRECTORY` (as systemd sets it), else in `blockwarden` in `$XDG_STATE_HOME` or
    /// `~/.local/state`; where that cannot be written, what was seen is kept in memory and forgotten at the end. Only
    /// one service at a time can use it.
    #[arg(long, value_name = "FILE", help_heading = "Judgement")]
    pub state: Option<PathBuf>,
    /// Where it listens.
    #[command(flatten)]
    pub web: WebArguments,
    /// What is logged.
    #[command(flatten)]
    pub log: LogArguments,
}

/// The web server.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Web server")]
pub struct WebArguments {
    /// Where to listen for HTTP: `host:port`, or `:port` for all interfaces
    ///
    /// Without it `web.listen_address` of the configuration counts, and without that 127.0.0.1:9798.
    #[arg(long = "web.listen-address", value_name = "ADDRESS")]
    pub listen_address: Option<String>,
    /// TLS and passwords, in the format of Prometheus' exporter toolkit
    ///
    /// Read again whenever it, or a file that it names, changes. Without it `web.config_file` of the configuration
    /// counts, and without that everybody who reaches the address is answered in the clear.
    #[arg(long = "web.config.file", value_name = "FILE")]
    pub config_file: Option<PathBuf>,
    /// Allow changes over HTTP: `POST /-/reload`, silences, resending, signs of life of watchdogs
    #[arg(long = "web.enable-lifecycle")]
    pub enable_lifecycle: bool,
}

/// `demo`
#[derive(Args, Debug)]
pub struct DemoArguments {
    /// Where to listen for HTTP
    ///
    /// Without it 127.0.0.1:9798, or a free port where that one is taken.
    #[arg(long = "web.listen-address", value_name = "ADDRESS")]
    pub listen_address: Option<String>,
    /// Put everything into this folder, which is empty or not there yet, and keep it
    ///
    /// Without it a temporary folder is used and removed at the end.
    #[arg(long, value_name = "FOLDER")]
    pub dir: Option<PathBuf>,
    /// Time between two events of the story
    #[arg(long, value_name = "DURATION", default_value = "20s", value_parser = humantime::parse_duration)]
    pub pace: Duration,
    /// What is logged.
    #[command(flatten)]
    pub log: LogArguments,
}

/// `plan`
#[derive(Args, Debug)]
pub struct PlanArguments {
    /// Which buckets.
    #[command(flatten)]
    pub source: SourceArguments,
    /// As of when.
    #[command(flatten)]
    pub judgement: JudgementArguments,
    /// In which form.
    #[command(flatten)]
    pub output: OutputArguments,
    /// What is logged.
    #[command(flatten)]
    pub log: LogArguments,
}

/// `coverage`
#[derive(Args, Debug)]
pub struct CoverageArguments {
    /// Which buckets.
    #[command(flatten)]
    pub source: SourceArguments,
    /// Which part of them.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// As of when.
    #[command(flatten)]
    pub judgement: JudgementArguments,
    /// In which form.
    #[command(flatten)]
    pub output: OutputArguments,
    /// What is logged.
    #[command(flatten)]
    pub log: LogArguments,
}

/// Which streams, over what time.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Selection")]
pub struct SelectionArguments {
    /// Only streams whose external labels match, for example '{cluster="eu1", replica!="b"}'
    #[arg(long, value_name = "SELECTOR")]
    pub stream: Option<String>,
    /// Begin here instead of at the oldest block
    #[arg(long, value_name = "RFC3339", value_parser = TimestampMs::parse_rfc3339)]
    pub min_time: Option<TimestampMs>,
    /// End here instead of now
    #[arg(long, value_name = "RFC3339", value_parser = TimestampMs::parse_rfc3339)]
    pub max_time: Option<TimestampMs>,
}

/// `explain`
#[derive(Args, Debug)]
pub struct ExplainArguments {
    /// Id of a check, as in a finding, or of another alert; without it all are listed
    #[arg(value_name = "ID")]
    pub check: Option<String>,
    /// Alerts of your own beside ours, or in their place
    #[arg(long = "alerts-dir", value_name = "DIR")]
    pub alerts_dir: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn flags_are_spelled_as_thanos_spells_them() {
        for (line, accepted) in [
            ("scan --objstore.config-file f --at 2026-01-02T03:04:05Z --output json --state s --config c", true),
            ("scan --objstore.config {} --log.level debug --log.format json", true),
            ("scan --objstore.config-file=f --verify", true),
            ("scan --objstore.config-file=f --verify --level index", true),
            ("scan --objstore.config-file=f --level index", false),
            ("verify a b/c --level checksum", true),
            ("verify a --objstore.config {}", false),
            ("verify a --config c", false),
            ("verify a --resume", false),
            ("verify a --resume --state s", true),
            ("verify --config c --id 01KK0HCWW0000FANWA5KTS24VZ --id 01KK0HCWW0000FANWA5KTS24W0", true),
            ("verify --config c --id 01KK", false),
            ("verify --config c --stream {a=\"b\"} --min-time -7d --max-time 2026-01-01T00:00:00Z", true),
            ("verify --config c --concurrency 0", false),
            ("verify --config c --max-bytes-per-second 50MiB --output json --at 2026-01-01T00:00:00Z", true),
            ("verify --config c --max-bytes-per-second fast", false),
            ("verify a --level deep", false),
            ("scan --objstore.config-file f --objstore.config {}", false),
            ("scan --at yesterday", false),
            ("scan --output xml", false),
            ("scan somewhere", false),
            ("coverage --stream {a=\"b\"} --min-time 2026-01-01T00:00:00+01:00", true),
            ("config check --config c", true),
            ("config", false),
            ("explain", true),
            ("explain upload_lag --alerts-dir d", true),
            ("rules", true),
            ("rules --config c --format prometheus-operator --target 2.53 --out-dir d --alerts-dir a", true),
            ("rules --format thanos", false),
            ("rules --target 2.30", false),
            ("rules --alertmanager --config c", true),
            ("rules --alertmanager --out-dir d", false),
            ("explain coverage_gap", true),
            ("completions zsh", true),
            ("completions tcsh", false),
            ("", false),
        ] {
            let words = std::iter::once("blockwarden").chain(line.split(' ').filter(|word| !word.is_empty()));
            assert_eq!(Arguments::try_parse_from(words).is_ok(), accepted, "{line}");
        }
    }
}
