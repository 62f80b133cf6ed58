//! One segment of a log.

use super::snappy::Walk;
use super::{
    CHECKSUM_RULE, COMPRESSION_RULE, CROSSING_RULE, EMPTY_RULE, FRAGMENT_HEADER, LENGTH_RULE, MIXED_RULE, PADDING_RULE,
    PAGE, RESERVED_RULE, SEQUENCE_RULE, SIZE_RULE, TORN_RULE, TYPE_RULE, UNFLAGGED_RULE, WalKind, WalSegment, len_u64,
};
use crate::tsdb::checksum::Running;
use crate::tsdb::fault::Rule;

const TYPE_BITS: u8 = 0b111;
const SNAPPY: u8 = 1 << 3;
const ZSTD: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

/// How every frame of zstd begins.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Proves a segment that comes in parts. Its memory does not depend on the segment.
#[derive(Clone, Debug)]
pub struct WalSegmentVerifier {
    kind: WalKind,
    is_last: bool,
    size: u64,
    at: u64,
    state: State,
    /// The fragment whose header is read or was read.
    fragment: Fragment,
    /// The record that fragments have begun.
    record: Option<Record>,
    /// Something was skipped: fragments without a beginning are no news.
    lost: bool,
    found: WalSegment,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Before a fragment or padding.
    Between,
    /// In a fragment's header.
    Header,
    /// In a fragment's data.
    Data { left: u64 },
    /// In zeros up to the end of the page.
    Padding { left: u64 },
    /// After something unreadable, up to the end of the page: the next begins with a fragment.
    Skip { left: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Full,
    First,
    Middle,
    Last,
}

#[derive(Clone, Debug)]
struct Fragment {
    at: u64,
    part: Part,
    compression: Compression,
    header: [u8; 7],
    filled: usize,
    checksum: Running,
    /// Why it cannot stand here.
    misplaced: Option<&'static str>,
    crosses: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compression {
    None,
    Snappy,
    Zstd,
}

#[derive(Clone, Debug)]
struct Record {
    at: u64,
    compression: Compression,
    len: u64,
    head: [u8; 4],
    walk: Walk,
}

impl WalSegmentVerifier {
    /// For a segment of `size` bytes. `is_last`: no segment follows it, and it may be a copy of one that is being written.
    pub fn new(kind: WalKind, is_last: bool, size: u64) -> Self {
        Self {
            kind,
            is_last,
            size,
            at: 0,
            state: State::Between,
            fragment: Fragment::new(0),
            record: None,
            lost: false,
            found: WalSegment::default(),
        }
    }

    /// The next bytes.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while let Some(&byte) = bytes.first() {
            let taken = match self.state {
                State::Between => self.begin(byte),
                State::Header => self.header(bytes),
                State::Data { left } => self.data(bytes, left),
                State::Padding { left } => self.padding(bytes, left),
                State::Skip { left } => self.pass(bytes, left, |left| State::Skip { left }),
            };
            bytes = bytes.get(taken..).unwrap_or_default();
        }
    }

    /// What the segment holds, after its last byte.
    pub fn finish(mut self) -> WalSegment {
        let (at, size) = (self.at, self.size);
        if at != size {
            self.note(&SIZE_RULE, at.min(size), || (format!("{size} bytes"), format!("{at} bytes")));
        }
        let fragment = matches!(self.state, State::Header | State::Data { .. }).then_some(self.fragment.at);
        self.found.torn = self.record.as_ref().map(|record| record.at).or(fragment);
        if let Some(torn) = self.found.torn.filter(|_| !self.is_last || self.kind.is_written_at_once()) {
            self.note(&TORN_RULE, torn, || {
                ("the end of the record".to_owned(), format!("the end of the file at {at}"))
            });
        }
        self.found.bytes = at;
        self.found
    }

    /// The first byte of a fragment or of padding.
    fn begin(&mut self, byte: u8) -> usize {
        let at = self.at;
        let page_left = PAGE - at % PAGE;
        if byte & TYPE_BITS == 0 {
            if byte != 0 {
                self.note(&RESERVED_RULE, at, || ("00".to_owned(), format!("{byte:02x}")));
            }
            self.at += 1;
            self.state = after(page_left - 1, |left| State::Padding { left });
            return 1;
        }
        self.fragment = Fragment::new(at);
        self.fragment.crosses = page_left < FRAGMENT_HEADER;
        let Some(part) = Part::of(byte) else {
            self.note(&TYPE_RULE, at, || ("1 to 4".to_owned(), (byte & TYPE_BITS).to_string()));
            self.at += 1;
            self.lose();
            return 1;
        };
        self.fragment.part = part;
        self.fragment.compression = Compression::of(byte);
        self.state = State::Header;
        0
    }

