//! `--web.config.file`, in the format of Prometheus' exporter toolkit (`docs/web-configuration.md` there), so that a
//! file that serves other exporters serves us as it is. What it names is read along with it.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use super::ConfigErrors;
use super::files;
use super::mistake::Mistakes;
use super::yaml::{self, Content, Entry, Key, Kind, Node, Reading, Section, Source, Table};
use crate::model::{ClientAuth, RateLimit, Secret, TlsVersion, WebSettings, WebSource, WebStamp, WebTls};

/// The top level.
pub(super) const TABLE: Table = Table {
    keys: &[
        Key::new("tls_server_config", Kind::Section(&TLS), "", "Answer over TLS. Without it, in the clear."),
        Key::new("http_server_config", Kind::Section(&HTTP), "", "What goes along with every answer."),
        Key::new(
            "basic_auth_users",
            Kind::Other("mapping of texts, secret"),
            "",
            "Names and bcrypt hashes of their passwords (`htpasswd -nBC 10 NAME`). Without any, everybody is let in. No path is exempt.",
        ),
        Key::new(
            "rate_limit",
            Kind::Section(&RATE_LIMIT),
            "",
            "A token bucket for all requests together; beyond it, 429.",
        ),
    ],
    lenient: false,
};

/// `tls_server_config`
pub(super) const TLS: Table = Table {
    keys: &[
        Key::new("cert_file", Kind::File, "", "Certificate, PEM, with those between it and the root."),
        Key::new("cert", Kind::Text, "", "The same as text, instead of `cert_file`."),
        Key::new("key_file", Kind::File, "", "Its key, PEM."),
        Key::new("key", Kind::Secret, "", "The same as text, instead of `key_file`."),
        Key::new(
            "client_auth_type",
            Kind::Choice(&CLIENT_AUTH),
            "NoClientCert",
            "Whether clients need certificates. Only `RequireAndVerifyClientCert` keeps anybody out for sure.",
        ),
        Key::new("client_ca_file", Kind::File, "", "The roots of clients' certificates, PEM."),
        Key::new("client_ca", Kind::Text, "", "The same as text, instead of `client_ca_file`."),
        Key::new(
            "client_allowed_sans",
            Kind::Texts,
            "",
            "A client's certificate has to bear one of these DNS names, IP addresses, mail addresses or URIs, exactly.",
        ),
        Key::new(
            "min_version",
            Kind::Choice(&VERSIONS),
            "TLS12",
            "The oldest version that is spoken. `TLS10` and `TLS11` mean `TLS12`: what is older is never spoken.",
        ),
        Key::new("max_version", Kind::Choice(&VERSIONS), "TLS13", "The newest version that is spoken, from `TLS12`."),
        Key::new(
            "cipher_suites",
            Kind::Texts,
            "",
            "Those of TLS 1.2 that may be used, in Go's names, best first: ECDHE with AES-GCM or ChaCha20. Others are passed over. Those of TLS 1.3 are always on.",
        ),
        Key::new(
            "prefer_server_cipher_suites",
            Kind::Flag,
            "true",
            "The order of the server counts, not that of the client.",
        ),
        Key::new(
            "curve_preferences",
            Kind::Texts,
            "",
            "Best first: `X25519`, `CurveP256`, `CurveP384`. Others are passed over.",
        ),
    ],
    lenient: false,
};

/// `http_server_config`
pub(super) const HTTP: Table = Table {
    keys: &[
        Key::idle("http2", Kind::Flag, "only HTTP/1.1 is spoken, which all clients can"),
        Key::new(
            "headers",
            Kind::Other("mapping of texts"),
            "",
            "Sent with every answer: `Content-Security-Policy`, `Strict-Transport-Security`, `X-Content-Type-Options`, `X-Frame-Options`, `X-XSS-Protection`.",
        ),
    ],
    lenient: false,
};

/// `rate_limit`
pub(super) const RATE_LIMIT: Table = Table {
    keys: &[
        Key::new("interval", Kind::Interval, "0s", "Time in which one request becomes free; `0s` = no limit."),
        Key::new(
            "burst",
            Kind::Integer(0, 1_000_000),
            "0",
            "How many may come at once; from 1 where there is a limit.",
        ),
    ],
    lenient: false,
};

const VERSIONS: [&str; 5] = ["TLS13", "TLS12", "TLS11", "TLS10", ""];
const CLIENT_AUTH: [&str; 7] = [
    "NoClientCert",
    "RequestClientCert",
    "RequireAnyClientCert",
    // the older name of the one before
    "RequireClientCert",
    "VerifyClientCertIfGiven",
    "RequireAndVerifyClientCert",
    "",
];

