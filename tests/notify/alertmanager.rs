//! Alertmanagers: what they are told, and each instance for itself.

use blockwarden::model::{
    AlertmanagerSettings, ClientSettings, FailureClass, FindingEnd, MINUTE_MS, ReceiverKind, SlackAccess, SlackSettings,
};
use blockwarden::notify::{LabelledAlert, OpenError, alertmanager_body, open, open_alertmanager};
use serde_json::json;

use crate::receiver;
use crate::support::http_server::{HttpServer, Reply};
use crate::support::notifications::{context, corrupt, ended, lag, now};

fn labelled(alert: blockwarden::model::Alert) -> LabelledAlert {
    let extra = [("job", "blockwarden"), ("cluster", "eu1"), ("zone", "")];
    LabelledAlert {
        alert,
        extra: extra.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    }
}

#[test]
fn an_alert_is_the_one_of_the_generated_rules() {
    let body = alertmanager_body(&[labelled(corrupt())], &context(), now(), MINUTE_MS);
    let labels = json!({
        "alertname": corrupt().name, "check": "chunk_corrupt", "severity": "critical", "bucket": "thanos",
        "stream": "{cluster=\"eu1\", replica=\"a\"}", "job": "blockwarden", "cluster": "eu1"
    });
    assert_eq!(body[0]["labels"], labels, "a label without a value is none");
    assert_eq!(body[0]["startsAt"], "2026-11-21T01:04:00Z");
    assert_eq!(body[0]["endsAt"], "2026-11-21T03:16:00Z", "four times the rhythm of resending");
    assert_eq!(body[0]["generatorURL"], "https://blockwarden.example.com/");
    assert!(body[0]["annotations"]["summary"].is_string());
    let over = alertmanager_body(&[labelled(ended(corrupt(), FindingEnd::Resolved))], &context(), now(), MINUTE_MS);
    assert_eq!(over[0]["endsAt"], "2026-11-21T03:11:00Z");
}

#[test]
fn alerts_with_the_same_labels_are_one_that_fires_while_one_of_them_does() {
    let mut other = corrupt();
    other.fingerprint = "other".to_owned();
    other.fired_at = Some(now().minus(MINUTE_MS));
    let healed = ended(corrupt(), FindingEnd::Resolved);
    for alerts in [[healed.clone(), other.clone()], [other.clone(), healed]] {
        let body = alertmanager_body(&alerts.map(labelled), &context(), now(), MINUTE_MS);
        assert_eq!(body.as_array().unwrap().len(), 1);
        assert_eq!(body[0]["endsAt"], "2026-11-21T03:16:00Z");
        assert_eq!(body[0]["startsAt"], "2026-11-21T03:11:00Z", "since the one that fires");
    }
    let two = alertmanager_body(&[labelled(corrupt()), labelled(other)], &context(), now(), MINUTE_MS);
    assert_eq!(two[0]["annotations"]["findings"], "2");
    assert_eq!(alertmanager_body(&[], &context(), now(), MINUTE_MS), json!([]));
}

#[tokio::test]
async fn each_instance_is_told_for_itself() {
    let well = HttpServer::start(|_| Reply::text(200, ""));
    let ill = HttpServer::start(|_| Reply::text(503, ""));
    let settings = AlertmanagerSettings {
        urls: vec![well.url(""), ill.url("/prefix/"), "http://127.0.0.1:1".to_owned()],
        resend_ms: MINUTE_MS,
        http: ClientSettings::default(),
    };
    let receiver_settings = receiver(ReceiverKind::Alertmanager(Box::new(settings)));
    let client = open_alertmanager(&receiver_settings, &context()).unwrap().unwrap();
    let told = client.tell(&[labelled(lag(1)), labelled(lag(2))], now()).await;
    let classes: Vec<Option<FailureClass>> =
        told.iter().map(|one| one.result.as_ref().err().map(|e| e.class)).collect();
    assert_eq!(classes, [None, Some(FailureClass::Transient), Some(FailureClass::Transient)]);
    assert_eq!(told[0].instance, well.url(""));
    assert_eq!(
        (well.seen()[0].path.as_str(), ill.seen()[0].path.as_str()),
        ("/api/v2/alerts", "/prefix/api/v2/alerts")
    );
    assert_eq!(well.seen()[0].json().as_array().unwrap().len(), 2);
    assert!(matches!(open(&receiver_settings, &context()), Err(OpenError::Alertmanager)));
}

#[test]
fn only_an_alertmanager_is_told_again_and_again() {
    let access =
        SlackAccess::Webhook(blockwarden::model::SecretSource::Inline(blockwarden::model::Secret::new(String::new())));
    let slack = SlackSettings { access, api_url: String::new(), http: ClientSettings::default() };
    assert!(open_alertmanager(&receiver(ReceiverKind::Slack(Box::new(slack))), &context()).unwrap().is_none());
    let bad = AlertmanagerSettings {
        urls: vec!["user:hidden@host".to_owned()],
        resend_ms: MINUTE_MS,
        http: ClientSettings::default(),
    };
    let error = open_alertmanager(&receiver(ReceiverKind::Alertmanager(Box::new(bad))), &context()).unwrap_err();
    assert!(!error.to_string().contains("hidden"), "{error}");
}
