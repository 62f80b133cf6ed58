//! Google Cloud Storage by its JSON API: a key is one escaped part of the path there, so that no client or proxy takes
//! `..` or `//` in it for something else, and listings can begin and end at any key.
//!
//! <https://cloud.google.com/storage/docs/json_api/v1/objects>

mod fault;
mod list;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use ::http::{HeaderValue, Method, header};
use async_trait::async_trait;
use object_store::client::HttpRequestBody;
use object_store::gcp::GcpCredential;
use tokio::sync::mpsc;

use super::escape::escape;
use super::read::read_object;
use super::{
    Answer, BodyCap, Bucket, BucketError, Credentials, Doing, ErrorKind, ListPage, ListedObject, Purpose, ReadObject,
    Transport, Verdict,
};
use crate::model::{Environment, GcsSettings, Provider, RequestCounts};
use list::Resource;

const STORAGE: &str = "https://storage.googleapis.com";
/// What is asked of an object.
const FIELDS: &str = "name,size,etag,generation,updated,storageClass";

/// A bucket. Clones share everything.
#[derive(Clone)]
pub struct Gcs(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    /// `host/bucket`, for errors.
    place: String,
    /// The URL that objects are below, without a slash at its end.
    objects_url: String,
    /// With a slash at its end, unless empty.
    prefix: String,
    credentials: Option<Credentials<GcpCredential>>,
    transport: Transport,
}

impl fmt::Debug for Gcs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gcs").field("place", &self.0.place).field("prefix", &self.0.prefix).finish_non_exhaustive()
    }
}

/// What to send.
struct Request<'r> {
    purpose: Purpose,
    url: String,
    headers: Vec<(header::HeaderName, String)>,
    max_bytes: u64,
    check: &'r (dyn Fn(&Answer) -> Verdict + Send + Sync),
}

impl Gcs {
    /// The bucket of `settings`, `prefix` without slashes at its ends. Without `credentials`, requests are anonymous.
    /// `STORAGE_EMULATOR_HOST` in `environment` stands for Google's own address, as in Google's clients. Sends nothing
    /// yet.
    pub fn new(
        settings: &GcsSettings,
        name: Arc<str>,
        prefix: &str,
        environment: &Environment,
        credentials: Option<Credentials<GcpCredential>>,
        transport: Transport,
    ) -> Result<Self, BucketError> {
        let base = match environment.non_empty("STORAGE_EMULATOR_HOST") {
            None => STORAGE.to_owned(),
            Some(url) if url.contains("://") => url.trim_end_matches('/').to_owned(),
            Some(host) => format!("http://{}", host.trim_end_matches('/')),
        };
        let host = base.split_once("://").map_or(base.as_str(), |(_, host)| host);
        let place = format!("{host}/{}", settings.bucket);
        let objects_url = format!("{base}/storage/v1/b/{}/o", escape(&settings.bucket));
        if objects_url.parse::<::http::Uri>().is_err() {
            let hint = "`STORAGE_EMULATOR_HOST` is `host:port`, or a URL".to_owned();
            let doing = Doing { what: "use", key: None, place: &place };
            return Err(doing.error(ErrorKind::Protocol, "its address is not a URL", Some(hint)));
        }
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self(Arc::new(Inner { name, place, objects_url, prefix, credentials, transport })))
    }

    fn doing<'a>(&'a self, what: &'static str, key: Option<&'a str>) -> Doing<'a> {
        Doing { what, key, place: &self.0.place }
    }

    fn object_url(&self, key: &str) -> String {
        format!("{}/{}", self.0.objects_url, escape(&format!("{}{key}", self.0.prefix)))
    }

    /// Sends a request; an answer with a bad status is an error.
    async fn send(&self, doing: Doing<'_>, request: Request<'_>) -> Result<Answer, BucketError> {
        let invalid = |why: String| doing.error(ErrorKind::Protocol, &why, None);
        let mut message = ::http::Request::builder()
            .method(Method::GET)
            .uri(request.url)
            .body(HttpRequestBody::empty())
            .map_err(|error| invalid(format!("the key makes no URL: {error}")))?;
        for (name, value) in request.headers {
            let value =
                HeaderValue::from_str(&value).map_err(|_bad| invalid(format!("`{name}` cannot hold its value")))?;
            message.headers_mut().insert(name, value);
        }
        let credential = match &self.0.credentials {
            None => None,
            Some(credentials) => Some(credentials.get().await?),
        };
        let bearer = credential.as_ref().map_or("", |credential| credential.bearer.as_str());
        if !bearer.is_empty() {
            let mut value = HeaderValue::from_str(&format!("Bearer {bearer}"))
                .map_err(|_bad| invalid("the token cannot be put into a header".to_owned()))?;
            value.set_sensitive(true);
            message.headers_mut().insert(header::AUTHORIZATION, value);
        }
        message.extensions_mut().insert(request.purpose);
        message.extensions_mut().insert(BodyCap(request.max_bytes));
        let answer =
            self.0.transport.execute_checked(message, request.check).await.map_err(|error| doing.no_answer(&error))?;
        if answer.status.is_success() { Ok(answer) } else { Err(fault::error(doing, &answer, &[bearer])) }
    }
}

