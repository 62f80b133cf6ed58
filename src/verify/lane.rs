//! One place at which a block is read, from front to back: pieces are asked for ahead and come in order.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use tokio_util::task::AbortOnDropHandle;

use super::memory::{Extra, Share};
use super::openers::Openers;
use super::source::{Failure, Pace, Source};

/// So many bytes are handed out at once. What an index says of chunks takes more memory than the index itself, and it is
/// to become work before there is much of it.
const MOST_BYTES: u64 = 256 << 10;

/// A piece that was asked for.
#[derive(Debug)]
struct Asked {
    reading: AbortOnDropHandle<Result<Bytes, Failure>>,
    /// Beyond the share of the block; the piece that is needed now lives off the share.
    extra: Option<Extra>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Lane {
    object: Arc<str>,
    /// Where the next piece that is asked for begins.
    asked_to: u64,
    /// Where the next byte that is handed out stands.
    at: u64,
    asked: VecDeque<Asked>,
    /// What came and was not handed out yet.
    rest: Bytes,
    /// Memory of `rest`.
    held: Option<Extra>,
}

impl Lane {
    pub(super) fn new(object: Arc<str>, at: u64) -> Self {
        Self { object, asked_to: at, at, asked: VecDeque::new(), rest: Bytes::new(), held: None }
    }

    /// It goes on there where it is.
    pub(super) fn is_at(&self, object: &str, at: u64) -> bool {
        *self.object == *object && self.at == at
    }

    /// Asks for what comes up to `end`, as far ahead as there is memory.
    pub(super) fn ask(&mut self, end: u64, source: &Arc<Source>, pace: Pace, share: &Share, openers: &mut Openers) {
        if self.asked.is_empty()
            && self.rest.is_empty()
            && self.asked_to < end
            && let Some((to, coming)) = openers.begin(&self.object, &(self.asked_to..end))
        {
            self.asked_to = to;
            let reading = AbortOnDropHandle::new(tokio::spawn(coming));
            self.asked.push_back(Asked { reading, extra: None });
        }
        while self.asked_to < end && self.asked.len() < pace.ahead {
            let range = self.asked_to..end.min(self.asked_to.saturating_add(pace.piece));
            let bytes = range.end.saturating_sub(range.start);
            let is_first = self.asked.is_empty() && self.rest.is_empty();
            let extra = if is_first { None } else { share.try_more(bytes) };
            if !is_first && extra.is_none() {
                return;
            }
            self.asked_to = range.end;
            let (source, object) = (Arc::clone(source), Arc::clone(&self.object));
            let reading = AbortOnDropHandle::new(tokio::spawn(async move { source.read(&object, range).await }));
            self.asked.push_back(Asked { reading, extra });
        }
    }

    /// The next bytes, at least one and none beyond `range`, and the memory that they take beyond the share. Can be
    /// given up and asked again.
    pub(super) async fn next(&mut self, range: &Range<u64>) -> Result<Piece, Failure> {
        if self.rest.is_empty() {
            let Some(first) = self.asked.front_mut() else {
                return Err(Failure::Unreachable("nothing was asked for: this is a defect".to_owned()));
            };
            let read = (&mut first.reading).await;
            let asked = self.asked.pop_front();
            self.rest = read.map_err(|error| Failure::Unreachable(format!("a reading broke off: {error}")))??;
            self.held = asked.and_then(|asked| asked.extra);
        }
        let wanted = range.end.saturating_sub(range.start).min(MOST_BYTES);
        let count = usize::try_from(wanted).unwrap_or(usize::MAX).min(self.rest.len());
        let bytes = self.rest.split_to(count);
        self.at = self.at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        let extra = if self.rest.is_empty() { self.held.take() } else { None };
        Ok(Piece { bytes, _extra: extra })
    }
}

/// Bytes, with the memory that they take.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) bytes: Bytes,
    pub(super) _extra: Option<Extra>,
}
