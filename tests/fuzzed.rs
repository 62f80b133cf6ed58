//! The fuzz targets of `tests/fuzz`, on the inputs that have made them fail once.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "whatever fails in here fails the test")]
#![expect(clippy::indexing_slicing, reason = "a target that reads beyond its input is wrong, and shows it")]

#[path = "fuzz/entry.rs"]
mod entry;

use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz")
}

/// What a folder holds, sorted.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

#[test]
fn what_has_failed_once_does_not_fail_again() {
    let mut ran = 0;
    for target in entries(&folder().join("crashers")) {
        for input in entries(&target) {
            println!("{}", input.display()); // shown if it fails
            entry::run(target.file_name().unwrap().to_str().unwrap(), &fs::read(&input).unwrap());
            ran += 1;
        }
    }
    assert!(ran > 0, "the inputs are not where they should be");
}

#[test]
fn every_target_can_be_run() {
    let manifest = fs::read_to_string(folder().join("Cargo.toml")).unwrap();
    let programs: Vec<&str> =
        manifest.split("[[bin]]\nname = \"").skip(1).filter_map(|bin| bin.split('"').next()).collect();
    let names: Vec<&str> = entry::TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(programs, names);
    for name in names {
        for input in [&[][..], &[0], &[0, 1], &[0xff; 100]] {
            entry::run(name, input);
        }
    }
}
