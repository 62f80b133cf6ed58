//! A bucket in a temporary folder, changed as Thanos changes one, and the scan of it.

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::block::Block;
use super::report::Report;
use super::time::{At, rfc3339};

/// The marks that Thanos knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Deletion,
    NoCompact,
    NoDownsample,
}

impl Mark {
    const fn file(self) -> &'static str {
        match self {
            Self::Deletion => "deletion-mark.json",
            Self::NoCompact => "no-compact-mark.json",
            Self::NoDownsample => "no-downsample-mark.json",
        }
    }
}

/// A bucket named `bucket`, the configuration beside it, and where scans keep their state.
#[derive(Debug)]
pub struct Estate {
    root: Root,
    config: Option<PathBuf>,
    /// The bucket is named in the configuration instead of on the command line.
    configured: bool,
    state: bool,
    /// ULID to name, for reports.
    names: BTreeMap<String, String>,
}

#[derive(Debug)]
enum Root {
    Temporary(tempfile::TempDir),
    /// For fixtures that are committed.
    Fixed(PathBuf),
}

impl Estate {
    /// Empty.
    pub fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("bucket")).unwrap();
        let objstore = format!("type: FILESYSTEM\nconfig:\n  directory: {}/bucket\n", root.path().display());
        fs::write(root.path().join("objstore.yaml"), objstore).unwrap();
        Self { root: Root::Temporary(root), config: None, configured: false, state: false, names: BTreeMap::new() }
    }

    /// Blocks that lie there.
    pub fn with(blocks: &[Block]) -> Self {
        let mut estate = Self::new();
        estate.put(blocks);
        estate
    }

    /// One whose bucket is this folder, to be written and not to be scanned.
    pub fn at(bucket: &Path) -> Self {
        fs::create_dir_all(bucket).unwrap();
        Self {
            root: Root::Fixed(bucket.to_owned()),
            config: None,
            configured: false,
            state: false,
            names: BTreeMap::new(),
        }
    }

    /// `--config` with this content.
    #[must_use]
    pub fn config(mut self, yaml: &str) -> Self {
        let path = self.folder().join("blockwarden.yaml");
        fs::write(&path, yaml).unwrap();
        self.config = Some(path);
        self
    }

    /// What the configuration demands of the bucket, a key to a line.
    #[must_use]
    pub fn demands(self, keys: &[&str]) -> Self {
        let keys = keys.join("\n  ");
        let mut estate = self.config(&format!("buckets:\n- objstore_config_file: objstore.yaml\n  {keys}\n"));
        estate.configured = true;
        estate
    }

    /// The bucket is read from `address` (host and port) over S3 instead of from its folder.
    #[must_use]
    pub fn served_at(self, address: &str, bucket: &str) -> Self {
        let objstore = format!(
            "type: S3\nconfig:\n  bucket: {bucket}\n  endpoint: {address}\n  access_key: key\n  secret_key: secret\n  insecure: true\n"
        );
        fs::write(self.folder().join("objstore.yaml"), objstore).unwrap();
        self
    }

    /// `--state`: scans remember.
    #[must_use]
    pub fn remembering(self) -> Self {
        Self { state: true, ..self }
    }

    /// Where its files lie.
    pub fn folder(&self) -> &Path {
        match &self.root {
            Root::Temporary(root) => root.path(),
            Root::Fixed(bucket) => bucket,
        }
    }

    /// A file of the bucket.
    pub fn path(&self, key: &str) -> PathBuf {
        match &self.root {
            Root::Temporary(root) => root.path().join("bucket").join(key),
            Root::Fixed(bucket) => bucket.join(key),
        }
    }

    /// Uploads blocks, complete.
    pub fn put(&mut self, blocks: &[Block]) {
        for block in blocks {
            self.put_partial(block);
            self.file(&block.key("meta.json"), &block.meta_json(), block.uploaded);
        }
    }

    /// Uploads everything but `meta.json`.
    pub fn put_partial(&mut self, block: &Block) {
        self.names.insert(block.ulid.to_string(), block.name());
        for (name, size) in block.objects() {
            let key = block.key(&name);
            match &block.content {
                Some(content) => self.file(&key, &fs::read(content.join(&name)).unwrap(), block.uploaded),
                None => self.sparse(&key, size, block.uploaded),
            }
        }
    }

    /// Writes one object.
    pub fn file(&self, key: &str, content: &[u8], modified: impl At) {
        let path = self.path(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        touch(&path, modified.ms());
    }

    /// Writes one object of that many zero bytes.
    pub fn sparse(&self, key: &str, size: u64, modified: impl At) {
        let path = self.path(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        File::create(&path).unwrap().set_len(size).unwrap();
        touch(&path, modified.ms());
    }

    /// Rewrites `meta.json` alone.
    pub fn rewrite_meta(&mut self, block: &Block, at: impl At) {
        self.names.insert(block.ulid.to_string(), block.name());
        self.file(&block.key("meta.json"), &block.meta_json(), at);
    }

    /// Writes a mark of that time, as the compactor does.
    pub fn mark(&self, block: &Block, mark: Mark, at: impl At) {
        let (at, ulid) = (at.ms(), block.ulid);
        let seconds = at / 1_000;
        let text = match mark {
            Mark::Deletion => {
                format!(
                    r#"{{"id":"{ulid}","version":1,"details":"source of compacted block","deletion_time":{seconds}}}"#
                )
            }
            Mark::NoCompact => {
                format!(r#"{{"id":"{ulid}","version":1,"no_compact_time":{seconds},"reason":"manual"}}"#)
            }
            Mark::NoDownsample => {
                format!(r#"{{"id":"{ulid}","version":1,"no_downsample_time":{seconds},"reason":"manual"}}"#)
            }
        };
        self.file(&block.key(mark.file()), text.as_bytes(), at);
    }

    /// Marks a block for deletion because it has outlived the retention.
    pub fn mark_expired(&self, block: &Block, retention: i64, at: impl At) {
        let (at, hours) = (at.ms(), retention / super::time::HOUR);
        let text = format!(
            r#"{{"id":"{}","version":1,"details":"block exceeding retention of {hours}h0m0s","deletion_time":{}}}"#,
            block.ulid,
            at / 1_000
        );
        self.file(&block.key("deletion-mark.json"), text.as_bytes(), at);
    }

    /// Marks blocks for deletion.
    pub fn mark_deleted(&self, blocks: &[Block], at: impl At) {
        let at = at.ms();
        for block in blocks {
            self.mark(block, Mark::Deletion, at);
        }
    }

    /// Deletes one object.
    pub fn delete_object(&self, block: &Block, object: &str) {
        fs::remove_file(self.path(&block.key(object))).unwrap();
    }

    /// Deletes whole blocks.
    pub fn delete(&self, blocks: &[Block]) {
        for block in blocks {
            fs::remove_dir_all(self.path(&block.ulid.to_string())).unwrap();
        }
    }

    /// Changes one object's size, and nothing else.
    pub fn resize(&self, block: &Block, object: &str, size: u64) {
        self.sparse(&block.key(object), size, block.uploaded);
    }

    /// Scans as of `at`.
    pub fn scan(&self, at: impl At) -> Report {
        let at = at.ms();
        let output = self.command(&["scan", "--output", "json"], at).output().unwrap();
        Report::new(&output, &self.names, at)
    }

    /// Scans as of `at` as if the bucket had never been seen.
    pub fn scan_afresh(&self, at: impl At) -> Report {
        let at = at.ms();
        let output = self.stateless(&["scan", "--output", "json"], at).output().unwrap();
        Report::new(&output, &self.names, at)
    }

    /// The binary with this command, the estate's files and `--at`.
    pub fn command(&self, arguments: &[&str], at: i64) -> Command {
        let mut command = self.stateless(arguments, at);
        if self.state {
            command.arg("--state").arg(self.folder().join("state.db"));
        }
        command
    }

    fn stateless(&self, arguments: &[&str], at: i64) -> Command {
        let folder = self.folder();
        let mut command = Command::new(env!("CARGO_BIN_EXE_blockwarden"));
        command.args(arguments).args(["--at", &rfc3339(at)]);
        if !self.configured {
            command.arg("--objstore.config-file").arg(folder.join("objstore.yaml"));
        }
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        command
    }
}

/// Sets a file's time of modification.
fn touch(path: &Path, ms: i64) {
    let modified = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(ms).unwrap());
    File::options().write(true).open(path).unwrap().set_times(FileTimes::new().set_modified(modified)).unwrap();
}
