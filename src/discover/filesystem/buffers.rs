//! Memory that files are read into, used again and again. What is fresh from the system costs more than the reading: it
//! is mapped and cleared page by page.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Shorter buffers are not worth it, and longer ones too dear to keep.
const KEPT_BYTES: std::ops::RangeInclusive<usize> = (64 << 10)..=(4 << 20);
/// So many are kept.
const KEPT: usize = 32;

/// Buffers that nobody uses.
#[derive(Debug, Default)]
pub(super) struct Buffers(Mutex<Vec<Vec<u8>>>);

/// A buffer that goes back where it came from.
#[derive(Debug)]
pub(super) struct Lent {
    bytes: Vec<u8>,
    home: Arc<Buffers>,
}

impl Buffers {
    /// A buffer of exactly so many bytes, whatever they are.
    pub(super) fn lend(self: &Arc<Self>, length: usize) -> Lent {
        let kept = if KEPT_BYTES.contains(&length) { self.kept().pop() } else { None };
        let mut bytes = kept.unwrap_or_default();
        bytes.resize(length, 0);
        Lent { bytes, home: Arc::clone(self) }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lent {
    /// As bytes that can be shared.
    pub(super) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AsMut<[u8]> for Lent {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let mut kept = self.home.kept();
        if KEPT_BYTES.contains(&bytes.capacity()) && kept.len() < KEPT {
            kept.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_used_again_and_are_as_long_as_asked_for() {
        let buffers = Arc::new(Buffers::default());
        let mut first = buffers.lend(100_000);
        first.as_mut().fill(7);
        let place = first.as_ref().as_ptr();
        let bytes = first.into_bytes();
        let half = bytes.slice(..50_000);
        drop(bytes);
        assert_eq!(buffers.kept().len(), 0, "it is still used");
        drop(half);
        assert_eq!(buffers.kept().len(), 1);
        let again = buffers.lend(70_000);
        assert_eq!((again.as_ref().as_ptr(), again.as_ref().len()), (place, 70_000));
        for length in [0, 1, 10 << 20] {
            assert_eq!(buffers.lend(length).as_ref().len(), length);
        }
        assert_eq!(buffers.kept().len(), 0, "neither what is short nor what is long is kept");
        let many: Vec<Lent> = (0..KEPT + 5).map(|_| buffers.lend(100_000)).collect();
        drop((many, again));
        assert_eq!(buffers.kept().len(), KEPT);
    }
}
