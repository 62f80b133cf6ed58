//! Sources: what is in a bucket, seen with as few requests as possible. Read only by construction.

mod azure;
mod bucket;
mod credentials;
mod escape;
mod failure;
mod filesystem;
mod folders;
mod gcs;
mod headway;
mod http;
mod limits;
mod open;
mod progress;
mod read;
mod s3;
mod said;
mod scan;
mod splits;
#[cfg(test)]
pub(crate) mod testing;
mod xml;

pub use azure::Azure;
pub use bucket::{Bucket, BucketError, ErrorKind, ListPage, ListedObject, OddKey, ReadObject};
pub use credentials::{AzureAccess, Credentials, aws_credentials, azure_access, gcp_credentials};
pub use failure::Doing;
pub use filesystem::Filesystem;
pub use folders::Folders;
pub use gcs::Gcs;
pub use http::{
    Answer, BodyCap, Endpoint, Purpose, Transport, TransportError, TransportErrorKind, Verdict, install_crypto,
    no_retries,
};
pub use limits::{Ambient, Limits};
pub use open::open;
pub use progress::Progress;
pub use s3::S3;
pub use scan::{ScanOptions, scan};
