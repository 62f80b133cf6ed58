//! A scripted HTTP server and a clock without chance, for tests of everything that reads over the network.

use std::fmt::Write;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{Ambient, Bucket, BucketError, Limits, ListPage, ListedObject, OddKey, Transport};
use crate::model::{Environment, HttpSettings, TimestampMs};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Decoded.
    pub(crate) query: Vec<(String, String)>,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A field of a form in the body.
    pub(crate) fn form(&self, name: &str) -> Option<String> {
        form_urlencoded::parse(self.body.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What the server does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Answers.
    Full { status: u16, headers: Vec<(String, String)>, body: Vec<u8> },
    /// Announces the body whole, sends so much of it and closes.
    Cut { body: Vec<u8>, sent: usize },
    /// Announces the body whole, sends so much of it and falls silent.
    Stall { body: Vec<u8>, sent: usize },
    /// Says nothing.
    Silent,
    /// Closes at once.
    Close,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::Full { status, headers: Vec::new(), body: body.into() }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        if let Self::Full { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

/// Ends with its owner.
pub(crate) struct Server {
    pub(crate) address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn start(handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let handler: Arc<dyn Fn(&Seen) -> Reply + Send + Sync> = Arc::new(handler);
        let log = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (handler, log) = (Arc::clone(&handler), Arc::clone(&log));
                tokio::spawn(async move {
                    let mut stream = stream;
                    while serve(&mut stream, &*handler, &log).await.is_some() {}
                });
            }
        });
        Self { address, seen, task }
    }

    /// One answer after the other; the last for ever.
    pub(crate) async fn script(replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies: Mutex<Vec<Reply>> = Mutex::new(replies.into_iter().collect());
        Self::start(move |_| {
            let mut replies = replies.lock().unwrap();
            if replies.len() > 1 { replies.remove(0) } else { replies[0].clone() }
        })
        .await
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

async fn serve(
    stream: &mut TcpStream,
    handler: &(dyn Fn(&Seen) -> Reply + Send + Sync),
    log: &Mutex<Vec<Seen>>,
) -> Option<()> {
    let seen = read_request(stream).await?;
    let reply = handler(&seen);
    let is_head = seen.method == "HEAD";
    log.lock().unwrap().push(seen);
    match reply {
        Reply::Full { status, headers, body } => {
            let own_length = headers.iter().any(|(name, _)| name == "content-length");
            let mut head = format!("HTTP/1.1 {status} X\r\n");
            for (name, value) in headers {
                write!(head, "{name}: {value}\r\n").unwrap();
            }
            if !own_length {
                write!(head, "content-length: {}\r\n", body.len()).unwrap();
            }
            head.push_str("\r\n");
            stream.write_all(head.as_bytes()).await.ok()?;
            if !is_head {
                stream.write_all(&body).await.ok()?;
            }
            Some(())
        }
        Reply::Cut { body, sent } => {
            send_part(stream, &body, sent).await?;
            None
        }
        Reply::Stall { body, sent } => {
            send_part(stream, &body, sent).await?;
            std::future::pending().await
        }
        Reply::Silent => std::future::pending().await,
        Reply::Close => None,
    }
}

async fn send_part(stream: &mut TcpStream, body: &[u8], sent: usize) -> Option<()> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(&body[..sent]).await.ok()?;
    stream.flush().await.ok()
}

async fn read_request(stream: &mut TcpStream) -> Option<Seen> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?);
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let length =
        headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let body = String::from_utf8(body).unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    Some(Seen { method, path: path.to_owned(), query, headers, body })
}

/// A clock that stands, and pauses of no length.
pub(crate) fn ambient() -> Ambient {
    Ambient::new(|| TimestampMs(1_767_323_045_000), |_| 0)
}

/// Bounds for tests that wait for one of them.
pub(crate) fn limits() -> Limits {
    Limits {
        connect_ms: 300,
        body_idle_ms: 400,
        request_ms: 2_000,
        retries: 3,
        backoff_first_ms: 1,
        backoff_max_ms: 2,
        retry_after_max_ms: 2,
        ..Limits::default()
    }
}

pub(crate) fn transport(limits: Limits) -> Transport {
    let settings = HttpSettings { response_header_timeout_ms: 400, ..HttpSettings::default() };
    Transport::new(&settings, &Environment::default(), limits, ambient()).unwrap()
}

/// All objects and odd keys of a listing, sorted by key.
pub(crate) async fn list_all(
    bucket: &dyn Bucket,
    splits: &[&str],
) -> Result<(Vec<ListedObject>, Vec<OddKey>), BucketError> {
    let splits: Vec<String> = splits.iter().map(|&split| split.to_owned()).collect();
    let (sender, mut receiver) = mpsc::channel::<ListPage>(4);
    let gather = async {
        let (mut objects, mut odd) = (Vec::new(), Vec::new());
        while let Some(page) = receiver.recv().await {
            objects.extend(page.objects);
            odd.extend(page.odd);
        }
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        (objects, odd)
    };
    let (result, gathered) = tokio::join!(bucket.list(&splits, sender), gather);
    result.map(|()| gathered)
}
