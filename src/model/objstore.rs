//! Where a bucket is and how it is reached, as a Thanos `objstore.config` file says it. Plain values: `config` reads
//! them, `discover` uses them.

use std::fmt;
use std::sync::Arc;

use ulid::Ulid;

/// A secret. It is never printed; whoever needs it says so by `expose`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub const fn new(value: String) -> Self {
        Self(value)
    }

    /// The value, for the one place that signs or sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// There is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The storage types that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Provider {
    /// Amazon S3 and what speaks its protocol.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage.
    Azure,
    /// A local directory.
    Filesystem,
}

impl Provider {
    /// The word in `type:`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::S3 => "S3",
            Self::Gcs => "GCS",
            Self::Azure => "AZURE",
            Self::Filesystem => "FILESYSTEM",
        }
    }
}

/// One bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketSettings {
    /// The name in output: configured, else that of bucket, container or directory.
    pub name: Arc<str>,
    /// Without slashes at either end; empty = none.
    pub prefix: String,
    /// By type.
    pub provider: ProviderSettings,
}

/// By type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderSettings {
    /// `type: S3`
    S3(Box<S3Settings>),
    /// `type: GCS`
    Gcs(Box<GcsSettings>),
    /// `type: AZURE`
    Azure(Box<AzureSettings>),
    /// `type: FILESYSTEM`
    Filesystem(FilesystemSettings),
}

impl BucketSettings {
    /// The kind of storage.
    pub const fn kind(&self) -> Provider {
        match self.provider {
            ProviderSettings::S3(_) => Provider::S3,
            ProviderSettings::Gcs(_) => Provider::Gcs,
            ProviderSettings::Azure(_) => Provider::Azure,
            ProviderSettings::Filesystem(_) => Provider::Filesystem,
        }
    }

    /// What identifies the bucket in the ledger: type, endpoint, bucket and prefix, never the name or a secret.
    pub fn ledger_key(&self) -> String {
        let (endpoint, bucket) = match &self.provider {
            ProviderSettings::S3(s3) => (s3.endpoint.as_str(), s3.bucket.as_str()),
            ProviderSettings::Gcs(gcs) => ("", gcs.bucket.as_str()),
            ProviderSettings::Azure(azure) => (azure.endpoint.as_str(), azure.container.as_str()),
            ProviderSettings::Filesystem(folder) => ("", folder.directory.as_str()),
        };
        let folders = match &self.provider {
            ProviderSettings::Filesystem(folder) => folder.blocks.iter().map(|block| block.name.as_str()).collect(),
            ProviderSettings::S3(_) | ProviderSettings::Gcs(_) | ProviderSettings::Azure(_) => Vec::new(),
        };
        let account = match &self.provider {
            ProviderSettings::Azure(azure) => azure.storage_account.as_str(),
            ProviderSettings::S3(_) | ProviderSettings::Gcs(_) | ProviderSettings::Filesystem(_) => "",
        };
        // a separator that none of the parts can hold, so that no two buckets share a key
        let place = [self.kind().name(), endpoint, account, bucket, &self.prefix];
        place.into_iter().chain(folders).collect::<Vec<_>>().join("\u{1f}")
    }
}

/// `http_config`, times in ms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// `idle_conn_timeout`
    pub idle_conn_timeout_ms: u64,
    /// `response_header_timeout`
    pub response_header_timeout_ms: u64,
    /// `insecure_skip_verify`
    pub insecure_skip_verify: bool,
    /// `tls_handshake_timeout`
    pub tls_handshake_timeout_ms: u64,
    /// `max_idle_conns_per_host`
    pub max_idle_conns_per_host: u32,
    /// `max_conns_per_host`; 0 = no bound of its own
    pub max_conns_per_host: u32,
    /// `tls_config`
    pub tls: TlsSettings,
}