    fn header(&mut self, bytes: &[u8]) -> usize {
        let empty = self.fragment.header.get_mut(self.fragment.filled..).unwrap_or_default();
        let taken = empty.len().min(bytes.len());
        for (to, from) in empty.iter_mut().zip(bytes) {
            *to = *from;
        }
        self.fragment.filled += taken;
        self.at += len_u64(taken);
        if len_u64(self.fragment.filled) < FRAGMENT_HEADER {
            return taken;
        }
        let len = u64::from(self.fragment.len());
        let at = self.fragment.at;
        if len > PAGE - FRAGMENT_HEADER {
            self.note(&LENGTH_RULE, at, || (format!("at most {}", PAGE - FRAGMENT_HEADER), len.to_string()));
            self.lose();
            return taken;
        }
        self.fragment.crosses |= at % PAGE + FRAGMENT_HEADER + len > PAGE;
        let Fragment { part, compression, .. } = self.fragment;
        let begins = matches!(part, Part::Full | Part::First);
        self.fragment.misplaced = match (&self.record, begins) {
            (Some(_), true) => Some("a middle or last fragment"),
            (None, false) if !self.lost => Some("a full or first fragment"),
            _ => None,
        };
        if begins {
            self.record = Some(Record::new(at, compression));
        }
        self.state = State::Data { left: len };
        if len == 0 {
            self.end_fragment();
        }
        taken
    }

    fn data(&mut self, bytes: &[u8], left: u64) -> usize {
        let taken = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let data = bytes.get(..taken).unwrap_or_default();
        self.fragment.checksum.update(data);
        if let Some(record) = &mut self.record {
            record.feed(data, self.kind);
        }
        self.at += len_u64(taken);
        let left = left - len_u64(taken);
        self.state = State::Data { left };
        if left == 0 {
            self.end_fragment();
        }
        taken
    }

    fn end_fragment(&mut self) {
        let (at, stored, computed) = (self.fragment.at, self.fragment.stored(), self.fragment.checksum.value());
        if stored != computed {
            self.note(&CHECKSUM_RULE, at, || (format!("{computed:08x}"), format!("{stored:08x}")));
            self.lose();
            return;
        }
        self.state = State::Between;
        self.found.fragments += 1;
        let Fragment { part, compression, crosses, misplaced, header: [flags, ..], .. } = self.fragment;
        if flags & RESERVED != 0 || flags & SNAPPY != 0 && flags & ZSTD != 0 {
            self.note(&RESERVED_RULE, at, || ("one compression, nothing above it".to_owned(), format!("{flags:02x}")));
        }
        if crosses {
            let end = self.at;
            self.note(&CROSSING_RULE, at, || (format!("an end by {}", at - at % PAGE + PAGE), end.to_string()));
        }
        if let Some(expected) = misplaced {
            self.note(&SEQUENCE_RULE, at, || (expected.to_owned(), format!("a {} one", part.name())));
        }
        // one word for what lacks its beginning, whatever the number of its fragments
        self.lost = matches!(part, Part::Middle) && self.record.is_none();
        if self.record.as_ref().is_some_and(|record| record.compression != compression) {
            self.note(&MIXED_RULE, at, || ("the flags of the first fragment".to_owned(), format!("{flags:02x}")));
        }
        if matches!(part, Part::Full | Part::Last)
            && let Some(record) = self.record.take()
        {
            self.end_record(&record);
        }
    }

