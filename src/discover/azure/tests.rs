//! The Azure adapter against a scripted server: pages, odd keys, tiers, conditions, errors.

use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::discover::azure_access;
use crate::discover::testing::{Reply, Seen, Server, ambient, limits, list_all, transport};
use crate::model::{Environment, Secret};

/// Of the signature: what the server would compute itself.
const KEY: &str = "c2VudGluZWw=";

fn bucket(server: &Server, prefix: &str) -> Azure {
    let settings = AzureSettings {
        storage_account: "acc".to_owned(),
        storage_account_key: Secret::new(KEY.to_owned()),
        container: "thanos".to_owned(),
        endpoint: server.url(""),
        ..AzureSettings::default()
    };
    let access = azure_access(&settings, &Environment::default(), &ambient()).unwrap();
    Azure::new(&settings, "thanos".into(), prefix, access, transport(limits())).unwrap()
}

fn blob(name: &str, properties: &str) -> String {
    format!(
        "<Blob>{name}<Properties><Creation-Time>Thu, 01 Jan 2026 00:00:00 GMT</Creation-Time>\
         <Last-Modified>Fri, 02 Jan 2026 03:04:05 GMT</Last-Modified><Etag>0x8DE1</Etag>\
         <Content-Length>7</Content-Length>{properties}</Properties><OrMetadata /></Blob>"
    )
}

fn page(blobs: &str, next: &str) -> Reply {
    Reply::new(
        200,
        format!(
            "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ServiceEndpoint=\"x\" \
             ContainerName=\"thanos\"><MaxResults>5000</MaxResults><Blobs>{blobs}</Blobs>\
             <NextMarker>{next}</NextMarker></EnumerationResults>"
        ),
    )
}

fn fault(status: u16, code: &str) -> Reply {
    let body = format!(
        "\u{feff}<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>It is so.\nRequestId:1\nTime:2</Message>\
         <AuthenticationErrorDetail>sentinel</AuthenticationErrorDetail></Error>"
    );
    Reply::new(status, body).with("x-ms-error-code", code)
}

fn names(objects: &[ListedObject]) -> Vec<&str> {
    objects.iter().map(|object| object.key.as_str()).collect()
}

#[tokio::test]
async fn pages_follow_each_other() {
    let server = Server::start(|seen: &Seen| {
        assert_eq!((seen.query("restype"), seen.query("comp")), (Some("container"), Some("list")));
        assert_eq!(seen.query("prefix"), Some("p/"));
        match seen.query("marker") {
            None => page(&blob("<Name>p/a</Name>", ""), "2!8!x+/="),
            Some("2!8!x+/=") => page("", "last"),
            Some("last") => page(&blob("<Name>p/b</Name>", ""), ""),
            Some(_) => Reply::new(500, "not in the script"),
        }
    })
    .await;
    let bucket = bucket(&server, "p");
    let (objects, odd) = list_all(&bucket, &["b"]).await.unwrap();
    assert_eq!((names(&objects), odd.len()), (vec!["a", "b"], 0));
    assert_eq!(bucket.requests().list, 3);
    for seen in server.seen() {
        assert_eq!((seen.method.as_str(), seen.path.as_str()), ("GET", "/acc/thanos"));
        assert!(seen.header("authorization").unwrap().starts_with("SharedKey acc:"));
        assert!(seen.header("x-ms-version").is_some() && seen.header("date").is_some());
    }
}

#[tokio::test]
async fn odd_keys_are_objects_like_any_other() {
    let odd_keys = ["a//b", "a/../b", "./y", "dir/", "/lead", "ü + &=?#", "plain/key", "tab\t", "\u{1}x"];
    let mut blobs = String::new();
    for key in odd_keys {
        let escaped = quick_xml::escape::escape(key);
        // Azure writes what XML cannot hold percent-encoded, and says so
        match key {
            "\u{1}x" => write!(blobs, "{}", blob("<Name Encoded=\"true\">%01x</Name>", "")).unwrap(),
            _ => write!(blobs, "{}", blob(&format!("<Name>{escaped}</Name>"), "")).unwrap(),
        }
    }
    blobs.push_str(&blob("<Name>..</Name>", ""));
    blobs.push_str(&blob("<Name Encoded=\"true\">%ff</Name>", ""));
    blobs.push_str(&blob("<Name>01A</Name>", "<ResourceType>directory</ResourceType>"));
    let server = Server::start(move |seen: &Seen| match seen.path.strip_prefix("/acc/thanos/") {
        None => page(&blobs, ""),
        Some(path) => Reply::new(200, super::super::escape::unescape(path.as_bytes())),
    })
    .await;
    let bucket = bucket(&server, "");
    let (objects, odd) = list_all(&bucket, &[]).await.unwrap();
    let mut expected = odd_keys.to_vec();
    expected.sort_unstable();
    assert_eq!(names(&objects), expected, "the directory of a hierarchical account is no blob");
    let odd: Vec<_> = odd.iter().map(|odd| (odd.key.as_str(), odd.size)).collect();
    assert_eq!(odd, [("..", 7), ("\\xff", 7)]);
    for key in odd_keys {
        assert_eq!(bucket.get(key, None, None, 100).await.unwrap().bytes, key.as_bytes(), "{key:?} is read itself");
    }
    let paths: Vec<String> = server.seen().into_iter().map(|seen| seen.path).collect();
    assert!(paths.contains(&"/acc/thanos/plain/key".to_owned()), "slashes stay where they mean nothing else");
}