/// In Go's names; those of TLS 1.3 may be listed and are on anyway.
const CIPHER_SUITES: [&str; 9] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];
/// Those that Go has or had and rustls, for good reasons, has not.
const CIPHER_SUITES_OF_GO: [&str; 8] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
];
const CURVES: [&str; 3] = ["X25519", "CurveP256", "CurveP384"];
const CURVES_OF_GO: [&str; 2] = ["CurveP521", "X25519MLKEM768"];

/// The headers that the toolkit lets one send, and their possible values; none = any.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Content-Security-Policy", &[]),
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
];

/// A web configuration file.
#[derive(Debug)]
pub struct WebFile {
    path: PathBuf,
    /// What the file named when it was read last.
    named: Mutex<Vec<PathBuf>>,
}

impl WebFile {
    /// The file at `path`; nothing is read yet.
    pub const fn new(path: PathBuf) -> Self {
        Self { path, named: Mutex::new(Vec::new()) }
    }

    /// Reads everything; gives all mistakes at once. Relative paths count from the folder of the file. As the toolkit,
    /// and other than our own file, it knows no environment variables.
    pub fn read(&self) -> Result<WebSettings, ConfigErrors> {
        let mut mistakes = Mistakes::default();
        let mut named = Vec::new();
        let settings = read(&self.path, &mut named, &mut mistakes);
        *self.named.lock().unwrap_or_else(PoisonError::into_inner) = named;
        mistakes.finish(settings)
    }
}

impl WebSource for WebFile {
    fn load(&self) -> Result<WebSettings, String> {
        self.read().map_err(|errors| errors.to_string())
    }

    fn stamp(&self) -> WebStamp {
        let named = self.named.lock().unwrap_or_else(PoisonError::into_inner).clone();
        WebStamp([&self.path].into_iter().chain(&named).flat_map(|path| look(path)).collect())
    }
}

/// Time of the last change, length and number of a file, whatever links lead to it. A file that is not there is one
/// that has a stamp of its own too.
fn look(path: &Path) -> [u64; 3] {
    let Ok(metadata) = std::fs::metadata(path) else { return [0; 3] };
    let changed = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let nanoseconds = changed.and_then(|since| u64::try_from(since.as_nanos()).ok());
    [nanoseconds.unwrap_or_default(), metadata.len(), number(&metadata)]
}

