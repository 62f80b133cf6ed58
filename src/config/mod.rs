//! Configuration: one file of our own and the `objstore.config` files of Thanos, read, judged and lowered into
//! settings and policy. All mistakes of all files are reported together, each with its place, and no message repeats
//! a value, which may be a secret.

pub mod docs;
pub mod environment;

mod buckets;
mod checks;
mod duration;
mod files;
mod main_file;
mod mistake;
mod notify;
mod objstore;
mod policy;
mod scrub;
mod service;
mod size;
mod summary;
#[cfg(test)]
mod tests;
mod web;
mod yaml;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use mistake::{ConfigErrors, Mistake, Place};
pub use service::WebOptions;
pub use web::WebFile;

use crate::alerting::AlertingPolicy;
use crate::checks::{ALL, Check, Policy};
use crate::model::{BucketSettings, Environment, KnownAlert, MetricsSettings, NotifySettings, RuleSettings, Selector};
use mistake::Mistakes;
use yaml::{Node, Reading, Source};

/// Everything that was configured.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The buckets, in the order of the file, at least one; names and locations are unique.
    pub buckets: Vec<BucketSettings>,
    /// What is demanded.
    pub policy: Policy,
    /// What is exported of streams.
    pub metrics: MetricsSettings,
    /// The web server; flags win.
    pub web: WebOptions,
    /// Who is told what, when and when not; without the alerts that there are, which the catalogue knows.
    pub alerting: AlertingPolicy,
    /// How they are told.
    pub notify: NotifySettings,
    /// What rules are made for.
    pub rules: RuleSettings,
}

/// What `--objstore.config-file` or `--objstore.config` gave.
#[derive(Clone, PartialEq, Eq)]
pub enum ObjstoreSource {
    /// The path of a file.
    File(PathBuf),
    /// The text itself.
    Inline(String),
}

/// The text may hold secrets.
impl fmt::Debug for ObjstoreSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Inline(_) => f.write_str("Inline([redacted])"),
        }
    }
}

/// Loads the configuration. `objstore` stands instead of the file's `buckets`, whose own files are not read then; all
/// else of the file applies. `alerts` are those that are PromQL alone, which may be set up like checks.
pub fn load(
    config_file: Option<&Path>,
    objstore: Option<&ObjstoreSource>,
    environment: &Environment,
    alerts: &[KnownAlert],
) -> Result<Config, ConfigErrors> {
    let mut mistakes = Mistakes::default();
    let mut loader = Loader { environment, mistakes: &mut mistakes, checks: ALL, alerts };
    let config = loader.load(config_file, objstore);
    mistakes.finish(config)
}

/// Parses a stream selector, PromQL matchers over external labels; otherwise says what was expected.
pub fn parse_selector(text: &str) -> Result<Selector, &'static str> {
    Selector::parse(text)
}

/// What loading needs everywhere.
struct Loader<'a> {
    environment: &'a Environment,
    mistakes: &'a mut Mistakes,
    checks: &'a [&'static Check],
    alerts: &'a [KnownAlert],
}

impl Loader<'_> {
    fn load(&mut self, config_file: Option<&Path>, objstore: Option<&ObjstoreSource>) -> Config {
        let main = config_file.map(|path| {
            let document = self.read(path);
            (path, document)
        });
        let main = match main {
            None => main_file::Main::default(),
            Some((path, Some((file, node)))) => main_file::lower(self, path, &file, &node, objstore.is_none()),
            // what is wrong with the file has been reported
            Some((_, None)) => return Config::default(),
        };
        let buckets = match objstore {
            Some(source) => self.flag(source).into_iter().map(|settings| main.defaults.bucket(settings)).collect(),
            None => main.buckets,
        };
        if objstore.is_none() && config_file.is_none() {
            let message = "no bucket is given: add --objstore.config-file FILE with a Thanos objstore.config, or --config \
                           FILE with `buckets`";
            self.mistakes.add_file(&Arc::from("command line"), message);
        }
        let mut policy = main.policy;
        let mut settings = Vec::new();
        for (bucket, demands) in buckets {
            policy.buckets.insert(Arc::clone(&bucket.name), demands);
            settings.push(bucket);
        }
        Config {
            buckets: settings,
            policy,
            metrics: main.metrics,
            web: main.web,
            alerting: main.alerting,
            notify: main.notify,
            rules: main.rules,
        }
    }

    /// The bucket that a flag gives.
    fn flag(&mut self, source: &ObjstoreSource) -> Option<BucketSettings> {
        let (file, node) = match source {
            ObjstoreSource::File(path) => self.read(path)?,
            ObjstoreSource::Inline(text) => self.parse(Arc::from("--objstore.config"), text.as_bytes())?,
        };
        objstore::lower(&node, node.place, &Reading::top(&file), self.mistakes)
    }

    /// Reads and parses a file; `None` where that failed, which has been reported then.
    fn read(&mut self, path: &Path) -> Option<(Arc<str>, Node)> {
        let file = Arc::from(path.to_string_lossy().as_ref());
        match files::read_bytes(path) {
            Ok(bytes) => self.parse(file, &bytes),
            Err(reason) => {
                self.mistakes.add_file(&file, format!("cannot be read: {reason}"));
                None
            }
        }
    }

    fn parse(&mut self, file: Arc<str>, bytes: &[u8]) -> Option<(Arc<str>, Node)> {
        let source = Source::new(Arc::clone(&file), bytes, self.environment, self.mistakes)?;
        let node = yaml::parse(&source, self.mistakes)?;
        Some((file, node))
    }
}
