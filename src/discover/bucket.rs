//! The trait that every storage is read through.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::model::{Provider, RequestCounts, TimestampMs};

/// One storage location, read only. Keys are relative to the configured prefix, exactly as stored.
#[async_trait]
pub trait Bucket: Send + Sync + std::fmt::Debug {
    /// The name in output.
    fn name(&self) -> &Arc<str>;

    /// The kind of storage.
    fn provider(&self) -> Provider;

    /// Sends every key, in pages, in no particular order. `splits` are keys, ascending, that cut the key space into
    /// parts of about equal size; a storage that can start in the middle lists the parts at once, so that the number
    /// of requests is at most keys / page size, rounded up, plus one per part. Ends with an error as soon as one
    /// request has failed for good: then the pages that were sent mean nothing.
    async fn list(&self, splits: &[String], pages: mpsc::Sender<ListPage>) -> Result<(), BucketError>;

    /// Reads an object, or `range` (bytes) of it. With `if_match`, only if its `ETag` still is this one
    /// ([`ErrorKind::Changed`] otherwise). A body longer than `max_bytes` is [`ErrorKind::TooLarge`].
    async fn get(
        &self,
        key: &str,
        range: Option<std::ops::Range<u64>>,
        if_match: Option<&str>,
        max_bytes: u64,
    ) -> Result<ReadObject, BucketError>;

    /// Whether an object exists. `Ok(None)` only where the storage said so.
    async fn head(&self, key: &str) -> Result<Option<ListedObject>, BucketError>;

    /// Attempts so far, retries included, credential traffic apart.
    fn requests(&self) -> RequestCounts;

    /// The storage's `Date` minus our clock in ms, as of the last response; `None` where there is none.
    fn date_skew_ms(&self) -> Option<i64>;
}

/// A part of a listing.
#[derive(Clone, Debug, Default)]
pub struct ListPage {
    /// Objects, keys relative to the prefix.
    pub objects: Vec<ListedObject>,
    /// Keys that cannot be told apart or addressed (not UTF-8 after decoding, …); they are counted, never lost.
    pub odd: Vec<OddKey>,
}

/// A key that was listed and cannot be used.
#[derive(Clone, Debug)]
pub struct OddKey {
    /// The key, escaped for a reader.
    pub key: String,
    /// Bytes.
    pub size: u64,
}

/// One object as listed or found by HEAD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    /// Relative to the prefix.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Without quotes.
    pub etag: Option<Box<str>>,
    /// `LastModified`.
    pub last_modified: TimestampMs,
    /// As the provider names it; `None` for the default.
    pub storage_class: Option<Arc<str>>,
}

/// An object's content.
#[derive(Clone, Debug)]
pub struct ReadObject {
    /// The bytes that were asked for, all of them.
    pub bytes: Bytes,
    /// Size of the whole object in bytes.
    pub size: u64,
    /// Without quotes.
    pub etag: Option<String>,
}

/// Why a request has failed for good. The text is for a reader: what was tried, on which object, what came back;
/// never a secret, a signature or a query string.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct BucketError {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// In words, with the operation, the key and the place (`endpoint/bucket`).
    pub message: String,
    /// What to do about it, if there is something to say.
    pub hint: Option<String>,
}

/// Kinds of failure that callers treat differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The object is not there.
    NotFound,
    /// The bucket, container or directory is not there.
    NoBucket,
    /// Credentials are missing, wrong or expired.
    Unauthenticated,
    /// The credentials do not allow this.
    Forbidden,
    /// The object is not what `if_match` said.
    Changed,
    /// The object cannot be read at once (archived).
    Archived,
    /// Longer than allowed.
    TooLarge,
    /// 429 or `SlowDown`, after all retries.
    Throttled,
    /// Connection, time-out, 5xx, a body that was cut, after all retries.
    Unavailable,
    /// The storage answered something that is not its protocol.
    Protocol,
    /// The storage does not list in the order of keys, so its parts cannot be told apart; as a whole it can be listed.
    Disordered,
}
