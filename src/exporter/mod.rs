//! What is known, over HTTP: metrics, API, health. The engine publishes an immutable state; everything here reads it
//! and computes nothing of its own.

mod actions;
mod activity;
mod api;
mod auth;
mod connection;
mod connections;
mod guard;
mod lifecycle;
mod metrics;
mod routes;
#[cfg(test)]
mod sample;
mod server;
mod tls;
mod traffic;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

pub use actions::{Action, ActionReply, OutboxPage, Refusal};
pub use server::Server;
pub use traffic::{Handler, Traffic};

use crate::model::{Published, WebSource};
use metrics::Exposition;

/// What is configured of the server.
#[derive(Clone, Debug)]
pub struct Options {
    /// `host:port`; without a host, as in `:9798`, all interfaces. Port 0 = any that is free.
    pub listen: String,
    /// `POST` and `DELETE` are allowed: a reload, silences, what is sent again, signs of life of watchdogs.
    pub lifecycle: bool,
    /// Who may ask, and over TLS or not; `None` = everybody, in the clear.
    pub web: Option<Arc<dyn WebSource>>,
    /// What clients may use up.
    pub bounds: Bounds,
}

/// What one client may use up before it is sent away, so that slow, broken and hostile ones do no harm to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Connections at once. One more takes the place of the one that has been idle longest.
    pub connections: usize,
    /// For the TLS handshake.
    pub handshake: Duration,
    /// From the first byte of a request, or from the begin of a connection, to the end of its head.
    pub head: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// Until an answer is ready to be sent.
    pub answer: Duration,
    /// From the head of a request until all of its answer has left, however slowly the client reads.
    pub response: Duration,
    /// For requests that are being answered when the server stops.
    pub grace: Duration,
    /// How often the web configuration and its certificates are looked at for changes.
    pub web_poll: Duration,
    /// For the web configuration and its certificates to be read.
    pub web_read: Duration,
}

/// On this machine only, in the clear.
impl Default for Options {
    fn default() -> Self {
        Self { listen: "127.0.0.1:9798".to_owned(), lifecycle: false, web: None, bounds: Bounds::default() }
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 512,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            // longer than the usual time between two scrapes, so that connections are used again
            idle: Duration::from_mins(3),
            answer: Duration::from_secs(30),
            response: Duration::from_mins(1),
            grace: Duration::from_secs(5),
            web_poll: Duration::from_secs(1),
            web_read: Duration::from_secs(10),
        }
    }
}

/// Who is waiting for the end of a reload. The text says what is wrong with the new configuration.
pub type ReloadReply = oneshot::Sender<Result<(), String>>;

/// What the server asks of the engine.
#[derive(Clone)]
pub struct Hooks {
    /// Reads the configuration again.
    pub reload: mpsc::Sender<ReloadReply>,
    /// Does what was asked for over the API. Bounded; who asks waits, with a bound.
    pub actions: mpsc::Sender<Action>,
    /// Whether the service does its work; otherwise says what is wrong. Has to be quick.
    pub health: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// Called about once a second for as long as the server can still do something.
    pub alive: Arc<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}

/// What every handler can get: `State<Site>`.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// The newest state.
    pub(crate) published: watch::Receiver<Arc<Published>>,
    /// The newest state as metrics.
    pub(crate) exposition: Exposition,
    /// How much was asked.
    pub(crate) traffic: Arc<Traffic>,
    /// The engine.
    pub(crate) hooks: Hooks,
    /// `POST` and `DELETE` are allowed.
    pub(crate) lifecycle: bool,
    /// The host of the listen address, as it was given; may be empty.
    pub(crate) listen_host: Arc<str>,
}

impl Site {
    /// The newest state, immutable.
    pub(crate) fn published(&self) -> Arc<Published> {
        Arc::clone(&self.published.borrow())
    }
}

/// Why the server cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum ExporterError {
    /// The listen address is none.
    #[error("`{0}` is no address to listen on: expected `host:port`, `[IPv6]:port` or `:port`")]
    Address(String),
    /// The host has no address.
    #[error("cannot resolve `{host}`")]
    Resolve {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The address cannot be had.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The web configuration is wrong; the text has one mistake a line.
    #[error("the web configuration cannot be used:\n{0}")]
    Web(String),
    /// The threads of the server cannot be had.
    #[error("cannot start the threads of the web server")]
    Threads(#[source] std::io::Error),
}

/// Takes the address and reads the web configuration; answers nobody yet.
pub async fn bind(
    options: Options,
    published: watch::Receiver<Arc<Published>>,
    hooks: Hooks,
) -> Result<Server, ExporterError> {
    server::bind(options, published, hooks).await
}
