//! Google credentials: the service account of the configuration, else the application default credentials.
//!
//! <https://cloud.google.com/docs/authentication/application-default-credentials>

use std::path::Path;

use ::http::{HeaderValue, Method};
use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use object_store::gcp::GcpCredential;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;

use super::answer::{json, not_understood};
use super::exchange::{Exchange, FileMiss, Step, header_value, read_file};
use super::{Credentials, Source, Token, Tried, exchange};
use crate::discover::{Ambient, BucketError};
use crate::model::{Environment, GcsSettings, SECOND_MS, Secret};

const HINT: &str = "set `service_account`, or `GOOGLE_APPLICATION_CREDENTIALS` to the path of a key file, or run with a \
                    service account of the platform";
/// All that this program needs.
const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_only";
const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";
const JWT_GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// The longest that Google allows, in seconds.
const JWT_LIFE_S: i64 = 3_600;
const METADATA_HOST: &str = "metadata.google.internal";
const METADATA_PATH: &str = "/computeMetadata/v1/instance/service-accounts/default/token";

/// The credentials of a bucket of `type: GCS`; `Ok(None)` where an emulator is used and nobody named any.
pub fn gcp_credentials(
    settings: &GcsSettings,
    environment: &Environment,
    ambient: &Ambient,
) -> Result<Option<Credentials<GcpCredential>>, BucketError> {
    let place = format!("GCS bucket `{}`", settings.bucket);
    let emulated = environment.non_empty("STORAGE_EMULATOR_HOST").is_some();
    let named = ["GOOGLE_APPLICATION_CREDENTIALS", "GCE_METADATA_HOST"];
    if settings.service_account.is_empty() && emulated && named.iter().all(|name| environment.non_empty(name).is_none())
    {
        return Ok(None);
    }
    let exchange = exchange(&place, environment, ambient)?;
    if settings.service_account.is_empty() {
        let chain = Defaults { environment: environment.clone(), exchange };
        return Ok(Some(Credentials::new(place, HINT, ambient, chain)));
    }
    let account = Account::parse(settings.service_account.expose(), &exchange)
        .map_err(|why| super::unusable(&place, &format!("`service_account`: {why}"), HINT))?;
    Ok(Some(Credentials::new(place, HINT, ambient, Fixed { account, exchange })))
}

/// What a credentials file says; the configuration may hold the same. It has no `Debug`: three of its values are secrets.
#[derive(Deserialize)]
struct File {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    client_email: String,
    #[serde(default)]
    private_key: String,
    #[serde(default)]
    private_key_id: String,
    #[serde(default)]
    token_uri: String,
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    client_secret: String,
    #[serde(default)]
    refresh_token: String,
}

/// Whoever a file is about.
enum Account {
    Service { email: String, key_id: String, key: Box<RsaKeyPair>, token_url: String },
    User { client_id: String, client_secret: Secret, refresh_token: Secret, token_url: String },
}

impl Account {
    /// Lets its token endpoint pass.
    fn parse(text: &str, exchange: &Exchange) -> Result<Self, String> {
        let file: File = serde_json::from_str(text).map_err(|error| not_understood(&error))?;
        let token_url = if file.token_uri.is_empty() { TOKEN_URL.to_owned() } else { file.token_uri };
        let account = match file.kind.as_str() {
            "service_account" if file.client_email.is_empty() => return Err("it has no `client_email`".to_owned()),
            "service_account" => Self::Service {
                email: file.client_email,
                key_id: file.private_key_id,
                key: Box::new(private_key(&file.private_key)?),
                token_url: token_url.clone(),
            },
            "authorized_user" => Self::User {
                client_id: file.client_id,
                client_secret: Secret::new(file.client_secret),
                refresh_token: Secret::new(file.refresh_token),
                token_url: token_url.clone(),
            },
            "" => return Err("it has no `type`; a key file of a service account is needed".to_owned()),
            "external_account"
            | "impersonated_service_account"
            | "gdch_service_account"
            | "external_account_authorized_user" => {
                return Err(format!("the type `{}` is not supported; use a service account", file.kind));
            }
            _ => return Err("its `type` is unknown".to_owned()),
        };
        exchange.open(Method::POST, &token_url).map_err(|why| format!("`token_uri`: {why}"))?;
        Ok(account)
    }

    async fn token(&self, exchange: &Exchange) -> Result<Token<GcpCredential>, String> {
        let step = match self {
            Self::Service { email, key_id, key, token_url } => {
                let issued_s = exchange.now().0.div_euclid(SECOND_MS);
                let assertion = assertion(email, key_id, key, token_url, issued_s)?;
                Step::post_form(token_url, &[("grant_type", JWT_GRANT), ("assertion", &assertion)]).hiding(&assertion)
            }
            Self::User { client_id, client_secret, refresh_token, token_url } => Step::post_form(
                token_url,
                &[
                    ("grant_type", "refresh_token"),
                    ("client_id", client_id),
                    ("client_secret", client_secret.expose()),
                    ("refresh_token", refresh_token.expose()),
                ],
            )
            .hiding(client_secret.expose())
            .hiding(refresh_token.expose()),
        };
        bearer(exchange, &step).await
    }
}

