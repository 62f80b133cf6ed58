//! The server and the estate that other tests rest on, seen through the client library that the product uses.
#![expect(clippy::unwrap_used, reason = "whatever fails in here fails the test that uses it")]

#[expect(dead_code, reason = "each test uses its part of what they share")]
mod support;

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use blockwarden::model::TimestampMs;
use futures::StreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt};
use support::estate::{Estate, Span};
use support::memory::Memory;
use support::s3_server::{BUCKET, Counts, Objects, Reply, S3Server};

fn client(server: &S3Server) -> AmazonS3 {
    // another test of this process may have installed it
    drop(rustls::crypto::ring::default_provider().install_default());
    AmazonS3Builder::new()
        .with_endpoint(format!("http://{}", server.address()))
        .with_bucket_name(BUCKET)
        .with_access_key_id("key")
        .with_secret_access_key("secret")
        .with_allow_http(true)
        .build()
        .unwrap()
}

#[tokio::test]
async fn an_estate_is_listed_in_pages_and_read_as_listed() {
    let estate = Arc::new(Estate::new(20, 31));
    let server = S3Server::start(estate.clone());
    let client = client(&server);
    let listed: Vec<_> = client.list(None).map(Result::unwrap).collect().await;
    assert_eq!(listed.len(), 20 * 31 * 6);
    assert_eq!(server.counts(), Counts { list: 4, get: 0, head: 0 });
    assert!(listed.is_sorted_by(|a, b| a.location < b.location), "each key comes once, in order");

    let metas: Vec<_> = listed.iter().filter(|object| object.location.filename() == Some("meta.json")).collect();
    let mut labels = BTreeSet::new();
    for meta in metas {
        let body = client.get(&meta.location).await.unwrap().bytes().await.unwrap();
        assert_eq!(u64::try_from(body.len()).unwrap(), meta.size);
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let folder = meta.location.parts().next().unwrap();
        assert_eq!(json["ulid"], folder.as_ref());
        labels.insert(json["thanos"]["labels"].to_string());
        for file in json["thanos"]["files"].as_array().unwrap() {
            let key = format!("{}/{}", folder.as_ref(), file["rel_path"].as_str().unwrap());
            let head = estate.head(&key).unwrap();
            assert!(file["size_bytes"].is_null() || file["size_bytes"] == head.size, "{key}");
        }
    }
    assert_eq!(labels.len(), 20);
}

#[test]
fn a_grown_estate_keeps_all_that_it_had() {
    let (before, after) = (Estate::new(3, 31), Estate::new(3, 32));
    let memory = Memory::copy_of(&before);
    let objects = memory.len();
    memory.add_from(&after, "");
    assert_eq!(memory.len(), objects + 3 * 6);
    assert_eq!(after.at().since(before.at()), 7_200_000);
    assert_eq!(after.raw_blocks(1, Span::TwoHours)[..13], before.raw_blocks(1, Span::TwoHours));
}

#[tokio::test]
async fn reads_obey_ranges_and_conditions_and_odd_keys_survive() {
    let memory = Arc::new(Memory::default());
    let odd = ["a//b", "a/../b", "sp ace+plus%41", "grüße/ü", "a<&>b"];
    for key in odd {
        memory.put(key, "0123456789", TimestampMs(1_000));
    }
    memory.put("plain", "0123456789", TimestampMs(1_000));
    let server = S3Server::start(memory.clone());
    let client = client(&server);
    let plain = Path::from("plain");
    assert_eq!(client.get_range(&plain, 2..5).await.unwrap(), "234");
    assert_eq!(client.head(&plain).await.unwrap().size, 10);
    let unchanged = |etag: &str| GetOptions { if_match: Some(etag.to_owned()), ..GetOptions::default() };
    let etag = memory.head("plain").unwrap().etag;
    assert!(client.get_opts(&plain, unchanged(&etag)).await.is_ok());
    let refused = client.get_opts(&plain, unchanged("another")).await.unwrap_err();
    assert!(matches!(refused, object_store::Error::Precondition { .. }), "{refused}");

    let url = format!("http://{}/{BUCKET}?list-type=2&encoding-type=url", server.address());
    let page = reqwest::Client::builder().build().unwrap().get(url).send().await.unwrap().text().await.unwrap();
    for written in ["a//b", "a/../b", "sp+ace%2Bplus%2541", "gr%C3%BC%C3%9Fe/%C3%BC", "a%3C%26%3Eb"] {
        assert!(page.contains(&format!("<Key>{written}</Key>")), "{written} in {page}");
    }
    let mut keys = Vec::new();
    memory.visit(Bound::Excluded("a//b"), &mut |object| {
        keys.push(object.key.to_owned());
        true
    });
    assert_eq!(keys, ["a<&>b", "grüße/ü", "plain", "sp ace+plus%41"].map(String::from).as_slice());
}

#[tokio::test]
async fn a_script_refuses_what_it_wants_and_folders_are_rolled_up() {
    let server = S3Server::start(Arc::new(Estate::new(2, 28)));
    let client = client(&server);
    let folders = client.list_with_delimiter(None).await.unwrap();
    assert_eq!((folders.common_prefixes.len(), folders.objects.len()), (56, 0));
    server.script(|call| match &call.key {
        None => Reply::Refuse(http::StatusCode::FORBIDDEN, "AccessDenied"),
        Some(_) => Reply::ServeAfter(std::time::Duration::from_millis(1)),
    });
    let refused = client.list_with_delimiter(None).await.unwrap_err();
    assert!(refused.to_string().contains("AccessDenied"), "{refused}");
    let calls = server.take_calls();
    assert!(calls.iter().all(|call| call.headers.contains_key("authorization")));
}
