//! `type: GCS` (`thanos-io/objstore/providers/gcs`).

use super::{ANY, http, retries};
use crate::config::mistake::Mistakes;
use crate::config::yaml::{Key, Kind, Section, Table};
use crate::model::GcsSettings;

/// The keys of `config`.
pub(super) const TABLE: Table = Table {
    keys: &[
        Key::new("bucket", Kind::Text, "", "Required."),
        Key::new(
            "service_account",
            Kind::Secret,
            "",
            "The JSON of a service account's key. Without: application default credentials.",
        ),
        Key::new("max_retries", ANY, "0", "`0` = the program's own bound, `1` = none."),
        Key::new("http_config", Kind::Section(&http::TABLE), "", "See `http_config` below."),
        Key::idle("use_grpc", Kind::Flag, "the same objects are read over HTTP"),
        Key::idle("grpc_conn_pool_size", ANY, "the same objects are read over HTTP"),
        Key::idle("chunk_size_bytes", ANY, "concerns uploads"),
    ],
    lenient: false,
};

/// Lowers `config` and applies Thanos' rules.
pub(super) fn lower(config: &Section, mistakes: &mut Mistakes) -> GcsSettings {
    config.require(mistakes, "bucket", "the name of the bucket");
    let account = config.secret("service_account");
    let is_json = || serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(account.expose()).is_ok();
    if !account.is_empty() && !is_json() {
        config.mistake(
            mistakes,
            "service_account",
            "expected the JSON of a service account's key, such as a block of text after |-",
        );
    }
    GcsSettings {
        bucket: config.text("bucket"),
        service_account: account,
        max_retries: retries(config, "max_retries"),
        http: http::lower(config, mistakes),
    }
}
