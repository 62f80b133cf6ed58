//! Failures in the words of a bucket: what was tried, where, what came of it.

use super::http::{TransportError, TransportErrorKind};
use super::{BucketError, ErrorKind};

/// What was being done, for the text of an error.
#[derive(Clone, Copy, Debug)]
pub struct Doing<'a> {
    /// As it stands after "cannot": `list`, `read`, `look for`.
    pub what: &'static str,
    /// Relative to the prefix; `None` where it was the bucket as a whole.
    pub key: Option<&'a str>,
    /// `endpoint/bucket`, or a directory.
    pub place: &'a str,
}

impl Doing<'_> {
    /// The error that `why` this failed.
    pub fn error(&self, kind: ErrorKind, why: &str, hint: Option<String>) -> BucketError {
        let Self { what, key, place } = self;
        let message = match key {
            // keys are foreign text: nothing in them may break a line or colour a terminal
            Some(key) => format!("cannot {what} `{}` in `{place}`: {why}", key.escape_debug()),
            None => format!("cannot {what} `{place}`: {why}"),
        };
        BucketError { kind, message, hint }
    }

    /// The error that there was no answer.
    pub fn no_answer(&self, error: &TransportError) -> BucketError {
        let kind = match error.kind {
            TransportErrorKind::Setup | TransportErrorKind::Refused | TransportErrorKind::Protocol => {
                ErrorKind::Protocol
            }
            TransportErrorKind::Connect
            | TransportErrorKind::Tls
            | TransportErrorKind::TimedOut
            | TransportErrorKind::Cut => ErrorKind::Unavailable,
            TransportErrorKind::TooLarge => ErrorKind::TooLarge,
        };
        self.error(kind, &error.message, error.hint.map(str::to_owned))
    }
}
