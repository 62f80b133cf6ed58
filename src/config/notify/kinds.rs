//! The kinds of receivers: what each needs to be told something.

use std::path::Path;

use lettre::Address;
use lettre::message::Mailbox;

use super::super::mistake::Mistakes;
use super::super::yaml::{Key, Kind, Section, Table};
use super::access::{self, BASIC_AUTH_KEY, BEARER, BEARER_FILE, PROXY, TLS_KEY};
use super::{check_no_login, check_url, duration, url};
use crate::model::{
    AlertmanagerSettings, MINUTE_MS, MailSecurity, MailSettings, ReceiverKind, SECOND_MS, SecretSource, SlackAccess,
    SlackSettings, WebhookSettings,
};

/// `type: slack`
pub(in crate::config) const SLACK: Table = Table {
    keys: &[
        Key::new(
            "webhook_url",
            Kind::Secret,
            "",
            "Of an incoming webhook. Its messages cannot be changed afterwards: each change is a message of its own.",
        ),
        Key::new("webhook_url_file", Kind::File, "", "The file that holds it."),
        Key::new(
            "token",
            Kind::Secret,
            "",
            "Of a bot with `chat:write` (`xoxb-…`), instead of a webhook: one message per incident, which is kept up to date, with a reply for each change.",
        ),
        Key::new("token_file", Kind::File, "", "The file that holds it."),
        Key::new(
            "channel",
            Kind::Text,
            "",
            "With a token: the id of a channel that the bot is in, such as `C0123456789`.",
        ),
        Key::new("api_url", Kind::Text, "https://slack.com/api", "Where Slack's API is."),
        TLS_KEY,
        PROXY,
    ],
    lenient: false,
};

/// `type: mail`
pub(in crate::config) const MAIL: Table = Table {
    keys: &[
        Key::new("to", Kind::Texts, "", "Required: addresses."),
        Key::new("from", Kind::Text, "", "Required: an address, or `Name <address>`."),
        Key::new("smarthost", Kind::Text, "", "Required: the server, `host:port`."),
        Key::new(
            "tls",
            Kind::Choice(&["starttls", "implicit", "none"]),
            "",
            "How the connection is encrypted; without it, `implicit` for port 465, otherwise `starttls`. With `starttls` nothing is sent to a server that does not know it.",
        ),
        Key::new("username", Kind::Text, "", "Logs in with this name and a password."),
        Key::new("password", Kind::Secret, "", "With `username`: either this or `password_file`."),
        Key::new("password_file", Kind::File, "", "The file that holds it."),
        Key::new("hello", Kind::Text, "that of the host", "The name to greet the server with."),
        TLS_KEY,
    ],
    lenient: false,
};

/// `type: alertmanager`
pub(in crate::config) const ALERTMANAGER: Table = Table {
    keys: &[
        Key::new(
            "urls",
            Kind::Texts,
            "",
            "Required: where each instance is, without `/api/v2/alerts`, such as `http://alertmanager-0:9093`. All are told.",
        ),
        Key::new("resend", Kind::Duration, "1m", "What fires is told again this often. From `1s`."),
        BASIC_AUTH_KEY,
        BEARER,
        BEARER_FILE,
        TLS_KEY,
        PROXY,
    ],
    lenient: false,
};

/// `type: webhook`
pub(in crate::config) const WEBHOOK: Table = Table {
    keys: &[
        Key::new(
            "url",
            Kind::Secret,
            "",
            "Where to. Either this or `url_file`. It may hold a secret and is never shown.",
        ),
        Key::new("url_file", Kind::File, "", "The file that holds it."),
        Key::new("max_alerts", Kind::Integer(0, 100_000), "0", "Alerts in one message at most; `0` = all."),
        BASIC_AUTH_KEY,
        BEARER,
        BEARER_FILE,
        TLS_KEY,
        PROXY,
    ],
    lenient: false,
};

