//! A document's text: environment variables filled in, with the way back from every character to its place in the
//! file as it was written.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::config::mistake::{Mistakes, Place};
use crate::model::Environment;

/// Text that is ready to be parsed.
pub(in crate::config) struct Source {
    /// The file as it was named, or the flag that held the text.
    pub(in crate::config) file: Arc<str>,
    /// With variables filled in.
    pub(super) text: String,
    /// Where each line of the original begins, in characters.
    line_starts: Vec<usize>,
    /// What was filled in, in ascending order.
    insertions: Vec<Insertion>,
}

/// A variable's value in place of its reference, both in characters.
struct Insertion {
    expanded: Range<usize>,
    original: Range<usize>,
    resolved: bool,
}

/// The text may hold secrets.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the text of {}", self.file)
    }
}

impl Source {
    /// Fills in `$(VARIABLE)` wherever it stands, in comments too, verbatim and before anything is parsed, as Thanos
    /// does (`efficientgo/tools/extkingpin`). There is no escape, and `$VARIABLE` and `${VARIABLE}` mean nothing. A
    /// variable that is not set is a mistake; an empty one is not.
    pub(in crate::config) fn new(
        file: Arc<str>,
        bytes: &[u8],
        environment: &Environment,
        mistakes: &mut Mistakes,
    ) -> Option<Self> {
        let written = written(&file, bytes, mistakes)?;
        let line_starts = line_starts(written);
        let mut source = Self { file, text: String::with_capacity(written.len()), line_starts, insertions: Vec::new() };
        let mut rest = written;
        let mut original = 0;
        let mut expanded = 0;
        while let Some((before, name, after)) = next_reference(rest) {
            source.text.push_str(before);
            original += before.chars().count();
            expanded += before.chars().count();
            // `$(`, the name, which is ASCII, and `)`
            let reference = original..original + name.len() + 3;
            let value = environment.get(name);
            if value.is_none() {
                let message = format!("environment variable `{name}` is not set: set it or remove $({name})");
                mistakes.add(&source.file, source.place_in_original(original), "", message);
            }
            let unset = format!("$({name})");
            let filled = value.unwrap_or(&unset);
            source.text.push_str(filled);
            let end = expanded + filled.chars().count();
            original = reference.end;
            source.insertions.push(Insertion {
                expanded: expanded..end,
                original: reference,
                resolved: value.is_some(),
            });
            expanded = end;
            rest = after;
        }
        source.text.push_str(rest);
        Some(source)
    }

    /// The text as it is: variables mean nothing.
    pub(in crate::config) fn verbatim(file: Arc<str>, bytes: &[u8], mistakes: &mut Mistakes) -> Option<Self> {
        let written = written(&file, bytes, mistakes)?;
        let line_starts = line_starts(written);
        Some(Self { file, text: written.to_owned(), line_starts, insertions: Vec::new() })
    }

    /// The place of a character of the expanded text in the file as it was written. All of an inserted value is at
    /// the place of its reference.
    pub(super) fn place(&self, expanded: usize) -> Place {
        let after = self.insertions.partition_point(|insertion| insertion.expanded.start <= expanded);
        let original = match after.checked_sub(1).and_then(|idx| self.insertions.get(idx)) {
            None => expanded,
            Some(insertion) if expanded < insertion.expanded.end => insertion.original.start,
            Some(insertion) => insertion.original.end + (expanded - insertion.expanded.end),
        };
        self.place_in_original(original)
    }

    fn place_in_original(&self, original: usize) -> Place {
        let line = self.line_starts.partition_point(|start| *start <= original);
        let start = line.checked_sub(1).and_then(|idx| self.line_starts.get(idx)).copied().unwrap_or_default();
        Place { line: line.max(1), column: original.saturating_sub(start) + 1 }
    }

    /// Some of these characters came from the environment.
    pub(super) fn is_inserted(&self, expanded: &Range<usize>) -> bool {
        self.overlapping(expanded).next().is_some()
    }

