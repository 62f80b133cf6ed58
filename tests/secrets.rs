//! A secret is found nowhere: in no output, no log, no error and not in the ledger, whatever happens.
#![expect(clippy::unwrap_used, reason = "whatever fails in here fails the test that uses it")]

#[expect(dead_code, reason = "each test uses its part of what they share")]
mod support;

use std::net::TcpListener;
use std::sync::Arc;

use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use support::estate::Estate;
use support::program::{Desk, Ran, finish};
use support::s3_server::{BUCKET, Reply, S3Server};

/// The word that is in every secret.
const SENTINEL: &str = "SENTINEL";
/// Exactly 32 bytes, as a customer key has to be.
const CUSTOMER_KEY: &str = "SENTINEL-customer-key-0123456789";
const ACCESS_KEY: &str = "AKIASENTINELACCESS00";
const SECRET_KEY: &str = "SENTINEL/secret+key=";
const SESSION_TOKEN: &str = "SENTINEL-session-token//";

const AZURE_KEY: &str = "SENTINEL-azure-key";
const CLIENT_SECRET: &str = "SENTINEL~client.secret";
/// A real key, so that tokens are signed with it.
const RSA_KEY: &str = include_str!("fixtures/credentials/rsa-key.pem");

/// Asserts that nothing which the program left behind has a secret in it, in clear or encoded.
#[track_caller]
fn assert_silent(desk: &Desk, what: &str, ran: &Ran) {
    assert!(ran.code.is_some(), "{what}");
    assert!(!ran.stderr.contains("panicked"), "{what}: {}", ran.stderr);
    let mut places =
        vec![("standard output".to_owned(), ran.stdout.clone()), ("standard error".to_owned(), ran.stderr.clone())];
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let path = desk.path(&format!("ledger.db{suffix}"));
        if let Ok(bytes) = std::fs::read(&path) {
            places.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    let secrets = [CUSTOMER_KEY, ACCESS_KEY, SECRET_KEY, SESSION_TOKEN, AZURE_KEY, CLIENT_SECRET];
    for (place, text) in places {
        let folded = text.to_uppercase();
        assert!(!folded.contains(SENTINEL), "{what}: {place} has {SENTINEL}:\n{text}");
        let is_body = |line: &&str| line.len() > 20 && !line.starts_with('-');
        for line in RSA_KEY.lines().filter(is_body) {
            assert!(!text.contains(line), "{what}: {place} has a line of the private key:\n{text}");
        }
        for secret in secrets {
            for encoded in [STANDARD.encode(secret), STANDARD_NO_PAD.encode(secret), URL_SAFE.encode(secret)] {
                assert!(!text.contains(&encoded), "{what}: {place} has {secret} as {encoded}:\n{text}");
            }
        }
    }
}

/// Runs everything that reads a bucket's description, as loud as can be, and looks through what it left behind.
/// Gives the exit code of the scan.
fn run_all(what: &str, config: &str, environment: &[(&str, &str)]) -> Option<i32> {
    let desk = Desk::new();
    desk.write("bucket.yml", config);
    desk.write("customer.key", CUSTOMER_KEY);
    let runs: [&[&str]; 5] = [
        &["scan", "--state", "ledger.db", "--output", "json", "--log.format", "json"],
        &["scan", "--state", "ledger.db", "--output", "text", "--log.format", "text"],
        &["scan", "--output", "json", "--log.format", "text"],
        &["coverage"],
        &["config", "check"],
    ];
    let mut codes = Vec::new();
    for arguments in runs {
        let mut command = desk.command(arguments);
        command.args(["--objstore.config-file", "bucket.yml"]);
        if arguments.first() == Some(&"scan") {
            command.args(["--at", "2026-01-15T03:35:00Z"]);
        }
        if arguments.first() != Some(&"config") {
            command.args(["--log.level", "trace"]);
        }
        let ran = finish(command.envs(environment.iter().copied()));
        assert_silent(&desk, &format!("{what}, {arguments:?}"), &ran);
        if ran.code == Some(0) && arguments.first() != Some(&"config") {
            assert!(ran.stderr.contains("asked"), "every request is logged: {}", ran.stderr);
        }
        codes.push(ran.code);
    }
    codes.into_iter().next().unwrap()
}

/// The Thanos file with every secret that S3 knows.
fn s3(address: &str, more: &str) -> String {
    format!(
        "type: S3\nconfig:\n  bucket: {BUCKET}\n  endpoint: {address}\n  insecure: true\n  access_key: {ACCESS_KEY}\n  secret_key: {SECRET_KEY}\n  session_token: {SESSION_TOKEN}\n  max_retries: 2\n{more}"
    )
}

#[test]
fn s3_whatever_the_server_answers() {
    let server = S3Server::start(Arc::new(Estate::new(1, 28)));
    let address = server.address().to_string();
    assert_eq!(run_all("a scan that succeeds", &s3(&address, ""), &[]), Some(0));
    let signed = |call: &support::s3_server::Call| format!("{:?}", call.headers).contains(ACCESS_KEY);
    assert!(server.take_calls().iter().all(signed), "the secrets were in use");

    let environment = [("KEY", ACCESS_KEY), ("SECRET", SECRET_KEY)];
    let from_environment = s3(&address, "").replace(ACCESS_KEY, "$(KEY)").replace(SECRET_KEY, "$(SECRET)");
    assert_eq!(run_all("secrets from the environment", &from_environment, &environment), Some(0));

    for (status, code) in [
        (StatusCode::FORBIDDEN, "AccessDenied"),
        (StatusCode::FORBIDDEN, "SignatureDoesNotMatch"),
        (StatusCode::NOT_FOUND, "NoSuchBucket"),
        (StatusCode::BAD_REQUEST, "ExpiredToken"),
        (StatusCode::SERVICE_UNAVAILABLE, "SlowDown"),
        (StatusCode::OK, "not a listing"),
    ] {
        server.script(move |_| Reply::Refuse(status, code));
        assert_eq!(run_all(code, &s3(&address, ""), &[]), Some(2));
    }
    // servers repeat what they were sent, Amazon in `AWSAccessKeyId` and `StringToSign`
    server.script(|_| Reply::Refuse(StatusCode::FORBIDDEN, ACCESS_KEY));
    assert_eq!(run_all("a server that repeats the key", &s3(&address, ""), &[]), Some(2));
}

#[test]
fn s3_with_a_customer_key() {
    let server = S3Server::start(Arc::new(Estate::new(1, 28)));
    let config =
        s3(&server.address().to_string(), "  sse_config:\n    type: SSE-C\n    encryption_key: customer.key\n");
    run_all("a customer key", &config, &[]);
    run_all("a customer key in the place of its file", &config.replace("customer.key", CUSTOMER_KEY), &[]);
}

#[test]
fn s3_that_is_not_there() {
    // a port that was free a moment ago and that nothing listens on
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    assert_eq!(run_all("nobody listens", &s3(&address, ""), &[]), Some(2));
}

#[test]
fn files_with_mistakes_are_not_repeated() {
    let good = s3("127.0.0.1:1", "");
    let secret = |line: &str| good.replace(&format!("  secret_key: {SECRET_KEY}\n"), line);
    for (what, config) in [
        ("an unknown key", secret(&format!("  secret_keyy: {SECRET_KEY}\n"))),
        ("an unclosed quote", secret(&format!("  secret_key: \"{SECRET_KEY}\n"))),
        ("a list", secret(&format!("  secret_key: [{SECRET_KEY}]\n"))),
        ("a mapping", secret(&format!("  secret_key: {{{SECRET_KEY}: 1}}\n"))),
        ("a line without a colon", secret(&format!("  {SECRET_KEY}\n"))),
        ("twice", secret(&format!("  secret_key: {SECRET_KEY}\n  secret_key: {SECRET_KEY}\n"))),
        ("a wrong indent", secret(&format!("    secret_key: {SECRET_KEY}\n"))),
        ("a tag", secret(&format!("  secret_key: !!int {SECRET_KEY}\n"))),
        ("as a flag", good.replace("insecure: true", &format!("insecure: {SECRET_KEY}"))),
        ("as a number", good.replace("max_retries: 2", &format!("max_retries: {SECRET_KEY}"))),
        ("as a type", good.replace("type: S3", &format!("type: {SECRET_KEY}"))),
    ] {
        assert_eq!(run_all(what, &config, &[]), Some(2), "{what}");
    }
}

#[test]
fn azure_that_is_not_there() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let key = STANDARD.encode(AZURE_KEY);
    let start = "type: AZURE\nconfig:\n  storage_account: account\n  container: metrics\n  max_retries: 1\n";
    let connection = format!(
        "DefaultEndpointsProtocol=http;AccountName=account;AccountKey={key};BlobEndpoint=http://{address}/account;"
    );
    for (what, config) in [
        ("an account key", format!("{start}  endpoint: {address}\n  storage_account_key: {key}\n")),
        ("an account key that is none", format!("{start}  endpoint: {address}\n  storage_account_key: {AZURE_KEY}\n")),
        ("a connection string", format!("{start}  storage_connection_string: {connection}\n")),
        ("a connection string that is none", format!("{start}  storage_connection_string: {AZURE_KEY};{key}\n")),
        ("both", format!("{start}  storage_account_key: {key}\n  storage_connection_string: {connection}\n")),
        ("a client without its tenant", format!("{start}  client_id: id\n  client_secret: {CLIENT_SECRET}\n")),
    ] {
        assert_eq!(run_all(what, &config, &[]), Some(2), "{what}");
    }
}

