//! Real blocks, whole and broken, and what the program says of them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::program::{Desk, Ran};

/// The repository's own blocks: one folder for each writer, which holds blocks.
pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// A block of promtool's, of 20 KB.
pub(crate) const PROMTOOL: &str = "promtool-2.42";

/// The folder of the only block of a writer.
pub(crate) fn block_of(writer: &str) -> PathBuf {
    let folder = fixtures().join("blocks").join(writer);
    let mut blocks = folders(&folder);
    assert_eq!(blocks.len(), 1, "{}", folder.display());
    blocks.remove(0)
}

/// The folders in a folder.
pub(crate) fn folders(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.is_dir());
    found.sort();
    found
}

/// The last part of a path.
pub(crate) fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// Copies a folder.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap().path();
        let other = to.join(name(&entry));
        if entry.is_dir() {
            copy(&entry, &other);
        } else {
            fs::copy(&entry, &other).unwrap();
        }
    }
}

/// Every file below a folder, with its path in there.
pub(crate) fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found
                .extend(files(&path).into_iter().map(|(below, content)| (format!("{}/{below}", name(&path)), content)));
        } else {
            found.push((name(&path), fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

/// Changes the content of a file.
pub(crate) fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut content = fs::read(path).unwrap();
    change(&mut content);
    fs::write(path, content).unwrap();
}

/// Runs `verify --output json` with more arguments, twice: what it prints does not differ, and follows the schema.
pub(crate) fn verify(desk: &Desk, arguments: &[&str]) -> Ran {
    let all: Vec<&str> =
        ["verify", "--output", "json", "--at", AT].into_iter().chain(arguments.iter().copied()).collect();
    let (first, again) = (desk.run(&all), desk.run(&all));
    assert_eq!(first.stdout, again.stdout, "{arguments:?}");
    assert_eq!(first.code, again.code, "{arguments:?}");
    follows_schema(&first);
    first
}

/// After all blocks.
pub(crate) const AT: &str = "2027-01-01T00:00:00Z";

/// The document is what the committed schema says.
pub(crate) fn follows_schema(ran: &Ran) {
    let schema = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/scan.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let document = ran.document();
    let objections: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(objections.is_empty(), "{objections:?} {}", ran.stdout);
}

/// `ULID level verdict` of each block.
pub(crate) fn verdicts(ran: &Ran) -> Vec<String> {
    let document = ran.document();
    let blocks = document["blocks"].as_array().unwrap();
    let word = |block: &Value, key: &str| block[key].as_str().unwrap().to_owned();
    blocks.iter().map(|block| ["block", "level", "verdict"].map(|key| word(block, key)).join(" ")).collect()
}
