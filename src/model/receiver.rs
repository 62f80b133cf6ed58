//! Who is told and how, as the configuration says it. Plain values: `config` reads them, `notify` uses them.

use std::path::PathBuf;

use super::{Secret, TlsSettings};

/// A secret as it is given: itself, or the file that holds it, which is read again each time so that it can be rotated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// Itself.
    Inline(Secret),
    /// In a file; white space around it does not count.
    File(PathBuf),
}

/// One receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiverSettings {
    /// Unique.
    pub name: String,
    /// Who gets what this one could not be given.
    pub fallback: Option<String>,
    /// A test message every day at this minute of the day, UTC.
    pub daily_test_minute: Option<u16>,
    /// For a message to be taken, in ms.
    pub timeout_ms: i64,
    /// Messages per minute at most, and how many may come at once.
    pub per_minute: u32,
    /// See `per_minute`.
    pub burst: u32,
    /// By kind.
    pub kind: ReceiverKind,
}

/// By kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiverKind {
    /// `type: slack`
    Slack(Box<SlackSettings>),
    /// `type: mail`
    Mail(Box<MailSettings>),
    /// `type: alertmanager`
    Alertmanager(Box<AlertmanagerSettings>),
    /// `type: webhook`
    Webhook(Box<WebhookSettings>),
}

impl ReceiverKind {
    /// The word in `type:`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Slack(_) => "slack",
            Self::Mail(_) => "mail",
            Self::Alertmanager(_) => "alertmanager",
            Self::Webhook(_) => "webhook",
        }
    }
}

/// `type: slack`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlackSettings {
    /// How.
    pub access: SlackAccess,
    /// Where the API is, without a slash at the end.
    pub api_url: String,
    /// Whom to trust, over which proxy.
    pub http: ClientSettings,
}

/// How Slack is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlackAccess {
    /// An incoming webhook: messages cannot be changed afterwards.
    Webhook(SecretSource),
    /// A bot's token and the id of a channel: one message per incident, changed in place, with replies.
    Bot {
        /// `xoxb-…`
        token: SecretSource,
        /// `C0123456789`
        channel: String,
    },
}

/// `type: mail`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailSettings {
    /// Who sends, as an address or `Name <address>`.
    pub from: String,
    /// Who receives; each gets a message of his own.
    pub to: Vec<String>,
    /// Name or address of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether and how the connection is encrypted.
    pub security: MailSecurity,
    /// Whom to trust.
    pub tls: TlsSettings,
    /// Name and password.
    pub login: Option<(String, SecretSource)>,
    /// The name to greet the server with; else that of the host.
    pub hello: Option<String>,
}

/// Whether and how a connection to a mail server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailSecurity {
    /// After `STARTTLS`, without which nothing is sent.
    StartTls,
    /// From the beginning.
    Implicit,
    /// Not at all.
    None,
}

/// `type: alertmanager`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertmanagerSettings {
    /// Each is told, without a slash at the end and without `/api/v2/alerts`.
    pub urls: Vec<String>,
    /// What fires is told again this often, in ms.
    pub resend_ms: i64,
    /// How they are reached.
    pub http: ClientSettings,
}

/// `type: webhook`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookSettings {
    /// May hold a secret.
    pub url: SecretSource,
    /// Alerts in one message at most; 0 = all.
    pub max_alerts: usize,
    /// How it is reached.
    pub http: ClientSettings,
}

/// How a server is reached over HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientSettings {
    /// Whom to trust.
    pub tls: TlsSettings,
    /// Name and password.
    pub basic_auth: Option<(String, SecretSource)>,
    /// `Authorization: Bearer …`
    pub bearer: Option<SecretSource>,
    /// Instead of that of the environment.
    pub proxy_url: Option<String>,
}

/// Everything about notifying that is not a judgement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotifySettings {
    /// In the order of the file.
    pub receivers: Vec<ReceiverSettings>,
    /// The dead-man's switch that is told after each cycle.
    pub heartbeat: Option<HeartbeatSettings>,
    /// Alertmanagers whose `Watchdog` has to be heard of.
    pub watchdogs: Vec<WatchdogSettings>,
    /// Where more can be seen.
    pub links: Links,
}

/// `notify.heartbeat`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartbeatSettings {
    /// Often holds a secret.
    pub url: SecretSource,
    /// `/start` before a cycle and `/fail` after one that failed are told too.
    pub phases: bool,
    /// For an answer, in ms.
    pub timeout_ms: i64,
    /// How it is reached.
    pub http: ClientSettings,
}

/// One of `notify.watchdogs`: `POST /api/v1/watchdogs/NAME` has to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchdogSettings {
    /// Unique; part of the path.
    pub name: String,
    /// Silent for longer than this, in ms, it is told.
    pub within_ms: i64,
}

/// `notify.links`. Empty = there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// Where this service is seen from, without a slash at the end.
    pub page: String,
    /// Of a runbook; `{id}` stands for the alert.
    pub runbook: String,
    /// Of a dashboard; `{uid}`, `{bucket}`, `{from}` and `{to}` (ms) are filled in.
    pub dashboard: String,
}
