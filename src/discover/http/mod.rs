//! The one way to the network: every request of every bucket and credential chain goes through `Transport`. It lets
//! reads pass and nothing else, bounds everything, retries, counts, and keeps the storage's clock.

mod attempt;
mod backoff;
mod error;
mod proxy;
#[cfg(test)]
mod tests;
mod tls;

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use async_trait::async_trait;
use bytes::Bytes;
use object_store::client::{HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService};
use object_store::{ClientOptions, RetryConfig};
use tokio::sync::Semaphore;

pub use error::{TransportError, TransportErrorKind};
pub use tls::install_crypto;

use super::{Ambient, Limits};
use crate::model::{Environment, HttpSettings, RequestCounts, TimestampMs};

/// What a request is for; goes into its `http::Extensions`. Without one, GET and HEAD count as what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Lists keys.
    List,
    /// Reads an object.
    Get,
    /// Asks whether an object is there.
    Head,
    /// Gets a token or a key; not counted as traffic of the bucket.
    Credential,
}

/// The longest body in bytes that the caller takes; goes into the request's `http::Extensions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyCap(pub u64);

/// A credential endpoint that may be sent something other than GET and HEAD: exactly this method, origin and path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    method: Method,
    /// scheme, host and port, lower case, the port always there
    origin: String,
    path: String,
}

impl Endpoint {
    /// `url` with scheme and host; a query does not count. `None` where it lacks one of them.
    pub fn new(method: Method, url: &Uri) -> Option<Self> {
        Some(Self { method, origin: origin(url)?, path: url.path().to_owned() })
    }
}

fn origin(url: &Uri) -> Option<String> {
    let scheme = url.scheme_str()?.to_ascii_lowercase();
    let port = url.port_u16().unwrap_or(if scheme == "http" { 80 } else { 443 });
    Some(format!("{scheme}://{}:{port}", url.host()?.to_ascii_lowercase()))
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// After all retries; anything but what is retried, and that too once retries have run out.
    pub status: StatusCode,
    /// As received.
    pub headers: HeaderMap,
    /// All of it.
    pub body: Bytes,
}

impl Answer {
    /// The storage asked to be left alone for a while: 429, `SlowDown` and its kin.
    pub fn is_throttled(&self) -> bool {
        backoff::is_throttling(self.status, &self.body)
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// What the caller makes of an answer with a good status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is what was asked for.
    Accept,
    /// It is not (cut, not the protocol, an error in disguise): worth another attempt. In words.
    Retry(String),
    /// It is not, and never will be. In words.
    Reject(String),
}

/// A client for one bucket or one credential chain. Clones share everything.
#[derive(Clone)]
pub struct Transport(Arc<Inner>);

struct Inner {
    client: reqwest::Client,
    limits: Limits,
    header_ms: u64,
    ambient: Ambient,
    permits: Semaphore,
    exempt: Mutex<Vec<Endpoint>>,
    counts: Counts,
    /// `i64::MIN` = none yet
    skew_ms: AtomicI64,
}

#[derive(Debug, Default)]
struct Counts {
    list: AtomicU64,
    get: AtomicU64,
    head: AtomicU64,
    credential: AtomicU64,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("limits", &self.0.limits)
            .field("counts", &self.0.counts)
            .finish_non_exhaustive()
    }
}

impl Transport {
    /// A client for `settings`; proxies come from `environment` (`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`,
    /// in either case).
    pub fn new(
        settings: &HttpSettings,
        environment: &Environment,
        limits: Limits,
        ambient: Ambient,
    ) -> Result<Self, TransportError> {
        install_crypto();
        let tls = tls::client_config(settings).map_err(|error| TransportError::setup(&error))?;
        let own = usize::try_from(settings.max_conns_per_host).unwrap_or(0);
        let permits = if own == 0 { limits.in_flight } else { limits.in_flight.min(own) };
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            // a redirect would carry the signature to another host; an adapter that can follow one does so itself
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .tcp_nodelay(true)
            .connect_timeout(std::time::Duration::from_millis(
                limits.connect_ms.saturating_add(settings.tls_handshake_timeout_ms),
            ))
            .pool_idle_timeout(std::time::Duration::from_millis(settings.idle_conn_timeout_ms))
            .pool_max_idle_per_host(usize::try_from(settings.max_idle_conns_per_host).unwrap_or(usize::MAX))
            .user_agent(concat!("blockwarden/", env!("CARGO_PKG_VERSION")));
        for proxy in proxy::from_environment(environment)? {
            builder = builder.proxy(proxy);
        }
        let client = builder.build().map_err(|error| TransportError::setup(&error))?;
        Ok(Self(Arc::new(Inner {
            client,
            limits,
            header_ms: settings.response_header_timeout_ms,
            ambient,
            permits: Semaphore::new(permits.max(1)),
            exempt: Mutex::default(),
            counts: Counts::default(),
            skew_ms: AtomicI64::new(i64::MIN),
        })))
    }

