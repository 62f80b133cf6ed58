//! Source files, and their text without comments, literals and tests.

use std::fs;
use std::path::{Path, PathBuf};

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A text file of the repository.
#[derive(Clone, Debug)]
pub(crate) struct SourceFile {
    /// Relative to the root, with forward slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Every file below `folder` whose name ends in one of `extensions`, sorted by path. Build output is left out.
pub(crate) fn files(folder: &str, extensions: &[&str]) -> Vec<SourceFile> {
    let mut found = Vec::new();
    collect(&root().join(folder), extensions, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "no {extensions:?} below {folder:?}: the law looks at the wrong place");
    found
}

fn collect(folder: &Path, extensions: &[&str], found: &mut Vec<SourceFile>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !["target", ".git"].contains(&name) {
            collect(&path, extensions, found);
        } else if extensions.iter().any(|extension| name.ends_with(extension)) && path.is_file() {
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let path = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
            found.push(SourceFile { path, text });
        }
    }
}

/// The files of the library and the program, but those that exist for tests only.
pub(crate) fn production_files() -> Vec<SourceFile> {
    let all = files("src", &[".rs"]);
    let test_only: Vec<String> = all.iter().flat_map(test_only_modules).collect();
    let is_test = |path: &str| test_only.iter().any(|module| path.starts_with(module));
    all.into_iter().filter(|file| !is_test(&file.path)).collect()
}

/// Path prefixes of the modules that a file declares as `#[cfg(test)] mod name;`.
fn test_only_modules(file: &SourceFile) -> Vec<String> {
    let folder = match file.path.strip_suffix("/mod.rs").or_else(|| file.path.strip_suffix("/lib.rs")) {
        Some(folder) => folder.to_owned(),
        None => file.path.trim_end_matches(".rs").to_owned(),
    };
    let code = code_only(&file.text);
    let items = code.split("#[cfg(test)]").skip(1);
    let names = items.filter_map(|item| {
        let declaration = item.split([';', '{']).next()?;
        let name = declaration.split_once("mod ")?.1.trim().to_owned();
        item[declaration.len()..].starts_with(';').then_some(name)
    });
    names.flat_map(|name| [format!("{folder}/{name}.rs"), format!("{folder}/{name}/")]).collect()
}

/// The text with comments and the contents of literals blanked out; every line keeps its place.
pub(crate) fn code_only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_or_comment_end(&chars, at);
        if end == at {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

/// Where the comment or literal that begins at `at` ends; `at` itself if none begins there.
fn literal_or_comment_end(chars: &[char], at: usize) -> usize {
    let rest = &chars[at..];
    let previous_is_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    let until = |close: &str| {
        let close: Vec<char> = close.chars().collect();
        rest.windows(close.len()).position(|window| window == close).map_or(chars.len(), |found| at + found)
    };
    match rest {
        ['/', '/', ..] => until("\n"),
        ['/', '*', ..] => {
            let mut depth = 0;
            let mut idx = at;
            while idx < chars.len() {
                match &chars[idx..] {
                    ['/', '*', ..] => (depth, idx) = (depth + 1, idx + 2),
                    ['*', '/', ..] => (depth, idx) = (depth - 1, idx + 2),
                    _ => idx += 1,
                }
                if depth == 0 {
                    return idx;
                }
            }
            idx
        }
        ['"', ..] => quoted_end(chars, at, '"'),
        ['r', '"' | '#', ..] if !previous_is_word => raw_end(chars, at),
        ['b' | 'c', 'r', '"' | '#', ..] if !previous_is_word => raw_end(chars, at + 1).max(at),
        ['\'', '\\', ..] | ['\'', _, '\'', ..] => quoted_end(chars, at, '\''),
        _ => at,
    }
}

fn quoted_end(chars: &[char], at: usize, quote: char) -> usize {
    let mut idx = at + 1;
    while idx < chars.len() && chars[idx] != quote {
        idx += if chars[idx] == '\\' { 2 } else { 1 };
    }
    (idx + 1).min(chars.len())
}

/// End of a raw string whose `r` stands at `at`; `at` for a raw identifier.
fn raw_end(chars: &[char], at: usize) -> usize {
    let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
    if chars.get(at + 1 + hashes) != Some(&'"') {
        return at;
    }
    let body = at + 2 + hashes;
    let mut close = vec!['"'];
    close.resize(1 + hashes, '#');
    let found = chars[body..].windows(close.len()).position(|window| window == close);
    found.map_or(chars.len(), |found| body + found + close.len())
}

/// Code without the items that exist for tests only. Takes what [`code_only`] gives; lines of such items are removed.
pub(crate) fn without_tests(code: &str) -> String {
    let Some(start) = code.find("#[cfg(test)]") else { return code.to_owned() };
    let item = &code[start..];
    let open = item.find('{').unwrap_or(item.len());
    let end = match item.find(';') {
        Some(semicolon) if semicolon < open => semicolon + 1,
        _ => open + block_len(&item[open..]),
    };
    format!("{}{}", &code[..start], without_tests(&item[end..]))
}

/// Bytes of a block that begins with `{`, up to and with its closing brace.
fn block_len(code: &str) -> usize {
    let mut depth = 0_usize;
    for (idx, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return idx + 1;
        }
    }
    code.len()
}

/// What the laws about code look at.
pub(crate) fn production_code(text: &str) -> String {
    without_tests(&code_only(text))
}

/// Whether `token` stands in `code` as words of its own.
pub(crate) fn names(code: &str, token: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(token).any(|(idx, _)| {
        let before = code[..idx].chars().next_back();
        let after = code[idx + token.len()..].chars().next();
        let begins = !token.starts_with(is_word) || !before.is_some_and(is_word);
        let ends = !token.ends_with(is_word) || !after.is_some_and(is_word);
        begins && ends
    })
}

#[test]
fn comments_and_literals_are_blanked() {
    for (text, expected) in [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        (r#"a("b \" c", d)"#, r#"a(        , d)"#),
        (r##"a(r#"b " c"#, d)"##, r##"a(          , d)"##),
        ("f::<'a>('b', '\\'', 'c')", "f::<'a>(   ,     ,    )"),
        ("r#type for_r", "r#type for_r"),
        (r##"(b"x", br#"y"#)"##, r##"(b   ,        )"##),
        ("\"open", "     "),
    ] {
        assert_eq!(code_only(text), expected, "{text}");
    }
}

#[test]
fn tests_are_left_out() {
    let code = "use a;\n#[cfg(test)]\nmod tests {\n  fn f() { g() }\n}\n#[cfg(test)]\nmod fixtures;\nfn h() {}";
    assert_eq!(without_tests(code), "use a;\n\n\nfn h() {}");
    let file = |path: &str, text: &str| test_only_modules(&SourceFile { path: path.to_owned(), text: text.to_owned() });
    let expected = ["src/checks/fixtures.rs", "src/checks/fixtures/"];
    assert_eq!(file("src/checks/mod.rs", "#[cfg(test)]\nmod fixtures;\nmod a;"), expected);
    assert_eq!(file("src/a.rs", "#[cfg(test)]\npub(crate) mod b;"), ["src/a/b.rs", "src/a/b/"]);
    assert!(file("src/a.rs", "#[cfg(test)]\nmod tests {}\nmod c;").is_empty());
}

#[test]
fn words_are_found_as_words() {
    assert!(names("use tokio::sync;", "tokio"));
    assert!(!names("use tokio_like::x; my_tokio()", "tokio"));
    assert!(names("x.await?", ".await"));
}
