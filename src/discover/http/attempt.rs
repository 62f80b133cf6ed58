//! One exchange: attempts, each within its bounds, until there is an answer to return.

use std::time::Duration;

use ::http::Method;
use bytes::{Bytes, BytesMut};
use object_store::client::HttpRequest;
use tokio::time::{Instant, timeout, timeout_at};

use super::backoff::{is_passing, pause_ms, retry_after_ms};
use super::{Answer, BodyCap, Purpose, Transport, TransportError, Verdict};

/// Bytes of an answer with a bad status that are read.
const ERROR_BYTES: u64 = 64 << 10;

/// A request that can be sent any number of times.
pub(super) struct Exchange<'t> {
    transport: &'t Transport,
    purpose: Purpose,
    template: reqwest::Request,
    body: Bytes,
    host: String,
    cap: u64,
}

/// What an attempt led to.
enum Outcome {
    Answer(Answer),
    Failure(TransportError),
}

impl<'t> Exchange<'t> {
    pub(super) fn new(
        transport: &'t Transport,
        request: &HttpRequest,
        purpose: Purpose,
    ) -> Result<Self, TransportError> {
        let uri = request.uri();
        let host = uri.authority().map_or_else(String::new, |authority| {
            // without user and password, should somebody have put them there
            authority.as_str().rsplit('@').next().unwrap_or_default().to_owned()
        });
        let url = uri.to_string().parse().map_err(|_unusable| TransportError::bad_url(&host))?;
        let mut template = reqwest::Request::new(request.method().clone(), url);
        template.headers_mut().clone_from(request.headers());
        let cap = request.extensions().get::<BodyCap>().map_or(transport.0.limits.body_bytes, |cap| cap.0);
        let body = request.body().as_bytes().cloned().unwrap_or_default();
        Ok(Self { transport, purpose, template, body, host, cap })
    }

    pub(super) async fn run(
        self,
        check: &(dyn Fn(&Answer) -> Verdict + Send + Sync),
    ) -> Result<Answer, TransportError> {
        let inner = &self.transport.0;
        let begun = Instant::now();
        let end = begun.checked_add(Duration::from_millis(inner.limits.retry_total_ms));
        let mut attempt: u32 = 0;
        loop {
            let attempted = self.attempt(end.filter(|_| attempt > 0)).await;
            self.trace(&attempted, attempt);
            let outcome = match attempted {
                Ok(answer) if answer.status.is_success() => match check(&answer) {
                    Verdict::Accept => return Ok(answer),
                    Verdict::Reject(why) => return Err(TransportError::protocol(&self.host, &why)),
                    Verdict::Retry(why) => Outcome::Failure(TransportError::protocol(&self.host, &why)),
                },
                Ok(answer) if is_passing(&answer) => Outcome::Answer(answer),
                Ok(answer) => return Ok(answer),
                Err(error) if error.kind.is_passing() => Outcome::Failure(error),
                Err(error) => return Err(error),
            };
            let asked = match &outcome {
                Outcome::Answer(answer) => retry_after_ms(&answer.headers, &inner.ambient),
                Outcome::Failure(_) => None,
            };
            let pause = Duration::from_millis(pause_ms(attempt, asked, &inner.limits, &inner.ambient));
            let too_late = Instant::now().checked_add(pause) > end;
            if attempt >= inner.limits.retries || too_late {
                return match outcome {
                    Outcome::Answer(answer) => Ok(answer),
                    Outcome::Failure(error) => Err(error.after(attempt.saturating_add(1))),
                };
            }
            self.report(&outcome, attempt, pause);
            tokio::time::sleep(pause).await;
            attempt = attempt.saturating_add(1);
        }
    }

