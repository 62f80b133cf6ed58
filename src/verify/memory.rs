//! How many bytes of objects are in memory at once, over all blocks and buckets.
//!
//! A block that begins takes what it cannot do without: one piece for each place at which it reads, and one unit of
//! chunk work. Everything beyond that is taken only while there is some. So whatever is waited for is held by work that
//! ends by itself, and no two blocks can wait for each other.
//!
//! A unit of chunk work that is longer than a unit should be, because one chunk is, or because lengths are damaged, is
//! beyond all this: there is one such unit at a time, and `tsdb` bounds its length.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Memory is counted in units of so many bytes.
const UNIT: u64 = 1 << 10;

/// All memory for bytes of objects.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    units: Arc<Semaphore>,
    total: u32,
    /// For a unit of work that is too long.
    long: Arc<Semaphore>,
}

/// What a block cannot do without, for as long as it is read.
#[derive(Debug)]
pub(super) struct Share {
    memory: Memory,
    /// One unit of chunk work at a time lives off the share itself.
    own: Arc<Semaphore>,
    work: u32,
    _taken: OwnedSemaphorePermit,
}

/// Memory for some bytes, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Extra {
    _own: Option<OwnedSemaphorePermit>,
    _more: Option<OwnedSemaphorePermit>,
}

impl Memory {
    /// So many bytes.
    pub(super) fn new(bytes: u64) -> Self {
        let total = units(bytes);
        let units = Arc::new(Semaphore::new(usize::try_from(total).unwrap_or(usize::MAX)));
        Self { units, total, long: Arc::new(Semaphore::new(1)) }
    }

    /// Waits for what a block needs at least: `reading` bytes for its places, `work` bytes for one unit of chunk work.
    pub(super) async fn share(&self, reading: u64, work: u64) -> Option<Share> {
        let work = units(work).min(self.total);
        let taken = self.take(units(reading).saturating_add(work)).await?;
        Some(Share { memory: self.clone(), own: Arc::new(Semaphore::new(1)), work, _taken: taken })
    }

    /// Memory beyond the share of a block, if there is some now.
    pub(super) fn try_more(&self, bytes: u64) -> Option<Extra> {
        let more = Arc::clone(&self.units).try_acquire_many_owned(units(bytes)).ok()?;
        Some(Extra { _own: None, _more: Some(more) })
    }

    /// A number that is beyond everything is as good as everything.
    async fn take(&self, units: u32) -> Option<OwnedSemaphorePermit> {
        // the semaphore is never closed
        Arc::clone(&self.units).acquire_many_owned(units.min(self.total)).await.ok()
    }
}

impl Share {
    /// Memory beyond this share, if there is some now.
    pub(super) fn try_more(&self, bytes: u64) -> Option<Extra> {
        self.memory.try_more(bytes)
    }

    /// Waits for memory for a unit of chunk work.
    pub(super) async fn for_work(&self, bytes: u64) -> Option<Extra> {
        let units = units(bytes);
        if units > self.work {
            let long = Arc::clone(&self.memory.long).acquire_owned().await.ok()?;
            return Some(Extra { _own: Some(long), _more: None });
        }
        let own = Arc::clone(&self.own).acquire_owned();
        tokio::select! {
            biased;
            own = own => Some(Extra { _own: Some(own.ok()?), _more: None }),
            more = self.memory.take(units) => Some(Extra { _own: None, _more: Some(more?) }),
        }
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(u32::MAX >> 4)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    const K: u64 = 1 << 10;

    #[tokio::test]
    async fn a_block_always_has_memory_for_one_unit_of_work() {
        let memory = Memory::new(10 * K);
        let share = memory.share(4 * K, 2 * K).await.unwrap();
        let extra = share.try_more(4 * K).unwrap();
        assert!(share.try_more(1).is_none());
        let first = share.for_work(2 * K).now_or_never().flatten().unwrap();
        assert!(share.for_work(2 * K).now_or_never().is_none(), "neither of its own nor any beyond");
        drop(first);
        let second = share.for_work(2 * K).now_or_never().flatten().unwrap();
        let long = share.for_work(9 * K).now_or_never().flatten().unwrap();
        assert!(share.for_work(3 * K).now_or_never().is_none(), "one that is too long at a time");
        drop(long);
        assert!(share.for_work(K).now_or_never().is_none());
        drop(extra);
        let third = share.for_work(K).now_or_never().flatten().unwrap();
        assert!(memory.share(4 * K, 0).now_or_never().is_none());
        drop((second, third, share));
        assert!(memory.share(u64::MAX, u64::MAX).now_or_never().flatten().is_some(), "what is too much is all");
    }
}
