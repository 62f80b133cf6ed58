//! Where to cut the key space of a bucket of blocks, so that its parts can be listed at once. Blocks are directories
//! named by ULIDs, which begin with a time.

use std::collections::BTreeMap;

use ulid::Ulid;

use crate::model::{KnownBlock, TimestampMs, ULID_LEN, parse_ulid};

/// A part should be worth the request that it costs: two pages.
const KEYS_PER_PART: usize = 2_000;

/// The block that a directory name stands for. Only the form that names the directory itself: another one would lead
/// to keys that do not exist.
pub(super) fn block_of(directory: &str) -> Option<Ulid> {
    let ulid = parse_ulid(directory)?;
    (ulid.array_to_str(&mut [0; ULID_LEN]) == directory).then_some(ulid)
}

/// Cuts between blocks that are known, into parts of about equally many blocks, at most `parts`.
pub(super) fn between(known: &BTreeMap<Ulid, KnownBlock>, parts: usize) -> Vec<String> {
    let keys: usize = known.values().map(|block| block.current.as_ref().unwrap_or(&block.baseline).len()).sum();
    let parts = parts.min(keys / KEYS_PER_PART).min(known.len());
    let step = known.len().checked_div(parts).unwrap_or(0);
    if step == 0 {
        return Vec::new();
    }
    known.keys().step_by(step).skip(1).take(parts.saturating_sub(1)).map(|ulid| format!("{ulid}/")).collect()
}

/// Cuts for a bucket of which nothing is known but one key: equal spans of time from the block of that key until now.
/// None where the key is in no block.
pub(super) fn behind(key: &str, now: TimestampMs, parts: usize) -> Vec<String> {
    let Some(block) = key.split_once('/').and_then(|(directory, _)| block_of(directory)) else { return Vec::new() };
    let start = block.timestamp_ms();
    let span = u64::try_from(now.0).unwrap_or(0).saturating_sub(start);
    let Some(step) = span.checked_div(u64::try_from(parts).unwrap_or(0)).filter(|step| *step > 0) else {
        return Vec::new();
    };
    let mut at = start;
    let mut cuts = Vec::new();
    for _ in 1..parts {
        at = at.saturating_add(step);
        cuts.push(format!("{}/", Ulid::from_parts(at, 0)));
    }
    cuts
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{Marks, MetaState, ObjectView};

    fn known(blocks: u64, objects: usize) -> BTreeMap<Ulid, KnownBlock> {
        let object = ObjectView {
            name: Arc::from("o"),
            size: 0,
            last_modified: TimestampMs(0),
            etag: None,
            storage_class: None,
        };
        let block = KnownBlock {
            baseline: vec![object; objects].into(),
            current: None,
            meta: MetaState::Absent,
            first_meta: None,
            marks: Marks::default(),
            complete: true,
        };
        (0..blocks).map(|n| (Ulid::from_parts(n + 1, 0), block.clone())).collect()
    }

    #[test]
    fn parts_are_even_and_worth_their_request() {
        for (blocks, objects, parts, expected) in [
            (0, 3, 8, 0),
            (100, 3, 8, 0),
            (1_000, 3, 8, 0),
            (2_000, 3, 8, 2),
            (10_000, 6, 8, 7),
            (3, 9_000, 8, 2),
            (10_000, 6, 1, 0),
        ] {
            let known = known(blocks, objects);
            let cuts = between(&known, parts);
            assert_eq!(cuts.len(), expected, "{blocks} {objects}");
            let mut sorted = cuts.clone();
            sorted.sort();
            sorted.dedup();
            assert_eq!(cuts, sorted);
        }
        let known = known(8_000, 6);
        for (idx, cut) in between(&known, 8).iter().enumerate() {
            let before = known.keys().filter(|ulid| format!("{ulid}/").as_str() < cut.as_str()).count();
            assert_eq!(before, (idx + 1) * 1_000);
        }
    }

    #[test]
    fn an_unknown_bucket_is_cut_by_time() {
        let first = format!("{}/index", Ulid::from_parts(1_000_000, 7));
        let cuts = behind(&first, TimestampMs(1_800_000), 8);
        assert_eq!(cuts.len(), 7);
        assert_eq!(cuts[0], format!("{}/", Ulid::from_parts(1_100_000, 0)));
        assert!(cuts.is_sorted() && cuts[0].as_str() > first.as_str());
        for key in ["debug/metas/x", "no-slash", "01arz3ndektsv4rrffq69g5fav/index"] {
            assert!(behind(key, TimestampMs(i64::MAX), 8).is_empty(), "{key}");
        }
        assert!(behind(&first, TimestampMs(5), 8).is_empty(), "a block from the future");
    }

    #[test]
    fn only_the_canonical_name_is_a_block() {
        for (name, is_block) in [
            ("01ARZ3NDEKTSV4RRFFQ69G5FAV", true),
            ("01arz3ndektsv4rrffq69g5fav", false),
            ("01ARZ3NDEKTSV4RRFFQ69G5FAI", false),
            ("81ARZ3NDEKTSV4RRFFQ69G5FAV", false),
            ("01ARZ3NDEKTSV4RRFFQ69G5FA", false),
        ] {
            assert_eq!(block_of(name).is_some(), is_block, "{name}");
        }
    }
}
