//! What every reading of a block begins with, asked for at once. Otherwise `meta.json`, the end of the index, its
//! beginning and the first chunks are asked for one after another, and a storage that is far away is waited for each
//! time before any of the work is done.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use tokio_util::task::AbortOnDropHandle;

use super::memory::{Extra, Share};
use super::source::{Failure, Pace, Source};
use crate::model::Level;
use crate::tsdb::block::BlockPlan;

/// The end of an index: its table of contents, and before that the table of the postings' offsets, of which this is
/// all in most blocks.
const TAIL: u64 = 1 << 20;

/// Bytes that were asked for, for whoever needs them.
pub(super) type Coming = Shared<BoxFuture<'static, Result<Bytes, Failure>>>;

#[derive(Debug)]
struct Opener {
    object: Arc<str>,
    range: Range<u64>,
    bytes: Coming,
    /// Two places read it, so it stays.
    stays: bool,
    _extra: Option<Extra>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Openers(Vec<Opener>);

impl Openers {
    /// Bytes beyond those that each place at which a block is read has anyway.
    pub(super) fn beyond_share(pace: Pace) -> u64 {
        if pace.opens { tail(pace) } else { 0 }
    }

    /// Asks for what `plan` begins with. The memory of the first chunks is taken if there is some now.
    pub(super) fn ask(plan: &BlockPlan, source: &Arc<Source>, pace: Pace, share: &Share) -> Self {
        let mut openers = Self::default();
        if !pace.opens {
            return openers;
        }
        let mut ask = |object: &Arc<str>, range: Range<u64>, stays: bool, extra: Option<Extra>| {
            let (source, key, part) = (Arc::clone(source), Arc::clone(object), range.clone());
            let reading = AbortOnDropHandle::new(tokio::spawn(async move { source.read(&key, part).await }));
            let bytes = async move {
                reading.await.map_err(|error| Failure::Unreachable(format!("a reading broke off: {error}")))?
            };
            openers.0.push(Opener {
                object: Arc::clone(object),
                range,
                bytes: bytes.boxed().shared(),
                stays,
                _extra: extra,
            });
        };
        let first_segment =
            plan.objects.iter().filter(|(name, _)| name.starts_with("chunks/")).map(|(name, _)| name).min();
        for (name, size) in plan.objects.iter().filter(|(_, size)| *size > 0) {
            match &**name {
                "meta.json" if plan.meta.is_some() && *size <= tail(pace) => ask(name, 0..*size, false, None),
                "tombstones" if *size <= tail(pace) => ask(name, 0..*size, false, None),
                "index" if *size <= pace.piece => ask(name, 0..*size, true, None),
                "index" => {
                    ask(name, 0..pace.piece, false, None);
                    ask(name, size.saturating_sub(tail(pace))..*size, true, None);
                }
                _ if Some(name) == first_segment && plan.level > Level::Index => {
                    let range = 0..pace.unit().min(*size);
                    if let Some(extra) = share.try_more(range.end) {
                        ask(name, range, false, Some(extra));
                    }
                }
                _ => {}
            }
        }
        openers
    }

    /// The bytes from `range.start` on, as far as they were asked for, and where they end; none where nobody asked.
    pub(super) fn begin(&mut self, object: &str, range: &Range<u64>) -> Option<(u64, Coming)> {
        let is_in = |opener: &Opener| *opener.object == *object && opener.range.contains(&range.start);
        let idx = self.0.iter().position(is_in)?;
        let opener = self.0.get(idx)?;
        let end = opener.range.end.min(range.end);
        let part = part_of(opener, range.start..end);
        if !opener.stays {
            self.0.swap_remove(idx);
        }
        Some((end, part))
    }

    /// All of the bytes of a range, where they were asked for.
    pub(super) fn whole(&mut self, object: &str, range: &Range<u64>) -> Option<Coming> {
        let holds = |opener: &Opener| {
            *opener.object == *object && opener.range.start <= range.start && range.end <= opener.range.end
        };
        let idx = self.0.iter().position(holds)?;
        // the memory is that of the work from here on
        let opener = self.0.swap_remove(idx);
        Some(part_of(&opener, range.clone()))
    }
}

/// See [`TAIL`]; never more than is read at once.
const fn tail(pace: Pace) -> u64 {
    if pace.piece < TAIL { pace.piece } else { TAIL }
}

fn part_of(opener: &Opener, range: Range<u64>) -> Coming {
    let offset = |at: u64| usize::try_from(at.saturating_sub(opener.range.start)).unwrap_or(usize::MAX);
    let (from, to) = (offset(range.start), offset(range.end));
    let bytes = opener.bytes.clone();
    let part = async move {
        let bytes = bytes.await?;
        // what was read has the length that was asked for
        Ok(bytes.slice(from.min(bytes.len())..to.min(bytes.len())))
    };
    part.boxed().shared()
}
