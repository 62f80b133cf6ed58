//! Slack: webhook and bot, and whatever may go wrong.

use std::path::PathBuf;
use std::sync::Arc;

use blockwarden::model::{
    ClientSettings, FailureClass, FindingEnd, News, Reason, ReceiverKind, Secret, SecretSource, SlackAccess,
    SlackSettings,
};
use blockwarden::notify::{SendError, Sender, Sent, open};
use serde_json::{Value, json};

use crate::support::http_server::Reply;
use crate::support::notifications::{context, corrupt, ended, lag, row, samples};
use crate::support::slack_server::SlackServer;
use crate::{message, receiver};

const TOKEN: &str = "xoxb-the-token";

fn slack(server: &SlackServer, access: SlackAccess) -> Arc<dyn Sender> {
    let settings = SlackSettings { access, api_url: server.api_url(), http: ClientSettings::default() };
    open(&receiver(ReceiverKind::Slack(Box::new(settings))), &context()).unwrap()
}

fn inline(text: &str) -> SecretSource {
    SecretSource::Inline(Secret::new(text.to_owned()))
}

fn webhook(server: &SlackServer) -> Arc<dyn Sender> {
    slack(server, SlackAccess::Webhook(inline(&server.webhook_url())))
}

fn bot(server: &SlackServer) -> Arc<dyn Sender> {
    slack(server, SlackAccess::Bot { token: inline(TOKEN), channel: "C000".to_owned() })
}

/// Class, whether it may have arrived, and pause.
type Told = (FailureClass, bool, Option<i64>);

fn told(error: &SendError) -> Told {
    for secret in ["secret-of-the-webhook", "/services/", TOKEN] {
        assert!(!format!("{error} {error:?}").contains(secret), "{error:?}");
    }
    (error.class, error.maybe_sent, error.retry_after_ms)
}

