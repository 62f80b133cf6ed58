//! slack-morphism over our own client: one place for time-outs, proxies and TLS.

use ::http::{Method, StatusCode};
use futures::future::{BoxFuture, FutureExt, ready};
use serde::de::DeserializeOwned;
use slack_morphism::errors::{SlackClientApiError, SlackClientError, SlackClientSystemError, SlackRateLimitError};
use slack_morphism::multipart_form::FileMultipartData;
use slack_morphism::{
    ClientResult, SlackClientApiCallContext, SlackClientHttpConnector, SlackClientId, SlackClientSecret,
    SlackEnvelopeMessage,
};
use url::Url;

use super::failure::{class_of, not_understood, pause_in, word};
use crate::model::{FailureClass, Secret, TimestampMs};
use crate::notify::SendError;
use crate::notify::http::{Answer, Client, Request, refusal, unsure};

/// A client for one send: it carries its time.
#[derive(Clone, Debug)]
pub(super) struct Connector<'c> {
    pub(super) client: &'c Client,
    pub(super) api_url: &'c str,
    pub(super) now: TimestampMs,
}

impl Connector<'_> {
    async fn call<RS: DeserializeOwned>(
        &self,
        method: Method,
        url: &Url,
        body: Option<Vec<u8>>,
        context: SlackClientApiCallContext<'_>,
    ) -> ClientResult<RS> {
        let token = context.token.map(|token| Secret::new(token.token_value.0.clone()));
        let request = Request { method, url, bearer: token.as_ref(), body, now: self.now };
        let answer = self.client.send(request).await.map_err(carried)?;
        if context.is_sensitive_url { webhook_answer(url, &answer) } else { api_answer(url, &answer) }
    }

    fn unused<'a, RS: Send + 'a>() -> BoxFuture<'a, ClientResult<RS>> {
        let error = SendError::new(FailureClass::Permanent, "Blockwarden does not call this method of Slack");
        ready(Err(carried(error))).boxed()
    }
}

/// A webhook says exactly `ok`. Anything else with a good status comes from somebody else.
fn webhook_answer<RS: DeserializeOwned>(url: &Url, answer: &Answer) -> ClientResult<RS> {
    if answer.status == StatusCode::OK {
        return match (answer.body.trim(), answer.complete) {
            ("ok", true) => decoded("{}"),
            (_, true) => Err(carried(not_understood())),
            (_, false) => Err(carried(unsure("the connection to Slack broke in its answer".to_owned()))),
        };
    }
    refused(url, answer)
}

fn api_answer<RS: DeserializeOwned>(url: &Url, answer: &Answer) -> ClientResult<RS> {
    if answer.status != StatusCode::OK {
        return refused(url, answer);
    }
    if !answer.complete {
        return Err(carried(unsure("the connection to Slack broke in its answer".to_owned())));
    }
    let envelope: SlackEnvelopeMessage =
        serde_json::from_str(&answer.body).map_err(|_no_envelope| carried(not_understood()))?;
    if envelope.ok {
        return decoded(&answer.body);
    }
    let code = envelope.error.as_deref().map_or_else(|| "unknown_error".to_owned(), word);
    if class_of(&code) == FailureClass::RateLimited {
        return Err(rate_limited(answer));
    }
    Err(SlackClientError::ApiError(SlackClientApiError::new(code)))
}

/// An answer without success. Slack puts its own word into the body: as JSON in the API, alone for webhooks.
fn refused<RS>(url: &Url, answer: &Answer) -> ClientResult<RS> {
    if answer.status == StatusCode::TOO_MANY_REQUESTS {
        return Err(rate_limited(answer));
    }
    let mut error = refusal(url.host_str().unwrap_or("Slack"), answer);
    let envelope: Option<SlackEnvelopeMessage> = serde_json::from_str(&answer.body).ok();
    let said = envelope.and_then(|envelope| envelope.error).unwrap_or_else(|| answer.body.clone());
    let said = word(&said);
    // a server's trouble stays one, whatever it says about it
    if answer.status.is_client_error() && said != "unknown_error" {
        error.message = format!("{} (`{said}`)", error.message);
        let class = class_of(&said);
        if class != FailureClass::Permanent {
            error.class = class;
        }
    }
    Err(carried(error))
}

fn rate_limited(answer: &Answer) -> SlackClientError {
    let pause_ms = answer.retry_after_ms.or_else(|| pause_in(&answer.body));
    let pause = pause_ms.and_then(|ms| u64::try_from(ms).ok()).map(std::time::Duration::from_millis);
    SlackClientError::RateLimitError(SlackRateLimitError::new().opt_retry_after(pause))
}

fn decoded<RS: DeserializeOwned>(body: &str) -> ClientResult<RS> {
    serde_json::from_str(body).map_err(|_other_form| carried(not_understood()))
}

/// Our own error inside of the library's.
fn carried(error: SendError) -> SlackClientError {
    SlackClientError::SystemError(SlackClientSystemError::new().with_cause(Box::new(error)))
}

impl SlackClientHttpConnector for Connector<'_> {
    fn create_method_uri_path(&self, method: &str) -> ClientResult<Url> {
        Ok(format!("{}/{method}", self.api_url).parse()?)
    }

    fn http_get_uri<'a, RS>(
        &'a self,
        uri: Url,
        context: SlackClientApiCallContext<'a>,
    ) -> BoxFuture<'a, ClientResult<RS>>
    where
        RS: for<'de> serde::de::Deserialize<'de> + Send + 'a,
    {
        async move { self.call(Method::GET, &uri, None, context).await }.boxed()
    }

    fn http_get_with_client_secret<'a, RS>(
        &'a self,
        _uri: Url,
        _client_id: &'a SlackClientId,
        _client_secret: &'a SlackClientSecret,
    ) -> BoxFuture<'a, ClientResult<RS>>
    where
        RS: for<'de> serde::de::Deserialize<'de> + Send + 'a,
    {
        Self::unused()
    }

    fn http_post_uri<'a, RQ, RS>(
        &'a self,
        uri: Url,
        request_body: &'a RQ,
        context: SlackClientApiCallContext<'a>,
    ) -> BoxFuture<'a, ClientResult<RS>>
    where
        RQ: serde::ser::Serialize + Send + Sync,
        RS: for<'de> serde::de::Deserialize<'de> + Send + 'a,
    {
        async move {
            let body = serde_json::to_vec(request_body).map_err(|_no_json| {
                carried(SendError::new(FailureClass::Permanent, "the message cannot be written as JSON"))
            })?;
            self.call(Method::POST, &uri, Some(body), context).await
        }
        .boxed()
    }

    fn http_post_uri_multipart_form<'a, 'p, RS, PT, TS>(
        &'a self,
        _uri: Url,
        _file: Option<FileMultipartData<'p>>,
        _params: &'p PT,
        _context: SlackClientApiCallContext<'a>,
    ) -> BoxFuture<'a, ClientResult<RS>>
    where
        RS: for<'de> serde::de::Deserialize<'de> + Send + 'a,
        PT: IntoIterator<Item = (&'p str, Option<TS>)> + Clone,
        TS: AsRef<str> + 'p + Send,
    {
        Self::unused()
    }

    fn http_post_uri_binary<'a, 'p, RS>(
        &'a self,
        _uri: Url,
        _content_type: String,
        _data: &'a [u8],
        _context: SlackClientApiCallContext<'a>,
    ) -> BoxFuture<'a, ClientResult<RS>>
    where
        RS: for<'de> serde::de::Deserialize<'de> + Send + 'a,
    {
        Self::unused()
    }
}
