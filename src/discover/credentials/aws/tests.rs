//! Each chain end to end: a scripted server is the credential endpoint and the bucket, and what it saw is compared.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::discover::testing::{Reply, Seen, Server, ambient, limits, list_all, transport};
use crate::discover::{Bucket, ErrorKind, S3};
use crate::model::Secret;

/// In an hour, as the clock of the tests stands.
const EXPIRES: &str = "2026-01-02T04:04:05Z";

fn sts_answer(key: &str) -> String {
    format!(
        "<R xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Result><Credentials><AccessKeyId>{key}</AccessKeyId>\
         <SecretAccessKey>sentinel-s</SecretAccessKey><SessionToken>sentinel-t+/=</SessionToken>\
         <Expiration>{EXPIRES}</Expiration></Credentials></Result></R>"
    )
}

fn machine_answer(key: &str) -> String {
    format!(
        r#"{{"Code":"Success","AccessKeyId":"{key}","SecretAccessKey":"sentinel-s","Token":"sentinel-t","Expiration":"{EXPIRES}"}}"#
    )
}

/// A bucket with one object, beside every endpoint that gives credentials.
async fn cloud() -> Server {
    Server::start(|seen: &Seen| match (seen.method.as_str(), seen.path.as_str()) {
        ("GET", "/thanos/") => Reply::new(
            200,
            "<ListBucketResult><Contents><Key>a</Key><LastModified>2026-01-02T03:04:05Z</LastModified>\
             <ETag>e</ETag><Size>3</Size></Contents><IsTruncated>false</IsTruncated></ListBucketResult>",
        ),
        ("GET", "/thanos/a") => Reply::new(200, "abc"),
        ("POST", "/sts" | "/") => {
            let role = seen.form("RoleArn").unwrap_or_default();
            Reply::new(200, sts_answer(&format!("AS-{role}")))
        }
        ("GET", "/ecs" | "/role-of-the-task") => Reply::new(200, machine_answer("CONTAINER")),
        ("PUT", "/latest/api/token") => Reply::new(200, "sentinel-session"),
        ("GET", "/latest/meta-data/iam/security-credentials/") => Reply::new(200, "the-role\n"),
        ("GET", "/latest/meta-data/iam/security-credentials/the-role") => Reply::new(200, machine_answer("INSTANCE")),
        _ => Reply::new(500, "not in the script"),
    })
    .await
}

struct Case<'c> {
    name: &'c str,
    sdk: bool,
    sts_endpoint: &'c str,
    env: Vec<(&'c str, String)>,
    /// The key that requests to the bucket are signed with.
    key: &'c str,
    /// What the credential endpoints saw.
    traffic: Vec<&'c str>,
}

fn settings(server: &Server) -> S3Settings {
    S3Settings {
        bucket: "thanos".to_owned(),
        endpoint: server.address.clone(),
        insecure: true,
        region: "eu-west-1".to_owned(),
        ..S3Settings::default()
    }
}

fn environment(pairs: &[(&str, String)]) -> Environment {
    pairs.iter().map(|(name, value)| (*name, value.clone())).collect()
}

fn open(settings: &S3Settings, environment: &Environment) -> Result<S3, BucketError> {
    let credentials = aws_credentials(settings, environment, &ambient())?;
    S3::new(settings, Arc::from("thanos"), "", credentials, transport(limits()))
}

