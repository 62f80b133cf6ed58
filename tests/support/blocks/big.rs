//! Blocks that are too big for memory, written straight to a folder: many samples, or many series.
//!
//! Every chunk and timestamp is one that a Prometheus would write. Memory does not grow with samples; it takes four bytes
//! for each series.

use std::fs::{self, File};
use std::io::{BufWriter, Result, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::bits::{put_text, put_uvarint, put_varint};
use super::data::{Random, T0};
use super::floats::{self, Float};
use super::map::segment_path;

/// As Prometheus has it.
const SEGMENT_BYTES: u64 = 512 << 20;
const SCRAPE_MS: i64 = 15_000;
const NAMES: u64 = 200;
const INSTANCES: u64 = 2_000;
const JOBS: u64 = 20;

/// What is to be much.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Big {
    /// At least so many bytes of chunks: 8,000 series in chunks of 120 samples.
    Samples { bytes: u64 },
    /// So many series, each with one chunk of up to five samples and a label that no other has.
    Series { count: u64 },
}

/// What was written.
#[derive(Clone, Debug)]
pub(crate) struct BigBlock {
    /// The directory of the block.
    pub(crate) directory: PathBuf,
    pub(crate) series: u64,
    pub(crate) chunks: u64,
    pub(crate) samples: u64,
    pub(crate) index_bytes: u64,
    pub(crate) chunk_bytes: u64,
}

/// Writes a block into `folder`, which is then like the data directory of a Prometheus.
pub(crate) fn write_big(folder: &Path, big: Big) -> Result<BigBlock> {
    let ulid = match big {
        Big::Samples { .. } => "01KDYZ5G00B1GSAMP1ES000000",
        Big::Series { .. } => "01KDYZ5G00B1GSER1ES0000000",
    };
    let directory = folder.join(ulid);
    fs::create_dir_all(directory.join("chunks"))?;
    // promtool wants it
    fs::create_dir_all(folder.join("wal"))?;
    let (series, chunks_each) = match big {
        Big::Series { count } => (count, 1),
        Big::Samples { bytes } => (8_000, chunks_for(bytes, 8_000)),
    };
    let mut segments = Segments::new(&directory)?;
    let (index, last) = Index { series, chunks_each, big }.write(&directory, &mut segments)?;
    let chunk_bytes = segments.finish()?;
    let block = BigBlock {
        series,
        chunks: segments.chunks,
        samples: segments.samples,
        index_bytes: index,
        chunk_bytes,
        directory: directory.clone(),
    };
    let meta = json!({
        "ulid": ulid, "minTime": T0, "maxTime": last + 1,
        "stats": {
            "numSamples": block.samples, "numFloatSamples": block.samples,
            "numSeries": block.series, "numChunks": block.chunks,
        },
        "compaction": {"level": 1, "sources": [ulid]}, "version": 1,
    });
    fs::write(directory.join("tombstones"), [0x01, 0x30, 0xba, 0x30, 1, 0, 0, 0, 0])?;
    fs::write(directory.join("meta.json"), serde_json::to_vec_pretty(&meta)?)?;
    Ok(block)
}

/// How many chunks each of `series` series needs for so many bytes.
fn chunks_for(bytes: u64, series: u64) -> u64 {
    let mut target = Target::new(0);
    let (mut some, mut scratch) = (0, Vec::new());
    for idx in 0..200 {
        target = Target { at: target.at, ..Target::new(idx) };
        target.scrape(120, &mut scratch);
        some += floats::xor(&scratch).0.len() as u64 + 7;
    }
    // a twentieth more, since this was a sample
    (bytes * 200 / some / series) * 21 / 20 + 1
}

/// Where the samples of a series come from.
#[derive(Clone, Copy, Debug)]
struct Target {
    random: Random,
    series: u64,
    at: i64,
    value: f64,
}

impl Target {
    fn new(series: u64) -> Self {
        let mut random = Random(series);
        let value = random.below(1_000_000) as f64;
        Self { random, series, at: T0 + (random.next() % 15_000).cast_signed(), value }
    }

