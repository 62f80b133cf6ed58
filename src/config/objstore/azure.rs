//! `type: AZURE` (`thanos-io/objstore/providers/azure`).

use super::{ANY, http, require_host, retries};
use crate::config::mistake::Mistakes;
use crate::config::yaml::{Key, Kind, Section, Table};
use crate::model::AzureSettings;

const ENDPOINT: &str = "blob.core.windows.net";
const COUNT: Kind = Kind::Integer(0, 2_147_483_647);

/// The keys of `config`.
pub(super) const TABLE: Table = Table {
    keys: &[
        Key::new("storage_account", Kind::Text, "", "Required."),
        Key::new("container", Kind::Text, "", "Required."),
        Key::new(
            "storage_account_key",
            Kind::Secret,
            "",
            "Not together with `storage_connection_string` or `user_assigned_id`.",
        ),
        Key::new(
            "storage_connection_string",
            Kind::Secret,
            "",
            "Not together with `storage_account_key` or `user_assigned_id`.",
        ),
        Key::new("endpoint", Kind::Text, ENDPOINT, "A host, without the account's name and without a scheme."),
        Key::new(
            "user_assigned_id",
            Kind::Text,
            "",
            "The managed identity to use. Not together with other credentials.",
        ),
        Key::new("az_tenant_id", Kind::Text, "", "Together with `client_id` and `client_secret`."),
        Key::new("client_id", Kind::Text, "", "Together with `az_tenant_id` and `client_secret`."),
        Key::new("client_secret", Kind::Secret, "", "Together with `az_tenant_id` and `client_id`."),
        Key::new("max_retries", ANY, "0", "`0` = the program's own bound. `pipeline_config.max_tries` wins."),
        Key::new("pipeline_config", Kind::Section(&PIPELINE), "", "See `pipeline_config` below."),
        Key::new("http_config", Kind::Section(&http::TABLE), "", "See `http_config` below."),
        Key::idle("storage_create_container", Kind::Flag, "nothing is ever created"),
        Key::idle("reader_config", Kind::Section(&READER), "a body that is cut is read again like any failed request"),
        Key::idle(
            "azure_storage_account_type",
            Kind::Choice(&["", "blob", "datalake"]),
            "both types are read by the same interface",
        ),
        Key::idle("msi_resource", Kind::Text, "deprecated in Thanos, where it has no effect either"),
    ],
    lenient: false,
};

/// `pipeline_config`
pub(super) const PIPELINE: Table = Table {
    keys: &[
        Key::new("max_tries", COUNT, "0", "`0` = as `max_retries`."),
        Key::idle("try_timeout", Kind::Duration, "the time-outs of `http_config` hold"),
        Key::idle("retry_delay", Kind::Duration, "the delays are the program's own, with jitter"),
        Key::idle("max_retry_delay", Kind::Duration, "the delays are the program's own, with jitter"),
    ],
    lenient: false,
};

const READER: Table = Table {
    keys: &[Key::idle("max_retry_requests", COUNT, "a body that is cut is read again like any failed request")],
    lenient: false,
};

/// Lowers `config` and applies Thanos' rules.
pub(super) fn lower(config: &Section, mistakes: &mut Mistakes) -> AzureSettings {
    config.require(mistakes, "storage_account", "the name of the storage account");
    config.require(mistakes, "container", "the name of the container");
    for (one, other) in [
        ("user_assigned_id", "storage_account_key"),
        ("user_assigned_id", "storage_connection_string"),
        ("user_assigned_id", "client_id"),
        ("storage_account_key", "storage_connection_string"),
    ] {
        if config.is_given(one) && config.is_given(other) {
            config.mistake(mistakes, one, format!("excludes {other}: give one of them"));
        }
    }
    let client = ["az_tenant_id", "client_id", "client_secret"];
    if let Some(given) = client.iter().find(|name| config.is_given(name)) {
        for missing in client.iter().filter(|name| !config.is_given(name)) {
            config.mistake(mistakes, given, format!("needs {missing} beside it"));
        }
    }
    let endpoint =
        if config.is_given("endpoint") { require_host(config, "endpoint", mistakes) } else { ENDPOINT.into() };
    let tries = config.section("pipeline_config").and_then(|pipeline| retries(pipeline, "max_tries"));
    AzureSettings {
        storage_account: config.text("storage_account"),
        storage_account_key: config.secret("storage_account_key"),
        storage_connection_string: config.secret("storage_connection_string"),
        container: config.text("container"),
        endpoint,
        user_assigned_id: config.text("user_assigned_id"),
        tenant_id: config.text("az_tenant_id"),
        client_id: config.text("client_id"),
        client_secret: config.secret("client_secret"),
        max_retries: tries.or_else(|| retries(config, "max_retries")),
        http: http::lower(config, mistakes),
    }
}
