//! Thanos' `objstore.config`.

use super::*;
use crate::model::{AzureSettings, GcsSettings, Provider, S3Lookup, S3Settings};

fn none() -> Environment {
    Environment::default()
}

fn s3(text: &str) -> S3Settings {
    let ProviderSettings::S3(settings) = inline(text, &none()).unwrap().provider else { panic!("not S3") };
    *settings
}

/// The configuration of an S3 bucket with these additional lines.
fn s3_with(lines: &str) -> String {
    let lines = lines.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n");
    format!("type: S3\nconfig:\n  bucket: b\n  endpoint: e\n{lines}\n")
}

#[test]
fn the_file_of_the_thanos_tutorial_works_as_it_is() {
    let text = "type: S3\nconfig:\n  bucket: \"thanos\"\n  endpoint: \"minio.thanos.svc.cluster.local:9000\"\n  \
                access_key: \"minio\"\n  secret_key: \"minio123\"\n  insecure: true\n  signature_version2: true\n";
    let bucket = inline(text, &none()).unwrap();
    assert_eq!((&*bucket.name, bucket.prefix.as_str(), bucket.kind()), ("thanos", "", Provider::S3));
    let settings = s3(text);
    assert_eq!(settings.endpoint, "minio.thanos.svc.cluster.local:9000");
    assert_eq!((settings.access_key.expose(), settings.secret_key.expose()), ("minio", "minio123"));
    assert!(settings.insecure && !settings.aws_sdk_auth && settings.encryption.is_none());
}

/// The template that Thanos' documentation prints, every key with its default.
#[test]
fn the_template_of_the_thanos_documentation_is_read_for_every_type() {
    let http = "http_config:\n    idle_conn_timeout: 1m30s\n    response_header_timeout: 2m\n    \
                insecure_skip_verify: false\n    tls_handshake_timeout: 10s\n    expect_continue_timeout: 1s\n    \
                max_idle_conns: 100\n    max_idle_conns_per_host: 100\n    max_conns_per_host: 0\n    tls_config:\n      \
                ca_file: \"\"\n      cert_file: \"\"\n      key_file: \"\"\n      server_name: \"\"\n      \
                insecure_skip_verify: false\n    disable_compression: false\n";
    let s3 = format!(
        "type: S3\nconfig:\n  bucket: \"b\"\n  endpoint: \"e\"\n  region: \"\"\n  disable_dualstack: false\n  \
         aws_sdk_auth: false\n  access_key: \"\"\n  insecure: false\n  signature_version2: false\n  secret_key: \"\"\n  \
         session_token: \"\"\n  put_user_metadata: {{}}\n  {http}  trace:\n    enable: false\n  \
         list_objects_version: \"\"\n  bucket_lookup_type: auto\n  send_content_md5: true\n  disable_multipart: false\n  \
         part_size: 67108864\n  sse_config:\n    type: \"\"\n    kms_key_id: \"\"\n    kms_encryption_context: {{}}\n    \
         encryption_key: \"\"\n  sts_endpoint: \"\"\n  max_retries: 0\nprefix: \"\"\n"
    );
    let gcs = format!(
        "type: GCS\nconfig:\n  bucket: \"b\"\n  service_account: \"\"\n  use_grpc: false\n  grpc_conn_pool_size: 0\n  \
         {http}  chunk_size_bytes: 0\n  max_retries: 0\nprefix: \"\"\n"
    );
    let azure = format!(
        "type: AZURE\nconfig:\n  storage_account: \"a\"\n  storage_account_key: \"\"\n  storage_connection_string: \"\"\n  \
         storage_create_container: true\n  container: \"b\"\n  endpoint: \"\"\n  user_assigned_id: \"\"\n  max_retries: 0\n  \
         reader_config:\n    max_retry_requests: 0\n  pipeline_config:\n    max_tries: 0\n    try_timeout: 0s\n    \
         retry_delay: 0s\n    max_retry_delay: 0s\n  {http}  msi_resource: \"\"\nprefix: \"\"\n"
    );
    for text in [s3, gcs, azure, "type: FILESYSTEM\nconfig:\n  directory: \"/x/b\"\nprefix: \"\"\n".to_owned()] {
        let bucket = inline(&text, &none()).unwrap();
        assert_eq!(&*bucket.name, "b", "{text}");
        let http = match bucket.provider {
            ProviderSettings::S3(settings) => settings.http,
            ProviderSettings::Gcs(settings) => settings.http,
            ProviderSettings::Azure(settings) => settings.http,
            ProviderSettings::Filesystem(_) => continue,
        };
        assert_eq!(format!("{http:?}"), format!("{:?}", crate::model::HttpSettings::default()));
    }
}

