//! Each way in which each check fires: a healthy bucket, one thing broken, exactly the findings that this is.

mod change;
mod holes;
mod late;
mod objects;
mod retention;
mod shared;
mod unreadable;

use std::path::Path;

#[test]
fn every_check_has_a_scenario_in_which_it_fires() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let files = std::fs::read_dir(folder.join("faults")).unwrap().map(|entry| entry.unwrap().path());
    let sources: String = files
        .chain([folder.join("storage.rs"), folder.join("../damage.rs")])
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    // only the service can stall, and only it tells anybody: tests/watch has both
    let of_service = ["scan_stalled", "notification_failing"];
    for check in blockwarden::checks::ALL.iter().filter(|check| !of_service.contains(&check.id)) {
        let fires = ["critical", "warning", "info"]
            .iter()
            .any(|severity| sources.contains(&format!("{severity} {}", check.id)));
        assert!(fires, "no scenario expects a finding of {}", check.id);
    }
}
