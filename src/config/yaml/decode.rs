//! Tree to typed values by a table of keys. Every mistake is noted; what is right is given all the same, so that
//! whoever goes on finds the next mistake.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::node::{Content, Entry, Node};
use super::scalar;
use super::table::{Effect, Key, Kind, Table};
use crate::config::mistake::{Mistakes, Place};
use crate::config::{duration, size};
use crate::model::{Secret, Selector, parse_prometheus_duration};

/// Where in a document the decoder is.
#[derive(Clone, Debug)]
pub(in crate::config) struct Reading {
    /// The file as it was named, or the flag.
    pub(in crate::config) file: Arc<str>,
    /// The path of the node.
    pub(in crate::config) path: String,
}

impl Reading {
    /// The top of a document.
    pub(in crate::config) fn top(file: &Arc<str>) -> Self {
        Self { file: Arc::clone(file), path: String::new() }
    }

    /// A key inside.
    pub(in crate::config) fn key(&self, key: &str) -> Self {
        let dot = if self.path.is_empty() || key.is_empty() { "" } else { "." };
        Self { file: Arc::clone(&self.file), path: format!("{}{dot}{key}", self.path) }
    }

    /// An item inside.
    pub(in crate::config) fn item(&self, idx: usize) -> Self {
        Self { file: Arc::clone(&self.file), path: format!("{}[{idx}]", self.path) }
    }
}

/// A mapping whose values have the types that its table demands.
pub(in crate::config) struct Section {
    reading: Reading,
    place: Place,
    slots: BTreeMap<&'static str, Slot>,
}

/// A key that was given.
struct Slot {
    place: Place,
    /// `None` where there was a mistake in it.
    value: Option<Value>,
}

enum Value {
    Text(String),
    Flag(bool),
    Integer(i64),
    Ratio(f64),
    Ms(i64),
    Bytes(u64),
    Selector(Selector),
    Texts(Vec<String>),
    Section(Section),
    Sections(Vec<Section>),
    Node(Node),
    /// Right, and nobody will ask for it.
    Checked,
}

/// Decodes a mapping by its table. Null counts as an empty mapping; `None` where the node is something else. `place`
/// is that of the node's key, or its own where it has none.
pub(in crate::config) fn decode(
    node: &Node,
    place: Place,
    keys: &[Key],
    lenient: bool,
    reading: &Reading,
    mistakes: &mut Mistakes,
) -> Option<Section> {
    if node.unresolved {
        return None;
    }
    let mut section = Section { reading: reading.clone(), place, slots: BTreeMap::new() };
    let entries: &[Entry] = match &node.content {
        Content::Mapping(entries) => entries,
        Content::Scalar { .. } if node.is_null() => &[],
        Content::Scalar { .. } | Content::Sequence(_) => {
            mistakes.add(&reading.file, place, &reading.path, format!("expected a mapping, found {}", node.kind()));
            return None;
        }
    };
    for entry in entries {
        match keys.iter().find(|key| key.name == entry.key) {
            Some(key) => section.take(key, entry, mistakes),
            None if lenient => {}
            None => mistakes.add(&reading.file, entry.place, &reading.path, unknown_key(entry, keys)),
        }
    }
    Some(section)
}

/// Says that a key is not known, and which one was probably meant.
fn unknown_key(entry: &Entry, keys: &[Key]) -> String {
    let lower = entry.key.to_lowercase();
    let distances = keys.iter().map(|key| (strsim::osa_distance(&lower, key.name), key.name));
    let nearest = distances.min().filter(|(distance, name)| *distance <= 1 + name.len() / 4);
    // what is nearly a known key is one, however it is written
    let named = if entry.quotable { format!("unknown key `{}`", entry.key) } else { "unknown key".to_owned() };
    match nearest {
        Some((_, name)) => format!("{named}; did you mean `{name}`?"),
        None => named,
    }
}

impl Section {
    fn take(&mut self, key: &Key, entry: &Entry, mistakes: &mut Mistakes) {
        // a key that is given twice has been reported; the first one counts
        if self.slots.contains_key(key.name) {
            return;
        }
        let reading = self.reading.key(key.name);
        let place = entry.place;
        if let Effect::Refused(reason) = key.effect {
            if !entry.value.is_empty() {
                mistakes.add(&reading.file, place, &reading.path, format!("{reason}; remove it"));
            }
            return;
        }
        if entry.value.is_null() {
            return;
        }
        let value = if entry.value.unresolved {
            None
        } else {
            match value(&entry.value, place, key.kind, &reading, mistakes) {
                Ok(value) => value,
                Err(expected) => {
                    mistakes.add(&reading.file, place, &reading.path, expected);
                    None
                }
            }
        };
        self.slots.insert(key.name, Slot { place, value });
    }