    fn end_record(&mut self, record: &Record) {
        self.found.records += 1;
        let at = record.at;
        if record.len == 0 {
            self.note(&EMPTY_RULE, at, || ("a byte that says what it is".to_owned(), "nothing".to_owned()));
        }
        let first = match record.compression {
            Compression::None => {
                let first = record.head.first().copied().filter(|_| record.len > 0);
                let hidden = record.begins_as_zstd() || record.walk.is_whole();
                if let Some(first) = first.filter(|first| !self.kind.knows(*first) && hidden) {
                    self.note(&UNFLAGGED_RULE, at, || {
                        ("a record".to_owned(), format!("{first:02x}, compressed bytes"))
                    });
                }
                first
            }
            Compression::Snappy => {
                self.found.snappy += 1;
                if !record.walk.is_whole() {
                    self.note(&COMPRESSION_RULE, at, || ("a block of snappy".to_owned(), "other bytes".to_owned()));
                }
                record.walk.first()
            }
            Compression::Zstd => {
                self.found.zstd += 1;
                if !record.begins_as_zstd() {
                    self.note(&COMPRESSION_RULE, at, || ("a frame of zstd".to_owned(), "other bytes".to_owned()));
                }
                None
            }
        };
        if let Some(first) = first {
            *self.found.types.entry(first).or_default() += 1;
        }
    }

    fn padding(&mut self, bytes: &[u8], left: u64) -> usize {
        let within = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let found = bytes.iter().take(within).enumerate().find(|(_, byte)| **byte != 0);
        let Some((idx, byte)) = found else {
            return self.pass(bytes, left, |left| State::Padding { left });
        };
        let at = self.at + len_u64(idx);
        self.note(&PADDING_RULE, at, || ("00".to_owned(), format!("{byte:02x}")));
        self.lose();
        0
    }

    /// Goes over bytes of which `left` are meant.
    fn pass(&mut self, bytes: &[u8], left: u64, state: impl FnOnce(u64) -> State) -> usize {
        let taken = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        self.at += len_u64(taken);
        self.state = after(left - len_u64(taken), state);
        taken
    }

    /// Goes on at the next page. What was begun is lost.
    fn lose(&mut self) {
        self.record = None;
        self.lost = true;
        self.state = after((PAGE - self.at % PAGE) % PAGE, |left| State::Skip { left });
    }

    fn note(&mut self, rule: &'static Rule, at: u64, words: impl FnOnce() -> (String, String)) {
        self.found.faults.note(rule, "fragment", at, words);
    }
}

/// `state` with what is left, if anything is.
fn after(left: u64, state: impl FnOnce(u64) -> State) -> State {
    if left == 0 { State::Between } else { state(left) }
}

impl Part {
    const fn of(flags: u8) -> Option<Self> {
        match flags & TYPE_BITS {
            1 => Some(Self::Full),
            2 => Some(Self::First),
            3 => Some(Self::Middle),
            4 => Some(Self::Last),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::First => "first",
            Self::Middle => "middle",
            Self::Last => "last",
        }
    }
}

impl Compression {
    /// Readers look at the flag of snappy first.
    const fn of(flags: u8) -> Self {
        if flags & SNAPPY != 0 {
            Self::Snappy
        } else if flags & ZSTD != 0 {
            Self::Zstd
        } else {
            Self::None
        }
    }
}

impl Fragment {
    fn new(at: u64) -> Self {
        Self {
            at,
            part: Part::Full,
            compression: Compression::None,
            header: [0; 7],
            filled: 0,
            checksum: Running::default(),
            misplaced: None,
            crosses: false,
        }
    }

    const fn len(&self) -> u16 {
        let [_, high, low, ..] = self.header;
        u16::from_be_bytes([high, low])
    }

    const fn stored(&self) -> u32 {
        let [_, _, _, a, b, c, d] = self.header;
        u32::from_be_bytes([a, b, c, d])
    }
}

impl Record {
    fn new(at: u64, compression: Compression) -> Self {
        Self { at, compression, len: 0, head: [0; 4], walk: Walk::default() }
    }

    fn feed(&mut self, data: &[u8], kind: WalKind) {
        let filled = usize::try_from(self.len).unwrap_or(usize::MAX);
        for (to, from) in self.head.iter_mut().skip(filled).zip(data) {
            *to = *from;
        }
        self.len += len_u64(data.len());
        let [first, ..] = self.head;
        let may_be_snappy = match self.compression {
            Compression::None => !kind.knows(first),
            Compression::Snappy => true,
            Compression::Zstd => false,
        };
        if may_be_snappy {
            self.walk.feed(data);
        }
    }

    fn begins_as_zstd(&self) -> bool {
        self.len >= 4 && self.head == ZSTD_MAGIC
    }
}
