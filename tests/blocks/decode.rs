//! A slow decoder with values, which shares nothing with the product's: what the writer writes is what was meant.

use crate::blocks::{CUSTOM, Float, FloatHistogram, Histogram, Reset, STALE, Samples, Shape};

/// Bits, the highest first.
#[derive(Clone, Debug)]
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn bit(&mut self) -> u64 {
        let bit = self.bytes[self.at / 8] >> (7 - self.at % 8) & 1;
        self.at += 1;
        u64::from(bit)
    }

    fn bits(&mut self, count: usize) -> u64 {
        (0..count).fold(0, |value, _| value << 1 | self.bit())
    }

    fn float(&mut self) -> f64 {
        f64::from_bits(self.bits(64))
    }

    fn ones(&mut self, most: usize) -> usize {
        (0..most).take_while(|_| self.bit() == 1).count()
    }

    fn uvarint(&mut self) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.bits(8);
            value |= (byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }

    fn varint(&mut self) -> i64 {
        let raw = self.uvarint();
        (raw >> 1).cast_signed() ^ -(raw & 1).cast_signed()
    }

    fn varbit_uint(&mut self) -> u64 {
        let width = [0, 3, 6, 9, 12, 18, 25, 56, 64][self.ones(8)];
        self.bits(width)
    }

    fn varbit_int(&mut self) -> i64 {
        let width = [0, 3, 6, 9, 12, 18, 25, 56, 64][self.ones(8)];
        self.signed(width)
    }

    /// 2^(n-1) is positive.
    fn signed(&mut self, width: usize) -> i64 {
        let raw = self.bits(width);
        if width < 64 && width > 0 && raw > 1 << (width - 1) {
            raw.cast_signed() - (1 << width)
        } else {
            raw.cast_signed()
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    value: u64,
    leading: u64,
    trailing: u64,
}

impl Window {
    fn at(value: f64) -> Self {
        Self { value: value.to_bits(), leading: 0, trailing: 0 }
    }

    fn changed(&mut self, reader: &mut Reader<'_>, new_window: bool) -> f64 {
        if new_window {
            self.leading = reader.bits(5);
            let width = match reader.bits(6) {
                0 => 64,
                width => width,
            };
            self.trailing = 64 - self.leading - width;
        }
        self.value ^= reader.bits((64 - self.leading - self.trailing) as usize) << self.trailing;
        f64::from_bits(self.value)
    }

    fn next(&mut self, reader: &mut Reader<'_>) -> f64 {
        match reader.ones(2) {
            0 => f64::from_bits(self.value),
            ones => self.changed(reader, ones == 2),
        }
    }
}

/// Start timestamps behind samples.
#[derive(Clone, Copy, Debug, Default)]
struct Starts {
    header: u8,
    start: i64,
    behind: i64,
}

impl Starts {
    fn next(&mut self, reader: &mut Reader<'_>, idx: usize, at: i64, before: i64) -> i64 {
        let changes_on = usize::from(self.header & 0x7f);
        if idx == 0 {
            if self.header & 0x80 != 0 {
                self.start = at - reader.varint();
            }
        } else if changes_on > 0 && idx >= changes_on {
            let read = reader.varbit_int();
            self.behind = if idx == changes_on { read } else { self.behind.wrapping_add(read) };
            self.start = before.wrapping_sub(self.behind);
        }
        self.start
    }
}

fn xor(data: &[u8]) -> Vec<Float> {
    let mut reader = Reader { bytes: data, at: 16 };
    let (mut at, mut delta, mut window) = (0_i64, 0_i64, Window::default());
    let count = u16::from_be_bytes([data[0], data[1]]);
    let next = |idx: u16| {
        let value = if idx == 0 {
            at = reader.varint();
            window = Window::at(reader.float());
            f64::from_bits(window.value)
        } else {
            if idx == 1 {
                delta = reader.uvarint().cast_signed();
            } else {
                let width = [0, 14, 17, 20, 64][reader.ones(4)];
                delta = delta.wrapping_add(reader.signed(width));
            }
            at = at.wrapping_add(delta);
            window.next(&mut reader)
        };
        Float { at, start: 0, value }
    };
    (0..count).map(next).collect()
}

fn xor2(data: &[u8]) -> Vec<Float> {
    let mut reader = Reader { bytes: data, at: 24 };
    let (mut at, mut delta, mut window) = (0_i64, 0_i64, Window::default());
    let mut starts = Starts { header: data[2], ..Starts::default() };
    let count = u16::from_be_bytes([data[0], data[1]]);
    let value = |reader: &mut Reader<'_>, window: &mut Window| match reader.ones(3) {
        0 => f64::from_bits(window.value),
        3 => STALE,
        ones => window.changed(reader, ones == 2),
    };
    let next = |idx: u16| {
        let before = at;
        let value = match idx {
            0 => {
                at = reader.varint();
                let value = reader.float();
                window = Window::at(if value.to_bits() == STALE.to_bits() { 0.0 } else { value });
                value
            }
            1 => {
                delta = reader.uvarint().cast_signed();
                at = at.wrapping_add(delta);
                value(&mut reader, &mut window)
            }
            _ => {
                let ones = reader.ones(5);
                let width = [0, 0, 13, 20, 64, 0][ones];
                if width > 0 {
                    // two's complement
                    let change = (reader.bits(width) << (64 - width)).cast_signed() >> (64 - width);
                    delta = delta.wrapping_add(change);
                }
                at = at.wrapping_add(delta);
                match ones {
                    0 => f64::from_bits(window.value),
                    1 => {
                        let new_window = reader.bit() == 1;
                        window.changed(&mut reader, new_window)
                    }
                    5 => STALE,
                    _ => value(&mut reader, &mut window),
                }
            }
        };
        let start = starts.next(&mut reader, usize::from(idx), at, before);
        Float { at, start, value }
    };
    (0..count).map(next).collect()
}

