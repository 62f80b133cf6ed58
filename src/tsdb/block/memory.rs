//! A block that is in memory, verified on this thread: what tests and small tools need.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::super::bytes::len_u64;
use super::{BlockPlan, BlockReport, BlockVerifier, Hold, Missing, Step};
use crate::model::{Hashes, Interner, Level};
use crate::tsdb::bytes::len_usize;
use crate::tsdb::parse_meta;

/// Verifies a block that is given as path inside its directory and content, `meta.json` among them.
pub fn verify_files(files: &BTreeMap<String, Vec<u8>>, level: Level) -> Result<BlockReport, Missing> {
    let files: BTreeMap<Arc<str>, Bytes> =
        files.iter().map(|(name, bytes)| (name.as_str().into(), Bytes::copy_from_slice(bytes))).collect();
    let meta = files.get("meta.json").and_then(|bytes| {
        let parsed = parse_meta(bytes, ulid::Ulid::nil(), &mut Interner::default());
        parsed.meta.map(Arc::new)
    });
    let plan = BlockPlan {
        level,
        objects: files.iter().map(|(name, bytes)| (Arc::clone(name), len_u64(bytes.len()))).collect(),
        meta,
        kept: Hashes::new(),
        piece: 1 << 20,
    };
    verify_in_memory(plan, &files, usize::MAX)
}

/// Verifies `plan` with these contents, at most `split` bytes at a time.
pub fn verify_in_memory(
    plan: BlockPlan,
    files: &BTreeMap<Arc<str>, Bytes>,
    split: usize,
) -> Result<BlockReport, Missing> {
    let mut verifier = BlockVerifier::new(plan)?;
    loop {
        match verifier.step() {
            Step::Need { lane, object, range } => {
                let content = files.get(&object).ok_or_else(|| Missing(Arc::clone(&object)))?;
                let from = len_usize(range.start).min(content.len());
                let to = len_usize(range.end).min(content.len()).min(from.saturating_add(split.max(1)));
                if from >= to {
                    // shorter than it was listed
                    return Err(Missing(object));
                }
                verifier.feed(lane, &content.slice(from..to));
            }
            Step::Work(work) => {
                let content = files.get(&work.object).ok_or_else(|| Missing(Arc::clone(&work.object)))?;
                let inside = |at: u64| len_usize(at).min(content.len());
                let bytes = content.slice(inside(work.range.start)..inside(work.range.end));
                verifier.take_back(work.run(bytes, Hold::none()));
            }
            // nothing is under way here
            Step::Wait | Step::Done => return Ok(verifier.finish()),
        }
    }
}
