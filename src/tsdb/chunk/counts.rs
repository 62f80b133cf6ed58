//! The counts of histograms: how they are written, and what has to hold for those that only rise.

use super::bits::{Bits, STALE};
use super::layout::Layout;
use super::rules;
use super::walk::Notes;
use super::xor::Xor;

/// The counts of one histogram after the other.
pub(super) trait Counts {
    /// Reads those of the first.
    fn first(&mut self, bits: &mut Bits<'_>);
    /// Reads those of the next; whether the windows of its values are possible.
    fn next(&mut self, bits: &mut Bits<'_>) -> bool;
    /// The bits of the sum of observations.
    fn sum(&self) -> u64;
    /// Notes what cannot be in a histogram that only rises.
    fn judge(&mut self, at: usize, notes: &mut Notes<'_>);
}

/// What a histogram that only rises does not do.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    negative: bool,
    falls: bool,
}

impl Seen {
    fn note(self, at: usize, notes: &mut Notes<'_>) {
        if self.negative {
            notes.note(&rules::NEGATIVE, at, "counts of 0 or more".to_owned(), "a negative count".to_owned());
        }
        if self.falls {
            let expected = "counts as before or higher".to_owned();
            notes.note(&rules::FALLS, at, expected, "a count that is lower than before".to_owned());
        }
    }
}

/// A number that is written as the difference of differences.
#[derive(Clone, Copy, Debug, Default)]
struct Paced {
    value: i64,
    delta: i64,
}

impl Paced {
    #[inline]
    const fn next(&mut self, dod: i64) {
        self.delta = self.delta.wrapping_add(dod);
        self.value = self.value.wrapping_add(self.delta);
    }
}

/// A bucket: its difference to the one before it in the histogram, and what it counts.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    written: Paced,
    count: i64,
}

/// What more buckets count is not kept, nor judged: a bucket may take no more than a bit of the chunk, and would take
/// 192 of memory. Real histograms have hundreds.
const KEPT: usize = 1 << 18;

/// Counts that are integers.
#[derive(Debug)]
pub(super) struct IntCounts {
    count: Paced,
    zero: Paced,
    sum: Xor,
    buckets: Vec<Bucket>,
    positive: usize,
    /// Buckets of a histogram that has too many of them for keeping what they count.
    unkept: usize,
    /// Of all buckets.
    total: u64,
    /// Of the histogram before.
    before: (i64, i64),
    seen: Seen,
}

impl IntCounts {
    pub(super) fn new(layout: Layout) -> Self {
        let all = layout.positive.saturating_add(layout.negative);
        let (kept, unkept) = if all > KEPT { (0, all) } else { (all, 0) };
        let buckets = vec![Bucket::default(); kept];
        let (count, zero, sum) = (Paced::default(), Paced::default(), Xor::new(0));
        let positive = layout.positive.min(kept);
        Self { count, zero, sum, buckets, positive, unkept, total: 0, before: (0, 0), seen: Seen::default() }
    }
}

impl Counts for IntCounts {
    fn first(&mut self, bits: &mut Bits<'_>) {
        self.count.value = bits.varbit_uint().cast_signed();
        self.zero.value = bits.varbit_uint().cast_signed();
        self.before = (self.count.value, self.zero.value);
        self.sum = Xor::new(bits.read(64));
        self.buckets(bits, |bucket, read| bucket.value = read);
        // nothing was there to fall from
        self.seen.falls = false;
    }

    fn next(&mut self, bits: &mut Bits<'_>) -> bool {
        self.before = (self.count.value, self.zero.value);
        self.count.next(bits.varbit_int());
        self.zero.next(bits.varbit_int());
        let possible = self.sum.next(bits);
        if self.sum.value != STALE {
            self.buckets(bits, Paced::next);
        }
        possible
    }

    fn sum(&self) -> u64 {
        self.sum.value
    }

