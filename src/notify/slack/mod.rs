//! Slack: an incoming webhook, or a bot that keeps one message per incident up to date and replies in its thread.

mod connector;
mod failure;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use slack_morphism::api::{
    SlackApiChatPostMessageRequest, SlackApiChatUpdateRequest, SlackApiPostWebhookMessageRequest,
};
use slack_morphism::{SlackApiToken, SlackClient, SlackMessageContent};

use self::connector::Connector;
use self::failure::Failure;
use super::http::{Client, secret_url};
use super::render::{Story, Teller, slack_message, slack_reply, story};
use super::{Context, Message, OpenError, SendError, Sender, Sent, secret};
use crate::model::{Reason, SecretSource, Severity, SlackAccess, SlackSettings, TimestampMs};

/// Where the API is, unless it is configured.
const API_URL: &str = "https://slack.com/api";

/// `type: slack`
#[derive(Debug)]
pub(super) struct SlackSender {
    access: SlackAccess,
    api_url: String,
    client: Client,
    context: Context,
}

/// What the next message of an incident needs: where its first one is, and what was told there last.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Thread {
    channel: String,
    ts: String,
    #[serde(default)]
    severity: Option<Severity>,
    #[serde(default)]
    ended: bool,
}

/// The part of an answer that is needed. The library's own answers hold the whole message, and one that it could not
/// read would look as if nothing had been sent.
#[derive(Clone, Debug, Deserialize)]
struct Posted {
    channel: String,
    ts: String,
}

/// Of `auth.test`.
#[derive(Clone, Debug, Deserialize)]
struct Identity {
    #[serde(default)]
    user: String,
    #[serde(default)]
    team: String,
}

/// Of `conversations.info`.
#[derive(Clone, Debug, Deserialize)]
struct ChannelAnswer {
    channel: ChannelInfo,
}

#[derive(Clone, Debug, Deserialize)]
struct ChannelInfo {
    #[serde(default)]
    is_archived: bool,
    #[serde(default)]
    is_member: Option<bool>,
}

impl SlackSender {
    /// Ready to send; nothing is asked yet.
    pub(super) fn open(settings: &SlackSettings, timeout_ms: i64, context: &Context) -> Result<Self, OpenError> {
        let api_url = match settings.api_url.trim_end_matches('/') {
            "" => API_URL,
            url => url,
        };
        if url::Url::parse(api_url).is_err() {
            return Err(OpenError::Url { url: api_url.to_owned() });
        }
        let client = Client::new(&settings.http, timeout_ms, &context.environment)?;
        Ok(Self { access: settings.access.clone(), api_url: api_url.to_owned(), client, context: context.clone() })
    }

    fn slack(&self, now: TimestampMs) -> SlackClient<Connector<'_>> {
        SlackClient::new(Connector { client: &self.client, api_url: &self.api_url, now })
    }

    async fn send_webhook(
        &self,
        url: &SecretSource,
        content: SlackMessageContent,
        now: TimestampMs,
    ) -> Result<Sent, SendError> {
        let url = secret_url(url, "the webhook's URL").await?;
        // nobody can look at it again over a webhook
        let content = SlackMessageContent { metadata: None, ..content };
        let request = SlackApiPostWebhookMessageRequest::new(content);
        let result = self.slack(now).post_webhook_message(&url, &request).await;
        result.map_err(|error| Failure::from(error).into_error())?;
        Ok(Sent { thread: None, said: "ok".to_owned() })
    }

    async fn send_bot(
        &self,
        token: &SecretSource,
        channel: &str,
        message: &Message<'_>,
        story: &Story,
    ) -> Result<Sent, SendError> {
        let token = secret::read(token, "the bot's token").await?;
        let token = SlackApiToken::new(token.expose().into());
        let bot = Bot { slack: &self.slack(message.now), token: &token };
        let notification = &message.row.notification;
        let own_message = matches!(notification.reason, Reason::Digest | Reason::Test);
        let thread: Option<Thread> =
            message.thread.filter(|_| !own_message).and_then(|value| Thread::deserialize(value).ok());
        let root = slack_message(story, message.row);
        let mut lost_thread = false;
        if let Some(thread) = thread {
            // an update can be made twice without harm; only the reply is noticed, so only the reply can be a repeat
            match bot.update(&thread, root.clone()).await {
                Ok(()) => match bot.reply(&thread, slack_reply(story, message.row), broadcasts(&thread, message)).await
                {
                    Ok(()) => return Ok(sent("updated, and replied in its thread", told(thread, message))),
                    Err(failure) if failure.is_gone() => lost_thread = true,
                    Err(failure) => return Err(failure.into_error()),
                },
                Err(failure) if failure.is_gone() => lost_thread = true,
                Err(failure) => {
                    let error = failure.into_error();
                    return Err(SendError { maybe_sent: false, ..error });
                }
            }
        }
        let posted = bot.post(channel, root).await.map_err(|failure| {
            let error = failure.into_error();
            SendError { forget_thread: lost_thread, ..error }
        })?;
        if own_message {
            return Ok(Sent { thread: None, said: "posted".to_owned() });
        }
        let thread = Thread { channel: posted.channel, ts: posted.ts, severity: None, ended: false };
        let said = if lost_thread { "posted anew, since the first message is gone" } else { "posted" };
        Ok(sent(said, told(thread, message)))
    }

    async fn probe_bot(&self, token: &SecretSource, channel: &str) -> Result<String, SendError> {
        let token = secret::read(token, "the bot's token").await?;
        let token = SlackApiToken::new(token.expose().into());
        let slack = self.slack(TimestampMs::default());
        let api = slack.open_session(&token).http_session_api;
        let identity: Identity = api
            .http_post("auth.test", &serde_json::json!({}), None)
            .await
            .map_err(|error| Failure::from(error).into_error())?;
        let who = format!(
            "the token is that of `{}` in `{}`",
            super::render::cut(&super::render::clean(&identity.user), 80),
            super::render::cut(&super::render::clean(&identity.team), 80)
        );
        let channel_info: Result<ChannelAnswer, Failure> =
            api.http_get("conversations.info", &vec![("channel", Some(channel))], None).await.map_err(Failure::from);
        match channel_info {
            Ok(ChannelAnswer { channel: info }) if info.is_archived => {
                Err(Failure::Said("is_archived".to_owned(), None).into_error())
            }
            Ok(ChannelAnswer { channel: info }) => Ok(match info.is_member {
                Some(false) => {
                    format!("{who}; it is not in the channel, and can write there only with `chat:write.public`")
                }
                Some(true) | None => format!("{who}; the channel is there"),
            }),
            // looking at channels takes a scope that writing does not
            Err(Failure::Said(word, _)) if word == "missing_scope" => {
                Ok(format!("{who}; whether the channel is there can only be seen by sending"))
            }
            Err(failure) => Err(failure.into_error()),
        }
    }
}

