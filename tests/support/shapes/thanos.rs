//! A compactor in small: plans as Prometheus' leveled compactor does with Thanos' ranges, downsamples by span, marks
//! by retention and deletes marked blocks after the delay.

use std::collections::{BTreeMap, BTreeSet};

use super::block::{Block, compact, downsample};
use super::estate::{Estate, Mark};
use super::time::{DAY, HOUR};

const RANGES: [i64; 3] = [8 * HOUR, 2 * DAY, 14 * DAY];
const FIVE_MINUTES: i64 = 300_000;
const ONE_HOUR: i64 = 3_600_000;

/// Its flags.
#[derive(Clone, Copy, Debug)]
pub struct CompactorSettings {
    /// `--delete-delay`
    pub delete_delay: i64,
    /// `--retention.resolution-raw`, `-5m`, `-1h`; `None` = for ever.
    pub retention: [Option<i64>; 3],
    /// `--deduplication.replica-label`
    pub deduplicate: Option<&'static str>,
    /// Whether it downsamples.
    pub downsample: bool,
}

impl Default for CompactorSettings {
    fn default() -> Self {
        Self { delete_delay: 2 * DAY, retention: [None; 3], deduplicate: None, downsample: true }
    }
}

/// What it knows of the bucket.
#[derive(Debug, Default)]
pub struct Compactor {
    settings: CompactorSettings,
    live: Vec<Block>,
    marked: Vec<(Block, i64)>,
}

impl Compactor {
    pub fn new(settings: CompactorSettings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// Blocks come into the bucket.
    pub fn upload(&mut self, estate: &mut Estate, blocks: &[Block]) {
        estate.put(blocks);
        self.live.extend_from_slice(blocks);
    }

    /// What is there and not marked.
    pub fn live(&self) -> &[Block] {
        &self.live
    }

    /// One pass: deletes, compacts, downsamples, applies retention.
    pub fn pass(&mut self, estate: &mut Estate, now: i64) {
        let due = |marked_at: i64| now - marked_at > self.settings.delete_delay;
        let (gone, kept) = std::mem::take(&mut self.marked).into_iter().partition(|(_, marked_at)| due(*marked_at));
        self.marked = kept;
        for (block, _) in gone {
            estate.delete(&[block]);
        }
        while let Some(plan) = self.plan() {
            let result = self.merge(&plan, now);
            estate.put(std::slice::from_ref(&result));
            self.retire(estate, &plan, now);
            self.live.push(result);
        }
        if self.settings.downsample {
            self.downsample(estate, now, 0, FIVE_MINUTES, 40 * HOUR);
            self.downsample(estate, now, FIVE_MINUTES, ONE_HOUR, 10 * DAY);
        }
        self.apply_retention(estate, now);
    }

    /// Labels as the compactor groups by them.
    fn group(&self, block: &Block) -> (BTreeMap<String, String>, i64) {
        let mut labels = block.labels.clone();
        if let Some(label) = self.settings.deduplicate {
            labels.remove(label);
        }
        (labels, block.resolution)
    }

    /// The next blocks to merge (Prometheus' `LeveledCompactor.plan`, of every group in turn).
    fn plan(&self) -> Option<Vec<Block>> {
        let groups: BTreeSet<_> = self.live.iter().map(|block| self.group(block)).collect();
        groups.into_iter().find_map(|group| {
            let mut blocks: Vec<&Block> = self.live.iter().filter(|block| self.group(block) == group).collect();
            blocks.sort_by_key(|block| (block.min, block.max));
            overlapping(&blocks).or_else(|| {
                blocks.pop();
                let newest = blocks.last()?.min;
                RANGES.iter().find_map(|range| fitting(&blocks, *range, newest))
            })
        })
    }

    fn merge(&self, parts: &[Block], now: i64) -> Block {
        let mut result = compact(parts);
        if let Some(label) = self.settings.deduplicate {
            result = result.without_label(label);
            let mut windows: BTreeMap<(i64, i64), u64> = BTreeMap::new();
            for part in parts {
                let samples = windows.entry((part.min, part.max)).or_default();
                *samples = part.samples.max(*samples);
            }
            result.samples = windows.values().sum();
        }
        result.cut(now)
    }

    fn downsample(&mut self, estate: &mut Estate, now: i64, from: i64, to: i64, span: i64) {
        let held: BTreeSet<_> =
            self.live.iter().filter(|block| block.resolution == to).flat_map(|b| &b.sources).collect();
        let lacking = |block: &&Block| {
            let fine = block.resolution == from && block.max - block.min >= span;
            fine && !block.sources.iter().all(|source| held.contains(source))
        };
        let made: Vec<Block> = self.live.iter().filter(lacking).map(|block| downsample(block, to).cut(now)).collect();
        self.upload(estate, &made);
    }

    fn apply_retention(&mut self, estate: &Estate, now: i64) {
        for (resolution, retention) in [0, FIVE_MINUTES, ONE_HOUR].into_iter().zip(self.settings.retention) {
            let Some(retention) = retention else { continue };
            let expired = |block: &Block| block.resolution == resolution && now > block.max + retention;
            for block in self.live.extract_if(.., |block| expired(block)) {
                estate.mark_expired(&block, retention, now);
                self.marked.push((block, now));
            }
        }
    }

    fn retire(&mut self, estate: &Estate, blocks: &[Block], now: i64) {
        for block in blocks {
            estate.mark(block, Mark::Deletion, now);
            self.live.retain(|other| other.ulid != block.ulid);
            self.marked.push((block.clone(), now));
        }
    }
}

/// The first run of blocks that overlap (vertical compaction).
fn overlapping(blocks: &[&Block]) -> Option<Vec<Block>> {
    let mut run: Vec<&Block> = Vec::new();
    let mut end = i64::MIN;
    for block in blocks {
        if block.min < end {
            run.push(block);
        } else if run.len() > 1 {
            break;
        } else {
            run = vec![block];
        }
        end = end.max(block.max);
    }
    (run.len() > 1).then(|| run.into_iter().cloned().collect())
}

/// Blocks of one aligned range that is full, or older than the newest.
fn fitting(blocks: &[&Block], range: i64, newest: i64) -> Option<Vec<Block>> {
    let mut parts: BTreeMap<i64, Vec<&Block>> = BTreeMap::new();
    for block in blocks {
        let start = block.min.div_euclid(range);
        if block.max <= (start + 1) * range {
            parts.entry(start).or_default().push(block);
        }
    }
    parts.into_values().find_map(|part| {
        let (first, last) = (part.first()?, part.last()?);
        let ready = last.max - first.min == range || last.max <= newest;
        (ready && part.len() > 1).then(|| part.into_iter().cloned().collect())
    })
}
