//! Ways to break one thing of a block.

mod bytes;
mod meaning;

use blockwarden::model::{Damage, Level};

use crate::blocks::data::Random;
use crate::blocks::map::Files;
use crate::blocks::{BlockSpec, Framed, Plan, Samples, Written, mend_crc, segment_path};

/// A block with one thing broken.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    pub(crate) files: Files,
    /// The lightest level at which it has to be noticed.
    pub(crate) from: Level,
    /// As one of these.
    pub(crate) as_one_of: &'static [Damage],
}

/// Breaks one thing of a block; `None` if this block does not have it.
pub(crate) type Mutation = fn(&BlockSpec, &mut Random) -> Option<Broken>;

const INDEX: &[Damage] = &[Damage::Index];
const CHUNK: &[Damage] = &[Damage::Chunk];
const STONE: &[Damage] = &[Damage::Tombstone];
const PARTS: &[Damage] = &[Damage::Inconsistent];
const CHUNK_OR_PARTS: &[Damage] = &[Damage::Chunk, Damage::Inconsistent];
const ANY_DAMAGE: &[Damage] = &[Damage::Index, Damage::Inconsistent, Damage::Unsupported, Damage::Chunk];
const INDEX_OR_PARTS: &[Damage] = &[Damage::Index, Damage::Inconsistent];

/// All of them by name.
pub(crate) fn all() -> impl Iterator<Item = &'static Named> + Clone {
    bytes::ALL.iter().chain(meaning::ALL)
}

/// A mutation and what it does.
pub(crate) type Named = (&'static str, Mutation);

/// What a mutation of bytes is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Index,
    Segment,
    Tombstones,
}

impl Target {
    const fn of(path: &str) -> Option<Self> {
        match path.as_bytes() {
            b"index" => Some(Self::Index),
            b"tombstones" => Some(Self::Tombstones),
            [b'c', b'h', ..] => Some(Self::Segment),
            _ => None,
        }
    }

    /// From when on it is noticed that bytes of it are not those that were written, and as what.
    const fn noticed(self) -> (Level, &'static [Damage]) {
        match self {
            Self::Index => (Level::Index, &[Damage::Index, Damage::Unsupported]),
            Self::Segment => (Level::Checksum, CHUNK),
            Self::Tombstones => (Level::Index, STONE),
        }
    }
}

/// One of the files.
fn file(written: &Written, random: &mut Random, targets: &[Target]) -> Option<(String, Target)> {
    let of =
        |path: &String| Target::of(path).filter(|target| targets.contains(target)).map(|target| (path.clone(), target));
    let all: Vec<_> = written.files.keys().filter_map(of).collect();
    (!all.is_empty()).then(|| all[random.below(all.len() as u64) as usize].clone())
}

fn bit(spec: &BlockSpec, random: &mut Random, targets: &[Target]) -> Option<Broken> {
    let mut written = spec.write();
    let (path, target) = file(&written, random, targets)?;
    let bytes = written.file(&path);
    let bit = random.below(bytes.len() as u64 * 8) as usize;
    bytes[bit / 8] ^= 1 << (bit % 8);
    let (from, as_one_of) = target.noticed();
    Some(Broken { files: written.files, from, as_one_of })
}

const ANY: [Target; 3] = [Target::Index, Target::Segment, Target::Tombstones];

fn resized(spec: &BlockSpec, random: &mut Random, change: fn(&mut Vec<u8>, &mut Random)) -> Option<Broken> {
    let mut written = spec.write();
    let (path, target) = file(&written, random, &ANY)?;
    change(written.file(&path), random);
    let (from, as_one_of) = target.noticed();
    // a segment may end between two records
    let as_one_of = if target == Target::Segment { CHUNK_OR_PARTS } else { as_one_of };
    Some(Broken { files: written.files, from, as_one_of })
}

