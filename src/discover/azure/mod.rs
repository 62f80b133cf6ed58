//! Azure Blob Storage by its REST API. Requests are signed by `object_store` and sent by our transport; listings are
//! parsed here, because `object_store` fails a page for one odd key.
//!
//! <https://learn.microsoft.com/en-us/rest/api/storageservices/blob-service-rest-api>

mod fault;
mod list;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use ::http::{HeaderName, HeaderValue, Method, header};
use async_trait::async_trait;
use object_store::azure::{AzureAuthorizer, AzureCredential};
use object_store::client::HttpRequestBody;
use tokio::sync::mpsc;

use super::escape::escape;
use super::read::{etag, read_object};
use super::xml::parse_time;
use super::{
    Answer, AzureAccess, BodyCap, Bucket, BucketError, Doing, ErrorKind, ListPage, ListedObject, Purpose, ReadObject,
    Transport, Verdict,
};
use crate::model::{AzureSettings, Provider, RequestCounts};

/// A container. Clones share everything.
#[derive(Clone)]
pub struct Azure(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    /// `host/container`, for errors.
    place: String,
    access: AzureAccess,
    /// Without a slash at its end.
    container_url: String,
    /// With a slash at its end, unless empty.
    prefix: String,
    transport: Transport,
}

impl fmt::Debug for Azure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Azure").field("place", &self.0.place).field("prefix", &self.0.prefix).finish_non_exhaustive()
    }
}

/// What to send.
struct Request<'r> {
    method: Method,
    purpose: Purpose,
    url: String,
    headers: Vec<(HeaderName, String)>,
    max_bytes: u64,
    check: &'r (dyn Fn(&Answer) -> Verdict + Send + Sync),
}

impl Azure {
    /// The container of `settings`, `prefix` without slashes at its ends. It is never created, whatever
    /// `storage_create_container` says. Sends nothing yet.
    pub fn new(
        settings: &AzureSettings,
        name: Arc<str>,
        prefix: &str,
        access: AzureAccess,
        transport: Transport,
    ) -> Result<Self, BucketError> {
        let host = access.blob_url.split_once("://").map_or(access.blob_url.as_str(), |(_, host)| host);
        let place = format!("{host}/{}", settings.container);
        let container_url = format!("{}/{}", access.blob_url, escape(&settings.container));
        // the signer panics on what it cannot parse
        if url::Url::parse(&container_url).is_err() || container_url.parse::<::http::Uri>().is_err() {
            let hint = "`endpoint` is a host without a scheme; check it and `storage_account`".to_owned();
            let doing = Doing { what: "use", key: None, place: &place };
            return Err(doing.error(ErrorKind::Protocol, "its address is not a URL", Some(hint)));
        }
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self(Arc::new(Inner { name, place, access, container_url, prefix, transport })))
    }

    fn doing<'a>(&'a self, what: &'static str, key: Option<&'a str>) -> Doing<'a> {
        Doing { what, key, place: &self.0.place }
    }

    fn blob_url(&self, key: &str) -> String {
        format!("{}/{}", self.0.container_url, blob_path(&format!("{}{key}", self.0.prefix)))
    }

    /// Sends a request; an answer with a bad status is an error.
    async fn send(&self, doing: Doing<'_>, request: Request<'_>) -> Result<Answer, BucketError> {
        let invalid = |why: String| doing.error(ErrorKind::Protocol, &why, None);
        if url::Url::parse(&request.url).is_err() {
            return Err(invalid("the key makes no URL".to_owned()));
        }
        let mut message = ::http::Request::builder()
            .method(request.method)
            .uri(request.url)
            .body(HttpRequestBody::empty())
            .map_err(|error| invalid(format!("the key makes no URL: {error}")))?;
        for (name, value) in request.headers {
            let value =
                HeaderValue::from_str(&value).map_err(|_bad| invalid(format!("`{name}` cannot hold its value")))?;
            message.headers_mut().insert(name, value);
        }
        message.extensions_mut().insert(request.purpose);
        message.extensions_mut().insert(BodyCap(request.max_bytes));
        let credential = self.0.access.credentials.get().await?;
        AzureAuthorizer::new(&credential, &self.0.access.account)
            .try_authorize(&mut message)
            .map_err(|_opaque| doing.error(ErrorKind::Unauthenticated, "the request cannot be signed", None))?;
        let answer =
            self.0.transport.execute_checked(message, request.check).await.map_err(|error| doing.no_answer(&error))?;
        if answer.status.is_success() { Ok(answer) } else { Err(fault::error(doing, &answer, &secrets(&credential))) }
    }
}

