//! The web configuration, and `metrics` and `web` of our own file.

use super::*;
use crate::model::{ClientAuth, RateLimit, TlsVersion, WebSettings, WebSource};

const HASH: &str = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG";

fn read(folder: &Folder) -> Result<WebSettings, Vec<String>> {
    let path = folder.0.path().join("web.yml");
    let prefix = format!("{}/", folder.0.path().display());
    WebFile::new(path).read().map_err(|errors| lines(&errors).iter().map(|line| line.replace(&prefix, "")).collect())
}

fn folder(web: &str) -> Folder {
    let folder = Folder::new("");
    folder.write("web.yml", web);
    for name in ["server.crt", "server.key", "ca.crt"] {
        folder.write(name, format!("content of {name}"));
    }
    folder
}

#[test]
fn everything_of_the_toolkit_arrives() {
    let settings = read(&folder(&format!(
        "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n  \
         client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n  client_allowed_sans: [a.example.com, 10.0.0.1]\n  \
         min_version: TLS12\n  max_version: TLS13\n  \
         cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]\n  \
         prefer_server_cipher_suites: false\n  curve_preferences: [CurveP256, X25519]\n\
         http_server_config:\n  http2: true\n  headers:\n    Strict-Transport-Security: max-age=31536000\n    X-Frame-Options: deny\n    \
         X-XSS-Protection: ''\n\
         basic_auth_users:\n  alice: {HASH}\n  '': \"{HASH}\"\n\
         rate_limit:\n  interval: 1s\n  burst: 20\n"
    )))
    .unwrap();
    assert_eq!(settings.users.keys().collect::<Vec<_>>(), ["", "alice"]);
    assert!(settings.users.values().all(|hash| hash.expose() == HASH));
    assert_eq!(settings.rate_limit, Some(RateLimit { interval_ms: 1_000, burst: 20 }));
    let headers: Vec<_> = settings.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(headers, [("Strict-Transport-Security", "max-age=31536000"), ("X-Frame-Options", "deny")]);
    let tls = settings.tls.unwrap();
    assert_eq!((tls.certificates.as_str(), tls.key.expose()), ("content of server.crt", "content of server.key"));
    assert_eq!((tls.client_auth, tls.client_roots.as_str()), (ClientAuth::RequireAndVerify, "content of ca.crt"));
    assert_eq!(tls.client_allowed_sans, ["a.example.com", "10.0.0.1"]);
    assert_eq!((tls.min_version, tls.max_version), (Some(TlsVersion::V12), Some(TlsVersion::V13)));
    assert_eq!((tls.cipher_suites.len(), tls.prefer_client_order), (2, true));
    assert_eq!(tls.curves, ["CurveP256", "X25519"]);
}

#[test]
fn certificates_may_stand_in_the_file() {
    let settings = read(&folder("tls_server_config:\n  cert: |\n    a\n    b\n  key: $(HOME)\n")).unwrap();
    let tls = settings.tls.unwrap();
    assert_eq!((tls.certificates.as_str(), tls.key.expose()), ("a\nb\n", "$(HOME)"));
}

/// As the toolkit's own examples have it.
#[test]
fn what_only_go_can_is_passed_over() {
    let text = "tls_server_config: {cert: x, key: y, client_auth_type: VerifyClientCertIfGiven, \
                cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256], \
                curve_preferences: [CurveP521, X25519MLKEM768, CurveP256], min_version: TLS10}";
    let tls = read(&folder(text)).unwrap().tls.unwrap();
    assert_eq!(tls.cipher_suites, ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]);
    assert_eq!(tls.curves, ["CurveP256"]);
    assert_eq!((tls.min_version, tls.client_auth), (Some(TlsVersion::V12), ClientAuth::None));
}

#[test]
fn an_empty_file_guards_nothing() {
    for text in
        ["", "{}", "tls_server_config:\nbasic_auth_users: {}\n", "tls_server_config: {}\nrate_limit: {interval: 0s}"]
    {
        assert_eq!(read(&folder(text)).unwrap(), WebSettings::default(), "{text}");
    }
}

