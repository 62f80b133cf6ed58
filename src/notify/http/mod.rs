//! The one HTTP client of notifying: bounded in time and size, follows no redirect, keeps no connection. An answer is
//! told apart from no answer, and no answer from a message that may have arrived.

mod proxy;
mod tls;

use std::error::Error;
use std::time::Duration;

use ::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use ::http::{HeaderMap, HeaderValue, Method, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use super::{OpenError, SendError, secret};
use crate::model::{
    ClientSettings, Environment, FailureClass, HOUR_MS, SECOND_MS, Secret, SecretSource, TimestampMs,
    format_duration_ms,
};

/// Of an answer, in bytes; the rest is not read.
const LONGEST_BODY: usize = 64 * 1024;
/// A pause that a server asks for, at most, in ms.
const LONGEST_PAUSE_MS: i64 = HOUR_MS;
/// To connect, at most, in ms.
const CONNECT_MS: i64 = 10 * SECOND_MS;

/// A client for one receiver.
#[derive(Debug)]
pub(super) struct Client {
    client: reqwest::Client,
    timeout_ms: i64,
    basic_auth: Option<(String, SecretSource)>,
    bearer: Option<SecretSource>,
}

/// What is to be sent.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) method: Method,
    pub(super) url: &'a Url,
    /// Instead of the client's own credentials.
    pub(super) bearer: Option<&'a Secret>,
    /// JSON, if there is one.
    pub(super) body: Option<Vec<u8>>,
    pub(super) now: TimestampMs,
}

impl<'a> Request<'a> {
    /// JSON for `url`.
    pub(super) fn post(url: &'a Url, body: Vec<u8>, now: TimestampMs) -> Self {
        Self { method: Method::POST, url, bearer: None, body: Some(body), now }
    }
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// The pause that was asked for, in ms.
    pub(super) retry_after_ms: Option<i64>,
    /// Its beginning; what is no text is replaced.
    pub(super) body: String,
    /// It was read to its end, and is all in `body`.
    pub(super) complete: bool,
}

impl Client {
    /// A client that waits for an answer for `timeout_ms`.
    pub(super) fn new(
        settings: &ClientSettings,
        timeout_ms: i64,
        environment: &Environment,
    ) -> Result<Self, OpenError> {
        let timeout_ms = timeout_ms.max(SECOND_MS);
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::client_config(&settings.tls)?)
            .no_proxy()
            // a redirect would carry the token to another host
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(duration(CONNECT_MS.min(timeout_ms / 2)))
            // on a connection that has gone stale nobody knows whether a message was taken
            .pool_max_idle_per_host(0)
            .user_agent(concat!("blockwarden/", env!("CARGO_PKG_VERSION")));
        for proxy in proxy::proxies(settings.proxy_url.as_deref(), environment)? {
            builder = builder.proxy(proxy);
        }
        let client = builder.build().map_err(|error| OpenError::Client { reason: causes(&error.without_url()) })?;
        Ok(Self { client, timeout_ms, basic_auth: settings.basic_auth.clone(), bearer: settings.bearer.clone() })
    }

    /// Sends `request` once. Any answer is `Ok`.
    pub(super) async fn send(&self, request: Request<'_>) -> Result<Answer, SendError> {
        let host = request.url.host_str().unwrap_or_default().to_owned();
        let mut headers = HeaderMap::new();
        if let Some(value) = self.authorization(request.bearer).await? {
            headers.insert(AUTHORIZATION, value);
        }
        let mut builder = self.client.request(request.method, request.url.clone());
        if let Some(body) = request.body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
            builder = builder.body(body);
        }
        let exchange = async {
            let response = builder.headers(headers).send().await.map_err(|error| no_answer(&host, error))?;
            Ok(read(response, request.now).await)
        };
        // one time-out around everything, since a body may come byte by byte
        tokio::time::timeout(duration(self.timeout_ms), exchange).await.unwrap_or_else(|_elapsed| {
            let limit = format_duration_ms(self.timeout_ms);
            Err(unsure(format!("`{host}` has not answered within {limit}")))
        })
    }

    async fn authorization(&self, bearer: Option<&Secret>) -> Result<Option<HeaderValue>, SendError> {
        let text = if let Some(token) = bearer {
            format!("Bearer {}", token.expose())
        } else if let Some(source) = &self.bearer {
            format!("Bearer {}", secret::read(source, "the bearer token").await?.expose())
        } else if let Some((user, source)) = &self.basic_auth {
            let password = secret::read(source, "the password of `basic_auth`").await?;
            format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.expose())))
        } else {
            return Ok(None);
        };
        let mut value = HeaderValue::from_str(&text).map_err(|_quotes_the_secret| {
            let message = "the credentials hold a character that no HTTP header may have, such as a line break";
            SendError::new(FailureClass::Authentication, message)
        })?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// Reads a URL that is a secret.
