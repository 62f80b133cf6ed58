//! What is answered where.

use std::net::SocketAddr;
use std::sync::Arc;

use blockwarden::exporter::{ExporterError, Hooks, Options, bind};
use blockwarden::model::Published;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::service::{Service, exchange, long, request};

fn plain() -> Options {
    Options { bounds: long(), ..Options::default() }
}

fn with_lifecycle() -> Options {
    Options { lifecycle: true, ..plain() }
}

#[tokio::test]
async fn every_route_has_its_status() {
    let service = Service::start(plain()).await;
    for (method, path, status) in [
        ("GET", "/", 200),
        ("HEAD", "/", 200),
        ("GET", "/-/healthy", 200),
        ("GET", "/-/ready", 503),
        ("GET", "/?a=b", 200),
        ("GET", "/nothing", 404),
        ("GET", "/-/", 404),
        ("GET", "//", 404),
        ("GET", "/../etc/passwd", 404),
        ("POST", "/nothing", 404),
        ("POST", "/", 405),
        ("DELETE", "/-/healthy", 405),
        ("GET", "/-/reload", 405),
        ("POST", "/-/reload", 403),
        ("PUT", "/-/reload", 403),
        ("OPTIONS", "*", 404),
    ] {
        let answer = service.ask(method, path, &[]).await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{method} {path}");
    }
}

#[tokio::test]
async fn the_page_has_links_and_may_load_nothing() {
    let service = Service::start(plain()).await;
    let page = service.get("/").await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    let text = page.text();
    assert!(text.contains("href=\"/metrics\"") && text.contains(env!("CARGO_PKG_VERSION")), "{text}");
}

#[tokio::test]
async fn a_head_has_no_body_and_says_how_long_it_would_be() {
    let service = Service::start(plain()).await;
    let page = service.get("/").await;
    let head = service.ask("HEAD", "/", &[]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), Some(page.body.len().to_string().as_str()));
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let service = Service::start(plain()).await;
    let allowed = async |method, path| {
        let answer = service.ask(method, path, &[]).await;
        let mut methods: Vec<String> =
            answer.header("allow").unwrap().split(',').map(|m| m.trim().to_owned()).collect();
        methods.sort();
        methods.join(" ")
    };
    assert_eq!(allowed("POST", "/").await, "GET HEAD");
    assert_eq!(allowed("GET", "/-/reload").await, "POST PUT");
}

#[tokio::test]
async fn health_and_readiness_follow_the_service() {
    let service = Service::start(plain()).await;
    assert!(service.get("/-/ready").await.text().contains("not every bucket"));
    service.set_ready();
    assert_eq!(service.get("/-/ready").await.status, 200);
    *service.health.lock().unwrap() = Err("the judge is stuck".to_owned());
    let answer = service.get("/-/healthy").await;
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("the judge is stuck"));
}

#[tokio::test]
async fn long_answers_are_compressed_for_those_who_can_read_them() {
    let service = Service::start(plain()).await;
    *service.health.lock().unwrap() = Err("stuck ".repeat(2_000));
    let plain = service.get("/-/healthy").await;
    let packed = service.ask("GET", "/-/healthy", &["Accept-Encoding: gzip"]).await;
    assert_eq!((plain.header("content-encoding"), packed.header("content-encoding")), (None, Some("gzip")));
    assert!(packed.body.len() < plain.body.len() / 10 && plain.body.len() > 12_000);
    assert!(packed.header("vary").unwrap().contains("accept-encoding"));
    let short = service.ask("GET", "/", &["Accept-Encoding: gzip"]).await;
    assert_eq!((short.status, short.header("content-encoding")), (200, None));
}

#[tokio::test]
async fn a_bug_is_one_answer_and_not_the_end() {
    let service = Service::start(plain()).await;
    *service.health.lock().unwrap() = Err("panic".to_owned());
    assert_eq!(service.get("/-/healthy").await.status, 500);
    assert_eq!(service.get("/").await.status, 200);
}

