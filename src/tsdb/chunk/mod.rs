//! The chunks of samples that segments hold, decoded to the last bit: Prometheus' encodings 1 to 6 and Thanos' 255.
//!
//! Sources: Prometheus `tsdb/chunkenc` and its `docs/format/chunks.md`, Thanos `pkg/compact/downsample/aggr.go`.

mod aggregates;
mod bits;
mod counts;
mod histogram;
mod layout;
pub mod rules;
#[cfg(test)]
mod tests;
mod walk;
mod xor;
mod xor2;

use histogram::Form;
use walk::{Ascending, Notes, Sample, Stop, Visitor};

use crate::tsdb::Rule;

pub use rules::RULES;

/// How far a chunk is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The number of samples and the first time.
    Head,
    /// Every bit.
    Samples,
}

/// What a chunk holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Floats.
    Float,
    /// Histograms, of integers or of floats.
    Histogram,
    /// Aggregates that Thanos has made of either.
    Aggregates,
}

/// What a chunk says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkFacts {
    /// What it holds.
    pub kind: Kind,
    /// Samples that it claims; of the count, for aggregates.
    pub samples: u32,
    /// Time of the first sample in ms; of the count, for aggregates.
    pub first_ms: i64,
    /// Time of the last sample in ms; `None` at [`Depth::Head`], and where the chunk cannot be decoded to the end.
    pub last_ms: Option<i64>,
}

/// The times of a chunk's samples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Of each sample, in ms.
    pub at_ms: Vec<i64>,
    /// When what each sample counts began, in ms; 0 where that is not known.
    pub start_ms: Vec<i64>,
}

/// How a chunk is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Xor,
    Xor2,
    Histogram(Form),
    Aggregates,
}

impl Encoding {
    const fn new(encoding: u8) -> Option<Self> {
        Some(match encoding {
            1 => Self::Xor,
            2 => Self::Histogram(Form { floats: false, starts: false }),
            3 => Self::Histogram(Form { floats: true, starts: false }),
            4 => Self::Xor2,
            5 => Self::Histogram(Form { floats: false, starts: true }),
            6 => Self::Histogram(Form { floats: true, starts: true }),
            255 => Self::Aggregates,
            _ => return None,
        })
    }

    const fn kind(self) -> Kind {
        match self {
            Self::Xor | Self::Xor2 => Kind::Float,
            Self::Histogram(_) => Kind::Histogram,
            Self::Aggregates => Kind::Aggregates,
        }
    }
}

/// Whether chunks of this encoding can be read.
pub const fn is_known(encoding: u8) -> bool {
    Encoding::new(encoding).is_some()
}

/// The name of an encoding, as Prometheus and Thanos call it.
pub const fn encoding_name(encoding: u8) -> &'static str {
    match encoding {
        0 => "none",
        1 => "XOR",
        2 => "histogram",
        3 => "floathistogram",
        4 => "XOR2",
        5 => "histogramST",
        6 => "floathistogramST",
        255 => "aggregates",
        _ => "unknown",
    }
}

