//! Reading of files, with a bound and with reasons that a person understands.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Component, Path, PathBuf};

/// No configuration is longer; whoever names a device or a block by mistake is told so.
const MAX_BYTES: u64 = 4 << 20;

/// The bytes of a file, or why there are none.
pub(super) fn read_bytes(path: &Path) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|error| reason(&error))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| reason(&error))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_BYTES {
        return Err(format!("it is longer than {} MiB", MAX_BYTES >> 20));
    }
    Ok(bytes)
}

fn reason(error: &std::io::Error) -> String {
    #[expect(clippy::wildcard_enum_match_arm, reason = "std's list of kinds is open; all others speak for themselves")]
    match error.kind() {
        ErrorKind::NotFound => "there is no such file".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    }
}

/// The absolute form of a path without `.` and `..`, found without following links, as Go's `filepath.Abs` does.
pub(super) fn absolute(path: &str) -> String {
    // without a working directory the path stays as it is, and opening it will say what is wrong
    let absolute = std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path));
    let mut clean = PathBuf::new();
    for component in absolute.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => clean.push(component),
        }
    }
    clean.to_string_lossy().into_owned()
}
