//! What is wrong with a configuration: every mistake with its place, none with a value that may be a secret.

use std::fmt;
use std::sync::Arc;

/// A position in a file, both counted from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

/// One mistake. The order is the order of output: by file, then by place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The file as it was named, or the flag that held the text.
    pub file: Arc<str>,
    /// Where in it; `None` where the whole file is meant.
    pub place: Option<Place>,
    /// The key, as `buckets[0].interval`; empty where the whole document is meant.
    pub path: String,
    /// What was expected.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(place) = self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// All mistakes of all files, at least one, one a line, sorted by place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<Mistake>);

impl ConfigErrors {
    /// The mistakes, sorted.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.0
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (idx, mistake) in self.0.iter().enumerate() {
            let line_break = if idx > 0 { "\n" } else { "" };
            write!(f, "{line_break}{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Collects mistakes while everything else goes on being read.
#[derive(Debug, Default)]
pub(super) struct Mistakes(Vec<Mistake>);

impl Mistakes {
    /// Notes a mistake at a place.
    pub(super) fn add(&mut self, file: &Arc<str>, place: Place, path: &str, message: impl Into<String>) {
        self.0.push(Mistake {
            file: Arc::clone(file),
            place: Some(place),
            path: path.to_owned(),
            message: message.into(),
        });
    }

    /// Notes a mistake of a whole file.
    pub(super) fn add_file(&mut self, file: &Arc<str>, message: impl Into<String>) {
        self.0.push(Mistake { file: Arc::clone(file), place: None, path: String::new(), message: message.into() });
    }

    /// The value, if there was no mistake at all.
    pub(super) fn finish<T>(mut self, value: T) -> Result<T, ConfigErrors> {
        if self.0.is_empty() {
            return Ok(value);
        }
        self.0.sort();
        // what an alias repeats is one mistake
        self.0.dedup_by(|later, earlier| {
            (&later.file, later.place, &later.message) == (&earlier.file, earlier.place, &earlier.message)
        });
        Err(ConfigErrors(self.0))
    }
}
