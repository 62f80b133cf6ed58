//! Sources: what is in a bucket, seen with as few requests as possible. Read only by construction.

mod bucket;
mod credentials;
mod failure;
mod filesystem;
mod http;
mod limits;
mod progress;
mod read;
mod s3;
#[cfg(test)]
pub(crate) mod testing;

pub use bucket::{Bucket, BucketError, ErrorKind, ListPage, ListedObject, OddKey, ReadObject};
pub use credentials::{AzureAccess, Credentials, aws_credentials, azure_access, gcp_credentials};
pub use failure::Doing;
pub use filesystem::Filesystem;
pub use http::{
    Answer, BodyCap, Endpoint, Purpose, Transport, TransportError, TransportErrorKind, Verdict, install_crypto,
    no_retries,
};
pub use limits::{Ambient, Limits};
pub use progress::Progress;
pub use s3::S3;
