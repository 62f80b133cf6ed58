//! Encoding 1, XOR: times as differences of differences, each value as what differs from the one before.

use super::bits::{Bits, low_byte, signed, top};
use super::rules;
use super::walk::{Notes, Sample, Stop, Visitor, rest};

/// Bytes before the stream: the number of samples.
pub(super) const HEADER: usize = 2;

/// Bits of the prefix of a difference of differences together with it, by the ones in front, one byte each.
const TIME_TOTALS: u64 = 0x1814_1001;
/// Bits of it alone.
const TIME_WIDTHS: u64 = 0x1411_0E00;
/// So many ones, and 64 bits follow.
const LONG_TIME: u32 = 4;
/// Zeros behind which a word still has a whole window.
const SEEN: u32 = 57 - 2 - WINDOW_BITS;
/// Bits that say where a new window lies: five and six.
pub(super) const WINDOW_BITS: u32 = 11;

/// A value that is written as what differs, and the window of bits that may.
#[derive(Clone, Copy, Debug)]
pub(super) struct Xor {
    pub(super) value: u64,
    width: u32,
    shift: u32,
}

impl Xor {
    /// After the first value. A writer that goes on with a chunk may use a window of 64 bits that was never written.
    pub(super) const fn new(value: u64) -> Self {
        Self { value, width: 64, shift: 0 }
    }

    /// Reads the next value; whether its window is possible.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the place in the stream stays in a register only if nothing is called")]
    #[must_use]
    pub(super) fn next(&mut self, bits: &mut Bits<'_>) -> bool {
        let word = bits.peek();
        if word >> 63 == 0 {
            bits.skip(1);
            return true;
        }
        if word >> 62 == 2 {
            self.change(bits, word, 2);
            return true;
        }
        self.renew(bits, word, 2)
    }

    /// Reads what differs behind `before` bits, in the known window. `word` is what comes next.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as for `next`")]
    pub(super) fn change(&mut self, bits: &mut Bits<'_>, word: u64, before: u32) {
        let total = before.wrapping_add(self.width);
        let bits_that_differ = if total <= 57 {
            bits.skip(total);
            top(word << before, self.width)
        } else {
            bits.skip(before);
            bits.read(self.width)
        };
        self.value ^= bits_that_differ << self.shift;
    }

    /// Reads a new window behind `before` bits, and what differs in it; whether it is possible.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as for `next`")]
    #[must_use]
    pub(super) fn renew(&mut self, bits: &mut Bits<'_>, word: u64, before: u32) -> bool {
        let (leading, width) = window(word << before);
        let sum = leading.wrapping_add(width);
        self.width = width;
        self.shift = 64_u32.wrapping_sub(sum) & 63;
        self.change(bits, word, before.wrapping_add(WINDOW_BITS));
        sum <= 64
    }
}

/// Why a walk stops at a value whose window is impossible; `at` is the bit at which its sample begins.
#[cold]
pub(super) fn impossible(at: usize) -> Stop {
    let expected = "at most 64 bits, with the zeros in front of them".to_owned();
    Stop::new(&rules::WINDOW, at, expected, "more".to_owned())
}

/// Zeros in front of a new window, 0 to 31, and its width, 1 to 64: the next bits of `word`.
#[inline]
pub(super) const fn window(word: u64) -> (u32, u32) {
    let leading = low_byte(top(word, 5));
    // 0 stands for 64
    let width = low_byte(top(word << 5, 6).wrapping_sub(1) & 63).wrapping_add(1);
    (leading, width)
}

/// The difference of differences of times that comes next.
#[inline]
fn time(bits: &mut Bits<'_>) -> i64 {
    let word = bits.peek();
    let ones = word.leading_ones();
    if ones >= LONG_TIME {
        bits.skip(LONG_TIME);
        return bits.read(64).cast_signed();
    }
    let total = low_byte(TIME_TOTALS >> (ones << 3));
    let width = low_byte(TIME_WIDTHS >> (ones << 3));
    bits.skip(total);
    signed(top(word << (total.wrapping_sub(width)), width), width)
}

