//! TLS: certificates of both sides, versions, rotation.

use std::io;
use std::sync::Arc;

use blockwarden::exporter::Options;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, ProtocolVersion, SignatureScheme, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::service::{Answer, Service, Web, exchange, fixture, long, parse, request, rest, short, until};

/// Takes any server; which one it was is looked at afterwards.
#[derive(Debug)]
struct Trusting;

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(fixture(name)).unwrap()
}

/// A client with the certificate of this name, or none.
fn client(identity: Option<&str>, versions: &[&'static SupportedProtocolVersion]) -> TlsConnector {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting));
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(name) => {
            let key = PrivateKeyDer::from_pem_file(fixture(&format!("{name}-key.pem"))).unwrap();
            builder.with_client_auth_cert(vec![certificate(&format!("{name}.pem"))], key).unwrap()
        }
    };
    TlsConnector::from(Arc::new(config))
}

fn anybody() -> TlsConnector {
    client(None, rustls::ALL_VERSIONS)
}

async fn connect(service: &Service, client: &TlsConnector) -> io::Result<TlsStream<TcpStream>> {
    client.connect(ServerName::try_from("storage.test").unwrap(), service.connect().await).await
}

/// With TLS 1.3 a client learns only after its handshake that it is not wanted.
async fn ask(service: &Service, client: &TlsConnector) -> io::Result<Answer> {
    let mut stream = connect(service, client).await?;
    stream.write_all(request("GET", "/", &[]).as_bytes()).await?;
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes).await {
        Ok(_) => Ok(parse(&bytes)),
        Err(error) => Err(error),
    }
}

/// A web configuration whose TLS has these further lines.
fn web(lines: &[&str]) -> Web {
    let lines: String = lines.iter().flat_map(|line| ["  ", line, "\n"]).collect();
    let web = Web::new(&format!("tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n{lines}"));
    web.copy("server.pem", "server.crt");
    web.copy("server-key.pem", "server.key");
    web.copy("ca.pem", "ca.crt");
    web
}

#[tokio::test]
async fn answers_come_over_tls_and_only_so() {
    let web = web(&[]);
    let service = Service::start(web.options(long())).await;
    for version in rustls::ALL_VERSIONS {
        let stream = connect(&service, &client(None, &[version])).await.unwrap();
        let (_, connection) = stream.get_ref();
        assert_eq!(connection.protocol_version(), Some(version.version));
        assert_eq!(connection.peer_certificates().unwrap(), [certificate("server.pem")]);
        assert_eq!(exchange(stream, &request("GET", "/", &[])).await.status, 200);
    }
    let mut plain = service.connect().await;
    plain.write_all(request("GET", "/", &[]).as_bytes()).await.unwrap();
    assert!(!rest(&mut plain).await.starts_with(b"HTTP"));
    assert_eq!(ask(&service, &anybody()).await.unwrap().status, 200);
}

#[tokio::test]
async fn versions_are_bounded() {
    for (line, expected) in [
        ("min_version: TLS13", [false, true]),
        ("max_version: TLS12", [true, false]),
        ("min_version: TLS10", [true, true]),
        ("cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]", [true, true]),
        // the key of the server is of another kind
        ("cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]", [false, true]),
        ("curve_preferences: [CurveP384]", [true, true]),
    ] {
        let web = web(&[line]);
        let service = Service::start(web.options(long())).await;
        let mut found = [false; 2];
        for (spoken, version) in found.iter_mut().zip([&rustls::version::TLS12, &rustls::version::TLS13]) {
            *spoken = ask(&service, &client(None, &[version])).await.is_ok();
        }
        assert_eq!(found, expected, "{line}");
    }
}

/// Nobody, a client of the roots, and one whose certificate is not for clients.
async fn admitted(lines: &[&str]) -> [bool; 3] {
    let web = web(lines);
    let service = Service::start(web.options(long())).await;
    let mut found = [false; 3];
    for (admitted, identity) in found.iter_mut().zip([None, Some("client"), Some("server")]) {
        let mut all = Vec::new();
        for version in rustls::ALL_VERSIONS {
            all.push(ask(&service, &client(identity, &[version])).await.is_ok());
        }
        assert_eq!(all[0], all[1], "the versions agree: {lines:?} {identity:?}");
        *admitted = all[0];
    }
    found
}

