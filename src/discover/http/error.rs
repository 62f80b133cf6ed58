//! Why there is no answer.

use std::error::Error;
use std::io;

use ::http::{Method, Uri};
use object_store::client::HttpErrorKind;

use crate::model::format_duration_ms;

/// There is no answer, after all retries. The text names the host and the cause, never a query, header or body.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct TransportError {
    /// What kind of failure.
    pub kind: TransportErrorKind,
    /// In words.
    pub message: String,
    /// What to do about it, if there is something to say.
    pub hint: Option<&'static str>,
}

/// Kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportErrorKind {
    /// The client cannot be built from its settings.
    Setup,
    /// Not a read, and not for a credential endpoint.
    Refused,
    /// No connection.
    Connect,
    /// The other side's certificate, or ours, was not accepted.
    Tls,
    /// Connecting, the response's header, its body or all of it took too long.
    TimedOut,
    /// The connection broke, before or in the middle of the body.
    Cut,
    /// The body is longer than the caller takes.
    TooLarge,
    /// The caller did not accept what came.
    Protocol,
}

impl TransportErrorKind {
    /// Another attempt may end otherwise.
    pub(super) const fn is_passing(self) -> bool {
        matches!(self, Self::Connect | Self::TimedOut | Self::Cut | Self::Protocol)
    }
}

impl From<TransportErrorKind> for HttpErrorKind {
    fn from(kind: TransportErrorKind) -> Self {
        match kind {
            TransportErrorKind::Connect | TransportErrorKind::Tls => Self::Connect,
            TransportErrorKind::TimedOut => Self::Timeout,
            TransportErrorKind::Cut => Self::Interrupted,
            TransportErrorKind::Protocol => Self::Decode,
            TransportErrorKind::Setup | TransportErrorKind::Refused | TransportErrorKind::TooLarge => Self::Unknown,
        }
    }
}

impl TransportError {
    fn new(kind: TransportErrorKind, message: String) -> Self {
        Self { kind, message, hint: None }
    }

    pub(super) fn setup(error: &(dyn Error + 'static)) -> Self {
        Self::new(TransportErrorKind::Setup, format!("cannot set up the HTTP client: {}", chain(error)))
    }

    pub(super) fn proxy(variable: &'static str) -> Self {
        let mut error = Self::new(
            TransportErrorKind::Setup,
            format!("the proxy in the environment variable `{variable}` (or `ALL_PROXY`) is not a usable URL"),
        );
        error.hint = Some("write it as `http://host:port`");
        error
    }

    pub(super) fn refused(method: &Method, url: &Uri) -> Self {
        let host = url.host().unwrap_or("");
        Self::new(TransportErrorKind::Refused, format!("refused to send {method} to `{host}`: this client only reads"))
    }

    pub(super) fn bad_url(host: &str) -> Self {
        Self::new(TransportErrorKind::Setup, format!("cannot make a URL for `{host}`"))
    }

    pub(super) fn timed_out(host: &str, what: &str, after_ms: u64) -> Self {
        let limit = format_duration_ms(i64::try_from(after_ms).unwrap_or(i64::MAX));
        let mut error = Self::new(TransportErrorKind::TimedOut, format!("`{host}`: {what} took longer than {limit}"));
        error.hint = Some("is the endpoint right, and reachable from here?");
        error
    }

    pub(super) fn too_large(host: &str, limit: u64) -> Self {
        Self::new(TransportErrorKind::TooLarge, format!("`{host}`: the body is longer than {limit} bytes"))
    }

    pub(super) fn protocol(host: &str, why: &str) -> Self {
        Self::new(TransportErrorKind::Protocol, format!("`{host}`: {why}"))
    }

    /// `error` came of a request to `host` or of reading its answer.
    pub(super) fn from_client(host: &str, error: reqwest::Error) -> Self {
        // the URL holds a query, and a query can hold a token
        let error = error.without_url();
        let kind = classify(&error);
        let did = match kind {
            TransportErrorKind::Connect => "cannot connect",
            TransportErrorKind::Tls => "TLS failed",
            TransportErrorKind::TimedOut => "timed out",
            TransportErrorKind::Setup => "the request cannot be sent",
            TransportErrorKind::Refused
            | TransportErrorKind::Cut
            | TransportErrorKind::TooLarge
            | TransportErrorKind::Protocol => "the connection broke",
        };
        let mut failure = Self::new(kind, format!("`{host}`: {did}: {}", causes(&error)));
        failure.hint = match kind {
            TransportErrorKind::Connect => {
                Some("check `endpoint`, its port, DNS and the network's rules; `insecure: true` is for plain HTTP")
            }
            TransportErrorKind::Tls => {
                Some("check `http_config.tls_config` (`ca_file`, `server_name`); `insecure: true` is for plain HTTP")
            }
            TransportErrorKind::Setup
            | TransportErrorKind::Refused
            | TransportErrorKind::TimedOut
            | TransportErrorKind::Cut
            | TransportErrorKind::TooLarge
            | TransportErrorKind::Protocol => None,
        };
        failure
    }

    /// The same, saying how often it was tried.
    pub(super) fn after(mut self, attempts: u32) -> Self {
        if attempts > 1 {
            self.message = format!("{} ({attempts} attempts)", self.message);
        }
        self
    }
}

fn classify(error: &reqwest::Error) -> TransportErrorKind {
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(cause) = source {
        if is_tls(cause) {
            return TransportErrorKind::Tls;
        }
        source = cause.source();
    }
    if error.is_timeout() {
        TransportErrorKind::TimedOut
    } else if error.is_connect() {
        TransportErrorKind::Connect
    } else if error.is_builder() {
        TransportErrorKind::Setup
    } else {
        TransportErrorKind::Cut
    }
}

/// rustls' errors come wrapped in I/O errors, in one or several, which hide them from `source`.
fn is_tls(error: &(dyn Error + 'static)) -> bool {
    error.is::<rustls::Error>()
        || error.downcast_ref::<io::Error>().and_then(io::Error::get_ref).is_some_and(|inner| is_tls(inner))
}

/// An error and all that it stems from, each once: some libraries repeat their source in their own text.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let next = cause.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        source = cause.source();
    }
    text
}

/// What is below reqwest's own sentence, which says no more than that sending failed.
fn causes(error: &reqwest::Error) -> String {
    error.source().map_or_else(|| error.to_string(), chain)
}
