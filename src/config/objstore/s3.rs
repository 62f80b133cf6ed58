//! `type: S3` (`thanos-io/objstore/providers/s3`).

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{ANY, http, require_host, retries};
use crate::config::files;
use crate::config::mistake::Mistakes;
use crate::config::yaml::{Key, Kind, Section, Table};
use crate::model::{S3Encryption, S3Lookup, S3Settings, Secret};

const LOOKUPS: [&str; 3] = ["auto", "virtual-hosted", "path"];

/// The keys of `config`.
pub(super) const TABLE: Table = Table {
    keys: &[
        Key::new("bucket", Kind::Text, "", "Required."),
        Key::new("endpoint", Kind::Text, "", "Required: a host with an optional port, without a scheme."),
        Key::new("region", Kind::Text, "", "Found by itself where it is not given."),
        Key::new("insecure", Kind::Flag, "false", "Plain HTTP instead of HTTPS."),
        Key::new("disable_dualstack", Kind::Flag, "false", "Do not use Amazon's endpoints for both IPv4 and IPv6."),
        Key::new(
            "aws_sdk_auth",
            Kind::Flag,
            "false",
            "Find credentials as the AWS SDK does. Not together with `access_key`.",
        ),
        Key::new(
            "access_key",
            Kind::Secret,
            "",
            "Together with `secret_key`. Without both: environment, shared credentials file, web identity, instance metadata.",
        ),
        Key::new("secret_key", Kind::Secret, "", "Together with `access_key`."),
        Key::new("session_token", Kind::Secret, "", "For temporary keys."),
        Key::new("sts_endpoint", Kind::Text, "", "Where temporary credentials are asked for."),
        Key::new("bucket_lookup_type", Kind::Choice(&LOOKUPS), "auto", "How the bucket is put into the URL."),
        Key::new(
            "list_objects_version",
            Kind::Choice(&["", "v1", "v2"]),
            "v2",
            "`v1` for servers that know nothing else.",
        ),
        Key::new("sse_config", Kind::Section(&SSE), "", "See `sse_config` below."),
        Key::new("max_retries", ANY, "0", "`0` = the program's own bound, `1` = none."),
        Key::new("http_config", Kind::Section(&http::TABLE), "", "See `http_config` below."),
        Key::idle(
            "signature_version2",
            Kind::Flag,
            "requests are signed with version 4, which every server that knows version 2 knows too",
        ),
        Key::idle("put_user_metadata", Kind::TextMap, "concerns uploads"),
        Key::idle("trace", Kind::Section(&TRACE), "`--log.level debug` shows requests"),
        Key::idle("send_content_md5", Kind::Flag, "concerns uploads"),
        Key::idle("disable_multipart", Kind::Flag, "concerns uploads"),
        Key::idle("part_size", Kind::Integer(0, i64::MAX), "concerns uploads"),
    ],
    lenient: false,
};

/// `sse_config`
pub(super) const SSE: Table = Table {
    keys: &[
        Key::new(
            "type",
            Kind::Choice(&["", "SSE-S3", "SSE-KMS", "SSE-C"]),
            "",
            "`SSE-S3` and `SSE-KMS` have no effect on reading: the server decrypts.",
        ),
        Key::new(
            "encryption_key",
            Kind::File,
            "",
            "For `SSE-C`: a file with the 32 bytes of the key, which every read presents.",
        ),
        Key::new("kms_key_id", Kind::Text, "", "Required for `SSE-KMS`; has no effect on reading."),
        Key::idle("kms_encryption_context", Kind::TextMap, "concerns uploads"),
    ],
    lenient: false,
};

const TRACE: Table =
    Table { keys: &[Key::idle("enable", Kind::Flag, "`--log.level debug` shows requests")], lenient: false };

/// Lowers `config` and applies Thanos' rules.
pub(super) fn lower(config: &Section, mistakes: &mut Mistakes) -> S3Settings {
    config.require(mistakes, "bucket", "the name of the bucket");
    config.require(mistakes, "endpoint", "a host with an optional port, such as s3.eu-central-1.amazonaws.com");
    if config.flag("aws_sdk_auth") == Some(true) && config.is_given("access_key") {
        config.mistake(mistakes, "aws_sdk_auth", "excludes access_key: give one of them");
    }
    for (one, other) in [("access_key", "secret_key"), ("secret_key", "access_key")] {
        if config.is_given(one) && !config.is_given(other) {
            config.mistake(
                mistakes,
                one,
                format!("needs {other} beside it; give both, or neither to find credentials elsewhere"),
            );
        }
    }
    S3Settings {
        bucket: config.text("bucket"),
        endpoint: require_host(config, "endpoint", mistakes),
        region: config.text("region"),
        insecure: config.flag("insecure").unwrap_or_default(),
        disable_dualstack: config.flag("disable_dualstack").unwrap_or_default(),
        aws_sdk_auth: config.flag("aws_sdk_auth").unwrap_or_default(),
        access_key: config.secret("access_key"),
        secret_key: config.secret("secret_key"),
        session_token: config.secret("session_token"),
        sts_endpoint: config.text("sts_endpoint"),
        lookup: match config.text("bucket_lookup_type").as_str() {
            "virtual-hosted" => S3Lookup::VirtualHosted,
            "path" => S3Lookup::Path,
            _ => S3Lookup::Auto,
        },
        list_v1: config.text("list_objects_version") == "v1",
        encryption: config.section("sse_config").and_then(|sse| encryption(sse, mistakes)),
        max_retries: retries(config, "max_retries"),
        http: http::lower(config, mistakes),
    }
}

/// The key that every read has to present, if there is one.
fn encryption(sse: &Section, mistakes: &mut Mistakes) -> Option<S3Encryption> {
    match sse.text("type").as_str() {
        "SSE-KMS" => {
            sse.require(mistakes, "kms_key_id", "SSE-KMS needs the key's id");
            None
        }
        "SSE-C" => {
            sse.require(mistakes, "encryption_key", "SSE-C needs the path of the key file");
            let path = sse.text("encryption_key");
            if path.is_empty() {
                return None;
            }
            match files::read_bytes(Path::new(&path)) {
                Ok(key) if key.len() == 32 => Some(S3Encryption { customer_key: Secret::new(STANDARD.encode(key)) }),
                Ok(key) => {
                    let message = format!("the key file holds {} bytes, expected 32", key.len());
                    sse.mistake(mistakes, "encryption_key", message);
                    None
                }
                Err(reason) => {
                    // somebody may have put the key itself here, so the text is not repeated
                    sse.mistake(mistakes, "encryption_key", format!("expected the path of the key file; {reason}"));
                    None
                }
            }
        }
        _ => None,
    }
}
