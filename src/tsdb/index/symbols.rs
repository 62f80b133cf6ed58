//! The symbol table: every text of the index, sorted. Only a hash of each is kept, and the place of each 256th.

use super::frame::{Frame, FrameRules};
use super::hash;
use super::lane::Took;
use super::naming::{MARK_EVERY, Marks};
use super::read::{Reader, Short};
use super::rules;
use super::toc::HEADER;
use crate::tsdb::Faults;
use crate::tsdb::bytes::{len_u64, len_usize};

/// A longer text is refused, and is never held. Prometheus itself has no limit, but takes no scrape with one.
pub(super) const MAX_TEXT: usize = 16 << 20;
/// After so many symbols out of order these are no symbols, and further ones would only cost memory.
const MAX_DISORDER: u32 = 64;
/// Room that a claimed count may reserve, in symbols.
const MAX_RESERVED: usize = 1 << 20;
/// Length and count, behind the header.
pub(super) const FIRST: u64 = HEADER + 8;

static RULES: FrameRules = FrameRules {
    section: "symbols",
    length: &rules::SYMBOLS_LENGTH,
    count: &rules::SYMBOLS_COUNT,
    crc: &rules::SYMBOLS_CRC,
    broken: &rules::SYMBOLS_BROKEN,
};

/// What the rest of the index needs of the symbols.
#[derive(Debug)]
pub(super) struct Symbols {
    frame: Frame,
    texts: Texts,
}

#[derive(Debug)]
struct Texts {
    version: u8,
    hashes: Vec<u64>,
    /// Of version 1 only, where a symbol's name is its place: that of each, less [`FIRST`].
    places: Vec<u32>,
    marks: Marks,
    before: Vec<u8>,
    disorder: u32,
    empty: u32,
    metric_name: u32,
}

/// No symbol has this name: a table of so many does not fit its length.
const NONE: u32 = u32::MAX;

impl Symbols {
    /// Between the header and `end`.
    pub(super) fn new(version: u8, end: u64) -> Self {
        let room = end.saturating_sub(FIRST).checked_div(4).map_or(0, len_usize);
        let marks = Marks { version, places: Vec::new(), symbols: 0, end: end.saturating_sub(4) };
        let texts = Texts {
            version,
            hashes: Vec::with_capacity(room.min(MAX_RESERVED)),
            places: Vec::new(),
            marks,
            before: Vec::new(),
            disorder: 0,
            empty: NONE,
            metric_name: NONE,
        };
        Self { frame: Frame::new(&RULES, HEADER, end), texts }
    }

    pub(super) fn item(&mut self, at: u64, bytes: &[u8], faults: &mut Faults) -> Took {
        self.frame.item(at, bytes, faults, |at, bytes, faults| self.texts.entry(at, bytes, faults))
    }

    /// What they hold must not be compared with anything.
    pub(super) const fn hurt(&self) -> bool {
        self.frame.hurt || self.texts.disorder > 0
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.frame.entries
    }

    /// The hash of the text that the index names so.
    #[inline]
    pub(super) fn hash(&self, symbol: u32) -> Option<u64> {
        let texts = &self.texts;
        if texts.version != 1 {
            return texts.hashes.get(usize::try_from(symbol).ok()?).copied();
        }
        let place = u64::from(symbol).checked_sub(FIRST)?;
        let idx = texts.places.binary_search(&u32::try_from(place).ok()?).ok()?;
        texts.hashes.get(idx).copied()
    }

    /// The name of the empty text; one that no symbol has, if there is none.
    pub(super) const fn empty(&self) -> u32 {
        self.texts.empty
    }

    /// The name of `__name__`; one that no symbol has, if there is none.
    pub(super) const fn metric_name(&self) -> u32 {
        self.texts.metric_name
    }

    /// Gives the memory back, all but the places of a few.
    pub(super) fn forget(&mut self) {
        self.texts.hashes = Vec::new();
        self.texts.places = Vec::new();
        self.texts.before = Vec::new();
    }

    /// The places of a few, and how many there are.
    pub(super) fn marks(self) -> Marks {
        Marks { symbols: self.frame.entries, ..self.texts.marks }
    }
}

impl Texts {
    fn entry(&mut self, at: u64, bytes: &[u8], faults: &mut Faults) -> Result<usize, Short> {
        let mut reader = Reader::new(bytes);
        let text = reader.item_text(bytes, MAX_TEXT)?;
        if reader.loose {
            faults.note(&rules::LOOSE_NUMBER, "symbols", at, || loose("a length"));
        }
        if text <= self.before.as_slice() && !self.hashes.is_empty() {
            faults.note(&rules::SYMBOLS_ORDER, "symbols", at, || {
                (format!("after {}", quoted(&self.before)), quoted(text))
            });
            self.disorder = self.disorder.saturating_add(1);
            if self.disorder > MAX_DISORDER {
                return Err(Short::Broken);
            }
        }
        if std::str::from_utf8(text).is_err() {
            faults.note(&rules::SYMBOL_NOT_UTF8, "symbols", at, || ("UTF-8".to_owned(), quoted(text)));
        }
        self.keep(at, text);
        self.before.clear();
        self.before.extend_from_slice(text);
        Ok(bytes.len().saturating_sub(reader.rest.len()))
    }

    fn keep(&mut self, at: u64, text: &[u8]) {
        let place = u32::try_from(at.saturating_sub(FIRST)).unwrap_or(u32::MAX);
        let ordinal = len_u64(self.hashes.len());
        if ordinal.is_multiple_of(MARK_EVERY) {
            self.marks.places.push(place);
        }
        let symbol = match self.version {
            1 => {
                self.places.push(place);
                u32::try_from(at).unwrap_or(NONE)
            }
            _ => u32::try_from(ordinal).unwrap_or(NONE),
        };
        match text {
            b"" => self.empty = symbol,
            b"__name__" => self.metric_name = symbol,
            _ => {}
        }
        self.hashes.push(hash::text(text));
    }
}

/// The words of a [`rules::LOOSE_NUMBER`].
pub(super) fn loose(what: &str) -> (String, String) {
    (format!("{what} in as few bytes as it takes"), "more bytes".to_owned())
}

/// A text as a fault shows it: its beginning.
pub(super) fn quoted(text: &[u8]) -> String {
    const SHOWN: usize = 64;
    let start = text.get(..SHOWN).unwrap_or(text);
    let more = if text.len() > SHOWN { format!("… ({} bytes)", text.len()) } else { String::new() };
    format!("{:?}{more}", String::from_utf8_lossy(start))
}
