//! Bad input ends with exit code 2 and says where the mistake is and what to do.
#![expect(clippy::unwrap_used, reason = "whatever fails in here fails the test that uses it")]

#[expect(dead_code, reason = "each test uses its part of what they share")]
mod support;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use support::estate::Estate;
use support::program::{Desk, Ran, s3_config};
use support::s3_server::{BUCKET, Reply, S3Server};
use tokio::time::Instant;

/// Longer than this nobody waits to be told that an endpoint is not there.
const PATIENCE: Duration = Duration::from_secs(100);

/// A mistake that is found before scanning starts: no document, each of `expected` on one line of standard error.
#[track_caller]
fn refused(ran: &Ran, expected: &[&[&str]]) {
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert_eq!(ran.stdout, "", "there is no document without a scan");
    for words in expected {
        let said = ran.stderr.lines().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(said, "no line with all of {words:?} in:\n{}", ran.stderr);
    }
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
}

/// The mistakes of a Thanos file, for `scan` and for `config check`, which read it in the same way.
#[track_caller]
fn refused_file(text: &str, expected: &[&[&str]]) {
    let desk = Desk::new();
    desk.write("bucket.yml", text);
    for command in [["scan"].as_slice(), &["config", "check"]] {
        let arguments = [command, &["--objstore.config-file", "bucket.yml"]].concat();
        refused(&desk.run(&arguments), expected);
    }
    assert!(!desk.ledger().exists());
}

#[test]
fn a_thanos_file_with_mistakes() {
    let good = "type: S3\nconfig:\n  bucket: metrics\n  endpoint: s3.example.org\n";
    let with = |more: &str| format!("{good}{more}");
    refused_file("type: S3\nconfig: [unclosed\n", &[&["bucket.yml:"]]);
    refused_file("type: S3\nconfig:\n\tbucket: metrics\n", &[&["bucket.yml:3:"]]);
    refused_file("", &[&["bucket.yml"]]);
    refused_file(&with("  acces_key: x\n"), &[&["bucket.yml:5:3", "acces_key"]]);
    refused_file(
        &with("  insecure: perhaps\n  acces_key: x\n"),
        &[&["bucket.yml:5:", "insecure"], &["bucket.yml:6:3", "acces_key"]],
    );
    refused_file("type: S3\nconfig:\n  bucket: metrics\n", &[&["bucket.yml", "endpoint"]]);
    refused_file(&with("  secret_key: $(NOT_SET_ANYWHERE)\n"), &[&["bucket.yml:5:", "NOT_SET_ANYWHERE"]]);
    refused_file("type: TAPE\nconfig: {}\n", &[&["bucket.yml:1:", "S3, GCS, AZURE, FILESYSTEM"]]);
    refused_file("type: SWIFT\nconfig: {}\n", &[&["bucket.yml:1:", "SWIFT"]]);
}

#[test]
fn a_web_configuration_with_mistakes() {
    let desk = Desk::new();
    desk.write("bucket.yml", "type: FILESYSTEM\nconfig:\n  directory: bucket\n");
    desk.write("blockwarden.yml", "buckets:\n  - objstore_config_file: bucket.yml\nweb:\n  config_file: web.yml\n");
    desk.write("web.yml", "basic_auth_users:\n  admin: sentinel\ntls: {}\n");
    for command in [["config", "check"].as_slice(), &["watch", "--web.listen-address", "127.0.0.1:0"]] {
        let ran = desk.run(&[command, &["--config", "blockwarden.yml"]].concat());
        refused(&ran, &[&["web.yml:2:3", "bcrypt"], &["web.yml:3:1", "tls"]]);
        assert!(!ran.stderr.contains("sentinel"), "{}", ran.stderr);
    }
}

