//! Reads what the servers answer.

use std::time::Duration;

use reqwest::Client;
use serde_json::Value;

/// A client that speaks to this machine only, so no proxy of whoever runs the tests comes in between.
pub(crate) fn client() -> Client {
    drop(rustls::crypto::ring::default_provider().install_default());
    Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap()
}

/// The text of a successful answer.
pub(crate) async fn text(client: &Client, url: &str) -> Result<String, String> {
    let answer = client.get(url).send().await.map_err(|error| format!("{url}: {error:?}"))?;
    let status = answer.status();
    let body = answer.text().await.map_err(|error| format!("{url}: {error:?}"))?;
    if status.is_success() { Ok(body) } else { Err(format!("{url}: {status} {body}")) }
}

/// The document of a successful answer.
pub(crate) async fn json(client: &Client, url: &str) -> Result<Value, String> {
    let body = text(client, url).await?;
    serde_json::from_str(&body).map_err(|error| format!("{url}: {error}: {body}"))
}

/// The samples that an instant query gives: labels and value. Prometheus and Thanos Query answer alike.
pub(crate) async fn query(client: &Client, base: &str, expression: &str) -> Result<Vec<(Value, f64)>, String> {
    let escaped: String = form_urlencoded::Serializer::new(String::new()).append_pair("query", expression).finish();
    let answer = json(client, &format!("{base}/api/v1/query?{escaped}")).await?;
    let result = answer.pointer("/data/result").and_then(Value::as_array).ok_or_else(|| answer.to_string())?;
    result
        .iter()
        .map(|sample| {
            let value = sample.pointer("/value/1").and_then(Value::as_str).and_then(|text| text.parse().ok());
            Ok((sample["metric"].clone(), value.ok_or_else(|| sample.to_string())?))
        })
        .collect()
}
