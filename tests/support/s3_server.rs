//! A server that speaks as much of S3 as a reader needs: LIST version 2 (prefix, delimiter, start-after, continuation
//! token, url encoding), GET (range, If-Match) and HEAD, path style, over plain HTTP. It does not verify signatures; it
//! counts and records what it is asked, and it can be told to refuse or to be slow.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::string_slice,
    reason = "whatever fails in here fails the test that uses it"
)]

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Response, StatusCode, header};
use axum::serve::ListenerExt;
use blockwarden::model::TimestampMs;
use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// The name of the one bucket that a server has.
pub(crate) const BUCKET: &str = "metrics";

/// Keys of a page of LIST, as S3 gives at most.
const PAGE: usize = 1_000;

/// What a bucket holds.
pub(crate) trait Objects: Send + Sync + 'static {
    /// Calls `visit` for every object from `from` on, in the order of their keys, until it answers `false`.
    fn visit(&self, from: Bound<&str>, visit: &mut dyn FnMut(&Listed<'_>) -> bool);

    /// What HEAD says of an object.
    fn head(&self, key: &str) -> Option<Head>;

    /// The content of an object; `None` also for one that is only listed.
    fn body(&self, key: &str) -> Option<Bytes>;
}

/// One entry of a listing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listed<'a> {
    pub(crate) key: &'a str,
    pub(crate) size: u64,
    /// RFC 3339.
    pub(crate) modified: &'a str,
    /// Without quotes.
    pub(crate) etag: &'a str,
    pub(crate) class: &'a str,
}

/// What HEAD says of an object.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) size: u64,
    pub(crate) modified: TimestampMs,
    /// Without quotes.
    pub(crate) etag: String,
}

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// `None` for LIST.
    pub(crate) key: Option<String>,
    pub(crate) headers: HeaderMap,
}

/// What a script makes of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reply {
    /// As usual.
    Serve,
    /// As usual, after a while.
    ServeAfter(Duration),
    /// With S3's error document of this code.
    Refuse(StatusCode, &'static str),
    /// Announces the body whole, and closes the connection after so many bytes of it.
    Cut(usize),
    /// With the lowest bit of this byte of the object flipped, if it is in what is asked for.
    Flip(usize),
}

/// Decides over each request.
pub(crate) type Script = Box<dyn Fn(&Call) -> Reply + Send + Sync>;

/// Requests by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) list: u64,
    pub(crate) get: u64,
    pub(crate) head: u64,
}

struct Shared {
    objects: Arc<dyn Objects>,
    script: Mutex<Arc<Script>>,
    record: bool,
    calls: Mutex<Vec<Call>>,
    list: AtomicU64,
    get: AtomicU64,
    head: AtomicU64,
}

/// A server on a thread of its own, until it is dropped.
pub(crate) struct S3Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl S3Server {
    /// Serves `objects` on a free port and records every request.
    pub(crate) fn start(objects: Arc<dyn Objects>) -> Self {
        Self::start_on("127.0.0.1:0", objects, true)
    }

    /// Serves on `address`; `record` keeps every request, which costs memory.
    pub(crate) fn start_on(address: &str, objects: Arc<dyn Objects>, record: bool) -> Self {
        let shared = Arc::new(Shared {
            objects,
            script: Mutex::new(Arc::new(Box::new(|_| Reply::Serve))),
            record,
            calls: Mutex::default(),
            list: AtomicU64::default(),
            get: AtomicU64::default(),
            head: AtomicU64::default(),
        });
        let listener = std::net::TcpListener::bind(address).expect("a port to listen on");
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let app = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                // an answer is one small write after another: without this each waits for the client's ACK
                let listener =
                    TcpListener::from_std(listener).unwrap().tap_io(|socket| socket.set_nodelay(true).unwrap());
                let served = axum::serve(listener, app);
                tokio::select! {
                    result = async { served.await } => result.expect("the server runs until it is stopped"),
                    _ = stopped => {}
                }
            });
        });
        Self { address, shared, stop: Some(stop), thread: Some(thread) }
    }

    /// Host and port.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on `script` decides over each request.
    pub(crate) fn script(&self, script: impl Fn(&Call) -> Reply + Send + Sync + 'static) {
        *self.shared.script.lock().unwrap() = Arc::new(Box::new(script));
    }

    /// Requests so far.
    pub(crate) fn counts(&self) -> Counts {
        self.shared.counts()
    }

    /// All requests since the last time.
    pub(crate) fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut *self.shared.calls.lock().unwrap())
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // a thread that panicked has said so on standard error already
            drop(thread.join());
        }
    }
}

