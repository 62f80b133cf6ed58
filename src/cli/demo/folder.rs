//! The demonstration's bucket as files. Whatever appears in it appears at once: it is made beside the bucket and moved.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use include_dir::{Dir, include_dir};
use ulid::Ulid;

use super::plan::{Planned, Template};
use crate::model::{Interner, TimestampMs};
use crate::tsdb::parse_meta;
use crate::tsdb::shift::{BlockFiles, shift_block};

static FIXTURES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/tests/fixtures/demo");

/// The real blocks, and when each of them begins.
struct Originals(BTreeMap<Template, (BlockFiles, TimestampMs)>);

impl Originals {
    fn load() -> anyhow::Result<Self> {
        let load = |template: Template| {
            let original = original(template).with_context(|| format!("the block `{}`", template.folder()))?;
            Ok((template, original))
        };
        Ok(Self(Template::ALL.into_iter().map(load).collect::<anyhow::Result<_>>()?))
    }

    /// The files of a block.
    fn block(&self, planned: &Planned) -> anyhow::Result<BlockFiles> {
        let (original, start) = self.0.get(&planned.template).context("a template is not there")?;
        let shift_ms = planned.identity.interval.start.since(*start).saturating_add(planned.phase_ms);
        Ok(shift_block(original, shift_ms, &planned.identity)?)
    }
}

fn original(template: Template) -> anyhow::Result<(BlockFiles, TimestampMs)> {
    let folder = template.folder();
    let read = |name: &str| {
        let file = FIXTURES.get_file(format!("{folder}/{name}"));
        file.map(|file| file.contents().to_vec()).ok_or_else(|| anyhow!("{name} is not there"))
    };
    let meta = read("meta.json")?;
    let parsed = parse_meta(&meta, Ulid::nil(), &mut Interner::default()).meta.context("meta.json cannot be read")?;
    let block = BlockFiles { meta, index: read("index")?, segments: vec![read("chunks/000001")?] };
    Ok((block, parsed.interval.start))
}

/// A bucket in a folder, and what was put there.
pub(super) struct Folder {
    originals: Originals,
    bucket: PathBuf,
    /// Beside the bucket, on the same file system.
    staging: PathBuf,
    /// Marked or not.
    placed: BTreeMap<Ulid, bool>,
}

impl Folder {
    /// An empty bucket below `home`.
    pub(super) fn create(home: &Path) -> anyhow::Result<Self> {
        let (bucket, staging) = (home.join("bucket"), home.join("staging"));
        for folder in [&bucket, &staging] {
            fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        }
        Ok(Self { originals: Originals::load()?, bucket, staging, placed: BTreeMap::new() })
    }

    /// Where the blocks are.
    pub(super) fn bucket(&self) -> &Path {
        &self.bucket
    }

    /// Brings the bucket to what is planned: uploads, marks, deletes. What was put there earlier is left as it is.
    pub(super) fn follow(&mut self, planned: &[Planned]) -> anyhow::Result<()> {
        for block in planned {
            let ulid = block.identity.ulid;
            if !self.placed.contains_key(&ulid) {
                self.put(block)?;
                self.placed.insert(ulid, false);
            }
            if let Some(marked) = block.marked
                && self.placed.insert(ulid, true) != Some(true)
                && self.path(ulid).exists()
            {
                self.write(&format!("{ulid}/deletion-mark.json"), mark(ulid, marked).as_bytes(), marked)?;
            }
        }
        let kept: BTreeMap<Ulid, bool> = planned
            .iter()
            .filter_map(|block| self.placed.get_key_value(&block.identity.ulid))
            .map(|(ulid, marked)| (*ulid, *marked))
            .collect();
        for ulid in std::mem::replace(&mut self.placed, kept).into_keys() {
            if !self.placed.contains_key(&ulid) {
                self.delete(ulid)?;
            }
        }
        Ok(())
    }

    /// Uploads a whole block.
    pub(super) fn put(&self, planned: &Planned) -> anyhow::Result<()> {
        self.put_as(planned, true)
    }

    /// Uploads only its chunks, as a sidecar does that is interrupted.
    pub(super) fn put_partial(&self, planned: &Planned) -> anyhow::Result<()> {
        self.put_as(planned, false)
    }

    fn put_as(&self, planned: &Planned, whole: bool) -> anyhow::Result<()> {
        let files = self.originals.block(planned)?;
        let ulid = planned.identity.ulid;
        let made = self.staging.join(ulid.to_string());
        let at = planned.identity.uploaded;
        let rest = [("index".to_owned(), files.index), ("meta.json".to_owned(), files.meta)];
        let segments = (1..).zip(files.segments).map(|(number, bytes)| (format!("chunks/{number:06}"), bytes));
        for (name, bytes) in segments.chain(rest.into_iter().filter(|_| whole)) {
            write_at(&made.join(name), &bytes, at)?;
        }
        rename(&made, &self.path(ulid))
    }

    /// Puts one object of a block back as it was.
    pub(super) fn put_object(&self, planned: &Planned, name: &str, at: TimestampMs) -> anyhow::Result<()> {
        let files = self.originals.block(planned)?;
        let bytes = match name {
            "index" => files.index,
            "meta.json" => files.meta,
            _ => files.segments.into_iter().next().unwrap_or_default(),
        };
        self.write(&format!("{}/{name}", planned.identity.ulid), &bytes, at)
    }

    /// Deletes one object of a block.
    pub(super) fn delete_object(&self, ulid: Ulid, name: &str) -> anyhow::Result<()> {
        let path = self.path(ulid).join(name);
        fs::remove_file(&path).with_context(|| format!("cannot delete {}", path.display()))
    }

    /// Keeps only the first half of an object.
    pub(super) fn truncate(&self, ulid: Ulid, name: &str, at: TimestampMs) -> anyhow::Result<()> {
        let path = self.path(ulid).join(name);
        let mut bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        bytes.truncate(bytes.len() / 2);
        self.write(&format!("{ulid}/{name}"), &bytes, at)
    }

    /// Deletes a block, all at once.
    pub(super) fn delete(&self, ulid: Ulid) -> anyhow::Result<()> {
        let (path, made) = (self.path(ulid), self.staging.join(format!("{ulid}-deleted")));
        if path.exists() {
            rename(&path, &made)?;
            fs::remove_dir_all(&made).with_context(|| format!("cannot delete {}", made.display()))?;
        }
        Ok(())
    }

    fn path(&self, ulid: Ulid) -> PathBuf {
        self.bucket.join(ulid.to_string())
    }

    fn write(&self, key: &str, bytes: &[u8], at: TimestampMs) -> anyhow::Result<()> {
        let made = self.staging.join("object");
        write_at(&made, bytes, at)?;
        rename(&made, &self.bucket.join(key))
    }
}

/// As the compactor writes it.
fn mark(ulid: Ulid, at: TimestampMs) -> String {
    let seconds = at.0.div_euclid(1_000);
    format!(r#"{{"id":"{ulid}","version":1,"details":"source of compacted block","deletion_time":{seconds}}}"#)
}

/// Writes a file that was last modified at `at`.
fn write_at(path: &Path, bytes: &[u8], at: TimestampMs) -> anyhow::Result<()> {
    let write = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, bytes)?;
        let since_epoch = Duration::from_millis(u64::try_from(at.0).unwrap_or_default());
        File::options().write(true).open(path)?.set_modified(UNIX_EPOCH + since_epoch)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

fn rename(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::rename(from, to).with_context(|| format!("cannot move {} to {}", from.display(), to.display()))
}