impl Default for HttpSettings {
    /// The defaults of Thanos' `exthttp`.
    fn default() -> Self {
        Self {
            idle_conn_timeout_ms: 90_000,
            response_header_timeout_ms: 120_000,
            insecure_skip_verify: false,
            tls_handshake_timeout_ms: 10_000,
            max_idle_conns_per_host: 100,
            max_conns_per_host: 0,
            tls: TlsSettings::default(),
        }
    }
}

/// `tls_config`; empty = absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// PEM file of the roots that stand instead of the system's.
    pub ca_file: String,
    /// Trust the system's roots beside those of `ca_file`.
    pub trust_root_ca: bool,
    /// PEM file of the client's certificate.
    pub cert_file: String,
    /// PEM file of the client's key.
    pub key_file: String,
    /// The name to verify the server's certificate against.
    pub server_name: String,
}

/// `type: S3`; empty strings = absent.
#[expect(clippy::struct_excessive_bools, reason = "as many independent switches as Thanos has")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct S3Settings {
    /// `bucket`
    pub bucket: String,
    /// `endpoint`: host, optional port, no scheme.
    pub endpoint: String,
    /// `region`
    pub region: String,
    /// `insecure`: plain HTTP.
    pub insecure: bool,
    /// `disable_dualstack`
    pub disable_dualstack: bool,
    /// `aws_sdk_auth`: the AWS SDK's default chain instead of static keys or minio's chain.
    pub aws_sdk_auth: bool,
    /// `access_key`
    pub access_key: Secret,
    /// `secret_key`
    pub secret_key: Secret,
    /// `session_token`
    pub session_token: Secret,
    /// `sts_endpoint`
    pub sts_endpoint: String,
    /// `bucket_lookup_type`
    pub lookup: S3Lookup,
    /// `list_objects_version: v1`
    pub list_v1: bool,
    /// `sse_config`, as far as it concerns reading.
    pub encryption: Option<S3Encryption>,
    /// `max_retries`; `None` = our default.
    pub max_retries: Option<u32>,
    /// `http_config`
    pub http: HttpSettings,
}

/// How the bucket is put into the URL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum S3Lookup {
    /// As minio-go does: virtual-hosted for Amazon, path for everybody else.
    #[default]
    Auto,
    /// `bucket.endpoint`
    VirtualHosted,
    /// `endpoint/bucket`
    Path,
}

/// Encryption with a key that every read has to present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Encryption {
    /// Base64 of the 32 bytes in the file that `encryption_key` names: they need not be text.
    pub customer_key: Secret,
}

/// `type: GCS`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GcsSettings {
    /// `bucket`
    pub bucket: String,
    /// `service_account`: JSON, or empty for application default credentials.
    pub service_account: Secret,
    /// `max_retries`
    pub max_retries: Option<u32>,
    /// `http_config`
    pub http: HttpSettings,
}

/// `type: AZURE`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AzureSettings {
    /// `storage_account`
    pub storage_account: String,
    /// `storage_account_key`
    pub storage_account_key: Secret,
    /// `storage_connection_string`
    pub storage_connection_string: Secret,
    /// `container`
    pub container: String,
    /// `endpoint`, host only: `blob.core.windows.net`
    pub endpoint: String,
    /// `user_assigned_id`
    pub user_assigned_id: String,
    /// `az_tenant_id`
    pub tenant_id: String,
    /// `client_id`
    pub client_id: String,
    /// `client_secret`
    pub client_secret: Secret,
    /// `max_retries` and `pipeline_config.max_tries`
    pub max_retries: Option<u32>,
    /// `http_config`
    pub http: HttpSettings,
}

/// `type: FILESYSTEM`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilesystemSettings {
    /// `directory`
    pub directory: String,
    /// Only these of its folders, each of which is a block; empty for all. Not from a configuration: `verify PATH`.
    pub blocks: Vec<BlockFolder>,
}

/// A folder that is a block, whatever it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockFolder {
    /// Its name in the directory.
    pub name: String,
    /// The block that it is taken for.
    pub block: Ulid,
}
