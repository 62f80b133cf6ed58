//! `demo`: a bucket of real blocks, moved to the present, that one can watch while things go wrong in it.

mod folder;
mod narrator;
mod plan;
mod story;
#[cfg(test)]
mod tests;

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::arguments::{DemoArguments, SourceArguments};
use super::outcome::Outcome;
use super::progress::Bars;
use super::text::{self, Page};
use super::{judge, logging};
use crate::catalogue;
use crate::engine::watch::{Service, Settings, Signal, Signals, WebOptions};
use crate::engine::{EngineError, Job, Limits, State, clock};
use crate::model::{Environment, Published};
use folder::Folder;
use narrator::{Narrator, Places};
use story::{Step, Story};

/// For what is under way when the end is asked for.
const GRACE: Duration = Duration::from_secs(5);
/// Between two looks at whether a sidecar or the compactor would have done something.
const ROUND: Duration = Duration::from_secs(5);
/// Between two scans, as the configuration says it.
const INTERVAL: &str = "2s";

/// Runs the command until it is told to end.
pub(super) fn run(arguments: &DemoArguments, environment: &Environment, page: Page) -> anyhow::Result<Outcome> {
    logging::install(arguments.log, text::wants_colour(environment), &Bars::none())?;
    let home = Home::make(arguments.dir.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    let left = runtime.block_on(show(arguments, environment, page, home.path()));
    runtime.shutdown_background();
    let removed = home.end();
    let problems = left?.into_iter().map(|left| format!("ended without waiting for {left}")).collect();
    removed?;
    Ok(Outcome { problems, ..Outcome::text(String::new()) })
}

/// Where everything lies.
enum Home {
    /// Goes at the end.
    Temporary(TempDir),
    /// Somebody named it: it stays.
    Kept(PathBuf),
}

impl Home {
    fn make(named: Option<&Path>) -> anyhow::Result<Self> {
        let Some(named) = named else {
            let made = tempfile::Builder::new().prefix("blockwarden-demo-").tempdir();
            return Ok(Self::Temporary(made.context("cannot make a temporary folder")?));
        };
        let place = || format!("cannot use the folder {}", named.display());
        fs::create_dir_all(named).with_context(place)?;
        if fs::read_dir(named).with_context(place)?.next().is_some() {
            bail!("the folder {} is not empty: name one that is, or that does not exist yet", named.display());
        }
        Ok(Self::Kept(named.canonicalize().with_context(place)?))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Kept(folder) => folder,
        }
    }

    fn end(self) -> anyhow::Result<()> {
        match self {
            Self::Temporary(folder) => {
                let path = folder.path().to_owned();
                folder.close().with_context(|| format!("cannot remove the folder {}", path.display()))
            }
            Self::Kept(_) => Ok(()),
        }
    }
}

/// From the empty folder to the end of the service. Gives the names of what did not end in time.
async fn show(
    arguments: &DemoArguments,
    environment: &Environment,
    page: Page,
    home: &Path,
) -> anyhow::Result<Vec<&'static str>> {
    let mut signals = Signals::listen().context("cannot listen to signals")?;
    let mut folder = Folder::create(home)?;
    let story = Story::new(clock::now()).context("the calendar has no room for the story")?;
    tokio::task::block_in_place(|| story.begin(&mut folder))?;
    let source = configure(home, folder.bucket())?;

    let listen = arguments.listen_address.as_deref();
    let (service, elsewhere) = start(&source, environment, home, listen).await?;
    let places = Places {
        home,
        kept: arguments.dir.is_some(),
        address: service.address(),
        elsewhere,
        program: std::env::args_os().next().map(PathBuf::from).unwrap_or_default(),
        interval: INTERVAL,
        pace: arguments.pace,
    };
    say(&places.introduce(story.estate.blocks(story.estate.began).len(), page))?;

    let shown = narrate(&story, &mut folder, &service, &mut signals, arguments.pace, page).await;
    let left = service.stop(GRACE).await;
    shown?;
    say(&places.farewell())?;
    Ok(left)
}

