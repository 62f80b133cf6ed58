//! What all walks through a chunk share: who sees the samples, why a walk stops, where start times stand.

use super::bits::{Bits, TooLong};
use super::rules;
use crate::tsdb::Rule;

/// One sample, as far as its encoding gives it as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    /// Its time in ms.
    pub(super) t: i64,
    /// When what it counts began, in ms; 0 where that is not known.
    pub(super) start: i64,
    /// The bits of its value; of the sum, for a histogram.
    pub(super) value: u64,
}

/// Who is shown each sample, and the bit at which it ends.
pub(super) trait Visitor {
    /// The next one.
    fn sample(&mut self, sample: Sample, at: usize, note: &mut Notes<'_>);
}

/// Where broken rules are noted, each once for a chunk.
pub(super) struct Notes<'n> {
    note: &'n mut dyn FnMut(&'static Rule, usize, String, String),
    base: usize,
    seen: Vec<&'static str>,
}

impl<'n> Notes<'n> {
    pub(super) const fn new(note: &'n mut dyn FnMut(&'static Rule, usize, String, String)) -> Self {
        Self { note, base: 0, seen: Vec::new() }
    }

    /// What is noted from now on lies `base` bytes into the chunk.
    pub(super) const fn set_base(&mut self, base: usize) {
        self.base = base;
    }

    /// Notes that `rule` is broken at byte `at`.
    #[cold]
    pub(super) fn note(&mut self, rule: &'static Rule, at: usize, expected: String, found: String) {
        if !self.seen.contains(&rule.id) {
            self.seen.push(rule.id);
            (self.note)(rule, self.base.saturating_add(at), expected, found);
        }
    }

    /// Notes why a walk stopped.
    pub(super) fn stop(&mut self, stop: Stop) {
        self.note(stop.rule, stop.at >> 3, stop.expected, stop.found);
    }
}

/// Why a walk cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stop {
    pub(super) rule: &'static Rule,
    /// The bit.
    pub(super) at: usize,
    pub(super) expected: String,
    pub(super) found: String,
}

impl Stop {
    #[cold]
    pub(super) fn new(rule: &'static Rule, at: usize, expected: String, found: String) -> Self {
        Self { rule, at, expected, found }
    }
}

impl Bits<'_> {
    /// A number that is too long is a reason to stop.
    pub(super) fn stop_too_long(&self, _reason: TooLong) -> Stop {
        let expected = "at most 64 bits".to_owned();
        Stop::new(&rules::NUMBER, self.at(), expected, "more, or the end of the data".to_owned())
    }

    /// Nothing was read that is not there; `idx` is the sample.
    #[inline]
    pub(super) fn whole(&self, idx: u32, samples: u32) -> Result<(), Stop> {
        if self.is_short() {
            let found = format!("the end within sample {} of {samples}", idx.saturating_add(1));
            return Err(Stop::new(&rules::SHORT, self.at(), "a sample".to_owned(), found));
        }
        Ok(())
    }
}

/// The rest after the last sample is at most eight bits, all zero: writers before Prometheus 3.0 leave a whole byte.
pub(super) fn rest(mut bits: Bits<'_>) -> Result<(), Stop> {
    let left = bits.left();
    let at = bits.at();
    let value = bits.read(8);
    if left > 8 || value != 0 {
        let found = if left > 8 { format!("{left} bits") } else { format!("bits that are {value:#x}") };
        return Err(Stop::new(&rules::REST, at, "at most 8 bits, all zero".to_owned(), found));
    }
    Ok(())
}

/// The start times of a chunk that has a header for them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Starts {
    known: bool,
    /// The first sample whose start is written as a difference; 0 for none.
    from: u32,
    difference: i64,
    start: i64,
}

impl Starts {
    /// A chunk without start times.
    pub(super) const NONE: Self = Self { known: false, from: 0, difference: 0, start: 0 };

    /// From the header.
    pub(super) fn new(header: u8) -> Self {
        Self { known: header & 0x80 != 0, from: u32::from(header & 0x7f), ..Self::NONE }
    }

    /// The first sample whose start is written as a difference; 0 for none.
    pub(super) const fn from(&self) -> u32 {
        self.from
    }

    /// Whether the header fits a chunk of so many samples.
    pub(super) fn check(&self, at: usize, samples: u32, notes: &mut Notes<'_>) {
        if self.from >= samples && self.from > 0 {
            notes.note(&rules::STARTS, at, format!("a sample below {samples}"), self.from.to_string());
        }
    }

    /// Reads the start of sample 0.
    pub(super) fn first(&mut self, bits: &mut Bits<'_>, t: i64) -> Result<(), Stop> {
        if self.known {
            let age = bits.varint().map_err(|reason| bits.stop_too_long(reason))?;
            self.start = t.wrapping_sub(age);
        }
        Ok(())
    }

    /// Reads the start of sample `idx`, 1 or more; `before` is the time of the one before.
    #[inline]
    pub(super) fn next(&mut self, bits: &mut Bits<'_>, idx: u32, before: i64) {
        if self.from > 0 && idx >= self.from {
            let read = bits.varbit_int();
            self.difference = if idx == self.from { read } else { self.difference.wrapping_add(read) };
            self.start = before.wrapping_sub(self.difference);
        }
    }

    /// In ms; 0 where it is not known.
    pub(super) const fn start(&self) -> i64 {
        self.start
    }
}

/// Sees that times ascend, and keeps the first and the last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ascending {
    /// Equal times are no fault.
    equal: bool,
    first: Option<i64>,
    last: Option<i64>,
}

impl Ascending {
    pub(super) const STRICTLY: Self = Self { equal: false, first: None, last: None };
    pub(super) const OR_EQUAL: Self = Self { equal: true, first: None, last: None };

    pub(super) const fn first(&self) -> Option<i64> {
        self.first
    }

    pub(super) const fn last(&self) -> Option<i64> {
        self.last
    }
}

impl Visitor for Ascending {
    #[inline]
    fn sample(&mut self, sample: Sample, at: usize, notes: &mut Notes<'_>) {
        if let Some(last) = self.last
            && (sample.t < last || (sample.t == last && !self.equal))
        {
            let least = if self.equal { "at least" } else { "more than" };
            notes.note(&rules::ORDER, at >> 3, format!("{least} {last}"), sample.t.to_string());
        }
        if sample.start > sample.t && sample.start != 0 {
            notes.note(&rules::START_LATER, at >> 3, format!("at most {}", sample.t), sample.start.to_string());
        }
        self.first = self.first.or(Some(sample.t));
        self.last = Some(sample.t);
    }
}
