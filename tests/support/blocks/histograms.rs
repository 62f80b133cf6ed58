//! Chunks of native histograms: encodings 2 and 3, and 5 and 6 with start timestamps.

use super::bits::{Bits, Window};
use super::floats::{Encoded, Starts};

/// What all histograms of a chunk have in common.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Shape {
    /// -4 to 8, or [`CUSTOM`].
    pub(crate) schema: i8,
    pub(crate) zero_threshold: f64,
    /// Offset to the span before, and how many buckets.
    pub(crate) positive: Vec<(i32, u32)>,
    pub(crate) negative: Vec<(i32, u32)>,
    /// For [`CUSTOM`].
    pub(crate) bounds: Vec<f64>,
}

/// The schema of bounds that were chosen freely.
pub(crate) const CUSTOM: i8 = -53;

/// A histogram with whole counts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Histogram {
    /// In ms.
    pub(crate) at: i64,
    /// When counting began, in ms; 0 is unknown. Encodings 2 and 3 do not keep it.
    pub(crate) start: i64,
    pub(crate) count: u64,
    pub(crate) zeros: u64,
    pub(crate) sum: f64,
    /// Each bucket as the difference to the one before it, as Prometheus holds them.
    pub(crate) positive: Vec<i64>,
    pub(crate) negative: Vec<i64>,
}

/// A histogram with counts that need not be whole.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FloatHistogram {
    /// In ms.
    pub(crate) at: i64,
    /// When counting began, in ms; 0 is unknown.
    pub(crate) start: i64,
    pub(crate) count: f64,
    pub(crate) zeros: f64,
    pub(crate) sum: f64,
    pub(crate) positive: Vec<f64>,
    pub(crate) negative: Vec<f64>,
}

/// What a chunk says about the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reset {
    #[default]
    Unknown = 0b00,
    No = 0b01,
    Yes = 0b10,
    Gauge = 0b11,
}

impl Shape {
    pub(crate) fn buckets(spans: &[(i32, u32)]) -> usize {
        spans.iter().map(|(_, len)| *len as usize).sum()
    }

    fn put(&self, bits: &mut Bits) {
        match power_of_two(self.zero_threshold) {
            Some(exponent) => bits.put(u64::from(exponent), 8),
            None => {
                bits.put(255, 8);
                bits.float(self.zero_threshold);
            }
        }
        bits.varbit_int(i64::from(self.schema));
        for spans in [&self.positive, &self.negative] {
            bits.varbit_uint(spans.len() as u64);
            for (offset, len) in spans {
                bits.varbit_uint(u64::from(*len));
                bits.varbit_int(i64::from(*offset));
            }
        }
        if self.schema == CUSTOM {
            bits.varbit_uint(self.bounds.len() as u64);
            self.bounds.iter().for_each(|bound| put_bound(bits, *bound));
        }
    }
}

/// The byte that stands for `threshold`, if one does: 0, or `b` for 2^(b-244).
fn power_of_two(threshold: f64) -> Option<u8> {
    if threshold == 0.0 {
        return Some(0);
    }
    (1..=254).find(|b| threshold == f64::from(i16::from(*b) - 244).exp2())
}

fn put_bound(bits: &mut Bits, bound: f64) {
    let thousandths = bound * 1000.0;
    let whole = thousandths.round();
    if (0.0..=33_554_430.0).contains(&thousandths) && whole / 1000.0 == bound {
        bits.varbit_uint(whole as u64 + 1);
    } else {
        bits.put(0, 1);
        bits.float(bound);
    }
}

/// Header of encodings 2 and 3, or of 5 and 6.
fn header(count: usize, reset: Reset, starts: bool) -> Bits {
    let reset = reset as u8;
    let mut bytes = if starts {
        assert!(count < 1 << 14, "encodings 5 and 6 count with 14 bits");
        vec![reset << 6 | (count >> 8) as u8, count as u8]
    } else {
        let mut bytes = u16::try_from(count).unwrap().to_be_bytes().to_vec();
        bytes.push(reset << 6);
        bytes
    };
    if starts {
        bytes.push(0);
    }
    Bits::after(bytes)
}

fn end(bits: Bits, starts: Option<Starts>) -> Encoded {
    let (mut bytes, free) = bits.finish();
    if let Some(starts) = starts {
        bytes[2] = starts.header();
    }
    (bytes, free)
}

fn is_stale(sum: f64) -> bool {
    sum.to_bits() == super::floats::STALE.to_bits()
}