#[test]
fn types_are_read_in_any_case_and_others_refused_by_name() {
    for word in ["S3", "s3", "\"s3\""] {
        assert!(inline(&format!("type: {word}\nconfig: {{bucket: b, endpoint: e}}"), &none()).is_ok());
    }
    for word in ["SWIFT", "cos", "AliyunOSS", "BOS", "oci", "OBS"] {
        let expected = format!(
            "1:1: type: {} is not supported yet; supported are S3, GCS, AZURE, FILESYSTEM",
            word.to_uppercase()
        );
        assert_eq!(wrong(&format!("type: {word}\nconfig: {{}}")), [expected]);
    }
    for text in ["type: MEMORY\nconfig: {}", "type: S4\n"] {
        assert_eq!(wrong(text), ["1:1: type: expected one of S3, GCS, AZURE, FILESYSTEM"]);
    }
    assert_eq!(wrong("config: {}"), ["1:1: type: is missing: expected one of S3, GCS, AZURE, FILESYSTEM"]);
}

#[test]
fn prefixes_lose_the_slashes_at_their_ends() {
    for (written, prefix) in [("a/b", "a/b"), ("/a//b/", "a//b"), ("//", ""), ("\"\"", ""), ("~", ""), ("123", "123")] {
        let text = format!("type: FILESYSTEM\nconfig: {{directory: /a}}\nprefix: {written}\n");
        assert_eq!(inline(&text, &none()).unwrap().prefix, prefix, "{written}");
    }
}

#[test]
fn text_is_kept_as_it_is_written() {
    for (written, text) in [
        ("123", "123"),
        ("0123", "0123"),
        ("1_000", "1_000"),
        ("1e3", "1e3"),
        ("0x1F", "0x1F"),
        ("true", "true"),
        ("no", "no"),
        ("2024-01-01", "2024-01-01"),
        ("\"a\\tb\"", "a\tb"),
        ("'it''s'", "it's"),
        ("|-\n    two\n    lines", "two\nlines"),
        ("a#b", "a#b"),
    ] {
        let settings = s3(&s3_with(&format!("access_key: {written}\nsecret_key: s")));
        assert_eq!(settings.access_key.expose(), text, "{written}");
    }
}

#[test]
fn truth_values_are_those_of_yaml_1_1_without_quotes() {
    for (written, value) in [
        ("yes", Ok(true)),
        ("On", Ok(true)),
        ("y", Ok(true)),
        ("TRUE", Ok(true)),
        ("no", Ok(false)),
        ("OFF", Ok(false)),
        ("n", Ok(false)),
        ("~", Ok(false)),
        ("tRUE", Err("expected true or false")),
        ("1", Err("expected true or false")),
        ("\"true\"", Err("expected true or false without quotes")),
        ("[]", Err("expected true or false, found a list")),
    ] {
        let read = inline(&s3_with(&format!("insecure: {written}")), &none());
        let read = read.map(|bucket| matches!(bucket.provider, ProviderSettings::S3(settings) if settings.insecure));
        let expected = value.map_err(|message| vec![format!("--objstore.config:5:3: config.insecure: {message}")]);
        assert_eq!(read, expected, "{written}");
    }
}

