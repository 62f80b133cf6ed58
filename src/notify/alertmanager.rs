//! Alertmanagers: told everything that fires again and again, as Prometheus does, each instance for itself.

use std::collections::BTreeMap;

use futures::future::join_all;
use serde_json::{Value, json};
use url::Url;

use super::http::{Client, Request, refusal};
use super::render::page;
use super::webhook::annotations;
use super::{Context, OpenError, SendError};
use crate::model::{Alert, AlertmanagerSettings, Phase, TimestampMs};

/// So many times the rhythm of resending: then an Alertmanager that hears nothing takes an alert for over. As
/// Prometheus does.
const RESENDS_UNTIL_OVER: i64 = 4;

/// One client for all instances of a receiver.
#[derive(Debug)]
pub struct AlertmanagerClient {
    urls: Vec<Url>,
    resend_ms: i64,
    client: Client,
    context: Context,
}

/// An alert and the labels that only the caller knows: `job`, and the external labels of `metrics.stream_labels`.
#[derive(Clone, Debug)]
pub struct LabelledAlert {
    /// Itself.
    pub alert: Alert,
    /// What the generated rules' alert has besides [`Alert::labels`].
    pub extra: BTreeMap<String, String>,
}

/// What became of one instance.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its URL, without name and password.
    pub instance: String,
    /// Whether it took the alerts.
    pub result: Result<(), SendError>,
}

impl AlertmanagerClient {
    /// Ready to send; nothing is asked yet.
    pub(super) fn open(settings: &AlertmanagerSettings, timeout_ms: i64, context: &Context) -> Result<Self, OpenError> {
        let mut urls = Vec::new();
        for url in &settings.urls {
            let parsed = Url::parse(&format!("{}/api/v2/alerts", url.trim_end_matches('/')));
            let usable = parsed.ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            urls.push(usable.ok_or_else(|| OpenError::Url { url: without_user(url) })?);
        }
        let client = Client::new(&settings.http, timeout_ms, &context.environment)?;
        Ok(Self { urls, resend_ms: settings.resend_ms, client, context: context.clone() })
    }

    /// Tells all instances at once. The alerts are told as soon as one has taken them, since instances of a cluster do
    /// not exchange alerts but all get all; each failure is for the caller to report.
    pub async fn tell(&self, alerts: &[LabelledAlert], now: TimestampMs) -> Vec<Told> {
        let body = alertmanager_body(alerts, &self.context, now, self.resend_ms);
        let body = body.to_string().into_bytes();
        let all = self.urls.iter().map(|url| async {
            let host = url.host_str().unwrap_or_default();
            let sent = self.client.send(Request::post(url, body.clone(), now)).await;
            let result = match sent {
                Ok(answer) if answer.status.is_success() => Ok(()),
                Ok(answer) => Err(refusal(host, &answer)),
                Err(error) => Err(error),
            };
            Told { instance: instance(url), result }
        });
        join_all(all).await
    }

    /// How often what fires is to be told again, in ms.
    pub fn resend_ms(&self) -> i64 {
        self.resend_ms
    }
}

/// What `POST /api/v2/alerts` takes. Alerts with the same labels are one there, as they are one alert of Prometheus:
/// it fires while one of them does.
pub fn alertmanager_body(alerts: &[LabelledAlert], context: &Context, now: TimestampMs, resend_ms: i64) -> Value {
    let mut by_labels: BTreeMap<BTreeMap<String, String>, Vec<&Alert>> = BTreeMap::new();
    for LabelledAlert { alert, extra } in alerts {
        let mut labels = extra.clone();
        labels.extend(alert.labels());
        labels.retain(|_, value| !value.is_empty());
        by_labels.entry(labels).or_default().push(alert);
    }
    let over_without_news = now.plus(resend_ms.saturating_mul(RESENDS_UNTIL_OVER));
    let all = by_labels.into_iter().filter_map(|(labels, alerts)| {
        let firing: Vec<&Alert> = alerts.iter().copied().filter(|alert| alert.phase == Phase::Firing).collect();
        let counted = if firing.is_empty() { &alerts } else { &firing };
        let first = counted.first()?;
        let starts = counted.iter().map(|alert| alert.fired_at.unwrap_or(alert.since)).min()?;
        let ends = if firing.is_empty() {
            alerts.iter().filter_map(|alert| alert.ended_at.or(alert.healed_at)).max().unwrap_or(now)
        } else {
            over_without_news
        };
        let mut annotations = annotations(first, &context.words, &context.links, now);
        if counted.len() > 1 {
            annotations.insert("findings".to_owned(), counted.len().to_string());
        }
        Some(json!({
            "labels": labels,
            "annotations": annotations,
            "startsAt": starts,
            "endsAt": ends,
            "generatorURL": page(&context.links).unwrap_or_default(),
        }))
    });
    Value::Array(all.collect())
}

fn instance(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
}

/// A URL that cannot be parsed may hold a password all the same.
fn without_user(url: &str) -> String {
    match url.rsplit_once('@') {
        Some((_, host)) => format!("…@{host}"),
        None => url.to_owned(),
    }
}