#[async_trait]
impl Bucket for Gcs {
    fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    fn provider(&self) -> Provider {
        Provider::Gcs
    }

    async fn list(&self, splits: &[String], pages: mpsc::Sender<ListPage>) -> Result<(), BucketError> {
        self.list_parts(splits, pages).await
    }

    async fn get(
        &self,
        key: &str,
        range: Option<Range<u64>>,
        if_match: Option<&str>,
        max_bytes: u64,
    ) -> Result<ReadObject, BucketError> {
        let doing = self.doing("read", Some(key));
        let mut url = format!("{}?alt=media", self.object_url(key));
        // as stored: an object that was uploaded compressed would be unpacked on the way, and ranges ignored
        let mut headers = vec![(header::ACCEPT_ENCODING, "gzip".to_owned())];
        if let Some(range) = &range {
            headers.push((header::RANGE, format!("bytes={}-{}", range.start, range.end.saturating_sub(1))));
        }
        match if_match {
            Some(tag) if is_generation(tag) => url.extend(["&ifGenerationMatch=", tag]),
            Some(tag) => headers.push((header::IF_MATCH, format!("\"{tag}\""))),
            None => {}
        }
        let request = Request { purpose: Purpose::Get, url, headers, max_bytes, check: &|_| Verdict::Accept };
        let answer = self.send(doing, request).await?;
        let generation = answer.header("x-goog-generation").map(str::to_owned);
        let mut read = read_object(doing, answer, range)?;
        read.etag = generation.or(read.etag);
        Ok(read)
    }

    async fn head(&self, key: &str) -> Result<Option<ListedObject>, BucketError> {
        let doing = self.doing("look for", Some(key));
        let request = Request {
            purpose: Purpose::Head,
            url: format!("{}?fields={}", self.object_url(key), escape(FIELDS)),
            headers: Vec::new(),
            max_bytes: 1 << 20,
            check: &|answer| match serde_json::from_slice::<Resource>(&answer.body) {
                Ok(_) => Verdict::Accept,
                Err(_) => Verdict::Retry("the answer is not an object's metadata".to_owned()),
            },
        };
        let answer = match self.send(doing, request).await {
            Ok(answer) => answer,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let resource = serde_json::from_slice::<Resource>(&answer.body).ok();
        let object = resource.and_then(|resource| resource.object(key.to_owned(), &mut Vec::new()));
        match object {
            Some(object) => Ok(Some(object)),
            None => Err(doing.error(ErrorKind::Protocol, "the answer has no readable `size` or `updated`", None)),
        }
    }

    fn requests(&self) -> RequestCounts {
        self.0.transport.requests()
    }

    fn date_skew_ms(&self) -> Option<i64> {
        self.0.transport.date_skew_ms()
    }
}

/// What changes with an object's content is its generation; its `ETag` also changes with its metadata, and is another
/// one for each of Google's APIs. Emulators may have only that.
fn is_generation(tag: &str) -> bool {
    !tag.is_empty() && tag.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests;