/// Shows every sample to `visitor`.
pub(super) fn walk(data: &[u8], samples: u32, visitor: &mut impl Visitor, notes: &mut Notes<'_>) -> Result<(), Stop> {
    let mut bits = Bits::new(data, HEADER);
    let mut t = bits.varint().map_err(|reason| bits.stop_too_long(reason))?;
    let mut value = Xor::new(bits.read(64));
    bits.whole(0, samples)?;
    visitor.sample(Sample { t, start: 0, value: value.value }, bits.at(), notes);
    let mut delta: i64 = 0;
    for idx in 1..samples {
        let at = bits.at();
        delta = match idx {
            1 => bits.uvarint().map_err(|reason| bits.stop_too_long(reason))?.cast_signed(),
            _ => delta.wrapping_add(time(&mut bits)),
        };
        t = t.wrapping_add(delta);
        if !value.next(&mut bits) {
            return Err(impossible(at));
        }
        bits.whole(idx, samples)?;
        visitor.sample(Sample { t, start: 0, value: value.value }, bits.at(), notes);
    }
    rest(bits)
}

/// The first and the last time of a chunk in which nothing is wrong; `None` if something is, or may be: `walk` says what.
///
/// Values are stepped over: which they are makes no difference to any rule.
pub(super) fn skim(data: &[u8], samples: u32) -> Option<(i64, i64)> {
    let mut bits = Bits::new(data, HEADER);
    let first = bits.varint().ok()?;
    let mut t = first;
    bits.skip(64);
    let mut width = 64;
    let mut sound = true;
    let mut delta: i64 = 0;
    let mut left = samples.checked_sub(1)?;
    if left > 0 {
        delta = bits.uvarint().ok()?.cast_signed();
        sound &= t.wrapping_add(delta) > t;
        t = t.wrapping_add(delta);
        let word = bits.peek();
        sound &= skim_value(&mut bits, &mut width, word, 0);
        left = left.wrapping_sub(1);
    }
    while left > 0 {
        let word = bits.peek();
        let (dod, rest, before);
        if word >> 63 == 0 {
            // no change of pace: skip all samples that change nothing, two zeros each, and the one behind them as well if
            // it does not change the pace either
            let zeros = word.leading_zeros();
            let pairs = (zeros >> 1).min(28).min(left);
            let changes = zeros & 1 == 1 && zeros <= SEEN && pairs < left;
            let skipped = if changes { pairs.wrapping_add(1) } else { pairs };
            let after = t.wrapping_add(delta.wrapping_mul(i64::from(skipped)));
            // beyond 2^57 the product may have wrapped
            sound &= after > t && delta < 1 << 57;
            t = after;
            left = left.wrapping_sub(skipped);
            if changes {
                sound &= skim_change(&mut bits, &mut width, word << zeros, zeros);
            } else {
                bits.skip(pairs << 1);
            }
            continue;
        } else if word >> 62 == 2 {
            (dod, rest, before) = (signed(top(word << 2, 14), 14), word << 16, 16);
        } else {
            let ones = word.leading_ones();
            if ones >= LONG_TIME {
                bits.skip(LONG_TIME);
                dod = bits.read(64).cast_signed();
                (rest, before) = (bits.peek(), 0);
            } else {
                let total = low_byte(TIME_TOTALS >> (ones << 3));
                let wide = low_byte(TIME_WIDTHS >> (ones << 3));
                dod = signed(top(word << (total.wrapping_sub(wide)), wide), wide);
                (rest, before) = (word << total, total);
            }
        }
        delta = delta.wrapping_add(dod);
        let after = t.wrapping_add(delta);
        sound &= after > t;
        t = after;
        left = left.wrapping_sub(1);
        sound &= skim_value(&mut bits, &mut width, rest, before);
    }
    (sound && !bits.is_short() && rest(bits).is_ok()).then_some((first, t))
}

/// Steps over `before` bits and the value whose first bits are those of `word`; whether its window is possible.
#[inline]
fn skim_value(bits: &mut Bits<'_>, width: &mut u32, word: u64, before: u32) -> bool {
    if word >> 63 == 0 {
        bits.skip(before.wrapping_add(1));
        return true;
    }
    skim_change(bits, width, word, before)
}

/// The same for a value that is known to change.
#[inline]
fn skim_change(bits: &mut Bits<'_>, width: &mut u32, word: u64, before: u32) -> bool {
    if word >> 62 == 2 {
        bits.skip(before.wrapping_add(2).wrapping_add(*width));
        return true;
    }
    let (leading, new) = window(word << 2);
    *width = new;
    bits.skip(before.wrapping_add(2).wrapping_add(WINDOW_BITS).wrapping_add(new));
    leading.wrapping_add(new) <= 64
}
