//! Credentials that the machine itself hands out: to a container (ECS, EKS pod identity), or to an instance (`IMDSv2`).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ::http::{HeaderValue, Method};
use object_store::aws::AwsCredential;
use serde::Deserialize;
use url::{Host, Url};

use super::super::Token;
use super::super::answer::json;
use super::super::exchange::{Exchange, Step, read_token};
use super::{Fetched, Miss, credential};
use crate::discover::said::quoted;
use crate::model::{Environment, TimestampMs};

/// Where ECS answers.
const ECS: &str = "http://169.254.170.2";
/// Addresses that may be asked over plain HTTP, besides this machine: ECS and EKS' pod identity agent, as in the SDK.
const CONTAINER_HOSTS: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x23)),
];
const INSTANCE: &str = "http://169.254.169.254";
const INSTANCE_IPV6: &str = "http://[fd00:ec2::254]";
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
/// The longest that IMDS allows, in seconds.
const TOKEN_LIFE_S: &str = "21600";

/// What both kinds of endpoint answer.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MachineKey {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    access_key_id: String,
    #[serde(default)]
    secret_access_key: String,
    #[serde(default)]
    token: String,
    #[serde(default)]
    expiration: Option<String>,
}

impl MachineKey {
    fn token(self) -> Result<Token<AwsCredential>, String> {
        if let Some(code) = self.code.filter(|code| code != "Success") {
            let said = quoted(&self.message.unwrap_or_default(), &[]);
            return Err(format!("it answered `{}`: {said}", quoted(&code, &[])));
        }
        if self.access_key_id.is_empty() || self.secret_access_key.is_empty() {
            return Err("its answer holds no key".to_owned());
        }
        let expires = match self.expiration {
            None => None,
            Some(text) => Some(
                TimestampMs::parse_rfc3339(&text)
                    .map_err(|_invalid| "it gave an `Expiration` that is no time".to_owned())?,
            ),
        };
        let value = credential(&self.access_key_id, &self.secret_access_key, Some(&self.token))?;
        Ok(Token { value, expires })
    }
}

/// The endpoint of a container.
#[derive(Clone)]
pub(super) struct Container {
    url: String,
    authorization: Authorization,
}

#[derive(Clone)]
enum Authorization {
    None,
    Text(String),
    File(String),
}

/// Without the token.
impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Container({})", self.url)
    }
}

