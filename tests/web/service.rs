//! A running server, and a client that sees every byte.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use blockwarden::config::WebFile;
use blockwarden::exporter::{Action, Bounds, Hooks, Options, ReloadReply, bind};
use blockwarden::model::{Published, ServiceStatus, WebSettings, WebSource, WebStamp};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes on a machine that is busy with other things.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// Bounds that a test can wait for.
pub(crate) fn short() -> Bounds {
    Bounds {
        connections: 64,
        handshake: Duration::from_millis(400),
        head: Duration::from_millis(400),
        idle: Duration::from_millis(1500),
        answer: Duration::from_secs(10),
        response: Duration::from_millis(800),
        grace: Duration::from_millis(800),
        web_poll: Duration::from_millis(10),
        web_read: Duration::from_secs(10),
    }
}

/// Bounds that no test runs into.
pub(crate) fn long() -> Bounds {
    Bounds { web_poll: Duration::from_millis(10), grace: Duration::from_secs(10), ..Bounds::default() }
}

/// A server.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    pub(crate) published: watch::Sender<Arc<Published>>,
    pub(crate) reloads: mpsc::Receiver<ReloadReply>,
    /// Kept open: nothing is asked of the engine here.
    _actions: mpsc::Receiver<Action>,
    pub(crate) health: Arc<Mutex<Result<(), String>>>,
    pub(crate) stop: CancellationToken,
    pub(crate) running: JoinHandle<()>,
}

impl Service {
    pub(crate) async fn start(options: Options) -> Self {
        let options = Options { listen: "127.0.0.1:0".to_owned(), ..options };
        let (published, receiver) = watch::channel(Arc::new(Published::default()));
        let (reload, reloads) = mpsc::channel(4);
        let health = Arc::new(Mutex::new(Ok(())));
        let asked = Arc::clone(&health);
        let look = move || {
            let found: Result<(), String> = asked.lock().unwrap().clone();
            assert!(found != Err("panic".to_owned()), "as the test wants it");
            found
        };
        let (asking, actions) = mpsc::channel(4);
        let hooks = Hooks { reload, actions: asking, health: Arc::new(look), alive: Arc::new(|| ()) };
        let server = bind(options, receiver, hooks).await.unwrap();
        let address = server.local_addr();
        let stop = CancellationToken::new();
        let running = tokio::spawn(server.run(stop.clone()));
        Self { address, published, reloads, _actions: actions, health, stop, running }
    }

    pub(crate) fn set_ready(&self) {
        let service = ServiceStatus { ready: true, ..ServiceStatus::default() };
        self.published.send_replace(Arc::new(Published { service, ..Published::default() }));
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Asks on a connection of its own, with these lines of headers.
    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[&str]) -> Answer {
        exchange(self.connect().await, &request(method, path, headers)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[]).await
    }
}

/// The last request of a connection.
pub(crate) fn request(method: &str, path: &str, headers: &[&str]) -> String {
    let host = if headers.iter().any(|line| line.starts_with("Host:")) { "" } else { "Host: localhost\r\n" };
    let lines: String = headers.iter().flat_map(|line| [line, "\r\n"]).collect();
    format!("{method} {path} HTTP/1.1\r\n{host}Connection: close\r\n{lines}\r\n")
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

/// Sends and reads to the end.
pub(crate) async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> Answer {
    stream.write_all(request.as_bytes()).await.unwrap();
    parse(&rest(&mut stream).await)
}

/// Everything until the server ends the connection, be it with an error.
pub(crate) async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    // what came before an error counts
    drop(timeout(BOUND, stream.read_to_end(&mut bytes)).await.expect("the server ends the connection"));
    bytes
}

pub(crate) fn parse(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(bytes)));
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body: bytes[end + 4..].to_vec() }
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(BOUND, wait).await.unwrap_or_else(|_| panic!("never came true: {what}"));
}

/// A folder with a web configuration.
pub(crate) struct Web {
    folder: TempDir,
    reads: Arc<AtomicU64>,
}

/// Counts how often the file was read.
#[derive(Debug)]
struct Counted(WebFile, Arc<AtomicU64>);

impl WebSource for Counted {
    fn load(&self) -> Result<WebSettings, String> {
        let loaded = self.0.load();
        self.1.fetch_add(1, Ordering::SeqCst);
        loaded
    }

    fn stamp(&self) -> WebStamp {
        self.0.stamp()
    }
}

impl Web {
    pub(crate) fn new(text: &str) -> Self {
        let web = Self { folder: tempfile::tempdir().unwrap(), reads: Arc::default() };
        web.write("web.yml", text);
        web
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        // as a careful tool does it, so that nothing half written is read
        let temporary = self.folder.path().join("new");
        std::fs::write(&temporary, content).unwrap();
        std::fs::rename(temporary, self.folder.path().join(name)).unwrap();
    }

    pub(crate) fn copy(&self, fixture: &str, name: &str) {
        self.write(name, &std::fs::read_to_string(self::fixture(fixture)).unwrap());
    }

    pub(crate) fn options(&self, bounds: Bounds) -> Options {
        let source = Counted(WebFile::new(self.folder.path().join("web.yml")), Arc::clone(&self.reads));
        Options { web: Some(Arc::new(source)), bounds, ..Options::default() }
    }

    /// Waits until the server has read the file twice more: the second time began after now.
    pub(crate) async fn read_again(&self) {
        let before = self.reads.load(Ordering::SeqCst);
        until("the file is read", async || self.reads.load(Ordering::SeqCst) >= before + 2).await;
    }
}

pub(crate) fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name)
}
