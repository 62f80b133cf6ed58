//! Generated files are committed and compared. `UPDATE=1 cargo test --test repo` writes them.

use std::collections::BTreeMap;
use std::fs;

use blockwarden::model::RuleSettings;
use blockwarden::{catalogue, checks, tsdb};

use crate::source;

const FOLDER: &str = "docs/runbooks";

#[expect(clippy::disallowed_methods, reason = "a switch for developers, read by no production code")]
fn is_update() -> bool {
    std::env::var_os("UPDATE").is_some_and(|value| value == "1")
}

/// How committed files differ from those that should be there, by path.
pub(crate) fn differences(expected: &BTreeMap<String, String>, committed: &BTreeMap<String, String>) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in expected {
        match committed.get(path) {
            None => found.push(format!("{path} is missing")),
            Some(old) if old != text => found.push(format!("{path} is out of date")),
            Some(_) => {}
        }
    }
    found.extend(committed.keys().filter(|path| !expected.contains_key(*path)).map(|path| format!("{path} is stale")));
    found
}

/// Writes the files of a folder anew, if that was asked for.
pub(crate) fn update(folder: &str, expected: &BTreeMap<String, String>) {
    if !is_update() {
        return;
    }
    let path = source::root().join(folder);
    if path.exists() {
        fs::remove_dir_all(&path).unwrap();
    }
    for (path, text) in expected {
        let path = source::root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn expected_runbooks() -> BTreeMap<String, String> {
    let catalogue = catalogue::embedded().unwrap();
    let mut expected: BTreeMap<String, String> = catalogue
        .entries()
        .map(|entry| {
            let check = checks::ALL.iter().copied().find(|check| Some(check.id) == entry.check_id());
            (format!("{FOLDER}/{}.md", entry.id), catalogue::runbook(entry, check))
        })
        .collect();
    expected.insert(format!("{FOLDER}/README.md"), catalogue::runbook_index(catalogue.entries()));
    expected
}

#[test]
fn runbooks_are_up_to_date() {
    let expected = expected_runbooks();
    update(FOLDER, &expected);
    let committed = source::files(FOLDER, &[".md"]).into_iter().map(|file| (file.path, file.text)).collect();
    let found = differences(&expected, &committed);
    assert!(found.is_empty(), "\n{}\nrun `UPDATE=1 cargo test --test repo`", found.join("\n"));
}

#[test]
fn the_page_of_metrics_is_up_to_date() {
    let path = "docs/metrics.md";
    let expected = BTreeMap::from([(path.to_owned(), catalogue::metrics_page())]);
    if is_update() {
        fs::write(source::root().join(path), catalogue::metrics_page()).unwrap();
    }
    let committed = source::files("docs", &["metrics.md"]).into_iter().map(|file| (file.path, file.text)).collect();
    let found = differences(&expected, &committed);
    assert!(found.is_empty(), "\n{}\nrun `UPDATE=1 cargo test --test repo`", found.join("\n"));
}

/// `docs/integrity-rules.md`.
fn page_of_rules() -> String {
    let mut page = "<!-- Generated from the rules in src/tsdb by `UPDATE=1 cargo test --test repo`. -->\n\
        # What has to hold in a block\n\n\
        Each rule that a verification can find broken, with the finding that declares it and how bad it is by itself. What \
        is `info` is known of some writer and harms nobody. [verification.md](verification.md) says how they are proven.\n"
        .to_owned();
    let mut last = "";
    for (file, rule) in tsdb::rules() {
        if file != last {
            page.extend(["\n## ", file, "\n\n| rule | finding | severity | what is wrong |\n|---|---|---|---|\n"]);
            last = file;
        }
        let cells = [rule.id, "` | `", rule.damage.check(), "` | ", rule.severity.name(), " | ", rule.words];
        page.extend(["| `"].into_iter().chain(cells).chain([" |\n"]));
    }
    page
}

#[test]
fn the_page_of_rules_is_up_to_date() {
    let path = "docs/integrity-rules.md";
    let expected = BTreeMap::from([(path.to_owned(), page_of_rules())]);
    if is_update() {
        fs::write(source::root().join(path), page_of_rules()).unwrap();
    }
    let committed =
        source::files("docs", &["integrity-rules.md"]).into_iter().map(|file| (file.path, file.text)).collect();
    let found = differences(&expected, &committed);
    assert!(found.is_empty(), "\n{}\nrun `UPDATE=1 cargo test --test repo`", found.join("\n"));
}

#[test]
fn differences_are_found() {
    let files = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
    };
    let found =
        differences(&files(&[("a", "1"), ("b", "1"), ("c", "1")]), &files(&[("a", "1"), ("b", "2"), ("d", "1")]));
    assert_eq!(found, ["b is out of date", "c is missing", "d is stale"]);
}

#[test]
fn the_snippet_for_alertmanager_is_up_to_date() {
    let path = "docs/alertmanager.yaml";
    let text = catalogue::alertmanager(catalogue::embedded().unwrap(), &RuleSettings::default()).unwrap();
    if is_update() {
        fs::write(source::root().join(path), &text).unwrap();
    }
    let committed = fs::read_to_string(source::root().join(path)).unwrap_or_default();
    assert!(committed == text, "{path} is out of date\nrun `UPDATE=1 cargo test --test repo`");
    // everything that inhibits and is inhibited is there
    for entry in catalogue::embedded().unwrap().entries().filter(|entry| !entry.inhibited_by.is_empty()) {
        assert!(text.contains(&entry.name), "{}", entry.id);
    }
}
