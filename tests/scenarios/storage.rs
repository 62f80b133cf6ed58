//! The same estates over S3, and what only a storage service does: directory markers, storage classes, refusals.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use axum::http::{Method, StatusCode};
use blockwarden::model::TimestampMs;
use bytes::Bytes;

use crate::shapes::{Estate, Mark, Stream, compact};
use crate::support::s3_server::{BUCKET, Head, Listed, Objects, Reply, S3Server};
use crate::{NOW, steady};

/// A folder as a bucket.
#[derive(Debug, Default)]
struct Folder {
    root: PathBuf,
    /// Storage classes other than the usual one, by key.
    classes: Mutex<BTreeMap<String, &'static str>>,
    /// Zero-byte objects whose key ends in a slash.
    markers: Mutex<Vec<String>>,
}

impl Folder {
    fn keys(&self) -> BTreeMap<String, PathBuf> {
        let mut keys = BTreeMap::new();
        collect(&self.root, "", &mut keys);
        keys.extend(self.markers.lock().unwrap().iter().map(|key| (key.clone(), PathBuf::new())));
        keys
    }
}

fn collect(folder: &Path, prefix: &str, keys: &mut BTreeMap<String, PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let key = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{key}/"), keys);
        } else {
            keys.insert(key, entry.path());
        }
    }
}

fn describe(path: &Path) -> Head {
    if path == Path::new("") {
        return Head { size: 0, modified: TimestampMs(1_767_225_600_000), etag: "empty".to_owned() };
    }
    let metadata = fs::metadata(path).unwrap();
    let modified = metadata.modified().unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    let modified = TimestampMs(i64::try_from(modified).unwrap());
    Head { size: metadata.len(), modified, etag: format!("{:x}-{:x}", metadata.len(), modified.0) }
}