#[tokio::test]
async fn what_is_listed_beside_the_key() {
    let blobs = [
        ("a", "<AccessTier>Hot</AccessTier><AccessTierInferred>true</AccessTierInferred>"),
        ("b", "<AccessTier>Cool</AccessTier>"),
        ("c", "<AccessTier>Archive</AccessTier><ArchiveStatus>rehydrate-pending-to-hot</ArchiveStatus>"),
        ("d", "<AccessTier>Cool</AccessTier><AccessTierInferred>true</AccessTierInferred>"),
        ("e", "<AccessTier>Hot</AccessTier>"),
    ]
    .map(|(name, tier)| blob(&format!("<Name>{name}</Name>"), tier))
    .concat();
    let server = Server::script([page(&blobs, "")]).await;
    let (objects, _) = list_all(&bucket(&server, ""), &[]).await.unwrap();
    let tiers: Vec<_> = objects.iter().map(|object| object.storage_class.as_deref()).collect();
    assert_eq!(tiers, [None, Some("Cool"), Some("Archive"), None, None]);
    let first = &objects[0];
    assert_eq!((first.size, first.etag.as_deref()), (7, Some("0x8DE1")));
    assert_eq!(first.last_modified.to_string(), "2026-01-02T03:04:05Z");
}

#[tokio::test]
async fn blobs_are_read_and_looked_for() {
    let server = Server::start(|seen: &Seen| {
        if seen.path != "/acc/thanos/01A/index" {
            return fault(404, "BlobNotFound");
        }
        if seen.method == "HEAD" {
            return Reply::new(200, "0123456789")
                .with("etag", "\"0x1\"")
                .with("last-modified", "Fri, 02 Jan 2026 03:04:05 GMT")
                .with("x-ms-access-tier", "Archive");
        }
        if seen.header("if-match").is_some_and(|tag| tag != "\"0x1\"") {
            return fault(412, "ConditionNotMet");
        }
        match seen.header("range") {
            Some("bytes=2-4") => Reply::new(206, "234").with("content-range", "bytes 2-4/10").with("etag", "\"0x1\""),
            Some(_) => fault(416, "InvalidRange"),
            None => Reply::new(200, "0123456789").with("etag", "\"0x1\""),
        }
    })
    .await;
    let bucket = bucket(&server, "");
    for (range, tag, expected) in [
        (None, None, Ok("0123456789")),
        (Some(2..5), Some("0x1"), Ok("234")),
        (None, Some("0x2"), Err(ErrorKind::Changed)),
        (Some(20..30), None, Err(ErrorKind::Changed)),
    ] {
        match (bucket.get("01A/index", range.clone(), tag, 100).await, expected) {
            (Ok(read), Ok(bytes)) => {
                assert_eq!((read.bytes.as_ref(), read.size), (bytes.as_bytes(), 10));
                assert_eq!(read.etag.as_deref(), Some("0x1"));
            }
            (Err(error), Err(kind)) => assert_eq!(error.kind, kind, "{error}"),
            (read, expected) => panic!("{range:?} {tag:?}: {read:?}, not {expected:?}"),
        }
    }
    assert_eq!(bucket.get("01A/index", None, None, 5).await.unwrap_err().kind, ErrorKind::TooLarge);
    let head = bucket.head("01A/index").await.unwrap().unwrap();
    assert_eq!((head.size, head.etag.as_deref(), head.storage_class.as_deref()), (10, Some("0x1"), Some("Archive")));
    assert_eq!(bucket.head("nothing").await.unwrap(), None);
    let counts = bucket.requests();
    assert_eq!((counts.list, counts.get, counts.head), (0, 5, 2));
}