    fn judge(&mut self, at: usize, notes: &mut Notes<'_>) {
        // counts are unsigned, so all bits are in use
        let (count, zero) = (self.count.value.cast_unsigned(), self.zero.value.cast_unsigned());
        self.seen.falls |= count < self.before.0.cast_unsigned() || zero < self.before.1.cast_unsigned();
        self.seen.note(at, notes);
        let least = self.total.saturating_add(zero);
        if count < least && !self.seen.negative {
            notes.note(&rules::TOO_FEW, at, format!("{least} or more"), count.to_string());
        }
    }
}

impl IntCounts {
    /// Reads all buckets.
    #[inline]
    fn buckets(&mut self, bits: &mut Bits<'_>, step: impl Fn(&mut Paced, i64)) {
        // a copy stays in registers
        let mut here = *bits;
        let (mut negative, mut falls, mut total) = (0, 0, 0_u64);
        let (positive, others) = self.buckets.split_at_mut_checked(self.positive).unwrap_or_default();
        for side in [positive, others] {
            let mut count: i64 = 0;
            for bucket in side {
                step(&mut bucket.written, here.varbit_int());
                count = count.wrapping_add(bucket.written.value);
                negative |= count;
                falls |= count.wrapping_sub(bucket.count);
                bucket.count = count;
                total = total.wrapping_add(count.cast_unsigned());
            }
        }
        for _ in 0..self.unkept {
            here.varbit_int();
        }
        *bits = here;
        self.total = total;
        self.seen = Seen { negative: negative < 0, falls: falls < 0 };
    }
}

/// Counts that are floats.
#[derive(Debug)]
pub(super) struct FloatCounts {
    count: Xor,
    zero: Xor,
    sum: Xor,
    buckets: Vec<Xor>,
    /// Of all buckets.
    total: f64,
    /// Of the histogram before.
    before: (f64, f64),
    seen: Seen,
}

/// Adding many floats in another order gives another sum; this much of it, or of 1, is no fault.
const TOLERANCE: f64 = 1e-3;

impl FloatCounts {
    pub(super) fn new(layout: Layout) -> Self {
        let none = Xor::new(0);
        let buckets = vec![none; layout.positive.saturating_add(layout.negative)];
        Self { count: none, zero: none, sum: none, buckets, total: 0.0, before: (0.0, 0.0), seen: Seen::default() }
    }

    fn now(&self) -> (f64, f64) {
        (f64::from_bits(self.count.value), f64::from_bits(self.zero.value))
    }
}

impl Counts for FloatCounts {
    fn first(&mut self, bits: &mut Bits<'_>) {
        for field in [&mut self.count, &mut self.zero, &mut self.sum] {
            *field = Xor::new(bits.read(64));
        }
        self.before = self.now();
        self.total = 0.0;
        for bucket in &mut self.buckets {
            *bucket = Xor::new(bits.read(64));
            let count = f64::from_bits(bucket.value);
            self.seen.negative |= count < 0.0;
            self.total += count;
        }
    }

    fn next(&mut self, bits: &mut Bits<'_>) -> bool {
        self.before = self.now();
        let mut possible = self.count.next(bits) & self.zero.next(bits) & self.sum.next(bits);
        if self.sum.value == STALE {
            return possible;
        }
        // copies stay in registers
        let mut here = *bits;
        let (mut negative, mut falls, mut total) = (false, false, 0.0);
        for bucket in &mut self.buckets {
            let before = f64::from_bits(bucket.value);
            possible &= bucket.next(&mut here);
            let count = f64::from_bits(bucket.value);
            negative |= count < 0.0;
            falls |= count < before;
            total += count;
        }
        *bits = here;
        self.total = total;
        self.seen = Seen { negative, falls };
        possible
    }

    fn sum(&self) -> u64 {
        self.sum.value
    }

    fn judge(&mut self, at: usize, notes: &mut Notes<'_>) {
        let (count, zero) = self.now();
        self.seen.negative |= count < 0.0 || zero < 0.0;
        self.seen.falls |= count < self.before.0 || zero < self.before.1;
        self.seen.note(at, notes);
        let least = self.total + zero;
        if count + TOLERANCE * count.max(1.0) < least {
            notes.note(&rules::TOO_FEW, at, format!("{least} or more"), count.to_string());
        }
    }
}
