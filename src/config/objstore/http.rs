//! `http_config` and `tls_config` (`thanos-io/objstore/exthttp`).

use super::ANY;
use crate::config::mistake::Mistakes;
use crate::config::yaml::{Key, Kind, Section, Table};
use crate::model::{HttpSettings, TlsSettings};

/// `http_config`
pub(super) const TABLE: Table = Table {
    keys: &[
        Key::new(
            "idle_conn_timeout",
            Kind::Duration,
            "1m30s",
            "How long a connection is kept that nobody uses. `0s` counts as the default: nothing here waits for ever.",
        ),
        Key::new(
            "response_header_timeout",
            Kind::Duration,
            "2m",
            "How long to wait for the beginning of an answer. `0s` counts as the default.",
        ),
        Key::new("insecure_skip_verify", Kind::Flag, "false", "Do not verify the server's certificate."),
        Key::new("tls_handshake_timeout", Kind::Duration, "10s", "`0s` counts as the default."),
        Key::new("max_idle_conns_per_host", ANY, "100", "How many connections are kept that nobody uses."),
        Key::new("max_conns_per_host", ANY, "0", "`0` = no bound but that of the requests in flight."),
        Key::new("tls_config", Kind::Section(&TLS), "", "See `tls_config` below."),
        Key::idle("expect_continue_timeout", Kind::Duration, "concerns uploads"),
        Key::idle("max_idle_conns", ANY, "a client here speaks to one host; `max_idle_conns_per_host` counts"),
        Key::idle("force_attempt_http2", Kind::Flag, "the protocol is agreed upon with the server"),
        Key::idle(
            "disable_compression",
            Kind::Flag,
            "objects are read as they are stored; Thanos does not pass it on either",
        ),
    ],
    lenient: false,
};

/// `tls_config`
pub(super) const TLS: Table = Table {
    keys: &[
        Key::new("ca_file", Kind::File, "", "PEM file with the roots to trust instead of the system's."),
        Key::new("trust_root_ca", Kind::Flag, "false", "Trust the system's roots beside those of `ca_file`."),
        Key::new("cert_file", Kind::File, "", "PEM file with the client's certificate; needs `key_file`."),
        Key::new("key_file", Kind::File, "", "PEM file with the client's key; needs `cert_file`."),
        Key::new("server_name", Kind::Text, "", "The name to verify the server's certificate against."),
        Key::idle("insecure_skip_verify", Kind::Flag, "as in Thanos, that of `http_config` counts"),
    ],
    lenient: false,
};

/// `http_config` of a provider; the defaults where there is none.
pub(super) fn lower(config: &Section, mistakes: &mut Mistakes) -> HttpSettings {
    let defaults = HttpSettings::default();
    let Some(section) = config.section("http_config") else { return defaults };
    let time = |name, default| match section.ms(name).and_then(|ms| u64::try_from(ms).ok()) {
        None | Some(0) => default,
        Some(ms) => ms,
    };
    let idle = match section.integer("max_idle_conns_per_host") {
        None => defaults.max_idle_conns_per_host,
        // what Go's transport makes of its zero value
        Some(0) => 2,
        Some(count) => u32::try_from(count.max(0)).unwrap_or(u32::MAX),
    };
    HttpSettings {
        idle_conn_timeout_ms: time("idle_conn_timeout", defaults.idle_conn_timeout_ms),
        response_header_timeout_ms: time("response_header_timeout", defaults.response_header_timeout_ms),
        insecure_skip_verify: section.flag("insecure_skip_verify").unwrap_or_default(),
        tls_handshake_timeout_ms: time("tls_handshake_timeout", defaults.tls_handshake_timeout_ms),
        max_idle_conns_per_host: idle,
        max_conns_per_host: section
            .integer("max_conns_per_host")
            .map_or(0, |count| u32::try_from(count.max(0)).unwrap_or(u32::MAX)),
        tls: section.section("tls_config").map(|tls| lower_tls(tls, mistakes)).unwrap_or_default(),
    }
}

fn lower_tls(section: &Section, mistakes: &mut Mistakes) -> TlsSettings {
    for (one, other) in [("cert_file", "key_file"), ("key_file", "cert_file")] {
        if section.is_given(one) && !section.is_given(other) {
            section.mistake(mistakes, one, format!("needs {other} beside it"));
        }
    }
    TlsSettings {
        ca_file: section.text("ca_file"),
        trust_root_ca: section.flag("trust_root_ca").unwrap_or_default(),
        cert_file: section.text("cert_file"),
        key_file: section.text("key_file"),
        server_name: section.text("server_name"),
    }
}