/// Lowers the keys of a kind; `None` where something that it cannot do without is wrong.
pub(super) fn lower(kind: &str, section: &Section, folder: &Path, mistakes: &mut Mistakes) -> Option<ReceiverKind> {
    match kind {
        "slack" => slack(section, folder, mistakes).map(|settings| ReceiverKind::Slack(Box::new(settings))),
        "mail" => mail(section, folder, mistakes).map(|settings| ReceiverKind::Mail(Box::new(settings))),
        "alertmanager" => {
            alertmanager(section, folder, mistakes).map(|settings| ReceiverKind::Alertmanager(Box::new(settings)))
        }
        _ => webhook(section, folder, mistakes).map(|settings| ReceiverKind::Webhook(Box::new(settings))),
    }
}

fn slack(section: &Section, folder: &Path, mistakes: &mut Mistakes) -> Option<SlackSettings> {
    let http = access::client(section, folder, mistakes);
    let api_url = url(section, "api_url", mistakes).unwrap_or_else(|| "https://slack.com/api".to_owned());
    let api_url = api_url.trim_end_matches('/').to_owned();
    let given = |names: [&'static str; 2]| names.into_iter().find(|name| section.is_given(name));
    let (webhook, token) = (given(["webhook_url", "webhook_url_file"]), given(["token", "token_file"]));
    let access = match (webhook, token) {
        (Some(_), Some(token)) => {
            section.mistake(mistakes, token, "excludes webhook_url: a bot's token or an incoming webhook, not both");
            return None;
        }
        (None, None) => {
            section.mistake(mistakes, "webhook_url", "is missing: give it, or a bot's token and channel");
            return None;
        }
        (Some(_), None) => {
            if section.is_given("channel") {
                section.mistake(mistakes, "channel", "is of use with a token only: a webhook has its own channel");
            }
            SlackAccess::Webhook(access::secret_url(section, "webhook_url", "webhook_url_file", folder, mistakes)?)
        }
        (None, Some(_)) => {
            section.require(mistakes, "channel", "give the id of a channel that the bot is in");
            let channel = section.text("channel");
            let is_id = channel.starts_with(['C', 'G', 'D'])
                && (2..=32).contains(&channel.len())
                && channel.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
            if !channel.is_empty() && !is_id {
                let message = "expected the id of a channel, such as C0123456789: Slack shows it at the end of the \
                               channel's details";
                section.mistake(mistakes, "channel", message);
            }
            let token = access::secret(section, "token", "token_file", folder, mistakes)?;
            SlackAccess::Bot { token, channel }
        }
    };
    Some(SlackSettings { access, api_url, http })
}

fn mail(section: &Section, folder: &Path, mistakes: &mut Mistakes) -> Option<MailSettings> {
    let to = recipients(section, mistakes);
    section.require(mistakes, "from", "give the address that sends");
    let from = section.text("from");
    if !from.is_empty() && from.parse::<Mailbox>().is_err() {
        section.mistake(mistakes, "from", "expected an address such as ops@example.com, or Name <ops@example.com>");
    }
    section.require(mistakes, "smarthost", "give the server, such as mail.example.com:587");
    let smarthost = section.text("smarthost");
    let address = host_and_port(&smarthost);
    if !smarthost.is_empty() && address.is_none() {
        section.mistake(mistakes, "smarthost", "expected host:port, such as mail.example.com:587 or [::1]:25");
    }
    let login = login(section, folder, mistakes);
    let tls = access::tls(section, folder, mistakes);
    let (host, port) = address?;
    let security = match section.text("tls").as_str() {
        "none" => MailSecurity::None,
        "implicit" => MailSecurity::Implicit,
        "" if port == 465 && !section.is_given("tls") => MailSecurity::Implicit,
        _ => MailSecurity::StartTls,
    };
    let is_here = matches!(host.as_str(), "localhost" | "::1") || host.starts_with("127.");
    if security == MailSecurity::None && login.is_some() && !is_here {
        section.mistake(mistakes, "tls", "`none` would send the password in the clear, to another machine");
    }
    let hello = Some(section.text("hello")).filter(|name| !name.is_empty());
    if hello.as_ref().is_some_and(|name| !name.bytes().all(|byte| byte.is_ascii_graphic())) {
        section.mistake(mistakes, "hello", "expected the name of a host");
    }
    Some(MailSettings { from, to, host, port, security, tls, login, hello })
}

fn recipients(section: &Section, mistakes: &mut Mistakes) -> Vec<String> {
    const NAME: &str = "to";
    let to = section.texts(NAME).unwrap_or_default().to_vec();
    if to.is_empty() && (!section.is_given(NAME) || section.texts(NAME).is_some()) {
        section.mistake(mistakes, NAME, "is missing: give at least one address");
    }
    for (idx, address) in to.iter().enumerate() {
        if address.parse::<Address>().is_err() {
            section.mistake(mistakes, NAME, format!("expected an address such as ops@example.com in item {}", idx + 1));
        }
        if to.iter().take(idx).any(|other| other == address) {
            section.mistake(mistakes, NAME, format!("names the address of item {} twice", idx + 1));
        }
    }
    to
}

/// Name and password, which go together.
fn login(section: &Section, folder: &Path, mistakes: &mut Mistakes) -> Option<(String, SecretSource)> {
    let given = ["password", "password_file"].into_iter().find(|name| section.is_given(name));
    if !section.is_given("username") {
        if let Some(name) = given {
            section.mistake(mistakes, name, "needs username beside it");
        }
        return None;
    }
    let password = access::secret(section, "password", "password_file", folder, mistakes);
    Some((section.text("username"), password?))
}

/// `host:port`; an IPv6 address is in brackets.
fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse::<u16>().ok().filter(|port| *port > 0)?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').filter(|host| host.parse::<std::net::Ipv6Addr>().is_ok())?,
        None => Some(host).filter(|host| !host.contains([':', '/', '@']))?,
    };
    let is_host = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic());
    is_host.then(|| (host.to_owned(), port))
}

