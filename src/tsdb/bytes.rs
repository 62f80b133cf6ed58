//! Numbers as the formats write them, out of bytes that may be anything.

/// The longest unsigned LEB128 number of 64 bits, in bytes.
pub const MAX_UVARINT: usize = 10;

/// Why a number cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// The bytes end within it.
    Short,
    /// It has more than 64 bits.
    TooLong,
}

/// A place in bytes from which numbers are read one after the other. Copies are cheap, so what fails can be read again.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// At the start of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes that were read.
    pub const fn at(&self) -> usize {
        self.at
    }

    /// What was not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Nothing is left.
    pub const fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The next `len` bytes.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Unreadable> {
        let end = self.at.checked_add(len).ok_or(Unreadable::Short)?;
        let taken = self.bytes.get(self.at..end).ok_or(Unreadable::Short)?;
        self.at = end;
        Ok(taken)
    }

    /// One byte.
    #[inline]
    pub fn byte(&mut self) -> Result<u8, Unreadable> {
        let byte = *self.bytes.get(self.at).ok_or(Unreadable::Short)?;
        self.at = self.at.wrapping_add(1);
        Ok(byte)
    }

    /// Four bytes, big endian.
    pub fn be_u32(&mut self) -> Result<u32, Unreadable> {
        let bytes = self.take(4)?;
        bytes.try_into().map(u32::from_be_bytes).map_err(|_never| Unreadable::Short)
    }

    /// Eight bytes, big endian.
    pub fn be_u64(&mut self) -> Result<u64, Unreadable> {
        let bytes = self.take(8)?;
        bytes.try_into().map(u64::from_be_bytes).map_err(|_never| Unreadable::Short)
    }

    /// An unsigned LEB128 number.
    #[inline]
    pub fn uvarint(&mut self) -> Result<u64, Unreadable> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        let mut value = u64::from(first & 0x7f);
        for shift in (7..70).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && byte > 1 {
                return Err(Unreadable::TooLong);
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Unreadable::TooLong)
    }

    /// A zig-zag number.
    #[inline]
    pub fn varint(&mut self) -> Result<i64, Unreadable> {
        self.uvarint().map(unzigzag)
    }
}

/// The signed number that `raw` stands for.
#[inline]
pub const fn unzigzag(raw: u64) -> i64 {
    (raw >> 1).cast_signed() ^ (raw & 1).cast_signed().wrapping_neg()
}

/// How many bytes a writer takes for `value`: one that takes more was not written by any writer.
pub const fn uvarint_len(value: u64) -> usize {
    match value {
        0 => 1,
        _ => {
            let bits = 64 - value.leading_zeros();
            #[expect(clippy::as_conversions, reason = "it is 1 to 10")]
            let len = bits.div_ceil(7) as usize;
            len
        }
    }
}

/// The bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(u32::from(digit), 16));
        }
    }
    text
}

/// A length as a `u64`.
pub fn len_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// A length as a `usize`; what does not fit is longer than anything.
pub fn len_usize(len: u64) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_or_refused() {
        for (bytes, expected) in [
            (&[0][..], Ok((0, 1))),
            (&[0x7f, 1], Ok((127, 1))),
            (&[0x80, 1], Ok((128, 2))),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], Ok((u64::MAX, 10))),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], Err(Unreadable::TooLong)),
            (&[0xff; 11], Err(Unreadable::TooLong)),
            (&[0x80], Err(Unreadable::Short)),
            (&[], Err(Unreadable::Short)),
        ] {
            let mut cursor = Cursor::new(bytes);
            assert_eq!(cursor.uvarint().map(|value| (value, cursor.at())), expected, "{bytes:?}");
        }
        assert_eq!([0, 1, 2, u64::MAX].map(unzigzag), [0, -1, 1, i64::MIN]);
        assert_eq!(hex(&[0, 0x1f, 0xe0]), "001fe0");
        assert_eq!([0, 127, 128, 16_383, 16_384, u64::MAX].map(uvarint_len), [1, 1, 2, 2, 3, 10]);
        let mut cursor = Cursor::new(&[0, 0, 1, 0, 9]);
        assert_eq!((cursor.be_u32(), cursor.be_u32()), (Ok(256), Err(Unreadable::Short)));
        assert_eq!(cursor.rest(), [9]);
    }
}
