//! How the web server is guarded, as a web configuration file says it. Plain values: `config` reads them, `exporter`
//! uses them.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::Secret;

/// Where the settings of the web server come from. They are asked for again and again, so that a rotated certificate
/// or a changed password holds without a restart.
pub trait WebSource: Debug + Send + Sync {
    /// Reads everything, certificates included; otherwise says what is wrong, one mistake a line. Blocks.
    fn load(&self) -> Result<WebSettings, String>;

    /// What changes whenever `load` would give something else. Cheap; blocks all the same.
    fn stamp(&self) -> WebStamp;
}

/// Sizes and times of the files behind a [`WebSource`]. Only worth comparing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebStamp(pub Vec<u64>);

/// A web configuration file, with the files that it names read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebSettings {
    /// `basic_auth_users`: bcrypt hashes by user; empty = nobody is asked who he is.
    pub users: BTreeMap<String, Secret>,
    /// `tls_server_config`
    pub tls: Option<WebTls>,
    /// `http_server_config.headers`: sent with every response.
    pub headers: Vec<(String, String)>,
    /// `rate_limit`
    pub rate_limit: Option<RateLimit>,
}

/// `rate_limit`: a token bucket for all requests together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Time in which one request becomes free, in ms.
    pub interval_ms: u64,
    /// How many may come at once.
    pub burst: u32,
}

/// `tls_server_config`, with the content of its files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebTls {
    /// The server's certificate and those between it and the root, PEM.
    pub certificates: String,
    /// The key, PEM.
    pub key: Secret,
    /// `client_auth_type`
    pub client_auth: ClientAuth,
    /// Roots that a client's certificate has to come from, PEM; empty = none.
    pub client_roots: String,
    /// `client_allowed_sans`: a client's certificate has to bear one of these names; empty = any.
    pub client_allowed_sans: Vec<String>,
    /// `min_version`
    pub min_version: Option<TlsVersion>,
    /// `max_version`
    pub max_version: Option<TlsVersion>,
    /// `cipher_suites` of TLS 1.2, in Go's names; empty = all that are supported.
    pub cipher_suites: Vec<String>,
    /// `prefer_server_cipher_suites`
    pub prefer_client_order: bool,
    /// `curve_preferences`, in Go's names; empty = all that are supported.
    pub curves: Vec<String>,
}

/// A version of TLS that can be spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// 1.2
    V12,
    /// 1.3
    V13,
}

/// `client_auth_type`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// No certificate is asked for.
    #[default]
    None,
    /// One is asked for and neither needed nor looked at.
    Request,
    /// One is needed, whoever issued it.
    RequireAny,
    /// One that is given has to come from the roots.
    VerifyIfGiven,
    /// One from the roots is needed.
    RequireAndVerify,
}
