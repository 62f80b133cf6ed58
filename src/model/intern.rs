//! One copy of what thousands of blocks share.

use std::collections::HashSet;
use std::sync::Arc;

use super::Labels;

/// Keeps one `Arc` per distinct set of labels and per distinct name.
#[derive(Clone, Debug, Default)]
pub struct Interner {
    labels: HashSet<Arc<Labels>>,
    names: HashSet<Arc<str>>,
}

impl Interner {
    /// The shared copy of these labels.
    pub fn labels(&mut self, labels: Labels) -> Arc<Labels> {
        if let Some(shared) = self.labels.get(&labels) {
            return Arc::clone(shared);
        }
        let shared = Arc::new(labels);
        self.labels.insert(Arc::clone(&shared));
        shared
    }

    /// The shared copy of this name.
    pub fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(shared) = self.names.get(name) {
            return Arc::clone(shared);
        }
        let shared: Arc<str> = name.into();
        self.names.insert(Arc::clone(&shared));
        shared
    }
}
