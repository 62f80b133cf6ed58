//! `watch`: the service.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use super::arguments::{SourceArguments, WatchArguments, WebArguments};
use super::outcome::Outcome;
use super::progress::Bars;
use super::{alerts_dir, judge, logging, text};
use crate::catalogue::Catalogue;
use crate::config::{self, Config, WebFile};
use crate::engine::watch::{Alerts, Configured, Loader, Service, Settings, Signal, Signals, WebOptions};
use crate::engine::{Job, Limits, State, clock};
use crate::model::{Environment, WebSource};

/// For what is under way when the end is asked for.
const GRACE: Duration = Duration::from_secs(15);

/// Runs the command until it is told to end.
pub(super) fn run(arguments: &WatchArguments, environment: &Environment) -> anyhow::Result<Outcome> {
    logging::install(arguments.log, text::wants_colour(environment), &Bars::none())?;
    let catalogue = alerts_dir::catalogue(arguments.source.alerts_dir.as_deref())?;
    let config = judge::load_with(&arguments.source, environment, catalogue)?;
    let (alerts, loader) = (alerts(&config, catalogue), loader(&arguments.source, environment, catalogue));
    let web = web_options(&arguments.web, config.web);
    let state = arguments.state.clone().map_or_else(|| default_state(environment), State::File);
    let settings = Settings {
        job: Job {
            buckets: config.buckets,
            policy: config.policy,
            state,
            environment: environment.clone(),
            limits: Limits::default(),
        },
        metrics: config.metrics,
        web,
        alerts,
        words: Arc::new(catalogue.clone()),
        loader,
        ambient: clock::ambient(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    let outcome = runtime.block_on(serve(settings));
    // a thread that hangs in a file system must not keep the process from ending
    runtime.shutdown_background();
    outcome
}

/// Flags, else the configuration, else the defaults.
fn web_options(flags: &WebArguments, configured: config::WebOptions) -> WebOptions {
    let defaults = WebOptions::default();
    let file = flags.config_file.clone().or(configured.config_file);
    WebOptions {
        listen: flags.listen_address.clone().or(configured.listen_address).unwrap_or(defaults.listen),
        lifecycle: flags.enable_lifecycle,
        web: file.map(|file| -> Arc<dyn WebSource> { Arc::new(WebFile::new(file)) }),
        bounds: defaults.bounds,
    }
}

/// From the first pass to the end.
async fn serve(settings: Settings) -> anyhow::Result<Outcome> {
    let mut signals = Signals::listen().context("cannot listen to signals")?;
    let service = Service::start(settings).await?;
    tracing::info!(address = %service.address(), "watching");
    loop {
        let signal = tokio::select! {
            signal = signals.next() => signal,
            error = service.broken() => return Err(error.into()),
        };
        match signal {
            Signal::Stop => break,
            Signal::Reload => {
                let reload = service.reloading();
                // what comes of it is logged, and in `blockwarden_config_last_reload_successful`
                tokio::spawn(async move { reload.await.unwrap_or_default() });
            }
        }
    }
    tracing::info!("ending; once more ends at once");
    let left = tokio::select! {
        left = service.stop(GRACE) => left,
        () = second_stop(&mut signals) => vec!["everything, as it was asked for twice"],
    };
    let problems = left.iter().map(|left| format!("ended without waiting for {left}")).collect();
    Ok(Outcome { problems, ..Outcome::text(String::new()) })
}

async fn second_stop(signals: &mut Signals) {
    while signals.next().await != Signal::Stop {}
}

/// Where a service keeps its ledger that nobody named: where systemd says, else where the user's state belongs.
fn default_state(environment: &Environment) -> State {
    default_ledger(environment).map_or(State::Memory, State::Preferred)
}

/// The same as a path; `None` where there is no such place.
pub(super) fn default_ledger(environment: &Environment) -> Option<PathBuf> {
    let of_systemd = environment.non_empty("STATE_DIRECTORY").and_then(|folders| folders.split(':').next());
    let folder = of_systemd.map(PathBuf::from).or_else(|| {
        let state = environment.non_empty("XDG_STATE_HOME").map(PathBuf::from);
        let state = state.or_else(|| Some(PathBuf::from(environment.non_empty("HOME")?).join(".local/state")));
        state.map(|state| state.join("blockwarden"))
    });
    folder.map(|folder| folder.join("ledger.db"))
}

/// Who is told what, with the alerts that there are.
pub(super) fn alerts(config: &Config, words: &Catalogue) -> Alerts {
    Alerts::new(config.alerting.clone(), config.notify.clone(), config.rules.clone(), words)
}

/// Reads the same configuration again.
pub(super) fn loader(source: &SourceArguments, environment: &Environment, catalogue: &'static Catalogue) -> Loader {
    let (source, environment) = (source.clone(), environment.clone());
    Arc::new(move || {
        let configured = |config: Config| {
            let alerts = alerts(&config, catalogue);
            Configured { buckets: config.buckets, policy: config.policy, metrics: config.metrics, alerts }
        };
        judge::load_with(&source, &environment, catalogue).map(configured).map_err(|errors| errors.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::embedded;
    use crate::model::AlertSettings;

    #[test]
    fn what_is_set_for_alerts_holds_for_our_own_notifications_too() {
        let mut config = Config::default();
        let soon = AlertSettings { hold_ms: Some(7), ..AlertSettings::default() };
        config.rules.alerts.insert("upload_lag".to_owned(), soon);
        config.rules.job = "another".to_owned();
        let alerts = alerts(&config, embedded().unwrap());
        assert_eq!(alerts.policy.kinds["upload_lag"].hold_ms, 7);
        assert_eq!(alerts.rules.job, "another");
    }

    #[test]
    fn the_ledger_is_where_state_belongs() {
        for (variables, expected) in [
            (vec![], None),
            (vec![("HOME", "/home/a")], Some("/home/a/.local/state/blockwarden/ledger.db")),
            (vec![("HOME", "/home/a"), ("XDG_STATE_HOME", "/s")], Some("/s/blockwarden/ledger.db")),
            (vec![("HOME", "/h"), ("STATE_DIRECTORY", "/var/lib/blockwarden")], Some("/var/lib/blockwarden/ledger.db")),
            (vec![("STATE_DIRECTORY", "/var/lib/a:/var/lib/b")], Some("/var/lib/a/ledger.db")),
            (vec![("HOME", "")], None),
        ] {
            let environment: Environment = variables.into_iter().collect();
            let expected = expected.map_or(State::Memory, |path| State::Preferred(PathBuf::from(path)));
            assert_eq!(default_state(&environment), expected);
        }
    }
}
