//! `/metrics`. What a judgement says is put into text once per publication, in the background; a request gets that text
//! and what is read at the moment: the process and the server's own traffic. So an answer takes no longer while
//! everything else is busy, and a thousand scrapers cost no more than one.

mod alerting;
mod families;
mod judged;
mod service;
mod subjects;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::process_collector::ProcessCollector;
use prometheus::{Registry, TEXT_FORMAT, TextEncoder};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::{Site, Traffic};
use crate::catalogue;
use crate::model::{BucketStatus, Metric, MetricLabel, Published};
use families::{Families, number_of};

/// The text of one publication.
#[derive(Clone, Debug, Default)]
struct Rendered {
    judged: Arc<str>,
    service: Arc<str>,
}

/// Where requests find the newest text.
#[derive(Clone, Debug)]
pub(crate) struct Exposition {
    rendered: watch::Receiver<Option<Rendered>>,
    process: Registry,
    /// Of whoever publishes.
    engine: Option<Handle>,
}

/// Keeps an [`Exposition`] up to date.
#[derive(Debug)]
pub(crate) struct Renderer {
    published: watch::Receiver<Arc<Published>>,
    rendered: watch::Sender<Option<Rendered>>,
}

/// An exposition of what is published, and what keeps it up to date. To be called where the engine runs, whose tasks it
/// counts.
pub(crate) fn exposition(published: watch::Receiver<Arc<Published>>) -> (Exposition, Renderer) {
    let (sender, receiver) = watch::channel(None);
    let process = Registry::new();
    if let Err(error) = process.register(Box::new(ProcessCollector::for_self())) {
        tracing::warn!(%error, "metrics of the process cannot be had");
    }
    let engine = Handle::try_current().ok();
    (Exposition { rendered: receiver, process, engine }, Renderer { published, rendered: sender })
}

impl Renderer {
    /// Renders every publication, or the newest where they come faster. Ends with the publisher or the last reader.
    pub(crate) async fn run(mut self) {
        let checks = check_ids();
        let mut previous: Option<(Arc<Published>, Rendered)> = None;
        loop {
            let published = Arc::clone(&self.published.borrow_and_update());
            let known = previous.clone();
            let now = Arc::clone(&published);
            let ids = Arc::clone(&checks);
            match spawn_blocking(move || render(&now, known.as_ref(), &ids)).await {
                Ok(Ok(rendered)) => {
                    previous = Some((published, rendered.clone()));
                    self.rendered.send_replace(Some(rendered));
                }
                Ok(Err(error)) => tracing::error!(%error, "metrics cannot be written; the former ones stay"),
                Err(error) => tracing::error!(%error, "metrics were not written; the former ones stay"),
            }
            tokio::select! {
                changed = self.published.changed() => if changed.is_err() { return },
                () = self.rendered.closed() => return,
            }
        }
    }
}

/// The ids of all checks.
fn check_ids() -> Arc<[&'static str]> {
    catalogue::check_ids().collect()
}

/// Renders what differs from the publication before.
fn render(
    published: &Published,
    previous: Option<&(Arc<Published>, Rendered)>,
    checks: &[&'static str],
) -> Result<Rendered, prometheus::Error> {
    let judged = match previous {
        Some((before, rendered)) if says_the_same(before, published) => Arc::clone(&rendered.judged),
        _ => judged::collect(published, checks).into_text()?.into(),
    };
    let mut service = service::collect(published);
    alerting::collect(&mut service, published);
    Ok(Rendered { judged, service: service.into_text()?.into() })
}

/// The heavy part of both publications is the same.
fn says_the_same(before: &Published, now: &Published) -> bool {
    let same_name = |(a, b): (&BucketStatus, &BucketStatus)| a.bucket == b.bucket;
    let (known, configured) = (&before.service.buckets, &now.service.buckets);
    Arc::ptr_eq(&before.snapshot, &now.snapshot)
        && before.metrics == now.metrics
        && known.len() == configured.len()
        && known.iter().zip(configured).all(same_name)
}

/// What is read at the moment of the request.
fn live(exposition: &Exposition, traffic: &Traffic) -> Result<String, prometheus::Error> {
    let mut families = Families::new(Arc::default());
    for (handler, code, count) in traffic.requests() {
        let labels = [(MetricLabel::Code, code), (MetricLabel::Handler, handler)];
        families.set(Metric::HttpRequests, &labels, number_of(count));
    }
    families.set(Metric::HttpConnections, &[], number_of(traffic.open_connections()));
    families.set(Metric::HttpConnectionsRefused, &[], number_of(traffic.refused_connections()));
    let tasks: usize = exposition
        .engine
        .iter()
        .chain(&Handle::try_current().ok())
        .map(|runtime| runtime.metrics().num_alive_tasks())
        .sum();
    families.set(Metric::Tasks, &[], number_of(u64::try_from(tasks).unwrap_or(u64::MAX)));
    let mut text = families.into_text()?;
    TextEncoder::new().encode_utf8(&exposition.process.gather(), &mut text)?;
    Ok(text)
}

/// `/metrics`
pub(crate) fn router() -> Router<Site> {
    Router::new().route("/metrics", get(metrics))
}

/// A longer text costs more to compress, at every scrape, than it costs to send.
const COMPRESS_UP_TO: usize = 256 * 1024;

/// Marks an answer that is sent as it is.
#[derive(Clone, Copy, Debug)]
struct AsItIs;

/// Whether an answer may be compressed.
pub(crate) fn is_worth_compressing(_: StatusCode, _: Version, _: &HeaderMap, extensions: &Extensions) -> bool {
    extensions.get::<AsItIs>().is_none()
}

async fn metrics(State(site): State<Site>) -> Response {
    let mut newest = site.exposition.rendered.clone();
    // only the first requests of a process have to wait, and the server bounds how long
    let rendered = match newest.wait_for(Option::is_some).await {
        Ok(rendered) => rendered.clone().unwrap_or_default(),
        Err(_) => return (StatusCode::SERVICE_UNAVAILABLE, "There are no metrics yet.\n").into_response(),
    };
    match live(&site.exposition, &site.traffic) {
        Ok(live) => {
            let text = [&*rendered.judged, &*rendered.service, &live].concat();
            let is_long = text.len() > COMPRESS_UP_TO;
            let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(TEXT_FORMAT))];
            let mut response = (headers, text).into_response();
            if is_long {
                response.extensions_mut().insert(AsItIs);
            }
            response
        }
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written");
            (StatusCode::INTERNAL_SERVER_ERROR, "The metrics cannot be written; the log says why.\n").into_response()
        }
    }
}