#[test]
fn s3_gcs_and_azure_are_strict_and_filesystem_is_lenient() {
    for (text, expected) in [
        (s3_with("acces_key: x"), "5:3: config: unknown key `acces_key`; did you mean `access_key`?"),
        ("type: GCS\nconfig: {bucket: b, no_auth: true}".into(), "2:21: config: unknown key `no_auth`"),
        (
            "type: AZURE\nconfig: {storage_account: a, container: c, Endpoint: x}".into(),
            "2:44: config: unknown key; did you mean `endpoint`?",
        ),
        ("type: FILESYSTEM\nconfig: {directory: /a, bucket: b}".into(), ""),
        (
            "type: FILESYSTEM\nconfig: {directory: /a}\nprefx: b".into(),
            "3:1: unknown key `prefx`; did you mean `prefix`?",
        ),
        (
            s3_with("http_config: {idle_timeout: 1s}"),
            "5:17: config.http_config: unknown key `idle_timeout`; did you mean `idle_conn_timeout`?",
        ),
        (s3_with("http_config: {tls_config: {ca: x}}"), "5:30: config.http_config.tls_config: unknown key `ca`"),
        (s3_with("trace: {enabled: true}"), "5:11: config.trace: unknown key `enabled`; did you mean `enable`?"),
    ] {
        match inline(&text, &none()) {
            Ok(_) => assert_eq!(expected, "", "{text}"),
            Err(lines) => assert_eq!(lines, [format!("--objstore.config:{expected}")], "{text}"),
        }
    }
}

#[test]
fn variables_are_filled_in_before_anything_is_parsed() {
    let environment = [("KEY", "k"), ("LINES", "x\n  region: eu1"), ("EMPTY", "")].into_iter().collect::<Environment>();
    let text = s3_with("access_key: $(KEY)$(KEY)\nsecret_key: $(LINES)\nsts_endpoint: $(EMPTY)\n# $(EMPTY)");
    let ProviderSettings::S3(settings) = inline(&text, &environment).unwrap().provider else { panic!("not S3") };
    assert_eq!((settings.access_key.expose(), settings.secret_key.expose()), ("kk", "x"));
    assert_eq!((settings.region.as_str(), settings.sts_endpoint.as_str()), ("eu1", ""));
}

#[test]
fn variables_that_are_not_set_are_reported_together_with_all_else() {
    let text = "type: S3 # $(NOTE)\nconfig:\n  bucket: b\n  access_key: $(KEY)\n  insecure: $(FLAG)\n  reigon: eu1\n";
    assert_eq!(
        wrong(text),
        [
            "1:12: environment variable `NOTE` is not set: set it or remove $(NOTE)",
            "2:1: config.endpoint: is missing: a host with an optional port, such as s3.eu-central-1.amazonaws.com",
            "4:3: config.access_key: needs secret_key beside it; give both, or neither to find credentials elsewhere",
            "4:15: environment variable `KEY` is not set: set it or remove $(KEY)",
            "5:13: environment variable `FLAG` is not set: set it or remove $(FLAG)",
            "6:3: config: unknown key `reigon`; did you mean `region`?",
        ]
    );
}

#[test]
fn places_after_an_inserted_text_of_several_lines_are_those_of_the_file() {
    let environment = [("LINES", "|-\n    a\n    b")].into_iter().collect();
    let text = "type: GCS\nconfig:\n  service_account: $(LINES)\n  bucket: b\n  max_retries: many\n";
    assert_eq!(
        inline(text, &environment).unwrap_err(),
        [
            "--objstore.config:3:3: config.service_account: expected the JSON of a service account's key, such as a block of text after |-",
            "--objstore.config:5:3: config.max_retries: expected a whole number",
        ]
    );
}

