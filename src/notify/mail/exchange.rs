//! One conversation with a mail server. The library's own transport waits without end once it is connected, and does
//! not say how far it came.

use std::error::Error as _;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Response;

use crate::model::{FailureClass, MailSecurity, MailSettings, format_duration_ms};
use crate::notify::render::{clean, cut};
use crate::notify::{SendError, secret};

/// To say goodbye, in ms: what was taken has been taken, whatever comes of it.
const QUIT_MS: u64 = 2_000;

/// With whom to talk, and how.
pub(super) struct Exchange<'a> {
    pub(super) settings: &'a MailSettings,
    pub(super) hello: &'a ClientId,
    pub(super) tls: Option<TlsParameters>,
    pub(super) timeout_ms: i64,
}

/// How far a conversation came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Connect,
    StartTls,
    Login,
    Sender,
    Recipient,
    Data,
    /// From here on nobody knows without an answer.
    Content,
    Noop,
}

impl Stage {
    const ALL: [Self; 8] = [
        Self::Connect,
        Self::StartTls,
        Self::Login,
        Self::Sender,
        Self::Recipient,
        Self::Data,
        Self::Content,
        Self::Noop,
    ];
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::StartTls => "STARTTLS",
            Self::Login => "AUTH",
            Self::Sender => "MAIL FROM",
            Self::Recipient => "RCPT TO",
            Self::Data => "DATA",
            Self::Content => "the message",
            Self::Noop => "NOOP",
        })
    }
}

/// Where a conversation is, readable from outside of it when it has to be broken off.
#[derive(Debug, Default)]
struct Progress(AtomicU8);

impl Progress {
    fn at(&self, stage: Stage) {
        let idx = Stage::ALL.iter().position(|each| *each == stage).and_then(|idx| u8::try_from(idx).ok());
        self.0.store(idx.unwrap_or(0), Ordering::Relaxed);
    }

    fn stage(&self) -> Stage {
        Stage::ALL.get(usize::from(self.0.load(Ordering::Relaxed))).copied().unwrap_or(Stage::Connect)
    }
}

/// Hands over `letter`; without one, looks whether one would be taken. Gives what the server said.
pub(super) async fn run(exchange: &Exchange<'_>, letter: Option<&lettre::Message>) -> Result<String, SendError> {
    let progress = Progress::default();
    let limit = Duration::from_millis(u64::try_from(exchange.timeout_ms).unwrap_or(0));
    let talk = talk(exchange, letter, &progress);
    match tokio::time::timeout(limit, talk).await {
        Ok(Ok(said)) => Ok(said),
        Ok(Err(failure)) => Err(failure),
        Err(_elapsed) => {
            let stage = progress.stage();
            let maybe_sent = stage == Stage::Content;
            let class = if maybe_sent { FailureClass::Timeout } else { FailureClass::Transient };
            let limit = format_duration_ms(exchange.timeout_ms);
            let message = format!("`{}` has not answered within {limit} ({stage})", exchange.settings.host);
            Err(SendError { maybe_sent, ..SendError::new(class, message) })
        }
    }
}

