//! SHA-256 of a file whose parts come from several threads, in any order.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::super::bytes::len_u64;

/// Whatever has to stay alive for as long as bytes are kept: a permit for the memory that they take.
pub struct Hold(Option<Box<dyn Any + Send>>);

impl Hold {
    /// Keeps `guard` until the bytes are no longer needed.
    pub fn new(guard: impl Any + Send) -> Self {
        Self(Some(Box::new(guard)))
    }

    /// Nothing has to be kept.
    pub const fn none() -> Self {
        Self(None)
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Hold(_)" } else { "Hold(none)" })
    }
}

/// The hash of one file. Whoever brings the part that is next hashes it, and all that wait behind it; the others leave
/// theirs and go on.
#[derive(Debug, Default)]
pub(super) struct Chain(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// `None` while somebody hashes.
    state: Option<Box<State>>,
    started: bool,
    waiting: BTreeMap<u64, (Bytes, Hold)>,
}

#[derive(Debug, Default)]
struct State {
    sha: Sha256,
    next: u64,
}

impl Chain {
    /// Brings the part that begins at `at`.
    pub(super) fn offer(&self, at: u64, bytes: Bytes, hold: Hold) {
        let mut inner = self.lock();
        if !inner.started {
            inner.started = true;
            inner.state = Some(Box::default());
        }
        inner.waiting.insert(at, (bytes, hold));
        let Some(mut state) = inner.state.take() else { return };
        while let Some((bytes, hold)) = inner.waiting.remove(&state.next) {
            drop(inner);
            state.sha.update(&bytes);
            state.next = state.next.saturating_add(len_u64(bytes.len()));
            drop((bytes, hold));
            inner = self.lock();
        }
        inner.state = Some(state);
    }

    /// The hash, if all of `size` bytes were brought.
    pub(super) fn finish(&self, size: u64) -> Option<[u8; 32]> {
        let inner = self.lock();
        let state = inner.state.as_ref().filter(|state| state.next == size)?;
        Some(state.sha.clone().finalize().into())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn parts_in_any_order_give_the_hash_of_the_whole() {
        let whole: Vec<u8> = (0..100_000_u32).flat_map(u32::to_be_bytes).collect();
        let expected: [u8; 32] = Sha256::digest(&whole).into();
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]] {
            let chain = Chain::default();
            for part in order {
                let from = part * 100_000;
                let hold = Hold::none();
                chain.offer(u64::try_from(from).unwrap(), Bytes::copy_from_slice(&whole[from..from + 100_000]), hold);
            }
            assert_eq!(chain.finish(400_000), Some(expected));
            assert_eq!(chain.finish(400_001), None);
        }
    }

    #[test]
    fn memory_is_given_back_once_bytes_are_hashed() {
        let permit = Arc::new(());
        let chain = Chain::default();
        chain.offer(4, Bytes::from_static(b"5678"), Hold::new(Arc::clone(&permit)));
        assert_eq!(Arc::strong_count(&permit), 2, "it waits for what comes before it");
        chain.offer(0, Bytes::from_static(b"1234"), Hold::none());
        assert_eq!(Arc::strong_count(&permit), 1);
        assert_eq!(chain.finish(8), Some(Sha256::digest(b"12345678").into()));
    }
}
