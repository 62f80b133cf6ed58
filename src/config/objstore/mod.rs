//! Thanos' `objstore.config`, read as Thanos reads it (`thanos-io/objstore/client/factory.go`): a `type` in any case,
//! a `config` whose keys the type decides, a `prefix`. The text of a value is kept as it is written; Thanos, which
//! decodes twice, would read the unquoted `access_key: 0123` as 83, a difference that nobody can rely on.

mod azure;
mod filesystem;
mod gcs;
mod http;
mod s3;

use std::sync::Arc;

use super::mistake::{Mistakes, Place};
use super::yaml::{self, Key, Kind, Node, Reading, Section, Table};
use crate::model::{BucketSettings, Provider, ProviderSettings};

/// The whole document.
pub(super) const ENVELOPE: Table = Table {
    keys: &[
        Key::new("type", Kind::Text, "", "`S3`, `GCS`, `AZURE` or `FILESYSTEM`, in any case."),
        Key::new("config", Kind::Other("mapping"), "", "Depends on the type, see below."),
        Key::new(
            "prefix",
            Kind::Text,
            "",
            "Only what is below this path is looked at. Slashes at either end are dropped.",
        ),
    ],
    lenient: false,
};

/// Types that Thanos knows and we cannot read yet.
const LATER: [&str; 6] = ["SWIFT", "COS", "ALIYUNOSS", "BOS", "OCI", "OBS"];

/// The types that can be read, each with the keys of its `config`, in the order of the documentation.
pub(super) const PROVIDERS: [(Provider, &Table); 4] = [
    (Provider::S3, &s3::TABLE),
    (Provider::Gcs, &gcs::TABLE),
    (Provider::Azure, &azure::TABLE),
    (Provider::Filesystem, &filesystem::TABLE),
];

/// The mappings inside `config`, for the documentation.
pub(super) const SHARED: [(&str, &Table); 4] = [
    ("http_config", &http::TABLE),
    ("tls_config", &http::TLS),
    ("sse_config", &s3::SSE),
    ("pipeline_config", &azure::PIPELINE),
];

/// Lowers a document. The name is that of bucket, container or directory. `None` where `type` or `config` is wrong;
/// there may be mistakes in what is given all the same.
pub(super) fn lower(node: &Node, place: Place, reading: &Reading, mistakes: &mut Mistakes) -> Option<BucketSettings> {
    let envelope = yaml::decode(node, place, ENVELOPE.keys, ENVELOPE.lenient, reading, mistakes)?;
    let provider = provider(&envelope, mistakes)?;
    let (_, table) = PROVIDERS.iter().find(|(candidate, _)| *candidate == provider)?;
    let config = match envelope.node("config") {
        Some(config) => {
            let inner = reading.key("config");
            yaml::decode(config, envelope.place("config"), table.keys, table.lenient, &inner, mistakes)?
        }
        None if envelope.is_given("config") => return None,
        None => {
            envelope.mistake(mistakes, "config", "is missing: say where the bucket is");
            return None;
        }
    };
    let (name, provider) = match provider {
        Provider::S3 => {
            let settings = s3::lower(&config, mistakes);
            (settings.bucket.clone(), ProviderSettings::S3(Box::new(settings)))
        }
        Provider::Gcs => {
            let settings = gcs::lower(&config, mistakes);
            (settings.bucket.clone(), ProviderSettings::Gcs(Box::new(settings)))
        }
        Provider::Azure => {
            let settings = azure::lower(&config, mistakes);
            (settings.container.clone(), ProviderSettings::Azure(Box::new(settings)))
        }
        Provider::Filesystem => {
            let settings = filesystem::lower(&config, mistakes);
            (filesystem::name(&settings), ProviderSettings::Filesystem(settings))
        }
    };
    let prefix = envelope.text("prefix").trim_matches('/').to_owned();
    Some(BucketSettings { name: Arc::from(name), prefix, provider })
}

fn provider(envelope: &Section, mistakes: &mut Mistakes) -> Option<Provider> {
    let known = || PROVIDERS.map(|(provider, _)| provider.name()).join(", ");
    if !envelope.is_given("type") {
        envelope.mistake(mistakes, "type", format!("is missing: expected one of {}", known()));
        return None;
    }
    let word = envelope.text("type").to_uppercase();
    let found = PROVIDERS.iter().find(|(provider, _)| provider.name() == word);
    if let Some((provider, _)) = found {
        return Some(*provider);
    }
    match LATER.iter().find(|later| **later == word) {
        Some(later) => {
            envelope.mistake(mistakes, "type", format!("{later} is not supported yet; supported are {}", known()));
        }
        // an unset variable, reported already, leaves nothing
        None if word.is_empty() => {}
        None => envelope.mistake(mistakes, "type", format!("expected one of {}", known())),
    }
    None
}

/// A host with an optional port, as Thanos' clients take it: without a scheme and a path.
fn require_host(section: &Section, name: &str, mistakes: &mut Mistakes) -> String {
    let text = section.text(name);
    let host = text.strip_suffix('/').unwrap_or(&text);
    if host.contains("://") {
        section.mistake(mistakes, name, "expected a host with an optional port, without a scheme such as https://");
    } else if host.contains(['/', '?', '#', '@']) || host.contains(char::is_whitespace) {
        section.mistake(mistakes, name, "expected a host with an optional port, such as s3.eu-central-1.amazonaws.com");
    }
    host.to_owned()
}

/// A Go `int` that Thanos does not look at closely.
const ANY: Kind = Kind::Integer(i64::MIN, i64::MAX);

/// `max_retries` and the like: 0 and less leave it to the default.
fn retries(section: &Section, name: &str) -> Option<u32> {
    section.integer(name).filter(|count| *count > 0).map(|count| u32::try_from(count).unwrap_or(u32::MAX))
}