#[test]
fn mistakes_are_said_with_their_places() {
    for (text, expected) in [
        ("basic_auth_user: {}", "1:1: unknown key `basic_auth_user`; did you mean `basic_auth_users`?"),
        ("basic_auth_users: [a]", "1:1: basic_auth_users: expected a mapping, found a list"),
        (
            "basic_auth_users:\n  alice: hunter2",
            "2:3: basic_auth_users: expected a bcrypt hash, as `htpasswd -nBC 10 NAME` gives it after the colon",
        ),
        ("basic_auth_users:\n  alice: [x]", "2:3: basic_auth_users: expected text, found a list"),
        (
            "tls_server_config: {cert_file: server.crt}",
            "1:1: tls_server_config.key_file: is missing: name the file with the key; TLS needs both certificate and key",
        ),
        (
            "tls_server_config: {cert_file: server.crt, cert: x, key: y}",
            "1:44: tls_server_config.cert: excludes cert_file: give one of them",
        ),
        (
            "tls_server_config: {cert_file: none.crt, key: y}",
            "1:21: tls_server_config.cert_file: none.crt cannot be read: there is no such file",
        ),
        (
            "tls_server_config: {cert: x, key: y, client_ca: z}",
            "1:1: tls_server_config.client_auth_type: is missing: with client_ca_file and without it, nobody is asked for a certificate",
        ),
        (
            "tls_server_config: {cert: x, key: y, client_auth_type: RequireAndVerifyClientCert}",
            "1:1: tls_server_config.client_ca_file: is missing: name the file with the roots of the clients' certificates",
        ),
        (
            "tls_server_config: {cert: x, key: y, client_auth_type: Sure}",
            "1:38: tls_server_config.client_auth_type: expected one of NoClientCert, RequestClientCert, RequireAnyClientCert, \
             RequireClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert",
        ),
        (
            "tls_server_config: {cert: x, key: y, client_auth_type: RequestClientCert, client_allowed_sans: [a]}",
            "1:75: tls_server_config.client_allowed_sans: needs client_auth_type RequireAndVerifyClientCert (or \
             RequireAnyClientCert): others let clients in that have no certificate",
        ),
        (
            "tls_server_config: {cert: x, key: y, max_version: TLS11}",
            "1:38: tls_server_config.max_version: expected TLS12 or TLS13: what is older is not secure and is not spoken",
        ),
        (
            "tls_server_config: {cert: x, key: y, min_version: TLS13, max_version: TLS12}",
            "1:58: tls_server_config.max_version: is older than min_version",
        ),
        (
            "tls_server_config: {cert: x, key: y, curve_preferences: [CurveP521]}",
            "1:38: tls_server_config.curve_preferences: has nothing that is supported: name some of X25519, CurveP256, CurveP384",
        ),
        (
            "tls_server_config: {cert: x, key: y, curve_preferences: [CurveP224]}",
            "1:38: tls_server_config.curve_preferences: expected a list of X25519, CurveP256, CurveP384",
        ),
        (
            "http_server_config: {headers: {X-Frame-Options: sometimes}}",
            "1:32: http_server_config.headers: expected one of deny, sameorigin",
        ),
        (
            "http_server_config: {headers: {Server: x}}",
            "1:32: http_server_config.headers: expected one of Content-Security-Policy, Strict-Transport-Security, \
             X-Content-Type-Options, X-Frame-Options, X-XSS-Protection",
        ),
        (
            "http_server_config: {headers: {X-XSS-Protection: \"a\\nb: c\"}}",
            "1:32: http_server_config.headers: expected one line of ASCII text",
        ),
        ("rate_limit: {interval: 1s}", "1:1: rate_limit.burst: expected at least 1: without it nobody is let in"),
    ] {
        assert_eq!(read(&folder(text)).unwrap_err(), [format!("web.yml:{expected}")], "{text}");
    }
}

#[test]
fn all_mistakes_come_at_once() {
    let text =
        "tls_server_config:\n  cert_file: none.crt\n  min_version: SSL3\nbasic_auth_users:\n  a: x\n  b: y\nrate: 1\n";
    let places: Vec<String> =
        read(&folder(text)).unwrap_err().iter().map(|line| line.split(": ").next().unwrap().to_owned()).collect();
    assert_eq!(places, ["web.yml:1:1", "web.yml:2:3", "web.yml:3:3", "web.yml:5:3", "web.yml:6:3", "web.yml:7:1"]);
}

#[test]
fn a_file_that_cannot_be_read_is_a_mistake() {
    let errors = WebFile::new("/nonexistent/web.yml".into()).read().unwrap_err();
    assert_eq!(errors.to_string(), "/nonexistent/web.yml: cannot be read: there is no such file");
}

#[test]
fn only_hashes_are_hashes() {
    let wrong = [
        "",
        "password",
        "$2y$10$",
        "$1$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG",
        "$2y$99$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG",
        "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7z",
        "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG$",
        "$2y$10$X0h1gDsPszWURQaxFh!zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG",
    ];
    for hash in wrong {
        let found = read(&folder(&format!("basic_auth_users: {{a: '{hash}'}}")));
        assert!(found.is_err(), "{hash}");
        assert!(hash.is_empty() || !found.unwrap_err().concat().contains(hash), "{hash}");
    }
}

