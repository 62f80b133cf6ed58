//! The GCS adapter against a scripted server: pages, parts, odd keys, conditions, errors.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::discover::testing::{Reply, Seen, Server, ambient, limits, list_all, transport};

fn bucket(server: &Server, prefix: &str) -> Gcs {
    let environment: Environment = [("STORAGE_EMULATOR_HOST", server.address.clone())].into_iter().collect();
    let settings = GcsSettings { bucket: "thanos".to_owned(), ..GcsSettings::default() };
    let credential = GcpCredential { bearer: "sentinel-token".to_owned() };
    let credentials = Credentials::fixed("thanos".to_owned(), &ambient(), credential);
    Gcs::new(&settings, "thanos".into(), prefix, &environment, Some(credentials), transport(limits())).unwrap()
}

fn item(key: &str) -> serde_json::Value {
    serde_json::json!({
        "name": key, "size": "7", "generation": "1767323045000001", "etag": "CJb=", "updated": "2026-01-02T03:04:05.678Z",
        "storageClass": "STANDARD",
    })
}

/// A server that lists `keys` as GCS does, `page_size` at a time.
async fn listing_server(keys: Vec<String>, page_size: usize, knows_offsets: bool) -> Server {
    Server::start(move |seen: &Seen| {
        let prefix = seen.query("prefix").unwrap_or("");
        let offset = |name| seen.query(name).filter(|_| knows_offsets);
        let (from, until) = (offset("startOffset").unwrap_or(""), offset("endOffset"));
        let after = seen.query("pageToken");
        let mut rest = keys.iter().map(String::as_str).filter(|key| {
            key.starts_with(prefix)
                && *key >= from
                && until.is_none_or(|until| *key < until)
                && after.is_none_or(|after| *key > after)
        });
        let on_page: Vec<&str> = rest.by_ref().take(page_size).collect();
        let mut document = serde_json::json!({"kind": "storage#objects"});
        if !on_page.is_empty() {
            document["items"] = on_page.iter().map(|key| item(key)).collect();
        }
        if rest.next().is_some() {
            document["nextPageToken"] = on_page[on_page.len() - 1].into();
        }
        Reply::new(200, document.to_string())
    })
    .await
}

fn names(objects: &[ListedObject]) -> Vec<&str> {
    objects.iter().map(|object| object.key.as_str()).collect()
}

#[tokio::test]
async fn every_key_is_listed_once_with_few_requests() {
    let mut keys: Vec<String> = (0..500).map(|number| format!("{number:03}/meta.json")).collect();
    keys.sort();
    for (prefix, splits, knows_offsets, most) in [
        ("", vec![], true, 5),
        ("", vec!["100", "250/meta.json", "4"], true, 8),
        ("deep/er", vec!["250"], true, 6),
        ("", vec!["250"], false, 10),
    ] {
        let stored = keys.iter().map(|key| if prefix.is_empty() { key.clone() } else { format!("{prefix}/{key}") });
        let server = listing_server(stored.chain(["zzz".to_owned()]).collect(), 101, knows_offsets).await;
        let bucket = bucket(&server, prefix);
        let (objects, odd) = list_all(&bucket, &splits).await.unwrap();
        let expected: Vec<&str> = keys.iter().map(String::as_str).chain(prefix.is_empty().then_some("zzz")).collect();
        assert_eq!(names(&objects), expected, "{prefix} {splits:?}");
        assert!(odd.is_empty());
        assert!(bucket.requests().list <= most, "{prefix} {splits:?}: {} requests", bucket.requests().list);
        assert!(server.seen().iter().all(|seen| seen.header("authorization") == Some("Bearer sentinel-token")));
    }
}