fn zeros(spec: &BlockSpec, random: &mut Random) -> Option<Broken> {
    let mut written = spec.write();
    let (path, target) = file(&written, random, &ANY)?;
    let bytes = written.file(&path);
    let at = random.below(bytes.len() as u64) as usize;
    let end = bytes.len().min(at + 16);
    let changes = bytes[at..end].iter().any(|byte| *byte != 0);
    bytes[at..end].fill(0);
    let (from, as_one_of) = target.noticed();
    changes.then_some(Broken { files: written.files, from, as_one_of })
}

/// A block whose parts are changed before it is bytes; nothing if `change` changes nothing.
fn planned(
    spec: &BlockSpec,
    from: Level,
    as_one_of: &'static [Damage],
    change: impl FnOnce(&mut Plan) -> bool,
) -> Option<Broken> {
    let mut plan = spec.plan();
    change(&mut plan).then(|| Broken { files: plan.write().files, from, as_one_of })
}

/// Adds to a number of `stats`, if it is there.
fn add(plan: &mut Plan, key: &str, more: i64) -> bool {
    let Some(value) = plan.meta["stats"].get(key).and_then(serde_json::Value::as_i64) else { return false };
    plan.meta["stats"][key] = (value + more).into();
    true
}

/// The same block with all samples `by` ms later.
fn shifted(spec: &BlockSpec, by: i64) -> BlockSpec {
    fn shift(samples: &mut Samples, by: i64) {
        match samples {
            Samples::Xor(samples) | Samples::Xor2(samples) => samples.iter_mut().for_each(|sample| sample.at += by),
            Samples::Histograms { samples, .. } => samples.iter_mut().for_each(|sample| sample.at += by),
            Samples::FloatHistograms { samples, .. } => samples.iter_mut().for_each(|sample| sample.at += by),
            Samples::Aggregates(parts) => parts.iter_mut().flatten().for_each(|part| shift(part, by)),
            Samples::Raw { .. } => panic!("ready bytes cannot be shifted"),
        }
    }
    let mut shifted = spec.clone();
    for chunk in shifted.series.iter_mut().flat_map(|series| &mut series.chunks) {
        shift(&mut chunk.samples, by);
    }
    shifted
}

fn record(written: &Written, random: &mut Random) -> (usize, usize) {
    let segment = random.below(written.records.len() as u64) as usize;
    (segment, random.below(written.records[segment].len() as u64) as usize)
}

fn chunk<'a>(plan: &'a mut Plan, random: &mut Random) -> &'a mut crate::blocks::PlannedChunk {
    let mut all: Vec<_> = plan.series.iter_mut().flat_map(|series| &mut series.chunks).collect();
    let idx = random.below(all.len() as u64) as usize;
    all.swap_remove(idx)
}

/// Two different ones, if there are two.
fn pair(count: usize, random: &mut Random) -> (usize, usize) {
    let a = random.below(count as u64) as usize;
    let b = random.below(count as u64) as usize;
    (a, if a == b { (b + 1) % count } else { b })
}

/// Any number but 0.
fn change(random: &mut Random) -> i64 {
    let by = 1 + random.below(100_000).cast_signed();
    if random.below(2) == 0 { by } else { -by }
}

/// From when on it can be noticed that two records have changed places: not at all if they have the same length and
/// times, since then each is where a chunk with its times has to be.
pub(crate) fn swap_noticed_from(plan: &Plan, segment: usize, (a, b): (usize, usize)) -> Option<Level> {
    let records = &plan.records[segment];
    let times = |record: usize| {
        let all = plan.series.iter().flat_map(|series| &series.chunks);
        all.filter(|chunk| (chunk.segment, chunk.record) == (segment, record))
            .map(|chunk| (chunk.first, chunk.last))
            .next()
    };
    let ((first_a, last_a), (first_b, last_b)) = (times(a)?, times(b)?);
    if records[a].data.len() != records[b].data.len() || first_a != first_b {
        Some(Level::Checksum)
    } else {
        (last_a != last_b).then_some(Level::Full)
    }
}