#[test]
fn the_stamp_changes_with_every_file_that_is_named() {
    let folder = folder(
        "tls_server_config: {cert_file: server.crt, key_file: server.key, client_ca_file: ca.crt, \
                         client_auth_type: RequireAndVerifyClientCert}",
    );
    let file = WebFile::new(folder.0.path().join("web.yml"));
    file.load().unwrap();
    for name in ["server.crt", "server.key", "ca.crt", "web.yml"] {
        let before = file.stamp();
        assert_eq!(file.stamp(), before);
        folder.write(name, "something longer than what was there before, so that it does not rest on clocks".repeat(9));
        assert_ne!(file.stamp(), before, "{name}");
    }
    let before = file.stamp();
    std::fs::remove_file(folder.0.path().join("server.key")).unwrap();
    assert_ne!(file.stamp(), before);
}

#[test]
fn nothing_of_a_web_configuration_is_shown() {
    let text = format!("tls_server_config: {{cert: c, key: Sentinel5ecret}}\nbasic_auth_users: {{a: {HASH}}}");
    let shown = format!("{:?}", read(&folder(&text)).unwrap());
    assert!(!shown.contains("Sentinel5ecret") && !shown.contains(HASH), "{shown}");
    for text in [
        "tls_server_config: {key: [Sentinel5ecret]}",
        "tls_server_config: {min_version: Sentinel5ecret, cipher_suites: [Sentinel5ecret], client_auth_type: Sentinel5ecret}",
        "tls_server_config: Sentinel5ecret",
        "basic_auth_users: Sentinel5ecret",
        "basic_auth_users: {Sentinel5ecret: Sentinel5ecret}",
        "basic_auth_users: {a: {Sentinel5ecret: x}}",
        "basic_auth_users: {a: 'Sentinel5ecret",
        "http_server_config: {headers: {X-Frame-Options: Sentinel5ecret}, http2: Sentinel5ecret}",
        "http_server_config: {headers: {Sentinel5ecret: Sentinel5ecret}}",
        "rate_limit: {interval: Sentinel5ecret, burst: Sentinel5ecret}",
    ] {
        let errors = read(&folder(text)).unwrap_err().concat();
        assert!(!errors.contains("Sentinel5ecret"), "{errors}");
    }
}

const BUCKET: &str = "buckets: [{objstore_config_file: objstore.yaml}]\n";

#[test]
fn the_service_is_configured_in_our_own_file() {
    let text = "metrics: {stream_labels: [cluster, tenant_id], max_streams: 10}\nweb: {listen_address: ':80', config_file: w/x.yml}";
    let folder = Folder::new(&format!("{BUCKET}{text}"));
    let config = folder.load().unwrap();
    assert_eq!(config.metrics.stream_labels, ["cluster", "tenant_id"]);
    assert_eq!(config.metrics.max_streams, 10);
    assert_eq!(config.web.listen_address.as_deref(), Some(":80"));
    assert_eq!(config.web.config_file, Some(folder.0.path().join("w/x.yml")));
    for text in ["", "metrics:\nweb: {}\n", "metrics: {stream_labels: []}\nweb: {listen_address: ''}\n"] {
        let config = Folder::new(&format!("{BUCKET}{text}")).load().unwrap();
        assert_eq!((config.metrics, config.web), (MetricsSettings::default(), WebOptions::default()), "{text}");
    }
}

#[test]
fn mistakes_in_the_service_are_said() {
    for (text, expected) in [
        (
            "metrics: {stream_labels: [a-b]}",
            "2:11: metrics.stream_labels: expected names of labels: letters, digits and `_`, no digit first",
        ),
        (
            "metrics: {stream_labels: [__a]}",
            "2:11: metrics.stream_labels: expected names of labels: letters, digits and `_`, no digit first",
        ),
        (
            "metrics: {stream_labels: [1a]}",
            "2:11: metrics.stream_labels: expected names of labels: letters, digits and `_`, no digit first",
        ),
        (
            "metrics: {stream_labels: [severity]}",
            "2:11: metrics.stream_labels: `severity` is a label that the metrics have already",
        ),
        ("metrics: {stream_labels: [a, b, a]}", "2:11: metrics.stream_labels: names a label twice"),
        ("metrics: {max_streams: -1}", "2:11: metrics.max_streams: expected a whole number from 0"),
        ("metrics: {max_streams: 100001}", "2:11: metrics.max_streams: expected a whole number up to 100000"),
        ("web: {listen_address: localhost}", "2:7: web.listen_address: expected host:port, [IPv6]:port or :port"),
        ("web: {listen: x}", "2:7: web: unknown key `listen`"),
    ] {
        let found = Folder::new(&format!("{BUCKET}{text}")).load().unwrap_err();
        assert_eq!(found, [format!("main.yaml:{expected}")], "{text}");
    }
}
