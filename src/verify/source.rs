//! The objects of one block, read in parts, each as it was listed or not at all.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::Task;
use super::budget::Budget;
use crate::discover::{Bucket, BucketError, ErrorKind};
use crate::model::{ObjectView, Provider};

/// Why a reading came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The block is not what was listed any more.
    Changed {
        /// In words.
        why: String,
        /// An object is not there.
        gone: bool,
    },
    /// It could not be read.
    Unreachable(String),
    /// Nobody wants to know any more.
    Stopped,
}

impl From<BucketError> for Failure {
    fn from(error: BucketError) -> Self {
        let hint = error.hint.as_ref().map_or_else(String::new, |hint| format!("; {hint}"));
        let why = format!("{error}{hint}");
        let gone = error.kind == ErrorKind::NotFound;
        if gone || error.kind == ErrorKind::Changed { Self::Changed { why, gone } } else { Self::Unreachable(why) }
    }
}

/// How far and in what pieces a storage is read ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// Bytes of one request.
    pub(super) piece: u64,
    /// Requests under way for one place at which a block is read.
    pub(super) ahead: usize,
    /// What a block begins with is asked for at once: where an answer takes long.
    pub(super) opens: bool,
}

impl Pace {
    /// Bytes of a unit of chunk work: a piece, and a chunk more.
    pub(super) const fn unit(self) -> u64 {
        self.piece.saturating_add(self.piece / 8)
    }

    /// Pieces that are small enough for the caches of a processor where reading costs nothing, and large enough over a
    /// network that the time to an answer is not most of it.
    pub(super) const fn of(provider: Provider) -> Self {
        match provider {
            Provider::Filesystem => Self { piece: 1 << 20, ahead: 2, opens: false },
            Provider::S3 | Provider::Gcs | Provider::Azure => Self { piece: 8 << 20, ahead: 4, opens: true },
        }
    }
}

/// The objects of a block in their bucket.
#[derive(Debug)]
pub(super) struct Source {
    bucket: Arc<dyn Bucket>,
    /// The block's directory in the bucket.
    folder: Arc<str>,
    objects: BTreeMap<Arc<str>, ObjectView>,
    budget: Arc<Budget>,
    stop: CancellationToken,
}

impl Source {
    /// Once `stop` is cancelled no request is begun, however many were asked for ahead.
    pub(super) fn new(task: &Task, budget: Arc<Budget>, stop: CancellationToken) -> Self {
        let objects = task.objects.iter().map(|object| (Arc::clone(&object.name), object.clone()));
        let (bucket, folder) = (Arc::clone(&task.bucket), Arc::clone(&task.folder));
        Self { bucket, folder, objects: objects.collect(), budget, stop }
    }

    /// Reads a part of an object, all of it.
    pub(super) async fn read(&self, object: &str, range: Range<u64>) -> Result<Bytes, Failure> {
        let key = format!("{}/{object}", self.folder);
        let length = range.end.saturating_sub(range.start);
        let listed = self.objects.get(object);
        let etag = listed.and_then(|listed| listed.etag.as_deref());
        let permit = self.budget.request(length).await;
        if self.stop.is_cancelled() {
            return Err(Failure::Stopped);
        }
        let read = self.bucket.get(&key, Some(range.clone()), etag, length).await?;
        drop(permit);
        if let Some(listed) = listed.filter(|listed| listed.size != read.size) {
            let why = format!("`{key}` has {} bytes now, and had {} when it was listed", read.size, listed.size);
            return Err(Failure::Changed { why, gone: false });
        }
        let got = u64::try_from(read.bytes.len()).unwrap_or(u64::MAX);
        if got != length {
            let why = format!("asked for {length} bytes of `{key}` from {} on, got {got}", range.start);
            return Err(Failure::Unreachable(why));
        }
        Ok(read.bytes)
    }
}
