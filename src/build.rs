//! Rebuilds the library when an embedded folder changes.

fn main() {
    for folder in ["alerts", "tests/fixtures/demo"] {
        println!("cargo:rerun-if-changed={folder}");
    }
}
