//! The form of files: the first line, the length, words that do not belong here.

use std::path::Path;

use crate::source;

const MAX_LINES: usize = 500;
const MAX_CHECK_LINES: usize = 300;
const MAX_MAIN_LINES: usize = 100;

fn lacks_module_doc(text: &str) -> bool {
    !text.starts_with("//! ")
}

/// Lines of a file without its tests, if they are too many.
fn excess_length(path: &str, text: &str) -> Option<String> {
    let max = match path {
        "src/main.rs" => MAX_MAIN_LINES,
        _ if path.strip_prefix("src/checks/").is_some_and(|file| !file.contains('/')) => MAX_CHECK_LINES,
        _ => MAX_LINES,
    };
    let lines = source::production_code(text).lines().count();
    (lines > max).then(|| format!("{path}: {lines} lines without tests, at most {max}; can it be two things?"))
}

/// Words that mark unfinished work, blanket permissions or places of a developer's machine. Written in halves, so
/// that this file does not hold them.
const FORBIDDEN: [(&str, &str); 11] = [
    ("TO", "DO"),
    ("FIX", "ME"),
    ("XX", "X"),
    ("todo", "!("),
    ("unimplemented", "!("),
    ("dbg", "!("),
    ("#[allow", "("),
    ("#![allow", "("),
    ("#[ig", "nore"),
    ("sub", "agent"),
    ("/wor", "k/"),
];

fn forbidden_words(path: &str, text: &str) -> Vec<String> {
    let words = FORBIDDEN.map(|(a, b)| format!("{a}{b}"));
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let hits = words.iter().filter(|word| source::names(line, word));
        found.extend(hits.map(|word| format!("{path}:{}: `{word}`", number + 1)));
    }
    found
}

/// Relative links of a Markdown file that lead nowhere.
fn broken_links(path: &str, text: &str, exists: impl Fn(&Path) -> bool) -> Vec<String> {
    let folder = Path::new(path).parent().unwrap();
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#', ' ']).next());
    let relative = targets.filter(|target| !target.is_empty() && !target.contains("://"));
    let broken = relative.filter(|target| !exists(&folder.join(target)));
    broken.map(|target| format!("{path}: {target}")).collect()
}

#[test]
fn links_lead_somewhere() {
    let exists = |path: &Path| source::root().join(path).exists();
    let files = source::files(".", &[".md"]);
    let broken: Vec<String> = files.iter().flat_map(|file| broken_links(&file.path, &file.text, exists)).collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let mut files = source::files("src", &[".rs"]);
    files.extend(source::files("tests", &[".rs"]));
    let lacking: Vec<&str> =
        files.iter().filter(|file| lacks_module_doc(&file.text)).map(|file| file.path.as_str()).collect();
    assert!(lacking.is_empty(), "these do not begin with `//! `: {lacking:#?}");
}

#[test]
fn files_are_short() {
    let files = source::production_files();
    let long: Vec<String> = files.iter().filter_map(|file| excess_length(&file.path, &file.text)).collect();
    assert!(long.is_empty(), "\n{}", long.join("\n"));
}

#[test]
fn nothing_is_left_undone() {
    let files = source::files(".", &[".rs", ".md", ".yaml", ".yml", ".toml", ".json", ".sql", "run"]);
    let found: Vec<String> = files.iter().flat_map(|file| forbidden_words(&file.path, &file.text)).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn bad_form_is_caught() {
    assert!(lacks_module_doc("use a;\n//! late"));
    assert!(!lacks_module_doc("//! Early.\n"));

    let long = "let a = 1;\n".repeat(301);
    assert!(excess_length("src/checks/a.rs", &long).is_some());
    assert!(excess_length("src/checks/estate/a.rs", &long).is_none());
    assert!(excess_length("src/engine/a.rs", &long).is_none());
    assert!(excess_length("src/main.rs", &long).is_some());
    let tested = format!("fn a() {{}}\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
    assert!(excess_length("src/checks/a.rs", &tested).is_none());

    for (a, b) in FORBIDDEN {
        assert_eq!(forbidden_words("x", &format!("fine\nnot {a}{b} fine")).len(), 1, "{a}{b}");
    }
    assert!(forbidden_words("x", "autodoes mytodo").is_empty());

    let links = "[a](b.md#part) [c](https://d.e/f) [g](h.md) [i](#here)";
    assert_eq!(broken_links("docs/x.md", links, |path| path == Path::new("docs/b.md")), ["docs/x.md: h.md"]);
}
