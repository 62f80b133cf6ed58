//! The web configuration in force, kept up with its source. A new one that cannot be used changes nothing but the log.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rustls::ServerConfig;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::auth::Authenticator;
use super::tls;
use crate::model::{RateLimit, WebSettings, WebSource, WebStamp};

/// Reads that hang at most before nothing is read any more until one of them ends.
const MOST_HANGING: usize = 4;

/// Who may ask, and how; for all connections.
#[derive(Debug)]
pub(super) struct Guard {
    source: Option<Arc<dyn WebSource>>,
    first: WebStamp,
    current: RwLock<Arc<Current>>,
    authenticator: Authenticator,
}

/// One web configuration, ready for use.
#[derive(Debug, Default)]
pub(super) struct Current {
    /// `None` = in the clear.
    pub(super) tls: Option<Arc<ServerConfig>>,
    /// Cancelled when `tls` is no longer in force.
    pub(super) replaced: CancellationToken,
    settings: Arc<WebSettings>,
    headers: Vec<(HeaderName, HeaderValue)>,
    limiter: Option<Arc<Limiter>>,
}

impl Guard {
    /// Reads the source for the first time.
    pub(super) async fn new(source: Option<Arc<dyn WebSource>>) -> Result<Self, String> {
        let (first, current) = match &source {
            None => (WebStamp::default(), Current::default()),
            Some(source) => {
                let source = Arc::clone(source);
                spawn_blocking(move || load(source.as_ref(), None)).await.map_err(|error| error.to_string())??
            }
        };
        let current = RwLock::new(Arc::new(current));
        Ok(Self { source, first, current, authenticator: Authenticator::new()? })
    }

    /// What is in force.
    pub(super) fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks for changes for ever. Requests never wait for a file: a file system that hangs holds up only this.
    pub(super) async fn follow(&self, poll: Duration, reading: Duration) {
        let Some(source) = &self.source else { return std::future::pending().await };
        let mut seen = self.first.clone();
        let mut complaint = String::new();
        // reads that a file system has not answered; they hold threads that answers need, too
        let mut hanging: Vec<JoinHandle<_>> = Vec::new();
        loop {
            sleep(poll).await;
            hanging.retain(|read| !read.is_finished());
            if hanging.len() >= MOST_HANGING {
                continue;
            }
            let (source, before, old) = (Arc::clone(source), self.current(), seen.clone());
            // what was refused is tried again whatever the stamp says: a file may have been caught half written
            let is_refused = !complaint.is_empty();
            let mut looked = spawn_blocking(move || {
                let is_changed = is_refused || source.stamp() != old;
                is_changed.then(|| load(source.as_ref(), Some(&before)))
            });
            let Ok(looked) = timeout(reading, &mut looked).await else {
                let reason = format!("it could not be read within {} s: a file system hangs", reading.as_secs());
                if reason != complaint {
                    tracing::error!(%reason, "the new web configuration cannot be used; the old one stays in force");
                    complaint = reason;
                }
                hanging.push(looked);
                continue;
            };
            match looked {
                Ok(None) => {}
                Ok(Some(Ok((stamp, current)))) => {
                    seen = stamp;
                    complaint.clear();
                    self.replace(current);
                }
                Ok(Some(Err(reason))) => {
                    if reason != complaint {
                        tracing::error!(%reason, "the new web configuration cannot be used; the old one stays in force");
                        complaint = reason;
                    }
                }
                Err(error) => tracing::error!(%error, "the web configuration cannot be looked at because of a bug"),
            }
        }
    }

    fn replace(&self, current: Current) {
        let current = Arc::new(current);
        let old = {
            let mut slot = self.current.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *slot, Arc::clone(&current))
        };
        // a stamp may change with nothing else
        if old.settings != current.settings {
            tracing::info!("the web configuration was read again");
        }
        if old.settings.tls != current.settings.tls {
            old.replaced.cancel();
        }
    }
}

