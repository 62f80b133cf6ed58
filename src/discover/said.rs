//! What a storage says in an error, made fit for a line of text.

/// Characters of a foreign message that are passed on.
const LONGEST_MESSAGE: usize = 300;

/// `text` in one short line without any of `secrets`, should the storage repeat them.
pub(super) fn quoted(text: &str, secrets: &[&str]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "[redacted]");
    }
    let line: String = text.lines().next().unwrap_or_default().chars().take(LONGEST_MESSAGE).collect();
    let mut printable = String::with_capacity(line.len());
    for c in line.trim().trim_end_matches('.').chars() {
        match c {
            '\'' | '"' | '\\' => printable.push(c),
            _ => printable.extend(c.escape_debug()),
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_without_secrets() {
        for (text, expected) in [
            ("No such object: b/k.", "No such object: b/k"),
            ("token sentinel is wrong\nRequestId: 1", "token [redacted] is wrong"),
            ("a\u{1b}[31mb", "a\\u{1b}[31mb"),
            ("it's \"x\" \\ \u{202e}", "it's \"x\" \\ \\u{202e}"),
            ("", ""),
        ] {
            assert_eq!(quoted(text, &["", "sentinel"]), expected);
        }
        assert_eq!(quoted(&"x".repeat(1_000), &[]).len(), LONGEST_MESSAGE);
    }
}
