//! How many blocks of a replica group hold each level-1 ancestor, by resolution.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ulid::Ulid;

use super::Placed;
use super::build::sources;
use crate::model::{BlockMeta, Resolution};

/// A number of blocks for each resolution.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    raw: u32,
    five_minutes: u32,
    one_hour: u32,
}

impl Counts {
    const fn of(&self, resolution: Resolution) -> u32 {
        match resolution {
            Resolution::Raw => self.raw,
            Resolution::FiveMinutes => self.five_minutes,
            Resolution::OneHour => self.one_hour,
        }
    }

    const fn add_one(&mut self, resolution: Resolution) {
        let count = match resolution {
            Resolution::Raw => &mut self.raw,
            Resolution::FiveMinutes => &mut self.five_minutes,
            Resolution::OneHour => &mut self.one_hour,
        };
        *count = count.saturating_add(1);
    }

    const fn add(&mut self, other: Self) {
        self.raw = self.raw.saturating_add(other.raw);
        self.five_minutes = self.five_minutes.saturating_add(other.five_minutes);
        self.one_hour = self.one_hour.saturating_add(other.one_hour);
    }
}

/// The holders of every ancestor. A large block has hundreds of them, and its downsampled siblings share its very list
/// (`Interner::ulids`): where they do, a comparison of pointers says what hundreds of look-ups would.
#[derive(Debug, Default)]
pub(super) struct Holders {
    lists: HashMap<*const [Ulid], Counts>,
    ancestors: HashMap<Ulid, Counts>,
}

impl Holders {
    /// Counts what `blocks` hold.
    pub(super) fn of<'b>(blocks: impl Iterator<Item = &'b Placed<'b>>) -> Self {
        let mut holders = Self::default();
        let mut lists: BTreeMap<*const [Ulid], (&[Ulid], Counts)> = BTreeMap::new();
        for block in blocks {
            let (list, resolution) = (&block.meta.sources, block.meta.resolution);
            if list.is_empty() {
                holders.ancestors.entry(block.ulid()).or_default().add_one(resolution);
            } else {
                lists.entry(Arc::as_ptr(list)).or_insert((list, Counts::default())).1.add_one(resolution);
            }
        }
        for (pointer, (list, counts)) in lists {
            for ancestor in list {
                holders.ancestors.entry(*ancestor).or_default().add(counts);
            }
            holders.lists.insert(pointer, counts);
        }
        holders
    }

    /// More than `but_for` blocks of this resolution hold each ancestor of the block, not necessarily the same ones.
    pub(super) fn hold_all(&self, ulid: Ulid, meta: &BlockMeta, resolution: Resolution, but_for: u32) -> bool {
        let enough = |counts: &Counts| counts.of(resolution) > but_for;
        let same_list = || self.lists.get(&Arc::as_ptr(&meta.sources)).is_some_and(enough);
        let each = || sources(ulid, meta).iter().all(|ancestor| self.ancestors.get(ancestor).is_some_and(enough));
        (!meta.sources.is_empty() && same_list()) || each()
    }
}
