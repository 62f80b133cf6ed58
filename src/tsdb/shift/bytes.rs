//! Reading and replacing in a buffer, every access checked.

use super::super::checksum::crc32c;
use super::ShiftError;

/// Bytes of a CRC32C.
pub(super) const CRC: usize = 4;

/// A file that is changed in place.
pub(super) struct File<'a> {
    name: &'static str,
    bytes: &'a mut [u8],
}

impl<'a> File<'a> {
    pub(super) const fn new(name: &'static str, bytes: &'a mut [u8]) -> Self {
        Self { name, bytes }
    }

    pub(super) const fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) const fn malformed(&self, at: usize, what: &'static str) -> ShiftError {
        ShiftError::Malformed { file: self.name, at, what }
    }

    pub(super) const fn unsupported(&self, at: usize, what: &'static str) -> ShiftError {
        ShiftError::Unsupported { file: self.name, at, what }
    }

    /// `len` bytes at `at`.
    pub(super) fn slice(&self, at: usize, len: usize) -> Result<&[u8], ShiftError> {
        let end = at.checked_add(len);
        end.and_then(|end| self.bytes.get(at..end)).ok_or(self.malformed(at, "the file ends early"))
    }

    pub(super) fn byte(&self, at: usize) -> Result<u8, ShiftError> {
        self.slice(at, 1)?.first().copied().ok_or(self.malformed(at, "the file ends early"))
    }

    /// `len` bytes, big endian.
    pub(super) fn big_endian(&self, at: usize, len: usize) -> Result<u64, ShiftError> {
        Ok(self.slice(at, len)?.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)))
    }

    /// An unsigned LEB128 number and where it ends.
    pub(super) fn uvarint(&self, at: usize) -> Result<(u64, usize), ShiftError> {
        let mut value: u64 = 0;
        for (idx, shift) in (0..64).step_by(7).enumerate() {
            let next = at.saturating_add(idx);
            let byte = self.byte(next)?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok((value, next.saturating_add(1)));
            }
        }
        Err(self.malformed(at, "a number is too long"))
    }

    /// A length and where it ends.
    pub(super) fn length(&self, at: usize) -> Result<(usize, usize), ShiftError> {
        let (value, end) = self.uvarint(at)?;
        let value = usize::try_from(value).map_err(|_too_large| self.malformed(at, "a length is too large"))?;
        Ok((value, end))
    }

    /// The zig-zag number at `at`, as a time in ms, becomes `shift_ms` later. Gives it as it is then, and where it ends.
    pub(super) fn shift_varint(&mut self, at: usize, shift_ms: i64) -> Result<(i64, usize), ShiftError> {
        let (raw, end) = self.uvarint(at)?;
        let from = unzigzag(raw);
        let to = from.checked_add(shift_ms).ok_or(self.malformed(at, "a timestamp is out of range"))?;
        let written = uvarint(zigzag(to));
        let name = self.name;
        let place = self.bytes.get_mut(at..end).filter(|place| place.len() == written.len());
        place.ok_or(ShiftError::Width { file: name, at, from, to })?.copy_from_slice(&written);
        Ok((to, end))
    }

    /// Whether the checksum after `at..end` holds.
    pub(super) fn check_crc(&self, at: usize, end: usize) -> Result<(), ShiftError> {
        let covered = self.slice(at, end.saturating_sub(at))?;
        let written = self.big_endian(end, CRC)?;
        if u64::from(crc32c(covered)) == written {
            Ok(())
        } else {
            Err(self.malformed(end, "the checksum does not match"))
        }
    }

    /// Writes the checksum of `at..end` after it.
    pub(super) fn write_crc(&mut self, at: usize, end: usize) -> Result<(), ShiftError> {
        let crc = crc32c(self.slice(at, end.saturating_sub(at))?).to_be_bytes();
        let early = self.malformed(end, "the file ends early");
        let place = self.bytes.get_mut(end..end.saturating_add(CRC)).ok_or(early)?;
        place.copy_from_slice(&crc);
        Ok(())
    }
}

const fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

const fn unzigzag(raw: u64) -> i64 {
    (raw >> 1).cast_signed() ^ (raw & 1).cast_signed().wrapping_neg()
}

fn uvarint(mut value: u64) -> Vec<u8> {
    let mut written = Vec::with_capacity(10);
    loop {
        let bits = u8::try_from(value & 0x7f).unwrap_or_default();
        value >>= 7;
        if value == 0 {
            written.push(bits);
            return written;
        }
        written.push(bits | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_are_written() {
        for value in [0, 1, -1, 63, -64, 64, 1_767_225_600_000, i64::MAX, i64::MIN] {
            let mut written = uvarint(zigzag(value));
            let len = written.len();
            let mut file = File::new("f", &mut written);
            assert_eq!(file.shift_varint(0, 0), Ok((value, len)));
        }
        // from an index that Prometheus wrote
        assert_eq!(uvarint(zigzag(1_772_784_000_000)), [0x80, 0xf0, 0xc8, 0xa2, 0x98, 0x67]);
    }

    #[test]
    fn numbers_that_are_cut_or_too_long_are_refused() {
        for bytes in
            [&[][..], &[0x80], &[0xff; 9], &[0xff; 10], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]]
        {
            assert!(File::new("f", &mut bytes.to_vec()).uvarint(0).is_err(), "{bytes:?}");
        }
        let most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert_eq!(File::new("f", &mut most.to_vec()).uvarint(0), Ok((u64::MAX, 10)));
    }

    #[test]
    fn another_width_and_an_overflow_are_refused() {
        let mut bytes = uvarint(zigzag(63));
        let refused = File::new("f", &mut bytes).shift_varint(0, 1);
        assert_eq!(refused, Err(ShiftError::Width { file: "f", at: 0, from: 63, to: 64 }));
        assert_eq!(bytes, uvarint(zigzag(63)), "nothing is written then");
        assert!(File::new("f", &mut uvarint(zigzag(i64::MAX))).shift_varint(0, 1).is_err());
    }
}