    fn value(&self, name: &str) -> Option<&Value> {
        self.slots.get(name)?.value.as_ref()
    }

    /// Text; empty where there is none.
    pub(in crate::config) fn text(&self, name: &str) -> String {
        match self.value(name) {
            Some(Value::Text(text)) => text.clone(),
            _ => String::new(),
        }
    }

    /// A secret; empty where there is none.
    pub(in crate::config) fn secret(&self, name: &str) -> Secret {
        Secret::new(self.text(name))
    }

    /// A truth value.
    pub(in crate::config) fn flag(&self, name: &str) -> Option<bool> {
        match self.value(name) {
            Some(Value::Flag(flag)) => Some(*flag),
            _ => None,
        }
    }

    /// A whole number.
    pub(in crate::config) fn integer(&self, name: &str) -> Option<i64> {
        match self.value(name) {
            Some(Value::Integer(number)) => Some(*number),
            _ => None,
        }
    }

    /// A number.
    pub(in crate::config) fn ratio(&self, name: &str) -> Option<f64> {
        match self.value(name) {
            Some(Value::Ratio(number)) => Some(*number),
            _ => None,
        }
    }

    /// A duration or interval in ms.
    pub(in crate::config) fn ms(&self, name: &str) -> Option<i64> {
        match self.value(name) {
            Some(Value::Ms(ms)) => Some(*ms),
            _ => None,
        }
    }

    /// A size in bytes.
    pub(in crate::config) fn bytes(&self, name: &str) -> Option<u64> {
        match self.value(name) {
            Some(Value::Bytes(bytes)) => Some(*bytes),
            _ => None,
        }
    }

    /// Matchers.
    pub(in crate::config) fn selector(&self, name: &str) -> Option<&Selector> {
        match self.value(name) {
            Some(Value::Selector(selector)) => Some(selector),
            _ => None,
        }
    }

    /// A list of texts.
    pub(in crate::config) fn texts(&self, name: &str) -> Option<&[String]> {
        match self.value(name) {
            Some(Value::Texts(texts)) => Some(texts),
            _ => None,
        }
    }

    /// A mapping inside.
    pub(in crate::config) fn section(&self, name: &str) -> Option<&Self> {
        match self.value(name) {
            Some(Value::Section(section)) => Some(section),
            _ => None,
        }
    }

    /// The mappings of a list inside; those with mistakes are there too, as far as they are right.
    pub(in crate::config) fn sections(&self, name: &str) -> &[Self] {
        match self.value(name) {
            Some(Value::Sections(sections)) => sections,
            _ => &[],
        }
    }

    /// A list was given, and nothing is in it.
    pub(in crate::config) fn is_empty_list(&self, name: &str) -> bool {
        matches!(self.value(name), Some(Value::Sections(sections)) if sections.is_empty())
    }

    /// What its reader decodes by itself.
    pub(in crate::config) fn node(&self, name: &str) -> Option<&Node> {
        match self.value(name) {
            Some(Value::Node(node)) => Some(node),
            _ => None,
        }
    }

    /// The key was given, and not as empty text. True also where its value is wrong or not known.
    pub(in crate::config) fn is_given(&self, name: &str) -> bool {
        match self.slots.get(name) {
            Some(Slot { value: Some(Value::Text(text)), .. }) => !text.is_empty(),
            Some(_) => true,
            None => false,
        }
    }

    /// Where and in what this section is.
    pub(in crate::config) const fn reading(&self) -> &Reading {
        &self.reading
    }

    /// The place of a key, or of the section where it was not given.
    pub(in crate::config) fn place(&self, name: &str) -> Place {
        self.slots.get(name).map_or(self.place, |slot| slot.place)
    }

    /// Notes a mistake of a key, at its place.
    pub(in crate::config) fn mistake(&self, mistakes: &mut Mistakes, name: &str, message: impl Into<String>) {
        let reading = self.reading.key(name);
        mistakes.add(&reading.file, self.place(name), &reading.path, message);
    }

    /// Notes a mistake if a key was not given.
    pub(in crate::config) fn require(&self, mistakes: &mut Mistakes, name: &str, what: &str) {
        if !self.is_given(name) {
            self.mistake(mistakes, name, format!("is missing: {what}"));
        }
    }
}

