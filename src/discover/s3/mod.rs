//! Amazon S3 and what speaks its protocol. Requests are signed by `object_store` and sent by our transport; listings
//! are parsed here, because `object_store` fails a page for one odd key and renames directory markers.

mod address;
mod fault;
mod list;
#[cfg(test)]
mod tests;
mod xml;

use std::fmt;
use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock};

use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest, Md5};
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::{HttpRequest, HttpRequestBody};
use tokio::sync::mpsc;

use super::read::{etag, read_object};
use super::xml::parse_time;
use super::{
    Answer, BodyCap, Bucket, BucketError, Credentials, Doing, ErrorKind, ListPage, ListedObject, Purpose, ReadObject,
    Transport, Verdict,
};
use crate::model::{Provider, RequestCounts, S3Settings};
use address::Route;

/// A bucket. Clones share everything.
#[derive(Clone)]
pub struct S3(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    /// `endpoint/bucket`, for errors.
    place: String,
    settings: S3Settings,
    /// With a slash at its end, unless empty.
    prefix: String,
    /// Replaced when the storage says that the bucket is in another region.
    route: RwLock<Arc<Route>>,
    /// Seen to list in another order than that of keys: it cannot be listed in parts.
    unordered: AtomicBool,
    /// Present the customer's key with every read, if objects are encrypted with one.
    customer_key: Option<HeaderMap>,
    credentials: Credentials<AwsCredential>,
    transport: Transport,
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3").field("place", &self.0.place).field("prefix", &self.0.prefix).finish_non_exhaustive()
    }
}

/// What to send, beside the URL.
struct Request<'r> {
    method: Method,
    purpose: Purpose,
    headers: HeaderMap,
    max_bytes: u64,
    /// From the bucket's route to the URL; `None` for a key that has none.
    url: &'r (dyn Fn(&Route) -> Option<String> + Send + Sync),
    check: &'r (dyn Fn(&Answer) -> Verdict + Send + Sync),
}

impl S3 {
    /// The bucket of `settings`, `prefix` without slashes at its ends. Credentials with an empty `key_id` mean that
    /// requests are not signed. Sends nothing yet.
    pub fn new(
        settings: &S3Settings,
        name: Arc<str>,
        prefix: &str,
        credentials: Credentials<AwsCredential>,
        transport: Transport,
    ) -> Result<Self, BucketError> {
        let place = format!("{}/{}", settings.endpoint, settings.bucket);
        let doing = Doing { what: "use", key: None, place: &place };
        let customer_key = match &settings.encryption {
            None => None,
            Some(encryption) => Some(
                customer_key_headers(encryption.customer_key.expose())
                    .ok_or_else(|| doing.error(ErrorKind::Protocol, "the customer's key makes no header", None))?,
            ),
        };
        let route = Route::new(settings);
        if route.bucket_url.parse::<::http::Uri>().is_err() {
            let hint = "`endpoint` is a host with an optional port, without a scheme".to_owned();
            return Err(doing.error(ErrorKind::Protocol, "`endpoint` and `bucket` make no URL", Some(hint)));
        }
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self(Arc::new(Inner {
            name,
            settings: settings.clone(),
            prefix,
            route: RwLock::new(Arc::new(route)),
            unordered: AtomicBool::new(false),
            customer_key,
            credentials,
            transport,
            place,
        })))
    }

    fn doing<'a>(&'a self, what: &'static str, key: Option<&'a str>) -> Doing<'a> {
        Doing { what, key, place: &self.0.place }
    }

    fn route(&self) -> Arc<Route> {
        Arc::clone(&self.0.route.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends a request, once more if the storage says that the bucket is in another region. An answer with a bad
    /// status is an error.
    async fn send(&self, doing: Doing<'_>, request: Request<'_>) -> Result<Answer, BucketError> {
        let route = self.route();
        let (answer, credential) = self.send_to(&route, doing, &request).await?;
        let (answer, credential) = match other_region(&answer, &route) {
            None => (answer, credential),
            Some(region) => {
                tracing::warn!(
                    bucket = %self.0.name, region, instead_of = route.region,
                    "the bucket is in another region: set `region`"
                );
                let route = Arc::new(Route::in_region(&self.0.settings, region));
                *self.0.route.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&route);
                self.send_to(&route, doing, &request).await?
            }
        };
        if answer.status.is_success() {
            return Ok(answer);
        }
        let secrets = [&credential.secret_key, credential.token.as_deref().unwrap_or_default(), &credential.key_id];
        Err(fault::error(doing, &answer, &secrets))
    }

    async fn send_to(
        &self,
        route: &Route,
        doing: Doing<'_>,
        request: &Request<'_>,
    ) -> Result<(Answer, Arc<AwsCredential>), BucketError> {
        let Some(url) = (request.url)(route) else {
            return Err(doing.error(
                ErrorKind::Protocol,
                "a key with `.` or `..` between slashes cannot be addressed over HTTP",
                None,
            ));
        };
        let mut message = ::http::Request::builder()
            .method(request.method.clone())
            .uri(url)
            .body(HttpRequestBody::empty())
            .map_err(|error| doing.error(ErrorKind::Protocol, &format!("the key makes no URL: {error}"), None))?;
        message.headers_mut().extend(request.headers.clone());
        message.extensions_mut().insert(request.purpose);
        message.extensions_mut().insert(BodyCap(request.max_bytes));
        let credential = self.0.credentials.get().await?;
        sign(&mut message, &credential, &route.region)
            .map_err(|why| doing.error(ErrorKind::Unauthenticated, &why, None))?;
        let answer =
            self.0.transport.execute_checked(message, request.check).await.map_err(|error| doing.no_answer(&error))?;
        Ok((answer, credential))
    }

    fn read_headers(&self) -> HeaderMap {
        self.0.customer_key.clone().unwrap_or_default()
    }
}

