//! Profiles: the shared files as the SDK reads both of them, and as minio-go reads the one.
//!
//! <https://docs.aws.amazon.com/sdkref/latest/guide/file-location.html>

use std::path::{Path, PathBuf};

use object_store::aws::AwsCredential;

use super::super::exchange::{FileMiss, read_file};
use super::credential;
use super::ini::{Section, Sections, parse};
use super::sts::{RoleHop, WebIdentity};
use crate::model::Environment;

/// The most profiles that may stand behind each other.
const MAX_HOPS: usize = 8;

/// Keys by which a profile gets its credentials in a way that is not supported, with what they would need.
const UNSUPPORTED: [(&str, &str); 7] = [
    ("sso_session", "single sign-on"),
    ("sso_start_url", "single sign-on"),
    ("sso_account_id", "single sign-on"),
    ("sso_role_name", "single sign-on"),
    ("login_session", "a login in a browser"),
    ("credential_process", "running another program"),
    ("mfa_serial", "somebody to type a code"),
];

/// Both files.
#[derive(Clone)]
pub(super) struct Profiles {
    name: String,
    /// Somebody asked for this one, so it has to be there.
    explicit: bool,
    sections: Sections,
    files: String,
}

/// Where the first credentials of a profile come from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Base {
    Keys(AwsCredential),
    WebIdentity(WebIdentity),
    Environment,
    Container,
    Instance,
    /// The profile does not say.
    None,
}

/// What a profile comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) base: Base,
    /// To be taken one after the other, with the credentials of the one before.
    pub(super) roles: Vec<RoleHop>,
    pub(super) region: Option<String>,
}

impl Profiles {
    pub(super) async fn load(environment: &Environment) -> Result<Self, String> {
        let config_file = located(environment, "AWS_CONFIG_FILE", "config");
        let keys_file = located(environment, "AWS_SHARED_CREDENTIALS_FILE", "credentials");
        let mut sections = Sections::new();
        for (file, is_config) in [(&config_file, true), (&keys_file, false)] {
            let Some(path) = file else { continue };
            for (name, section) in read(path).await?.unwrap_or_default() {
                let Some(name) = profile_name(&name, is_config) else { continue };
                // the credentials file comes second: what it says counts
                sections.entry(name.to_owned()).or_default().extend(section);
            }
        }
        let explicit = environment.non_empty("AWS_PROFILE").or_else(|| environment.non_empty("AWS_DEFAULT_PROFILE"));
        let paths: Vec<String> =
            [config_file, keys_file].iter().flatten().map(|path| format!("`{}`", path.display())).collect();
        let files = if paths.is_empty() { "no file, as `HOME` is not set".to_owned() } else { paths.join(" and ") };
        Ok(Self { name: explicit.unwrap_or("default").to_owned(), explicit: explicit.is_some(), sections, files })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Why there is nothing, after [`Base::None`].
    pub(super) fn nothing_found(&self) -> String {
        if self.sections.contains_key(&self.name) {
            return format!("it holds no credentials ({})", self.files);
        }
        format!("it is not there ({})", self.files)
    }

    /// Follows `source_profile` to where credentials come from.
    pub(super) fn resolve(&self) -> Result<Resolved, String> {
        let mut name = self.name.as_str();
        let mut roles = Vec::new();
        let region = self.sections.get(name).and_then(|section| value(section, "region")).map(str::to_owned);
        for hop in 0..MAX_HOPS {
            let Some(section) = self.sections.get(name) else {
                if hop == 0 && !self.explicit {
                    return Ok(Resolved { base: Base::None, roles, region });
                }
                return Err(format!("there is no profile `{name}` in {}", self.files));
            };
            let role = value(section, "role_arn");
            let next = value(section, "source_profile").filter(|_| role.is_some());
            if role.is_some() && value(section, "web_identity_token_file").is_none() {
                if let Some(role_arn) = role {
                    refuse(name, section, &["mfa_serial"])?;
                    roles.push(hop_of(role_arn, section));
                }
                match next {
                    // a profile may name itself: its own keys take the role
                    Some(next) if next != name => {
                        name = next;
                        continue;
                    }
                    _ => {}
                }
            }
            let base = base(name, section, next.is_some(), role)?;
            roles.reverse();
            return Ok(Resolved { base, roles, region });
        }
        Err(format!("`source_profile` leads through more than {MAX_HOPS} profiles: is it a circle?"))
    }
}

fn base(name: &str, section: &Section, sourced: bool, role: Option<&str>) -> Result<Base, String> {
    if role.is_some()
        && !sourced
        && let Some(source) = value(section, "credential_source")
    {
        return match source {
            "Environment" => Ok(Base::Environment),
            "EcsContainer" => Ok(Base::Container),
            "Ec2InstanceMetadata" => Ok(Base::Instance),
            _ => Err(format!("profile `{name}`: `credential_source` is not one that the SDK knows")),
        };
    }
    if let (Some(token_file), Some(role_arn)) = (value(section, "web_identity_token_file"), role) {
        return Ok(Base::WebIdentity(WebIdentity {
            token_file: token_file.to_owned(),
            role_arn: role_arn.to_owned(),
            session_name: value(section, "role_session_name").map(str::to_owned),
        }));
    }
    if role.is_some() && !sourced {
        return Err(format!(
            "profile `{name}`: `role_arn` needs `source_profile`, `credential_source` or `web_identity_token_file`"
        ));
    }
    if let Some(key) = keys(section).map_err(|why| format!("profile `{name}`: {why}"))? {
        return Ok(Base::Keys(key));
    }
    refuse(name, section, &UNSUPPORTED.map(|(key, _)| key))?;
    if sourced {
        return Err(format!("profile `{name}`: it is the source of a role and has no keys"));
    }
    Ok(Base::None)
}

fn hop_of(role_arn: &str, section: &Section) -> RoleHop {
    let own = |key| value(section, key).map(str::to_owned);
    RoleHop {
        role_arn: role_arn.to_owned(),
        session_name: own("role_session_name"),
        external_id: own("external_id"),
        duration_s: own("duration_seconds"),
    }
}

/// Names the first of `keys` that the profile has and that cannot be followed.
fn refuse(name: &str, section: &Section, keys: &[&str]) -> Result<(), String> {
    let found = UNSUPPORTED.iter().find(|(key, _)| keys.contains(key) && value(section, key).is_some());
    match found {
        Some((key, needs)) => {
            Err(format!("profile `{name}`: `{key}` is not supported, as it needs {needs}; use keys or a role instead"))
        }
        None => Ok(()),
    }
}

fn keys(section: &Section) -> Result<Option<AwsCredential>, String> {
    match (value(section, "aws_access_key_id"), value(section, "aws_secret_access_key")) {
        (Some(key), Some(secret)) => credential(key, secret, value(section, "aws_session_token"))
            .map(Some)
            .map_err(|why| format!("`aws_access_key_id` or `aws_session_token`: {why}")),
        (None, None) => Ok(None),
        (Some(_), None) => Err("`aws_access_key_id` is set, `aws_secret_access_key` is not".to_owned()),
        (None, Some(_)) => Err("`aws_secret_access_key` is set, `aws_access_key_id` is not".to_owned()),
    }
}

fn value<'s>(section: &'s Section, key: &str) -> Option<&'s str> {
    section.get(key).map(String::as_str).filter(|value| !value.is_empty())
}

