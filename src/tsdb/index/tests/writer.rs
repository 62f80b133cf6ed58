//! Writes indexes: sound ones, and ones that break a rule under checksums that fit.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::tsdb::checksum::crc32c;

/// A name and a value.
pub(super) type Label = (String, String);

/// What an entry of a series holds.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Series(Vec<Label>, Vec<ChunkMeta>),
    /// These bytes, whatever they are, under a checksum that fits.
    Raw(Vec<u8>),
}

/// An index that is to be written.
pub(super) struct Draft {
    pub(super) version: u8,
    pub(super) symbols: Vec<Vec<u8>>,
    pub(super) series: Vec<Content>,
    /// With label indices and the table of their offsets, as Prometheus up to 3.6 writes them.
    pub(super) label_indices: bool,
    /// Changes what the label indices hold.
    pub(super) edit_indices: fn(&mut Vec<(String, Vec<u32>)>),
    /// Changes the posting lists.
    pub(super) edit_lists: fn(&mut Vec<(Label, Vec<u32>)>),
    /// Changes the table of their offsets.
    pub(super) edit_table: fn(&mut Vec<(Label, u64)>),
}

pub(super) fn label(name: &str, value: &str) -> Label {
    (name.to_owned(), value.to_owned())
}

pub(super) fn chunk(first_ms: i64, last_ms: i64, reference: u64) -> ChunkMeta {
    ChunkMeta { first_ms, last_ms, reference }
}

impl Draft {
    /// Four series of three chunks each, from 0 to 899 ms.
    pub(super) fn sound() -> Self {
        let mut reference = 8;
        let series = [("down", "a"), ("down", "b"), ("up", "a"), ("up", "b")].map(|(name, job)| {
            let chunks = (0..3).map(|idx| {
                reference += 100;
                chunk(idx * 300, idx * 300 + 299, reference)
            });
            Content::Series(vec![label("__name__", name), label("job", job)], chunks.collect())
        });
        Self::of(series.to_vec())
    }

    pub(super) fn of(series: Vec<Content>) -> Self {
        let labels = series.iter().filter_map(|content| match content {
            Content::Series(labels, _) => Some(labels),
            Content::Raw(_) => None,
        });
        let texts: BTreeSet<Vec<u8>> = labels
            .flatten()
            .flat_map(|(name, value)| [name, value])
            .map(|text| text.as_bytes().to_vec())
            .chain([Vec::new()])
            .collect();
        Self {
            version: 2,
            symbols: texts.into_iter().collect(),
            series,
            label_indices: true,
            edit_indices: |_| {},
            edit_lists: |_| {},
            edit_table: |_| {},
        }
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut file = vec![0xba, 0xaa, 0xd7, 0, self.version];
        let mut contents = vec![len_u64(file.len())];

        let mut names: BTreeMap<&[u8], u32> = BTreeMap::new();
        let mut table = be(self.symbols.len());
        for (ordinal, text) in self.symbols.iter().enumerate() {
            let name = if self.version == 1 { file.len() + 4 + table.len() } else { ordinal };
            names.insert(text, u32::try_from(name).unwrap());
            table.extend(uvarint(len_u64(text.len())));
            table.extend(text);
        }
        framed(&mut file, &table);
        let name = |text: &str| names[text.as_bytes()];

        contents.push(len_u64(file.len()));
        let mut lists: BTreeMap<Label, Vec<u32>> = BTreeMap::from([(label("", ""), Vec::new())]);
        for content in &self.series {
            let align = if self.version == 1 { 1 } else { 16 };
            file.resize(file.len().next_multiple_of(align), 0);
            let id = u32::try_from(file.len() / align).unwrap();
            let payload = match content {
                Content::Raw(bytes) => bytes.clone(),
                Content::Series(labels, chunks) => {
                    for label in labels.iter().chain([&label("", "")]) {
                        lists.entry(label.clone()).or_default().push(id);
                    }
                    let ids: Vec<_> = labels.iter().map(|(key, value)| (name(key), name(value))).collect();
                    entry(&ids, chunks)
                }
            };
            file.extend(uvarint(len_u64(payload.len())));
            file.extend(&payload);
            file.extend(crc32c(&payload).to_be_bytes());
        }

        contents.push(len_u64(file.len()));
        let mut values: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for (key, value) in lists.keys().filter(|(key, _)| self.label_indices && !key.is_empty()) {
            values.entry(key.clone()).or_default().push(name(value));
        }
        let mut values: Vec<_> = values.into_iter().collect();
        (self.edit_indices)(&mut values);
        let mut label_table = be(values.len());
        for (key, values) in &values {
            file.resize(file.len().next_multiple_of(4), 0);
            label_table.extend([1]);
            text(&mut label_table, key);
            label_table.extend(uvarint(len_u64(file.len())));
            let mut list = be(1);
            list.extend(be(values.len()));
            list.extend(values.iter().flat_map(|value| value.to_be_bytes()));
            framed(&mut file, &list);
        }

        let postings = len_u64(file.len());
        let mut lists: Vec<_> = lists.into_iter().collect();
        (self.edit_lists)(&mut lists);
        let mut offsets = Vec::new();
        for (label, ids) in lists {
            file.resize(file.len().next_multiple_of(4), 0);
            offsets.push((label, len_u64(file.len())));
            let mut list = be(ids.len());
            list.extend(ids.iter().flat_map(|id| id.to_be_bytes()));
            framed(&mut file, &list);
        }

        contents.push(len_u64(file.len()));
        if self.label_indices {
            framed(&mut file, &label_table);
        }
        contents.push(postings);
        contents.push(len_u64(file.len()));
        (self.edit_table)(&mut offsets);
        let mut table = be(offsets.len());
        for ((key, value), offset) in offsets {
            table.push(2);
            text(&mut table, &key);
            text(&mut table, &value);
            table.extend(uvarint(offset));
        }
        framed(&mut file, &table);
        finish(file, &contents)
    }
}