#[test]
fn every_rule_of_thanos_is_kept() {
    let azure = |lines: &str| format!("type: AZURE\nconfig: {{storage_account: a, container: c, {lines}}}");
    for (text, expected) in [
        ("type: S3\nconfig: {endpoint: e}".into(), "2:1: config.bucket: is missing: the name of the bucket"),
        ("type: S3".into(), "1:1: config: is missing: say where the bucket is"),
        ("type: S3\nconfig: text".into(), "2:1: config: expected a mapping, found a single value"),
        (
            s3_with("access_key: a"),
            "5:3: config.access_key: needs secret_key beside it; give both, or neither to find credentials elsewhere",
        ),
        (
            s3_with("secret_key: a"),
            "5:3: config.secret_key: needs access_key beside it; give both, or neither to find credentials elsewhere",
        ),
        (
            s3_with("access_key: a\nsecret_key: b\naws_sdk_auth: true"),
            "7:3: config.aws_sdk_auth: excludes access_key: give one of them",
        ),
        (
            "type: S3\nconfig: {bucket: b, endpoint: 'https://e'}".into(),
            "2:21: config.endpoint: expected a host with an optional port, without a scheme such as https://",
        ),
        (
            "type: S3\nconfig: {bucket: b, endpoint: e/b}".into(),
            "2:21: config.endpoint: expected a host with an optional port, such as s3.eu-central-1.amazonaws.com",
        ),
        (s3_with("list_objects_version: v3"), "5:3: config.list_objects_version: expected one of v1, v2"),
        (
            s3_with("bucket_lookup_type: dns"),
            "5:3: config.bucket_lookup_type: expected one of auto, virtual-hosted, path",
        ),
        (s3_with("sse_config: {type: SSE-C}"), "5:3: config.sse_config.encryption_key: is missing"),
        (
            s3_with("sse_config: {type: SSE-KMS}"),
            "5:3: config.sse_config.kms_key_id: is missing: SSE-KMS needs the key's id",
        ),
        (s3_with("sse_config: {type: sse-s3}"), "5:16: config.sse_config.type: expected one of SSE-S3, SSE-KMS, SSE-C"),
        (s3_with("part_size: -1"), "5:3: config.part_size: expected a whole number from 0"),
        (s3_with("put_user_metadata: {a: [b]}"), "5:23: config.put_user_metadata: expected text, found a list"),
        (
            s3_with("http_config: {idle_conn_timeout: 90}"),
            "5:17: config.http_config.idle_conn_timeout: expected a duration such as 48h, 30d or 1h30m (units y w d h m s ms)",
        ),
        (
            s3_with("http_config: {tls_config: {cert_file: x}}"),
            "5:30: config.http_config.tls_config.cert_file: needs key_file beside it",
        ),
        ("type: GCS\nconfig: {}".into(), "2:1: config.bucket: is missing: the name of the bucket"),
        (
            "type: GCS\nconfig: {bucket: b, service_account: {type: service_account}}".into(),
            "2:21: config.service_account: expected text, found a mapping",
        ),
        (
            "type: AZURE\nconfig: {container: c}".into(),
            "2:1: config.storage_account: is missing: the name of the storage account",
        ),
        (
            "type: AZURE\nconfig: {storage_account: a}".into(),
            "2:1: config.container: is missing: the name of the container",
        ),
        (
            azure("storage_account_key: k, storage_connection_string: s"),
            "2:44: config.storage_account_key: excludes storage_connection_string: give one of them",
        ),
        (
            azure("user_assigned_id: u, storage_account_key: k"),
            "2:44: config.user_assigned_id: excludes storage_account_key: give one of them",
        ),
        (
            azure("user_assigned_id: u, storage_connection_string: s"),
            "2:44: config.user_assigned_id: excludes storage_connection_string: give one of them",
        ),
        (azure("az_tenant_id: t, client_id: c"), "2:44: config.az_tenant_id: needs client_secret beside it"),
        (
            azure("pipeline_config: {max_tries: -1}"),
            "2:62: config.pipeline_config.max_tries: expected a whole number from 0",
        ),
        (
            azure("reader_config: {max_retry_requests: -1}"),
            "2:60: config.reader_config.max_retry_requests: expected a whole number from 0",
        ),
        (
            azure("endpoint: 'https://x'"),
            "2:44: config.endpoint: expected a host with an optional port, without a scheme such as https://",
        ),
        ("type: FILESYSTEM\nconfig: {}".into(), "2:1: config.directory: is missing: the path of the directory"),
    ] {
        let lines = wrong(&text);
        assert!(lines.len() == 1 && lines[0].starts_with(expected), "{text}\n{lines:?}\n{expected}");
    }
}

