//! A service that a test steps.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use blockwarden::alerting::AlertingPolicy;
use blockwarden::catalogue;
use blockwarden::config::{self, Config};
use blockwarden::engine::watch::{Alerts, Configured, Station};
use blockwarden::engine::{Job, Limits, State, clock};
use blockwarden::model::{Environment, NotifySettings, Published, RuleSettings, TimestampMs};
use rusqlite::Connection;

use crate::shapes::{Estate, t};

/// A station over the buckets of a configuration file, with a ledger beside it.
pub struct Steps {
    folder: PathBuf,
    pub station: Station,
    runtime: tokio::runtime::Runtime,
}

impl Steps {
    /// Over the estate's one bucket, whose passes are due every five minutes.
    pub fn over(estate: &Estate, now: &str) -> Self {
        Self::with(estate.folder(), "buckets:\n- objstore_config_file: objstore.yaml\n", now)
    }

    /// With this configuration in the folder.
    pub fn with(folder: &Path, yaml: &str, now: &str) -> Self {
        std::fs::write(folder.join("blockwarden.yaml"), yaml).unwrap();
        let config = load(folder);
        let job = Job {
            buckets: config.buckets,
            policy: config.policy,
            state: State::File(folder.join("ledger.db")),
            environment: Environment::default(),
            limits: Limits::default(),
        };
        let alerts = alerts(&config.alerting, &config.notify);
        let mut station = Station::open(job, config.metrics, &clock::ambient(), at(now)).unwrap();
        station.tell(alerts, at(now)).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        Self { folder: folder.to_owned(), station, runtime }
    }

    /// A pass over every bucket, and what is shown then.
    pub fn step(&mut self, now: &str) -> Arc<Published> {
        self.runtime.block_on(self.station.step(at(now), &()))
    }

    /// Has something asynchronous done with the station.
    pub fn run<'a, T, F: Future<Output = T>>(&'a mut self, work: impl FnOnce(&'a mut Station) -> F) -> T {
        let Self { station, runtime, .. } = self;
        runtime.block_on(work(station))
    }

    /// What the configuration file says now.
    pub fn reload(&mut self, yaml: &str) -> Configured {
        std::fs::write(self.folder.join("blockwarden.yaml"), yaml).unwrap();
        let config = load(&self.folder);
        let alerts = alerts(&config.alerting, &config.notify);
        Configured { buckets: config.buckets, policy: config.policy, metrics: config.metrics, alerts }
    }

    /// `check end` of every finding that has ended, in the order of their ends.
    pub fn ends(&self) -> Vec<String> {
        let ledger = Connection::open(self.folder.join("ledger.db")).unwrap();
        let mut rows = ledger
            .prepare("SELECT check_id || ' ' || end FROM findings WHERE ended_at IS NOT NULL ORDER BY ended_at, id")
            .unwrap();
        let ends = rows.query_map((), |row| row.get(0)).unwrap();
        ends.collect::<Result<_, _>>().unwrap()
    }
}

fn alerts(policy: &AlertingPolicy, notify: &NotifySettings) -> Alerts {
    Alerts::new(policy.clone(), notify.clone(), RuleSettings::default(), catalogue::embedded().unwrap())
}

fn load(folder: &Path) -> Config {
    config::load(Some(&folder.join("blockwarden.yaml")), None, &Environment::default(), &[]).unwrap()
}

/// The moment that a test names.
pub fn at(moment: &str) -> TimestampMs {
    TimestampMs(t(moment))
}

/// `severity check` of what is open at `warning` or above.
pub fn loud(published: &Published) -> Vec<String> {
    let loud = published.snapshot.findings.iter().filter(|finding| finding.severity.name() != "info");
    loud.map(|finding| format!("{} {}", finding.severity, finding.check)).collect()
}
