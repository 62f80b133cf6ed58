//! The server: address, accept loop, end.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::metrics::{self, Renderer};
use super::{Bounds, ExporterError, Hooks, Options, Site, Traffic, routes};
use crate::model::Published;

/// A server that has its address.
#[derive(Debug)]
pub struct Server {
    listener: std::net::TcpListener,
    address: SocketAddr,
    bounds: Bounds,
    site: Site,
    renderer: Renderer,
}

/// See [`super::bind`].
pub(super) async fn bind(
    options: Options,
    published: watch::Receiver<Arc<Published>>,
    hooks: Hooks,
) -> Result<Server, ExporterError> {
    let failed = |source| ExporterError::Bind { address: options.listen.clone(), source };
    let (host, port) = options.listen.rsplit_once(':').ok_or_else(|| ExporterError::Address(options.listen.clone()))?;
    let target = if host.is_empty() { format!("[::]:{port}") } else { options.listen.clone() };
    let listener = TcpListener::bind(target).await.map_err(failed)?.into_std().map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let (exposition, renderer) = metrics::exposition(published.clone());
    let site = Site {
        published,
        exposition,
        traffic: Arc::new(Traffic::default()),
        hooks,
        lifecycle: options.lifecycle,
        listen_host: Arc::from(host),
    };
    Ok(Server { listener, address, bounds: options.bounds, site, renderer })
}

impl Server {
    /// The address that was taken.
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop`, then lets requests that are being answered end, within the bound.
    pub async fn run(self, stop: CancellationToken) {
        let listener = match TcpListener::from_std(self.listener) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "the web server cannot run"),
        };
        let traffic = Arc::clone(&self.site.traffic);
        // ends with its last reader, which is this router
        tokio::spawn(self.renderer.run());
        let router = routes::router(self.site, self.bounds);
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else { continue };
            let service = TowerToHyperService::new(router.clone());
            let traffic = Arc::clone(&traffic);
            traffic.opened();
            tokio::spawn(async move {
                let connection = hyper::server::conn::http1::Builder::new()
                    .header_read_timeout(None)
                    .serve_connection(TokioIo::new(stream), service);
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection ended early");
                }
                traffic.closed();
            });
        }
        tracing::debug!(grace = ?self.bounds.grace, "the web server stopped");
    }

    /// The same on threads of its own, so that work elsewhere does not delay answers. The thread ends when the server
    /// does.
    pub fn spawn(self, stop: CancellationToken) -> Result<std::thread::JoinHandle<()>, ExporterError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(8)
            .thread_name("web")
            .enable_all()
            .build()
            .map_err(ExporterError::Threads)?;
        let serve = move || {
            runtime.block_on(self.run(stop));
            runtime.shutdown_background();
        };
        std::thread::Builder::new().name("web-main".to_owned()).spawn(serve).map_err(ExporterError::Threads)
    }
}
