//! 64-bit hashes that stand for texts, for pairs of them and for references. They are equal wherever this program runs,
//! but not meant against somebody who makes collisions: who can write an index can write any index.

const KEYS: [u64; 4] = [0x2d35_8dcc_aa6c_78a5, 0x8bb8_4b93_962e_acc9, 0x4b33_a62e_d433_d4a3, 0x4d5a_2da5_1de1_aa47];

/// Both halves of a product, folded.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a).wrapping_mul(u128::from(b));
    low(product) ^ low(product >> 64)
}

#[inline]
#[expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "the low half is what is meant")]
const fn low(value: u128) -> u64 {
    value as u64
}

/// Of a name or value.
#[inline]
pub(super) fn text(bytes: &[u8]) -> u64 {
    let [first, second, third, fourth] = KEYS;
    let (words, tail) = bytes.as_chunks::<8>();
    let mut state = first;
    for word in words {
        state = fold(state ^ u64::from_le_bytes(*word), second).wrapping_add(first);
    }
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(tail) {
        *to = *from;
    }
    state = fold(state ^ u64::from_le_bytes(last), third).wrapping_add(second);
    fold(state ^ u64::try_from(bytes.len()).unwrap_or(u64::MAX), fourth)
}

/// Of a number: every bit of it changes every bit with even chance (the finalizer of `splitmix64`).
#[inline]
pub(super) const fn number(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Of a label, from the hashes of its name and value.
#[inline]
pub(super) const fn pair(name: u64, value: u64) -> u64 {
    // turned, so that it is another label with name and value exchanged
    name.rotate_left(32).wrapping_add(value) | 1
}

/// For tables whose keys are hashes or small numbers already.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Plain(u64);

impl std::hash::Hasher for Plain {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = text(bytes);
    }

    fn write_u32(&mut self, value: u32) {
        self.0 = number(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = number(value);
    }
}

/// A table with [`Plain`] keys.
pub(super) type Map<K, V> = std::collections::HashMap<K, V, std::hash::BuildHasherDefault<Plain>>;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn texts_that_differ_have_hashes_that_differ() {
        let mut seen = HashSet::new();
        for len in 0..40 {
            assert!(seen.insert(text(&vec![0; len])), "{len} zeros");
            for byte in 0..len {
                for bit in 0..8 {
                    let mut bytes = vec![0; len];
                    bytes[byte] = 1 << bit;
                    assert!(seen.insert(text(&bytes)), "{len} {byte} {bit}");
                }
            }
        }
    }

    #[test]
    fn a_label_is_not_its_halves_exchanged() {
        let (name, value) = (text(b"job"), text(b"up"));
        assert_ne!(pair(name, value), pair(value, name));
        assert_eq!(pair(name, value) & 1, 1);
    }
}