#[tokio::test]
async fn a_webhook_takes_exactly_ok_for_success() {
    use FailureClass::{Authentication, Permanent, RateLimited, Timeout, Transient};
    let limited = |body: &str, headers: Vec<(&'static str, String)>| Reply::Answer(429, headers, body.to_owned());
    let location = vec![("Location", "https://elsewhere.example/".to_owned())];
    let table: Vec<(Reply, Option<Told>)> = vec![
        (Reply::text(200, "ok"), None),
        (Reply::Answer(200, vec![], "ok".to_owned()), None),
        (Reply::text(200, "<html>log in</html>"), Some((Transient, true, None))),
        (Reply::text(200, ""), Some((Transient, true, None))),
        (Reply::json(&json!({"ok": true})), Some((Transient, true, None))),
        (Reply::Answer(302, location, String::new()), Some((Authentication, false, None))),
        (limited("", vec![("Retry-After", "7".to_owned())]), Some((RateLimited, false, Some(7_000)))),
        (limited("{\"ok\":false,\"retry_after\":9}", vec![]), Some((RateLimited, false, Some(9_000)))),
        (limited("slow down", vec![]), Some((RateLimited, false, None))),
        (Reply::text(400, "invalid_payload"), Some((Permanent, false, None))),
        (Reply::text(400, "no_text"), Some((Permanent, false, None))),
        (Reply::text(403, "invalid_token"), Some((Authentication, false, None))),
        (Reply::text(404, "no_service"), Some((Authentication, false, None))),
        (Reply::text(410, "channel_is_archived"), Some((Authentication, false, None))),
        (Reply::text(500, "rollup_error"), Some((Transient, false, None))),
        (Reply::text(503, ""), Some((Transient, false, None))),
        (Reply::Silence, Some((Timeout, true, None))),
        (Reply::Close, Some((Timeout, true, None))),
        (Reply::Cut(200, "o".to_owned()), Some((Timeout, true, None))),
        (Reply::Cut(500, "o".to_owned()), Some((Transient, false, None))),
    ];
    let row = row(Reason::First, vec![(corrupt(), Some(News::Fired))]);
    for (reply, expected) in table {
        let server = SlackServer::start();
        server.http.next("secret-of-the-webhook", reply.clone());
        let result = webhook(&server).send(&message(&row, None)).await;
        assert_eq!(result.as_ref().err().map(told), expected, "{reply:?} {result:?}");
        assert_eq!(server.http.seen().len(), 1, "nothing is sent twice by itself: {reply:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_got_nothing() {
    let server = SlackServer::start();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let access = SlackAccess::Webhook(inline(&format!("http://{gone}/services/x")));
    let row = row(Reason::First, vec![(corrupt(), None)]);
    let error = slack(&server, access).send(&message(&row, None)).await.unwrap_err();
    assert_eq!(told(&error), (FailureClass::Transient, false, None));
}

#[tokio::test]
async fn secrets_are_read_at_each_send() {
    let server = SlackServer::start();
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("url");
    let sender = slack(&server, SlackAccess::Webhook(SecretSource::File(path.clone())));
    let row = row(Reason::First, vec![(corrupt(), None)]);
    let error = sender.send(&message(&row, None)).await.unwrap_err();
    assert_eq!(error.class, FailureClass::Authentication);
    std::fs::write(&path, "\n").unwrap();
    assert!(sender.send(&message(&row, None)).await.unwrap_err().message.contains("is empty"));
    std::fs::write(&path, "not a url: hidden").unwrap();
    let error = sender.send(&message(&row, None)).await.unwrap_err();
    assert!(!error.message.contains("hidden"), "{error}");
    std::fs::write(&path, format!("  {}\n", server.webhook_url())).unwrap();
    sender.send(&message(&row, None)).await.unwrap();
    assert_eq!(server.messages().len(), 1);
}

async fn send(
    sender: &Arc<dyn Sender>,
    row: &blockwarden::model::OutboxRow,
    thread: &mut Option<Value>,
) -> Result<Sent, SendError> {
    let result = sender.send(&message(row, thread.as_ref())).await;
    match &result {
        Ok(sent) if sent.thread.is_some() => thread.clone_from(&sent.thread),
        Err(error) if error.forget_thread => *thread = None,
        _ => {}
    }
    result
}

#[tokio::test]
async fn an_incident_is_one_message_that_is_kept_up_to_date() {
    let server = SlackServer::start();
    let sender = bot(&server);
    let mut thread = None;
    let warning = |reason, alerts| row(reason, alerts);
    let story = [
        warning(Reason::First, vec![(lag(1), Some(News::Fired))]),
        warning(Reason::NewAlerts, vec![(lag(1), None), (lag(2), Some(News::Fired))]),
        warning(Reason::Worse, vec![(lag(0), Some(News::Worse)), (lag(2), None)]),
        warning(Reason::Repeat, vec![(lag(0), None)]),
        warning(Reason::Ended, vec![(ended(lag(0), FindingEnd::Resolved), Some(News::Ended))]),
        warning(Reason::NewAlerts, vec![(lag(1), Some(News::Fired))]),
    ];
    for row in &story {
        send(&sender, row, &mut thread).await.unwrap();
    }
    let messages = server.messages();
    assert_eq!(messages.len(), 6, "a root and five replies");
    assert_eq!((messages[0].updates, messages[0].thread_ts.as_deref()), (5, None));
    for (reply, broadcast) in messages[1..].iter().zip([false, true, true, false, true]) {
        assert_eq!(
            (reply.thread_ts.as_deref(), reply.broadcast),
            (Some(messages[0].ts.as_str()), broadcast),
            "{reply:?}"
        );
    }
    let over = messages[5 - 1].content.to_string();
    assert!(over.contains("RESOLVED") && over.contains("Resolved after"), "{over}");
    let dedup = &messages[0].content["metadata"]["event_payload"]["dedup_id"];
    assert_eq!(dedup, "00c0ffee00c0ffee");
    assert_eq!(messages[0].content["unfurl_links"], Value::Null, "an update knows no such key");
}

#[tokio::test]
async fn an_end_makes_the_first_message_green_but_only_if_it_was_healed() {
    for (end, colour) in
        [(FindingEnd::Resolved, "#217a3c"), (FindingEnd::Lost, "#6b2fa0"), (FindingEnd::Expired, "#5f6b7a")]
    {
        let server = SlackServer::start();
        let sender = bot(&server);
        let mut thread = None;
        send(&sender, &row(Reason::First, vec![(corrupt(), Some(News::Fired))]), &mut thread).await.unwrap();
        assert_eq!(server.messages()[0].content["attachments"][0]["color"], "#c8102e");
        let over = row(Reason::Ended, vec![(ended(corrupt(), end), Some(News::Ended))]);
        send(&sender, &over, &mut thread).await.unwrap();
        assert_eq!(server.messages()[0].content["attachments"][0]["color"], colour);
    }
}

#[tokio::test]
async fn a_first_message_that_is_gone_is_posted_anew_in_the_same_send() {
    for word in ["message_not_found", "cant_update_message", "edit_window_closed", "channel_not_found"] {
        let server = SlackServer::start();
        let sender = bot(&server);
        let mut thread = None;
        send(&sender, &row(Reason::First, vec![(lag(1), Some(News::Fired))]), &mut thread).await.unwrap();
        let before = thread.clone().unwrap();
        server.http.next("chat.update", SlackServer::refusal(word));
        let next = row(Reason::NewAlerts, vec![(lag(1), None), (lag(2), Some(News::Fired))]);
        send(&sender, &next, &mut thread).await.unwrap();
        assert_eq!(server.http.calls(), ["chat.postMessage", "chat.update", "chat.postMessage"], "{word}");
        assert_ne!(thread.clone().unwrap()["ts"], before["ts"], "{word}");
        assert_eq!(server.messages()[1].thread_ts, None, "{word}");
        // and the next one belongs to the new first message
        send(&sender, &next, &mut thread).await.unwrap();
        assert_eq!(server.messages()[2].thread_ts.as_deref(), thread.unwrap()["ts"].as_str(), "{word}");
    }
    // the message is gone, and a new one is not taken either
    let server = SlackServer::start();
    let sender = bot(&server);
    let mut thread = None;
    let first = row(Reason::First, vec![(lag(1), Some(News::Fired))]);
    send(&sender, &first, &mut thread).await.unwrap();
    server.clear();
    server.http.next("chat.postMessage", SlackServer::refusal("is_archived"));
    let error = send(&sender, &first, &mut thread).await.unwrap_err();
    assert_eq!((error.class, error.forget_thread), (FailureClass::Authentication, true));
}

#[tokio::test]
async fn a_reply_that_failed_is_not_made_twice_in_silence() {
    let next = row(Reason::NewAlerts, vec![(lag(1), None), (lag(2), Some(News::Fired))]);
    // what certainly did not arrive is sent again without a word; the update is the same both times
    for (reply, class, maybe_sent) in [
        (SlackServer::limited(3), FailureClass::RateLimited, false),
        (Reply::text(500, ""), FailureClass::Transient, false),
        (Reply::Silence, FailureClass::Timeout, true),
        (Reply::Cut(200, "{\"ok\":tr".to_owned()), FailureClass::Timeout, true),
        (Reply::text(200, "<html>"), FailureClass::Transient, true),
    ] {
        let server = SlackServer::start();
        let sender = bot(&server);
        let mut thread = None;
        send(&sender, &row(Reason::First, vec![(lag(1), Some(News::Fired))]), &mut thread).await.unwrap();
        server.http.next("chat.postMessage", reply.clone());
        let error = send(&sender, &next, &mut thread).await.unwrap_err();
        assert_eq!((error.class, error.maybe_sent), (class, maybe_sent), "{reply:?}");
        assert!(thread.is_some() && !error.forget_thread, "the first message is still there");
        let mut again = next.clone();
        again.uncertain = error.maybe_sent;
        send(&sender, &again, &mut thread).await.unwrap();
        let messages = server.messages();
        assert_eq!((messages.len(), messages[0].updates), (2, 2), "{reply:?}");
        assert_eq!(messages[1].content.to_string().contains("may be a repeat"), maybe_sent, "{reply:?}");
    }
    // an update that nobody answered tells nobody anything, so nothing can be a repeat
    let server = SlackServer::start();
    let sender = bot(&server);
    let mut thread = None;
    send(&sender, &row(Reason::First, vec![(lag(1), Some(News::Fired))]), &mut thread).await.unwrap();
    server.http.next("chat.update", Reply::Silence);
    let error = send(&sender, &next, &mut thread).await.unwrap_err();
    assert_eq!((error.class, error.maybe_sent), (FailureClass::Timeout, false));
}

#[tokio::test]
async fn what_the_api_says_decides_what_is_done_next() {
    use FailureClass::{Authentication, Permanent, RateLimited, Timeout, Transient};
    let row = row(Reason::First, vec![(corrupt(), Some(News::Fired))]);
    let mut table: Vec<(Reply, FailureClass, bool, Option<i64>)> = vec![
        (SlackServer::limited(30), RateLimited, false, Some(30_000)),
        (Reply::json(&json!({"ok": false, "error": "ratelimited", "retry_after": 4})), RateLimited, false, Some(4_000)),
        (Reply::json(&json!({"ok": false})), Permanent, false, None),
        (Reply::json(&json!({"ok": false, "error": "a sentence with xoxb-the-token"})), Permanent, false, None),
        (Reply::json(&json!({"error": "x"})), Transient, true, None),
        (Reply::text(200, "<html>"), Transient, true, None),
        (Reply::json(&json!({"ok": true})), Transient, true, None),
        (Reply::text(401, ""), Authentication, false, None),
        (Reply::text(302, ""), Authentication, false, None),
        (Reply::text(502, ""), Transient, false, None),
        (Reply::text(504, ""), Timeout, true, None),
        (Reply::Silence, Timeout, true, None),
        (Reply::Close, Timeout, true, None),
    ];
    for word in [
        "invalid_auth",
        "token_revoked",
        "account_inactive",
        "no_permission",
        "missing_scope",
        "not_in_channel",
        "channel_not_found",
        "is_archived",
    ] {
        table.push((SlackServer::refusal(word), Authentication, false, None));
    }
    for word in ["invalid_blocks", "msg_blocks_too_long", "no_text", "something_new"] {
        table.push((SlackServer::refusal(word), Permanent, false, None));
    }
    for word in ["internal_error", "fatal_error"] {
        table.push((SlackServer::refusal(word), Transient, false, None));
    }
    for (reply, class, maybe_sent, pause) in table {
        let server = SlackServer::start();
        server.http.next("chat.postMessage", reply.clone());
        let error = bot(&server).send(&message(&row, None)).await.unwrap_err();
        assert_eq!(told(&error), (class, maybe_sent, pause), "{reply:?} {error}");
    }
}

#[tokio::test]
async fn digests_and_tests_belong_to_no_thread() {
    let server = SlackServer::start();
    let sender = bot(&server);
    let mut thread = Some(json!({"channel": "C000", "ts": "1.1"}));
    for (name, row) in samples() {
        if matches!(name, "digest" | "test") {
            assert_eq!(send(&sender, &row, &mut thread).await.unwrap().thread, None, "{name}");
        }
    }
    assert_eq!(server.http.calls(), ["chat.postMessage", "chat.postMessage"]);
}

#[tokio::test]
async fn a_probe_sends_nothing() {
    let server = SlackServer::start();
    assert_eq!(webhook(&server).probe().await.unwrap(), None);
    let said = bot(&server).probe().await.unwrap().unwrap();
    assert_eq!(said, "the token is that of `blockwarden` in `Example`; the channel is there");
    server.http.next("conversations.info", SlackServer::refusal("missing_scope"));
    assert!(bot(&server).probe().await.unwrap().unwrap().contains("only be seen by sending"));
    server.http.next("conversations.info", SlackServer::refusal("channel_not_found"));
    assert_eq!(bot(&server).probe().await.unwrap_err().class, FailureClass::Authentication);
    server.http.next("auth.test", SlackServer::refusal("token_revoked"));
    let error = bot(&server).probe().await.unwrap_err();
    assert_eq!((error.class, error.message.as_str()), (FailureClass::Authentication, "Slack answered `token_revoked`"));
    assert_eq!(server.messages().len(), 0);
}