#[tokio::test]
async fn clients_need_the_certificates_that_are_demanded() {
    let roots = "client_ca_file: ca.crt";
    for (lines, expected) in [
        (&["client_auth_type: NoClientCert"][..], [true, true, true]),
        (&["client_auth_type: RequestClientCert"], [true, true, true]),
        (&["client_auth_type: RequireAnyClientCert"], [false, true, true]),
        (&["client_auth_type: VerifyClientCertIfGiven", roots], [true, true, false]),
        (&["client_auth_type: RequireAndVerifyClientCert", roots], [false, true, false]),
        (
            &["client_auth_type: RequireAndVerifyClientCert", roots, "client_allowed_sans: [x, client.test]"],
            [false, true, false],
        ),
        (
            &["client_auth_type: RequireAndVerifyClientCert", roots, "client_allowed_sans: ['*.test', test]"],
            [false, false, false],
        ),
        (&["client_auth_type: RequireAnyClientCert", "client_allowed_sans: [storage.test]"], [false, false, true]),
    ] {
        assert_eq!(admitted(lines).await, expected, "{lines:?}");
    }
}

async fn presented(service: &Service) -> CertificateDer<'static> {
    let stream = connect(service, &anybody()).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

#[tokio::test]
async fn a_rotated_certificate_holds_without_a_restart() {
    let web = web(&[]);
    let service = Service::start(web.options(long())).await;
    let mut old = connect(&service, &anybody()).await.unwrap();
    assert_eq!(presented(&service).await, certificate("server.pem"));
    // the certificate comes before its key: in between the old pair serves
    web.copy("client.pem", "server.crt");
    web.read_again().await;
    assert_eq!(presented(&service).await, certificate("server.pem"));
    web.copy("client-key.pem", "server.key");
    until("the new certificate", async || presented(&service).await == certificate("client.pem")).await;
    // a connection that rests on the old one ends
    assert_eq!(rest(&mut old).await, b"");
    assert_eq!(ask(&service, &anybody()).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_request_that_is_being_answered_survives_the_rotation() {
    let web = web(&[]);
    let options = Options { lifecycle: true, ..web.options(long()) };
    let mut service = Service::start(options).await;
    let mut stream = connect(&service, &anybody()).await.unwrap();
    stream.write_all(b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let reply = service.reloads.recv().await.unwrap();
    web.write("web.yml", "");
    until("in the clear", async || service.connect_and_get().await).await;
    reply.send(Ok(())).unwrap();
    let answer = parse(&rest(&mut stream).await);
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
}

impl Service {
    /// Whether there is an answer in the clear.
    async fn connect_and_get(&self) -> bool {
        let mut stream = self.connect().await;
        stream.write_all(request("GET", "/", &[]).as_bytes()).await.unwrap();
        rest(&mut stream).await.starts_with(b"HTTP/1.1 200")
    }
}

#[tokio::test]
async fn handshakes_have_an_end() {
    let web = web(&[]);
    let service = Service::start(web.options(short())).await;
    let mut silent = service.connect().await;
    let mut begun = service.connect().await;
    begun.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).await.unwrap();
    let mut garbage = service.connect().await;
    garbage.write_all(&[0xff; 512]).await.unwrap();
    for stream in [&mut silent, &mut begun, &mut garbage] {
        assert!(!rest(stream).await.starts_with(b"HTTP"));
    }
    // a handshake, and then nothing
    let mut idle = connect(&service, &anybody()).await.unwrap();
    assert_eq!(rest(&mut idle).await, b"");
    let version = connect(&service, &anybody()).await.unwrap().get_ref().1.protocol_version();
    assert_eq!(version, Some(ProtocolVersion::TLSv1_3));
}