async fn check(server: &Server, case: Case<'_>) {
    let mut settings = settings(server);
    settings.aws_sdk_auth = case.sdk;
    case.sts_endpoint.clone_into(&mut settings.sts_endpoint);
    let bucket = open(&settings, &environment(&case.env)).unwrap();
    let before = server.seen().len();
    let (objects, _) = list_all(&bucket, &[]).await.unwrap_or_else(|error| panic!("{}: {error}", case.name));
    assert_eq!(objects.len(), 1, "{}", case.name);
    assert_eq!(bucket.get("a", None, None, 10).await.unwrap().bytes, "abc", "{}", case.name);
    let seen = server.seen().split_off(before);
    let (storage, traffic): (Vec<&Seen>, Vec<&Seen>) = seen.iter().partition(|seen| seen.path.starts_with("/thanos/"));
    let traffic: Vec<String> = traffic.iter().map(|seen| format!("{} {}", seen.method, seen.path)).collect();
    assert_eq!(traffic, case.traffic, "{}: asked once, and nothing else", case.name);
    assert_eq!(storage.len(), 2, "{}", case.name);
    for seen in storage {
        let authorization = seen.header("authorization").unwrap();
        let start = format!("AWS4-HMAC-SHA256 Credential={}/2", case.key);
        assert!(authorization.starts_with(&start), "{}: {authorization}", case.name);
    }
    let counts = bucket.requests();
    assert_eq!((counts.list, counts.get), (1, 1), "{}: credential traffic is not counted", case.name);
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn minios_chain_is_walked() {
    let server = cloud().await;
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_str().unwrap().to_owned();
    let token = write(folder.path(), "token", "sentinel-jwt\n");
    let keys = write(
        folder.path(),
        "keys",
        "[default]\naws_access_key_id=FILE\naws_secret_access_key=s\n[profile o]\naws_access_key_id=OTHER\naws_secret_access_key=s",
    );
    let sts = server.url("/sts");
    let irsa = || vec![("AWS_WEB_IDENTITY_TOKEN_FILE", token.clone()), ("AWS_ROLE_ARN", "arn-web".to_owned())];
    let with = |more: Vec<(&'static str, String)>| {
        let mut env = vec![("HOME", home.clone())];
        env.extend(more);
        env
    };
    let imds = [
        "PUT /latest/api/token",
        "GET /latest/meta-data/iam/security-credentials/",
        "GET /latest/meta-data/iam/security-credentials/the-role",
    ];
    for case in [
        Case {
            name: "environment",
            sdk: false,
            sts_endpoint: "",
            env: with(vec![
                ("AWS_ACCESS_KEY", "ENV".to_owned()),
                ("AWS_SECRET_ACCESS_KEY", "s".to_owned()),
                ("AWS_SHARED_CREDENTIALS_FILE", keys.clone()),
            ]),
            key: "ENV",
            traffic: vec![],
        },
        Case {
            name: "file",
            sdk: false,
            sts_endpoint: "",
            env: with(vec![("AWS_SHARED_CREDENTIALS_FILE", keys.clone())]),
            key: "FILE",
            traffic: vec![],
        },
        Case {
            name: "profile",
            sdk: false,
            sts_endpoint: "",
            env: with(vec![("AWS_SHARED_CREDENTIALS_FILE", keys.clone()), ("AWS_PROFILE", "o".to_owned())]),
            key: "OTHER",
            traffic: vec![],
        },
        Case {
            name: "IRSA",
            sdk: false,
            sts_endpoint: &sts,
            env: with(irsa()),
            key: "AS-arn-web",
            traffic: vec!["POST /sts"],
        },
        Case {
            name: "IRSA, endpoint of the environment",
            sdk: false,
            sts_endpoint: "",
            env: with([irsa(), vec![("AWS_ENDPOINT_URL_STS", server.url(""))]].concat()),
            key: "AS-arn-web",
            traffic: vec!["POST /"],
        },
        Case {
            name: "container",
            sdk: false,
            sts_endpoint: "",
            env: with(vec![
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.url("/ecs")),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "sentinel-auth".to_owned()),
            ]),
            key: "CONTAINER",
            traffic: vec!["GET /ecs"],
        },
        Case {
            name: "container at the configured endpoint",
            sdk: false,
            sts_endpoint: &server.url("/role-of-the-task"),
            env: with(vec![("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x".to_owned())]),
            key: "CONTAINER",
            traffic: vec!["GET /role-of-the-task"],
        },
        Case {
            name: "instance",
            sdk: false,
            sts_endpoint: "",
            env: with(vec![("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url("/"))]),
            key: "INSTANCE",
            traffic: imds.to_vec(),
        },
        Case {
            name: "instance at the configured endpoint",
            sdk: false,
            sts_endpoint: &server.url(""),
            env: with(vec![]),
            key: "INSTANCE",
            traffic: imds.to_vec(),
        },
    ] {
        check(&server, case).await;
    }
    let seen = server.seen();
    let of = |path: &str| seen.iter().find(|seen| seen.path == path).unwrap();
    let form = of("/sts");
    assert_eq!(form.form("WebIdentityToken").as_deref(), Some("sentinel-jwt"));
    assert_eq!(form.form("Action").as_deref(), Some("AssumeRoleWithWebIdentity"));
    assert!(form.query.is_empty(), "the token is in the body, where no access log sees it");
    assert_eq!(of("/ecs").header("authorization"), Some("sentinel-auth"));
    assert_eq!(of("/latest/api/token").header("x-aws-ec2-metadata-token-ttl-seconds"), Some("21600"));
    let role = of("/latest/meta-data/iam/security-credentials/the-role");
    assert_eq!(role.header("x-aws-ec2-metadata-token"), Some("sentinel-session"));
}

#[tokio::test]
async fn the_sdks_chain_is_walked() {
    let server = cloud().await;
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_str().unwrap().to_owned();
    let token = write(folder.path(), "token", "sentinel-jwt");
    let config = write(
        folder.path(),
        "config",
        &format!(
            "[default]\nregion = eu-west-1\n[profile base]\naws_access_key_id = BASE\naws_secret_access_key = s\n\
             [profile first]\nrole_arn = arn-first\nsource_profile = base\nexternal_id = ext\n\
             [profile second]\nrole_arn = arn-second\nsource_profile = first\nrole_session_name = named\n\
             [profile self]\nrole_arn = arn-self\nsource_profile = self\naws_access_key_id = SELF\naws_secret_access_key = s\n\
             [profile web]\nrole_arn = arn-web-profile\nweb_identity_token_file = {token}\n\
             [profile of-env]\nrole_arn = arn-env\ncredential_source = Environment\n\
             [profile of-ecs]\nrole_arn = arn-ecs\ncredential_source = EcsContainer\n\
             [profile of-ec2]\nrole_arn = arn-ec2\ncredential_source = Ec2InstanceMetadata\n"
        ),
    );
    let keys = write(folder.path(), "keys", "[override]\naws_access_key_id=KEYS\naws_secret_access_key=s\n");
    let sts = server.url("/sts");
    let with = |more: Vec<(&'static str, String)>| {
        let mut env = vec![
            ("HOME", home.clone()),
            ("AWS_CONFIG_FILE", config.clone()),
            ("AWS_SHARED_CREDENTIALS_FILE", keys.clone()),
            ("AWS_ENDPOINT_URL_STS", sts.clone()),
        ];
        env.extend(more);
        env
    };
    let profile = |name: &str| ("AWS_PROFILE", name.to_owned());
    let container = || ("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.url("/ecs"));
    let instance = || ("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url(""));
    let imds = [
        "PUT /latest/api/token",
        "GET /latest/meta-data/iam/security-credentials/",
        "GET /latest/meta-data/iam/security-credentials/the-role",
    ];
    let keys_of = |key: &str| vec![("AWS_ACCESS_KEY_ID", key.to_owned()), ("AWS_SECRET_ACCESS_KEY", "s".to_owned())];
    for (name, env, key, traffic) in [
        ("environment before profile", [keys_of("ENV"), vec![profile("override")]].concat(), "ENV", vec![]),
        (
            "web identity",
            vec![("AWS_WEB_IDENTITY_TOKEN_FILE", token.clone()), ("AWS_ROLE_ARN", "arn-web".to_owned())],
            "AS-arn-web",
            vec!["POST /sts"],
        ),
        ("keys of the credentials file", vec![profile("override")], "KEYS", vec![]),
        ("keys of the config file", vec![profile("base")], "BASE", vec![]),
        ("a role", vec![profile("first")], "AS-arn-first", vec!["POST /sts"]),
        ("a role of a role", vec![profile("second")], "AS-arn-second", vec!["POST /sts", "POST /sts"]),
        ("a role of its own keys", vec![profile("self")], "AS-arn-self", vec!["POST /sts"]),
        ("web identity of a profile", vec![profile("web")], "AS-arn-web-profile", vec!["POST /sts"]),
        ("role of the container", vec![profile("of-ecs"), container()], "AS-arn-ecs", vec!["GET /ecs", "POST /sts"]),
        (
            "role of the instance",
            vec![profile("of-ec2"), instance()],
            "AS-arn-ec2",
            [&imds[..], &["POST /sts"]].concat(),
        ),
        ("container", vec![container(), instance()], "CONTAINER", vec!["GET /ecs"]),
        ("instance", vec![instance()], "INSTANCE", imds.to_vec()),
    ] {
        check(&server, Case { name, sdk: true, sts_endpoint: "", env: with(env), key, traffic }).await;
    }
    let seen = server.seen();
    let hop = seen.iter().find(|seen| seen.form("RoleArn").as_deref() == Some("arn-first")).unwrap();
    assert_eq!(hop.form("ExternalId").as_deref(), Some("ext"));
    assert!(hop.header("authorization").unwrap().starts_with("AWS4-HMAC-SHA256 Credential=BASE/"));
    let second = seen.iter().find(|seen| seen.form("RoleArn").as_deref() == Some("arn-second")).unwrap();
    assert_eq!(second.form("RoleSessionName").as_deref(), Some("named"));
    assert!(second.header("authorization").unwrap().starts_with("AWS4-HMAC-SHA256 Credential=AS-arn-first/"));
}

#[tokio::test]
async fn static_keys_are_taken_as_they_are() {
    let server = cloud().await;
    let mut settings = settings(&server);
    settings.access_key = Secret::new("STATIC".to_owned());
    settings.secret_key = Secret::new("sentinel".to_owned());
    settings.session_token = Secret::new("sentinel-token".to_owned());
    let environment =
        environment(&[("AWS_ACCESS_KEY_ID", "ENV".to_owned()), ("AWS_SECRET_ACCESS_KEY", "s".to_owned())]);
    let bucket = open(&settings, &environment).unwrap();
    list_all(&bucket, &[]).await.unwrap();
    let seen = server.seen();
    assert!(seen[0].header("authorization").unwrap().starts_with("AWS4-HMAC-SHA256 Credential=STATIC/"));
    assert_eq!(seen[0].header("x-amz-security-token"), Some("sentinel-token"));
    settings.session_token = Secret::new("sentinel\n".to_owned());
    let error = open(&settings, &environment).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unauthenticated);
    assert!(!format!("{error} {error:?}").contains("sentinel"));
}

/// What a chain says that has found nothing.
async fn refused(settings: &S3Settings, env: &[(&str, String)]) -> String {
    let bucket = open(settings, &environment(env)).unwrap();
    let error = list_all(&bucket, &[]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unauthenticated, "{error}");
    let shown = format!("{error} {error:?} {bucket:?}");
    assert!(!shown.contains("sentinel"), "{shown}");
    error.message
}

#[tokio::test]
async fn a_chain_without_credentials_says_what_it_tried() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_str().unwrap().to_owned();
    let server = Server::start(|seen: &Seen| match seen.path.as_str() {
        // a hostile answer that repeats what was sent to it
        "/sts" => Reply::new(
            403,
            format!(
                "<E><Error><Code>AccessDenied</Code><Message>{}</Message></Error></E>",
                seen.form("WebIdentityToken").unwrap_or_default()
            ),
        ),
        "/ecs" | "/latest/api/token" => Reply::new(200, "sentinel"),
        "/empty" => Reply::new(200, "{}"),
        "/code" => Reply::new(200, r#"{"Code":"AssumeRoleUnauthorizedAccess","Message":"no trust"}"#),
        _ => Reply::new(404, ""),
    })
    .await;
    let token = write(folder.path(), "token", "sentinel-jwt");
    let broken = write(folder.path(), "broken", "[default]\nsentinel\n");
    let config = write(
        folder.path(),
        "config",
        "[profile sso]\nsso_session = s\n[profile process]\ncredential_process = sentinel\n\
         [profile mfa]\nrole_arn = r\nsource_profile = sso\nmfa_serial = m\n\
         [profile a]\nrole_arn = r\nsource_profile = b\n[profile b]\nrole_arn = r\nsource_profile = a\n\
         [profile alone]\nrole_arn = r\n[profile half]\naws_access_key_id = sentinel\n[profile lost]\nrole_arn = r\nsource_profile = nobody\n",
    );
    let minio = settings(&server);
    let sdk = S3Settings { aws_sdk_auth: true, ..minio.clone() };
    let off = ("AWS_EC2_METADATA_DISABLED", "true".to_owned());
    let place = format!("no credentials for S3 bucket `thanos` at `{}`: ", server.address);
    let no_container =
        "container: neither `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` nor `AWS_CONTAINER_CREDENTIALS_FULL_URI` is set";
    let no_identity = "web identity: `AWS_WEB_IDENTITY_TOKEN_FILE` is not set";
    let no_keys = "environment: `AWS_ACCESS_KEY_ID` is not set";
    let profile_env = |name: &str| {
        vec![("HOME", home.clone()), ("AWS_CONFIG_FILE", config.clone()), ("AWS_PROFILE", name.to_owned())]
    };
    for (settings, env, expected) in [
        (
            &minio,
            vec![("HOME", home.clone()), off.clone()],
            format!("{no_keys}; credentials file: `{home}/.aws/credentials` does not exist; {no_identity}; {no_container}; instance metadata: `AWS_EC2_METADATA_DISABLED` is set"),
        ),
        (
            &minio,
            vec![("AWS_ACCESS_KEY_ID", "sentinel".to_owned()), ("AWS_SHARED_CREDENTIALS_FILE", broken.clone()), ("AWS_WEB_IDENTITY_TOKEN_FILE", token.clone())],
            format!("environment: `AWS_ACCESS_KEY_ID` is set, `AWS_SECRET_ACCESS_KEY` is not; credentials file: {broken}:2: this is neither `[section]` nor `key = value`; web identity: `AWS_WEB_IDENTITY_TOKEN_FILE` is set, `AWS_ROLE_ARN` is not"),
        ),
        (
            &minio,
            vec![("AWS_WEB_IDENTITY_TOKEN_FILE", token.clone()), ("AWS_ROLE_ARN", "r".to_owned()), ("AWS_ENDPOINT_URL_STS", server.url("/sts"))],
            format!("{no_keys}; credentials file: neither `AWS_SHARED_CREDENTIALS_FILE` nor `HOME` is set; web identity: `127.0.0.1` answered 403: AccessDenied: [redacted]"),
        ),
        (
            &sdk,
            vec![("HOME", home.clone()), ("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url(""))],
            format!("{no_keys}; {no_identity}; profile `default`: it is not there (`{home}/.aws/config` and `{home}/.aws/credentials`); {no_container}; instance metadata: `127.0.0.1` answered 404"),
        ),
        (
            &sdk,
            vec![("AWS_WEB_IDENTITY_TOKEN_FILE", format!("{home}/nowhere")), ("AWS_ROLE_ARN", "r".to_owned())],
            format!("web identity: `{home}/nowhere` does not exist"),
        ),
        (&sdk, vec![("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.url("/ecs"))], format!("{no_keys}; {no_identity}; profile `default`: it is not there (no file, as `HOME` is not set); container: this is not JSON (line 1, column 1)")),
        (&sdk, vec![("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.url("/code"))], format!("{no_keys}; {no_identity}; profile `default`: it is not there (no file, as `HOME` is not set); container: it answered `AssumeRoleUnauthorizedAccess`: no trust")),
        (&sdk, vec![("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/x".to_owned())], format!("{no_keys}; {no_identity}; profile `default`: it is not there (no file, as `HOME` is not set); container: `AWS_CONTAINER_CREDENTIALS_FULL_URI` names neither HTTPS, nor this machine, nor the address of ECS or EKS")),
        (&sdk, vec![("AWS_CONFIG_FILE", broken.clone())], format!("shared files: {broken}:2: this is neither `[section]` nor `key = value`")),
        (&sdk, profile_env("sso"), "shared files: profile `sso`: `sso_session` is not supported, as it needs single sign-on; use keys or a role instead".to_owned()),
        (&sdk, profile_env("process"), "shared files: profile `process`: `credential_process` is not supported, as it needs running another program; use keys or a role instead".to_owned()),
        (&sdk, profile_env("mfa"), "shared files: profile `mfa`: `mfa_serial` is not supported, as it needs somebody to type a code; use keys or a role instead".to_owned()),
        (&sdk, profile_env("a"), "shared files: `source_profile` leads through more than 8 profiles: is it a circle?".to_owned()),
        (&sdk, profile_env("alone"), "shared files: profile `alone`: `role_arn` needs `source_profile`, `credential_source` or `web_identity_token_file`".to_owned()),
        (&sdk, profile_env("half"), "shared files: profile `half`: `aws_access_key_id` is set, `aws_secret_access_key` is not".to_owned()),
        (&sdk, profile_env("lost"), format!("shared files: there is no profile `nobody` in `{config}` and `{home}/.aws/credentials`")),
        (&sdk, profile_env("nobody"), format!("shared files: there is no profile `nobody` in `{config}` and `{home}/.aws/credentials`")),
    ] {
        assert_eq!(refused(settings, &env).await, format!("{place}{expected}"));
    }
    assert!(server.seen().iter().all(|seen| !seen.path.starts_with("/thanos")), "nothing is asked without credentials");
}

#[tokio::test]
async fn an_instance_without_session_tokens_is_asked_without() {
    let server = Server::start(|seen: &Seen| match seen.path.as_str() {
        "/latest/meta-data/iam/security-credentials/" => Reply::new(200, "r"),
        "/latest/meta-data/iam/security-credentials/r" => Reply::new(200, machine_answer("V1")),
        _ => Reply::new(404, ""),
    })
    .await;
    let env = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url(""))];
    let credentials = aws_credentials(&settings(&server), &environment(&env), &ambient()).unwrap();
    assert_eq!(credentials.get().await.unwrap().key_id, "V1");
    let env = [env[0].clone(), ("AWS_EC2_METADATA_V1_DISABLED", "true".to_owned())];
    let credentials = aws_credentials(&settings(&server), &environment(&env), &ambient()).unwrap();
    assert!(credentials.get().await.unwrap_err().message.ends_with("instance metadata: `127.0.0.1` answered 404"));
}