impl Container {
    /// `Ok(None)` where the environment names none. `instead` stands for whatever address it names.
    pub(super) fn from_environment(environment: &Environment, instead: Option<&str>) -> Result<Option<Self>, String> {
        let relative = environment.non_empty("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        let full = environment.non_empty("AWS_CONTAINER_CREDENTIALS_FULL_URI");
        let named = match (relative, full) {
            (Some(relative), _) => format!("{ECS}/{}", relative.trim_start_matches('/')),
            (None, Some(full)) => full.to_owned(),
            (None, None) => return Ok(None),
        };
        let url = instead.map_or(named, str::to_owned);
        if instead.is_none() {
            check_container_url(&url)?;
        }
        let authorization = match (
            environment.non_empty("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
            environment.non_empty("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
        ) {
            (Some(file), _) => Authorization::File(file.to_owned()),
            (None, Some(text)) => Authorization::Text(text.to_owned()),
            (None, None) => Authorization::None,
        };
        Ok(Some(Self { url, authorization }))
    }

    pub(super) async fn fetch(&self, exchange: &Exchange) -> Result<Token<AwsCredential>, String> {
        let mut step = Step::get(&self.url);
        // the file is read each time: whoever writes it renews it
        let token = match &self.authorization {
            Authorization::None => None,
            Authorization::Text(text) => Some(text.clone()),
            Authorization::File(file) => Some(read_token(file).await?),
        };
        if let Some(token) = token {
            step = step.secret_header("authorization", &token).map_err(|why| format!("the token: {why}"))?;
        }
        let answer = exchange.obtain(&step).await?;
        json::<MachineKey>(&answer.body)?.token()
    }
}

/// The token must not go over plain HTTP to somebody else.
fn check_container_url(full: &str) -> Result<(), String> {
    const NAME: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    let Ok(url) = Url::parse(full) else { return Err(format!("`{NAME}` is not a URL")) };
    if url.scheme() == "https" {
        return Ok(());
    }
    let near = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback() || CONTAINER_HOSTS.contains(&IpAddr::V4(ip)),
        Some(Host::Ipv6(ip)) => ip.is_loopback() || CONTAINER_HOSTS.contains(&IpAddr::V6(ip)),
        None => false,
    };
    if near {
        return Ok(());
    }
    Err(format!("`{NAME}` names neither HTTPS, nor this machine, nor the address of ECS or EKS"))
}

/// The metadata service of an instance.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    base: String,
    disabled: bool,
    /// Without a session token, where the service knows of none.
    version_1: bool,
}

impl Instance {
    /// `instead` is the address to ask, if not empty.
    pub(super) fn from_environment(environment: &Environment, instead: &str) -> Self {
        let is_true = |name| environment.non_empty(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let ipv6 = environment
            .non_empty("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE")
            .is_some_and(|mode| mode.eq_ignore_ascii_case("ipv6"));
        let base = match environment.non_empty("AWS_EC2_METADATA_SERVICE_ENDPOINT") {
            _ if !instead.is_empty() => instead,
            Some(named) => named,
            None if ipv6 => INSTANCE_IPV6,
            None => INSTANCE,
        };
        Self {
            base: base.trim_end_matches('/').to_owned(),
            disabled: is_true("AWS_EC2_METADATA_DISABLED"),
            version_1: !is_true("AWS_EC2_METADATA_V1_DISABLED"),
        }
    }

    pub(super) async fn fetch(&self, exchange: &Exchange) -> Fetched {
        if self.disabled {
            return Err(Miss::Absent("`AWS_EC2_METADATA_DISABLED` is set".to_owned()));
        }
        self.ask(exchange).await.map_err(Miss::Failed)
    }

    async fn ask(&self, exchange: &Exchange) -> Result<Token<AwsCredential>, String> {
        let session = self.session(exchange).await?;
        let step = with_session(Step::get(format!("{}{ROLES}", self.base)), session.as_deref())?;
        let roles = exchange.obtain(&step).await?;
        // an instance profile holds one role
        let role = std::str::from_utf8(&roles.body).unwrap_or_default().lines().next().unwrap_or_default().trim();
        if role.is_empty() {
            return Err("the instance has no role".to_owned());
        }
        let step = with_session(Step::get(format!("{}{ROLES}{role}", self.base)), session.as_deref())?;
        let answer = exchange.obtain(&step).await?;
        json::<MachineKey>(&answer.body)?.token()
    }

    /// The session token of `IMDSv2`; `None` where the service does not know of them.
    async fn session(&self, exchange: &Exchange) -> Result<Option<String>, String> {
        let url = format!("{}/latest/api/token", self.base);
        exchange.open(Method::PUT, &url)?;
        let life = HeaderValue::from_static(TOKEN_LIFE_S);
        let step = Step::put(url).header("x-aws-ec2-metadata-token-ttl-seconds", life);
        let answer = exchange.ask(&step).await?;
        if self.version_1 && [403, 404, 405].contains(&answer.status.as_u16()) {
            return Ok(None);
        }
        let answer = Exchange::accept(&step, answer)?;
        let token = std::str::from_utf8(&answer.body).unwrap_or_default().trim();
        Ok(Some(token.to_owned()))
    }
}

fn with_session(step: Step, session: Option<&str>) -> Result<Step, String> {
    match session {
        Some(token) => step.secret_header("x-aws-ec2-metadata-token", token),
        None => Ok(step),
    }
}
