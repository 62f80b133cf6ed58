//! Credentials: where each provider's own tools look for them, in their order; kept until shortly before they expire.

mod answer;
mod aws;
mod azure;
mod exchange;
mod gcp;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;

pub use aws::aws_credentials;
pub use azure::{AzureAccess, azure_access};
pub use gcp::gcp_credentials;

use super::{Ambient, BucketError, ErrorKind};
use crate::model::{Environment, SECOND_MS, TimestampMs};
use exchange::Exchange;

/// The longest time in ms before the end of a credential at which a new one is fetched.
const REFRESH_BEFORE_MS: i64 = 300 * SECOND_MS;
/// How long in ms a credential that is still good serves on after its renewal has failed.
const RENEWAL_PAUSE_MS: i64 = 30 * SECOND_MS;

/// A credential that renews itself. Clones share what was fetched.
pub struct Credentials<C>(Arc<Inner<C>>);

struct Inner<C> {
    /// The bucket, in words, for errors.
    place: String,
    hint: &'static str,
    ambient: Ambient,
    source: Box<dyn Source<C>>,
    /// Held while fetching, so that any number of waiting requests cause one exchange.
    held: Mutex<Option<Held<C>>>,
}

struct Held<C> {
    value: Arc<C>,
    renew_at: Option<TimestampMs>,
    expires: Option<TimestampMs>,
}

impl<C> Clone for Credentials<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> fmt::Debug for Credentials<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.0.place)
    }
}

impl<C: Send + Sync + 'static> Credentials<C> {
    /// `hint` says what a person can do when `source` has nothing to give.
    fn new(place: String, hint: &'static str, ambient: &Ambient, source: impl Source<C> + 'static) -> Self {
        let inner = Inner { place, hint, ambient: ambient.clone(), source: Box::new(source), held: Mutex::default() };
        Self(Arc::new(inner))
    }

    /// A credential that stands in the configuration.
    pub(in crate::discover) fn fixed(place: String, ambient: &Ambient, value: C) -> Self {
        let held = Held { value: Arc::new(value), renew_at: None, expires: None };
        let inner = Inner {
            place,
            hint: "",
            ambient: ambient.clone(),
            source: Box::new(Nothing),
            held: Mutex::new(Some(held)),
        };
        Self(Arc::new(inner))
    }

    /// The credential of now. [`ErrorKind::Unauthenticated`] where no source has one; the message names each and says
    /// why.
    pub async fn get(&self) -> Result<Arc<C>, BucketError> {
        let inner = &self.0;
        let mut held = inner.held.lock().await;
        let now = inner.ambient.now();
        if let Some(held) = held.as_ref()
            && held.renew_at.is_none_or(|at| now < at)
        {
            return Ok(Arc::clone(&held.value));
        }
        match inner.source.fetch().await {
            Ok(token) => {
                let value = Arc::new(token.value);
                let renew_at = token.expires.map(|expires| renewal(now, expires));
                *held = Some(Held { value: Arc::clone(&value), renew_at, expires: token.expires });
                Ok(value)
            }
            Err(tried) => match held.as_mut().filter(|held| held.expires.is_none_or(|at| now < at)) {
                Some(held) => {
                    tracing::warn!(place = %inner.place, %tried, "cannot renew credentials that are about to expire");
                    held.renew_at = Some(now.plus(RENEWAL_PAUSE_MS));
                    Ok(Arc::clone(&held.value))
                }
                None => Err(BucketError {
                    kind: ErrorKind::Unauthenticated,
                    message: format!("no credentials for {}: {tried}", inner.place),
                    hint: Some(inner.hint.to_owned()),
                }),
            },
        }
    }
}

/// When to fetch anew: a while before the end, but not in the first three quarters of a short life, or a metadata
/// server that hands out what it has left would be asked with every request.
fn renewal(now: TimestampMs, expires: TimestampMs) -> TimestampMs {
    let left = expires.since(now).max(0);
    expires.minus(REFRESH_BEFORE_MS.min(left / 4))
}

/// What a source gave.
#[derive(PartialEq, Eq)]
struct Token<C> {
    value: C,
    /// `None` = for good.
    expires: Option<TimestampMs>,
}

impl<C> Token<C> {
    fn lasting(value: C) -> Self {
        Self { value, expires: None }
    }
}

/// Shows no value.
impl<C> fmt::Debug for Token<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token(until {:?})", self.expires)
    }
}

/// Where credentials come from.
#[async_trait]
trait Source<C>: Send + Sync {
    async fn fetch(&self) -> Result<Token<C>, Tried>;
}

/// Of a credential that never has to be fetched.
struct Nothing;