#[test]
fn every_key_arrives() {
    let settings = s3(&s3_with(
        "region: eu1\ndisable_dualstack: yes\naccess_key: a\nsecret_key: s\nsession_token: t\nsts_endpoint: https://sts\n\
         bucket_lookup_type: path\nlist_objects_version: v1\nmax_retries: 7\nhttp_config:\n  idle_conn_timeout: 0s\n  \
         response_header_timeout: 5s\n  insecure_skip_verify: true\n  tls_handshake_timeout: 1m\n  \
         max_idle_conns_per_host: 0\n  max_conns_per_host: -1\n  tls_config:\n    ca_file: ca\n    trust_root_ca: on\n    \
         cert_file: c\n    key_file: k\n    server_name: n",
    ));
    assert_eq!((settings.region.as_str(), settings.sts_endpoint.as_str()), ("eu1", "https://sts"));
    assert_eq!((settings.session_token.expose(), settings.max_retries), ("t", Some(7)));
    assert!(settings.disable_dualstack && settings.list_v1 && settings.lookup == S3Lookup::Path);
    let http = settings.http;
    assert_eq!((http.idle_conn_timeout_ms, http.response_header_timeout_ms), (90_000, 5_000));
    assert_eq!((http.tls_handshake_timeout_ms, http.max_idle_conns_per_host, http.max_conns_per_host), (60_000, 2, 0));
    assert!(http.insecure_skip_verify && http.tls.trust_root_ca);
    assert_eq!([http.tls.ca_file, http.tls.cert_file, http.tls.key_file, http.tls.server_name], ["ca", "c", "k", "n"]);

    let gcs = "type: GCS\nconfig:\n  bucket: b\n  max_retries: 1\n  service_account: |-\n    {\n      \"type\": \"service_account\"\n    }\n";
    let ProviderSettings::Gcs(settings) = inline(gcs, &none()).unwrap().provider else { panic!("not GCS") };
    let GcsSettings { bucket, service_account, max_retries, .. } = *settings;
    assert_eq!((bucket.as_str(), max_retries), ("b", Some(1)));
    assert_eq!(service_account.expose(), "{\n  \"type\": \"service_account\"\n}");

    let azure = "type: AZURE\nconfig: {storage_account: a, container: c, az_tenant_id: t, client_id: i, client_secret: s, \
                 max_retries: 4, pipeline_config: {max_tries: 9}}";
    let ProviderSettings::Azure(settings) = inline(azure, &none()).unwrap().provider else { panic!("not Azure") };
    let AzureSettings {
        storage_account, container, tenant_id, client_id, client_secret, endpoint, max_retries, ..
    } = *settings;
    assert_eq!([storage_account, container, tenant_id, client_id], ["a", "c", "t", "i"]);
    assert_eq!((client_secret.expose(), endpoint.as_str(), max_retries), ("s", "blob.core.windows.net", Some(9)));
}

#[test]
fn a_customer_key_is_read_from_its_file() {
    let folder = Folder::new("");
    let key = folder.write("key", [0xff; 32]);
    let with = |path: &Path| s3_with(&format!("sse_config: {{type: SSE-C, encryption_key: '{}'}}", path.display()));
    let encryption = s3(&with(&key)).encryption.unwrap();
    assert_eq!(encryption.customer_key.expose(), "//////////////////////////////////////////8=");
    let short = folder.write("short", "0123456789");
    let place = "5:29: config.sse_config.encryption_key:";
    assert_eq!(wrong(&with(&short)), [format!("{place} the key file holds 10 bytes, expected 32")]);
    let missing = Path::new("/nonexistent/key");
    assert_eq!(wrong(&with(missing)), [format!("{place} expected the path of the key file; there is no such file")]);
}

