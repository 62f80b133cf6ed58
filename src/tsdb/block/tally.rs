//! What was counted in chunks.

use super::super::chunk::{ChunkFacts, Kind};

/// Sums over chunks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) chunks: u64,
    pub(super) samples: u64,
    pub(super) float_samples: u64,
    pub(super) histogram_samples: u64,
    /// Chunks whose samples could not be counted.
    pub(super) uncounted: u64,
    /// A sum over each chunk's place and times, for comparison as a whole.
    pub(super) fingerprint: u128,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.chunks = self.chunks.saturating_add(other.chunks);
        self.samples = self.samples.saturating_add(other.samples);
        self.float_samples = self.float_samples.saturating_add(other.float_samples);
        self.histogram_samples = self.histogram_samples.saturating_add(other.histogram_samples);
        self.uncounted = self.uncounted.saturating_add(other.uncounted);
        self.fingerprint = self.fingerprint.wrapping_add(other.fingerprint);
    }

    /// One chunk that could be read.
    pub(super) fn count(&mut self, facts: &ChunkFacts) {
        let samples = u64::from(facts.samples);
        self.samples = self.samples.saturating_add(samples);
        match facts.kind {
            Kind::Float => self.float_samples = self.float_samples.saturating_add(samples),
            Kind::Histogram => self.histogram_samples = self.histogram_samples.saturating_add(samples),
            Kind::Aggregates => {}
        }
    }
}

/// A number for a chunk's place and times. Sums of them are equal for equal sets of chunks, and for no others but by a
/// chance of one in 2^64: what brings a sum back to its old value by accident is no damage that happens.
pub(super) fn fingerprint(reference: u64, first_ms: i64, last_ms: Option<i64>) -> u128 {
    let mut state = mix(reference ^ 0x9e37_79b9_7f4a_7c15);
    state = mix(state ^ first_ms.cast_unsigned());
    if let Some(last_ms) = last_ms {
        state = mix(state ^ last_ms.cast_unsigned());
    }
    u128::from(state) | u128::from(mix(state ^ 0xd1b5_4a32_d192_ed03)) << 64
}

/// The finalizer of `MurmurHash3`: each bit of the input changes each bit of the output half of the time.
const fn mix(mut value: u64) -> u64 {
    value ^= value >> 33;
    value = value.wrapping_mul(0xff51_afd7_ed55_8ccd);
    value ^= value >> 33;
    value = value.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    value ^ value >> 33
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_differs_gives_another_fingerprint() {
        let all = [
            fingerprint(8, 1, Some(2)),
            fingerprint(9, 1, Some(2)),
            fingerprint(8, 2, Some(2)),
            fingerprint(8, 1, Some(3)),
            fingerprint(8, 1, None),
            fingerprint(1 << 32 | 8, 1, Some(2)),
        ];
        let distinct: std::collections::BTreeSet<u128> = all.into_iter().collect();
        assert_eq!(distinct.len(), all.len());
        let (a, b) = (fingerprint(8, 1, None), fingerprint(9, 1, None));
        assert_eq!(a.wrapping_add(b), b.wrapping_add(a));
    }
}