impl Objects for Folder {
    fn visit(&self, from: Bound<&str>, visit: &mut dyn FnMut(&Listed<'_>) -> bool) {
        let classes = self.classes.lock().unwrap();
        for (key, path) in self.keys().range::<str, _>((from, Bound::Unbounded)) {
            let head = describe(path);
            let class = classes.get(key).copied().unwrap_or("STANDARD");
            let modified = head.modified.to_string();
            if !visit(&Listed { key, size: head.size, modified: &modified, etag: &head.etag, class }) {
                return;
            }
        }
    }

    fn head(&self, key: &str) -> Option<Head> {
        self.keys().get(key).map(|path| describe(path))
    }

    fn body(&self, key: &str) -> Option<Bytes> {
        Some(Bytes::from(fs::read(self.keys().get(key)?).unwrap_or_default()))
    }
}

/// The estate, read over S3 from now on.
fn serve(estate: Estate) -> (Estate, Arc<Folder>, S3Server) {
    let folder = Arc::new(Folder { root: estate.path(""), ..Folder::default() });
    let server = S3Server::start(Arc::<Folder>::clone(&folder));
    let estate = estate.served_at(&server.address().to_string(), BUCKET);
    (estate, folder, server)
}

#[test]
fn a_healthy_estate_needs_one_read_per_block_and_then_none() {
    let mut blocks = steady("cluster=eu1 replica=a");
    blocks.extend(steady("cluster=eu1 replica=b"));
    let (mut estate, _folder, server) = serve(Estate::with(&blocks).remembering());
    estate.scan(NOW).healthy().notes(&[]);
    let first = server.counts();
    assert_eq!((first.list, first.get, first.head), (1, 48, 0));
    estate.scan(NOW).healthy().notes(&[]);
    let second = server.counts();
    assert_eq!((second.list - first.list, second.get - first.get, second.head), (1, 0, 0));
    // what is new is read, and so is a mark
    estate.put(&[Stream::sidecar("cluster=eu1 replica=a").block("01-03", "01-03T02:00")]);
    estate.put(&[Stream::sidecar("cluster=eu1 replica=b").block("01-03", "01-03T02:00")]);
    estate.scan("01-03T03:10").healthy();
    assert_eq!(server.counts().get - second.get, 2);
    assert!(server.take_calls().iter().all(|call| call.method == Method::GET || call.method == Method::HEAD));
}

#[test]
fn markers_of_folders_are_no_objects() {
    let (estate, folder, _server) = serve(Estate::with(&steady("cluster=eu1")));
    let own = steady("cluster=eu1")[3].ulid;
    *folder.markers.lock().unwrap() = vec![
        "01DN3SK96XDAEKRB1AN30AAW6E/".to_owned(),
        "01DN3SK96XDAEKRB1AN30AAW6E/chunks/".to_owned(),
        format!("{own}/"),
        format!("{own}/chunks/"),
    ];
    let report = estate.scan(NOW);
    report.healthy().notes(&[]);
    assert_eq!(report.document["summary"]["blocks"], 24);
}

#[test]
fn an_archived_object_is_told_and_never_fetched() {
    let blocks = steady("cluster=eu1");
    let (estate, folder, server) = serve(Estate::with(&blocks));
    for (object, class) in [("chunks/000001", "GLACIER"), ("index", "DEEP_ARCHIVE")] {
        folder.classes.lock().unwrap().insert(blocks[6].key(object), class);
    }
    // these can be read at once
    for (idx, class) in [(1, "STANDARD_IA"), (2, "GLACIER_IR"), (3, "ONEZONE_IA"), (4, "REDUCED_REDUNDANCY")] {
        folder.classes.lock().unwrap().insert(blocks[idx].key("index"), class);
    }
    let lines = estate.scan(NOW).loud();
    assert!(
        !lines.is_empty() && lines.iter().all(|line| line.starts_with("warning object_archived cluster=eu1")),
        "{lines:?}"
    );
    folder.classes.lock().unwrap().insert(blocks[7].key("meta.json"), "GLACIER");
    server.take_calls();
    let lines = estate.scan(NOW).loud();
    assert!(lines.iter().all(|line| line.starts_with("warning object_archived")), "{lines:?}");
    let key = blocks[7].key("meta.json");
    assert!(server.take_calls().iter().all(|call| call.key.as_deref() != Some(&key)), "it was fetched");
}

#[test]
fn a_listing_that_is_refused() {
    let blocks = steady("cluster=eu1");
    let estate = Estate::with(&blocks).remembering();
    estate.delete_object(&blocks[6], "index");
    let (estate, _folder, server) = serve(estate);
    let missing = estate.scan(NOW).loud();
    assert!(missing.len() == 1 && missing[0].starts_with("critical missing_object"), "{missing:?}");
    server.script(|call| match call.key {
        None => Reply::Refuse(StatusCode::FORBIDDEN, "AccessDenied"),
        Some(_) => Reply::Serve,
    });
    let report = estate.scan("01-03T02:30");
    assert_eq!(report.code, 2);
    let lines = report.loud();
    assert!(lines.iter().any(|line| line.ends_with("bucket_unreachable")), "{lines:?}");
    assert!(lines.contains(&missing[0]), "what was open stays open: {lines:?}");
    assert_eq!(lines.len(), 2, "{lines:?}");
    // it lasts
    assert!(estate.scan("01-03T03:00").loud().contains(&"critical bucket_unreachable".to_owned()));
    server.script(|_| Reply::Serve);
    assert_eq!(estate.scan("01-03T03:10").loud(), missing);
}

#[test]
fn a_meta_json_that_cannot_be_fetched_is_unknown() {
    let blocks = steady("cluster=eu1");
    let (estate, _folder, server) = serve(Estate::with(&blocks).remembering());
    let refused = blocks[6].key("meta.json");
    server.script(move |call| match &call.key {
        Some(key) if *key == refused => Reply::Refuse(StatusCode::FORBIDDEN, "AccessDenied"),
        _ => Reply::Serve,
    });
    // neither a hole nor a partial upload nor a wrong file
    let report = estate.scan(NOW);
    report.healthy();
    assert!(report.quiet().len() == 1 && report.quiet()[0].starts_with("info fact_unknown"), "{:?}", report.quiet());
    // for three intervals
    for (at, severity) in [("01-03T01:36", "info"), ("01-03T01:51", "warning"), ("01-03T02:30", "warning")] {
        let report = estate.scan(at);
        let lines = [report.loud(), report.quiet()].concat();
        assert!(lines.len() == 1 && lines[0].starts_with(&format!("{severity} fact_unknown")), "{at}: {lines:?}");
    }
    server.script(|_| Reply::Serve);
    estate.scan("01-03T02:40").healthy().notes(&[]);
}

#[test]
fn a_mark_that_cannot_be_fetched_is_unknown() {
    let blocks = steady("cluster=eu1");
    let mut estate = Estate::with(&blocks);
    estate.put(&[compact(&blocks[..4])]);
    estate.mark_deleted(&blocks[..4], "01-01T11:05");
    let (estate, _folder, server) = serve(estate);
    let refused = blocks[2].key("deletion-mark.json");
    server.script(move |call| match &call.key {
        Some(key) if *key == refused => Reply::Refuse(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        _ => Reply::Serve,
    });
    let report = estate.scan(NOW);
    report.healthy();
    assert!(report.quiet().iter().any(|line| line.starts_with("info fact_unknown")), "{:?}", report.quiet());
    server.script(|_| Reply::Serve);
    estate.mark(&blocks[6], Mark::Deletion, "01-02T22:00");
    assert_eq!(estate.scan(NOW).loud().len(), 1);
}

#[test]
fn what_was_missing_in_a_listing_and_is_there_is_not_gone() {
    let blocks = steady("cluster=eu1");
    let (estate, folder, server) = serve(Estate::with(&blocks).remembering());
    estate.scan(NOW).healthy();
    // HEAD is refused: whether the block is gone, nobody knows
    let aside = folder.root.join(blocks[6].ulid.to_string());
    fs::rename(&aside, estate.folder().join("aside")).unwrap();
    server.script(|call| match call.method {
        Method::HEAD => Reply::Refuse(StatusCode::FORBIDDEN, "AccessDenied"),
        _ => Reply::Serve,
    });
    let report = estate.scan("01-03T02:30");
    report.healthy();
    assert!(report.quiet().iter().any(|line| line.starts_with("info fact_unknown")), "{:?}", report.quiet());
    server.script(|_| Reply::Serve);
    let lines = estate.scan("01-03T02:40").loud();
    assert!(lines.iter().any(|line| line.starts_with("critical block_vanished")), "{lines:?}");
}

#[test]
fn the_sample_bucket_reads_the_same_over_s3() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sample-bucket");
    let folder = Arc::new(Folder { root: fixture, ..Folder::default() });
    let server = S3Server::start(Arc::<Folder>::clone(&folder));
    let estate = Estate::new().served_at(&server.address().to_string(), BUCKET);
    let checks = |report: &crate::shapes::Report| -> Vec<String> {
        let findings = report.findings().iter();
        findings.map(|finding| format!("{} {}", finding["severity"], finding["check"])).collect()
    };
    let over_s3 = estate.scan(crate::sample::AT);
    let from_folder = crate::sample::scan();
    assert_eq!(checks(&over_s3), checks(&from_folder));
}
