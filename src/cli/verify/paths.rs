//! What the paths of `verify PATH…` are: blocks, or folders that hold blocks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use ulid::Ulid;

use crate::model::{BlockFolder, BucketSettings, FilesystemSettings, Interner, ProviderSettings, parse_ulid};
use crate::tsdb::parse_meta;

/// A `meta.json` is not longer than this.
const META_BYTES: u64 = 16 << 20;

/// The paths as buckets: a folder that holds blocks is one, blocks of one folder are one together.
pub(super) fn buckets(paths: &[PathBuf]) -> anyhow::Result<Vec<BucketSettings>> {
    let mut folders: BTreeSet<PathBuf> = BTreeSet::new();
    let mut blocks: BTreeMap<PathBuf, Vec<BlockFolder>> = BTreeMap::new();
    let mut others: Vec<(PathBuf, BlockFolder)> = Vec::new();
    for path in paths {
        let whole = fs::canonicalize(path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let Some(block) = block_at(&whole).with_context(|| format!("cannot read `{}`", path.display()))? else {
            if !holds_blocks(&whole).with_context(|| format!("cannot read `{}`", path.display()))? {
                bail!("`{}` is neither a block nor a folder that holds blocks", path.display());
            }
            folders.insert(whole);
            continue;
        };
        let parent = whole.parent().unwrap_or(&whole).to_path_buf();
        let siblings = blocks.entry(parent.clone()).or_default();
        if siblings.iter().any(|sibling| sibling.name == block.name) {
            continue;
        }
        // two copies of one block, under names of their own
        if siblings.iter().any(|sibling| sibling.block == block.block) {
            others.push((parent, block));
        } else {
            siblings.push(block);
        }
    }
    blocks.retain(|parent, _| !folders.contains(parent));
    let whole = folders.into_iter().map(|folder| (folder, Vec::new()));
    let parts = blocks.into_iter().chain(others.into_iter().map(|(parent, block)| (parent, vec![block])));
    let mut names = BTreeSet::new();
    let settings = whole.chain(parts).map(|(directory, blocks)| {
        let name = free_name(&directory, &blocks, &mut names);
        let directory = directory.to_string_lossy().into_owned();
        let provider = ProviderSettings::Filesystem(FilesystemSettings { directory, blocks });
        BucketSettings { name: name.into(), prefix: String::new(), provider }
    });
    Ok(settings.collect())
}

/// The last part of the path if that is free, else more of it.
fn free_name(directory: &Path, blocks: &[BlockFolder], taken: &mut BTreeSet<String>) -> String {
    let last = directory.file_name().unwrap_or(directory.as_os_str()).to_string_lossy().into_owned();
    let whole = directory.to_string_lossy().into_owned();
    let of_block = blocks.iter().map(|block| format!("{whole}/{}", block.name));
    let mut name = last;
    for other in std::iter::once(whole.clone()).chain(of_block) {
        if !taken.contains(&name) {
            break;
        }
        name = other;
    }
    taken.insert(name.clone());
    name
}

/// The block that a folder is, whatever it is called; `None` for a folder that is none.
fn block_at(path: &Path) -> anyhow::Result<Option<BlockFolder>> {
    let is_block = ["meta.json", "index", "chunks/000001"].iter().any(|name| path.join(name).exists());
    if !path.is_dir() {
        bail!("it is no folder");
    }
    if !is_block {
        return Ok(None);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let of_name = parse_ulid(&name).filter(|ulid| ulid.to_string() == name);
    Ok(Some(BlockFolder { block: of_name.or_else(|| ulid_in(path)).unwrap_or(Ulid::nil()), name }))
}

/// The ULID that `meta.json` gives.
fn ulid_in(path: &Path) -> Option<Ulid> {
    let path = path.join("meta.json");
    let size = fs::metadata(&path).ok()?.len();
    let bytes = if size <= META_BYTES { fs::read(&path).ok()? } else { return None };
    parse_meta(&bytes, Ulid::nil(), &mut Interner::default()).meta?.ulid
}

fn holds_blocks(path: &Path) -> anyhow::Result<bool> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() && entry.file_name().to_str().is_some_and(|name| parse_ulid(name).is_some()) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "01KK0HCWW0000FANWA5KTS24VZ";
    const B: &str = "01KK0HCWW0000FANWA5KTS24W0";

    /// What the paths are: name of the bucket, and its blocks with their folders.
    fn read(root: &Path, paths: &[&str]) -> Result<Vec<(String, Vec<String>)>, String> {
        let paths: Vec<PathBuf> = paths.iter().map(|path| root.join(path)).collect();
        let buckets = buckets(&paths).map_err(|error| format!("{error:#}"))?;
        let shown = buckets.into_iter().map(|bucket| {
            let ProviderSettings::Filesystem(folder) = bucket.provider else { panic!() };
            let blocks = folder.blocks.iter().map(|block| format!("{}={}", block.name, block.block)).collect();
            (bucket.name.replace(&*root.to_string_lossy(), "ROOT"), blocks)
        });
        Ok(shown.collect())
    }

    #[test]
    fn paths_are_blocks_or_hold_them() {
        let root = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(root.path()).unwrap();
        for folder in ["data", "other/data"] {
            for block in [A, B] {
                fs::create_dir_all(root.join(folder).join(block)).unwrap();
                fs::write(root.join(folder).join(block).join("index"), "").unwrap();
            }
        }
        let meta =
            format!(r#"{{"ulid": "{A}", "version": 1, "minTime": 1, "maxTime": 2, "compaction": {{"level": 1}}}}"#);
        for copy in ["copies/one", "copies/two", "copies/three"] {
            fs::create_dir_all(root.join(copy)).unwrap();
            fs::write(root.join(copy).join("index"), "").unwrap();
        }
        for copy in ["copies/one", "copies/two"] {
            fs::write(root.join(copy).join("meta.json"), &meta).unwrap();
        }
        fs::write(root.join("file"), "").unwrap();
        let (a, b) = (format!("{A}={A}"), format!("{B}={B}"));
        let whole = |name: &str| (name.to_owned(), vec![]);
        let some =
            |name: &str, blocks: &[&str]| (name.to_owned(), blocks.iter().map(|&block| block.to_owned()).collect());
        for (paths, expected) in [
            (vec!["data"], vec![whole("data")]),
            (vec!["data/01KK0HCWW0000FANWA5KTS24VZ"], vec![some("data", &[&a])]),
            (vec![&format!("data/{A}"), &format!("data/{B}"), &format!("data/{A}")], vec![some("data", &[&a, &b])]),
            (vec!["data", &format!("data/{B}")], vec![whole("data")]),
            (vec!["data", "other/data"], vec![whole("data"), whole("ROOT/other/data")]),
            (vec!["copies/one"], vec![some("copies", &[&format!("one={A}")])]),
            (vec!["copies/three"], vec![some("copies", &["three=00000000000000000000000000"])]),
            (
                vec!["copies/one", "copies/two"],
                vec![some("copies", &[&format!("one={A}")]), some("ROOT/copies", &[&format!("two={A}")])],
            ),
        ] {
            assert_eq!(read(&root, &paths), Ok(expected), "{paths:?}");
        }
        for (path, expected) in [
            ("nowhere", "cannot read"),
            ("file", "it is no folder"),
            ("copies", "neither a block nor a folder that holds blocks"),
        ] {
            let error = read(&root, &[path]).unwrap_err();
            assert!(error.contains(expected) && error.contains(path), "{error}");
        }
    }
}
