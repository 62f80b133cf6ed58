//! The tree.

use std::fmt;

use crate::config::mistake::Place;

/// A value with its place.
#[derive(Clone)]
pub(in crate::config) struct Node {
    /// Where it begins.
    pub(in crate::config) place: Place,
    /// What it is.
    pub(in crate::config) content: Content,
    /// It holds a `$(VARIABLE)` that is not set. That has been reported; what the text would be is not known.
    pub(in crate::config) unresolved: bool,
}

/// What a node is.
#[derive(Clone)]
pub(in crate::config) enum Content {
    /// Text as it was written, and whether it was written plain, so that it may also be a number or the like.
    Scalar { text: String, plain: bool },
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values, in the order of the file; merge keys are resolved.
    Mapping(Vec<Entry>),
}

/// One key and its value.
#[derive(Clone)]
pub(in crate::config) struct Entry {
    /// The key.
    pub(in crate::config) key: String,
    /// Where the key begins.
    pub(in crate::config) place: Place,
    /// It may be repeated in a message: it looks like a key and did not come from the environment.
    pub(in crate::config) quotable: bool,
    /// The value.
    pub(in crate::config) value: Node,
}

/// Values may be secrets.
impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}:{}", self.kind(), self.place.line, self.place.column)
    }
}

impl Node {
    /// What it is, for messages.
    pub(in crate::config) const fn kind(&self) -> &'static str {
        match self.content {
            Content::Scalar { .. } => "a single value",
            Content::Sequence(_) => "a list",
            Content::Mapping(_) => "a mapping",
        }
    }

    /// Nothing was given: `key:` or `key: null`.
    pub(in crate::config) fn is_null(&self) -> bool {
        match &self.content {
            Content::Scalar { text, plain } => *plain && super::scalar::is_null(text),
            Content::Sequence(_) | Content::Mapping(_) => false,
        }
    }

    /// Nothing is in it: null, empty text, an empty list or mapping.
    pub(in crate::config) fn is_empty(&self) -> bool {
        match &self.content {
            Content::Scalar { text, .. } => self.is_null() || text.is_empty(),
            Content::Sequence(items) => items.is_empty(),
            Content::Mapping(entries) => entries.is_empty(),
        }
    }
}
