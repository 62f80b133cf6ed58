//! The world as it was observed: one complete immutable view per source, each with its time.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use ulid::Ulid;

use super::{
    BlockMeta, DeletionMark, Interval, MetaProblem, NoCompactMark, NoDownsampleMark, Provider, ReceiverStatus,
    RequestCounts, TimestampMs, Verified,
};

/// Everything that was observed.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// One view per configured bucket, by name.
    pub buckets: BTreeMap<Arc<str>, Arc<BucketView>>,
    /// How the passes over each bucket go, by name, where they are made again and again; empty for a single pass.
    pub schedules: BTreeMap<Arc<str>, Schedule>,
    /// The newest verification of each block, by the bucket's name.
    pub verified: BTreeMap<Arc<str>, Arc<Verified>>,
    /// Who is to be told of what is wrong, and how that goes; `None` for a single pass, which tells nobody.
    pub receivers: Option<Arc<[ReceiverStatus]>>,
}

/// How the passes over one bucket go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Since when it is watched.
    pub since: TimestampMs,
    /// When the newest pass ended, however it ended.
    pub finished: Option<TimestampMs>,
    /// When the pass began that is under way.
    pub scanning_since: Option<TimestampMs>,
    /// How its re-verification gets on; `None` where there is none, or too little of it was done to tell.
    pub scrub: Option<ScrubOutlook>,
}

/// Whether a round over everything in a bucket will be over in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScrubOutlook {
    /// When the round began.
    pub began: TimestampMs,
    /// When it will be over if it goes on as it does.
    pub round_ends: TimestampMs,
    /// When it should be.
    pub due: TimestampMs,
    /// What is left of it, in bytes.
    pub bytes_left: u64,
    /// How fast it goes on: bytes per second over all hours, those outside of the window included.
    pub bytes_per_second: u64,
}

/// What one pass over a bucket saw.
#[derive(Clone, Debug)]
pub struct BucketView {
    /// The bucket's name in output.
    pub bucket: Arc<str>,
    /// Kind of storage; decides how Thanos dates partial uploads.
    pub provider: Provider,
    /// When the pass began.
    pub observed_at: TimestampMs,
    /// Whether the listing is complete. Where it is not, `blocks` is empty and means nothing.
    pub listing: Listing,
    /// By ULID. A directory counts as soon as one object in it is more than a directory marker.
    pub blocks: BTreeMap<Ulid, BlockView>,
    /// Keys that belong to no block.
    pub foreign: ForeignKeys,
    /// Blocks that the ledger knew, that the complete listing lacks, and whose `meta.json` a HEAD did not find either.
    pub confirmed_gone: Vec<Ulid>,
    /// Blocks that the ledger knew and the listing lacks, but that are there after all, or whose HEAD failed: unknown.
    pub unconfirmed_gone: Vec<(Ulid, String)>,
    /// Objects that were there to be read and could not be.
    pub unknown: Vec<UnknownObject>,
    /// The storage's `Date` header minus our clock, in ms, where the storage sends one.
    pub date_skew_ms: Option<i64>,
    /// Attempts against the bucket in this pass.
    pub requests: RequestCounts,
}

impl BucketView {
    /// Before the first pass.
    pub fn awaited(bucket: Arc<str>, provider: Provider, at: TimestampMs) -> Self {
        Self {
            bucket,
            provider,
            observed_at: at,
            listing: Listing::Awaited,
            blocks: BTreeMap::new(),
            foreign: ForeignKeys::default(),
            confirmed_gone: Vec::new(),
            unconfirmed_gone: Vec::new(),
            unknown: Vec::new(),
            date_skew_ms: None,
            requests: RequestCounts::default(),
        }
    }
}

/// The state of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listing {
    /// Every key was seen.
    Complete {
        /// Number of keys, foreign ones included.
        objects: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// It failed, at the start or midway; nothing is known.
    Unknown {
        /// In words for a reader, without secrets: what was tried and what came back.
        why: String,
    },
    /// Not a pass at all: this view was rebuilt from what the ledger held at an earlier moment.
    FromLedger {
        /// Number of keys in blocks.
        objects: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// No pass has ended yet: nothing is known, and nothing is wrong with that.
    Awaited,
}

impl Listing {
    /// The blocks of the view are all that there were.
    pub const fn is_complete(&self) -> bool {
        matches!(self, Self::Complete { .. } | Self::FromLedger { .. })
    }
}

/// Keys outside of blocks: other tools' directories, odd keys, directory markers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForeignKeys {
    /// How many.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The first few top-level names, sorted.
    pub samples: Vec<String>,
    /// First few directories that hold blocks one level deeper: a missing `prefix`, or Cortex' and Mimir's layout.
    pub nested_blocks: Vec<String>,
}

/// An object that was listed and could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownObject {
    /// The block.
    pub block: Ulid,
    /// Key inside the bucket.
    pub object: String,
    /// In words for a reader.
    pub why: String,
}

/// One listed object of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectView {
    /// Path inside the block's directory: `index`, `chunks/000001`, `meta.json`, …
    pub name: Arc<str>,
    /// Bytes.
    pub size: u64,
    /// `LastModified`.
    pub last_modified: TimestampMs,
    /// `ETag` as listed, quotes removed.
    pub etag: Option<Box<str>>,
    /// Storage class as the provider names it (`GLACIER`, `Archive`); `None` for the default.
    pub storage_class: Option<Arc<str>>,
}

impl ObjectView {
    /// It has to be restored before it can be read. Classes that are merely cold (`GLACIER_IR`, Google's `ARCHIVE`) are
    /// read like any other.
    pub fn is_archived(&self) -> bool {
        self.storage_class.as_deref().is_some_and(|class| ["GLACIER", "DEEP_ARCHIVE", "Archive"].contains(&class))
    }