#[tokio::test]
async fn a_reload_answers_when_it_is_done() {
    let mut service = Service::start(with_lifecycle()).await;
    for (method, outcome, status, text) in [
        ("POST", Ok(()), 200, "was read again"),
        ("PUT", Ok(()), 200, "was read again"),
        ("POST", Err("main.yaml:1:1: unknown key"), 500, "main.yaml:1:1: unknown key"),
    ] {
        let stream = service.connect().await;
        let asked = tokio::spawn(async move { exchange(stream, &request(method, "/-/reload", &[])).await });
        let reply = service.reloads.recv().await.unwrap();
        reply.send(outcome.map_err(str::to_owned)).unwrap();
        let answer = asked.await.unwrap();
        assert_eq!(answer.status, status);
        assert!(answer.text().contains(text), "{}", answer.text());
    }
}

#[tokio::test]
async fn pages_of_others_cannot_reload() {
    let mut service = Service::start(with_lifecycle()).await;
    for headers in [
        &["Host: evil.example.net"][..],
        &["Host: localhost", "Origin: http://evil.example.net"],
        &["Host: localhost", "Origin: null"],
        &["Host: localhost", "Sec-Fetch-Site: cross-site"],
        &["Host: localhost", "Host: localhost"],
    ] {
        assert_eq!(service.ask("POST", "/-/reload", headers).await.status, 403, "{headers:?}");
    }
    assert!(service.reloads.try_recv().is_err());
    let port = service.address.port();
    let own = [format!("Host: 127.0.0.1:{port}"), format!("Origin: http://127.0.0.1:{port}")];
    let stream = service.connect().await;
    let asked = tokio::spawn(async move { exchange(stream, &request("POST", "/-/reload", &[&own[0], &own[1]])).await });
    service.reloads.recv().await.unwrap().send(Ok(())).unwrap();
    assert_eq!(asked.await.unwrap().status, 200);
}

#[tokio::test]
async fn a_reload_of_a_service_that_ends_is_refused() {
    let mut service = Service::start(with_lifecycle()).await;
    let stream = service.connect().await;
    let asked = tokio::spawn(async move { exchange(stream, &request("POST", "/-/reload", &[])).await });
    drop(service.reloads.recv().await.unwrap());
    assert_eq!(asked.await.unwrap().status, 503);
    service.reloads.close();
    assert_eq!(service.ask("POST", "/-/reload", &[]).await.status, 503);
}

fn parts() -> (watch::Receiver<Arc<Published>>, Hooks) {
    let (_, published) = watch::channel(Arc::new(Published::default()));
    (
        published,
        Hooks {
            reload: mpsc::channel(1).0,
            actions: mpsc::channel(1).0,
            health: Arc::new(|| Ok(())),
            alive: Arc::new(|| ()),
        },
    )
}

async fn bound_to(listen: &str) -> Result<SocketAddr, ExporterError> {
    let (published, hooks) = parts();
    let options = Options { listen: listen.to_owned(), ..plain() };
    Ok(bind(options, published, hooks).await?.local_addr())
}

#[tokio::test]
async fn addresses_are_taken_or_refused_with_a_reason() {
    assert!(bound_to("localhost:0").await.unwrap().ip().is_loopback());
    assert!(bound_to(":0").await.unwrap().ip().is_unspecified());
    let taken = Service::start(plain()).await;
    let again = bound_to(&taken.address.to_string()).await.unwrap_err();
    assert_eq!(again.to_string(), format!("cannot listen on {}", taken.address));
    assert!(matches!(bound_to("localhost").await, Err(ExporterError::Address(_))));
    assert!(matches!(bound_to("host.invalid:0").await, Err(ExporterError::Resolve { .. })));
}

/// The runtime that binds is not the one that answers.
#[tokio::test]
async fn all_interfaces_are_all_and_threads_of_its_own_answer() {
    let (published, hooks) = parts();
    let server = bind(Options { listen: ":0".to_owned(), ..plain() }, published, hooks).await.unwrap();
    let port = server.local_addr().port();
    let stop = CancellationToken::new();
    let thread = server.spawn(stop.clone()).unwrap();
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    assert_eq!(exchange(stream, &request("GET", "/", &[])).await.status, 200);
    stop.cancel();
    tokio::task::spawn_blocking(|| thread.join().unwrap()).await.unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
}
