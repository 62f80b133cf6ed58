//! TLS of the web server: rustls with ring, set up as `tls_server_config` says.

mod clients;
mod names;

use rustls::crypto::{CryptoProvider, SupportedKxGroup, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, RootCertStore, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion};

use std::sync::Arc;

use crate::model::{TlsVersion, WebTls};

/// The server's side of TLS; otherwise what is wrong, without any of the texts, which may be secret.
pub(super) fn server_config(settings: &WebTls) -> Result<ServerConfig, String> {
    let provider = Arc::new(provider(settings)?);
    let certificates = certificates("cert", &settings.certificates)?;
    // the text of the error can quote a line
    let key = PrivateKeyDer::from_pem_slice(settings.key.expose().as_bytes())
        .ok()
        .ok_or("tls_server_config: `key` or `key_file` holds no private key in well-formed PEM")?;
    let verifier = clients::verifier(settings, &provider)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(settings))
        .map_err(|error| refused("the versions and cipher suites", &error))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates, key)
        .map_err(|error| refused("the certificate and its key", &error))?;
    config.ignore_client_order = !settings.prefer_client_order;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn refused(what: &str, error: &rustls::Error) -> String {
    format!("tls_server_config: {what} cannot be used: {error}")
}

/// All certificates of a text.
fn certificates(setting: &str, pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    match found {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        // the text of the error can quote a line
        _ => Err(format!("tls_server_config: `{setting}` or `{setting}_file` holds no certificate in well-formed PEM")),
    }
}

fn roots(pem: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("client_ca", pem)? {
        roots.add(certificate).map_err(|error| refused("a certificate of client_ca", &error))?;
    }
    Ok(roots)
}

fn versions(settings: &WebTls) -> Vec<&'static SupportedProtocolVersion> {
    let known = [(TlsVersion::V13, &TLS13), (TlsVersion::V12, &TLS12)];
    let wanted = known.into_iter().filter(|(version, _)| {
        settings.min_version.is_none_or(|min| min <= *version) && settings.max_version.is_none_or(|max| *version <= max)
    });
    wanted.map(|(_, version)| version).collect()
}

fn provider(settings: &WebTls) -> Result<CryptoProvider, String> {
    let mut provider = ring::default_provider();
    if !settings.cipher_suites.is_empty() {
        // as in Go, those of TLS 1.3 are not chosen from
        let (newer, older): (Vec<_>, Vec<_>) =
            provider.cipher_suites.into_iter().partition(|suite| matches!(suite, SupportedCipherSuite::Tls13(_)));
        let mut chosen = newer;
        for name in &settings.cipher_suites {
            let wanted =
                cipher_suite(name).ok_or_else(|| format!("tls_server_config: cipher_suites: unknown {name}"))?;
            chosen.extend(older.iter().filter(|suite| suite.suite() == wanted));
        }
        provider.cipher_suites = chosen;
    }
    if !settings.curves.is_empty() {
        let curves = settings
            .curves
            .iter()
            .map(|name| curve(name).ok_or_else(|| format!("tls_server_config: curve_preferences: unknown {name}")));
        provider.kx_groups = curves.collect::<Result<_, String>>()?;
    }
    Ok(provider)
}

/// By Go's name, which is that of IANA for all of these.
fn cipher_suite(name: &str) -> Option<CipherSuite> {
    Some(match name {
        "TLS_AES_128_GCM_SHA256" => CipherSuite::TLS13_AES_128_GCM_SHA256,
        "TLS_AES_256_GCM_SHA384" => CipherSuite::TLS13_AES_256_GCM_SHA384,
        "TLS_CHACHA20_POLY1305_SHA256" => CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" => CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" => CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256" => CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" => CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384" => CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256" => CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        _ => return None,
    })
}

fn curve(name: &str) -> Option<&'static dyn SupportedKxGroup> {
    match name {
        "CurveP256" => Some(ring::kx_group::SECP256R1),
        "CurveP384" => Some(ring::kx_group::SECP384R1),
        "X25519" => Some(ring::kx_group::X25519),
        _ => None,
    }
}