impl Shared {
    fn counts(&self) -> Counts {
        Counts {
            list: self.list.load(Ordering::SeqCst),
            get: self.get.load(Ordering::SeqCst),
            head: self.head.load(Ordering::SeqCst),
        }
    }
}

/// The path under which the counts are told, for a client in another process.
pub(crate) const COUNTS_PATH: &str = "/-/counts";

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let path = percent_decode(request.uri().path());
    if path == COUNTS_PATH {
        let Counts { list, get, head } = shared.counts();
        return Response::new(Body::from(format!("{list} {get} {head}")));
    }
    let (bucket, key) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    let key = (!key.is_empty()).then(|| key.to_owned());
    let counter = match (request.method(), &key) {
        (&Method::HEAD, _) => &shared.head,
        (&Method::GET, None) => &shared.list,
        _ => &shared.get,
    };
    counter.fetch_add(1, Ordering::SeqCst);

    let call = Call { method: request.method().clone(), key: key.clone(), headers: request.headers().clone() };
    let script = Arc::clone(&shared.script.lock().unwrap());
    let reply = script(&call);
    match reply {
        Reply::Serve | Reply::Cut(_) | Reply::Flip(_) => {}
        Reply::ServeAfter(delay) => tokio::time::sleep(delay).await,
        Reply::Refuse(status, code) => {
            record(&shared, call);
            return error(status, code);
        }
    }
    record(&shared, call);
    if bucket != BUCKET {
        return error(StatusCode::NOT_FOUND, "NoSuchBucket");
    }
    match key {
        None => list(&*shared.objects, request.uri().query().unwrap_or_default()),
        Some(key) => read(&*shared.objects, &key, request.method(), request.headers(), reply),
    }
}

fn record(shared: &Shared, call: Call) {
    if shared.record {
        shared.calls.lock().unwrap().push(call);
    }
}

fn percent_decode(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((plain, escaped)) = rest.split_once('%') {
        bytes.extend_from_slice(plain.as_bytes());
        bytes.push(u8::from_str_radix(&escaped[..2], 16).expect("a client that escapes as it should"));
        rest = &escaped[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).unwrap()
}

fn error(status: StatusCode, code: &str) -> Response<Body> {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{code}</Message></Error>"
    );
    Response::builder().status(status).header(header::CONTENT_TYPE, "application/xml").body(Body::from(body)).unwrap()
}

