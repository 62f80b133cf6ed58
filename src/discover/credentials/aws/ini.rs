//! The files `~/.aws/config` and `~/.aws/credentials`: sections of `key = value`.
//!
//! <https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>

use std::collections::BTreeMap;

/// Sections by name, as it stands between the brackets.
pub(super) type Sections = BTreeMap<String, Section>;

/// Values by key, which is lower case. A value is never printed: it may be a secret.
pub(super) type Section = BTreeMap<String, String>;

/// A line that is none of what the format knows. It does not repeat the line, which may hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub(super) struct BadLine {
    /// From 1.
    pub(super) line: usize,
    what: &'static str,
}

/// Reads a file. A section that occurs twice is one; the later of two values counts.
pub(super) fn parse(text: &str) -> Result<Sections, BadLine> {
    let mut sections = Sections::new();
    let mut current: Option<String> = None;
    // the last key that was not indented has no value, so that indented lines belong to it
    let mut opens = false;
    for (index, raw) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let bad = |what| BadLine { line: index.saturating_add(1), what };
        let line = raw.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let indented = raw.starts_with([' ', '\t']);
        if indented && opens {
            // settings of one service, nested under a key: nothing of them is about credentials
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let Some((name, _)) = rest.split_once(']') else { return Err(bad("a section has no closing `]`")) };
            let name = words(name);
            sections.entry(name.clone()).or_default();
            current = Some(name);
            opens = false;
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            return Err(bad("this is neither `[section]` nor `key = value`"));
        };
        let Some(section) = current.as_ref().and_then(|name| sections.get_mut(name)) else {
            return Err(bad("this key stands before any section"));
        };
        let key = key.trim().to_ascii_lowercase();
        if key.is_empty() {
            return Err(bad("there is no key before `=`"));
        }
        let value = without_comment(value);
        opens = !indented && value.is_empty();
        section.insert(key, value.to_owned());
    }
    Ok(sections)
}

/// A section's name with single spaces and without the quotes that a name with spaces has.
fn words(name: &str) -> String {
    let name = name.replace(['"', '\''], "");
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A comment within a line begins with a blank and `#` or `;`: both may be part of a value, but not after a blank.
fn without_comment(value: &str) -> &str {
    let cut = [" #", " ;", "\t#", "\t;"].iter().filter_map(|mark| value.find(mark)).min();
    cut.and_then(|at| value.get(..at)).unwrap_or(value).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_and_keys_are_read() {
        let text = "\u{feff}# comment\n; other\n[default]\nAWS_Access_Key_ID=AKIA # mine\naws_secret_access_key = a=b#c;d \n\
                    s3 =\n  max_concurrent_requests = 10\n\n[profile \"a  b\"] # x\r\nregion = eu-west-1\r\n[default]\nregion=x\n[empty]\n[indented]\n  a = 1\n  b = 2";
        let sections = parse(text).unwrap();
        let pairs: Vec<_> = sections
            .iter()
            .flat_map(|(section, keys)| keys.iter().map(move |(key, value)| format!("{section}|{key}|{value}")))
            .collect();
        assert_eq!(
            pairs,
            [
                "default|aws_access_key_id|AKIA",
                "default|aws_secret_access_key|a=b#c;d",
                "default|region|x",
                "default|s3|",
                "indented|a|1",
                "indented|b|2",
                "profile a b|region|eu-west-1",
            ]
        );
        assert!(sections.contains_key("empty"));
    }

    #[test]
    fn a_bad_line_is_named_and_not_repeated() {
        for (text, line, expected) in [
            ("[default\nx=1", 1, "a section has no closing `]`"),
            ("[a]\n\nsentinel", 3, "this is neither `[section]` nor `key = value`"),
            ("sentinel=1", 1, "this key stands before any section"),
            ("[a]\n=sentinel", 2, "there is no key before `=`"),
        ] {
            let bad = parse(text).unwrap_err();
            assert_eq!((bad.line, bad.to_string().as_str()), (line, expected));
        }
        assert_eq!(parse("").unwrap(), Sections::new());
    }
}
