//! The Security Token Service: a web identity token, or the credentials of one role, for those of another.
//!
//! <https://docs.aws.amazon.com/STS/latest/APIReference/welcome.html>

use ::http::Method;
use object_store::aws::{AwsAuthorizer, AwsCredential};

use super::super::Token;
use super::super::answer::xml_text;
use super::super::exchange::{Exchange, Step, header_value, read_token};
use super::credential;
use crate::discover::http::Answer;
use crate::model::TimestampMs;

/// The name that the sessions have in the account's audit log.
const SESSION_NAME: &str = "blockwarden";
const API_VERSION: &str = "2011-06-15";

/// A role that a token in a file stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WebIdentity {
    pub(super) token_file: String,
    pub(super) role_arn: String,
    pub(super) session_name: Option<String>,
}

/// A role that another one may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RoleHop {
    pub(super) role_arn: String,
    pub(super) session_name: Option<String>,
    pub(super) external_id: Option<String>,
    pub(super) duration_s: Option<String>,
}

/// STS at one address.
pub(super) struct Sts<'e> {
    exchange: &'e Exchange,
    url: String,
    region: String,
}

impl<'e> Sts<'e> {
    /// At `endpoint`, or at that of `region`, or at the global one.
    pub(super) fn new(exchange: &'e Exchange, endpoint: Option<&str>, region: &str) -> Result<Self, String> {
        header_value(region).map_err(|why| format!("the region: {why}"))?;
        let url = match endpoint {
            Some(endpoint) if endpoint.contains("://") => endpoint.to_owned(),
            Some(endpoint) => format!("https://{endpoint}"),
            None if region.is_empty() => "https://sts.amazonaws.com/".to_owned(),
            None if region.starts_with("cn-") => format!("https://sts.{region}.amazonaws.com.cn/"),
            None => format!("https://sts.{region}.amazonaws.com/"),
        };
        exchange.open(Method::POST, &url)?;
        // what the global endpoint signs as
        let region = if region.is_empty() { "us-east-1" } else { region };
        Ok(Self { exchange, url, region: region.to_owned() })
    }

    pub(super) async fn web_identity(&self, identity: &WebIdentity) -> Result<Token<AwsCredential>, String> {
        let token = read_token(&identity.token_file).await?;
        let step = Step::post_form(
            &self.url,
            &[
                ("Action", "AssumeRoleWithWebIdentity"),
                ("RoleArn", &identity.role_arn),
                ("RoleSessionName", identity.session_name.as_deref().unwrap_or(SESSION_NAME)),
                ("Version", API_VERSION),
                ("WebIdentityToken", &token),
            ],
        )
        .hiding(&token);
        session(&self.exchange.obtain(&step).await?)
    }

    pub(super) async fn assume_role(&self, hop: &RoleHop, by: &AwsCredential) -> Result<Token<AwsCredential>, String> {
        let mut fields = vec![
            ("Action", "AssumeRole"),
            ("RoleArn", hop.role_arn.as_str()),
            ("RoleSessionName", hop.session_name.as_deref().unwrap_or(SESSION_NAME)),
            ("Version", API_VERSION),
        ];
        fields.extend(hop.external_id.as_deref().map(|id| ("ExternalId", id)));
        fields.extend(hop.duration_s.as_deref().map(|seconds| ("DurationSeconds", seconds)));
        let step = Step::post_form(&self.url, &fields).hiding(&by.secret_key);
        let mut request = step.request()?;
        AwsAuthorizer::new(by, "sts", &self.region)
            .try_authorize(&mut request, None)
            .map_err(|_opaque| "the request to STS cannot be signed".to_owned())?;
        let answer = self.exchange.send(request).await?;
        session(&Exchange::accept(&step, answer)?)
    }
}

/// The credentials in an answer.
fn session(answer: &Answer) -> Result<Token<AwsCredential>, String> {
    let field = |name: &str| {
        xml_text(&answer.body, name).filter(|text| !text.is_empty()).ok_or_else(|| format!("STS gave no `{name}`"))
    };
    let expires = TimestampMs::parse_rfc3339(&field("Expiration")?)
        .map_err(|_invalid| "STS gave an `Expiration` that is no time".to_owned())?;
    let value = credential(&field("AccessKeyId")?, &field("SecretAccessKey")?, Some(&field("SessionToken")?))?;
    Ok(Token { value, expires: Some(expires) })
}