/// A value of the demanded kind; `Ok(None)` where the mistakes in it have been noted already, `Err` with what was
/// expected otherwise. Never repeats the value.
fn value(
    node: &Node,
    place: Place,
    kind: Kind,
    reading: &Reading,
    mistakes: &mut Mistakes,
) -> Result<Option<Value>, String> {
    let value = match kind {
        Kind::Text | Kind::Secret | Kind::File => Value::Text(text(node, "text")?.0.to_owned()),
        Kind::Flag => Value::Flag(plain(node, "true or false", scalar::boolean)?),
        Kind::Integer(min, max) => {
            let number = plain(node, "a whole number", scalar::integer)?;
            if number < min {
                return Err(format!("expected a whole number from {min}"));
            }
            if number > max {
                return Err(format!("expected a whole number up to {max}"));
            }
            Value::Integer(number)
        }
        Kind::Ratio => {
            Value::Ratio(plain(node, "a number from 0", |text| scalar::number(text).filter(|number| *number >= 0.0))?)
        }
        Kind::Duration => {
            let (text, _) = text(node, "a duration")?;
            Value::Ms(parse_prometheus_duration(text).ok_or(duration::PROMETHEUS_EXPECTED)?)
        }
        Kind::Interval => Value::Ms(duration::parse_interval(text(node, "a duration")?.0)?),
        Kind::Size => Value::Bytes(size::parse(text(node, "a size")?.0).ok_or(size::EXPECTED)?),
        Kind::Choice(words) => {
            let (text, _) = text(node, "text")?;
            if !words.contains(&text) {
                let words: Vec<&str> = words.iter().copied().filter(|word| !word.is_empty()).collect();
                return Err(format!("expected one of {}", words.join(", ")));
            }
            Value::Text(text.to_owned())
        }
        Kind::Selector => Value::Selector(Selector::parse(text(node, "PromQL matchers in quotes")?.0)?),
        Kind::Texts => texts(node, place, reading, mistakes)?,
        Kind::TextMap => text_map(node, reading, mistakes)?,
        Kind::Section(table) => {
            return Ok(decode(node, place, table.keys, table.lenient, reading, mistakes).map(Value::Section));
        }
        Kind::Sections(table) => return sections(node, table, reading, mistakes),
        Kind::Other(_) => Value::Node(node.clone()),
    };
    Ok(Some(value))
}

/// The text of a scalar and whether it is plain.
fn text<'a>(node: &'a Node, expected: &str) -> Result<(&'a str, bool), String> {
    match &node.content {
        Content::Scalar { text, plain } => Ok((text, *plain)),
        Content::Sequence(_) | Content::Mapping(_) => Err(format!("expected {expected}, found {}", node.kind())),
    }
}

/// A plain scalar with a meaning; quotes make it text, as in Thanos.
fn plain<T>(node: &Node, expected: &str, read: impl Fn(&str) -> Option<T>) -> Result<T, String> {
    let (text, is_plain) = text(node, expected)?;
    match read(text) {
        Some(value) if is_plain => Ok(value),
        Some(_) => Err(format!("expected {expected} without quotes")),
        None => Err(format!("expected {expected}")),
    }
}

fn items(node: &Node) -> Result<&[Node], String> {
    match &node.content {
        Content::Sequence(items) => Ok(items),
        Content::Scalar { .. } | Content::Mapping(_) => Err(format!("expected a list, found {}", node.kind())),
    }
}

fn texts(node: &Node, place: Place, reading: &Reading, mistakes: &mut Mistakes) -> Result<Value, String> {
    let mut texts = Vec::new();
    for (idx, item) in items(node)?.iter().enumerate() {
        match text(item, "text") {
            Ok((text, _)) if item.is_null() || text.is_empty() => {
                mistakes.add(&reading.file, item.place.max(place), &reading.item(idx).path, "is empty");
            }
            Ok((text, _)) => texts.push(text.to_owned()),
            Err(expected) => mistakes.add(&reading.file, item.place, &reading.item(idx).path, expected),
        }
    }
    Ok(Value::Texts(texts))
}

fn text_map(node: &Node, reading: &Reading, mistakes: &mut Mistakes) -> Result<Value, String> {
    let Content::Mapping(entries) = &node.content else {
        return Err(format!("expected a mapping, found {}", node.kind()));
    };
    for entry in entries {
        if let Err(expected) = text(&entry.value, "text") {
            mistakes.add(&reading.file, entry.place, &reading.path, expected);
        }
    }
    Ok(Value::Checked)
}

fn sections(
    node: &Node,
    table: &'static Table,
    reading: &Reading,
    mistakes: &mut Mistakes,
) -> Result<Option<Value>, String> {
    let items = items(node)?;
    let decoded = items
        .iter()
        .enumerate()
        .filter_map(|(idx, item)| decode(item, item.place, table.keys, table.lenient, &reading.item(idx), mistakes));
    let sections: Vec<Section> = decoded.collect();
    // a list of nothing but mistakes is not an empty list
    Ok(if sections.is_empty() && !items.is_empty() { None } else { Some(Value::Sections(sections)) })
}
