//! YAML as a tree in which everything has a place, and a decoder that reports all mistakes at once.
//!
//! Why not serde: it stops at the first mistake, quotes the offending value (which may be a secret), loses places in
//! buffered types, and decides by itself that `access_key: 0123` is a number. Files whose author is the project
//! (`alerts/*.yaml`) have none of these problems and are read with `serde_yaml`.

mod decode;
mod node;
mod parse;
mod scalar;
mod source;
mod table;

pub(super) use decode::{Reading, Section, decode};
pub(super) use node::{Content, Entry, Node};
pub(super) use parse::parse;
pub(super) use scalar::number;
pub(super) use source::Source;
pub(super) use table::{Effect, Key, Kind, Table};
