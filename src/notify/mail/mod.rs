//! Mail over SMTP: one message per recipient, each on a connection of its own, so that it is known how far it came.

mod exchange;
mod letter;

use async_trait::async_trait;
use lettre::message::Mailbox;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Identity, TlsParameters};
use lettre::transport::smtp::extension::ClientId;

use self::exchange::{Exchange, run};
use self::letter::letter;
use super::render::{Teller, story};
use super::{Context, Message, OpenError, SendError, Sender, Sent};
use crate::model::{FailureClass, MailSecurity, MailSettings, SECOND_MS, TlsSettings};

/// `type: mail`
#[derive(Debug)]
pub(super) struct MailSender {
    settings: MailSettings,
    from: Mailbox,
    hello: ClientId,
    /// The part behind the `@` of message ids.
    domain: String,
    timeout_ms: i64,
    context: Context,
}

impl MailSender {
    /// Ready to send; nothing is asked yet.
    pub(super) fn open(settings: &MailSettings, timeout_ms: i64, context: &Context) -> Result<Self, OpenError> {
        let from: Mailbox =
            settings.from.parse().map_err(|_no_address| OpenError::Address { address: settings.from.clone() })?;
        for recipient in &settings.to {
            recipient.parse::<Mailbox>().map_err(|_no_address| OpenError::Address { address: recipient.clone() })?;
        }
        let hello = match settings.hello.as_deref().map(str::trim).filter(|name| is_name(name)) {
            Some(name) => ClientId::Domain(name.to_owned()),
            None => ClientId::default(),
        };
        let domain = if let ClientId::Domain(name) = &hello
            && is_name(name)
        {
            name.clone()
        } else {
            // an address literal is no name to thread by
            from.email.domain().to_owned()
        };
        // files of TLS are read at each connection, so that they can be rotated; here only to say early what is wrong
        tls_parameters(settings)?;
        let timeout_ms = timeout_ms.max(SECOND_MS);
        Ok(Self { settings: settings.clone(), from, hello, domain, timeout_ms, context: context.clone() })
    }

    fn exchange(&self) -> Result<Exchange<'_>, SendError> {
        let tls = tls_parameters(&self.settings)
            .map_err(|error| SendError::new(FailureClass::Authentication, error.to_string()))?;
        Ok(Exchange { settings: &self.settings, hello: &self.hello, tls, timeout_ms: self.timeout_ms })
    }
}

#[async_trait]
impl Sender for MailSender {
    async fn send(&self, message: &Message<'_>) -> Result<Sent, SendError> {
        let recipient: Mailbox = message
            .row
            .recipient
            .parse()
            .map_err(|_no_address| SendError::new(FailureClass::Permanent, "the recipient is no mail address"))?;
        let teller = Teller { links: &self.context.links, words: &self.context.words, now: message.now };
        let story = story(message.row, teller);
        let letter = letter(&story, message, &self.from, &recipient, &self.domain)?;
        let said = run(&self.exchange()?, Some(&letter)).await?;
        Ok(Sent { thread: None, said })
    }

    async fn probe(&self) -> Result<Option<String>, SendError> {
        run(&self.exchange()?, None).await.map(Some)
    }
}

/// What a server may be greeted with.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

/// `None` where the connection is not encrypted.
fn tls_parameters(settings: &MailSettings) -> Result<Option<TlsParameters>, OpenError> {
    if settings.security == MailSecurity::None {
        return Ok(None);
    }
    let TlsSettings { ca_file, trust_root_ca, cert_file, key_file, server_name } = &settings.tls;
    let name = if server_name.is_empty() { &settings.host } else { server_name };
    let mut builder = TlsParameters::builder(name.clone());
    if !ca_file.is_empty() {
        if !trust_root_ca {
            builder = builder.certificate_store(CertificateStore::None);
        }
        let refused = |why: &str| tls_error(format!("`ca_file`: cannot use `{ca_file}`: {why}"));
        let pem = std::fs::read(ca_file).map_err(|error| refused(&error.to_string()))?;
        // the text of a PEM error can quote a line
        let certificate = Certificate::from_pem(&pem).map_err(|_quotes| refused("it is not well-formed PEM"))?;
        builder = builder.add_root_certificate(certificate);
    }
    if !cert_file.is_empty() || !key_file.is_empty() {
        let read =
            |path: &str| std::fs::read(path).map_err(|error| tls_error(format!("cannot read `{path}`: {error}")));
        let identity = Identity::from_pem(&read(cert_file)?, &read(key_file)?).map_err(|_quotes| {
            tls_error(format!("`{cert_file}` and `{key_file}` are no certificate and its key in PEM form"))
        })?;
        builder = builder.identify_with(identity);
    }
    builder.build_rustls().map(Some).map_err(|error| tls_error(error.to_string()))
}

fn tls_error(reason: String) -> OpenError {
    OpenError::Tls { reason }
}
