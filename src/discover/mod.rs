//! Sources: what is in a bucket, seen with as few requests as possible. Read only by construction.

mod bucket;

pub use bucket::{Bucket, BucketError, ErrorKind, ListPage, ListedObject, OddKey, ReadObject};
