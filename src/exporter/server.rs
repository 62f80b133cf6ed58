//! The server: address, accept loop, end.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{self, Shared};
use super::connections::Connections;
use super::guard::Guard;
use super::metrics::{self, Renderer};
use super::{Bounds, ExporterError, Hooks, Options, Site, Traffic, routes};
use crate::model::Published;

/// Connections that the system keeps until they are accepted.
const BACKLOG: u32 = 1024;

/// After an error that the next attempt would meet again, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Between two signs of life.
const BEAT: Duration = Duration::from_secs(1);

/// Threads that answer; the work of an answer is small, and the machine has other things to do.
const THREADS: usize = 2;

/// For passwords, files and long texts, none of which may hold up an answer.
const BLOCKING_THREADS: usize = 8;

/// A server that has its address.
#[derive(Debug)]
pub struct Server {
    listener: std::net::TcpListener,
    address: SocketAddr,
    bounds: Bounds,
    guard: Arc<Guard>,
    site: Site,
    renderer: Renderer,
}

/// See [`super::bind`].
pub(super) async fn bind(
    options: Options,
    published: watch::Receiver<Arc<Published>>,
    hooks: Hooks,
) -> Result<Server, ExporterError> {
    let guard = Guard::new(options.web).await.map_err(ExporterError::Web)?;
    let (host, port) = split(&options.listen).ok_or_else(|| ExporterError::Address(options.listen.clone()))?;
    let listener = listen(host, port).await?;
    let failed = |source| ExporterError::Bind { address: options.listen.clone(), source };
    let address = listener.local_addr().map_err(failed)?;
    // the runtime that answers may be another one
    let listener = listener.into_std().map_err(failed)?;
    let (exposition, renderer) = metrics::exposition(published.clone());
    let site = Site {
        published,
        exposition,
        traffic: Arc::new(Traffic::default()),
        hooks,
        lifecycle: options.lifecycle,
        listen_host: Arc::from(host),
    };
    Ok(Server { listener, address, bounds: options.bounds, guard: Arc::new(guard), site, renderer })
}

/// Host, without brackets, and port.
fn split(listen: &str) -> Option<(&str, u16)> {
    let (host, port) = listen.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    // without brackets the last part of an IPv6 address would be taken for a port
    if bare.is_none() && host.contains([':', '[', ']', '/']) {
        return None;
    }
    Some((bare.unwrap_or(host), port.parse().ok()?))
}

async fn listen(host: &str, port: u16) -> Result<TcpListener, ExporterError> {
    let candidates: Vec<SocketAddr> = if host.is_empty() {
        // the first stands for IPv4 too, where there is IPv6
        vec![SocketAddr::from(([0u16; 8], port)), SocketAddr::from(([0u8; 4], port))]
    } else {
        let resolved = lookup_host((host, port)).await;
        resolved.map_err(|source| ExporterError::Resolve { host: host.to_owned(), source })?.collect()
    };
    let mut failed = io::Error::from(ErrorKind::AddrNotAvailable);
    for address in candidates {
        match listen_on(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => failed = error,
        }
    }
    Err(ExporterError::Bind { address: format!("{host}:{port}"), source: failed })
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Server {
    /// The address that was taken.
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Whether one has to ask by `https`, as configured now.
    pub fn is_tls(&self) -> bool {
        self.guard.current().tls.is_some()
    }

    /// Answers until `stop`, then lets requests that are being answered end, within the bound.
    pub async fn run(self, stop: CancellationToken) {
        let listener = match TcpListener::from_std(self.listener) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "the web server cannot run"),
        };
        // ends with its last reader, which is the router
        tokio::spawn(self.renderer.run());
        // on the threads that answer: where they are stuck, so is this
        let alive = tokio::spawn(beat(Arc::clone(&self.site.hooks.alive)));
        let connections = Connections::new(self.bounds.connections, Arc::clone(&self.site.traffic));
        let shared = Arc::new(Shared {
            router: routes::router(self.site, Arc::clone(&self.guard), self.bounds.answer),
            guard: Arc::clone(&self.guard),
            bounds: self.bounds,
            stop: stop.clone(),
            abandon: CancellationToken::new(),
        });
        let tasks = TaskTracker::new();
        tokio::select! {
            () = stop.cancelled() => {}
            () = accept(&listener, &connections, &shared, &tasks) => {}
            () = self.guard.follow(self.bounds.web_poll, self.bounds.web_read) => {}
        }
        alive.abort();
        drop(listener);
        tasks.close();
        if timeout(self.bounds.grace, tasks.wait()).await.is_err() {
            tracing::warn!(connections = tasks.len(), "the web server stops before everything is answered");
            shared.abandon.cancel();
            tasks.wait().await;
        }
    }

    /// The same on threads of its own, so that work elsewhere does not delay answers. The thread ends when the server
    /// does; may be called anywhere.
    pub fn spawn(self, stop: CancellationToken) -> Result<std::thread::JoinHandle<()>, ExporterError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_name("web")
            .enable_all()
            .build()
            .map_err(ExporterError::Threads)?;
        let serve = move || {
            runtime.block_on(self.run(stop));
            // a file system that hangs must not hold up the end
            runtime.shutdown_background();
        };
        std::thread::Builder::new().name("web-main".to_owned()).spawn(serve).map_err(ExporterError::Threads)
    }
}

/// Says again and again that there is life in here.
async fn beat(alive: Arc<dyn Fn() + Send + Sync>) {
    loop {
        alive();
        sleep(BEAT).await;
    }
}

/// Takes connections for ever.
async fn accept(listener: &TcpListener, connections: &Arc<Connections>, shared: &Arc<Shared>, tasks: &TaskTracker) {
    let mut is_failing = false;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                is_failing = false;
                match connections.enter() {
                    Some(place) => drop(tasks.spawn(connection::serve(stream, place, Arc::clone(shared)))),
                    None => refuse(&stream, shared),
                }
            }
            Err(error) if concerns_one(error.kind()) => tracing::debug!(%error, "a connection was gone at once"),
            Err(error) => {
                if !is_failing {
                    tracing::warn!(%error, "the web server cannot take connections for now");
                    is_failing = true;
                }
                // most likely there are no file handles left, and a quiet connection holds one
                connections.make_room();
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The error says something about one connection, not about the next one.
fn concerns_one(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted)
}

/// Says that there are too many, without waiting for anything. Over TLS nothing can be said so quickly.
fn refuse(stream: &TcpStream, shared: &Shared) {
    const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 22\r\n\
        Content-Type: text/plain\r\n\r\nToo many connections.\n";
    if shared.guard.current().tls.is_none() {
        // a socket that was just accepted has room in its buffer; if not, the connection ends without a word
        drop(stream.try_write(ANSWER));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_split_as_prometheus_splits_them() {
        for (listen, expected) in [
            ("127.0.0.1:9798", Some(("127.0.0.1", 9798))),
            (":9798", Some(("", 9798))),
            ("[::1]:0", Some(("::1", 0))),
            ("localhost:80", Some(("localhost", 80))),
            ("::1:80", None),
            ("localhost", None),
            ("localhost:", None),
            ("localhost:http", None),
            ("localhost:65536", None),
            ("http://localhost:80", None),
        ] {
            assert_eq!(split(listen), expected, "{listen}");
        }
    }
}