#[tokio::test]
async fn errors_say_what_to_do() {
    for (status, code, in_list, in_get) in [
        (403, "AuthenticationFailed", ErrorKind::Unauthenticated, ErrorKind::Unauthenticated),
        (401, "InvalidAuthenticationInfo", ErrorKind::Unauthenticated, ErrorKind::Unauthenticated),
        (403, "AuthorizationPermissionMismatch", ErrorKind::Forbidden, ErrorKind::Forbidden),
        (403, "AuthorizationFailure", ErrorKind::Forbidden, ErrorKind::Forbidden),
        (404, "ContainerNotFound", ErrorKind::NoBucket, ErrorKind::NoBucket),
        (404, "ResourceNotFound", ErrorKind::NoBucket, ErrorKind::NotFound),
        (409, "BlobArchived", ErrorKind::Archived, ErrorKind::Archived),
        (409, "BlobBeingRehydrated", ErrorKind::Archived, ErrorKind::Archived),
        (503, "ServerBusy", ErrorKind::Throttled, ErrorKind::Throttled),
        (500, "InternalError", ErrorKind::Unavailable, ErrorKind::Unavailable),
        (400, "InvalidUri", ErrorKind::Protocol, ErrorKind::Protocol),
    ] {
        let server = Server::script([fault(status, code)]).await;
        let bucket = bucket(&server, "");
        for (error, kind) in [
            (list_all(&bucket, &[]).await.unwrap_err(), in_list),
            (bucket.get("k", None, None, 1).await.unwrap_err(), in_get),
        ] {
            assert_eq!(error.kind, kind, "{error}");
            assert!(error.message.contains(&format!("{code}: It is so")), "{error}");
            assert!(error.message.contains(&bucket.0.place), "{error}");
            assert!(!format!("{error:?} {bucket:?}").contains("sentinel"), "{error:?}");
        }
    }
    // the answer to HEAD has nothing but the header
    let server = Server::script([fault(404, "ContainerNotFound")]).await;
    assert_eq!(bucket(&server, "").head("k").await.unwrap_err().kind, ErrorKind::NoBucket);
}

#[tokio::test]
async fn what_passes_is_asked_again() {
    let calls = AtomicUsize::new(0);
    let server = Server::start(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => fault(503, "ServerBusy").with("retry-after", "0"),
        1 => Reply::Cut { body: b"<EnumerationResults>".to_vec(), sent: 5 },
        // whole for HTTP, cut for whoever reads it
        2 => Reply::new(200, "<EnumerationResults><Blobs><Blob>"),
        _ => page(&blob("<Name>a</Name>", ""), ""),
    })
    .await;
    let bucket = bucket(&server, "");
    assert_eq!(names(&list_all(&bucket, &[]).await.unwrap().0), ["a"]);
    assert_eq!(bucket.requests().list, 4);
}

#[tokio::test]
async fn what_is_no_listing_is_an_error() {
    for (reply, prefix, why) in [
        (Reply::new(200, "<html>a portal</html>"), "", "not a listing of blobs"),
        (Reply::new(200, "{}"), "", "not a listing of blobs"),
        (page("<Blob><Name>a</Name></Blob>", ""), "", "without a readable `Content-Length`"),
        (page("", "same"), "", "repeats itself"),
        (page(&blob("<Name>other/a</Name>", ""), ""), "p", "without the prefix"),
    ] {
        let server = Server::script([reply]).await;
        let error = list_all(&bucket(&server, prefix), &[]).await.unwrap_err();
        assert!(error.kind == ErrorKind::Protocol && error.message.contains(why), "{error}");
    }
}

#[tokio::test]
async fn only_reads_are_sent() {
    let server = Server::script([page("", "")]).await;
    let bucket = bucket(&server, "");
    list_all(&bucket, &[]).await.unwrap();
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let mut request = object_store::client::HttpRequest::new(HttpRequestBody::empty());
        *request.method_mut() = method.clone();
        *request.uri_mut() = server.url("/acc/thanos?restype=container").parse().unwrap();
        assert!(bucket.0.transport.execute(request).await.is_err(), "{method}");
    }
    assert_eq!(server.seen().len(), 1, "the container is never created");
}

/// <https://learn.microsoft.com/en-us/rest/api/storageservices/authorize-with-shared-key>, put together by hand.
#[tokio::test]
async fn what_arrives_is_what_was_signed() {
    let server = Server::start(|seen: &Seen| match seen.path.as_str() {
        "/acc/thanos" => page("", ""),
        _ => Reply::new(206, "b").with("content-range", "bytes 1-1/3").with("etag", "\"0x1\""),
    })
    .await;
    let bucket = bucket(&server, "p ü");
    list_all(&bucket, &[]).await.unwrap();
    bucket.get("a/../b", Some(1..2), Some("0x1"), 10).await.unwrap();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"sentinel");
    let resources = [
        "/acc/acc/thanos\ncomp:list\nmaxresults:5000\nprefix:p ü/\nrestype:container",
        "/acc/acc/thanos/p%20%C3%BC%2Fa%2F..%2Fb",
    ];
    for (seen, resource) in server.seen().iter().zip(resources) {
        let header = |name| seen.header(name).unwrap_or_default();
        let to_sign = format!(
            "{}\n\n\n\n\n\n{}\n\n{}\n\n\n{}\nx-ms-version:{}\n{resource}",
            seen.method,
            header("date"),
            header("if-match"),
            header("range"),
            header("x-ms-version"),
        );
        let signature = base64::Engine::encode(
            &base64::prelude::BASE64_STANDARD,
            ring::hmac::sign(&key, to_sign.as_bytes()).as_ref(),
        );
        assert_eq!(header("authorization"), format!("SharedKey acc:{signature}"), "{to_sign}");
    }
}
