//! Rebuilds the library when an embedded folder changes.

fn main() {
    println!("cargo:rerun-if-changed=alerts");
}
