//! The chunks of a series entry: in order, inside of the block, and at places where chunks can be.

use super::ChunkMeta;
use super::read::Reader;
use super::rules;
use crate::model::Interval;
use crate::tsdb::{ChunkPlace, Faults, Rule};

/// Bytes of a segment's header, which no chunk lies in.
const SEGMENT_HEADER: u64 = 8;

/// All chunks so far.
#[derive(Debug)]
pub(super) struct Chunks {
    /// The block's time, if that is known.
    time: Option<Interval>,
    /// Those of the series that was read last.
    pub(super) of_series: Vec<ChunkMeta>,
    pub(super) count: u64,
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
    /// Each reference so far was higher than the one before.
    pub(super) ascend: bool,
    last_reference: Option<u64>,
}

impl Chunks {
    pub(super) const fn new(time: Option<Interval>) -> Self {
        Self {
            time,
            of_series: Vec::new(),
            count: 0,
            first_ms: i64::MAX,
            last_ms: i64::MIN,
            ascend: true,
            last_reference: None,
        }
    }

    /// Reads the chunks of the series at `series`. `None` where they cannot be read; then none counts.
    #[inline]
    pub(super) fn read(&mut self, series: u64, reader: &mut Reader<'_>, faults: &mut Faults) -> Option<()> {
        let count = reader.uvarint()?;
        self.of_series.clear();
        let (mut end, mut reference) = (0_i64, 0_u64);
        for idx in 0..count {
            let (first_ms, len) = match idx {
                0 => (reader.varint()?, reader.uvarint()?),
                _ => (end.wrapping_add_unsigned(reader.uvarint()?), reader.uvarint()?),
            };
            reference = match idx {
                0 => reader.uvarint()?,
                _ => reference.wrapping_add_signed(reader.varint()?),
            };
            end = first_ms.wrapping_add_unsigned(len);
            self.of_series.push(ChunkMeta { first_ms, last_ms: end, reference });
        }
        if !reader.rest.is_empty() {
            return None;
        }
        self.judge(series, faults);
        Some(())
    }

    #[inline]
    fn judge(&mut self, series: u64, faults: &mut Faults) {
        self.count = self.count.saturating_add(u64::try_from(self.of_series.len()).unwrap_or(u64::MAX));
        if self.of_series.is_empty() {
            faults.note(&rules::NO_CHUNKS, "series", series, || ("one chunk at least".to_owned(), "none".to_owned()));
        }
        let mut before: Option<&ChunkMeta> = None;
        for chunk in &self.of_series {
            self.first_ms = self.first_ms.min(chunk.first_ms);
            self.last_ms = self.last_ms.max(chunk.last_ms);
            if chunk.last_ms < chunk.first_ms {
                note(faults, &rules::CHUNK_REVERSED, series, chunk, || {
                    (format!("an end at {} or later", chunk.first_ms), format!("an end at {}", chunk.last_ms))
                });
            }
            if let Some(before) = before
                && chunk.first_ms <= before.last_ms
            {
                overlap(faults, series, before, chunk);
            }
            if let Some(time) = self.time
                && (chunk.first_ms < time.start.0 || chunk.last_ms >= time.end.0)
            {
                outside(faults, series, time, chunk);
            }
            if chunk.reference & u64::from(u32::MAX) < SEGMENT_HEADER {
                note(faults, &rules::CHUNK_REFERENCE, series, chunk, || {
                    (format!("an offset from {SEGMENT_HEADER} on"), place(chunk.reference))
                });
            }
            if let Some(last) = self.last_reference
                && chunk.reference <= last
            {
                let rule =
                    if chunk.reference == last { &rules::CHUNK_REFERENCE_TWICE } else { &rules::CHUNK_REFERENCES_FALL };
                self.ascend = false;
                note(faults, rule, series, chunk, || {
                    (format!("a chunk behind {}", place(last)), place(chunk.reference))
                });
            }
            self.last_reference = Some(chunk.reference);
            before = Some(chunk);
        }
    }
}

#[cold]
fn overlap(faults: &mut Faults, series: u64, before: &ChunkMeta, chunk: &ChunkMeta) {
    let rule = match () {
        () if (chunk.first_ms, chunk.last_ms) == (before.first_ms, before.last_ms) => &rules::CHUNK_DUPLICATE,
        () if chunk.first_ms == before.last_ms => &rules::SHARED_SAMPLE,
        () => &rules::CHUNK_OVERLAP,
    };
    note(faults, rule, series, chunk, || {
        (format!("a beginning after {}", before.last_ms), format!("{} to {}", chunk.first_ms, chunk.last_ms))
    });
}

#[cold]
fn outside(faults: &mut Faults, series: u64, time: Interval, chunk: &ChunkMeta) {
    let (start, end) = (time.start.0, time.end.0);
    let rule = match () {
        () if chunk.first_ms == end => &rules::CHUNK_ISSUE_347,
        () if chunk.first_ms > end || chunk.last_ms < start => &rules::CHUNK_OUTSIDE,
        () if chunk.first_ms >= start && chunk.last_ms == end => &rules::CHUNK_AT_MAX_TIME,
        () => &rules::CHUNK_REACHES_OUT,
    };
    note(faults, rule, series, chunk, || {
        (format!("from {start} on and before {end}"), format!("{} to {}", chunk.first_ms, chunk.last_ms))
    });
}

fn note(
    faults: &mut Faults,
    rule: &'static Rule,
    series: u64,
    chunk: &ChunkMeta,
    words: impl FnOnce() -> (String, String),
) {
    let place = ChunkPlace { series, first_ms: chunk.first_ms, last_ms: chunk.last_ms };
    faults.note_in(rule, "series", series, Some(place), words);
}

fn place(reference: u64) -> String {
    let (segment, offset) = (reference >> 32, reference & u64::from(u32::MAX));
    format!("segment {:06}, offset {offset}", segment.saturating_add(1))
}
