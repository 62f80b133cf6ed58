//! The transport against a server with a certificate of our own making, for `storage.test` and no other name.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;

use ::http::Method;
use rustls::server::WebPkiClientVerifier;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;
use crate::discover::testing::{ambient, limits};
use crate::discover::{Transport, TransportErrorKind};
use crate::model::{Environment, TlsSettings};

fn fixture(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name);
    path.to_str().unwrap().to_owned()
}

/// Serves until the test process ends; wants a client's certificate if told so.
fn serve(wants_certificate: bool) -> String {
    install_crypto();
    let builder = if wants_certificate {
        let mut roots = RootCertStore::empty();
        roots.add(read_certificates("", &fixture("ca.pem")).unwrap().remove(0)).unwrap();
        ServerConfig::builder()
            .with_client_cert_verifier(WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap())
    } else {
        ServerConfig::builder().with_no_client_auth()
    };
    let certificates = read_certificates("", &fixture("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(fixture("server-key.pem")).unwrap();
    let config = Arc::new(builder.with_single_cert(certificates, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, stream.unwrap());
            // a client that does not like the certificate goes without a request
            if stream.read(&mut [0; 4096]).is_ok() {
                drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"));
                drop(stream.flush());
            }
        }
    });
    format!("https://{address}/k")
}

async fn fetch(
    url: &str,
    tls: TlsSettings,
    insecure_skip_verify: bool,
) -> Result<bytes::Bytes, super::super::TransportError> {
    let settings = HttpSettings { insecure_skip_verify, tls, ..HttpSettings::default() };
    let transport = Transport::new(&settings, &Environment::default(), limits(), ambient())?;
    let request = ::http::Request::builder().method(Method::GET).uri(url);
    let request = request.body(object_store::client::HttpRequestBody::empty()).unwrap();
    Ok(transport.execute(request).await?.body)
}

#[tokio::test]
async fn certificates_are_verified_as_the_settings_say() {
    let url = serve(false);
    for (ca_file, server_name, trust_root_ca, skip, passes) in [
        ("ca.pem", "storage.test", false, false, true),
        ("ca.pem", "storage.test", true, false, true),
        ("ca.pem", "other.test", false, false, false),
        ("ca.pem", "", false, false, false),
        ("", "storage.test", false, false, false),
        ("client.pem", "storage.test", false, false, false),
        ("", "", false, true, true),
        ("", "other.test", false, true, true),
    ] {
        let tls = TlsSettings {
            ca_file: if ca_file.is_empty() { String::new() } else { fixture(ca_file) },
            server_name: server_name.to_owned(),
            trust_root_ca,
            ..TlsSettings::default()
        };
        match fetch(&url, tls, skip).await {
            Ok(body) => assert!(passes && body == "ok", "{ca_file} {server_name}"),
            Err(error) => {
                assert!(!passes, "{ca_file} {server_name}: {error}");
                assert_eq!(error.kind, TransportErrorKind::Tls, "{error}");
                assert!(error.hint.unwrap_or_default().contains("ca_file"), "{error:?}");
            }
        }
    }
}

#[tokio::test]
async fn the_client_has_a_certificate_if_told_so() {
    let url = serve(true);
    let with = |cert: &str, key: &str| TlsSettings {
        ca_file: fixture("ca.pem"),
        server_name: "storage.test".to_owned(),
        cert_file: if cert.is_empty() { String::new() } else { fixture(cert) },
        key_file: if key.is_empty() { String::new() } else { fixture(key) },
        ..TlsSettings::default()
    };
    assert_eq!(fetch(&url, with("client.pem", "client-key.pem"), false).await.unwrap(), "ok");
    assert!(fetch(&url, with("", ""), false).await.is_err());
    for (cert, key, words) in [
        ("client.pem", "", "belong together"),
        ("", "client-key.pem", "belong together"),
        ("nowhere.pem", "client-key.pem", "nowhere.pem"),
        ("client-key.pem", "client-key.pem", "no certificate"),
        ("client.pem", "ca.pem", "`key_file`"),
        ("client.pem", "server-key.pem", "cannot set up"),
    ] {
        let error = fetch(&url, with(cert, key), false).await.unwrap_err();
        assert_eq!(error.kind, TransportErrorKind::Setup, "{cert} {key}: {error}");
        assert!(error.to_string().contains(words), "{cert} {key}: {error}");
    }
    let unnamed = TlsSettings { server_name: "no name".to_owned(), ..TlsSettings::default() };
    assert!(fetch(&url, unnamed, false).await.unwrap_err().to_string().contains("`no name`"));
}
