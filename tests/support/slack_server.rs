//! Slack, as far as it is written to: webhooks under `/services/`, the API under `/api/`. It keeps the messages of a
//! channel; what it answers can be scripted request by request.
#![expect(clippy::unwrap_used, reason = "whatever fails in here fails the test that uses it")]

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::http_server::{HttpServer, Reply, Seen};

/// See the module.
pub(crate) struct SlackServer {
    pub(crate) http: HttpServer,
    messages: Arc<Mutex<Vec<SlackMessage>>>,
}

/// A message as it stands in the channel.
#[derive(Clone, Debug)]
pub(crate) struct SlackMessage {
    pub(crate) ts: String,
    pub(crate) thread_ts: Option<String>,
    pub(crate) broadcast: bool,
    pub(crate) updates: usize,
    /// What was last written.
    pub(crate) content: Value,
}

impl SlackServer {
    pub(crate) fn start() -> Self {
        let messages: Arc<Mutex<Vec<SlackMessage>>> = Arc::default();
        let kept = Arc::clone(&messages);
        let http = HttpServer::start(move |seen| answer(seen, &mut kept.lock().unwrap()));
        Self { http, messages }
    }

    /// Of `api_url`.
    pub(crate) fn api_url(&self) -> String {
        self.http.url("/api")
    }

    pub(crate) fn webhook_url(&self) -> String {
        self.http.url("/services/T000/B000/secret-of-the-webhook")
    }

    pub(crate) fn messages(&self) -> Vec<SlackMessage> {
        self.messages.lock().unwrap().clone()
    }

    /// Somebody removes all messages by hand.
    pub(crate) fn clear(&self) {
        self.messages.lock().unwrap().clear();
    }

    /// `ok: false` with this word.
    pub(crate) fn refusal(word: &str) -> Reply {
        Reply::json(&json!({"ok": false, "error": word}))
    }

    /// 429 as the API says it.
    pub(crate) fn limited(seconds: u32) -> Reply {
        let headers = vec![("Content-Type", "application/json".to_owned()), ("Retry-After", seconds.to_string())];
        Reply::Answer(429, headers, json!({"ok": false, "error": "ratelimited"}).to_string())
    }
}

fn answer(seen: &Seen, messages: &mut Vec<SlackMessage>) -> Reply {
    if seen.path.starts_with("/services/") {
        let content = seen.json();
        let ts = format!("1700000000.{:06}", messages.len() + 1);
        messages.push(SlackMessage { ts, thread_ts: None, broadcast: false, updates: 0, content });
        return Reply::text(200, "ok");
    }
    if !seen.headers.get("authorization").is_some_and(|value| value.starts_with("Bearer xoxb-")) {
        return SlackServer::refusal("not_authed");
    }
    let path = seen.path.split('?').next().unwrap_or_default();
    match path.trim_start_matches("/api/") {
        "chat.postMessage" => post(&seen.json(), messages),
        "chat.update" => update(&seen.json(), messages),
        "auth.test" => Reply::json(&json!({
            "ok": true, "url": "https://example.slack.com/", "team": "Example", "user": "blockwarden",
            "team_id": "T000", "user_id": "U000", "bot_id": "B000"
        })),
        "conversations.info" => {
            Reply::json(&json!({"ok": true, "channel": {"id": "C000", "is_archived": false, "is_member": true}}))
        }
        _ => SlackServer::refusal("unknown_method"),
    }
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn post(body: &Value, messages: &mut Vec<SlackMessage>) -> Reply {
    let thread_ts = text(body, "thread_ts");
    let broadcast = body.get("reply_broadcast") == Some(&json!(true));
    let ts = format!("1700000000.{:06}", messages.len() + 1);
    let channel = text(body, "channel").unwrap();
    messages.push(SlackMessage { ts: ts.clone(), thread_ts, broadcast, updates: 0, content: body.clone() });
    Reply::json(&json!({"ok": true, "channel": channel, "ts": ts, "message": {"type": "message", "ts": ts}}))
}

fn update(body: &Value, messages: &mut [SlackMessage]) -> Reply {
    let ts = text(body, "ts").unwrap();
    let Some(message) = messages.iter_mut().find(|message| message.ts == ts) else {
        return SlackServer::refusal("message_not_found");
    };
    message.updates += 1;
    message.content = body.clone();
    Reply::json(&json!({"ok": true, "channel": text(body, "channel"), "ts": ts, "text": "", "message": {}}))
}