fn sign(request: &mut HttpRequest, credential: &AwsCredential, region: &str) -> Result<(), String> {
    if credential.key_id.is_empty() {
        return Ok(());
    }
    // the signer panics on what cannot be a header, such as a token that was read together with its line's end
    let fields = [&credential.key_id, credential.token.as_deref().unwrap_or_default()];
    if fields.iter().any(|field| HeaderValue::from_str(field).is_err()) {
        return Err("the access key or session token holds characters that no header can hold".to_owned());
    }
    AwsAuthorizer::new(credential, "s3", region)
        .try_authorize(request, None)
        .map_err(|_cause| "the request cannot be signed".to_owned())
}

/// The region that the storage names instead of ours.
fn other_region(answer: &Answer, route: &Route) -> Option<String> {
    if answer.status.is_success() {
        return None;
    }
    let region = match answer.header("x-amz-bucket-region") {
        Some(region) => region.to_owned(),
        None => xml::parse_fault(&answer.body)?.region,
    };
    // it becomes a part of a host name, so nothing else may be in it
    let is_region = !region.is_empty() && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (is_region && region != route.region).then_some(region)
}

fn customer_key_headers(encoded: &str) -> Option<HeaderMap> {
    let digest = BASE64_STANDARD.encode(Md5::digest(BASE64_STANDARD.decode(encoded).ok()?));
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
        ("x-amz-server-side-encryption-customer-key", encoded),
        ("x-amz-server-side-encryption-customer-key-md5", digest.as_str()),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).ok()?);
    }
    Some(headers)
}

#[async_trait]
impl Bucket for S3 {
    fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    fn provider(&self) -> Provider {
        Provider::S3
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
        let mut headers = self.read_headers();
        let mut add = |name, value: String| -> Result<(), BucketError> {
            let value = HeaderValue::from_str(&value)
                .map_err(|_bad| doing.error(ErrorKind::Protocol, "its ETag makes no header", None))?;
            headers.insert(name, value);
            Ok(())
        };
        if let Some(range) = &range {
            add(header::RANGE, format!("bytes={}-{}", range.start, range.end.saturating_sub(1)))?;
        }
        if let Some(etag) = if_match {
            add(header::IF_MATCH, format!("\"{etag}\""))?;
        }
        let full = format!("{}{key}", self.0.prefix);
        let answer = self
            .send(
                doing,
                Request {
                    method: Method::GET,
                    purpose: Purpose::Get,
                    headers,
                    max_bytes,
                    url: &|route| route.object_url(&full),
                    check: &|_| Verdict::Accept,
                },
            )
            .await?;
        let read = read_object(doing, answer, range)?;
        // not every server that speaks S3 knows conditions
        if let (Some(wanted), Some(sent)) = (if_match, &read.etag)
            && wanted != sent
        {
            return Err(doing.error(ErrorKind::Changed, "it is not what it was", None));
        }
        Ok(read)
    }

    async fn head(&self, key: &str) -> Result<Option<ListedObject>, BucketError> {
        let doing = self.doing("look for", Some(key));
        let full = format!("{}{key}", self.0.prefix);
        let result = self
            .send(
                doing,
                Request {
                    method: Method::HEAD,
                    purpose: Purpose::Head,
                    headers: self.read_headers(),
                    max_bytes: 0,
                    url: &|route| route.object_url(&full),
                    check: &|_| Verdict::Accept,
                },
            )
            .await;
        let answer = match result {
            Ok(answer) => answer,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let size = answer.header("content-length").and_then(|text| text.parse().ok());
        let last_modified = answer.header("last-modified").and_then(parse_time);
        let (Some(size), Some(last_modified)) = (size, last_modified) else {
            return Err(doing.error(
                ErrorKind::Protocol,
                "the answer has no readable `Content-Length` or `Last-Modified`",
                None,
            ));
        };
        Ok(Some(ListedObject {
            key: key.to_owned(),
            size,
            etag: etag(&answer).map(String::into_boxed_str),
            last_modified,
            storage_class: answer.header("x-amz-storage-class").filter(|class| *class != "STANDARD").map(Arc::from),
        }))
    }

    fn requests(&self) -> RequestCounts {
        self.0.transport.requests()
    }

    fn date_skew_ms(&self) -> Option<i64> {
        self.0.transport.date_skew_ms()
    }
}

/// An answer that is good for a listing.
fn listing_status(answer: &Answer) -> bool {
    answer.status == StatusCode::OK
}