async fn talk(
    exchange: &Exchange<'_>,
    letter: Option<&lettre::Message>,
    progress: &Progress,
) -> Result<String, SendError> {
    let Exchange { settings, hello, tls, timeout_ms } = exchange;
    let failed = |error: SmtpError| failure(&settings.host, progress.stage(), &error);
    let limit = Duration::from_millis(u64::try_from(*timeout_ms).unwrap_or(0));
    let implicit = if settings.security == MailSecurity::Implicit { tls.clone() } else { None };
    let address = (settings.host.as_str(), settings.port);
    progress.at(Stage::Connect);
    let mut server =
        AsyncSmtpConnection::connect_tokio1(address, Some(limit), hello, implicit, None).await.map_err(failed)?;
    if settings.security == MailSecurity::StartTls {
        progress.at(Stage::StartTls);
        // refused here: a password must not go over a connection that anybody can read
        if !server.can_starttls() {
            let message = format!("`{}` does not offer STARTTLS, and nothing is sent without it", settings.host);
            return Err(SendError::new(FailureClass::Authentication, message));
        }
        if let Some(tls) = tls.clone() {
            server.starttls(tls, hello).await.map_err(failed)?;
        }
    }
    if let Some((user, password)) = &settings.login {
        progress.at(Stage::Login);
        let password = secret::read(password, "the password of `mail`").await?;
        let credentials = Credentials::new(user.clone(), password.expose().to_owned());
        server.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await.map_err(failed)?;
    }
    let said = match letter {
        Some(letter) => hand_over(&mut server, letter, progress).await.map_err(failed)?,
        None => {
            progress.at(Stage::Noop);
            if !server.test_connected().await {
                let message = format!("`{}` broke off after it had let us in", settings.host);
                return Err(SendError::new(FailureClass::Transient, message));
            }
            format!(
                "`{}` answers{}{}; who may receive is only seen by sending",
                settings.host,
                if server.is_encrypted() { ", encrypted" } else { ", not encrypted" },
                if settings.login.is_some() { ", and takes name and password" } else { "" }
            )
        }
    };
    drop(tokio::time::timeout(Duration::from_millis(QUIT_MS), server.quit()).await);
    Ok(said)
}

async fn hand_over(
    server: &mut AsyncSmtpConnection,
    letter: &lettre::Message,
    progress: &Progress,
) -> Result<String, SmtpError> {
    let (envelope, bytes) = (letter.envelope(), letter.formatted());
    let mut options = Vec::new();
    let is_ascii = |address: &lettre::Address| AsRef::<str>::as_ref(address).is_ascii();
    if !envelope.from().into_iter().chain(envelope.to()).all(is_ascii) {
        options.push(MailParameter::SmtpUtfEight);
    }
    if !bytes.is_ascii() && server.server_info().supports_feature(Extension::EightBitMime) {
        options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    progress.at(Stage::Sender);
    server.command(Mail::new(envelope.from().cloned(), options)).await?;
    for recipient in envelope.to() {
        progress.at(Stage::Recipient);
        server.command(Rcpt::new(recipient.clone(), Vec::new())).await?;
    }
    progress.at(Stage::Data);
    server.command(Data).await?;
    progress.at(Stage::Content);
    server.message(&bytes).await.map(|response| said(&response))
}

/// What a server says is text from outside: one line, bounded.
fn said(response: &Response) -> String {
    let text: Vec<&str> = response.message().collect();
    cut(&clean(&format!("{} {}", response.code(), text.join(" "))), 200)
}

fn failure(host: &str, stage: Stage, error: &SmtpError) -> SendError {
    let mut text = error.to_string();
    if let Some(source) = error.source() {
        let source = source.to_string();
        if !text.contains(&source) {
            text = format!("{text}: {source}");
        }
    }
    let message = format!("`{host}`: {stage}: {}", cut(&clean(&text), 300));
    let code: Option<u16> = error.status().map(Into::into);
    let class = match code {
        Some(code) => class_of(stage, code),
        // no mechanism in common, or an address that this server cannot take
        None if error.is_client() && stage == Stage::Login => FailureClass::Authentication,
        None if error.is_client() => FailureClass::Permanent,
        None if stage == Stage::Content => FailureClass::Timeout,
        None => FailureClass::Transient,
    };
    SendError { maybe_sent: class == FailureClass::Timeout, ..SendError::new(class, message) }
}

/// RFC 5321 and RFC 4954: 4xx is for now, 5xx for good; some of those are about us and not about the message.
fn class_of(stage: Stage, code: u16) -> FailureClass {
    match code {
        // before a mail is begun the server speaks of who we are
        530 | 534 | 535 | 538 => FailureClass::Authentication,
        500..=599 if matches!(stage, Stage::Connect | Stage::StartTls | Stage::Login) => FailureClass::Authentication,
        500..=599 => FailureClass::Permanent,
        _ => FailureClass::Transient,
    }
}
