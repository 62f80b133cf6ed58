//! Who is let in by password, how often, and that a changed file holds without a restart.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use blockwarden::exporter::{Bounds, ExporterError, Hooks, Options, bind};
use blockwarden::model::{Published, Secret, WebSettings, WebSource, WebStamp};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

use crate::service::{Service, Web, exchange, long, request, until};

fn user(name: &str, password: &str) -> String {
    format!("  {name}: '{}'\n", bcrypt::hash(password, 4).unwrap())
}

fn users(text: &str) -> String {
    format!("basic_auth_users:\n{text}")
}

fn basic(credentials: &str) -> String {
    format!("Authorization: Basic {}", STANDARD.encode(credentials))
}

async fn status(service: &Service, credentials: &str) -> u16 {
    service.ask("GET", "/", &[&basic(credentials)]).await.status
}

#[tokio::test]
async fn nobody_is_let_in_without_a_password_anywhere() {
    let web = Web::new(&users(&user("alice", "secret")));
    let service = Service::start(web.options(long())).await;
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/-/healthy"),
        ("GET", "/-/ready"),
        ("POST", "/-/reload"),
        ("GET", "/metrics"),
        ("GET", "/x"),
    ] {
        let answer = service.ask(method, path, &[]).await;
        assert_eq!(answer.status, 401, "{method} {path}");
        assert!(answer.header("www-authenticate").unwrap().starts_with("Basic realm="), "{method} {path}");
    }
    for (credentials, expected) in
        [("alice:secret", 200), ("alice:secret", 200), ("alice:wrong", 401), ("bob:secret", 401), (":", 401)]
    {
        assert_eq!(status(&service, credentials).await, expected, "{credentials}");
    }
}

/// A page in a browser has no password for a name that was made to point here.
#[tokio::test]
async fn with_a_password_a_reload_may_use_any_name() {
    let web = Web::new(&users(&user("alice", "secret")));
    let mut service = Service::start(Options { lifecycle: true, ..web.options(long()) }).await;
    let host = "Host: watch.example.com";
    assert_eq!(service.ask("POST", "/-/reload", &[host]).await.status, 401);
    let authorization = basic("alice:secret");
    let other = [host, &authorization, "Origin: http://evil.example.net"];
    assert_eq!(service.ask("POST", "/-/reload", &other).await.status, 403);
    let stream = service.connect().await;
    let asked = request("POST", "/-/reload", &[host, &authorization]);
    let asked = tokio::spawn(async move { exchange(stream, &asked).await });
    service.reloads.recv().await.unwrap().send(Ok(())).unwrap();
    assert_eq!(asked.await.unwrap().status, 200);
}

#[tokio::test]
async fn many_at_once_are_verified() {
    let web = Web::new(&users(&user("alice", "secret")));
    let service = Service::start(web.options(long())).await;
    let asked: Vec<_> = (0..40)
        .map(|number| {
            let credentials = if number % 2 == 0 { "alice:secret".to_owned() } else { format!("alice:{number}") };
            let address = service.address;
            tokio::spawn(async move {
                let stream = tokio::net::TcpStream::connect(address).await.unwrap();
                exchange(stream, &request("GET", "/", &[&basic(&credentials)])).await.status
            })
        })
        .collect();
    for (number, answer) in asked.into_iter().enumerate() {
        assert_eq!(answer.await.unwrap(), if number % 2 == 0 { 200 } else { 401 });
    }
}

#[tokio::test]
async fn changed_users_hold_at_once_and_bad_files_change_nothing() {
    let web = Web::new(&users(&user("alice", "old")));
    let service = Service::start(web.options(long())).await;
    assert_eq!(status(&service, "alice:old").await, 200);
    web.write("web.yml", &users(&user("alice", "new")));
    until("the new password", async || status(&service, "alice:new").await == 200).await;
    assert_eq!(status(&service, "alice:old").await, 401);
    // a wrong one is tried again and again; the last good one stays
    web.write("web.yml", "basic_auth_users: {alice: nonsense}");
    web.read_again().await;
    assert_eq!((status(&service, "alice:new").await, status(&service, "alice:nonsense").await), (200, 401));
    web.write("web.yml", &users(&user("bob", "b")));
    until("the next good file", async || status(&service, "bob:b").await == 200).await;
    assert_eq!(status(&service, "alice:new").await, 401);
    web.write("web.yml", "");
    until("no users", async || service.get("/").await.status == 200).await;
}

