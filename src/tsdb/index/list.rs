//! A list of references of four bytes each, under a checksum, of any length: never held as a whole.

use super::lane::Took;
use super::read::be_u32;
use crate::tsdb::bytes::{len_u64, len_usize};
use crate::tsdb::checksum::{self, Running, crc32c};

/// Bytes of a reference, and what a list is aligned to.
pub(super) const WORD: u64 = 4;

/// One list, behind its head.
#[derive(Debug)]
pub(super) struct List {
    /// Where it begins: its length.
    pub(super) start: u64,
    /// Where its checksum begins.
    refs_end: u64,
    /// Of what has come; `None` before anything has.
    crc: Option<Running>,
    head: [u8; 8],
    head_len: usize,
    /// The last reference; -1 before the first.
    before: i64,
    /// The first reference that is not higher than the one before, and where it is.
    pub(super) disorder: Option<(u64, u32)>,
}

/// How far a list is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    Took(Took),
    /// So many bytes end it; its checksum is what it should be, or these are computed and stored.
    End(usize, Result<(), (u32, u32)>),
}

impl List {
    /// That begins at `start`, whose checksum covers `head` (up to eight bytes behind the length) and the references up to
    /// `refs_end`.
    pub(super) fn new(start: u64, head: &[u8], refs_end: u64) -> Self {
        let mut kept = [0; 8];
        for (to, from) in kept.iter_mut().zip(head) {
            *to = *from;
        }
        Self { start, refs_end, crc: None, head: kept, head_len: head.len(), before: -1, disorder: None }
    }

    /// Reads on at `at`, which lies behind the head; `each` is given the references in order.
    #[inline]
    pub(super) fn item(&mut self, at: u64, bytes: &[u8], each: impl FnMut(u32)) -> Listed {
        let left = len_usize(self.refs_end.saturating_sub(at));
        if left == 0 {
            return self.tail(bytes);
        }
        let part = bytes.get(..left).unwrap_or(bytes);
        let whole = part.len().wrapping_sub(part.len() & 3);
        let Some(part @ [_, ..]) = part.get(..whole) else { return Listed::Took(Took::More(4)) };
        self.refs(at, part, each);
        let head = self.head.get(..self.head_len).unwrap_or_default();
        let crc = self.crc.get_or_insert_with(|| {
            let mut crc = Running::default();
            crc.update(head);
            crc
        });
        crc.update(part);
        Listed::Took(Took::Bytes(whole))
    }

    /// The same for a list that is whole in `bytes`, from its length on; the head has `head_len` bytes.
    #[inline]
    pub(super) fn whole(&mut self, bytes: &[u8], each: impl FnMut(u32)) -> Option<Listed> {
        let refs = usize::try_from(WORD).ok()?.saturating_add(self.head_len);
        let end = len_usize(self.refs_end.checked_sub(self.start)?);
        let all = end.saturating_add(checksum::LEN);
        let stored = be_u32(bytes, end)?;
        let (payload, refs) = (bytes.get(4..end)?, bytes.get(refs..end)?);
        self.refs(self.start.saturating_add(WORD).saturating_add(len_u64(self.head_len)), refs, each);
        let computed = crc32c(payload);
        let crc = if computed == stored { Ok(()) } else { Err((computed, stored)) };
        Some(Listed::End(all, crc))
    }

    #[inline]
    fn refs(&mut self, at: u64, part: &[u8], mut each: impl FnMut(u32)) {
        let (words, _) = part.as_chunks::<4>();
        let mut before = self.before;
        for (idx, word) in words.iter().enumerate() {
            let reference = u32::from_be_bytes(*word);
            if i64::from(reference) <= before && self.disorder.is_none() {
                let place = at.saturating_add(len_u64(idx).saturating_mul(WORD));
                self.disorder = Some((place, reference));
            }
            before = i64::from(reference);
            each(reference);
        }
        self.before = before;
    }

    fn tail(&self, bytes: &[u8]) -> Listed {
        let Some(stored) = be_u32(bytes, 0) else { return Listed::Took(Took::More(checksum::LEN)) };
        let head = self.head.get(..self.head_len).unwrap_or_default();
        let computed = self.crc.as_ref().map_or_else(|| crc32c(head), Running::value);
        Listed::End(checksum::LEN, if computed == stored { Ok(()) } else { Err((computed, stored)) })
    }
}