    /// The next samples. Of ten series four count fast, two count slowly, two swing, and two stay.
    fn scrape(&mut self, count: u64, samples: &mut Vec<Float>) {
        samples.clear();
        for _ in 0..count {
            let random = self.random.next();
            match self.series % 10 {
                0..=3 => self.value += (random % 500) as f64,
                4 | 5 => self.value += f64::from(u8::from(random.is_multiple_of(16))),
                6 | 7 => self.value = (random % 100_000) as f64 / 1_000.0,
                _ => {}
            }
            samples.push(Float { at: self.at, start: 0, value: self.value });
            // one scrape of sixteen is a millisecond late
            self.at += SCRAPE_MS + i64::from((random >> 40).is_multiple_of(16));
        }
    }
}

/// A file that is written from its start on, and the checksum of what came since it was asked for.
struct Out {
    file: BufWriter<File>,
    at: u64,
    crc: u32,
    /// Lengths that were not known when their place was written.
    late: Vec<(u64, u32)>,
}

impl Out {
    fn create(path: &Path) -> Result<Self> {
        let file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        Ok(Self { file, at: 0, crc: 0, late: Vec::new() })
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        self.at += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    /// A place for a length; gives it to [`close`](Self::close).
    fn open(&mut self) -> Result<u64> {
        let place = self.at;
        self.put(&[0; 4])?;
        self.crc = 0;
        Ok(place)
    }

    fn close(&mut self, place: u64) -> Result<()> {
        self.late.push((place, u32::try_from(self.at - place - 4).expect("a section has less than 4 GiB")));
        let crc = self.crc.to_be_bytes();
        self.put(&crc)
    }

    fn pad(&mut self, to: u64) -> Result<()> {
        let zeros = self.at.next_multiple_of(to) - self.at;
        self.put(&[0; 16][..zeros as usize])
    }

    fn finish(mut self) -> Result<u64> {
        self.file.flush()?;
        for (place, len) in std::mem::take(&mut self.late) {
            self.file.seek(SeekFrom::Start(place))?;
            self.file.write_all(&len.to_be_bytes())?;
        }
        self.file.flush()?;
        Ok(self.at)
    }
}

struct Segments {
    directory: PathBuf,
    number: usize,
    out: Option<Out>,
    bytes: u64,
    chunks: u64,
    samples: u64,
}

impl Segments {
    fn new(directory: &Path) -> Result<Self> {
        let mut segments =
            Self { directory: directory.to_owned(), number: 0, out: None, bytes: 0, chunks: 0, samples: 0 };
        segments.cut()?;
        Ok(segments)
    }

    fn cut(&mut self) -> Result<()> {
        if let Some(out) = self.out.take() {
            self.bytes += out.finish()?;
            self.number += 1;
        }
        let mut out = Out::create(&self.directory.join(segment_path(self.number)))?;
        out.put(&[0x85, 0xbd, 0x40, 0xdd, 1, 0, 0, 0])?;
        self.out = Some(out);
        Ok(())
    }

    /// Writes a chunk of encoding 1 and gives its reference.
    fn record(&mut self, samples: &[Float]) -> Result<u64> {
        let (data, _) = floats::xor(samples);
        let len = data.len() as u64;
        if self.out.as_ref().is_none_or(|out| out.at + len + 10 > SEGMENT_BYTES) {
            self.cut()?;
        }
        let out = self.out.as_mut().expect("a segment is open");
        let reference = (self.number as u64) << 32 | out.at;
        let mut bytes = Vec::with_capacity(data.len() + 10);
        put_uvarint(&mut bytes, len);
        let payload = bytes.len();
        bytes.push(1);
        bytes.extend_from_slice(&data);
        let crc = crc32c::crc32c(&bytes[payload..]);
        bytes.extend_from_slice(&crc.to_be_bytes());
        // the checksum of a segment as a whole is nobody's business
        out.at += bytes.len() as u64;
        out.file.write_all(&bytes)?;
        self.chunks += 1;
        self.samples += samples.len() as u64;
        Ok(reference)
    }

