//! Buckets against a storage that is not ours: s3s-fs checks signatures and lists as S3 does.
#![expect(clippy::unwrap_used, reason = "what fails in here fails the test")]

use std::path::Path;
use std::sync::Arc;

use blockwarden::discover::{Ambient, Bucket, ErrorKind, Limits, ListPage, ScanOptions, open, scan};
use blockwarden::model::{
    BlockChange, BucketSettings, BucketView, Environment, FilesystemSettings, KnownBlock, KnownBucket, Listing,
    ProviderSettings, RequestCounts, S3Settings, Secret, TimestampMs,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// A bucket `thanos` with `blocks` blocks and a few keys of somebody else, as files and as S3.
struct Storage {
    folder: TempDir,
    address: String,
}

impl Storage {
    async fn start(blocks: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for block in 0..blocks {
            let ulid = ulid(block);
            for (name, content) in [("index", "index"), ("chunks/000001", "chunks"), ("meta.json", &meta(&ulid))] {
                write(folder.path(), &format!("thanos/{ulid}/{name}"), content);
            }
        }
        write(folder.path(), "thanos/debug/sp ace+plus%41&ü", "x");
        write(folder.path(), "thanos/zz", "x");
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
        service.set_auth(SimpleAuth::from_single("key", "secret"));
        let service = service.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    // a client that closes its connection is no failure
                    drop(server.serve_connection(TokioIo::new(stream), service).await);
                });
            }
        });
        Self { folder, address }
    }

    fn s3(&self, prefix: &str, change: impl FnOnce(&mut S3Settings)) -> Arc<dyn Bucket> {
        let mut settings = S3Settings {
            bucket: "thanos".to_owned(),
            endpoint: self.address.clone(),
            insecure: true,
            access_key: Secret::new("key".to_owned()),
            secret_key: Secret::new("secret".to_owned()),
            ..S3Settings::default()
        };
        change(&mut settings);
        opened(prefix, ProviderSettings::S3(Box::new(settings)))
    }

    fn files(&self) -> Arc<dyn Bucket> {
        let directory = self.folder.path().join("thanos").to_str().unwrap().to_owned();
        opened("", ProviderSettings::Filesystem(FilesystemSettings { directory, blocks: Vec::new() }))
    }
}

fn opened(prefix: &str, provider: ProviderSettings) -> Arc<dyn Bucket> {
    let settings = BucketSettings { name: "long-term".into(), prefix: prefix.to_owned(), provider };
    let limits = Limits { retries: 1, backoff_first_ms: 1, ..Limits::default() };
    open(&settings, &Environment::default(), &limits, &Ambient::new(now, |_| 0)).unwrap()
}

fn now() -> TimestampMs {
    #[expect(clippy::disallowed_methods, reason = "signatures hold for a quarter of an hour")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    TimestampMs(i64::try_from(now.as_millis()).unwrap())
}

fn ulid(block: u64) -> String {
    ulid::Ulid::from_parts(1_700_000_000_000 + block * 7_200_000, 5).to_string()
}

fn meta(ulid: &str) -> String {
    format!(
        r#"{{"ulid":"{ulid}","minTime":0,"maxTime":7200000,"stats":{{"numSamples":5}},"version":1,
        "compaction":{{"level":1,"sources":["{ulid}"]}},
        "thanos":{{"labels":{{"cluster":"eu1"}},"downsample":{{"resolution":0}},"source":"sidecar"}}}}"#
    )
}