#[async_trait]
impl<C: Send + Sync + 'static> Source<C> for Nothing {
    async fn fetch(&self) -> Result<Token<C>, Tried> {
        Err(Tried::default())
    }
}

/// The sources that were asked in vain, each with what it said. Never holds a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tried(Vec<(String, String)>);

impl Tried {
    fn note(&mut self, source: impl Into<String>, said: impl Into<String>) {
        self.0.push((source.into(), said.into()));
    }

    fn one(source: impl Into<String>, said: impl Into<String>) -> Self {
        Self(vec![(source.into(), said.into())])
    }
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (source, said)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{source}: {said}")?;
        }
        Ok(())
    }
}

/// A configuration from which no credential can be made, whatever the sources say.
fn unusable(place: &str, why: &str, hint: &str) -> BucketError {
    BucketError {
        kind: ErrorKind::Unauthenticated,
        message: format!("no credentials for {place}: {why}"),
        hint: Some(hint.to_owned()),
    }
}

/// The HTTP client of a chain. It has the machine's own settings, not those of the bucket: `http_config` is about the
/// storage, and Thanos' libraries do not apply it to credential endpoints either.
fn exchange(place: &str, environment: &Environment, ambient: &Ambient) -> Result<Exchange, BucketError> {
    Exchange::new(environment, ambient)
        .map_err(|error| unusable(place, &error.to_string(), error.hint.unwrap_or("check the proxy variables")))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

    use super::*;

    /// Gives numbered credentials of a fixed life, or fails.
    struct Script {
        calls: Arc<AtomicUsize>,
        clock: Arc<AtomicI64>,
        life_ms: i64,
        fails_from: usize,
    }

    #[async_trait]
    impl Source<usize> for Script {
        async fn fetch(&self) -> Result<Token<usize>, Tried> {
            let call = self.calls.fetch_add(1, Ordering::SeqCst);
            if call >= self.fails_from {
                return Err(Tried::one("script", "is over"));
            }
            let expires = TimestampMs(self.clock.load(Ordering::SeqCst)).plus(self.life_ms);
            Ok(Token { value: call, expires: Some(expires) })
        }
    }

    fn scripted(life_ms: i64, fails_from: usize) -> (Credentials<usize>, Arc<AtomicI64>, Arc<AtomicUsize>) {
        let clock = Arc::new(AtomicI64::new(0));
        let calls = Arc::new(AtomicUsize::new(0));
        let reading = Arc::clone(&clock);
        let ambient = Ambient::new(move || TimestampMs(reading.load(Ordering::SeqCst)), |_| 0);
        let script = Script { calls: Arc::clone(&calls), clock: Arc::clone(&clock), life_ms, fails_from };
        (Credentials::new("bucket `b`".to_owned(), "do something", &ambient, script), clock, calls)
    }

    #[tokio::test]
    async fn a_credential_is_fetched_once_and_renewed_before_its_end() {
        // (life, time, the credential that serves then)
        for (life_s, steps) in [
            (3_600, vec![(0, 0), (3_299, 0), (3_300, 1), (3_301, 1), (6_599, 1), (6_600, 2)]),
            (60, vec![(0, 0), (44, 0), (45, 1)]),
            // already over when it came: good for nothing but this one request
            (0, vec![(0, 0), (0, 1)]),
        ] {
            let (credentials, clock, _) = scripted(life_s * SECOND_MS, usize::MAX);
            for (at_s, expected) in steps {
                clock.store(at_s * SECOND_MS, Ordering::SeqCst);
                assert_eq!(*credentials.get().await.unwrap(), expected, "life {life_s} at {at_s}");
            }
        }
    }

    #[tokio::test]
    async fn a_failed_renewal_is_an_error_only_once_the_old_credential_is_over() {
        let (credentials, clock, calls) = scripted(3_600 * SECOND_MS, 1);
        assert_eq!(*credentials.get().await.unwrap(), 0);
        clock.store(3_400 * SECOND_MS, Ordering::SeqCst);
        assert_eq!(*credentials.get().await.unwrap(), 0);
        assert_eq!(*credentials.get().await.unwrap(), 0);
        assert_eq!(calls.load(Ordering::SeqCst), 2, "a failed renewal is not repeated at once");
        clock.store(3_600 * SECOND_MS, Ordering::SeqCst);
        let error = credentials.get().await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unauthenticated);
        assert_eq!(error.message, "no credentials for bucket `b`: script: is over");
        assert_eq!(error.hint.as_deref(), Some("do something"));
    }

    #[tokio::test]
    async fn waiting_requests_share_one_exchange() {
        let (credentials, _, calls) = scripted(3_600 * SECOND_MS, usize::MAX);
        futures::future::join_all((0..50).map(|_| credentials.get())).await;
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }
}
