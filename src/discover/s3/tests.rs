//! The S3 adapter against a scripted server: pages, parts, odd keys, errors, regions.

use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::discover::testing::{Reply, Seen, Server, ambient, limits, transport};
use crate::model::{S3Encryption, Secret};

fn bucket(server: &Server, prefix: &str, change: impl FnOnce(&mut S3Settings)) -> S3 {
    let mut settings = S3Settings {
        bucket: "thanos".to_owned(),
        endpoint: server.address.clone(),
        insecure: true,
        ..S3Settings::default()
    };
    change(&mut settings);
    let credential = AwsCredential {
        key_id: "sentinel-id".to_owned(),
        secret_key: "sentinel-secret".to_owned(),
        token: Some("sentinel-token".to_owned()),
    };
    let credentials = Credentials::fixed("thanos".to_owned(), &ambient(), credential);
    S3::new(&settings, "thanos".into(), prefix, credentials, transport(limits())).unwrap()
}

/// All keys and odd keys, sorted.
async fn list(bucket: &S3, splits: &[&str]) -> Result<(Vec<String>, Vec<String>), BucketError> {
    let splits: Vec<String> = splits.iter().map(|&split| split.to_owned()).collect();
    let (sender, mut receiver) = mpsc::channel::<ListPage>(4);
    let gather = async {
        let (mut keys, mut odd) = (Vec::new(), Vec::new());
        while let Some(page) = receiver.recv().await {
            keys.extend(page.objects.into_iter().map(|object| object.key));
            odd.extend(page.odd.into_iter().map(|key| key.key));
        }
        keys.sort();
        (keys, odd)
    };
    let (result, gathered) = tokio::join!(bucket.list(&splits, sender), gather);
    result.map(|()| gathered)
}

fn contents(key: &str) -> String {
    format!(
        "<Contents><Key>{key}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>\
         <ETag>&quot;e-1&quot;</ETag><Size>7</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )
}

fn page(inside: &str) -> Reply {
    Reply::new(200, format!("<?xml version=\"1.0\"?><ListBucketResult xmlns=\"x\">{inside}</ListBucketResult>"))
}

/// A server that lists `keys` as S3 does, `page_size` at a time.
async fn listing_server(keys: Vec<String>, page_size: usize) -> Server {
    Server::start(move |seen: &Seen| {
        let after = seen.query("continuation-token").or(seen.query("start-after")).or(seen.query("marker"));
        let prefix = seen.query("prefix").unwrap_or("");
        let mut rest =
            keys.iter().filter(|key| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after));
        let on_page: Vec<&String> = rest.by_ref().take(page_size).collect();
        let mut text = String::from("<EncodingType>url</EncodingType>");
        for key in &on_page {
            text.push_str(&contents(&encode_as_s3(key)));
        }
        let more = rest.next().is_some();
        write!(text, "<IsTruncated>{more}</IsTruncated>").unwrap();
        if more && seen.query("list-type") == Some("2") {
            write!(text, "<NextContinuationToken>{}</NextContinuationToken>", on_page.last().unwrap()).unwrap();
        }
        page(&text)
    })
    .await
}

fn encode_as_s3(key: &str) -> String {
    address::encode(key).replace("%20", "+")
}

fn keys(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("p/{n:06}")).collect()
}

#[tokio::test]
async fn every_key_is_listed_once_with_few_requests() {
    for (count, page_size, splits, v1) in [
        (0, 10, vec![], false),
        (95, 10, vec![], false),
        (100, 10, vec![], true),
        (95, 10, vec!["000050"], false),
        (1_000, 10, vec!["000100", "000250", "0007", "5"], false),
        (1_000, 10, vec!["000100", "000250", "0007", "5"], true),
        (1_000, 1_000, vec!["a", "b"], false),
        (30, 10, vec!["000009", "000019", "000029"], false),
    ] {
        let server = listing_server(keys(count), page_size).await;
        let bucket = bucket(&server, "p", |settings| settings.list_v1 = v1);
        let (listed, odd) = list(&bucket, &splits).await.unwrap();
        let expected: Vec<String> = (0..count).map(|n| format!("{n:06}")).collect();
        assert_eq!((listed, odd), (expected, vec![]), "{count} {splits:?}");
        let bound = count.div_ceil(page_size) + splits.len() + 1;
        assert!(bucket.requests().list <= u64::try_from(bound).unwrap(), "{count} {splits:?}: {:?}", bucket.requests());
    }
}