fn alertmanager(section: &Section, folder: &Path, mistakes: &mut Mistakes) -> Option<AlertmanagerSettings> {
    const NAME: &str = "urls";
    let given = section.texts(NAME).unwrap_or_default();
    if given.is_empty() && (!section.is_given(NAME) || section.texts(NAME).is_some()) {
        section.mistake(mistakes, NAME, "is missing: give at least one instance, such as http://alertmanager:9093");
    }
    let mut urls: Vec<String> = Vec::new();
    for (idx, text) in given.iter().enumerate() {
        let expected = check_url(text).and_then(|url| check_no_login(&url)).err();
        let url = text.trim_end_matches('/').to_owned();
        let expected = expected
            .or_else(|| url.ends_with("/alerts").then_some("expected where the instance is, without /api/v2/alerts"));
        let expected = expected.or_else(|| urls.contains(&url).then_some("is given twice"));
        if let Some(expected) = expected {
            section.mistake(mistakes, NAME, format!("{expected}, in item {}", idx + 1));
        }
        urls.push(url);
    }
    let resend_ms = duration(section, "resend", MINUTE_MS, SECOND_MS, mistakes);
    let http = access::client(section, folder, mistakes);
    (!urls.is_empty()).then_some(AlertmanagerSettings { urls, resend_ms, http })
}

fn webhook(section: &Section, folder: &Path, mistakes: &mut Mistakes) -> Option<WebhookSettings> {
    let url = access::secret_url(section, "url", "url_file", folder, mistakes);
    let http = access::client(section, folder, mistakes);
    let max_alerts = section.integer("max_alerts").and_then(|max| usize::try_from(max).ok()).unwrap_or_default();
    Some(WebhookSettings { url: url?, max_alerts, http })
}
