//! TLS: rustls with ring, set up as `tls_config` of a Thanos `http_config` says.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;

use crate::model::HttpSettings;

/// Makes ring the process' provider of cryptography. Has to come before the first client; any number of calls is fine.
pub fn install_crypto() {
    if CryptoProvider::get_default().is_none() {
        // an error means that another thread was faster, with the same provider
        drop(rustls::crypto::ring::default_provider().install_default());
    }
}

/// Why TLS cannot be set up: the setting, and what is wrong with it.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsError {
    /// A PEM file cannot be read or holds nothing that is needed.
    #[error("`{setting}`: cannot use `{path}`: {reason}")]
    File {
        /// Key in `tls_config`.
        setting: &'static str,
        /// The file.
        path: String,
        /// In words.
        reason: String,
    },
    /// `cert_file` without `key_file`, or the reverse.
    #[error("`cert_file` and `key_file` belong together; only one of them is set")]
    HalfIdentity,
    /// `server_name` is no name.
    #[error("`server_name`: `{0}` is neither a host name nor an IP address")]
    ServerName(String),
    /// rustls refused the combination.
    #[error("cannot set up TLS")]
    Rustls(#[source] rustls::Error),
    /// rustls refused the roots.
    #[error("cannot set up TLS with the roots of `ca_file`")]
    Roots(#[source] rustls::client::VerifierBuilderError),
}

/// The client's side of TLS for `settings`.
pub(super) fn client_config(settings: &HttpSettings) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = verifier(settings, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Rustls)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let tls = &settings.tls;
    match (tls.cert_file.is_empty(), tls.key_file.is_empty()) {
        (true, true) => Ok(builder.with_no_client_auth()),
        (false, false) => {
            let certificates = read_certificates("cert_file", &tls.cert_file)?;
            let key = PrivateKeyDer::from_pem_file(Path::new(&tls.key_file))
                .map_err(|error| file_error("key_file", &tls.key_file, &error))?;
            builder.with_client_auth_cert(certificates, key).map_err(TlsError::Rustls)
        }
        _ => Err(TlsError::HalfIdentity),
    }
}

fn verifier(settings: &HttpSettings, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    let tls = &settings.tls;
    if settings.insecure_skip_verify {
        return Ok(Arc::new(Blind { provider: Arc::clone(provider), accept: true }));
    }
    let own = if tls.ca_file.is_empty() { None } else { Some(read_certificates("ca_file", &tls.ca_file)?) };
    let inner = match own {
        // as in Go, these roots stand instead of the system's, not beside them, unless told otherwise
        Some(certificates) if !tls.trust_root_ca => only_roots(certificates, provider)?,
        own => system_roots(own.unwrap_or_default(), provider)?,
    };
    if tls.server_name.is_empty() {
        return Ok(inner);
    }
    let Ok(name) = ServerName::try_from(tls.server_name.clone()) else {
        return Err(TlsError::ServerName(tls.server_name.clone()));
    };
    Ok(Arc::new(OtherName { name, inner }))
}

fn only_roots(
    certificates: Vec<CertificateDer<'static>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(TlsError::Rustls)?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    Ok(verifier.map_err(TlsError::Roots)?)
}

fn system_roots(
    beside: Vec<CertificateDer<'static>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    if beside.is_empty() {
        return Ok(match Verifier::new(Arc::clone(provider)) {
            Ok(verifier) => Arc::new(verifier),
            Err(error) => {
                // an image without certificates is no reason to refuse a bucket that is reached by plain HTTP
                tracing::debug!(%error, "the system has no root certificates");
                Arc::new(Blind { provider: Arc::clone(provider), accept: false })
            }
        });
    }
    let verifier = Verifier::new_with_extra_roots(beside, Arc::clone(provider)).map_err(TlsError::Rustls)?;
    Ok(Arc::new(verifier))
}

fn read_certificates(setting: &'static str, path: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates = CertificateDer::pem_file_iter(Path::new(path))
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| file_error(setting, path, &error))?;
    if certificates.is_empty() {
        return Err(TlsError::File {
            setting,
            path: path.to_owned(),
            reason: "it holds no certificate in PEM form".to_owned(),
        });
    }
    Ok(certificates)
}

fn file_error(setting: &'static str, path: &str, error: &rustls::pki_types::pem::Error) -> TlsError {
    // the text of a PEM error can quote a line, and a line of a key file is a secret
    let reason = if let rustls::pki_types::pem::Error::Io(error) = error {
        error.to_string()
    } else {
        "it holds nothing of the kind in well-formed PEM".to_owned()
    };
    TlsError::File { setting, path: path.to_owned(), reason }
}

/// `server_name`: the certificate has to be for this name, whatever host was asked for.
#[derive(Debug)]
struct OtherName {
    name: ServerName<'static>,
    inner: Arc<dyn ServerCertVerifier>,
}

impl ServerCertVerifier for OtherName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.inner.verify_server_cert(end_entity, intermediates, &self.name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Looks at no certificate: with `insecure_skip_verify` any will do, without any root none will. The signatures of the
/// handshake are checked all the same.
#[derive(Debug)]
struct Blind {
    provider: Arc<CryptoProvider>,
    accept: bool,
}

impl ServerCertVerifier for Blind {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.accept {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::Error::General("the system has no root certificates: install them or set `ca_file`".to_owned()))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