#[tokio::test]
async fn odd_keys_are_delivered_as_they_are() {
    let odd =
        ["a//b", "a/../b", "./x", "/lead", "01ARZ3NDEKTSV4RRFFQ69G5FAV/", "sp ace+plus%41", "ctl\u{1}\n", "ü&<>\"'"];
    let mut stored: Vec<String> = odd.iter().map(|&key| key.to_owned()).collect();
    stored.sort();
    let server = listing_server(stored.clone(), 3).await;
    assert_eq!(list(&bucket(&server, "", |_| ()), &[]).await.unwrap().0, stored);
}

#[tokio::test]
async fn keys_come_encoded_or_not() {
    for (encoding, key, expected) in [
        ("<EncodingType>url</EncodingType>", "a+b%2Bc%2520", Ok("a b+c%20")),
        ("", "a+b%2Bc%2520", Ok("a+b%2Bc%2520")),
        ("", "a&amp;b&#x41;&#1;&lt;", Ok("a&bA\u{1}<")),
        ("", "<![CDATA[a<b]]>", Ok("a<b")),
        ("<EncodingType>url</EncodingType>", "bad%ff", Err("bad\\xff")),
        ("<EncodingType>url</EncodingType>", "half%2", Ok("half%2")),
        // a server that says so and does not
        ("<EncodingType>url</EncodingType>", "a b+c%41", Ok("a b+c%41")),
    ] {
        let server = Server::script([page(&format!("{encoding}{}", contents(key)))]).await;
        let (keys, odd) = list(&bucket(&server, "", |_| ()), &[]).await.unwrap();
        match expected {
            Ok(expected) => assert_eq!((keys, odd), (vec![expected.to_owned()], vec![])),
            Err(expected) => assert_eq!((keys, odd), (vec![], vec![expected.to_owned()])),
        }
    }
}

#[tokio::test]
async fn what_is_listed_beside_the_key() {
    for (class, expected) in [("STANDARD", None), ("GLACIER", Some("GLACIER")), ("", None)] {
        let text = contents("k").replace("STANDARD", class);
        let server = Server::script([page(&text)]).await;
        let (sender, mut receiver) = mpsc::channel(1);
        bucket(&server, "", |_| ()).list(&[], sender).await.unwrap();
        let object = receiver.recv().await.unwrap().objects.remove(0);
        assert_eq!((object.size, object.etag.as_deref()), (7, Some("e-1")));
        assert_eq!(object.last_modified.to_string(), "2026-01-02T03:04:05Z");
        assert_eq!(object.storage_class.as_deref(), expected);
    }
}

#[tokio::test]
async fn a_broken_page_is_asked_for_again_and_never_taken() {
    let whole = || page(&(contents("a") + &contents("b")));
    let Reply::Full { body, .. } = whole() else { panic!("a page is whole") };
    let fault = "<Error><Code>InternalError</Code></Error>";
    for (name, broken) in [
        ("cut at its end", Reply::new(200, &body[..body.len() - 5])),
        ("cut between entries", Reply::new(200, &body[..body.len() / 2])),
        ("cut inside the body", Reply::Cut { body: body.clone(), sent: body.len() / 2 }),
        ("empty", Reply::new(200, "<?xml version=\"1.0\"?>")),
        ("wrong nesting", page("<Contents></Key></Contents>")),
        ("no size", page("<Contents><Key>k</Key><LastModified>2026-01-02T03:04:05Z</LastModified></Contents>")),
        ("no time", page(&contents("k").replace("2026-01-02T03:04:05.000Z", "lately"))),
        ("an error with a good status", Reply::new(200, fault)),
        ("500", Reply::new(500, fault)),
    ] {
        let server = Server::script([broken.clone(), whole()]).await;
        let healed = bucket(&server, "", |_| ());
        assert_eq!(list(&healed, &[]).await.unwrap().0, ["a", "b"], "{name}");
        assert_eq!(healed.requests().list, 2, "{name}");
        let server = Server::script([broken]).await;
        let error = list(&bucket(&server, "", |_| ()), &[]).await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Protocol | ErrorKind::Unavailable), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_listing_that_fails_midway_is_an_error() {
    let count = AtomicUsize::new(0);
    let server = Server::start(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => page(&format!(
            "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>{}",
            contents("a")
        )),
        _ => Reply::new(503, "<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"),
    })
    .await;
    let error = list(&bucket(&server, "", |_| ()), &[]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Throttled);
    assert!(error.to_string().contains("SlowDown: Reduce your request rate"), "{error}");
}

