//! Encoding 4, XOR2: one prefix for time and value, markers of staleness in a few bits, start times on demand.

use super::bits::{Bits, STALE, top, twos_complement};
use super::walk::{Notes, Sample, Starts, Stop, Visitor, rest};
use super::xor::{WINDOW_BITS, Xor, impossible, window};

/// Zeros behind which a word still has a whole window.
const SEEN: u32 = 57 - 3 - WINDOW_BITS;

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

    /// Reads any value; whether its window is possible.
    fn any(&mut self, bits: &mut Bits<'_>) -> bool {
        let word = bits.peek();
        let ones = word.leading_ones().min(3);
        self.stale = ones == 3;
        match ones {
            0 => bits.skip(1),
            1 => self.base.change(bits, word, 2),
            2 => return self.base.renew(bits, word, 3),
            _ => bits.skip(3),
        }
        true
    }

    /// Reads one that is neither a marker nor the same; whether its window is possible.
    fn changed(&mut self, bits: &mut Bits<'_>) -> bool {
        self.stale = false;
        let word = bits.peek();
        if word >> 63 == 1 {
            return self.base.renew(bits, word, 1);
        }
        self.base.change(bits, word, 1);
        true
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
        let (at, before) = (bits.at(), t);
        let possible = if idx == 1 {
            delta = bits.uvarint().map_err(|reason| bits.stop_too_long(reason))?.cast_signed();
            value.any(&mut bits)
        } else {
            let control = bits.peek().leading_ones().min(5);
            bits.skip(control.wrapping_add(1).min(5));
            match control {
                1 => value.changed(&mut bits),
                2..=4 => {
                    delta = delta.wrapping_add(time(&mut bits, control));
                    value.any(&mut bits)
                }
                _ => {
                    value.stale = control == 5;
                    true
                }
            }
        };
        if !possible {
            return Err(impossible(at));
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
    let mut starts = starts(data);
    if starts.from() >= samples && starts.from() > 0 {
        return None;
    }
    let mut bits = Bits::new(data, HEADER);
    let first = bits.varint().ok()?;
    let mut skim = Skim { width: 64, delta: 0, t: first, sound: true };
    bits.skip(64);
    starts.first(&mut bits, first).ok()?;
    skim.sound &= starts.start() <= first || starts.start() == 0;
    if samples > 1 {
        skim.delta = bits.uvarint().ok()?.cast_signed();
        let word = bits.peek();
        skim.sound &= skim_any(&mut bits, &mut skim.width, word, 0);
        skim.go_on();
        skim.start(&mut bits, &mut starts, 1, first);
    }
    let (skim, bits) = if starts.from() == 0 {
        skim.without_starts(bits, samples.saturating_sub(2))
    } else {
        skim.with_starts(bits, starts, samples)
    };
    (skim.sound && !bits.is_short() && rest(bits).is_ok()).then_some((first, skim.t))
}

/// What is known while samples are stepped over.
#[derive(Clone, Copy, Debug)]
struct Skim {
    /// Of the window of values.
    width: u32,
    delta: i64,
    t: i64,
    /// Nothing was wrong so far.
    sound: bool,
}

impl Skim {
    /// Steps over the last `left` samples of a chunk in which starts are not written. All is passed by value, so that it
    /// stays in registers.
    fn without_starts(mut self, mut bits: Bits<'_>, mut left: u32) -> (Self, Bits<'_>) {
        while left > 0 {
            let word = bits.peek();
            if word >> 63 == 1 {
                self.change(&mut bits, word);
                self.go_on();
                left = left.wrapping_sub(1);
                continue;
            }
            // skip all samples that change nothing, a zero each, and the one behind them if it changes only its value
            let zeros = word.leading_zeros();
            let same = zeros.min(57).min(left);
            let behind = word << (same & 63);
            let changes = behind >> 62 == 2 && zeros <= SEEN && same < left;
            let skipped = if changes { same.wrapping_add(1) } else { same };
            let after = self.t.wrapping_add(self.delta.wrapping_mul(i64::from(skipped)));
            // beyond 2^56 the product may have wrapped
            self.sound &= after > self.t && self.delta < 1 << 56;
            self.t = after;
            left = left.wrapping_sub(skipped);
            if changes {
                self.sound &= skim_change(&mut bits, &mut self.width, behind << 2, same.wrapping_add(2));
            } else {
                bits.skip(same);
            }
        }
        (self, bits)
    }

    /// Steps over all samples but the first two, and reads their starts.
    fn with_starts(mut self, mut bits: Bits<'_>, mut starts: Starts, samples: u32) -> (Self, Bits<'_>) {
        for idx in 2..samples {
            let before = self.t;
            let word = bits.peek();
            if word >> 63 == 0 {
                bits.skip(1);
            } else {
                self.change(&mut bits, word);
            }
            self.go_on();
            self.start(&mut bits, &mut starts, idx, before);
        }
        (self, bits)
    }

    /// Steps over a sample that changes something; `word` is what comes next.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "what it changes stays in registers only if nothing is called")]
    fn change(&mut self, bits: &mut Bits<'_>, word: u64) {
        let width = &mut self.width;
        if word >> 62 == 2 {
            self.sound &= skim_change(bits, width, word << 2, 2);
        } else if word >> 61 == 6 {
            self.delta = self.delta.wrapping_add(twos_complement(top(word << 3, 13), 13));
            self.sound &= skim_any(bits, width, word << 16, 16);
        } else if word >> 60 == 14 {
            self.delta = self.delta.wrapping_add(twos_complement(top(word << 4, 20), 20));
            self.sound &= skim_any(bits, width, word << 24, 24);
        } else {
            bits.skip(5);
            if word >> 59 == 30 {
                self.delta = self.delta.wrapping_add(bits.read(64).cast_signed());
                let word = bits.peek();
                self.sound &= skim_any(bits, width, word, 0);
            }
        }
    }

    /// The time of the next sample.
    #[inline]
    const fn go_on(&mut self) {
        let after = self.t.wrapping_add(self.delta);
        self.sound &= after > self.t;
        self.t = after;
    }

    /// The start of sample `idx`.
    #[inline]
    fn start(&mut self, bits: &mut Bits<'_>, starts: &mut Starts, idx: u32, before: i64) {
        starts.next(bits, idx, before);
        self.sound &= starts.start() <= self.t || starts.start() == 0;
    }
}

/// Steps over `before` bits and any value, whose first bits are those of `word`; whether its window is possible.
#[inline]
fn skim_any(bits: &mut Bits<'_>, width: &mut u32, word: u64, before: u32) -> bool {
    if word >> 63 == 0 {
        bits.skip(before.wrapping_add(1));
    } else if word >> 62 == 2 {
        bits.skip(before.wrapping_add(2).wrapping_add(*width));
    } else if word >> 61 == 6 {
        return skim_new(bits, width, word << 3, before.wrapping_add(3));
    } else {
        bits.skip(before.wrapping_add(3));
    }
    true
}

/// Steps over `before` bits and a value that changes.
#[inline]
fn skim_change(bits: &mut Bits<'_>, width: &mut u32, word: u64, before: u32) -> bool {
    if word >> 63 == 0 {
        bits.skip(before.wrapping_add(1).wrapping_add(*width));
        return true;
    }
    skim_new(bits, width, word << 1, before.wrapping_add(1))
}

/// Steps over `before` bits, a new window that is at the top of `word`, and the bits within it.
#[inline]
fn skim_new(bits: &mut Bits<'_>, width: &mut u32, word: u64, before: u32) -> bool {
    let (leading, new) = window(word);
    *width = new;
    bits.skip(before.wrapping_add(WINDOW_BITS).wrapping_add(new));
    leading.wrapping_add(new) <= 64
}
