//! From flags to a snapshot: what `scan`, `coverage` and `plan` share.

use anyhow::Context;
use tokio::runtime::Runtime;

use super::arguments::{JudgementArguments, LogArguments, SourceArguments};
use super::progress::Bars;
use super::{alerts_dir, logging, text};
use crate::catalogue::Catalogue;
use crate::config::{self, Config, ConfigErrors, ObjstoreSource};
use crate::engine::{self, Engine, Job, Limits, State, clock};
use crate::model::{Environment, PlanDocument};

/// The configuration that the flags give.
pub(super) fn load(arguments: &SourceArguments, environment: &Environment) -> anyhow::Result<Config> {
    Ok(load_with(arguments, environment, alerts_dir::catalogue(arguments.alerts_dir.as_deref())?)?)
}

/// The same, where the alerts are known already: whoever reads a configuration again and again reads them once.
pub(super) fn load_with(
    arguments: &SourceArguments,
    environment: &Environment,
    catalogue: &'static Catalogue,
) -> Result<Config, ConfigErrors> {
    let file = arguments.objstore_config_file.clone().map(ObjstoreSource::File);
    let objstore = file.or_else(|| arguments.objstore_config.clone().map(ObjstoreSource::Inline));
    config::load(arguments.config.as_deref(), objstore.as_ref(), environment, &catalogue.known())
}

/// Observes every bucket once and judges it; logs and shows progress on standard error meanwhile.
pub(super) fn once(
    source: &SourceArguments,
    judgement: &JudgementArguments,
    log: LogArguments,
    environment: &Environment,
) -> anyhow::Result<engine::Outcome> {
    let bars = Bars::new(log.format);
    let (engine, runtime) = prepare(source, judgement, log, environment, &bars)?;
    Ok(runtime.block_on(engine.cycle(judgement.at.unwrap_or_else(clock::now), &bars))?)
}

/// The same, and what the scrub of `watch` will cost.
pub(super) fn plan(
    source: &SourceArguments,
    judgement: &JudgementArguments,
    log: LogArguments,
    environment: &Environment,
) -> anyhow::Result<(engine::Outcome, PlanDocument)> {
    let bars = Bars::new(log.format);
    let (engine, runtime) = prepare(source, judgement, log, environment, &bars)?;
    Ok(runtime.block_on(engine.plan(judgement.at.unwrap_or_else(clock::now), &bars))?)
}

fn prepare(
    source: &SourceArguments,
    judgement: &JudgementArguments,
    log: LogArguments,
    environment: &Environment,
    bars: &Bars,
) -> anyhow::Result<(Engine, Runtime)> {
    logging::install(log, text::wants_colour(environment), bars)?;
    let config = load(source, environment)?;
    let job = Job {
        buckets: config.buckets,
        policy: config.policy,
        state: judgement.state.clone().map_or(State::Memory, State::File),
        environment: environment.clone(),
        limits: Limits::default(),
    };
    let engine = Engine::open(job, &clock::ambient())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    Ok((engine, runtime))
}
