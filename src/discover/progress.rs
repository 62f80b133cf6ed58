//! What a long pass tells whoever waits for it.

use std::fmt::Debug;

/// Told about the progress of a pass, from any thread, often: whoever implements it must be quick.
pub trait Progress: Debug + Send + Sync {
    /// So many more keys of a bucket were listed.
    fn listed(&self, bucket: &str, keys: u64);

    /// The listing is complete; so many objects (`meta.json`, marks) have to be read.
    fn to_read(&self, bucket: &str, objects: u64);

    /// One of them was read, or could not be.
    fn read(&self, bucket: &str);

    /// The pass over a bucket has ended, in whatever way.
    fn ended(&self, bucket: &str);
}

/// For when nobody waits.
impl Progress for () {
    fn listed(&self, _bucket: &str, _keys: u64) {}
    fn to_read(&self, _bucket: &str, _objects: u64) {}
    fn read(&self, _bucket: &str) {}
    fn ended(&self, _bucket: &str) {}
}
