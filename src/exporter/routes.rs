//! What is answered where.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use futures::FutureExt;
use hyper::body::Body;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate, SizeAbove};

use super::guard::{self, Guard};
use super::{Handler, Site, Traffic, api, lifecycle, metrics};

/// Below this many bytes gzip saves nothing.
const COMPRESS_FROM: u16 = 1024;

/// A body of more bytes is refused. Some clients send a small one with every `POST`.
const MAX_BODY: u64 = 4096;

/// All routes.
pub(super) fn router(site: Site, guard: Arc<Guard>, bound: Duration) -> Router {
    let traffic = Arc::clone(&site.traffic);
    Router::new()
        .route("/", get(home))
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(ready))
        .route("/-/reload", post(lifecycle::reload).put(lifecycle::reload))
        .merge(metrics::router())
        .merge(api::router())
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(CompressionLayer::new().compress_when(SizeAbove::new(COMPRESS_FROM).and(metrics::is_worth_compressing)))
        .with_state(site)
        .layer(from_fn(without_body))
        .layer(from_fn_with_state(guard, guard::admit))
        .layer(from_fn_with_state(bound, bounded))
        .layer(from_fn_with_state(traffic, counted))
}

/// Counts what is answered, and adds what every answer has.
async fn counted(State(traffic): State<Arc<Traffic>>, request: Request, next: Next) -> Response {
    let handler = Handler::of(request.uri().path());
    let mut response = next.run(request).await;
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(nosniff);
    traffic.answered(handler, response.status().as_u16());
    response
}

/// An answer that takes too long, or that panics, is an answer all the same, and harms no other.
async fn bounded(State(bound): State<Duration>, request: Request, next: Next) -> Response {
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(bound, answer).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            tracing::error!("a request could not be answered because of a bug; the message is above");
            (StatusCode::INTERNAL_SERVER_ERROR, "This is a bug of Blockwarden; its log has the message.\n")
                .into_response()
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "The answer took too long.\n").into_response(),
    }
}

/// Hardly anything here reads a body. A small one is passed over; a large one is not even taken in. Where one is read,
/// that it has a bound is seen to there, for those who do not say its length.
async fn without_body(request: Request, next: Next) -> Response {
    let limit = api::body_limit(request.method(), request.uri().path());
    let is_too_long = |length: u64| length > limit.unwrap_or(MAX_BODY);
    if request.body().size_hint().upper().map_or(limit.is_none(), is_too_long) {
        let close = [(header::CONNECTION, "close")];
        let message = if limit.is_some() { "This body is too long.\n" } else { "No body is expected here.\n" };
        return (StatusCode::PAYLOAD_TOO_LARGE, close, message).into_response();
    }
    next.run(request).await
}

async fn home() -> Response {
    let page = concat!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Blockwarden</title></head><body>\n",
        "<h1>Blockwarden ",
        env!("CARGO_PKG_VERSION"),
        "</h1>\n<ul>\n",
        "<li><a href=\"/metrics\">Metrics</a></li>\n",
        "<li><a href=\"/api/v1/status\">Status</a></li>\n",
        "<li><a href=\"/api/v1/findings\">Findings</a></li>\n",
        "<li><a href=\"/api/v1/alerts\">Alerts</a></li>\n",
        "<li><a href=\"/api/v1/silences\">Silences</a></li>\n",
        "<li><a href=\"/api/v1/streams\">Streams</a></li>\n",
        "<li><a href=\"/api/v1/blocks\">Blocks</a></li>\n",
        "<li><a href=\"/-/healthy\">Healthy</a></li>\n",
        "<li><a href=\"/-/ready\">Ready</a></li>\n",
        "</ul>\n</body></html>\n",
    );
    let policy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(page)).into_response()
}

async fn healthy(State(site): State<Site>) -> (StatusCode, String) {
    match (site.hooks.health)() {
        Ok(()) => (StatusCode::OK, "Blockwarden is healthy.\n".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("Blockwarden is not healthy: {reason}\n")),
    }
}

async fn ready(State(site): State<Site>) -> (StatusCode, &'static str) {
    if site.published().service.ready {
        (StatusCode::OK, "Blockwarden is ready.\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "Blockwarden is not ready: not every bucket had its first pass.\n")
    }
}

async fn unknown() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "There is nothing here; / has the links.\n")
}

async fn wrong_method(method: Method, uri: Uri) -> (StatusCode, String) {
    (StatusCode::METHOD_NOT_ALLOWED, format!("{method} is not possible on {}.\n", uri.path()))
}
