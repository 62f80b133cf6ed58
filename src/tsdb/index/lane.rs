//! Bytes of a lane, which arrive in arbitrary splits, handed on in whole items.

/// What became of the bytes at an item's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Took {
    /// So many were used, at least one.
    Bytes(usize),
    /// Nothing is used before so many are there in all.
    More(usize),
    /// Nothing is used before the other lane has gone on.
    Stall,
}

/// What is kept between two feeds: the beginning of one item, or what came while the other lane had to go on first.
#[derive(Debug, Default)]
pub(super) struct Carry {
    bytes: Vec<u8>,
    /// Bytes of it that were used.
    used: usize,
    /// So many are needed before it makes sense to ask again.
    want: usize,
}

impl Carry {
    /// Bytes that came and were not used.
    pub(super) const fn len(&self) -> usize {
        self.bytes.len().saturating_sub(self.used)
    }

    /// Hands on what is there, as far as `item` takes it. What it answers must depend on no byte behind those that it
    /// takes or asks for: then the splits do not matter. `item` is never given nothing.
    pub(super) fn pump(&mut self, mut input: &[u8], mut item: impl FnMut(&[u8]) -> Took) {
        loop {
            if self.len() == 0 {
                if input.is_empty() {
                    return;
                }
                match item(input) {
                    Took::Bytes(used) => input = input.get(used..).unwrap_or_default(),
                    Took::More(want) => {
                        self.keep(input, want);
                        return;
                    }
                    Took::Stall => {
                        self.keep(input, 1);
                        return;
                    }
                }
                continue;
            }
            let missing = self.want.saturating_sub(self.len());
            let (now, later) = input.split_at_checked(missing).unwrap_or((input, &[]));
            self.bytes.extend_from_slice(now);
            input = later;
            if self.len() < self.want {
                return;
            }
            match item(self.bytes.get(self.used..).unwrap_or_default()) {
                Took::Bytes(used) => {
                    self.used = self.used.saturating_add(used);
                    self.want = 1;
                    if self.len() == 0 {
                        self.bytes.clear();
                        self.used = 0;
                    }
                }
                Took::More(want) => {
                    self.bytes.drain(..self.used);
                    self.used = 0;
                    // more than there is, whatever it says: that it comes to an end does not hang on it
                    self.want = want.max(self.len().saturating_add(1));
                }
                Took::Stall => {
                    self.bytes.drain(..self.used);
                    self.used = 0;
                    self.bytes.extend_from_slice(input);
                    return;
                }
            }
        }
    }

    fn keep(&mut self, bytes: &[u8], want: usize) {
        self.bytes.extend_from_slice(bytes);
        self.want = want.max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items are a length and so many bytes.
    fn items(splits: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut seen = Vec::new();
        let mut carry = Carry::default();
        for split in splits {
            carry.pump(split, |bytes| {
                let len = usize::from(bytes[0]) + 1;
                if bytes.len() < len {
                    return Took::More(len);
                }
                seen.push(bytes[1..len].to_vec());
                Took::Bytes(len)
            });
        }
        seen
    }

    #[test]
    fn splits_do_not_matter() {
        let expected = vec![b"a".to_vec(), b"bcd".to_vec(), vec![], b"ef".to_vec()];
        let whole = b"\x01a\x03bcd\x00\x02ef\x05rest";
        assert_eq!(items(&[whole]), expected);
        for cut in 0..whole.len() {
            assert_eq!(items(&[&whole[..cut], &whole[cut..]]), expected, "{cut}");
        }
        let single: Vec<&[u8]> = whole.chunks(1).collect();
        assert_eq!(items(&single), expected);
    }

    #[test]
    fn nothing_is_lost_while_it_stalls() {
        let mut carry = Carry::default();
        let mut seen = Vec::new();
        let mut open = false;
        for split in [&b"ab"[..], b"cd", b""] {
            carry.pump(split, |bytes| {
                if !open && seen.len() == 1 {
                    return Took::Stall;
                }
                seen.push(bytes[0]);
                Took::Bytes(1)
            });
            open = split == b"cd";
        }
        assert_eq!((seen, carry.len()), (b"abcd".to_vec(), 0));
    }
}
