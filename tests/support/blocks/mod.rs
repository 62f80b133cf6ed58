//! A writer of blocks for tests: any series in any encoding, as any known writer lays them out, and where each part of
//! them is. It knows nothing of the verifier: what both do alike, they do alike because the format says so.
//!
//! [`BlockSpec`] says what is wanted; [`BlockSpec::write`] gives the files and their map. To make bytes that are sound
//! and say something wrong, change the [`Plan`] in between. To break one thing in the bytes, look it up in the map and
//! [`mend_crc`] around it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::float_cmp,
    reason = "whatever fails in here fails the test that uses it; what is written is small, and exact"
)]

pub(crate) mod big;
pub(crate) mod bits;
pub(crate) mod data;
pub(crate) mod floats;
pub(crate) mod histograms;
mod index;
pub(crate) mod map;
pub(crate) mod plan;
pub(crate) mod quirks;
pub(crate) mod spec;

pub(crate) use floats::{Float, STALE, float};
pub(crate) use histograms::{CUSTOM, FloatHistogram, Histogram, Reset, Shape};
pub(crate) use map::{Framed, Written, mend_crc, segment_path};
pub(crate) use plan::{List, Plan, PlannedChunk, PlannedSeries, Record};
pub(crate) use spec::{BlockSpec, ChunkOrder, ChunkSpec, Files, Samples, SeriesSpec, Stone, Trailing, series};
