//! Encoding 4, XOR2: one prefix for time and value, markers of staleness in a few bits, start times on demand.

use super::bits::{Bits, STALE, top, twos_complement};
use super::walk::{Notes, Sample, Starts, Stop, Visitor, rest};
use super::xor::{WINDOW_BITS, Xor, window};

/// Bytes before the stream: the number of samples, and where start times begin.
pub(super) const HEADER: usize = 3;

/// The value of a sample: the last one that is not a marker, and whether this one is.
struct Value {
    base: Xor,
    stale: bool,
}

impl Value {
    const fn bits(&self) -> u64 {
        if self.stale { STALE } else { self.base.value }
    }

    /// Any value.
    fn any(&mut self, bits: &mut Bits<'_>) -> Result<(), Stop> {
        let ones = bits.peek().leading_ones().min(3);
        self.stale = ones == 3;
        // the longest prefix has no zero at its end
        bits.skip(ones.wrapping_add(1).min(3));
        match ones {
            1 => self.base.reuse(bits),
            2 => self.base.renew(bits)?,
            _ => {}
        }
        Ok(())
    }

    /// One that is neither a marker nor the same.
    fn new_one(&mut self, bits: &mut Bits<'_>) -> Result<(), Stop> {
        self.stale = false;
        if bits.read(1) == 1 {
            return self.base.renew(bits);
        }
        self.base.reuse(bits);
        Ok(())
    }
}

/// Shows every sample to `visitor`.
pub(super) fn walk(data: &[u8], samples: u32, visitor: &mut impl Visitor, notes: &mut Notes<'_>) -> Result<(), Stop> {
    let mut bits = Bits::new(data, HEADER);
    let mut starts = starts(data);
    starts.check(2, samples, notes);
    let mut t = bits.varint().map_err(|reason| bits.stop_too_long(reason))?;
    let mut value = Value { base: Xor::new(bits.read(64)), stale: false };
    starts.first(&mut bits, t)?;
    bits.whole(0, samples)?;
    visitor.sample(Sample { t, start: starts.start(), value: value.bits() }, bits.at(), notes);
    let mut delta: i64 = 0;
    for idx in 1..samples {
        let before = t;
        if idx == 1 {
            delta = bits.uvarint().map_err(|reason| bits.stop_too_long(reason))?.cast_signed();
            value.any(&mut bits)?;
        } else {
            let control = bits.peek().leading_ones().min(5);
            bits.skip(control.wrapping_add(1).min(5));
            match control {
                0 => value.stale = false,
                1 => value.new_one(&mut bits)?,
                5 => value.stale = true,
                _ => {
                    delta = delta.wrapping_add(time(&mut bits, control));
                    value.any(&mut bits)?;
                }
            }
        }
        t = t.wrapping_add(delta);
        starts.next(&mut bits, idx, before);
        bits.whole(idx, samples)?;
        visitor.sample(Sample { t, start: starts.start(), value: value.bits() }, bits.at(), notes);
    }
    rest(bits)
}

/// The header for start times.
pub(super) fn starts(data: &[u8]) -> Starts {
    data.get(2).map_or(Starts::NONE, |header| Starts::new(*header))
}

/// The difference of differences of times, by its prefix of 2 to 4 ones.
fn time(bits: &mut Bits<'_>, control: u32) -> i64 {
    let width = time_width(control);
    twos_complement(bits.read(width), width)
}

/// Its width.
#[inline]
const fn time_width(control: u32) -> u32 {
    match control {
        2 => 13,
        3 => 20,
        _ => 64,
    }
}

/// The first and the last time of a chunk in which nothing is wrong; `None` if something is, or may be: `walk` says what.
pub(super) fn skim(data: &[u8], samples: u32) -> Option<(i64, i64)> {
    let starts = starts(data);
    if starts.from() > 0 {
        return None;
    }
    let mut bits = Bits::new(data, HEADER);
    let first = bits.varint().ok()?;
    let mut t = first;
    bits.skip(64);
    if data.get(2)? & 0x80 != 0 {
        // an age below zero is for `walk`
        if bits.varint().ok()? < 0 {
            return None;
        }
    }
    let mut width = 64;
    let mut sound = true;
    let mut delta: i64 = 0;
    let mut left = samples.checked_sub(1)?;
    if left > 0 {
        delta = bits.uvarint().ok()?.cast_signed();
        sound &= t.wrapping_add(delta) > t;
        t = t.wrapping_add(delta);
        let word = bits.peek();
        sound &= skim_any(&mut bits, &mut width, word, 0);
        left = left.wrapping_sub(1);
    }
    while left > 0 {
        let word = bits.peek();
        let same = word.leading_zeros().min(57).min(left);
        if same > 0 {
            let after = t.wrapping_add(delta.wrapping_mul(i64::from(same)));
            // beyond 2^57 the product may have wrapped
            sound &= after > t && delta < 1 << 57;
            t = after;
            bits.skip(same);
            left = left.wrapping_sub(same);
            continue;
        }
        let control = word.leading_ones();
        match control {
            1 if word << 2 >> 63 == 0 => bits.skip(width.wrapping_add(3)),
            1 => sound &= skim_new(&mut bits, &mut width, word << 3, 3),
            2 | 3 => {
                let prefix = control.wrapping_add(1);
                let wide = time_width(control);
                delta = delta.wrapping_add(twos_complement(top(word << prefix, wide), wide));
                let total = prefix.wrapping_add(wide);
                sound &= skim_any(&mut bits, &mut width, word << total, total);
            }
            4 => {
                bits.skip(5);
                delta = delta.wrapping_add(bits.read(64).cast_signed());
                let word = bits.peek();
                sound &= skim_any(&mut bits, &mut width, word, 0);
            }
            _ => bits.skip(5),
        }
        let after = t.wrapping_add(delta);
        sound &= after > t;
        t = after;
        left = left.wrapping_sub(1);
    }
    (sound && !bits.is_short() && rest(bits).is_ok()).then_some((first, t))
}

/// Steps over `before` bits and any value, whose first bits are those of `word`; whether its window is possible.
#[inline]
fn skim_any(bits: &mut Bits<'_>, width: &mut u32, word: u64, before: u32) -> bool {
    match word.leading_ones() {
        0 => bits.skip(before.wrapping_add(1)),
        1 => bits.skip(before.wrapping_add(2).wrapping_add(*width)),
        2 => return skim_new(bits, width, word << 3, before.wrapping_add(3)),
        _ => bits.skip(before.wrapping_add(3)),
    }
    true
}

/// Steps over `before` bits, a new window that is at the top of `word`, and the bits within it.
#[inline]
fn skim_new(bits: &mut Bits<'_>, width: &mut u32, word: u64, before: u32) -> bool {
    let (leading, new) = window(word);
    *width = new;
    bits.skip(before.wrapping_add(WINDOW_BITS).wrapping_add(new));
    leading.wrapping_add(new) <= 64
}
