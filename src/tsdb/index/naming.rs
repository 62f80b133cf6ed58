//! Labels of a few series, as Prometheus prints them, out of small parts of the index that are read once more.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::read::Reader;
use super::symbols::FIRST;
use crate::tsdb::bytes::{len_u64, len_usize};

/// The place of each such symbol is kept.
pub(super) const MARK_EVERY: u64 = 256;
/// So much of a series entry is read, in bytes: its labels, with the chunks that follow them.
const ENTRY: u64 = 4 << 10;
/// So much of the symbol table is read at once, in bytes.
const STRETCH: u64 = 64 << 10;
/// A longer text is cut, in bytes.
const MAX_PRINTED: usize = 1 << 10;
/// So many labels of a series are looked up.
const MAX_LABELS: u64 = 64;

/// Where symbols are, of an index that was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    pub(super) version: u8,
    /// Of each 256th symbol, less [`FIRST`].
    pub(super) places: Vec<u32>,
    pub(super) symbols: u64,
    /// Where the last one ends.
    pub(super) end: u64,
}

/// What is needed to turn places of series into their labels: about a byte for each sixty symbols.
#[derive(Clone, Debug, Default)]
pub struct Naming {
    pub(super) marks: Marks,
    /// Where the series are.
    pub(super) series: Range<u64>,
}

impl Naming {
    /// Of the series entries at these offsets. Each costs a few small reads.
    pub fn begin(self, entries: &[u64]) -> NamingRun {
        let wanted: BTreeSet<u64> = entries.iter().copied().collect();
        let mut run = NamingRun {
            naming: self,
            entries: wanted.iter().map(|at| (*at, None)).collect(),
            texts: BTreeMap::new(),
            need: None,
            task: Task::Done,
            bytes: Vec::new(),
        };
        run.advance();
        run
    }
}

/// The labels of one series, as symbols, and whether there are more.
#[derive(Clone, Debug)]
struct Labels {
    symbols: Vec<(u32, u32)>,
    cut: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Entry { at: u64 },
    Symbol { wanted: u32, ordinal: u64 },
    Done,
}

/// Turns places into labels: [`step`](Self::step) says which bytes it needs, [`feed`](Self::feed) takes them.
#[derive(Debug)]
pub struct NamingRun {
    naming: Naming,
    entries: BTreeMap<u64, Option<Labels>>,
    /// Symbols that are wanted, with their texts and whether these are cut.
    texts: BTreeMap<u32, Option<(String, bool)>>,
    need: Option<Range<u64>>,
    task: Task,
    bytes: Vec<u8>,
}

/// What a [`NamingRun`] wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamingStep {
    /// The index's bytes in this range: at most 64 KiB.
    Need(Range<u64>),
    /// Nothing: it can be finished.
    Done,
}

impl NamingRun {
    /// What it wants next.
    pub fn step(&self) -> NamingStep {
        match &self.need {
            Some(range) => NamingStep::Need(range.start.saturating_add(len_u64(self.bytes.len()))..range.end),
            None => NamingStep::Done,
        }
    }

    /// The first of the bytes that it wants, or all.
    pub fn feed(&mut self, bytes: &[u8]) {
        let Some(range) = self.need.clone() else { return };
        self.bytes.extend_from_slice(bytes);
        if len_u64(self.bytes.len()) < range.end.saturating_sub(range.start) {
            return;
        }
        self.need = None;
        let bytes = std::mem::take(&mut self.bytes);
        match self.task {
            Task::Entry { at } => {
                let labels = labels(&bytes);
                for (name, value) in labels.iter().flat_map(|labels| &labels.symbols) {
                    self.texts.insert(*name, None);
                    self.texts.insert(*value, None);
                }
                self.entries.insert(at, Some(labels.unwrap_or(Labels { symbols: Vec::new(), cut: true })));
            }
            Task::Symbol { wanted, ordinal } => self.symbols(wanted, ordinal, range, &bytes),
            Task::Done => {}
        }
        if self.need.is_none() {
            self.advance();
        }
    }

    /// The labels by the place of their series. What could not be read says so.
    pub fn finish(self) -> BTreeMap<u64, String> {
        let print = |labels: Option<&Labels>| self.print(labels);
        self.entries.iter().map(|(at, labels)| (*at, print(labels.as_ref()))).collect()
    }

    /// Chooses what to read next: the entries first, then the symbols that they need.
    fn advance(&mut self) {
        let (series, marks) = (&self.naming.series, &self.naming.marks);
        for (at, labels) in self.entries.iter_mut().filter(|(_, labels)| labels.is_none()) {
            if series.contains(at) {
                self.task = Task::Entry { at: *at };
                self.need = Some(*at..at.saturating_add(ENTRY).min(series.end));
                return;
            }
            *labels = Some(Labels { symbols: Vec::new(), cut: true });
        }
        self.task = Task::Done;
        while let Some(wanted) = self.texts.iter().find(|(_, text)| text.is_none()).map(|(symbol, _)| *symbol) {
            let (from, ordinal) = match marks.version {
                1 => (Some(u64::from(wanted)).filter(|at| *at >= FIRST), u64::from(wanted)),
                _ => {
                    let mark = u64::from(wanted).checked_div(MARK_EVERY).unwrap_or_default();
                    let known = u64::from(wanted) < marks.symbols;
                    let place = marks.places.get(len_usize(mark)).filter(|_| known);
                    (place.map(|place| u64::from(*place).saturating_add(FIRST)), mark.saturating_mul(MARK_EVERY))
                }
            };
            match from.filter(|from| *from < marks.end) {
                Some(from) => {
                    self.read_symbols(wanted, ordinal, from);
                    return;
                }
                None => {
                    self.texts.insert(wanted, Some((format!("symbol {wanted}?"), false)));
                }
            }
        }
    }