    /// Every request, for `--log.level debug`. Without the query and the headers: they hold signatures.
    fn trace(&self, attempted: &Result<Answer, TransportError>, attempt: u32) {
        let method = self.template.method();
        let path = self.template.url().path();
        match attempted {
            Ok(Answer { status, body, .. }) => {
                tracing::debug!(%method, host = %self.host, path, attempt, status = status.as_u16(), bytes = body.len(), "asked");
            }
            Err(error) => tracing::debug!(%method, host = %self.host, path, attempt, %error, "asked in vain"),
        }
    }

    fn report(&self, outcome: &Outcome, attempt: u32, pause: Duration) {
        let what = match outcome {
            Outcome::Answer(answer) => answer.status.to_string(),
            Outcome::Failure(error) => error.to_string(),
        };
        tracing::debug!(
            host = %self.host,
            path = self.template.url().path(),
            attempt,
            pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            what,
            "asking again"
        );
    }

    /// Sends once and reads the whole answer, while holding one of the permits. Not after `end`.
    async fn attempt(&self, end: Option<Instant>) -> Result<Answer, TransportError> {
        let inner = &self.transport.0;
        let limits = &inner.limits;
        let Ok(_permit) = inner.permits.acquire().await else {
            return Err(TransportError::protocol(&self.host, "the client was shut down"));
        };
        let mut request = reqwest::Request::new(self.template.method().clone(), self.template.url().clone());
        request.headers_mut().clone_from(self.template.headers());
        if !self.body.is_empty() {
            *request.body_mut() = Some(self.body.clone().into());
        }
        self.transport.count(self.purpose);
        let whole = async {
            // connecting has its own bound inside of the client and comes before the wait for the header
            let header_ms = inner.header_ms.saturating_add(limits.connect_ms);
            let sent = timeout(Duration::from_millis(header_ms), inner.client.execute(request)).await;
            let Ok(response) = sent else {
                return Err(TransportError::timed_out(&self.host, "the response's header", header_ms));
            };
            let response = response.map_err(|error| TransportError::from_client(&self.host, error))?;
            if self.purpose != Purpose::Credential {
                self.transport.observe_date(response.headers());
            }
            self.read(response).await
        };
        let own =
            Instant::now().checked_add(Duration::from_millis(limits.request_ms)).map(|at| (at, limits.request_ms));
        let common = end.map(|at| (at, limits.retry_total_ms));
        let Some((deadline, after_ms)) = own.into_iter().chain(common).min() else {
            return whole.await;
        };
        match timeout_at(deadline, whole).await {
            Ok(result) => result,
            Err(_elapsed) => Err(TransportError::timed_out(&self.host, "the request", after_ms)),
        }
    }

    async fn read(&self, mut response: reqwest::Response) -> Result<Answer, TransportError> {
        let limits = &self.transport.0.limits;
        let idle = Duration::from_millis(limits.body_idle_ms);
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        if *self.template.method() == Method::HEAD {
            return Ok(Answer { status, headers, body: Bytes::new() });
        }
        // of what explains a failure, the beginning is enough
        let is_error = !status.is_success();
        let cap = if is_error { ERROR_BYTES } else { self.cap };
        let announced = response.content_length().unwrap_or(0);
        if announced > cap && !is_error {
            return Err(TransportError::too_large(&self.host, cap));
        }
        // what is announced is not trusted further than this
        let mut body = BytesMut::with_capacity(usize::try_from(announced.min(1 << 20)).unwrap_or(0));
        let mut received: u64 = 0;
        loop {
            let Ok(piece) = timeout(idle, response.chunk()).await else {
                return Err(TransportError::timed_out(&self.host, "a piece of the body", limits.body_idle_ms));
            };
            match piece.map_err(|error| TransportError::from_client(&self.host, error))? {
                None => break,
                Some(piece) => {
                    received = received.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
                    if received > cap {
                        if is_error {
                            break;
                        }
                        return Err(TransportError::too_large(&self.host, cap));
                    }
                    body.extend_from_slice(&piece);
                }
            }
        }
        Ok(Answer { status, headers, body: body.freeze() })
    }
}
