//! Who may use whom.

use std::collections::BTreeSet;

use crate::source;

/// Each top-level module and the modules that it may use. What is not here does not exist.
const MAY_USE: [(&str, &[&str]); 15] = [
    ("model", &[]),
    ("tsdb", &["model"]),
    ("deviation", &["model", "tsdb"]),
    ("checks", &["model", "deviation"]),
    ("alerting", &["model"]),
    ("catalogue", &["model", "checks", "alerting"]),
    ("config", &["model", "checks", "alerting"]),
    ("discover", &["model", "tsdb"]),
    ("verify", &["model", "tsdb", "discover"]),
    ("backup", &["model", "tsdb", "verify", "discover"]),
    ("ledger", &["model"]),
    ("notify", &["model", "alerting", "catalogue", "ledger"]),
    ("exporter", &["model", "catalogue"]),
    ("engine", &["*"]),
    ("cli", &["model", "engine", "catalogue", "config", "tsdb"]),
];

/// The modules that tie everything together: the map, the program and the build script.
const OUTSIDE: [&str; 3] = ["src/lib.rs", "src/main.rs", "src/build.rs"];

/// What is wrong with the imports of a file, one line each.
fn violations(path: &str, text: &str) -> Vec<String> {
    if OUTSIDE.contains(&path) {
        return Vec::new();
    }
    let segments: Vec<&str> = path.trim_start_matches("src/").trim_end_matches(".rs").split('/').collect();
    let module = segments[0];
    let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else {
        return vec![format!("{path}: `{module}` is no module of the design")];
    };
    let depth = segments.len() - usize::from(segments.last() == Some(&"mod"));
    let used = used_modules(&source::production_code(text), depth);
    let forbidden = used.into_iter().filter(|name| {
        name != module
            && MAY_USE.iter().any(|(known, _)| known == name)
            && !allowed.contains(&name.as_str())
            && !allowed.contains(&"*")
    });
    forbidden.map(|name| format!("{path}: `{module}` may not use `{name}`")).collect()
}

/// The names that follow the crate's root in any path of the code. `depth` = how many `super` lead to the root.
fn used_modules(code: &str, depth: usize) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    let supers = "super::".repeat(depth);
    for start in ["crate::", &supers] {
        for (idx, _) in code.match_indices(start) {
            let is_inside_path = code[..idx].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
            if !is_inside_path {
                used.extend(first_segments(&code[idx + start.len()..]));
            }
        }
    }
    used
}

/// The first segment of a path, or of each path in a group `{a::b, c::{d, e}}`.
fn first_segments(path: &str) -> Vec<String> {
    let identifier =
        |text: &str| -> String { text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let Some(group) = path.strip_prefix('{') else { return vec![identifier(path)] };
    let mut segments = vec![identifier(group)];
    let mut depth = 1;
    for (idx, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => segments.push(identifier(&group[idx + 1..])),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    segments
}

#[test]
fn modules_use_only_what_they_may() {
    let found: Vec<String> =
        source::production_files().iter().flat_map(|file| violations(&file.path, &file.text)).collect();
    assert!(found.is_empty(), "\n{}\nsee the code map in docs/architecture.md", found.join("\n"));
}

#[test]
fn a_forbidden_import_is_caught() {
    for (path, text, expected) in [
        ("src/checks/a.rs", "use crate::ledger::Ledger;", 1),
        ("src/checks/a.rs", "use crate::{model::Labels, discover::{Bucket, x}, engine};", 2),
        ("src/checks/a.rs", "fn f() { crate::config::load() }", 1),
        ("src/checks/a.rs", "use super::super::cli::run;", 1),
        ("src/checks/mod.rs", "use super::cli::run;", 1),
        ("src/model/deep/down.rs", "use super::super::super::checks::ALL;", 1),
        ("src/new_thing/mod.rs", "", 1),
        ("src/checks/a.rs", "use crate::model::{Labels, ledger};", 0),
        ("src/checks/a.rs", "use super::policy; use crate::checks::policy;", 0),
        ("src/checks/a.rs", "// crate::ledger\nconst A: &str = \"crate::cli\";", 0),
        ("src/checks/a.rs", "#[cfg(test)]\nmod tests { use crate::tsdb::x; }", 0),
        ("src/engine/mod.rs", "use crate::{ledger, cli};", 0),
        ("src/main.rs", "use crate::cli;", 0),
    ] {
        let found = violations(path, text);
        assert_eq!(found.len(), expected, "{path}: {text}: {found:?}");
    }
}