fn shape(reader: &mut Reader<'_>) -> Shape {
    let zero_threshold = match reader.bits(8) {
        0 => 0.0,
        255 => reader.float(),
        byte => (byte as f64 - 244.0).exp2(),
    };
    let schema = i8::try_from(reader.varbit_int()).unwrap();
    let spans = |reader: &mut Reader<'_>| {
        let count = reader.varbit_uint();
        let mut spans = Vec::new();
        for _ in 0..count {
            let len = u32::try_from(reader.varbit_uint()).unwrap();
            spans.push((i32::try_from(reader.varbit_int()).unwrap(), len));
        }
        spans
    };
    let (positive, negative) = (spans(reader), spans(reader));
    let mut bounds = Vec::new();
    if schema == CUSTOM {
        for _ in 0..reader.varbit_uint() {
            bounds.push(match reader.varbit_uint() {
                0 => reader.float(),
                thousandths => (thousandths - 1) as f64 / 1000.0,
            });
        }
    }
    Shape { schema, zero_threshold, positive, negative, bounds }
}

fn is_stale(sum: f64) -> bool {
    sum.to_bits() == STALE.to_bits()
}

/// Number of samples, header of resets, and how many bytes the header has.
fn head(data: &[u8], starts: bool) -> (usize, Reset) {
    let (count, reset) = if starts {
        (usize::from(u16::from_be_bytes([data[0] & 0x3f, data[1]])), data[0] >> 6)
    } else {
        (usize::from(u16::from_be_bytes([data[0], data[1]])), data[2] >> 6)
    };
    (count, [Reset::Unknown, Reset::No, Reset::Yes, Reset::Gauge][usize::from(reset)])
}

