//! Each way end to end: a scripted server is the token endpoint and the container, and what it saw is compared.

use std::sync::Arc;

use super::*;
use crate::discover::testing::{Reply, Seen, Server, ambient, limits, list_all, transport};
use crate::discover::{Azure, Bucket, ErrorKind};

/// A container with one blob, beside every endpoint that gives tokens.
async fn cloud() -> Server {
    Server::start(|seen: &Seen| match (seen.method.as_str(), seen.path.as_str()) {
        ("GET", "/acc/thanos") => Reply::new(
            200,
            "<EnumerationResults><Blobs><Blob><Name>a</Name><Properties><Last-Modified>Fri, 02 Jan 2026 03:04:05 GMT\
             </Last-Modified><Etag>0x1</Etag><Content-Length>3</Content-Length></Properties></Blob></Blobs>\
             <NextMarker/></EnumerationResults>",
        ),
        ("GET", "/acc/thanos/a") => Reply::new(200, "abc").with("etag", "\"0x1\""),
        ("POST", "/tenant/oauth2/v2.0/token") => {
            let how = if seen.form("client_secret").is_some() { "secret" } else { "assertion" };
            Reply::new(200, format!(r#"{{"access_token":"sentinel-{how}","expires_in":3599,"token_type":"Bearer"}}"#))
        }
        ("GET", "/metadata/identity/oauth2/token") => {
            let who = seen.query("client_id").unwrap_or("system");
            Reply::new(
                200,
                format!(r#"{{"access_token":"sentinel-{who}","expires_in":"86399","expires_on":"1767326645"}}"#),
            )
        }
        ("GET", "/msi") => Reply::new(200, r#"{"access_token":"sentinel-app","expires_on":"1767326645"}"#),
        _ => Reply::new(500, "not in the script"),
    })
    .await
}

fn settings(server: &Server) -> AzureSettings {
    AzureSettings {
        storage_account: "acc".to_owned(),
        container: "thanos".to_owned(),
        endpoint: server.url(""),
        ..AzureSettings::default()
    }
}

fn open(settings: &AzureSettings, env: &[(&str, String)]) -> Result<Azure, BucketError> {
    let environment: Environment = env.iter().map(|(name, value)| (*name, value.clone())).collect();
    let access = azure_access(settings, &environment, &ambient())?;
    Azure::new(settings, Arc::from("thanos"), "", access, transport(limits()))
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

#[tokio::test]
async fn every_way_is_used() {
    let server = cloud().await;
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("token");
    std::fs::write(&token_file, "sentinel-jwt\n").unwrap();
    let token_file = token_file.to_str().unwrap().to_owned();
    let authority = || ("AZURE_AUTHORITY_HOST", server.url("/"));
    let ids = || vec![authority(), ("AZURE_TENANT_ID", "tenant".to_owned()), ("AZURE_CLIENT_ID", "client".to_owned())];
    let imds = || ("AZURE_POD_IDENTITY_AUTHORITY_HOST", server.url(""));
    let token = "POST /tenant/oauth2/v2.0/token";
    let machine = "GET /metadata/identity/oauth2/token";
    let plain = settings(&server);
    let keyed = AzureSettings { storage_account_key: secret("c2VudGluZWw="), ..plain.clone() };
    let connected = |rest: &str| AzureSettings {
        storage_connection_string: secret(&format!("BlobEndpoint={};{rest}", server.url("/acc"))),
        endpoint: "blob.core.windows.net".to_owned(),
        ..plain.clone()
    };
    let client = AzureSettings {
        tenant_id: "tenant".to_owned(),
        client_id: "client".to_owned(),
        client_secret: secret("sentinel"),
        ..plain.clone()
    };
    let assigned = AzureSettings { user_assigned_id: "assigned".to_owned(), ..plain.clone() };
    for (name, settings, env, authorization, traffic) in [
        ("account key", keyed, vec![], Some("SharedKey acc:"), vec![]),
        (
            "connection string",
            connected("AccountName=acc;AccountKey=c2VudGluZWw="),
            vec![],
            Some("SharedKey acc:"),
            vec![],
        ),
        ("shared access signature", connected("SharedAccessSignature=sv=2022&sig=sentinel%2B"), vec![], None, vec![]),
        ("client secret", client, vec![authority()], Some("Bearer sentinel-secret"), vec![token]),
        ("assigned identity", assigned, vec![imds()], Some("Bearer sentinel-assigned"), vec![machine]),
        (
            "secret of the environment",
            plain.clone(),
            [ids(), vec![("AZURE_CLIENT_SECRET", "s".to_owned()), imds()]].concat(),
            Some("Bearer sentinel-secret"),
            vec![token],
        ),
        (
            "workload identity",
            plain.clone(),
            [ids(), vec![("AZURE_FEDERATED_TOKEN_FILE", token_file), imds()]].concat(),
            Some("Bearer sentinel-assertion"),
            vec![token],
        ),
        ("identity of the machine", plain.clone(), vec![imds()], Some("Bearer sentinel-system"), vec![machine]),
        (
            "identity of an app",
            plain.clone(),
            vec![("IDENTITY_ENDPOINT", server.url("/msi")), ("IDENTITY_HEADER", "sentinel-header".to_owned())],
            Some("Bearer sentinel-app"),
            vec!["GET /msi"],
        ),
    ] {
        let bucket = open(&settings, &env).unwrap();
        let before = server.seen().len();
        let (objects, _) = list_all(&bucket, &[]).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let read = bucket.get("a", None, objects[0].etag.as_deref(), 10).await.unwrap();
        assert_eq!((read.bytes.as_ref(), read.etag.as_deref()), (b"abc".as_ref(), Some("0x1")), "{name}");
        let seen = server.seen().split_off(before);
        let (storage, asked): (Vec<&Seen>, Vec<&Seen>) = seen.iter().partition(|seen| seen.path.starts_with("/acc/"));
        let asked: Vec<String> = asked.iter().map(|seen| format!("{} {}", seen.method, seen.path)).collect();
        assert_eq!(asked, traffic, "{name}: asked once, and nothing else");
        assert_eq!(storage.len(), 2, "{name}");
        for seen in storage {
            match authorization {
                Some(start) => assert!(seen.header("authorization").unwrap().starts_with(start), "{name}"),
                None => {
                    assert_eq!((seen.header("authorization"), seen.query("sig")), (None, Some("sentinel+")), "{name}");
                }
            }
        }
        let counts = bucket.requests();
        assert_eq!((counts.list, counts.get), (1, 1), "{name}: credential traffic is not counted");
        assert!(!format!("{bucket:?} {settings:?}").contains("sentinel"), "{name}");
    }
    let seen = server.seen();
    let assertion = seen.iter().find_map(|seen| seen.form("client_assertion")).unwrap();
    assert_eq!(assertion, "sentinel-jwt");
    let app = seen.iter().find(|seen| seen.path == "/msi").unwrap();
    assert_eq!(app.header("x-identity-header"), Some("sentinel-header"));
    assert_eq!(app.query("resource"), Some("https://storage.azure.com"));
    let machine = seen.iter().find(|seen| seen.path.starts_with("/metadata/")).unwrap();
    assert_eq!((machine.header("metadata"), machine.query("api-version")), (Some("true"), Some("2018-02-01")));
}

#[test]
fn a_container_is_found_as_thanos_finds_it() {
    for (endpoint, expected) in [
        ("", "https://acc.blob.core.windows.net"),
        ("blob.core.chinacloudapi.cn", "https://acc.blob.core.chinacloudapi.cn"),
        ("http://127.0.0.1:10000/", "http://127.0.0.1:10000/acc"),
    ] {
        assert_eq!(blob_url("acc", endpoint), expected);
    }
}

#[tokio::test]
async fn what_cannot_be_used_is_said() {
    // a hostile answer that repeats what was sent to it
    let server = Server::start(|seen: &Seen| match seen.path.as_str() {
        "/tenant/oauth2/v2.0/token" => Reply::new(
            401,
            format!(
                r#"{{"error":"invalid_client","error_description":"bad {}"}}"#,
                seen.form("client_secret").unwrap()
            ),
        ),
        "/timeless/metadata/identity/oauth2/token" => Reply::new(200, r#"{"access_token":"sentinel"}"#),
        _ => Reply::new(400, r#"{"error":"invalid_request","error_description":"Identity not found"}"#),
    })
    .await;
    let plain = settings(&server);
    let client = AzureSettings {
        tenant_id: "tenant".to_owned(),
        client_id: "client".to_owned(),
        client_secret: secret("sentinel"),
        ..plain.clone()
    };
    let authority = ("AZURE_AUTHORITY_HOST", server.url(""));
    let ids = vec![authority.clone(), ("AZURE_TENANT_ID", "tenant".to_owned()), ("AZURE_CLIENT_ID", "c".to_owned())];
    let with = |more: (&'static str, &str)| [ids.clone(), vec![(more.0, more.1.to_owned())]].concat();
    let unset = "environment and workload identity: `AZURE_TENANT_ID` is not set";
    for (settings, env, expected) in [
        (
            &AzureSettings { storage_account_key: secret("sentinel!"), ..plain.clone() },
            vec![],
            "`storage_account_key`: it is not base64".to_owned(),
        ),
        (
            &AzureSettings { storage_connection_string: secret("sentinel"), ..plain.clone() },
            vec![],
            "`storage_connection_string`: a part of it is not `Key=Value`".to_owned(),
        ),
        (
            &client,
            vec![authority.clone()],
            "client secret: `127.0.0.1` answered 401: invalid_client: bad [redacted]".to_owned(),
        ),
        (
            &client,
            vec![("AZURE_AUTHORITY_HOST", "nowhere".to_owned())],
            "`az_tenant_id` or `AZURE_AUTHORITY_HOST`: its address is not a URL with scheme and host".to_owned(),
        ),
        (
            &plain,
            with(("AZURE_CLIENT_SECRET", "sentinel")),
            "environment: `127.0.0.1` answered 401: invalid_client: bad [redacted]".to_owned(),
        ),
        (
            &plain,
            with(("AZURE_FEDERATED_TOKEN_FILE", "/nowhere")),
            "workload identity: `/nowhere` does not exist".to_owned(),
        ),
        (
            &plain,
            with(("AZURE_CLIENT_CERTIFICATE_PATH", "/c")),
            "environment: `AZURE_CLIENT_CERTIFICATE_PATH` is not supported; use a secret".to_owned(),
        ),
        (
            &plain,
            vec![("AZURE_POD_IDENTITY_AUTHORITY_HOST", server.url(""))],
            format!("{unset}; managed identity: `127.0.0.1` answered 400: invalid_request: Identity not found"),
        ),
        (
            &plain,
            vec![("AZURE_POD_IDENTITY_AUTHORITY_HOST", server.url("/timeless"))],
            format!("{unset}; managed identity: it does not say when the token expires"),
        ),
        (
            &plain,
            vec![("IDENTITY_ENDPOINT", "http://x".to_owned())],
            format!("{unset}; managed identity: the identity of Azure Arc is not supported"),
        ),
        (
            &plain,
            vec![("MSI_ENDPOINT", "http://x".to_owned())],
            format!("{unset}; managed identity: `MSI_ENDPOINT` (Cloud Shell, Azure ML) is not supported"),
        ),
    ] {
        let error = match open(settings, &env) {
            Err(error) => error,
            Ok(bucket) => list_all(&bucket, &[]).await.unwrap_err(),
        };
        assert_eq!(error.kind, ErrorKind::Unauthenticated);
        assert_eq!(error.message, format!("no credentials for AZURE container `thanos` of account `acc`: {expected}"));
        assert!(!format!("{error:?}").contains("sentinel"), "{error:?}");
    }
    assert!(server.seen().iter().all(|seen| !seen.path.starts_with("/acc/")), "nothing is asked without credentials");
}
