//! Numbers out of whole items, as fast as a processor without branches can, with a note of what no writer writes.

use crate::tsdb::bytes::{MAX_UVARINT, unzigzag};

/// Reads on from the start of `rest`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    /// What was not read yet.
    pub(super) rest: &'a [u8],
    /// A number took more bytes than it needs.
    pub(super) loose: bool,
}

/// Why an item cannot be read from its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Short {
    /// It needs so many bytes in all.
    More(usize),
    /// It is no such item.
    Broken,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(rest: &'a [u8]) -> Self {
        Self { rest, loose: false }
    }

    /// An unsigned LEB128 number, if there is one.
    #[inline]
    pub(super) fn uvarint(&mut self) -> Option<u64> {
        let (&first, behind) = self.rest.split_first()?;
        if first < 0x80 {
            self.rest = behind;
            return Some(u64::from(first));
        }
        self.long()
    }

    /// Two bytes and more: up to eight at once.
    #[inline]
    fn long(&mut self) -> Option<u64> {
        if let Some(chunk) = self.rest.first_chunk::<8>() {
            let word = u64::from_le_bytes(*chunk);
            let ends = !word & 0x8080_8080_8080_8080;
            if ends != 0 {
                // the bits up to the first byte without the mark of a next one
                let kept = word & (ends ^ ends.wrapping_sub(1));
                let len = usize::try_from((ends.trailing_zeros() >> 3).wrapping_add(1)).unwrap_or(8);
                self.loose |= kept.leading_zeros() >= 71_u32.wrapping_sub(ends.trailing_zeros());
                self.rest = self.rest.get(len..)?;
                // groups of seven bits, pushed together by halves
                let sevens = kept & 0x7f7f_7f7f_7f7f_7f7f;
                let pairs = (sevens & 0x007f_007f_007f_007f) | ((sevens & 0x7f00_7f00_7f00_7f00) >> 1);
                let fours = (pairs & 0x0000_3fff_0000_3fff) | ((pairs & 0x3fff_0000_3fff_0000) >> 2);
                return Some((fours & 0x0fff_ffff) | ((fours & 0x0fff_ffff_0000_0000) >> 4));
            }
        }
        self.longest()
    }

    /// Nine bytes and more, or near the end.
    #[cold]
    fn longest(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for (idx, &byte) in self.rest.iter().enumerate().take(10) {
            let shift = u32::try_from(idx).ok()?.wrapping_mul(7);
            if shift == 63 && byte > 1 {
                return None;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                self.loose |= byte == 0 && idx > 0;
                self.rest = self.rest.get(idx.saturating_add(1)..)?;
                return Some(value);
            }
        }
        None
    }

    /// A zig-zag number.
    #[inline]
    pub(super) fn varint(&mut self) -> Option<i64> {
        self.uvarint().map(unzigzag)
    }

    /// A number of 32 bits.
    #[inline]
    pub(super) fn uvarint32(&mut self) -> Option<u32> {
        self.uvarint().and_then(|value| u32::try_from(value).ok())
    }

    /// A number at the end of what has come of an item so far.
    #[inline]
    pub(super) fn item_uvarint(&mut self, item: &[u8]) -> Result<u64, Short> {
        match self.uvarint() {
            Some(value) => Ok(value),
            None if self.rest.len() < MAX_UVARINT => Err(Short::More(item.len().saturating_add(1))),
            None => Err(Short::Broken),
        }
    }

    /// So many bytes after their number; more than `most` are refused before they come.
    #[inline]
    pub(super) fn item_text(&mut self, item: &[u8], most: usize) -> Result<&'a [u8], Short> {
        let len = self.item_uvarint(item)?;
        let len = usize::try_from(len).ok().filter(|len| *len <= most).ok_or(Short::Broken)?;
        match self.rest.split_at_checked(len) {
            Some((text, behind)) => {
                self.rest = behind;
                Ok(text)
            }
            None => {
                let missing = len.saturating_sub(self.rest.len());
                Err(Short::More(item.len().saturating_add(missing)))
            }
        }
    }
}

/// Four bytes at `at`, big endian.
#[inline]
pub(super) fn be_u32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_be_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tsdb::bytes::{Cursor, uvarint_len};

    fn written(mut value: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while value >= 0x80 {
            bytes.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
            value >>= 7;
        }
        bytes.push(u8::try_from(value).unwrap());
        bytes
    }

    #[test]
    fn numbers_are_those_of_the_plain_reader() {
        for bits in 0..64 {
            for value in [1_u64 << bits, (1 << bits) - 1, (1 << bits) | 1, u64::MAX >> bits] {
                for tail in [0, 1, 9] {
                    let mut bytes = written(value);
                    bytes.extend(vec![0xff; tail]);
                    let mut reader = Reader::new(&bytes);
                    assert_eq!(reader.uvarint(), Some(value), "{bytes:?}");
                    assert_eq!((reader.rest.len(), reader.loose), (tail, false), "{bytes:?}");
                }
            }
        }
    }

    #[test]
    fn numbers_that_no_writer_writes_are_noted_and_broken_ones_refused() {
        for value in [0, 1, 127, 128, 1 << 20, 1 << 48, 1 << 55] {
            for extra in 1..4 {
                let mut bytes = written(value);
                *bytes.last_mut().unwrap() |= 0x80;
                bytes.extend(vec![0x80; extra - 1]);
                bytes.push(0);
                if bytes.len() > 10 {
                    continue;
                }
                for tail in [0, 8] {
                    let mut long = bytes.clone();
                    long.extend(vec![1; tail]);
                    let mut reader = Reader::new(&long);
                    assert_eq!(reader.uvarint(), Some(value), "{long:?}");
                    assert!(reader.loose && reader.rest.len() == tail, "{long:?}");
                    assert!(long.len() - tail > uvarint_len(value));
                }
            }
        }
        for bytes in
            [&[][..], &[0x80], &[0xff; 9], &[0xff; 11], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]]
        {
            assert_eq!(Reader::new(bytes).uvarint(), None, "{bytes:?}");
            assert!(Cursor::new(bytes).uvarint().is_err());
        }
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x1f]).uvarint32(), None);
    }

    #[test]
    fn items_say_what_they_lack() {
        for (item, expected) in [
            (&[3, b'a', b'b', b'c', 9][..], Ok(&b"abc"[..])),
            (&[3, b'a'], Err(Short::More(4))),
            (&[0x80], Err(Short::More(2))),
            (&[], Err(Short::More(1))),
            (&[0xff; 10], Err(Short::Broken)),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], Err(Short::Broken)),
            (&[101], Err(Short::Broken)),
        ] {
            assert_eq!(Reader::new(item).item_text(item, 100), expected, "{item:?}");
        }
    }
}
