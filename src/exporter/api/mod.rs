//! `/api/v1`: the judgement and what it rests on, as JSON. What is said of each path and parameter is in
//! `docs/openapi.json`, which is served too, and tests hold both to each other.

mod acts;
mod alerts;
mod blocks;
mod findings;
mod page;
mod problem;
mod query;
mod status;
mod streams;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Extension;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, post};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::Site;
use crate::model::Published;
pub(super) use acts::body_limit;
use problem::Problem;
use query::{Parameter, Query};

/// The description of this interface.
const OPENAPI: &str = include_str!("../../../docs/openapi.json");

/// Answers that are put together at once; more would only take the processor from each other.
const AT_ONCE: usize = 4;

/// One path, and what it understands.
#[derive(Debug)]
struct Endpoint {
    path: &'static str,
    parameters: &'static [Parameter],
    /// Understands the parameters, or says what is wrong with them.
    prepare: fn(&Query) -> Result<Prepared, Problem>,
}

/// A question that was understood: gives the answer as JSON.
type Prepared = Box<dyn FnOnce(&Published) -> Result<Vec<u8>, Problem> + Send>;

/// All of them but the description.
static ENDPOINTS: [&Endpoint; 6] =
    [&status::ENDPOINT, &findings::ENDPOINT, &streams::ENDPOINT, &blocks::ENDPOINT, &alerts::ALERTS, &alerts::SILENCES];

/// What all answers share.
#[derive(Debug)]
struct Shared {
    /// Tells this process from the one before, whose publications had the same numbers.
    process: u64,
    at_once: Semaphore,
}

impl Shared {
    /// Weak, since the same answer may be compressed or not.
    fn etag(&self, number: u64) -> String {
        format!("W/\"{:016x}-{number}\"", self.process)
    }
}

/// `/api/v1`
pub(super) fn router() -> Router<Site> {
    let shared = Arc::new(Shared { process: rand::random(), at_once: Semaphore::new(AT_ONCE) });
    let mut router = Router::new().route("/api/v1/openapi.json", get(openapi));
    for endpoint in ENDPOINTS {
        let handler = move |State(site): State<Site>,
                            Extension(shared): Extension<Arc<Shared>>,
                            RawQuery(query): RawQuery,
                            headers: HeaderMap| async move {
            answer(endpoint, &site, &shared, query.unwrap_or_default(), &headers)
                .await
                .unwrap_or_else(IntoResponse::into_response)
        };
        router = router.route(endpoint.path, get(handler));
    }
    for (path, handler) in [
        ("/api/v1/silences", post(acts::silence)),
        ("/api/v1/silences/{id}", delete(acts::expire)),
        ("/api/v1/notifications", get(acts::notifications)),
        ("/api/v1/notifications/resend", post(acts::resend_all)),
        ("/api/v1/notifications/{id}/resend", post(acts::resend)),
        ("/api/v1/watchdogs/{name}", post(acts::watchdog)),
    ] {
        router = router.route(path, handler);
    }
    router.route("/api/{*rest}", any(unknown)).method_not_allowed_fallback(wrong_method).layer(Extension(shared))
}

async fn answer(
    endpoint: &'static Endpoint,
    site: &Site,
    shared: &Shared,
    query: String,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let published = site.published();
    // a mistake is one even where the client has an answer already
    let prepared = (endpoint.prepare)(&Query::parse(&query, endpoint.parameters)?)?;
    let etag = shared.etag(published.number);
    if is_known(headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, caching(&etag)).into_response());
    }
    let _permit = shared.at_once.acquire().await.map_err(Problem::internal)?;
    let body = spawn_blocking(move || prepared(&published)).await.map_err(Problem::internal)??;
    Ok(json(StatusCode::OK, caching(&etag), body))
}

async fn openapi(
    Extension(shared): Extension<Arc<Shared>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    Query::parse(&query.unwrap_or_default(), &[])?;
    let etag = shared.etag(0);
    if is_known(&headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, caching(&etag)).into_response());
    }
    Ok(json(StatusCode::OK, caching(&etag), OPENAPI.into()))
}

async fn unknown(uri: Uri) -> Problem {
    Problem::not_found(uri.path())
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    let allowed = match uri.path() {
        "/api/v1/silences" => "GET, HEAD, POST",
        path if path.starts_with("/api/v1/silences/") => "DELETE",
        path if path.ends_with("/resend") || path.starts_with("/api/v1/watchdogs/") => "POST",
        _ => "GET, HEAD",
    };
    ([(header::ALLOW, allowed)], Problem::method(&method, allowed).into_response()).into_response()
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        json(status, HeaderMap::new(), self.to_json())
    }
}

fn json(status: StatusCode, mut headers: HeaderMap, body: Vec<u8>) -> Response {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    (status, headers, body).into_response()
}

/// May be kept, and has to be asked about each time.
fn caching(etag: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(etag) = HeaderValue::from_str(etag) {
        headers.insert(header::ETAG, etag);
    }
    headers
}

/// Whether the client has this already (`If-None-Match`, compared weakly).
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let own = opaque(etag);
    let sent = headers.get_all(header::IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    sent.flat_map(|list| list.split(',')).any(|tag| tag.trim() == "*" || opaque(tag) == own)
}