/// Reads a chunk: the `data` of a record, without its length, its encoding and its checksum.
///
/// `note` is told each rule that is broken, once, with the byte in `data`, what is expected and what is there. `None` if
/// not even the number of samples and the first time can be had.
pub fn read_chunk(
    encoding: u8,
    data: &[u8],
    depth: Depth,
    note: &mut dyn FnMut(&'static Rule, usize, String, String),
) -> Option<ChunkFacts> {
    let mut notes = Notes::new(note);
    let Some(known) = Encoding::new(encoding) else {
        notes.note(&rules::ENCODING, 0, "1 to 6, or 255".to_owned(), encoding.to_string());
        return None;
    };
    match (known, depth) {
        (Encoding::Aggregates, _) => aggregates::read(data, depth, &mut notes),
        (_, Depth::Head) => {
            let (samples, first_ms) = head(known, data, &mut notes)?;
            Some(ChunkFacts { kind: known.kind(), samples, first_ms, last_ms: None })
        }
        (_, Depth::Samples) => samples(known, data, &mut notes),
    }
}

/// The times of all samples, of the count for aggregates; `None` if they cannot all be decoded.
pub fn times(encoding: u8, data: &[u8]) -> Option<Times> {
    let ignore = &mut |_: &'static Rule, _, _, _| {};
    let mut notes = Notes::new(ignore);
    let (encoding, data) = match Encoding::new(encoding)? {
        Encoding::Aggregates => aggregates::count(data)?,
        plain @ (Encoding::Xor | Encoding::Xor2 | Encoding::Histogram(_)) => (plain, data),
    };
    let samples = claimed(encoding, data, &mut notes)?;
    let mut times = Times::default();
    walk(encoding, data, samples, true, &mut times, &mut notes).ok()?;
    Some(times)
}

impl Visitor for Times {
    fn sample(&mut self, sample: Sample, _at: usize, _notes: &mut Notes<'_>) {
        self.at_ms.push(sample.t);
        self.start_ms.push(sample.start);
    }
}

/// The number of samples, 1 or more.
fn claimed(encoding: Encoding, data: &[u8], notes: &mut Notes<'_>) -> Option<u32> {
    let form = match encoding {
        Encoding::Histogram(form) => form,
        Encoding::Xor | Encoding::Xor2 | Encoding::Aggregates => Form { floats: true, starts: false },
    };
    match form.samples(data) {
        Some(0) => notes.note(&rules::EMPTY, 0, "1 or more".to_owned(), "0".to_owned()),
        None => notes.note(&rules::SHORT, 0, "two bytes or more".to_owned(), data.len().to_string()),
        samples => return samples,
    }
    None
}

/// The number of samples and the first time.
fn head(encoding: Encoding, data: &[u8], notes: &mut Notes<'_>) -> Option<(u32, i64)> {
    let samples = claimed(encoding, data, notes)?;
    let first = match encoding {
        Encoding::Xor => first(data, xor::HEADER, samples),
        Encoding::Xor2 => first(data, xor2::HEADER, samples),
        Encoding::Histogram(form) => histogram::head(form, data, samples, notes),
        Encoding::Aggregates => return None,
    };
    first.map_err(|stop| notes.stop(stop)).ok().map(|first| (samples, first))
}

/// The first time of a chunk of floats.
fn first(data: &[u8], header: usize, samples: u32) -> Result<i64, Stop> {
    let mut bits = bits::Bits::new(data, header);
    let t = bits.varint().map_err(|reason| bits.stop_too_long(reason))?;
    bits.whole(0, samples)?;
    Ok(t)
}

/// Reads a chunk of floats or histograms to its end.
fn samples(encoding: Encoding, data: &[u8], notes: &mut Notes<'_>) -> Option<ChunkFacts> {
    let samples = claimed(encoding, data, notes)?;
    let kind = encoding.kind();
    let skimmed = match encoding {
        Encoding::Xor => xor::skim(data, samples),
        Encoding::Xor2 => xor2::skim(data, samples),
        Encoding::Histogram(_) | Encoding::Aggregates => None,
    };
    if let Some((first_ms, last_ms)) = skimmed {
        return Some(ChunkFacts { kind, samples, first_ms, last_ms: Some(last_ms) });
    }
    let mut seen = Ascending::STRICTLY;
    let walked = walk(encoding, data, samples, true, &mut seen, notes);
    let whole = walked.is_ok();
    if let Err(stop) = walked {
        notes.stop(stop);
    }
    // the first time stands in front of what may have stopped the walk
    let first_ms = seen.first().or_else(|| head(encoding, data, notes).map(|(_, first)| first))?;
    Some(ChunkFacts { kind, samples, first_ms, last_ms: seen.last().filter(|_| whole) })
}

/// Shows every sample to `visitor`; the counts of histograms are judged as a scrape gives them if `judged`.
fn walk(
    encoding: Encoding,
    data: &[u8],
    samples: u32,
    judged: bool,
    visitor: &mut impl Visitor,
    notes: &mut Notes<'_>,
) -> Result<(), Stop> {
    match encoding {
        Encoding::Xor => xor::walk(data, samples, visitor, notes),
        Encoding::Xor2 => xor2::walk(data, samples, visitor, notes),
        Encoding::Histogram(form) => histogram::walk(form, data, samples, judged, visitor, notes),
        Encoding::Aggregates => {
            let expected = "1 to 6".to_owned();
            Err(Stop::new(&rules::ENCODING, 0, expected, "aggregates within aggregates".to_owned()))
        }
    }
}
