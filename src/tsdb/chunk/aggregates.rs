//! Encoding 255, Thanos' aggregates of what was downsampled: five chunks in one.

use super::rules;
use super::walk::{Ascending, Notes, Sample, Visitor};
use super::{ChunkFacts, Depth, Encoding, Kind, claimed, head, walk};
use crate::tsdb::bytes::{Cursor, len_usize};

/// In the order in which they are written.
const NAMES: [&str; 5] = ["count", "sum", "minimum", "maximum", "counter"];

/// One aggregate.
#[derive(Clone, Copy, Debug)]
struct Part<'a> {
    encoding: u8,
    data: &'a [u8],
    /// Where its data begins, in bytes.
    at: usize,
}

/// All of them, as far as they are there.
type Parts<'a> = [Option<Part<'a>>; 5];

/// The count.
pub(super) fn count(data: &[u8]) -> Option<(Encoding, &[u8])> {
    let ignore = &mut |_: &'static crate::tsdb::Rule, _, _, _| {};
    let [count, ..] = split(data, &mut Notes::new(ignore));
    count.and_then(|part| Some((plain(part.encoding)?, part.data)))
}

/// An encoding that an aggregate may have.
fn plain(encoding: u8) -> Option<Encoding> {
    Encoding::new(encoding).filter(|known| *known != Encoding::Aggregates)
}

/// Reads a chunk of aggregates.
pub(super) fn read(data: &[u8], depth: Depth, notes: &mut Notes<'_>) -> Option<ChunkFacts> {
    let parts = split(data, notes);
    let [count, sum, ..] = parts;
    complete(&parts, data.len(), notes);
    let part = count?;
    let encoding = decodable(part, 0, notes)?;
    notes.set_base(part.at);
    let (samples, first_ms) = head(encoding, part.data, notes)?;
    let mut facts = ChunkFacts { kind: Kind::Aggregates, samples, first_ms, last_ms: None };
    if depth == Depth::Head {
        notes.set_base(0);
        return Some(facts);
    }
    let decoded: Vec<Option<Decoded>> =
        parts.iter().enumerate().map(|(idx, part)| part.and_then(|part| decode(part, idx, notes))).collect();
    notes.set_base(0);
    let [Some(counts), others @ ..] = decoded.as_slice() else { return Some(facts) };
    facts.last_ms = counts.order.last();
    // the counter has a sample more at either end
    let aligned = others.iter().zip(parts.iter().skip(1)).zip(NAMES.iter().skip(1)).take(3);
    let mut same = true;
    for ((other, part), name) in aligned {
        if let (Some(other), Some(part)) = (other, part)
            && other.times != counts.times
        {
            same = false;
            let found = format!("{} other times of the {name}", other.times.len());
            notes.note(&rules::MISALIGNED, part.at, format!("the {} times of the count", counts.times.len()), found);
        }
    }
    if let [Some(sums), Some(least), Some(most), ..] = others
        && same
        && sum.is_some_and(|part| matches!(plain(part.encoding), Some(Encoding::Xor | Encoding::Xor2)))
    {
        agree([counts, sums, least, most], part.at, notes);
    }
    Some(facts)
}

/// Where the aggregates lie.
fn split<'a>(data: &'a [u8], notes: &mut Notes<'_>) -> Parts<'a> {
    let mut parts = [None; 5];
    let mut cursor = Cursor::new(data);
    for (part, name) in parts.iter_mut().zip(NAMES) {
        let at = cursor.at();
        let Ok(length) = cursor.uvarint() else {
            notes.note(&rules::FRAMING, at, format!("the length of the {name}"), "the end, or no number".to_owned());
            return parts;
        };
        if length == 0 {
            continue;
        }
        let encoding = cursor.byte();
        let start = cursor.at();
        let (Ok(encoding), Ok(data)) = (encoding, cursor.take(len_usize(length))) else {
            let found = format!("{} of the {length} bytes of the {name}", cursor.rest().len());
            notes.note(&rules::FRAMING, at, format!("{length} bytes"), found);
            return parts;
        };
        *part = Some(Part { encoding, data, at: start });
    }
    if !cursor.is_empty() {
        let found = format!("{} bytes more", cursor.rest().len());
        notes.note(&rules::FRAMING, cursor.at(), "the end after the counter".to_owned(), found);
    }
    parts
}

