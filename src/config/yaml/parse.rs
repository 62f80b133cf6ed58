//! Text to tree: the first document, as Thanos takes it, with anchors and merge keys resolved and everything bounded.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::node::{Content, Entry, Node};
use super::source::Source;
use crate::config::mistake::{Mistakes, Place};

/// Values nested deeper than this are no configuration.
const MAX_DEPTH: usize = 32;
/// More values than this, aliases expanded, are no configuration.
const MAX_NODES: usize = 50_000;

/// Parses the first document. An empty one is null. `None` where the text is no YAML, which has been reported then.
pub(in crate::config) fn parse(source: &Source, mistakes: &mut Mistakes) -> Option<Node> {
    let mut builder = Builder {
        source,
        stack: Vec::new(),
        anchors: BTreeMap::new(),
        nodes: 0,
        root: None,
        start: Place { line: 1, column: 1 },
    };
    let result = builder.run(mistakes);
    if let Err((place, message)) = result {
        mistakes.add(&source.file, place, "", message);
        return None;
    }
    let empty = Content::Scalar { text: String::new(), plain: true };
    let root = builder.root.unwrap_or(Node { place: builder.start, content: empty, unresolved: false });
    report_duplicates(source, &root, "", mistakes);
    Some(root)
}

/// A mistake after which nothing can be read.
type Fatal = (Place, String);

struct Builder<'s> {
    source: &'s Source,
    stack: Vec<Frame>,
    /// Complete nodes by anchor, with their weight.
    anchors: BTreeMap<usize, (Node, Weight)>,
    nodes: usize,
    root: Option<Node>,
    start: Place,
}

/// A list or mapping that is not complete.
struct Frame {
    anchor: usize,
    /// In characters of the expanded text.
    start: usize,
    weight: Weight,
    open: Open,
}

enum Open {
    Sequence(Vec<Node>),
    Mapping { entries: Vec<Entry>, key: Option<(String, Place, bool)> },
}

/// How much a node holds, itself included.
#[derive(Clone, Copy)]
struct Weight {
    nodes: usize,
    depth: usize,
}