/// A file that was put in the place of another one may have its time and length.
#[cfg(unix)]
fn number(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn number(_metadata: &Metadata) -> u64 {
    0
}

fn read(path: &Path, named: &mut Vec<PathBuf>, mistakes: &mut Mistakes) -> WebSettings {
    let file: Arc<str> = Arc::from(path.to_string_lossy().as_ref());
    let bytes = match files::read_bytes(path) {
        Ok(bytes) => bytes,
        Err(reason) => {
            mistakes.add_file(&file, format!("cannot be read: {reason}"));
            return WebSettings::default();
        }
    };
    let Some(source) = Source::verbatim(Arc::clone(&file), &bytes, mistakes) else { return WebSettings::default() };
    let Some(node) = yaml::parse(&source, mistakes) else { return WebSettings::default() };
    let reading = Reading::top(&file);
    let Some(top) = yaml::decode(&node, node.place, TABLE.keys, TABLE.lenient, &reading, mistakes) else {
        return WebSettings::default();
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    WebSettings {
        users: users(&top, mistakes),
        tls: top.section("tls_server_config").and_then(|section| tls(section, folder, named, mistakes)),
        headers: top.section("http_server_config").map(|section| headers(section, mistakes)).unwrap_or_default(),
        rate_limit: top.section("rate_limit").and_then(|section| rate_limit(section, mistakes)),
    }
}

/// The single values of a mapping whose keys are free; others are mistakes.
fn texts<'a>(section: &'a Section, name: &str, mistakes: &mut Mistakes) -> Vec<(&'a Entry, &'a str)> {
    let Some(node) = section.node(name) else { return Vec::new() };
    let Content::Mapping(entries) = &node.content else {
        section.mistake(mistakes, name, format!("expected a mapping, found {}", node.kind()));
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in entries {
        match &entry.value {
            Node { content: Content::Scalar { text, .. }, .. } => found.push((entry, text.as_str())),
            node => {
                let message = format!("expected text, found {}", node.kind());
                mistakes.add(&section.reading().file, entry.place, &section.reading().key(name).path, message);
            }
        }
    }
    found
}

fn users(top: &Section, mistakes: &mut Mistakes) -> BTreeMap<String, Secret> {
    const NAME: &str = "basic_auth_users";
    let mut users = BTreeMap::new();
    for (entry, hash) in texts(top, NAME, mistakes) {
        if is_bcrypt(hash) {
            users.insert(entry.key.clone(), Secret::new(hash.to_owned()));
        } else {
            let message = "expected a bcrypt hash, as `htpasswd -nBC 10 NAME` gives it after the colon";
            mistakes.add(&top.reading().file, entry.place, &top.reading().key(NAME).path, message);
        }
        if entry.key.contains(':') {
            let message = "expected a name without a colon, which ends the name in HTTP";
            mistakes.add(&top.reading().file, entry.place, &top.reading().key(NAME).path, message);
        }
    }
    users
}

/// `$2b$10$`, 22 characters of salt and 31 of hash.
fn is_bcrypt(hash: &str) -> bool {
    let mut parts = hash.split('$');
    let (nothing, version, cost, rest) = (parts.next(), parts.next(), parts.next(), parts.next());
    let is_alphabet = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/'));
    nothing == Some("")
        && version.is_some_and(|version| matches!(version, "2a" | "2b" | "2x" | "2y"))
        && cost.is_some_and(|cost| cost.len() == 2 && cost.parse::<u32>().is_ok_and(|cost| (4..=31).contains(&cost)))
        && rest.is_some_and(|rest| rest.len() == 53 && is_alphabet(rest))
        && parts.next().is_none()
}

fn headers(section: &Section, mistakes: &mut Mistakes) -> Vec<(String, String)> {
    const NAME: &str = "headers";
    let mut headers = Vec::new();
    for (entry, value) in texts(section, NAME, mistakes) {
        let message = match HEADERS.iter().find(|(name, _)| *name == entry.key) {
            None => format!("expected one of {}", HEADERS.map(|(name, _)| name).join(", ")),
            Some((_, choices)) if !choices.is_empty() && !value.is_empty() && !choices.contains(&value) => {
                format!("expected one of {}", choices.join(", "))
            }
            Some(_) if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) => {
                "expected one line of ASCII text".to_owned()
            }
            Some(_) => {
                // blank = not sent
                if !value.is_empty() {
                    headers.push((entry.key.clone(), value.to_owned()));
                }
                continue;
            }
        };
        mistakes.add(&section.reading().file, entry.place, &section.reading().key(NAME).path, message);
    }
    headers
}

fn rate_limit(section: &Section, mistakes: &mut Mistakes) -> Option<RateLimit> {
    let interval_ms = u64::try_from(section.ms("interval")?).unwrap_or_default();
    let burst = section.integer("burst").and_then(|burst| u32::try_from(burst).ok()).unwrap_or_default();
    if interval_ms == 0 {
        return None;
    }
    if burst == 0 {
        section.mistake(mistakes, "burst", "expected at least 1: without it nobody is let in");
    }
    Some(RateLimit { interval_ms, burst })
}

fn tls(section: &Section, folder: &Path, named: &mut Vec<PathBuf>, mistakes: &mut Mistakes) -> Option<WebTls> {
    if !TLS.keys.iter().any(|key| section.is_given(key.name)) {
        return None;
    }
    let mut pem = |name: &'static str, file: &'static str| text_or_file(section, name, file, folder, named, mistakes);
    let certificates = pem("cert", "cert_file");
    let key = Secret::new(pem("key", "key_file"));
    let client_roots = pem("client_ca", "client_ca_file");
    for (name, file, what) in [("cert", "cert_file", "the certificate"), ("key", "key_file", "the key")] {
        if !section.is_given(name) {
            section.require(mistakes, file, &format!("name the file with {what}; TLS needs both certificate and key"));
        }
    }
    let has_roots = section.is_given("client_ca") || section.is_given("client_ca_file");
    let client_auth = client_auth(section, has_roots, mistakes);
    let (min_version, max_version) = versions(section, mistakes);
    Some(WebTls {
        certificates,
        key,
        client_auth,
        client_roots,
        client_allowed_sans: section.texts("client_allowed_sans").unwrap_or_default().to_vec(),
        min_version,
        max_version,
        cipher_suites: choices(section, "cipher_suites", &CIPHER_SUITES, &CIPHER_SUITES_OF_GO, mistakes),
        prefer_client_order: section.flag("prefer_server_cipher_suites") == Some(false),
        curves: choices(section, "curve_preferences", &CURVES, &CURVES_OF_GO, mistakes),
    })
}

/// A text that stands in the file itself or in one of its own.
fn text_or_file(
    section: &Section,
    name: &'static str,
    file: &'static str,
    folder: &Path,
    named: &mut Vec<PathBuf>,
    mistakes: &mut Mistakes,
) -> String {
    if !section.is_given(file) {
        return section.text(name);
    }
    if section.is_given(name) {
        section.mistake(mistakes, name, format!("excludes {file}: give one of them"));
    }
    let given = section.text(file);
    if given.is_empty() {
        return String::new();
    }
    let path = folder.join(given);
    let text = files::read_bytes(&path)
        .and_then(|bytes| String::from_utf8(bytes).ok().ok_or_else(|| "it is not UTF-8 text".to_owned()));
    let text = text.unwrap_or_else(|reason| {
        section.mistake(mistakes, file, format!("{} cannot be read: {reason}", path.display()));
        String::new()
    });
    named.push(path);
    text
}

fn client_auth(section: &Section, has_roots: bool, mistakes: &mut Mistakes) -> ClientAuth {
    const NAME: &str = "client_auth_type";
    const NAMES: &str = "client_allowed_sans";
    let client_auth = match section.text(NAME).as_str() {
        "RequestClientCert" => ClientAuth::Request,
        "RequireAnyClientCert" | "RequireClientCert" => ClientAuth::RequireAny,
        "VerifyClientCertIfGiven" => ClientAuth::VerifyIfGiven,
        "RequireAndVerifyClientCert" => ClientAuth::RequireAndVerify,
        // what is wrong has been reported
        _ => ClientAuth::None,
    };
    if let Some(names) = section.texts(NAMES) {
        if names.is_empty() {
            section.mistake(mistakes, NAMES, "is empty: nobody could connect; remove it or name somebody");
        } else if !matches!(client_auth, ClientAuth::RequireAny | ClientAuth::RequireAndVerify) {
            let message = "needs client_auth_type RequireAndVerifyClientCert (or RequireAnyClientCert): others let clients \
                           in that have no certificate";
            section.mistake(mistakes, NAMES, message);
        }
    }
    match client_auth {
        ClientAuth::None if has_roots => {
            section.mistake(
                mistakes,
                NAME,
                "is missing: with client_ca_file and without it, nobody is asked for a certificate",
            );
        }
        // without roots nobody could be verified, and whoever has no certificate is let in anyway
        ClientAuth::VerifyIfGiven if !has_roots => return ClientAuth::None,
        ClientAuth::RequireAndVerify if !has_roots => {
            section.require(mistakes, "client_ca_file", "name the file with the roots of the clients' certificates");
        }
        ClientAuth::None
        | ClientAuth::Request
        | ClientAuth::RequireAny
        | ClientAuth::VerifyIfGiven
        | ClientAuth::RequireAndVerify => {}
    }
    client_auth
}

fn versions(section: &Section, mistakes: &mut Mistakes) -> (Option<TlsVersion>, Option<TlsVersion>) {
    let version = |name| match section.text(name).as_str() {
        "TLS13" => Some(TlsVersion::V13),
        "" => None,
        _ => Some(TlsVersion::V12),
    };
    let (min, max) = (version("min_version"), version("max_version"));
    if matches!(section.text("max_version").as_str(), "TLS10" | "TLS11") {
        section.mistake(
            mistakes,
            "max_version",
            "expected TLS12 or TLS13: what is older is not secure and is not spoken",
        );
    } else if min > max && max.is_some() {
        section.mistake(mistakes, "max_version", "is older than min_version");
    }
    (min, max)
}

/// The supported words of a list. What only Go can is passed over, so that a list that names everything works; the
/// others on it are no weaker.
fn choices(section: &Section, name: &str, supported: &[&str], of_go: &[&str], mistakes: &mut Mistakes) -> Vec<String> {
    let given = section.texts(name).unwrap_or_default();
    let is_known = |text: &&String| supported.contains(&text.as_str()) || of_go.contains(&text.as_str());
    let chosen: Vec<String> = given.iter().filter(|text| supported.contains(&text.as_str())).cloned().collect();
    if !given.iter().all(|text| is_known(&text)) {
        section.mistake(mistakes, name, format!("expected a list of {}", supported.join(", ")));
    } else if chosen.is_empty() && !given.is_empty() {
        section.mistake(
            mistakes,
            name,
            format!("has nothing that is supported: name some of {}", supported.join(", ")),
        );
    }
    chosen
}
