//! One copy of what thousands of blocks share.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ulid::Ulid;

use super::{BlockMeta, BucketView, Labels};

/// Keeps one `Arc` per distinct set of labels, name and list of blocks.
#[derive(Clone, Debug, Default)]
pub struct Interner {
    labels: HashSet<Arc<Labels>>,
    names: HashSet<Arc<str>>,
    ulids: HashSet<Arc<[Ulid]>>,
    metas: HashMap<Ulid, Arc<BlockMeta>>,
}

impl Interner {
    /// Knows what a view holds, so that what is loaded and says the same is not held twice.
    pub fn of(view: &BucketView) -> Self {
        let mut interner = Self::default();
        for block in view.blocks.values() {
            for object in &block.objects {
                if !interner.names.contains(&object.name) {
                    interner.names.insert(Arc::clone(&object.name));
                }
            }
            if let Some(meta) = block.meta.meta() {
                interner.labels.insert(Arc::clone(&meta.labels));
                interner.ulids.insert(Arc::clone(&meta.sources));
                interner.metas.insert(block.ulid, Arc::clone(meta));
            }
        }
        interner
    }

    /// The shared copy of a block's description.
    pub fn meta(&self, block: Ulid, meta: BlockMeta) -> Arc<BlockMeta> {
        self.metas.get(&block).filter(|known| ***known == meta).map_or_else(|| Arc::new(meta), Arc::clone)
    }

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

    /// The shared copy of this list: the level-1 ancestors of a large block are many, and its downsampled siblings have
    /// the same.
    pub fn ulids(&mut self, ulids: &[Ulid]) -> Arc<[Ulid]> {
        if let Some(shared) = self.ulids.get(ulids) {
            return Arc::clone(shared);
        }
        let shared: Arc<[Ulid]> = ulids.into();
        self.ulids.insert(Arc::clone(&shared));
        shared
    }
}