    fn finish(&mut self) -> Result<u64> {
        let last = self.out.take().map_or(Ok(0), Out::finish)?;
        Ok(self.bytes + last)
    }
}

/// Writes `index`, and the segments beside it.
#[derive(Clone, Copy, Debug)]
struct Index {
    series: u64,
    chunks_each: u64,
    big: Big,
}

/// The names of labels, sorted.
const LABELS: [&str; 5] = ["__name__", "id", "instance", "job", "namespace"];

/// Takes name, value and series of a list.
type EachList<'a> = dyn FnMut(&str, &str, &mut dyn Iterator<Item = u64>) -> Result<()> + 'a;

/// A value that several series share: the text, and which.
type Shared = Vec<(String, u64)>;

impl Index {
    /// Series of one name follow each other.
    const fn per_name(self) -> u64 {
        self.series.div_ceil(NAMES)
    }

    /// The values of label `which`, sorted; those of `id` stay numbers.
    fn values(self, which: usize) -> Shared {
        let all = |count: u64, text: &dyn Fn(u64) -> String| {
            let mut values: Shared = (0..count.min(self.series)).map(|number| (text(number), number)).collect();
            values.sort();
            values
        };
        match which {
            0 => all(self.series.div_ceil(self.per_name()), &|n| format!("metric_{n:03}_total")),
            2 => all(INSTANCES, &|n| format!("10.0.{}.{}:9100", n / 250, n % 250)),
            3 => all(JOBS, &|n| format!("job-{n}")),
            4 => all(JOBS, &|n| format!("namespace-{n}")),
            _ => Vec::new(),
        }
    }

    /// Which value of label `which` series `idx` has.
    fn value_of(self, which: usize, idx: u64) -> u64 {
        match which {
            0 => idx / self.per_name(),
            1 => idx,
            2 => idx % INSTANCES,
            _ => idx % JOBS,
        }
    }

    /// The series that have this value, ascending.
    fn series_of(self, which: usize, value: u64) -> Box<dyn Iterator<Item = u64>> {
        match which {
            0 => Box::new(value * self.per_name()..((value + 1) * self.per_name()).min(self.series)),
            1 => Box::new(value..=value),
            2 => Box::new((value..self.series).step_by(INSTANCES as usize)),
            _ => Box::new((value..self.series).step_by(JOBS as usize)),
        }
    }

    /// The size of the file, and the last time of all samples.
    fn write(self, directory: &Path, segments: &mut Segments) -> Result<(u64, i64)> {
        let mut out = Out::create(&directory.join("index"))?;
        out.put(&[0xba, 0xaa, 0xd7, 0, 2])?;
        let shared: Vec<Shared> = (0..LABELS.len()).map(|which| self.values(which)).collect();
        let symbols = self.symbols(&mut out, &shared)?;
        let after_symbols = out.at;
        let (references, last) = self.write_series(&mut out, segments, &symbols)?;
        let after_series = out.at;
        out.pad(4)?;
        let mut offset = out.at;
        let mut refs = Vec::new();
        self.for_each_list(&shared, &mut |_, _, series| {
            refs.clear();
            refs.extend_from_slice(&[0; 8]);
            for idx in series {
                refs.extend_from_slice(&references[idx as usize].to_be_bytes());
            }
            let len = refs.len() as u32 - 4;
            refs[..4].copy_from_slice(&len.to_be_bytes());
            refs[4..8].copy_from_slice(&(len / 4 - 1).to_be_bytes());
            let crc = crc32c::crc32c(&refs[4..]);
            refs.extend_from_slice(&crc.to_be_bytes());
            out.put(&refs)
        })?;
        let table = out.at;
        let place = out.open()?;
        let mut lists = 1 + self.series;
        lists += shared.iter().map(|values| values.len() as u64).sum::<u64>();
        out.put(&u32::try_from(lists).expect("fewer than 2^32 lists").to_be_bytes())?;
        let mut entry = Vec::new();
        self.for_each_list(&shared, &mut |name, value, series| {
            entry.clear();
            entry.push(2);
            put_text(&mut entry, name);
            put_text(&mut entry, value);
            put_uvarint(&mut entry, offset);
            // each list ends where the next may begin
            offset += 12 + 4 * series.count() as u64;
            out.put(&entry)
        })?;
        out.close(place)?;
        out.crc = 0;
        for offset in [5, after_symbols, after_series, table, after_series, table] {
            out.put(&offset.to_be_bytes())?;
        }
        let crc = out.crc.to_be_bytes();
        out.put(&crc)?;
        Ok((out.finish()?, last))
    }