/// A number of which the change of the change is written.
#[derive(Clone, Copy, Debug, Default)]
struct Twice {
    value: i64,
    delta: i64,
}

impl Twice {
    fn starting_at(value: i64) -> Self {
        Self { value, delta: 0 }
    }

    fn put(&mut self, bits: &mut Bits, value: i64) {
        let delta = value.wrapping_sub(self.value);
        bits.varbit_int(delta.wrapping_sub(self.delta));
        *self = Self { value, delta };
    }
}

/// Encoding 2, or 5 `with_starts`. A stale histogram can only be the last of a chunk, as for Prometheus.
pub(crate) fn histograms(shape: &Shape, samples: &[Histogram], reset: Reset, with_starts: bool) -> Encoded {
    let mut bits = header(samples.len(), reset, with_starts);
    let mut starts = with_starts.then(Starts::default);
    let (mut at, mut count, mut zeros, mut sum) =
        (Twice::default(), Twice::default(), Twice::default(), Window::default());
    let mut buckets: Vec<Twice> = Vec::new();
    for (idx, sample) in samples.iter().enumerate() {
        let before = at.value;
        let stale = is_stale(sample.sum);
        let own = sample.positive.iter().chain(&sample.negative).copied();
        if idx == 0 {
            if stale {
                Shape::default().put(&mut bits);
            } else {
                shape.put(&mut bits);
                let expected = [Shape::buckets(&shape.positive), Shape::buckets(&shape.negative)];
                assert_eq!([sample.positive.len(), sample.negative.len()], expected, "buckets of the shape");
            }
            let (counted, zeroed) = if stale { (0, 0) } else { (sample.count, sample.zeros) };
            bits.varbit_int(sample.at);
            bits.varbit_uint(counted);
            bits.varbit_uint(zeroed);
            bits.float(sample.sum);
            (at, count) = (Twice::starting_at(sample.at), Twice::starting_at(counted.cast_signed()));
            (zeros, sum) = (Twice::starting_at(zeroed.cast_signed()), Window::starting_at(sample.sum));
            buckets = own.take_while(|_| !stale).map(Twice::starting_at).collect();
            for bucket in &buckets {
                bits.varbit_int(bucket.value);
            }
        } else {
            at.put(&mut bits, sample.at);
            if stale {
                // neither changes its pace
                bits.put(0, 2);
            } else {
                count.put(&mut bits, sample.count.cast_signed());
                zeros.put(&mut bits, sample.zeros.cast_signed());
            }
            sum.put(&mut bits, sample.sum);
            if !stale {
                buckets.iter_mut().zip(own).for_each(|(bucket, value)| bucket.put(&mut bits, value));
            }
        }
        if let Some(starts) = &mut starts {
            starts.put(&mut bits, idx, sample.at, before, sample.start);
        }
    }
    end(bits, starts)
}

/// Encoding 3, or 6 `with_starts`.
pub(crate) fn float_histograms(shape: &Shape, samples: &[FloatHistogram], reset: Reset, with_starts: bool) -> Encoded {
    let mut bits = header(samples.len(), reset, with_starts);
    let mut starts = with_starts.then(Starts::default);
    let mut at = Twice::default();
    let mut windows: Vec<Window> = Vec::new();
    for (idx, sample) in samples.iter().enumerate() {
        let before = at.value;
        let stale = is_stale(sample.sum);
        // a stale histogram has neither counts nor buckets
        let counts = if stale { [0.0, 0.0, sample.sum] } else { [sample.count, sample.zeros, sample.sum] };
        let buckets = sample.positive.iter().chain(&sample.negative).copied().take_while(|_| !stale);
        if idx == 0 {
            if stale {
                Shape::default().put(&mut bits);
            } else {
                shape.put(&mut bits);
            }
            bits.varbit_int(sample.at);
            at = Twice::starting_at(sample.at);
            windows = counts.into_iter().chain(buckets).map(Window::starting_at).collect();
            counts
                .into_iter()
                .chain(sample.positive.iter().chain(&sample.negative).copied().take_while(|_| !stale))
                .for_each(|value| bits.float(value));
        } else {
            at.put(&mut bits, sample.at);
            windows
                .iter_mut()
                .zip(counts.into_iter().chain(buckets))
                .for_each(|(window, value)| window.put(&mut bits, value));
        }
        if let Some(starts) = &mut starts {
            starts.put(&mut bits, idx, sample.at, before, sample.start);
        }
    }
    end(bits, starts)
}
