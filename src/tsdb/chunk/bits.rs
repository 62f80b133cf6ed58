//! A stream of bits, the most significant first.

/// The signalling NaN that marks the end of a series.
pub(super) const STALE: u64 = 0x7FF0_0000_0000_0002;

/// Numbers of variable width whose prefix has fewer than seven ones, by their first seven bits: the bits of the prefix,
/// of the payload, and of both.
const VARBIT: [(u8, u8, u8); 128] = {
    let widths = [0, 3, 6, 9, 12, 18, 25];
    let mut table = [(0, 0, 0); 128];
    let mut ones = 0;
    // those that begin with so many ones and a zero lie side by side
    let mut first: usize = 0;
    while ones < widths.len() {
        let after = 128 - (64 >> ones);
        while first < after {
            #[expect(clippy::indexing_slicing, reason = "both are below the lengths, or this does not compile")]
            {
                table[first] = (PREFIXES[ones], widths[ones], PREFIXES[ones] + widths[ones]);
            }
            first += 1;
        }
        ones += 1;
    }
    table
};
const PREFIXES: [u8; 7] = [1, 2, 3, 4, 5, 6, 7];

/// A number in the stream has more than 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// A place in a stream of bits. Past the end there are zeros; whoever reads them asks [`is_short`](Self::is_short) before
/// the next step of any length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    /// At byte `start` of `data`.
    pub(super) const fn new(data: &'a [u8], start: usize) -> Self {
        Self { data, at: start.wrapping_mul(8) }
    }

    /// Bits from the start of the data, not past its end.
    pub(super) fn at(&self) -> usize {
        self.at.min(self.data.len().wrapping_mul(8))
    }

    /// More was read than there is.
    #[inline]
    pub(super) const fn is_short(&self) -> bool {
        self.at > self.data.len().wrapping_mul(8)
    }

    /// Bits that were not read.
    pub(super) const fn left(&self) -> usize {
        self.data.len().wrapping_mul(8).saturating_sub(self.at)
    }

    /// The next bits at the top of a word: 57 of them or more.
    #[inline]
    pub(super) fn peek(&self) -> u64 {
        let idx = self.at >> 3;
        let word = match self.data.get(idx..).and_then(<[u8]>::first_chunk) {
            Some(bytes) => u64::from_be_bytes(*bytes),
            None => self.peek_tail(idx),
        };
        word << (self.at & 7)
    }

    /// The last bytes, zeros behind them.
    #[cold]
    #[inline(never)]
    fn peek_tail(&self, idx: usize) -> u64 {
        let mut bytes = [0; 8];
        for (to, from) in bytes.iter_mut().zip(self.data.get(idx..).unwrap_or_default()) {
            *to = *from;
        }
        u64::from_be_bytes(bytes)
    }

    /// Goes on.
    #[inline]
    pub(super) const fn skip(&mut self, bits: u32) {
        self.at = self.at.wrapping_add(size(bits));
    }

    /// The next `width` bits, at most 64, as a number.
    #[inline]
    pub(super) fn read(&mut self, width: u32) -> u64 {
        if width <= 57 {
            let value = top(self.peek(), width);
            self.skip(width);
            value
        } else {
            let high = top(self.peek(), width.wrapping_sub(32));
            self.skip(width.wrapping_sub(32));
            let low = top(self.peek(), 32);
            self.skip(32);
            (high << 32) | low
        }
    }

    /// A LEB128 number, its bytes at any bit.
    pub(super) fn uvarint(&mut self) -> Result<u64, TooLong> {
        let mut value = 0;
        for shift in (0..70).step_by(7) {
            let byte = self.read(8);
            if shift == 63 && byte > 1 {
                return Err(TooLong);
            }
            value |= (byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(TooLong)
    }

    /// A zig-zag number.
    pub(super) fn varint(&mut self) -> Result<i64, TooLong> {
        self.uvarint().map(crate::tsdb::bytes::unzigzag)
    }

    /// A number of variable width: its bits, and how many.
    #[inline]
    fn varbit(&mut self) -> (u64, u32) {
        let word = self.peek();
        // no entry is beyond the table: seven bits are left of the word
        let (prefix, width, total) = VARBIT.get(size(low_byte(word >> 57))).copied().unwrap_or_default();
        if total == 0 {
            return self.long_varbit(word);
        }
        self.skip(u32::from(total));
        let width = u32::from(width);
        (top(word << prefix, width), width)
    }

    /// One with seven ones or more in front.
    #[inline(never)]
    fn long_varbit(&mut self, word: u64) -> (u64, u32) {
        self.skip(8);
        let width = if word >> 56 == 0xff { 64 } else { 56 };
        (self.read(width), width)
    }

    /// An unsigned number of variable width.
    #[inline]
    pub(super) fn varbit_uint(&mut self) -> u64 {
        self.varbit().0
    }

    /// A signed number of variable width.
    #[inline]
    pub(super) fn varbit_int(&mut self) -> i64 {
        let (raw, width) = self.varbit();
        signed(raw, width)
    }
}

/// The upper `width` bits of `word`, 0 to 63, as a number.
#[inline]
pub(super) const fn top(word: u64, width: u32) -> u64 {
    // two shifts, since one of 64 bits is none
    (word >> 1) >> (63_u32.wrapping_sub(width) & 63)
}

/// The number that `width` bits stand for: the upper half but its first is negative, so that 2^(width-1) is itself.
#[inline]
pub(super) fn signed(raw: u64, width: u32) -> i64 {
    // without a branch, since widths are hard to foresee: 0 is never above the half, and twice the half of 64 bits is 0
    let half = 1_u64 << (width.wrapping_sub(1) & 63);
    raw.wrapping_sub((half << 1).wrapping_mul(u64::from(raw > half))).cast_signed()
}

/// The number that `width` bits, 1 to 64, stand for in two's complement.
#[inline]
pub(super) const fn twos_complement(raw: u64, width: u32) -> i64 {
    let unused = 64_u32.wrapping_sub(width) & 63;
    (raw << unused).cast_signed() >> unused
}

/// The lowest byte of a packed table.
#[inline]
#[expect(clippy::as_conversions, reason = "the value is below 256")]
pub(super) const fn low_byte(packed: u64) -> u32 {
    (packed & 0xff) as u32
}

/// A count of bits as a size.
#[inline]
#[expect(clippy::as_conversions, reason = "`usize` has at least 32 bits wherever this runs; `From` does not know")]
pub(super) const fn size(bits: u32) -> usize {
    bits as usize
}
