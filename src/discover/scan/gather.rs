//! From the pages of a listing to objects by block.

use std::collections::{BTreeMap, BTreeSet};

use ulid::Ulid;

use crate::discover::splits::block_of;
use crate::discover::{ListPage, ListedObject};
use crate::model::{ForeignKeys, Interner, ObjectView};

/// Names that are kept of what belongs to no block.
const SAMPLES: usize = 5;

/// What a listing has brought so far.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// Objects by block, markers of directories left out.
    pub(super) blocks: BTreeMap<Ulid, Vec<ObjectView>>,
    /// All keys.
    pub(super) objects: u64,
    /// Their bytes.
    pub(super) bytes: u64,
    foreign_count: u64,
    foreign_bytes: u64,
    samples: BTreeSet<String>,
    nested: BTreeSet<String>,
    names: Interner,
}

impl Gathered {
    /// Takes a page in.
    pub(super) fn add(&mut self, page: ListPage) {
        for object in page.objects {
            self.count(object.size);
            self.add_object(object);
        }
        for odd in page.odd {
            self.count(odd.size);
            self.add_foreign(odd.size);
            keep_first(&mut self.samples, odd.key.split('/').next().unwrap_or_default());
        }
    }

    fn count(&mut self, size: u64) {
        self.objects = self.objects.saturating_add(1);
        self.bytes = self.bytes.saturating_add(size);
    }

    fn add_object(&mut self, object: ListedObject) {
        let (directory, name) = object.key.split_once('/').unwrap_or((&object.key, ""));
        let is_marker = object.size == 0 && object.key.ends_with('/');
        match block_of(directory) {
            Some(ulid) if !name.is_empty() && !is_marker => {
                let view = ObjectView {
                    name: self.names.name(name),
                    size: object.size,
                    last_modified: object.last_modified,
                    etag: object.etag,
                    storage_class: object.storage_class,
                };
                self.blocks.entry(ulid).or_default().push(view);
            }
            // the marker of a block's own directory is nobody else's key
            Some(_) if is_marker => self.add_foreign(object.size),
            _ => {
                self.add_foreign(object.size);
                keep_first(&mut self.samples, directory);
                let below = name.split_once('/').map(|(below, _)| below);
                if below.is_some_and(|below| block_of(below).is_some()) {
                    keep_first(&mut self.nested, directory);
                }
            }
        }
    }

    fn add_foreign(&mut self, size: u64) {
        self.foreign_count = self.foreign_count.saturating_add(1);
        self.foreign_bytes = self.foreign_bytes.saturating_add(size);
    }

    /// Ends the gathering: the objects by name within each block, and what belongs to none.
    pub(super) fn finish(self) -> (BTreeMap<Ulid, Box<[ObjectView]>>, ForeignKeys) {
        let blocks = self.blocks.into_iter().map(|(ulid, mut objects)| {
            objects.sort_unstable_by(|a, b| a.name.cmp(&b.name));
            // a key that a storage lists on two pages, because something came in between, is one object
            objects.dedup_by(|a, b| a.name == b.name);
            (ulid, objects.into_boxed_slice())
        });
        let foreign = ForeignKeys {
            count: self.foreign_count,
            bytes: self.foreign_bytes,
            samples: self.samples.into_iter().collect(),
            nested_blocks: self.nested.into_iter().collect(),
        };
        (blocks.collect(), foreign)
    }
}

/// Keeps `name` if it is among the first few.
fn keep_first(names: &mut BTreeSet<String>, name: &str) {
    let is_late = names.len() >= SAMPLES && names.last().is_some_and(|last| last.as_str() <= name);
    if name.is_empty() || is_late || names.contains(name) {
        return;
    }
    names.insert(name.to_owned());
    if names.len() > SAMPLES {
        names.pop_last();
    }
}

/// The object of this name; `objects` are sorted by name.
pub(super) fn find<'o>(objects: &'o [ObjectView], name: &str) -> Option<&'o ObjectView> {
    let idx = objects.binary_search_by(|object| (*object.name).cmp(name)).ok()?;
    objects.get(idx)
}

/// `objects` without `name`.
pub(super) fn without(objects: Box<[ObjectView]>, name: &str) -> Box<[ObjectView]> {
    objects.into_iter().filter(|object| *object.name != *name).collect()
}