    /// Wants the stretch from `from` on, where the symbol with this ordinal begins.
    fn read_symbols(&mut self, wanted: u32, ordinal: u64, from: u64) {
        let marks = &self.naming.marks;
        let next = ordinal.checked_div(MARK_EVERY).and_then(|mark| usize::try_from(mark).ok()?.checked_add(1));
        let next = next.filter(|_| marks.version != 1).and_then(|mark| marks.places.get(mark));
        let end = next.map_or(marks.end, |place| u64::from(*place).saturating_add(FIRST));
        let most = if marks.version == 1 { STRETCH >> 5 } else { STRETCH };
        self.task = Task::Symbol { wanted, ordinal };
        self.need = Some(from..from.saturating_add(most).min(end.max(from.saturating_add(1))));
    }

    /// Takes the wanted symbols out of a stretch.
    fn symbols(&mut self, wanted: u32, mut ordinal: u64, range: Range<u64>, bytes: &[u8]) {
        let mut reader = Reader::new(bytes);
        loop {
            let used = len_u64(bytes.len().saturating_sub(reader.rest.len()));
            let at = range.start.saturating_add(used);
            if used > 0 && (reader.rest.is_empty() || ordinal > u64::from(wanted)) {
                break;
            }
            let Some(len) = reader.uvarint() else {
                // not even the length is here: it is read with what follows it, if that was not done already
                if used > 0 && at < self.naming.marks.end {
                    self.read_symbols(wanted, ordinal, at);
                    return;
                }
                break;
            };
            let known = reader.rest.get(..len_usize(len));
            let symbol = u32::try_from(ordinal).unwrap_or(u32::MAX);
            if self.texts.get(&symbol).is_some_and(Option::is_none) {
                let start = reader.rest.get(..len_usize(len).min(MAX_PRINTED)).unwrap_or_default();
                if known.is_none() && len_u64(start.len()) < len && start.len() < MAX_PRINTED && used > 0 {
                    self.read_symbols(wanted, ordinal, at);
                    return;
                }
                let text = String::from_utf8_lossy(start).into_owned();
                self.texts.insert(symbol, Some((text, len_u64(start.len()) < len)));
            }
            ordinal = ordinal.saturating_add(1);
            match known {
                Some(known) => reader.rest = reader.rest.get(known.len()..).unwrap_or_default(),
                None => {
                    let head = len_u64(bytes.len().saturating_sub(reader.rest.len()));
                    let behind = range.start.saturating_add(head).saturating_add(len);
                    if ordinal <= u64::from(wanted) && behind < self.naming.marks.end {
                        self.read_symbols(wanted, ordinal, behind);
                        return;
                    }
                    break;
                }
            }
            if self.naming.marks.version == 1 {
                break;
            }
        }
        let text = self.texts.entry(wanted).or_default();
        text.get_or_insert_with(|| (format!("symbol {wanted}?"), false));
    }

    fn print(&self, labels: Option<&Labels>) -> String {
        let Some(labels) = labels.filter(|labels| !(labels.symbols.is_empty() && labels.cut)) else {
            return "{unreadable}".to_owned();
        };
        let mut printed = String::from("{");
        for (idx, (name, value)) in labels.symbols.iter().enumerate() {
            let text = |symbol| match self.texts.get(symbol).and_then(Option::as_ref) {
                Some((text, cut)) => (text.as_str(), if *cut { "…" } else { "" }),
                None => ("?", ""),
            };
            let ((name, name_cut), (value, value_cut)) = (text(name), text(value));
            let before = printed.len();
            if idx > 0 {
                printed.push_str(", ");
            }
            let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if plain {
                printed.extend([name, name_cut]);
            } else {
                quote(name, name_cut, &mut printed);
            }
            printed.push('=');
            quote(value, value_cut, &mut printed);
            if printed.len() > MAX_PRINTED {
                // the first label may be longer than all: some of it is better than nothing
                let keep = printed.floor_char_boundary(if idx == 0 { MAX_PRINTED } else { before });
                printed.truncate(keep);
                printed.push_str(if idx == 0 { "…}" } else { ", …}" });
                return printed;
            }
        }
        printed.push_str(if labels.cut { ", …}" } else { "}" });
        printed
    }
}

/// A text in quotes.
fn quote(text: &str, more: &str, printed: &mut String) {
    printed.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => printed.extend(['\\', char]),
            '\n' => printed.push_str("\\n"),
            char if char.is_control() => printed.extend(char.escape_unicode()),
            char => printed.push(char),
        }
    }
    printed.extend([more, "\""]);
}

/// The labels of the entry that begins with these bytes.
fn labels(bytes: &[u8]) -> Option<Labels> {
    let mut reader = Reader::new(bytes);
    let len = len_usize(reader.uvarint()?);
    reader.rest = reader.rest.get(..len).unwrap_or(reader.rest);
    let count = reader.uvarint()?;
    let mut symbols = Vec::new();
    while len_u64(symbols.len()) < count.min(MAX_LABELS) {
        match (reader.uvarint32(), reader.uvarint32()) {
            (Some(name), Some(value)) => symbols.push((name, value)),
            _ => break,
        }
    }
    let cut = len_u64(symbols.len()) < count;
    Some(Labels { symbols, cut })
}