#[tokio::test]
async fn odd_keys_are_objects_like_any_other() {
    let keys = ["a//b", "a/../b", "../x", "./y", "dir/", "/lead", "tab\tnew\nline", "ü%2F+ &=?#", "\u{1}\u{7f}"];
    let mut stored: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
    stored.sort();
    let server = Server::start({
        let stored = stored.clone();
        move |seen: &Seen| {
            if seen.path == "/storage/v1/b/thanos/o" {
                let items: Vec<_> = stored.iter().map(|key| item(key)).collect();
                return Reply::new(200, serde_json::json!({ "items": items }).to_string());
            }
            let name = seen.path.strip_prefix("/storage/v1/b/thanos/o/").unwrap();
            assert!(!name.contains('/'), "a key is one part of the path");
            Reply::new(200, super::super::escape::unescape(name.as_bytes()))
        }
    })
    .await;
    let bucket = bucket(&server, "");
    let (objects, odd) = list_all(&bucket, &[]).await.unwrap();
    assert_eq!(names(&objects), stored.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(odd.is_empty());
    for key in keys {
        assert_eq!(bucket.get(key, None, None, 100).await.unwrap().bytes, key.as_bytes(), "{key:?} is read itself");
    }
}

#[tokio::test]
async fn what_is_listed_beside_the_key() {
    let all = r#"{"items":[
        {"name":"a","size":"7","generation":"12","etag":"CJb=","updated":"2026-01-02T03:04:05.678Z","storageClass":"STANDARD"},
        {"name":"b","size":9,"etag":"\"x\"","updated":"2026-01-02T03:04:05Z","storageClass":"NEARLINE","more":{}},
        {"name":"c","size":"0","updated":"2026-01-02T04:04:05+01:00","storageClass":"ARCHIVE"}]}"#;
    let server = Server::script([Reply::new(200, all)]).await;
    let (objects, _) = list_all(&bucket(&server, ""), &[]).await.unwrap();
    let seen: Vec<_> = objects
        .iter()
        .map(|o| (o.key.as_str(), o.size, o.etag.as_deref(), o.last_modified.to_string(), o.storage_class.as_deref()))
        .collect();
    let time = "2026-01-02T03:04:05Z".to_owned();
    assert_eq!(
        seen,
        [
            ("a", 7, Some("12"), "2026-01-02T03:04:05.678Z".to_owned(), None),
            ("b", 9, Some("x"), time.clone(), Some("NEARLINE")),
            ("c", 0, None, time, Some("ARCHIVE")),
        ]
    );
}

