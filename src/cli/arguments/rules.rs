//! The command line of `rules`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

pub(super) const EXAMPLES: &str = "\
Examples:
  For Prometheus' `rule_files`:
    blockwarden rules --config blockwarden.yml --out-dir /etc/prometheus/rules

  For the Prometheus operator:
    blockwarden rules --config blockwarden.yml --format prometheus-operator | kubectl apply -f -

  For Mimir:
    blockwarden rules --config blockwarden.yml --format mimir > rules.yaml && mimirtool rules load rules.yaml

  What to add to Alertmanager's configuration:
    blockwarden rules --alertmanager";

/// `rules`
#[derive(Args, Clone, Debug)]
pub struct RulesArguments {
    /// The configuration: jobs, thresholds, components, links
    ///
    /// `checks`, `endpoints`, `metrics` and `notify.links` decide about rules; docs/rules.md says how. What its buckets
    /// name is not read.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Alerts of your own: a folder of files as in `alerts/`, each of which replaces the one of its name or adds one
    #[arg(long = "alerts-dir", value_name = "DIR")]
    pub alerts_dir: Option<PathBuf>,
    /// Who loads them
    #[arg(long, value_name = "FORMAT", default_value = "prometheus")]
    pub format: RulesFormat,
    /// The oldest Prometheus that loads them: nothing is written that it does not know
    #[arg(long, value_name = "VERSION", default_value = "2.42")]
    pub target: RulesTarget,
    /// Write one file `blockwarden-<group>.yaml` for each group into this folder, instead of all to standard output
    ///
    /// Files of groups that are no more are removed, if they were written by this command.
    #[arg(long = "out-dir", value_name = "DIR")]
    pub out_dir: Option<PathBuf>,
    /// Print what belongs to the rules in Alertmanager's configuration instead: routes and inhibition
    #[arg(long, conflicts_with_all = ["out_dir", "format", "target"])]
    pub alertmanager: bool,
}

/// Who loads rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RulesFormat {
    /// `rule_files` of Prometheus or Thanos' ruler
    Prometheus,
    /// One `PrometheusRule` of the Prometheus operator
    PrometheusOperator,
    /// `mimirtool rules load`
    Mimir,
}

/// The oldest Prometheus that loads rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RulesTarget {
    /// The first that knows `keep_firing_for`
    #[value(name = "2.42")]
    V2_42,
    /// The long-term release
    #[value(name = "2.53")]
    V2_53,
    /// All of 3.x
    #[value(name = "3")]
    V3,
}