#[test]
fn azure_that_refuses() {
    let server = S3Server::start(Arc::new(Estate::new(1, 28)));
    let key = STANDARD.encode(AZURE_KEY);
    let address = server.address();
    let config = format!(
        "type: AZURE\nconfig:\n  storage_account: account\n  container: metrics\n  max_retries: 1\n  storage_connection_string: DefaultEndpointsProtocol=http;AccountName=account;AccountKey={key};BlobEndpoint=http://{address}/account;\n"
    );
    for (status, code) in [
        (StatusCode::FORBIDDEN, "AuthenticationFailed"),
        (StatusCode::NOT_FOUND, "ContainerNotFound"),
        (StatusCode::OK, "not a listing"),
    ] {
        server.script(move |_| Reply::Refuse(status, code));
        assert_eq!(run_all(code, &config, &[]), Some(2));
    }
    let is_signed =
        |call: &support::s3_server::Call| call.headers["authorization"].as_bytes().starts_with(b"SharedKey");
    let calls = server.take_calls();
    assert!(!calls.is_empty() && calls.iter().all(is_signed), "the key was in use");
}

#[test]
fn gcs_that_gives_no_token() {
    let server = S3Server::start(Arc::new(Estate::new(1, 28)));
    let account = serde_json::json!({
        "type": "service_account", "private_key_id": "SENTINEL-id", "private_key": RSA_KEY,
        "client_email": "a@b", "token_uri": format!("http://{}/token", server.address()),
    });
    let config = format!("type: GCS\nconfig:\n  bucket: metrics\n  max_retries: 2\n  service_account: '{account}'\n");
    for (status, code) in [(StatusCode::BAD_REQUEST, "invalid_grant"), (StatusCode::OK, "no token")] {
        server.script(move |_| Reply::Refuse(status, code));
        assert_eq!(run_all(code, &config, &[]), Some(2));
    }
    let calls = server.take_calls();
    assert!(!calls.is_empty() && calls.iter().all(|call| call.method == "POST"), "the key was in use: {calls:?}");
}

#[test]
fn gcs_with_an_account_that_is_none() {
    let account = |json: &str| format!("type: GCS\nconfig:\n  bucket: metrics\n  service_account: |-\n    {json}\n");
    let key = "-----BEGIN PRIVATE KEY-----\\nSENTINEL\\n-----END PRIVATE KEY-----\\n";
    let whole = format!(
        "{{\"type\": \"service_account\", \"private_key_id\": \"SENTINEL\", \"private_key\": \"{key}\", \"client_email\": \"a@b\", \"token_uri\": \"http://127.0.0.1:1/token\"}}"
    );
    for (what, json) in [
        ("a key that is none", whole.as_str()),
        ("JSON that is cut", "{\"type\": \"service_account\", \"private_key\": \"SENTINEL"),
        ("a text", "SENTINEL"),
        ("a string", "\"SENTINEL\""),
        ("a key of the wrong type", "{\"type\": \"service_account\", \"private_key\": [\"SENTINEL\"]}"),
    ] {
        assert_eq!(run_all(what, &account(json), &[]), Some(2), "{what}");
    }
}
