//! A local directory, read as Thanos' `FILESYSTEM` provider does: symbolic links are not followed.

mod buffers;

use std::fs;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::{Bucket, BucketError, Doing, ErrorKind, ListPage, ListedObject, OddKey, ReadObject};
use crate::model::{Provider, RequestCounts, TimestampMs};
use buffers::Buffers;

/// Keys per page.
const PAGE_KEYS: usize = 1000;

/// A directory. Everything that touches the disk runs off the asynchronous threads.
#[derive(Debug)]
pub struct Filesystem {
    name: Arc<str>,
    /// The directory with the prefix, for errors.
    place: String,
    root: PathBuf,
    list: AtomicU64,
    get: AtomicU64,
    head: AtomicU64,
    buffers: Arc<Buffers>,
}

impl Filesystem {
    /// The tree below `directory` and `prefix`. Touches nothing yet.
    pub fn new(directory: &str, name: Arc<str>, prefix: &str) -> Self {
        let root = if prefix.is_empty() { PathBuf::from(directory) } else { Path::new(directory).join(prefix) };
        Self {
            name,
            place: root.display().to_string(),
            root,
            list: AtomicU64::default(),
            get: AtomicU64::default(),
            head: AtomicU64::default(),
            buffers: Arc::default(),
        }
    }

    fn doing<'a>(&'a self, what: &'static str, key: Option<&'a str>) -> Doing<'a> {
        Doing { what, key, place: &self.place }
    }

    /// The file of a key; `None` for a key that leads out of the directory.
    fn path(&self, key: &str) -> Option<PathBuf> {
        let is_plain = !key.is_empty() && key.split('/').all(|segment| !["", ".", ".."].contains(&segment));
        is_plain.then(|| self.root.join(key))
    }
}

#[async_trait]
impl Bucket for Filesystem {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn provider(&self) -> Provider {
        Provider::Filesystem
    }

    /// One walk, whatever `splits` says.
    async fn list(&self, _splits: &[String], pages: mpsc::Sender<ListPage>) -> Result<(), BucketError> {
        self.list.fetch_add(1, Ordering::Relaxed);
        let root = self.root.clone();
        let walked = off_thread(move || Walk::new(root, pages).run()).await;
        walked.map_err(|failure| {
            let doing = self.doing("list", None);
            if let Failure::Io { path, error } = &failure
                && *path == self.root
                && is_absence(error.kind())
            {
                let hint = "directory does not exist: check `directory` and `prefix`".to_owned();
                return doing.error(ErrorKind::NoBucket, "there is no such directory", Some(hint));
            }
            failure.into_error(doing)
        })
    }

    async fn get(
        &self,
        key: &str,
        range: Option<Range<u64>>,
        if_match: Option<&str>,
        max_bytes: u64,
    ) -> Result<ReadObject, BucketError> {
        self.get.fetch_add(1, Ordering::Relaxed);
        let doing = self.doing("read", Some(key));
        let Some(path) = self.path(key) else { return Err(not_a_key(doing)) };
        let if_match = if_match.map(str::to_owned);
        let buffers = Arc::clone(&self.buffers);
        off_thread(move || read(path, range, if_match.as_deref(), max_bytes, &buffers))
            .await
            .map_err(|failure| failure.into_error(doing))
    }

    async fn head(&self, key: &str) -> Result<Option<ListedObject>, BucketError> {
        self.head.fetch_add(1, Ordering::Relaxed);
        let doing = self.doing("look for", Some(key));
        let Some(path) = self.path(key) else { return Err(not_a_key(doing)) };
        let looked = off_thread(move || fs::symlink_metadata(&path).map_err(|error| Failure::Io { path, error })).await;
        match looked {
            Ok(metadata) if metadata.is_file() => Ok(Some(describe(key.to_owned(), &metadata))),
            Ok(_) => Ok(None),
            Err(Failure::Io { error, .. }) if is_absence(error.kind()) => Ok(None),
            Err(failure) => Err(failure.into_error(doing)),
        }
    }

    fn requests(&self) -> RequestCounts {
        RequestCounts {
            list: self.list.load(Ordering::Relaxed),
            get: self.get.load(Ordering::Relaxed),
            head: self.head.load(Ordering::Relaxed),
        }
    }

    fn date_skew_ms(&self) -> Option<i64> {
        None
    }
}

