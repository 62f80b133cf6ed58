//! JSON as Go's `encoding/json` reads it: keys in any case, `null` as absent, the last of equal keys, and a value of
//! another type as an error that says where.

use ulid::Ulid;

use super::tree::{Object, Value};
use crate::model::{MetaProblem, MetaProblemKind, TimestampMs, parse_ulid};

/// Reads one document and collects what is wrong with it.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) problems: Vec<MetaProblem>,
}

impl Reader {
    /// Notes a problem.
    pub(super) fn note(&mut self, kind: MetaProblemKind, text: String) {
        self.problems.push(MetaProblem { kind, text });
    }

    fn wrong_type(&mut self, path: &str, expected: &str) {
        self.note(MetaProblemKind::Unparsable, format!("`{path}` is not {expected}"));
    }

    /// The top-level object.
    pub(super) fn document<'b>(&mut self, bytes: &'b [u8]) -> Option<Object<'b>> {
        if bytes.is_empty() {
            self.note(MetaProblemKind::Unparsable, "the file is empty".to_owned());
            return None;
        }
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(object)) => Some(object),
            Ok(_) => {
                self.note(MetaProblemKind::Unparsable, "the file does not hold a JSON object".to_owned());
                None
            }
            Err(error) => {
                // the library's text may quote content; the place is all that is needed
                let class = if error.is_eof() { "ends early" } else { "is not valid JSON" };
                let place = format!("at line {} column {}", error.line(), error.column());
                self.note(MetaProblemKind::Unparsable, format!("the file {class} {place}"));
                None
            }
        }
    }

    /// The value at `key` as `read` sees it; absent and `null` are `None`, another type is noted.
    fn typed<'a, T>(
        &mut self,
        parent: &'a Object<'a>,
        key: &str,
        path: &str,
        expected: &str,
        read: impl Fn(&'a Value<'a>) -> Option<T>,
    ) -> Option<T> {
        let value = parent.get(key).filter(|value| !value.is_null())?;
        let typed = read(value);
        if typed.is_none() {
            self.wrong_type(path, expected);
        }
        typed
    }

    /// The object at `key`.
    pub(super) fn object<'a>(&mut self, parent: &'a Object<'a>, key: &str, path: &str) -> Option<&'a Object<'a>> {
        self.typed(parent, key, path, "an object", Value::as_object)
    }

    /// The array at `key`; empty when absent.
    pub(super) fn array<'a>(&mut self, parent: &'a Object<'a>, key: &str, path: &str) -> &'a [Value<'a>] {
        self.typed(parent, key, path, "an array", Value::as_array).unwrap_or_default()
    }

    /// The text at `key`.
    pub(super) fn text<'a>(&mut self, parent: &'a Object<'a>, key: &str, path: &str) -> Option<&'a str> {
        self.typed(parent, key, path, "a string", Value::as_str)
    }

    /// The signed 64-bit number at `key`.
    pub(super) fn integer(&mut self, parent: &Object<'_>, key: &str, path: &str) -> Option<i64> {
        self.typed(parent, key, path, "a whole number", Value::as_i64)
    }

    /// The unsigned 64-bit number at `key`.
    pub(super) fn unsigned(&mut self, parent: &Object<'_>, key: &str, path: &str) -> Option<u64> {
        self.typed(parent, key, path, "a whole number from 0", Value::as_u64)
    }

    /// The truth value at `key`; `false` when absent.
    pub(super) fn boolean(&mut self, parent: &Object<'_>, key: &str, path: &str) -> bool {
        self.typed(parent, key, path, "true or false", Value::as_bool).unwrap_or(false)
    }

    /// A ULID.
    pub(super) fn ulid(&mut self, value: &Value<'_>, path: &str) -> Option<Ulid> {
        let ulid = value.as_str().and_then(parse_ulid);
        if ulid.is_none() {
            self.wrong_type(path, "a ULID");
        }
        ulid
    }

    /// An array of ULIDs.
    pub(super) fn ulids(&mut self, parent: &Object<'_>, key: &str, path: &str) -> Box<[Ulid]> {
        let items = self.array(parent, key, path);
        items.iter().filter_map(|item| self.ulid(item, path)).collect()
    }

    /// A moment in whole seconds since the epoch.
    pub(super) fn seconds(&mut self, parent: &Object<'_>, key: &str) -> Option<TimestampMs> {
        let seconds = self.integer(parent, key, key)?;
        Some(TimestampMs(seconds.saturating_mul(1_000)))
    }

    /// Notes a `version` other than 1.
    pub(super) fn version_one(&mut self, document: &Object<'_>) {
        match self.integer(document, "version", "version") {
            Some(1) => {}
            Some(other) => self.note(MetaProblemKind::Version, format!("`version` is {other}, not 1")),
            None => self.note(MetaProblemKind::Version, "`version` is missing".to_owned()),
        }
    }
}