#[test]
fn directories_are_absolute_and_clean() {
    let here = std::env::current_dir().unwrap();
    let parent = here.parent().unwrap().display().to_string();
    for (written, directory, name) in [
        ("/var/./lib//x/../thanos/", "/var/lib/thanos".to_owned(), "thanos"),
        ("/", "/".to_owned(), "/"),
        ("../b", format!("{parent}/b"), "b"),
    ] {
        let bucket = inline(&format!("type: FILESYSTEM\nconfig: {{directory: '{written}'}}"), &none()).unwrap();
        assert_eq!(&*bucket.name, name);
        let ProviderSettings::Filesystem(folder) = bucket.provider else { panic!("not a directory") };
        assert_eq!(folder.directory, directory);
    }
}

/// The expectations are what yaml.v2 2.4.0 gave for the same documents.
#[test]
fn texts_and_documents_mean_what_they_mean_to_thanos() {
    for (written, text) in [
        ("\tabc", "abc"),
        ("a b", "a b"),
        ("a:b", "a:b"),
        ("a #c", "a"),
        ("\"a\" #c", "a"),
        ("|4\n    x\n", "x\n"),
        ("|+\n    x\n\n", "x\n\n"),
        (">\n    a\n    b\n\n    c", "a b\nc\n"),
        (">-\n    a\n    b", "a b"),
        ("\"\\x41\\u00e9\\U0001F600\"", "Aé😀"),
        ("\"multi\n   line\"", "multi line"),
        ("plain\n   multi", "plain multi"),
        ("-x", "-x"),
        ("?x", "?x"),
        (":x", ":x"),
        ("a]", "a]"),
        ("a,b{c", "a,b{c"),
        ("a\\nb", "a\\nb"),
        ("a\tb", "a\tb"),
        ("&anchor x", "x"),
        ("!!str 12", "12"),
    ] {
        let settings = s3(&s3_with(&format!("secret_key: s\naccess_key: {written}")));
        assert_eq!(settings.access_key.expose(), text, "{written}");
    }
    for document in [
        "type: S3\r\nconfig:\r\n  bucket: b\r\n  endpoint: e:9000\r\n",
        "%YAML 1.1\n---\ntype: S3\nconfig: {bucket: b, endpoint: 'e:9000'}\n...\nx: [",
        r#"{"type":"S3","config":{"bucket":"b","endpoint":"e:9000"}}"#,
        r#"{"type": "S3", "config": {"bucket": "b", "endpoint": "e:9000",},}"#,
        "  type: S3\n  config:\n      bucket: b # c\n      # c\n\n      \"endpoint\": \"e:9000\" # c",
        "type : S3\nconfig :\n  ? bucket\n  : b\n  ? endpoint\n  : e:9000\n",
        "type: S3\nconfig: {<<: {bucket: b}, endpoint: 'e:9000'}\n",
    ] {
        let settings = s3(document);
        assert_eq!((settings.bucket.as_str(), settings.endpoint.as_str()), ("b", "e:9000"), "{document}");
    }
    for document in [
        "type:S3\nconfig: {}",
        "type: S3\nconfig:\nbucket: b\n",
        "type: S3\n config:\n  bucket: b\n",
        "type: S3\nconfig:\n  bucket: b\n endpoint: e\n",
        "\ttype: S3\n",
        "- type: S3",
        "type: S3\nconfig: {1: 2}",
        "type: S3\nprefix: [a]\nconfig: {bucket: b, endpoint: e}",
    ] {
        assert!(inline(document, &none()).is_err(), "{document}");
    }
}
