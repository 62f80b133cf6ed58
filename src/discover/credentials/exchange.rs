//! One step of a credential chain over HTTP: what is sent, within which bounds, and what is said when it fails.

use std::path::Path;

use ::http::{HeaderName, HeaderValue, Method, Uri, header};
use object_store::client::{HttpRequest, HttpRequestBody};

use super::answer::refusal;
use crate::discover::http::{Answer, BodyCap, Endpoint, Purpose, Transport, TransportError};
use crate::discover::{Ambient, Limits};
use crate::model::{Environment, HttpSettings, TimestampMs};

/// The longest answer in bytes: tokens and keys are a few thousand.
const ANSWER_BYTES: u64 = 1 << 20;
/// The longest file in bytes.
const FILE_BYTES: u64 = 1 << 20;

/// A client that speaks with credential endpoints only.
#[derive(Clone, Debug)]
pub(super) struct Exchange(Transport);

/// A request to a credential endpoint.
#[derive(Clone)]
pub(super) struct Step {
    method: Method,
    url: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: String,
    secrets: Vec<String>,
}

impl Step {
    pub(super) fn get(url: impl Into<String>) -> Self {
        Self::new(Method::GET, url.into())
    }

    pub(super) fn put(url: impl Into<String>) -> Self {
        Self::new(Method::PUT, url.into())
    }

    /// A form in the body, where proxies and access logs do not see it.
    pub(super) fn post_form(url: impl Into<String>, fields: &[(&str, &str)]) -> Self {
        let mut step = Self::new(Method::POST, url.into());
        step.body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        step.headers.push((header::CONTENT_TYPE, form));
        step
    }

    fn new(method: Method, url: String) -> Self {
        Self { method, url, headers: Vec::new(), body: String::new(), secrets: Vec::new() }
    }

    pub(super) fn header(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.headers.push((HeaderName::from_static(name), value));
        self
    }

    /// A header whose value is a secret; `Err` says that it is none that can be sent.
    pub(super) fn secret_header(self, name: &'static str, value: &str) -> Result<Self, String> {
        let mut header = header_value(value)?;
        header.set_sensitive(true);
        Ok(self.hiding(value).header(name, header))
    }

    /// Should the answer repeat `secret`, no error will.
    pub(super) fn hiding(mut self, secret: &str) -> Self {
        if !secret.is_empty() {
            self.secrets.push(secret.to_owned());
        }
        self
    }

    /// As `object_store`'s signers want it.
    pub(super) fn request(&self) -> Result<HttpRequest, String> {
        let url: Uri = self.url.parse().map_err(|_invalid| "its address is not a URL".to_owned())?;
        let mut request = HttpRequest::new(HttpRequestBody::from(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = url;
        for (name, value) in &self.headers {
            request.headers_mut().append(name.clone(), value.clone());
        }
        Ok(request)
    }
}

/// `text` as the value of a header. Signers panic on anything else.
pub(super) fn header_value(text: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(text).map_err(|_invalid| "it holds characters that no HTTP header can".to_owned())
}

impl Exchange {
    pub(super) fn new(environment: &Environment, ambient: &Ambient) -> Result<Self, TransportError> {
        // away from its cloud a metadata address answers nobody: the chain has to go on soon
        let limits = Limits {
            in_flight: 4,
            connect_ms: 2_000,
            body_idle_ms: 10_000,
            request_ms: 20_000,
            retries: 2,
            retry_after_max_ms: 10_000,
            retry_total_ms: 20_000,
            body_bytes: ANSWER_BYTES,
            ..Limits::default()
        };
        Transport::new(&HttpSettings::default(), environment, limits, ambient.clone()).map(Self)
    }

    pub(super) fn now(&self) -> TimestampMs {
        self.0.ambient().now()
    }

    /// Lets `method` pass to exactly this address, for the source that was configured to use it.
    pub(super) fn open(&self, method: Method, url: &str) -> Result<(), String> {
        let endpoint = url.parse::<Uri>().ok().and_then(|url| Endpoint::new(method, &url));
        self.0.exempt(endpoint.ok_or_else(|| "its address is not a URL with scheme and host".to_owned())?);
        Ok(())
    }

    /// Sends and gives the answer, whatever its status; `Err` says in words why there is none.
    pub(super) async fn ask(&self, step: &Step) -> Result<Answer, String> {
        self.send(step.request()?).await
    }

    /// As [`ask`](Self::ask), for a `request` made from `step` and signed.
    pub(super) async fn send(&self, mut request: HttpRequest) -> Result<Answer, String> {
        request.extensions_mut().insert(Purpose::Credential);
        request.extensions_mut().insert(BodyCap(ANSWER_BYTES));
        self.0.execute(request).await.map_err(|error| error.to_string())
    }

    /// As [`ask`](Self::ask), where anything but a good status is a refusal.
    pub(super) async fn obtain(&self, step: &Step) -> Result<Answer, String> {
        let answer = self.ask(step).await?;
        Self::accept(step, answer)
    }

    /// `answer` if its status is good, else what it said.
    pub(super) fn accept(step: &Step, answer: Answer) -> Result<Answer, String> {
        if answer.status.is_success() {
            return Ok(answer);
        }
        let host = step.url.parse::<Uri>().ok().and_then(|url| url.host().map(str::to_owned)).unwrap_or_default();
        let secrets: Vec<&str> = step.secrets.iter().map(String::as_str).collect();
        let said = refusal(&answer.body, &secrets).map(|said| format!(": {said}")).unwrap_or_default();
        Err(format!("`{host}` answered {}{said}", answer.status.as_u16()))
    }
}

/// A file that a source was told to read.
pub(super) async fn read_file(path: &Path) -> Result<String, FileMiss> {
    let length = match tokio::fs::metadata(path).await {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(FileMiss { absent: true, said: format!("`{}` does not exist", path.display()) });
        }
        Err(error) => return Err(FileMiss::failed(path, &error.to_string())),
    };
    if length > FILE_BYTES {
        return Err(FileMiss::failed(path, "it is too long to be what it should be"));
    }
    let bytes = tokio::fs::read(path).await.map_err(|error| FileMiss::failed(path, &error.to_string()))?;
    String::from_utf8(bytes).map_err(|_invalid| FileMiss::failed(path, "it is not UTF-8 text"))
}

/// Why a file has not been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileMiss {
    /// There is none.
    pub(super) absent: bool,
    /// In words, with the path.
    pub(super) said: String,
}

