//! Whether bytes are a whole block of snappy, without unpacking them
//! (<https://github.com/google/snappy/blob/main/format_description.txt>).

/// A walk over a block that comes in parts. It takes no memory, whatever length the block claims.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    state: State,
    /// Unpacked bytes that the block claims.
    claimed: u64,
    /// Unpacked bytes so far.
    unpacked: u64,
    first: Option<u8>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// The claimed length, of which so many bits were read.
    Claim { bits: u32 },
    /// Before an element.
    Element,
    /// The length of a literal, in so many bytes more.
    LiteralLen { left: u32, read: u32, value: u64 },
    /// A literal.
    Literal { left: u64 },
    /// The offset of a copy of `len` bytes, in so many bytes more.
    Offset { len: u64, left: u32, bits: u32, value: u64 },
    /// This is no block of snappy.
    Broken,
}

impl Default for Walk {
    fn default() -> Self {
        Self { state: State::Claim { bits: 0 }, claimed: 0, unpacked: 0, first: None }
    }
}

impl Walk {
    /// The next bytes.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, after)) = bytes.split_first() {
            if let State::Literal { left } = self.state {
                self.first = self.first.or(Some(byte));
                let taken = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                let left = left - super::len_u64(taken);
                self.state = if left == 0 { State::Element } else { State::Literal { left } };
                bytes = bytes.get(taken..).unwrap_or_default();
            } else {
                self.state = self.step(byte);
                bytes = after;
            }
        }
    }

    /// It is whole, if nothing follows.
    pub(super) const fn is_whole(&self) -> bool {
        matches!(self.state, State::Element) && self.unpacked == self.claimed
    }

    /// The first unpacked byte. Copies have nothing to copy before it, so it stands in the block as it is.
    pub(super) const fn first(&self) -> Option<u8> {
        self.first
    }

    fn step(&mut self, byte: u8) -> State {
        let more = u64::from(byte);
        match self.state {
            State::Claim { bits } => {
                self.claimed |= (more & 0x7f) << bits;
                if self.claimed > u64::from(u32::MAX) || bits > 28 {
                    State::Broken
                } else if byte < 0x80 {
                    State::Element
                } else {
                    State::Claim { bits: bits + 7 }
                }
            }
            State::Element => {
                let upper = more >> 2;
                match byte & 3 {
                    0 if upper < 60 => self.literal(upper + 1),
                    0 => State::LiteralLen { left: u32::from(byte >> 2) - 59, read: 0, value: 0 },
                    1 => State::Offset { len: 4 + (upper & 7), left: 1, bits: 0, value: (more >> 5) << 8 },
                    2 => State::Offset { len: 1 + upper, left: 2, bits: 0, value: 0 },
                    _ => State::Offset { len: 1 + upper, left: 4, bits: 0, value: 0 },
                }
            }
            State::LiteralLen { left, read, value } => {
                let value = value | more << read;
                match left {
                    1 => self.literal(value + 1),
                    _ => State::LiteralLen { left: left - 1, read: read + 8, value },
                }
            }
            State::Offset { len, left, bits, value } => {
                let value = value | more << bits;
                match left {
                    1 if value == 0 || value > self.unpacked => State::Broken,
                    1 => self.unpack(len, State::Element),
                    _ => State::Offset { len, left: left - 1, bits: bits + 8, value },
                }
            }
            State::Literal { .. } | State::Broken => State::Broken,
        }
    }

    fn literal(&mut self, len: u64) -> State {
        self.unpack(len, State::Literal { left: len })
    }

    fn unpack(&mut self, len: u64, then: State) -> State {
        self.unpacked += len;
        if self.unpacked > self.claimed { State::Broken } else { then }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_told_from_other_bytes() {
        let long = [&[0xac, 2, 61 << 2, 0x2b, 1][..], &[9; 300]].concat();
        for (block, expected) in [
            (&[0][..], Some(None)),
            (&[3, 2 << 2, 7, 8, 9], Some(Some(7))),
            (&[8, 0, 7, 0b0000_1001, 1, 0, 7], Some(Some(7))),
            (&[8, 0, 7, 0b1_1010, 1, 0], Some(Some(7))),
            (&[8, 0, 7, 0b1_1011, 1, 0, 0, 0], Some(Some(7))),
            (&long, Some(Some(9))),
            (&[], None),
            (&[0x80], None),
            (&[0xff, 0xff, 0xff, 0xff, 0x7f, 0, 1], None),
            (&[3, 2 << 2, 7, 8], None),
            (&[4, 2 << 2, 7, 8, 9], None),
            (&[2, 2 << 2, 7, 8, 9], None),
            (&[8, 0, 7, 0b1_1010, 2, 0], None),
            (&[8, 0, 7, 0b1_1010, 0, 0], None),
            (&[8, 0, 7, 0b1_1010, 1], None),
        ] {
            for part in [1, 2, 1000] {
                let mut walk = Walk::default();
                for part in block.chunks(part) {
                    walk.feed(part);
                }
                assert_eq!(walk.is_whole().then_some(walk.first()), expected, "{block:?} in parts of {part}");
            }
        }
    }
}
