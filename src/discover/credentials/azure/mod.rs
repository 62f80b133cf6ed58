//! Azure credentials in Thanos' order: connection string, account key, client secret, a named managed identity, and
//! else the default chain of Azure's libraries.
//!
//! <https://github.com/thanos-io/objstore/blob/main/providers/azure/helpers.go>,
//! <https://learn.microsoft.com/en-us/azure/developer/go/sdk/authentication/credential-chains>

mod connection;
mod identity;

use async_trait::async_trait;
use object_store::azure::{AzureAccessKey, AzureCredential};

use super::exchange::Exchange;
use super::{Credentials, Source, Token, Tried, exchange, unusable};
use crate::discover::{Ambient, BucketError};
use crate::model::{AzureSettings, Environment, Secret};
use connection::Connection;
use identity::{Authority, ManagedIdentity};

const HINT: &str = "set `storage_account_key` or `storage_connection_string`, or give the process an identity";

/// Where an account is and what it is reached with.
#[derive(Clone, Debug)]
pub struct AzureAccess {
    /// The storage account's name, which signatures hold.
    pub account: String,
    /// The URL that containers are below, without a slash at its end.
    pub blob_url: String,
    /// The account's key, a shared access signature, or a token.
    pub credentials: Credentials<AzureCredential>,
}

/// How a bucket of `type: AZURE` is reached.
pub fn azure_access(
    settings: &AzureSettings,
    environment: &Environment,
    ambient: &Ambient,
) -> Result<AzureAccess, BucketError> {
    let place = format!("AZURE container `{}` of account `{}`", settings.container, settings.storage_account);
    if !settings.storage_connection_string.is_empty() {
        let connection = Connection::parse(settings.storage_connection_string.expose(), &settings.storage_account)
            .map_err(|why| unusable(&place, &format!("`storage_connection_string`: {why}"), HINT))?;
        let Connection { account, blob_url, credential } = connection;
        return Ok(AzureAccess { account, blob_url, credentials: Credentials::fixed(place, ambient, credential) });
    }
    let account = settings.storage_account.clone();
    let blob_url = blob_url(&account, &settings.endpoint);
    if !settings.storage_account_key.is_empty() {
        let credential = account_key(settings.storage_account_key.expose())
            .map_err(|why| unusable(&place, &format!("`storage_account_key`: {why}"), HINT))?;
        return Ok(AzureAccess { account, blob_url, credentials: Credentials::fixed(place, ambient, credential) });
    }
    let exchange = exchange(&place, environment, ambient)?;
    let way = if !settings.client_secret.is_empty() && !settings.tenant_id.is_empty() && !settings.client_id.is_empty()
    {
        let authority = Authority::new(environment, &settings.tenant_id, &exchange)
            .map_err(|why| unusable(&place, &format!("`az_tenant_id` or `AZURE_AUTHORITY_HOST`: {why}"), HINT))?;
        Way::ClientSecret {
            authority,
            client_id: settings.client_id.clone(),
            client_secret: settings.client_secret.clone(),
        }
    } else if !settings.user_assigned_id.is_empty() {
        Way::Managed(ManagedIdentity::from_environment(environment, Some(&settings.user_assigned_id)))
    } else {
        Way::Defaults(environment.clone())
    };
    let credentials = Credentials::new(place, HINT, ambient, Chain { way, exchange });
    Ok(AzureAccess { account, blob_url, credentials })
}

/// Thanos' `https://ACCOUNT.ENDPOINT`. An `endpoint` with a scheme, which Thanos cannot have, is an emulator's: there
/// the account is the first part of the path.
fn blob_url(account: &str, endpoint: &str) -> String {
    if endpoint.contains("://") {
        return format!("{}/{account}", endpoint.trim_end_matches('/'));
    }
    let endpoint = if endpoint.is_empty() { "blob.core.windows.net" } else { endpoint };
    format!("https://{account}.{}", endpoint.trim_end_matches('/'))
}

fn account_key(text: &str) -> Result<AzureCredential, String> {
    let key = AzureAccessKey::try_new(text.trim()).map_err(|_quotes| "it is not base64".to_owned())?;
    Ok(AzureCredential::AccessKey(key))
}

/// How a token is got.
enum Way {
    ClientSecret { authority: Authority, client_id: String, client_secret: Secret },
    Managed(Result<ManagedIdentity, String>),
    Defaults(Environment),
}

struct Chain {
    way: Way,
    exchange: Exchange,
}

#[async_trait]
impl Source<AzureCredential> for Chain {
    async fn fetch(&self) -> Result<Token<AzureCredential>, Tried> {
        match &self.way {
            Way::ClientSecret { authority, client_id, client_secret } => authority
                .with_secret(&self.exchange, client_id, client_secret)
                .await
                .map_err(|said| Tried::one("client secret", said)),
            Way::Managed(identity) => managed(identity, &self.exchange).await,
            Way::Defaults(environment) => defaults(environment, &self.exchange).await,
        }
    }
}

async fn managed(
    identity: &Result<ManagedIdentity, String>,
    exchange: &Exchange,
) -> Result<Token<AzureCredential>, Tried> {
    let fetched = match identity {
        Ok(identity) => identity.fetch(exchange).await,
        Err(said) => Err(said.clone()),
    };
    fetched.map_err(|said| Tried::one("managed identity", said))
}

/// `DefaultAzureCredential` without its developer tools: the first source that is set up is the one.
async fn defaults(environment: &Environment, exchange: &Exchange) -> Result<Token<AzureCredential>, Tried> {
    let mut tried = Tried::default();
    let get = |name| environment.non_empty(name);
    let ids = (get("AZURE_TENANT_ID"), get("AZURE_CLIENT_ID"));
    let (Some(tenant), Some(client)) = ids else {
        let missing = if ids.0.is_none() { "AZURE_TENANT_ID" } else { "AZURE_CLIENT_ID" };
        tried.note("environment and workload identity", format!("`{missing}` is not set"));
        return last(environment, exchange, tried).await;
    };
    let authority =
        |label| Authority::new(environment, tenant, exchange).map_err(|said: String| Tried::one(label, said));
    if let Some(secret) = get("AZURE_CLIENT_SECRET") {
        let label = "environment";
        let fetched = authority(label)?.with_secret(exchange, client, &Secret::new(secret.to_owned())).await;
        return fetched.map_err(|said| Tried::one(label, said));
    }
    if get("AZURE_CLIENT_CERTIFICATE_PATH").is_some() {
        return Err(Tried::one("environment", "`AZURE_CLIENT_CERTIFICATE_PATH` is not supported; use a secret"));
    }
    tried.note("environment", "`AZURE_CLIENT_SECRET` is not set");
    if let Some(file) = get("AZURE_FEDERATED_TOKEN_FILE") {
        let label = "workload identity";
        let fetched = authority(label)?.with_token_file(exchange, client, file).await;
        return fetched.map_err(|said| Tried::one(label, said));
    }
    tried.note("workload identity", "`AZURE_FEDERATED_TOKEN_FILE` is not set");
    last(environment, exchange, tried).await
}

async fn last(
    environment: &Environment,
    exchange: &Exchange,
    mut tried: Tried,
) -> Result<Token<AzureCredential>, Tried> {
    let identity = ManagedIdentity::from_environment(environment, environment.non_empty("AZURE_CLIENT_ID"));
    managed(&identity, exchange).await.map_err(|more| {
        tried.0.extend(more.0);
        tried
    })
}

#[cfg(test)]
mod tests;
