//! From what is configured to what sends.

use std::sync::Arc;

use super::mail::MailSender;
use super::slack::SlackSender;
use super::webhook::WebhookSender;
use super::{AlertmanagerClient, Sender};
use crate::catalogue::Catalogue;
use crate::model::{Environment, Links, ReceiverKind, ReceiverSettings};

/// What messages are made with, the same for all receivers.
#[derive(Clone, Debug)]
pub struct Context {
    /// Where more can be seen.
    pub links: Links,
    /// The words of each alert.
    pub words: Arc<Catalogue>,
    /// Where proxies are named.
    pub environment: Environment,
}

/// A receiver cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A setting of TLS.
    #[error("cannot set up TLS: {reason}")]
    Tls {
        /// In words.
        reason: String,
    },
    /// Not a URL.
    #[error("the proxy in {place} is not a usable URL; write it as `http://host:port`")]
    Proxy {
        /// Where it is named.
        place: &'static str,
    },
    /// The client.
    #[error("cannot set up the HTTP client: {reason}")]
    Client {
        /// In words.
        reason: String,
    },
    /// A URL that is no secret.
    #[error("`{url}` is not a usable URL; write it as `http://host:port`")]
    Url {
        /// As configured.
        url: String,
    },
    /// Sender or recipient.
    #[error("`{address}` is no mail address; write it as `name@example.com`")]
    Address {
        /// As configured.
        address: String,
    },
    /// An Alertmanager is told everything again and again; see [`AlertmanagerClient`].
    #[error("an Alertmanager takes no single messages")]
    Alertmanager,
}

/// What sends to a receiver, one message at a time. Not for Alertmanagers.
pub fn open(settings: &ReceiverSettings, context: &Context) -> Result<Arc<dyn Sender>, OpenError> {
    Ok(match &settings.kind {
        ReceiverKind::Slack(slack) => Arc::new(SlackSender::open(slack, settings.timeout_ms, context)?),
        ReceiverKind::Mail(mail) => Arc::new(MailSender::open(mail, settings.timeout_ms, context)?),
        ReceiverKind::Webhook(webhook) => Arc::new(WebhookSender::open(webhook, settings.timeout_ms, context)?),
        ReceiverKind::Alertmanager(_) => return Err(OpenError::Alertmanager),
    })
}

/// What tells the Alertmanagers of a receiver; `None` for one of another kind.
pub fn open_alertmanager(
    settings: &ReceiverSettings,
    context: &Context,
) -> Result<Option<AlertmanagerClient>, OpenError> {
    let ReceiverKind::Alertmanager(alertmanager) = &settings.kind else { return Ok(None) };
    AlertmanagerClient::open(alertmanager, settings.timeout_ms, context).map(Some)
}
