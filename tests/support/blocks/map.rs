//! Where things are in the files of a block, so that a test can break exactly one of them and mend the checksum.

use std::collections::BTreeMap;
use std::ops::Range;

/// The files of a block, by path inside its directory.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// A block that was written.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) ulid: String,
    pub(crate) files: Files,
    pub(crate) index: IndexMap,
    /// By segment, in order.
    pub(crate) records: Vec<Vec<RecordMap>>,
}

/// Bytes with a checksum behind those that it covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Framed {
    /// From the length, if it has one, to the end of the checksum.
    pub(crate) whole: Range<usize>,
    /// What the checksum covers.
    pub(crate) payload: Range<usize>,
}

impl Framed {
    /// Where the checksum stands.
    pub(crate) const fn crc(&self) -> Range<usize> {
        self.payload.end..self.payload.end + 4
    }
}

/// Parts of `index`.
#[derive(Clone, Debug, Default)]
pub(crate) struct IndexMap {
    pub(crate) symbols: Option<Framed>,
    /// By series.
    pub(crate) series: Vec<SeriesMap>,
    pub(crate) label_indices: Vec<Framed>,
    pub(crate) lists: Vec<ListMap>,
    pub(crate) label_table: Option<Framed>,
    pub(crate) table: Option<Framed>,
    /// Entries of the offset table of lists.
    pub(crate) table_entries: Vec<Range<usize>>,
    pub(crate) toc: Option<Framed>,
    /// Zeros between parts.
    pub(crate) padding: Vec<Range<usize>>,
}

/// An entry of the series section.
#[derive(Clone, Debug)]
pub(crate) struct SeriesMap {
    pub(crate) framed: Framed,
    /// How postings refer to it.
    pub(crate) reference: u32,
    /// What the index says of each chunk: first time, length or gap, reference.
    pub(crate) chunks: Vec<Range<usize>>,
}

/// A list of postings.
#[derive(Clone, Debug)]
pub(crate) struct ListMap {
    pub(crate) framed: Framed,
    pub(crate) name: String,
    pub(crate) value: String,
}

/// A record of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordMap {
    /// The checksum covers encoding and data.
    pub(crate) framed: Framed,
    /// Without the encoding.
    pub(crate) data: Range<usize>,
}

/// Writes the checksum of what is in `framed` now.
pub(crate) fn mend_crc(bytes: &mut [u8], framed: &Framed) {
    let crc = crc32c::crc32c(&bytes[framed.payload.clone()]);
    bytes[framed.crc()].copy_from_slice(&crc.to_be_bytes());
}

impl IndexMap {
    /// All that has a checksum, in the order of the file.
    pub(crate) fn framed(&self) -> Vec<&Framed> {
        let series = self.series.iter().map(|series| &series.framed);
        let lists = self.lists.iter().map(|list| &list.framed);
        self.symbols
            .iter()
            .chain(series)
            .chain(&self.label_indices)
            .chain(lists)
            .chain(&self.label_table)
            .chain(&self.table)
            .chain(&self.toc)
            .collect()
    }
}

impl Written {
    pub(crate) fn file(&mut self, path: &str) -> &mut Vec<u8> {
        self.files.get_mut(path).unwrap_or_else(|| panic!("there is no {path}"))
    }

    /// Bytes of `index` and segments.
    pub(crate) fn len(&self) -> usize {
        self.files.iter().filter(|(path, _)| is_binary(path)).map(|(_, bytes)| bytes.len()).sum()
    }

    /// Puts the block into `folder`, which a Prometheus could have as its data directory.
    pub(crate) fn save(&self, folder: &std::path::Path) {
        save(&self.files, &folder.join(&self.ulid));
    }
}

/// Whether it is `index` or a segment.
pub(crate) fn is_binary(path: &str) -> bool {
    path == "index" || path.starts_with("chunks/")
}

/// The path of segment `idx`, counted from 0.
pub(crate) fn segment_path(idx: usize) -> String {
    format!("chunks/{:06}", idx + 1)
}

/// Writes the files of one block into its directory.
pub(crate) fn save(files: &Files, directory: &std::path::Path) {
    for (path, bytes) in files {
        let path = directory.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// The files of a block's directory.
pub(crate) fn load(directory: &std::path::Path) -> Files {
    let mut files = Files::new();
    for folder in ["", "chunks"] {
        for entry in std::fs::read_dir(directory.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned();
                files.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    files
}

/// The records of a sound segment.
pub(crate) fn records_of(segment: &[u8]) -> Vec<RecordMap> {
    let mut records = Vec::new();
    let mut at = 8;
    while at < segment.len() {
        let (mut len, mut encoding, mut shift) = (0_usize, at, 0);
        loop {
            len |= usize::from(segment[encoding] & 0x7f) << shift;
            shift += 7;
            encoding += 1;
            if segment[encoding - 1] < 0x80 {
                break;
            }
        }
        let payload = encoding..encoding + 1 + len;
        let framed = Framed { whole: at..payload.end + 4, payload: payload.clone() };
        at = framed.whole.end;
        records.push(RecordMap { framed, data: payload.start + 1..payload.end });
    }
    records
}
