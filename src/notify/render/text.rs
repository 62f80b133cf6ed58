//! Text that comes from elsewhere, made fit to be shown: without control characters, with what stands between
//! backticks told apart, and bounded.

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// Prose. Holds no backtick.
    Plain(String),
    /// Something to be copied: a name, labels, a command. Holds no backtick.
    Code(String),
}

/// One paragraph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) Vec<Span>);

impl Text {
    /// What stands between two backticks is code; a backtick that stands alone becomes an apostrophe. Of a Markdown
    /// link its words are kept, since it leads to a file beside the one that it stands in.
    pub(crate) fn parse(text: &str) -> Self {
        let text = without_links(&clean(text));
        let mut spans = Vec::new();
        let mut rest = text.as_str();
        while let Some((before, (code, after))) =
            rest.split_once('`').and_then(|(before, opened)| Some((before, opened.split_once('`')?)))
        {
            push_plain(&mut spans, before);
            if !code.is_empty() {
                spans.push(Span::Code(code.to_owned()));
            }
            rest = after;
        }
        push_plain(&mut spans, rest);
        Self(spans)
    }

    /// All of it code.
    pub(crate) fn code(text: &str) -> Self {
        Self(vec![Span::Code(clean(text).replace('`', "'"))])
    }

    /// This and then `other`.
    #[must_use]
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// There is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Without a difference between prose and code.
    pub(crate) fn flat(&self) -> String {
        self.0
            .iter()
            .map(|span| match span {
                Span::Plain(text) | Span::Code(text) => text.as_str(),
            })
            .collect()
    }

    /// With backticks around code.
    pub(crate) fn marked(&self) -> String {
        let mut out = String::new();
        for span in &self.0 {
            match span {
                Span::Plain(text) => out.push_str(text),
                Span::Code(text) => out.extend(["`", text, "`"]),
            }
        }
        out
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::parse(&text)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::parse(text)
    }
}

fn push_plain(spans: &mut Vec<Span>, text: &str) {
    if !text.is_empty() {
        spans.push(Span::Plain(text.replace('`', "'")));
    }
}

/// On one line, white space folded. Control characters are taken out, those too that turn the direction of what
/// follows or cannot be seen.
pub(crate) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_whitespace() {
            if !out.ends_with(' ') {
                out.push(' ');
            }
        } else if !is_hidden(c) {
            out.push(c);
        } else {
            out.push('\u{fffd}');
        }
    }
    out.trim().to_owned()
}

/// Lines are kept, everything else is as in [`clean`]: for commands.
pub(crate) fn clean_lines(text: &str) -> String {
    let visible = |c: char| if c == '\n' || !is_hidden(c) { c } else { '\u{fffd}' };
    text.trim_end().chars().map(visible).collect()
}

fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// At most `limit` characters, with an ellipsis where something was cut off.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(limit.saturating_sub(1)).collect();
    out.push('…');
    out
}

/// `[words](target)` becomes `words`.
fn without_links(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, opened)) = rest.split_once('[') {
        out.push_str(before);
        let link = opened.split_once("](").and_then(|(words, target)| {
            let (target, after) = target.split_once(')')?;
            // no more than a catalogue writes: labels hold brackets, too
            (target.strip_suffix(".md").is_some() && !words.contains('[')).then_some((words, after))
        });
        match link {
            Some((words, after)) => {
                out.push_str(words);
                rest = after;
            }
            None => {
                out.push('[');
                rest = opened;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_told_from_prose() {
        for (text, expected) in [
            ("a `b` c", "a `b` c"),
            ("`b`", "`b`"),
            ("a ` c", "a ' c"),
            ("a `b` c ` d", "a `b` c ' d"),
            ("``", ""),
            ("line\none\u{0}\u{202e}x", "line one\u{fffd}\u{fffd}x"),
            ("see [`upload_lag`](upload_lag.md) and [x](y.md).", "see `upload_lag` and x."),
            ("rate(x[5m]) (y)", "rate(x[5m]) (y)"),
            ("[<!channel>](https://evil)", "[<!channel>](https://evil)"),
        ] {
            assert_eq!(Text::parse(text).marked(), expected, "{text:?}");
        }
        assert_eq!(Text::code("a`b\r\nc"), Text(vec![Span::Code("a'b c".to_owned())]));
        assert_eq!(cut("abcdef", 4), "abc…");
    }
}
