//! `alerts`, `silence`, `notify-test`: their flags, with their help.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{LogArguments, OutputArguments};
use crate::model::{TimestampMs, parse_prometheus_duration};

pub(super) const ALERTS_EXAMPLES: &str = "\
Examples:
  What fires now, of the service on this machine:
    blockwarden alerts --url http://127.0.0.1:9798

  Who would be told of a critical alert of one cluster, and why?
    blockwarden alerts route '{cluster=\"eu1\", severity=\"critical\"}' --config blockwarden.yml

  What could not be delivered, and once more with all of it:
    blockwarden alerts dead --url http://127.0.0.1:9798
    blockwarden alerts resend --all --url http://127.0.0.1:9798";

pub(super) const SILENCE_EXAMPLES: &str = "\
Examples:
  Nothing of this bucket for two hours, while it is moved:
    blockwarden silence add '{bucket=\"thanos\"}' --duration 2h --comment 'moving to another region'

  And once that is done earlier:
    blockwarden silence list
    blockwarden silence expire 3f0c5a7be2a01f44";

pub(super) const NOTIFY_TEST_EXAMPLES: &str = "\
Examples:
  Every receiver:
    blockwarden notify-test --config blockwarden.yml

  One of them:
    blockwarden notify-test --config blockwarden.yml --receiver oncall";

/// The address that a service has unless it was told otherwise.
const URL: &str = "http://127.0.0.1:9798";

/// `alerts`
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct AlertsArguments {
    /// More than the list.
    #[command(subcommand)]
    pub command: Option<AlertsCommand>,
    /// Whom to ask.
    #[command(flatten)]
    pub place: PlaceArguments,
    /// Those that ended of late, too
    #[arg(long)]
    pub all: bool,
    /// In which form.
    #[command(flatten)]
    pub output: OutputArguments,
}

/// What can be asked about alerts.
#[derive(Debug, Subcommand)]
pub enum AlertsCommand {
    /// Say step by step who would be told of an alert with these labels
    ///
    /// Which routes match, who is told, with which others in one message, when, and which mute times and configured
    /// silences keep it back now. Reads the configuration only and asks nobody.
    Route {
        /// The labels of the alert, as equalities: '{alertname="…", severity="critical", cluster="eu1"}'
        labels: String,
        /// The configuration
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// List notifications that were given up, and why
    Dead {
        /// Whom to ask.
        #[command(flatten)]
        place: PlaceArguments,
        /// In which form.
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Send notifications again that were given up
    Resend {
        /// Which, as `alerts dead` lists them
        #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
        ids: Vec<String>,
        /// All of them
        #[arg(long)]
        all: bool,
        /// Whom to ask.
        #[command(flatten)]
        place: PlaceArguments,
    },
}

/// A service or its ledger.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Where")]
pub struct PlaceArguments {
    /// Ask a running service over HTTP, such as <http://127.0.0.1:9798>
    #[arg(long, value_name = "URL", conflicts_with = "state")]
    pub url: Option<String>,
    /// Look into this ledger; without --url, the one that `watch` uses where nobody names one
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
}

/// A service, unless a ledger is named.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Where")]
pub struct ServiceArguments {
    /// The running service, which has to have been started with --web.enable-lifecycle for changes
    #[arg(long, value_name = "URL", default_value = URL, conflicts_with = "state")]
    pub url: String,
    /// Work on this ledger instead, while no service runs on it
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
}

/// `silence`
#[derive(Debug, Subcommand)]
pub enum SilenceCommand {
    /// Silence alerts for a time
    Add(Box<SilenceAddArguments>),
    /// List silences that are not over
    List {
        /// Whom to ask.
        #[command(flatten)]
        place: ServiceArguments,
        /// In which form.
        #[command(flatten)]
        output: OutputArguments,
    },
    /// End a silence now
    Expire {
        /// Its id, as `silence list` shows it
        id: String,
        /// Whom to ask.
        #[command(flatten)]
        place: ServiceArguments,
    },
}

/// `silence add`
#[derive(Args, Debug)]
pub struct SilenceAddArguments {
    /// Which alerts: PromQL matchers over alertname, check, severity, bucket, stream and external labels
    pub matchers: String,
    /// How long, such as 2h or 1d12h
    #[arg(long, value_name = "DURATION", value_parser = duration, required_unless_present = "end", conflicts_with = "end")]
    pub duration: Option<i64>,
    /// From then on instead of from now on
    #[arg(long, value_name = "RFC3339", value_parser = TimestampMs::parse_rfc3339)]
    pub start: Option<TimestampMs>,
    /// Until then
    #[arg(long, value_name = "RFC3339", value_parser = TimestampMs::parse_rfc3339)]
    pub end: Option<TimestampMs>,
    /// Who asks for it; without it, $USER
    #[arg(long, value_name = "NAME")]
    pub author: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub comment: String,
    /// Whom to ask.
    #[command(flatten)]
    pub place: ServiceArguments,
}

/// `notify-test`
#[derive(Args, Debug)]
pub struct NotifyTestArguments {
    /// The configuration that has the receivers
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Only this receiver; may be repeated
    #[arg(long = "receiver", value_name = "NAME")]
    pub receivers: Vec<String>,
    /// In which form.
    #[command(flatten)]
    pub output: OutputArguments,
    /// What is logged.
    #[command(flatten)]
    pub log: LogArguments,
}

fn duration(text: &str) -> Result<i64, &'static str> {
    parse_prometheus_duration(text).filter(|ms| *ms > 0).ok_or("expected a duration such as 2h or 1d12h")
}