impl FileMiss {
    fn failed(path: &Path, why: &str) -> Self {
        Self { absent: false, said: format!("cannot read `{}`: {why}", path.display()) }
    }
}

/// A file that holds nothing but a token, as projected service account tokens do.
pub(super) async fn read_token(path: &str) -> Result<String, String> {
    let text = read_file(Path::new(path)).await.map_err(|miss| miss.said)?;
    let token = text.trim();
    if token.is_empty() {
        return Err(format!("`{path}` is empty"));
    }
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::testing::{Reply, Server, ambient};

    #[tokio::test]
    async fn what_was_not_opened_does_not_pass() {
        let server = Server::script([Reply::new(200, "{}")]).await;
        let other = Server::script([Reply::new(200, "{}")]).await;
        let exchange = Exchange::new(&Environment::default(), &ambient()).unwrap();
        exchange.open(Method::POST, &server.url("/token")).unwrap();
        exchange.open(Method::PUT, &server.url("/latest/api/token?x=1")).unwrap();
        let post = |url: String| Step::post_form(url, &[("a", "b")]);
        for (step, passes) in [
            (post(server.url("/token")), true),
            (post(server.url("/token?a=b")), true),
            (Step::put(server.url("/latest/api/token")), true),
            (Step::get(server.url("/anything")), true),
            (Step::put(server.url("/token")), false),
            (post(server.url("/latest/api/token")), false),
            (post(server.url("/token/")), false),
            (post(server.url("/token/more")), false),
            (post(server.url("/TOKEN")), false),
            (post(server.url("/")), false),
            (post(other.url("/token")), false),
            (Step::new(Method::DELETE, server.url("/token")), false),
            (Step::new(Method::PATCH, server.url("/token")), false),
        ] {
            let before = server.seen().len();
            let asked = exchange.ask(&step).await;
            assert_eq!(asked.is_ok(), passes, "{} {}", step.method, step.url);
            assert_eq!(server.seen().len() - before, usize::from(passes), "{} {}", step.method, step.url);
        }
        assert!(other.seen().is_empty());
    }

    #[tokio::test]
    async fn what_is_too_long_is_not_read() {
        let server = Server::script([Reply::new(200, vec![b'x'; 2 << 20])]).await;
        let exchange = Exchange::new(&Environment::default(), &ambient()).unwrap();
        let said = exchange.ask(&Step::get(server.url("/"))).await.unwrap_err();
        assert!(said.contains("longer than 1048576 bytes"), "{said}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        for (content, expected) in [
            (vec![b'x'; 2 << 20], Err("too long")),
            (vec![0xff], Err("not UTF-8")),
            (b" \n".to_vec(), Err("is empty")),
            (b"token\n".to_vec(), Ok("token")),
        ] {
            std::fs::write(&path, content).unwrap();
            match (read_token(path.to_str().unwrap()).await, expected) {
                (Ok(token), Ok(expected)) => assert_eq!(token, expected),
                (Err(said), Err(expected)) => assert!(said.contains(expected), "{said}"),
                (read, expected) => panic!("{read:?}, not {expected:?}"),
            }
        }
    }
}