#[test]
fn a_configuration_with_mistakes_in_two_files() {
    let desk = Desk::new();
    desk.write("bucket.yml", "type: S3\nconfig:\n  bucket: metrics\n  endpoint: s3.example.org\n  regoin: eu\n");
    desk.write("blockwarden.yml", "buckets:\n  - objstore_config_file: bucket.yml\nretention:\n  raw: 3x\ncheks: {}\n");
    for command in [["scan"].as_slice(), &["config", "check"]] {
        let ran = desk.run(&[command, &["--config", "blockwarden.yml"]].concat());
        refused(&ran, &[&["blockwarden.yml:4:", "retention.raw"], &["blockwarden.yml:5:1", "cheks"]]);
    }
    refused(&desk.run(&["scan", "--config", "nowhere.yml"]), &[&["nowhere.yml"]]);
    refused(&desk.run(&["scan", "--objstore.config-file", "nowhere.yml"]), &[&["nowhere.yml"]]);
}

#[test]
fn a_command_line_with_mistakes() {
    let desk = Desk::new();
    let server = S3Server::start(Arc::new(Estate::new(1, 28)));
    desk.write("bucket.yml", &s3_config(server.address()));
    let cases: [(&[&str], &[&str]); 6] = [
        (&["scan"], &["--objstore.config-file"]),
        (&["scan", "--objstore.config-file", "bucket.yml", "--verify", "--level", "all"], &["--level"]),
        (&["scan", "--objstore.config-file", "bucket.yml", "--at", "yesterday"], &["--at"]),
        (&["scan", "--objstore.config-file", "bucket.yml", "--output", "xml"], &["--output"]),
        (&["scan", "--objstore.config-file", "bucket.yml", "--objstore.config", "type: S3"], &["--objstore.config"]),
        (&["explain", "no_such_check"], &["no_such_check"]),
    ];
    for (arguments, words) in cases {
        refused(&desk.run(arguments), &[words]);
    }
    assert_eq!(server.counts(), support::s3_server::Counts::default());
}

/// A bucket that cannot be read: the document is there and says so in a finding with all of `expected`, the place and
/// what to do among them, and the exit code is 2. The text for people says the same.
#[track_caller]
fn unreadable(config: &str, expected: &[&str]) {
    let desk = Desk::new();
    let config = desk.write("bucket.yml", config);
    let began = Instant::now();
    let ran = desk.scan(&config, Estate::new(1, 28).at());
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    let findings = ran.findings();
    let finding = findings.iter().find(|finding| finding["check"] == "bucket_unreachable").unwrap();
    let text = |key: &str| finding[key].as_str().unwrap().to_owned();
    let said = text("message") + " " + &text("remedy");
    for word in expected {
        assert!(said.contains(word), "no {word} in: {said}");
    }
    assert_eq!(findings.len(), 1, "what rests on the bucket is not judged: {:?}", ran.checks());

    let mut text = desk.command(&["scan", "--at", "2026-01-15T03:35:00Z"]);
    let text = support::program::finish(text.arg("--objstore.config-file").arg(&config));
    assert_eq!(text.code, Some(2), "{}", text.stderr);
    for word in expected {
        assert!((text.stdout.clone() + &text.stderr).contains(word), "no {word} in: {} {}", text.stdout, text.stderr);
    }
}

#[test]
fn an_endpoint_that_is_not_there() {
    // a port that was free a moment ago and that nothing listens on
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = s3_config(address) + "  max_retries: 2\n";
    unreadable(&config, &[&format!("{address}/{BUCKET}"), "check endpoint"]);
}

#[test]
fn credentials_that_are_wrong() {
    let server = S3Server::start(Arc::new(Estate::new(1, 28)));
    let place = format!("{}/{BUCKET}", server.address());
    for (code, what_to_do) in [
        ("InvalidAccessKeyId", "check `access_key`"),
        ("SignatureDoesNotMatch", "check `secret_key`"),
        ("AccessDenied", "need `s3:ListBucket`"),
    ] {
        server.script(move |_| Reply::Refuse(StatusCode::FORBIDDEN, code));
        unreadable(&s3_config(server.address()), &[&place, code, what_to_do]);
    }
}

#[test]
fn a_bucket_that_does_not_exist() {
    let server = S3Server::start(Arc::new(Estate::new(1, 28)));
    let config = s3_config(server.address()).replace(BUCKET, "another");
    unreadable(&config, &[&format!("{}/another", server.address()), "NoSuchBucket", "check `bucket`"]);
}

#[test]
fn a_folder_that_does_not_exist() {
    unreadable("type: FILESYSTEM\nconfig:\n  directory: nowhere\n", &["nowhere", "check"]);
}