/// What must not come back in an error.
fn secrets(credential: &AzureCredential) -> Vec<&str> {
    match credential {
        // only what was computed with it was sent
        AzureCredential::AccessKey(_) => Vec::new(),
        AzureCredential::SASToken(pairs) => {
            pairs.iter().filter(|(name, _)| name == "sig").map(|(_, value)| value.as_str()).collect()
        }
        AzureCredential::BearerToken(token) => vec![token],
    }
}

/// A key as a path. Where a part of it means something to HTTP clients and servers (`..`, or nothing), the slashes are
/// escaped too: Azure takes that for the same blob.
fn blob_path(key: &str) -> String {
    let is_plain = key.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if is_plain { key.split('/').map(escape).collect::<Vec<_>>().join("/") } else { escape(key) }
}

/// A key that stays unreachable: on its own it is a step in the path, escaped or not.
fn is_unreachable(full_key: &str) -> bool {
    matches!(full_key, "." | "..")
}

#[async_trait]
impl Bucket for Azure {
    fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    fn provider(&self) -> Provider {
        Provider::Azure
    }

    /// Azure cannot begin a listing in the middle, so `_splits` do not help.
    async fn list(&self, _splits: &[String], pages: mpsc::Sender<ListPage>) -> Result<(), BucketError> {
        self.list_all(&pages).await
    }

    async fn get(
        &self,
        key: &str,
        range: Option<Range<u64>>,
        if_match: Option<&str>,
        max_bytes: u64,
    ) -> Result<ReadObject, BucketError> {
        let doing = self.doing("read", Some(key));
        let mut headers = Vec::new();
        if let Some(range) = &range {
            headers.push((header::RANGE, format!("bytes={}-{}", range.start, range.end.saturating_sub(1))));
        }
        if let Some(tag) = if_match {
            headers.push((header::IF_MATCH, format!("\"{tag}\"")));
        }
        let request = Request {
            method: Method::GET,
            purpose: Purpose::Get,
            url: self.blob_url(key),
            headers,
            max_bytes,
            check: &|_| Verdict::Accept,
        };
        let answer = self.send(doing, request).await?;
        read_object(doing, answer, range)
    }

    async fn head(&self, key: &str) -> Result<Option<ListedObject>, BucketError> {
        let doing = self.doing("look for", Some(key));
        let request = Request {
            method: Method::HEAD,
            purpose: Purpose::Head,
            url: self.blob_url(key),
            headers: Vec::new(),
            max_bytes: 0,
            check: &|_| Verdict::Accept,
        };
        let answer = match self.send(doing, request).await {
            Ok(answer) => answer,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let size = answer.header("content-length").and_then(|text| text.parse().ok());
        let last_modified = answer.header("last-modified").and_then(parse_time);
        let (Some(size), Some(last_modified)) = (size, last_modified) else {
            let why = "the answer has no readable `Content-Length` or `Last-Modified`";
            return Err(doing.error(ErrorKind::Protocol, why, None));
        };
        let inferred = answer.header("x-ms-access-tier-inferred") == Some("true");
        let tier = answer.header("x-ms-access-tier").filter(|tier| is_notable(tier, inferred));
        Ok(Some(ListedObject {
            key: key.to_owned(),
            size,
            etag: etag(&answer).map(String::into_boxed_str),
            last_modified,
            storage_class: tier.map(Arc::from),
        }))
    }

    fn requests(&self) -> RequestCounts {
        self.0.transport.requests()
    }

    fn date_skew_ms(&self) -> Option<i64> {
        self.0.transport.date_skew_ms()
    }
}

/// A tier that somebody chose for the blob; the account's own goes without saying.
fn is_notable(tier: &str, inferred: bool) -> bool {
    !tier.is_empty() && !inferred && tier != "Hot"
}

#[cfg(test)]
mod tests;
