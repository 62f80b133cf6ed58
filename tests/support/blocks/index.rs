//! The file `index`, versions 1 to 3, before and after Prometheus 3.7.

use std::collections::BTreeMap;
use std::ops::Range;

use super::bits::{put_text, put_uvarint, put_varint};
use super::map::{Framed, IndexMap, ListMap, RecordMap, SeriesMap};
use super::plan::{Plan, PlannedSeries};

/// The file, and where things are in it.
pub(crate) fn write(plan: &Plan, records: &[Vec<RecordMap>]) -> (Vec<u8>, IndexMap) {
    let mut writer = Writer { bytes: vec![0xba, 0xaa, 0xd7, 0, plan.layout.version], map: IndexMap::default() };
    let symbols = writer.symbols(plan);
    let after_symbols = writer.bytes.len();
    for series in &plan.series {
        writer.series(plan, series, &symbols, records);
    }
    let after_series = writer.bytes.len();
    let mut label_offsets = Vec::new();
    for (name, values) in &plan.label_indices {
        writer.pad(4);
        label_offsets.push((name, writer.bytes.len()));
        let mut body = [1_u32, values.len() as u32].map(u32::to_be_bytes).concat();
        for value in values {
            body.extend_from_slice(&(symbols[value.as_str()] as u32).to_be_bytes());
        }
        let framed = writer.framed(&body);
        writer.map.label_indices.push(framed);
    }
    let before_lists = writer.bytes.len();
    let list_offsets = writer.lists(plan);
    let label_table = writer.bytes.len();
    if plan.layout.label_indices {
        let mut body = (label_offsets.len() as u32).to_be_bytes().to_vec();
        for (name, offset) in label_offsets {
            body.push(1);
            put_text(&mut body, name);
            put_uvarint(&mut body, offset as u64);
        }
        let framed = writer.framed(&body);
        writer.map.label_table = Some(framed);
    }
    let table = writer.bytes.len();
    writer.table(plan, &list_offsets);
    let toc = [5, after_symbols, after_series, label_table, before_lists, table];
    writer.toc(toc);
    (writer.bytes, writer.map)
}

struct Writer {
    bytes: Vec<u8>,
    map: IndexMap,
}

impl Writer {
    fn pad(&mut self, to: usize) {
        let at = self.bytes.len();
        self.bytes.resize(at.next_multiple_of(to), 0);
        if at < self.bytes.len() {
            self.map.padding.push(at..self.bytes.len());
        }
    }

    /// Length in four bytes, body, checksum.
    fn framed(&mut self, body: &[u8]) -> Framed {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
        self.checked(at, body)
    }

    fn checked(&mut self, at: usize, body: &[u8]) -> Framed {
        let payload = self.bytes.len()..self.bytes.len() + body.len();
        self.bytes.extend_from_slice(body);
        self.bytes.extend_from_slice(&crc32c::crc32c(body).to_be_bytes());
        Framed { whole: at..self.bytes.len(), payload }
    }

    /// How entries refer to each symbol: by its place in the file in version 1, by its number since.
    fn symbols<'a>(&mut self, plan: &'a Plan) -> BTreeMap<&'a str, u64> {
        let mut references = BTreeMap::new();
        let mut body = u32::try_from(plan.symbols.len()).unwrap().to_be_bytes().to_vec();
        for (number, symbol) in plan.symbols.iter().enumerate() {
            let place = self.bytes.len() + 4 + body.len();
            references.insert(symbol.as_str(), if plan.layout.version == 1 { place } else { number } as u64);
            put_text(&mut body, symbol);
        }
        self.map.symbols = Some(self.framed(&body));
        references
    }

    fn series(
        &mut self,
        plan: &Plan,
        series: &PlannedSeries,
        symbols: &BTreeMap<&str, u64>,
        records: &[Vec<RecordMap>],
    ) {
        let version_1 = plan.layout.version == 1;
        if !version_1 {
            self.pad(16);
        }
        let at = self.bytes.len();
        let mut body = Vec::new();
        put_uvarint(&mut body, series.labels.len() as u64);
        for (name, value) in &series.labels {
            put_uvarint(&mut body, symbols[name.as_str()]);
            put_uvarint(&mut body, symbols[value.as_str()]);
        }
        put_uvarint(&mut body, series.chunks.len() as u64);
        let mut entries: Vec<Range<usize>> = Vec::new();
        let mut before: Option<(i64, i64)> = None;
        for chunk in &series.chunks {
            let offset = records[chunk.segment][chunk.record].framed.whole.start;
            let reference = ((chunk.segment as u64) << 32 | offset as u64).cast_signed();
            let start = body.len();
            let len = chunk.last.wrapping_sub(chunk.first).cast_unsigned();
            match before {
                None => {
                    put_varint(&mut body, chunk.first);
                    put_uvarint(&mut body, len);
                    put_uvarint(&mut body, reference.cast_unsigned());
                }
                Some((last, previous)) => {
                    put_uvarint(&mut body, chunk.first.wrapping_sub(last).cast_unsigned());
                    put_uvarint(&mut body, len);
                    put_varint(&mut body, reference.wrapping_sub(previous));
                }
            }
            before = Some((chunk.last, reference));
            entries.push(start..body.len());
        }
        put_uvarint(&mut self.bytes, body.len() as u64);
        let framed = self.checked(at, &body);
        let in_file = |range: Range<usize>| framed.payload.start + range.start..framed.payload.start + range.end;
        let chunks = entries.into_iter().map(in_file).collect();
        let reference = u32::try_from(if version_1 { at } else { at / 16 }).unwrap();
        self.map.series.push(SeriesMap { framed, reference, chunks });
    }

    /// Where each list is.
    fn lists(&mut self, plan: &Plan) -> Vec<usize> {
        let mut offsets = Vec::new();
        for list in &plan.lists {
            self.pad(4);
            offsets.push(self.bytes.len());
            let mut body = (list.series.len() as u32).to_be_bytes().to_vec();
            for idx in &list.series {
                body.extend_from_slice(&self.map.series[*idx].reference.to_be_bytes());
            }
            let framed = self.framed(&body);
            self.map.lists.push(ListMap { framed, name: list.name.clone(), value: list.value.clone() });
        }
        offsets
    }

    fn table(&mut self, plan: &Plan, list_offsets: &[usize]) {
        let mut body = (plan.table.len() as u32).to_be_bytes().to_vec();
        let body_at = self.bytes.len() + 4;
        for (name, value, list) in &plan.table {
            let start = body.len();
            body.push(2);
            put_text(&mut body, name);
            put_text(&mut body, value);
            put_uvarint(&mut body, list_offsets[*list] as u64);
            self.map.table_entries.push(body_at + start..body_at + body.len());
        }
        self.map.table = Some(self.framed(&body));
    }

    /// In the order of its fields: symbols, series, label indices, label table, lists, table.
    fn toc(&mut self, offsets: [usize; 6]) {
        let body: Vec<u8> = offsets.into_iter().flat_map(|offset| (offset as u64).to_be_bytes()).collect();
        let at = self.bytes.len();
        self.map.toc = Some(self.checked(at, &body));
    }
}
