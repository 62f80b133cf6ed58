//! What is to be verified, and of what it consists.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::fault::Faults;
use super::batch::Segment;
use super::record::Demands;
use super::report::WHOLE;
use super::rules;
use crate::model::{BlockMeta, BlockSource, Hashes, Level, Resolution, Stats};

/// A block as it was listed.
#[derive(Clone, Debug)]
pub struct BlockPlan {
    /// How thorough. At [`Level::Quick`] the index is read all the same.
    pub level: Level,
    /// Each object: path inside the block's directory, and bytes.
    pub objects: Vec<(Arc<str>, u64)>,
    /// `meta.json`, if it could be read: without it nothing is compared with it.
    pub meta: Option<Arc<BlockMeta>>,
    /// SHA-256 of the first full verification, to compare with.
    pub kept: Hashes,
    /// Bytes of one unit of work, about; a longer chunk is a unit by itself.
    pub piece: u64,
}

/// An object that has to be there is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not there")]
pub struct Missing(pub Arc<str>);

impl BlockPlan {
    pub(super) fn demands(&self) -> Demands {
        let meta = self.meta.as_deref();
        Demands {
            level: self.level,
            downsampled: meta.is_some_and(|meta| meta.resolution != Resolution::Raw),
            thanos: meta.is_some_and(is_of_thanos),
        }
    }

    /// `stats` of `meta.json`, in which zeros are left out; `None` where there are none at all.
    pub(super) fn stats(&self) -> Option<Stats> {
        self.meta.as_ref().map(|meta| meta.stats).filter(|stats| *stats != Stats::default())
    }

    /// Whether the object is hashed: where there is something to compare with, and wherever everything is read.
    pub(super) fn hashes(&self, object: &str) -> bool {
        self.level == Level::Full || self.kept.contains_key(object) || self.declared(object).is_some()
    }

    /// SHA-256 that `meta.json` gives.
    pub(super) fn declared(&self, object: &str) -> Option<&[u8; 32]> {
        let files = self.meta.as_ref()?.files.as_ref()?;
        files.iter().find(|file| &*file.name == object)?.sha256.as_ref()
    }
}

/// Prometheus itself leaves no `thanos` section.
fn is_of_thanos(meta: &BlockMeta) -> bool {
    !meta.labels.is_empty() || meta.files.is_some() || meta.source != BlockSource::Unset
}

/// The parts of a block.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// Bytes of `meta.json`.
    pub(super) meta: Option<u64>,
    pub(super) index: (Arc<str>, u64),
    pub(super) tombstones: Option<(Arc<str>, u64)>,
    /// By their place in a reference: the number in the name, less one.
    pub(super) segments: BTreeMap<u64, Segment>,
}

/// Objects beside the ones that Prometheus writes, as Thanos, Mimir and Cortex have them.
const KNOWN: [&str; 3] = ["index.cache.json", "sparse-index-header", "visit-mark.json"];

impl Layout {
    pub(super) fn of(plan: &BlockPlan, faults: &mut BTreeMap<Arc<str>, Faults>) -> Result<Self, Missing> {
        let find = |name: &str| plan.objects.iter().find(|(own, _)| &**own == name);
        let index = find("index").cloned().ok_or_else(|| Missing("index".into()))?;
        let mut segments = BTreeMap::new();
        for (name, size) in &plan.objects {
            if let Some(number) = segment_number(name) {
                let chain = plan.hashes(name).then(Arc::default);
                segments.insert(number.wrapping_sub(1), Segment { name: Arc::clone(name), size: *size, chain });
            } else if !is_known(name) {
                let words =
                    || ("`meta.json`, `index`, `chunks`, `tombstones` or a mark".to_owned(), (**name).to_owned());
                faults.entry(Arc::clone(name)).or_default().note(&rules::STRAY_OBJECT, WHOLE, 0, words);
            }
        }
        let without_chunks = plan.meta.as_ref().is_some_and(|meta| {
            // each is left out when it is zero
            meta.stats.chunks.unwrap_or(0) == 0 && meta.stats.samples.unwrap_or(0) == 0
        });
        if segments.is_empty() && plan.level > Level::Index && !without_chunks {
            return Err(Missing("chunks/000001".into()));
        }
        for ((number, segment), expected) in segments.iter().zip(0_u64..) {
            if *number != expected {
                let words = || (format!("chunks/{:06}", expected.saturating_add(1)), segment.name.to_string());
                faults.entry(Arc::clone(&segment.name)).or_default().note(&rules::SEGMENT_NUMBERS, WHOLE, 0, words);
                break;
            }
        }
        let tombstones = find("tombstones").cloned();
        Ok(Self { meta: find("meta.json").map(|(_, size)| *size), index, tombstones, segments })
    }
}

/// From `chunks/000001` to 1; `None` for every other name, `chunks/000000` among them, which no writer writes.
fn segment_number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("chunks/")?;
    let plain = digits.len() >= 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = digits.parse().ok().filter(|_| plain)?;
    (number > 0 && u32::try_from(number).is_ok() && digits == format!("{number:06}")).then_some(number)
}

fn is_known(name: &str) -> bool {
    ["meta.json", "index", "tombstones"].contains(&name)
        || KNOWN.contains(&name)
        || (name.ends_with("-mark.json") && !name.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_told_by_their_names() {
        for (name, expected) in [
            ("chunks/000001", Some(1)),
            ("chunks/999999", Some(999_999)),
            ("chunks/1000000", Some(1_000_000)),
            ("chunks/000000", None),
            ("chunks/0000001", None),
            ("chunks/00001", None),
            ("chunks/+00001", None),
            ("chunks/99999999999", None),
            ("chunks/000001.tmp", None),
            ("000001", None),
        ] {
            assert_eq!(segment_number(name), expected, "{name}");
        }
    }
}
