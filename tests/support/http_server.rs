//! An HTTP server that answers by script and remembers what it was sent and when: Slack, a webhook, an Alertmanager.
//! One thread per connection, so that it serves other processes, too.
#![expect(clippy::unwrap_used, reason = "whatever fails in here fails the test that uses it")]

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// What is done with a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Status, headers, body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// Nothing, until the client goes.
    Silence,
    /// The connection is closed without a word.
    Close,
    /// The answer breaks off in its middle.
    Cut(u16, String),
}

impl Reply {
    pub(crate) fn json(value: &Value) -> Self {
        Self::Answer(200, vec![("Content-Type", "application/json; charset=utf-8".to_owned())], value.to_string())
    }

    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self::Answer(status, vec![("Content-Type", "text/html".to_owned())], body.to_owned())
    }
}

type Handler = dyn Fn(&Seen) -> Reply + Send + Sync;

/// See the module. Ends with the process.
pub(crate) struct HttpServer {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    seen: Mutex<Vec<Seen>>,
    /// What is done with the next request whose path ends so, whatever the handler says.
    script: Mutex<BTreeMap<String, VecDeque<Reply>>>,
    handler: Box<Handler>,
}

impl HttpServer {
    /// Answers by `handler` unless the script says otherwise.
    pub(crate) fn start(handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { seen: Mutex::default(), script: Mutex::default(), handler: Box::new(handler) });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&accepting);
                thread::spawn(move || drop(serve(stream, &shared)));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next request whose path ends with `path` gets this; several are taken in order.
    pub(crate) fn next(&self, path: &str, reply: Reply) {
        self.shared.script.lock().unwrap().entry(path.to_owned()).or_default().push_back(reply);
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// The last part of the path of each.
    pub(crate) fn calls(&self) -> Vec<String> {
        let last = |seen: &Seen| seen.path.rsplit('/').next().unwrap_or_default().to_owned();
        self.seen().iter().map(last).collect()
    }
}

fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_mins(1)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    while let Some(seen) = request(&mut reader)? {
        let path = seen.path.split('?').next().unwrap_or_default().to_owned();
        let scripted = {
            let mut script = shared.script.lock().unwrap();
            let next = script.iter_mut().find(|(end, left)| path.ends_with(end.as_str()) && !left.is_empty());
            next.and_then(|(_, left)| left.pop_front())
        };
        let reply = scripted.unwrap_or_else(|| (shared.handler)(&seen));
        shared.seen.lock().unwrap().push(seen);
        match reply {
            Reply::Answer(status, headers, body) => {
                let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
                let headers = headers.concat();
                write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())?;
            }
            Reply::Silence => {
                drop(reader.read(&mut [0; 1]));
                return Ok(());
            }
            Reply::Close => return Ok(()),
            Reply::Cut(status, body) => {
                write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len() + 100)?;
                return Ok(());
            }
        }
    }
    Ok(())
}

fn request(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<Seen>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Some(Seen { at: Instant::now(), method, path, headers, body }))
}