fn list(objects: &dyn Objects, query: &str) -> Response<Body> {
    let (mut prefix, mut after, mut delimiter, mut limit, mut encode) =
        (String::new(), String::new(), String::new(), PAGE, false);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "prefix" => prefix = value.into_owned(),
            "delimiter" => delimiter = value.into_owned(),
            "start-after" if after.is_empty() => after = value.into_owned(),
            // the token is the last key, so that the server needs no memory between pages
            "continuation-token" => after = percent_decode(&value.replace('+', " ")),
            "max-keys" => limit = value.parse::<usize>().unwrap_or(PAGE).min(PAGE),
            "encoding-type" => encode = value == "url",
            _ => {}
        }
    }
    let written = |key: &str| {
        if encode {
            form_urlencoded::byte_serialize(key.as_bytes()).collect::<String>().replace("%2F", "/")
        } else {
            key.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
        }
    };
    let mut entries = String::with_capacity(limit * 300);
    let (mut count, mut last, mut truncated) = (0_usize, String::new(), false);
    let from = if after.as_str() < prefix.as_str() { Bound::Included(&*prefix) } else { Bound::Excluded(&*after) };
    objects.visit(from, &mut |object| {
        let Some(rest) = object.key.strip_prefix(&*prefix) else {
            return object.key < prefix.as_str();
        };
        let folder = rest.find(&*delimiter).filter(|_| !delimiter.is_empty());
        let folder = folder.and_then(|at| object.key.get(..prefix.len() + at + delimiter.len()));
        if folder.is_some_and(|folder| last.starts_with(folder) || after.starts_with(folder)) {
            return true;
        }
        if count == limit {
            truncated = true;
            return false;
        }
        count += 1;
        last.clear();
        if let Some(folder) = folder {
            last.push_str(folder);
            let folder = written(folder);
            write!(entries, "<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>").unwrap();
            return true;
        }
        last.push_str(object.key);
        let plain = object.key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._".contains(&byte));
        let escaped = if plain { None } else { Some(written(object.key)) };
        let Listed { size, modified, etag, class, .. } = object;
        entries.push_str("<Contents><Key>");
        entries.push_str(escaped.as_deref().unwrap_or(object.key));
        entries.push_str("</Key><LastModified>");
        entries.push_str(modified);
        entries.push_str("</LastModified><ETag>&quot;");
        entries.push_str(etag);
        write!(entries, "&quot;</ETag><Size>{size}</Size><StorageClass>{class}</StorageClass></Contents>").unwrap();
        true
    });
    let mut page = String::with_capacity(entries.len() + 500);
    page.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    page.push_str("<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    let prefix = written(&prefix);
    write!(
        page,
        "<Name>{BUCKET}</Name><Prefix>{prefix}</Prefix><KeyCount>{count}</KeyCount><MaxKeys>{limit}</MaxKeys>"
    )
    .unwrap();
    if encode {
        page.push_str("<EncodingType>url</EncodingType>");
    }
    write!(page, "<IsTruncated>{truncated}</IsTruncated>").unwrap();
    if truncated {
        let token: String = form_urlencoded::byte_serialize(last.as_bytes()).collect();
        write!(page, "<NextContinuationToken>{token}</NextContinuationToken>").unwrap();
    }
    page.push_str(&entries);
    page.push_str("</ListBucketResult>");
    Response::builder().header(header::CONTENT_TYPE, "application/xml").body(Body::from(page)).unwrap()
}

fn read(objects: &dyn Objects, key: &str, method: &Method, headers: &HeaderMap, how: Reply) -> Response<Body> {
    let Some(found) = objects.head(key) else {
        return error(StatusCode::NOT_FOUND, "NoSuchKey");
    };
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if text(header::IF_MATCH).is_some_and(|wanted| wanted.trim_matches('"') != found.etag) {
        return error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
    }
    let modified = jiff::Timestamp::from_millisecond(found.modified.0).unwrap();
    let modified = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&modified).unwrap();
    let reply = Response::builder()
        .header(header::ETAG, format!("\"{}\"", found.etag))
        .header(header::LAST_MODIFIED, modified)
        .header(header::ACCEPT_RANGES, "bytes");
    if method == Method::HEAD {
        return reply.header(header::CONTENT_LENGTH, found.size).body(Body::empty()).unwrap();
    }
    let Some(mut body) = objects.body(key) else {
        return error(StatusCode::NOT_IMPLEMENTED, "NotImplemented");
    };
    if let Reply::Flip(at) = how {
        let mut flipped = body.to_vec();
        *flipped.get_mut(at).expect("a byte of the object") ^= 1;
        body = flipped.into();
    }
    let Some(range) = text(header::RANGE) else {
        return reply.body(Body::from(body)).unwrap();
    };
    let size = body.len();
    let Some((start, end)) = byte_range(range, size) else {
        return error(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange");
    };
    reply
        .status(StatusCode::PARTIAL_CONTENT)
        .header(header::CONTENT_RANGE, format!("bytes {start}-{}/{size}", end - 1))
        .header(header::CONTENT_LENGTH, end - start)
        .body(content(body.slice(start..end), how))
        .unwrap()
}

/// A body, or as much of it as is sent before the connection breaks.
fn content(body: Bytes, how: Reply) -> Body {
    let Reply::Cut(sent) = how else { return Body::from(body) };
    let part = body.slice(..sent.min(body.len()));
    let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    Body::from_stream(futures::stream::iter([Ok(part), Err(broken)]))
}

/// `bytes=a-b`, `bytes=a-` or `bytes=-n` as a half-open range; `None` where nothing of it is in `size` bytes.
fn byte_range(header: &str, size: usize) -> Option<(usize, usize)> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
    let (start, end) = match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) => (first, last.saturating_add(1).min(size)),
        (Ok(first), Err(_)) => (first, size),
        (Err(_), Ok(count)) => (size.saturating_sub(count), size),
        (Err(_), Err(_)) => return None,
    };
    (start < end).then_some((start, end))
}