/// Reads the source. What did not change is taken over from `before`, so that connections and counts go on.
fn load(source: &dyn WebSource, before: Option<&Current>) -> Result<(WebStamp, Current), String> {
    // the stamp first: what changes while it is read is seen as a change next time
    let stamp = source.stamp();
    let settings = source.load()?;
    let kept = before.filter(|before| before.settings.tls == settings.tls);
    let (tls, replaced) = match kept {
        Some(before) => (before.tls.clone(), before.replaced.clone()),
        None => (settings.tls.as_ref().map(tls::server_config).transpose()?.map(Arc::new), CancellationToken::new()),
    };
    let limited = before.filter(|before| before.settings.rate_limit == settings.rate_limit);
    let limiter = match limited {
        Some(before) => before.limiter.clone(),
        None => settings.rate_limit.map(|limit| Arc::new(Limiter::new(limit, Instant::now()))),
    };
    let headers = settings.headers.iter().map(|(name, value)| {
        let pair = name.parse().ok().zip(value.parse().ok());
        pair.ok_or_else(|| format!("the header {name} cannot be sent: its name or value is not possible in HTTP"))
    });
    let headers = headers.collect::<Result<_, String>>()?;
    Ok((stamp, Current { tls, replaced, settings: Arc::new(settings), headers, limiter }))
}

/// Marks a request that no page of another site can have made by a name that points here: such a page has no password
/// for that name, and no certificate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Protected;

/// Lets a request through, or not; no path is exempt.
pub(super) async fn admit(State(guard): State<Arc<Guard>>, mut request: Request, next: Next) -> Response {
    let current = guard.current();
    if current.tls.is_some() || !current.settings.users.is_empty() {
        request.extensions_mut().insert(Protected);
    }
    let mut response = if current.limiter.as_ref().is_some_and(|limiter| !limiter.take(Instant::now())) {
        (StatusCode::TOO_MANY_REQUESTS, "Too many requests.\n").into_response()
    } else if guard.authenticator.admits(&current.settings.users, request.headers()).await {
        next.run(request).await
    } else {
        let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"Blockwarden\", charset=\"UTF-8\"")];
        (StatusCode::UNAUTHORIZED, challenge, "Unauthorized.\n").into_response()
    };
    for (name, value) in &current.headers {
        response.headers_mut().insert(name, value.clone());
    }
    response
}

/// A token bucket.
#[derive(Debug)]
struct Limiter {
    limit: RateLimit,
    /// Tokens that are there, in ms of the interval, and when that was counted.
    state: Mutex<(u64, Instant)>,
}

impl Limiter {
    fn new(limit: RateLimit, now: Instant) -> Self {
        Self { limit, state: Mutex::new((capacity(limit), now)) }
    }

    fn take(&self, now: Instant) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (saved, counted) = *state;
        let passed = u64::try_from(now.duration_since(counted).as_millis()).unwrap_or(u64::MAX);
        let saved = saved.saturating_add(passed).min(capacity(self.limit));
        let left = saved.checked_sub(self.limit.interval_ms);
        // the rest of a millisecond is not lost
        *state = (left.unwrap_or(saved), counted + Duration::from_millis(passed));
        left.is_some()
    }
}

fn capacity(limit: RateLimit) -> u64 {
    limit.interval_ms.saturating_mul(u64::from(limit.burst))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_and_then_one_per_interval() {
        let begin = Instant::now();
        let limiter = Limiter::new(RateLimit { interval_ms: 100, burst: 2 }, begin);
        let at = |ms| limiter.take(begin + Duration::from_millis(ms));
        let found = [0, 0, 0, 99, 100, 150, 199, 200, 10_000, 10_000, 10_000].map(at);
        assert_eq!(found, [true, true, false, false, true, false, false, true, true, true, false]);
    }

    #[test]
    fn no_burst_lets_nobody_through() {
        let begin = Instant::now();
        let limiter = Limiter::new(RateLimit { interval_ms: 100, burst: 0 }, begin);
        assert!(!limiter.take(begin) && !limiter.take(begin + Duration::from_secs(10)));
    }
}
