//! AWS credentials as Thanos finds them: its `aws_sdk_auth` is the default chain of the AWS SDK for Go v2, static keys
//! are taken as they are, and without either minio-go's chain is walked.
//!
//! <https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>,
//! <https://github.com/thanos-io/objstore/blob/main/providers/s3/s3.go>

mod ini;
mod metadata;
mod profile;
mod sts;

use async_trait::async_trait;
use object_store::aws::AwsCredential;

use super::exchange::{Exchange, header_value};
use super::{Credentials, Source, Token, Tried, exchange};
use crate::discover::{Ambient, BucketError};
use crate::model::{Environment, S3Settings};
use metadata::{Container, Instance};
use profile::{Base, Profiles};
use sts::{RoleHop, Sts, WebIdentity};

const HINT: &str = "set `access_key` and `secret_key`, or give the process one of these sources";
const KEY_NAMES: [&str; 2] = ["AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"];
const SECRET_NAMES: [&str; 2] = ["AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY"];

/// The credentials of a bucket of `type: S3`, by its `aws_sdk_auth`, its static keys, or minio-go's chain. `ambient`'s
/// clock decides when they are renewed.
pub fn aws_credentials(
    settings: &S3Settings,
    environment: &Environment,
    ambient: &Ambient,
) -> Result<Credentials<AwsCredential>, BucketError> {
    let place = format!("S3 bucket `{}` at `{}`", settings.bucket, settings.endpoint);
    if !settings.aws_sdk_auth && !settings.access_key.is_empty() {
        let (key_id, secret) = (settings.access_key.expose(), settings.secret_key.expose());
        let key = credential(key_id, secret, Some(settings.session_token.expose()))
            .map_err(|why| super::unusable(&place, &format!("`access_key` or `session_token`: {why}"), HINT))?;
        return Ok(Credentials::fixed(place, ambient, key));
    }
    let exchange = exchange(&place, environment, ambient)?;
    let chain = Chain {
        sdk: settings.aws_sdk_auth,
        region: settings.region.clone(),
        sts_endpoint: settings.sts_endpoint.clone(),
        environment: environment.clone(),
        exchange,
    };
    Ok(Credentials::new(place, HINT, ambient, chain))
}

/// Why a source gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Miss {
    /// It is not set up: the next one may be.
    Absent(String),
    /// It is set up, and does not work.
    Failed(String),
}

impl Miss {
    fn said(self) -> String {
        match self {
            Self::Absent(said) | Self::Failed(said) => said,
        }
    }
}

type Fetched = Result<Token<AwsCredential>, Miss>;

/// A key that can be put into headers.
fn credential(key_id: &str, secret: &str, token: Option<&str>) -> Result<AwsCredential, String> {
    header_value(key_id)?;
    let token = token.filter(|token| !token.is_empty());
    if let Some(token) = token {
        header_value(token)?;
    }
    Ok(AwsCredential { key_id: key_id.to_owned(), secret_key: secret.to_owned(), token: token.map(str::to_owned) })
}

struct Chain {
    /// The SDK's order instead of minio-go's.
    sdk: bool,
    region: String,
    sts_endpoint: String,
    environment: Environment,
    exchange: Exchange,
}

#[async_trait]
impl Source<AwsCredential> for Chain {
    async fn fetch(&self) -> Result<Token<AwsCredential>, Tried> {
        if self.sdk { self.fetch_as_sdk().await } else { self.fetch_as_minio().await }
    }
}

impl Chain {
    /// The SDK commits itself to the first source that is set up: a wrong one is an error and not passed over.
    async fn fetch_as_sdk(&self) -> Result<Token<AwsCredential>, Tried> {
        let mut tried = Tried::default();
        match self.of_environment() {
            Ok(token) => return Ok(token),
            Err(miss) => tried.note("environment", miss.said()),
        }
        match self.of_web_identity().await {
            Ok(token) => return Ok(token),
            Err(Miss::Failed(said)) => return Err(Tried::one("web identity", said)),
            Err(Miss::Absent(said)) => tried.note("web identity", said),
        }
        let profiles = Profiles::load(&self.environment).await.map_err(|said| Tried::one("shared files", said))?;
        let label = format!("profile `{}`", profiles.name());
        let of_profile = |said: String| Tried::one(label.clone(), said);
        let resolved = profiles.resolve().map_err(|said| Tried::one("shared files", said))?;
        let region = self.region(resolved.region.as_deref());
        let base = match resolved.base {
            Base::Keys(key) => Token::lasting(key),
            Base::Environment => self.of_environment().map_err(|miss| of_profile(miss.said()))?,
            Base::WebIdentity(identity) => {
                let sts = self.sts(&region).map_err(of_profile)?;
                sts.web_identity(&identity).await.map_err(of_profile)?
            }
            Base::Container => self.of_container().await.map_err(|miss| of_profile(miss.said()))?,
            Base::Instance => self.instance().fetch(&self.exchange).await.map_err(|miss| of_profile(miss.said()))?,
            Base::None => {
                tried.note(label.clone(), profiles.nothing_found());
                self.of_machine(tried).await?
            }
        };
        self.take_roles(base, &resolved.roles, &region).await.map_err(of_profile)
    }

