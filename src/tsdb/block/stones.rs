//! Tombstones against the series that they are for.

use std::collections::BTreeMap;

use super::super::fault::Faults;
use super::super::index::Entry;
use super::super::tombstones::Tombstones;
use super::rules;

/// What has to be found in the index.
#[derive(Debug)]
pub(super) struct Stones {
    by_series: BTreeMap<u64, Hull>,
    /// Intervals in the file.
    pub(super) intervals: u64,
    faults: Faults,
}

#[derive(Clone, Copy, Debug)]
struct Hull {
    first_ms: i64,
    last_ms: i64,
    found: bool,
}

impl Stones {
    pub(super) fn new(read: &Tombstones) -> Self {
        let mut by_series: BTreeMap<u64, Hull> = BTreeMap::new();
        for stone in &read.stones {
            let new = Hull { first_ms: stone.first_ms, last_ms: stone.last_ms, found: false };
            let hull = by_series.entry(stone.series).or_insert(new);
            hull.first_ms = hull.first_ms.min(stone.first_ms);
            hull.last_ms = hull.last_ms.max(stone.last_ms);
        }
        Self { by_series, intervals: read.intervals, faults: Faults::default() }
    }

    /// A series of the index.
    pub(super) fn series(&mut self, entry: &Entry<'_>) {
        let Some(hull) = self.by_series.get_mut(&entry.id) else { return };
        hull.found = true;
        let (Some(first), Some(last)) = (entry.chunks.first(), entry.chunks.last()) else { return };
        // who deletes cuts the interval to the times of the series (Prometheus `Block.Delete`)
        if hull.first_ms < first.first_ms || hull.last_ms > last.last_ms {
            let words = || {
                (
                    format!("within {} to {} ms", first.first_ms, last.last_ms),
                    format!("{} to {} ms", hull.first_ms, hull.last_ms),
                )
            };
            self.faults.note(&rules::TOMBSTONE_RANGE, "stones", entry.id, words);
        }
    }

    /// The index has been read; `whole`: to its end, without a series that is lost.
    pub(super) fn finish(&mut self, whole: bool) -> Faults {
        for (series, hull) in &self.by_series {
            if whole && !hull.found {
                let words = || ("a series of the index".to_owned(), format!("reference {series}"));
                self.faults.note(&rules::TOMBSTONE_SERIES, "stones", *series, words);
            }
        }
        std::mem::take(&mut self.faults)
    }
}
