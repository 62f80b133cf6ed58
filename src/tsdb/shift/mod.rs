//! Moves a block in time, so that it is whole in every byte: what a real producer wrote once can stand for any other
//! moment. Timestamps are replaced where they stand, in as many bytes as before, so that no length and no offset
//! changes; the checksums over them are made anew. What cannot be moved like that is refused.

mod bytes;
mod chunks;
mod index;
mod meta;

use ulid::Ulid;

use crate::model::{Interval, Labels, Parent, Resolution, TimestampMs};

/// A block as it lies in a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockFiles {
    /// `meta.json`
    pub meta: Vec<u8>,
    /// `index`
    pub index: Vec<u8>,
    /// `chunks/000001` and so on.
    pub segments: Vec<Vec<u8>>,
}

/// Who the moved block is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its name.
    pub ulid: Ulid,
    /// `[minTime, maxTime)`; as long as that of the original.
    pub interval: Interval,
    /// `compaction.level`
    pub level: u32,
    /// Its level-1 ancestors.
    pub sources: Vec<Ulid>,
    /// What it was compacted from.
    pub parents: Vec<Parent>,
    /// External labels.
    pub labels: Labels,
    /// Of its samples.
    pub resolution: Resolution,
    /// `thanos.source`
    pub source: &'static str,
    /// When its upload ended.
    pub uploaded: TimestampMs,
}

/// Why a block cannot be moved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShiftError {
    /// It is not whole to begin with.
    #[error("{file}: {what} at byte {at}")]
    Malformed {
        /// Which file.
        file: &'static str,
        /// Offset in it.
        at: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// It is whole, and in a form that cannot be moved in place.
    #[error("{file}: cannot move {what} at byte {at} in place")]
    Unsupported {
        /// Which file.
        file: &'static str,
        /// Offset in it.
        at: usize,
        /// What it is.
        what: &'static str,
    },
    /// The moved timestamp takes another number of bytes than the old one.
    #[error("{file}: the timestamp {from} at byte {at} cannot become {to}, which takes another number of bytes")]
    Width {
        /// Which file.
        file: &'static str,
        /// Offset in it.
        at: usize,
        /// In ms.
        from: i64,
        /// In ms.
        to: i64,
    },
    /// `meta.json` cannot be read.
    #[error("meta.json: not that of a block (line {line}, column {column})")]
    Meta {
        /// From 1; 0 where the document as a whole is meant.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// The samples would lie outside of the block.
    #[error("chunks from {first} to {last} do not lie within the block, {start} to {end}")]
    Outside {
        /// First sample.
        first: TimestampMs,
        /// Last sample.
        last: TimestampMs,
        /// `minTime`
        start: TimestampMs,
        /// `maxTime`
        end: TimestampMs,
    },
}

/// The same block with every sample `shift_ms` later, under another name.
///
/// The samples have to lie within the new interval; they need not move by as much as the interval does.
pub fn shift_block(block: &BlockFiles, shift_ms: i64, identity: &Identity) -> Result<BlockFiles, ShiftError> {
    let mut index = block.index.clone();
    let chunks = index::shift(&mut index, shift_ms)?;
    let Interval { start, end } = identity.interval;
    if let Some((first, last)) = chunks
        && (first < start || last >= end)
    {
        return Err(ShiftError::Outside { first, last, start, end });
    }
    let mut segments = block.segments.clone();
    for segment in &mut segments {
        chunks::shift(segment, shift_ms)?;
    }
    let meta = meta::rename(&block.meta, identity, &index, &segments)?;
    Ok(BlockFiles { meta, index, segments })
}

#[cfg(test)]
mod tests;