#[tokio::test]
async fn listings_that_make_no_progress_end() {
    let more = "<IsTruncated>true</IsTruncated>";
    for (inside, v1) in [
        (more.to_owned(), false),
        (more.to_owned(), true),
        (format!("{more}<NextContinuationToken>same</NextContinuationToken>"), false),
        (format!("{more}{}", contents("k")), true),
        (format!("{more}<NextMarker>k</NextMarker>"), true),
    ] {
        let server = Server::script([page(&inside)]).await;
        let error = list(&bucket(&server, "", |settings| settings.list_v1 = v1), &[]).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Protocol, "{inside}: {error}");
    }
    // a server that makes a new token for the same page each time
    let turns = AtomicUsize::new(0);
    let server = Server::start(move |_| {
        let turn = turns.fetch_add(1, Ordering::Relaxed);
        page(&format!("{more}<NextContinuationToken>{turn}</NextContinuationToken>{}", contents("k")))
    })
    .await;
    let bucket = bucket(&server, "", |_| ());
    let error = list(&bucket, &[]).await.unwrap_err();
    assert!(error.to_string().contains("repeats itself"), "{error}");
    assert!(bucket.requests().list < 5, "{:?}", bucket.requests());
}

#[tokio::test]
async fn parts_need_an_ordered_listing() {
    let server = Server::script([page(&(contents("b") + &contents("a")))]).await;
    let bucket = bucket(&server, "", |_| ());
    assert_eq!(list(&bucket, &[]).await.unwrap().0, ["a", "b"]);
    let error = list(&bucket, &["c"]).await.unwrap_err();
    assert!(error.kind == ErrorKind::Disordered && error.to_string().contains("order"), "{error}");
}

#[tokio::test]
async fn errors_say_what_to_do() {
    let fault = |code: &str| format!("<Error><Code>{code}</Code><Message>because.</Message></Error>");
    for (status, body, kind, hint) in [
        (404, fault("NoSuchBucket"), ErrorKind::NoBucket, "check `bucket` and `endpoint`"),
        (403, fault("AccessDenied"), ErrorKind::Forbidden, "s3:ListBucket"),
        (403, fault("InvalidAccessKeyId"), ErrorKind::Unauthenticated, "access_key"),
        (403, fault("SignatureDoesNotMatch"), ErrorKind::Unauthenticated, "secret_key"),
        (403, fault("RequestTimeTooSkewed"), ErrorKind::Unauthenticated, "clock"),
        (400, fault("ExpiredToken"), ErrorKind::Unauthenticated, "expired"),
        (401, String::new(), ErrorKind::Unauthenticated, "access_key"),
        (404, "not found".to_owned(), ErrorKind::NoBucket, "endpoint"),
        (503, fault("SlowDown"), ErrorKind::Throttled, "fewer requests"),
        (500, String::new(), ErrorKind::Unavailable, ""),
        // errors in disguise
        (200, fault("SlowDown"), ErrorKind::Throttled, "fewer requests"),
        (200, fault("InternalError"), ErrorKind::Unavailable, ""),
        (301, fault("PermanentRedirect"), ErrorKind::Protocol, "region"),
        (200, "<!DOCTYPE html><html>console</html>".to_owned(), ErrorKind::Protocol, "console"),
        (200, "<html></html>".to_owned(), ErrorKind::Protocol, "console"),
    ] {
        let server = Server::script([Reply::new(status, body.clone())]).await;
        let error = list(&bucket(&server, "", |_| ()), &[]).await.unwrap_err();
        assert_eq!(error.kind, kind, "{status} {body}: {error}");
        assert!(error.hint.clone().unwrap_or_default().contains(hint), "{status} {body}: {error:?}");
        let place = format!("{}/thanos", server.address);
        assert!(error.to_string().contains(&place) || error.to_string().contains(&server.address), "{error}");
    }
}