/// Sends `step` for an OAuth token.
async fn bearer(exchange: &Exchange, step: &Step) -> Result<Token<GcpCredential>, String> {
    #[derive(Deserialize)]
    struct Given {
        access_token: String,
        expires_in: i64,
    }
    // the life of a token begins when it is asked for, at the latest
    let asked = exchange.now();
    let given: Given = json(&exchange.obtain(step).await?.body)?;
    header_value(&given.access_token).map_err(|why| format!("the token: {why}"))?;
    let expires = asked.plus(given.expires_in.saturating_mul(SECOND_MS));
    Ok(Token { value: GcpCredential { bearer: given.access_token }, expires: Some(expires) })
}

fn private_key(pem: &str) -> Result<RsaKeyPair, String> {
    const USELESS: &str = "its `private_key` is no RSA key in PEM form";
    let key = match PrivateKeyDer::from_pem_slice(pem.as_bytes()) {
        Ok(PrivateKeyDer::Pkcs8(key)) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
        Ok(PrivateKeyDer::Pkcs1(key)) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
        Ok(_) | Err(_) => return Err(USELESS.to_owned()),
    };
    key.map_err(|_opaque| USELESS.to_owned())
}

/// A signed claim to be `email`. <https://developers.google.com/identity/protocols/oauth2/service-account#authorizingrequests>
fn assertion(email: &str, key_id: &str, key: &RsaKeyPair, audience: &str, issued_s: i64) -> Result<String, String> {
    let header = serde_json::json!({"alg": "RS256", "typ": "JWT", "kid": key_id});
    let claims = serde_json::json!({
        "iss": email, "scope": SCOPE, "aud": audience, "iat": issued_s, "exp": issued_s.saturating_add(JWT_LIFE_S),
    });
    let encode = |part: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(part);
    let message = format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature)
        .map_err(|_opaque| "its `private_key` cannot sign".to_owned())?;
    Ok(format!("{message}.{}", encode(&signature)))
}

/// The account that stands in the configuration.
struct Fixed {
    account: Account,
    exchange: Exchange,
}

#[async_trait]
impl Source<GcpCredential> for Fixed {
    async fn fetch(&self) -> Result<Token<GcpCredential>, Tried> {
        self.account.token(&self.exchange).await.map_err(|said| Tried::one("`service_account`", said))
    }
}

/// The application default credentials.
struct Defaults {
    environment: Environment,
    exchange: Exchange,
}

#[async_trait]
impl Source<GcpCredential> for Defaults {
    async fn fetch(&self) -> Result<Token<GcpCredential>, Tried> {
        let mut tried = Tried::default();
        if let Some(path) = self.environment.non_empty("GOOGLE_APPLICATION_CREDENTIALS") {
            // somebody named it: if it is not usable, that is the error
            let label = "`GOOGLE_APPLICATION_CREDENTIALS`";
            let text = read_file(Path::new(path)).await.map_err(|miss| Tried::one(label, miss.said))?;
            return self.of_file(path, &text).await.map_err(|said| Tried::one(label, said));
        }
        tried.note("environment", "`GOOGLE_APPLICATION_CREDENTIALS` is not set");
        match self.environment.non_empty("HOME") {
            None => tried.note("gcloud", "`HOME` is not set"),
            Some(home) => {
                let path = Path::new(home).join(".config/gcloud/application_default_credentials.json");
                match read_file(&path).await {
                    Ok(text) => {
                        let shown = path.display().to_string();
                        return self.of_file(&shown, &text).await.map_err(|said| Tried::one("gcloud", said));
                    }
                    Err(FileMiss { absent: true, said }) => tried.note("gcloud", said),
                    Err(FileMiss { said, .. }) => return Err(Tried::one("gcloud", said)),
                }
            }
        }
        let host = self.environment.non_empty("GCE_METADATA_HOST").unwrap_or(METADATA_HOST);
        let step = Step::get(format!("http://{host}{METADATA_PATH}"))
            .header("metadata-flavor", HeaderValue::from_static("Google"));
        bearer(&self.exchange, &step).await.map_err(|said| {
            tried.note("metadata server", said);
            tried
        })
    }
}

impl Defaults {
    async fn of_file(&self, path: &str, text: &str) -> Result<Token<GcpCredential>, String> {
        let account = Account::parse(text, &self.exchange).map_err(|why| format!("`{path}`: {why}"))?;
        account.token(&self.exchange).await
    }
}

#[cfg(test)]
mod tests;