/// Notes which aggregates are absent that should be there. Histograms have no minimum and no maximum.
fn complete(parts: &Parts<'_>, len: usize, notes: &mut Notes<'_>) {
    let [_, sum, .., counter] = parts;
    let of_histograms =
        sum.or(*counter).is_some_and(|part| matches!(plain(part.encoding), Some(Encoding::Histogram(_))));
    for (idx, (part, name)) in parts.iter().zip(NAMES).enumerate() {
        if part.is_some() || (of_histograms && (idx == 2 || idx == 3)) {
            continue;
        }
        if idx == 4 {
            let at = len.saturating_sub(1);
            notes.note(&rules::NO_COUNTER, at, "a counter".to_owned(), "none".to_owned());
        } else {
            notes.note(&rules::MISSING, 0, format!("a {name}"), "none".to_owned());
        }
    }
}

/// The encoding of an aggregate that can be decoded.
fn decodable(part: Part<'_>, idx: usize, notes: &mut Notes<'_>) -> Option<Encoding> {
    let at = part.at.saturating_sub(1);
    let Some(encoding) = plain(part.encoding) else {
        notes.set_base(0);
        notes.note(&rules::ENCODING, at, "1 or 3".to_owned(), part.encoding.to_string());
        return None;
    };
    if part.encoding != 1 && !(part.encoding == 3 && (idx == 1 || idx == 4)) {
        notes.set_base(0);
        let expected = if idx == 1 || idx == 4 { "1 or 3" } else { "1" };
        notes.note(&rules::PART_ENCODING, at, expected.to_owned(), part.encoding.to_string());
    }
    Some(encoding)
}

/// The samples of an aggregate.
#[derive(Debug)]
struct Decoded {
    order: Ascending,
    times: Vec<i64>,
    values: Vec<f64>,
}

impl Visitor for Decoded {
    fn sample(&mut self, sample: Sample, at: usize, notes: &mut Notes<'_>) {
        self.order.sample(sample, at, notes);
        self.times.push(sample.t);
        self.values.push(f64::from_bits(sample.value));
    }
}

/// Decodes one; `None` if that is not possible to the end.
fn decode(part: Part<'_>, idx: usize, notes: &mut Notes<'_>) -> Option<Decoded> {
    let encoding = decodable(part, idx, notes)?;
    notes.set_base(part.at);
    if part.data.first_chunk() == Some(&[0, 0]) {
        notes.note(&rules::PART_EMPTY, 0, "1 sample or more".to_owned(), "none".to_owned());
        return None;
    }
    let samples = claimed(encoding, part.data, notes)?;
    // the counter gives the true last value once more, at the same time
    let order = if idx == 4 { Ascending::OR_EQUAL } else { Ascending::STRICTLY };
    let mut decoded = Decoded { order, times: Vec::new(), values: Vec::new() };
    match walk(encoding, part.data, samples, false, &mut decoded, notes) {
        Ok(()) => Some(decoded),
        Err(stop) => {
            notes.stop(stop);
            None
        }
    }
}

/// Notes a window whose count, sum, minimum and maximum cannot be of the same samples. A sum that is not finite says
/// nothing: of numbers that are none, Thanos keeps neither minimum nor maximum.
fn agree([counts, sums, least, most]: [&Decoded; 4], at: usize, notes: &mut Notes<'_>) {
    let ends = least.values.iter().zip(&most.values);
    for ((count, sum), (min, max)) in counts.values.iter().zip(&sums.values).zip(ends) {
        if !sum.is_finite() {
            continue;
        }
        let slack = 1e-6 * count * min.abs().max(max.abs());
        let fits = *count >= 1.0 && min <= max && count * min <= sum + slack && sum - slack <= count * max;
        if !fits {
            let found = format!("count {count}, sum {sum}, minimum {min}, maximum {max}");
            notes.note(&rules::VALUES, at, "a count of 1 or more, a mean between the ends".to_owned(), found);
            return;
        }
    }
}
