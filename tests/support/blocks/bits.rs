//! Numbers as the formats write them: bytes, and bits from the most significant on.

/// An unsigned LEB128 number.
pub(crate) fn put_uvarint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// A zig-zag number.
pub(crate) fn put_varint(bytes: &mut Vec<u8>, value: i64) {
    put_uvarint(bytes, (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned());
}

/// A length and that many bytes.
pub(crate) fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put_uvarint(bytes, text.len() as u64);
    bytes.extend_from_slice(text.as_bytes());
}

/// The prefixes `0`, `10`, `110`, …, `11111111` of a `varbit`, and how many bits follow each.
const VARBIT: [u32; 9] = [0, 3, 6, 9, 12, 18, 25, 56, 64];

/// Bits, the first written being the highest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bits {
    bytes: Vec<u8>,
    held: u64,
    holds: u32,
}

impl Bits {
    /// After whole bytes.
    pub(crate) fn after(bytes: Vec<u8>) -> Self {
        Self { bytes, held: 0, holds: 0 }
    }

    /// The lowest `count` bits of `value`.
    #[inline]
    pub(crate) fn put(&mut self, value: u64, count: u32) {
        if count == 0 {
            return;
        }
        let value = value << (64 - count);
        self.held |= value >> self.holds;
        let room = 64 - self.holds;
        if count < room {
            self.holds += count;
        } else {
            self.bytes.extend_from_slice(&self.held.to_be_bytes());
            self.held = if room == 64 { 0 } else { value << room };
            self.holds = count - room;
        }
    }

    pub(crate) fn float(&mut self, value: f64) {
        self.put(value.to_bits(), 64);
    }

    /// An unsigned LEB128 number, at any bit.
    pub(crate) fn uvarint(&mut self, value: u64) {
        let mut bytes = Vec::new();
        put_uvarint(&mut bytes, value);
        self.whole(&bytes);
    }

    /// A zig-zag number, at any bit.
    pub(crate) fn varint(&mut self, value: i64) {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, value);
        self.whole(&bytes);
    }

    fn whole(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.put(u64::from(*byte), 8);
        }
    }

    pub(crate) fn varbit_uint(&mut self, value: u64) {
        let bucket = VARBIT.iter().position(|bits| 64 - value.leading_zeros() <= *bits).unwrap();
        self.varbit(bucket, value);
    }

    pub(crate) fn varbit_int(&mut self, value: i64) {
        let bucket = VARBIT.iter().position(|bits| (value == 0 && *bits == 0) || fits(value, *bits)).unwrap();
        self.varbit(bucket, value.cast_unsigned());
    }

    fn varbit(&mut self, bucket: usize, value: u64) {
        if bucket == 8 {
            self.put(0xff, 8);
        } else {
            let ones = bucket as u32;
            self.put(((1 << ones) - 1) << 1, ones + 1);
        }
        self.put(value, VARBIT[bucket]);
    }

    /// The bytes, and how many bits of the last one are free.
    pub(crate) fn finish(mut self) -> (Vec<u8>, u32) {
        let bytes = self.holds.div_ceil(8);
        self.bytes.extend_from_slice(&self.held.to_be_bytes()[..bytes as usize]);
        (self.bytes, bytes * 8 - self.holds)
    }
}

/// Whether `value` is in the range that Prometheus gives to so many bits: 2^(n-1) fits, and its negative does not.
pub(crate) fn fits(value: i64, bits: u32) -> bool {
    match bits {
        0 => false,
        64 => true,
        _ => (-((1 << (bits - 1)) - 1)..=1 << (bits - 1)).contains(&value),
    }
}

/// The `xor` value field of encodings 1 to 3, 5 and 6, with the window that it keeps.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Window {
    previous: u64,
    window: Option<(u32, u32)>,
}

impl Window {
    /// `value` was written in full.
    pub(crate) fn starting_at(value: f64) -> Self {
        Self { previous: value.to_bits(), window: None }
    }

    /// The next value.
    #[inline]
    pub(crate) fn put(&mut self, bits: &mut Bits, value: f64) {
        let change = self.change_to(value);
        if change == 0 {
            bits.put(0, 1);
        } else {
            bits.put(1, 1);
            self.put_change(bits, change, (1, 1));
        }
    }

    /// The bits in which `value` differs from the value before, from which the next one will differ.
    #[inline]
    pub(crate) fn change_to(&mut self, value: f64) -> u64 {
        std::mem::replace(&mut self.previous, value.to_bits()) ^ self.previous
    }

    /// A change other than 0: `0` and its bits in the window, or `opening` and a new window.
    #[inline]
    pub(crate) fn put_change(&mut self, bits: &mut Bits, change: u64, opening: (u64, u32)) {
        let (leading, trailing) = (change.leading_zeros().min(31), change.trailing_zeros());
        if let Some((left, right)) = self.window
            && leading >= left
            && trailing >= right
        {
            bits.put(0, 1);
            bits.put(change >> right, 64 - left - right);
            return;
        }
        self.window = Some((leading, trailing));
        let width = 64 - leading - trailing;
        bits.put(opening.0, opening.1);
        bits.put(u64::from(leading), 5);
        bits.put(u64::from(width), 6);
        bits.put(change >> trailing, width);
    }
}

#[test]
fn bits_stand_where_they_belong() {
    let mut bits = Bits::after(vec![9]);
    bits.put(0b101, 3);
    bits.put(u64::MAX, 64);
    bits.put(0, 1);
    assert_eq!(bits.finish(), (vec![9, 0b1011_1111, 255, 255, 255, 255, 255, 255, 255, 0b1110_0000], 4));
    for (value, expected) in
        [(0, vec![0]), (4, vec![0b1010_0000]), (-3, vec![0b1010_1000]), (5, vec![0b1100_0010, 0x80])]
    {
        let mut bits = Bits::default();
        bits.varbit_int(value);
        assert_eq!(bits.finish().0, expected, "{value}");
    }
    let mut bits = Bits::default();
    bits.varbit_uint(u64::MAX);
    assert_eq!(bits.finish(), (vec![255; 9], 0));
}