fn write(root: &Path, key: &str, content: &str) {
    let path = root.join(key);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

async fn keys(bucket: &dyn Bucket, splits: &[String]) -> Vec<String> {
    let (sender, mut receiver) = mpsc::channel::<ListPage>(1);
    let gather = async {
        let mut keys = Vec::new();
        while let Some(page) = receiver.recv().await {
            keys.extend(page.objects.into_iter().map(|object| object.key));
        }
        keys.sort();
        keys
    };
    let (listed, keys) = tokio::join!(bucket.list(splits, sender), gather);
    listed.unwrap();
    keys
}

async fn look(bucket: &Arc<dyn Bucket>, known: KnownBucket) -> BucketView {
    scan(bucket, known, now(), &ScanOptions::default(), &()).await
}

fn remember(view: &BucketView) -> KnownBucket {
    let blocks = view.blocks.iter().map(|(ulid, block)| {
        let known = KnownBlock {
            baseline: block.objects.clone(),
            current: None,
            meta: block.meta.clone(),
            first_meta: None,
            marks: block.marks.clone(),
            complete: true,
        };
        (*ulid, known)
    });
    KnownBucket { blocks: blocks.collect() }
}

#[tokio::test]
async fn both_kinds_list_the_same_keys() {
    let storage = Storage::start(700).await;
    let expected = keys(&*storage.files(), &[]).await;
    assert_eq!(expected.len(), 2_102);
    for (splits, list_v1) in [(vec![], false), (vec![], true), (vec![format!("{}/", ulid(200)), "1".to_owned()], false)]
    {
        let bucket = storage.s3("", |settings| settings.list_v1 = list_v1);
        let listed = keys(&*bucket, &splits).await;
        // not by assert_eq, which would print them all
        assert!(listed == expected, "{splits:?} {list_v1}: {} keys, not {}", listed.len(), expected.len());
        let most = 3 + splits.len().max(8);
        assert!(bucket.requests().list <= u64::try_from(most).unwrap(), "{:?}", bucket.requests());
    }
    let below: Vec<&str> = expected.iter().filter_map(|key| key.strip_prefix("debug/")).collect();
    assert_eq!(keys(&*storage.s3("debug", |_| ()), &[]).await, below);
}

#[tokio::test]
async fn an_unchanged_bucket_is_not_read_again() {
    let storage = Storage::start(20).await;
    for bucket in [storage.s3("", |_| ()), storage.files()] {
        let first = look(&bucket, KnownBucket::default()).await;
        assert_eq!(first.requests, RequestCounts { list: 1, get: 20, head: 0 });
        assert_eq!((first.blocks.len(), first.foreign.count, first.unknown.len()), (20, 2, 0));
        let second = look(&bucket, remember(&first)).await;
        assert_eq!(second.requests, RequestCounts { list: 1, get: 0, head: 0 });
        assert!(second.blocks.values().all(|block| block.change == BlockChange::Unchanged));

        std::fs::remove_dir_all(storage.folder.path().join("thanos").join(ulid(19))).unwrap();
        let third = look(&bucket, remember(&first)).await;
        assert_eq!((third.confirmed_gone.len(), third.requests.head), (1, 1));
        write(storage.folder.path(), &format!("thanos/{}/index", ulid(19)), "index");
        write(storage.folder.path(), &format!("thanos/{}/chunks/000001", ulid(19)), "chunks");
        write(storage.folder.path(), &format!("thanos/{}/meta.json", ulid(19)), &meta(&ulid(19)));
    }
}

#[tokio::test]
async fn objects_are_read_whole_or_in_part() {
    let storage = Storage::start(1).await;
    let key = format!("{}/index", ulid(0));
    for bucket in [storage.s3("", |_| ()), storage.files()] {
        let whole = bucket.get(&key, None, None, 5).await.unwrap();
        assert_eq!((&whole.bytes[..], whole.size), (&b"index"[..], 5));
        let part = bucket.get(&key, Some(1..3), whole.etag.as_deref(), 5).await.unwrap();
        assert_eq!((&part.bytes[..], part.size), (&b"nd"[..], 5));
        for (key, range, if_match, max_bytes, kind) in [
            (key.as_str(), None, Some("other"), 5, ErrorKind::Changed),
            (&key, None, None, 4, ErrorKind::TooLarge),
            (&key, Some(3..9), None, 9, ErrorKind::Changed),
            ("nothing", None, None, 9, ErrorKind::NotFound),
        ] {
            match bucket.get(key, range, if_match, max_bytes).await {
                Err(error) => assert_eq!(error.kind, kind, "{:?}: {error}", bucket.provider()),
                Ok(read) => panic!("{:?} {key}: {read:?}", bucket.provider()),
            }
        }
        assert_eq!(bucket.head(&key).await.unwrap().unwrap().size, 5);
        assert_eq!(bucket.head("nothing").await.unwrap(), None);
    }
    let odd = storage.s3("debug", |_| ()).get("sp ace+plus%41&ü", None, None, 9).await.unwrap();
    assert_eq!(&odd.bytes[..], b"x");
}

#[tokio::test]
async fn wrong_settings_are_said() {
    let storage = Storage::start(1).await;
    for (bucket, words) in [
        (storage.s3("", |settings| settings.bucket = "nowhere".to_owned()), "check `bucket` and `endpoint`"),
        (storage.s3("", |settings| settings.secret_key = Secret::new("sentinel".to_owned())), "check `secret_key`"),
        (storage.s3("", |settings| settings.access_key = Secret::new("sentinel".to_owned())), "`access_key`"),
        (storage.s3("", |settings| settings.endpoint = "127.0.0.1:1".to_owned()), "cannot connect"),
    ] {
        let view = look(&bucket, KnownBucket::default()).await;
        let Listing::Unknown { why } = view.listing else { panic!("{:?}", view.listing) };
        assert!(why.contains(words) && !why.contains("sentinel"), "{why}");
    }
}