/// The three calls that write.
struct Bot<'a> {
    slack: &'a SlackClient<Connector<'a>>,
    token: &'a SlackApiToken,
}

impl Bot<'_> {
    async fn post(&self, channel: &str, content: SlackMessageContent) -> Result<Posted, Failure> {
        let request = SlackApiChatPostMessageRequest::new(channel.into(), content)
            .with_unfurl_links(false)
            .with_unfurl_media(false);
        self.call("chat.postMessage", &request).await
    }

    async fn update(&self, thread: &Thread, content: SlackMessageContent) -> Result<(), Failure> {
        let request =
            SlackApiChatUpdateRequest::new(thread.channel.as_str().into(), content, thread.ts.as_str().into());
        self.call::<_, Value>("chat.update", &request).await.map(drop)
    }

    async fn reply(&self, thread: &Thread, content: SlackMessageContent, broadcast: bool) -> Result<(), Failure> {
        let request = SlackApiChatPostMessageRequest::new(thread.channel.as_str().into(), content)
            .with_thread_ts(thread.ts.as_str().into())
            .with_reply_broadcast(broadcast)
            .with_unfurl_links(false)
            .with_unfurl_media(false);
        self.call::<_, Value>("chat.postMessage", &request).await.map(drop)
    }

    async fn call<Q: Serialize + Send + Sync, A: serde::de::DeserializeOwned + Send>(
        &self,
        method: &str,
        request: &Q,
    ) -> Result<A, Failure> {
        let session = self.slack.open_session(self.token);
        session.http_session_api.http_post(method, request, None).await.map_err(Failure::from)
    }
}

/// A reply alone is seen by nobody who does not follow the thread: what got worse, what fires again and what nobody
/// has mended goes to the channel as well.
fn broadcasts(thread: &Thread, message: &Message<'_>) -> bool {
    let notification = &message.row.notification;
    let fires = notification.firing().next().is_some();
    let is_worse = thread.severity.is_some_and(|told| notification.severity() < told);
    fires && (thread.ended || is_worse || matches!(notification.reason, Reason::Worse | Reason::Repeat))
}

fn told(thread: Thread, message: &Message<'_>) -> Thread {
    let notification = &message.row.notification;
    let ended = notification.firing().next().is_none() && notification.more == 0;
    Thread { severity: Some(notification.severity()), ended, ..thread }
}

fn sent(said: &str, thread: Thread) -> Sent {
    Sent { thread: serde_json::to_value(thread).ok(), said: said.to_owned() }
}

#[async_trait]
impl Sender for SlackSender {
    async fn send(&self, message: &Message<'_>) -> Result<Sent, SendError> {
        let teller = Teller { links: &self.context.links, words: &self.context.words, now: message.now };
        let story = story(message.row, teller);
        match &self.access {
            SlackAccess::Webhook(url) => self.send_webhook(url, slack_message(&story, message.row), message.now).await,
            SlackAccess::Bot { token, channel } => self.send_bot(token, channel, message, &story).await,
        }
    }

    async fn probe(&self) -> Result<Option<String>, SendError> {
        match &self.access {
            SlackAccess::Webhook(url) => {
                secret_url(url, "the webhook's URL").await?;
                Ok(None)
            }
            SlackAccess::Bot { token, channel } => self.probe_bot(token, channel).await.map(Some),
        }
    }
}
