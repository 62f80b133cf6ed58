//! No message and no `Debug` output repeats a secret, whatever is wrong with it or around it.

use super::*;

const SENTINEL: &str = "Sentinel5ecret";

/// Documents with the sentinel in every secret key, in the shapes in which people get it wrong too.
fn documents() -> Vec<String> {
    let keys = [
        ("S3", "bucket: b\n  endpoint: e\n", &["access_key", "secret_key", "session_token"][..]),
        ("GCS", "bucket: b\n", &["service_account"][..]),
        (
            "AZURE",
            "storage_account: a\n  container: c\n",
            &["storage_account_key", "storage_connection_string", "client_secret"][..],
        ),
    ];
    let shapes = [
        "KEY: Sentinel5ecret",
        "KEY: {Sentinel5ecret: Sentinel5ecret}",
        "KEY: [Sentinel5ecret]",
        "KEY: 'Sentinel5ecret",
        "KEY: *Sentinel5ecret",
        "KEY: !Sentinel5ecret x",
        "KEY: `Sentinel5ecret`",
        "KEY: a: Sentinel5ecret",
        "KEY Sentinel5ecret",
        "KEY:\n    Sentinel5ecret: x",
        "KEY: x\n  Sentinel5ecret: x",
        "KEY: |-\n  Sentinel5ecret\n  x: y",
        "KEY: $(SECRET)",
        "KEY: $(MULTILINE)",
        "KEY: x\n  $(SECRET): y",
        "KEYS: Sentinel5ecret",
        "insecure: Sentinel5ecret",
        "max_retries: Sentinel5ecret",
        "bucket_lookup_type: Sentinel5ecret",
        "http_config: {idle_conn_timeout: Sentinel5ecret, tls_config: Sentinel5ecret}",
        "sse_config: {type: SSE-C, encryption_key: Sentinel5ecret}",
        "sse_config: {type: Sentinel5ecret}",
        "put_user_metadata: {Sentinel5ecret: [Sentinel5ecret]}",
        "put_user_metadata: {Sentinel5ecret: a, Sentinel5ecret: b}",
        "endpoint: https://user:Sentinel5ecret@e",
    ];
    let mut documents = Vec::new();
    for (kind, lead, keys) in keys {
        for key in keys {
            for shape in shapes {
                documents.push(format!("type: {kind}\nconfig:\n  {lead}  {}\n", shape.replace("KEY", key)));
            }
        }
    }
    documents.push("type: Sentinel5ecret\nconfig: Sentinel5ecret\n".into());
    documents.push("Sentinel5ecret".into());
    documents.push(
        "type: S3\nconfig: {bucket: b, endpoint: e, access_key: Sentinel5ecret, secret_key: Sentinel5ecret}".into(),
    );
    documents
}

#[test]
fn no_secret_is_repeated() {
    let environment: Environment =
        [("SECRET", SENTINEL), ("MULTILINE", "x\n  Sentinel5ecret: [\n")].into_iter().collect();
    let (mut good, mut bad) = (0, 0);
    for document in documents() {
        let source = ObjstoreSource::Inline(document.clone());
        let output = match load(None, Some(&source), &environment, &[]) {
            Ok(config) => {
                good += 1;
                format!("{config:?} {:#?} {:?}", config.buckets, config.summary())
            }
            Err(errors) => {
                bad += 1;
                format!("{errors} {errors:?}")
            }
        };
        let output = format!("{source:?} {environment:?} {output}");
        assert!(!output.contains(SENTINEL), "{document}\n{output}");
        let inside = document.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n");
        let folder = Folder::new(&format!("buckets:\n- objstore_config:\n{inside}"));
        let output = format!("{:?}", folder.load());
        assert!(!output.contains(SENTINEL), "{document}\n{output}");
    }
    assert!(good > 5 && bad > 50, "{good} {bad}");
}
