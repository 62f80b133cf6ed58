//! Bars on standard error while a long pass goes on, and how to write there beside them.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::arguments::LogFormat;
use super::text::harmless;
use crate::engine::Progress;

/// Often enough to look alive, seldom enough to cost nothing.
const DRAWS_PER_SECOND: u8 = 10;

const LISTING: &str = "{prefix}  {spinner} listing: {human_pos} keys, {elapsed}";
const READING: &str = "{prefix}  reading: {wide_bar} {human_pos}/{human_len} objects, {eta} left";

/// One bar per bucket: keys while it is listed, then objects read of objects to read.
#[derive(Debug)]
pub(super) struct Bars {
    all: MultiProgress,
    by_bucket: Mutex<BTreeMap<String, ProgressBar>>,
    /// Over all buckets, once they are listed.
    total: ProgressBar,
}

impl Bars {
    /// Drawn where standard error is a terminal and the log is for people; invisible otherwise.
    pub(super) fn new(format: LogFormat) -> Self {
        let target = if io::stderr().is_terminal() && format == LogFormat::Text {
            ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND)
        } else {
            ProgressDrawTarget::hidden()
        };
        Self::on(target)
    }

    fn on(target: ProgressDrawTarget) -> Self {
        let all = MultiProgress::with_draw_target(target);
        Self { all, by_bucket: Mutex::default(), total: ProgressBar::hidden() }
    }

    /// For a command that has no end to wait for.
    pub(super) fn none() -> Self {
        Self::on(ProgressDrawTarget::hidden())
    }

    /// Begins a bar over everything, `length` units long.
    pub(super) fn begin_total(&self, template: &str, length: u64) {
        self.total.set_style(style(template));
        self.total.set_length(length);
        let total = self.all.add(self.total.clone());
        if !self.all.is_hidden() {
            total.enable_steady_tick(Duration::from_millis(100));
        }
    }

    /// The bar over everything.
    pub(super) const fn total(&self) -> &ProgressBar {
        &self.total
    }

    /// Does something while no bar is drawn.
    pub(super) fn beside(&self, act: impl FnOnce()) {
        self.all.suspend(act);
    }

    /// Leaves nothing on the screen.
    pub(super) fn clear(&self) {
        self.total.finish_and_clear();
        for bar in self.by_bucket.lock().unwrap_or_else(PoisonError::into_inner).values() {
            bar.finish_and_clear();
        }
    }

    /// Standard error for whoever writes while bars may be drawn there.
    pub(super) fn standard_error(&self) -> BesideBars {
        BesideBars(self.all.clone())
    }

    /// The bar of a bucket, made at first sight.
    fn of(&self, bucket: &str) -> ProgressBar {
        // a map that a panic elsewhere has poisoned can still be drawn
        let mut bars = self.by_bucket.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = bars.get(bucket) {
            return bar.clone();
        }
        let bar = self.all.add(ProgressBar::no_length());
        bar.set_style(style(LISTING));
        bar.set_prefix(harmless(bucket));
        if !self.all.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        bars.insert(bucket.to_owned(), bar.clone());
        bar
    }
}

impl Progress for Bars {
    fn listed(&self, bucket: &str, keys: u64) {
        self.of(bucket).inc(keys);
    }

    fn to_read(&self, bucket: &str, objects: u64) {
        let bar = self.of(bucket);
        bar.set_style(style(READING));
        bar.set_position(0);
        bar.set_length(objects);
        bar.reset_eta();
    }

    fn read(&self, bucket: &str) {
        self.of(bucket).inc(1);
    }

    fn ended(&self, bucket: &str) {
        // nothing stays on the screen: the result goes to standard output
        self.of(bucket).finish_and_clear();
    }
}

impl Drop for Bars {
    /// A job that ended early leaves no bar behind.
    fn drop(&mut self) {
        self.clear();
    }
}

/// Standard error; bars step aside for what is written.
#[derive(Clone, Debug)]
pub(super) struct BesideBars(MultiProgress);

impl Write for BesideBars {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// A layout; should the template not be one, the plainest bar that there is.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_count_keys_then_objects_and_end() {
        let bars = Bars::new(LogFormat::Json);
        assert!(bars.all.is_hidden());
        bars.listed("thanos", 1_000);
        bars.listed("thanos", 234);
        bars.listed("evil\u{1b}[2J", 1);
        let bar = bars.of("thanos");
        assert_eq!((bar.position(), bar.length(), bar.prefix()), (1_234, None, "thanos".to_owned()));
        assert_eq!(bars.of("evil\u{1b}[2J").prefix(), "evil\\u{1b}[2J");
        bars.to_read("thanos", 48);
        bars.read("thanos");
        assert_eq!((bar.position(), bar.length(), bar.is_finished()), (1, Some(48), false));
        bars.ended("thanos");
        assert!(bar.is_finished());
        let other = bars.of("other");
        drop(bars);
        assert!(other.is_finished(), "an early end leaves no bar behind");
    }

    #[test]
    fn layouts_are_layouts() {
        for template in [LISTING, READING] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
