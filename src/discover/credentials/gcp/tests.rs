//! Each source end to end: a scripted server is the token endpoint and the bucket, and what it saw is compared.

use std::path::Path;
use std::sync::Arc;

use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

use super::*;
use crate::discover::testing::{Reply, Seen, Server, ambient, limits, list_all, transport};
use crate::discover::{Bucket, ErrorKind, Gcs};

const KEY: &str = include_str!("../../../../tests/fixtures/credentials/rsa-key.pem");

/// A bucket with one object, beside every endpoint that gives tokens.
async fn cloud() -> Server {
    Server::start(|seen: &Seen| match (seen.method.as_str(), seen.path.as_str()) {
        ("GET", "/storage/v1/b/thanos/o") => {
            Reply::new(200, r#"{"items":[{"name":"a","size":"3","generation":"7","updated":"2026-01-02T03:04:05Z"}]}"#)
        }
        ("GET", "/storage/v1/b/thanos/o/a") => Reply::new(200, "abc").with("x-goog-generation", "7"),
        ("POST", "/token") => {
            let grant = seen.form("grant_type").unwrap_or_default();
            let who = if grant == JWT_GRANT { "service" } else { "user" };
            Reply::new(200, format!(r#"{{"access_token":"sentinel-{who}","expires_in":3599,"token_type":"Bearer"}}"#))
        }
        ("GET", METADATA_PATH) => Reply::new(200, r#"{"access_token":"sentinel-machine","expires_in":3599}"#),
        _ => Reply::new(500, "not in the script"),
    })
    .await
}

fn service_account(token_url: &str) -> String {
    serde_json::json!({
        "type": "service_account", "client_email": "w@p.iam.gserviceaccount.com", "private_key_id": "kid-1",
        "private_key": KEY, "token_uri": token_url,
    })
    .to_string()
}

fn user(token_url: &str) -> String {
    serde_json::json!({
        "type": "authorized_user", "client_id": "id", "client_secret": "sentinel-secret",
        "refresh_token": "sentinel-refresh", "token_uri": token_url,
    })
    .to_string()
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn open(service_account: &str, env: &[(&str, String)]) -> Result<Gcs, BucketError> {
    let environment: Environment = env.iter().map(|(name, value)| (*name, value.clone())).collect();
    let settings = GcsSettings {
        bucket: "thanos".to_owned(),
        service_account: Secret::new(service_account.to_owned()),
        ..GcsSettings::default()
    };
    let credentials = gcp_credentials(&settings, &environment, &ambient())?;
    Gcs::new(&settings, Arc::from("thanos"), "", &environment, credentials, transport(limits()))
}

#[tokio::test]
async fn every_source_is_used() {
    let server = cloud().await;
    let folder = tempfile::tempdir().unwrap();
    let account = service_account(&server.url("/token"));
    let key_file = write(folder.path(), "key.json", &account);
    let home = folder.path().join("home").to_str().unwrap().to_owned();
    write(folder.path(), "home/.config/gcloud/application_default_credentials.json", &user(&server.url("/token")));
    let metadata = format!("GET {METADATA_PATH}");
    let file = |path: &str| vec![("GOOGLE_APPLICATION_CREDENTIALS", path.to_owned())];
    for (name, configured, env, token, traffic) in [
        ("configured", account.as_str(), file("/nowhere"), Some("sentinel-service"), vec!["POST /token"]),
        ("configured user", &user(&server.url("/token")), vec![], Some("sentinel-user"), vec!["POST /token"]),
        ("key file", "", file(&key_file), Some("sentinel-service"), vec!["POST /token"]),
        (
            "gcloud",
            "",
            vec![("HOME", home.clone()), ("GCE_METADATA_HOST", server.address.clone())],
            Some("sentinel-user"),
            vec!["POST /token"],
        ),
        (
            "metadata server",
            "",
            vec![("HOME", "/nowhere".to_owned()), ("GCE_METADATA_HOST", server.address.clone())],
            Some("sentinel-machine"),
            vec![metadata.as_str()],
        ),
        ("emulator", "", vec![], None, vec![]),
    ] {
        let mut env = env;
        env.push(("STORAGE_EMULATOR_HOST", server.address.clone()));
        let bucket = open(configured, &env).unwrap();
        let before = server.seen().len();
        let (objects, _) = list_all(&bucket, &[]).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let read = bucket.get("a", None, objects[0].etag.as_deref(), 10).await.unwrap();
        assert_eq!((read.bytes.as_ref(), read.etag.as_deref()), (b"abc".as_ref(), Some("7")), "{name}");
        let seen = server.seen().split_off(before);
        let (storage, asked): (Vec<&Seen>, Vec<&Seen>) =
            seen.iter().partition(|seen| seen.path.starts_with("/storage/"));
        let asked: Vec<String> = asked.iter().map(|seen| format!("{} {}", seen.method, seen.path)).collect();
        assert_eq!(asked, traffic, "{name}: asked once, and nothing else");
        let expected = token.map(|token| format!("Bearer {token}"));
        assert_eq!(storage.len(), 2, "{name}");
        assert!(storage.iter().all(|seen| seen.header("authorization") == expected.as_deref()), "{name}");
        let counts = bucket.requests();
        assert_eq!((counts.list, counts.get), (1, 1), "{name}: credential traffic is not counted");
    }
    let seen = server.seen();
    let machine = seen.iter().find(|seen| seen.path == METADATA_PATH).unwrap();
    assert_eq!(machine.header("metadata-flavor"), Some("Google"));
    let refresh = seen.iter().find(|seen| seen.form("refresh_token").is_some()).unwrap();
    assert_eq!(refresh.form("client_secret").as_deref(), Some("sentinel-secret"));
}

#[tokio::test]
async fn a_service_account_signs_its_claim() {
    let server = cloud().await;
    let env = [("STORAGE_EMULATOR_HOST", server.address.clone())];
    let bucket = open(&service_account(&server.url("/token")), &env).unwrap();
    list_all(&bucket, &[]).await.unwrap();
    let assertion = server.seen()[0].form("assertion").unwrap();
    let (message, signature) = assertion.rsplit_once('.').unwrap();
    let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).unwrap();
    let key = private_key(KEY).unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public().as_ref());
    public.verify(message.as_bytes(), &decode(signature)).unwrap();
    let (header, claims) = message.split_once('.').unwrap();
    let json = |text: &str| serde_json::from_slice::<serde_json::Value>(&decode(text)).unwrap();
    assert_eq!(json(header), serde_json::json!({"alg": "RS256", "typ": "JWT", "kid": "kid-1"}));
    assert_eq!(
        json(claims),
        serde_json::json!({
            "iss": "w@p.iam.gserviceaccount.com", "scope": SCOPE, "aud": server.url("/token"),
            "iat": 1_767_323_045, "exp": 1_767_326_645,
        })
    );
}

#[tokio::test]
async fn what_cannot_be_used_is_said() {
    // a hostile answer that repeats what was sent to it
    let server = Server::start(|seen: &Seen| match seen.path.as_str() {
        "/token" => {
            let echoed = seen.form("refresh_token").or_else(|| seen.form("assertion")).unwrap();
            Reply::new(400, format!(r#"{{"error":"invalid_grant","error_description":"bad {echoed}"}}"#))
        }
        "/odd" => Reply::new(200, r#"{"access_token":"sentinel\n","expires_in":1}"#),
        "/none" => Reply::new(200, r#"{"id_token":"sentinel"}"#),
        _ => Reply::new(404, "sentinel"),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| write(folder.path(), name, text);
    let named = |path: String| vec![("GOOGLE_APPLICATION_CREDENTIALS", path)];
    let of_type = |kind: &str| format!(r#"{{"type":"{kind}","private_key":"sentinel","client_email":"e"}}"#);
    let kind_file = write("kind.json", &of_type("external_account"));
    let text_file = write("text.json", "sentinel");
    let place = "no credentials for GCS bucket `thanos`: ";
    for (configured, env, expected) in [
        ("sentinel", vec![], "`service_account`: this is not JSON (line 1, column 1)".to_owned()),
        (r#"{"private_key":"sentinel"}"#, vec![], "`service_account`: it has no `type`; a key file of a service account is needed".to_owned()),
        (&of_type("sentinel"), vec![], "`service_account`: its `type` is unknown".to_owned()),
        (&of_type("service_account"), vec![], "`service_account`: its `private_key` is no RSA key in PEM form".to_owned()),
        (&user("sentinel"), vec![], "`service_account`: `token_uri`: its address is not a URL with scheme and host".to_owned()),
        (&user(&server.url("/token")), vec![], "`service_account`: `127.0.0.1` answered 400: invalid_grant: bad [redacted]".to_owned()),
        (&service_account(&server.url("/token")), vec![], "`service_account`: `127.0.0.1` answered 400: invalid_grant: bad [redacted]".to_owned()),
        (&user(&server.url("/odd")), vec![], "`service_account`: the token: it holds characters that no HTTP header can".to_owned()),
        (&user(&server.url("/none")), vec![], "`service_account`: a key is missing or has the wrong type (line 1, column 23)".to_owned()),
        ("", named("/nowhere/key.json".to_owned()), "`GOOGLE_APPLICATION_CREDENTIALS`: `/nowhere/key.json` does not exist".to_owned()),
        ("", named(text_file.clone()), format!("`GOOGLE_APPLICATION_CREDENTIALS`: `{text_file}`: this is not JSON (line 1, column 1)")),
        ("", named(kind_file.clone()), format!("`GOOGLE_APPLICATION_CREDENTIALS`: `{kind_file}`: the type `external_account` is not supported; use a service account")),
        (
            "",
            vec![("GCE_METADATA_HOST", server.address.clone())],
            "environment: `GOOGLE_APPLICATION_CREDENTIALS` is not set; gcloud: `HOME` is not set; metadata server: `127.0.0.1` answered 404".to_owned(),
        ),
    ] {
        let error = match open(configured, &env) {
            Err(error) => error,
            Ok(bucket) => list_all(&bucket, &[]).await.unwrap_err(),
        };
        assert_eq!(error.kind, ErrorKind::Unauthenticated);
        assert_eq!(error.message, format!("{place}{expected}"));
        assert!(!format!("{error:?}").contains("sentinel"), "{error:?}");
    }
}