    /// Some of these characters should have come from the environment and did not.
    pub(super) fn is_unresolved(&self, expanded: &Range<usize>) -> bool {
        self.overlapping(expanded).any(|insertion| !insertion.resolved)
    }

    fn overlapping<'a>(&'a self, expanded: &'a Range<usize>) -> impl Iterator<Item = &'a Insertion> {
        let from = self.insertions.partition_point(|insertion| insertion.expanded.end <= expanded.start);
        let rest = self.insertions.iter().skip(from);
        rest.take_while(|insertion| insertion.expanded.start < expanded.end)
    }
}

/// The text of a file, without a byte order mark.
fn written<'a>(file: &Arc<str>, bytes: &'a [u8], mistakes: &mut Mistakes) -> Option<&'a str> {
    let Ok(written) = std::str::from_utf8(bytes) else {
        mistakes.add_file(file, "is not UTF-8 text");
        return None;
    };
    Some(written.strip_prefix('\u{feff}').unwrap_or(written))
}

/// The next `$(NAME)`: what is before it, the name, what is after it.
fn next_reference(text: &str) -> Option<(&str, &str, &str)> {
    for (at, _) in text.match_indices("$(") {
        let (before, reference) = text.split_at_checked(at)?;
        let inside = reference.strip_prefix("$(")?;
        let end = inside.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let Some((name, tail)) = end.and_then(|end| inside.split_at_checked(end)) else { continue };
        if let Some(after) = tail.strip_prefix(')').filter(|_| !name.is_empty()) {
            return Some((before, name, after));
        }
    }
    None
}

/// Where lines begin, in characters; a line ends with LF, CR LF or CR.
fn line_starts(text: &str) -> Vec<usize> {
    let mut starts = vec![0];
    let mut chars = text.chars().enumerate().peekable();
    while let Some((idx, c)) = chars.next() {
        let ends = match c {
            '\n' => true,
            '\r' => chars.peek().is_none_or(|(_, next)| *next != '\n'),
            _ => false,
        };
        if ends {
            starts.push(idx + 1);
        }
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConfigErrors;

    fn expand(text: &str) -> (Source, Vec<String>) {
        let environment = [("A", "1\n2\n3"), ("EMPTY", ""), ("É", "no")].into_iter().collect();
        let mut mistakes = Mistakes::default();
        let source = Source::new("f".into(), text.as_bytes(), &environment, &mut mistakes).unwrap();
        let mistakes = mistakes.finish(()).err();
        (source, mistakes.iter().flat_map(ConfigErrors::mistakes).map(ToString::to_string).collect())
    }

    #[test]
    fn variables_are_filled_in_verbatim_wherever_they_stand() {
        for (text, expected) in [
            ("a: $(A)", "a: 1\n2\n3"),
            ("# $(EMPTY)$(EMPTY)", "# "),
            ("$A ${A} $( A) $() $(É) $(A", "$A ${A} $( A) $() $(É) $(A"),
            ("$($(EMPTY))", "$()"),
            ("\u{feff}x", "x"),
        ] {
            let (source, mistakes) = expand(text);
            assert_eq!((source.text.as_str(), mistakes.len()), (expected, 0), "{text}");
        }
    }

    #[test]
    fn places_are_those_of_the_file_as_it_was_written() {
        let (source, mistakes) = expand("é: $(A) b\nc: $(A)$(NO)\r\nd\re");
        assert_eq!(mistakes, ["f:2:8: environment variable `NO` is not set: set it or remove $(NO)"]);
        let found: Vec<_> = source.text.chars().enumerate().map(|(idx, c)| (c, source.place(idx))).collect();
        let at = |wanted| found.iter().find(|(c, _)| *c == wanted).map(|(_, place)| (place.line, place.column));
        assert_eq!(
            ['é', '3', 'b', 'c', 'N', 'd', 'e'].map(at),
            [(1, 1), (1, 4), (1, 9), (2, 1), (2, 8), (3, 1), (4, 1)].map(Some)
        );
    }
}
