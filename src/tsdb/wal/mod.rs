//! Write-ahead logs: `wal/`, `wbl/`, `wal/checkpoint.*/` and `chunk_snapshot.*/` of a Prometheus data directory, which share
//! one container (`tsdb/wlog` of Prometheus). They are no part of a block, so they have no kind of damage of their own:
//! broken bytes are [`Damage::Chunk`], folders that lack something are [`Damage::Inconsistent`].
//!
//! A segment has no header. It is pages of 32 KiB of fragments, `type u8 | len u16 | CRC32C u32 | data`, and zeros up to the
//! end of a page. The checksum covers the data only. What covers the other bits:
//!
//! | bits | what notices that one is flipped |
//! |---|---|
//! | type, bits 0 to 2 | the order full, or first middle* last; zeros up to the end of the page after type 0 |
//! | type, bit 3 (snappy) | the record is walked as snappy; one without the flag whose first byte is no known type is walked, too |
//! | type, bit 4 (zstd) | the magic number of zstd |
//! | type, bits 5 to 7 | have to be zero |
//! | len | the checksum, over other bytes than it was made of |
//! | padding | has to be zero; a first byte of it that is set looks like a record without a byte, which nobody writes |
//!
//! The content of records is not looked into, except for the byte that says what they are: replay ignores unknown ones.

mod folder;
mod segment;
mod snappy;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use folder::{Checkpoint, WalFolder};
pub use segment::WalSegmentVerifier;

use super::bytes::len_u64;
use super::fault::{Faults, Rule};
use crate::model::Damage;

/// Bytes of a page.
pub const PAGE: u64 = 32 * 1024;

/// Bytes of a fragment before its data.
pub const FRAGMENT_HEADER: u64 = 7;

/// What a segment belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalKind {
    /// `wal/%08d`.
    Wal,
    /// `wbl/%08d`: samples out of order.
    Wbl,
    /// `wal/checkpoint.%08d/%08d`.
    Checkpoint,
    /// `chunk_snapshot.%06d.%010d/%08d`.
    ChunkSnapshot,
}

impl WalKind {
    /// It is renamed into place when it is complete, so that not even its end may be torn.
    const fn is_written_at_once(self) -> bool {
        matches!(self, Self::Checkpoint | Self::ChunkSnapshot)
    }

    /// A record begins so (`tsdb/record/record.go`, `tsdb/head_wal.go`).
    const fn knows(self, record_type: u8) -> bool {
        match self {
            Self::Wal | Self::Wbl | Self::Checkpoint => matches!(record_type, 1..=13),
            Self::ChunkSnapshot => matches!(record_type, 1..=3),
        }
    }
}

/// Damage, although nothing here is a chunk: see the module.
const BYTES: Damage = Damage::Chunk;

/// The data of a fragment are not those that were written.
pub static CHECKSUM_RULE: Rule =
    Rule::critical("wal_checksum", BYTES, "has a fragment of a record that does not match its checksum");
/// Not full, first, middle or last.
pub static TYPE_RULE: Rule = Rule::critical("wal_fragment_type", BYTES, "has a fragment of no known type");
/// Longer than a page.
pub static LENGTH_RULE: Rule =
    Rule::critical("wal_fragment_length", BYTES, "has a fragment that is longer than a page");
/// Not full, and not first middle* last.
pub static SEQUENCE_RULE: Rule =
    Rule::critical("wal_fragment_order", BYTES, "has fragments that do not make whole records in their order");
/// Replay stops at it.
pub static PADDING_RULE: Rule =
    Rule::critical("wal_padding", BYTES, "has other bytes than zeros after the end of a page's records");
/// Readers go on; writers of unknown versions may have written it (`LiveReader.permissive`).
pub static CROSSING_RULE: Rule =
    Rule::warning("wal_page_crossed", BYTES, "has a fragment that goes beyond the end of its page");
/// Readers ignore them.
pub static RESERVED_RULE: Rule = Rule::warning("wal_reserved_bits", BYTES, "has bits set that have no meaning");
/// Readers go by the last fragment.
pub static MIXED_RULE: Rule =
    Rule::warning("wal_compression_mixed", BYTES, "has a record of fragments that are compressed differently");
/// The record cannot be unpacked.
pub static COMPRESSION_RULE: Rule =
    Rule::critical("wal_compression", BYTES, "has a record that is not compressed as it says");
