//! How a server is reached: secrets and the files that hold them, passwords, TLS, proxy; and the heartbeat, which is
//! little more.

use std::path::Path;

use super::super::files;
use super::super::mistake::Mistakes;
use super::super::yaml::{Key, Kind, Section, Table};
use super::{check_no_login, check_url, duration, url};
use crate::model::{ClientSettings, HeartbeatSettings, SECOND_MS, Secret, SecretSource, TlsSettings};

/// `basic_auth`
pub(in crate::config) const BASIC_AUTH: Table = Table {
    keys: &[
        Key::new("username", Kind::Text, "", "Required."),
        Key::new("password", Kind::Secret, "", "Either this or `password_file`."),
        Key::new("password_file", Kind::File, "", "The file that holds it."),
    ],
    lenient: false,
};

/// `tls_config`
pub(in crate::config) const TLS: Table = Table {
    keys: &[
        Key::new("ca_file", Kind::File, "", "PEM file with the roots to trust instead of the system's."),
        Key::new("trust_root_ca", Kind::Flag, "false", "Trust the system's roots beside those of `ca_file`."),
        Key::new("cert_file", Kind::File, "", "PEM file with the client's certificate; needs `key_file`."),
        Key::new("key_file", Kind::File, "", "PEM file with the client's key; needs `cert_file`."),
        Key::new("server_name", Kind::Text, "", "The name to verify the server's certificate against."),
    ],
    lenient: false,
};

pub(super) const BASIC_AUTH_KEY: Key =
    Key::new("basic_auth", Kind::Section(&BASIC_AUTH), "", "Name and password for the server, see below.");
pub(super) const BEARER: Key =
    Key::new("bearer_token", Kind::Secret, "", "Sent as `Authorization: Bearer …`; excludes `basic_auth`.");
pub(super) const BEARER_FILE: Key = Key::new("bearer_token_file", Kind::File, "", "The file that holds it.");
pub(super) const TLS_KEY: Key = Key::new("tls_config", Kind::Section(&TLS), "", "Whom to trust, see below.");
pub(super) const PROXY: Key = Key::new(
    "proxy_url",
    Kind::Text,
    "that of the environment",
    "The proxy to ask through, without name and password.",
);

/// `notify.heartbeat`
pub(in crate::config) const HEARTBEAT: Table = Table {
    keys: &[
        Key::new("url", Kind::Secret, "", "Where to. Either this or `url_file`."),
        Key::new("url_file", Kind::File, "", "The file that holds it."),
        Key::new(
            "phases",
            Kind::Flag,
            "false",
            "Also ping `/start` before a cycle and `/fail` after one that failed, below the address.",
        ),
        Key::new("timeout", Kind::Duration, "10s", "For an answer. From `1s`, up to `10m`."),
        BASIC_AUTH_KEY,
        BEARER,
        BEARER_FILE,
        TLS_KEY,
        PROXY,
    ],
    lenient: false,
};

/// No attempt lasts longer, in ms: whoever waits for an answer holds up what is behind it.
const LONGEST_TIMEOUT: i64 = 600 * SECOND_MS;

/// `timeout`
pub(super) fn timeout(section: &Section, default: i64, mistakes: &mut Mistakes) -> i64 {
    let ms = duration(section, "timeout", default, SECOND_MS, mistakes);
    if ms > LONGEST_TIMEOUT {
        section.mistake(mistakes, "timeout", "expected at most 10m");
    }
    ms.min(LONGEST_TIMEOUT)
}

/// Lowers `notify.heartbeat`.
pub(super) fn heartbeat(section: &Section, folder: &Path, mistakes: &mut Mistakes) -> Option<HeartbeatSettings> {
    let url = secret_url(section, "url", "url_file", folder, mistakes);
    let timeout_ms = timeout(section, 10 * SECOND_MS, mistakes);
    let http = client(section, folder, mistakes);
    Some(HeartbeatSettings { url: url?, phases: section.flag("phases").unwrap_or_default(), timeout_ms, http })
}

