//! What is seen of a verification while it goes on: a bar on standard error, and on standard output a line for each
//! block as it ends.

use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::super::progress::Bars;
use super::super::text::Page;
use super::lines;
use crate::engine::{Progress, VerifiedBlock, Watcher, Witness};

const READING: &str = "{msg}  {wide_bar} {binary_bytes}/{binary_total_bytes}  {binary_bytes_per_sec}  {eta} left";

/// See the module.
pub(super) struct Screen<'a> {
    bars: &'a Bars,
    /// Where lines go, and how; `None` where there is only a document.
    page: Option<Page>,
    several_buckets: bool,
    blocks: AtomicU64,
    ended: AtomicU64,
    /// Lines of two blocks do not mix.
    out: Mutex<()>,
}

impl fmt::Debug for Screen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen").finish_non_exhaustive()
    }
}

impl<'a> Screen<'a> {
    pub(super) const fn new(bars: &'a Bars, page: Option<Page>, several_buckets: bool) -> Self {
        let (blocks, ended) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { bars, page, several_buckets, blocks, ended, out: Mutex::new(()) }
    }

    fn count(&self) -> String {
        format!("{}/{} blocks", self.ended.load(Ordering::Relaxed), self.blocks.load(Ordering::Relaxed))
    }
}

impl Progress for Screen<'_> {
    fn listed(&self, bucket: &str, keys: u64) {
        self.bars.listed(bucket, keys);
    }

    fn to_read(&self, bucket: &str, objects: u64) {
        self.bars.to_read(bucket, objects);
    }

    fn read(&self, bucket: &str) {
        Progress::read(self.bars, bucket);
    }

    fn ended(&self, bucket: &str) {
        self.bars.ended(bucket);
    }
}

impl Watcher for Screen<'_> {
    fn bytes_again(&self, bytes: u64) {
        self.bars.total().inc_length(bytes);
    }

    fn bytes_read(&self, bytes: u64) {
        self.bars.total().inc(bytes);
    }
}

impl Witness for Screen<'_> {
    fn begins(&self, blocks: u64, bytes: u64) {
        self.blocks.store(blocks, Ordering::Relaxed);
        self.bars.begin_total(READING, bytes);
        self.bars.total().set_message(self.count());
    }

    fn verified(&self, block: &VerifiedBlock) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        self.bars.total().set_message(self.count());
        let Some(page) = self.page else { return };
        let text = lines::of_block(block, self.several_buckets, page);
        let _whole = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        self.bars.beside(|| {
            let mut out = io::stdout().lock();
            // a reader that has seen enough (`| head`) is not an error; the exit code is worth the rest of the work
            out.write_all(text.as_bytes()).and_then(|()| out.flush()).unwrap_or_default();
        });
    }
}

#[cfg(test)]
mod tests {
    use indicatif::ProgressStyle;

    use super::*;
    use crate::cli::arguments::LogFormat;

    #[test]
    fn the_bar_counts_bytes_and_blocks() {
        assert!(ProgressStyle::with_template(READING).is_ok());
        let bars = Bars::new(LogFormat::Json);
        let screen = Screen::new(&bars, None, false);
        screen.begins(3, 1_000);
        screen.bytes_read(600);
        screen.bytes_again(500);
        screen.verified(&lines::tests::block());
        let bar = bars.total();
        assert_eq!((bar.position(), bar.length(), bar.message()), (600, Some(1_500), "1/3 blocks".to_owned()));
    }
}