#[tokio::test]
async fn objects_are_read_and_looked_for() {
    let server = Server::start(|seen: &Seen| {
        if seen.path != "/storage/v1/b/thanos/o/p%2F01A%2Findex" {
            return Reply::new(404, "No such object: thanos/x");
        }
        if seen.query("alt") != Some("media") {
            return Reply::new(200, item("p/01A/index").to_string());
        }
        if seen.query("ifGenerationMatch").is_some_and(|generation| generation != "5")
            || seen.header("if-match").is_some_and(|tag| tag != "\"CJb=\"")
        {
            return Reply::new(412, r#"{"error":{"code":412,"message":"At least one of the pre-conditions"}}"#);
        }
        let tagged = |reply: Reply| reply.with("x-goog-generation", "5").with("etag", "CJb=");
        match seen.header("range") {
            Some("bytes=2-4") => tagged(Reply::new(206, "234").with("content-range", "bytes 2-4/10")),
            Some(_) => Reply::new(416, "The requested range cannot be satisfied."),
            None => tagged(Reply::new(200, "0123456789")),
        }
    })
    .await;
    let bucket = bucket(&server, "p");
    for (range, tag, expected) in [
        (None, None, Ok("0123456789")),
        (Some(2..5), Some("5"), Ok("234")),
        (None, Some("CJb="), Ok("0123456789")),
        (None, Some("6"), Err(ErrorKind::Changed)),
        (None, Some("other"), Err(ErrorKind::Changed)),
        (Some(20..30), None, Err(ErrorKind::Changed)),
    ] {
        match (bucket.get("01A/index", range.clone(), tag, 100).await, expected) {
            (Ok(read), Ok(bytes)) => {
                assert_eq!((read.bytes.as_ref(), read.size), (bytes.as_bytes(), 10));
                assert_eq!(read.etag.as_deref(), Some("5"), "the same as in a listing");
            }
            (Err(error), Err(kind)) => assert_eq!(error.kind, kind, "{error}"),
            (read, expected) => panic!("{range:?} {tag:?}: {read:?}, not {expected:?}"),
        }
    }
    assert_eq!(bucket.get("01A/index", None, None, 5).await.unwrap_err().kind, ErrorKind::TooLarge);
    assert_eq!(bucket.get("nothing", None, None, 5).await.unwrap_err().kind, ErrorKind::NotFound);
    let head = bucket.head("01A/index").await.unwrap().unwrap();
    assert_eq!((head.key.as_str(), head.size, head.etag.as_deref()), ("01A/index", 7, Some("1767323045000001")));
    assert_eq!(bucket.head("nothing").await.unwrap(), None);
    let counts = bucket.requests();
    assert_eq!((counts.list, counts.get, counts.head), (0, 8, 2));
}

#[tokio::test]
async fn errors_say_what_to_do() {
    let json = |code: u16, message: &str, reason: &str| {
        serde_json::json!({"error": {"code": code, "message": message, "errors": [{"reason": reason}]}}).to_string()
    };
    for (status, body, in_list, in_get, text) in [
        (
            401,
            json(401, "Invalid Credentials", "authError"),
            ErrorKind::Unauthenticated,
            ErrorKind::Unauthenticated,
            "Invalid Credentials",
        ),
        (
            403,
            json(403, "w@p does not have storage.objects.list access.", "forbidden"),
            ErrorKind::Forbidden,
            ErrorKind::Forbidden,
            "storage.objects.list access",
        ),
        (403, json(403, "slow down", "rateLimitExceeded"), ErrorKind::Throttled, ErrorKind::Throttled, "slow down"),
        (
            404,
            json(404, "The specified bucket does not exist.", "notFound"),
            ErrorKind::NoBucket,
            ErrorKind::NoBucket,
            "bucket does not exist",
        ),
        (404, "No such object: b/o".to_owned(), ErrorKind::NoBucket, ErrorKind::NotFound, "No such object"),
        (429, String::new(), ErrorKind::Throttled, ErrorKind::Throttled, "HTTP 429"),
        (503, "<html>sentinel".to_owned(), ErrorKind::Unavailable, ErrorKind::Unavailable, "HTTP 503"),
        (400, json(400, "bad sentinel-token", "invalid"), ErrorKind::Protocol, ErrorKind::Protocol, "bad [redacted]"),
    ] {
        let server = Server::script([Reply::new(status, body)]).await;
        let bucket = bucket(&server, "");
        for (error, kind) in [
            (list_all(&bucket, &["m"]).await.unwrap_err(), in_list),
            (bucket.get("k", None, None, 1).await.unwrap_err(), in_get),
        ] {
            assert_eq!(error.kind, kind, "{error}");
            assert!(error.message.contains(text) && error.message.contains(&bucket.0.place), "{error}");
            assert!(!format!("{error:?} {bucket:?}").contains("sentinel"), "{error:?}");
        }
    }
}

#[tokio::test]
async fn what_passes_is_asked_again() {
    let calls = AtomicUsize::new(0);
    let server = Server::start(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::new(429, "").with("retry-after", "0"),
        1 => Reply::new(500, ""),
        2 => Reply::Cut { body: br#"{"items":[]}"#.to_vec(), sent: 5 },
        // whole for HTTP, cut for whoever reads it
        3 => Reply::new(200, r#"{"items":[{"name""#),
        _ => Reply::new(200, serde_json::json!({"items": [item("a")]}).to_string()),
    })
    .await;
    let mut settled = limits();
    settled.retries = 6;
    let mut bucket = bucket(&server, "");
    let inner = Arc::get_mut(&mut bucket.0).unwrap();
    inner.transport = transport(settled);
    assert_eq!(names(&list_all(&bucket, &[]).await.unwrap().0), ["a"]);
    assert_eq!(bucket.requests().list, 5);
}

#[tokio::test]
async fn what_is_no_listing_is_an_error() {
    for (body, kind) in [
        ("<html>a console</html>", ErrorKind::Protocol),
        (r#"{"items":[{"name":"a"}]}"#, ErrorKind::Protocol),
        (r#"{"items":[{"name":"a","size":"x","updated":"2026-01-02T03:04:05Z"}]}"#, ErrorKind::Protocol),
        (r#"{"items":[],"nextPageToken":"same"}"#, ErrorKind::Protocol),
    ] {
        let server = Server::script([Reply::new(200, body)]).await;
        assert_eq!(list_all(&bucket(&server, ""), &[]).await.unwrap_err().kind, kind, "{body}");
    }
    let server = Server::script([Reply::new(200, serde_json::json!({"items": [item("other/a")]}).to_string())]).await;
    let error = list_all(&bucket(&server, "p"), &[]).await.unwrap_err();
    assert!(error.message.contains("without the prefix"), "{error}");
}

#[tokio::test]
async fn only_reads_are_sent() {
    let server = listing_server(vec!["a".to_owned()], 10, true).await;
    let bucket = bucket(&server, "");
    list_all(&bucket, &[]).await.unwrap();
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
        let mut request = object_store::client::HttpRequest::new(HttpRequestBody::empty());
        *request.method_mut() = method.clone();
        *request.uri_mut() = server.url("/storage/v1/b/thanos/o/a").parse().unwrap();
        assert!(bucket.0.transport.execute(request).await.is_err(), "{method}");
    }
    assert!(server.seen().iter().all(|seen| seen.method == "GET"));
}
