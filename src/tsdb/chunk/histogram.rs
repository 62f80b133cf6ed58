//! Encodings 2, 3, 5 and 6: histograms of integers and of floats, with and without start times.

use super::bits::{Bits, STALE};
use super::counts::{Counts, FloatCounts, IntCounts};
use super::layout::Layout;
use super::rules;
use super::walk::{Notes, Sample, Starts, Stop, Visitor, rest};
use super::xor::impossible;

/// Bytes before the stream: the number of samples, and flags or where start times begin.
const HEADER: usize = 3;
/// What the two bits for counter resets say of a gauge.
const GAUGE: u8 = 0b11;

/// How a chunk of histograms is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// Counts are floats.
    pub(super) floats: bool,
    /// There are start times.
    pub(super) starts: bool,
}

impl Form {
    /// Samples that a chunk claims.
    pub(super) fn samples(self, data: &[u8]) -> Option<u32> {
        let claimed = data.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))?;
        Some(u32::from(if self.starts { claimed & 0x3fff } else { claimed }))
    }

    /// The least that a bucket takes in the first sample.
    const fn bucket_bits(self) -> usize {
        if self.floats { 64 } else { 1 }
    }
}

/// The first time of a chunk.
pub(super) fn head(form: Form, data: &[u8], samples: u32, notes: &mut Notes<'_>) -> Result<i64, Stop> {
    let mut bits = Bits::new(data, HEADER);
    Layout::read(&mut bits, samples, form.bucket_bits(), notes)?;
    let t = bits.varbit_int();
    bits.whole(0, samples)?;
    Ok(t)
}

/// Shows every sample to `visitor`, and looks at the counts if `judged`: those that Thanos aggregates follow other rules.
pub(super) fn walk(
    form: Form,
    data: &[u8],
    samples: u32,
    judged: bool,
    visitor: &mut impl Visitor,
    notes: &mut Notes<'_>,
) -> Result<(), Stop> {
    let flags = data.get(if form.starts { 0 } else { 2 }).copied().unwrap_or_default();
    if !form.starts && flags & 0x3f != 0 {
        notes.note(&rules::FLAGS, 2, "six bits that are zero".to_owned(), format!("{flags:#04x}"));
    }
    let mut bits = Bits::new(data, HEADER);
    let layout = Layout::read(&mut bits, samples, form.bucket_bits(), notes)?;
    let rising = judged && flags >> 6 != GAUGE;
    let walk = Walk { form, data, samples, rising };
    if form.floats {
        walk.samples(bits, FloatCounts::new(layout), visitor, notes)
    } else {
        walk.samples(bits, IntCounts::new(layout), visitor, notes)
    }
}

/// What stays the same from sample to sample.
struct Walk<'a> {
    form: Form,
    data: &'a [u8],
    samples: u32,
    /// Counts only rise.
    rising: bool,
}

impl Walk<'_> {
    fn samples(
        &self,
        mut bits: Bits<'_>,
        mut counts: impl Counts,
        visitor: &mut impl Visitor,
        notes: &mut Notes<'_>,
    ) -> Result<(), Stop> {
        let mut starts = Starts::NONE;
        if self.form.starts {
            starts = Starts::new(self.data.get(2).copied().unwrap_or_default());
            starts.check(2, self.samples, notes);
        }
        let mut t: i64 = 0;
        let mut delta: i64 = 0;
        for idx in 0..self.samples {
            let at = bits.at();
            let before = t;
            if idx == 0 {
                t = bits.varbit_int();
                counts.first(&mut bits);
                starts.first(&mut bits, t)?;
            } else {
                delta = delta.wrapping_add(bits.varbit_int());
                t = t.wrapping_add(delta);
                if !counts.next(&mut bits) {
                    return Err(impossible(at));
                }
                starts.next(&mut bits, idx, before);
            }
            bits.whole(idx, self.samples)?;
            if self.rising && counts.sum() != STALE {
                counts.judge(at >> 3, notes);
            }
            visitor.sample(Sample { t, start: starts.start(), value: counts.sum() }, bits.at(), notes);
        }
        rest(bits)
    }
}
