//! `--alerts-dir`: the catalogue with files of the user's own.

use std::fs;
use std::path::Path;

use anyhow::Context;

use crate::catalogue::{self, Catalogue};

/// An alert is a page or two of text; what is larger is something else.
const MAX_BYTES: u64 = 1 << 20;

/// The catalogue, with the files of a folder in the place of ours or beside them. It is there until the process ends,
/// since configurations that are read later name what is in it.
pub(super) fn catalogue(folder: Option<&Path>) -> anyhow::Result<&'static Catalogue> {
    let own = catalogue::embedded()?;
    let Some(folder) = folder else { return Ok(own) };
    let files = read(folder)?;
    let pairs = files.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    Ok(Box::leak(Box::new(own.with(&folder.display().to_string(), pairs)?)))
}

/// Every `*.yaml` in a folder, by name.
fn read(folder: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let failed = || format!("cannot read --alerts-dir {}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(failed)? {
        let path = entry.with_context(failed)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        // an editor's leftovers and the links of a mounted Kubernetes volume begin with a dot
        if path.extension().is_none_or(|extension| extension != "yaml") || name.starts_with('.') {
            continue;
        }
        let cannot = || format!("cannot read {}", path.display());
        if fs::metadata(&path).with_context(cannot)?.len() > MAX_BYTES {
            anyhow::bail!("{}: is larger than 1 MiB; is it an alert?", path.display());
        }
        files.push((name.to_owned(), fs::read_to_string(&path).with_context(cannot)?));
    }
    files.sort();
    Ok(files)
}