#[tokio::test]
async fn nothing_secret_is_said() {
    let echo = "<Error><Code>AccessDenied</Code><Message>key sentinel-id with sentinel-secret and sentinel-token\n\
                \u{1b}[31mred</Message></Error>";
    let server = Server::script([Reply::new(403, echo)]).await;
    let bucket = bucket(&server, "", |settings| settings.access_key = Secret::new("sentinel-id".to_owned()));
    let error = bucket.get("01A/meta.json", None, None, 100).await.unwrap_err();
    let text = format!("{error} {error:?} {bucket:?}");
    assert!(!text.contains("sentinel") && !text.contains('\u{1b}'), "{text}");
    assert!(error.to_string().contains("cannot read `01A/meta.json`"), "{error}");
    let authorization = server.seen()[0].header("authorization").unwrap().to_owned();
    assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=sentinel-id/") && !authorization.contains("secret"));
}

#[tokio::test]
async fn the_storage_names_the_region() {
    let malformed = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>";
    let server = Server::start(move |seen: &Seen| {
        let scope = seen.header("authorization").unwrap_or_default();
        match (scope.contains("/eu-west-1/s3/"), seen.method.as_str()) {
            (true, "HEAD") => {
                Reply::new(200, "").with("content-length", "3").with("last-modified", "Fri, 02 Jan 2026 03:04:05 GMT")
            }
            (true, _) => page(&contents("a")),
            (false, "HEAD") => Reply::new(301, "").with("x-amz-bucket-region", "eu-west-1"),
            (false, _) => Reply::new(400, malformed),
        }
    })
    .await;
    let listing = bucket(&server, "", |_| ());
    assert_eq!(list(&listing, &[]).await.unwrap().0, ["a"]);
    list(&listing, &[]).await.unwrap();
    assert_eq!(listing.requests().list, 3, "the region is learnt once");
    let heading = bucket(&server, "", |_| ());
    assert_eq!(heading.head("a").await.unwrap().unwrap().size, 3);
    assert_eq!(heading.requests().head, 2);

    let odd = Server::script([Reply::new(400, malformed.replace("eu-west-1", "evil.example/"))]).await;
    let error = list(&bucket(&odd, "", |_| ()), &[]).await.unwrap_err();
    assert_eq!((error.kind, odd.seen().len()), (ErrorKind::Protocol, 1));
}

