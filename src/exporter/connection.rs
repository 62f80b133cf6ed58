//! One connection, from the handshake to its end.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::Bounds;
use super::activity::{Watched, WatchedBody};
use super::connections::Place;
use super::guard::Guard;

/// The longest head of a request, in bytes. A longer one is answered with 431.
const MAX_HEAD: usize = 16 << 10;

/// What is read ahead or waits to be written, in bytes.
const MAX_BUFFER: usize = 64 << 10;

/// What all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    /// The answers.
    pub(super) router: Router,
    /// Who may ask.
    pub(super) guard: Arc<Guard>,
    /// What clients may use up.
    pub(super) bounds: Bounds,
    /// Nothing new is begun.
    pub(super) stop: CancellationToken,
    /// Nothing is finished either.
    pub(super) abandon: CancellationToken,
}

/// Serves one connection. Ends for sure: everything in it has a bound.
pub(super) async fn serve(stream: TcpStream, place: Place, shared: Arc<Shared>) {
    // without it, small answers would wait for the client's acknowledgements
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone at once");
    }
    let settings = shared.guard.current();
    match &settings.tls {
        None => exchange(stream, &place, &shared, &settings.replaced).await,
        Some(tls) => {
            let handshake = timeout(shared.bounds.handshake, TlsAcceptor::from(Arc::clone(tls)).accept(stream));
            let shaken = tokio::select! {
                shaken = handshake => shaken.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
                () = place.evicted.cancelled() => return,
                () = shared.stop.cancelled() => return,
            };
            match shaken {
                Ok(stream) => {
                    place.activity.established(Instant::now());
                    // large, and needed by this kind of connection only
                    Box::pin(exchange(stream, &place, &shared, &settings.replaced)).await;
                }
                // a scanner or a client with old settings; a log line for each would be theirs to fill
                Err(error) => tracing::debug!(%error, "a TLS handshake failed"),
            }
        }
    }
}

/// Requests and answers. `replaced` is cancelled when the TLS settings that the connection rests on are no longer the
/// ones in force.
async fn exchange<S>(stream: S, place: &Place, shared: &Arc<Shared>, replaced: &CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Arc::clone(&place.activity);
    let router = TowerToHyperService::new(shared.router.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        activity.request(Instant::now());
        let activity = Arc::clone(&activity);
        let router = router.clone();
        async move {
            let response: Result<Response<Body>, Infallible> = hyper::service::Service::call(&router, request).await;
            response.map(|response| response.map(|body| WatchedBody::new(body, activity)))
        }
    });
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&place.activity)));
    let mut builder = http1::Builder::new();
    // heads are bounded by `Activity`, which can tell them from idle time
    builder.header_read_timeout(None).max_header_size(MAX_HEAD).max_buf_size(MAX_BUFFER);
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut is_last = false;
    loop {
        let deadline = place.activity.deadline(&shared.bounds);
        let longest = Instant::now() + shared.bounds.head.min(shared.bounds.response);
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                }
                return;
            }
            () = place.evicted.cancelled() => return,
            () = shared.abandon.cancelled() => return,
            () = shared.stop.cancelled(), if !is_last => is_last = true,
            () = replaced.cancelled(), if !is_last => is_last = true,
            // what the connection does may have changed to something with an earlier end
            () = sleep_until(deadline.min(longest)) => {
                if place.activity.deadline(&shared.bounds) <= Instant::now() {
                    tracing::debug!("a connection used up its time");
                    return;
                }
            }
        }
        if is_last {
            if place.activity.quiet_since().is_some() {
                return;
            }
            connection.as_mut().graceful_shutdown();
        }
    }
}