/// Readers take it for a record of a type that they do not know, and leave it out without a word.
pub static UNFLAGGED_RULE: Rule =
    Rule::critical("wal_compression_hidden", BYTES, "has a compressed record that does not say so");
/// A writer may be asked to write one, but Prometheus never does. Seven zeros of padding look so once a bit is set.
pub static EMPTY_RULE: Rule = Rule::info("wal_record_empty", BYTES, "has a record without a byte");
/// Replay stops at it and removes what follows, all later segments included (`WL.Repair`).
pub static TORN_RULE: Rule =
    Rule::critical("wal_torn", BYTES, "ends within a record; Prometheus removes all that follows when it starts");
/// Not the file that was listed.
pub static SIZE_RULE: Rule = Rule::critical("wal_size", BYTES, "has another size than was listed");

/// Prometheus refuses to start.
pub static GAP_RULE: Rule =
    Rule::critical("wal_segments_missing", Damage::Inconsistent, "lacks segments between others");
/// What stood between the checkpoint and the first segment is lost.
pub static CHECKPOINT_GAP_RULE: Rule = Rule::critical(
    "wal_after_checkpoint_missing",
    Damage::Inconsistent,
    "lacks the segment that follows the checkpoint",
);
/// Segments are removed only after a checkpoint has what is still needed of them: series, above all.
pub static CHECKPOINT_MISSING_RULE: Rule = Rule::critical(
    "wal_checkpoint_missing",
    Damage::Inconsistent,
    "has neither its first segments nor a checkpoint of them",
);
/// A checkpoint that holds nothing to read.
pub static CHECKPOINT_EMPTY_RULE: Rule =
    Rule::critical("wal_checkpoint_empty", Damage::Inconsistent, "has a checkpoint that does not begin with segment 0");
/// Prometheus removes it when it makes the next.
pub static SUPERSEDED_RULE: Rule =
    Rule::info("wal_checkpoint_superseded", Damage::Inconsistent, "still has a checkpoint that a later one replaces");
/// Prometheus removes it when it starts.
pub static INCOMPLETE_RULE: Rule =
    Rule::info("wal_checkpoint_incomplete", Damage::Inconsistent, "has a checkpoint that was never completed");
/// Prometheus reads it by its number.
pub static NAME_RULE: Rule =
    Rule::warning("wal_segment_name", Damage::Inconsistent, "has a segment whose name is not eight digits");
/// Readers go by the number only.
pub static TWICE_RULE: Rule = Rule::critical(
    "wal_segment_twice",
    Damage::Inconsistent,
    "has two segments of one number, so Prometheus does not start",
);
/// No reader looks at it.
pub static STRAY_RULE: Rule = Rule::info("wal_stray_file", Damage::Inconsistent, "has a file that no log has");

/// What logs can break.
pub static RULES: &[&Rule] = &[
    &CHECKSUM_RULE,
    &TYPE_RULE,
    &LENGTH_RULE,
    &SEQUENCE_RULE,
    &PADDING_RULE,
    &CROSSING_RULE,
    &RESERVED_RULE,
    &MIXED_RULE,
    &COMPRESSION_RULE,
    &UNFLAGGED_RULE,
    &EMPTY_RULE,
    &TORN_RULE,
    &SIZE_RULE,
    &GAP_RULE,
    &CHECKPOINT_GAP_RULE,
    &CHECKPOINT_MISSING_RULE,
    &CHECKPOINT_EMPTY_RULE,
    &SUPERSEDED_RULE,
    &INCOMPLETE_RULE,
    &NAME_RULE,
    &TWICE_RULE,
    &STRAY_RULE,
];

/// What a segment holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WalSegment {
    /// Bytes, padding included.
    pub bytes: u64,
    /// Whole records.
    pub records: u64,
    /// Fragments that match their checksums.
    pub fragments: u64,
    /// Records by the byte that they begin with. It is not known of records that are compressed with zstd.
    pub types: BTreeMap<u8, u64>,
    /// Records that are compressed with snappy.
    pub snappy: u64,
    /// Records that are compressed with zstd.
    pub zstd: u64,
    /// Where the record begins that the end of the file cuts, in bytes. It is a fault too, unless this is the last segment
    /// of a log that may still be written.
    pub torn: Option<u64>,
    /// What is wrong.
    pub faults: Faults,
}
