//! A bucket in memory that a test can change between two scans.
#![expect(clippy::unwrap_used, reason = "whatever fails in here fails the test that uses it")]

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::RwLock;

use blockwarden::model::TimestampMs;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::s3_server::{Head, Listed, Objects};

#[derive(Clone, Debug)]
struct Stored {
    size: u64,
    modified: TimestampMs,
    etag: String,
    body: Option<Bytes>,
}

/// Objects by key.
#[derive(Debug, Default)]
pub(crate) struct Memory(RwLock<BTreeMap<String, Stored>>);

impl Memory {
    /// All that another bucket holds.
    pub(crate) fn copy_of(source: &dyn Objects) -> Self {
        let memory = Self::default();
        memory.add_from(source, "");
        memory
    }

    /// Adds what another bucket holds under `prefix` and this one does not.
    pub(crate) fn add_from(&self, source: &dyn Objects, prefix: &str) {
        let mut objects = self.0.write().unwrap();
        source.visit(Bound::Included(prefix), &mut |listed| {
            if !listed.key.starts_with(prefix) {
                return false;
            }
            objects.entry(listed.key.to_owned()).or_insert_with(|| Stored {
                size: listed.size,
                modified: TimestampMs::parse_rfc3339(listed.modified).unwrap(),
                etag: listed.etag.to_owned(),
                body: source.body(listed.key),
            });
            true
        });
    }

    /// Stores an object.
    pub(crate) fn put(&self, key: &str, body: impl Into<Bytes>, modified: TimestampMs) {
        let body = body.into();
        let hash = Sha256::digest(&body);
        let etag = hash.iter().take(16).fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        let stored = Stored { size: u64::try_from(body.len()).unwrap(), modified, etag, body: Some(body) };
        self.0.write().unwrap().insert(key.to_owned(), stored);
    }

    /// Stores all objects whose key begins with `prefix` once more, under another one.
    pub(crate) fn copy(&self, prefix: &str, other: &str, modified: TimestampMs) {
        let mut objects = self.0.write().unwrap();
        let range = objects.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        let found = range.map_while(|(key, stored)| Some((key.strip_prefix(prefix)?, stored)));
        let copies: Vec<(String, Stored)> =
            found.map(|(rest, stored)| (format!("{other}{rest}"), Stored { modified, ..stored.clone() })).collect();
        objects.extend(copies);
    }

    /// Lists an object with another size, as if it had been cut.
    pub(crate) fn resize(&self, key: &str, size: u64) {
        self.0.write().unwrap().get_mut(key).unwrap().size = size;
    }

    /// Removes all objects whose key begins with `prefix` and says how many.
    pub(crate) fn remove(&self, prefix: &str) -> usize {
        let mut objects = self.0.write().unwrap();
        let before = objects.len();
        objects.retain(|key, _| !key.starts_with(prefix));
        before - objects.len()
    }

    /// How many objects there are.
    pub(crate) fn len(&self) -> usize {
        self.0.read().unwrap().len()
    }
}

impl Objects for Memory {
    fn visit(&self, from: Bound<&str>, visit: &mut dyn FnMut(&Listed<'_>) -> bool) {
        let objects = self.0.read().unwrap();
        for (key, stored) in objects.range::<str, _>((from, Bound::Unbounded)) {
            let modified = stored.modified.to_string();
            let listed = Listed { key, size: stored.size, modified: &modified, etag: &stored.etag, class: "STANDARD" };
            if !visit(&listed) {
                return;
            }
        }
    }

    fn head(&self, key: &str) -> Option<Head> {
        let objects = self.0.read().unwrap();
        objects.get(key).map(|stored| Head { size: stored.size, modified: stored.modified, etag: stored.etag.clone() })
    }

    fn body(&self, key: &str) -> Option<Bytes> {
        self.0.read().unwrap().get(key).and_then(|stored| stored.body.clone())
    }
}
