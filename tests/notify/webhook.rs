//! The webhook in Alertmanager's form, and the heartbeat.

use blockwarden::model::{
    ClientSettings, FailureClass, FindingEnd, HeartbeatSettings, News, OutboxRow, Reason, ReceiverKind, Secret,
    SecretSource, WebhookSettings,
};
use blockwarden::notify::{Heartbeat, HeartbeatPhase, open};
use serde_json::{Value, json};

use crate::support::http_server::{HttpServer, Reply};
use crate::support::notifications::{context, corrupt, digest, ended, lag, now, row};
use crate::{message, receiver};

fn inline(text: &str) -> SecretSource {
    SecretSource::Inline(Secret::new(text.to_owned()))
}

async fn sent(row: &OutboxRow, max_alerts: usize) -> Value {
    let server = HttpServer::start(|_| Reply::text(202, ""));
    let settings = WebhookSettings {
        url: inline(&server.url("/hook?token=hidden")),
        max_alerts,
        http: ClientSettings { bearer: Some(inline("the-bearer")), ..ClientSettings::default() },
    };
    let sender = open(&receiver(ReceiverKind::Webhook(Box::new(settings))), &context()).unwrap();
    sender.send(&message(row, None)).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen[0].headers["authorization"], "Bearer the-bearer");
    assert!(seen[0].headers["content-type"].starts_with("application/json"));
    seen[0].json()
}

#[tokio::test]
async fn the_form_is_that_of_alertmanager() {
    let alerts = vec![(lag(1), Some(News::Fired)), (ended(lag(2), FindingEnd::Resolved), Some(News::Ended))];
    let document = sent(&row(Reason::SomeEnded, alerts), 0).await;
    let keys: Vec<&String> = document.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "alerts",
            "blockwarden",
            "commonAnnotations",
            "commonLabels",
            "externalURL",
            "groupKey",
            "groupLabels",
            "receiver",
            "status",
            "truncatedAlerts",
            "version"
        ]
    );
    assert_eq!(document["version"], "4");
    assert_eq!(document["status"], "firing");
    assert_eq!(document["truncatedAlerts"], 0);
    assert_eq!(document["groupLabels"]["cluster"], "eu1");
    let common = json!({
        "alertname": lag(1).name, "check": "upload_lag", "severity": "warning", "bucket": "thanos"
    });
    assert_eq!(document["commonLabels"], common);
    let alert = &document["alerts"][0];
    let keys: Vec<&String> = alert.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["annotations", "endsAt", "fingerprint", "generatorURL", "labels", "startsAt", "status"]);
    assert_eq!((&alert["status"], &alert["endsAt"]), (&json!("firing"), &json!("0001-01-01T00:00:00Z")));
    assert_eq!(alert["labels"]["stream"], "{cluster=\"eu1\", prometheus=\"shard-01\"}");
    assert_eq!(alert["annotations"]["runbook_url"], "https://docs.example.com/runbooks/upload_lag.md");
    assert!(alert["annotations"]["description"].as_str().unwrap().contains("thanos"));
    let over = &document["alerts"][1];
    assert_eq!((&over["status"], &over["endsAt"]), (&json!("resolved"), &json!("2026-11-21T03:11:00Z")));
    assert_eq!(over["annotations"]["ended_as"], "resolved");
}

#[tokio::test]
async fn a_digest_is_all_of_its_alerts_and_what_is_left_out_is_counted() {
    assert_eq!(sent(&digest(40), 0).await["alerts"].as_array().unwrap().len(), 40);
    let document = sent(&digest(40), 10).await;
    assert_eq!((document["alerts"].as_array().unwrap().len(), &document["truncatedAlerts"]), (10, &json!(30)));
    let mut more = row(Reason::First, vec![(ended(lag(1), FindingEnd::Resolved), None)]);
    more.notification.more = 5;
    let document = sent(&more, 0).await;
    assert_eq!((&document["status"], &document["truncatedAlerts"]), (&json!("firing"), &json!(5)));
}

#[tokio::test]
async fn answers_are_told_apart() {
    use FailureClass::{Authentication, Permanent, RateLimited, Timeout, Transient};
    for (reply, expected) in [
        (Reply::text(200, ""), None),
        (Reply::text(204, ""), None),
        (Reply::Cut(200, "x".to_owned()), None),
        (Reply::text(301, ""), Some((Authentication, false))),
        (Reply::text(400, ""), Some((Permanent, false))),
        (Reply::text(413, ""), Some((Permanent, false))),
        (Reply::text(401, ""), Some((Authentication, false))),
        (Reply::text(404, ""), Some((Authentication, false))),
        (Reply::text(408, ""), Some((Transient, false))),
        (Reply::text(429, ""), Some((RateLimited, false))),
        (Reply::text(500, ""), Some((Transient, false))),
        (Reply::text(504, ""), Some((Timeout, true))),
        (Reply::Silence, Some((Timeout, true))),
        (Reply::Close, Some((Timeout, true))),
    ] {
        let server = HttpServer::start(|_| Reply::text(200, ""));
        server.next("/hook", reply.clone());
        let settings = WebhookSettings {
            url: inline(&server.url("/hook?token=hidden")),
            max_alerts: 0,
            http: ClientSettings { basic_auth: Some(("u".to_owned(), inline("hidden"))), ..ClientSettings::default() },
        };
        let sender = open(&receiver(ReceiverKind::Webhook(Box::new(settings))), &context()).unwrap();
        let row = row(Reason::First, vec![(corrupt(), None)]);
        let error = sender.send(&message(&row, None)).await.err();
        assert!(!format!("{error:?}").contains("hidden"), "{error:?}");
        assert_eq!(error.map(|error| (error.class, error.maybe_sent)), expected, "{reply:?}");
    }
}

#[tokio::test]
async fn a_heartbeat_is_tried_three_times_and_says_what_it_is_about() {
    let heartbeat = |server: &HttpServer, phases| {
        let settings = HeartbeatSettings {
            url: inline(&server.url("/ping/uuid-hidden")),
            phases,
            timeout_ms: 2_000,
            http: ClientSettings::default(),
        };
        Heartbeat::open(&settings, &context()).unwrap()
    };
    let summary = json!({"cycle": 1});
    let server = HttpServer::start(|_| Reply::text(200, "OK"));
    for phase in [HeartbeatPhase::Start, HeartbeatPhase::Success, HeartbeatPhase::Fail] {
        heartbeat(&server, true).ping(phase, &summary, now()).await.unwrap();
        heartbeat(&server, false).ping(phase, &summary, now()).await.unwrap();
    }
    let paths: Vec<String> = server.seen().iter().map(|seen| seen.path.clone()).collect();
    let own = "/ping/uuid-hidden";
    assert_eq!(paths, [format!("{own}/start"), own.to_owned(), own.to_owned(), format!("{own}/fail")]);
    assert_eq!(server.seen()[1].json(), summary);
    for (replies, tries, works) in [
        (vec![Reply::text(500, ""), Reply::Close], 3, true),
        (vec![Reply::text(500, ""), Reply::text(503, ""), Reply::text(500, "")], 3, false),
        (vec![Reply::text(404, "")], 1, false),
        (vec![Reply::text(429, "")], 1, false),
    ] {
        let server = HttpServer::start(|_| Reply::text(200, "OK"));
        for reply in replies {
            server.next("uuid-hidden", reply);
        }
        let result = heartbeat(&server, false).ping(HeartbeatPhase::Success, &summary, now()).await;
        assert!(!format!("{result:?}").contains("hidden"), "{result:?}");
        assert_eq!((server.seen().len(), result.is_ok()), (tries, works));
    }
}