/// What happens, and what the service makes of it, until somebody ends it.
async fn narrate(
    story: &Story,
    folder: &mut Folder,
    service: &Service,
    signals: &mut Signals,
    pace: Duration,
    page: Page,
) -> anyhow::Result<()> {
    let mut published = service.published();
    let mut narrator = Narrator::new(page);
    let mut steps = Step::ALL.into_iter().peekable();
    let mut next = None;
    let mut rounds = interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            signal = signals.next() => match signal {
                Signal::Stop => return Ok(()),
                Signal::Reload => {
                    let reload = service.reloading();
                    tokio::spawn(async move { reload.await.unwrap_or_default() });
                }
            },
            state = newer(&mut published) => {
                let Some(state) = state else { return Err(EngineError::Judge.into()) };
                say(&narrator.report(&state))?;
                if next.is_none() && state.service.ready {
                    next = Some(Instant::now() + pace);
                }
            }
            () = until(next), if steps.peek().is_some() => {
                let Some(step) = steps.next() else { continue };
                let now = clock::now();
                tokio::task::block_in_place(|| story.happen(step, folder, now))?;
                say(&narrator.tell(now, &story.tell(step)))?;
                if steps.peek().is_none() {
                    say(&narrator.tell(now, "that was the story; the rest stays as it is, watched until Ctrl-C"))?;
                }
                next = Some(Instant::now() + pace);
            }
            _ = rounds.tick() => {
                // nothing of a block is touched that is there already, whatever happened to it
                tokio::task::block_in_place(|| folder.follow(&story.estate.blocks(clock::now())))?;
            }
        }
    }
}

async fn newer(published: &mut watch::Receiver<Arc<Published>>) -> Option<Arc<Published>> {
    published.changed().await.ok()?;
    Some(Arc::clone(&published.borrow_and_update()))
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Writes the files that a user would write, too, and says how to read them.
fn configure(home: &Path, bucket: &Path) -> anyhow::Result<SourceArguments> {
    // a JSON string is a YAML string
    let directory = serde_json::to_string(&bucket.to_string_lossy())?;
    let objstore = format!("type: FILESYSTEM\nconfig:\n  directory: {directory}\n");
    // the story is about what listings tell
    let config = format!(
        "buckets:\n- name: demo\n  objstore_config_file: bucket.yaml\n  interval: {INTERVAL}\nscrub: {{enabled: false}}\n"
    );
    let file = home.join("blockwarden.yaml");
    for (path, text) in [(home.join("bucket.yaml"), objstore), (file.clone(), config)] {
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(SourceArguments { config: Some(file), ..SourceArguments::default() })
}

/// Starts the same service as `watch`. Where nobody named an address and the default one is taken, it takes a free
/// port and says so.
async fn start(
    source: &SourceArguments,
    environment: &Environment,
    home: &Path,
    listen: Option<&str>,
) -> anyhow::Result<(Service, bool)> {
    let settings = |listen: Option<&str>| -> anyhow::Result<Settings> {
        let config = judge::load(source, environment)?;
        let defaults = WebOptions::default();
        let catalogue = catalogue::embedded()?;
        Ok(Settings {
            alerts: super::watch::alerts(&config, catalogue),
            loader: super::watch::loader(source, environment, catalogue),
            words: Arc::new(catalogue.clone()),
            job: Job {
                buckets: config.buckets,
                policy: config.policy,
                state: State::File(home.join("ledger.db")),
                environment: environment.clone(),
                limits: Limits::default(),
            },
            metrics: config.metrics,
            web: WebOptions { listen: listen.map_or(defaults.listen.clone(), str::to_owned), ..defaults },
            ambient: clock::ambient(),
        })
    };
    match Service::start(settings(listen)?).await {
        Err(error) if listen.is_none() && is_taken(&error) => {
            Ok((Service::start(settings(Some("127.0.0.1:0"))?).await?, true))
        }
        started => Ok((started?, false)),
    }
}

fn is_taken(error: &EngineError) -> bool {
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    let mut causes = causes.filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|cause| cause.kind() == ErrorKind::AddrInUse)
}

/// Writes to standard output at once. A reader that has gone ends the demonstration.
fn say(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot write to standard output")
}
