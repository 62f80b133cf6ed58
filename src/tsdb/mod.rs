//! The block formats of Prometheus and Thanos, without I/O: bytes in, `(value, problems)` out, never a panic.

pub mod block;
pub mod bytes;
pub mod checksum;
pub mod chunk;
mod fault;
pub mod head;
pub mod index;
mod json;
mod marks;
mod meta;
mod rules;
pub mod shift;
pub mod tombstones;
mod tree;
pub mod wal;

pub use fault::{Broken, ChunkPlace, Fault, Faults, KEPT, Rule};
pub use marks::{parse_deletion_mark, parse_no_compact_mark, parse_no_downsample_mark};
pub use meta::{ParsedMeta, meta_difference, parse_meta};
pub use rules::rules;
