//! The transport against a server that misbehaves.

use ::http::{Method, Uri};
use bytes::Bytes;
use object_store::client::HttpRequestBody;

use super::*;
use crate::discover::testing::{Reply, Server, ambient, limits, transport};

fn request(method: Method, url: &str) -> HttpRequest {
    ::http::Request::builder().method(method).uri(url).body(HttpRequestBody::empty()).unwrap()
}

/// What a GET ends with after the server's `replies`, and how many attempts it took.
async fn outcome(replies: Vec<Reply>) -> (Result<Answer, TransportError>, u64) {
    let server = Server::script(replies).await;
    let transport = transport(limits());
    let result = transport.execute(request(Method::GET, &server.url("/k?secret=sentinel"))).await;
    let attempts = transport.requests().get;
    assert_eq!(u64::try_from(server.seen().len()).unwrap(), attempts, "what is counted is what arrives");
    (result, attempts)
}

#[tokio::test]
async fn what_may_pass_is_asked_for_again() {
    let ok = || Reply::new(200, "body");
    for (name, replies, attempts) in [
        ("at once", vec![ok()], 1),
        ("500", vec![Reply::new(500, ""), ok()], 2),
        ("all kinds", vec![Reply::new(502, ""), Reply::new(504, ""), Reply::new(408, ""), ok()], 4),
        ("throttled", vec![Reply::new(429, "").with("retry-after", "1"), ok()], 2),
        ("SlowDown", vec![Reply::new(503, "<Error><Code>SlowDown</Code></Error>"), ok()], 2),
        ("RequestTimeout", vec![Reply::new(400, "<Error><Code>RequestTimeout</Code></Error>"), ok()], 2),
        ("cut", vec![Reply::Cut { body: b"body".to_vec(), sent: 2 }, ok()], 2),
        ("closed", vec![Reply::Close, ok()], 2),
        ("silent", vec![Reply::Silent, ok()], 2),
        ("stalled", vec![Reply::Stall { body: b"body".to_vec(), sent: 1 }, ok()], 2),
    ] {
        let (result, seen) = outcome(replies).await;
        let answer = result.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((answer.status.as_u16(), answer.body, seen), (200, Bytes::from("body"), attempts), "{name}");
    }
}

#[tokio::test]
async fn retries_run_out() {
    for (reply, kind, words) in [
        (Reply::Close, TransportErrorKind::Cut, "the connection broke"),
        (Reply::Cut { body: b"body".to_vec(), sent: 2 }, TransportErrorKind::Cut, "the connection broke"),
        (Reply::Silent, TransportErrorKind::TimedOut, "the response's header took longer than"),
        (Reply::Stall { body: b"body".to_vec(), sent: 2 }, TransportErrorKind::TimedOut, "a piece of the body"),
    ] {
        let (result, attempts) = outcome(vec![reply.clone()]).await;
        let error = result.unwrap_err();
        assert_eq!((error.kind, attempts), (kind, 4), "{reply:?}: {error}");
        let text = error.to_string();
        assert!(text.contains(words) && text.contains("(4 attempts)") && !text.contains("sentinel"), "{text}");
    }
    let (result, attempts) = outcome(vec![Reply::new(503, "busy")]).await;
    let answer = result.unwrap();
    assert_eq!((answer.status.as_u16(), attempts), (503, 4), "the last answer is the caller's to explain");
}

#[tokio::test]
async fn what_will_not_pass_is_asked_for_once() {
    for status in [301, 400, 401, 403, 404, 412, 416, 501] {
        let (result, attempts) = outcome(vec![Reply::new(status, "").with("location", "/elsewhere")]).await;
        assert_eq!((result.unwrap().status.as_u16(), attempts), (status, 1));
    }
}

#[tokio::test]
async fn nobody_listens() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let transport = transport(limits());
    let error = transport.execute(request(Method::GET, &format!("http://{closed}/k"))).await.unwrap_err();
    assert_eq!(error.kind, TransportErrorKind::Connect);
    assert!(error.to_string().contains(&closed.to_string()) && error.hint.is_some(), "{error}");
    assert_eq!(transport.requests().get, 4);
}

#[tokio::test]
async fn tls_to_a_port_without_is_said_at_once() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/k", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        }
    });
    let transport = transport(limits());
    let error = transport.execute(request(Method::GET, &url)).await.unwrap_err();
    server.abort();
    assert_eq!((error.kind, transport.requests().get), (TransportErrorKind::Tls, 1), "{error}");
    assert!(error.hint.unwrap_or_default().contains("insecure"));
}

#[tokio::test]
async fn only_reads_pass() {
    let server = Server::script([Reply::new(200, "")]).await;
    let transport = transport(limits());
    let url = |path: &str| server.url(path);
    transport.exempt(Endpoint::new(Method::PUT, &url("/latest/api/token").parse::<Uri>().unwrap()).unwrap());
    transport.exempt(Endpoint::new(Method::POST, &url("/").parse::<Uri>().unwrap()).unwrap());
    let other = "http://127.0.0.2:1/latest/api/token".to_owned();
    for (method, url, passes) in [
        (Method::GET, url("/k"), true),
        (Method::HEAD, url("/k"), true),
        (Method::PUT, url("/latest/api/token"), true),
        (Method::POST, url("/?Action=AssumeRole"), true),
        (Method::PUT, url("/k"), false),
        (Method::POST, url("/latest/api/token"), false),
        (Method::POST, url("/bucket?delete"), false),
        (Method::PUT, other, false),
        (Method::DELETE, url("/k"), false),
        (Method::DELETE, url("/latest/api/token"), false),
        (Method::PATCH, url("/k"), false),
        (Method::OPTIONS, url("/k"), false),
    ] {
        let result = transport.execute(request(method.clone(), &url)).await;
        match result {
            Ok(_) => assert!(passes, "{method} {url} passed"),
            Err(error) => {
                assert!(!passes, "{method} {url}: {error}");
                assert_eq!(error.kind, TransportErrorKind::Refused);
            }
        }
    }
    assert_eq!(server.seen().len(), 4, "what is refused is not sent");
    assert_eq!(
        (transport.requests(), transport.credential_requests()),
        (RequestCounts { list: 0, get: 1, head: 1 }, 2)
    );
}

