//! What histograms of one chunk have in common, written once in front of the first: schema, spans, bounds.

use super::bits::Bits;
use super::rules;
use super::walk::{Notes, Stop};

/// Buckets with bounds of their own.
const CUSTOM: i64 = -53;
/// Exponential schemas that readers accept; those of today are −4 to 8.
const EXPONENTIAL: std::ops::RangeInclusive<i64> = -9..=52;
const TODAY: std::ops::RangeInclusive<i64> = -4..=8;

/// How many buckets each histogram of the chunk has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) positive: usize,
    pub(super) negative: usize,
}

impl Layout {
    /// Reads it.
    ///
    /// `bucket_bits` is the least that a bucket takes in the first sample.
    pub(super) fn read(
        bits: &mut Bits<'_>,
        samples: u32,
        bucket_bits: usize,
        notes: &mut Notes<'_>,
    ) -> Result<Self, Stop> {
        // the zero threshold: a power of two, or any number
        if bits.read(8) == 255 {
            bits.read(64);
        }
        let at = bits.at();
        let schema = bits.varbit_int();
        bits.whole(0, samples)?;
        if schema != CUSTOM && !EXPONENTIAL.contains(&schema) {
            return Err(Stop::new(&rules::SCHEMA, at, "-9 to 52, or -53".to_owned(), schema.to_string()));
        }
        if schema != CUSTOM && !TODAY.contains(&schema) {
            notes.note(&rules::SCHEMA_RESERVED, at >> 3, "-4 to 8, or -53".to_owned(), schema.to_string());
        }
        let positive = spans(bits, samples, schema == CUSTOM)?;
        let negative = spans(bits, samples, schema == CUSTOM)?;
        if schema == CUSTOM {
            let at = bits.at();
            let bounds = bounds(bits, samples)?;
            let reach = bounds.saturating_add(1);
            if positive.reach > reach || negative.buckets > 0 {
                let found = format!("{} of them, {} negative", positive.reach, negative.buckets);
                return Err(Stop::new(&rules::SPANS, at, format!("at most {reach} buckets, all positive"), found));
            }
        }
        let layout = Self { positive: positive.buckets, negative: negative.buckets };
        let buckets = positive.buckets.saturating_add(negative.buckets);
        if buckets.saturating_mul(bucket_bits) > bits.left() {
            let most = bits.left().checked_div(bucket_bits).unwrap_or_default();
            return Err(Stop::new(&rules::SHORT, bits.at(), format!("at most {most} buckets"), buckets.to_string()));
        }
        Ok(layout)
    }
}

/// The spans of one side.
struct Side {
    buckets: usize,
    /// Buckets together with the gaps before them.
    reach: usize,
}

/// Reads the spans of one side.
fn spans(bits: &mut Bits<'_>, samples: u32, custom: bool) -> Result<Side, Stop> {
    let at = bits.at();
    let count = bits.varbit_uint();
    let mut side = Side { buckets: 0, reach: 0 };
    for idx in 0..count {
        let length = bits.varbit_uint();
        let offset = bits.varbit_int();
        bits.whole(0, samples)?;
        if offset < 0 && (idx > 0 || custom) {
            return Err(Stop::new(&rules::SPANS, at, "no span that begins in another".to_owned(), offset.to_string()));
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        side.buckets = side.buckets.saturating_add(length);
        let gap = usize::try_from(offset).unwrap_or(0);
        side.reach = side.reach.saturating_add(length).saturating_add(gap);
    }
    Ok(side)
}

/// Reads bounds of buckets; how many.
fn bounds(bits: &mut Bits<'_>, samples: u32) -> Result<usize, Stop> {
    let count = bits.varbit_uint();
    let mut before = f64::NEG_INFINITY;
    for _ in 0..count {
        let at = bits.at();
        let bound = match bits.varbit_uint() {
            0 => f64::from_bits(bits.read(64)),
            thousandths => to_f64(thousandths.wrapping_sub(1)) / 1000.0,
        };
        bits.whole(0, samples)?;
        // a bound that is not a number compares with nothing
        if !(bound > before && bound < f64::INFINITY) {
            return Err(Stop::new(&rules::BOUNDS, at, format!("more than {before}, and finite"), bound.to_string()));
        }
        before = bound;
    }
    // at most one for every bit
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

/// The nearest float.
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a bound is a float wherever it is used")]
const fn to_f64(number: u64) -> f64 {
    number as f64
}
