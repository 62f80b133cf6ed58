//! What a reading of an index has shown.

use super::Naming;
use crate::tsdb::Faults;

/// What a reading of an index has shown.
#[derive(Debug)]
pub struct IndexReport {
    /// What is wrong.
    pub faults: Faults,
    /// As the file says; `None` where it is not an index.
    pub version: Option<u8>,
    /// Every series was read: what is missing from these is not in the block. If not, chunks that no series names may
    /// well belong to one that is damaged.
    pub whole: bool,
    /// Series that were read.
    pub series: u64,
    /// Chunks of these.
    pub chunks: u64,
    /// The earliest time of a chunk, in ms; `None` where there is no chunk.
    pub first_ms: Option<i64>,
    /// The latest time of a chunk, in ms.
    pub last_ms: Option<i64>,
    /// Each chunk lies behind the one before it, from the first of the first series on. Writers before Prometheus 2.51 did
    /// not see to it.
    pub refs_ascend: bool,
    /// Number of symbols that were read.
    pub symbols: u64,
    /// Turns places of series into labels.
    pub names: Naming,
}