    /// minio-go goes on to the next source whatever the reason; its last is one of three that the environment chooses.
    async fn fetch_as_minio(&self) -> Result<Token<AwsCredential>, Tried> {
        let mut tried = Tried::default();
        match self.of_environment() {
            Ok(token) => return Ok(token),
            Err(miss) => tried.note("environment", miss.said()),
        }
        match profile::minio_file(&self.environment).await {
            Ok(key) => return Ok(Token::lasting(key)),
            Err(said) => tried.note("credentials file", said),
        }
        match self.of_web_identity().await {
            Ok(token) => return Ok(token),
            Err(Miss::Failed(said)) => {
                tried.note("web identity", said);
                return Err(tried);
            }
            Err(Miss::Absent(said)) => tried.note("web identity", said),
        }
        self.of_machine(tried).await
    }

    /// The container's endpoint if there is one, else the instance's.
    async fn of_machine(&self, mut tried: Tried) -> Result<Token<AwsCredential>, Tried> {
        match self.of_container().await {
            Ok(token) => return Ok(token),
            Err(Miss::Failed(said)) => {
                tried.note("container", said);
                return Err(tried);
            }
            Err(Miss::Absent(said)) => tried.note("container", said),
        }
        match self.instance().fetch(&self.exchange).await {
            Ok(token) => Ok(token),
            Err(miss) => {
                tried.note("instance metadata", miss.said());
                Err(tried)
            }
        }
    }

    fn of_environment(&self) -> Fetched {
        let first = |names: [&str; 2]| names.iter().find_map(|name| self.environment.non_empty(name));
        let [key_name, _] = KEY_NAMES;
        let [secret_name, _] = SECRET_NAMES;
        match (first(KEY_NAMES), first(SECRET_NAMES)) {
            (Some(key), Some(secret)) => credential(key, secret, self.environment.non_empty("AWS_SESSION_TOKEN"))
                .map(Token::lasting)
                .map_err(|why| Miss::Failed(format!("`{key_name}` or `AWS_SESSION_TOKEN`: {why}"))),
            (None, _) => Err(Miss::Absent(format!("`{key_name}` is not set"))),
            (Some(_), None) => Err(Miss::Absent(format!("`{key_name}` is set, `{secret_name}` is not"))),
        }
    }

    async fn of_web_identity(&self) -> Fetched {
        let Some(token_file) = self.environment.non_empty("AWS_WEB_IDENTITY_TOKEN_FILE") else {
            return Err(Miss::Absent("`AWS_WEB_IDENTITY_TOKEN_FILE` is not set".to_owned()));
        };
        let Some(role_arn) = self.environment.non_empty("AWS_ROLE_ARN") else {
            return Err(Miss::Failed("`AWS_WEB_IDENTITY_TOKEN_FILE` is set, `AWS_ROLE_ARN` is not".to_owned()));
        };
        let identity = WebIdentity {
            token_file: token_file.to_owned(),
            role_arn: role_arn.to_owned(),
            session_name: self.environment.non_empty("AWS_ROLE_SESSION_NAME").map(str::to_owned),
        };
        let sts = self.sts(&self.region(None)).map_err(Miss::Failed)?;
        sts.web_identity(&identity).await.map_err(Miss::Failed)
    }

    async fn of_container(&self) -> Fetched {
        // as in minio-go, whose one `sts_endpoint` stands for whichever source is used
        let instead = (!self.sdk).then_some(self.sts_endpoint.as_str()).filter(|endpoint| !endpoint.is_empty());
        let container = Container::from_environment(&self.environment, instead).map_err(Miss::Failed)?;
        let Some(container) = container else {
            return Err(Miss::Absent(
                "neither `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` nor `AWS_CONTAINER_CREDENTIALS_FULL_URI` is set"
                    .to_owned(),
            ));
        };
        container.fetch(&self.exchange).await.map_err(Miss::Failed)
    }

    fn instance(&self) -> Instance {
        let instead = if self.sdk { "" } else { self.sts_endpoint.as_str() };
        Instance::from_environment(&self.environment, instead)
    }

    async fn take_roles(
        &self,
        base: Token<AwsCredential>,
        roles: &[RoleHop],
        region: &str,
    ) -> Result<Token<AwsCredential>, String> {
        let mut token = base;
        for role in roles {
            token = self.sts(region)?.assume_role(role, &token.value).await?;
        }
        Ok(token)
    }

    /// Where STS is asked, which decides its endpoint; empty if nobody says.
    fn region(&self, of_profile: Option<&str>) -> String {
        let named = Some(self.region.as_str()).filter(|region| !region.is_empty());
        named
            .or_else(|| self.environment.non_empty("AWS_REGION"))
            .or_else(|| self.environment.non_empty("AWS_DEFAULT_REGION"))
            .or(of_profile)
            .unwrap_or_default()
            .to_owned()
    }

    fn sts(&self, region: &str) -> Result<Sts<'_>, String> {
        let configured = Some(self.sts_endpoint.as_str()).filter(|endpoint| !endpoint.is_empty());
        let endpoint = configured.or_else(|| self.environment.non_empty("AWS_ENDPOINT_URL_STS"));
        Sts::new(&self.exchange, endpoint, region)
    }
}

#[cfg(test)]
mod tests;