fn histograms(data: &[u8], with_starts: bool) -> Samples {
    let (count, reset) = head(data, with_starts);
    let mut reader = Reader { bytes: data, at: 24 };
    let mut starts = Starts { header: if with_starts { data[2] } else { 0 }, ..Starts::default() };
    let shape = shape(&mut reader);
    let split = Shape::buckets(&shape.positive);
    let mut numbers = vec![(0_i64, 0_i64); 3 + split + Shape::buckets(&shape.negative)];
    let mut sum = Window::default();
    let mut samples = Vec::new();
    for idx in 0..count {
        let before = numbers[0].0;
        if idx == 0 {
            numbers[0].0 = reader.varbit_int();
            numbers[1].0 = reader.varbit_uint().cast_signed();
            numbers[2].0 = reader.varbit_uint().cast_signed();
            sum = Window::at(reader.float());
            for number in &mut numbers[3..] {
                number.0 = reader.varbit_int();
            }
        } else {
            let twice = |reader: &mut Reader<'_>, number: &mut (i64, i64)| {
                number.1 = number.1.wrapping_add(reader.varbit_int());
                number.0 = number.0.wrapping_add(number.1);
            };
            for number in &mut numbers[..3] {
                twice(&mut reader, number);
            }
            if !is_stale(sum.next(&mut reader)) {
                for number in &mut numbers[3..] {
                    twice(&mut reader, number);
                }
            }
        }
        let stale = is_stale(f64::from_bits(sum.value));
        let start = starts.next(&mut reader, idx, numbers[0].0, before);
        let buckets: Vec<i64> = numbers[3..].iter().map(|number| number.0).collect();
        let buckets =
            if stale { (Vec::new(), Vec::new()) } else { (buckets[..split].to_vec(), buckets[split..].to_vec()) };
        samples.push(Histogram {
            at: numbers[0].0,
            start,
            count: if stale { 0 } else { numbers[1].0.cast_unsigned() },
            zeros: if stale { 0 } else { numbers[2].0.cast_unsigned() },
            sum: f64::from_bits(sum.value),
            positive: buckets.0,
            negative: buckets.1,
        });
    }
    Samples::Histograms { shape, samples, reset, starts: with_starts }
}

fn float_histograms(data: &[u8], with_starts: bool) -> Samples {
    let (count, reset) = head(data, with_starts);
    let mut reader = Reader { bytes: data, at: 24 };
    let mut starts = Starts { header: if with_starts { data[2] } else { 0 }, ..Starts::default() };
    let shape = shape(&mut reader);
    let split = Shape::buckets(&shape.positive);
    let mut windows = vec![Window::default(); 3 + split + Shape::buckets(&shape.negative)];
    let (mut at, mut delta) = (0_i64, 0_i64);
    let mut samples = Vec::new();
    for idx in 0..count {
        let before = at;
        let mut stale = false;
        if idx == 0 {
            at = reader.varbit_int();
        } else {
            delta = delta.wrapping_add(reader.varbit_int());
            at = at.wrapping_add(delta);
        }
        for (which, window) in windows.iter_mut().enumerate() {
            if stale {
                break;
            }
            if idx == 0 {
                *window = Window::at(reader.float());
            } else {
                window.next(&mut reader);
            }
            stale = which == 2 && is_stale(f64::from_bits(window.value));
        }
        let start = starts.next(&mut reader, idx, at, before);
        let values: Vec<f64> = windows.iter().map(|window| f64::from_bits(window.value)).collect();
        let (positive, negative) = if stale { (&[][..], &[][..]) } else { values[3..].split_at(split) };
        samples.push(FloatHistogram {
            at,
            start,
            count: if stale { 0.0 } else { values[0] },
            zeros: if stale { 0.0 } else { values[1] },
            sum: values[2],
            positive: positive.to_vec(),
            negative: negative.to_vec(),
        });
    }
    Samples::FloatHistograms { shape, samples, reset, starts: with_starts }
}

/// What a sound chunk holds.
pub(crate) fn decode(encoding: u8, data: &[u8]) -> Samples {
    match encoding {
        1 => Samples::Xor(xor(data)),
        4 => Samples::Xor2(xor2(data)),
        2 | 5 => histograms(data, encoding == 5),
        3 | 6 => float_histograms(data, encoding == 6),
        _ => panic!("encoding {encoding} is none of 1 to 6"),
    }
}
