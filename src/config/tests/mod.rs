//! Tests of whole files, by tables: a document goes in, its meaning or every mistake with its place comes out.

mod documents;
mod main_file;
mod notify;
mod objstore;
mod scrub;
mod secrets;
mod web;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use super::*;
use crate::model::{KnownThreshold, ProviderSettings};

/// An alert that is PromQL alone.
static ALERTS: LazyLock<Vec<KnownAlert>> = LazyLock::new(|| {
    let help = "How many.";
    vec![KnownAlert { id: "halted", thresholds: vec![KnownThreshold { name: "intervals", default: 3.0, help }] }]
});

/// Loads an inline `objstore.config`.
fn inline(text: &str, environment: &Environment) -> Result<BucketSettings, Vec<String>> {
    let config = load(None, Some(&ObjstoreSource::Inline(text.to_owned())), environment, &[]);
    config.map(|config| config.buckets.into_iter().next().unwrap()).map_err(|errors| lines(&errors))
}

/// What is wrong with an inline `objstore.config`, without the name of the flag.
fn wrong(text: &str) -> Vec<String> {
    let errors = inline(text, &Environment::default()).unwrap_err();
    errors.into_iter().map(|line| line.trim_start_matches("--objstore.config:").to_owned()).collect()
}

fn lines(errors: &ConfigErrors) -> Vec<String> {
    errors.to_string().lines().map(str::to_owned).collect()
}

/// Our own file in a folder, beside `objstore.yaml` with a bucket in a directory.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(main: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("main.yaml", main);
        folder.write("objstore.yaml", "type: FILESYSTEM\nconfig: {directory: /var/lib/thanos}\n");
        folder
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn load(&self) -> Result<Config, Vec<String>> {
        self.load_with(None, ALL)
    }

    /// Loads with a flag and with these checks; mistakes without the folder's path.
    fn load_with(&self, flag: Option<&str>, checks: &[&'static Check]) -> Result<Config, Vec<String>> {
        let environment = Environment::default();
        let mut mistakes = Mistakes::default();
        let flag = flag.map(|text| ObjstoreSource::Inline(text.to_owned()));
        let path = self.0.path().join("main.yaml");
        let mut loader = Loader { environment: &environment, mistakes: &mut mistakes, checks, alerts: &ALERTS };
        let config = loader.load(Some(&path), flag.as_ref());
        let prefix = format!("{}/", self.0.path().display());
        mistakes.finish(config).map_err(|errors| lines(&errors).iter().map(|line| line.replace(&prefix, "")).collect())
    }
}