    /// Nothing says that the content differs. The storage class may: a transition leaves the object what it is.
    pub fn has_content_of(&self, other: &Self) -> bool {
        let same_etag = match (&self.etag, &other.etag) {
            (Some(own), Some(others)) => own == others,
            _ => true,
        };
        self.size == other.size && self.last_modified == other.last_modified && same_etag
    }
}

/// What is known of a block's `meta.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetaState {
    /// Not listed.
    Absent,
    /// Read; `meta` is there if it could be understood well enough to place the block in a stream.
    Read {
        /// What it says.
        meta: Option<Arc<BlockMeta>>,
        /// What is wrong with it.
        problems: Box<[MetaProblem]>,
    },
    /// Listed and not read.
    Unknown(String),
}

impl MetaState {
    /// The parsed content, if any.
    pub const fn meta(&self) -> Option<&Arc<BlockMeta>> {
        match self {
            Self::Read { meta, .. } => meta.as_ref(),
            Self::Absent | Self::Unknown(_) => None,
        }
    }
}

/// What is known of one mark that was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarkState<T> {
    /// Read and understood.
    Read(T),
    /// Read and not understood: Thanos warns and treats it as no mark.
    Invalid(MetaProblem),
    /// Listed and not read.
    Unknown(String),
}

impl<T> MarkState<T> {
    /// The mark, if it could be read.
    pub const fn read(&self) -> Option<&T> {
        match self {
            Self::Read(mark) => Some(mark),
            Self::Invalid(_) | Self::Unknown(_) => None,
        }
    }
}

/// The marks of a block; `None` = not listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// `deletion-mark.json`
    pub deletion: Option<MarkState<DeletionMark>>,
    /// `no-compact-mark.json`
    pub no_compact: Option<MarkState<NoCompactMark>>,
    /// `no-downsample-mark.json`
    pub no_downsample: Option<MarkState<NoDownsampleMark>>,
}

/// How a block compares with what the ledger held, so that unchanged rows are left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockChange {
    /// Never seen before.
    New,
    /// Something differs: an object came, went or changed, or a mark.
    Changed,
    /// Exactly as it was.
    Unchanged,
}

/// An object that is not what it was at first sight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutation {
    /// The baseline: as first seen with `meta.json` present.
    pub was: ObjectView,
    /// As listed now.
    pub now: ObjectView,
    /// For `meta.json`: what differs, as `key: old → new`, and whether it matters to coverage, stream or statistics.
    pub meta_difference: Option<(Vec<String>, bool)>,
}

/// One block as it was seen.
#[derive(Clone, Debug)]
pub struct BlockView {
    /// The directory.
    pub ulid: Ulid,
    /// All objects but directory markers, by name.
    pub objects: Box<[ObjectView]>,
    /// `meta.json`.
    pub meta: MetaState,
    /// Marks.
    pub marks: Marks,
    /// Objects that changed since their first sight (marks excepted).
    pub mutations: Box<[Mutation]>,
    /// Against the ledger.
    pub change: BlockChange,
}

impl BlockView {
    /// The object of this name.
    pub fn object(&self, name: &str) -> Option<&ObjectView> {
        let idx = self.objects.binary_search_by(|object| (*object.name).cmp(name)).ok()?;
        self.objects.get(idx)
    }

    /// Newest `LastModified` of all objects.
    pub fn newest_modification(&self) -> Option<TimestampMs> {
        self.objects.iter().map(|object| object.last_modified).max()
    }

    /// Bytes of all objects.
    pub fn bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.size).sum()
    }

    /// A number for everything that decides about the content of the block: names, sizes, `ETag`s and times of all
    /// objects but the marks. Another number, another content, as far as a listing can tell.
    pub fn identity(&self) -> u64 {
        let mut hash = Sha256::new();
        for object in self.objects.iter().filter(|object| !object.name.ends_with("-mark.json")) {
            let etag = object.etag.as_deref().unwrap_or_default();
            let texts = [&*object.name, etag];
            for text in texts {
                hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
                hash.update(text);
            }
            hash.update(object.size.to_be_bytes());
            hash.update(object.last_modified.0.to_be_bytes());
        }
        hash.finalize().iter().take(8).fold(0, |all, byte| all << 8 | u64::from(*byte))
    }

    /// Its time range, if `meta.json` gives one.
    pub fn interval(&self) -> Option<Interval> {
        self.meta.meta().map(|meta| meta.interval)
    }
}

/// A block as the ledger holds it: what a source needs in order to fetch only what is new or changed.
#[derive(Clone, Debug)]
pub struct KnownBlock {
    /// As first seen with a `meta.json` that is no broken one (until then: as last seen), by name.
    pub baseline: Box<[ObjectView]>,
    /// As last listed, where that differs from the baseline, by name; gone objects are not in it.
    pub current: Option<Box<[ObjectView]>>,
    /// The content of `meta.json` as last read.
    pub meta: MetaState,
    /// Its content at first sight, for the difference when it changes; `None` unless it has changed before.
    pub first_meta: Option<Arc<BlockMeta>>,
    /// Marks as last read.
    pub marks: Marks,
    /// The block has had a `meta.json` that was no broken one: from then on the baseline stands.
    pub complete: bool,
}

/// What the ledger holds of one bucket, for its source.
#[derive(Clone, Debug, Default)]
pub struct KnownBucket {
    /// Blocks that were there at the last complete pass.
    pub blocks: BTreeMap<Ulid, KnownBlock>,
}