#[tokio::test]
async fn object_store_goes_through_the_same_door() {
    let server = Server::script([Reply::new(200, "body").with("x-amz-version-id", "7")]).await;
    let transport = transport(limits());
    let client = transport.connect(&ClientOptions::default()).unwrap();
    let response = client.execute(request(Method::GET, &server.url("/k"))).await.unwrap();
    assert_eq!(response.extensions().get::<HeaderMap>().unwrap()["x-amz-version-id"], "7");
    assert_eq!(response.into_body().bytes().await.unwrap(), "body");
    assert!(client.execute(request(Method::PUT, &server.url("/k"))).await.is_err());
}

#[tokio::test]
async fn bodies_are_capped() {
    let server = Server::script([Reply::new(200, vec![b'x'; 1000])]).await;
    let transport = transport(limits());
    for (cap, fits) in [(999, false), (1000, true)] {
        let mut request = request(Method::GET, &server.url("/k"));
        request.extensions_mut().insert(BodyCap(cap));
        match transport.execute(request).await {
            Ok(answer) => assert!(fits && answer.body.len() == 1000),
            Err(error) => assert!(!fits && error.kind == TransportErrorKind::TooLarge),
        }
    }
}

#[tokio::test]
async fn the_caller_judges_an_answer() {
    let server = Server::script([Reply::new(200, "half"), Reply::new(200, "whole")]).await;
    let transport = transport(limits());
    let url = server.url("/k");
    let wants_whole = |answer: &Answer| match &answer.body[..] {
        b"whole" => Verdict::Accept,
        _ => Verdict::Retry("it is not whole".to_owned()),
    };
    let answer = transport.execute_checked(request(Method::GET, &url), &wants_whole).await.unwrap();
    assert_eq!((answer.body, transport.requests().get), (Bytes::from("whole"), 2));
    let never = |_: &Answer| Verdict::Reject("not S3".to_owned());
    let error = transport.execute_checked(request(Method::GET, &url), &never).await.unwrap_err();
    assert_eq!((error.kind, transport.requests().get), (TransportErrorKind::Protocol, 3));
}

#[tokio::test]
async fn the_storages_clock_is_kept() {
    // the clock of these tests stands at 2026-01-02T03:04:05Z
    for (header, value, expected) in [
        ("date", "Fri, 02 Jan 2026 03:05:05 GMT", Some(60_500)),
        ("date", "Fri, 02 Jan 2026 03:04:05 GMT", Some(500)),
        ("date", "yesterday", None),
        ("x-date", "Fri, 02 Jan 2026 03:05:05 GMT", None),
    ] {
        let server = Server::script([Reply::new(200, "").with(header, value)]).await;
        let transport = transport(limits());
        transport.execute(request(Method::GET, &server.url("/k"))).await.unwrap();
        assert_eq!(transport.date_skew_ms(), expected, "{header}: {value}");
    }
}

#[tokio::test]
async fn a_deadline_ends_retries() {
    let server = Server::script([Reply::new(503, "")]).await;
    let limits = Limits { retry_total_ms: 0, backoff_first_ms: 5, backoff_max_ms: 5, ..limits() };
    let settings = HttpSettings::default();
    let late = Ambient::new(|| TimestampMs(0), |most| most);
    let transport = Transport::new(&settings, &Environment::default(), limits, late).unwrap();
    let answer = transport.execute(request(Method::GET, &server.url("/k"))).await.unwrap();
    assert_eq!((answer.status.as_u16(), transport.requests().get), (503, 1));
}

#[tokio::test]
async fn a_request_ends_with_its_last_attempt() {
    let silent = Reply::Stall { body: b"late".to_vec(), sent: 1 };
    let server = Server::script([Reply::new(503, ""), silent]).await;
    let limits = Limits { retry_total_ms: 100, body_idle_ms: 60_000, request_ms: 60_000, ..limits() };
    let transport = transport(limits);
    let error = transport.execute(request(Method::GET, &server.url("/k"))).await.unwrap_err();
    assert_eq!((error.kind, transport.requests().get), (TransportErrorKind::TimedOut, 2), "{error}");
    assert!(error.to_string().contains("the request took longer than 100ms (2 attempts)"), "{error}");
}

#[tokio::test]
async fn secrets_are_marked_before_anything_is_sent() {
    let mut headers = HeaderMap::new();
    for name in ["authorization", "x-amz-security-token", "x-amz-server-side-encryption-customer-key", "range"] {
        headers.insert(name, HeaderValue::from_static("sentinel"));
    }
    hide_secrets(&mut headers);
    assert!(headers.iter().all(|(name, value)| value.is_sensitive() == (*name != header::RANGE)));
    assert!(!format!("{:?}", transport(limits())).contains("sentinel"));
    assert_eq!(ambient().random(5), 0);
}
