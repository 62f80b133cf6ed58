//! Estates for tests: buckets as Thanos leaves them, written to a temporary folder, scanned through the binary, and
//! what the scan says as lines that are easily compared. Objects are sparse files of the declared size unless a real
//! block's files are given.

mod block;
mod estate;
mod meta;
mod promtool;
mod report;
mod thanos;
mod time;

pub use block::{Block, Stream, UploadTime, compact, downsample, next_days};
pub use estate::{Estate, Mark};
pub use promtool::{Sampling, real_block, real_blocks};
pub use report::Report;
pub use thanos::{Compactor, CompactorSettings};
pub use time::{DAY, HOUR, MINUTE, short, t};