    /// Lets a credential endpoint be sent what it needs. Whatever goes there counts as credential traffic.
    pub fn exempt(&self, endpoint: Endpoint) {
        let mut exempt = self.0.exempt.lock().unwrap_or_else(PoisonError::into_inner);
        if !exempt.contains(&endpoint) {
            exempt.push(endpoint);
        }
    }

    /// Sends `request`, as often as it takes, and reads the answer to its end.
    pub async fn execute(&self, request: HttpRequest) -> Result<Answer, TransportError> {
        self.execute_checked(request, &|_| Verdict::Accept).await
    }

    /// As [`execute`](Self::execute); an answer with a status of 2xx that `check` does not accept is asked for again,
    /// and is an error of kind [`TransportErrorKind::Protocol`] once retries have run out.
    pub async fn execute_checked(
        &self,
        mut request: HttpRequest,
        check: &(dyn Fn(&Answer) -> Verdict + Send + Sync),
    ) -> Result<Answer, TransportError> {
        let purpose = self.admit(&request)?;
        hide_secrets(request.headers_mut());
        attempt::Exchange::new(self, &request, purpose)?.run(check).await
    }

    /// Attempts so far, without credential traffic.
    pub fn requests(&self) -> RequestCounts {
        let counts = &self.0.counts;
        RequestCounts {
            list: counts.list.load(Ordering::Relaxed),
            get: counts.get.load(Ordering::Relaxed),
            head: counts.head.load(Ordering::Relaxed),
        }
    }

    /// Attempts so far at credential endpoints.
    pub fn credential_requests(&self) -> u64 {
        self.0.counts.credential.load(Ordering::Relaxed)
    }

    /// The storage's `Date` minus our clock in ms, as of the last response that had one. The header counts whole
    /// seconds: it is half a second off at most.
    pub fn date_skew_ms(&self) -> Option<i64> {
        Some(self.0.skew_ms.load(Ordering::Relaxed)).filter(|skew| *skew != i64::MIN)
    }

    /// The clock and chance that this client was given.
    pub fn ambient(&self) -> &Ambient {
        &self.0.ambient
    }

    /// The bounds that this client keeps.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// What `request` is for, if it may pass at all.
    fn admit(&self, request: &HttpRequest) -> Result<Purpose, TransportError> {
        let told = request.extensions().get::<Purpose>().copied();
        match *request.method() {
            Method::GET => Ok(told.unwrap_or(Purpose::Get)),
            Method::HEAD => Ok(told.unwrap_or(Purpose::Head)),
            _ => {
                let allowed = Endpoint::new(request.method().clone(), request.uri()).is_some_and(|endpoint| {
                    self.0.exempt.lock().unwrap_or_else(PoisonError::into_inner).contains(&endpoint)
                });
                if allowed {
                    return Ok(Purpose::Credential);
                }
                Err(TransportError::refused(request.method(), request.uri()))
            }
        }
    }

    fn count(&self, purpose: Purpose) {
        let counts = &self.0.counts;
        let counter = match purpose {
            Purpose::List => &counts.list,
            Purpose::Get => &counts.get,
            Purpose::Head => &counts.head,
            Purpose::Credential => &counts.credential,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn observe_date(&self, headers: &HeaderMap) {
        // a cache in between repeats the storage's old date
        if headers.contains_key(header::AGE) {
            return;
        }
        if let Some(date) = headers.get(header::DATE).and_then(http_date) {
            let skew = date.plus(500).since(self.0.ambient.now());
            self.0.skew_ms.store(skew, Ordering::Relaxed);
        }
    }
}

/// A date as HTTP headers write it.
fn http_date(value: &HeaderValue) -> Option<TimestampMs> {
    let parser = jiff::fmt::rfc2822::DateTimeParser::new();
    let timestamp = parser.parse_timestamp(value.as_bytes()).ok()?;
    Some(TimestampMs(timestamp.as_millisecond()))
}

/// Marks what must not be printed, should anything below ever print headers.
fn hide_secrets(headers: &mut HeaderMap) {
    for (name, value) in headers.iter_mut() {
        let name = name.as_str();
        if *name == header::AUTHORIZATION || name.contains("token") || name.contains("customer-key") {
            value.set_sensitive(true);
        }
    }
}

/// `object_store` must not retry on top of our retries.
pub fn no_retries() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

impl HttpConnector for Transport {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Transport {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = self.execute(request).await.map_err(|error| HttpError::new(error.kind.into(), error))?;
        let mut response = HttpResponse::new(answer.body.into());
        *response.status_mut() = answer.status;
        // for callers that get nothing but extensions passed through
        response.extensions_mut().insert(answer.headers.clone());
        *response.headers_mut() = answer.headers;
        Ok(response)
    }
}
