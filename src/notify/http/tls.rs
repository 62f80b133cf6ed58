//! TLS of the client: rustls with ring. As for buckets, the roots of `ca_file` stand instead of the system's unless both
//! are asked for.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;

use crate::model::TlsSettings;
use crate::notify::OpenError;

/// The client's side of TLS for `settings`.
pub(super) fn client_config(settings: &TlsSettings) -> Result<ClientConfig, OpenError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = verifier(settings, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(&error))?;
    let builder = match verifier {
        Some(inner) if !settings.server_name.is_empty() => {
            let name = ServerName::try_from(settings.server_name.clone()).map_err(|_no_name| OpenError::Tls {
                reason: format!("`server_name`: `{}` is neither a host name nor an IP address", settings.server_name),
            })?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(OtherName { name, inner }))
        }
        Some(verifier) => builder.dangerous().with_custom_certificate_verifier(verifier),
        None => builder.with_root_certificates(RootCertStore::empty()),
    };
    if settings.cert_file.is_empty() && settings.key_file.is_empty() {
        return Ok(builder.with_no_client_auth());
    }
    let certificates = certificates("cert_file", &settings.cert_file)?;
    let key = PrivateKeyDer::from_pem_file(Path::new(&settings.key_file))
        .map_err(|error| file_error("key_file", &settings.key_file, &error))?;
    builder.with_client_auth_cert(certificates, key).map_err(|error| refused(&error))
}

/// `None`: the system has no roots. That is no reason to refuse a server that is reached by plain HTTP.
fn verifier(
    settings: &TlsSettings,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ServerCertVerifier>>, OpenError> {
    let own = match settings.ca_file.as_str() {
        "" => Vec::new(),
        path => certificates("ca_file", path)?,
    };
    if own.is_empty() {
        return Ok(match Verifier::new(Arc::clone(provider)) {
            Ok(verifier) => Some(Arc::new(verifier)),
            Err(error) => {
                tracing::debug!(%error, "the system has no root certificates");
                None
            }
        });
    }
    if settings.trust_root_ca {
        let verifier = Verifier::new_with_extra_roots(own, Arc::clone(provider)).map_err(|error| refused(&error))?;
        return Ok(Some(Arc::new(verifier)));
    }
    let mut roots = RootCertStore::empty();
    for certificate in own {
        roots.add(certificate).map_err(|error| refused(&error))?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    Ok(Some(verifier.map_err(|error| OpenError::Tls { reason: error.to_string() })?))
}

fn certificates(setting: &'static str, path: &str) -> Result<Vec<CertificateDer<'static>>, OpenError> {
    let certificates = CertificateDer::pem_file_iter(Path::new(path))
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| file_error(setting, path, &error))?;
    if certificates.is_empty() {
        let reason = format!("`{setting}`: `{path}` holds no certificate in PEM form");
        return Err(OpenError::Tls { reason });
    }
    Ok(certificates)
}

fn file_error(setting: &'static str, path: &str, error: &PemError) -> OpenError {
    // the text of a PEM error can quote a line, and a line of a key file is a secret
    let why = if let PemError::Io(error) = error { error.to_string() } else { "it is not well-formed PEM".to_owned() };
    OpenError::Tls { reason: format!("`{setting}`: cannot use `{path}`: {why}") }
}

fn refused(error: &rustls::Error) -> OpenError {
    OpenError::Tls { reason: error.to_string() }
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