    /// Writes the symbols and gives, by label, the number of its name and those of its values.
    fn symbols(self, out: &mut Out, shared: &[Shared]) -> Result<Vec<(u64, Vec<u64>)>> {
        let mut small: Vec<&str> = LABELS.to_vec();
        small.extend(shared.iter().flatten().map(|(value, _)| value.as_str()));
        small.sort_unstable();
        let place = out.open()?;
        out.put(&u32::try_from(1 + self.series + small.len() as u64).expect("fewer than 2^32").to_be_bytes())?;
        let mut entry = vec![0];
        out.put(&entry)?;
        // `0` is before all that the others begin with
        for idx in 0..self.series {
            entry.clear();
            put_text(&mut entry, &id(idx));
            out.put(&entry)?;
        }
        for symbol in &small {
            entry.clear();
            put_text(&mut entry, symbol);
            out.put(&entry)?;
        }
        out.close(place)?;
        let number = |text: &str| 1 + self.series + small.binary_search(&text).expect("a symbol") as u64;
        let of_label = |which: usize| {
            let mut values = vec![0; shared[which].len()];
            for (text, value) in &shared[which] {
                values[*value as usize] = number(text);
            }
            (number(LABELS[which]), values)
        };
        Ok((0..LABELS.len()).map(of_label).collect())
    }

    /// Writes series and chunks, and gives the references of the series and the last time of all samples.
    fn write_series(
        self,
        out: &mut Out,
        segments: &mut Segments,
        symbols: &[(u64, Vec<u64>)],
    ) -> Result<(Vec<u32>, i64)> {
        let mut references = Vec::with_capacity(self.series as usize);
        let (mut body, mut entry, mut samples) = (Vec::new(), Vec::new(), Vec::new());
        let mut end = T0;
        for idx in 0..self.series {
            let mut target = Target::new(idx);
            body.clear();
            body.push(LABELS.len() as u8);
            for (which, (name, values)) in symbols.iter().enumerate() {
                let value = self.value_of(which, idx);
                put_uvarint(&mut body, *name);
                put_uvarint(&mut body, values.get(value as usize).copied().unwrap_or(1 + idx));
            }
            put_uvarint(&mut body, self.chunks_each);
            let mut before: Option<(i64, u64)> = None;
            for _ in 0..self.chunks_each {
                let count = match self.big {
                    Big::Samples { .. } => 120,
                    Big::Series { .. } => 1 + idx % 5,
                };
                target.scrape(count, &mut samples);
                let (first, last) = (samples[0].at, samples[samples.len() - 1].at);
                let reference = segments.record(&samples)?;
                match before {
                    None => put_varint(&mut body, first),
                    Some((last, _)) => put_uvarint(&mut body, (first - last).cast_unsigned()),
                }
                put_uvarint(&mut body, (last - first).cast_unsigned());
                match before {
                    None => put_uvarint(&mut body, reference),
                    Some((_, previous)) => put_varint(&mut body, (reference - previous).cast_signed()),
                }
                before = Some((last, reference));
                end = end.max(last);
            }
            out.pad(16)?;
            references.push(u32::try_from(out.at / 16).expect("an index of 64 GiB at most"));
            entry.clear();
            put_uvarint(&mut entry, body.len() as u64);
            entry.extend_from_slice(&body);
            entry.extend_from_slice(&crc32c::crc32c(&body).to_be_bytes());
            out.put(&entry)?;
        }
        Ok((references, end))
    }

    /// Goes through all lists in the order of the file.
    fn for_each_list(self, shared: &[Shared], each: &mut EachList<'_>) -> Result<()> {
        each("", "", &mut (0..self.series))?;
        for (which, name) in LABELS.into_iter().enumerate() {
            if which == 1 {
                for idx in 0..self.series {
                    each(name, &id(idx), &mut self.series_of(which, idx))?;
                }
            }
            for (text, value) in &shared[which] {
                each(name, text, &mut self.series_of(which, *value))?;
            }
        }
        Ok(())
    }
}

/// The label that no other series has.
fn id(idx: u64) -> String {
    format!("{idx:010x}")
}
