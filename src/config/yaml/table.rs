//! What a mapping may hold, as data: the decoder and the generated documentation read the same tables.

/// The keys of one mapping.
#[derive(Debug)]
pub(in crate::config) struct Table {
    /// In the order of the documentation.
    pub(in crate::config) keys: &'static [Key],
    /// Keys that are not in the table are passed over, as Thanos does for some storage types.
    pub(in crate::config) lenient: bool,
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) struct Key {
    /// As it is written.
    pub(in crate::config) name: &'static str,
    /// What its value has to be.
    pub(in crate::config) kind: Kind,
    /// What is done with it.
    pub(in crate::config) effect: Effect,
    /// The default, as a user would write it; empty = none.
    pub(in crate::config) default: &'static str,
    /// One or two sentences for `docs/configuration.md`.
    pub(in crate::config) help: &'static str,
}

/// What is done with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum Effect {
    /// It is used.
    Used,
    /// It is accepted, so that a file of Thanos works as it is, and changes nothing, for this reason.
    Idle(&'static str),
    /// It is refused unless it is empty, for this reason.
    Refused(&'static str),
}

/// What a value has to be.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) enum Kind {
    /// Any single value, taken as it is written.
    Text,
    /// The same, and never shown.
    Secret,
    /// The path of a file.
    File,
    /// A truth value of YAML 1.1.
    Flag,
    /// A whole number between these two.
    Integer(i64, i64),
    /// A number that is not negative.
    Ratio,
    /// A duration in Prometheus' grammar.
    Duration,
    /// A duration in humantime's grammar.
    Interval,
    /// A number of bytes with its unit.
    Size,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `PromQL` matchers.
    Selector,
    /// A list of single values.
    Texts,
    /// A mapping from any key to single values.
    TextMap,
    /// A mapping.
    Section(&'static Table),
    /// A list of mappings.
    Sections(&'static Table),
    /// Something that its reader decodes by itself; the text says what, for the documentation.
    Other(&'static str),
}

impl Kind {
    /// In words, for the documentation.
    pub(in crate::config) fn describe(&self) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::Secret => "text, secret".to_owned(),
            Self::File => "path of a file".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Integer(..) => "whole number".to_owned(),
            Self::Ratio => "number".to_owned(),
            Self::Duration => "duration".to_owned(),
            Self::Interval => "interval".to_owned(),
            Self::Size => "size".to_owned(),
            Self::Choice(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
            Self::Selector => "matchers".to_owned(),
            Self::Texts => "list of texts".to_owned(),
            Self::TextMap => "mapping of texts".to_owned(),
            Self::Section(_) => "mapping".to_owned(),
            Self::Sections(_) => "list of mappings".to_owned(),
            Self::Other(what) => (*what).to_owned(),
        }
    }
}

impl Key {
    /// A key that is used.
    pub(in crate::config) const fn new(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        help: &'static str,
    ) -> Self {
        Self { name, kind, effect: Effect::Used, default, help }
    }

    /// A key that is accepted and changes nothing.
    pub(in crate::config) const fn idle(name: &'static str, kind: Kind, reason: &'static str) -> Self {
        Self { name, kind, effect: Effect::Idle(reason), default: "", help: "" }
    }

    /// A key that is refused.
    pub(in crate::config) const fn refused(name: &'static str, kind: Kind, reason: &'static str) -> Self {
        Self { name, kind, effect: Effect::Refused(reason), default: "", help: "" }
    }
}
