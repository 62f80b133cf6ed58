//! Tokens of Entra ID: for a client's secret, for a federated token, and for what the machine is known as.

use ::http::{HeaderValue, Method};
use object_store::azure::{AzureCredential, authority_hosts};
use serde::Deserialize;
use serde_json::Value;

use super::super::Token;
use super::super::answer::json;
use super::super::exchange::{Exchange, Step, header_value, read_token};
use crate::model::{Environment, SECOND_MS, Secret, TimestampMs};

const SCOPE: &str = "https://storage.azure.com/.default";
const RESOURCE: &str = "https://storage.azure.com";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const METADATA_HOST: &str = "http://169.254.169.254";

/// Who gives out a tenant's tokens.
pub(super) struct Authority {
    url: String,
}

impl Authority {
    pub(super) fn new(environment: &Environment, tenant: &str, exchange: &Exchange) -> Result<Self, String> {
        let host = environment.non_empty("AZURE_AUTHORITY_HOST").unwrap_or(authority_hosts::AZURE_PUBLIC_CLOUD);
        let url = format!("{}/{tenant}/oauth2/v2.0/token", host.trim_end_matches('/'));
        exchange.open(Method::POST, &url)?;
        Ok(Self { url })
    }

    pub(super) async fn with_secret(
        &self,
        exchange: &Exchange,
        client_id: &str,
        secret: &Secret,
    ) -> Result<Token<AzureCredential>, String> {
        let step = Step::post_form(
            &self.url,
            &[
                ("client_id", client_id),
                ("client_secret", secret.expose()),
                ("scope", SCOPE),
                ("grant_type", "client_credentials"),
            ],
        )
        .hiding(secret.expose());
        bearer(exchange, &step).await
    }

    /// The file is read each time: the kubelet renews it.
    pub(super) async fn with_token_file(
        &self,
        exchange: &Exchange,
        client_id: &str,
        file: &str,
    ) -> Result<Token<AzureCredential>, String> {
        let assertion = read_token(file).await?;
        let step = Step::post_form(
            &self.url,
            &[
                ("client_id", client_id),
                ("client_assertion_type", ASSERTION),
                ("client_assertion", &assertion),
                ("scope", SCOPE),
                ("grant_type", "client_credentials"),
            ],
        )
        .hiding(&assertion);
        bearer(exchange, &step).await
    }
}

/// What the machine is known as.
#[derive(Debug)]
pub(super) struct ManagedIdentity {
    url: String,
    header: Header,
}

#[derive(Debug)]
enum Header {
    /// Says that the request was not made by way of a redirect.
    Metadata,
    /// App Service: shows that the request comes from within.
    Identity(Secret),
}

impl ManagedIdentity {
    /// `client_id` is that of a user-assigned identity.
    pub(super) fn from_environment(environment: &Environment, client_id: Option<&str>) -> Result<Self, String> {
        let get = |name| environment.non_empty(name);
        let (base, version, header) = match (get("IDENTITY_ENDPOINT"), get("IDENTITY_HEADER")) {
            (Some(_), _) if get("IDENTITY_SERVER_THUMBPRINT").is_some() => {
                return Err("the identity of Service Fabric is not supported".to_owned());
            }
            (Some(url), Some(secret)) => {
                (url.to_owned(), "2019-08-01", Header::Identity(Secret::new(secret.to_owned())))
            }
            (Some(_), None) => return Err("the identity of Azure Arc is not supported".to_owned()),
            (None, _) if get("MSI_ENDPOINT").is_some() => {
                return Err("`MSI_ENDPOINT` (Cloud Shell, Azure ML) is not supported".to_owned());
            }
            (None, _) => {
                let host = get("AZURE_POD_IDENTITY_AUTHORITY_HOST").unwrap_or(METADATA_HOST);
                let url = format!("{}/metadata/identity/oauth2/token", host.trim_end_matches('/'));
                (url, "2018-02-01", Header::Metadata)
            }
        };
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("api-version", version).append_pair("resource", RESOURCE);
        if let Some(id) = client_id {
            query.append_pair("client_id", id);
        }
        Ok(Self { url: format!("{base}?{}", query.finish()), header })
    }

    pub(super) async fn fetch(&self, exchange: &Exchange) -> Result<Token<AzureCredential>, String> {
        let step = Step::get(&self.url);
        let step = match &self.header {
            Header::Metadata => step.header("metadata", HeaderValue::from_static("true")),
            Header::Identity(secret) => step
                .secret_header("x-identity-header", secret.expose())
                .map_err(|why| format!("`IDENTITY_HEADER`: {why}"))?,
        };
        bearer(exchange, &step).await
    }
}

/// Sends `step` for an OAuth token. Entra ID counts its life, the metadata services say its end, as text.
async fn bearer(exchange: &Exchange, step: &Step) -> Result<Token<AzureCredential>, String> {
    #[derive(Deserialize)]
    struct Given {
        access_token: String,
        #[serde(default)]
        expires_in: Value,
        #[serde(default)]
        expires_on: Value,
    }
    // the life of a token begins when it is asked for, at the latest
    let asked = exchange.now();
    let given: Given = json(&exchange.obtain(step).await?.body)?;
    header_value(&given.access_token).map_err(|why| format!("the token: {why}"))?;
    let in_ms = |value: &Value| {
        let seconds = value.as_i64().or_else(|| value.as_str().and_then(|text| text.parse().ok()))?;
        Some(seconds.saturating_mul(SECOND_MS))
    };
    let expires =
        in_ms(&given.expires_on).map(TimestampMs).or_else(|| in_ms(&given.expires_in).map(|life| asked.plus(life)));
    if expires.is_none() {
        return Err("it does not say when the token expires".to_owned());
    }
    Ok(Token { value: AzureCredential::BearerToken(given.access_token), expires })
}
