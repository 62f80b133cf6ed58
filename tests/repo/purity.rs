//! The core is pure: no I/O, not async, no clock of its own.

use crate::source;

const PURE: [&str; 6] = ["model", "tsdb", "checks", "deviation", "alerting", "catalogue"];

/// Pure files and folders of modules that are not.
const PURE_PARTS: [&str; 6] = [
    "src/engine/judge.rs",
    "src/verify/scrub/",
    "src/notify/delivery/coalesce.rs",
    "src/notify/delivery/digest.rs",
    "src/notify/delivery/planner.rs",
    "src/notify/delivery/terms.rs",
];

const IMPURE: [&str; 18] = [
    "std::fs",
    "std::io",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "tokio",
    "reqwest",
    "object_store",
    "rusqlite",
    "axum",
    "rand",
    "SystemTime",
    "Instant",
    "Timestamp::now",
    "Zoned::now",
    "async",
    ".await",
];

fn violations(path: &str, text: &str) -> Vec<String> {
    let module = path.trim_start_matches("src/").split(['/', '.']).next().unwrap_or_default();
    if !PURE.contains(&module) && !PURE_PARTS.iter().any(|part| path.starts_with(part)) {
        return Vec::new();
    }
    let code = source::production_code(text);
    let found = IMPURE.iter().filter(|token| source::names(&code, token));
    found.map(|token| format!("{path}: names `{token}`, and has to be pure")).collect()
}

/// `chrono` comes along with other crates; our time is `TimestampMs`.
fn foreign_time(path: &str, text: &str) -> Option<String> {
    let named = path != "src/model/time.rs" && source::names(&source::production_code(text), "chrono::");
    named.then(|| format!("{path}: names `chrono::`; convert in src/model/time.rs"))
}

#[test]
fn the_core_is_pure() {
    let files = source::production_files();
    let found: Vec<String> = files.iter().flat_map(|file| violations(&file.path, &file.text)).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn time_has_one_type() {
    let files = source::production_files();
    let found: Vec<String> = files.iter().filter_map(|file| foreign_time(&file.path, &file.text)).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn impure_code_is_caught() {
    for (path, text, expected) in [
        ("src/checks/a.rs", "use std::fs;", 1),
        ("src/model/a.rs", "fn now() -> std::time::SystemTime { std::time::SystemTime::now() }", 1),
        ("src/tsdb/mod.rs", "pub async fn read() { x.await }", 2),
        ("src/catalogue/a.rs", "let t = jiff::Timestamp::now();", 1),
        ("src/checks/a.rs", "// std::fs\nlet instant = \"tokio\";", 0),
        ("src/checks/a.rs", "#[cfg(test)]\nmod tests { use std::fs; }", 0),
        ("src/engine/judge.rs", "use tokio::sync::watch;", 1),
        ("src/verify/scrub/lane.rs", "use std::thread;", 1),
        ("src/discover/a.rs", "use std::fs;", 0),
    ] {
        let found = violations(path, text);
        assert_eq!(found.len(), expected, "{path}: {text}: {found:?}");
    }
    assert!(foreign_time("src/discover/a.rs", "let t: chrono::DateTime<Utc>;").is_some());
    assert!(foreign_time("src/model/time.rs", "let t: chrono::DateTime<Utc>;").is_none());
}
