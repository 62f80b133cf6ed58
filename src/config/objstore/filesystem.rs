//! `type: FILESYSTEM` (`thanos-io/objstore/providers/filesystem`).

use std::path::Path;

use crate::config::files;
use crate::config::mistake::Mistakes;
use crate::config::yaml::{Key, Kind, Section, Table};
use crate::model::FilesystemSettings;

/// The keys of `config`; Thanos passes over all others.
pub(super) const TABLE: Table = Table {
    keys: &[Key::new("directory", Kind::Text, "", "Required. A relative one counts from the working directory.")],
    lenient: true,
};

/// Lowers `config`.
pub(super) fn lower(config: &Section, mistakes: &mut Mistakes) -> FilesystemSettings {
    config.require(mistakes, "directory", "the path of the directory");
    let directory = config.text("directory");
    let directory = if directory.is_empty() { directory } else { files::absolute(&directory) };
    FilesystemSettings { directory, blocks: Vec::new() }
}

/// The directory's own name.
pub(super) fn name(settings: &FilesystemSettings) -> String {
    let last = Path::new(&settings.directory).file_name();
    last.map_or_else(|| settings.directory.clone(), |name| name.to_string_lossy().into_owned())
}