/// Appends a table of contents.
pub(super) fn finish(mut file: Vec<u8>, contents: &[u64]) -> Vec<u8> {
    let contents: Vec<u8> = contents.iter().flat_map(|offset| offset.to_be_bytes()).collect();
    file.extend(&contents);
    file.extend(crc32c(&contents).to_be_bytes());
    file
}

/// The payload of a series.
pub(super) fn entry(labels: &[(u32, u32)], chunks: &[ChunkMeta]) -> Vec<u8> {
    let mut bytes = uvarint(len_u64(labels.len()));
    for (name, value) in labels {
        bytes.extend(uvarint(u64::from(*name)));
        bytes.extend(uvarint(u64::from(*value)));
    }
    bytes.extend(uvarint(len_u64(chunks.len())));
    let mut before: Option<&ChunkMeta> = None;
    for chunk in chunks {
        match before {
            None => bytes.extend(varint(chunk.first_ms)),
            Some(before) => bytes.extend(uvarint(chunk.first_ms.wrapping_sub(before.last_ms).cast_unsigned())),
        }
        bytes.extend(uvarint(chunk.last_ms.wrapping_sub(chunk.first_ms).cast_unsigned()));
        match before {
            None => bytes.extend(uvarint(chunk.reference)),
            Some(before) => bytes.extend(varint(chunk.reference.wrapping_sub(before.reference).cast_signed())),
        }
        before = Some(chunk);
    }
    bytes
}

pub(super) fn framed(file: &mut Vec<u8>, payload: &[u8]) {
    file.extend(be(payload.len()));
    file.extend(payload);
    file.extend(crc32c(payload).to_be_bytes());
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend(uvarint(len_u64(text.len())));
    bytes.extend(text.as_bytes());
}

pub(super) fn be(value: usize) -> Vec<u8> {
    u32::try_from(value).unwrap().to_be_bytes().to_vec()
}

pub(super) fn uvarint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap());
    bytes
}

fn varint(value: i64) -> Vec<u8> {
    uvarint(((value << 1) ^ (value >> 63)).cast_unsigned())
}