/// Lowers what every client over HTTP has.
pub(super) fn client(section: &Section, folder: &Path, mistakes: &mut Mistakes) -> ClientSettings {
    let basic_auth = section.section("basic_auth").and_then(|inner| {
        inner.require(mistakes, "username", "give the name that goes with the password");
        let password = secret(inner, "password", "password_file", folder, mistakes);
        Some((Some(inner.text("username")).filter(|name| !name.is_empty())?, password?))
    });
    let bearer = optional_secret(section, "bearer_token", "bearer_token_file", folder, mistakes);
    if let Some(name) = ["bearer_token", "bearer_token_file"].into_iter().find(|name| section.is_given(name))
        && section.is_given("basic_auth")
    {
        section.mistake(mistakes, name, "excludes basic_auth: give one of them");
    }
    ClientSettings {
        tls: tls(section, folder, mistakes),
        basic_auth,
        bearer,
        proxy_url: url(section, "proxy_url", mistakes),
    }
}

/// Lowers `tls_config`.
pub(super) fn tls(section: &Section, folder: &Path, mistakes: &mut Mistakes) -> TlsSettings {
    let Some(section) = section.section("tls_config") else { return TlsSettings::default() };
    for (one, other) in [("cert_file", "key_file"), ("key_file", "cert_file")] {
        if section.is_given(one) && !section.is_given(other) {
            section.mistake(mistakes, one, format!("needs {other} beside it"));
        }
    }
    let mut file = |name: &str| {
        let path = Some(section.text(name)).filter(|path| !path.is_empty()).map(|path| folder.join(path));
        let path = path.unwrap_or_default();
        if !path.as_os_str().is_empty()
            && let Err(reason) = files::read_bytes(&path)
        {
            section.mistake(mistakes, name, format!("{} cannot be read: {reason}", path.display()));
        }
        path.to_string_lossy().into_owned()
    };
    TlsSettings {
        ca_file: file("ca_file"),
        trust_root_ca: section.flag("trust_root_ca").unwrap_or_default(),
        cert_file: file("cert_file"),
        key_file: file("key_file"),
        server_name: section.text("server_name"),
    }
}

/// A secret that has to be given, itself or by its file; `None` where something is wrong with it, which has been
/// reported then.
pub(super) fn secret(
    section: &Section,
    name: &str,
    file: &str,
    folder: &Path,
    mistakes: &mut Mistakes,
) -> Option<SecretSource> {
    if !section.is_given(name) && !section.is_given(file) {
        section.mistake(mistakes, name, format!("is missing: give it here, or name the file that holds it in {file}"));
    }
    optional_secret(section, name, file, folder, mistakes)
}

/// A secret that may be given.
pub(super) fn optional_secret(
    section: &Section,
    name: &str,
    file: &str,
    folder: &Path,
    mistakes: &mut Mistakes,
) -> Option<SecretSource> {
    Some(found(section, name, file, folder, mistakes)?.0)
}

/// A URL that holds a secret, and has to be given.
pub(super) fn secret_url(
    section: &Section,
    name: &str,
    file: &str,
    folder: &Path,
    mistakes: &mut Mistakes,
) -> Option<SecretSource> {
    if !section.is_given(name) && !section.is_given(file) {
        section.mistake(mistakes, name, format!("is missing: give it here, or name the file that holds it in {file}"));
    }
    let (source, text) = found(section, name, file, folder, mistakes)?;
    if let Err(expected) = check_url(text.expose()).and_then(|url| check_no_login(&url)) {
        let (name, inside) = match &source {
            SecretSource::Inline(_) => (name, ""),
            SecretSource::File(_) => (file, " in the file"),
        };
        section.mistake(mistakes, name, format!("{expected}{inside}"));
        return None;
    }
    Some(source)
}

/// A secret and what it is now.
fn found(
    section: &Section,
    name: &str,
    file: &str,
    folder: &Path,
    mistakes: &mut Mistakes,
) -> Option<(SecretSource, Secret)> {
    if section.is_given(name) && section.is_given(file) {
        section.mistake(mistakes, file, format!("excludes {name}: give one of them"));
        return None;
    }
    let text = section.secret(name);
    if !text.is_empty() {
        return Some((SecretSource::Inline(text.clone()), text));
    }
    let path = folder.join(Some(section.text(file)).filter(|path| !path.is_empty())?);
    let content = files::read_bytes(&path)
        .and_then(|bytes| String::from_utf8(bytes).ok().ok_or_else(|| "it is not UTF-8 text".to_owned()));
    match content.as_deref().map(str::trim) {
        Ok("") => section.mistake(mistakes, file, format!("{} is empty", path.display())),
        Ok(text) => return Some((SecretSource::File(path), Secret::new(text.to_owned()))),
        Err(reason) => section.mistake(mistakes, file, format!("{} cannot be read: {reason}", path.display())),
    }
    None
}