#[tokio::test]
async fn objects_are_read_and_looked_for() {
    let server = Server::start(|seen: &Seen| match (seen.method.as_str(), seen.path.as_str()) {
        ("GET", "/thanos/p/01A/index") if seen.header("range") == Some("bytes=2-4") => {
            Reply::new(206, "234").with("content-range", "bytes 2-4/10").with("etag", "\"e\"")
        }
        ("GET", "/thanos/p/01A/index") if seen.header("if-match") == Some("\"old\"") => Reply::new(412, ""),
        ("GET", "/thanos/p/01A/index") => Reply::new(200, "0123456789").with("etag", "\"e\""),
        ("GET", "/thanos/p/lax") => Reply::new(200, "0").with("etag", "\"new\""),
        ("GET", "/thanos/p/cold") => Reply::new(403, "<Error><Code>InvalidObjectState</Code></Error>"),
        ("HEAD", "/thanos/p/01A/index") => Reply::new(200, "")
            .with("content-length", "10")
            .with("etag", "\"e\"")
            .with("x-amz-storage-class", "GLACIER")
            .with("last-modified", "Fri, 02 Jan 2026 03:04:05 GMT"),
        ("HEAD", "/thanos/p/denied") => Reply::new(403, ""),
        _ => Reply::new(404, "<Error><Code>NoSuchKey</Code></Error>"),
    })
    .await;
    let bucket = bucket(&server, "p", |_| ());
    for (key, range, if_match, max, expected) in [
        ("01A/index", None, None, 100, Ok("0123456789")),
        ("01A/index", Some(2..5), None, 100, Ok("234")),
        ("01A/index", None, Some("old"), 100, Err(ErrorKind::Changed)),
        ("01A/index", None, None, 9, Err(ErrorKind::TooLarge)),
        ("lax", None, Some("old"), 9, Err(ErrorKind::Changed)),
        ("cold", None, None, 9, Err(ErrorKind::Archived)),
        ("gone", None, None, 9, Err(ErrorKind::NotFound)),
        ("a/../b", None, None, 9, Err(ErrorKind::Protocol)),
    ] {
        match (bucket.get(key, range, if_match, max).await, expected) {
            (Ok(read), Ok(bytes)) => {
                assert_eq!((read.bytes, read.size, read.etag.as_deref()), (bytes.into(), 10, Some("e")));
            }
            (Err(error), Err(kind)) => assert_eq!(error.kind, kind, "{key}: {error}"),
            (read, expected) => panic!("{key}: {read:?}, not {expected:?}"),
        }
    }
    let found = bucket.head("01A/index").await.unwrap().unwrap();
    assert_eq!((found.key.as_str(), found.size, found.storage_class.as_deref()), ("01A/index", 10, Some("GLACIER")));
    assert_eq!(bucket.head("gone").await.unwrap(), None);
    assert_eq!(bucket.head("denied").await.unwrap_err().kind, ErrorKind::Forbidden);
}

#[tokio::test]
async fn the_customers_key_is_presented_with_every_read() {
    let server = Server::script([Reply::new(200, "x").with("last-modified", "Fri, 02 Jan 2026 03:04:05 GMT")]).await;
    let bucket = bucket(&server, "", |settings| {
        settings.encryption =
            Some(S3Encryption { customer_key: Secret::new("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=".to_owned()) });
    });
    bucket.get("k", None, None, 10).await.unwrap();
    bucket.head("k").await.unwrap();
    for seen in server.seen() {
        let header =
            |name: &str| seen.header(&format!("x-amz-server-side-encryption-customer-{name}")).unwrap().to_owned();
        assert_eq!(header("algorithm"), "AES256");
        assert_eq!(header("key"), "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=");
        assert_eq!(header("key-md5"), "KYvwGXoFFJ42a2u2GDWhwQ==");
        assert!(seen.header("authorization").unwrap().contains("customer-key-md5"), "they are signed");
    }
}

#[tokio::test]
async fn requests_go_unsigned_without_a_key() {
    let server = Server::script([page("")]).await;
    let settings = S3Settings {
        bucket: "thanos".to_owned(),
        endpoint: server.address.clone(),
        insecure: true,
        ..S3Settings::default()
    };
    for (key_id, signed) in [("", Ok(false)), ("id", Ok(true)), ("id\n", Err(()))] {
        let credential = AwsCredential { key_id: key_id.to_owned(), secret_key: "s".to_owned(), token: None };
        let credentials = Credentials::fixed("thanos".to_owned(), &ambient(), credential);
        let bucket = S3::new(&settings, "t".into(), "", credentials, transport(limits())).unwrap();
        match (list(&bucket, &[]).await, signed) {
            (Ok(_), Ok(signed)) => {
                assert_eq!(server.seen().last().unwrap().header("authorization").is_some(), signed);
            }
            (Err(error), Err(())) => assert_eq!(error.kind, ErrorKind::Unauthenticated),
            (result, _) => panic!("{key_id:?}: {result:?}"),
        }
    }
}
