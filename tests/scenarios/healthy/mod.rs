//! Healthy shapes: nothing at `warning` or above, and no note but those that are named.

mod compaction;
mod history;
mod keys;
mod months;
mod producers;
mod second_scan;
