//! Chunks of floats: encodings 1 (XOR) and 4 (XOR2), and the start timestamps that encodings 4 to 6 carry.

use super::bits::{Bits, Window, fits};

/// Marks the end of a series.
pub(crate) const STALE: f64 = f64::from_bits(0x7FF0_0000_0000_0002);

/// A float at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Float {
    /// In ms.
    pub(crate) at: i64,
    /// When counting began, in ms; 0 is unknown. Encoding 1 does not keep it.
    pub(crate) start: i64,
    pub(crate) value: f64,
}

/// A float without a start.
pub(crate) const fn float(at: i64, value: f64) -> Float {
    Float { at, start: 0, value }
}

/// Data of a chunk, and how many bits of its last byte are free.
pub(crate) type Encoded = (Vec<u8>, u32);

fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE.to_bits()
}

/// Encoding 1.
pub(crate) fn xor(samples: &[Float]) -> Encoded {
    let count = u16::try_from(samples.len()).unwrap();
    let mut bits = Bits::after(count.to_be_bytes().to_vec());
    let mut window = Window::default();
    let (mut before, mut delta) = (0_i64, 0_i64);
    for (idx, sample) in samples.iter().enumerate() {
        let now = sample.at.wrapping_sub(before);
        match idx {
            0 => {
                bits.varint(sample.at);
                bits.float(sample.value);
                window = Window::starting_at(sample.value);
            }
            1 => bits.uvarint(now.cast_unsigned()),
            _ => {
                let change = now.wrapping_sub(delta);
                match change {
                    0 => bits.put(0, 1),
                    _ if fits(change, 14) => prefixed(&mut bits, (0b10, 2), change, 14),
                    _ if fits(change, 17) => prefixed(&mut bits, (0b110, 3), change, 17),
                    _ if fits(change, 20) => prefixed(&mut bits, (0b1110, 4), change, 20),
                    _ => prefixed(&mut bits, (0b1111, 4), change, 64),
                }
            }
        }
        if idx > 0 {
            window.put(&mut bits, sample.value);
            delta = now;
        }
        before = sample.at;
    }
    bits.finish()
}

fn prefixed(bits: &mut Bits, (prefix, len): (u64, u32), value: i64, count: u32) {
    bits.put(prefix, len);
    bits.put(value.cast_unsigned(), count);
}

/// Encoding 4.
pub(crate) fn xor2(samples: &[Float]) -> Encoded {
    let count = u16::try_from(samples.len()).unwrap();
    let mut bits = Bits::after([&count.to_be_bytes()[..], &[0]].concat());
    let mut window = Window::default();
    let mut starts = Starts::default();
    let (mut before, mut delta) = (0_i64, 0_i64);
    for (idx, sample) in samples.iter().enumerate() {
        let now = sample.at.wrapping_sub(before);
        match idx {
            0 => {
                bits.varint(sample.at);
                bits.float(sample.value);
                // a marker of staleness is never what a value is compared with
                window = Window::starting_at(if is_stale(sample.value) { 0.0 } else { sample.value });
            }
            1 => {
                bits.uvarint(now.cast_unsigned());
                value(&mut bits, &mut window, sample.value);
            }
            _ => joint(&mut bits, &mut window, now.wrapping_sub(delta), sample.value),
        }
        starts.put(&mut bits, idx, sample.at, before, sample.start);
        if idx > 0 {
            delta = now;
        }
        before = sample.at;
    }
    let (mut bytes, free) = bits.finish();
    bytes[2] = starts.header();
    (bytes, free)
}

fn joint(bits: &mut Bits, window: &mut Window, change: i64, sample: f64) {
    if change == 0 && is_stale(sample) {
        bits.put(0b11111, 5);
    } else if change == 0 {
        let differs = window.change_to(sample);
        if differs == 0 {
            bits.put(0, 1);
        } else {
            bits.put(0b10, 2);
            window.put_change(bits, differs, (1, 1));
        }
    } else {
        // these two are ordinary two's complement
        match change {
            -0x1000..=0xfff => prefixed(bits, (0b110, 3), change, 13),
            -0x8_0000..=0x7_ffff => prefixed(bits, (0b1110, 4), change, 20),
            _ => prefixed(bits, (0b11110, 5), change, 64),
        }
        value(bits, window, sample);
    }
}

fn value(bits: &mut Bits, window: &mut Window, sample: f64) {
    if is_stale(sample) {
        return bits.put(0b111, 3);
    }
    let differs = window.change_to(sample);
    if differs == 0 {
        bits.put(0, 1);
    } else {
        bits.put(1, 1);
        // `11` says stale, so a new window is `110`
        window.put_change(bits, differs, (0b10, 2));
    }
}

/// How starts are written into the stream behind each sample.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Starts {
    known_at_first: bool,
    changes_on: u8,
    start: i64,
    behind: i64,
}

impl Starts {
    /// From here on a start is written even if it has not changed: the header has seven bits.
    const LAST_CHANGE: usize = 127;

    /// The start of sample `idx` at `at`; the sample before it was at `before`.
    pub(crate) fn put(&mut self, bits: &mut Bits, idx: usize, at: i64, before: i64, start: i64) {
        if idx == 0 {
            if start != 0 {
                bits.varint(at.wrapping_sub(start));
                self.known_at_first = true;
            }
        } else if self.changes_on > 0 || start != self.start || idx == Self::LAST_CHANGE {
            let behind = before.wrapping_sub(start);
            bits.varbit_int(if self.changes_on > 0 { behind.wrapping_sub(self.behind) } else { behind });
            if self.changes_on == 0 {
                self.changes_on = u8::try_from(idx).unwrap();
            }
            self.behind = behind;
        }
        self.start = start;
    }

    /// The byte that says what the stream has.
    pub(crate) fn header(self) -> u8 {
        u8::from(self.known_at_first) << 7 | self.changes_on
    }
}
