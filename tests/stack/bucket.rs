//! The bucket, seen and touched through its S3 interface as anybody with the keys could.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

pub(crate) const NAME: &str = "thanos";
/// Of the bucket beside it, see [`crate::archive`].
pub(crate) const ARCHIVE: &str = "archive";
pub(crate) const ACCESS_KEY: &str = "stack-access";
pub(crate) const SECRET_KEY: &str = "stack-secret";

/// A bucket.
#[derive(Debug)]
pub(crate) struct Bucket {
    store: AmazonS3,
}

/// What a `meta.json` says, as far as the tests need it.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) ulid: String,
    /// ms since the epoch.
    pub(crate) start: i64,
    pub(crate) level: i64,
    pub(crate) sources: Vec<String>,
    /// It is marked for deletion.
    pub(crate) marked: bool,
}

impl Bucket {
    pub(crate) fn at(port: u16, name: &str) -> Self {
        let builder = AmazonS3Builder::new().with_endpoint(format!("http://127.0.0.1:{port}")).with_allow_http(true);
        let builder = builder.with_bucket_name(name).with_region("us-east-1");
        let builder = builder.with_access_key_id(ACCESS_KEY).with_secret_access_key(SECRET_KEY);
        Self { store: builder.build().unwrap() }
    }

    /// Makes the bucket.
    pub(crate) async fn create(&self, client: &Client) -> Result<(), String> {
        let minute = Duration::from_mins(1);
        let url = self.store.signed_url(Method::PUT, &Path::default(), minute).await.unwrap();
        let answer = client.put(url).send().await.map_err(|error| format!("{error:?}"))?;
        let status = answer.status();
        // an attempt that seemed to fail may have made it
        if status.is_success() || status == StatusCode::CONFLICT { Ok(()) } else { Err(status.to_string()) }
    }

    /// The blocks that have a `meta.json`, by ULID.
    pub(crate) async fn blocks(&self) -> Result<BTreeMap<String, Block>, String> {
        let keys = self.keys("").await?;
        let mut blocks = BTreeMap::new();
        for key in &keys {
            let Some(ulid) = key.strip_suffix("/meta.json").filter(|ulid| !ulid.contains('/')) else {
                continue;
            };
            // the compactor may have deleted it since
            let Ok(body) = self.get(key).await else { continue };
            let meta: Value = serde_json::from_slice(&body).map_err(|error| format!("{key}: {error}"))?;
            let sources = meta.pointer("/compaction/sources").and_then(Value::as_array).cloned().unwrap_or_default();
            let block = Block {
                ulid: ulid.to_owned(),
                start: meta["minTime"].as_i64().unwrap(),
                level: meta.pointer("/compaction/level").and_then(Value::as_i64).unwrap(),
                sources: sources.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect(),
                marked: keys.contains(&format!("{ulid}/deletion-mark.json")),
            };
            blocks.insert(block.ulid.clone(), block);
        }
        Ok(blocks)
    }

    /// All keys below a folder.
    pub(crate) async fn keys(&self, folder: &str) -> Result<Vec<String>, String> {
        let prefix = Path::from(folder);
        let listed: Vec<_> = self.store.list(Some(&prefix)).try_collect().await.map_err(|error| error.to_string())?;
        Ok(listed.into_iter().map(|object| object.location.to_string()).collect())
    }

    pub(crate) async fn get(&self, key: &str) -> Result<Bytes, String> {
        let got = self.store.get(&Path::from(key)).await.map_err(|error| error.to_string())?;
        got.bytes().await.map_err(|error| error.to_string())
    }

    pub(crate) async fn put(&self, key: &str, body: Bytes) {
        self.store.put(&Path::from(key), PutPayload::from_bytes(body)).await.unwrap();
    }

    /// Removes an object and gives what it held.
    pub(crate) async fn take(&self, key: &str) -> Bytes {
        let body = self.get(key).await.unwrap();
        self.store.delete(&Path::from(key)).await.unwrap();
        body
    }

    /// Removes all objects of a block, as a careless hand does, and gives what they held.
    pub(crate) async fn take_block(&self, ulid: &str) -> Vec<(String, Bytes)> {
        let mut taken = Vec::new();
        for key in self.keys(ulid).await.unwrap() {
            let body = self.take(&key).await;
            taken.push((key, body));
        }
        taken
    }

    /// Puts back what was taken, `meta.json` last, as an upload does.
    pub(crate) async fn bring_back(&self, mut taken: Vec<(String, Bytes)>) {
        taken.sort_by_key(|(key, _)| key.ends_with("/meta.json"));
        for (key, body) in taken {
            self.put(&key, body).await;
        }
    }
}