#[tokio::test]
async fn a_file_whose_reading_hangs_does_not_keep_a_later_one_from_being_read() {
    /// A file system that hangs for as long as it is told to.
    #[derive(Debug, Default)]
    struct Moody {
        hangs: AtomicBool,
        hanging: AtomicU64,
        /// The test is over: what hangs has to end with it.
        over: AtomicBool,
        password: Mutex<&'static str>,
    }
    impl WebSource for Moody {
        fn load(&self) -> Result<WebSettings, String> {
            let hash = bcrypt::hash(*self.password.lock().unwrap(), 4).unwrap();
            Ok(WebSettings { users: [("alice".to_owned(), Secret::new(hash))].into(), ..WebSettings::default() })
        }

        fn stamp(&self) -> WebStamp {
            if self.hangs.load(Ordering::SeqCst) {
                self.hanging.fetch_add(1, Ordering::SeqCst);
                while !self.over.load(Ordering::SeqCst) {
                    std::thread::park_timeout(Duration::from_millis(10));
                }
            }
            WebStamp(vec![self.password.lock().unwrap().len().try_into().unwrap()])
        }
    }
    struct Over(Arc<Moody>);
    impl Drop for Over {
        fn drop(&mut self) {
            self.0.over.store(true, Ordering::SeqCst);
        }
    }
    let source = Arc::new(Moody::default());
    let _over = Over(Arc::clone(&source));
    *source.password.lock().unwrap() = "one";
    let bounds = Bounds { web_read: Duration::from_millis(50), ..long() };
    let options = Options { web: Some(Arc::<Moody>::clone(&source)), bounds, ..Options::default() };
    let service = Service::start(options).await;
    assert_eq!(status(&service, "alice:one").await, 200);
    source.hangs.store(true, Ordering::SeqCst);
    until("reads that hang", async || source.hanging.load(Ordering::SeqCst) >= 2).await;
    assert_eq!(status(&service, "alice:one").await, 200);
    *source.password.lock().unwrap() = "three";
    source.hangs.store(false, Ordering::SeqCst);
    until("the new password", async || status(&service, "alice:three").await == 200).await;
    assert_eq!(status(&service, "alice:one").await, 401);
}

#[tokio::test]
async fn headers_are_sent_with_every_answer() {
    let text = "http_server_config:\n  headers:\n    Strict-Transport-Security: max-age=60\n    \
                Content-Security-Policy: default-src 'self'\n";
    let web = Web::new(&format!("{text}{}", users(&user("alice", "secret"))));
    let service = Service::start(web.options(long())).await;
    for headers in [&[][..], &[basic("alice:secret").as_str()]] {
        let answer = service.ask("GET", "/", headers).await;
        assert_eq!(answer.header("strict-transport-security"), Some("max-age=60"));
        assert_eq!(answer.header("content-security-policy"), Some("default-src 'self'"));
    }
}

#[tokio::test]
async fn too_many_requests_are_refused() {
    let web = Web::new("rate_limit: {interval: 1h, burst: 3}");
    let service = Service::start(web.options(long())).await;
    let mut found = Vec::new();
    for _ in 0..5 {
        found.push(service.get("/").await.status);
    }
    assert_eq!(found, [200, 200, 200, 429, 429]);
    web.write("web.yml", "rate_limit: {interval: 0s, burst: 3}");
    until("no limit", async || service.get("/").await.status == 200).await;
}

#[tokio::test]
async fn a_bad_file_at_the_start_is_an_error() {
    for (text, expected) in [
        ("basic_auth_users: {alice: plain}", "expected a bcrypt hash"),
        ("tls_server_config: {cert: x, key: y}", "holds no certificate"),
        ("tls_server_config: {cert_file: no.crt, key_file: no.key}", "no.key cannot be read: there is no such file"),
    ] {
        let web = Web::new(text);
        let (_, published) = watch::channel(Arc::new(Published::default()));
        let hooks = Hooks {
            reload: mpsc::channel(1).0,
            actions: mpsc::channel(1).0,
            health: Arc::new(|| Ok(())),
            alive: Arc::new(|| ()),
        };
        let error = bind(web.options(long()), published, hooks).await.unwrap_err();
        assert!(matches!(error, ExporterError::Web(_)));
        assert!(error.to_string().contains(expected), "{error}");
    }
}