/// The profile that a section is about. In the config file all but `default` have a word in front; other sections
/// there (`sso-session`, `services`) are no profiles.
fn profile_name(section: &str, is_config: bool) -> Option<&str> {
    match section.strip_prefix("profile ") {
        Some(name) => Some(name),
        None if is_config && section != "default" => None,
        None => Some(section),
    }
}

/// What `variable` names, else the file in `~/.aws`.
fn located(environment: &Environment, variable: &str, file: &str) -> Option<PathBuf> {
    if let Some(path) = environment.non_empty(variable) {
        return Some(PathBuf::from(path));
    }
    let home = environment.non_empty("HOME").or_else(|| environment.non_empty("USERPROFILE"))?;
    Some(Path::new(home).join(".aws").join(file))
}

/// `Ok(None)` where the file is not there.
async fn read(path: &Path) -> Result<Option<Sections>, String> {
    let text = match read_file(path).await {
        Ok(text) => text,
        Err(FileMiss { absent: true, .. }) => return Ok(None),
        Err(FileMiss { said, .. }) => return Err(said),
    };
    parse(&text).map(Some).map_err(|bad| format!("{}:{}: {bad}", path.display(), bad.line))
}

/// The keys in the credentials file, as minio-go's `FileAWSCredentials` finds them: one file, no roles.
pub(super) async fn minio_file(environment: &Environment) -> Result<AwsCredential, String> {
    let Some(path) = located(environment, "AWS_SHARED_CREDENTIALS_FILE", "credentials") else {
        return Err("neither `AWS_SHARED_CREDENTIALS_FILE` nor `HOME` is set".to_owned());
    };
    let shown = path.display();
    let Some(sections) = read(&path).await? else { return Err(format!("`{shown}` does not exist")) };
    let name = environment.non_empty("AWS_PROFILE").unwrap_or("default");
    let section = sections.get(name).or_else(|| sections.get(&format!("profile {name}")));
    let Some(section) = section else { return Err(format!("`{shown}` has no profile `{name}`")) };
    if let Some(key) = keys(section).map_err(|why| format!("`{shown}`, profile `{name}`: {why}"))? {
        return Ok(key);
    }
    refuse(name, section, &UNSUPPORTED.map(|(key, _)| key))?;
    Err(format!("`{shown}`, profile `{name}`: no keys in it; roles need `aws_sdk_auth: true`"))
}