impl Builder<'_> {
    fn run(&mut self, mistakes: &mut Mistakes) -> Result<(), Fatal> {
        let mut parser = Parser::new_from_str(&self.source.text);
        while let Some(next) = parser.next_event() {
            let (event, span) = next.map_err(|error| {
                let place = self.source.place(error.marker().index());
                (place, format!("is not valid YAML: {}", without_content(error.info())))
            })?;
            let done = matches!(event, Event::DocumentEnd | Event::StreamEnd);
            self.take(event, span, mistakes)?;
            if done {
                break;
            }
        }
        Ok(())
    }

    fn take(&mut self, event: Event<'_>, span: Span, mistakes: &mut Mistakes) -> Result<(), Fatal> {
        let range = span.start.index()..span.end.index();
        let place = self.source.place(range.start);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {}
            Event::Alias(anchor) => {
                let Some((node, weight)) = self.anchors.get(&anchor).cloned() else {
                    return Err((place, "an alias refers to a value that it is part of".to_owned()));
                };
                self.nodes = self.nodes.saturating_add(weight.nodes);
                self.complete(node, weight, 0, &range)?;
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = self.is_plain(style, tag.as_ref(), place, mistakes);
                let content = Content::Scalar { text: text.into_owned(), plain };
                let node = Node { place, content, unresolved: self.source.is_unresolved(&range) };
                self.complete(node, Weight { nodes: 1, depth: 1 }, anchor, &range)?;
            }
            Event::SequenceStart(anchor, _) => self.push(anchor, range.start, Open::Sequence(Vec::new()))?,
            Event::MappingStart(anchor, _) => {
                self.push(anchor, range.start, Open::Mapping { entries: Vec::new(), key: None })?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(frame) = self.stack.pop() else { return Ok(()) };
                let content = match frame.open {
                    Open::Sequence(items) => Content::Sequence(items),
                    Open::Mapping { entries, .. } => Content::Mapping(self.merge(entries, mistakes)),
                };
                let node = Node { place: self.source.place(frame.start), content, unresolved: false };
                self.complete(node, frame.weight, frame.anchor, &(frame.start..frame.start))?;
            }
        }
        Ok(())
    }

    fn push(&mut self, anchor: usize, start: usize, open: Open) -> Result<(), Fatal> {
        if self.stack.len() >= MAX_DEPTH {
            return Err((self.source.place(start), format!("values are nested deeper than {MAX_DEPTH} levels")));
        }
        self.stack.push(Frame { anchor, start, weight: Weight { nodes: 1, depth: 1 }, open });
        Ok(())
    }

    /// Puts a complete node where it belongs. `range` is where it, or the alias for it, is written.
    fn complete(&mut self, node: Node, weight: Weight, anchor: usize, range: &Range<usize>) -> Result<(), Fatal> {
        let place = self.source.place(range.start);
        if self.stack.len() + weight.depth > MAX_DEPTH {
            return Err((place, format!("values are nested deeper than {MAX_DEPTH} levels")));
        }
        self.nodes = self.nodes.saturating_add(1);
        if self.nodes > MAX_NODES {
            return Err((place, format!("there are more than {MAX_NODES} values, aliases expanded")));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), weight));
        }
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        frame.weight.nodes = frame.weight.nodes.saturating_add(weight.nodes);
        frame.weight.depth = frame.weight.depth.max(weight.depth + 1);
        match &mut frame.open {
            Open::Sequence(items) => items.push(node),
            Open::Mapping { entries, key } => match key.take() {
                Some((key, place, quotable)) => entries.push(Entry { key, place, quotable, value: node }),
                None => {
                    let Content::Scalar { text, .. } = node.content else {
                        return Err((place, format!("expected a key, found {}", node.kind())));
                    };
                    let quotable = looks_like_key(&text) && !self.source.is_inserted(range);
                    *key = Some((text, place, quotable));
                }
            },
        }
        Ok(())
    }

    /// Whether the text of a scalar may be a number or the like.
    fn is_plain(&self, style: ScalarStyle, tag: Option<&Cow<'_, Tag>>, place: Place, mistakes: &mut Mistakes) -> bool {
        let Some(tag) = tag else { return style == ScalarStyle::Plain };
        match (tag.is_yaml_core_schema(), tag.suffix.as_str()) {
            (true, "null" | "bool" | "int" | "float") => true,
            // a lone `!` makes a text of whatever follows
            (true, "str") | (false, "" | "!") => false,
            _ => {
                mistakes.add(&self.source.file, place, "", "only the tags !!str !!bool !!int !!float !!null are known");
                false
            }
        }
    }

    /// Resolves `<<`: what is given beside it wins, then what is merged first.
    fn merge(&self, entries: Vec<Entry>, mistakes: &mut Mistakes) -> Vec<Entry> {
        let is_merge = |entry: &Entry| entry.key == "<<";
        if !entries.iter().any(is_merge) {
            return entries;
        }
        let (merges, mut merged): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(is_merge);
        for entry in merges {
            let sources = match entry.value.content {
                Content::Sequence(items) => items,
                Content::Scalar { .. } | Content::Mapping(_) => vec![entry.value],
            };
            for source in sources {
                let Content::Mapping(others) = source.content else {
                    mistakes.add(&self.source.file, entry.place, "<<", "expected a mapping or a list of mappings");
                    continue;
                };
                for other in others {
                    if !merged.iter().any(|known| known.key == other.key) {
                        merged.push(other);
                    }
                }
            }
        }
        merged
    }
}

/// A key in every file that we read: lower case with underscores, dots or dashes. Anything else may be a part of a
/// secret that lost its quotes, and is not repeated.
fn looks_like_key(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.' | '-');
    !text.is_empty() && text.len() <= 40 && text.chars().all(allowed)
}

/// The scanner's message without the one character of the file that one of its messages repeats.
fn without_content(info: &str) -> &str {
    info.split_once(": `").map_or(info, |(message, _)| message)
}

/// A key that is given twice is a mistake wherever it stands, even where unknown keys are not.
fn report_duplicates(source: &Source, node: &Node, path: &str, mistakes: &mut Mistakes) {
    match &node.content {
        Content::Scalar { .. } => {}
        Content::Sequence(items) => {
            for (idx, item) in items.iter().enumerate() {
                report_duplicates(source, item, &format!("{path}[{idx}]"), mistakes);
            }
        }
        Content::Mapping(entries) => {
            let mut seen = BTreeMap::new();
            for entry in entries {
                let name = if entry.quotable { entry.key.as_str() } else { "…" };
                let dot = if path.is_empty() { "" } else { "." };
                let inner = format!("{path}{dot}{name}");
                if let Some(line) = seen.insert(&entry.key, entry.place.line) {
                    mistakes.add(&source.file, entry.place, &inner, format!("is given twice, first in line {line}"));
                }
                report_duplicates(source, &entry.value, &inner, mistakes);
            }
        }
    }
}