/// Why something on the disk did not work.
#[derive(Debug)]
enum Failure {
    Io {
        path: PathBuf,
        error: io::Error,
    },
    /// Nobody waits any more, or the thread is gone.
    Abandoned,
    /// The file is not the one of the `ETag`, or shorter than the range.
    Changed(&'static str),
    TooLarge(u64),
}

impl Failure {
    fn into_error(self, doing: Doing<'_>) -> BucketError {
        match self {
            Self::Io { path, error } => {
                let kind = error.kind();
                let (kind, hint) = if is_absence(kind) {
                    (ErrorKind::NotFound, None)
                } else if kind == io::ErrorKind::PermissionDenied {
                    (ErrorKind::Forbidden, Some("give this process the right to read it".to_owned()))
                } else {
                    (ErrorKind::Unavailable, None)
                };
                doing.error(kind, &format!("`{}`: {error}", path.display().to_string().escape_debug()), hint)
            }
            Self::Abandoned => doing.error(ErrorKind::Unavailable, "it broke off", None),
            Self::Changed(why) => doing.error(ErrorKind::Changed, why, None),
            Self::TooLarge(limit) => {
                doing.error(ErrorKind::TooLarge, &format!("it is longer than {limit} bytes"), None)
            }
        }
    }
}

fn is_absence(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn not_a_key(doing: Doing<'_>) -> BucketError {
    doing.error(ErrorKind::Protocol, "a key with an empty segment, `.` or `..` names no file", None)
}

async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Failure::Abandoned))
}

/// Modification time and size stand for an `ETag`: an object that is rewritten or truncated shows. The inode is no part
/// of it, or a tree that was restored from a copy would look as if every object had changed.
fn describe(key: String, metadata: &fs::Metadata) -> ListedObject {
    let modified = metadata.modified().ok();
    let since_epoch = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    let last_modified = TimestampMs(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX));
    let etag = format!("{:x}-{:x}", since_epoch.as_nanos(), metadata.len());
    ListedObject { key, size: metadata.len(), etag: Some(etag.into_boxed_str()), last_modified, storage_class: None }
}

/// A walk over a tree.
struct Walk {
    root: PathBuf,
    pages: mpsc::Sender<ListPage>,
    page: ListPage,
}

impl Walk {
    fn new(root: PathBuf, pages: mpsc::Sender<ListPage>) -> Self {
        Self { root, pages, page: ListPage::default() }
    }

    fn run(mut self) -> Result<(), Failure> {
        let mut directories = vec![self.root.clone()];
        while let Some(directory) = directories.pop() {
            let entries = match fs::read_dir(&directory) {
                Ok(entries) => entries,
                // one that goes during the walk is as good as one that went before it
                Err(error) if error.kind() == io::ErrorKind::NotFound && directory != self.root => continue,
                Err(error) => return Err(Failure::Io { path: directory, error }),
            };
            for entry in entries {
                let entry = entry.map_err(|error| Failure::Io { path: directory.clone(), error })?;
                let path = entry.path();
                // neither of these follows a symbolic link
                let metadata = match entry.metadata() {
                    Ok(metadata) => metadata,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(Failure::Io { path, error }),
                };
                if metadata.is_dir() {
                    directories.push(path);
                } else if metadata.is_file() {
                    self.add(&path, &metadata)?;
                }
            }
        }
        self.flush()
    }

    fn add(&mut self, path: &Path, metadata: &fs::Metadata) -> Result<(), Failure> {
        let relative = path.strip_prefix(&self.root).unwrap_or(path);
        match key(relative) {
            Some(key) => self.page.objects.push(describe(key, metadata)),
            None => {
                let key = relative.as_os_str().as_encoded_bytes().escape_ascii().to_string();
                self.page.odd.push(OddKey { key, size: metadata.len() });
            }
        }
        if self.page.objects.len() >= PAGE_KEYS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.pages.blocking_send(std::mem::take(&mut self.page)).map_err(|_closed| Failure::Abandoned)
    }
}

/// The key of a path, with slashes on every system; `None` where it is not UTF-8.
fn key(relative: &Path) -> Option<String> {
    let segments: Option<Vec<&str>> = relative.iter().map(|segment| segment.to_str()).collect();
    segments.map(|segments| segments.join("/"))
}

