//! `chunks_head/%06d`: full chunks of the head, which Prometheus maps into memory (`tsdb/chunks/head_chunks.go`). Like the
//! logs, they are no part of a block: broken bytes are [`Damage::Chunk`], missing files [`Damage::Inconsistent`].
//!
//! `01 30 BC 91 | 01 | 00 00 00`, then records of `BE64 series | BE64 first | BE64 last | u8 encoding | uvarint len | data |
//! CRC32C`, the checksum over all that is before it. Bit 7 of the encoding says that the samples came out of order. A file
//! is allocated in advance, so that zeros may follow the last record.

mod file;

use std::collections::BTreeMap;

pub use file::HeadChunksVerifier;

use super::fault::{Faults, Rule};
use crate::model::Damage;

/// First bytes of a file: magic and version.
pub const MAGIC: [u8; 5] = [0x01, 0x30, 0xbc, 0x91, 0x01];

/// Not the first bytes of such a file.
pub static MAGIC_RULE: Rule =
    Rule::critical("head_chunks_magic", Damage::Chunk, "does not begin with the five bytes of a file of head chunks");
/// Readers do not look at them.
pub static HEADER_RULE: Rule =
    Rule::warning("head_chunks_header_padding", Damage::Chunk, "has other bytes than zeros at the end of its header");
/// Not as many bytes as were listed, or fewer than a header.
pub static SIZE_RULE: Rule = Rule::critical("head_chunks_size", Damage::Chunk, "has another size than it has to have");
/// Prometheus removes this and all later files when it starts.
pub static CHECKSUM_RULE: Rule =
    Rule::critical("head_chunks_checksum", Damage::Chunk, "has a record that does not match its checksum");
/// Nothing after it can be read.
pub static LENGTH_RULE: Rule = Rule::critical(
    "head_chunks_length",
    Damage::Chunk,
    "has a chunk whose length cannot be, so what follows cannot be read",
);
/// The file ends before the record does.
pub static TORN_RULE: Rule = Rule::critical("head_chunks_torn", Damage::Chunk, "ends within a record");
/// No writer takes more bytes than a number needs.
pub static PADDED_RULE: Rule =
    Rule::warning("head_chunks_padded_length", Damage::Chunk, "has a length that takes more bytes than it needs");
/// After the first three zero numbers, there is nothing.
pub static TAIL_RULE: Rule =
    Rule::critical("head_chunks_tail", Damage::Chunk, "has other bytes than zeros after its last record");
/// Chunks of a head are XOR or histograms.
pub static ENCODING_RULE: Rule =
    Rule::critical("head_chunks_encoding", Damage::Chunk, "has a chunk of an encoding that no head has");
/// No series has reference 0, and no chunk ends before it begins.
pub static RECORD_RULE: Rule =
    Rule::critical("head_chunks_record", Damage::Chunk, "has a record of no series or of no time");
/// The record is not that of its chunk.
pub static RANGE_RULE: Rule = Rule::critical(
    "head_chunks_range",
    Damage::Inconsistent,
    "has a chunk whose first or last time is not that of its record",
);
/// Prometheus removes all files when it starts.
pub static GAP_RULE: Rule =
    Rule::critical("head_chunks_missing", Damage::Inconsistent, "lacks files of head chunks between others");
/// No reader looks at it.
pub static STRAY_RULE: Rule =
    Rule::info("head_chunks_stray", Damage::Inconsistent, "has a file whose name is not that of a file of head chunks");

/// Longer chunks are proven by their checksums only. Prometheus begins another chunk at 1 KiB, or a few more for histograms.
pub const MAX_DECODED: usize = 8 << 20;

/// What these files can break, besides [`super::chunk::RULES`].
pub static RULES: &[&Rule] = &[
    &MAGIC_RULE,
    &HEADER_RULE,
    &SIZE_RULE,
    &CHECKSUM_RULE,
    &LENGTH_RULE,
    &TORN_RULE,
    &PADDED_RULE,
    &TAIL_RULE,
    &ENCODING_RULE,
    &RECORD_RULE,
    &RANGE_RULE,
    &GAP_RULE,
    &STRAY_RULE,
];

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeadChunks {
    /// Records that match their checksums.
    pub chunks: u64,
    /// How many of them hold samples that came out of order.
    pub out_of_order: u64,
    /// Samples of those that were decoded: all whose data are at most [`MAX_DECODED`] bytes.
    pub samples: u64,
    /// Where the record begins that was being written when the file was copied, in bytes. It is a fault too, unless this is
    /// the last file.
    pub torn: Option<u64>,
    /// Where the bytes begin that were not looked into, since their place could not be known.
    pub unread_from: Option<u64>,
    /// What is wrong.
    pub faults: Faults,
}

/// What is wrong with a `chunks_head` folder, by the names of its files: their numbers follow each other.
pub fn head_chunks_folder<'a>(names: impl IntoIterator<Item = &'a str>) -> Faults {
    let mut faults = Faults::default();
    let mut files: BTreeMap<u64, &str> = BTreeMap::new();
    for name in names {
        let number = name.bytes().all(|byte| byte.is_ascii_digit()).then(|| name.parse().ok()).flatten();
        match number {
            Some(number) if name == format!("{number:06}") => {
                files.insert(number, name);
            }
            _ => faults.note(&STRAY_RULE, "folder", 0, || ("six digits".to_owned(), name.to_owned())),
        }
    }
    for (previous, next) in files.keys().zip(files.keys().skip(1)) {
        let expected = previous.saturating_add(1);
        if *next != expected {
            faults.note(&GAP_RULE, "folder", 0, || (format!("{expected:06}"), format!("{next:06}")));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_follow_each_other() {
        for (names, expected) in [
            (&["000003", "000001", "000002"][..], &[][..]),
            (&["000007"], &[]),
            (&[], &[]),
            (&["000001", "000004"], &["head_chunks_missing"]),
            (&["000001", "2", "x", "000001.tmp", ""], &["head_chunks_stray"]),
        ] {
            let faults = head_chunks_folder(names.iter().copied());
            let broken: Vec<&str> = faults.rules().map(|broken| broken.rule.id).collect();
            assert_eq!(broken, expected, "{names:?}");
        }
    }
}