pub(super) async fn secret_url(source: &SecretSource, what: &str) -> Result<Url, SendError> {
    let text = secret::read(source, what).await?;
    let url = Url::parse(text.expose()).ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host()).ok_or_else(|| {
        SendError::new(FailureClass::Authentication, format!("{what} is no URL that begins with `https://`"))
    })
}

/// What an answer without success means to whoever has no protocol of his own. `host` names the server.
pub(super) fn refusal(host: &str, answer: &Answer) -> SendError {
    let status = answer.status;
    let said = match status.as_u16() {
        300..=399 => "a redirect, which is not followed: is the URL right?".to_owned(),
        _ => status.canonical_reason().unwrap_or("no success").to_ascii_lowercase(),
    };
    let class = match status.as_u16() {
        429 => FailureClass::RateLimited,
        // the gateway heard nothing of what is behind it
        504 => FailureClass::Timeout,
        408 | 425 | 500..=599 => FailureClass::Transient,
        300..=399 | 401 | 402 | 403 | 404 | 405 | 407 | 410 | 451 => FailureClass::Authentication,
        _ => FailureClass::Permanent,
    };
    let mut error = SendError::new(class, format!("`{host}` answered {}: {said}", status.as_u16()));
    error.maybe_sent = class == FailureClass::Timeout;
    error.retry_after_ms = answer.retry_after_ms;
    error
}

/// Nobody knows whether it arrived.
pub(super) fn unsure(message: String) -> SendError {
    SendError { maybe_sent: true, ..SendError::new(FailureClass::Timeout, message) }
}

async fn read(mut response: reqwest::Response, now: TimestampMs) -> Answer {
    let status = response.status();
    let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after_ms = header.and_then(|text| pause_ms(text, now));
    let mut bytes = Vec::new();
    let complete = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                let room = LONGEST_BODY.saturating_sub(bytes.len());
                bytes.extend(chunk.iter().take(room));
                if chunk.len() > room {
                    break false;
                }
            }
            Ok(None) => break true,
            Err(_cut) => break false,
        }
    };
    Answer { status, retry_after_ms, body: String::from_utf8_lossy(&bytes).into_owned(), complete }
}

/// `Retry-After`: seconds or a date.
fn pause_ms(text: &str, now: TimestampMs) -> Option<i64> {
    let text = text.trim();
    let ms = if let Ok(seconds) = text.parse::<i64>() {
        seconds.saturating_mul(SECOND_MS)
    } else {
        let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
        TimestampMs(date.as_millisecond()).since(now)
    };
    Some(ms.clamp(0, LONGEST_PAUSE_MS))
}

/// Whether anything can have arrived decides about the class: without a connection nothing can.
fn no_answer(host: &str, error: reqwest::Error) -> SendError {
    // a URL may hold a secret
    let error = error.without_url();
    let why = causes(&error);
    if error.is_connect() {
        SendError::new(FailureClass::Transient, format!("cannot connect to `{host}`: {why}"))
    } else if error.is_builder() {
        SendError::new(FailureClass::Authentication, format!("cannot make a request to `{host}`: {why}"))
    } else {
        unsure(format!("the connection to `{host}` broke before its answer: {why}"))
    }
}

/// What is below reqwest's own sentence, each text once.
fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error.source().unwrap_or(error));
    while let Some(cause) = next {
        let said = cause.to_string();
        if text.is_empty() {
            text = said;
        } else if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        next = cause.source();
    }
    text
}

fn duration(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_read_and_bounded() {
        let now = TimestampMs::parse_rfc3339("2026-11-21T03:00:00Z").unwrap();
        for (text, expected) in [
            ("2", Some(2_000)),
            (" 30 ", Some(30_000)),
            ("0", Some(0)),
            ("-5", Some(0)),
            ("99999999999", Some(HOUR_MS)),
            ("Sat, 21 Nov 2026 03:00:10 GMT", Some(10_000)),
            ("Sat, 21 Nov 2026 02:00:10 GMT", Some(0)),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(pause_ms(text, now), expected, "{text:?}");
        }
    }
}