fn read(
    path: PathBuf,
    range: Option<Range<u64>>,
    if_match: Option<&str>,
    max_bytes: u64,
    buffers: &Arc<Buffers>,
) -> Result<ReadObject, Failure> {
    let opened = fs::File::open(&path).and_then(|file| file.metadata().map(|metadata| (file, metadata)));
    let (file, metadata) = match opened {
        Ok(opened) => opened,
        Err(error) => return Err(Failure::Io { path, error }),
    };
    let etag = describe(String::new(), &metadata).etag.map(String::from);
    if if_match.is_some() && if_match != etag.as_deref() {
        return Err(Failure::Changed("it is not what it was"));
    }
    let size = metadata.len();
    let wanted = range.unwrap_or(0..size);
    if wanted.end > size {
        return Err(Failure::Changed("it is shorter than it should be at least"));
    }
    let length = wanted.end.saturating_sub(wanted.start);
    if length > max_bytes {
        return Err(Failure::TooLarge(max_bytes));
    }
    let mut buffer = buffers.lend(usize::try_from(length).map_err(|_beyond| Failure::TooLarge(max_bytes))?);
    match file.read_exact_at(buffer.as_mut(), wanted.start) {
        Ok(()) => Ok(ReadObject { bytes: buffer.into_bytes(), size, etag }),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(Failure::Changed("it became shorter while it was read"))
        }
        Err(error) => Err(Failure::Io { path, error }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn list(bucket: &Filesystem) -> Result<(Vec<ListedObject>, Vec<OddKey>), BucketError> {
        let (sender, mut receiver) = mpsc::channel::<ListPage>(1);
        let gather = async {
            let (mut objects, mut odd) = (Vec::new(), Vec::new());
            while let Some(page) = receiver.recv().await {
                objects.extend(page.objects);
                odd.extend(page.odd);
            }
            objects.sort_by(|a, b| a.key.cmp(&b.key));
            (objects, odd)
        };
        let (result, gathered) = tokio::join!(bucket.list(&[], sender), gather);
        result.map(|()| gathered)
    }

    fn write(root: &Path, key: &str, content: &str) {
        let path = root.join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    #[tokio::test]
    async fn a_tree_is_one_listing() {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..2_500 {
            write(dir.path(), &format!("p/{n:04}/meta.json"), "{}");
        }
        write(dir.path(), "beside", "");
        fs::create_dir(dir.path().join("p/empty")).unwrap();
        let bucket = Filesystem::new(dir.path().to_str().unwrap(), "b".into(), "p");
        let (objects, _) = list(&bucket).await.unwrap();
        assert_eq!(objects.len(), 2_500);
        assert_eq!((objects[7].key.as_str(), objects[7].size), ("0007/meta.json", 2));
        assert_eq!(bucket.requests(), RequestCounts { list: 1, get: 0, head: 0 });
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn links_are_not_followed_and_odd_names_are_counted() {
        use std::os::unix::ffi::OsStrExt;
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "a/b", "1");
        std::os::unix::fs::symlink(dir.path(), dir.path().join("loop")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("a/b"), dir.path().join("link")).unwrap();
        fs::write(dir.path().join(std::ffi::OsStr::from_bytes(b"bad\xff")), "22").unwrap();
        let (objects, odd) = list(&Filesystem::new(dir.path().to_str().unwrap(), "b".into(), "")).await.unwrap();
        assert_eq!(objects.iter().map(|object| object.key.as_str()).collect::<Vec<_>>(), ["a/b"]);
        assert_eq!((odd[0].key.as_str(), odd[0].size), ("bad\\xff", 2));
    }

    #[tokio::test]
    async fn what_is_missing_is_said() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "file", "");
        for missing in ["nowhere", "file"] {
            let path = dir.path().join(missing);
            let bucket = Filesystem::new(path.to_str().unwrap(), "b".into(), "");
            let error = list(&bucket).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::NoBucket);
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        }
    }

    #[tokio::test]
    async fn files_are_read_and_looked_for() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "01A/index", "0123456789");
        let bucket = Filesystem::new(dir.path().to_str().unwrap(), "b".into(), "");
        let etag = bucket.head("01A/index").await.unwrap().unwrap().etag.unwrap();
        for (key, range, if_match, max, expected) in [
            ("01A/index", None, None, 10, Ok("0123456789")),
            ("01A/index", Some(2..5), Some(&*etag), 3, Ok("234")),
            ("01A/index", Some(8..11), None, 100, Err(ErrorKind::Changed)),
            ("01A/index", None, Some("other"), 100, Err(ErrorKind::Changed)),
            ("01A/index", None, None, 9, Err(ErrorKind::TooLarge)),
            ("01A/gone", None, None, 9, Err(ErrorKind::NotFound)),
            ("01A/index/below", None, None, 9, Err(ErrorKind::NotFound)),
            ("../01A/index", None, None, 99, Err(ErrorKind::Protocol)),
            ("/etc/passwd", None, None, 99_999, Err(ErrorKind::Protocol)),
        ] {
            match (bucket.get(key, range, if_match, max).await, expected) {
                (Ok(read), Ok(bytes)) => {
                    assert_eq!((read.bytes, read.size, read.etag.as_deref()), (bytes.into(), 10, Some(&*etag)));
                }
                (Err(error), Err(kind)) => assert_eq!(error.kind, kind, "{key}: {error}"),
                (read, expected) => panic!("{key}: {read:?}, not {expected:?}"),
            }
        }
        assert_eq!(bucket.head("01A/gone").await.unwrap(), None);
        assert_eq!(bucket.head("01A").await.unwrap(), None);
        assert_eq!(bucket.requests(), RequestCounts { list: 0, get: 9, head: 3 });

        let later = UNIX_EPOCH + std::time::Duration::from_secs(5);
        fs::File::options().write(true).open(dir.path().join("01A/index")).unwrap().set_modified(later).unwrap();
        assert_ne!(bucket.head("01A/index").await.unwrap().unwrap().etag.unwrap(), etag, "a rewritten file shows");
    }
}
